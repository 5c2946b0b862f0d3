"""News, and viewers that do not read them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from swapyard.observe.bus import Bus, message


def told(events: bytes | None) -> list[tuple[str, Any]]:
    """The events as a client of llama-swap reads them: JSON within JSON."""
    assert events is not None
    *each, rest = events.decode().split("\n\n")
    assert rest == ""
    found = []
    for event in each:
        name, data = event.split("\n")
        assert name == "event:message"
        outer = json.loads(data.removeprefix("data:"))
        found.append((outer["type"], json.loads(outer["data"])))
    return found


async def test_every_viewer_hears_everything_in_order() -> None:
    bus = Bus(asyncio.get_running_loop())
    viewers = [bus.subscribe(), bus.subscribe()]
    bus.publish("a", {"n": 1})
    bus.publish("b", [])
    for viewer in viewers:
        assert told(await viewer.next()) == [("a", {"n": 1}), ("b", [])]


async def test_a_viewer_that_waits_is_woken() -> None:
    bus = Bus(asyncio.get_running_loop())
    viewer = bus.subscribe()
    waiting = asyncio.create_task(viewer.next())
    await asyncio.sleep(0)
    assert not waiting.done()
    bus.publish("a", None)
    assert told(await waiting) == [("a", None)]


async def test_a_viewer_may_have_words_of_its_own_and_not_hear_everything() -> None:
    bus = Bus(asyncio.get_running_loop())
    plain = bus.subscribe()
    short = bus.subscribe(wording=lambda kind, data: f"{kind}={data};".encode() if kind == "a" else b"")
    bus.publish("b", 1)
    bus.publish("a", 2)
    assert await short.next() == b"a=2;"
    assert told(await plain.next()) == [("b", 1), ("a", 2)]


async def test_nothing_is_encoded_while_nobody_looks() -> None:
    bus = Bus(asyncio.get_running_loop())
    bus.publish("a", object())  # cannot be encoded
    viewer = bus.subscribe()
    with pytest.raises(TypeError):
        bus.publish("a", object())
    viewer.close()
    bus.publish("a", object())
    assert not bus.watched


async def test_a_viewer_that_does_not_read_is_dropped_and_the_others_are_not() -> None:
    bus = Bus(asyncio.get_running_loop())
    size = len(message("a", "x"))
    lazy, keen = bus.subscribe(limit=3 * size), bus.subscribe(limit=3 * size)
    for _ in range(10):
        bus.publish("a", "x")
        assert told(await keen.next()) == [("a", "x")]
    assert lazy.ended
    assert await lazy.next() is None
    assert not keen.ended


async def test_news_that_replace_each_other_are_told_once_and_the_latest_counts() -> None:
    bus = Bus(asyncio.get_running_loop())
    viewer = bus.subscribe()
    states = iter(["first", "second"])
    latest = ["unset"]
    for _ in range(5):
        bus.publish_within(0.001, "a", lambda: latest[0])
        latest[0] = next(states, latest[0])
    assert told(await viewer.next()) == [("a", "second")]
    bus.publish_within(0.001, "a", lambda: "again")
    assert told(await viewer.next()) == [("a", "again")]


async def test_closing_ends_every_viewer_now_and_later() -> None:
    bus = Bus(asyncio.get_running_loop())
    early = bus.subscribe()
    bus.publish("a", 1)
    bus.publish_within(0.001, "late", lambda: 1)
    bus.close()
    assert told(await early.next()) == [("a", 1)]
    assert await early.next() is None
    assert await bus.subscribe().next() is None
