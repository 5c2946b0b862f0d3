"""One request of a client and its response, as they pass through.

An exchange is the handler of a client's request, the waiter in the engine and the sink of the upstream's response; the
three sides call it, nothing awaits. Its life is a straight line, left early by `gone` (the client went) or `fail`:

    RECEIVING  the body is collected, because it names the model (not below /upstream/, where the path does)
    WAITING    a ticket is with the engine
    CONNECTING a connection is being opened
    SENT       the request is out, or on its way; nothing of the answer has reached the client
    ANSWERING  the response passes
    TUNNEL     after a 101
    OVER       the lease is returned

Once the body has left it stays until the first byte of an answer, for the one retry on a stale connection.
"""

from __future__ import annotations

from enum import IntEnum

from swapyard.errors import Conflict, NotServed, RequestError, UpstreamFailed, UpstreamTimeout
from swapyard.http.headers import HOP_BY_HOP, Headers, RequestHead, ResponseHead, connection_tokens, status_line
from swapyard.http.server import ClientConnection
from swapyard.http.upstream import Upstream, UpstreamConnection, UpstreamError
from swapyard.http.websocket import WebsocketSplice
from swapyard.proxy.body import read, read_query
from swapyard.proxy.endpoints import Endpoint, Where
from swapyard.proxy.replies import sse_error
from swapyard.proxy.resolve import Kind, Resolved
from swapyard.proxy.state import ProxyState

HELD_BYTES = 1024 * 1024  # of a body that waits for its model without being needed to find it
REQUEUE_AFTER = 0.1  # seconds: a run that refuses connections has most likely just died, and its exit is on its way here

DROPPED_FROM_REQUEST = HOP_BY_HOP | {b"content-length", b"expect", b"x-forwarded-for"}
DROPPED_FROM_RESPONSE = HOP_BY_HOP | {b"content-length"}
CREDENTIALS = frozenset({b"authorization", b"x-api-key"})


class Phase(IntEnum):
    RECEIVING = 0
    WAITING = 1
    CONNECTING = 2
    SENT = 3
    ANSWERING = 4
    TUNNEL = 5
    OVER = 6


class Exchange:
    __slots__ = (
        "_body",
        "_body_size",
        "_chunked_out",
        "_client",
        "_complete",
        "_connection",
        "_endpoint",
        "_event_stream",
        "_head",
        "_path",
        "_phase",
        "_requeued",
        "_retried",
        "_state",
        "_streaming_body",
        "_ticket",
        "_trailers",
        "_upstream",
        "_wanted",
        "model",
    )

    def __init__(self, state: ProxyState, head: RequestHead, client: ClientConnection, endpoint: Endpoint) -> None:
        self._state = state
        self._head = head
        self._client = client
        self._endpoint = endpoint
        self._phase = Phase.RECEIVING
        self._body: list[bytes] = []
        self._body_size = 0
        self._complete = False  # the request's body is whole
        self._trailers: Headers = []
        self._streaming_body = False  # the body is passed on as it comes instead of being collected first
        self._chunked_out = False
        self._path = b""
        self._ticket = 0
        self._wanted: Resolved | None = None
        self._upstream: Upstream | None = None
        self._connection: UpstreamConnection | None = None
        self._event_stream = False
        self._retried = False
        self._requeued = False
        self.model = ""

    # --- the client's side (http.server.Handler) ---

    def start(self) -> None:
        try:
            if self._endpoint.where is Where.BODY:
                self._path = self._state.forward_path(self._endpoint)
                self._client.send_continue()
            elif self._endpoint.where is Where.QUERY:
                self._path = self._state.forward_path(self._endpoint)
                self._streaming_body = True
                self._want(self._state.names.require(read_query(self._head.query).model))
            else:
                self._start_passage()
        except RequestError as error:
            self.fail(error)

    def _start_passage(self) -> None:
        """`/upstream/<model>/<rest>`: the body is nobody's business here and is passed on as it comes."""
        self._streaming_body = True
        passage = self._state.passage(self._head)
        if isinstance(passage, bytes):
            redirect = 301 if self._head.method in (b"GET", b"HEAD") else 308
            self._phase = Phase.OVER
            self._client.reply(redirect, [(b"Location", passage)], b"")
            return
        self._path = passage.rest
        if passage.resolved.kind is Kind.LOCAL and self._state.must_not_start(passage):
            raise Conflict(
                f'model "{passage.resolved.model}" is not loaded, and {passage.rest.decode("latin-1")} does not load it'
            )
        self._want(passage.resolved)

    def body(self, data: bytes) -> None:
        if self._phase >= Phase.SENT and self._streaming_body:
            if self._connection is not None:
                self._connection.send(self._framed(data), last=False)
            return
        self._body.append(data)
        self._body_size += len(data)
        if self._streaming_body and self._body_size > HELD_BYTES:
            self._client.pause_reading()

    def end(self, trailers: Headers) -> None:
        self._complete = True
        self._trailers = trailers
        if self._streaming_body:
            if self._phase >= Phase.SENT and self._connection is not None:
                self._end_streamed_body()
            return
        try:
            self._ask_for_model()
        except RequestError as error:
            self.fail(error)

    def _ask_for_model(self) -> None:
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        asked = read(self._head.known.get(b"content-type"), body, self._head.query)
        wanted = self._state.names.require(asked.model)
        self._body = [self._state.edit(wanted, body)]
        self._want(wanted)

    def gone(self) -> None:
        phase, self._phase = self._phase, Phase.OVER
        if phase is Phase.CONNECTING and self._upstream is not None:
            self._upstream.give_up(self)
        if self._connection is not None:
            self._connection.close()
        self._release()

    def pause(self) -> None:
        if self._connection is not None:
            self._connection.pause_reading()

    def resume(self) -> None:
        if self._connection is not None:
            self._connection.resume_reading()

    # --- the engine's side (runtime.engine.Waiter) ---

    def _want(self, wanted: Resolved) -> None:
        self._wanted = wanted
        self.model = wanted.full_name
        state = self._state
        if wanted.kind is Kind.PEER:
            raise NotServed(f'"{wanted.full_name}" belongs to a peer, and peers are not served by this version')
        self._phase = Phase.WAITING
        if self._head.upgrade and state.ignores_websockets(wanted.model):
            upstream = state.engine.ready_upstream(wanted.model)
            if upstream is None:
                raise Conflict(f'model "{wanted.model}" is not loaded, and a websocket does not load it')
            self._take(upstream)
            return
        self._ticket = state.engine.new_ticket()
        state.engine.arrive(self._ticket, wanted.model, self)

    def granted(self, upstream: Upstream) -> None:
        self._take(upstream)

    def refused(self, error: RequestError) -> None:
        self._ticket = 0
        self.fail(error)

    def moved(self, position: int) -> None:
        """The loading-state stream will tell the client (a later step)."""

    def _release(self) -> None:
        self._body = []
        ticket, self._ticket = self._ticket, 0
        if ticket:
            self._state.engine.leave(ticket)

    # --- the upstream's side (http.upstream.Sink) ---

    def _take(self, upstream: Upstream, *, fresh: bool = False) -> None:
        self._upstream = upstream
        self._phase = Phase.CONNECTING
        upstream.acquire(self, fresh=fresh)

    def connected(self, connection: UpstreamConnection) -> None:
        self._connection = connection
        connection.no_body = self._head.method == b"HEAD"
        self._phase = Phase.SENT
        if self._streaming_body:
            self._send_streamed(connection)
            return
        body = self._body[0] if self._body else b""
        connection.send(self._request_head(b"Content-Length: %d\r\n" % len(body)) + body, last=True)

    def _send_streamed(self, connection: UpstreamConnection) -> None:
        known = self._head.known
        framing = b""
        self._chunked_out = self._head.chunked
        if self._chunked_out:
            framing = b"Transfer-Encoding: chunked\r\n"
        elif b"content-length" in known:
            framing = b"Content-Length: " + known[b"content-length"] + b"\r\n"
        data = b"".join(self._body)
        connection.send(self._request_head(framing) + self._framed(data), last=False)
        if self._complete:
            self._end_streamed_body()
        else:
            self._body = []  # it cannot be sent again, since the client holds the rest
            self._client.send_continue()
            self._client.resume_reading()

    def _end_streamed_body(self) -> None:
        assert self._connection is not None
        if self._chunked_out:
            tail = b"".join(name + b": " + value + b"\r\n" for name, value in self._trailers)
            self._connection.send(b"0\r\n" + tail + b"\r\n", last=True)
        else:
            self._connection.request_complete()

    def _framed(self, data: bytes) -> bytes:
        if self._chunked_out:
            return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        return data

    def _request_head(self, framing: bytes) -> bytes:
        """The head for the upstream: the client's own, less what ends at this hop, with our few edits."""
        head = self._head
        known = head.known
        assert self._upstream is not None
        lines = [head.method, b" ", self._upstream.target(self._path, head.query), b" HTTP/1.1\r\n"]
        connection = known.get(b"connection")
        named = connection_tokens(connection) if connection and connection.lower() not in PLAIN_CONNECTION else ()
        keys = self._state.keys
        for key, name, value in head.fields:
            if key in DROPPED_FROM_REQUEST or key in named:
                continue
            if keys is not None and key in CREDENTIALS and keys.is_gateway_credential(key, value):
                continue
            lines += (name, b": ", value, b"\r\n")
        forwarded = known.get(b"x-forwarded-for")
        remote = self._client.remote.encode()
        lines += (b"X-Forwarded-For: ", forwarded + b", " + remote if forwarded else remote, b"\r\n")
        if head.upgrade:
            lines.append(b"Connection: Upgrade\r\nUpgrade: " + known[b"upgrade"] + b"\r\n")
        elif b"te" in known and b"trailers" in connection_tokens(known[b"te"]):
            lines.append(b"Connection: TE\r\nTE: trailers\r\n")
        lines += (framing, b"\r\n")
        return b"".join(lines)

    def interim(self, status: int, reason: bytes, headers: Headers) -> None:
        self._client.interim(status, headers, reason)

    def response(self, head: ResponseHead) -> None:
        self._phase = Phase.ANSWERING
        self._event_stream = head.event_stream
        if not self._streaming_body:
            self._body = []
        self._client.begin(head.status, response_headers(head), length=head.length, reason=head.reason)

    def data(self, data: bytes) -> None:
        self._client.write(data)

    def turn_over(self) -> None:
        self._client.flush()

    def complete(self, trailers: Headers) -> None:
        self._connection = None
        self._phase = Phase.OVER
        self._client.finish(trailers)
        self._release()

    def switched(self, head: ResponseHead, rest: bytes) -> None:
        connection = self._connection
        assert connection is not None
        if not self._head.upgrade:
            connection.close()
            self._connection = None
            self.fail(UpstreamFailed(f'model "{self.model}" switched protocols without being asked to'))
            return
        self._phase = Phase.TUNNEL
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in head.headers)
        splice = WebsocketSplice(self._client, connection, self._tunnel_over)
        splice.begin(status_line(101, head.reason) + lines + b"\r\n", rest)

    def _tunnel_over(self) -> None:
        self._connection = None
        self._phase = Phase.OVER
        self._release()

    def request_paused(self, paused: bool) -> None:
        self._client.pause_reading() if paused else self._client.resume_reading()

    def broken(self, error: UpstreamError) -> None:
        self._connection = None
        if self._phase < Phase.ANSWERING and not error.stopped and not error.timeout:
            resendable = not self._streaming_body or self._complete
            if error.stale and resendable and not self._retried and self._upstream is not None:
                self._retried = True
                self._take(self._upstream, fresh=True)
                return
            if error.connecting and resendable and not self._requeued and self._ticket:
                self._requeue()
                return
        self.fail(upstream_failure(self.model, error))

    def _requeue(self) -> None:
        """The run took our lease and then no connection: claim a place again, once, when its exit had time to be noticed."""
        self._requeued = True
        self._phase = Phase.WAITING
        self._upstream = None
        ticket, self._ticket = self._ticket, 0
        self._state.engine.leave(ticket)
        self._state.engine.loop.call_later(REQUEUE_AFTER, self._arrive_again)

    def _arrive_again(self) -> None:
        if self._phase is Phase.WAITING and self._wanted is not None:
            self._ticket = self._state.engine.new_ticket()
            self._state.engine.arrive(self._ticket, self._wanted.model, self)

    # --- the end ---

    def fail(self, error: RequestError) -> None:
        """Ends the exchange with an error: as a whole answer while nothing was sent, else by breaking off, so that what is not
        whole never looks whole. An event stream is told why first."""
        if self._phase is Phase.OVER:
            return
        answering = self._phase is Phase.ANSWERING
        self._phase = Phase.OVER
        if not answering:
            self._state.answer_error(self._client, self._head, error)
        elif self._event_stream:
            self._client.break_off(sse_error(error, self._head.path.decode("latin-1")))
        else:
            self._client.break_off()
        self._release()


PLAIN_CONNECTION = frozenset({b"keep-alive", b"close", b"upgrade"})


def response_headers(head: ResponseHead) -> Headers:
    """The upstream's fields for the client, less what ends at this hop. Pages of any origin may read the answer: preflights
    are answered for all of them, and llama.cpp sends an empty `Access-Control-Allow-Origin`, which allows none."""
    headers: Headers = []
    readable = buffering = False
    named: frozenset[bytes] = frozenset()
    for name, value in head.headers:
        key = name.lower()
        if key in DROPPED_FROM_RESPONSE:
            if key == b"connection" and value.lower() not in PLAIN_CONNECTION:
                named = connection_tokens(value)
            continue
        if key == b"access-control-allow-origin":
            if not value:
                continue
            readable = True
        elif key == b"x-accel-buffering":
            buffering = True
        headers.append((name, value))
    if named:
        headers = [(name, value) for name, value in headers if name.lower() not in named]
    if not readable:
        headers.append((b"Access-Control-Allow-Origin", b"*"))
    if head.event_stream and not buffering:
        headers.append((b"X-Accel-Buffering", b"no"))
    return headers


def upstream_failure(model: str, error: UpstreamError) -> RequestError:
    message = f'the server of model "{model}" {error.detail}'
    return UpstreamTimeout(message) if error.timeout else UpstreamFailed(message)
