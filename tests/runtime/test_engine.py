"""The engine with scripted processes (engine_stage.py): who is granted, refused or told what, whatever crosses what, and
whatever fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from swapyard.core.lifecycle import State
from swapyard.core.messages import BecameReady, Exited, Failed, StartError, UnloadAsked
from swapyard.errors import RequestError

STARTING, READY, STOPPING, STOPPED = State.STARTING, State.READY, State.STOPPING, State.STOPPED


@pytest.fixture
def stage(play_engine: ModuleType) -> Any:
    """Two models of which one runs at a time; a load takes 1 s, a stop another."""
    return play_engine.Stage(play_engine.swapping("a", "b"))


def error_of(client: Any) -> tuple[int, str]:
    assert client.outcome == "refused"
    return client.error.status, client.error.message


# --- the straight way --------------------------------------------------------------------------------------------------


def test_a_ready_model_is_granted_before_arrive_returns(stage: Any) -> None:
    stage.client("a", needs=5)
    stage.clock.run_until(1)
    assert stage.client("a").outcome == "granted"


def test_a_swap_waits_for_the_busy_model_then_for_its_exit(stage: Any) -> None:
    busy = stage.client("a", needs=5)
    stage.clock.run_until(2)
    waiting = stage.client("b", needs=1)
    stage.clock.run_until(5.9)
    assert (busy.outcome, waiting.outcome, waiting.positions) == ("granted", "", [1])
    stage.clock.run_until(6)
    assert stage.scripts[0].graces == [10.0]
    stage.clock.run_until(6.9)
    assert len(stage.scripts) == 1
    stage.clock.run_until(20)
    assert (busy.outcome, waiting.outcome) == ("served", "served")
    assert stage.told() == [
        ("a", STARTING), ("a", READY), ("a", STOPPING), ("a", STOPPED), ("b", STARTING), ("b", READY),
    ]  # fmt: skip
    assert [change.cause for change in stage.transitions[2:5]] == ["evicted: group swap, for b", "exited", "requested"]


def test_connections_are_closed_before_the_stop(stage: Any) -> None:
    client = stage.client("a")
    stage.clock.run_until(1)
    connections = client.connections
    order: list[str] = []
    for what, name in ((connections, "close"), (stage.scripts[0], "stop")):
        setattr(what, name, noting(order, name, getattr(what, name)))
    stage.engine.feed(UnloadAsked())
    assert order == ["close", "stop"]
    assert client.outcome == "broken: was stopped (unloaded by hand)"


def noting(order: list[str], name: str, act: Callable[..., None]) -> Callable[..., None]:
    def noted(*args: Any, **more: Any) -> None:
        order.append(name)
        act(*args, **more)

    return noted


async def test_load_and_unload_return_when_it_is_done(stage: Any) -> None:
    await on_clock(stage, stage.engine.load("a"))
    assert stage.engine.state("a") is READY
    assert stage.engine.ready_upstream("a") is not None
    unload = asyncio.create_task(stage.engine.unload(["a"]))
    while not stage.scripts[0].graces:
        await asyncio.sleep(0)
    assert stage.engine.ready_upstream("a") is None
    assert not unload.done()
    stage.clock.run_until(5)
    await unload
    assert stage.engine.state("a") is STOPPED


async def on_clock(stage: Any, work: Any) -> Any:
    stage.clock.create_future = asyncio.get_running_loop().create_future
    task = asyncio.ensure_future(work)
    while not task.done():
        stage.clock.run_until(stage.clock.now + 1)
        await asyncio.sleep(0)
    return await task


async def test_load_raises_what_a_request_would_be_told(stage: Any) -> None:
    with pytest.raises(RequestError, match='"nobody" is not known here'):
        await on_clock(stage, stage.engine.load("nobody"))


# --- what crosses ------------------------------------------------------------------------------------------------------


def test_a_load_without_waiters_is_aborted_for_another_model(stage: Any) -> None:
    stage.prepare = lambda script: setattr(script, "loads", 1000.0)
    stage.client("a").give_up()
    assert stage.told() == [("a", STARTING)]
    other = stage.client("b")
    assert stage.told() == [("a", STARTING), ("a", STOPPING)]
    assert stage.transitions[-1].cause == "nobody waits for it any more, and b does"
    stage.clock.run_until(1)
    assert [script.model for script in stage.alive] == ["b"]
    stage.clock.run_until(2000)
    assert other.outcome == "granted"


@pytest.mark.parametrize(
    "late", [lambda run: BecameReady(run), lambda run: Failed(run, StartError("old")), lambda run: Exited(run)]
)
def test_late_events_of_an_old_run_hurt_nobody(stage: Any, late: Any) -> None:
    first = stage.client("a")
    stage.engine.feed(UnloadAsked(frozenset("a")))
    assert error_of(first)[0] == 503
    second = stage.client("a")
    stage.clock.run_until(1)  # the old run is gone, the new one loads
    assert [script.run for script in stage.alive] == [2]
    told = stage.told()
    stage.engine.feed(late(1))
    assert stage.told() == told
    assert second.outcome == ""
    stage.clock.run_until(2)
    assert second.outcome == "granted"
    stage.engine.feed(late(1))
    assert (second.outcome, stage.engine.state("a"), stage.clock.bugs) == ("granted", READY, [])


def test_a_run_that_tells_that_it_is_ready_although_it_was_stopped_serves_nobody(stage: Any) -> None:
    stage.prepare = lambda script: setattr(script, "ready_though_stopped", script.run == 1)
    stage.clock.run_until(0.5)
    stage.client("a")
    stage.clock.run_until(1)
    stage.engine.feed(UnloadAsked(frozenset("a")))
    again = stage.client("a")
    stage.clock.run_until(1.9)
    assert again.outcome == ""
    stage.clock.run_until(5)
    assert again.outcome == "granted"
    assert stage.told() == [("a", state) for state in (STARTING, STOPPING, STOPPED, STARTING, READY)]


def test_a_crash_breaks_its_requests_and_the_next_one_starts_the_model_again(stage: Any) -> None:
    client = stage.client("a")
    stage.clock.run_until(1)
    stage.scripts[0].exit()
    assert client.outcome == "broken: has exited"
    again = stage.client("a")
    stage.clock.run_until(3)
    assert again.outcome == "granted"


def test_a_waiter_may_leave_within_its_own_grant(stage: Any) -> None:
    client, next_one = stage.client("a"), stage.client("a")
    client.granted = lambda upstream: client.give_up()
    stage.clock.run_until(1)
    assert (client.outcome, next_one.outcome, stage.clock.bugs) == ("left", "granted", [])


def test_a_new_policy_changes_the_grace_of_runs_that_go_on(stage: Any, play_engine: ModuleType) -> None:
    stage.client("a")
    stage.clock.run_until(1)
    launchpad = play_engine.Stage(play_engine.swapping("a"))
    launchpad.grace = lambda model: {"a": 3.0}[model]
    stage.engine.change_policy(play_engine.swapping("a"), launchpad, frozenset())
    assert stage.engine.state("a") is READY
    stage.engine.feed(UnloadAsked())
    assert stage.scripts[0].graces == [3.0]


# --- refusals ----------------------------------------------------------------------------------------------------------


def test_an_unknown_model_is_named(stage: Any) -> None:
    assert error_of(stage.client("c")) == (404, 'model "c" is not known here')


def test_what_is_beyond_the_limit_and_the_queue_is_told_apart(play_engine: ModuleType) -> None:
    limited = play_engine.Stage(play_engine.swapping("a", limit=1))
    limited.client("a")
    assert error_of(refused := limited.client("a")) == (
        429,
        'Too many requests: the concurrencyLimit of model "a" is reached',
    )
    assert (refused.error.code, refused.error.retry_after) == ("concurrency_limit", 1)

    full = play_engine.Stage(play_engine.swapping("a", parallel=1, max_queue=1))
    full.client("a")
    full.client("a")
    refused = full.client("a")
    assert error_of(refused) == (429, 'Too many requests: the queue of model "a" is full')
    assert refused.error.code == "queue_full"


def test_a_failed_start_tells_its_cause_to_all_who_wait(stage: Any) -> None:
    stage.prepare = lambda script: setattr(script, "loads", None)
    clients = [stage.client("a") for _ in range(3)]
    stage.scripts[0].exit(StartError("it exited with code 3\nno such file"))
    assert [error_of(client) for client in clients] == [(502, "it exited with code 3\nno such file")] * 3
    slow = stage.client("a")
    stage.scripts[1].fail("not ready within 15 s", worth_retrying=True)
    assert error_of(slow) == (503, "not ready within 15 s")
    assert slow.error.retry_after == 1
    assert stage.scripts[1].graces, "what is left of it is stopped"
    stage.clock.run_until(5)
    assert stage.told() == [("a", STARTING), ("a", STOPPED), ("a", STARTING), ("a", STOPPING), ("a", STOPPED)]


def test_shutdown_refuses_who_waits_and_who_comes_and_lets_the_served_finish(stage: Any) -> None:
    served, waiting = stage.client("a", needs=5), stage.client("b")
    stage.clock.run_until(1)
    stage.engine.begin_shutdown()
    for client in (waiting, stage.client("a"), stage.client("b")):
        assert error_of(client) == (503, "the server is shutting down")
    stage.clock.run_until(10)
    assert (served.outcome, stage.alive) == ("served", [])


async def test_the_end_of_a_shutdown_shortens_the_grace_of_what_is_stopping_already(stage: Any) -> None:
    stage.prepare = lambda script: setattr(script, "stops", 100.0)
    stage.client("a").give_up()
    stage.clock.run_until(1)
    stage.engine.begin_shutdown()
    end = asyncio.create_task(stage.engine.finish_shutdown(2.5))
    await asyncio.sleep(0)
    assert stage.scripts[0].graces == [10.0, 2.5]
    stage.scripts[0].exit()
    await end


# --- bugs of others ----------------------------------------------------------------------------------------------------


def fails(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError("a bug")


def test_a_waiter_that_fails_when_granted_gives_its_place_back_and_holds_up_nobody(play_engine: ModuleType) -> None:
    stage = play_engine.Stage(play_engine.swapping("a", "b", parallel=1))
    bad, good = stage.client("a"), stage.client("a", needs=1)
    bad.on_grant = fails
    stage.clock.run_until(5)
    assert error_of(bad)[0] == 500
    assert "internal error" in error_of(bad)[1]
    assert good.outcome == "served"
    assert stage.engine.scheduler.serving("a") == 0
    [bug] = stage.clock.bugs
    assert "a bug" in bug


def test_a_scheduler_that_fails_over_an_arrival_leaves_nobody_waiting(stage: Any) -> None:
    scheduler = stage.engine.scheduler
    works = scheduler.handle

    def fails_once(*_: Any) -> Any:
        scheduler.handle = works
        fails()

    scheduler.handle = fails_once
    turned_away = stage.client("a")
    assert error_of(turned_away)[0] == 500
    assert scheduler.reserved("a") == 0
    served = stage.client("a", needs=1)
    stage.clock.run_until(5)
    assert served.outcome == "served"
    assert "a bug" in stage.clock.bugs[0]


def test_a_waiter_that_fails_when_refused_keeps_no_other_uninformed(stage: Any) -> None:
    clients = [stage.client("a") for _ in range(3)]
    clients[0].refused = fails
    stage.engine.feed(UnloadAsked(frozenset("a")))
    assert [client.outcome for client in clients] == ["", "refused", "refused"]
    assert len(stage.clock.bugs) == 1


@pytest.mark.parametrize("what", ["supervise", "grace"])
def test_a_launchpad_that_fails_is_a_failed_start(stage: Any, what: str) -> None:
    works, broken = getattr(stage, what), fails
    setattr(stage, what, broken)
    assert error_of(stage.client("a")) == (502, 'model "a" cannot be started: a bug')
    setattr(stage, what, works)
    again = stage.client("a")
    stage.clock.run_until(1)
    assert again.outcome == "granted"
    assert len(stage.clock.bugs) == 1


def test_a_process_that_cannot_even_be_started_is_a_failed_start(stage: Any) -> None:
    stage.prepare = lambda script: setattr(script, "start", fails)
    assert error_of(stage.client("a"))[0] == 502
    assert stage.engine.runs == {}


def test_a_run_that_came_up_but_cannot_be_reached_is_stopped(stage: Any) -> None:
    stage.upstream = fails
    client = stage.client("a")
    stage.clock.run_until(1)
    assert error_of(client) == (502, 'model "a" came up, but cannot be reached: a bug')
    stage.clock.run_until(5)
    assert (stage.alive, stage.engine.state("a")) == ([], STOPPED)


def test_connections_that_cannot_be_closed_do_not_keep_a_run_alive(stage: Any) -> None:
    client = stage.client("a")
    stage.clock.run_until(1)
    client.connections.close = fails
    client.finish()
    stage.engine.feed(UnloadAsked(frozenset("a")))
    stage.clock.run_until(5)
    assert (stage.alive, stage.engine.state("a")) == ([], STOPPED)


def test_an_observer_that_fails_changes_nothing_for_the_others(stage: Any) -> None:
    stage.engine.observers.insert(0, fails)
    client = stage.client("a")
    stage.clock.run_until(1)
    assert client.outcome == "granted"
    assert stage.told() == [("a", STARTING), ("a", READY)]


async def test_a_supervision_that_failed_does_not_hang_an_unload_or_a_shutdown(stage: Any) -> None:
    stage.client("a")

    async def wait_over() -> None:
        fails()

    stage.scripts[0].wait_over = wait_over
    await asyncio.wait_for(stage.engine.unload(["a"]), 20)
    await asyncio.wait_for(stage.engine.finish_shutdown(1), 20)
    assert len(stage.clock.bugs) == 2
