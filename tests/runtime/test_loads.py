"""Loads for their own sake: what they wait for, and what is left when they are given up."""

from __future__ import annotations

import asyncio
from types import ModuleType
from typing import Any

import pytest

from swapyard.core.lifecycle import State
from swapyard.core.messages import StartError
from swapyard.errors import StartFailed
from swapyard.runtime.loads import Load

# Coroutine tests although nothing is awaited: a Load has a future, and a future needs a loop.


@pytest.fixture
def stage(play_engine: ModuleType) -> Any:
    """Two models of which one runs at a time; a load takes 1 s, a stop another."""
    return play_engine.Stage(play_engine.swapping("a", "b"))


@pytest.fixture
def begin(stage: Any) -> Any:
    def begin_load(model: str) -> Load:
        stage.clock.create_future = asyncio.get_running_loop().create_future
        return Load(stage.engine, model, "by hand")

    return begin_load


async def test_a_load_is_done_when_the_model_is_ready_and_leaves_it_idle(stage: Any, begin: Any) -> None:
    load = begin("a")
    assert not load.done.done()
    stage.clock.run_until(2)
    assert load.done.result() is None
    assert stage.engine.scheduler.serving("a") == 0
    load.give_up()  # too late, and no harm
    assert load.done.result() is None


async def test_viewers_are_told_why_a_model_is_loaded(stage: Any, begin: Any) -> None:
    begin("a")
    stage.clock.run_until(2)
    waiting = stage.client("b", needs=1)
    waiting.cause = "for request 7"
    stage.clock.run_until(20)
    stage.client("a", needs=1)  # of which nothing is known
    stage.clock.run_until(40)
    loads = [change for change in stage.transitions if change.state in (State.STARTING, State.READY)]
    assert [change.cause for change in loads] == [
        *("by hand", "loaded in 1.0 s by hand"),
        *("for request 7", "loaded in 1.0 s for request 7"),
        *("requested", "loaded in 1.0 s"),
    ]
    assert [change.for_ticket for change in loads[2:4]] == [waiting.ticket, None]


async def test_a_load_tells_its_place(stage: Any, begin: Any) -> None:
    stage.client("a", needs=5)
    stage.clock.run_until(2)
    first, second = begin("b"), begin("b")
    assert (first.place, second.place) == (1, 2)
    stage.clock.run_until(20)
    assert (first.place, second.place) == (None, None)
    assert first.done.done()
    assert second.done.done()


async def test_a_load_that_is_given_up_gives_its_place_up(stage: Any, begin: Any) -> None:
    stage.prepare = lambda script: setattr(script, "loads", 1000.0)
    load = begin("a")
    load.give_up()
    assert load.done.cancelled()
    assert stage.engine.scheduler.waiting("a") == 0
    assert stage.engine.state("a") is State.STARTING  # in nobody's way
    stage.client("b")
    assert stage.engine.state("a") is State.STOPPING
    stage.clock.run_until(5000)


async def test_a_cancelled_task_gives_its_load_up(stage: Any) -> None:
    stage.clock.create_future = asyncio.get_running_loop().create_future
    task = asyncio.create_task(stage.engine.load("a", "as a preload"))
    while not stage.engine.scheduler.waiting("a"):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert stage.engine.scheduler.waiting("a") == 0
    stage.clock.run_until(5)


async def test_a_busy_model_is_loaded_already(stage: Any, begin: Any) -> None:
    stage.client("a")
    stage.clock.run_until(2)
    load = begin("a")
    assert load.done.done()
    assert load.place is None
    assert stage.engine.scheduler.reserved("a") == 1


async def test_loading_a_ready_model_counts_as_a_use_of_it(stage: Any, begin: Any) -> None:
    begin("a")
    stage.clock.run_until(2)
    idle_since = stage.engine.scheduler.idle_since("a")
    stage.clock.run_until(10)
    assert begin("a").done.done()
    stage.clock.run_until(11)
    assert stage.engine.scheduler.idle_since("a") == 10.0 > idle_since


# --- what is remembered of a bad end -----------------------------------------------------------------------------------


async def test_a_failed_start_is_remembered_until_the_next_one(stage: Any, begin: Any) -> None:
    load = begin("a")
    stage.scripts[0].exit_code = 3
    stage.scripts[0].exit(StartError("exited with code 3"))
    with pytest.raises(StartFailed, match="code 3"):
        load.done.result()
    assert (stage.engine.failures, stage.engine.exit_codes) == ({"a": "exited with code 3"}, {"a": 3})
    begin("a")
    assert (stage.engine.failures, stage.engine.exit_codes) == ({}, {})
    stage.clock.run_until(5)


@pytest.mark.parametrize("when", [0.5, 2])
async def test_a_check_that_fails_and_a_crash_are_remembered(stage: Any, begin: Any, when: float) -> None:
    begin("a")
    stage.clock.run_until(when)
    stage.scripts[0].fail("it is no use")
    stage.clock.run_until(5)
    assert stage.engine.state("a") is State.STOPPED
    assert stage.engine.failures == {"a": "it is no use"}


@pytest.mark.parametrize("when", [0.5, 2])
async def test_a_run_that_was_stopped_has_not_failed(stage: Any, begin: Any, when: float) -> None:
    load = begin("a")
    stage.clock.run_until(when)
    unload = asyncio.create_task(stage.engine.unload(["a"]))
    while not stage.scripts[0].graces:
        await asyncio.sleep(0)
    stage.scripts[0].exit(StartError("exited with code -15 before it was ready") if when < 1 else None)
    await unload
    assert load.done.done()
    assert stage.engine.failures == {}
