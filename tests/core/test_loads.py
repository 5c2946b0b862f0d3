"""Loads: given up, failed, crashed, collided. How a swap goes is in the worked examples."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from swapyard.core.lifecycle import LifecycleError
from swapyard.core.messages import (
    Arrived,
    BecameReady,
    Exited,
    Failed,
    Grant,
    Left,
    Moved,
    Policy,
    RefusalReason,
    Refuse,
    Start,
    StartError,
    Stop,
    StopReason,
)
from swapyard.core.scheduler import Scheduler

Play = Callable[..., Scheduler]
Policies = Callable[..., Policy]


BROKEN = StartError("it does not start")


def test_an_abandoned_load_that_is_in_nobodys_way_goes_on(play: Play, one: Policies) -> None:
    play(one("a b"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Left(1), []),
        (BecameReady(1), []),
        (Arrived(2, "a"), [Grant(2, 1)]),
    ])  # fmt: skip


def test_a_load_abandoned_while_another_waits_is_aborted_at_once(play: Play, one: Policies) -> None:
    """Reliability row 7: llama-swap #727."""
    play(one("a b"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Arrived(2, "b"), [Moved(2, 1)]),
        (Left(1), [Stop(1, StopReason.ABANDONED)]),
        (Exited(1), [Start(2, "b")]),
    ])  # fmt: skip


def test_a_load_abandoned_before_it_started_anything_leaves_its_victims_to_the_next(play: Play, one: Policies) -> None:
    play(one("a b c"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (BecameReady(1), [Grant(1, 1)]),
        (Left(1), []),
        (Arrived(2, "b"), [Stop(1)]),
        (Arrived(3, "c"), [Moved(3, 1)]),
        (Left(2), []),  # b is forgotten, c takes over: a is stopping already
        (Exited(1), [Start(2, "c")]),
    ])  # fmt: skip


def test_a_victim_that_is_wanted_again_starts_anew_when_the_load_is_abandoned(play: Play, one: Policies) -> None:
    play(one("a b"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (BecameReady(1), [Grant(1, 1)]),
        (Left(1), []),
        (Arrived(2, "b"), [Stop(1)]),
        (Arrived(3, "a"), [Moved(3, 1)]),
        (Left(2), []),
        (Exited(1), [Start(2, "a")]),
    ])  # fmt: skip


def test_a_victim_that_is_gone_is_wanted_again_when_the_load_is_abandoned(play: Play, one: Policies) -> None:
    play(one("a b"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (BecameReady(1), [Grant(1, 1)]),
        (Left(1), []),
        (Arrived(2, "b"), [Stop(1)]),
        (Exited(1), [Start(2, "b")]),
        (Arrived(3, "a"), [Moved(3, 1)]),
        (Left(2), [Stop(2, StopReason.ABANDONED)]),
        (Exited(2), [Start(3, "a")]),
    ])  # fmt: skip


def test_all_models_that_waited_for_the_same_one_start_when_it_is_gone(play: Play, grouped: Policies) -> None:
    play(grouped(g={"members": "p q r", "swap": False}, other={"members": "x"}), [
        (Arrived(1, "x"), [Start(1, "x")]),
        (BecameReady(1), [Grant(1, 1)]),
        (Arrived(2, "p"), [Moved(2, 1)]),
        (Arrived(3, "q"), [Moved(3, 2)]),
        (Arrived(4, "r"), [Moved(4, 3)]),
        (Exited(1), [Start(2, "p"), Start(3, "q"), Start(4, "r")]),
    ])  # fmt: skip


def test_a_ticket_joins_an_abandoned_load_and_keeps_it_alive(play: Play, one: Policies) -> None:
    play(one("a b"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Left(1), []),
        (Arrived(2, "a"), []),
        (Arrived(3, "b"), [Moved(3, 1)]),
        (BecameReady(1), [Grant(2, 1)]),
    ])  # fmt: skip


def test_a_stop_says_for_whom_it_makes_room(one: Policies) -> None:
    scheduler = Scheduler(one("a b"))
    scheduler.handle(Arrived(1, "a"), 1)
    scheduler.handle(BecameReady(1), 2)
    scheduler.handle(Left(1), 3)
    [stop] = scheduler.handle(Arrived(2, "b"), 4)
    assert isinstance(stop, Stop)
    assert (stop.for_model, stop.for_ticket) == ("b", 2)


def test_a_start_says_for_whom_it_is_the_one_that_waits_longest_for_it(one: Policies) -> None:
    scheduler = Scheduler(one("a b"))
    [start] = scheduler.handle(Arrived(1, "a"), 1)
    assert isinstance(start, Start)
    assert start.for_ticket == 1
    scheduler.handle(BecameReady(1), 2)
    scheduler.handle(Left(1), 3)
    for ticket in (2, 3, 4):
        scheduler.handle(Arrived(ticket, "b"), 4)
    scheduler.handle(Left(2), 5)  # while the one before still stops
    [start] = scheduler.handle(Exited(1), 6)
    assert isinstance(start, Start)
    assert start.for_ticket == 3


def test_a_start_that_nobody_waits_for_any_more_is_for_nobody(one: Policies) -> None:
    scheduler = Scheduler(one("a b"))
    scheduler.handle(Arrived(1, "a"), 1)
    scheduler.handle(BecameReady(1), 2)
    scheduler.handle(Left(1), 3)
    scheduler.handle(Arrived(2, "b"), 4)
    scheduler.handle(Left(2), 5)
    [start] = scheduler.handle(Exited(1), 6)
    assert isinstance(start, Start)
    assert start.for_ticket is None


def test_nothing_starts_before_the_failed_run_is_gone_and_then_the_model_is_tried_again(play: Play, one: Policies) -> None:
    """Reliability rows 8, 11 and 18."""
    play(one("a"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Failed(1, BROKEN), [Refuse(1, RefusalReason.START_FAILED, BROKEN), Stop(1, StopReason.START_FAILED)]),
        (Arrived(2, "a"), []),
        (Exited(1, StartError("killed")), [Start(2, "a")]),
        (BecameReady(2), [Grant(2, 2)]),
    ])  # fmt: skip


def test_a_run_that_dies_while_it_starts_refuses_its_waiters_with_the_reason(play: Play, one: Policies) -> None:
    play(one("a b"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Arrived(2, "a"), []),
        (Arrived(3, "b"), [Moved(3, 1)]),
        (Exited(1, BROKEN), [
            Refuse(1, RefusalReason.START_FAILED, BROKEN),
            Refuse(2, RefusalReason.START_FAILED, BROKEN),
            Start(2, "b"),
        ]),
    ])  # fmt: skip


def test_a_start_that_ends_without_a_reason_gets_one(pairs: Policies) -> None:
    scheduler = Scheduler(pairs("a"))
    scheduler.handle(Arrived(1, "a"), 1)
    [refusal] = scheduler.handle(Exited(1), 2)
    assert isinstance(refusal, Refuse)
    assert refusal.error is not None
    assert '"a" exited before it was ready' in refusal.error.detail


def test_after_a_crash_the_waiting_tickets_start_the_model_again(play: Play, pairs: Policies) -> None:
    play(pairs("a", parallel=1), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (BecameReady(1), [Grant(1, 1)]),
        (Arrived(2, "a"), [Moved(2, 1)]),
        (Exited(1), [Start(2, "a")]),
        (BecameReady(2), [Grant(2, 2)]),
        (Left(1), []),
    ])  # fmt: skip


def test_after_a_crash_whoever_waited_for_the_room_gets_it(play: Play, one: Policies) -> None:
    play(one("a b"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (BecameReady(1), [Grant(1, 1)]),
        (Arrived(2, "b"), [Moved(2, 1)]),
        (Exited(1), [Start(2, "b")]),
    ])  # fmt: skip


def test_events_about_runs_that_are_over_change_nothing(play: Play, pairs: Policies) -> None:
    """Reliability row 4."""
    play(pairs("a"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Exited(1, BROKEN), [Refuse(1, RefusalReason.START_FAILED, BROKEN)]),
        (Arrived(2, "a"), [Start(2, "a")]),
        (BecameReady(1), []),
        (Failed(1, BROKEN), []),
        (Exited(1, BROKEN), []),
        (BecameReady(2), [Grant(2, 2)]),
    ])  # fmt: skip


def test_a_run_cannot_become_ready_twice(pairs: Policies) -> None:
    scheduler = Scheduler(pairs("a"))
    scheduler.handle(Arrived(1, "a"), 1)
    scheduler.handle(BecameReady(1), 2)
    with pytest.raises(LifecycleError):
        scheduler.handle(BecameReady(1), 3)


def test_who_waits_for_a_load_is_granted_even_if_a_tolerated_newcomer_came_meanwhile(play: Play, grouped: Policies) -> None:
    """Loading a model of a non-exclusive group beside one of an exclusive group is allowed, in this order only."""
    play(grouped(x={"members": "a"}, n={"members": "b", "exclusive": False}), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Arrived(2, "b"), [Start(2, "b")]),
        (BecameReady(1), [Grant(1, 1)]),
        (Arrived(3, "a"), [Moved(3, 1)]),
        (BecameReady(2), [Grant(2, 2)]),
        (Left(2), [Stop(2)]),
        (Exited(2), [Grant(3, 1)]),
    ])  # fmt: skip
