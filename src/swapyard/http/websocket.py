"""After a 101: bytes from socket to socket, both ways, with back-pressure both ways, until one side ends."""

from __future__ import annotations

from collections.abc import Callable

from swapyard.http.server import ClientConnection
from swapyard.http.upstream import UpstreamConnection


class WebsocketSplice:
    """Joins a client and an upstream connection. `over` is called once, when either side has ended; both are closed then."""

    def __init__(self, client: ClientConnection, upstream: UpstreamConnection, over: Callable[[], None]) -> None:
        self._client = client
        self._upstream = upstream
        self._over = over
        self._ended = False

    def begin(self, head: bytes, rest: bytes) -> None:
        """`head` is the 101 for the client, `rest` what the upstream sent behind it."""
        self._upstream.tunnel(self)
        self._client.splice(self, head)
        if rest and not self._ended:
            self._client.write_raw(rest)

    def from_client(self, data: bytes) -> None:
        if not self._ended:
            self._upstream.write_raw(data)

    def from_upstream(self, data: bytes) -> None:
        if not self._ended:
            self._client.write_raw(data)

    def client_full(self, full: bool) -> None:
        if not self._ended:
            self._upstream.pause_reading() if full else self._upstream.resume_reading()

    def upstream_full(self, full: bool) -> None:
        if not self._ended:
            self._client.pause_reading() if full else self._client.resume_reading()

    def client_gone(self) -> None:
        if not self._ended:
            self._ended = True
            self._upstream.end()  # what the client said last still arrives
            self._over()

    def upstream_gone(self) -> None:
        if not self._ended:
            self._ended = True
            self._client.end_splice()
            self._over()
