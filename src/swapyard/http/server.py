"""The client side: what all client connections of one listener share. A `Server` is the protocol factory of a listener."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from swapyard.errors import RequestError
from swapyard.http.client_connection import ClientConnection
from swapyard.http.headers import RequestHead
from swapyard.http.reading import Limits
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
        self.accept = accept
        self.refuse = refuse
        self.log_end = log_end
        self.limits = limits or Limits()
        self.connections: set[ClientConnection] = set()
        self.closing = False

    def __call__(self) -> ClientConnection:
        return ClientConnection(self)

    def drain(self) -> None:
        """No further request on any connection; idle ones are closed now."""
        self.closing = True
        for connection in list(self.connections):
            connection.close_if_idle()

    def abort(self) -> None:
        for connection in list(self.connections):
            connection.abort()
