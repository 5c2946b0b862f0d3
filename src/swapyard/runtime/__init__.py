"""What acts: the engine performs the core's decisions, supervisors own the processes.

engine        the only interpreter of the scheduler's commands; what `proxy`, `api` and `app` talk to
launchpad     how a model of one configuration is run: launch specification, connection pool, grace
supervisor    one task per run: spawn, readiness, stop, the end of its whole tree
readiness     asks a server until it answers 200
process       the tree of a launched command: who belongs to it, how it is signalled (with procfs, windows)
listeners     who else listens on a port
last_words    the last lines of output, for error messages
launchers     where runs live; `local` is this machine
policy        what the scheduler needs to know of a configuration
strategies    planners and schedulers of other packages; changeover: one scheduler follows another
loads         a load for its own sake: preload, or by hand
wording       why a run is stopped or a ticket refused, in words
threads       work that may block
"""
