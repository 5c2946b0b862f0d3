"""One connection to an upstream, and one request at a time on it.

A `Sink` writes the request with `send` and hears of the response through its methods. When both are complete and both
sides agreed to keep the connection, it returns to its `Pool` (`http.upstream`).
"""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol, cast

import httptools

from swapyard.http.headers import Headers, ResponseHead, has_no_body
from swapyard.http.outgoing import Batch, Outgoing
from swapyard.http.repeats import PATIENCE, Kept, Mold
from swapyard.http.sink import Cause, Sink, Tunnel, UpstreamError
from swapyard.http.sockets import enable_keepalive, half_close, reset

WRITE_HIGH = 256 * 1024
LONGEST_HEAD = 256 * 1024  # bytes of a response head, 1xx responses before it included
LONGEST_TRAILERS = 64 * 1024  # bytes, or of chunk extensions; beyond the read that the last of the body came with
MOST_TRAILERS = 200  # fields

# What a reason must not hold (RFC 9112 4); llhttp lets everything pass but line ends.
CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]").search

log = logging.getLogger("swapyard.http")


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds; 0 = none. `keepalive`: TCP probes."""

    connect: float = 30
    keepalive: int = 30
    response_header: float = 0
    tls_handshake: float = 10
    idle: float = 90
    idle_connections: int = 100


class Pool(Protocol):
    """Where a connection belongs (`http.upstream.Upstream`)."""

    limits: Limits
    loop: asyncio.AbstractEventLoop
    batch: Batch
    connections: set[UpstreamConnection]
    open: bool

    def put_back(self, connection: UpstreamConnection) -> None: ...
    def forget(self, connection: UpstreamConnection) -> None: ...


class Heard(Enum):
    """How much of the response has come."""

    NOTHING = "nothing"
    SOMETHING = "a part of its head, or 1xx responses"
    HEAD = "its head"
    ALL = "all of it"


# Members as plain names, because the attribute of an Enum costs as much as a method call and these are read all the time.
NOTHING: Final = Heard.NOTHING
SOMETHING: Final = Heard.SOMETHING
HEAD: Final = Heard.HEAD
ALL: Final = Heard.ALL


class UpstreamConnection(asyncio.Protocol):
    """`head_only`: set by the sink of a HEAD request, because nothing in its response tells that no body follows."""

    __slots__ = (
        "_fields",
        "_full",
        "_head_bytes",
        "_heard",
        "_keep",
        "_model",
        "_mold",
        "_parser",
        "_patience",
        "_pool",
        "_quiet",
        "_reason",
        "_request_done",
        "_sink",
        "_timer",
        "_trailers",
        "_transport",
        "_tunnel",
        "_until_close",
        "head_only",
        "idle_since",
        "used",
    )

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._sink: Sink | None = None
        self._tunnel: Tunnel | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._full = False  # the socket takes no more
        self._mold: Mold | None = None  # of `_model`, a head that may be repeated
        self._model: ResponseHead | None = None  # the last head that was parsed
        self._patience = PATIENCE
        self._quiet = -1  # bytes that came since the last read with some of the body; -1: there was some in this read
        self.used = 0  # requests sent on it
        self.idle_since = 0.0
        self._reset()

    def _reset(self) -> None:
        self._fields: Headers = []
        self._reason = b""
        self._trailers: Headers = []
        self._heard = NOTHING
        self._head_bytes = 0
        self._request_done = False
        self._until_close = False  # the body ends where the connection does
        self._keep = False  # the response allows another request
        self.head_only = False

    # --- for the sink ---

    def attach(self, sink: Sink) -> None:
        self._sink = sink
        self.used += 1

    def send(self, data: bytes, *, last: bool) -> None:
        """Request bytes, framing included. `last`: the request is complete with them."""
        self._transport.write(data)
        if last:
            self.request_complete()

    def request_complete(self) -> None:
        self._request_done = True
        limit = self._pool.limits.response_header
        if limit and self._heard in (NOTHING, SOMETHING):
            self._timer = self._pool.loop.call_later(limit, self._late)

    def pause_reading(self) -> None:
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def tunnel(self, tunnel: Tunnel) -> None:
        self._tunnel = tunnel
        self._sink = None

    def write_raw(self, data: bytes) -> None:
        self._transport.write(data)

    def write_eof(self) -> bool:
        """Half-closes a tunnel. False where that is impossible."""
        return half_close(self._transport)

    def end(self) -> None:
        """Ends a tunnel in order: what was written still leaves."""
        self._tunnel = None
        self._transport.close()

    def close(self) -> None:
        """Gives the exchange up, if there is one. The sink hears nothing more."""
        busy = self._heard is not ALL and self._sink is not None
        self._sink = None
        self._tunnel = None
        self._stop_timer()
        self._pool.connections.discard(self)
        if busy:
            reset(self._transport)  # the engine must notice at once that nobody listens any more, whatever is unsent
        else:
            self._transport.abort()

    def fail(self, error: UpstreamError) -> None:
        """Closes the connection, and tells who uses it."""
        sink, tunnel = self._sink, self._tunnel
        self.close()
        if tunnel is not None:
            tunnel.upstream_gone()
        elif sink is not None:
            sink.broken(error)

    def loss(self, how: str, *, exited: bool = False) -> UpstreamError:
        """What it means for the exchange that the connection ends now. `exited`: because the upstream did."""
        before = self._heard in (NOTHING, SOMETHING)
        cause = Cause.STALE if self._heard is NOTHING and self.used > 1 else Cause.BROKEN
        if not exited:
            how = f"{how} {'before it sent response headers' if before else 'in the middle of its response'}"
        return UpstreamError(how, cause)

    def _late(self) -> None:
        self._timer = None
        limit = self._pool.limits.response_header
        self.fail(UpstreamError(f"sent no response headers within {limit:g} seconds", Cause.TIMEOUT))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(high=WRITE_HIGH)
        self._transport = Outgoing(transport, self._pool.batch)
        enable_keepalive(transport, self._pool.limits.keepalive)
        self._pool.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._sink is None:
            self._not_for_a_sink(data)
            return
        first = self._heard is NOTHING
        if first:
            if self._mold is not None and not self.head_only:
                digits = self._mold.digits_in(data)
                if digits is not None:
                    self._repeat(data, int(digits))
                    return
            self._heard = SOMETHING
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._switched(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            self._parser_failed(error)
            return
        if first and self._heard is ALL and self._keep and self._patience:
            self._remember(data)
        self._fed(len(data))

    def _repeat(self, data: bytes, size: int) -> None:
        """One whole response with the head that is remembered: what the parser would do, without it."""
        sink, model = self._sink, self._model
        assert sink is not None
        assert model is not None
        self._patience = PATIENCE
        self._heard = HEAD
        self._keep = True
        if self._timer is not None:
            self._stop_timer()
        try:
            sink.response(model.again(size))
            if size and self._sink is sink:
                sink.data(data[-size:])
        except Exception as error:
            self._failed_inside(error)
            return
        if self._sink is sink:
            self._heard = ALL
            self._fed(0)

    def _remember(self, data: bytes) -> None:
        """After a whole response in one read. `_model` is its head."""
        model = self._model
        self._mold = None
        if model is None or model.length is None or has_no_body(model.status) or self.head_only:
            return
        if not data.startswith(b"HTTP/1.1 %d" % model.status):
            return  # 1xx responses in front of it
        self._mold = Mold.of(data)
        if self._mold is not None:
            self._patience -= 1
            model.kept = Kept()

    def _fed(self, size: int) -> None:
        sink = self._sink
        if sink is None:
            return  # it has given up meanwhile
        if self._heard is ALL:
            trailers = self._trailers
            self._release()  # first: the end of this exchange may begin the next one, which can use this connection
            sink.complete(trailers)
            return
        if self._heard is SOMETHING:
            self._head_bytes += size
            if self._head_bytes > LONGEST_HEAD:
                self.fail(UpstreamError(f"sent response headers of more than {LONGEST_HEAD} bytes"))
                return
        else:
            self._quiet = 0 if self._quiet < 0 else self._quiet + size
            if self._quiet > LONGEST_TRAILERS:
                self.fail(UpstreamError(f"sent trailers or chunk extensions of more than {LONGEST_TRAILERS} bytes"))
                return
        sink.turn_over()

    def _not_for_a_sink(self, data: bytes) -> None:
        if self._tunnel is not None:
            self._tunnel.from_upstream(data)
        else:  # bytes that nobody asked for
            self._pool.forget(self)
            self.close()

    def _parser_failed(self, error: httptools.HttpParserError) -> None:
        cause = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else None
        if isinstance(cause, MalformedResponseError):
            self.fail(UpstreamError(f"sent a malformed HTTP response: {cause}"))
        elif cause is not None:
            self._failed_inside(cause)
        elif self._heard is ALL:  # a whole response, and junk behind it
            self._keep = False
            self._fed(0)
        else:
            self.fail(UpstreamError(f"sent a malformed HTTP response: {error}"))

    def _failed_inside(self, error: BaseException) -> None:
        log.error("an answer could not be passed on", exc_info=error)
        self.fail(UpstreamError("answered, and an internal error kept the answer back", Cause.INTERNAL))

    def eof_received(self) -> bool:
        if self._tunnel is not None and self._transport.can_write_eof():
            self._tunnel.upstream_ended()
            return True  # the other direction goes on
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.connections.discard(self)
        self._pool.forget(self)
        self._stop_timer()
        del self._parser  # it knows this connection, and would keep it until the collector finds the circle
        tunnel, self._tunnel = self._tunnel, None
        sink, self._sink = self._sink, None
        if tunnel is not None:
            tunnel.upstream_gone()
        elif sink is None:
            return
        elif self._until_close and exc is None:
            sink.complete([])
        elif isinstance(exc, OSError):
            sink.broken(self.loss(f"broke the connection ({exc.strerror or exc})"))
        else:
            sink.broken(self.loss("closed the connection"))

    def pause_writing(self) -> None:
        self._full = True
        if self._tunnel is not None:
            self._tunnel.upstream_full(True)
        elif self._sink is not None:
            self._sink.request_paused(True)

    def resume_writing(self) -> None:
        self._full = False
        if self._tunnel is not None:
            self._tunnel.upstream_full(False)
        elif self._sink is not None:
            self._sink.request_paused(False)

    # --- llhttp's callbacks ---

    def on_message_begin(self) -> None:
        if self._heard is ALL:
            self._keep = False  # a second response to one request
            return
        self._reason = b""
        self._fields = []

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        sink = self._sink
        if sink is None or self._heard is ALL:
            return
        status = self._parser.get_status_code()
        fields, self._fields = self._fields, []  # fields that come later are trailers
        if self._reason != b"OK" and CONTROL(self._reason):
            raise MalformedResponseError("a control character in the reason behind its status")
        if (version := self._parser.get_http_version()) not in ("1.1", "1.0"):
            raise MalformedResponseError(f"HTTP/{version} was not asked for")
        if 100 <= status < 200 and status != 101:
            sink.interim(status, self._reason, fields)
            return
        head = self._model = self._read_head(status, fields)
        self._mold = None  # it was of the head before
        self._heard = HEAD
        self._quiet = -1
        if self._timer is not None:
            self._stop_timer()
        if status == 101:
            if not self._parser.should_upgrade():
                raise MalformedResponseError("101 without saying to what it switches")
            self._fields = fields
            return
        sink.response(head)
        if self.head_only:
            self._heard = ALL
            self._until_close = False
            self._parser = httptools.HttpResponseParser(self)  # the old one waits for a body that does not come

    def _read_head(self, status: int, fields: Headers) -> ResponseHead:
        length: int | None = None
        coding = b""
        content_type = encoding = ""
        for name, value in fields:
            size = len(name)
            if size == 14 and name.lower() == b"content-length":
                length = int(value)
            elif size == 17 and name.lower() == b"transfer-encoding":
                coding = value.strip().lower() if not coding else coding + b", " + value
            elif size == 12 and name.lower() == b"content-type":
                content_type = value.decode("latin-1")
            elif size == 16 and name.lower() == b"content-encoding":
                encoding = value.decode("latin-1")
        if status < 100:
            raise MalformedResponseError(f"{status:03} is no status")
        if coding and coding != b"chunked":
            raise MalformedResponseError(f"unknown transfer coding {coding[:40].decode('latin-1')}")
        self._keep = self._parser.should_keep_alive()
        if has_no_body(status):
            length = length if status == 304 else 0
        elif length is None and not coding:
            self._until_close = True
            self._keep = False
        event_stream = "text/event-stream" in content_type.lower()
        return ResponseHead(status, self._reason, fields, length, event_stream, content_type=content_type, encoding=encoding)

    def on_body(self, data: bytes) -> None:
        if self._heard is HEAD:
            self._quiet = -1
            if self._sink is not None:
                self._sink.data(data)
        elif self._heard is ALL:
            self._keep = False
        else:
            raise MalformedResponseError("a body behind an interim response")

    def on_message_complete(self) -> None:
        if self._heard is HEAD and self._parser.get_status_code() != 101:
            self._heard = ALL
            self._trailers, self._fields = self._fields, []  # fields of a second response are nobody's trailers
            if len(self._trailers) > MOST_TRAILERS:
                self._heard = HEAD  # an answer that is whole would be passed on
                raise MalformedResponseError(f"more than {MOST_TRAILERS} trailers")

    def _switched(self, rest: bytes) -> None:
        if self._sink is None:
            self.close()
            return
        head = ResponseHead(101, self._reason, self._fields, None, event_stream=False)
        self._sink.switched(head, rest)

    def _release(self) -> None:
        self._sink = None
        if self._keep and self._request_done and not self._full and self._pool.open and not self._transport.is_closing():
            self._reset()
            self._transport.resume_reading()
            self._pool.put_back(self)
        else:
            self.close()


class MalformedResponseError(Exception):
    """A response that llhttp takes and that means nothing here."""
