"""What viewers are told of loads that are under way."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from swapyard.app import progress
from swapyard.app.progress import Progress
from swapyard.core.lifecycle import State
from swapyard.observe.bus import Bus, Feed
from swapyard.observe.history import History
from swapyard.runtime.engine import Transition


def change(state: State, run: int = 1, model: str = "m") -> Transition:
    return Transition(model=model, run=run, state=state, cause="requested")


def stage() -> tuple[Progress, Bus, History]:
    loop = asyncio.get_running_loop()
    bus, history = Bus(loop), History()
    return Progress(bus, history, loop), bus, history


async def told(feed: Feed) -> list[dict[str, Any]]:
    data = await asyncio.wait_for(feed.next(), 20)
    assert data is not None
    events = [json.loads(event.partition(b"data:")[2]) for event in data.split(b"\n\n")[:-1]]
    assert {event["type"] for event in events} == {"load"}
    return [json.loads(event["data"]) for event in events]


async def test_a_load_is_told_at_its_start_while_it_lasts_and_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.001)
    loads, bus, history = stage()
    history.remember([], {"m": [1.0, 5.0, 9.0]})
    feed = bus.subscribe()
    loads.changed(change(State.STARTING))
    begun, *_ = await told(feed)
    assert begun == {"model": "m", "run": 1, "state": "starting", "elapsed": begun["elapsed"], "estimate": 5.0}
    [under_way, *_] = await told(feed)
    assert (under_way["state"], under_way["estimate"]) == ("starting", 5.0)
    assert under_way["elapsed"] >= begun["elapsed"]
    loads.changed(change(State.READY))
    assert (await told(feed))[-1]["state"] == "ready"
    assert loads.now() == []
    assert loads._timer is None


async def test_a_load_that_comes_to_nothing_ends_too_and_the_end_of_a_ready_run_is_none() -> None:
    loads, bus, _ = stage()
    feed = bus.subscribe()
    loads.changed(change(State.STARTING))
    loads.changed(change(State.STARTING, run=2, model="other"))
    loads.changed(change(State.STOPPING))
    loads.changed(change(State.STOPPED))
    assert [(load["run"], load["state"]) for load in await told(feed)] == [(1, "starting"), (2, "starting"), (1, "stopping")]
    assert [(load.model, load.estimate) for load in loads.now()] == [("other", None)]
    loads.close()


async def test_with_nobody_looking_no_message_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    loads, bus, _ = stage()
    monkeypatch.setattr(bus, "publish", lambda *_: pytest.fail("a message for nobody"))
    loads.changed(change(State.STARTING))
    loads._tick()
    loads.changed(change(State.READY))
    assert loads._timer is None
