"""The client side: what all client connections of one listener share. A `Server` is the protocol factory of a listener."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from swapyard.errors import RequestError
from swapyard.http.client_connection import ClientConnection
from swapyard.http.headers import RequestHead
from swapyard.http.outgoing import Batch
from swapyard.http.reading import BodyTooLarge, Limits
from swapyard.http.turns import Handler

__all__ = ["ClientConnection", "Handler", "Limits", "Server"]


class Server:
    """All client connections of one listener.

    `accept` makes the handler of a request; `refuse` answers an error on a connection (it must call `reply`);
    `log_end` hears of every response that has ended, with the status that counts for it.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        accept: Callable[[RequestHead, ClientConnection], Handler],
        refuse: Callable[[ClientConnection, RequestError], None],
        log_end: Callable[[ClientConnection, int], None],
        limits: Limits | None = None,
    ) -> None:
        self.loop = loop
        self.batch = Batch(loop)
        self._accept = self.accept = accept
        self.refuse = refuse
        self.log_end = log_end
        self.connections: set[ClientConnection] = set()
        self.change_limits(limits or Limits())
        self.closing = False

    def __call__(self) -> ClientConnection:
        return ClientConnection(self)

    def change_limits(self, limits: Limits) -> None:
        """For everything that begins from now on, on open connections too."""
        self.limits = limits
        self.accept = self._accept_bounded if limits.body else self._accept
        for connection in self.connections:
            connection.change_limits(limits)

    def _accept_bounded(self, head: RequestHead, connection: ClientConnection) -> Handler:
        """Refuses a body whose length is known to be too large before a byte of it, or a `100 Continue`, has passed."""
        if int(head.known.get(b"content-length", b"0")) > self.limits.body:
            raise BodyTooLarge(self.limits.body)
        return self._accept(head, connection)

    def drain(self) -> None:
        """No further request on any connection; idle ones are closed now."""
        self.closing = True
        for connection in list(self.connections):
            connection.close_if_idle()

    def abort(self) -> None:
        for connection in list(self.connections):
            connection.abort()
