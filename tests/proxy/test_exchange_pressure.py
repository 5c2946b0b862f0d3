"""Slow sides: who does not read makes the other wait, memory stays bounded, and everything arrives in the end."""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import TYPE_CHECKING, Any

import pytest

from swapyard.proxy import sending

if TYPE_CHECKING:
    from tests.proxy.conftest import OpenYard, Yard

SIZE = 200_000_000
PIECE = os.urandom(100_000)
BOUND = 24_000_000  # bytes on the way: those in the kernel, which lets the buffers of four sockets grow, and ours
CHAT = b'POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\n{"model":"m"}'


OURS = 1_000_000  # of them in buffers of ours, per socket


def check_buffers(yard: Yard) -> None:
    connections: list[Any] = [*yard.server.connections, *yard.upstreams[-1].connections]
    for connection in connections:
        assert connection._transport.get_write_buffer_size() < OURS


class Pouring:
    """Writes `SIZE` bytes as fast as they are taken, and counts."""

    def __init__(self, wire: Any, chunked: bool) -> None:
        self.wire = wire
        self.chunked = chunked
        self.poured = 0

    async def pour(self) -> None:
        writer = self.wire.writer
        writer.transport.set_write_buffer_limits(high=65536)
        while self.poured < SIZE:
            writer.write(b"%x\r\n%s\r\n" % (len(PIECE), PIECE) if self.chunked else PIECE)
            await writer.drain()
            self.poured += len(PIECE)
        if self.chunked:
            writer.write(b"0\r\n\r\n")

    async def stuck(self) -> None:
        """Returns when nothing more is taken."""
        before = -1
        while before != self.poured:
            before = self.poured
            await asyncio.sleep(0.1)


def digest() -> str:
    whole = hashlib.blake2b()
    for _ in range(SIZE // len(PIECE)):
        whole.update(PIECE)
    return whole.hexdigest()


async def swallow(wire: Any, chunked: bool) -> str:
    """The digest of a body."""
    whole = hashlib.blake2b()
    left = SIZE
    while left:
        if chunked:
            size = int(await wire.until(b"\r\n"), 16)
            whole.update(await wire.exactly(size))
            assert await wire.exactly(2) == b"\r\n"
        else:
            size = min(left, 1_000_000)
            whole.update(await wire.exactly(size))
        left -= size
    if chunked:
        assert await wire.exactly(5) == b"0\r\n\r\n"
    return whole.hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_client_that_does_not_read(open_yard: OpenYard, wire: Any, chunked: bool) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(CHAT)
        peer = await up.accept()
        await peer.request()
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % SIZE
        peer.send(b"HTTP/1.1 200 OK\r\n", framing, b"\r\n\r\n")
        pouring = Pouring(peer, chunked)
        task = asyncio.create_task(pouring.pour())
        await pouring.stuck()
        assert pouring.poured < BOUND
        check_buffers(yard)
        await client.head()
        assert await swallow(client, chunked) == digest()
        await task


@pytest.mark.slow
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("loaded", [False, True])
async def test_an_upstream_that_does_not_read(open_yard: OpenYard, wire: Any, chunked: bool, loaded: bool) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m" if loaded else "") as yard,
        wire.connect(yard.port) as client,
    ):
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % SIZE
        client.send(b"PUT /upstream/m/x HTTP/1.1\r\nHost: x\r\n", framing, b"\r\n\r\n")
        pouring = Pouring(client, chunked)
        task = asyncio.create_task(pouring.pour())
        if not loaded:
            process = await yard.started()
            await pouring.stuck()
            assert pouring.poured < BOUND
            process.become_ready()
        peer = await up.accept()
        await pouring.stuck()
        assert pouring.poured < BOUND
        check_buffers(yard)
        await peer.head()
        assert await swallow(peer, chunked) == digest()
        await task
        peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert (await client.response()).status == 204


@pytest.mark.slow
async def test_a_websocket_whose_client_does_not_read(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(b"GET /upstream/m/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        peer = await up.accept()
        await peer.request()
        peer.send(b"HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        await client.head()
        for source, sink in ((peer, client), (client, peer)):
            pouring = Pouring(source, chunked=False)
            task = asyncio.create_task(pouring.pour())
            await pouring.stuck()
            assert pouring.poured < BOUND
            check_buffers(yard)
            assert await swallow(sink, chunked=False) == digest()
            await task


@pytest.mark.slow
async def test_a_held_body_that_fills_the_upstream_at_once(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket says that it is full while the held part is written, and never again."""
    held = 20_000_000
    monkeypatch.setattr(sending, "HELD_BYTES", held)
    async with wire.scripted() as up, open_yard(m=up.port) as yard, wire.connect(yard.port) as client:
        client.send(b"PUT /upstream/m/x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % SIZE)
        pouring = Pouring(client, chunked=False)
        task = asyncio.create_task(pouring.pour())
        process = await yard.started()
        await pouring.stuck()
        process.become_ready()
        peer = await up.accept()
        await pouring.stuck()
        assert pouring.poured < held + BOUND
        await peer.head()
        assert await swallow(peer, chunked=False) == digest()
        await task
        peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert (await client.response()).status == 204
