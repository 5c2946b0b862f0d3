"""The event stream: the present first, then what changes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from swapyard.api import events
from swapyard.api.status import origin_of
from swapyard.config.schema import Capabilities, Config, Model, Peer
from swapyard.observe.bus import LIMIT

if TYPE_CHECKING:
    from tests.api.conftest import Stream, Yard

CONFIG = Config(
    models={
        "b": Model(cmd="x", name=" B ", aliases=("bee",), capabilities=Capabilities(tools=True, context=4096)),
        "a": Model(cmd="x", unlisted=True),
    },
    peers={"p": Peer(proxy="http://p", models=("m", "n"))},
)


def read(data: bytes) -> list[tuple[str, Any]]:
    """As the clients of llama-swap read it."""
    found = []
    for event in data.decode().split("\n\n"):
        if event and event != ":":
            name, payload = event.split("\n")
            assert name == "event:message"
            outer = json.loads(payload.removeprefix("data:"))
            found.append((outer["type"], json.loads(outer["data"])))
    return found


async def body(stream: Stream) -> bytes:
    while not (data := (await stream.next()).get("body", b"")):
        pass
    return bytes(data)


async def test_a_stream_begins_with_the_present_state(yard: Yard) -> None:
    yard.config = CONFIG
    yard.states = {"b": "ready"}
    yard.profile = "night"
    yard.queue = {"count": 0, "waiting": []}
    yard.loading = [{"model": "a", "elapsed": 1.0}, {"model": "b", "elapsed": 2.0}]
    yard.logs.proxy_logger().info("hello")
    stream = yard.open("/api/events")
    head = await stream.next()
    headers = {key.decode().lower(): value.decode() for key, value in head["headers"]}
    assert headers["content-type"].startswith("text/event-stream")
    assert headers["cache-control"] == "no-cache"
    assert headers["x-accel-buffering"] == "no"
    assert headers["x-content-type-options"] == "nosniff"
    told = read(await body(stream))
    as_llama_swap_has_them = ["logData", "logData", "modelStatus", "uiConfig", "profileChanged", "inflight"]
    assert [kind for kind, _ in told] == [*as_llama_swap_has_them, "queue", "load", "load"]
    assert told[0][1]["source"] == "proxy"
    assert "hello" in told[0][1]["data"]
    assert told[1][1] == {"source": "upstream", "data": "", "times": []}
    assert told[2][1] == [
        {"id": "a", "name": "", "description": "", "state": "stopped", "unlisted": True, "peerID": ""},
        {
            "id": "b",
            "name": " B ",
            "description": "",
            "state": "ready",
            "unlisted": False,
            "peerID": "",
            "aliases": ["bee"],
            "capabilities": {"function_calling": True},
            "context_length": 4096,
        },
        {"id": "p/m", "name": "", "description": "", "state": "", "unlisted": False, "peerID": "p"},
        {"id": "p/n", "name": "", "description": "", "state": "", "unlisted": False, "peerID": "p"},
    ]
    assert told[3][1] == {
        "activity": {"session_id": ["X-Session-ID", "X-Litellm-Session-Id"]},
        "profiles": [],
        "config": {"files": ["/etc/swapyard.yaml"], "watched": True},
    }
    assert told[4][1] == {"active": "night"}
    assert told[5][1] == {"operation": "snapshot"}
    assert told[6][1] == {"count": 0, "waiting": []}
    assert [load["model"] for _, load in told[7:]] == ["a", "b"]
    await stream.leave()


def test_a_file_of_any_name_can_be_told() -> None:
    origin = origin_of([Path("/etc/caf\udce9.yaml"), Path("relative.yaml")], watched=False)
    assert origin.files == ("/etc/caf\ufffd.yaml", str(Path("relative.yaml").absolute()))


async def test_news_and_both_logs_follow(yard: Yard) -> None:
    stream = yard.open("/api/events")
    await body(stream)
    yard.bus.publish("activity", {"id": 7})
    assert read(await body(stream)) == [("activity", {"id": 7})]
    yard.logs.proxy_logger().warning("careful")
    [(kind, data)] = read(await body(stream))
    assert (kind, data["source"]) == ("logData", "proxy")
    assert "careful" in data["data"]
    yard.logs.upstream_writer("m")(b"tok\xffen\n")
    [(kind, data)] = read(await body(stream))
    assert (kind, data["source"], data["data"]) == ("logData", "upstream", "<m> tok\ufffden\n")
    await stream.leave()
    assert not yard.bus.watched


async def test_lines_tell_when_they_came_and_a_new_stream_tells_the_same(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([1_000_000_000, 2_000_000_000])
    monkeypatch.setattr("swapyard.observe.monitor.time", SimpleNamespace(time_ns=lambda: next(now)))
    write = yard.logs.upstream_writer("m")
    write(b"one\ntwo\n")
    stream = yard.open("/api/events")
    assert read(await body(stream))[1][1] == {"source": "upstream", "data": "<m> one\n<m> two\n", "times": [[0, 1000]]}
    write(b"three\n")
    assert read(await body(stream))[0][1]["times"] == [[0, 2000]]
    later = yard.open("/api/events")
    assert read(await body(later))[1][1]["times"] == [[0, 1000], [2, 2000]]
    await stream.leave()
    await later.leave()


async def test_silence_is_broken_by_comments(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT", 0.001)
    stream = yard.open("/api/events")
    await body(stream)
    assert await body(stream) == b":\n\n"
    await stream.leave()


async def test_a_client_that_does_not_read_is_dropped(yard: Yard) -> None:
    took = asyncio.Event()
    blocked = asyncio.Event()

    async def send(message: Any) -> None:
        if message.get("body"):
            took.set()
            await blocked.wait()

    stream = yard.open("/api/events", send=send)
    await asyncio.wait_for(took.wait(), 20)
    for _ in range(5):
        yard.bus.publish("x", "y" * (LIMIT // 4))
    assert not yard.bus.watched
    blocked.set()
    await asyncio.wait_for(stream.task, 20)


async def test_streams_end_with_swapyard(yard: Yard) -> None:
    stream = yard.open("/api/events")
    await body(stream)
    yard.bus.close()
    yard.logs.end_streams()
    await asyncio.wait_for(stream.task, 20)
    while (last := await stream.next()).get("more_body"):
        pass
    assert last == {"type": "http.response.body", "body": b"", "more_body": False}  # in order, not broken off
    assert not yard.bus.watched


async def test_head_is_answered_without_a_stream(yard: Yard) -> None:
    answer = await yard.ask("HEAD", "/api/events")
    assert answer.status == 200
    assert not yard.bus.watched
