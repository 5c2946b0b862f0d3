"""A log monitor: the history of one byte stream, and its live readers.

`write` never waits: what a reader is too slow for is dropped from its live copy, counted, and told to it in a marker line
(a stalled browser used to stall llama.cpp, llama-swap #875). The history keeps the bytes all the same. History and live
bytes join without gap or duplicate, because both are taken under one lock.

Writers may be any thread. A subscription belongs to the event loop that it was made on.
"""

from __future__ import annotations

import asyncio
import threading

from swapyard.observe.ring import ByteRing

HISTORY_BYTES = 100 * 1024
QUEUE_BYTES = 1024 * 1024


def dropped_marker(count: int) -> bytes:
    return f"\n— {count} bytes dropped —\n".encode()


class Subscription:
    """A live reader of one monitor. Ends when it is closed or when the monitor ends its streams."""

    def __init__(self, monitor: LogMonitor, limit: int) -> None:
        self._monitor = monitor
        self._loop = asyncio.get_running_loop()
        self._limit = limit
        self._queue = bytearray()
        self._dropped = 0
        self._ended = False
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
        if self._dropped:
            chunk += dropped_marker(self._dropped)
            self._dropped = 0
        self._queue.clear()
        return chunk

    # The rest is called by the monitor, under its lock.

    def offer(self, data: bytes) -> None:
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
    """One byte stream: its last `HISTORY_BYTES` and whoever listens."""

    def __init__(self, capacity: int = HISTORY_BYTES) -> None:
        self.lock = threading.Lock()
        self._ring = ByteRing(capacity)
        self._readers: list[Subscription] = []
        self._streams_ended = False

    def write(self, data: bytes) -> None:
        if not data:
            return
        with self.lock:
            self._ring.write(data)
            for reader in self._readers:
                reader.offer(data)

    def history(self) -> bytes:
        with self.lock:
            return self._ring.snapshot()

    def subscribe(self, *, history: bool = True, limit: int = QUEUE_BYTES) -> Subscription:
        """A reader that gets the history first (unless told otherwise), then every byte written from now on.

        `limit`: bytes that may wait for the reader. Must be called on the loop that will read.
        """
        reader = Subscription(self, limit)
        with self.lock:
            if history and (past := self._ring.snapshot()):
                reader.offer(past)
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
