"""No ticket waits for ever: gates, turns, and what they leave alone. Times are in seconds."""

from __future__ import annotations

import heapq
from collections.abc import Callable

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
    Start,
    Stop,
    WakeAt,
    Woke,
)
from swapyard.core.scheduler import Scheduler

Play = Callable[..., Scheduler]
Policies = Callable[..., Policy]


def ready(model: str, run: int, ticket: int, now: float = 0) -> list[tuple[float, Event, list[Command]]]:
    return [(now, Arrived(ticket, model), [Start(run, model)]), (now, BecameReady(run), [Grant(ticket, run)])]


def test_overlapping_tickets_keep_another_waiting_no_longer_than_max_wait(play: Play, one: Policies) -> None:
    """Reliability row 6: llama-swap #612 and #790."""
    play(one("a b", max_wait=60), [
        *ready("a", 1, 1),
        (10, Arrived(2, "b"), [Moved(2, 1), WakeAt(70)]),
        (69, Arrived(3, "a"), [Grant(3, 1)]),
        (69, Left(1), []),
        (70, Woke(), []),
        (71, Arrived(4, "a"), [Moved(4, 2), WakeAt(131)]),
        (80, Left(3), [Stop(1)]),
        (81, Exited(1), [Start(2, "b")]),
        (82, BecameReady(2), [Grant(2, 2)]),
    ])  # fmt: skip


def test_the_bound_holds_even_if_the_wake_up_comes_late(play: Play, one: Policies) -> None:
    play(one("a b", max_wait=60), [
        *ready("a", 1, 1),
        (10, Arrived(2, "b"), [Moved(2, 1), WakeAt(70)]),
        (70, Arrived(3, "a"), [Moved(3, 2)]),
    ])  # fmt: skip


def test_turns_alternate_so_the_other_direction_does_not_starve_either(play: Play, one: Policies) -> None:
    play(one("a b", max_wait=60), [
        *ready("a", 1, 1),
        (0, Arrived(2, "b"), [Moved(2, 1), WakeAt(60)]),
        (60, Woke(), []),
        (61, Arrived(3, "a"), [Moved(3, 2), WakeAt(121)]),
        (62, Left(1), [Stop(1)]),
        (62, Exited(1), [Start(2, "b")]),
        (70, BecameReady(2), [Grant(2, 2)]),
        (80, Arrived(4, "b"), [Grant(4, 2)]),
        (81, Left(2), []),
        (121, Woke(), []),
        (122, Arrived(5, "b"), [Moved(5, 2), WakeAt(182)]),
        (130, Left(4), [Stop(2)]),
        (131, Exited(2), [Start(3, "a")]),
        (132, BecameReady(3), [Grant(3, 3)]),
    ])  # fmt: skip


def test_a_turn_serves_everyone_who_waited_when_it_began(play: Play, one: Policies) -> None:
    """One swap per ticket would be thrashing."""
    play(one("a b", parallel=1, max_wait=60), [
        *ready("a", 1, 1),
        (0, Arrived(2, "b"), [Moved(2, 1), WakeAt(60)]),
        (0, Arrived(3, "b"), [Moved(3, 2)]),
        (0, Arrived(4, "a"), [Moved(4, 3)]),  # after a's turn began
        (60, Woke(), []),
        (61, Left(1), [Stop(1)]),
        (62, Exited(1), [Start(2, "b")]),
        (63, BecameReady(2), [Grant(2, 2), Moved(3, 1)]),
        (64, Arrived(5, "b"), [Moved(5, 3), WakeAt(124)]),
        (70, Left(2), [Grant(3, 2)]),  # of this turn, although a's ticket is overdue
        (80, Left(3), [Stop(2)]),
        (81, Exited(2), [Start(3, "a")]),
    ])  # fmt: skip


def test_who_is_overdue_goes_before_a_higher_priority(play: Play, one: Policies) -> None:
    policy = one("a low", special={"high": ModelPolicy(priority=5)}, max_wait=60)
    play(policy, [
        *ready("a", 1, 1),
        (0, Arrived(2, "low"), [Moved(2, 1), WakeAt(60)]),
        (30, Arrived(3, "high"), [Moved(3, 1)]),
        (61, Left(1), [Stop(1)]),
        (62, Exited(1), [Start(2, "low")]),
    ])  # fmt: skip


def test_of_several_overdue_the_oldest_goes_first(play: Play, one: Policies) -> None:
    policy = one("a", special={"x": ModelPolicy(), "y": ModelPolicy(priority=5)}, max_wait=60)
    play(policy, [
        *ready("a", 1, 1),
        (0, Arrived(2, "x"), [Moved(2, 1), WakeAt(60)]),
        (1, Arrived(3, "y"), [Moved(3, 1)]),
        (90, Left(1), [Stop(1)]),
        (91, Exited(1), [Start(2, "x")]),
        (92, BecameReady(2), [Grant(2, 2)]),
        (93, Left(2), [Stop(2)]),
        (94, Exited(2), [Start(3, "y")]),
    ])  # fmt: skip


def test_no_load_may_begin_in_the_way_of_who_is_overdue(play: Play, pairs: Policies) -> None:
    """c could run beside a, but b could not then start."""
    play(pairs("a b c free", {"b": "a c", "c": "b"}, max_wait=60), [
        *ready("a", 1, 1),
        (0, Arrived(2, "b"), [Moved(2, 1), WakeAt(60)]),
        (60, Woke(), []),
        (61, Arrived(3, "c"), [Moved(3, 2), WakeAt(121)]),
        (62, Arrived(4, "free"), [Start(2, "free")]),
        (63, Left(1), [Stop(1)]),
        (64, Exited(1), [Start(3, "b")]),
    ])  # fmt: skip


def test_models_that_are_in_nobodys_way_are_not_gated(play: Play, pairs: Policies) -> None:
    play(pairs("a b free", {"b": "a"}, max_wait=60), [
        *ready("a", 1, 1),
        *ready("free", 2, 2),
        (0, Arrived(3, "b"), [Moved(3, 1), WakeAt(60)]),
        (60, Woke(), []),
        (61, Arrived(4, "free"), [Grant(4, 2)]),
        (61, Arrived(5, "a"), [Moved(5, 2), WakeAt(121)]),
    ])  # fmt: skip


def test_when_the_overdue_client_gives_up_the_gate_opens(play: Play, one: Policies) -> None:
    play(one("a b", max_wait=60), [
        *ready("a", 1, 1),
        (0, Arrived(2, "b"), [Moved(2, 1), WakeAt(60)]),
        (60, Woke(), []),
        (61, Arrived(3, "a"), [Moved(3, 2), WakeAt(121)]),
        (62, Left(2), [Grant(3, 1)]),
        (63, Arrived(4, "a"), [Grant(4, 1)]),
    ])  # fmt: skip


def test_waiting_for_the_own_model_alone_gates_nobody(play: Play, pairs: Policies) -> None:
    play(pairs("a b", {"b": "a"}, parallel=1, max_wait=60), [
        *ready("b", 1, 1),
        *ready("a", 2, 2),
        (0, Arrived(3, "a"), [Moved(3, 1), WakeAt(60)]),
        (61, Left(1), []),
        (62, Left(2), [Grant(3, 2)]),
    ])  # fmt: skip


def test_waiting_for_the_own_model_holds_loads_back_that_would_interrupt_its_turn(play: Play, pairs: Policies) -> None:
    """Loading c evicts nobody, but a could not serve its waiters beside c."""
    play(pairs("a c", {"a": "c"}, parallel=1, max_wait=60), [
        (0, Arrived(1, "a"), [Start(1, "a")]),
        (0, Arrived(2, "a"), []),
        (0, BecameReady(1), [Grant(1, 1), Moved(2, 1), WakeAt(60)]),
        (60, Woke(), []),
        (61, Arrived(3, "c"), [Moved(3, 2), WakeAt(121)]),
        (62, Left(1), [Grant(2, 1), Start(2, "c")]),
    ])  # fmt: skip


def test_who_came_after_the_turn_began_waits_for_the_next_one_even_if_older(play: Play, one: Policies) -> None:
    """Else a model with more tickets than it can serve would never let go."""
    play(one("a b", parallel=1, max_wait=60), [
        *ready("a", 1, 1),
        (0, Arrived(2, "a"), [Moved(2, 1), WakeAt(60)]),
        (1, Arrived(3, "b"), [Moved(3, 2)]),
        (60, Woke(), [WakeAt(61)]),
        (61, Woke(), []),
        (70, Left(1), [Stop(1)]),
        (71, Exited(1), [Start(2, "b")]),
        (72, BecameReady(2), [Grant(3, 2)]),
        (73, Left(3), [Stop(2)]),
        (74, Exited(2), [Start(3, "a")]),
    ])  # fmt: skip


def test_max_wait_zero_turns_it_off(play: Play, one: Policies) -> None:
    play(one("a b", max_wait=0), [
        *ready("a", 1, 1),
        (0, Arrived(2, "b"), [Moved(2, 1)]),
        (10_000, Arrived(3, "a"), [Grant(3, 1)]),
    ])  # fmt: skip


def test_a_new_max_wait_counts_for_those_who_wait_already(play: Play, one: Policies) -> None:
    play(one("a b", max_wait=0), [
        *ready("a", 1, 1),
        (0, Arrived(2, "b"), [Moved(2, 1)]),
        (100, PolicyChanged(one("a b", max_wait=200)), [WakeAt(200)]),
        (150, Arrived(3, "a"), [Grant(3, 1)]),
        (150, PolicyChanged(one("a b", max_wait=60)), []),
        (151, Arrived(4, "a"), [Moved(4, 2)]),
    ])  # fmt: skip


def test_under_constant_traffic_everyone_is_served_within_the_bound_and_swaps_stay_rare(one: Policies) -> None:
    """Three models of one group, each asked for once a second, 2 s a lease, 3 s a load: for an hour."""
    world = Traffic(one("a b c", max_wait=60), lease=2, load=3)
    for second in range(3600):
        for model in "abc":
            world.arrive(model, second)
    world.finish()
    assert max(world.waits) <= 2 * 60  # the bound, and the turns of two others
    assert world.loads <= 3 * 3600 / 60  # each model once per bound


class Traffic:
    """Plays engine and clients along a time line: leases and loads take their time, stops none."""

    def __init__(self, policy: Policy, lease: float, load: float) -> None:
        self.scheduler = Scheduler(policy)
        self.lease, self.load = lease, load
        self.due: list[tuple[float, int, Event]] = []
        self.arrived: dict[int, float] = {}
        self.waits: list[float] = []
        self.loads = 0
        self.order = 0

    def arrive(self, model: str, now: float) -> None:
        self.go_on(now)
        ticket = len(self.arrived) + 1
        self.arrived[ticket] = now
        self.feed(Arrived(ticket, model), now)

    def finish(self) -> None:
        self.go_on(float("inf"))
        assert len(self.waits) == len(self.arrived), "not everyone was served"

    def go_on(self, until: float) -> None:
        while self.due and self.due[0][0] <= until:
            now, _, event = heapq.heappop(self.due)
            self.feed(event, now)

    def feed(self, event: Event, now: float) -> None:
        for command in self.scheduler.handle(event, now):
            match command:
                case Start(run):
                    self.loads += 1
                    self.later(now + self.load, BecameReady(run))
                case Stop(run):
                    self.later(now, Exited(run))
                case Grant(ticket):
                    self.waits.append(now - self.arrived[ticket])
                    self.later(now + self.lease, Left(ticket))
                case WakeAt(at):
                    self.later(at, Woke())

    def later(self, at: float, event: Event) -> None:
        self.order += 1
        heapq.heappush(self.due, (at, self.order, event))
