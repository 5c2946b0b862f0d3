"""Rows that are older than `store.retention` go from the file.

The store's writer thread calls `prune` when `seconds_left` have passed: rows go a thousand at a time, and what was recorded
meanwhile is written in between. Files are given back to the disk where much of them has become free, and the figures of a
large file are counted anew beside the old ones, so that nobody who asks waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from swapyard.observe.activity.database import Database

AT_ONCE: Final = 1000  # rows
SELDOM: Final = 3600.0  # seconds between two looks, at most
SOON: Final = 30.0  # seconds until it is tried again
SHARE: Final = 0.1  # of the time that rows are kept, by which they may be older


class Pruning:
    def __init__(self, retention: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`retention`: seconds; 0 = for ever."""
        self._retention = retention
        self._clock = clock
        self._next = clock()

    def seconds_left(self) -> float | None:
        """Until it is time; None: never."""
        return max(0.0, self._next - self._clock()) if self._retention else None

    def prune(self, database: Database, meanwhile: Callable[[], bool]) -> None:
        """Nothing before its time. `meanwhile`: writes what waits; False to stop. Raises sqlite3.Error."""
        if self.seconds_left() != 0.0:
            return
        self._next = self._clock() + SOON
        if database.in_memory:
            return
        before = int(time.time() - self._retention)
        database.expect_to_delete(before)
        while database.delete_before(before, AT_ONCE) == AT_ONCE:
            if not meanwhile():
                return
        database.recount()
        database.tend()
        self._next = self._clock() + min(SELDOM, self._retention * SHARE)
        while database.shrink() and meanwhile():
            pass
