"""Memory that a peak leaves behind, given back to the system when it is quiet.

What requests held is free once they are over, but glibc keeps free memory that has anything in use above it: after a
thousand streams 6 to 18 MB, after large bodies more. `malloc_trim` gives it back; other C libraries have none. It takes
milliseconds, during which nobody else gets memory (about 1 ms a megabyte), so it waits for a moment without requests.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

LOOK_EVERY: Final = 2.0  # seconds
WORTHWHILE: Final = 4 << 20  # bytes
_STATM: Final = Path("/proc/self/statm")


class Leftovers:
    """`look` from time to time. `resident`: bytes that the process has; `is_quiet`: whether nobody would notice; `give_back`
    returns to the system what is free."""

    def __init__(self, resident: Callable[[], int], is_quiet: Callable[[], bool], give_back: Callable[[], object]) -> None:
        self._resident = resident
        self._is_quiet = is_quiet
        self._give_back = give_back
        self._needed = resident()  # bytes that were left when it was given back last, or fewer since

    def look(self) -> None:
        now = self._resident()
        self._needed = min(self._needed, now)
        if now - self._needed >= WORTHWHILE and self._is_quiet():
            self._give_back()
            self._needed = self._resident()


def leftovers(is_quiet: Callable[[], bool]) -> Leftovers | None:
    """Of this process. None where there is nothing that could be done."""
    if sys.platform != "linux":
        return None
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return None if trim is None else Leftovers(resident, is_quiet, lambda: trim(0))


async def give_back_leftovers(is_quiet: Callable[[], bool]) -> None:
    """For as long as it is let; ends at once where nothing could be done."""
    left = leftovers(is_quiet)
    while left is not None:
        await asyncio.sleep(LOOK_EVERY)
        left.look()


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
