"""What becomes of one request, told to whoever keeps account: requests under way, activity, captures, metrics, traces.

A `Recording` belongs to one exchange, which calls it at each turn of its life and ends it exactly once. Requests to metered
endpoints are shown while they are under way; rows, captures and metrics are for the POSTs among them. They are made and
settled by a `Recorder` (`proxy.recorder`).

Nothing here waits, and a recording that fails costs no request: what could go wrong (disk, memory) is the business of
threads behind `observe`. All times are the loop's; a row's end alone is the wall's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

from swapyard.core.lifecycle import State
from swapyard.errors import RequestError
from swapyard.http.headers import RequestHead, ResponseHead
from swapyard.observe.activity import Activity, Outcome
from swapyard.observe.captures import Capture
from swapyard.observe.figures import Usage
from swapyard.observe.inflight import PREFILL, Entry, Phase, client_ip
from swapyard.observe.usage import SHORT, UsageTap, is_document, tap_response, whole_answer
from swapyard.runtime.engine import Engine

if TYPE_CHECKING:
    from swapyard.observe.spans import Trace, Tracing
    from swapyard.proxy.recorder import Recorder

COMPLETE: Final = Outcome.COMPLETE  # a plain name, because the attribute of an Enum costs as much as a method call
CLIENT_LEFT: Final = 499  # the status of a request whose client left before it was answered, as the access log has it
LONGEST_SESSION: Final = 200  # characters


class Recorded(Protocol):
    """What is recorded (`proxy.exchange.Exchange`)."""

    @property
    def ticket(self) -> int:
        """Its claim, 0 while it has none."""
        ...

    def cancel(self) -> None:
        """Ends the exchange."""


class Recording(Entry):
    """One request. `sent`: the path as the upstream is asked. `is_metered`: it will have a row, and its answer is read
    along. `outcome`: how it ends, where its exchange knows better than its status (set before `end`). `trace`: None where
    none is wanted, or it will have no row."""

    __slots__ = (
        "_answer",
        "_ended",
        "_error",
        "_first_at",
        "_head",
        "_load_ms",
        "_place",
        "_queue_ms",
        "_recorder",
        "_sent",
        "_status",
        "_tap",
        "_waits_since",
        "_whole",
        "capture",
        "is_metered",
        "outcome",
        "trace",
    )

    def __init__(
        self,
        recorder: Recorder,
        model: str,
        path: str,
        method: str,
        head: RequestHead,
        peer: str,
        cancel: Callable[[], None],
        metadata: Mapping[str, str] | None,
        sent: str,
    ) -> None:
        super().__init__(model, path, method, head.fields, peer, cancel, metadata)
        self._recorder = recorder
        self._head = head
        self._sent = sent
        self.is_metered = method == "POST"
        self._place = 0  # in the queue
        self._waits_since = 0.0  # 0: it has never waited
        self._queue_ms = self._load_ms = -1
        self._ended = 0.0
        self._status = 0
        self._answer: ResponseHead | None = None
        self._error: str | None = None  # what was said; the error itself would keep the frames that it came through
        self._whole: bytes | None = None  # the answer, where it came in one short piece, at the loop time `_first_at`
        self._first_at = 0.0
        self._tap: UsageTap | None = None  # what reads it, where it came otherwise
        self.capture: Capture | None = None
        self.outcome = COMPLETE
        self.trace: Trace | None = None

    def begin_trace(self, tracing: Tracing) -> None:
        self.trace = tracing.begin(self, self._sent, self._head.fields)

    # --- on the way to its model ---

    def queued(self, position: int) -> None:
        """Its place, from 1; 0: it is in no queue."""
        self._place = position

    def waits(self, recorded: Recorded) -> None:
        """It was not granted a place at once, or has lost the one that it had. May be said again."""
        recorder = self._recorder
        if self not in recorder.waiting:
            recorder.waiting[self] = recorded
            self._waits_since = recorder.engine.loop.time()
        reason = ""
        if self._place and recorder.inflight.watched:
            reason = awaited(recorder.engine, self.model)
            recorder.tell_moves()
        self.stands(self._place, reason)

    def stands(self, position: int, reason: str) -> None:
        """While it waits: in the queue, and what for, in words; or (0) for a load that is under way."""
        phase = Phase.QUEUED if position else Phase.LOADING
        if (self.phase, self.position, self.reason) != (phase, position, reason):
            self._recorder.inflight.moved(self, phase, position, reason)

    def granted(self, metadata: Mapping[str, str]) -> None:
        """A local model takes it. `metadata`: what is noted of every request that was granted by its queue."""
        self.metadata = metadata if self.metadata is None else {**self.metadata, **metadata}
        recorder = self._recorder
        if recorder.waiting:
            self._waited()
        if self._queue_ms < 0:
            self._queue_ms = 0
        recorder.inflight.moved(self, PREFILL)

    def sent_to_peer(self) -> None:
        self._recorder.inflight.moved(self, PREFILL)

    def _waited(self) -> None:
        """If it did, it does no longer."""
        recorder = self._recorder
        if recorder.waiting.pop(self, None) is not None:
            now = recorder.engine.loop.time()
            load = recorder.loading(self.model, self._waits_since, now)
            self._queue_ms = max(self._queue_ms, 0) + round((now - self._waits_since - load) * 1000)
            if load > 0:
                self._load_ms = max(self._load_ms, 0) + round(load * 1000)
        recorder.tell_moves()

    # --- its answer ---

    def answered(self, head: ResponseHead, body: bytes | None) -> None:
        """`body`: of the request as it was sent, None where it is not at hand."""
        recorder = self._recorder
        self._answer = head
        status = self._status = head.status
        recorder.inflight.answered(self, head.headers)
        if not self.is_metered:
            return
        capture = self.capture = recorder.captures.begin(self.path, self._head.fields, body)
        if capture is not None:
            capture.answered(status, head.headers)

    def switched(self, head: ResponseHead) -> None:
        """Other bytes than HTTP's follow, of which no account is kept."""
        self._recorder.inflight.answered(self, head.headers)

    def feed(self, data: bytes) -> None:
        """Bytes of the answer's body, as the upstream sent them. What we tell of a wait is none of it."""
        answer, inflight = self._answer, self._recorder.inflight
        if answer is None:
            return
        if answer.event_stream and not answer.encoding and inflight.watched:
            self.events += data.count(b"data:")
        inflight.passed(self, len(data))
        if self._tap is not None:
            self._tap.feed(data)
        elif self.is_metered:
            self._begin_reading(answer, data)
        if self.capture is not None:
            self.capture.feed(data)

    def _begin_reading(self, answer: ResponseHead, data: bytes) -> None:
        """The first piece. Most answers are whole with it, and need nobody to wait for more."""
        clock = self._recorder.engine.loop.time
        status, content_type, encoding = answer.status, answer.content_type, answer.encoding
        if len(data) == answer.length and len(data) <= SHORT and is_document(status, content_type, encoding):
            self._whole = data
            self._first_at = clock()
        else:
            self._tap = tap_response(self.path, status, content_type, encoding, clock=clock)
            self._tap.feed(data)

    # --- its end ---

    def failed(self, error: RequestError, body: bytes | None) -> None:
        """It ends with an error of ours. `body` as for `answered`."""
        self._error = error.message
        if self._answer is not None:  # in the middle of it
            self.outcome = Outcome.BROKEN if self.outcome is COMPLETE else self.outcome
            return
        self._status = error.status
        if self.is_metered:
            capture = self.capture = self._recorder.captures.begin(self.path, self._head.fields, body)
            if capture is not None:
                capture.answered(error.status, ())

    def client_left(self) -> None:
        if self.outcome is COMPLETE:
            self.outcome = Outcome.CLIENT_LEFT

    def end(self) -> None:
        """Exactly once."""
        recorder = self._recorder
        if recorder.waiting:
            self._waited()
        recorder.inflight.remove(self)
        if self.is_metered:
            self._ended = recorder.engine.loop.time()
            self.cancel = _nothing  # until it is settled it keeps nobody else
            recorder.ended(self)

    def row(self, wall: float) -> Activity:
        """Once, when it is over. `wall`: the Unix time when the loop's was 0."""
        tap, status, error, since = self._tap, self._status or CLIENT_LEFT, self._error, self.since
        usage = self._usage()
        first = self._first_at if tap is None else tap.first_token_at if 200 <= status < 300 else 0.0
        client, session = self._who()
        duration_ms, engine_ms = round((self._ended - since) * 1000), usage.engine_ms
        # By position, which costs half: one of these is made for every request.
        return Activity(
            wall + self._ended,
            self.model,
            self._sent,
            status,
            duration_ms if duration_ms > engine_ms else engine_ms,
            usage,
            self._content_type(),
            error or "",
            self.metadata,
            self.outcome,
            self._queue_ms,
            self._load_ms,
            round((first - since) * 1000) if first else -1,
            client,
            session,
            self.id if self._waits_since else 0,
        )

    def _usage(self) -> Usage:
        try:
            if self._whole is not None:
                return whole_answer(self.path, self._whole)
            return Usage() if self._tap is None else self._tap.end()
        except Exception as bug:  # whatever an engine sends, its request has a row
            self._recorder.report("the figures of an answer could not be read", bug)
            return Usage()

    def settled(self, row: Activity, number: int) -> None:
        """This is its row."""
        if self.capture is not None:
            if self._tap is not None and self._tap.unreadable:
                self._recorder.captures.drop(self.capture)
            else:
                self._recorder.captures.keep(self.capture, number)
        if self.trace is not None:
            self.trace.end(row)

    def _content_type(self) -> str:
        if self._answer is not None:
            return self._answer.content_type
        return "" if self._error is None else "application/json"

    def _who(self) -> tuple[str, str]:
        """Its client and its session. Heads that repeat each other are looked at once."""
        kept, names = self._head.kept, self._recorder.session_headers
        if kept is None:
            return self._client(), self._session(names)
        if kept.who is None or kept.who[0] is not names:
            kept.who = (names, self._client(), self._session(names))
        _, client, session = kept.who
        return client, session

    def _client(self) -> str:
        """Its address, as far as the fields that proxies add can be believed."""
        known = self._head.known
        if b"x-forwarded-for" in known or b"x-real-ip" in known:
            return client_ip(self.fields, self.peer)
        return self.peer

    def _session(self, names: tuple[bytes, ...]) -> str:
        """What its client calls its session. Of the configured names the first with a value counts."""
        found, rank = b"", len(names)
        for lowered, _, value in self.fields:
            if lowered in names and names.index(lowered) < rank and value.strip():
                found, rank = value.strip(), names.index(lowered)
        return found.decode("latin-1")[:LONGEST_SESSION] if found else ""


def _nothing() -> None:
    return None


def awaited(engine: Engine, model: str) -> str:
    """What a request in the queue for this model waits for, in words."""
    scheduler = engine.scheduler
    busy = [other for other in scheduler.plan(model) if scheduler.serving(other)]
    if busy:
        return f"{' and '.join(busy)} must finish first"
    if scheduler.serving(model):
        return f"{model} is busy"
    if loading := [run.model for run in engine.runs.values() if run.state is State.STARTING and run.model != model]:
        return f"{' and '.join(loading)} {'is' if len(loading) == 1 else 'are'} being loaded"
    return "another model is being loaded"
