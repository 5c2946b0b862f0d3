"""Heads that repeat are taken without the parser, and it must not show: what is heard is what a parser would have said."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swapyard.errors import RequestError
from swapyard.http import reading, upstream_connection
from swapyard.http.headers import Headers, RequestHead, ResponseHead
from swapyard.http.reading import Limits, RequestReader
from swapyard.http.repeats import PATIENCE, Mold
from swapyard.http.sink import UpstreamError
from swapyard.http.upstream import Upstream
from swapyard.http.upstream_connection import UpstreamConnection

HEAD = b"POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\nX-A: 1\r\n\r\n"


def message(body: bytes, head: bytes = HEAD) -> bytes:
    return head % len(body) + body


# --- the mold ---


def test_a_mold_takes_what_differs_in_the_length_alone() -> None:
    mold = Mold.of(message(b"hello"))
    assert mold is not None
    assert mold.digits_in(message(b"hello")) == b"5"
    assert mold.digits_in(message(b"")) == b"0"
    assert mold.digits_in(message(b"x" * 12345)) == b"12345"


@pytest.mark.parametrize(
    "other",
    [
        message(b"hello")[:-1],
        message(b"hello") + b"!",
        message(b"hello") * 2,
        message(b"hello").replace(b"X-A", b"X-a"),
        message(b"hello").replace(b"POST", b"PUT "),
        message(b"hello").replace(b"Length: 5", b"Length: +5"),
        message(b"hello").replace(b"Length: 5", b"Length: 5 "),
        message(b"hello").replace(b"Length: 5", b"Length:  5"),
        message(b"hello").replace(b"Length: 5", b"Length: "),
        message(b"hello").replace(b"Length: 5", b"Length: 0x5"),
        message(b"hello").replace(b"Length: 5", b"Length: 5, 5"),
        message(b"hello").replace(b"Length: 5", b"Length: " + b"0" * 20 + b"5"),
        message(b"hello").replace(b"Length: 5", "Length: \u0665".encode()),
        message(b"hello").replace(b"Length: 5", b"Length: 5\r\nContent-Length: 5"),
        b"\r\n" + message(b"hello"),
        b"",
    ],
)
def test_a_mold_leaves_everything_else_to_the_parser(other: bytes) -> None:
    mold = Mold.of(message(b"hello"))
    assert mold is not None
    assert mold.digits_in(other) is None


@pytest.mark.parametrize(
    "text",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        message(b"hello")[:-1],
        message(b"hello") * 2,
        message(b"hello", HEAD.replace(b"X-A: 1", b"X-A: " + b"1" * 20_000)),
        message(b"hello").replace(b"\r\n\r\n", b"\r\n"),
    ],
)
def test_no_mold_is_made_of_what_is_not_one_message_of_known_length(text: bytes) -> None:
    assert Mold.of(text) is None


# --- requests ---


class Heard:
    """Notes what a reader says, as plain data."""

    is_reading = True

    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []
        self.faults: dict[str, Exception] = {}

    def on_request(self, head: RequestHead) -> None:
        self._fail("on_request")
        said = (head.method, head.target, head.path, head.query, head.version, tuple(head.fields), dict(head.known))
        self.said.append(("request", *said, head.keep_alive, head.upgrade, head.awaits_continue, head.started))

    def _fail(self, step: str) -> None:
        if step in self.faults:
            raise self.faults[step]

    def on_body(self, data: bytes) -> None:
        self._fail("on_body")
        if self.said and self.said[-1][0] == "body":
            data = self.said.pop()[1] + data
        self.said.append(("body", bytes(data)))

    def on_end(self, trailers: Headers) -> None:
        self._fail("on_end")
        self.said.append(("end", list(trailers)))

    def on_handshake(self, rest: bytes) -> None:
        self.said.append(("handshake", rest))

    def on_broken(self, head: RequestHead, error: RequestError) -> None:
        self.said.append(("broken", head.method, head.target, type(error), error.message))

    def on_crash(self, error: BaseException) -> None:
        self.said.append(("crash", repr(error)))


class Clock:
    """A loop whose timers never go off."""

    def call_later(self, *_: Any) -> Any:
        return self

    def cancel(self) -> None: ...


def heard(pieces: list[bytes], *, remembering: bool) -> list[tuple[Any, ...]]:
    taker = Heard()
    loop: Any = Clock()
    reader = RequestReader(taker, Limits(), loop)
    for piece in pieces:
        if any(said[0] in ("broken", "crash", "handshake") for said in taker.said):
            break  # a connection feeds no more
        if not remembering:
            reader._patience = 0
        reader.feed(piece)
    reader.stop()
    return taker.said


NAMES = st.sampled_from(
    [b"Host: a", b"host: b", b"X-A: 1", b"X-A: 2", b"Content-Type: application/json", b"Connection: close"]
)
ODD = st.sampled_from(
    [
        b"Transfer-Encoding: chunked",
        b"Content-Length: 3",
        b"Expect: 100-continue",
        b"Upgrade: websocket",
        b"X: \xff",
        b" folded",
        b"Bad Name: 1",
    ]
)
BODIES = st.sampled_from([b"", b"a", b"hello", b"0\r\n\r\n", b"POST / HTTP/1.1\r\n", b"x" * 300])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    body = draw(BODIES)
    line = draw(st.sampled_from([b"POST /a HTTP/1.1", b"POST /a?b=1 HTTP/1.1", b"PUT /a HTTP/1.1", b"POST /a HTTP/1.0"]))
    length = draw(
        st.sampled_from([b"Content-Length: %d", b"content-length:%d", b"Content-Length: 00%d", b"Content-Length: %d "])
    )
    fields = [
        b"Host: x",
        length % max(0, len(body) + draw(st.sampled_from([0, 0, 0, 0, 1, -1]))),
        *draw(st.lists(NAMES, max_size=2)),
    ]
    if draw(st.integers(0, 9)) == 0:
        fields.append(draw(ODD))
    return b"\r\n".join([line, *fields]) + b"\r\n\r\n" + body


@given(
    base=requests(),
    others=st.lists(requests(), max_size=3),
    order=st.lists(st.integers(0, 3), max_size=8),
    cut=st.booleans(),
)
@settings(max_examples=400)
def test_a_reader_that_remembers_says_what_one_without_memory_says(
    base: bytes, others: list[bytes], order: list[int], cut: bool
) -> None:
    """Any requests in any order, the same one often, in reads of one message or at odd places."""
    known = [base, *others]
    pieces = [base, base, *(known[at % len(known)] for at in order), base]
    if cut:
        pieces = [part for piece in pieces for part in (piece[:-2], piece[-2:]) if part]
    assert heard(pieces, remembering=True) == heard(pieces, remembering=False)


def test_a_repeated_head_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    taker = Heard()
    loop: Any = Clock()
    reader = RequestReader(taker, Limits(), loop)
    reader.feed(message(b"hello"))
    parsed: list[bytes] = []
    monkeypatch.setattr(reading.RequestReader, "_parse", lambda _, data: parsed.append(data))
    reader.feed(message(b"other body"))
    assert not parsed
    assert [said[0] for said in taker.said] == ["request", "body", "end"] * 2
    assert taker.said[3][6][1] == (b"content-length", b"Content-Length", b"10")


def test_heads_that_never_repeat_are_soon_not_remembered_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bytes] = []

    def never(data: bytes) -> Mold:
        made.append(data)
        return Mold(b"never", b"")

    monkeypatch.setattr(Mold, "of", never)
    loop: Any = Clock()
    reader = RequestReader(Heard(), Limits(), loop)
    for number in range(3 * PATIENCE):
        reader.feed(message(b"hello").replace(b"X-A: 1", b"X-A: %d" % number))
    assert len(made) == PATIENCE


@pytest.mark.parametrize("step", ["on_request", "on_body", "on_end"])
@pytest.mark.parametrize("fault", [RequestError("refused"), ValueError("a bug")])
def test_what_the_taker_raises_is_told_as_for_a_parsed_request(step: str, fault: Exception) -> None:
    said: list[list[tuple[Any, ...]]] = []
    for remembering in (True, False):
        taker = Heard()
        loop: Any = Clock()
        reader = RequestReader(taker, Limits(), loop)
        if not remembering:
            reader._patience = 0
        reader.feed(message(b"hello"))
        taker.faults[step] = fault
        reader.feed(message(b"again"))
        said.append(taker.said)
    assert said[0] == said[1]
    assert said[0][-1][0] in ("broken", "crash")


# --- responses ---

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nServer: x\r\n\r\n"


class Transport:
    def __init__(self) -> None:
        self.aborted = False

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True

    def get_extra_info(self, _: str, default: object = None) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


class Listener:
    """A sink that notes what it is told, as plain data."""

    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []

    def connected(self, connection: UpstreamConnection) -> None:
        connection.send(b"...", last=True)

    def interim(self, status: int, reason: bytes, headers: Headers) -> None:
        self.said.append(("interim", status, reason, list(headers)))

    def response(self, head: ResponseHead) -> None:
        fields = [field for field in head.headers if field[0].lower() != b"content-length"]
        self.said.append(("response", head.status, head.reason, fields, head.length, head.event_stream))

    def data(self, data: bytes) -> None:
        if self.said and self.said[-1][0] == "data":
            data = self.said.pop()[1] + data
        self.said.append(("data", bytes(data)))

    def turn_over(self) -> None: ...

    def complete(self, trailers: Headers) -> None:
        self.said.append(("complete", list(trailers)))

    def switched(self, head: ResponseHead, rest: bytes) -> None:
        self.said.append(("switched", rest))

    def broken(self, error: UpstreamError) -> None:
        self.said.append(("broken", error))

    def request_paused(self, paused: bool) -> None: ...


async def answers(messages: list[bytes], *, remembering: bool, head_only: bool = False) -> list[tuple[Any, ...]]:
    upstream = Upstream("127.0.0.1", 1, loop=asyncio.get_running_loop())
    connection = UpstreamConnection(upstream)
    transport: Any = Transport()
    connection.connection_made(transport)
    said: list[tuple[Any, ...]] = []
    for number, data in enumerate(messages):
        if transport.aborted:
            said.append(("closed before", number))
            break
        listener = Listener()
        if connection in upstream._idle:
            upstream._idle.remove(connection)
        connection.attach(listener)
        listener.connected(connection)
        connection.head_only = head_only and number % 2 == 1
        if not remembering:
            connection._patience = 0
        connection.data_received(data)
        if not listener.said or listener.said[-1][0] not in ("complete", "broken"):
            connection.connection_lost(None)
            transport.aborted = True
        said += listener.said
    upstream.close()
    return said


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    body = draw(BODIES)
    status = draw(
        st.sampled_from(
            [b"200 OK", b"200 OK", b"200 Fine", b"404 Not Found", b"204 No Content", b"304 Not Modified", b"101 Go"]
        )
    )
    length = b"Content-Length: %d" % max(0, len(body) + draw(st.sampled_from([0, 0, 0, 0, 1, -1])))
    fields = [
        length,
        *draw(st.lists(st.sampled_from([b"Content-Type: text/event-stream", b"X-A: 1", b"Connection: close"]), max_size=2)),
    ]
    if draw(st.integers(0, 9)) == 0:
        fields.append(draw(ODD))
    front = draw(
        st.sampled_from([b"", b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 102 P\r\nContent-Length: 9\r\n\r\n"])
    )
    return front + b"\r\n".join([b"HTTP/1.1 " + status, *fields]) + b"\r\n\r\n" + body


@given(
    base=responses(),
    others=st.lists(responses(), max_size=3),
    order=st.lists(st.integers(0, 3), max_size=6),
    head=st.booleans(),
)
@settings(max_examples=300)
def test_a_connection_that_remembers_hears_what_one_without_memory_hears(
    base: bytes, others: list[bytes], order: list[int], head: bool
) -> None:
    known = [base, *others]
    messages = [base, base, *(known[at % len(known)] for at in order), base]

    async def both() -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        return (
            await answers(messages, remembering=True, head_only=head),
            await answers(messages, remembering=False, head_only=head),
        )

    remembered, parsed = asyncio.run(both())
    assert remembered == parsed


async def test_a_repeated_response_head_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[int] = []
    real = upstream_connection.UpstreamConnection._read_head

    def counting(self: UpstreamConnection, status: int, fields: Headers) -> ResponseHead:
        parsed.append(status)
        return real(self, status, fields)

    monkeypatch.setattr(upstream_connection.UpstreamConnection, "_read_head", counting)
    said = await answers([message(b"one", ANSWER), message(b"", ANSWER), message(b"three", ANSWER)], remembering=True)
    assert [entry[0] for entry in said] == [
        "response",
        "data",
        "complete",
        "response",
        "complete",
        "response",
        "data",
        "complete",
    ]
    assert parsed == [200]


async def test_a_sink_that_fails_at_a_repeated_response_is_told(caplog: pytest.LogCaptureFixture) -> None:
    upstream = Upstream("127.0.0.1", 1, loop=asyncio.get_running_loop())
    connection = UpstreamConnection(upstream)
    transport: Any = Transport()
    connection.connection_made(transport)
    for number in range(2):
        listener = Listener()
        if number:
            upstream._idle.clear()
            listener.data = lambda _: 1 / 0  # type: ignore[assignment, method-assign]
        connection.attach(listener)
        listener.connected(connection)
        connection.data_received(message(b"hello", ANSWER))
    assert listener.said[-1][0] == "broken"
    assert transport.aborted
    assert "could not be passed on" in caplog.text
    upstream.close()
