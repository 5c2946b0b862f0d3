"""Upgrades: after the 101 bytes pass as they are, both ways, until both sides have ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from swapyard.config.schema import Compat, Model
from swapyard.http import websocket

if TYPE_CHECKING:
    from tests.proxy.conftest import OpenYard

HANDSHAKE = (
    b"GET /upstream/m/ws?x=1 HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
    b"Sec-WebSocket-Key: abc\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: def\r\n\r\n"
)
CHAT = b'POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\n{"model":"m"}'


async def test_bytes_pass_both_ways_from_the_handshake_on(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(HANDSHAKE, b"early \0\r\n\r\n bytes")
        peer = await up.accept()
        request = await peer.head()
        assert request.start == b"GET /ws?x=1 HTTP/1.1"
        assert (request.one(b"connection"), request.one(b"upgrade")) == (b"Upgrade", b"WebSocket")
        assert request.one(b"sec-websocket-key") == b"abc"
        client.send(b" and more")
        await wire.settle()
        peer.send(SWITCH, b"and back")
        assert await client.until(b"\r\n\r\n") == SWITCH
        assert await client.exactly(8) == b"and back"
        assert await peer.exactly(26) == b"early \0\r\n\r\n bytes and more"
        for n in range(10):
            client.send(b"ping %d" % n)
            assert await peer.exactly(6) == b"ping %d" % n
            peer.send(b"pong %d" % n)
            assert await client.exactly(6) == b"pong %d" % n
        assert yard.served == 1
        peer.close()
        assert await client.rest() == b""
        client.close()
        await yard.settled()
        assert yard.ends == [101]


async def test_a_websocket_loads_its_model(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port) as yard, wire.connect(yard.port) as client:
        client.send(HANDSHAKE, b"x" * 50)
        (await yard.started()).become_ready()
        peer = await up.accept()
        await peer.head()
        peer.send(SWITCH)
        assert await peer.exactly(50) == b"x" * 50
        await client.head()
        peer.reset()


async def test_a_websocket_behind_another_request(open_yard: OpenYard, wire: Any) -> None:
    """The answer before it does not end the connection, and the bytes behind the handshake are kept."""
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(CHAT, HANDSHAKE, b"early")
        peer = await up.accept()
        await peer.request()
        await wire.settle()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        assert (await client.response()).one(b"connection") is None
        await peer.head()
        peer.send(SWITCH)
        await client.head()
        assert await peer.exactly(5) == b"early"
        peer.reset()


async def test_a_refused_upgrade_is_an_ordinary_answer_and_the_last(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(HANDSHAKE, b"these bytes are no request")
        peer = await up.accept()
        await peer.head()
        peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        answer = await client.response()
        assert (answer.status, answer.body, answer.one(b"connection")) == (403, b"no", b"close")
        assert await client.rest() == b""


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("who", ["client", "upstream"])
async def test_either_side_may_leave(open_yard: OpenYard, wire: Any, how: str, who: str) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(HANDSHAKE)
        peer = await up.accept()
        await peer.head()
        peer.send(SWITCH)
        await client.head()
        leaving, staying = (client, peer) if who == "client" else (peer, client)
        getattr(leaving, how)()
        await staying.gone()
        staying.close()
        await yard.settled()
        assert yard.ends == [101]


@pytest.mark.parametrize("who", ["client", "upstream"])
async def test_half_closes_pass(open_yard: OpenYard, wire: Any, who: str) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(HANDSHAKE)
        peer = await up.accept()
        await peer.head()
        peer.send(SWITCH)
        await client.head()
        first, second = (client, peer) if who == "client" else (peer, client)
        first.send(b"last words")
        first.end()
        assert await second.rest() == b"last words"
        second.send(b"x" * 1_000_000)
        second.end()
        assert await first.rest() == b"x" * 1_000_000
        await yard.settled()
        assert yard.ends == [101]


async def test_a_side_that_never_closes_does_not_keep_the_lease(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "LAST_WORDS", 0.05)
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(HANDSHAKE)
        peer = await up.accept()
        await peer.head()
        peer.send(SWITCH)
        await client.head()
        client.end()
        assert await peer.rest() == b""
        await yard.settled()


async def test_a_websocket_is_cut_when_its_run_is_stopped(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(HANDSHAKE)
        peer = await up.accept()
        await peer.head()
        peer.send(SWITCH)
        await client.head()
        await yard.engine.unload()
        assert await client.rest() == b""
        await peer.gone()


async def test_an_idle_websocket_that_is_ignored_holds_no_lease(open_yard: OpenYard, wire: Any) -> None:
    model = Model(cmd="x", compat=Compat(ignore_websockets=True))
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", models={"m": model}) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(HANDSHAKE)
        peer = await up.accept()
        await peer.head()
        peer.send(SWITCH)
        await client.head()
        assert yard.served == 0
        assert yard.engine.arrivals == []
        client.send(b"ping")
        assert await peer.exactly(4) == b"ping"
        await yard.engine.unload()
        assert await client.rest() == b""


async def test_drain_leaves_an_open_websocket_alone(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(HANDSHAKE)
        peer = await up.accept()
        await peer.head()
        peer.send(SWITCH)
        await client.head()
        yard.server.drain()
        await asyncio.sleep(0)
        client.send(b"ping")
        assert await peer.exactly(4) == b"ping"
        peer.reset()
