"""The rules of /comfyui/ (llama-swap #1001)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from swapyard.config.schema import Compat, Model, Peer, Profile

if TYPE_CHECKING:
    from tests.proxy.conftest import OpenYard

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
COMFYUI = {"comfyui_auto": Model(cmd="x", compat=Compat(ignore_websockets=True))}
UPGRADE = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: k", b"Sec-WebSocket-Version: 13")


def ask(method: bytes, target: bytes, *lines: bytes, body: bytes = b"") -> bytes:
    length = (b"Content-Length: %d" % len(body),) if body else ()
    return b"%s %s HTTP/1.1\r\n%s\r\n\r\n%s" % (method, target, b"\r\n".join((b"Host: gate", *lines, *length)), body)


@pytest.mark.parametrize(
    ("method", "target", "status", "location"),
    [
        (b"GET", b"/comfyui", 301, b"/comfyui/"),
        (b"HEAD", b"/comfyui?a=b", 301, b"/comfyui/?a=b"),
        (b"POST", b"/comfyui", 308, b"/comfyui/"),
        (b"DELETE", b"/comfyui?", 308, b"/comfyui/"),
    ],
)
@pytest.mark.parametrize("models", [{}, COMFYUI])
async def test_without_its_slash_it_leads_to_itself_and_loads_nothing(
    open_yard: OpenYard, wire: Any, method: bytes, target: bytes, status: int, location: bytes, models: dict[str, Model]
) -> None:
    async with open_yard(models=models) as yard, wire.connect(yard.port) as client:
        client.send(ask(method, target))
        answer = await client.response(to=method)
        assert (answer.status, answer.one(b"location")) == (status, location)
        assert yard.processes == []


@pytest.mark.parametrize(
    ("models", "peers"),
    [
        ({}, {}),
        ({"other": Model(cmd="x", aliases=("comfyui_auto",))}, {}),  # an alias does not qualify
        ({}, {"p": Peer(proxy="http://p", models=("comfyui_auto",))}),
    ],
)
async def test_without_a_model_of_that_id_it_is_a_404(
    open_yard: OpenYard, wire: Any, models: dict[str, Model], peers: dict[str, Peer]
) -> None:
    async with open_yard(models=models, config={"peers": peers}) as yard, wire.connect(yard.port) as client:
        for path in (b"/comfyui/", b"/comfyui/x"):
            client.send(ask(b"GET", path))
            answer = await client.response()
            assert answer.status == 404
            assert '"comfyui_auto"' in json.loads(answer.body)["error"]["message"]
        assert yard.processes == []


@pytest.mark.parametrize("path", [b"/comfyui/?x=1", b"/comfyui/"])
async def test_only_its_root_loads_the_model(open_yard: OpenYard, wire: Any, path: bytes) -> None:
    async with (
        wire.scripted() as up,
        open_yard(models=COMFYUI, comfyui_auto=up.port) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(ask(b"GET", path))
        (await yard.started()).become_ready()
        peer = await up.accept()
        assert (await peer.request()).target == path.removeprefix(b"/comfyui")
        peer.send(OK)
        assert (await client.response()).status == 200


@pytest.mark.parametrize("when", ["stopped", "starting"])
async def test_nothing_else_loads_it_or_waits_for_it(open_yard: OpenYard, wire: Any, when: str) -> None:
    async with (
        wire.scripted() as up,
        open_yard(models=COMFYUI, comfyui_auto=up.port) as yard,
        wire.connect(yard.port) as client,
        wire.connect(yard.port) as page,
    ):
        if when == "starting":
            page.send(ask(b"GET", b"/comfyui/"))
            await yard.started()
        for path in (b"/comfyui/api/queue", b"/comfyui//", b"/comfyui/index.html", b"/comfyui/%2f", b"/comfyui/;x"):
            client.send(ask(b"POST", path, body=b"{}"))
            answer = await client.response()
            error = json.loads(answer.body)["error"]
            assert (answer.status, error["code"]) == (409, "conflict"), path
            assert "is not loaded" in error["message"]
            assert "/comfyui/ does" in error["message"]
        assert len(yard.processes) == (when == "starting")
        page.reset()


@pytest.mark.parametrize("method", [b"GET", b"POST", b"PUT", b"DELETE"])
async def test_below_it_everything_is_passed_on_as_it_came(open_yard: OpenYard, wire: Any, method: bytes) -> None:
    """Not even a pin of that name counts, and a `model` in the body means nothing."""
    config = {"profiles": {"p": Profile(pins={"comfyui_auto": "", "x": "y"})}}
    async with (
        wire.scripted() as up,
        open_yard(models=COMFYUI, comfyui_auto=up.port, ready="comfyui_auto", config=config) as yard,
        wire.connect(yard.port) as client,
    ):
        yard.gateway.state.activate("p")
        body = b"" if method == b"GET" else b'{"model":"x"'
        client.send(ask(method, b"/comfyui/api//a%2Fb/%252F?model=x&y", body=body))
        peer = await up.accept()
        request = await peer.request()
        assert (request.start, request.body) == (method + b" /api//a%2Fb/%252F?model=x&y HTTP/1.1", body)
        peer.send(OK)
        assert (await client.response()).status == 200


@pytest.mark.parametrize("path", [b"/comfyui/ws?clientId=1", b"/comfyui/"])
async def test_its_websockets_are_ignored_and_load_nothing(open_yard: OpenYard, wire: Any, path: bytes) -> None:
    async with (
        wire.scripted() as up,
        open_yard(models=COMFYUI, comfyui_auto=up.port) as yard,
        wire.connect(yard.port) as early,
        wire.connect(yard.port) as client,
    ):
        early.send(ask(b"GET", path, *UPGRADE))
        assert (await early.response()).status == 409
        assert yard.processes == []
        await yard.load("comfyui_auto")
        client.send(ask(b"GET", path, *UPGRADE))
        peer = await up.accept()
        assert (await peer.head()).target == path.removeprefix(b"/comfyui")
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert (await client.head()).status == 101
        client.send(b"ping")
        assert await peer.exactly(4) == b"ping"
        assert (yard.served, yard.engine.arrivals) == (0, [])
        await yard.engine.unload()
        assert await client.rest() == b""


async def test_it_wants_a_key_like_the_rest(open_yard: OpenYard, wire: Any) -> None:
    async with open_yard(models=COMFYUI, config={"api_keys": ("k",)}) as yard, wire.connect(yard.port) as client:
        for path in (b"/comfyui", b"/comfyui/", b"/comfyui/x"):
            client.send(ask(b"GET", path))
            assert (await client.response()).status == 401
