"""What the tests of the HTTP layer share: `wire` (both ends of a connection, see wire.py), `stage` (both sides without
sockets, see http_stage.py) and `open_site`, a server whose handlers the test plays."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from swapyard.errors import RequestError
from swapyard.http.headers import Headers, RequestHead
from swapyard.http.server import ClientConnection, Handler, Limits, Server


def load(part: str) -> ModuleType:
    name = f"swapyard_tests_{part}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{part}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def wire() -> ModuleType:
    return load("wire")


@pytest.fixture(scope="session")
def stage() -> ModuleType:
    """Both sides without sockets: tests/http/http_stage.py."""
    return load("http_stage")


class Played:
    """A handler that notes what it is told; the test answers through `client`."""

    def __init__(self, site: Site, head: RequestHead, client: ClientConnection) -> None:
        self.site = site
        self.head = head
        self.client = client
        self.received = b""
        self.trailers: Headers | None = None
        self.complete = asyncio.Event()
        self.left = asyncio.Event()
        self.paused = False

    def start(self) -> None:
        self.site.started.append(self)
        self.site._queue.put_nowait(self)
        self.site.on_start(self)

    def body(self, data: bytes) -> None:
        assert not self.left.is_set()
        assert not self.complete.is_set()
        self.received += data
        self.site.on_body(self)

    def end(self, trailers: Headers) -> None:
        assert not self.left.is_set()
        self.trailers = trailers
        self.complete.set()
        self.site.on_end(self)

    def gone(self) -> None:
        assert not self.left.is_set()
        self.left.set()

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False


def nothing(handler: Played) -> None: ...


def echo(handler: Played) -> None:
    """Answers with the request: method, target, body."""
    head = handler.head
    handler.client.reply(200, [(b"X-Echo", b"yes")], b"%s %s %s" % (head.method, head.target, handler.received))


class Site:
    """A server and what has happened on it. `ends` are the statuses that were logged."""

    def __init__(self) -> None:
        self.started: list[Played] = []
        self.ends: list[int] = []
        self.refused: list[tuple[RequestHead, RequestError]] = []
        self.on_start: Callable[[Played], None] = nothing
        self.on_body: Callable[[Played], None] = nothing
        self.on_end: Callable[[Played], None] = echo
        self.port = 0
        self._queue: asyncio.Queue[Played] = asyncio.Queue()
        self.server: Server

    def accept(self, head: RequestHead, client: ClientConnection) -> Handler:
        return Played(self, head, client)

    def refuse(self, client: ClientConnection, error: RequestError) -> None:
        self.refused.append((client.head, error))
        client.reply(error.status, [], error.code.encode())

    async def handler(self) -> Played:
        """The next request's."""
        async with asyncio.timeout(10):
            return await self._queue.get()


OpenSite = Callable[..., AbstractAsyncContextManager[Site]]


@pytest.fixture
def open_site() -> OpenSite:
    """`async with open_site(limits=...) as site:` a listening server; its handlers echo unless the test says otherwise."""

    @asynccontextmanager
    async def open_it(limits: Limits | None = None, ssl: Any = None) -> AsyncIterator[Site]:
        loop = asyncio.get_running_loop()
        site = Site()
        site.server = Server(
            loop=loop,
            accept=site.accept,
            refuse=site.refuse,
            log_end=lambda client, status: site.ends.append(status),
            limits=limits,
        )
        listener = await loop.create_server(site.server, "127.0.0.1", 0, ssl=ssl)
        site.port = listener.sockets[0].getsockname()[1]
        try:
            yield site
        finally:
            listener.close()
            site.server.abort()
            async with asyncio.timeout(20):
                while site.server.connections:
                    await asyncio.sleep(0.001)

    return open_it
