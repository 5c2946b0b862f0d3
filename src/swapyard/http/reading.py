"""The client's bytes become requests: llhttp's callbacks, and what a request must be like to be taken at all.

`RequestReader.feed` parses; its `Taker` (the connection) hears of heads, bodies and ends in the order of the wire, and of
the one error after which the rest of the bytes has no meaning. llhttp in its strict mode refuses most of what is
ambiguous (repeated lengths, a length with chunks, bare line feeds, folded lines, spaces before colons); `_check` refuses
what it lets pass. A head is bounded in bytes, fields and time; so is what stands between the pieces of a chunked body.
Bodies are bounded where `Limits` says so: those of known length by `Server`, before a byte is taken, all others here.

Whether and when a request is answered is not known here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

import httptools

from swapyard.errors import BadRequest, RequestError
from swapyard.http.headers import READ_BY_US, Headers, RequestHead, is_websocket
from swapyard.http.repeats import PATIENCE, Kept, Mold


class HeadTooLarge(BadRequest):
    status = 431
    code = "headers_too_large"


class BodyTooLarge(BadRequest):
    status = 413
    code = "body_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"the request body is larger than {limit} bytes, which is what http.maxBodyBytes allows here")


class HeadTimeout(BadRequest):
    status = 408
    code = "request_timeout"


class BodyTimeout(HeadTimeout):
    """The body, not the head, has come to a standstill."""


class VersionNotSupported(BadRequest):
    status = 505
    code = "http_version_not_supported"


class ExpectationFailed(BadRequest):
    status = 417
    code = "expectation_failed"


class CodingNotSupported(BadRequest):
    status = 501
    code = "transfer_coding_not_supported"


class Taker(Protocol):
    """Who takes what was read. `is_reading`: whether bytes may come at all, or are held back."""

    @property
    def is_reading(self) -> bool: ...

    def on_request(self, head: RequestHead) -> None:
        """A head is complete."""

    def on_body(self, data: bytes) -> None: ...

    def on_end(self, trailers: Headers) -> None:
        """The request is complete."""

    def on_handshake(self, rest: bytes) -> None:
        """The request was a websocket handshake; `rest` and whatever comes now is not HTTP. Comes behind `on_end`."""

    def on_broken(self, head: RequestHead, error: RequestError) -> None:
        """What came cannot be a request; `head` is as much of it as could be read. Nothing more is read."""

    def on_crash(self, error: BaseException) -> None:
        """One of the calls above raised something that nobody foresaw. Nothing more is read."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`head`: bytes of a request head. `fields`: header fields. `head_timeout`: seconds from its first byte to its last.
    `body`: bytes of a request body. `body_timeout`: seconds without a byte of a body that is not complete. `stall`: seconds
    for which a full socket may take nothing before it is given up. Of all these 0 means that there is no limit (but for
    `head` and `fields`). `keepalive`: seconds of silence before TCP asks whether the client is still there, 0 = never."""

    head: int = 64 * 1024
    fields: int = 200
    head_timeout: float = 30.0
    body: int = 0
    body_timeout: float = 0.0
    stall: float = 120.0
    keepalive: int = 15


class Part(Enum):
    """What the parser is in the middle of, as far as it has to be watched."""

    UNWATCHED = "between messages, or a body of known length"
    HEAD = "head"
    CHUNKS = "chunked body: sizes, extensions and trailers are no body bytes"
    TIMED = "a body of known length, where a body may not stand still"
    IGNORED_UPGRADE = "the end of a head whose upgrade is ignored, before it is parsed again"


# Members as plain names, because the attribute of an Enum costs as much as a method call and these are read all the time.
UNWATCHED: Final = Part.UNWATCHED
HEAD: Final = Part.HEAD
CHUNKS: Final = Part.CHUNKS
TIMED: Final = Part.TIMED
IGNORED_UPGRADE: Final = Part.IGNORED_UPGRADE


# Requests with one of these are more than head and body.
UNREPEATED: Final = (b"expect", b"upgrade")


class RequestReader:
    """Parses the requests of one connection. `head` is the one that came last, whole or not."""

    __slots__ = (
        "_between",
        "_earlier",
        "_fed",
        "_length_at",
        "_limits",
        "_loop",
        "_model",
        "_mold",
        "_moved",
        "_parser",
        "_patience",
        "_quiet",
        "_received",
        "_taker",
        "_timer",
        "_trailers",
        "_with_length",
        "head",
        "on_body",
        "part",
    )

    def __init__(self, taker: Taker, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        self._taker = taker
        self._loop = loop
        self.on_body: Callable[[bytes], None] = taker.on_body  # straight to who takes it
        self.head = RequestHead()
        self.part = UNWATCHED
        self._fed = 0  # bytes of the feed that is being parsed
        self._earlier = 0  # bytes of the incomplete head in the feeds before
        self._quiet = 0  # bytes of a chunked message since its last body bytes
        self._received = 0  # body bytes of a chunked message
        self._moved = 0.0  # loop time at which something of a body came last
        self._timer: asyncio.TimerHandle | None = None
        self._trailers: Headers = []
        self._parser = httptools.HttpRequestParser(self)
        self._between = True  # nothing of the next message has come
        self._mold: Mold | None  # of `_model`, a head that may be repeated; its Content-Length is field `_length_at`
        self._model = self.head
        self._length_at = 0
        self._patience = PATIENCE
        self.change_limits(limits)

    def feed(self, data: bytes) -> None:
        between = self._between
        if between and self._mold is not None:
            digits = self._mold.digits_in(data)
            if digits is not None:
                self._repeat(data, digits)
                return
        self._fed = len(data)
        stopped = self._parse(data)
        if stopped is not None:
            self._pass_upgrades(memoryview(data)[stopped:])
        if self.part is not UNWATCHED:
            self._watch(len(data))
        elif between and self._between and self._patience:
            self._remember(data)

    def _repeat(self, data: bytes, digits: bytes) -> None:
        """One whole message with the head that is remembered: what the parser would do, without it."""
        self._patience = PATIENCE
        taker = self._taker
        self.head = head = self._model.again(self._length_at, digits)
        size = int(digits)
        try:
            taker.on_request(head)
            if size:
                taker.on_body(data[-size:])
            taker.on_end([])
        except RequestError as error:
            self._give_up(error)
        except Exception as error:
            self.stop()
            taker.on_crash(error)

    def _remember(self, data: bytes) -> None:
        """After a feed that began and ended between messages."""
        head = self.head
        if not head.keep_alive or any(field in head.known for field in UNREPEATED) or b"content-length" not in head.known:
            return
        self._mold = Mold.of(data)
        if self._mold is not None:
            self._patience -= 1
            self._length_at = next(at for at, field in enumerate(head.fields) if field[0] == b"content-length")
            self._model = head
            head.kept = Kept()

    def change_limits(self, limits: Limits) -> None:
        """From the next head on."""
        self._limits = limits
        self._mold = None  # what was remembered was within the limits before
        self._with_length = TIMED if limits.body_timeout else UNWATCHED

    def passed(self, data: bytes) -> None:
        """Body bytes, where `part` is not UNWATCHED. Raises BodyTooLarge."""
        self._quiet = 0
        self._received += len(data)
        limit = self._limits.body
        if limit and self._received > limit:
            raise BodyTooLarge(limit)

    def resumed(self) -> None:
        """Bytes were held back, and no longer are: nobody is late yet."""
        self._moved = self._loop.time()
        if self.part is HEAD:
            self._stop_timer()
            self._time_head()

    def stop(self) -> None:
        """No more will be fed."""
        self.part = UNWATCHED
        self._stop_timer()

    def end(self) -> None:
        """The connection is gone. The parser knows this reader and the reader its taker: nothing of it should have to wait
        for the collector of such circles, which rarely comes by."""
        self.stop()
        del self._parser, self._taker, self.on_body

    def _parse(self, data: bytes | memoryview) -> int | None:
        """Where parsing stopped behind an upgrade request, or None when all is parsed or broken."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            stopped: int = upgrade.args[0]
            return stopped
        except httptools.HttpParserError as error:
            cause = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else None
            if cause is None:
                self._give_up(malformed(str(error)))
            elif isinstance(cause, RequestError):
                self._give_up(cause)
            else:
                self.stop()
                self._taker.on_crash(cause)
        return None

    def _pass_upgrades(self, rest: memoryview) -> None:
        """llhttp stops behind the head of any request that asks for an upgrade, body or not. A websocket's bytes are handed
        over as they are; any other upgrade is ignored, as RFC 9110 7.8 allows: the head goes, without its Upgrade field, to
        a fresh parser that reads on behind it."""
        while not self.head.upgrade:
            head = self.head
            if head.method == b"CONNECT":
                self._give_up(BadRequest("CONNECT is not supported; send requests to the paths of this server"))
                return
            lines = b"".join(name + b": " + value + b"\r\n" for key, name, value in head.fields if key != b"upgrade")
            self._parser = httptools.HttpRequestParser(self)
            self._parse(b"%s %s HTTP/%s\r\n%s\r\n" % (head.method, head.target, head.version.encode(), lines))
            stopped = self._parse(rest)
            if stopped is None:
                return
            rest = rest[stopped:]
        self._taker.on_handshake(bytes(rest))

    # --- limits ---

    def _watch(self, size: int) -> None:
        """After a feed of `size` bytes that ended in the middle of something."""
        limit = self._limits.head
        if self.part is not HEAD:
            self._quiet += size
            if self.part is CHUNKS and self._quiet > limit + self._fed:
                self._give_up(HeadTooLarge(f"the trailers or chunk extensions are larger than {limit} bytes"))
            elif self._limits.body_timeout:
                self._moved = self._loop.time()
                if self._timer is None:
                    self._timer = self._loop.call_later(self._limits.body_timeout, self._look_at_body)
            return
        # The first feed may hold much else before the head begins, so only what is known to belong to it counts.
        self._earlier = self._earlier + size if self._earlier else self.head.size
        if self._earlier > limit:
            self._give_up(HeadTooLarge(f"the request head is larger than {limit} bytes"))
        elif self._timer is None:
            self._time_head()

    def _time_head(self) -> None:
        if self._limits.head_timeout:
            self._timer = self._loop.call_later(self._limits.head_timeout, self._late)

    def _late(self) -> None:
        self._timer = None
        if not self._taker.is_reading:
            return  # we are the ones who hold it up, and it has its time from `resumed` on
        self._give_up(HeadTimeout(f"the request head was not complete within {self._limits.head_timeout:g} seconds"))

    def _look_at_body(self) -> None:
        self._timer = None
        limit, now = self._limits.body_timeout or float("inf"), self._loop.time()
        if self.head.awaits_continue or not self._taker.is_reading:
            self._moved = float("inf")  # we are the ones who hold it up
        elif self._moved > now:
            self._moved = now
        left = min(self._moved, now) + limit - now
        if left <= 0:
            self._give_up(BodyTimeout(f"nothing of the request body came within {limit:g} seconds"))
        elif left < float("inf"):
            self._timer = self._loop.call_later(left, self._look_at_body)

    def _give_up(self, error: RequestError) -> None:
        head = RequestHead() if self.part is UNWATCHED else self.head
        self.stop()
        self._taker.on_broken(head, error)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- llhttp's callbacks ---

    def on_message_begin(self) -> None:
        self.head = RequestHead()
        self._between = False
        self._trailers = []
        self.part = HEAD
        self._earlier = 0

    def on_url(self, url: bytes) -> None:
        self.head.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.part is not HEAD:
            self._trailers.append((name, value))
            return
        head = self.head
        key = name.lower()
        head.fields.append((key, name, value))
        if key in READ_BY_US:
            known = head.known
            known[key] = value if key not in known else known[key] + b", " + value

    def on_headers_complete(self) -> None:
        head = self.head
        parser = self._parser
        if self._timer is not None:
            self._stop_timer()
        head.method = parser.get_method()
        head.version = parser.get_http_version()
        head.keep_alive = parser.should_keep_alive()
        head.split_target()
        self._check(head)
        self.part = CHUNKS if b"transfer-encoding" in head.known else self._with_length
        if parser.should_upgrade():
            head.upgrade = is_websocket(head)
            if not head.upgrade:
                self.part = IGNORED_UPGRADE
                return
        self._taker.on_request(head)

    def _check(self, head: RequestHead) -> None:
        limits = self._limits
        known = head.known
        if head.version not in ("1.1", "1.0"):
            raise VersionNotSupported(f"HTTP/{head.version} is not supported here; use HTTP/1.1")
        if len(head.fields) > limits.fields:
            raise HeadTooLarge(f"the request has more than {limits.fields} header fields")
        if (self._earlier or self._fed > limits.head) and head.size > limits.head:
            raise HeadTooLarge(f"the request head is larger than {limits.head} bytes")
        host = known.get(b"host")
        if host is None:
            if head.version == "1.1":
                raise BadRequest("the Host header is missing (RFC 9112 3.2)")
        elif b"," in host or b" " in host.strip():
            raise BadRequest("there is more than one Host header, or it is no host (RFC 9112 3.2)")
        if b"transfer-encoding" in known:
            self._check_coding(head)
        if b"expect" in known:
            if known[b"expect"].strip().lower() != b"100-continue":
                raise ExpectationFailed("the only expectation known here is 100-continue")
            head.awaits_continue = head.version == "1.1" and head.has_body

    def _check_coding(self, head: RequestHead) -> None:
        """llhttp calls back before it refuses a coding, takes others in front of `chunked`, and any in HTTP/1.0."""
        codings = [coding.strip() for coding in head.known[b"transfer-encoding"].lower().split(b",")]
        if head.version == "1.0":
            raise BadRequest("HTTP/1.0 has no Transfer-Encoding (RFC 9112 6.1)")
        if codings[-1] != b"chunked" or codings.count(b"chunked") != 1:
            raise BadRequest("the last transfer coding of a request must be chunked (RFC 9112 6.1)")
        if len(codings) > 1:
            raise CodingNotSupported("the only transfer coding known here is chunked")
        self._quiet = self._received = 0

    def on_message_complete(self) -> None:
        if self.part is not UNWATCHED:
            if self.part is IGNORED_UPGRADE:
                return  # its body, if it has one, comes when it is parsed again
            self.part = UNWATCHED
            if self._timer is not None:
                self._stop_timer()
        self._between = self.head.keep_alive  # else no other message may come
        self._taker.on_end(self._trailers)


def malformed(detail: str) -> BadRequest:
    """What llhttp says, as an error for the client."""
    if "Invalid HTTP version" in detail or "PRI" in detail:
        return VersionNotSupported(f"only HTTP/1.1 and HTTP/1.0 are supported here ({detail})")
    return BadRequest(f"malformed HTTP request: {detail}")
