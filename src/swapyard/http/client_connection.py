"""One client socket: it takes requests in turn and lets handlers answer them.

`RequestReader` makes requests of bytes, `ResponseWriter` makes bytes of responses; what lies between is here: whose turn it
is. When a head is complete it asks `Server.accept` for a `Handler`, feeds it the body, and lets it answer through `begin`,
`write`, `flush` and `finish` (or `reply` for a small whole answer, `break_off` for one that cannot be completed). Requests
that arrive meanwhile (pipelining) are kept parsed and have their turn in their order; an error ends the connection, but
not before the requests in front of it are answered.

Back-pressure: a full client socket calls `Handler.pause`, and the next response does not begin before it has drained; a
handler that cannot take more body calls `pause_reading`.

A client that half-closes has left (but for a websocket): nothing else tells one that is gone from one that only waits.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, cast

from swapyard.errors import RequestError
from swapyard.http.draining import DrainWatch
from swapyard.http.headers import Headers, RequestHead
from swapyard.http.outgoing import Outgoing
from swapyard.http.pipeline import Pipeline, Waiting
from swapyard.http.reading import UNWATCHED, Limits, RequestReader
from swapyard.http.sockets import enable_keepalive, half_close, reset
from swapyard.http.turns import ANSWERING, BETWEEN, DISCARDING, DROPPED, HELD, IDLE, OVER, PARSED, RAW, RECEIVING, Handler
from swapyard.http.writing import CHUNKED, CLOSE, ResponseWriter

WRITE_HIGH = 256 * 1024
HELD_BYTES = 64 * 1024  # behind a websocket handshake that is not answered yet; then reading stops
LINGER = 10.0  # seconds for which the rest of a request is read after an early answer

if TYPE_CHECKING:
    from swapyard.http.server import Server

log = logging.getLogger("swapyard.http")


class ClientConnection(ResponseWriter):
    """One client socket. Public to handlers: `remote`, what `ResponseWriter` offers, `finish`, `reply`, `break_off`, `fail`,
    `splice`, `pause_reading` and `resume_reading` for the request's body, and `about`: which model the request is for and
    its number among those under way, where they know, for the log."""

    __slots__ = (
        "_drain",
        "_full",
        "_held",
        "_held_back",
        "_input",
        "_linger",
        "_pipeline",
        "_reader",
        "_reading",
        "_server",
        "_turn",
        "about",
        "handler",
        "remote",
    )

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server
        self._reader = RequestReader(self, server.limits, server.loop)
        self._pipeline = Pipeline()
        self.remote = ""
        self.about: tuple[str, int] | None = None
        self.handler: Handler | None = None
        self._turn = IDLE
        self._input = PARSED
        self._full = False  # the client's socket takes no more
        self._held_back = False  # the handler takes no more
        self._reading = True
        self._held: list[bytes] = []  # bytes behind a websocket handshake
        self._linger: asyncio.TimerHandle | None = None

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(high=WRITE_HIGH)
        self._transport = Outgoing(transport, self._server.batch)
        limits = self._server.limits
        enable_keepalive(transport, limits.keepalive)
        self._drain = DrainWatch(self._transport, self._server.loop, limits.stall, self._stalled)
        peer = transport.get_extra_info("peername")
        self.remote = peer[0] if isinstance(peer, tuple) else ""
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._input is PARSED:
            self._reader.feed(data)
        elif self._input is HELD:
            self._held.append(data)
            self._set_reading()
        elif self._input is RAW and self.handler is not None:
            self.handler.body(data)

    def eof_received(self) -> bool:
        if self._input is RAW and self.handler is not None and self._transport.can_write_eof():
            self.handler.end([])
            return True  # the other direction goes on
        return False  # asyncio closes the transport, which ends in connection_lost

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._reader.end()
        self._drain.end()
        self._stop_lingering()
        self._pipeline.clear()
        self._turn = OVER
        status = self.status if self._input is RAW else 499
        self._input = DROPPED
        handler, self.handler = self.handler, None
        if handler is not None:
            try:
                handler.gone()
            finally:
                self._server.log_end(self, status)
        del self._reader, self._drain  # they know this connection, and would keep it until the collector finds the circle

    def pause_writing(self) -> None:
        self._full = True
        self._drain.begin()
        if self.handler is not None:
            self.handler.pause()

    def _stalled(self) -> None:
        log.warning("%s has stopped reading an answer and is given up", self.remote)
        self.abort()

    def resume_writing(self) -> None:
        self._full = False
        self._drain.end()
        if self.handler is not None:
            self.handler.resume()
        else:
            self._next()

    # --- what the reader has read (http.reading.Taker) ---

    def on_request(self, head: RequestHead) -> None:
        if self._turn is IDLE and not self._full:
            self._start(head)
        elif self._turn is not OVER:
            self._pipeline.add(head)
            self._set_reading()
            if self._turn is IDLE:
                self._turn = BETWEEN  # until the socket has drained

    def on_body(self, data: bytes) -> None:
        if self._reader.part is not UNWATCHED:
            self._reader.passed(data)
        if self._turn is RECEIVING:
            if self.handler is not None:
                self.handler.body(data)
        elif self._pipeline:
            self._pipeline.body(data)
            self._set_reading()

    def on_end(self, trailers: Headers) -> None:
        if self._turn is RECEIVING:
            self._turn = ANSWERING
            if self._held_back:
                self.resume_reading()  # while the answer is made, only reading tells that the client has left
            if self.handler is not None:
                self.handler.end(trailers)
        elif self._turn is DISCARDING:
            self._stop_lingering()
            self._pass_turn()
        elif self._pipeline:
            self._pipeline.end(trailers)

    def on_handshake(self, rest: bytes) -> None:
        if self._input is PARSED:
            self._input = HELD
            self._held = [rest]

    def on_broken(self, head: RequestHead, error: RequestError) -> None:
        """What comes behind has no meaning either, so the connection ends, but earlier requests are answered first."""
        turn = self._turn
        self._input = DROPPED
        if turn is RECEIVING:
            self._leave_handler()
            self.fail(error)
        elif turn is IDLE:
            self._answer_broken(head, error)
        elif turn is DISCARDING:
            self._end()
        elif turn is not OVER:
            self._pipeline.break_off(head, error)

    def on_crash(self, error: BaseException) -> None:
        """A handler raised what nobody foresaw: the client does not wait for ever."""
        log.error("%s %s failed", self.head.method.decode(), self.head.path.decode("latin-1"), exc_info=error)
        self._input = DROPPED
        try:
            self._leave_handler()
            if self._turn in (RECEIVING, ANSWERING):
                self.fail(RequestError("an internal error; the log of the server tells more"))
                return
        except Exception:
            log.exception("and so did the answer to that")
        self._turn = OVER
        self._transport.abort()

    # --- one request after another ---

    def _start(self, head: RequestHead) -> None:
        self._take_turn(head)
        self.handler = handler = self._server.accept(head, self)
        handler.start()

    def _take_turn(self, head: RequestHead) -> None:
        self._turn = RECEIVING
        self.head = head
        head.started = self._server.loop.time()
        self.about = None
        self.status = 0
        self.bytes_sent = 0
        self._close_after = not head.keep_alive or self._server.closing

    def _pass_turn(self) -> None:
        """The response is out and its request is read."""
        if self._close_after:
            self._end()
        elif self._pipeline:
            self._turn = BETWEEN
            if not self._full:
                # Not in this stack: the next request's handler must not run inside the end of this one.
                self._server.loop.call_soon(self._next)
        else:
            self._turn = IDLE

    def _next(self) -> None:
        """Lets the next request have its turn."""
        if self._turn is not BETWEEN or self._full or self._transport.is_closing():
            return
        if self._server.closing:
            self._end()
            return
        waiting = self._pipeline.pop()
        if waiting is None:
            self._turn = IDLE
        elif waiting.error is not None:
            self._answer_broken(waiting.head, waiting.error)
            return
        else:
            try:
                self._replay(waiting)
            except RequestError as error:
                self.on_broken(waiting.head, error)
            except Exception as error:
                self.on_crash(error)
        self._set_reading()

    def _replay(self, waiting: Waiting) -> None:
        """Starts a request whose head, and perhaps more, was parsed while another one was answered."""
        self._start(waiting.head)
        for piece in waiting.pieces:
            if self._turn is RECEIVING and self.handler is not None:
                self.handler.body(piece)
        if waiting.complete and self._turn in (RECEIVING, DISCARDING):
            self.on_end(waiting.trailers)

    def _answer_broken(self, head: RequestHead, error: RequestError) -> None:
        if not head.path:
            head.split_target()
        self._take_turn(head)
        self.fail(error)

    def _leave_handler(self) -> None:
        handler, self.handler = self.handler, None
        if handler is not None:
            handler.gone()

    # --- answering ---

    def finish(self, trailers: Headers | None = None) -> None:
        """The response is complete."""
        self._end_body(trailers)
        self._server.log_end(self, self.status)
        self.handler = None
        if self._turn is ANSWERING:
            self._pass_turn()
        elif self._turn is RECEIVING:
            self._discard_rest()

    def reply(self, status: int, headers: Headers, body: bytes) -> None:
        """A whole small answer."""
        self.begin(status, headers, length=len(body))
        self.write(body)
        self.finish()

    def fail(self, error: RequestError) -> None:
        """Ends the connection: with the error as answer, or by breaking off what has begun."""
        if self.status:
            self.break_off()
        else:
            self._close_after = True
            self._server.refuse(self, error)

    def break_off(self, last_words: bytes = b"") -> None:
        """The response cannot be completed and must not look complete: no last chunk, a short body, or a reset.
        `last_words` are for a body in chunks; behind a body of known length they could pass for its rest."""
        if self._framing is CHUNKED and last_words:
            self.write(last_words)
        self.flush()
        self._server.log_end(self, self.status)
        self.handler = None
        self._turn = OVER
        self._input = DROPPED
        if self._framing is CLOSE:
            reset(self._transport)  # nothing else tells that a close-delimited body is not whole
        else:
            self._transport.close()

    def _discard_rest(self) -> None:
        """The answer came before the end of the request. Closing on unread bytes would reset the connection and take the
        answer with it, so they are read and dropped, for a while."""
        if self._close_after:
            self._end()
            return
        if not self.head.has_body:
            self._pass_turn()
            return
        self._turn = DISCARDING
        self.resume_reading()
        self._linger = self._server.loop.call_later(LINGER, self._close)

    def _end(self) -> None:
        """The last response is written. Where the client may still be sending, it is heard out for the same reason."""
        read = self._turn is ANSWERING or (self._turn is RECEIVING and not self.head.has_body)
        read = read and self._input is PARSED and not self._pipeline
        self._turn = OVER
        self._input = DROPPED
        self._pipeline.clear()
        self.resume_reading()
        if read or self._server.closing or self._transport.is_closing():
            self._close()
            return
        half_close(self._transport)
        self._stop_lingering()
        self._linger = self._server.loop.call_later(LINGER, self._close)

    def _stop_lingering(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None

    def _close(self) -> None:
        self._turn = OVER
        self._input = DROPPED
        if not self._transport.is_closing():
            self._transport.close()

    def close_if_idle(self) -> None:
        """At shutdown: an idle connection ends now, a busy one after its response."""
        self._close_after = True
        if self._turn in (IDLE, DISCARDING, OVER):
            self._close()

    def change_limits(self, limits: Limits) -> None:
        self._reader.change_limits(limits)
        self._drain.limit = limits.stall
        if not self._transport.is_closing():
            enable_keepalive(self._transport, limits.keepalive)

    def abort(self) -> None:
        """Ends the connection at once."""
        self._transport.abort()

    # --- reading control ---

    @property
    def is_reading(self) -> bool:
        return self._reading

    def pause_reading(self) -> None:
        """The handler takes no more of its request's body for now."""
        if self._turn is RECEIVING or self._input is RAW:
            self._held_back = True
            self._set_reading()

    def resume_reading(self) -> None:
        self._held_back = False
        if not self._reading:
            self._set_reading()

    def _set_reading(self) -> None:
        wanted = not (self._held_back or self._pipeline.full or sum(map(len, self._held)) > HELD_BYTES)
        if wanted is not self._reading and not self._transport.is_closing():
            self._reading = wanted
            if wanted:
                self._reader.resumed()
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    # --- websockets ---

    def splice(self, splice: Handler, head: bytes) -> None:
        """Switches to raw bytes after a 101, whose head is `head`: from now on `splice` is the handler, and the bytes are
        its body."""
        self.status = 101
        self.handler = splice
        self._input = RAW
        held, self._held = self._held, []
        self._transport.write(head)
        for data in held:
            splice.body(data)
        self.resume_reading()

    def write_raw(self, data: bytes) -> None:
        self._transport.write(data)

    def write_eof(self) -> bool:
        """Half-closes a websocket. False where that is impossible."""
        return half_close(self._transport)

    def end_splice(self) -> None:
        """The other side of a splice has ended: so does this one, after what is written has left."""
        self.handler = None
        self._server.log_end(self, self.status)
        self._close()
