"""The control plane's apps behind the same listener: streams, slow readers, failures, leaving clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from swapyard.http.asgi import AsgiApp, AsgiHandler

if TYPE_CHECKING:
    from tests.http.conftest import OpenSite, Site

GET = b"GET /a%20b?q=1 HTTP/1.1\r\nHost: x\r\nX-Y: z\r\n\r\n"
OpenApp = Callable[[AsgiApp], AbstractAsyncContextManager["Site"]]


@pytest.fixture
def open_app(open_site: OpenSite) -> OpenApp:
    @asynccontextmanager
    async def open_it(app: AsgiApp) -> AsyncIterator[Site]:
        tasks: set[asyncio.Task[None]] = set()

        def spawn(work: Any, name: str) -> None:
            task = asyncio.get_running_loop().create_task(work, name=name)
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        async with open_site() as site:
            site.server.accept = lambda head, client: AsgiHandler(app, head, client, spawn)
            yield site
        async with asyncio.timeout(20):
            await asyncio.gather(*tasks)

    return open_it


async def start(send: Any, status: int = 200, *headers: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})


async def test_the_scope_and_the_body(open_app: OpenApp, wire: Any) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive())["more_body"]:
            body += message["body"]
        seen.append((scope, body + message["body"]))
        await start(send, 201, (b"content-length", b"2"), (b"x-a", b"b"), (b"connection", b"close"))
        await send({"type": "http.response.body", "body": b"ok"})

    async with open_app(app) as site, wire.connect(site.port) as client:
        client.send(b"POST /a%20b?q=1 HTTP/1.1\r\nHost: x\r\nX-Y: z\r\nContent-Length: 300000\r\n\r\n", b"x" * 300_000, GET)
        answer = await client.response()
        assert (answer.status, answer.body, answer.one(b"connection")) == (201, b"ok", None)
        assert answer.headers == [(b"x-a", b"b"), (b"Content-Length", b"2")]
        assert (await client.response()).status == 201
        scope, body = seen[0]
        assert body == b"x" * 300_000
        assert (scope["type"], scope["method"], scope["path"], scope["raw_path"]) == ("http", "POST", "/a b", b"/a%20b")
        assert (scope["query_string"], scope["http_version"], scope["client"][0]) == (b"q=1", "1.1", "127.0.0.1")
        assert scope["headers"][:2] == [(b"host", b"x"), (b"x-y", b"z")]
        assert seen[1][1] == b""


async def test_expect_continue(open_app: OpenApp, wire: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        await send({"type": "http.response.body", "body": (await receive())["body"]})

    async with open_app(app) as site, wire.connect(site.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"hi")
        assert (await client.response()).body == b"hi"


async def test_head_gets_no_body(open_app: OpenApp, wire: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await start(send, 200, (b"content-length", b"5"))
        await send({"type": "http.response.body", "body": b"hello"})

    async with open_app(app) as site, wire.connect(site.port) as client:
        client.send(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", GET)
        assert (await client.response(to=b"HEAD")).one(b"content-length") == b"5"
        assert (await client.response()).body == b"hello"


async def test_a_stream_leaves_piece_by_piece(open_app: OpenApp, wire: Any) -> None:
    go = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        await go.wait()
        await send({"type": "http.response.body", "body": b"data", "more_body": True})
        await send({"type": "http.response.body"})

    async with open_app(app) as site, wire.connect(site.port) as client:
        client.send(GET)
        assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")  # before there is any body
        go.set()
        assert await client.until(b"0\r\n\r\n") == b"4\r\ndata\r\n0\r\n\r\n"


async def test_an_app_that_fails_before_its_answer(open_app: OpenApp, wire: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError("the app's own fault")

    async with open_app(app) as site, wire.connect(site.port) as client:
        client.send(GET)
        answer = await client.response()
        assert (answer.status, answer.body) == (500, b"internal_error")  # in the shape that `refuse` gives it
        assert "the app's own fault" in caplog.text
        assert site.ends == [500]


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"9")]])
@pytest.mark.parametrize("way", ["raises", "returns"])
async def test_an_app_that_fails_in_mid_answer(open_app: OpenApp, wire: Any, headers: Any, way: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await start(send, 200, *headers)
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        if way == "raises":
            raise ZeroDivisionError

    async with open_app(app) as site, wire.connect(site.port) as client:
        client.send(GET)
        assert (await client.rest()).endswith(b"\r\n\r\nabc" if headers else b"\r\n\r\n3\r\nabc\r\n")


@pytest.mark.parametrize("length", [b"2", b"9"])
async def test_an_app_that_promises_another_length_than_it_sends(open_app: OpenApp, wire: Any, length: bytes) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await start(send, 200, (b"content-length", length))
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        await send({"type": "http.response.body", "body": b"def"})

    async with open_app(app) as site, wire.connect(site.port) as client:
        client.send(GET, GET)
        assert (await client.rest()).count(b"HTTP/1.1") == 1


async def test_an_app_that_returns_without_an_answer(open_app: OpenApp, wire: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    async with open_app(app) as site, wire.connect(site.port) as client:
        client.send(GET)
        assert (await client.response()).status == 500


async def test_a_client_that_leaves_is_told_to_the_app(open_app: OpenApp, wire: Any) -> None:
    told: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        told.append((await receive())["type"])
        told.append((await receive())["type"])
        await send({"type": "http.response.body", "body": b"into the void", "more_body": True})
        await send({"type": "http.response.body", "body": b"into the void"})

    async with open_app(app) as site:
        async with wire.connect(site.port) as client:
            client.send(GET)
            await client.until(b"abc")
            await wire.settle()
            assert told == ["http.request"]
        await wire.until(lambda: len(told) == 2)
        assert told == ["http.request", "http.disconnect"]
        assert site.ends == [499]


async def test_a_client_that_does_not_read_makes_the_app_wait(open_app: OpenApp, wire: Any) -> None:
    sent = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await start(send)
        for _ in range(1000):
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            sent += 65536
        await send({"type": "http.response.body"})

    async with open_app(app) as site, wire.connect(site.port) as client:
        client.send(GET)
        await wire.settle()
        await wire.settle()
        assert sent < 30_000_000
        assert len((await client.response()).body) == 65536 * 1000


async def test_an_app_that_does_not_read_holds_the_body_back(open_app: OpenApp, wire: Any) -> None:
    go = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await go.wait()
        size = 0
        while (message := await receive())["more_body"]:
            size += len(message["body"])
        await start(send)
        await send({"type": "http.response.body", "body": b"%d" % (size + len(message["body"]))})

    async with open_app(app) as site, wire.connect(site.port) as client:
        size = 30_000_000
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size, b"x" * size)
        await wire.settle()
        await wire.settle()
        [connection] = site.server.connections
        assert isinstance(connection.handler, AsgiHandler)
        assert connection.handler._size < 5_000_000
        go.set()
        assert (await client.response()).body == b"%d" % size


async def test_a_client_that_leaves_ends_a_send_that_waits(open_app: OpenApp, wire: Any) -> None:
    ended = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        for _ in range(1000):
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        await send({"type": "http.response.body"})
        ended.set()

    async with open_app(app) as site:
        async with wire.connect(site.port) as client:
            client.send(GET)
            await client.until(b"xxx")
            await wire.settle()
            assert not ended.is_set()  # it waits for the client to read
        await asyncio.wait_for(ended.wait(), 20)
        assert site.ends == [499]
