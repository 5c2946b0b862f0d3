"""Notices a peer that has stopped reading."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class DrainWatch:
    """Calls `stalled` when a full socket has taken no byte for `limit` seconds. A peer that reads slowly never stalls.

    Without it a client that neither reads nor leaves holds its model for ever. It costs a timer only while a socket is full.
    """

    __slots__ = ("_left", "_loop", "_stalled", "_timer", "_transport", "limit")

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, limit: float, stalled: Callable[[], None]
    ) -> None:
        self._transport = transport
        self._loop = loop
        self.limit = limit
        self._stalled = stalled
        self._timer: asyncio.TimerHandle | None = None
        self._left = 0

    def begin(self) -> None:
        """The socket is full."""
        if self._timer is None and self.limit:
            self._left = self._transport.get_write_buffer_size()
            self._timer = self._loop.call_later(self.limit, self._look)

    def end(self) -> None:
        """The socket has drained, or is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._transport.get_write_buffer_size() < self._left:
            self.begin()
        else:
            self._stalled()
