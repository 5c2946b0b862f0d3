"""A log monitor: the history of one byte stream, and its live readers.

`write` never waits: what a reader is too slow for is dropped from its live copy, counted, and told to it in a marker line
(a stalled browser used to stall llama.cpp, llama-swap #875). The history keeps the bytes all the same. History and live
bytes join without gap or duplicate, because both are taken under one lock.

A monitor of whole lines can keep when they came, too: as marks, `(line, ms)`, each for the line of this number (from 0) in
the bytes that are given and for those that follow, in milliseconds since the epoch.

Writers may be any thread. A subscription belongs to the event loop that it was made on.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque

from swapyard.observe.ring import ByteRing

HISTORY_BYTES = 100 * 1024
QUEUE_BYTES = 1024 * 1024


Mark = tuple[int, int]


def dropped_marker(count: int) -> bytes:
    return f"\n— {count} bytes dropped —\n".encode()


class Subscription:
    """A live reader of one monitor. Ends when it is closed or when the monitor ends its streams."""

    def __init__(self, monitor: LogMonitor, limit: int) -> None:
        self._monitor = monitor
        self._loop = asyncio.get_running_loop()
        self._limit = limit
        self._queue = bytearray()
        self._from = 0  # where the queue begins, in bytes of all that was ever written
        self._dropped = 0
        self._ended = False
        self.marks: list[Mark] = []  # of what `next` gave last, where the monitor keeps them
        self._waiter: asyncio.Future[None] | None = None

    async def next(self) -> bytes | None:
        """The bytes that came since the last call; waits for some. None: there will be no more. One caller at a time."""
        while True:
            with self._monitor.lock:
                chunk = self._take()
                if chunk or self._ended:
                    return chunk or None
                self._waiter = waiter = self._loop.create_future()
            await waiter

    def close(self) -> None:
        """Stop listening; a pending `next` gives what is left, then None. Calling it again does nothing."""
        self._monitor.leave(self)

    def _take(self) -> bytes:
        chunk = bytes(self._queue)
        self.marks = self._monitor.marks(chunk, self._from)
        if self._dropped:
            chunk += dropped_marker(self._dropped)
            self._dropped = 0
        self._queue.clear()
        return chunk

    # The rest is called by the monitor, under its lock.

    def offer(self, data: bytes, at: int) -> None:
        """`at`: where the data begins, in bytes of all that was ever written."""
        if not self._queue:
            self._from = at
        # Once something was dropped, all is dropped until the reader comes, so that the marker stands where the gap is.
        if self._dropped or len(self._queue) + len(data) > self._limit:
            self._dropped += len(data)
        else:
            self._queue += data
        self._wake()

    def end(self) -> None:
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            self._loop.call_soon_threadsafe(_resolve, waiter)


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class LogMonitor:
    """One byte stream: its last `HISTORY_BYTES`, from the first whole line among them on (all of them where no line begins),
    and whoever listens. `has_times`: it is written in whole lines, and keeps when they came."""

    def __init__(self, capacity: int = HISTORY_BYTES, *, has_times: bool = False) -> None:
        self.lock = threading.Lock()
        self._capacity = capacity
        self._written = 0
        self._times: deque[tuple[int, int]] | None = deque() if has_times else None  # (begin of a write, ms)
        self._ring = ByteRing(capacity + 1)  # one more, to see whether the first byte begins a line
        self._readers: list[Subscription] = []
        self._streams_ended = False

    def write(self, data: bytes) -> None:
        if not data:
            return
        with self.lock:
            begin = self._written
            self._written += len(data)
            self._ring.write(data)
            if self._times is not None:
                self._note_time(self._times, begin)
            for reader in self._readers:
                reader.offer(data, begin)

    def _note_time(self, times: deque[tuple[int, int]], begin: int) -> None:
        now = time.time_ns() // 1_000_000
        if not times or times[-1][1] != now:
            times.append((begin, now))
        while len(times) > 1 and times[1][0] <= self._written - self._capacity:  # the history no longer reaches back so far
            times.popleft()

    def _past(self) -> bytes:
        """The history. The lock is held."""
        past = self._ring.snapshot()
        if len(past) <= self._capacity:
            return past
        return past[past.find(b"\n", 0, -1) + 1 or 1 :]

    def history(self) -> bytes:
        with self.lock:
            return self._past()

    def timed_history(self) -> tuple[bytes, list[Mark]]:
        with self.lock:
            past = self._past()
            return past, self.marks(past, self._written - len(past))

    def marks(self, data: bytes, begin: int) -> list[Mark]:
        """When the lines of `data`, which begins at this byte of all, came. The lock is held."""
        if not self._times or not data:
            return []
        newest_first: list[tuple[int, int]] = []
        for at, when in reversed(self._times):
            if at < begin + len(data):
                newest_first.append((at, when))
            if at <= begin:
                break
        found: list[Mark] = []
        line = counted = 0
        for at, when in reversed(newest_first):
            upto = max(0, at - begin)
            line += data.count(b"\n", counted, upto)
            counted = upto
            found.append((line, when))
        return found

    def subscribe(self, *, history: bool = True, limit: int = QUEUE_BYTES) -> Subscription:
        """A reader that gets the history first (unless told otherwise), then every byte written from now on.

        `limit`: bytes that may wait for the reader. Must be called on the loop that will read.
        """
        reader = Subscription(self, limit)
        with self.lock:
            if history and (past := self._past()):
                reader.offer(past, self._written - len(past))
            if self._streams_ended:
                reader.end()
            else:
                self._readers.append(reader)
        return reader

    def leave(self, reader: Subscription) -> None:
        with self.lock:
            if reader in self._readers:
                self._readers.remove(reader)
            reader.end()

    def end_streams(self) -> None:
        """End every subscription, and each later one after its history. Writing and the history go on."""
        with self.lock:
            self._streams_ended = True
            for reader in self._readers:
                reader.end()
            self._readers.clear()
