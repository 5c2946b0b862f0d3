"""What llama.cpp's router tells: its stream of changes, and its properties."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from swapyard.api import router
from swapyard.app.progress import LoadNow
from swapyard.observe.history import Change

if TYPE_CHECKING:
    from tests.api.conftest import Stream, Yard


async def told(stream: Stream) -> list[dict[str, Any]]:
    """The next events, as a client of the router reads them."""
    while not (data := (await stream.next()).get("body", b"")):
        pass
    return [json.loads(event.removeprefix("data: ")) for event in data.decode().split("\n\n") if event]


def changed(model: str, state: str) -> Change:
    return Change(id=1, at=1.0, model=model, run=1, state=state, cause="asked")


async def test_a_stream_begins_with_what_is_loaded_and_loading(yard: Yard) -> None:
    yard.states = {"a": "ready", "b": "starting", "c": "stopping"}
    stream = yard.open("/models/sse")
    head = await stream.next()
    assert dict(head["headers"])[b"content-type"].startswith(b"text/event-stream")
    assert await told(stream) == [
        {"model": "a", "event": "status_change", "data": {"status": "loaded"}},
        {"model": "b", "event": "status_change", "data": {"status": "loading"}},
    ]
    await stream.leave()
    assert not yard.bus.watched


async def test_changes_are_told_in_the_routers_words(yard: Yard) -> None:
    stream = yard.open("/models/sse")
    await stream.next()
    for state in ("starting", "ready", "stopping", "stopped"):
        yard.bus.publish("transition", changed("m", state))
    yard.bus.publish("activity", {"id": 7})
    assert [(event["model"], event["event"], event["data"]) for event in await told(stream)] == [
        ("m", "status_change", {"status": "loading"}),
        ("m", "status_change", {"status": "loaded"}),
        ("m", "status_change", {"status": "unloaded", "exit_code": 0}),
    ]
    await stream.leave()


@pytest.mark.parametrize(("codes", "exit_code"), [({"m": 3}, 3), ({"m": -11}, -11), ({}, 1)])
async def test_a_bad_end_has_its_exit_code(yard: Yard, codes: dict[str, int], exit_code: int) -> None:
    stream = yard.open("/models/sse")
    await stream.next()
    yard.failures, yard.exit_codes = {"m": "ouch"}, codes
    yard.bus.publish("transition", changed("m", "stopped"))
    [event] = await told(stream)
    assert event["data"] == {"status": "unloaded", "exit_code": exit_code}
    await stream.leave()


async def test_a_stop_that_was_asked_for_is_no_failure_whatever_signal_it_took(yard: Yard) -> None:
    stream = yard.open("/models/sse")
    await stream.next()
    yard.exit_codes = {"m": -15}
    yard.bus.publish("transition", changed("m", "stopped"))
    assert (await told(stream))[0]["data"]["exit_code"] == 0
    await stream.leave()


async def test_a_load_with_an_estimate_tells_how_far_it_is_and_never_that_it_is_done(yard: Yard) -> None:
    stream = yard.open("/models/sse")
    await stream.next()
    for state, elapsed, estimate in [
        ("starting", 1.0, None),
        ("starting", 1.0, 4.0),
        ("starting", 9.0, 4.0),
        ("ready", 9.0, 4.0),
    ]:
        yard.bus.publish("load", LoadNow(model="m", run=1, state=state, elapsed=elapsed, estimate=estimate))
    events = await told(stream)
    assert [event["data"]["progress"]["value"] for event in events] == [0.25, 0.99]
    assert events[0]["data"]["progress"]["current"] in events[0]["data"]["progress"]["stages"]
    await stream.leave()


@pytest.mark.parametrize("kind", ["uiConfig", "profileChanged"])
async def test_another_configuration_or_profile_makes_clients_list_again(yard: Yard, kind: str) -> None:
    stream = yard.open("/models/sse")
    await stream.next()
    yard.bus.publish(kind, {})
    assert await told(stream) == [{"model": "*", "event": "models_reload"}]
    await stream.leave()


async def test_silence_is_broken_by_comments_and_loses_nothing(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router, "HEARTBEAT", 0.001)
    stream = yard.open("/models/sse")
    await stream.next()
    while (await stream.next()).get("body") != b":\n\n":
        pass
    monkeypatch.setattr(router, "HEARTBEAT", 5)
    yard.bus.publish("profileChanged", {})
    while (data := (await stream.next())["body"]) == b":\n\n":
        pass
    assert b"models_reload" in data
    await stream.leave()


async def test_the_routers_properties_say_that_it_is_one(yard: Yard) -> None:
    answer = await yard.get("/props?autoload=false", origin="http://page")
    assert answer.status == 200
    assert answer.json["role"] == "router"
    assert answer.json["models_autoload"] is True
    assert answer.json["default_generation_settings"] == {"params": {}, "n_ctx": 0}
    assert answer.json["build_info"] == "swapyard 1.2.3"
    assert answer.headers["access-control-allow-origin"] == "http://page"
