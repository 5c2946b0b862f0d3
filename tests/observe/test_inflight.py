"""The table of requests under way, and what viewers are told of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from swapyard.observe.bus import Bus, Feed
from swapyard.observe.inflight import EVERY, LONGEST_QUEUE, Entry, InFlight, Phase, client_ip

FIELDS = [(b"host", b"Host", b"h"), (b"authorization", b"authorization", b"Bearer x")]


def told(feed: Feed) -> list[dict[str, Any]]:
    """All messages that wait for the viewer."""
    events = b"".join(feed._waiting).split(b"\n\n")[:-1]
    feed._waiting.clear()
    return [json.loads(json.loads(event.partition(b"data:")[2])["data"]) for event in events]


def table() -> tuple[Bus, InFlight]:
    loop = asyncio.get_running_loop()
    bus = Bus(loop)
    return bus, InFlight(bus, loop, wall=lambda: 1_760_000_000.25)


def add(inflight: InFlight, model: str = "m", **more: Any) -> Entry:
    cancel = more.pop("cancel", lambda: None)
    entry = Entry(model, "/v1/completions", "POST", FIELDS, "127.0.0.1", cancel, **more)
    inflight.add(entry)
    return entry


async def test_a_request_is_told_from_its_beginning_to_its_end() -> None:
    bus, inflight = table()
    feed = bus.subscribe()
    entry = add(inflight)
    inflight.moved(entry, Phase.QUEUED, 3, "waits for model b to finish")
    inflight.moved(entry, Phase.PREFILL)
    inflight.answered(entry, [(b"content-type", b"application/json"), (b"set-cookie", b"a")])
    inflight.remove(entry)
    inflight.remove(entry)
    added, queued, prefill, answered, removed = told(feed)
    assert [one["operation"] for one in (added, queued, prefill, answered)] == ["upsert"] * 4
    assert removed == {"operation": "remove", "id": "1"}
    assert list(added["request"]) == [
        "id", "timestamp", "model", "req_path", "method", "req_headers", "remote_ip", "resp_headers", "resp_bytes",
        "elapsed_ms", "phase",
    ]  # fmt: skip
    assert added["request"].pop("timestamp").startswith("2025-10-09T")
    assert added["request"].pop("elapsed_ms") >= 0
    assert added["request"] == {
        "id": "1", "model": "m", "req_path": "/v1/completions", "method": "POST", "remote_ip": "127.0.0.1",
        "req_headers": {"Authorization": "[REDACTED]", "Host": "h"}, "resp_headers": {}, "resp_bytes": 0,
        "phase": "receiving",
    }  # fmt: skip
    told_of_wait = {key: queued["request"][key] for key in ("phase", "position", "waiting_for")}
    assert told_of_wait == {"phase": "queued", "position": 3, "waiting_for": "waits for model b to finish"}
    assert prefill["request"]["phase"] == "prefill"
    assert "position" not in prefill["request"]
    assert answered["request"]["resp_headers"] == {"Content-Type": "application/json", "Set-Cookie": "[REDACTED]"}
    assert len(inflight) == 0


async def test_bytes_are_told_now_and_then() -> None:
    bus, inflight = table()
    feed = bus.subscribe()
    entries = [add(inflight), add(inflight)]
    for entry in entries:
        inflight.answered(entry, [])
    told(feed)
    for _ in range(1000):
        for entry in entries:
            inflight.passed(entry, 10)
    assert told(feed) == []
    await asyncio.wait_for(feed.next(), 10 * EVERY)  # the first viewer's message comes by the timer
    for entry in entries:
        assert entry.size == 10_000
        inflight.remove(entry)
    inflight.close()


async def test_a_request_that_ends_is_not_told_of_afterwards() -> None:
    bus, inflight = table()
    feed = bus.subscribe()
    entry = add(inflight)
    inflight.passed(entry, 1)
    inflight.remove(entry)
    told(feed)
    entry.told_at -= 2 * EVERY  # it would be time
    inflight._tell_late()
    assert told(feed) == []
    inflight.close()


async def test_without_viewers_nothing_is_made_and_no_timer_runs() -> None:
    _, inflight = table()
    entry = add(inflight)
    inflight.answered(entry, [(b"x", b"y")])
    inflight.passed(entry, 5)
    assert inflight._timer is None
    assert entry.shown_request is None
    (shown,) = inflight.snapshot().requests
    assert (shown.resp_bytes, shown.resp_headers) == (5, {"X": "y"})


async def test_a_snapshot_has_all_in_order_and_an_empty_one_no_list() -> None:
    bus, inflight = table()
    feed = bus.subscribe()
    bus.publish("inflight", inflight.snapshot())
    add(inflight, metadata={"selector": "s"})
    add(inflight)
    bus.publish("inflight", inflight.snapshot())
    empty, _, _, full = told(feed)
    assert empty == {"operation": "snapshot"}
    assert [request["id"] for request in full["requests"]] == ["1", "2"]
    assert full["requests"][0]["metadata"] == {"selector": "s"}
    assert "metadata" not in full["requests"][1]


async def test_cancel_ends_the_request_that_is_named() -> None:
    _, inflight = table()
    cancelled: list[int] = []
    for n in (1, 2):
        add(inflight, cancel=lambda n=n: cancelled.append(n))
    assert inflight.cancel("2")
    assert cancelled == [2]
    for wrong in ("3", "0", "-1", "x", "", "²", "1 "):
        assert not inflight.cancel(wrong)
    assert cancelled == [2]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([], "::1"),
        ([(b"x-real-ip", b"", b"10.0.0.2")], "10.0.0.2"),
        ([(b"x-real-ip", b"", b"10.0.0.2"), (b"x-forwarded-for", b"", b" 9.9.9.9 , 10.0.0.1")], "9.9.9.9"),
        ([(b"x-forwarded-for", b"", b", 10.0.0.1")], "::1"),
    ],
)
def test_whose_address_is_shown(fields: list[tuple[bytes, bytes, bytes]], expected: str) -> None:
    assert client_ip(fields, "::1") == expected


async def test_who_waits_is_told_in_one_piece_and_not_too_often() -> None:
    bus, inflight = table()
    feed = bus.subscribe()
    entries = [add(inflight) for _ in range(4)]
    inflight.moved(entries[3], Phase.LOADING)
    for position, entry in enumerate(entries[:3], 1):
        inflight.moved(entry, Phase.QUEUED, position, "b must finish first")
    inflight.remove(entries[0])
    inflight.moved(entries[1], Phase.PREFILL)
    told(feed)
    data = await asyncio.wait_for(feed.next(), 10 * EVERY)
    assert data is not None
    assert data.count(b"event:") == 1
    assert b'"type":"queue"' in data
    assert json.loads(json.loads(data.partition(b"data:")[2])["data"]) == {
        "count": 2,
        "waiting": [
            {"id": "4", "model": "m", "waiting_for": "m is being loaded"},
            {"id": "3", "model": "m", "position": 3, "waiting_for": "b must finish first"},
        ],
    }
    inflight.remove(entries[2])
    inflight.remove(entries[3])
    told(feed)
    data = await asyncio.wait_for(feed.next(), 10 * EVERY)
    assert data is not None
    assert json.loads(json.loads(data.partition(b"data:")[2])["data"]) == {"count": 0, "waiting": []}


async def test_a_long_queue_is_counted_and_its_head_is_named() -> None:
    _, inflight = table()
    for position in range(LONGEST_QUEUE + 50, 0, -1):
        inflight.moved(add(inflight), Phase.QUEUED, position, "m is busy")
    queue = inflight.queue()
    assert (queue.count, [one.position for one in queue.waiting]) == (LONGEST_QUEUE + 50, [*range(1, LONGEST_QUEUE + 1)])


async def test_requests_that_wait_for_nothing_are_no_news_of_the_queue() -> None:
    bus, inflight = table()
    feed = bus.subscribe()
    entry = add(inflight)
    inflight.moved(entry, Phase.PREFILL)
    inflight.answered(entry, [])
    inflight.remove(entry)
    assert len(told(feed)) == 4
    assert bus._soon == {}
