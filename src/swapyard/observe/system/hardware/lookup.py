"""When the snapshot is taken: when somebody asks for it, in a thread of its own, and at most every few minutes.

A machine that hangs somewhere (a mount, a driver) keeps the answer waiting for `BUDGET` seconds and no longer; then the
snapshot before is the answer, or none is. The thread goes on, and the next one to ask finds what it brought.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable

from swapyard.observe.system.hardware.snapshot import Snapshot, faults

BUDGET = 10.0  # seconds
FRESH = 300.0  # seconds for which a snapshot is told again: GPUs and memory limits come and go


class Hardware:
    """`snapshot` is for the event loop; the rest happens in a thread."""

    def __init__(self, take: Callable[[], Snapshot], warn: Callable[[str], None], budget: float = BUDGET) -> None:
        """`warn` is told why there is no snapshot."""
        self._take = take
        self._warn = warn
        self._budget = budget
        self._kept: Snapshot | None = None
        self._taken_at = float("-inf")
        self._under_way: asyncio.Future[None] | None = None

    async def snapshot(self) -> Snapshot | None:
        """None: it cannot be told, now or at all. A cancelled call leaves the others waiting undisturbed."""
        if self._kept is not None and time.monotonic() - self._taken_at < FRESH:
            return self._kept
        if self._under_way is None:
            self._under_way = self._begin()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._under_way), self._budget)
        return self._kept

    def _begin(self) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def settle(taken: Snapshot | None) -> None:
            self._under_way = None
            if taken is not None:
                self._kept, self._taken_at = taken, time.monotonic()
            if not done.done():
                done.set_result(None)

        def work() -> None:
            taken = self._valid()
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
                loop.call_soon_threadsafe(settle, taken)

        threading.Thread(target=work, name="look at the hardware", daemon=True).start()
        return done

    def _valid(self) -> Snapshot | None:
        try:
            taken = self._take()
        except Exception as error:  # of whatever this machine has that nobody has seen before
            self._warn(f"the hardware cannot be told: {type(error).__name__}: {error}")
            return None
        if problems := faults(taken):
            self._warn(f"the hardware cannot be told: {'; '.join(problems)}")
            return None
        return taken
