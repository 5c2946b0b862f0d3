"""What a planner is told about the present models: in which order they came, or in which they were last used."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from swapyard.core.messages import (
    Arrived,
    BecameReady,
    Event,
    Exited,
    Grant,
    Left,
    ModelPolicy,
    Moved,
    Policy,
    Refuse,
    Start,
    Stop,
    StopReason,
    UnloadAsked,
)
from swapyard.core.scheduler import Scheduler


class Asked:
    """Evicts as many as needed from the front, and remembers the questions. `model` itself stays."""

    def __init__(self, at_most: int, by_last_use: bool = True) -> None:
        self.by_last_use = by_last_use
        self._at_most = at_most
        self.last: dict[str, tuple[str, ...]] = {}

    def evict(self, model: str, running: Sequence[str]) -> Sequence[str]:
        self.last[model] = tuple(running)
        return () if model in running else tuple(running)[: max(len(running) + 1 - self._at_most, 0)]


def started(planner: Asked, names: str) -> Scheduler:
    """Each of `names` is loaded in turn and used for a moment, at 0, 10, 20, ... seconds. No ageing."""
    scheduler = Scheduler(Policy({name: ModelPolicy() for name in "axyz"}, planner, max_wait=0))
    for number, name in enumerate(names, 1):
        now = (number - 1) * 10
        for event in (Arrived(number, name), BecameReady(number), Left(number)):
            scheduler.handle(event, now)
    return scheduler


def use(scheduler: Scheduler, ticket: int, model: str, *, since: float, until: float) -> None:
    assert scheduler.handle(Arrived(ticket, model), since) == [Grant(ticket, scheduler.run_of(model) or 0)]
    scheduler.handle(Left(ticket), until)


@pytest.mark.parametrize(("by_last_use", "expected"), [(True, ("z", "y", "x")), (False, ("y", "x", "z"))])
def test_the_order_of_the_present_models_is_use_or_coming_and_never_the_name(
    by_last_use: bool, expected: tuple[str, ...]
) -> None:
    asked = Asked(4, by_last_use)
    scheduler = started(asked, "yxz")
    use(scheduler, 11, "x", since=30, until=60)  # the end of the use counts: x is last, though y was asked for later
    use(scheduler, 12, "y", since=40, until=50)
    scheduler.handle(Arrived(20, "a"), 100)
    assert asked.last["a"] == expected


def test_what_is_in_use_comes_after_what_is_idle(play: Callable[..., Scheduler]) -> None:
    scheduler = started(Asked(3), "xyz")
    play(
        scheduler,
        [
            (100, Arrived(11, "x"), [Grant(11, 1)]),  # the longest loaded, but busy from now on
            (101, Arrived(12, "a"), [Stop(2)]),
            (102, Exited(2), [Start(4, "a")]),
        ],
    )


def test_the_question_is_asked_anew_when_use_has_changed(play: Callable[..., Scheduler]) -> None:
    scheduler = started(Asked(2), "xy")
    steps: list[tuple[float, Event, list[object]]] = [
        (100, Arrived(11, "x"), [Grant(11, 1)]),
        (101, Arrived(12, "y"), [Grant(12, 2)]),
        (102, Arrived(13, "a"), [Moved(13, 1)]),  # both are busy
        (103, Left(12), [Stop(2)]),  # y is idle first, though x came first
        (104, Exited(2), [Start(3, "a")]),
    ]
    play(scheduler, steps)


def test_what_goes_anyway_counts_as_unused_for_longest(play: Callable[..., Scheduler]) -> None:
    scheduler = started(Asked(3), "xyz")
    play(
        scheduler,
        [
            (100, UnloadAsked(frozenset("z")), [Stop(3, StopReason.UNLOADED)]),
            (101, Arrived(11, "a"), []),  # it waits for z, and x and y stay
            (102, Exited(3), [Start(4, "a")]),
        ],
    )


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_there_are_never_more_than_the_planner_wants(seed: int) -> None:
    """Random arrivals and ends, several loads at a time: what is stopping or on its way counts."""
    dice = random.Random(seed)
    names = "abcdefgh"
    scheduler = Scheduler(Policy({name: ModelPolicy(ttl=5) for name in names}, Asked(3), max_wait=4))
    held: list[int] = []
    runs: dict[int, type[Event]] = {}  # what happens to the run next; a ready one waits for its Stop
    granted = 0
    for ticket in range(1, 800):
        due = [(run, kind) for run, kind in runs.items() if kind is not Left]
        if dice.random() < 0.4 or not (due or held):
            event: Event = Arrived(ticket, dice.choice(names))
            held.append(ticket)
        elif due and (not held or dice.random() < 0.7):
            run, kind = dice.choice(due)
            event = BecameReady(run) if kind is BecameReady else Exited(run)
            if kind is Exited:
                del runs[run]
            else:
                runs[run] = Left
        else:
            event = Left(held.pop(dice.randrange(len(held))))
        for command in scheduler.handle(event, ticket / 2):
            match command:
                case Start(run):
                    runs[run] = BecameReady
                case Stop(run):
                    runs[run] = Exited
                case Grant():
                    granted += 1
                case Refuse(refused):
                    held.remove(refused)
        assert len(runs) <= 3, (ticket, event)
    assert granted > 100


def test_nobody_waits_for_ever_for_busy_models() -> None:
    """Both places are always in use, by requests that overlap; whoever has waited for ten seconds gets the first place."""
    scheduler = Scheduler(Policy({name: ModelPolicy() for name in "axy"}, Asked(2), max_wait=10))
    for ticket, model in enumerate("xy", 1):
        scheduler.handle(Arrived(ticket, model), 0)
        scheduler.handle(BecameReady(ticket), 0)
    scheduler.handle(Arrived(3, "a"), 1)
    stopped = []
    open_tickets = {"x": 1, "y": 2}
    for now in range(2, 40):
        model = "xy"[now % 2]
        arrived, left = Arrived(100 + now, model), Left(open_tickets[model])
        open_tickets[model] = 100 + now
        for event in (arrived, left):
            stopped += [command for command in scheduler.handle(event, now) if isinstance(command, Stop)]
        if stopped:
            break
    assert stopped == [Stop(1)]
    assert now <= 14
