"""Reading requests: one after another, in any pieces, and what is refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from swapyard.errors import RequestError
from swapyard.http import client_connection
from swapyard.http.server import Limits

if TYPE_CHECKING:
    from tests.http.conftest import OpenSite, Played, Site

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_a_connection_serves_one_request_after_another(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        for _ in range(3):
            client.send(GET)
            assert (await client.response()).body == b"GET /a "
            client.send(POST)
            assert (await client.response()).body == b"POST /b hello"
            client.send(CHUNKED, b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX-T: 1\r\n\r\n")
            assert (await client.response()).body == b"POST /c hello"
            assert site.started[-1].trailers == [(b"X-T", b"1")]
        assert len(site.server.connections) == 1
        assert site.ends == [200] * 9


async def test_pipelined_requests_are_answered_in_order(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        client.send(GET, POST, CHUNKED, b"5\r\nhello\r\n0\r\n\r\n", GET)
        bodies = [(await client.response()).body for _ in range(4)]
        assert bodies == [b"GET /a ", b"POST /b hello", b"POST /c hello", b"GET /a "]


async def test_a_slow_first_request_holds_the_others_back(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        site.on_end = lambda _: None
        client.send(GET, POST, GET)
        first = await site.handler()
        await wire.settle()
        assert site.started == [first]
        first.client.reply(200, [], b"first")
        second = await site.handler()
        assert second.received == b"hello"
        second.client.begin(200, [], length=None)
        second.client.write(b"sec")
        second.client.flush()
        await wire.settle()
        assert len(site.started) == 2
        second.client.write(b"ond")
        second.client.finish()
        (await site.handler()).client.reply(200, [], b"third")
        assert [(await client.response()).body for _ in range(3)] == [b"first", b"second", b"third"]


async def test_an_early_answer_in_a_pipeline_does_not_end_the_request_behind_it(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        site.on_end = lambda _: None
        client.send(GET, GET, POST, POST[:-3])
        first = await site.handler()
        await wire.settle()
        site.on_start = lambda handler: handler.client.reply(200, [], b"early") if len(site.started) < 4 else None
        first.client.reply(200, [], b"first")
        for _ in range(3):
            fourth = await site.handler()
        await wire.settle()
        assert [handler.received for handler in site.started] == [b"", b"", b"", b"he"]
        assert not fourth.complete.is_set()
        client.send(POST[-3:])
        await asyncio.wait_for(fourth.complete.wait(), 20)
        fourth.client.reply(200, [], fourth.received)
        assert [(await client.response()).body for _ in range(4)] == [b"first", b"early", b"early", b"hello"]


async def test_many_pipelined_requests_are_answered(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        site.on_start, site.on_end = echo_target, lambda _: None
        client.send(*(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(3000)))
        assert [(await client.response()).body for n in range(3000)] == [b"/%d" % n for n in range(3000)]
        assert client_connection.LINGER > 1  # no timer of it is left: the loop would keep them
        assert len(site.ends) == 3000


def echo_target(handler: Played) -> None:
    handler.client.reply(200, [], handler.head.target)


@pytest.mark.parametrize("slow", [False, True])
async def test_an_error_in_the_middle_of_a_pipeline(open_site: OpenSite, wire: Any, slow: bool) -> None:
    """An error that a handler answers ends nothing; the requests behind it are served."""

    def answer(handler: Played) -> None:
        code = 404 if handler.head.target == b"/b" else 200
        if slow:
            asyncio.get_running_loop().call_soon(handler.client.reply, code, [], handler.head.target)
        else:
            handler.client.reply(code, [], handler.head.target)

    async with open_site() as site, wire.connect(site.port) as client:
        site.on_end = answer
        client.send(GET, POST, GET)
        answers = [await client.response() for _ in range(3)]
        assert [(a.status, a.body) for a in answers] == [(200, b"/a"), (404, b"/b"), (200, b"/a")]


@pytest.mark.parametrize("junk", [b"GARBAGE\r\n\r\n", b"\x16\x03\x01\x02\0\1", b"GET / HTTP/1.1\nHost: x\n\n"])
@pytest.mark.parametrize("slow", [False, True])
async def test_garbage_behind_valid_requests(open_site: OpenSite, wire: Any, junk: bytes, slow: bool) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        if slow:
            site.on_end = lambda _: None
        client.send(GET, POST, junk)
        if slow:
            for expected in (b"/a", b"/b"):
                handler = await site.handler()
                await wire.settle()
                assert handler.head.target == expected
                handler.client.reply(200, [], b"ok")
        statuses = [(await client.response()).status for _ in range(3)]
        assert statuses == [200, 200, 400]
        assert await client.rest() == b""
        assert site.ends == [200, 200, 400]


async def test_a_broken_body_in_a_pipeline_is_refused_in_its_turn(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        site.on_end = lambda _: None
        client.send(GET, CHUNKED, b"zz\r\n", GET)
        first = await site.handler()
        await wire.settle()
        first.client.reply(200, [], b"ok")
        assert (await client.response()).status == 200
        refusal = await client.response()
        assert (refusal.status, refusal.one(b"connection")) == (400, b"close")
        assert await client.rest() == b""
        assert site.started == [first]
        assert site.refused[0][0].path == b"/c"


async def test_a_pipeline_holds_a_bounded_amount(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        site.on_end = lambda _: None
        client.send(GET)
        first = await site.handler()
        connection = first.client
        big = b"POST /big HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n"
        client.send(big, b"x" * 20_000_000)
        await wire.until(lambda: connection._pipeline.full)
        await wire.settle()
        assert connection._pipeline._size < 2_000_000
        first.client.reply(200, [], b"ok")
        second = await site.handler()
        await asyncio.wait_for(second.complete.wait(), 20)
        assert second.received == b"x" * 20_000_000
        second.client.reply(200, [], b"ok")
        assert [(await client.response()).body for _ in range(2)] == [b"ok", b"ok"]


# --- every split point ---

TRICKY = (
    b"POST /v1/x?a=%2F HTTP/1.1\r\nhost: x\r\nX-Empty:\r\nX-Empty-2: \r\nX-Tab:\ta \r\nTransfer-Encoding: Chunked\r\n"
    b"Cookie: a=b\r\ncookie: c=d\r\n\r\n"
    b'3\r\nabc\r\n1;q="1"\r\nd\r\n0\r\nX-Trail: t\r\nX-None:\r\n\r\n'
)


def check_tricky(handler: Played) -> None:
    head = handler.head
    assert (head.method, head.target, head.path, head.query) == (b"POST", b"/v1/x?a=%2F", b"/v1/x", b"a=%2F")
    assert [(name, value.strip()) for _, name, value in head.fields] == [
        (b"host", b"x"),
        (b"X-Empty", b""),
        (b"X-Empty-2", b""),
        (b"X-Tab", b"a"),
        (b"Transfer-Encoding", b"Chunked"),
        (b"Cookie", b"a=b"),
        (b"cookie", b"c=d"),
    ]
    assert handler.received == b"abcd"
    assert handler.trailers == [(b"X-Trail", b"t"), (b"X-None", b"")]


class Loose:
    """A transport that keeps what is written, and its connection."""

    def __init__(self, site: Site) -> None:
        self._written = b""
        self._batch = site.server.batch
        self.closed = False
        self.connection = site.server()
        self.connection.connection_made(self)  # type: ignore[arg-type]

    @property
    def written(self) -> bytes:
        self._batch.end()
        return self._written

    def write(self, data: bytes) -> None:
        assert not self.closed
        self._written += data

    def writelines(self, parts: list[bytes]) -> None:
        self.write(b"".join(parts))

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else None

    def set_write_buffer_limits(self, high: int) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True
        self.connection.connection_lost(None)


async def test_a_request_may_be_split_anywhere(open_site: OpenSite) -> None:
    message = TRICKY + POST
    async with open_site() as site:
        for at in range(len(message) + 1):
            transport = Loose(site)
            for piece in (message[:at], message[at:]):
                if piece:
                    transport.connection.data_received(piece)
            await asyncio.sleep(0)
            check_tricky(site.started[-2])
            assert transport.written.endswith(b"POST /b hello"), at


async def test_a_request_may_come_byte_by_byte(open_site: OpenSite) -> None:
    async with open_site() as site:
        transport = Loose(site)
        for byte in TRICKY + POST + GET:
            transport.connection.data_received(bytes([byte]))
        check_tricky(site.started[0])
        assert transport.written.count(b"HTTP/1.1 200 OK\r\n") == 3
        assert transport.written.endswith(b"GET /a ")


# --- what is refused ---


def head(*lines: bytes, start: bytes = b"GET / HTTP/1.1") -> bytes:
    return b"\r\n".join((start, b"Host: x", *lines, b"", b""))


def post(*lines: bytes) -> bytes:
    return head(*lines, start=b"POST / HTTP/1.1")


REFUSED: list[tuple[str, bytes, int]] = [
    ("length and chunks", post(b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
    ("chunks and length", post(b"Transfer-Encoding: chunked", b"Content-Length: 5") + b"0\r\n\r\n", 400),
    ("two lengths", post(b"Content-Length: 5", b"Content-Length: 6") + b"hello", 400),
    ("the same length twice", post(b"Content-Length: 5", b"Content-Length: 5") + b"hello", 400),
    ("a list of lengths", post(b"Content-Length: 5, 5") + b"hello", 400),
    ("a signed length", post(b"Content-Length: +5") + b"hello", 400),
    ("a negative length", post(b"Content-Length: -5") + b"hello", 400),
    ("a hexadecimal length", post(b"Content-Length: 0x5") + b"hello", 400),
    ("an empty length", post(b"Content-Length:") + b"hello", 400),
    ("a length beyond 64 bits", post(b"Content-Length: 99999999999999999999") + b"hello", 400),
    ("chunked is not the last coding", post(b"Transfer-Encoding: chunked, gzip"), 400),
    ("chunked twice", post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), 400),
    ("no chunked at all", post(b"Transfer-Encoding: gzip"), 400),
    ("identity", post(b"Transfer-Encoding: identity"), 400),
    ("something like chunked", post(b"Transfer-Encoding: xchunked"), 400),
    ("a coding before chunked", post(b"Transfer-Encoding: gzip, chunked"), 501),
    ("chunks in HTTP/1.0", head(b"Transfer-Encoding: chunked", start=b"POST / HTTP/1.0") + b"0\r\n\r\n", 400),
    ("a chunk size that is none", CHUNKED + b"g\r\n", 400),
    ("a chunk size with 0x", CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n", 400),
    ("a signed chunk size", CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n", 400),
    ("a chunk size with a space", CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n", 400),
    ("a chunk size beyond 64 bits", CHUNKED + b"fffffffffffffffff\r\n", 400),
    ("a chunk longer than its size", CHUNKED + b"5\r\nhelloX\r\n0\r\n\r\n", 400),
    ("a bare LF behind a chunk size", CHUNKED + b"5\nhello\r\n0\r\n\r\n", 400),
    ("a bare LF behind a chunk", CHUNKED + b"5\r\nhello\n0\r\n\r\n", 400),
    ("a bare LF in a chunk extension", CHUNKED + b"5;a\nb\r\nhello\r\n0\r\n\r\n", 400),
    ("a length in the trailers", CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n", 400),
    ("a bare LF behind the request line", b"GET / HTTP/1.1\nHost: x\r\n\r\n", 400),
    ("a bare LF behind a field", b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 400),
    ("a bare CR in a field", head(b"A: b\rc"), 400),
    ("a folded line", head(b"A: b", b" c"), 400),
    ("a space before the colon", head(b"A : b"), 400),
    ("a space before the first field", b"GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400),
    ("a field without a name", head(b": b"), 400),
    ("a field without a colon", head(b"A"), 400),
    ("NUL in a value", head(b"A: b\0c"), 400),
    ("NUL in a name", head(b"A\0: b"), 400),
    ("another control character", head(b"A: \1"), 400),
    ("no Host", b"GET / HTTP/1.1\r\n\r\n", 400),
    ("two Hosts", head(b"Host: y"), 400),
    ("the same Host twice", head(b"Host: x"), 400),
    ("a list of hosts", b"GET / HTTP/1.1\r\nHost: x, y\r\n\r\n", 400),
    ("CONNECT", b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("an unknown method", b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("a method in small letters", b"get / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("a target without a slash", b"GET x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("HTTP/2 by prior knowledge", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("HTTP/2.0 in words", b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    ("HTTP/1.2", b"GET / HTTP/1.2\r\nHost: x\r\n\r\n", 505),
    ("HTTP/0.9", b"GET /\r\n\r\n", 505),
    ("an expectation that nobody knows", head(b"Expect: the-spanish-inquisition"), 417),
    ("too many fields", head(*(b"A%d: b" % n for n in range(201))), 431),
    ("a head that is too large at once", head(b"A: " + b"b" * 66_000), 431),
    ("a target that is too large", b"GET /" + b"a" * 66_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
]


@pytest.mark.parametrize(("message", "status"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
@pytest.mark.parametrize("ahead", [0, 2])
async def test_what_is_ambiguous_is_refused(open_site: OpenSite, wire: Any, message: bytes, status: int, ahead: int) -> None:
    """The answer comes, the connection ends, nothing behind it is taken for a request, and what came before is answered."""
    async with open_site() as site, wire.connect(site.port) as client:
        client.send(POST * ahead, message, GET)
        for _ in range(ahead):
            assert (await client.response()).body == b"POST /b hello"
        refusal = await client.response()
        assert (refusal.status, refusal.one(b"connection")) == (status, b"close")
        assert await client.rest() == b""
        assert [handler.head.target for handler in site.started if handler.complete.is_set()] == [b"/b"] * ahead
        assert site.ends == [200] * ahead + [status]


@pytest.mark.parametrize(("message", "status"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_it_is_refused_byte_by_byte_too(open_site: OpenSite, message: bytes, status: int) -> None:
    async with open_site() as site:
        transport = Loose(site)
        step = 1 if len(message) < 10_000 else 5000
        for at in range(0, len(message), step):
            transport.connection.data_received(message[at : at + step])
        assert transport.written.startswith(b"HTTP/1.1 %d " % status)
        assert transport.written.count(b"HTTP/1.1 ") == 1
        assert [error.status for _, error in site.refused] == [status]


async def test_a_head_behind_a_large_body_is_not_taken_for_a_large_head(open_site: OpenSite, wire: Any) -> None:
    body = b"x" * 200_000
    async with open_site() as site:
        transport = Loose(site)
        message = b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + body + GET
        transport.connection.data_received(message[:-10])
        transport.connection.data_received(message[-10:])
        assert transport.written.count(b"HTTP/1.1 200 OK") == 2


async def test_a_head_that_grows_without_end_is_refused(open_site: OpenSite, wire: Any) -> None:
    async with open_site(limits=Limits(head=1000)) as site, wire.connect(site.port) as client:
        client.send(GET[:-2])
        for n in range(100):
            client.send(b"A%d: %s\r\n" % (n, b"b" * 20))
            await asyncio.sleep(0)
        assert (await client.response()).status == 431


@pytest.mark.parametrize("tail", [b"X: " + b"y" * 50, b"X: y\r\n", b"1;" + b"q" * 40])
async def test_trailers_and_extensions_without_end_are_refused(open_site: OpenSite, wire: Any, tail: bytes) -> None:
    async with open_site(limits=Limits(head=1000)) as site, wire.connect(site.port) as client:
        site.on_end = lambda _: None
        client.send(CHUNKED, b"5\r\nhello\r\n", b"" if tail.startswith(b"1") else b"0\r\n")
        handler = await site.handler()
        for n in range(500):
            client.send(tail if tail.endswith(b"\n") or n == 0 else tail[-20:])
            await asyncio.sleep(0.001)
            if site.refused:
                break
        assert (await client.response()).status == 431
        assert handler.left.is_set()


async def test_a_slow_head_is_refused(open_site: OpenSite, wire: Any) -> None:
    async with open_site(limits=Limits(head_timeout=0.05)) as site:
        async with wire.connect(site.port) as client:
            client.send(b"GET /slow HT")
            refusal = await client.response()
            assert (refusal.status, refusal.body) == (408, b"request_timeout")
            assert site.refused[0][0].target == b"/slow"
            assert await client.rest() == b""
        async with wire.connect(site.port) as client:  # nothing is not a slow head
            await asyncio.sleep(0.1)
            client.send(POST[:-2])
            await asyncio.sleep(0.1)  # and neither is a slow body
            client.send(POST[-2:])
            assert (await client.response()).status == 200


async def test_a_slow_head_behind_a_request_is_refused_in_its_turn(open_site: OpenSite, wire: Any) -> None:
    async with open_site(limits=Limits(head_timeout=0.05)) as site, wire.connect(site.port) as client:
        site.on_end = lambda _: None
        client.send(GET, GET[:10])
        handler = await site.handler()
        await asyncio.sleep(0.1)
        handler.client.reply(200, [], b"ok")
        assert [(await client.response()).status for _ in range(2)] == [200, 408]
        assert await client.rest() == b""


# --- expectations ---

EXPECTING = b"POST /b HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"


async def test_expect_continue(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        site.on_start = lambda handler: handler.client.send_continue()
        for _ in range(2):
            client.send(EXPECTING)
            assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.send(b"hello")
            answer = await client.response()
            assert (answer.body, answer.one(b"connection")) == (b"POST /b hello", None)


async def test_expect_continue_refused_early(open_site: OpenSite, wire: Any) -> None:
    """Whether the body comes after all is not known, so the connection ends."""
    async with open_site() as site, wire.connect(site.port) as client:
        site.on_start = lambda handler: handler.client.reply(401, [], b"no")
        client.send(EXPECTING)
        answer = await client.response()
        assert (answer.status, answer.one(b"connection"), answer.interim) == (401, b"close", [])
        assert await client.rest() == b""


async def test_expect_continue_refused_while_the_body_comes_anyway(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        site.on_start = lambda handler: handler.client.reply(401, [], b"no")
        client.send(EXPECTING.replace(b" 5\r\n", b" 3000000\r\n"), b"x" * 3_000_000)
        assert (await client.response()).status == 401  # and no reset takes it away
        assert await client.rest() == b""


async def test_expect_continue_in_a_pipeline_is_told_in_its_turn(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        site.on_start = lambda handler: handler.client.send_continue()
        site.on_end = lambda _: None
        client.send(GET, EXPECTING)
        first = await site.handler()
        await wire.settle()
        first.client.reply(200, [], b"first")
        site.on_end = lambda handler: handler.client.reply(200, [], handler.received)
        answer = await client.response()
        assert (answer.body, answer.interim) == (b"first", [])
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"hello")
        assert (await client.response()).body == b"hello"


@pytest.mark.parametrize("start", [b"POST / HTTP/1.0", b"GET / HTTP/1.1"])
async def test_expect_continue_means_nothing_without_a_body_or_in_http_1_0(
    open_site: OpenSite, wire: Any, start: bytes
) -> None:
    body = b"" if start.startswith(b"GET") else b"hello"
    async with open_site() as site, wire.connect(site.port) as client:
        site.on_start = lambda handler: handler.client.send_continue()
        client.send(head(b"Expect: 100-continue", b"Content-Length: %d" % len(body), start=start), body)
        answer = await client.response()
        assert (answer.status, answer.interim) == (200, [])


# --- upgrades that are none of ours ---


@pytest.mark.parametrize(
    "message",
    [
        head(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAM"),
        post(b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: 5") + b"hello",
        post(b"Upgrade: h2c", b"Connection: keep-alive, Upgrade", b"Transfer-Encoding: chunked")
        + b"5\r\nhello\r\n0\r\n\r\n",
        post(b"Connection: Upgrade", b"Upgrade: websocket", b"Content-Length: 5") + b"hello",
        head(b"Connection: Upgrade", b"Upgrade: websocket", b"Content-Length: 5") + b"hello",
        head(b"Connection: Upgrade, close", b"Upgrade: h2c"),
        head(b"Connection: Upgrade", b"Upgrade: websocket", start=b"GET / HTTP/1.0"),
    ],
)
async def test_other_upgrades_are_ignored(open_site: OpenSite, wire: Any, message: bytes) -> None:
    ends = b"close" in message or b"HTTP/1.0" in message
    async with open_site() as site:
        async with wire.connect(site.port) as client:
            client.send(message, b"" if ends else POST)
            method = message.split(b" ")[0]
            assert (await client.response()).body == method + b" / " + (b"hello" if b"hello" in message else b"")
            assert await client.rest() == b"" if ends else (await client.response()).body == b"POST /b hello"
            assert not any(handler.head.upgrade for handler in site.started)
        transport = Loose(site)
        for byte in message:
            transport.connection.data_received(bytes([byte]))
        assert transport.written.count(b"HTTP/1.1 200 OK") == 1


async def test_a_pipeline_of_other_upgrades(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        client.send((post(b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: 5") + b"hello") * 2000)
        for _ in range(2000):
            assert (await client.response()).body == b"POST / hello"


# --- answers before the end of the request ---


async def test_an_early_answer_lets_the_rest_come_and_the_connection_live(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        site.on_start = lambda handler: handler.client.reply(404, [], b"no")
        client.send(b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n")
        assert (await client.response()).status == 404
        site.on_start = lambda _: None
        client.send(b"x" * 3_000_000, POST)
        assert (await client.response()).body == b"POST /b hello"
        assert [handler.received for handler in site.started] == [b"", b"hello"]


async def test_an_early_answer_waits_for_the_rest_only_so_long(
    open_site: OpenSite, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_connection, "LINGER", 0.05)
    async with open_site() as site, wire.connect(site.port) as client:
        site.on_start = lambda handler: handler.client.reply(404, [], b"no")
        client.send(b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\nabc")
        assert (await client.response()).status == 404
        assert await client.rest() == b""


async def test_a_refusal_reaches_a_client_that_is_still_sending(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        client.send(b"GET / HTTP/1.1\nHost: x\r\n\r\n", b"x" * 5_000_000)
        assert (await client.response()).status == 400
        assert await client.rest() == b""


async def test_garbage_in_the_rest_of_an_answered_request_ends_the_connection(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        site.on_start = lambda handler: handler.client.reply(404, [], b"no")
        client.send(CHUNKED)
        assert (await client.response()).status == 404
        client.send(b"zz\r\n")
        assert await client.rest() == b""
        assert site.ends == [404]


# --- handlers that fail ---


def crash(handler: Played) -> None:
    raise ZeroDivisionError("nobody foresaw this")


@pytest.mark.parametrize("where", ["on_start", "on_body", "on_end"])
@pytest.mark.parametrize("ahead", [False, True])
async def test_a_handler_that_crashes_is_answered_for(
    open_site: OpenSite, wire: Any, where: str, ahead: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        if ahead:
            site.on_end = lambda _: None
            client.send(GET, POST, GET)
            first = await site.handler()
            await wire.settle()
            setattr(site, where, crash)
            first.client.reply(200, [], b"ok")
            assert (await client.response()).status == 200
        else:
            setattr(site, where, crash)
            client.send(POST, GET)
        answer = await client.response()
        assert (answer.status, answer.body, answer.one(b"connection")) == (500, b"internal_error", b"close")
        assert await client.rest() == b""
        assert "nobody foresaw this" in caplog.text
        assert site.started[-1].head.target == b"/b"


async def test_an_accept_that_crashes_is_answered_for(
    open_site: OpenSite, wire: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_site() as site, wire.connect(site.port) as client:
        site.server.accept = crash  # type: ignore[assignment]
        client.send(GET)
        assert (await client.response()).status == 500
        assert await client.rest() == b""
        assert site.ends == [500]


async def test_a_crash_in_mid_response_does_not_look_complete(open_site: OpenSite, wire: Any) -> None:
    def begin_and_crash(handler: Played) -> None:
        handler.client.begin(200, [], length=None)
        handler.client.write(b"abc")
        handler.client.flush()
        crash(handler)

    async with open_site() as site, wire.connect(site.port) as client:
        site.on_end = begin_and_crash
        client.send(GET)
        assert (await client.rest()).endswith(b"\r\n\r\n3\r\nabc\r\n")


async def test_a_request_error_of_a_handler_is_answered(open_site: OpenSite, wire: Any) -> None:
    def refuse(handler: Played) -> None:
        raise RequestError("no")

    async with open_site() as site, wire.connect(site.port) as client:
        site.on_body = refuse
        client.send(POST)
        assert (await client.response()).status == 500
