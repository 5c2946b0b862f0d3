"""Loading by hand, and the routes of llama.cpp's router."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from swapyard.api.services import Facts, RunFacts
from swapyard.config.schema import Config, Model, Peer
from swapyard.errors import StartFailed, TooManyRequests

if TYPE_CHECKING:
    from tests.api.conftest import Yard

CONFIG = Config(
    models={"m": Model(aliases=("al",)), "author/m": Model()}, peers={"p": Peer(proxy="http://x", models=("far",))}
)


def facts(state: str, run: RunFacts | None = None) -> Facts:
    return Facts(state=state, serving=0, limit=10, queued=0, stops=(), busy=(), run=run)


@pytest.fixture
def yard(yard: Yard) -> Yard:
    yard.config = CONFIG
    yard.facts = {model: facts("stopped") for model in CONFIG.models}
    return yard


async def begun(yard: Yard, number: int = 1) -> Any:
    async with asyncio.timeout(20):
        while len(yard.loads) < number:
            await asyncio.sleep(0)
    return yard.loads[number - 1]


# --- /api/models/load ---


@pytest.mark.parametrize(
    ("path", "model"), [("m", "m"), ("al", "m"), ("author/m", "author/m"), ("author%2Fm?wait=true", "author/m")]
)
async def test_a_load_is_answered_when_the_model_is_ready(yard: Yard, path: str, model: str) -> None:
    stream = yard.open(f"/api/models/load/{path}", "POST")
    load = await begun(yard)
    assert load.model == model
    assert stream.sent.empty()
    yard.facts[model] = facts("ready", RunFacts(id=7, pid=4711, address=None, uptime=1.0, idle=None))
    load.done.set_result(None)
    head, body = await stream.next(), await stream.next()
    assert head["status"] == 200
    assert body["body"] == b'{"model":"%b","state":"ready","run":7,"pid":4711,"position":null,"stops":[]}\n' % model.encode()
    await stream.task


async def test_without_waiting_the_state_is_told_at_once(yard: Yard) -> None:
    for number, wait in enumerate(("false", "0", "no", "False"), 1):
        answer = await yard.post(f"/api/models/load/m?wait={wait}")
        assert answer.status == 202
        assert answer.json == {"model": "m", "state": "stopped", "run": None, "pid": None, "position": None, "stops": []}
        assert not yard.loads[number - 1].done.done(), "it is still waited for, though the request is over"
    yard.begin_load = lambda load: load.done.set_result(None)
    assert (await yard.post("/api/models/load/m?wait=false")).status == 200


async def test_the_place_in_the_queue_is_told(yard: Yard) -> None:
    yard.begin_load = lambda load: setattr(load, "place", 3)
    assert (await yard.post("/api/models/load/m?wait=false")).json["position"] == 3


@pytest.mark.parametrize("wait", ["true", "false"])
async def test_what_is_refused_at_once_is_told_as_to_a_request(yard: Yard, wait: str) -> None:
    yard.begin_load = lambda load: load.done.set_exception(TooManyRequests("full"))
    answer = await yard.post(f"/api/models/load/m?wait={wait}")
    assert (answer.status, answer.json["error"]["code"]) == (429, "concurrency_limit")
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(("worth_retrying", "status"), [(False, 502), (True, 503)])
async def test_a_start_that_fails_is_told_as_to_a_request(yard: Yard, worth_retrying: bool, status: int) -> None:
    asked = asyncio.create_task(yard.post("/api/models/load/m"))
    (await begun(yard)).done.set_exception(StartFailed("exited with code 3", worth_retrying=worth_retrying))
    answer = await asked
    assert answer.status == status
    assert answer.json["error"]["message"] == "exited with code 3"
    assert answer.json["error"]["code"] == "model_start_failed"


async def test_who_leaves_waits_no_longer(yard: Yard) -> None:
    stream = yard.open("/api/models/load/m", "POST")
    load = await begun(yard)
    await stream.leave()
    assert load.done.cancelled()
    assert (await yard.ask("DELETE", "/api/models/load/m")).json == {"model": "m", "given_up": 0}


async def test_delete_gives_up_every_wait_for_the_model_and_no_other(yard: Yard) -> None:
    asked = asyncio.create_task(yard.post("/api/models/load/m"))
    await begun(yard)
    await yard.post("/api/models/load/al?wait=false")
    await yard.post("/models/load", b'{"model":"m"}')
    await yard.post("/api/models/load/author/m?wait=false")
    answer = await yard.ask("DELETE", "/api/models/load/al")
    assert (answer.status, answer.json) == (200, {"model": "m", "given_up": 3})
    assert [load.done.cancelled() for load in yard.loads] == [True, True, True, False]
    given_up = await asked
    assert given_up.status == 409
    assert "given up" in given_up.json["error"]["message"]
    assert (await yard.ask("DELETE", "/api/models/load/m")).json["given_up"] == 0


@pytest.mark.parametrize("wait", ["maybe", "2"])
async def test_wait_is_true_or_false(yard: Yard, wait: str) -> None:
    answer = await yard.post(f"/api/models/load/m?wait={wait}")
    assert (answer.status, answer.json["error"]["param"]) == (400, "wait")
    assert not yard.loads


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_unknown_names_and_peers(yard: Yard, method: str) -> None:
    unknown = await yard.ask(method, "/api/models/load/author/n")
    assert unknown.status == 404
    assert 'did you mean "author/m"' in unknown.json["error"]["message"]
    assert (await yard.ask(method, "/api/models/load/")).status == 404
    for name in ("far", "p/far"):
        answer = await yard.ask(method, f"/api/models/load/{name}")
        assert answer.status == 409
        assert 'belongs to peer "p"' in answer.json["error"]["message"]
    assert not yard.loads


async def test_other_methods_are_told_which_there_are(yard: Yard) -> None:
    for method in ("PUT", "GET"):
        answer = await yard.ask(method, "/api/models/load/m")
        assert answer.status == 405
        assert {"DELETE", "POST"} <= set(answer.headers["allow"].split(", "))


# --- llama.cpp's router ---


async def test_the_router_begins_a_load_and_answers(yard: Yard) -> None:
    answer = await yard.ask(
        "POST", "/models/load", body=b'{"model": "al", "extra": 1}', headers={"origin": "https://page.example"}
    )
    assert (answer.status, answer.json) == (200, {"success": True})
    assert answer.headers["access-control-allow-origin"] == "https://page.example"
    (load,) = yard.loads
    assert load.model == "m"
    assert not load.done.done()


async def test_the_router_tells_what_is_refused_at_once(yard: Yard) -> None:
    yard.begin_load = lambda load: load.done.set_exception(TooManyRequests("full"))
    assert (await yard.post("/models/load", b'{"model": "m"}')).status == 429


async def test_the_router_unloads_and_answers_when_it_is_gone(yard: Yard) -> None:
    yard.gone = asyncio.Event()
    asked = asyncio.create_task(yard.post("/models/unload", b'{"model": "al"}'))
    while not yard.unloaded:
        await asyncio.sleep(0)
    assert not asked.done()
    yard.gone.set()
    assert (await asked).json == {"success": True}
    assert yard.unloaded == [["m"]]


@pytest.mark.parametrize("path", ["/models/load", "/models/unload"])
@pytest.mark.parametrize(
    ("body", "status", "hint"),
    [
        (b"", 400, "with the name of a model"),
        (b'{"model"', 400, "with the name of a model"),
        (b'{"model": ""}', 400, "with the name of a model"),
        (b'{"model": 1}', 400, "with the name of a model"),
        (b'{"model": "\xff"}', 400, "with the name of a model"),
        (b"[" * 100_000, 400, "with the name of a model"),
        (b'{"name": "m"}', 400, "missing required field `model`"),
        (b'{"model": "author/n"}', 404, 'did you mean "author/m"'),
        (b'{"model": "far"}', 409, 'belongs to peer "p"'),
    ],
)
async def test_the_router_says_what_is_wrong(yard: Yard, path: str, body: bytes, status: int, hint: str) -> None:
    answer = await yard.post(path, body)
    assert answer.status == status
    assert hint in answer.json["error"]["message"]
    assert not yard.loads
    assert not yard.unloaded
