"""What a planner is told about the present models: in which order they came, or in which they were last used."""

from __future__ import annotations

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
