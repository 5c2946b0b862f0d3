"""Unloading, shutting down, and a new policy."""

from __future__ import annotations

from collections.abc import Callable

from swapyard.core.messages import (
    Arrived,
    BecameReady,
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

Play = Callable[..., Scheduler]
Policies = Callable[..., Policy]


def unloaded(*tickets: int) -> list[Refuse]:
    return [Refuse(ticket, RefusalReason.UNLOADED) for ticket in tickets]


def test_unload_stops_a_busy_run_and_its_leases_end_by_themselves(play: Play, pairs: Policies) -> None:
    scheduler = play(pairs("a"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (BecameReady(1), [Grant(1, 1)]),
        (UnloadAsked(frozenset("a")), [Stop(1, StopReason.UNLOADED)]),
        (Left(1), []),
        (Exited(1), []),
    ])  # fmt: skip
    assert scheduler.reserved("a") == 0


def test_a_stop_that_takes_for_ever_holds_up_nobody_else(play: Play, pairs: Policies) -> None:
    """Reliability row 5: the original awaits the stop inside its loop."""
    play(pairs("stubborn b"), [
        (Arrived(1, "stubborn"), [Start(1, "stubborn")]),
        (BecameReady(1), [Grant(1, 1)]),
        (UnloadAsked(frozenset({"stubborn"})), [Stop(1, StopReason.UNLOADED)]),
        (Arrived(2, "b"), [Start(2, "b")]),
        (BecameReady(2), [Grant(2, 2)]),
        (Left(2), []),
        (Arrived(3, "b"), [Grant(3, 2)]),
    ])  # fmt: skip


def test_leases_of_a_run_that_is_unloaded_hold_up_no_swap(play: Play, one: Policies) -> None:
    play(one("a b"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (BecameReady(1), [Grant(1, 1)]),
        (UnloadAsked(), [Stop(1, StopReason.UNLOADED)]),
        (Arrived(2, "b"), []),  # it has its load already, and waits for the exit
        (Exited(1), [Start(2, "b")]),
    ])  # fmt: skip


def test_a_run_that_was_granted_to_a_moment_ago_is_granted_to_no_more_once_it_stops(play: Play, pairs: Policies) -> None:
    play(pairs("a"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (BecameReady(1), [Grant(1, 1)]),
        (Arrived(2, "a"), [Grant(2, 1)]),
        (UnloadAsked(), [Stop(1, StopReason.UNLOADED)]),
        (Arrived(3, "a"), []),
        (Exited(1), [Start(2, "a")]),
    ])  # fmt: skip


def test_unload_asked_twice_stops_once(play: Play, pairs: Policies) -> None:
    play(pairs("a"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (BecameReady(1), [Grant(1, 1)]),
        (UnloadAsked(), [Stop(1, StopReason.UNLOADED)]),
        (UnloadAsked(), []),
        (UnloadAsked(frozenset({"a", "ghost"})), []),
    ])  # fmt: skip


def test_a_load_that_was_unloaded_while_it_evicted_never_starts(play: Play, one: Policies) -> None:
    play(one("a b"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (BecameReady(1), [Grant(1, 1)]),
        (Left(1), []),
        (Arrived(2, "b"), [Stop(1)]),
        (UnloadAsked(frozenset("b")), unloaded(2)),
        (Exited(1), []),
    ])  # fmt: skip


def test_a_ticket_that_comes_while_its_model_is_unloaded_starts_it_again(play: Play, pairs: Policies) -> None:
    play(pairs("a"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (UnloadAsked(), [*unloaded(1), Stop(1, StopReason.UNLOADED)]),
        (Arrived(2, "a"), []),
        (BecameReady(1), []),
        (Exited(1), [Start(2, "a")]),
    ])  # fmt: skip


def test_shutdown_lets_leases_finish_and_stops_what_is_idle(play: Play, pairs: Policies) -> None:
    play(pairs("busy idle"), [
        (Arrived(1, "busy"), [Start(1, "busy")]),
        (BecameReady(1), [Grant(1, 1)]),
        (Arrived(2, "idle"), [Start(2, "idle")]),
        (BecameReady(2), [Grant(2, 2)]),
        (Left(2), []),
        (Arrived(3, "busy"), [Grant(3, 1)]),
        (ShutdownAsked(), [Stop(2, StopReason.SHUTDOWN)]),
        (Arrived(4, "busy"), [Refuse(4, RefusalReason.SHUTTING_DOWN)]),
        (Left(1), []),
        (Left(3), [Stop(1, StopReason.SHUTDOWN)]),
    ])  # fmt: skip


def test_unload_after_shutdown_cuts_what_is_left(play: Play, pairs: Policies) -> None:
    play(pairs("a"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (BecameReady(1), [Grant(1, 1)]),
        (ShutdownAsked(), []),
        (UnloadAsked(), [Stop(1, StopReason.UNLOADED)]),
    ])  # fmt: skip


def test_a_replaced_model_finishes_what_it_serves_then_a_successor_starts(play: Play, pairs: Policies) -> None:
    """Reliability row 13: never two instances."""
    play(pairs("a"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (BecameReady(1), [Grant(1, 1)]),
        (PolicyChanged(pairs("a"), frozenset("a")), []),
        (Arrived(2, "a"), [Moved(2, 1)]),
        (Left(1), [Stop(1, StopReason.RELOADED)]),
        (Exited(1), [Start(2, "a")]),
        (BecameReady(2), [Grant(2, 2)]),
    ])  # fmt: skip


def test_a_replaced_model_that_is_idle_or_starting_is_stopped_at_once(play: Play, pairs: Policies) -> None:
    play(pairs("idle starting same"), [
        (Arrived(1, "idle"), [Start(1, "idle")]),
        (BecameReady(1), [Grant(1, 1)]),
        (Left(1), []),
        (Arrived(2, "same"), [Start(2, "same")]),
        (BecameReady(2), [Grant(2, 2)]),
        (Arrived(3, "starting"), [Start(3, "starting")]),
        (PolicyChanged(pairs("idle starting same"), frozenset({"idle", "starting"})), [
            Stop(1, StopReason.RELOADED),
            Stop(3, StopReason.RELOADED),
        ]),
        (Exited(3), [Start(4, "starting")]),
        (BecameReady(4), [Grant(3, 4)]),
        (Arrived(4, "same"), [Grant(4, 2)]),
    ])  # fmt: skip


def test_others_of_a_replaced_models_group_do_not_wait_for_its_leases(play: Play, grouped: Policies) -> None:
    policy = grouped(g={"members": "old new", "swap": False}, other={"members": "x", "exclusive": False})
    play(policy, [
        (Arrived(1, "old"), [Start(1, "old")]),
        (BecameReady(1), [Grant(1, 1)]),
        (Arrived(2, "x"), [Start(2, "x")]),
        (BecameReady(2), [Grant(2, 2)]),
        (PolicyChanged(policy, frozenset({"old"})), []),
        (Arrived(3, "old"), [Moved(3, 1)]),
        (Arrived(4, "new"), [Moved(4, 2)]),
        (Left(2), [Stop(2)]),
        (Exited(2), [Start(3, "new")]),
    ])  # fmt: skip


def test_a_model_that_went_refuses_its_waiters_and_finishes_its_leases(play: Play, pairs: Policies) -> None:
    scheduler = play(pairs("a b", parallel=1), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (BecameReady(1), [Grant(1, 1)]),
        (Arrived(2, "a"), [Moved(2, 1)]),
        (PolicyChanged(pairs("b")), [Refuse(2, RefusalReason.UNKNOWN_MODEL)]),
        (Arrived(3, "a"), [Refuse(3, RefusalReason.UNKNOWN_MODEL)]),
        (Left(1), [Stop(1, StopReason.RELOADED)]),
        (Exited(1), []),
        (PolicyChanged(pairs("a b")), []),
        (Arrived(4, "a"), [Start(2, "a")]),
    ])  # fmt: skip
    assert scheduler.running() == ("a",)


def test_a_model_that_went_keeps_its_room_until_it_is_gone(play: Play, one: Policies) -> None:
    play(one("a b"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (BecameReady(1), [Grant(1, 1)]),
        (PolicyChanged(one("b")), []),
        (Arrived(2, "b"), [Moved(2, 1)]),
        (Left(1), [Stop(1, StopReason.RELOADED)]),
        (Exited(1), [Start(2, "b")]),
    ])  # fmt: skip


def test_a_swap_that_still_evicts_is_planned_anew_under_a_new_policy(play: Play, one: Policies, pairs: Policies) -> None:
    play(one("a b c"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (BecameReady(1), [Grant(1, 1)]),
        (Left(1), []),
        (Arrived(2, "b"), [Stop(1)]),
        (PolicyChanged(pairs("a b c")), [Start(2, "b")]),
    ])  # fmt: skip


def test_new_limits_and_priorities_count_at_once(play: Play, one: Policies) -> None:
    wider = one("b c", special={"a": ModelPolicy(parallel=2), "c": ModelPolicy(priority=5)})
    scheduler = play(one("a b c", parallel=1), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (BecameReady(1), [Grant(1, 1)]),
        (Arrived(2, "a"), [Moved(2, 1)]),
        (Arrived(3, "b"), [Moved(3, 2)]),
        (Arrived(4, "c"), [Moved(4, 3)]),
        (PolicyChanged(wider), [Grant(2, 1)]),
    ])  # fmt: skip
    assert scheduler.positions() == {4: 1, 3: 2}
