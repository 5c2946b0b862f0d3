"""A ready run whose first process died: it serves no longer, and its successor waits until nothing of it is left."""

from __future__ import annotations

from collections.abc import Callable

from swapyard.core.lifecycle import State
from swapyard.core.messages import (
    Arrived,
    BecameReady,
    Exited,
    Failed,
    Grant,
    Left,
    Moved,
    Policy,
    Start,
    StartError,
    Stop,
    StopReason,
)
from swapyard.core.scheduler import Scheduler

Play = Callable[..., Scheduler]
Policies = Callable[..., Policy]
DIED = StartError("it was killed by SIGKILL")


def test_a_crashed_run_is_granted_to_nobody_and_its_successor_waits_for_its_end(play: Play, pairs: Policies) -> None:
    scheduler = play(pairs("a"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (BecameReady(1), [Grant(1, 1)]),
        (Failed(1, DIED), [Stop(1, StopReason.CRASHED)]),
        (Arrived(2, "a"), []),
        (Left(1), []),
        (Exited(1), [Start(2, "a")]),
        (BecameReady(2), [Grant(2, 2)]),
    ])  # fmt: skip
    assert scheduler.state("a") is State.READY


def test_leases_of_a_crashed_run_hold_up_no_swap(play: Play, one: Policies) -> None:
    play(one("a b"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (BecameReady(1), [Grant(1, 1)]),
        (Arrived(2, "b"), [Moved(2, 1)]),
        (Failed(1, DIED), [Stop(1, StopReason.CRASHED)]),
        (Exited(1), [Start(2, "b")]),
        (Left(1), []),
    ])  # fmt: skip


def test_a_crash_during_a_stop_changes_nothing(play: Play, one: Policies) -> None:
    play(one("a b"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (BecameReady(1), [Grant(1, 1)]),
        (Left(1), []),
        (Arrived(2, "b"), [Stop(1)]),
        (Failed(1, DIED), []),
        (Exited(1), [Start(2, "b")]),
    ])  # fmt: skip
