"""Writing responses: framing, clients of both versions, slow clients, and clients that leave."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest

from swapyard.http.server import Limits

if TYPE_CHECKING:
    from tests.http.conftest import OpenSite, Played, Site

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\n\r\n"
OLD_KEPT = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"


def stream(handler: Played, *parts: bytes, length: int | None = None, trailers: Any = None) -> None:
    handler.client.begin(200, [(b"A", b"b")], length=length)
    for part in parts:
        handler.client.write(part)
        handler.client.flush()
    handler.client.finish(trailers)


async def test_a_known_length(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        site.on_end = lambda handler: stream(handler, b"abc", b"de", length=5)
        client.send(GET)
        answer = await client.response()
        assert (answer.start, answer.body, answer.framing) == (b"HTTP/1.1 200 OK", b"abcde", "length")
        assert answer.headers == [(b"A", b"b"), (b"Content-Length", b"5")]


async def test_chunks_and_trailers(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        site.on_end = lambda handler: stream(handler, b"abc", b"", b"de" * 100_000, trailers=[(b"X-T", b"1")])
        client.send(GET, GET)
        for _ in range(2):
            answer = await client.response()
            assert (answer.body, answer.framing, answer.trailers) == (b"abc" + b"de" * 100_000, "chunked", [(b"X-T", b"1")])


async def test_an_old_client_gets_a_body_up_to_the_close(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        site.on_end = lambda handler: stream(handler, b"abc", b"de", trailers=[(b"X-T", b"1")])
        client.send(OLD_KEPT)
        answer = await client.response()
        assert (answer.body, answer.framing, answer.one(b"connection")) == (b"abcde", "close", b"close")


async def test_an_old_client_with_and_without_keep_alive(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        for _ in range(2):
            client.send(OLD_KEPT)
            answer = await client.response()
            assert (answer.body, answer.one(b"connection")) == (b"GET / ", b"keep-alive")
        client.send(OLD)
        answer = await client.response()
        assert (answer.framing, answer.one(b"connection")) == ("length", b"close")
        assert await client.rest() == b""


async def test_connection_close_is_honoured(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await client.response()).one(b"connection") == b"close"
        assert await client.rest() == b""


@pytest.mark.parametrize("length", [5, None])
async def test_head_has_no_body(open_site: OpenSite, wire: Any, length: int | None) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        site.on_end = lambda handler: stream(handler, b"abc", b"de", length=length)
        client.send(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n" * 2, GET)
        for _ in range(2):
            answer = await client.response(to=b"HEAD")
            assert answer.one(b"content-length") == (b"5" if length else None)
        assert (await client.response()).body == b"abcde"


@pytest.mark.parametrize(
    ("status", "length", "told"), [(204, 0, None), (304, None, None), (304, 7, b"7"), (204, None, None)]
)
async def test_statuses_without_a_body(
    open_site: OpenSite, wire: Any, status: int, length: int | None, told: bytes | None
) -> None:
    def answer(handler: Played) -> None:
        handler.client.begin(status, [], length=length)
        handler.client.write(b"never")
        handler.client.finish()

    async with open_site() as site, wire.connect(site.port) as client:
        site.on_end = answer
        client.send(GET, GET)
        for _ in range(2):
            message = await client.response()
            assert (message.status, message.one(b"content-length"), message.one(b"transfer-encoding")) == (
                status,
                told,
                None,
            )


@pytest.mark.parametrize("request_", [GET, OLD])
async def test_interim_responses_are_for_those_who_know_them(open_site: OpenSite, wire: Any, request_: bytes) -> None:
    def answer(handler: Played) -> None:
        handler.client.interim(100, [], b"Continue")
        handler.client.interim(103, [(b"Link", b"</a>")], b"Early Hints")
        handler.client.reply(200, [], b"ok")

    async with open_site() as site, wire.connect(site.port) as client:
        site.on_end = answer
        client.send(request_)
        message = await client.response()
        assert message.body == b"ok"
        interim = [(early.status, early.headers) for early in message.interim]
        assert interim == ([(103, [(b"Link", b"</a>")])] if request_ == GET else [])


# --- what is not whole does not look whole ---


async def test_broken_off_in_chunks(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        site.on_end = lambda handler: break_off(handler, None)
        client.send(GET, GET)
        assert (await client.rest()).endswith(b"\r\n\r\n3\r\nabc\r\n4\r\nlast\r\n")
        assert site.ends == [200]


async def test_broken_off_with_a_length(open_site: OpenSite, wire: Any) -> None:
    """Last words could fill up what is missing, so there are none."""
    async with open_site() as site, wire.connect(site.port) as client:
        site.on_end = lambda handler: break_off(handler, 7)
        client.send(GET)
        assert (await client.rest()).endswith(b"Content-Length: 7\r\n\r\nabc")


async def test_broken_off_up_to_the_close_is_a_reset(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        site.on_end = lambda _: None
        client.send(OLD)
        handler = await site.handler()
        handler.client.begin(200, [], length=None)
        handler.client.write(b"abc")
        handler.client.flush()
        assert (await client.until(b"abc")).startswith(b"HTTP/1.1 200 OK")
        handler.client.break_off(b"last")
        with pytest.raises(ConnectionResetError):
            await client.rest()


def break_off(handler: Played, length: int | None) -> None:
    handler.client.begin(200, [], length=length)
    handler.client.write(b"abc")
    handler.client.flush()
    handler.client.break_off(b"last")


# --- clients that leave ---


@pytest.mark.parametrize("how", ["close", "reset", "end"])
@pytest.mark.parametrize("when", ["body", "waiting", "streaming"])
async def test_a_client_that_leaves_is_noticed(open_site: OpenSite, wire: Any, how: str, when: str) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        site.on_end = lambda _: None
        message = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
        client.send(message[:-2] if when == "body" else message)
        handler = await site.handler()
        if when == "streaming":
            handler.client.begin(200, [], length=None)
            handler.client.write(b"abc")
            handler.client.flush()
            await client.until(b"abc")
        getattr(client, how)()
        await asyncio.wait_for(handler.left.wait(), 20)
        assert site.ends == [499]
        await wire.until(lambda: not site.server.connections)


async def test_a_client_that_leaves_is_noticed_with_requests_in_the_pipeline(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        site.on_end = lambda _: None
        client.send(GET, GET, b"garbage\r\n\r\n")
        handler = await site.handler()
        await wire.settle()
        client.close()
        await asyncio.wait_for(handler.left.wait(), 20)
        assert site.started == [handler]
        assert site.ends == [499]


async def test_a_client_that_leaves_between_requests_disturbs_nobody(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site:
        async with wire.connect(site.port) as client:
            client.send(GET)
            await client.response()
        await wire.until(lambda: not site.server.connections)
        assert site.ends == [200]


# --- slow clients ---


async def test_a_client_that_does_not_read_pauses_its_handler(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        site.on_end = lambda _: None
        client.send(GET)
        handler = await site.handler()
        sent = await fill(handler, length=None)
        assert handler.paused
        reading = asyncio.create_task(client.response())
        await wire.until(lambda: not handler.paused)
        handler.client.finish()
        assert (await reading).body == b"x" * sent


async def fill(handler: Played, length: int | None) -> int:
    """Writes until the client's socket takes no more."""
    handler.client.begin(200, [], length=length)
    sent = 0
    while not handler.paused:
        handler.client.write(b"x" * 65536)
        handler.client.flush()
        sent += 65536
        await asyncio.sleep(0)
    return sent


async def test_the_next_response_begins_when_the_one_before_has_drained(open_site: OpenSite, wire: Any) -> None:
    """Otherwise its handler would never hear that the socket is full."""
    async with open_site() as site, wire.connect(site.port) as client:
        site.on_end = lambda _: None
        client.send(GET)
        handler = await site.handler()
        sent = await fill(handler, length=None)
        handler.client.finish()
        client.send(GET)
        await wire.settle()
        assert len(site.started) == 1
        assert (await client.response()).body == b"x" * sent
        (await site.handler()).client.reply(200, [], b"second")
        assert (await client.response()).body == b"second"


async def test_a_handler_holds_a_body_back(open_site: OpenSite, wire: Any) -> None:
    size = 30_000_000

    async def serve(site: Site) -> None:
        handler = await site.handler()
        await wire.until(lambda: handler.received)
        handler.client.pause_reading()
        await wire.settle()
        held = len(handler.received)
        await wire.settle()
        assert len(handler.received) == held < size
        handler.client.resume_reading()
        await asyncio.wait_for(handler.complete.wait(), 30)
        assert len(handler.received) == size

    async with open_site() as site, wire.connect(site.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size, b"x" * size)
        site.on_end = lambda handler: handler.client.reply(200, [], b"ok")
        await serve(site)
        assert (await client.response()).body == b"ok"


async def test_a_body_that_was_held_back_does_not_stop_the_next_request(open_site: OpenSite, wire: Any) -> None:
    """The pause ends with the request it was for, and does not keep the client's leaving from being noticed."""
    async with open_site() as site, wire.connect(site.port) as client:
        site.on_body = lambda handler: handler.client.pause_reading()
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
        assert (await client.response()).body == b"POST / hello"
        client.send(GET)
        assert (await client.response()).body == b"GET / "


# --- the end of the server ---


async def test_drain_closes_idle_connections_and_lets_busy_ones_finish(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as idle, wire.connect(site.port) as busy:
        idle.send(GET)
        await idle.response()
        site.on_end = lambda _: None
        busy.send(GET, GET)
        handler = await asyncio.wait_for(last(site, 2), 20)
        site.server.drain()
        assert await idle.rest() == b""
        handler.client.reply(200, [], b"ok")
        answer = await busy.response()
        assert (answer.body, answer.one(b"connection")) == (b"ok", b"close")
        assert await busy.rest() == b""
        assert len(site.started) == 2
        await wire.until(lambda: not site.server.connections)


async def last(site: Site, count: int) -> Played:
    for _ in range(count - 1):
        await site.handler()
    return await site.handler()


# --- clients that are there no more, or as good as ---


async def test_a_client_that_reads_nothing_is_given_up_and_one_that_reads_gets_all(open_site: OpenSite, wire: Any) -> None:
    size = 20_000_000
    async with (
        open_site(limits=Limits(stall=0.5)) as site,
        wire.connect(site.port) as idle,
        wire.connect(site.port) as reading,
    ):
        site.on_end = lambda handler: handler.client.reply(200, [], bytes(size))
        site.on_start = lambda handler: None
        idle.send(GET)
        first = await site.handler()
        reading.send(GET)
        assert len((await reading.response()).body) == size
        await wire.until(lambda: first.client not in site.server.connections)


async def test_tcp_asks_whether_a_silent_client_is_still_there(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        client.send(GET)
        await client.response()
        [connection] = site.server.connections
        sock = connection._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
