"""Idleness and wake-up times. Times are in seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

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
    Start,
    Stop,
    StopReason,
    WakeAt,
    Woke,
)
from swapyard.core.scheduler import Scheduler

Play = Callable[..., Scheduler]
Policies = Callable[..., Policy]


def test_a_run_is_stopped_when_it_has_been_idle_for_its_ttl(play: Play, pairs: Policies) -> None:
    play(pairs("a", ttl=60), [
        (0, Arrived(1, "a"), [Start(1, "a")]),
        (5, BecameReady(1), [Grant(1, 1)]),
        (10, Left(1), [WakeAt(70)]),
        (70, Woke(), [Stop(1, StopReason.IDLE)]),
    ])  # fmt: skip


def test_the_clock_of_a_model_nobody_waits_for_any_more_starts_when_it_is_ready(play: Play, pairs: Policies) -> None:
    """The original stops it after about a second, because it has "never" served."""
    play(pairs("a", ttl=60), [
        (0, Arrived(1, "a"), [Start(1, "a")]),
        (1, Left(1), []),
        (100, BecameReady(1), [WakeAt(160)]),
        (160, Woke(), [Stop(1, StopReason.IDLE)]),
    ])  # fmt: skip


def test_a_ticket_that_comes_before_the_wake_up_is_served_and_nothing_is_stopped(play: Play, pairs: Policies) -> None:
    play(pairs("a", ttl=60), [
        (0, Arrived(1, "a"), [Start(1, "a")]),
        (0, BecameReady(1), [Grant(1, 1)]),
        (0, Left(1), [WakeAt(60)]),
        (60, Arrived(2, "a"), [Grant(2, 1)]),  # its time was up, but nobody had stopped it yet
        (60, Woke(), []),
        (500, Left(2), [WakeAt(560)]),
        (559, Woke(), [WakeAt(560)]),
        (560, Woke(), [Stop(1, StopReason.IDLE)]),
    ])  # fmt: skip


def test_one_wish_to_be_woken_is_out_at_a_time_however_many_leases_end(play: Play, pairs: Policies) -> None:
    play(pairs("a", ttl=60), [
        (0, Arrived(0, "a"), [Start(1, "a")]),
        (0, BecameReady(1), [Grant(0, 1)]),
        (0, Left(0), [WakeAt(60)]),
        *[step for t in range(1, 50) for step in [(t, Arrived(t, "a"), [Grant(t, 1)]), (t, Left(t), [])]],
        (60, Woke(), [WakeAt(109)]),
        (109, Woke(), [Stop(1, StopReason.IDLE)]),
    ])  # fmt: skip


def test_an_earlier_wish_replaces_a_later_one(play: Play, pairs: Policies) -> None:
    policy = pairs("", special={"slow": ModelPolicy(ttl=100), "quick": ModelPolicy(ttl=5)})
    play(policy, [
        (0, Arrived(1, "slow"), [Start(1, "slow")]),
        (0, BecameReady(1), [Grant(1, 1)]),
        (0, Left(1), [WakeAt(100)]),
        (1, Arrived(2, "quick"), [Start(2, "quick")]),
        (1, BecameReady(2), [Grant(2, 2)]),
        (1, Left(2), [WakeAt(6)]),
        (6, Woke(), [WakeAt(100), Stop(2, StopReason.IDLE)]),
        (100, Woke(), [Stop(1, StopReason.IDLE)]),
    ])  # fmt: skip


def test_a_ticket_that_comes_during_an_idle_stop_gets_a_run_of_its_own(play: Play, pairs: Policies) -> None:
    """Reliability rows 1 and 3: llama-swap #946 and #949."""
    play(pairs("a", ttl=60), [
        (0, Arrived(1, "a"), [Start(1, "a")]),
        (0, BecameReady(1), [Grant(1, 1)]),
        (0, Left(1), [WakeAt(60)]),
        (60, Woke(), [Stop(1, StopReason.IDLE)]),
        (61, Arrived(2, "a"), []),
        (62, Arrived(3, "a"), []),
        (65, Exited(1), [Start(2, "a")]),
        (66, BecameReady(2), [Grant(2, 2), Grant(3, 2)]),
    ])  # fmt: skip


def test_a_ticket_that_comes_after_an_idle_stop_gets_a_run_of_its_own(play: Play, pairs: Policies) -> None:
    play(pairs("a", ttl=60), [
        (0, Arrived(1, "a"), [Start(1, "a")]),
        (0, BecameReady(1), [Grant(1, 1)]),
        (0, Left(1), [WakeAt(60)]),
        (60, Woke(), [Stop(1, StopReason.IDLE)]),
        (65, Exited(1), []),
        (65, Arrived(2, "a"), [Start(2, "a")]),
    ])  # fmt: skip


def test_a_model_with_a_waiting_ticket_is_not_idle(play: Play, grouped: Policies) -> None:
    policy = grouped(x={"members": "a"}, n={"members": "b", "exclusive": False})
    models = {"a": ModelPolicy(ttl=10), "b": ModelPolicy()}
    play(replace(policy, models=models), [
        (0, Arrived(1, "a"), [Start(1, "a")]),
        (0, BecameReady(1), [Grant(1, 1)]),
        (0, Left(1), [WakeAt(10)]),
        (1, Arrived(2, "b"), [Start(2, "b")]),
        (2, BecameReady(2), [Grant(2, 2)]),
        (3, Arrived(3, "a"), [Moved(3, 1)]),  # ready, but b beside it has to go first, and is busy
        (10, Woke(), []),
        (50, Left(2), [Stop(2)]),
        (51, Exited(2), [Grant(3, 1)]),
    ])  # fmt: skip


def test_a_model_whose_last_waiter_gives_up_is_idle_from_then_on(play: Play, grouped: Policies) -> None:
    policy = grouped(x={"members": "a"}, n={"members": "b", "exclusive": False})
    play(replace(policy, models={"a": ModelPolicy(ttl=10), "b": ModelPolicy()}), [
        (0, Arrived(1, "a"), [Start(1, "a")]),
        (0, BecameReady(1), [Grant(1, 1)]),
        (0, Left(1), [WakeAt(10)]),
        (1, Arrived(2, "b"), [Start(2, "b")]),
        (2, BecameReady(2), [Grant(2, 2)]),
        (3, Arrived(3, "a"), [Moved(3, 1)]),
        (10, Woke(), []),
        (20, Left(3), [WakeAt(30)]),
        (30, Woke(), [Stop(1, StopReason.IDLE)]),
    ])  # fmt: skip


def test_a_ready_model_that_others_still_make_room_for_is_not_idle(play: Play, grouped: Policies) -> None:
    policy = grouped(x={"members": "a"}, n={"members": "b", "exclusive": False})
    play(replace(policy, models={"a": ModelPolicy(ttl=10), "b": ModelPolicy()}), [
        (0, Arrived(1, "a"), [Start(1, "a")]),
        (0, BecameReady(1), [Grant(1, 1)]),
        (0, Left(1), [WakeAt(10)]),
        (1, Arrived(2, "b"), [Start(2, "b")]),
        (2, BecameReady(2), [Grant(2, 2)]),
        (3, Left(2), []),
        (4, Arrived(3, "a"), [Stop(2)]),
        (5, Left(3), []),  # nobody waits for it any more, but it goes on
        (10, Woke(), []),
        (50, Exited(2), [WakeAt(60)]),
        (60, Woke(), [Stop(1, StopReason.IDLE)]),
    ])  # fmt: skip


def test_an_idle_run_that_is_being_stopped_is_granted_to_no_more(play: Play, pairs: Policies) -> None:
    play(pairs("a", ttl=60), [
        (0, Arrived(1, "a"), [Start(1, "a")]),
        (0, BecameReady(1), [Grant(1, 1)]),
        (0, Arrived(2, "a"), [Grant(2, 1)]),
        (0, Left(1), []),
        (0, Left(2), [WakeAt(60)]),
        (60, Woke(), [Stop(1, StopReason.IDLE)]),
        (60, Arrived(3, "a"), []),
    ])  # fmt: skip


def test_a_shorter_ttl_counts_at_once(play: Play, pairs: Policies) -> None:
    play(pairs("a"), [
        (0, Arrived(1, "a"), [Start(1, "a")]),
        (0, BecameReady(1), [Grant(1, 1)]),
        (0, Left(1), []),
        (100, PolicyChanged(pairs("a", ttl=150)), [WakeAt(150)]),
        (120, PolicyChanged(pairs("a", ttl=100)), [Stop(1, StopReason.IDLE)]),
    ])  # fmt: skip
