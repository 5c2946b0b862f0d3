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

How the request is received and sent is `proxy.sending`; what is tried again when an upstream fails before it has answered,
`proxy.second_chances`; who is wanted, `proxy.asking`.
"""

from __future__ import annotations

from swapyard.errors import Cancelled, Conflict, ModelNotFound, RequestError, UpstreamFailed, UpstreamTimeout
from swapyard.http.headers import HOP_BY_HOP, Headers, RequestHead, ResponseHead, status_line
from swapyard.http.server import ClientConnection
from swapyard.http.upstream import Cause, Upstream, UpstreamError
from swapyard.http.websocket import WebsocketSplice
from swapyard.observe.activity import Outcome
from swapyard.proxy import heads
from swapyard.proxy.asking import Wish, wish_of_body, wish_of_passage, wish_of_query, wish_of_upload
from swapyard.proxy.endpoints import Endpoint, Where
from swapyard.proxy.loading import CHAT, EVENT_STREAMS, Out, WaitingStream
from swapyard.proxy.peers import PeerServer, names_model, without_full_name
from swapyard.proxy.phases import ANSWERING, CONNECTING, OVER, SENT, TUNNEL, WAITING, Phase
from swapyard.proxy.replies import redirect, sse_error
from swapyard.proxy.resolve import Resolved
from swapyard.proxy.second_chances import SecondChances
from swapyard.proxy.selectors import Choice
from swapyard.proxy.sending import COLLECTED, IN_CHUNKS, SPOOLED, STREAMED, Sending
from swapyard.proxy.state import ProxyState

EXIT_IS_TOLD_WITHIN = 0.3  # seconds from a connection's end to the news of the exit behind it, if there is one


class Exchange(Sending):
    __slots__ = (
        "_chances",
        "_endpoint",
        "_last_bytes",
        "_out",
        "_ticket",
        "_wait",
        "_wish",
        "choice",
        "model",
    )

    def __init__(self, state: ProxyState, head: RequestHead, client: ClientConnection, endpoint: Endpoint) -> None:
        super().__init__(state, head, client)
        self._out: Out = client  # who takes the answer's body
        self._wait: WaitingStream | None = None  # what it hears meanwhile
        self._endpoint = endpoint
        self._ticket = 0
        self._wish: Wish | None = None  # who is wanted
        self._last_bytes: bytes | None = None  # of an event stream, to know whether it broke off inside an event
        self._chances: SecondChances | None = None
        self.model = ""
        self.choice: Choice | None = None  # what a pin or a selector put in the place of the name; None: nothing did

    @property
    def selector(self) -> str:
        """The selector that chose the model; empty where none did."""
        return "" if self.choice is None else self.choice.selector

    @property
    def ticket(self) -> int:
        """With which it claims a place, or holds one; 0: with none."""
        return self._ticket

    @property
    def request_id(self) -> str:
        """Its id among the requests under way; empty where no account is kept of it."""
        return "" if self._record is None else str(self._record.id)

    @property
    def cause(self) -> str:
        return "" if self._record is None else f"for request {self._record.id}"

    @property
    def is_served(self) -> bool:
        """Whether it waits for a model, or one is at work on it, here or at a peer. A websocket may stay for ever: it does
        not count."""
        return (self._ticket != 0 or self._peer is not None) and self._phase is not TUNNEL

    # --- the client's side (http.server.Handler) ---

    def start(self) -> None:
        try:
            if self._endpoint.where is Where.BODY:
                self._path = self._state.forward_path(self._endpoint)
                self._client.send_continue()
                return
            self._passing = IN_CHUNKS if self._head.chunked else STREAMED
            if self._endpoint.where is Where.QUERY:
                self._path = self._state.forward_path(self._endpoint)
                self._want(wish_of_query(self._state, self._head))
            else:
                self._start_passage()
        except RequestError as error:
            self.fail(error)

    def _start_passage(self) -> None:
        """`/upstream/<model>/<rest>`, `/comfyui/<rest>`: the body is nobody's business here and is passed on as it comes."""
        state = self._state
        passage = state.passage(self._endpoint, self._head)
        if isinstance(passage, bytes):
            self._phase = OVER
            self._client.reply(*redirect(self._head.method, passage))
            return
        self._path = passage.rest
        wish = wish_of_passage(state, self._endpoint, self._head, passage)
        if wish.wanted.peer is not None and names_model(self._head):
            self._wish = wish
            self.choice = wish.choice
            self._passing = COLLECTED
            self._client.send_continue()
        else:
            self._want(wish)

    def end(self, trailers: Headers) -> None:
        self._complete = True
        self._trailers = trailers
        if self._passing is not COLLECTED and self._passing is not SPOOLED:
            if self._phase >= SENT and self._connection is not None:
                self._end_streamed_body(self._connection)
            return
        try:
            if self._wish is not None:  # the path has named it
                self._body = [without_full_name(self._wish.wanted, b"".join(self._body))]
                self._want(self._wish)
                return
            if self._upload is not None:
                wish = wish_of_upload(self._state, self._head, self._upload)
            else:
                body = self._body
                wish = wish_of_body(self._state, self._head, body[0] if len(body) == 1 else b"".join(body))
            self._body = [wish.body]
            self._want(wish)
        except RequestError as error:
            self.fail(error)

    def gone(self) -> None:
        phase, self._phase = self._phase, OVER
        if self._record is not None:
            self._record.client_left()
        if self._wait is not None:
            self._wait.gone()
        self._leave_upstream(phase)
        self._release()

    def _leave_upstream(self, phase: Phase) -> None:
        if phase is CONNECTING and self._upstream is not None:
            self._upstream.give_up(self)
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def pause(self) -> None:
        if self._connection is not None:
            self._connection.pause_reading()

    def resume(self) -> None:
        if self._connection is not None:
            self._connection.resume_reading()

    # --- the engine's side (runtime.engine.Waiter) ---

    def _want(self, wish: Wish) -> None:
        self._wish = wish
        self._head = wish.head
        self.choice = wish.choice
        wanted = wish.wanted
        self.model = wanted.full_name
        state = self._state
        if wanted.peer is None and self._head.upgrade and state.ignores_websockets(wanted.model):
            upstream = state.engine.ready_upstream(wanted.model)
            if upstream is None:
                raise Conflict(f'model "{wanted.model}" is not loaded, and a websocket does not load it')
            self._take(upstream)
            if self.choice is not None:
                self.choice.release()  # it counts nowhere
            return
        if state.recorder is not None:
            self._record = state.recorder.begin(self, self._client, wish, self._endpoint, self._path)
        if wanted.peer is not None:
            self._ask_peer(wanted, state.peers[wanted.peer])
            return
        self._arrive(wish)

    def _arrive(self, wish: Wish) -> None:
        engine = self._state.engine
        self._phase = WAITING
        self._ticket = engine.new_ticket()
        engine.arrive(self._ticket, wish.wanted.model, self)
        if self._phase is WAITING:
            if self._record is not None:
                self._record.waits(self)
            if wish.stream:
                self._wait_aloud(wish.wanted.model)

    def _wait_aloud(self, model: str) -> None:
        """The client hears of the wait, where the model's configuration says so."""
        path, engine = self._endpoint.path, self._state.engine
        if self._wait is None and path in EVENT_STREAMS and self._state.tells_of_waiting(model):
            narrated = path == CHAT and engine.ready_upstream(model) is None
            self._wait = WaitingStream(self, self._client, engine.loop, model=model, path=path, narrated=narrated)
        if self._wait is not None:
            self._wait.wait()

    def _ask_peer(self, wanted: Resolved, peer: PeerServer) -> None:
        peer.admit()
        self._head = peer.head(self._head, self._state.keys)
        self._peer = peer
        if self._record is not None:
            self._record.sent_to_peer()
        self._take(peer.upstream)

    def granted(self, upstream: Upstream) -> None:
        if self._wait is not None:
            self._head = self._wait.granted(self._head)
        if self._record is not None:
            self._record.granted(self._state.grant_notes[self.model])
        self._take(upstream)

    def refused(self, error: RequestError) -> None:
        self._ticket = 0
        self.fail(error)

    def moved(self, position: int) -> None:
        """Who tells the client of its place asks for it, when it is to be told."""
        if self._record is not None:
            self._record.queued(position)

    # --- asked while it waits (proxy.loading.Asker) ---

    def place(self) -> int | None:
        return self._state.engine.position(self._ticket)

    # --- sending (called by http.upstream) ---

    def _take(self, upstream: Upstream, *, fresh: bool = False) -> None:
        self._upstream = upstream
        self._phase = CONNECTING
        upstream.acquire(self, fresh=fresh)

    # --- answering (http.upstream.Sink) ---

    def interim(self, status: int, reason: bytes, headers: Headers) -> None:
        self._client.interim(status, [field for field in headers if field[0].lower() not in HOP_BY_HOP], reason)

    def response(self, head: ResponseHead) -> None:
        lines = heads.response_lines(head)
        self._phase = ANSWERING
        if self._record is not None:
            self._record.answered(head, self._sent_body())
        self._let_go_of_body()
        if head.event_stream and not heads.is_encoded(head):
            self._last_bytes = b""
        if self._wait is not None and (out := self._wait.answered(head)) is not None:
            self._out = out  # the client has its 200 already
            return
        self._client.begin_with(head.status, lines, head.length)

    def data(self, data: bytes) -> None:
        self._out.write(data)
        if self._record is not None:
            self._record.feed(data)
        if self._last_bytes is not None:
            self._last_bytes = data[-4:] if len(data) >= 4 else (self._last_bytes + data)[-4:]

    def turn_over(self) -> None:
        self._out.flush()

    def complete(self, trailers: Headers) -> None:
        self._connection = None
        self._phase = OVER
        try:
            self._out.finish(heads.trailers(trailers) if trailers else None)
        finally:
            self._release()

    def switched(self, head: ResponseHead, rest: bytes) -> None:
        connection = self._connection
        assert connection is not None
        if not self._head.upgrade:
            self.abandon(UpstreamFailed(f'model "{self.model}" switched protocols without being asked to'))
            return
        self._phase = TUNNEL
        if self._record is not None:
            self._record.switched(head)
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in head.headers)
        splice = WebsocketSplice(self._client, connection, self._state.engine.loop, self._tunnel_over)
        splice.begin(status_line(101, head.reason) + lines + b"\r\n", rest)

    def _tunnel_over(self) -> None:
        self._connection = None
        self._phase = OVER
        self._release()

    # --- the end ---

    def _release(self) -> None:
        if self.choice is not None:
            self.choice.release()
        record, self._record = self._record, None
        self._body = []
        if self._upload is not None:
            self._upload.close()
        ticket, self._ticket = self._ticket, 0
        if ticket:
            self._state.engine.leave(ticket)
        if record is not None:
            record.end()

    # --- what goes wrong ---

    def broken(self, error: UpstreamError) -> None:
        self._connection = None
        if self._upload is not None:
            self._upload.stop()
        upstream = self._upstream
        if self._phase < ANSWERING and upstream is not None:
            chances = self._chances = self._chances or SecondChances(self._state.engine.loop)
            if chances.take(self, upstream, error.cause):
                return
        is_told = self._phase < ANSWERING or self._last_bytes is not None
        may_have_died = error.cause in (Cause.BROKEN, Cause.UNREACHABLE) and self._peer is None
        if is_told and may_have_died and upstream is not None and upstream.open:
            self._state.engine.loop.call_later(EXIT_IS_TOLD_WITHIN, self._fail_as_known, error)
        else:
            self._fail_as_known(error)

    def _fail_as_known(self, error: UpstreamError) -> None:
        """A connection breaks a moment before the exit behind it is known, which says far more."""
        if self._upstream is not None and self._upstream.ended is not None:
            error = UpstreamError(self._upstream.ended, error.cause)
        self.fail(failure(self.model, error) if self._peer is None else self._peer.failure(error))

    # --- second chances (proxy.second_chances.Retrying) ---

    @property
    def is_held(self) -> bool:
        return self._held

    def send_again(self, upstream: Upstream) -> None:
        self._take(upstream, fresh=True)

    def give_place_back(self) -> None:
        self._phase = WAITING
        ticket, self._ticket = self._ticket, 0
        if self._record is not None:
            self._record.queued(0)
            self._record.waits(self)
        self._state.engine.leave(ticket)

    def claim_again(self) -> None:
        if self._phase is WAITING and self._wish is not None:
            self._arrive(self._wish)

    def give_up(self) -> None:
        if self._phase is WAITING:
            self._fail_as_known(UpstreamError("cannot be reached", Cause.UNREACHABLE))

    # --- ended by others ---

    def cancel(self) -> None:
        """An operator ends it."""
        if self._phase is TUNNEL:
            self._client.abort()
            return
        if self._record is not None:
            self._record.outcome = Outcome.CANCELLED
        self.abandon(Cancelled("the request was cancelled by an operator of this server"))

    def abandon(self, error: RequestError) -> None:
        """`fail`, for what goes wrong on this side of the upstream."""
        self._leave_upstream(self._phase)
        self.fail(error)

    def fail(self, error: RequestError) -> None:
        """Ends the exchange with an error: as a whole answer while nothing was sent, else by breaking off, so that what is
        not whole never looks whole. An event stream is told why first."""
        phase, self._phase = self._phase, OVER
        if phase is OVER:
            return
        if self.choice is not None and phase < ANSWERING:
            self.choice.failed(error, self._state.engine.loop.time())
        if self._record is not None:
            self._record.failed(error, self._sent_body())
        elif self._state.recorder is not None and isinstance(error, ModelNotFound):
            recorder, body = self._state.recorder, self._sent_body()
            recorder.refused(error, self._head, self._client, self._endpoint, self._path, body)
        try:
            if self._wait is not None and self._wait.fail(error):
                pass  # as the last event of the stream in which it waited
            elif phase is not ANSWERING:
                self._state.answer_error(self._client, self._head, error)
            elif self._last_bytes is None:
                self._client.break_off()
            else:
                inside = self._last_bytes != b"" and not self._last_bytes.endswith((b"\n\n", b"\r\n\r\n", b"\r\r"))
                self._client.break_off(sse_error(error, self._head.path.decode("latin-1"), inside_event=inside))
        finally:
            self._release()


def failure(model: str, error: UpstreamError) -> RequestError:
    """What the client is told of an upstream's failure."""
    kinds = {Cause.TIMEOUT: UpstreamTimeout, Cause.INTERNAL: RequestError}
    return kinds.get(error.cause, UpstreamFailed)(f'the server of model "{model}" {error.detail}')
