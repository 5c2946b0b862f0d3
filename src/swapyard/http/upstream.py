"""The upstream side: a pool of keep-alive connections to one address, and the exchange of one request on each.

`Upstream.acquire(sink)` gives `sink` a connection: an idle one within the call, else a fresh one as soon as it is open. The
sink writes the request with `send` and hears of the response through its methods. A connection serves one request at a
time and returns to the pool when both sides are complete and both agreed to keep it.

llama.cpp's server closes after every streamed response although it says keep-alive, so a reused connection may die before
the first byte of an answer: `Sink.broken` then says `stale=True`, and the sink may send once more on a fresh one.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import Protocol, cast

import httptools

from swapyard.http.headers import Headers, ResponseHead, has_no_body
from swapyard.http.sockets import enable_keepalive

WRITE_HIGH = 256 * 1024
READ_LIMIT = 64 * 1024  # bytes of a response head


class Sink(Protocol):
    """Who sent the request and takes the response. Nothing is called after `complete` or `broken`."""

    def connected(self, connection: UpstreamConnection) -> None:
        """Here is the connection: send the request."""

    def interim(self, status: int, reason: bytes, headers: Headers) -> None: ...
    def response(self, head: ResponseHead) -> None: ...
    def data(self, data: bytes) -> None: ...

    def turn_over(self) -> None:
        """All that one read of the socket brought has been handed over: a good moment to write it on."""

    def complete(self, trailers: Headers) -> None: ...

    def switched(self, head: ResponseHead, rest: bytes) -> None:
        """101: from now on raw bytes; take them with `connection.tunnel`."""

    def broken(self, error: UpstreamError) -> None: ...
    def request_paused(self, paused: bool) -> None:
        """The upstream's socket is full (or has room again): hold the request's body back."""


class Tunnel(Protocol):
    def from_upstream(self, data: bytes) -> None: ...
    def upstream_gone(self) -> None: ...
    def upstream_full(self, full: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class UpstreamError:
    """Why there is no (whole) response. `stale`: a reused connection died before it answered. `stopped`: closed by
    `Upstream.close`. `timeout`: a time limit. `connecting`: no connection could be made."""

    detail: str
    stale: bool = False
    stopped: bool = False
    timeout: bool = False
    connecting: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds; 0 = none. `keepalive`: TCP probes."""

    connect: float = 30
    keepalive: int = 30
    response_header: float = 0
    tls_handshake: float = 10
    idle: float = 90
    idle_connections: int = 100


class UpstreamConnection(asyncio.Protocol):
    __slots__ = (
        "_heard",
        "_keep",
        "_parser",
        "_reason",
        "_request_done",
        "_response_done",
        "_sink",
        "_started",
        "_timer",
        "_trailers",
        "_transport",
        "_tunnel",
        "_until_close",
        "_upstream",
        "fields",
        "idle_since",
        "no_body",
        "used",
    )

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._sink: Sink | None = None
        self._tunnel: Tunnel | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.used = 0  # requests sent on it
        self.idle_since = 0.0
        self._reset()

    def _reset(self) -> None:
        self.fields: Headers = []
        self._reason = b""
        self._trailers: Headers = []
        self._heard = False  # a byte of an answer has come
        self._started = False  # the head of the final response has come
        self._request_done = False
        self._response_done = False
        self._until_close = False
        self._keep = False
        self.no_body = False  # set by the sink of a HEAD: only the request tells that no body follows the head

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
        limit = self._upstream.limits.response_header
        if limit and not self._started:
            self._timer = self._upstream.loop.call_later(limit, self._late)

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

    def end(self) -> None:
        """Ends a tunnel in order: what was written still leaves."""
        self._tunnel = None
        self._transport.close()

    def close(self) -> None:
        """Gives the exchange up. The sink hears nothing more."""
        self._sink = None
        self._tunnel = None
        self._stop_timer()
        self._upstream.connections.discard(self)
        # A reset, not an orderly end: the engine must notice at once that nobody listens any more, whatever is unsent.
        self._transport.abort()

    def fail(self, error: UpstreamError) -> None:
        sink, tunnel = self._sink, self._tunnel
        self.close()
        if tunnel is not None:
            tunnel.upstream_gone()
        elif sink is not None:
            sink.broken(error)

    def _late(self) -> None:
        self._timer = None
        limit = self._upstream.limits.response_header
        self.fail(UpstreamError(f"sent no response headers within {limit:g} seconds", timeout=True))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH)
        enable_keepalive(transport, self._upstream.limits.keepalive)
        self._upstream.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._tunnel is not None:
            self._tunnel.from_upstream(data)
            return
        if self._sink is None:
            self._upstream.forget(self)  # bytes that nobody asked for
            self.close()
            return
        self._heard = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._switched(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            cause = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else None
            if cause is not None:
                self._transport.abort()
                raise cause from None
            if self._sink is not None and not self._response_done:
                self.fail(UpstreamError(f"sent a malformed HTTP response: {error}"))
                return
            self._keep = False  # a whole response, and junk behind it
        sink = self._sink
        if self._response_done:
            trailers = self._trailers
            self._release()  # first: the end of this exchange may begin the next one, which can use this connection
            if sink is not None:
                sink.complete(trailers)
        elif sink is not None:
            sink.turn_over()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._upstream.connections.discard(self)
        self._upstream.forget(self)
        self._stop_timer()
        tunnel, self._tunnel = self._tunnel, None
        sink, self._sink = self._sink, None
        if tunnel is not None:
            tunnel.upstream_gone()
        elif sink is not None:
            if self._until_close and exc is None:
                sink.complete([])
            else:
                sink.broken(self._loss(exc))

    def _loss(self, exc: Exception | None) -> UpstreamError:
        how = f"the connection broke ({exc.strerror or exc})" if isinstance(exc, OSError) else "closed the connection"
        if not self._started:
            return UpstreamError(f"{how} before it sent response headers", stale=self.used > 1 and not self._heard)
        return UpstreamError(f"{how} in the middle of its response")

    def pause_writing(self) -> None:
        if self._tunnel is not None:
            self._tunnel.upstream_full(True)
        elif self._sink is not None:
            self._sink.request_paused(True)

    def resume_writing(self) -> None:
        if self._tunnel is not None:
            self._tunnel.upstream_full(False)
        elif self._sink is not None:
            self._sink.request_paused(False)

    # --- parsing ---

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_message_begin(self) -> None:
        self._reason = b""
        self.fields = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        sink = self._sink
        if sink is None or self._response_done:
            return
        status = self._parser.get_status_code()
        fields, self.fields = self.fields, []  # fields that come later are trailers
        if 100 <= status < 200 and status != 101:
            sink.interim(status, self._reason, fields)
            return
        self._started = True
        self._stop_timer()
        self._keep = self._parser.should_keep_alive()
        head = self._read_head(status, fields)
        if status == 101:
            self.fields = fields
            return
        sink.response(head)
        if self.no_body:
            self._response_done = True
            self._keep = False  # the parser now waits for a body that will not come

    def _read_head(self, status: int, fields: Headers) -> ResponseHead:
        length: int | None = None
        chunked = event_stream = False
        for name, value in fields:
            size = len(name)
            if size == 14 and name.lower() == b"content-length":
                length = int(value)
            elif size == 17 and name.lower() == b"transfer-encoding":
                chunked = True
            elif size == 12 and name.lower() == b"content-type":
                event_stream = b"text/event-stream" in value.lower()
        if has_no_body(status):
            length = length if status == 304 else 0
        elif length is None and not chunked:
            self._until_close = True
            self._keep = False
        return ResponseHead(status, self._reason, fields, length, event_stream)

    def on_body(self, data: bytes) -> None:
        if self._sink is not None and not self._response_done:
            self._sink.data(data)

    def on_message_complete(self) -> None:
        if self._started and self._sink is not None and not self._response_done:
            if self._parser.get_status_code() == 101:
                return
            self._response_done = True
            self._trailers = self.fields

    def _switched(self, rest: bytes) -> None:
        sink = self._sink
        if sink is None:
            self.close()
            return
        head = ResponseHead(101, self._reason, self.fields, None, event_stream=False)
        sink.switched(head, rest)

    def _release(self) -> None:
        self._sink = None
        if self._keep and self._request_done and self._upstream.open and not self._transport.is_closing():
            self._reset()
            self._transport.resume_reading()
            self._upstream.put_back(self)
        else:
            self.close()


class Upstream:
    """The pool of one address. `tls` is an SSL context for https, with `server_name` to verify."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        loop: asyncio.AbstractEventLoop,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
        base_path: bytes = b"",
        base_query: bytes = b"",
    ) -> None:
        self.host = host
        self.port = port
        self._base_path = base_path.rstrip(b"/")
        self._base_query = base_query
        self.loop = loop
        self.limits = limits or Limits()
        self.open = True
        self.connections: set[UpstreamConnection] = set()
        self._tls = tls
        self._server_name = server_name
        self._idle: list[UpstreamConnection] = []  # most recently used last
        self._sweeper: asyncio.TimerHandle | None = None
        self._connecting: dict[Sink, asyncio.Task[None]] = {}

    def target(self, path: bytes, query: bytes) -> bytes:
        """The request target for a path of ours: joined to the base path with one slash, the base query first."""
        if self._base_path:
            path = self._base_path + path
        if self._base_query:
            query = self._base_query + b"&" + query if query else self._base_query
        return path + b"?" + query if query else path

    def acquire(self, sink: Sink, *, fresh: bool = False) -> None:
        """Calls `sink.connected` now or soon, or `sink.broken`. `fresh`: not a pooled connection."""
        if not self.open:
            self.loop.call_soon(sink.broken, UpstreamError("is being stopped", stopped=True))
            return
        while self._idle and not fresh:
            connection = self._idle.pop()
            if not connection._transport.is_closing():
                connection.attach(sink)
                sink.connected(connection)
                return
        task = self.loop.create_task(self._connect(sink), name=f"connect {self.host}:{self.port}")
        self._connecting[sink] = task

    def give_up(self, sink: Sink) -> None:
        """The sink no longer wants the connection that is being opened for it."""
        task = self._connecting.pop(sink, None)
        if task is not None:
            task.cancel()

    async def _connect(self, sink: Sink) -> None:
        limits = self.limits
        error: UpstreamError | None = None
        connection: UpstreamConnection | None = None
        try:
            async with asyncio.timeout(limits.connect or None):
                _, connection = await self.loop.create_connection(
                    lambda: UpstreamConnection(self),
                    self.host,
                    self.port,
                    ssl=self._tls,
                    server_hostname=self._server_name if self._tls else None,
                    ssl_handshake_timeout=(limits.tls_handshake or None) if self._tls else None,
                )
        except TimeoutError:
            error = UpstreamError(f"could not be reached within {limits.connect:g} seconds", timeout=True, connecting=True)
        except (OSError, ssl.SSLError) as failure:
            error = UpstreamError(f"could not be reached at {self.host}:{self.port}: {failure}", connecting=True)
        if self._connecting.pop(sink, None) is None:  # given up meanwhile
            if connection is not None:
                connection.close()
        elif connection is None:
            sink.broken(error or UpstreamError("could not be reached", connecting=True))
        elif not self.open:
            connection.close()
            sink.broken(UpstreamError("is being stopped", stopped=True))
        else:
            connection.attach(sink)
            sink.connected(connection)

    def put_back(self, connection: UpstreamConnection) -> None:
        if len(self._idle) >= self.limits.idle_connections:
            connection.close()
            return
        connection.idle_since = self.loop.time()
        self._idle.append(connection)
        if self._sweeper is None and self.limits.idle:
            self._sweeper = self.loop.call_later(self.limits.idle, self._sweep)

    def forget(self, connection: UpstreamConnection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)

    def _sweep(self) -> None:
        """Closes connections that were idle for too long; the oldest are in front."""
        self._sweeper = None
        oldest_allowed = self.loop.time() - self.limits.idle
        while self._idle and self._idle[0].idle_since <= oldest_allowed:
            self._idle.pop(0).close()
        if self._idle:
            self._sweeper = self.loop.call_at(self._idle[0].idle_since + self.limits.idle, self._sweep)

    def close(self, detail: str = "is being stopped") -> None:
        """Ends every connection: idle ones silently, busy ones through `Sink.broken(stopped=True)`."""
        self.open = False
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        error = UpstreamError(detail, stopped=True)
        self._idle.clear()
        for connection in list(self.connections):
            connection.fail(error)
        for sink, task in list(self._connecting.items()):
            self._connecting.pop(sink)
            task.cancel()
            sink.broken(error)
