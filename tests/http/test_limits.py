"""What a client's connection may cost: sizes and times, what is answered beyond them, and changes while it is open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from swapyard.errors import RequestError
from swapyard.http.headers import Headers, RequestHead
from swapyard.http.reading import RequestReader
from swapyard.http.server import Limits

if TYPE_CHECKING:
    from tests.http.conftest import OpenSite, Played


def post(body: bytes, *lines: bytes) -> bytes:
    head = (b"POST /b HTTP/1.1", b"Host: x", *lines, b"Content-Length: %d" % len(body), b"", b"")
    return b"\r\n".join(head) + body


def chunked(*pieces: bytes) -> bytes:
    head = b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
TEN = Limits(body=10)


# --- how large a body may be ---


@pytest.mark.parametrize("message", [post(bytes(10)), chunked(bytes(10)), chunked(bytes(4), bytes(6)), GET])
async def test_a_body_may_be_as_large_as_the_limit(open_site: OpenSite, wire: Any, message: bytes) -> None:
    async with open_site(limits=TEN) as site, wire.connect(site.port) as client:
        for _ in range(3):
            client.send(message)
            assert (await client.response()).status == 200


@pytest.mark.parametrize("lines", [(), (b"Expect: 100-continue",)])
@pytest.mark.parametrize("ahead", [0, 1, 2])
async def test_a_length_beyond_the_limit_is_refused_before_the_body_comes(
    open_site: OpenSite, wire: Any, lines: tuple[bytes, ...], ahead: int
) -> None:
    """Behind requests that differ in nothing but their length, too."""
    async with open_site(limits=TEN) as site, wire.connect(site.port) as client:
        site.on_start = lambda handler: handler.client.send_continue()
        for _ in range(ahead):
            client.send(post(bytes(10), *lines))
            assert (await client.response()).status == 200
        client.send(post(bytes(11), *lines)[:-11])
        refusal = await client.response()
        assert (refusal.status, refusal.body, refusal.interim) == (413, b"body_too_large", [])
        assert refusal.one(b"connection") == b"close"
        assert await client.rest() == b""
        assert len(site.started) == ahead
        assert site.ends == [200] * ahead + [413]


async def test_a_refusal_reaches_a_client_that_sends_the_whole_body_first(open_site: OpenSite, wire: Any) -> None:
    async with open_site(limits=TEN) as site, wire.connect(site.port) as client:
        client.send(post(bytes(5_000_000)), GET)
        assert (await client.response()).status == 413
        assert await client.rest() == b""
        assert site.started == []


@pytest.mark.parametrize("pieces", [(bytes(11),), (bytes(10), b"x"), (bytes(4), bytes(6), bytes(5_000_000))])
@pytest.mark.parametrize("ahead", [0, 1, 2])
async def test_chunks_beyond_the_limit_are_refused(
    open_site: OpenSite, wire: Any, pieces: tuple[bytes, ...], ahead: int
) -> None:
    async with open_site(limits=TEN) as site, wire.connect(site.port) as client:
        client.send(chunked(bytes(10)) * ahead, chunked(*pieces), GET)
        for _ in range(ahead):
            assert (await client.response()).status == 200
        refusal = await client.response()
        assert (refusal.status, refusal.body, refusal.one(b"connection")) == (413, b"body_too_large", b"close")
        assert await client.rest() == b""
        assert len(site.started) == ahead + 1
        assert site.started[-1].left.is_set()
        assert len(site.started[-1].received) <= 10
        assert site.ends == [200] * ahead + [413]


async def test_the_limit_counts_each_body_for_itself(open_site: OpenSite, wire: Any) -> None:
    async with open_site(limits=TEN) as site, wire.connect(site.port) as client:
        client.send(chunked(bytes(7)) * 5, post(bytes(7)) * 5)
        assert [(await client.response()).status for _ in range(10)] == [200] * 10


async def test_a_pipelined_body_beyond_the_limit_is_refused_in_its_turn(open_site: OpenSite, wire: Any) -> None:
    for large in (post(bytes(11)), chunked(bytes(11))):
        async with open_site(limits=TEN) as site, wire.connect(site.port) as client:
            site.on_end = lambda _: None
            client.send(GET, large, GET)
            first = await site.handler()
            await wire.settle()
            first.client.reply(200, [], b"ok")
            assert [(await client.response()).status for _ in range(2)] == [200, 413]
            assert await client.rest() == b""


async def test_chunks_beyond_the_limit_break_an_answer_off(open_site: OpenSite, wire: Any) -> None:
    def begin(handler: Played) -> None:
        handler.client.begin(200, [], length=None)
        handler.client.write(b"abc")
        handler.client.flush()

    async with open_site(limits=TEN) as site, wire.connect(site.port) as client:
        site.on_start = begin
        client.send(chunked(bytes(10), b"x"))
        assert (await client.rest()).endswith(b"\r\n\r\n3\r\nabc\r\n")


# --- changes while connections are open ---


async def test_new_limits_count_on_open_connections(open_site: OpenSite, wire: Any) -> None:
    async with open_site() as site, wire.connect(site.port) as client, wire.connect(site.port) as chunking:
        for one in (client, chunking):
            one.send(post(bytes(11)))
            assert (await one.response()).status == 200
        site.server.change_limits(TEN)
        client.send(post(bytes(10)), post(bytes(11)))
        assert [(await client.response()).status for _ in range(2)] == [200, 413]
        chunking.send(chunked(bytes(11)))
        assert (await chunking.response()).status == 413


async def test_limits_that_are_lifted_are_lifted_on_open_connections(open_site: OpenSite, wire: Any) -> None:
    async with open_site(limits=Limits(head=2000, fields=20, body=10)) as site, wire.connect(site.port) as client:
        client.send(GET)
        assert (await client.response()).status == 200
        site.server.change_limits(Limits())
        fields = b"".join(b"A%d: %s\r\n" % (n, bytes([97]) * 100) for n in range(100))
        client.send(post(bytes(11)), chunked(bytes(11)), GET[:-2] + fields + b"\r\n")
        assert [(await client.response()).status for _ in range(3)] == [200] * 3


@pytest.mark.parametrize(("fields", "status"), [(7, 200), (8, 431)])
async def test_fields_are_counted(open_site: OpenSite, wire: Any, fields: int, status: int) -> None:
    lines = b"".join(b"A%d: b\r\n" % n for n in range(fields - 1))
    async with open_site(limits=Limits(fields=7)) as site, wire.connect(site.port) as client:
        for _ in range(2 if status == 200 else 1):
            client.send(GET[:-2] + lines + b"\r\n")
            assert (await client.response()).status == status


# --- how long a message may stand still, on a clock that the test moves ---


class Clock:
    """As much of an event loop as a reader uses."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        self.timers.append(Timer(self, self.now + delay, callback))
        return self.timers[-1]

    def sleep(self, seconds: float) -> None:
        end = self.now + seconds
        while due := sorted((timer for timer in self.timers if timer.when <= end), key=lambda timer: timer.when):
            self.timers.remove(due[0])
            self.now = max(self.now, due[0].when)
            due[0].callback()
        self.now = end


class Timer:
    def __init__(self, clock: Clock, when: float, callback: Callable[[], None]) -> None:
        self.clock = clock
        self.when = when
        self.callback = callback

    def cancel(self) -> None:
        self.clock.timers.remove(self)


class Heard:
    """A taker that notes what it is told, and the reader that tells it."""

    def __init__(self, limits: Limits) -> None:
        self.clock = Clock()
        self.is_reading = True
        self.ends = 0
        self.errors: list[int] = []
        self.reader = RequestReader(self, limits, self.clock)  # type: ignore[arg-type]

    def on_request(self, head: RequestHead) -> None: ...
    def on_handshake(self, rest: bytes) -> None: ...

    def on_body(self, data: bytes) -> None:
        self.reader.passed(data)

    def on_end(self, trailers: Headers) -> None:
        self.ends += 1

    def on_broken(self, head: RequestHead, error: RequestError) -> None:
        self.errors.append(error.status)

    def on_crash(self, error: BaseException) -> None:
        raise error

    def feed(self, data: bytes) -> None:
        self.reader.feed(data)


BODIES = [post(bytes(20)), chunked(bytes(5), bytes(15))]


@pytest.mark.parametrize("message", BODIES, ids=["length", "chunks"])
def test_a_body_that_stands_still_is_given_up(message: bytes) -> None:
    for at in range(message.index(b"\r\n\r\n") + 4, len(message)):
        heard = Heard(Limits(body_timeout=10))
        heard.feed(message[:at])
        heard.clock.sleep(9.9)
        assert heard.errors == []
        heard.clock.sleep(0.2)
        assert heard.errors == [408], at
        assert heard.clock.timers == []


@pytest.mark.parametrize("message", BODIES, ids=["length", "chunks"])
def test_a_body_that_moves_may_take_as_long_as_it_likes(message: bytes) -> None:
    """And nothing is left of the watch when it is complete."""
    heard = Heard(Limits(body_timeout=10))
    for _ in range(2):
        heard.feed(message[:-20])
        for byte in message[-20:]:
            heard.clock.sleep(9)
            heard.feed(bytes([byte]))
        assert heard.clock.timers == []
        heard.clock.sleep(1000)
    assert (heard.ends, heard.errors) == (2, [])


@pytest.mark.parametrize("message", BODIES, ids=["length", "chunks"])
def test_a_body_that_we_hold_back_is_not_late(message: bytes) -> None:
    heard = Heard(Limits(body_timeout=10))
    heard.feed(message[:-7])
    heard.is_reading = False
    heard.clock.sleep(1000)
    heard.is_reading = True
    heard.reader.resumed()
    heard.clock.sleep(9)
    assert heard.errors == []
    heard.clock.sleep(1000)
    assert heard.errors == [408]


def test_a_short_pause_of_ours_gives_the_client_its_time_back() -> None:
    heard = Heard(Limits(body_timeout=10))
    heard.feed(BODIES[0][:-7])
    heard.is_reading = False
    heard.clock.sleep(9)
    heard.is_reading = True
    heard.reader.resumed()
    heard.clock.sleep(9)
    assert heard.errors == []
    heard.clock.sleep(2)
    assert heard.errors == [408]


def test_a_client_that_waits_for_100_continue_is_not_late() -> None:
    heard = Heard(Limits(body_timeout=10))
    heard.feed(post(bytes(5), b"Expect: 100-continue")[:-5])
    heard.clock.sleep(1000)
    assert heard.errors == []
    heard.reader.head.awaits_continue = False
    heard.clock.sleep(10)
    assert heard.errors == []
    heard.clock.sleep(11)
    assert heard.errors == [408]


def test_a_body_may_stand_still_for_ever_unless_it_is_limited() -> None:
    for message in BODIES:
        heard = Heard(Limits())
        heard.feed(message[:-3])
        assert heard.clock.timers == []


def test_a_limit_that_is_lifted_is_forgotten_by_those_who_are_watched() -> None:
    heard = Heard(Limits(body_timeout=10))
    heard.feed(BODIES[0][:-3])
    heard.reader.change_limits(Limits())
    heard.clock.sleep(1000)
    assert (heard.errors, heard.clock.timers) == ([], [])


@pytest.mark.parametrize("at", range(1, len(GET)))
def test_a_head_has_a_time_from_its_first_byte_to_its_last(at: int) -> None:
    heard = Heard(Limits(head_timeout=10))
    heard.clock.sleep(1000)
    for byte in GET[:at]:  # slow steps do not stretch it
        heard.feed(bytes([byte]))
        heard.clock.sleep(9 / at)
    assert heard.errors == []
    heard.clock.sleep(2)
    assert heard.errors == [408]


def test_the_time_of_a_head_begins_anew_with_each_request() -> None:
    heard = Heard(Limits(head_timeout=10))
    for _ in range(5):
        heard.feed(GET[:5])
        heard.clock.sleep(8)
        heard.feed(GET[5:])
        assert heard.clock.timers == []
        heard.clock.sleep(1000)
    assert (heard.ends, heard.errors) == (5, [])


def test_a_head_that_we_hold_back_is_not_late() -> None:
    """As behind a pipeline that is full while a model takes its time."""
    heard = Heard(Limits(head_timeout=10))
    heard.feed(GET[:5])
    heard.is_reading = False
    heard.clock.sleep(1000)
    heard.is_reading = True
    heard.reader.resumed()
    heard.clock.sleep(9)
    assert heard.errors == []
    heard.clock.sleep(2)
    assert heard.errors == [408]


def test_a_short_pause_of_ours_gives_a_head_its_time_back() -> None:
    heard = Heard(Limits(head_timeout=10))
    heard.feed(GET[:5])
    heard.is_reading = False
    heard.clock.sleep(9)
    heard.is_reading = True
    heard.reader.resumed()
    heard.clock.sleep(9)
    heard.feed(GET[5:])
    assert (heard.ends, heard.errors, heard.clock.timers) == (1, [], [])


def test_a_head_may_take_for_ever_with_0() -> None:
    heard = Heard(Limits(head_timeout=0))
    heard.feed(GET[:5])
    assert heard.clock.timers == []


@pytest.mark.parametrize("message", BODIES, ids=["length", "chunks"])
async def test_a_client_that_stops_in_the_middle_of_a_body_is_told(open_site: OpenSite, wire: Any, message: bytes) -> None:
    async with open_site(limits=Limits(body_timeout=0.05)) as site, wire.connect(site.port) as client:
        client.send(message[:-7])
        handler = await site.handler()
        refusal = await client.response()
        assert (refusal.status, refusal.body, refusal.one(b"connection")) == (408, b"request_timeout", b"close")
        await asyncio.wait_for(handler.left.wait(), 20)
        assert await client.rest() == b""
        assert site.ends == [408]


async def test_a_body_that_its_handler_holds_back_is_not_late(open_site: OpenSite, wire: Any) -> None:
    async with open_site(limits=Limits(body_timeout=0.05)) as site, wire.connect(site.port) as client:
        site.on_start = lambda handler: handler.client.pause_reading()
        client.send(post(bytes(20))[:-20])
        handler = await site.handler()
        client.send(bytes(20))
        await asyncio.sleep(0.2)
        assert not handler.left.is_set()
        handler.client.resume_reading()
        assert (await client.response()).status == 200
