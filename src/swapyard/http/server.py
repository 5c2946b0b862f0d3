"""The client side: one `ClientConnection` per socket, parsing requests and writing responses.

A connection handles one request at a time. When a head is complete it asks `Server.accept` for a `Handler`, feeds it the
body, and lets it answer through `begin`, `write`, `finish` (or `reply` for a small whole answer, `break_off` for a response
that cannot be completed). Requests that arrive meanwhile (pipelining) are kept parsed and start in their order.

Writes are collected and go out in `flush`, once per turn, so that a head and its first bytes share a packet. Back-pressure:
a full client socket calls `Handler.pause`; a handler that cannot take more body calls `pause_reading`.

A client that half-closes has left: nothing else tells a client that is gone from one that only waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

import httptools

from swapyard.errors import BadRequest, RequestError
from swapyard.http.headers import READ_BY_US, Headers, RequestHead, has_no_body, is_websocket, status_line

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
PIPELINE_BYTES = 64 * 1024  # parsed requests that wait for their turn may hold about this much before reading stops
WRITE_HIGH = 256 * 1024
LARGE = 64 * 1024  # from this size on, pieces are handed to the socket as they are instead of being joined
LINGER = 10.0  # seconds for which the rest of a request is read after an early answer


class HeadTooLarge(BadRequest):
    status = 431
    code = "headers_too_large"


class HeadTimeout(BadRequest):
    status = 408
    code = "request_timeout"


class VersionNotSupported(BadRequest):
    status = 505
    code = "http_version_not_supported"


class ExpectationFailed(BadRequest):
    status = 417
    code = "expectation_failed"


class Handler(Protocol):
    """Answers one request. Called by its connection, never after `gone`."""

    def start(self) -> None:
        """The head is known and it is this request's turn."""

    def body(self, data: bytes) -> None: ...

    def end(self, trailers: Headers) -> None:
        """The request is complete."""

    def gone(self) -> None:
        """The client has left before the response was finished."""

    def pause(self) -> None:
        """The client's socket is full: send no more until `resume`."""

    def resume(self) -> None: ...


class Splice(Protocol):
    """What takes over after an upgrade (`http.websocket`)."""

    def from_client(self, data: bytes) -> None: ...
    def client_gone(self) -> None: ...
    def client_full(self, full: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """`head`: bytes of a request head. `fields`: header fields. `head_timeout`: seconds from its first byte to its last."""

    head: int = 64 * 1024
    fields: int = 200
    head_timeout: float = 30.0


@dataclass(slots=True)
class Pending:
    """A pipelined request that waits for its turn."""

    head: RequestHead
    pieces: list[bytes]
    trailers: Headers
    complete: bool = False


class ClientConnection(asyncio.Protocol):
    """One client socket. Public to handlers: `remote`, `begin`, `write`, `finish`, `reply`, `break_off`, reading control."""

    __slots__ = (
        "_chunked",
        "_close_after",
        "_discarding",
        "_error",
        "_fed",
        "_finished",
        "_head",
        "_head_bytes",
        "_head_timer",
        "_in_head",
        "_no_body",
        "_out",
        "_parser",
        "_pending",
        "_queue",
        "_receiving",
        "_server",
        "_splice",
        "_trailers",
        "_transport",
        "_until_close",
        "_upgrade_rest",
        "bytes_sent",
        "handler",
        "head",
        "remote",
        "status",
    )

    def __init__(self, server: Server) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.remote = ""
        # The request being parsed.
        self._head = RequestHead()
        self._in_head = False
        self._fed = 0  # bytes given to the parser in this turn
        self._head_bytes = 0  # and in earlier turns, of a head that is not complete yet
        self._head_timer: asyncio.TimerHandle | None = None
        self._error: RequestError | None = None  # what could not be parsed, to be told when its turn comes
        self._trailers: Headers = []
        self._receiving = False  # the body of the request being answered is still to come
        self._queue: deque[Pending] = deque()
        self._upgrade_rest: list[bytes] | None = None  # bytes behind a websocket handshake, until it is answered
        self._splice: Splice | None = None
        # The response being written.
        self.head = self._head
        self.handler: Handler | None = None
        self.status = 0
        self.bytes_sent = 0
        self._out: list[bytes] = []  # head or framing, ready to be written
        self._pending: list[bytes] = []  # body bytes of this turn, not yet framed
        self._chunked = False
        self._until_close = False
        self._no_body = False
        self._finished = True
        self._discarding = False  # the response is out, the rest of the request's body is thrown away
        self._close_after = False

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH)
        peer = transport.get_extra_info("peername")
        self.remote = peer[0] if isinstance(peer, tuple) else ""
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._splice is not None:
            self._splice.from_client(data)
            return
        if self._upgrade_rest is not None:
            self._upgrade_rest.append(data)
            if sum(map(len, self._upgrade_rest)) > PIPELINE_BYTES:
                self._transport.pause_reading()
            return
        self._feed(data)

    def eof_received(self) -> bool:
        return False  # asyncio closes the transport, which ends in connection_lost

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._stop_head_timer()
        self._close_after = True
        self._queue.clear()
        handler, self.handler = self.handler, None
        if self._splice is not None:
            self._splice.client_gone()
            self._log_end(self.status)
        elif handler is not None:
            handler.gone()
            self._log_end(499)

    def pause_writing(self) -> None:
        if self._splice is not None:
            self._splice.client_full(True)
        elif self.handler is not None:
            self.handler.pause()

    def resume_writing(self) -> None:
        if self._splice is not None:
            self._splice.client_full(False)
        elif self.handler is not None:
            self.handler.resume()

    # --- parsing ---

    def _feed(self, data: bytes) -> None:
        self._fed = len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgraded(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            cause = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else None
            if cause is not None and not isinstance(cause, RequestError):
                self._transport.abort()
                raise cause from None
            self._refuse(cause if isinstance(cause, RequestError) else BadRequest(f"malformed HTTP request: {error}"))
        if self._in_head:
            self._guard_head(len(data))

    def _guard_head(self, size: int) -> None:
        """A head that is not complete yet: bounded in bytes and in time."""
        self._head_bytes += size
        if self._head_bytes > self._server.limits.head:
            self._refuse(HeadTooLarge(f"the request head is larger than {self._server.limits.head} bytes"))
        elif self._head_timer is None:
            self._head_timer = self._server.loop.call_later(self._server.limits.head_timeout, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_timer = None
        self._refuse(HeadTimeout(f"the request head was not complete within {self._server.limits.head_timeout:g} seconds"))

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def on_message_begin(self) -> None:
        self._head = RequestHead()
        self._trailers = []
        self._in_head = True
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._head.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            self._trailers.append((name, value))
            return
        head = self._head
        key = name.lower()
        head.fields.append((key, name, value))
        if key in READ_BY_US:
            known = head.known
            known[key] = value if key not in known else known[key] + b", " + value

    def on_headers_complete(self) -> None:
        head = self._head
        parser = self._parser
        self._in_head = False
        self._stop_head_timer()
        head.method = parser.get_method()
        head.version = parser.get_http_version()
        head.keep_alive = parser.should_keep_alive()
        self._check_head(head)
        head.split_target()
        if parser.should_upgrade():
            head.upgrade = head.method == b"GET" and is_websocket(head.known)
            if not head.upgrade:
                return  # an upgrade that we do not speak (h2c, ...) is ignored, RFC 9110 7.8: see _upgraded
        self._arrived(head)

    def _check_head(self, head: RequestHead) -> None:
        limits = self._server.limits
        if head.version not in ("1.1", "1.0"):
            raise VersionNotSupported(f"HTTP/{head.version} is not supported here; use HTTP/1.1")
        if len(head.fields) > limits.fields:
            raise HeadTooLarge(f"the request has more than {limits.fields} header fields")
        if self._head_bytes + self._fed > limits.head and head.size > limits.head:
            raise HeadTooLarge(f"the request head is larger than {limits.head} bytes")
        if head.version == "1.1" and b"host" not in head.known:
            raise BadRequest("the Host header is missing (RFC 9112 3.2)")

    def _arrived(self, head: RequestHead) -> None:
        if self.handler is None and not self._discarding and not self._queue:
            self._start(head)
        else:
            self._queue.append(Pending(head, [], []))
            self._transport.pause_reading()

    def on_body(self, data: bytes) -> None:
        if self._queue:
            self._queue[-1].pieces.append(data)
        elif self.handler is not None and self._receiving:
            self.handler.body(data)

    def on_message_complete(self) -> None:
        if self._parser.should_upgrade() and not self._head.upgrade:
            return  # the body is parsed again, see _upgraded
        if self._queue:
            self._queue[-1].trailers = self._trailers
            self._queue[-1].complete = True
        elif self._discarding:
            self._discarding = False
            self._next()
        elif self.handler is not None and self._receiving:
            self._receiving = False
            self.handler.end(self._trailers)

    def _upgraded(self, rest: bytes) -> None:
        """llhttp stops behind the head of any upgrade request. A websocket's bytes are kept for the splice; any other
        upgrade is ignored as RFC 9110 7.8 allows, so its body is parsed by a fresh parser, behind the same head."""
        if self._head.upgrade:
            self._upgrade_rest = [rest] if rest else []
            return
        head = self._head
        if head.method == b"CONNECT":
            self._refuse(BadRequest("CONNECT is not supported; send requests to the paths of this server"))
            return
        dropped = (b"upgrade", b"connection", b"http2-settings")
        lines = b"".join(n + b": " + v + b"\r\n" for key, n, v in head.fields if key not in dropped)
        connection = b"" if head.keep_alive else b"Connection: close\r\n"
        version = head.version.encode()
        again = b"%s %s HTTP/%s\r\n%s%s\r\n" % (head.method, head.target, version, lines, connection)
        self._parser = httptools.HttpRequestParser(self)
        self._feed(again + rest)

    # --- one request after another ---

    def _start(self, head: RequestHead) -> None:
        self.head = head
        head.started = self._server.loop.time()
        self.status = 0
        self.bytes_sent = 0
        self._finished = False
        self._receiving = True
        self._close_after = not head.keep_alive or self._server.closing
        expect = head.known.get(b"expect")
        if expect is not None and expect.lower() != b"100-continue":
            self.handler = Refusal(self, ExpectationFailed("the only expectation known here is 100-continue"))
        else:
            self.handler = self._server.accept(head, self)
        self.handler.start()

    def send_continue(self) -> None:
        """For a handler that wants the body: lets a client that asked `Expect: 100-continue` begin to send it."""
        if b"expect" in self.head.known and self.head.version == "1.1" and self.status == 0:
            self._transport.write(CONTINUE)

    def _next(self) -> None:
        """The response is out and its request is read: the next one, if it is here already."""
        if self._transport.is_closing() or self.handler is not None:
            return
        if self._close_after or self._server.closing:
            self._close()
        elif self._queue:
            self._replay(self._queue.popleft())
        elif self._error is not None:
            self._refuse(self._error)
        else:
            self._transport.resume_reading()

    def _replay(self, pending: Pending) -> None:
        """Starts a request whose head, and perhaps more, was parsed while another one was answered."""
        self._start(pending.head)
        for piece in pending.pieces:
            if self.handler is not None and self._receiving:
                self.handler.body(piece)
        if pending.complete:
            self._complete(pending.trailers)
        elif not self._queue:
            self.resume_reading()

    def _complete(self, trailers: Headers) -> None:
        if self._discarding:
            self._discarding = False
            self._server.loop.call_soon(self._next)
        elif self.handler is not None and self._receiving:
            self._receiving = False
            self.handler.end(trailers)
        if not self._queue and self._error is None:
            self.resume_reading()  # while the answer is made, only reading tells that the client has left

    # --- answering ---

    @property
    def receiving(self) -> bool:
        """Whether the request's body is still to come."""
        return self._receiving

    def begin(self, status: int, headers: Headers, *, length: int | None, reason: bytes | None = None) -> None:
        """Starts the response. `headers` carry no framing fields; `length` is the body's size in bytes, None if unknown."""
        self.status = status
        out = self._out
        out.append(status_line(status, reason))
        for name, value in headers:
            out += (name, b": ", value, b"\r\n")
        no_body = has_no_body(status)
        self._no_body = no_body or self.head.method == b"HEAD"
        self._chunked = self._until_close = False
        if length is not None:
            if status != 204:
                out.append(b"Content-Length: %d\r\n" % length)
        elif not no_body:
            if self.head.version == "1.1":
                self._chunked = True
                out.append(b"Transfer-Encoding: chunked\r\n")
            else:
                self._until_close = self._close_after = True
        if self._upgrade_rest is not None:
            self._close_after = True  # whatever follows a refused handshake cannot be parsed
        if self._receiving and b"expect" in self.head.known:
            self._close_after = True  # the body may or may not come now
        if self._close_after:
            out.append(b"Connection: close\r\n\r\n")
        elif self.head.version == "1.0":
            out.append(b"Connection: keep-alive\r\n\r\n")
        else:
            out.append(b"\r\n")

    def interim(self, status: int, headers: Headers, reason: bytes) -> None:
        """Relays a 1xx response. HTTP/1.0 clients do not know them (RFC 9110 15.2)."""
        if self.head.version == "1.1" and self.status == 0 and not (status == 100 and b"expect" not in self.head.known):
            lines = b"".join(n + b": " + v + b"\r\n" for n, v in headers)
            self._transport.write(status_line(status, reason) + lines + b"\r\n")

    def write(self, data: bytes) -> None:
        """Body bytes; they leave with the next `flush` or `finish`."""
        if not self._no_body:
            self._pending.append(data)

    def flush(self) -> None:
        out = self._out
        pending = self._pending
        size = 0
        if pending:
            size = len(pending[0]) if len(pending) == 1 else sum(map(len, pending))
            self.bytes_sent += size
            if self._chunked and size:
                out.append(b"%x\r\n" % size)
                out += pending
                out.append(b"\r\n")
            else:
                out += pending
            self._pending = []
        if out:
            if size < LARGE:
                self._transport.write(b"".join(out))
            else:
                self._transport.writelines(out)
            self._out = []

    def finish(self, trailers: Headers | None = None) -> None:
        """The response is complete."""
        chunked = self._chunked and not self._no_body
        self.flush()
        if chunked:
            tail = b"".join(n + b": " + v + b"\r\n" for n, v in trailers) if trailers else b""
            self._transport.write(b"0\r\n" + tail + b"\r\n")
        self._over()

    def _over(self) -> None:
        self._log_end(self.status)
        self.handler = None
        if self._receiving:
            self._receiving = False
            self._discard_rest()
        elif self._close_after:
            self._close()
        elif self._queue or self._error:
            # Not in this stack: the next request's handler must not run inside the end of this one.
            self._server.loop.call_soon(self._next)

    def _discard_rest(self) -> None:
        """The answer came before the end of the request. Closing on unread bytes would reset the connection and take the
        answer with it, so they are read and dropped, for a while."""
        if self._close_after and b"expect" in self.head.known:
            self._close()
            return
        self._discarding = True
        if not self._transport.is_closing():
            self._transport.resume_reading()
            self._server.loop.call_later(LINGER, self._close_if_discarding, self.head)

    def _close_if_discarding(self, head: RequestHead) -> None:
        if self._discarding and self.head is head:
            self._close()

    def reply(self, status: int, headers: Headers, body: bytes) -> None:
        """A whole small answer."""
        self.begin(status, headers, length=len(body))
        self.write(body)
        self.finish()

    def break_off(self, last_words: bytes = b"") -> None:
        """The response cannot be completed and must not look complete: no last chunk, a short body, or a reset."""
        if last_words:
            self.write(last_words)
        self.flush()
        self._log_end(self.status)
        self.handler = None
        self._close_after = True
        if self._until_close:
            self._transport.abort()  # only a reset tells that a close-delimited body is not whole
        else:
            self._transport.close()

    def _log_end(self, status: int) -> None:
        if not self._finished:
            self._finished = True
            self._server.log_end(self, status)

    def _refuse(self, error: RequestError) -> None:
        """A request that cannot be parsed. What comes behind it has no meaning, so the connection ends."""
        self._in_head = False
        self._stop_head_timer()
        if self._transport.is_closing():
            return
        if self.handler is not None and self._receiving:
            handler, self.handler = self.handler, None
            handler.gone()
            if self.status:
                self.break_off()
                return
        elif self.handler is not None or self._queue:
            self._error = error  # earlier requests are answered first
            self.pause_reading()
            return
        else:
            self.head = self._head
            self.head.started = self._server.loop.time()
            self.status = self.bytes_sent = 0
            self._finished = False
        self._close_after = True
        self._receiving = self._discarding = False
        self._server.refuse(self, error)

    def _close(self) -> None:
        if not self._transport.is_closing():
            self._transport.close()

    # --- for handlers ---

    def pause_reading(self) -> None:
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._transport.is_closing() and not self._queue:
            self._transport.resume_reading()

    def splice(self, splice: Splice, head: bytes) -> None:
        """Switches to raw bytes after a 101, whose head is `head`."""
        rest, self._upgrade_rest = self._upgrade_rest or [], None
        self.status = 101
        self._splice = splice
        self._transport.write(head)
        for data in rest:
            splice.from_client(data)
        self._transport.resume_reading()

    def write_raw(self, data: bytes) -> None:
        self._transport.write(data)

    def end_splice(self) -> None:
        """The other side of a splice has ended: so does this one, after what is written has left."""
        self._splice = None
        self._log_end(self.status)
        self.handler = None
        self._close()

    def close_if_idle(self) -> None:
        """At shutdown: an idle connection ends now, a busy one after its response."""
        self._close_after = True
        if self.handler is None and not self._discarding and self._splice is None:
            self._close()


class Refusal:
    """A handler that has nothing to say but an error."""

    def __init__(self, connection: ClientConnection, error: RequestError) -> None:
        self._connection = connection
        self._error = error

    def start(self) -> None:
        self._connection._server.refuse(self._connection, self._error)

    def body(self, data: bytes) -> None: ...
    def end(self, trailers: Headers) -> None: ...
    def gone(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...


class Server:
    """All client connections of one listener.

    `accept` makes the handler of a request; `refuse` answers an error on a connection (it must call `reply`);
    `log_end` hears of every response that has ended, with the status that counts for it.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        accept: Callable[[RequestHead, ClientConnection], Handler],
        refuse: Callable[[ClientConnection, RequestError], None],
        log_end: Callable[[ClientConnection, int], None],
        limits: Limits | None = None,
    ) -> None:
        self.loop = loop
        self.accept = accept
        self.refuse = refuse
        self.log_end = log_end
        self.limits = limits or Limits()
        self.connections: set[ClientConnection] = set()
        self.closing = False

    def __call__(self) -> ClientConnection:
        return ClientConnection(self)

    def drain(self) -> None:
        """No further request on any connection; idle ones are closed now."""
        self.closing = True
        for connection in list(self.connections):
            connection.close_if_idle()

    def abort(self) -> None:
        for connection in list(self.connections):
            connection._transport.abort()
