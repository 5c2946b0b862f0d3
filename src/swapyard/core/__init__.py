"""Who runs, who is served, who waits: decided here, and nowhere else. Pure: no sockets, processes, clocks, files or logs.

    messages.py    the words exchanged with the engine: events in, commands out; the policy
    scheduler.py   `Scheduler.handle(event, now)`, one method per event, and questions about the state
    placement.py   what becomes of waiting tickets: grants, loads, stops; idleness
    queue.py       who waits, in which order, and whom to look at
    room.py        who is here and who must go for whom; loads that collide
    fairness.py    who has waited too long, and whom that holds back
    records.py     what all of these remember
    lifecycle.py   which steps a run can take
    planners/      who must go for whom, by groups or by a matrix; `matrix.py` is the matrix's set language, `families.py`
                   what its expressions amount to
    strategies.py  what planners and schedulers of other packages have to be

`runtime.engine` is the only caller of the scheduler. Times are seconds, handed in.
"""
