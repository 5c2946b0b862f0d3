"""The worked examples of the routing specification (section 12), numbered as there.

Ours differ in three ways. A model without `limit` serves ten at a time and lets more wait, where the original refuses the
eleventh. A load that is in the way and that nobody waits for is aborted, where the original lets it finish. And a run's end
is an event of its own: a swap waits for it visibly.

2 and 36 to 40 are elsewhere or not the scheduler's: see `test_unknown_model_is_refused`, `test_unload.py`, the matrix
planner's tests and the proxy's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from swapyard.core.messages import (
    Arrived,
    BecameReady,
    Exited,
    Failed,
    Grant,
    Left,
    ModelPolicy,
    Moved,
    Policy,
    RefusalReason,
    Refuse,
    ShutdownAsked,
    Start,
    StartError,
    Stop,
    StopReason,
    UnloadAsked,
    WakeAt,
    Woke,
)
from swapyard.core.scheduler import Scheduler

Play = Callable[..., Scheduler]
Policies = Callable[..., Policy]

BROKEN = StartError("it does not start")


def ready(model: str = "a", ticket: int = 0, run: int = 1) -> list[Any]:
    """The steps that bring a model up with no ticket on it any more."""
    return [
        (Arrived(ticket, model), [Start(run, model)]),
        (BecameReady(run), [Grant(ticket, run)]),
        (Left(ticket), []),
    ]


def refused(
    *tickets: int, reason: RefusalReason = RefusalReason.START_FAILED, error: StartError | None = None
) -> list[Refuse]:
    return [Refuse(ticket, reason, error) for ticket in tickets]


def test_01_ready_model_is_granted_at_once(play: Play, pairs: Policies) -> None:
    play(pairs("a"), [*ready("a"), (Arrived(1, "a"), [Grant(1, 1)])])


def test_02_unknown_model_is_refused(play: Play, pairs: Policies) -> None:
    play(pairs("a"), [(Arrived(1, "ghost"), refused(1, reason=RefusalReason.UNKNOWN_MODEL))])


def test_03_stopped_model_is_started_then_granted(play: Play, pairs: Policies) -> None:
    play(pairs("a"), [(Arrived(1, "a"), [Start(1, "a")]), (BecameReady(1), [Grant(1, 1)])])


def test_04_tickets_for_a_loading_model_share_its_load(play: Play, pairs: Policies) -> None:
    play(pairs("a"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Arrived(2, "a"), []),
        (Arrived(3, "a"), []),
        (BecameReady(1), [Grant(1, 1), Grant(2, 1), Grant(3, 1)]),
    ])  # fmt: skip


def test_05_failed_load_refuses_its_waiters_and_the_next_ticket_tries_again(play: Play, pairs: Policies) -> None:
    play(pairs("a"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Arrived(2, "a"), []),
        (Failed(1, BROKEN), [*refused(1, 2, error=BROKEN), Stop(1, StopReason.START_FAILED)]),
        (Exited(1), []),
        (Arrived(3, "a"), [Start(2, "a")]),
    ])  # fmt: skip


def test_06_swap_waits_for_the_load_then_for_the_busy_model_then_for_its_exit(play: Play, pairs: Policies) -> None:
    play(pairs("a b", {"b": "a"}), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Arrived(2, "b"), [Moved(2, 1)]),
        (BecameReady(1), [Grant(1, 1)]),
        (Left(1), [Stop(1)]),
        (Exited(1), [Start(2, "b")]),
        (BecameReady(2), [Grant(2, 2)]),
    ])  # fmt: skip


def test_07_models_that_tolerate_each_other_load_in_parallel(play: Play, pairs: Policies) -> None:
    play(pairs("a b"), [(Arrived(1, "a"), [Start(1, "a")]), (Arrived(2, "b"), [Start(2, "b")])])


def test_08_load_waits_for_another_to_stop_their_common_victim(play: Play, pairs: Policies) -> None:
    """In the original it waits until the other is ready; here only until the victim is gone."""
    play(pairs("a b x", {"a": "x", "b": "x"}), [
        *ready("x"),
        (Arrived(1, "a"), [Stop(1)]),
        (Arrived(2, "b"), [Moved(2, 1)]),
        (Exited(1), [Start(2, "a"), Start(3, "b")]),
    ])  # fmt: skip


def test_09_victims_wait_for_the_load_that_stops_them(play: Play, pairs: Policies) -> None:
    play(pairs("a b c", {"a": "b c"}), [
        *ready("b", 0, 1),
        *ready("c", 10, 2),
        (Arrived(1, "a"), [Stop(1), Stop(2)]),
        (Arrived(2, "b"), [Moved(2, 1)]),
        (Arrived(3, "c"), [Moved(3, 2)]),
        (Exited(2), []),
        (Exited(1), [Start(3, "a")]),
        (BecameReady(3), [Grant(1, 3), Start(4, "b"), Start(5, "c")]),
    ])  # fmt: skip


def test_10_six_interleaved_tickets_for_three_models_cost_three_loads(play: Play, one: Policies) -> None:
    play(one("a b c"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Arrived(2, "b"), [Moved(2, 1)]),
        (Arrived(3, "c"), [Moved(3, 2)]),
        (Arrived(4, "a"), []),
        (Arrived(5, "b"), [Moved(5, 3)]),
        (Arrived(6, "c"), [Moved(6, 4)]),
        (BecameReady(1), [Grant(1, 1), Grant(4, 1)]),
        (Left(1), []),
        (Left(4), [Stop(1)]),
        (Exited(1), [Start(2, "b")]),
        (BecameReady(2), [Grant(2, 2), Grant(5, 2)]),
        (Left(5), []),
        (Left(2), [Stop(2)]),
        (Exited(2), [Start(3, "c")]),
        (BecameReady(3), [Grant(3, 3), Grant(6, 3)]),
    ])  # fmt: skip


def test_11_swap_waits_for_the_last_lease(play: Play, pairs: Policies) -> None:
    play(pairs("a b", {"b": "a"}), [
        *ready("a"),
        (Arrived(1, "a"), [Grant(1, 1)]),
        (Arrived(2, "a"), [Grant(2, 1)]),
        (Arrived(3, "b"), [Moved(3, 1)]),
        (Left(1), []),
        (Left(2), [Stop(1)]),
    ])  # fmt: skip


def test_12_client_that_vanished_before_the_grant_blocks_nobody(play: Play, pairs: Policies) -> None:
    play(pairs("a b", {"b": "a"}), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Left(1), []),
        (BecameReady(1), []),
        (Arrived(2, "b"), [Stop(1)]),
    ])  # fmt: skip


def test_13_shutdown_refuses_everybody_who_waits(play: Play, pairs: Policies) -> None:
    play(pairs("a b c", {"c": "a b"}), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Arrived(2, "a"), []),
        (Arrived(3, "b"), [Start(2, "b")]),
        (Arrived(4, "b"), []),
        (Arrived(5, "c"), [Moved(5, 1)]),
        (ShutdownAsked(), [
            *refused(1, 2, 3, 4, 5, reason=RefusalReason.SHUTTING_DOWN),
            Stop(1, StopReason.SHUTDOWN),
            Stop(2, StopReason.SHUTDOWN),
        ]),
        (Arrived(6, "a"), refused(6, reason=RefusalReason.SHUTTING_DOWN)),
    ])  # fmt: skip


def test_14_unload_during_a_load_refuses_its_waiters_and_stops_it(play: Play, pairs: Policies) -> None:
    play(pairs("a"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Arrived(2, "a"), []),
        (UnloadAsked(frozenset("a")), [*refused(1, 2, reason=RefusalReason.UNLOADED), Stop(1, StopReason.UNLOADED)]),
        (Exited(1), []),
    ])  # fmt: skip


def test_15_unload_of_a_queued_model_leaves_the_load_of_another_alone(play: Play, pairs: Policies) -> None:
    play(pairs("a b", {"b": "a"}), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Arrived(2, "b"), [Moved(2, 1)]),
        (UnloadAsked(frozenset("b")), refused(2, reason=RefusalReason.UNLOADED)),
        (BecameReady(1), [Grant(1, 1)]),
    ])  # fmt: skip


def test_16_positions_follow_priority_then_arrival(play: Play, one: Policies) -> None:
    priorities = {"A": 10, "B": 5, "C": 5, "D": 1}
    policy = one("z", special={model: ModelPolicy(priority=priority) for model, priority in priorities.items()})
    scheduler = play(policy, [
        (Arrived(1, "z"), [Start(1, "z")]),
        (Arrived(2, "B"), [Moved(2, 1)]),
        (Arrived(3, "D"), [Moved(3, 2)]),
        (Arrived(4, "C"), [Moved(4, 2)]),
        (Arrived(5, "A"), [Moved(5, 1)]),
    ])  # fmt: skip
    assert scheduler.positions() == {5: 1, 2: 2, 4: 3, 3: 4}


def test_17_higher_priority_goes_first(play: Play, one: Policies) -> None:
    policy = one("a", special={"b": ModelPolicy(priority=1), "c": ModelPolicy(priority=5)})
    play(policy, [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Arrived(2, "b"), [Moved(2, 1)]),
        (Arrived(3, "c"), [Moved(3, 1)]),
        (BecameReady(1), [Grant(1, 1)]),
        (Left(1), [Stop(1)]),
        (Exited(1), [Start(2, "c")]),
        (BecameReady(2), [Grant(3, 2)]),
        (Left(3), [Stop(2)]),
        (Exited(2), [Start(3, "b")]),
    ])  # fmt: skip


def test_18_after_a_failed_load_the_next_model_starts_once_the_failed_one_is_gone(play: Play, one: Policies) -> None:
    play(one("a b"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Arrived(2, "b"), [Moved(2, 1)]),
        (Failed(1, BROKEN), [*refused(1, error=BROKEN), Stop(1, StopReason.START_FAILED)]),
        (Exited(1), [Start(2, "b")]),
    ])  # fmt: skip


def test_19_exclusive_model_that_is_ready_waits_until_the_newcomer_beside_it_is_gone(play: Play, grouped: Policies) -> None:
    play(grouped(x={"members": "a"}, n={"members": "b", "exclusive": False}), [
        *ready("a"),
        (Arrived(1, "b"), [Start(2, "b")]),
        (BecameReady(2), [Grant(1, 2)]),
        (Arrived(2, "a"), [Moved(2, 1)]),
        (Left(1), [Stop(2)]),
        (Exited(2), [Grant(2, 1)]),
    ])  # fmt: skip


def test_20_without_max_wait_overlapping_tickets_keep_others_waiting(play: Play, one: Policies) -> None:
    play(one("a b"), [
        *ready("a"),
        (Arrived(1, "a"), [Grant(1, 1)]),
        (Arrived(2, "b"), [Moved(2, 1)]),
        (1000, Arrived(3, "a"), [Grant(3, 1)]),
        (Left(1), []),
        (9000, Arrived(4, "a"), [Grant(4, 1)]),
        (Left(3), []),
    ])  # fmt: skip


def test_21_queued_client_that_leaves_gives_its_place_up(play: Play, pairs: Policies) -> None:
    scheduler = play(pairs("a b", {"b": "a"}), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Arrived(2, "b"), [Moved(2, 1)]),
        (Left(2), []),
        (BecameReady(1), [Grant(1, 1)]),
        (Left(1), []),
    ])  # fmt: skip
    assert scheduler.positions() == {}


def test_22_joined_client_that_leaves_is_not_granted(play: Play, pairs: Policies) -> None:
    play(pairs("a"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Arrived(2, "a"), []),
        (Left(2), []),
        (BecameReady(1), [Grant(1, 1)]),
    ])  # fmt: skip


def test_23_a_lease_ends_once(play: Play, pairs: Policies) -> None:
    scheduler = play(pairs("a"), [*ready("a"), (Arrived(1, "a"), [Grant(1, 1)]), (Left(1), [])])
    with pytest.raises(ValueError, match="ticket 1"):
        scheduler.handle(Left(1), 10)


def test_24_abandoned_load_in_the_way_is_aborted(play: Play, one: Policies) -> None:
    """The original lets it finish first (its issue 727)."""
    play(one("a b"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Left(1), []),
        (Arrived(2, "b"), [Stop(1, StopReason.ABANDONED)]),
        (Exited(1), [Start(2, "b")]),
    ])  # fmt: skip


def test_25_ticket_beyond_the_limit_is_refused(play: Play, pairs: Policies) -> None:
    play(pairs("a", limit=1), [
        *ready("a"),
        (Arrived(1, "a"), [Grant(1, 1)]),
        (Arrived(2, "a"), refused(2, reason=RefusalReason.LIMIT)),
        (Left(1), []),
        (Arrived(3, "a"), [Grant(3, 1)]),
    ])  # fmt: skip


def test_26_without_a_limit_ten_are_served_and_the_eleventh_waits(play: Play, pairs: Policies) -> None:
    """The original refuses the eleventh."""
    play(pairs("a"), [
        *ready("a"),
        *[(Arrived(ticket, "a"), [Grant(ticket, 1)]) for ticket in range(1, 11)],
        (Arrived(11, "a"), [Moved(11, 1)]),
        (Left(3), [Grant(11, 1)]),
    ])  # fmt: skip


def test_27_waiting_tickets_count_towards_the_limit(play: Play, pairs: Policies) -> None:
    play(pairs("a", limit=2), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Arrived(2, "a"), []),
        (Arrived(3, "a"), refused(3, reason=RefusalReason.LIMIT)),
        (BecameReady(1), [Grant(1, 1), Grant(2, 1)]),
    ])  # fmt: skip


def test_28_queued_tickets_count_towards_the_limit(play: Play, pairs: Policies) -> None:
    play(pairs("a b", {"a": "b"}, special={"a": ModelPolicy(limit=2)}), [
        (Arrived(1, "b"), [Start(1, "b")]),
        (Arrived(2, "a"), [Moved(2, 1)]),
        (Arrived(3, "a"), [Moved(3, 2)]),
        (Arrived(4, "a"), refused(4, reason=RefusalReason.LIMIT)),
        (BecameReady(1), [Grant(1, 1)]),
        (Left(1), [Stop(1)]),
        (Exited(1), [Start(2, "a")]),
        (BecameReady(2), [Grant(2, 2), Grant(3, 2)]),
    ])  # fmt: skip


def test_29_client_that_leaves_frees_its_part_of_the_limit(play: Play, pairs: Policies) -> None:
    play(pairs("a b", {"a": "b"}, special={"a": ModelPolicy(limit=1)}), [
        (Arrived(1, "b"), [Start(1, "b")]),
        (Arrived(2, "a"), [Moved(2, 1)]),
        (Arrived(3, "a"), refused(3, reason=RefusalReason.LIMIT)),
        (Left(2), []),
        (Arrived(4, "a"), [Moved(4, 1)]),
    ])  # fmt: skip


def test_30_after_a_crash_the_old_lease_blocks_nobody(play: Play, one: Policies) -> None:
    scheduler = play(one("a b"), [
        *ready("a"),
        (Arrived(1, "a"), [Grant(1, 1)]),
        (Exited(1), []),
        (Arrived(2, "a"), [Start(2, "a")]),
        (Left(1), []),
        (BecameReady(2), [Grant(2, 2)]),
        (Left(2), []),
        (Arrived(3, "b"), [Stop(2)]),
    ])  # fmt: skip
    assert scheduler.serving("a") == 0


def test_31_ticket_for_a_model_that_is_being_stopped_starts_it_again(play: Play, one: Policies) -> None:
    play(one("a b", ttl=60), [
        (0, Arrived(1, "a"), [Start(1, "a")]),
        (0, BecameReady(1), [Grant(1, 1)]),
        (0, Left(1), [WakeAt(60)]),
        (60, Woke(), [Stop(1, StopReason.IDLE)]),
        (Arrived(2, "a"), []),
        (Arrived(3, "b"), [Moved(3, 1)]),
        (Exited(1), [Start(2, "a")]),
        (BecameReady(2), [Grant(2, 2)]),
        (100, Left(2), [Stop(2)]),
        (Exited(2), [Start(3, "b")]),
    ])  # fmt: skip


def test_32_swap_waits_for_a_stop_that_is_under_way(play: Play, one: Policies) -> None:
    play(one("a b"), [
        *ready("a"),
        (UnloadAsked(frozenset("a")), [Stop(1, StopReason.UNLOADED)]),
        (Arrived(1, "b"), []),
        (Exited(1), [Start(2, "b")]),
    ])  # fmt: skip


def test_33_persistent_group_stays_through_swaps_of_another(play: Play, grouped: Policies) -> None:
    policy = grouped(
        keep={"members": "p q", "swap": False, "exclusive": False, "persistent": True}, default={"members": "a b"}
    )
    play(policy, [
        (Arrived(1, "p"), [Start(1, "p")]),
        (Arrived(2, "q"), [Start(2, "q")]),
        (Arrived(3, "a"), [Start(3, "a")]),
        (BecameReady(1), [Grant(1, 1)]),
        (BecameReady(2), [Grant(2, 2)]),
        (BecameReady(3), [Grant(3, 3)]),
        (Arrived(4, "b"), [Moved(4, 1)]),
        (Left(3), [Stop(3)]),
        (Exited(3), [Start(4, "b")]),
    ])  # fmt: skip


def test_34_unload_of_a_busy_model_lets_the_next_one_in_at_its_exit(play: Play, one: Policies) -> None:
    scheduler = play(one("a b c"), [
        *ready("a"),
        (Arrived(1, "a"), [Grant(1, 1)]),
        (Arrived(2, "b"), [Moved(2, 1)]),
        (Arrived(3, "c"), [Moved(3, 2)]),
        (UnloadAsked(frozenset("a")), [Stop(1, StopReason.UNLOADED)]),
        (Exited(1), [Start(2, "b")]),
        (Left(1), []),
    ])  # fmt: skip
    assert scheduler.positions() == {3: 1}


def test_35_unload_of_a_loading_model_lets_the_next_one_in_at_its_exit(play: Play, one: Policies) -> None:
    play(one("a b"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Arrived(2, "b"), [Moved(2, 1)]),
        (UnloadAsked(frozenset("a")), [*refused(1, reason=RefusalReason.UNLOADED), Stop(1, StopReason.UNLOADED)]),
        (Exited(1), [Start(2, "b")]),
    ])  # fmt: skip


def test_36_late_result_of_an_unloaded_load_does_not_hurt_the_next_one(play: Play, pairs: Policies) -> None:
    play(pairs("a"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (UnloadAsked(), [*refused(1, reason=RefusalReason.UNLOADED), Stop(1, StopReason.UNLOADED)]),
        (Arrived(2, "a"), []),
        (Failed(1, BROKEN), []),
        (Exited(1, BROKEN), [Start(2, "a")]),
        (BecameReady(2), [Grant(2, 2)]),
    ])  # fmt: skip
