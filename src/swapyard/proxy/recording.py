"""What becomes of a request, told to whoever keeps account: the requests under way, the activity, captures, metrics.

A `Recording` belongs to one exchange, which calls it at each turn of its life and ends it exactly once. Requests to metered
endpoints are shown while they are under way; rows, captures and metrics are for the POSTs among them.
`Recorder` makes recordings and lives as long as the process; a reload may give it another store or other captures.

Nothing here waits, and a recording that fails costs no request: what could go wrong (disk, memory) is the business of
threads behind `observe`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from swapyard.errors import ModelNotFound, RequestError
from swapyard.http.headers import RequestHead, ResponseHead
from swapyard.http.server import ClientConnection
from swapyard.observe.activity import Activity, ActivityStore, Outcome
from swapyard.observe.captures import Capture, Captures
from swapyard.observe.figures import Usage
from swapyard.observe.inflight import Entry, InFlight, Phase
from swapyard.observe.metrics import Metrics
from swapyard.observe.usage import UsageTap, tap_response
from swapyard.proxy.endpoints import Endpoint, Where, metered_below
from swapyard.runtime.engine import Engine

if TYPE_CHECKING:
    from swapyard.proxy.asking import Wish

CLIENT_LEFT: Final = 499  # the status of a request whose client left before it was answered, as the access log has it
_monotonic: Final = time.monotonic


class Recorded(Protocol):
    """What is recorded (`proxy.exchange.Exchange`)."""

    def cancel(self) -> None:
        """Ends the exchange."""

    def wait_state(self) -> tuple[Phase, int, str]:
        """While it waits: for what, its place in the queue (0: it is in none), and why, in words."""
        ...


@dataclass(slots=True)
class Recorder:
    inflight: InFlight
    store: ActivityStore
    captures: Captures
    metrics: Metrics
    waiting: dict[Recording, Recorded] = field(default_factory=dict)

    def begin(
        self, recorded: Recorded, client: ClientConnection, wish: Wish, endpoint: Endpoint, path: bytes
    ) -> Recording | None:
        """For a request whose model is known. `path`: as the upstream is asked. None: of its kind no account is kept."""
        head = wish.head
        method = head.method.decode()
        sent = path.decode("latin-1")
        if endpoint.metered:
            shown = endpoint.path
        elif endpoint.where is Where.PATH and method in ("POST", "GET") and metered_below(method, sent):
            shown = sent
        else:
            return None
        choice = wish.choice
        metadata = {"selector": choice.selector} if choice is not None and choice.selector else None
        model = wish.wanted.model if wish.wanted.peer is None else wish.wanted.requested
        entry = self.inflight.add(model, shown, method, head.fields, client.remote, recorded.cancel, metadata)
        return Recording(self, entry, head, sent, is_metered=method == "POST")

    def refused(
        self, error: ModelNotFound, head: RequestHead, client: ClientConnection, endpoint: Endpoint, path: bytes
    ) -> None:
        """A request for a model that nobody knows has its row, too."""
        if endpoint.metered and head.method == b"POST":
            entry = self.inflight.add(error.name, endpoint.path, "POST", head.fields, client.remote, lambda: None)
            recording = Recording(self, entry, head, path.decode("latin-1"), is_metered=True)
            recording.failed(error, b"")
            recording.end()

    def refresh(self) -> None:
        """Tells viewers how it stands with those who wait. Costs something for each of them."""
        for recording, recorded in self.waiting.items():
            recording.stands(*recorded.wait_state())


class Recording:
    """One request. `outcome`: how it ends, where its exchange knows better than its status (set before `end`)."""

    __slots__ = (
        "_began",
        "_capture",
        "_content_type",
        "_error",
        "_head",
        "_is_metered",
        "_load_ms",
        "_path",
        "_position",
        "_queue_ms",
        "_recorder",
        "_status",
        "_tap",
        "entry",
        "outcome",
    )

    def __init__(self, recorder: Recorder, entry: Entry, head: RequestHead, path: str, *, is_metered: bool) -> None:
        self._recorder = recorder
        self._head = head
        self._path = path
        self._is_metered = is_metered
        self._began = _monotonic()
        self._position = 0
        self._queue_ms = self._load_ms = -1
        self._status = 0
        self._content_type = ""
        self._error = ""
        self._tap: UsageTap | None = None
        self._capture: Capture | None = None
        self.entry = entry
        self.outcome = Outcome.COMPLETE

    # --- on the way to its model ---

    def queued(self, position: int) -> None:
        self._position = position

    def waits(self, recorded: Recorded) -> None:
        """It was not granted a place at once."""
        self._recorder.waiting[self] = recorded
        self._recorder.inflight.moved(self.entry, Phase.QUEUED if self._position else Phase.LOADING, self._position)

    def stands(self, phase: Phase, position: int, reason: str) -> None:
        entry = self.entry
        if (entry.phase, entry.position, entry.reason) != (phase, position, reason):
            self._recorder.inflight.moved(entry, phase, position, reason)

    def granted(self, engine: Engine, model: str, metadata: Mapping[str, str]) -> None:
        """A local model takes it. `metadata`: what is noted of every request that was granted by its queue."""
        entry = self.entry
        entry.metadata = metadata if entry.metadata is None else {**entry.metadata, **metadata}
        self._queue_ms = 0
        if self._recorder.waiting.pop(self, None) is not None:
            waited = _monotonic() - self._began
            load = min(waited, engine.load_seconds(model, since=self._began))
            self._load_ms = round(load * 1000) if load > 0 else -1
            self._queue_ms = round((waited - load) * 1000)
        self._recorder.inflight.moved(entry, Phase.PREFILL)

    # --- its answer ---

    def answered(self, head: ResponseHead, body: bytes) -> None:
        """`body`: of the request as it was sent, empty where it is not at hand."""
        self._status = head.status
        self._recorder.inflight.answered(self.entry, head.headers)
        if not self._is_metered:
            return
        coding = b""
        for name, value in head.headers:
            if len(name) == 12 and name.lower() == b"content-type":
                self._content_type = value.decode("latin-1")
            elif len(name) == 16 and name.lower() == b"content-encoding":
                coding = value
        self._tap = tap_response(self.entry.path, head.status, self._content_type, coding.decode("latin-1"))
        capture = self._capture = self._recorder.captures.begin(self.entry.path, self._head.fields, body)
        if capture is not None:
            capture.answered(head.status, head.headers)

    def feed(self, data: bytes) -> None:
        """Bytes of the answer's body, as the upstream sent them. What we tell of a wait is none of it."""
        self._recorder.inflight.passed(self.entry, len(data))
        if self._tap is not None:
            self._tap.feed(data)
            if self._capture is not None:
                self._capture.feed(data)

    # --- its end ---

    def failed(self, error: RequestError, body: bytes) -> None:
        """It ends with an error of ours. `body` as for `answered`."""
        self._error = error.message
        if self._status:  # in the middle of an answer
            self.outcome = Outcome.BROKEN if self.outcome is Outcome.COMPLETE else self.outcome
            return
        self._status = error.status
        if self._is_metered:
            self._content_type = "application/json"
            capture = self._capture = self._recorder.captures.begin(self.entry.path, self._head.fields, body)
            if capture is not None:
                capture.answered(error.status, ())

    def client_left(self) -> None:
        if self.outcome is Outcome.COMPLETE:
            self.outcome = Outcome.CLIENT_LEFT

    def end(self) -> None:
        """Exactly once."""
        recorder = self._recorder
        recorder.waiting.pop(self, None)
        recorder.inflight.remove(self.entry)
        if not self._is_metered:
            return
        tap = self._tap
        usage = Usage() if tap is None else tap.end()
        first = 0.0 if tap is None else tap.first_token_at
        ended = _monotonic()
        activity = Activity(
            ended=time.time(),
            model=self.entry.model,
            path=self._path,
            status=self._status or CLIENT_LEFT,
            duration_ms=max(round((ended - self._began) * 1000), usage.engine_ms),
            usage=usage,
            content_type=self._content_type,
            error=self._error,
            metadata=dict(self.entry.metadata) if self.entry.metadata else None,
            outcome=self.outcome,
            queue_ms=self._queue_ms,
            load_ms=self._load_ms,
            first_token_ms=round((first - self._began) * 1000) if first else -1,
            client=self.entry.peer,
        )
        row_id = recorder.store.record(activity)
        recorder.metrics.finished(activity)
        if self._capture is not None:
            recorder.captures.keep(self._capture, row_id)


def waiting_state(engine: Engine, model: str, place: int | None) -> tuple[Phase, int, str]:
    """How it stands with a request that waits at this place of the queue, None: for a load that is under way."""
    if place is None:
        return Phase.LOADING, 0, ""
    scheduler = engine.scheduler
    busy = [other for other in scheduler.plan(model) if scheduler.serving(other)]
    if busy:
        return Phase.QUEUED, place, f"{' and '.join(busy)} must finish first"
    if scheduler.serving(model):
        return Phase.QUEUED, place, f"{model} is busy"
    return Phase.QUEUED, place, "another model is being loaded"
