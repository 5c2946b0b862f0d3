"""The requests under way: who asks for what, how far it has got, and a way to end it.

    inflight.add(entry)                           when a model-dispatched request has been understood
    inflight.moved(entry, Phase.QUEUED, ...)      each time its phase, its place or the reason changes
    inflight.answered(entry, headers)             at the head of the answer
    inflight.passed(entry, len(data))             every piece of the answer
    inflight.remove(entry)                        when it is over, exactly once
    inflight.snapshot(), inflight.cancel(id)      for the API

Viewers are told over the bus in llama-swap's words (`snapshot`, `upsert`, `remove`): at once of what happens to a request,
and of its bytes at most every `EVERY` seconds; as often of all who wait (`queue`). With nobody looking, no message is made
and no timer runs. All of it happens on the event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

from msgspec import UNSET, Struct, UnsetType, field

from swapyard.observe.bus import Bus
from swapyard.observe.redaction import shown_headers

EVERY: Final = 0.25  # seconds
KIND: Final = "inflight"  # the type of the event
LONGEST_QUEUE: Final = 100  # requests that one event names


class Phase(StrEnum):
    RECEIVING = "receiving"
    QUEUED = "queued"
    LOADING = "loading"
    PREFILL = "prefill"  # sent, and nothing of the answer has come
    STREAMING = "streaming"


# Members as plain names, because the attribute of an Enum costs as much as a method call.
RECEIVING: Final = Phase.RECEIVING
PREFILL: Final = Phase.PREFILL
STREAMING: Final = Phase.STREAMING
WAITING: Final = frozenset({Phase.QUEUED, Phase.LOADING})


class Entry:
    """One request under way. The exchange may read `phase` and `size`; only `InFlight` changes anything."""

    __slots__ = (
        "cancel",
        "events",
        "fields",
        "headers",
        "id",
        "metadata",
        "method",
        "model",
        "path",
        "peer",
        "phase",
        "position",
        "reason",
        "shown_request",
        "shown_response",
        "since",
        "size",
        "started",
        "told_at",
    )

    def __init__(
        self,
        model: str,
        path: str,
        method: str,
        fields: Sequence[tuple[bytes, bytes, bytes]],
        peer: str,
        cancel: Callable[[], None],
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """`path`: the public one, or what is left of it below `/upstream/<model>`. `fields`: (lower-case name, name, value).
        `peer`: the address of the socket's other end. `cancel` ends the exchange, and with it calls `InFlight.remove`."""
        self.model = model
        self.path = path
        self.method = method
        self.fields = fields
        self.peer = peer
        self.cancel = cancel
        self.metadata = metadata
        self.phase = RECEIVING
        self.position = 0
        self.reason = ""
        self.size = 0
        self.events = 0  # of a stream, since somebody looks: about one a token
        self.headers: Sequence[tuple[bytes, bytes]] = ()
        self.shown_request: dict[str, str] | None = None
        self.shown_response: dict[str, str] | None = None
        self.told_at = 0.0
        self.id: int
        self.since: float  # loop time
        self.started: float  # Unix time


class Shown(Struct, kw_only=True):
    """An entry as viewers see it. From `phase` on it is ours: how far it is, events of its stream that passed while somebody
    looked (engines send a token in each), its place in the queue (from 1), and what it waits for, in words."""

    id: str
    timestamp: str
    model: str
    req_path: str
    method: str
    req_headers: dict[str, str]
    remote_ip: str
    resp_headers: dict[str, str]
    resp_bytes: int
    elapsed_ms: int
    metadata: Mapping[str, str] | UnsetType = UNSET
    phase: Phase
    events: int | UnsetType = UNSET
    position: int | UnsetType = UNSET
    waiting_for: str | UnsetType = UNSET


class Message(Struct, kw_only=True, omit_defaults=True):
    """An empty snapshot has no `requests` (llama-swap's clients know it so)."""

    operation: str
    requests: list[Shown] = field(default_factory=list)
    request: Shown | None = None
    id: str = ""


class Waiting(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who waits. `position`: from 1, left out where the model is being loaded; `waiting_for`: in words."""

    id: str
    model: str
    position: int = 0
    waiting_for: str


class Queue(Struct, frozen=True):
    """`count`: all who wait; `waiting`: the first `LONGEST_QUEUE` of them, who wait for a load before who wait in line."""

    count: int
    waiting: list[Waiting]


class InFlight:
    def __init__(self, bus: Bus, loop: asyncio.AbstractEventLoop, *, wall: Callable[[], float] = time.time) -> None:
        self._bus = bus
        self._loop = loop
        self._wall = wall
        self._entries: dict[int, Entry] = {}
        self._last_id = 0
        self._late: dict[int, Entry] = {}  # bytes have moved that viewers do not know of
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def watched(self) -> bool:
        """Whether anybody looks."""
        return self._bus.watched

    def add(self, entry: Entry) -> None:
        """Gives it its id and the time."""
        self._last_id = entry.id = self._last_id + 1
        entry.since, entry.started = self._loop.time(), self._wall()
        self._entries[entry.id] = entry
        if self._bus.watched:
            self._tell(entry)

    def moved(self, entry: Entry, phase: Phase, position: int = 0, reason: str = "") -> None:
        if self._bus.watched and (phase in WAITING or entry.phase in WAITING):
            self._tell_queue()
        entry.phase, entry.position, entry.reason = phase, position, reason
        if self._bus.watched:
            self._tell(entry)

    def answered(self, entry: Entry, headers: Sequence[tuple[bytes, bytes]]) -> None:
        entry.phase, entry.position, entry.reason = STREAMING, 0, ""
        entry.headers = headers
        if self._bus.watched:
            self._tell(entry)

    def passed(self, entry: Entry, size: int) -> None:
        entry.size += size
        if self._bus.watched:
            self._tell_soon(entry)

    def remove(self, entry: Entry) -> None:
        """Calling it again does nothing."""
        if self._entries.pop(entry.id, None) is not None:
            if self._late:
                self._late.pop(entry.id, None)
            if self._bus.watched:
                self._bus.publish(KIND, Message(operation="remove", id=str(entry.id)))
                if entry.phase in WAITING:
                    self._tell_queue()

    def cancel(self, entry_id: str) -> bool:
        """False: there is no such request (any more)."""
        is_id = entry_id.isdecimal() and entry_id.isascii() and len(entry_id) < 20
        entry = self._entries.get(int(entry_id)) if is_id else None
        if entry is None:
            return False
        entry.cancel()
        return True

    def entries(self) -> list[Entry]:
        return list(self._entries.values())

    def snapshot(self) -> Message:
        return Message(operation="snapshot", requests=[self._shown(entry) for entry in self._entries.values()])

    def queue(self) -> Queue:
        """Who waits, as far as it was told by `moved`."""
        waiting = [entry for entry in self._entries.values() if entry.phase in WAITING]
        waiting.sort(key=lambda entry: entry.position)
        return Queue(
            len(waiting),
            [
                Waiting(
                    id=str(entry.id),
                    model=entry.model,
                    position=entry.position,
                    waiting_for=entry.reason or f"{entry.model} is being loaded",
                )
                for entry in waiting[:LONGEST_QUEUE]
            ],
        )

    # --- telling ---

    def _tell_queue(self) -> None:
        self._bus.publish_within(EVERY, "queue", self.queue)

    def _tell(self, entry: Entry) -> None:
        entry.told_at = self._loop.time()
        self._late.pop(entry.id, None)
        self._bus.publish(KIND, Message(operation="upsert", request=self._shown(entry)))

    def _tell_soon(self, entry: Entry) -> None:
        wait = entry.told_at + EVERY - self._loop.time()
        if wait <= 0:
            self._tell(entry)
            return
        self._late[entry.id] = entry
        if self._timer is None:
            self._timer = self._loop.call_later(wait, self._tell_late)

    def _tell_late(self) -> None:
        self._timer = None
        now = self._loop.time()
        for entry in [entry for entry in self._late.values() if now - entry.told_at >= EVERY]:
            self._tell(entry)
        if self._late:
            first = min(entry.told_at for entry in self._late.values())
            self._timer = self._loop.call_later(max(first + EVERY - now, 0.01), self._tell_late)

    def _shown(self, entry: Entry) -> Shown:
        if entry.shown_request is None:
            entry.shown_request = shown_headers((name, value) for _, name, value in entry.fields)
        if entry.shown_response is None and entry.phase is Phase.STREAMING:
            entry.shown_response = shown_headers(entry.headers)
        return Shown(
            id=str(entry.id),
            timestamp=datetime.fromtimestamp(entry.started).astimezone().isoformat().replace("+00:00", "Z"),
            model=entry.model,
            req_path=entry.path,
            method=entry.method,
            req_headers=entry.shown_request,
            remote_ip=client_ip(entry.fields, entry.peer),
            resp_headers=entry.shown_response or {},
            resp_bytes=entry.size,
            elapsed_ms=int((self._loop.time() - entry.since) * 1000),
            metadata=dict(entry.metadata) if entry.metadata else UNSET,
            phase=entry.phase,
            events=entry.events or UNSET,
            position=entry.position or UNSET,
            waiting_for=entry.reason or UNSET,
        )

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def client_ip(fields: Sequence[tuple[bytes, bytes, bytes]], peer: str) -> str:
    """The first address of X-Forwarded-For, else X-Real-IP, else the socket's. What a client says of itself is shown, and
    never trusted."""
    real = ""
    for lowered, _, value in fields:
        if lowered == b"x-forwarded-for" and (first := value.split(b",", 1)[0].strip()):
            return first.decode("latin-1")
        if lowered == b"x-real-ip":
            real = real or value.strip().decode("latin-1")
    return real or peer
