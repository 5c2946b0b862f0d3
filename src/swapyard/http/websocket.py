"""After a 101: bytes from socket to socket, both ways, with back-pressure both ways, until both sides have ended.

A side that half-closes passes its end on, and the other may still say what it has to say, for a while: a lease must not
hang on a peer that never closes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum

from swapyard.http.headers import Headers
from swapyard.http.server import ClientConnection
from swapyard.http.upstream import UpstreamConnection

LAST_WORDS = 3.0  # seconds that one side has after the other has ended


class Stage(Enum):
    OPEN = "both sides talk"
    HALF = "one has ended, the other may finish"
    OVER = "both are closed"


class WebsocketSplice:
    """Joins a client and an upstream connection: the client's handler and the upstream's tunnel. `over` is called once, when
    both are closed."""

    def __init__(
        self,
        client: ClientConnection,
        upstream: UpstreamConnection,
        loop: asyncio.AbstractEventLoop,
        over: Callable[[], None],
    ) -> None:
        self._client = client
        self._upstream = upstream
        self._loop = loop
        self._over = over
        self._stage = Stage.OPEN
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, head: bytes, rest: bytes) -> None:
        """`head` is the 101 for the client, `rest` what the upstream sent behind it."""
        self._upstream.tunnel(self)
        self._client.splice(self, head)
        if rest and self._stage is not Stage.OVER:
            self._client.write_raw(rest)

    # --- the client's side (http.server.Handler) ---

    def start(self) -> None: ...

    def body(self, data: bytes) -> None:
        if self._stage is not Stage.OVER:
            self._upstream.write_raw(data)

    def end(self, trailers: Headers) -> None:
        if not self._upstream.write_eof() or self._stage is not Stage.OPEN:
            self._close()
        else:
            self._wait_for_last_words()

    def gone(self) -> None:
        if self._stage is not Stage.OVER:
            self._end_upstream()

    def pause(self) -> None:
        if self._stage is not Stage.OVER:
            self._upstream.pause_reading()

    def resume(self) -> None:
        if self._stage is not Stage.OVER:
            self._upstream.resume_reading()

    # --- the upstream's side (http.upstream.Tunnel) ---

    def from_upstream(self, data: bytes) -> None:
        if self._stage is not Stage.OVER:
            self._client.write_raw(data)

    def upstream_ended(self) -> None:
        if not self._client.write_eof() or self._stage is not Stage.OPEN:
            self._close()
        else:
            self._wait_for_last_words()

    def upstream_gone(self) -> None:
        self._close()

    def upstream_full(self, full: bool) -> None:
        if self._stage is not Stage.OVER:
            self._client.pause_reading() if full else self._client.resume_reading()

    # --- the end ---

    def _wait_for_last_words(self) -> None:
        self._stage = Stage.HALF
        self._timer = self._loop.call_later(LAST_WORDS, self._close)

    def _close(self) -> None:
        """Closes both sides; what was written still leaves."""
        if self._stage is not Stage.OVER:
            self._client.end_splice()
            self._end_upstream()

    def _end_upstream(self) -> None:
        self._stage = Stage.OVER
        if self._timer is not None:
            self._timer.cancel()
        self._upstream.end()
        self._over()
