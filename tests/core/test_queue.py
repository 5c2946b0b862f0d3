"""Who may wait, in which order, and what they are told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from swapyard.core.lifecycle import State
from swapyard.core.messages import (
    Arrived,
    BecameReady,
    Exited,
    Grant,
    Left,
    ModelPolicy,
    Moved,
    Policy,
    RefusalReason,
    Refuse,
    Start,
    Stop,
)
from swapyard.core.scheduler import Scheduler

Play = Callable[..., Scheduler]
Policies = Callable[..., Policy]


def test_beyond_what_is_served_in_parallel_tickets_wait_up_to_max_queue(play: Play, pairs: Policies) -> None:
    play(pairs("a", parallel=2, max_queue=2), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (BecameReady(1), [Grant(1, 1)]),
        (Arrived(2, "a"), [Grant(2, 1)]),
        (Arrived(3, "a"), [Moved(3, 1)]),
        (Arrived(4, "a"), [Moved(4, 2)]),
        (Arrived(5, "a"), [Refuse(5, RefusalReason.QUEUE_FULL)]),
        (Left(2), [Grant(3, 1)]),
        (Arrived(6, "a"), [Moved(6, 2)]),
    ])  # fmt: skip


def test_a_queue_of_no_length_still_lets_a_model_load_for_those_it_can_serve(play: Play, pairs: Policies) -> None:
    play(pairs("a", parallel=2, max_queue=0), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Arrived(2, "a"), []),
        (Arrived(3, "a"), [Refuse(3, RefusalReason.QUEUE_FULL)]),
        (BecameReady(1), [Grant(1, 1), Grant(2, 1)]),
        (Arrived(4, "a"), [Refuse(4, RefusalReason.QUEUE_FULL)]),
    ])  # fmt: skip


def test_a_model_is_full_when_it_would_refuse_the_next_ticket(play: Play, pairs: Policies) -> None:
    served = [(Arrived(1, "a"), [Start(1, "a")]), (BecameReady(1), [Grant(1, 1)])]
    queueing = play(pairs("a", parallel=1, max_queue=1), served)
    assert not queueing.is_full("a")
    play(queueing, [(Arrived(2, "a"), [Moved(2, 1)])])
    assert queueing.is_full("a")
    play(queueing, [(Left(2), [])])
    assert not queueing.is_full("a")
    limited = play(pairs("a", limit=1), served)
    assert limited.is_full("a")
    play(limited, [(Left(1), [])])
    assert not limited.is_full("a")
    assert not limited.is_full("unknown")


def test_who_finds_no_place_when_the_load_is_done_is_told_where_it_stands(play: Play, pairs: Policies) -> None:
    play(pairs("a", parallel=1), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Arrived(2, "a"), []),
        (Arrived(3, "a"), []),
        (BecameReady(1), [Grant(1, 1), Moved(2, 1), Moved(3, 2)]),
        (Left(1), [Grant(2, 1)]),
    ])  # fmt: skip


def test_a_model_serves_its_own_waiters_before_it_makes_room_for_others(play: Play, one: Policies) -> None:
    """With one ticket at a time, anything else would cost a swap per ticket."""
    play(one("a b", parallel=1), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Arrived(2, "b"), [Moved(2, 1)]),
        (Arrived(3, "a"), []),
        (BecameReady(1), [Grant(1, 1), Moved(3, 2)]),
        (Left(1), [Grant(3, 1)]),
        (Left(3), [Stop(1)]),
        (Exited(1), [Start(2, "b")]),
    ])  # fmt: skip


def test_tickets_of_one_model_are_served_in_order_of_arrival(play: Play, pairs: Policies) -> None:
    play(pairs("a", parallel=1), [
        (Arrived(7, "a"), [Start(1, "a")]),
        (Arrived(3, "a"), []),
        (Arrived(5, "a"), []),
        (Left(3), []),
        (Arrived(1, "a"), []),
        (BecameReady(1), [Grant(7, 1), Moved(5, 1), Moved(1, 2)]),
        (Left(7), [Grant(5, 1)]),
        (Left(5), [Grant(1, 1)]),
    ])  # fmt: skip


def test_positions_leave_out_those_whose_model_is_loading_and_follow_every_change(play: Play, one: Policies) -> None:
    scheduler = play(one("a b c"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Arrived(2, "a"), []),
        (Arrived(3, "b"), [Moved(3, 1)]),
        (Arrived(4, "c"), [Moved(4, 2)]),
        (Arrived(5, "b"), [Moved(5, 3)]),
    ])  # fmt: skip
    assert scheduler.positions() == {3: 1, 4: 2, 5: 3}
    assert scheduler.positions() is scheduler.positions(), "computed anew although nothing has changed"
    scheduler.handle(Left(3), 10)
    assert scheduler.positions() == {4: 1, 5: 2}


def test_a_lower_priority_starts_while_the_higher_one_cannot(play: Play, pairs: Policies) -> None:
    policy = pairs("a free", {"high": "a"}, special={"high": ModelPolicy(priority=9)})
    play(policy, [
        (Arrived(1, "a"), [Start(1, "a")]),
        (BecameReady(1), [Grant(1, 1)]),
        (Arrived(2, "high"), [Moved(2, 1)]),
        (Arrived(3, "free"), [Start(2, "free")]),
        (Arrived(4, "a"), [Grant(4, 1)]),
    ])  # fmt: skip


def test_a_ticket_id_is_used_once(pairs: Policies) -> None:
    scheduler = Scheduler(pairs("a"))
    scheduler.handle(Arrived(1, "a"), 1)
    with pytest.raises(ValueError, match="ticket 1 has arrived before"):
        scheduler.handle(Arrived(1, "a"), 2)


def test_a_ticket_id_is_used_once_where_the_model_is_ready(pairs: Policies) -> None:
    scheduler = Scheduler(pairs("a"))
    for event in (Arrived(1, "a"), BecameReady(1), Arrived(2, "a")):
        scheduler.handle(event, 1)
    with pytest.raises(ValueError, match="ticket 2 has arrived before"):
        scheduler.handle(Arrived(2, "a"), 2)
    assert scheduler.serving("a") == 2


def test_a_refused_ticket_has_left(pairs: Policies) -> None:
    scheduler = Scheduler(pairs("a"))
    scheduler.handle(Arrived(1, "ghost"), 1)
    with pytest.raises(ValueError, match="ticket 1 never arrived, was refused, or has left before"):
        scheduler.handle(Left(1), 2)


def test_questions_answer_for_one_model(play: Play, one: Policies) -> None:
    scheduler = play(one("a b c", parallel=1), [
        (1, Arrived(1, "a"), [Start(1, "a")]),
        (2, BecameReady(1), [Grant(1, 1)]),
        (3, Arrived(2, "a"), [Moved(2, 1)]),
        (4, Arrived(3, "b"), [Moved(3, 2)]),
    ])  # fmt: skip
    assert [scheduler.state(model) for model in "abx"] == [State.READY, State.STOPPED, State.STOPPED]
    assert [scheduler.run_of(model) for model in "abx"] == [1, None, None]
    assert [scheduler.reserved(model) for model in "abx"] == [2, 1, 0]
    assert [scheduler.serving(model) for model in "abx"] == [1, 0, 0]
    assert [scheduler.waiting(model) for model in "abx"] == [1, 1, 0]
    assert [scheduler.plan(model) for model in "abx"] == [(), ("a",), ()]
    assert scheduler.running() == ("a",)
    assert scheduler.idle_since("a") is None
    scheduler.handle(Left(1), 5)
    scheduler.handle(Left(3), 6)
    scheduler.handle(Left(2), 7)
    assert scheduler.idle_since("a") == 7
    assert scheduler.idle_since("b") is None


def test_a_plan_is_what_the_load_does_while_it_lasts(play: Play, one: Policies) -> None:
    scheduler = play(one("a b"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (BecameReady(1), [Grant(1, 1)]),
        (Left(1), []),
        (Arrived(2, "b"), [Stop(1)]),
        (Exited(1), [Start(2, "b")]),
    ])  # fmt: skip
    assert scheduler.plan("b") == ("a",)
    assert scheduler.plan("a") == ("b",)
