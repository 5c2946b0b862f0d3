"""One exchange, observed: table of requests under way, token figures, capture, activity row and metrics behind six calls.

    recording = recorder.begin(...)               when the model is known and before a place is claimed
    recording.moved(phase, position, reason)      queued, loading, and again whenever that changes
    recording.sent(body)                          when the request goes out (again, where it is sent a second time)
    recording.answered(status, headers)           at the head of the answer
    recording.passed(data)                        every piece of its body, as it came from the upstream
    recording.over(outcome, status, error)        exactly one of these counts: the first

Nothing here raises or waits. The row is written by another thread and is there to see about 50 ms later; the time that an
exchange spends in each phase is summed up, as it may queue and load more than once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from swapyard.observe.activity import Activity, ActivityStore, Outcome
from swapyard.observe.captures import Capture, Captures
from swapyard.observe.figures import Usage
from swapyard.observe.inflight import Entry, InFlight, Phase, client_ip
from swapyard.observe.metrics import Metrics
from swapyard.observe.usage import UsageTap, tap_response

Fields = Sequence[tuple[bytes, bytes, bytes]]
Headers = Sequence[tuple[bytes, bytes]]


class Recorder:
    """What all recordings of a process share. A reload may exchange its parts; what has begun goes on with the old ones."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        inflight: InFlight,
        captures: Captures,
        store: ActivityStore,
        metrics: Metrics,
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.loop = loop
        self.inflight = inflight
        self.captures = captures
        self.store = store
        self.metrics = metrics
        self.wall = wall

    def begin(
        self,
        model: str,
        path: str,
        forwarded: str,
        method: str,
        fields: Fields,
        peer: str,
        cancel: Callable[[], None],
        *,
        has_row: bool,
    ) -> Recording:
        """`path`: the public one, or what is left of it below `/upstream/<model>`; `forwarded`: as the upstream sees it.
        `fields`: (lower-case name, name, value), without the gateway's own keys. `cancel` must lead to `over`. `has_row`:
        a metered POST; others only show among the requests under way."""
        entry = self.inflight.add(model, path, method, fields, peer, cancel)
        return Recording(self, entry, forwarded, has_row)


class Recording:
    """`metadata`: what the row will say besides (`selector`, `fifo_priority`); set it any time before `over`."""

    __slots__ = ("_capture", "_entry", "_forwarded", "_has_row", "_load", "_queue", "_recorder", "_since", "_tap", "_type",
                 "metadata", "over_already", "status")  # fmt: skip

    def __init__(self, recorder: Recorder, entry: Entry, forwarded: str, has_row: bool) -> None:
        self._recorder = recorder
        self._entry = entry
        self._forwarded = forwarded
        self._has_row = has_row
        self._since = entry.since  # loop time of the last change of the phase
        self._queue = self._load = -1.0  # seconds
        self._tap: UsageTap | None = None
        self._capture: Capture | None = None
        self._type = ""
        self.status = 0
        self.metadata: dict[str, str] | None = None
        self.over_already = False

    def moved(self, phase: Phase, position: int = 0, reason: str = "") -> None:
        if not self.over_already:
            self._count_phase()
            self._recorder.inflight.moved(self._entry, phase, position, reason)

    def _count_phase(self) -> None:
        now = self._recorder.loop.time()
        match self._entry.phase:
            case Phase.QUEUED:
                self._queue = max(self._queue, 0.0) + now - self._since
            case Phase.LOADING:
                self._load = max(self._load, 0.0) + now - self._since
            case _:
                pass
        self._since = now

    def sent(self, body: bytes) -> None:
        """`body`: what the upstream gets, as far as it is at hand."""
        if self.over_already:
            return
        self.moved(Phase.PREFILL)
        if self._has_row and self._capture is None:
            self._capture = self._recorder.captures.begin(self._entry.path, self._entry.fields, body)

    def answered(self, status: int, headers: Headers) -> None:
        if self.over_already:
            return
        self.status = status
        self._recorder.inflight.answered(self._entry, headers)
        if not self._has_row:
            return
        encoding = ""
        for name, value in headers:
            if len(name) == 12 and name.lower() == b"content-type":
                self._type = value.decode("latin-1")
            elif len(name) == 16 and name.lower() == b"content-encoding":
                encoding = value.decode("latin-1")
        self._tap = tap_response(self._entry.path, status, self._type, encoding, clock=self._recorder.loop.time)
        if self._capture is not None:
            self._capture.answered(status, headers)

    def passed(self, data: bytes) -> None:
        self._recorder.inflight.passed(self._entry, len(data))
        if self._tap is not None:
            self._tap.feed(data)
            if self._capture is not None:
                self._capture.feed(data)

    def over(self, outcome: Outcome = Outcome.COMPLETE, status: int = 0, error: str = "") -> None:
        """`status`: what the client got, where that is not the upstream's answer; `error`: why."""
        if self.over_already:
            return
        self.over_already = True
        self._count_phase()
        self._recorder.inflight.remove(self._entry)
        if self._has_row:
            self._write_row(outcome, status or self.status, error)

    def _write_row(self, outcome: Outcome, status: int, error: str) -> None:
        recorder, entry, tap = self._recorder, self._entry, self._tap
        usage = Usage() if tap is None else tap.end()
        first = -1 if tap is None or not tap.first_token_at else int((tap.first_token_at - entry.since) * 1000)
        activity = Activity(
            ended=recorder.wall(),
            model=entry.model,
            path=self._forwarded,
            status=status or 200,  # llama-swap's word for a client that left before there was any
            duration_ms=int((self._since - entry.since) * 1000),
            usage=usage,
            content_type=self._type,
            error=error,
            metadata=self.metadata,
            outcome=outcome,
            queue_ms=_ms(self._queue),
            load_ms=_ms(self._load),
            first_token_ms=first,
            client=client_ip(entry.fields, entry.peer),
        )
        row_id = recorder.store.record(activity)
        recorder.metrics.finished(activity)
        if self._capture is not None:
            if tap is not None and tap.unreadable:
                recorder.captures.drop(self._capture)
            else:
                recorder.captures.keep(self._capture, row_id)
            self._capture = None


def _ms(seconds: float) -> int:
    return int(seconds * 1000) if seconds >= 0 else -1
