"""Writing to a terminal or pipe that may block, from a loop that may not.

One daemon thread does the writing. What waits for it is bounded; beyond that, output is dropped and a marker line says how
much. A destination that is gone (closed pipe) swallows everything from then on.

The thread writes at once after a silence and then no more often than every `PAUSE_SECONDS`: each time it wakes it asks the
loop for the interpreter, which costs the loop a system call at every callback until it gives way.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable

from swapyard.observe.monitor import dropped_marker

WAITING_BYTES = 4 * 1024 * 1024
PAUSE_SECONDS = 0.05  # between two writes


class Output:
    """`write` hands bytes over and returns at once. `sink` writes all of what it gets, may block, and raises OSError or
    ValueError when its destination is gone. The thread starts with the first write. `marker`: the line that stands
    for so many bytes that were dropped."""

    def __init__(self, sink: Callable[[bytes], None], *, limit: int = WAITING_BYTES) -> None:
        self.marker: Callable[[int], bytes] = dropped_marker
        self._sink = sink
        self._limit = limit
        self._changed = threading.Condition()
        self._waiting = bytearray()
        self._dropped = 0
        self._closed = False
        self._closing = threading.Event()  # cuts the pause between two writes short
        self._thread: threading.Thread | None = None

    def write(self, data: bytes) -> None:
        with self._changed:
            if self._closed:
                return
            if self._dropped or len(self._waiting) + len(data) > self._limit:
                self._dropped += len(data)
            else:
                self._waiting += data
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="swapyard-output", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self, timeout: float = 1.0) -> bool:
        """Take no more; wait up to `timeout` seconds until all is written. False: the destination still blocks."""
        self._closing.set()
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is None:
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def _run(self) -> None:
        while (data := self._next()) is not None:
            try:
                self._sink(data)
            except (OSError, ValueError):  # closed pipe, closed file
                with self._changed:
                    self._closed = True
                    self._waiting.clear()
                return
            self._closing.wait(PAUSE_SECONDS)

    def _next(self) -> bytes | None:
        with self._changed:
            while not self._waiting and not self._dropped:
                if self._closed:
                    return None
                self._changed.wait()
            data = bytes(self._waiting)
            self._waiting.clear()
            if self._dropped:
                data += self.marker(self._dropped)
                self._dropped = 0
            return data


def standard_output() -> Output | None:
    """Output to this process's standard output; None where there is none."""
    try:
        descriptor = sys.stdout.fileno() if sys.stdout else -1
    except (OSError, ValueError):
        return None
    if descriptor < 0:
        return None

    def write_all(data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(descriptor, view) :]
            except BlockingIOError:  # someone who shares the pipe made it non-blocking
                select.select([], [descriptor], [])

    return Output(write_all)
