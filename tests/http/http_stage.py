"""Both sides of our HTTP without sockets, clock or event loop, so that ten thousand hostile messages take a second.

`ClientStage` is a client's connection whose handler echoes, `UpstreamStage` a pooled connection to an upstream. Bytes go
in by `feed`; what was understood comes out as plain data, so that two ways of saying the same can be compared with `==`.

`reference_request` and `reference_response` are parsers of the whole message, written from RFC 9112 in its strictest
reading and from nothing of ours: what we take must mean the same to them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from swapyard.errors import RequestError
from swapyard.http.headers import Headers, RequestHead, ResponseHead
from swapyard.http.outgoing import Batch
from swapyard.http.server import ClientConnection, Handler, Limits, Server
from swapyard.http.upstream import Limits as UpstreamLimits
from swapyard.http.upstream import UpstreamConnection, UpstreamError


class StillLoop:
    """Time stands still, so timers ring only when the test wants it (`ring`); `call_soon` happens in `turn`."""

    def __init__(self) -> None:
        self.due: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        self.set: list[StillTimer] = []

    @property
    def timers(self) -> int:
        return len(self.set)

    def time(self) -> float:
        return 0.0

    def call_later(self, delay: float, callback: Callable[..., object], *arguments: Any) -> StillTimer:
        self.set.append(StillTimer(self, callback, arguments))
        return self.set[-1]

    call_at = call_later

    def call_soon(self, callback: Callable[..., object], *arguments: Any) -> None:
        self.due.append((callback, arguments))

    def turn(self) -> None:
        while self.due:
            callback, arguments = self.due.pop(0)
            callback(*arguments)

    def ring(self) -> None:
        """All timers that are set now."""
        due, self.set = self.set, []
        for timer in due:
            timer.callback(*timer.arguments)
        self.turn()


class StillTimer:
    def __init__(self, loop: StillLoop, callback: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        self.loop = loop
        self.callback = callback
        self.arguments = arguments

    def cancel(self) -> None:
        if self in self.loop.set:
            self.loop.set.remove(self)


class Paper:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.is_closed = False
        self.ended = False

    def write(self, data: bytes) -> None:
        assert not self.ended
        if not self.is_closed:
            self.written += data

    def writelines(self, parts: Iterable[bytes]) -> None:
        self.write(b"".join(parts))

    def is_closing(self) -> bool:
        return self.is_closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else None

    def set_write_buffer_limits(self, high: int) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


# --- the client's side ---


@dataclass
class Asked:
    """A request as its handler was told of it."""

    method: bytes
    target: bytes
    version: str
    fields: Headers
    body: bytes = b""
    trailers: Headers | None = None  # None while it is not complete


class Echo:
    """A handler that notes the request and answers when it is complete."""

    def __init__(self, head: RequestHead, client: ClientConnection) -> None:
        self.client = client
        fields = [(name, value) for _, name, value in head.fields]
        assert [key for key, _, _ in head.fields] == [name.lower() for name, _ in fields]
        self.asked = Asked(head.method, head.target, head.version, fields)

    def start(self) -> None:
        self.client.send_continue()

    def body(self, data: bytes) -> None:
        assert data
        assert self.asked.trailers is None
        self.asked.body += data

    def end(self, trailers: Headers) -> None:
        assert self.asked.trailers is None
        self.asked.trailers = trailers
        self.client.reply(200, [], self.asked.body)

    def gone(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...


class ClientStage:
    """`requests`: those that reached a handler. `ends`: the status of every answer. `is_over`: nothing more is read."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.loop = StillLoop()
        self.requests: list[Asked] = []
        self.ends: list[int] = []
        server = Server(
            loop=self.loop,  # type: ignore[arg-type]
            accept=self._accept,
            refuse=self._refuse,
            log_end=lambda client, status: self.ends.append(status),
            limits=limits,
        )
        self.paper = Paper()
        self.connection = server()
        self.connection.connection_made(self.paper)  # type: ignore[arg-type]

    def _accept(self, head: RequestHead, client: ClientConnection) -> Handler:
        echo = Echo(head, client)
        self.requests.append(echo.asked)
        return echo

    def _refuse(self, client: ClientConnection, error: RequestError) -> None:
        assert 400 <= error.status < 506, error
        client.reply(error.status, [], error.code.encode())

    def feed(self, *pieces: bytes) -> ClientStage:
        for piece in pieces:
            if piece and not self.paper.is_closed:
                self.connection.data_received(piece)
                self.loop.turn()
        return self

    @property
    def is_over(self) -> bool:
        return self.paper.is_closed or self.paper.ended

    @property
    def outcome(self) -> tuple[list[Asked], list[int], bool]:
        return self.requests, self.ends, self.is_over


# --- the upstream's side ---


@dataclass
class Told:
    """A response as its sink was told of it. `end`: "complete", "broken", "switched", or "" while neither is known."""

    status: int = 0
    reason: bytes = b""
    fields: Headers = field(default_factory=list)
    length: int | None = None
    body: bytes = b""
    trailers: Headers = field(default_factory=list)
    interim: list[tuple[int, bytes, Headers]] = field(default_factory=list)
    end: str = ""


class Note:
    """A sink that notes the response, and what comes behind a 101."""

    def __init__(self, connection: UpstreamConnection) -> None:
        self.told = Told()
        self._connection = connection

    def connected(self, connection: UpstreamConnection) -> None: ...

    def interim(self, status: int, reason: bytes, headers: Headers) -> None:
        assert self.told.end == ""
        assert self.told.status == 0
        self.told.interim.append((status, reason, headers))

    def response(self, head: ResponseHead) -> None:
        assert self.told.end == ""
        assert self.told.status == 0
        told = self.told
        told.status, told.reason, told.fields, told.length = head.status, head.reason, head.headers, head.length

    def data(self, data: bytes) -> None:
        assert self.told.end == ""
        assert self.told.status
        self.told.body += data

    def turn_over(self) -> None: ...

    def complete(self, trailers: Headers) -> None:
        assert self.told.end == ""
        self.told.end, self.told.trailers = "complete", trailers

    def switched(self, head: ResponseHead, rest: bytes) -> None:
        assert self.told.end == ""
        self.told.status, self.told.reason, self.told.fields, self.told.body = head.status, head.reason, head.headers, rest
        self.told.end = "switched"
        self._connection.tunnel(self)

    def from_upstream(self, data: bytes) -> None:
        self.told.body += data

    def upstream_ended(self) -> None: ...
    def upstream_gone(self) -> None: ...
    def upstream_full(self, full: bool) -> None: ...

    def broken(self, error: UpstreamError) -> None:
        assert self.told.end == ""
        self.told.end = "broken"

    def request_paused(self, paused: bool) -> None: ...


class UpstreamStage:
    """`ask` sends the next request (HEAD if so), `feed` what the upstream says. `is_kept`: it is back in its pool."""

    def __init__(self) -> None:
        self.loop = StillLoop()
        self.limits = UpstreamLimits()
        self.batch = Batch(self.loop)  # type: ignore[arg-type]
        self.connections: set[UpstreamConnection] = set()
        self.open = True
        self.is_kept = False
        self.told = Told()
        self.paper = Paper()
        pool: Any = self
        self.connection = UpstreamConnection(pool)
        self.connection.connection_made(self.paper)  # type: ignore[arg-type]

    def put_back(self, connection: UpstreamConnection) -> None:
        self.is_kept = True

    def forget(self, connection: UpstreamConnection) -> None:
        self.is_kept = False

    def ask(self, *, head_only: bool = False) -> UpstreamStage:
        note = Note(self.connection)
        self.told = note.told
        self.is_kept = False
        self.connection.attach(note)
        self.connection.head_only = head_only
        self.connection.send(b"GET / HTTP/1.1\r\n\r\n", last=True)
        return self

    def feed(self, *pieces: bytes) -> UpstreamStage:
        for piece in pieces:
            if piece and not self.paper.is_closed:
                self.connection.data_received(piece)
        return self

    def end(self) -> UpstreamStage:
        """The upstream closes."""
        if not self.paper.is_closed and not self.connection.eof_received():
            self.paper.close()
        self.connection.connection_lost(None)
        return self


# --- what the RFC says ---

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") +([\x21-\x7e\x80-\xff]+) +HTTP/(1\.[01])")
STATUS_LINE = re.compile(rb"HTTP/(1\.[01]) (\d\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?")
FIELD = re.compile(rb"(" + TOKEN + rb"):([\t\x20-\x7e\x80-\xff]*)")
CHUNK = re.compile(rb"([0-9a-fA-F]{1,16})((?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?)\r\n")


@dataclass
class Reading:
    """A whole message by the book. `rest`: what follows it."""

    start: tuple[bytes, ...]
    fields: Headers
    body: bytes
    trailers: Headers
    rest: bytes


def lines_of(text: bytes) -> tuple[list[bytes], bytes] | None:
    """Lines up to an empty one, and what follows; None where there is no empty one."""
    end = text.find(b"\r\n\r\n")
    if text.startswith(b"\r\n"):
        return [], text[2:]
    return None if end < 0 else (text[:end].split(b"\r\n"), text[end + 4 :])


def fields_of(lines: list[bytes]) -> Headers | None:
    found = [FIELD.fullmatch(line) for line in lines]
    return [(match[1], match[2].strip(b" \t")) for match in found if match] if all(found) else None


def values_of(fields: Headers, name: bytes) -> list[bytes]:
    return [value for key, value in fields if key.lower() == name]


def reference_request(text: bytes) -> Reading | None:
    """None: it is no request, not a whole one, or one that has to be refused because others might read it otherwise.

    Two liberties of RFC 9112 (2.2 and 3), which nobody can misunderstand: line ends before a request, and more than one
    space inside its first line.
    """
    parts = lines_of(text.lstrip(b"\r\n"))
    if parts is None or not parts[0]:
        return None
    start, fields = REQUEST_LINE.fullmatch(parts[0][0]), fields_of(parts[0][1:])
    if start is None or fields is None:
        return None
    hosts, old = values_of(fields, b"host"), start[3] == b"1.0"
    if len(hosts) > 1 or (not hosts and not old):
        return None
    return framed(start.groups(), fields, parts[1], until_close=False)


def reference_response(text: bytes, *, head_only: bool = False) -> Reading | None:
    """The first final response; interim ones are skipped."""
    while True:
        parts = lines_of(text.lstrip(b"\r\n"))
        if parts is None or not parts[0]:
            return None
        start, fields = STATUS_LINE.fullmatch(parts[0][0]), fields_of(parts[0][1:])
        if start is None or fields is None or start[2] == b"101":
            return None
        text = parts[1]
        if not start[2].startswith(b"1"):
            break
    line = (start[1], start[2], start[3] or b"")
    if head_only or start[2] in (b"204", b"304"):
        return Reading(line, fields, b"", [], text)
    return framed(line, fields, text, until_close=True)


def framed(start: tuple[bytes, ...], fields: Headers, rest: bytes, *, until_close: bool) -> Reading | None:
    lengths, codings = values_of(fields, b"content-length"), values_of(fields, b"transfer-encoding")
    if codings:
        # A request of HTTP/1.0 with chunks is refused; a response's connection is closed behind them (RFC 9112 6.1).
        if lengths or (start[2] == b"1.0") or [coding.lower() for coding in codings] != [b"chunked"]:
            return None
        return in_chunks(start, fields, rest)
    if lengths:
        if len(lengths) > 1 or not re.fullmatch(rb"[0-9]+", lengths[0]) or int(lengths[0]) > len(rest):
            return None
        size = int(lengths[0])
        return Reading(start, fields, rest[:size], [], rest[size:])
    return Reading(start, fields, rest, [], b"") if until_close else Reading(start, fields, b"", [], rest)


def in_chunks(start: tuple[bytes, ...], fields: Headers, rest: bytes) -> Reading | None:
    body = b""
    while match := CHUNK.match(rest):
        size, rest = int(match[1], 16), rest[match.end() :]
        if size == 0:
            parts = lines_of(rest)
            trailers = None if parts is None else fields_of(parts[0])
            return None if trailers is None or parts is None else Reading(start, fields, body, trailers, parts[1])
        if rest[size : size + 2] != b"\r\n":
            return None
        body, rest = body + rest[:size], rest[size + 2 :]
    return None


# --- what holds for everything that is taken ---


def plain(fields: Headers) -> Headers:
    """Values without the blanks around them, and without the field of upgrades, which are ignored (RFC 9110 7.8)."""
    return [(key, value.strip(b" \t")) for key, value in fields if key.lower() != b"upgrade"]


def check_requests(text: bytes, requests: list[Asked]) -> None:
    """What was taken of a client's bytes means the same to the RFC."""
    for asked in requests:
        if asked.trailers is None:
            break
        read = reference_request(text)
        assert read is not None, text
        assert (asked.method, asked.target, asked.version.encode()) == read.start, text
        assert plain(asked.fields) == plain(read.fields), text
        assert (asked.body, plain(asked.trailers)) == (read.body, plain(read.trailers)), text
        text = read.rest


def outcome(seen: UpstreamStage) -> tuple[Told, bool]:
    """A response, which ends with its connection if it has no other end, and whether that was kept."""
    kept = seen.is_kept
    if seen.told.end == "":
        seen.end()
    return seen.told, kept


def check_response(text: bytes, told: Told, kept: bool, *, head_only: bool) -> None:
    """What was taken of an upstream's bytes means the same to the RFC, and a connection is kept only if nothing is left.
    Line ends behind a response are no part of it."""
    if told.end != "complete":
        assert not kept
        return
    read = reference_response(text, head_only=head_only)
    assert read is not None, text
    assert (told.status, told.reason) == (int(read.start[1]), read.start[2]), text
    assert [(key, value.strip(b" \t")) for key, value in told.fields] == read.fields, text
    assert (told.body, [(key, value.strip(b" \t")) for key, value in told.trailers]) == (read.body, read.trailers), text
    assert not (kept and read.rest.strip(b"\r\n")), text
