"""Requests of one connection that have come before it was their turn: parsed, in order, and bounded in bytes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from swapyard.errors import RequestError
from swapyard.http.headers import Headers, RequestHead

FULL = 64 * 1024  # bytes, about; then no more is read until a turn has passed


@dataclass(slots=True)
class Waiting:
    """A request that waits. With `error` it is the last one: it, or what came behind the one before, was no request."""

    head: RequestHead
    size: int
    pieces: list[bytes] = field(default_factory=list)
    trailers: Headers = field(default_factory=list)
    complete: bool = False
    error: RequestError | None = None


class Pipeline:
    """True while anything waits. `full`: it holds as much as it may."""

    __slots__ = ("_size", "_waiting", "full")

    def __init__(self) -> None:
        self._waiting: deque[Waiting] = deque()
        self._size = 0
        self.full = False

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, head: RequestHead) -> None:
        # A small head still costs some hundred bytes of objects.
        size = head.size + 512
        self._waiting.append(Waiting(head, size))
        self._grow(size)

    def body(self, data: bytes) -> None:
        last = self._waiting[-1]
        last.pieces.append(data)
        last.size += len(data)
        self._grow(len(data))

    def end(self, trailers: Headers) -> None:
        last = self._waiting[-1]
        last.trailers = trailers
        last.complete = True

    def break_off(self, head: RequestHead, error: RequestError) -> None:
        """What comes now is no request, or the last one is none after all."""
        if self._waiting and not self._waiting[-1].complete:
            head = self._waiting.pop().head
        self._waiting.append(Waiting(head, 0, error=error))

    def pop(self) -> Waiting | None:
        if not self._waiting:
            return None
        waiting = self._waiting.popleft()
        self._grow(-waiting.size)
        return waiting

    def clear(self) -> None:
        self._waiting.clear()
        self._size = 0
        self.full = False

    def _grow(self, size: int) -> None:
        self._size += size
        self.full = self._size > FULL
