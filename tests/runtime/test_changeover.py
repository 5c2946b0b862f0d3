"""One scheduler follows another while requests are served and wait."""

from __future__ import annotations

from swapyard.core.messages import (
    Arrived,
    BecameReady,
    Command,
    Event,
    Exited,
    Grant,
    Left,
    ModelPolicy,
    Moved,
    Policy,
    PolicyChanged,
    RefusalReason,
    Refuse,
    ShutdownAsked,
    Start,
    Stop,
    StopReason,
    UnloadAsked,
)
from swapyard.core.scheduler import Scheduler
from swapyard.core.strategies import Scheduler as AnyScheduler
from swapyard.runtime.changeover import Changeover


class Apart:
    """One model at a time."""

    def evict(self, model: str, running: object) -> list[str]:
        return [name for name in running if name != model]  # type: ignore[attr-defined]


POLICY = Policy({name: ModelPolicy() for name in "abc"}, Apart(), max_wait=0, max_queue=2)


class Engine:
    """What the changeover needs of one."""

    def __init__(self, *events: Event) -> None:
        self.made = 0
        self.scheduler: AnyScheduler = Scheduler(POLICY)
        for event in events:
            self.scheduler.handle(event, 0)

    def change(self) -> list[Command]:
        self.scheduler = Changeover(self.scheduler, POLICY, self.make, self.over)
        return self.scheduler.handle(PolicyChanged(POLICY), 1)

    def make(self, policy: Policy) -> AnyScheduler:
        self.made += 1
        return Scheduler(Policy(policy.models, policy.planner, max_wait=0, last_run=7))

    def over(self, scheduler: AnyScheduler) -> None:
        self.scheduler = scheduler

    def feed(self, event: Event) -> list[Command]:
        return self.scheduler.handle(event, 2)


def test_an_idle_scheduler_is_followed_at_once() -> None:
    engine = Engine()
    assert engine.change() == []
    assert isinstance(engine.scheduler, Scheduler)
    assert engine.feed(Arrived(1, "a")) == [Start(8, "a")]  # run ids go on


def test_what_is_served_and_what_waits_ends_first_and_what_comes_meanwhile_waits() -> None:
    engine = Engine(Arrived(1, "a"), BecameReady(1), Arrived(2, "b"))
    assert engine.change() == []
    assert engine.feed(Arrived(3, "a")) == [Moved(3, 2)]  # though a is ready; b is first
    assert engine.feed(Arrived(4, "c")) == [Moved(4, 3)]
    assert (engine.scheduler.waiting("a"), engine.scheduler.reserved("a"), engine.scheduler.serving("a")) == (1, 2, 1)
    assert engine.scheduler.positions() == {2: 1, 3: 2, 4: 3}
    assert engine.feed(Left(1)) == [Stop(1)]
    assert engine.feed(Exited(1)) == [Start(2, "b")]
    assert engine.feed(BecameReady(2)) == [Grant(2, 2)]
    assert engine.made == 0
    assert engine.feed(Left(2)) == [Stop(2, StopReason.UNLOADED)]
    assert engine.feed(Exited(2)) == [Start(8, "a"), Moved(4, 1)]
    assert isinstance(engine.scheduler, Scheduler)
    assert engine.feed(BecameReady(8)) == [Grant(3, 8)]


def test_idle_runs_are_stopped_and_seen_gone_before_the_next_scheduler_starts_any() -> None:
    engine = Engine(Arrived(1, "a"), BecameReady(1), Left(1))
    assert engine.change() == [Stop(1, StopReason.UNLOADED)]
    assert engine.feed(Arrived(2, "a")) == [Moved(2, 1)]
    assert engine.feed(Exited(1)) == [Start(8, "a")]


def busy() -> Engine:
    engine = Engine(Arrived(1, "a"), BecameReady(1))
    engine.change()
    return engine


def test_who_leaves_while_held_is_forgotten() -> None:
    engine = busy()
    engine.feed(Arrived(2, "b"))
    assert engine.feed(Left(2)) == []
    engine.feed(Left(1))
    assert engine.feed(Exited(1)) == []


def test_held_tickets_are_refused_as_waiting_ones_are() -> None:
    engine = busy()
    assert engine.feed(Arrived(2, "gone")) == [Refuse(2, RefusalReason.UNKNOWN_MODEL)]
    assert [type(engine.feed(Arrived(ticket, "b"))[0]) for ticket in (3, 4, 5)] == [Moved, Moved, Refuse]
    assert engine.scheduler.is_full("b")
    engine.feed(Arrived(6, "c"))
    assert engine.feed(UnloadAsked(frozenset("b"))) == [Refuse(ticket, RefusalReason.UNLOADED) for ticket in (3, 4)]
    fewer = Policy({"a": ModelPolicy()}, Apart(), max_wait=0)
    assert engine.feed(PolicyChanged(fewer)) == [Refuse(6, RefusalReason.UNKNOWN_MODEL)]


def test_a_shutdown_ends_the_changeover() -> None:
    engine = busy()
    engine.feed(Arrived(2, "b"))
    assert engine.feed(ShutdownAsked()) == [Refuse(2, RefusalReason.SHUTTING_DOWN)]
    assert engine.feed(Arrived(3, "b")) == [Refuse(3, RefusalReason.SHUTTING_DOWN)]
    assert engine.feed(Left(1)) == [Stop(1, StopReason.SHUTDOWN)]
    assert engine.feed(Exited(1)) == []
    assert engine.made == 0
