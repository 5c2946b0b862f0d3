"""Who keeps account of requests: makes a `Recording` of each, and settles those that are over, many at a time.

A `Recorder` lives as long as the process; a reload may give it another store or other captures. It hears of every change of
a model (`changed`), to know which part of a wait was a load, and to tell viewers what others wait for. When requests are
settled, the figures of their answers are read, and their rows made (`settle`); those are counted later still (`count`).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Final

from swapyard.core.lifecycle import State
from swapyard.errors import ModelNotFound
from swapyard.http.headers import RequestHead
from swapyard.http.server import ClientConnection
from swapyard.observe.activity import Activity, ActivityStore
from swapyard.observe.captures import Captures
from swapyard.observe.inflight import InFlight
from swapyard.observe.metrics import Metrics
from swapyard.proxy.endpoints import Endpoint, Where, metered_below
from swapyard.proxy.recording import Recorded, Recording, awaited
from swapyard.runtime.engine import Engine, Transition

if TYPE_CHECKING:
    from swapyard.observe.spans import Tracing
    from swapyard.proxy.asking import Wish

MOVES_TOLD_WITHIN: Final = 0.1  # seconds: who leaves a queue moves all behind it, which is told once for many
SETTLED_WITHIN: Final = 0.02  # seconds after their ends
TOGETHER: Final = 16  # recordings settled at once: cheaper than each between others, and none waits long for the rest
COUNTED_TOGETHER: Final = 128  # rows counted at once, for the same reason; nobody knows of them before somebody asks


@dataclass(slots=True)
class Recorder:
    engine: Engine
    inflight: InFlight
    store: ActivityStore
    captures: Captures
    metrics: Metrics
    tracing: Tracing | None = None  # None: nobody wants traces
    session_headers: tuple[bytes, ...] = ()  # lower-case; the first with a value names a request's session
    waiting: dict[Recording, Recorded] = field(default_factory=dict)
    _loads: dict[str, tuple[float, float]] = field(default_factory=dict)  # the last of each model: from when until when
    _timer: asyncio.TimerHandle | None = None
    _over: list[Recording] = field(default_factory=list)  # and not settled
    _settling: asyncio.TimerHandle | None = None
    _uncounted: list[Activity] = field(default_factory=list)

    def begin(
        self, recorded: Recorded, client: ClientConnection, wish: Wish, endpoint: Endpoint, path: bytes
    ) -> Recording | None:
        """For a request whose model is known. `path`: as the upstream is asked. None: of its kind no account is kept."""
        head = wish.head
        if endpoint.metered:
            method, shown, sent = endpoint.method, endpoint.path, endpoint.forward_path
        elif endpoint.where is Where.PATH:
            method, shown = head.method.decode(), path.decode("latin-1")
            sent = shown
            if method not in ("POST", "GET") or not metered_below(method, sent):
                return None
        else:
            return None
        choice = wish.choice
        metadata = {"selector": choice.selector} if choice is not None and choice.selector else None
        model = wish.wanted.model if wish.wanted.peer is None else wish.wanted.requested
        recording = Recording(self, model, shown, method, head, client.remote, recorded.cancel, metadata, sent)
        self._enter(recording, client)
        return recording

    def _enter(self, recording: Recording, client: ClientConnection) -> None:
        self.inflight.add(recording)
        client.about = (recording.model, recording.id)
        if self.tracing is not None and recording.is_metered:
            recording.begin_trace(self.tracing)

    def refused(
        self,
        error: ModelNotFound,
        head: RequestHead,
        client: ClientConnection,
        endpoint: Endpoint,
        path: bytes,
        body: bytes | None,
    ) -> None:
        """A request for a model that nobody knows has its row, too. `body` as for `Recording.answered`."""
        if endpoint.metered and head.method == b"POST":
            sent = path.decode("latin-1")
            recording = Recording(self, error.name, endpoint.path, "POST", head, client.remote, lambda: None, None, sent)
            self._enter(recording, client)
            recording.failed(error, body)
            recording.end()

    # --- those who wait ---

    def changed(self, change: Transition) -> None:
        """An observer of the engine."""
        now = self.engine.loop.time()
        if change.state is State.STARTING:
            self._loads[change.model] = (now, inf)
        elif (load := self._loads.get(change.model)) is not None and load[1] == inf:
            self._loads[change.model] = (load[0], now)
        if self.inflight.watched:
            self.refresh()

    def loading(self, model: str, since: float, until: float) -> float:
        """How many seconds of this time the model's last load took up."""
        began, over = self._loads.get(model, (inf, inf))
        return max(0.0, min(over, until) - max(began, since))

    def refresh(self) -> None:
        """Tells viewers how it stands with those who wait. Costs something for each of them."""
        positions = self.engine.scheduler.positions()
        reasons: dict[str, str] = {}
        for recording, recorded in self.waiting.items():
            model, position = recording.model, positions.get(recorded.ticket, 0)
            if position and model not in reasons:
                reasons[model] = awaited(self.engine, model)
            recording.stands(position, reasons[model] if position else "")

    def tell_moves(self) -> None:
        """Somebody has left the queue, or joined it."""
        if self._timer is None and self.waiting and self.inflight.watched:
            self._timer = self.engine.loop.call_later(MOVES_TOLD_WITHIN, self._tell_moves)

    def _tell_moves(self) -> None:
        self._timer = None
        self.refresh()

    # --- those that are over ---

    def ended(self, recording: Recording) -> None:
        """It is over, and has a row."""
        self._over.append(recording)
        if len(self._over) >= TOGETHER:
            self.settle()
        elif self._settling is None:
            self._settling = self.engine.loop.call_later(SETTLED_WITHIN, self._settle_late)

    def _settle_late(self) -> None:
        self._settling = None
        self.settle()

    def settle(self) -> None:
        """Makes the rows of all that are over, counts them, and lets go of what they held."""
        over, self._over = self._over, []
        if not over:
            return
        wall = time.time() - self.engine.loop.time()
        rows = [recording.row(wall) for recording in over]
        first = self.store.record_all(rows)
        self._uncounted += rows
        if len(self._uncounted) >= COUNTED_TOGETHER:
            self.count()
        for number, (recording, row) in enumerate(zip(over, rows, strict=True), first):
            if recording.capture is not None or recording.trace is not None:
                try:
                    recording.settled(row, number)
                except Exception as bug:  # it costs one, and not who is settled with it
                    self.report("a request could not be settled", bug)

    def count(self) -> None:
        """Brings the metrics up to date with what is settled."""
        rows, self._uncounted = self._uncounted, []
        try:
            self.metrics.finished(rows)
        except Exception as bug:
            self.report("requests could not be counted", bug)

    def report(self, what: str, bug: Exception) -> None:
        """A mistake of ours goes to the log, with its traceback."""
        self.engine.loop.call_exception_handler({"message": what, "exception": bug})

    def close(self) -> None:
        """Settles the last of them."""
        for timer in (self._timer, self._settling):
            if timer is not None:
                timer.cancel()
        self._timer = self._settling = None
        self.settle()
