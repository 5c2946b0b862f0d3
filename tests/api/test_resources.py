"""/running, unloading, version, health, the page, and errors."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from swapyard.config.schema import Config, Model, Peer

if TYPE_CHECKING:
    from tests.api.conftest import Yard


# --- running -----------------------------------------------------------------------------------------------------------


async def test_nothing_runs(yard: Yard) -> None:
    assert (await yard.get("/running")).body == b'{"running":[]}\n'


async def test_running_tells_every_model_that_is_not_stopped_sorted_and_masked(yard: Yard) -> None:
    model = Model(cmd="server --api-key s3cret", proxy="http://localhost:5801", ttl=60, name=" N ", description="d")
    yard.config = Config(models={"b": Model(), "a": model, "stopped": Model()})
    yard.states = {"b": "stopping", "a": "ready"}
    first, second = (await yard.get("/running")).json["running"]
    assert first == {
        "model": "a",
        "state": "ready",
        "cmd": "server --api-key ***",
        "proxy": "http://localhost:5801",
        "ttl": 60,
        "name": " N ",
        "description": "d",
    }
    assert (second["model"], second["state"]) == ("b", "stopping")


async def test_a_model_that_a_reload_took_away_is_told_while_it_still_stops(yard: Yard) -> None:
    yard.states = {"old": "stopping"}
    (record,) = (await yard.get("/running")).json["running"]
    assert (record["model"], record["state"], record["cmd"]) == ("old", "stopping", "")


# --- unloading ---------------------------------------------------------------------------------------------------------


async def test_each_way_to_unload_has_its_own_body(yard: Yard) -> None:
    yard.config = Config(models={"author/m": Model(aliases=("al",))})
    assert (await yard.get("/unload")).text == "OK"
    everything = await yard.post("/api/models/unload")
    assert (everything.body, everything.headers["content-type"]) == (b'{"msg":"ok"}\n', "application/json")
    one = await yard.post("/api/models/unload/author/m")
    assert (one.text, one.headers["content-type"]) == ("OK", "text/plain; charset=utf-8")
    await yard.post("/api/models/unload/author%2Fm")
    await yard.post("/api/models/unload/al")
    assert yard.unloaded == [None, None, ["author/m"], ["author/m"], ["author/m"]]


async def test_the_answer_to_an_unload_comes_when_the_processes_are_gone(yard: Yard) -> None:
    yard.gone = asyncio.Event()
    stream = yard.open("/api/models/unload", "POST")
    for _ in range(10):
        await asyncio.sleep(0)
    assert yard.unloaded == [None]
    assert stream.sent.empty()
    yard.gone.set()
    assert (await stream.next())["status"] == 200
    await stream.task


@pytest.mark.parametrize("name", ["unknown", "p/x", "x", ""])
async def test_what_is_not_served_here_cannot_be_unloaded_here(yard: Yard, name: str) -> None:
    yard.config = Config(models={"m": Model()}, peers={"p": Peer(proxy="http://x", models=("x",))})
    answer = await yard.post(f"/api/models/unload/{name}")
    assert answer.status == 404
    assert answer.json["src"] == "swapyard"
    assert yard.unloaded == []


async def test_looking_ahead_at_unload_unloads_nothing(yard: Yard) -> None:
    assert (await yard.ask("HEAD", "/unload")).status == 200
    assert (await yard.get("/unload", sec_purpose="prefetch;prerender")).status == 503
    assert (await yard.get("/unload", purpose="prefetch")).status == 503
    assert yard.unloaded == []


# --- small ones --------------------------------------------------------------------------------------------------------


async def test_the_version(yard: Yard) -> None:
    assert (await yard.get("/api/version")).json == {"build_date": "2026-11-22", "commit": "c0ffee", "version": "1.2.3"}


@pytest.mark.parametrize("path", ["/health", "/wol-health"])
async def test_health_is_about_this_process_only(yard: Yard, path: str) -> None:
    answer = await yard.get(path)
    assert (answer.status, answer.text) == (200, "OK")
    assert answer.headers["content-type"].startswith("text/plain")


async def test_looking_at_things_changes_nothing(yard: Yard) -> None:
    yard.config = Config(models={"m": Model()})
    looked_at = (
        "/",
        "/v1/models",
        "/models",
        "/v1/models/m",
        "/running",
        "/health",
        "/logs",
        "/api/version",
        "/upstream",
    )
    for method in ("GET", "HEAD"):
        for path in looked_at:
            assert (await yard.ask(method, path)).status in {200, 302}
    assert yard.unloaded == []
    assert yard.states == {}


# --- the page ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "location"),
    [
        ("GET", "/", 302, "/ui"),
        ("GET", "/ui", 307, "/ui/"),
        ("GET", "/ui?a=b", 307, "/ui/?a=b"),
        ("GET", "/upstream", 302, "/ui/models"),
        ("POST", "/upstream", 307, "/upstream/"),
    ],
)
async def test_ways_to_the_page(yard: Yard, method: str, path: str, status: int, location: str) -> None:
    answer = await yard.ask(method, path)
    assert (answer.status, answer.headers["location"]) == (status, location)


# --- errors ------------------------------------------------------------------------------------------------------------


async def test_an_unknown_path_is_told_in_json_with_the_nearest_known_one(yard: Yard) -> None:
    answer = await yard.get("/chat/completions")
    assert answer.status == 404
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.json == {
        "src": "swapyard",
        "error": {
            "message": "nothing is served at /chat/completions; did you mean /v1/chat/completions?",
            "type": "invalid_request_error",
            "param": None,
            "code": "not_found",
        },
    }


async def test_an_unknown_path_of_anthropics_api_is_told_in_its_words(yard: Yard) -> None:
    error = (await yard.post("/v1/messages/batches")).json
    assert (error["type"], error["error"]["type"]) == ("error", "not_found_error")


@pytest.mark.parametrize("path", ["/health/", "/logs/", "/running/x", "/v1/models/", "/api/models/unload/"])
async def test_a_path_that_only_resembles_a_known_one_is_unknown(yard: Yard, path: str) -> None:
    method = "POST" if "unload" in path else "GET"
    assert (await yard.ask(method, path)).status == 404


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/running", "GET, HEAD"),
        ("DELETE", "/v1/models/m", "GET, HEAD"),
        ("GET", "/api/models/unload", "POST"),
        ("PUT", "/api/models/unload/m", "POST"),
    ],
)
async def test_a_wrong_method_is_told_in_json_with_the_right_ones(yard: Yard, method: str, path: str, allow: str) -> None:
    answer = await yard.ask(method, path)
    assert (answer.status, answer.headers["allow"]) == (405, allow)
    assert answer.json["error"]["code"] == "method_not_allowed"
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_errors_follow_the_accept_header(yard: Yard) -> None:
    answer = await yard.get("/nowhere", accept="text/plain")
    assert (answer.status, answer.text) == (404, "swapyard: nothing is served at /nowhere")


async def test_an_error_that_nobody_expected_is_a_500_in_json_and_a_line_in_the_log(yard: Yard) -> None:
    yard.states = None  # type: ignore[assignment]
    answer = await yard.get("/running")
    assert answer.status == 500
    assert answer.json["error"]["code"] == "internal_error"
    assert "NoneType" not in answer.text
    assert b"[ERROR] AttributeError: 'NoneType'" in yard.logs.proxy.history()
