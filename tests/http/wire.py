"""Both ends of a wire, for tests: raw clients, and upstreams whose side of each connection the test itself plays.

Everything is written from the RFC and shares no code with what is tested.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

PATIENCE = 20.0  # seconds; a read that takes longer has failed


@dataclass(slots=True)
class Message:
    """A request or a response as it stood on the wire. `interim` holds the 1xx responses before it."""

    start: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    interim: list[Message] = field(default_factory=list)
    framing: str = "none"

    @property
    def status(self) -> int:
        return int(self.start.split(b" ")[1])

    @property
    def method(self) -> bytes:
        return self.start.split(b" ")[0]

    @property
    def target(self) -> bytes:
        return self.start.split(b" ")[1]

    def all(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def one(self, name: bytes) -> bytes | None:
        """The value of a field that stands there once, None where it is absent."""
        values = self.all(name)
        assert len(values) <= 1, f"{name!r} stands there {len(values)} times"
        return values[0] if values else None


class Wire:
    """One end of a TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))

    async def drained(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.writer.drain()

    async def exactly(self, size: int) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readexactly(size)

    async def until(self, mark: bytes) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readuntil(mark)

    async def rest(self) -> bytes:
        """All up to the orderly end of the connection. Raises ConnectionResetError for another end."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.read()

    async def gone(self) -> None:
        """Returns when the other side has closed, in whatever way, and nothing more had come."""
        try:
            assert await self.rest() == b""
        except ConnectionError:
            pass

    async def head(self) -> Message:
        text = await self.until(b"\r\n\r\n")
        start, *lines = text[:-4].split(b"\r\n")
        return Message(start, [parse(line) for line in lines])

    async def request(self) -> Message:
        return await self._with_body(await self.head(), default="none")

    async def response(self, *, to: bytes = b"GET") -> Message:
        """The next response, to a request with the method `to`."""
        interim: list[Message] = []
        while True:
            message = await self.head()
            if not 100 <= message.status < 200 or message.status == 101:
                break
            interim.append(message)
        message.interim = interim
        if to == b"HEAD" or message.status in (101, 204, 304):
            return message
        return await self._with_body(message, default="close")

    async def _with_body(self, message: Message, default: str) -> Message:
        coding, length = message.one(b"transfer-encoding"), message.one(b"content-length")
        assert coding is None or length is None
        if coding is not None:
            assert coding == b"chunked"
            message.framing = "chunked"
            pieces: list[bytes] = []
            while size := int(await self.until(b"\r\n"), 16):
                pieces.append(await self.exactly(size))
                assert await self.exactly(2) == b"\r\n"
            message.body = b"".join(pieces)
            while (line := await self.until(b"\r\n")) != b"\r\n":
                message.trailers.append(parse(line[:-2]))
        elif length is not None:
            message.framing = "length"
            message.body = await self.exactly(int(length))
        elif default == "close":
            message.framing = "close"
            message.body = await self.rest()
        return message

    def end(self) -> None:
        """Half-closes."""
        self.writer.write_eof()

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """Goes away with a RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.writer.transport.abort()


def parse(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    assert colon
    assert name == name.strip()
    return name, value.strip()


@asynccontextmanager
async def connect(port: int) -> AsyncIterator[Wire]:
    """A client."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    wire = Wire(reader, writer)
    try:
        yield wire
    finally:
        writer.transport.abort()
        try:
            await writer.wait_closed()
        except OSError:
            pass


class Scripted:
    """An upstream whose connections the test plays: `await upstream.accept()` is the next one."""

    def __init__(self) -> None:
        self._arrived: asyncio.Queue[Wire] = asyncio.Queue()
        self.accepted: list[Wire] = []
        self.port = 0
        self.server: asyncio.Server

    def refuse(self) -> None:
        """Listens no more."""
        self.server.close()

    def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer)
        self.accepted.append(wire)
        self._arrived.put_nowait(wire)

    async def accept(self) -> Wire:
        async with asyncio.timeout(PATIENCE):
            return await self._arrived.get()


@asynccontextmanager
async def scripted(port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[Scripted]:
    upstream = Scripted()
    server = await asyncio.start_server(upstream._on_connection, "127.0.0.1", port, ssl=tls)
    upstream.server = server
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        for wire in upstream.accepted:
            wire.writer.transport.abort()
        for wire in upstream.accepted:
            try:
                await wire.writer.wait_closed()
            except OSError:
                pass


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def until(condition: object) -> None:
    """Returns when `condition()` is true; the loop goes on meanwhile."""
    assert callable(condition)
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.001)


async def settle() -> None:
    """Lets everything that is already due happen: several turns of the loop with I/O."""
    for _ in range(20):
        await asyncio.sleep(0)
    await asyncio.sleep(0.02)
    for _ in range(5):
        await asyncio.sleep(0)
