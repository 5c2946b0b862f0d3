"""The upstream side: a pool of keep-alive connections to one address.

`Upstream.acquire(sink)` gives `sink` a connection: an idle one within the call, else a fresh one as soon as it is open.
What happens on a connection is in `http.upstream_connection`.

llama.cpp's server closes after every streamed response although it says keep-alive, so a reused connection may die before
the first byte of an answer: `Sink.broken` then says `Cause.STALE`, and the sink may send once more on a fresh one.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from dataclasses import replace

from swapyard.http.connecting import NOT_CONNECTED, problem
from swapyard.http.forward_proxy import ForwardProxy
from swapyard.http.outgoing import Batch
from swapyard.http.sink import Cause, Sink, Tunnel, UpstreamError
from swapyard.http.upstream_connection import Limits, UpstreamConnection

__all__ = ["Cause", "Limits", "Sink", "Tunnel", "Upstream", "UpstreamConnection", "UpstreamError"]

log = logging.getLogger("swapyard.http")


class Upstream:
    """The pool of one address. `tls` is an SSL context for https, with `server_name` to verify. `via`: a forward proxy on
    the way there."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        loop: asyncio.AbstractEventLoop,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
        base_path: bytes = b"",
        base_query: bytes = b"",
        via: ForwardProxy | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self._base_path = base_path.rstrip(b"/")
        self._base_query = base_query
        self.hop_fields = b""  # of each request, for the next hop alone
        if via is not None and tls is None:
            self._base_path = b"http://" + self.authority + self._base_path
            self.hop_fields = via.fields
        self.loop = loop
        self.batch = Batch(loop)
        self.limits = limits or Limits()
        self.open = True
        self.ended: str | None = None  # how the upstream ended by itself, as it reads on from "the server of model x"
        self.connections: set[UpstreamConnection] = set()
        self._tls = tls
        self._server_name = server_name
        self._via = via
        self._idle: list[UpstreamConnection] = []  # most recently used last
        self._sweeper: asyncio.TimerHandle | None = None
        self._connecting: dict[Sink, asyncio.Task[None]] = {}

    @property
    def authority(self) -> bytes:
        """The Host of a request that brings none."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}".encode()

    def target(self, path: bytes, query: bytes) -> bytes:
        """The request target for a path of ours: joined to the base path with one slash, the base query first."""
        if self._base_path:
            path = self._base_path + path
        if self._base_query:
            query = self._base_query + b"&" + query if query else self._base_query
        return path + b"?" + query if query else path

    def acquire(self, sink: Sink, *, fresh: bool = False) -> None:
        """Calls `sink.connected` now or soon, or `sink.broken`. `fresh`: not a pooled connection."""
        if not self.open:
            self.loop.call_soon(sink.broken, UpstreamError("is being stopped", Cause.STOPPED))
            return
        while self._idle and not fresh:
            connection = self._idle.pop()
            if not connection._transport.is_closing():
                self._hand_over(connection, sink)
                return
        task = self.loop.create_task(self._connect(sink), name=f"connect {self.host}:{self.port}")
        self._connecting[sink] = task

    def _hand_over(self, connection: UpstreamConnection, sink: Sink) -> None:
        connection.attach(sink)
        try:
            sink.connected(connection)
        except Exception:
            # Whoever called knows nothing of this exchange: the engine granting a place to many, or a task.
            log.exception("a request could not be sent")
            connection.fail(UpstreamError("could not be asked because of an internal error", Cause.INTERNAL))

    def give_up(self, sink: Sink) -> None:
        """The sink no longer wants the connection that is being opened for it."""
        task = self._connecting.pop(sink, None)
        if task is not None:
            task.cancel()

    async def _connect(self, sink: Sink) -> None:
        limits = self.limits
        error: UpstreamError | None = None
        connection: UpstreamConnection | None = None
        try:
            async with asyncio.timeout(limits.connect or None):
                connection = await self._open_connection()
        except NOT_CONNECTED as failure:
            if isinstance(failure, TimeoutError) and failure.errno is None:
                error = UpstreamError(f"could not be reached within {limits.connect:g} seconds", Cause.TIMEOUT)
            else:
                at = self.authority.decode() + (f" through {self._via}" if self._via else "")
                error = UpstreamError(f"could not be reached at {at}: {problem(failure)}", Cause.UNREACHABLE)
        if self._connecting.pop(sink, None) is None:  # given up meanwhile
            if connection is not None:
                connection.close()
        elif connection is None:
            sink.broken(error or UpstreamError("could not be reached", Cause.UNREACHABLE))
        elif not self.open:
            connection.close()
            sink.broken(UpstreamError("is being stopped", Cause.STOPPED))
        else:
            self._hand_over(connection, sink)

    async def _open_connection(self) -> UpstreamConnection:
        tls, via = self._tls, self._via
        name = self._server_name if tls else None
        handshake = (self.limits.tls_handshake or None) if tls else None
        connection = UpstreamConnection(self)
        if tls is None or via is None:
            host, port = (self.host, self.port) if via is None else via.address()
            await self.loop.create_connection(
                lambda: connection, host, port, ssl=tls, server_hostname=name, ssl_handshake_timeout=handshake
            )
            return connection
        tunnel = await via.tunnel(self.loop, self.authority)
        try:
            transport = await self.loop.start_tls(
                tunnel, connection, tls, server_hostname=name, ssl_handshake_timeout=handshake
            )
            if transport is None:
                raise ConnectionResetError("the connection was lost in the TLS handshake")
        except BaseException:
            tunnel.abort()
            raise
        connection.connection_made(transport)
        return connection

    def put_back(self, connection: UpstreamConnection) -> None:
        if len(self._idle) >= self.limits.idle_connections:
            connection.close()
            return
        connection.idle_since = self.loop.time()
        self._idle.append(connection)
        if self._sweeper is None and self.limits.idle:
            self._sweeper = self.loop.call_later(self.limits.idle, self._sweep)

    def forget(self, connection: UpstreamConnection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)

    def _sweep(self) -> None:
        """Closes connections that were idle for too long; the oldest are in front."""
        self._sweeper = None
        oldest_allowed = self.loop.time() - self.limits.idle
        while self._idle and self._idle[0].idle_since <= oldest_allowed:
            self._idle.pop(0).close()
        if self._idle:
            self._sweeper = self.loop.call_at(self._idle[0].idle_since + self.limits.idle, self._sweep)

    def retire(self) -> None:
        """Keeps no connection from now on. Who is served is served to the end, and who still comes gets a fresh one."""
        self.limits = replace(self.limits, idle_connections=0)
        while self._idle:
            self._idle.pop().close()

    def close(self, detail: str = "is being stopped", *, exited: bool = False) -> None:
        """Ends every connection: idle ones silently, busy ones through `Sink.broken`. `exited`: the upstream has ended by
        itself, so who has not been heard by it may try elsewhere, as if the connection had been found dead."""
        if not self.open:
            return
        self.open = False
        self.ended = detail if exited else None
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        self._idle.clear()
        for connection in list(self.connections):
            connection.fail(connection.loss(detail, exited=True) if exited else UpstreamError(detail, Cause.STOPPED))
        for sink, task in list(self._connecting.items()):
            if self._connecting.pop(sink, None) is not None:
                task.cancel()
                sink.broken(UpstreamError(detail, Cause.UNREACHABLE if exited else Cause.STOPPED))
