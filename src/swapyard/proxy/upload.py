"""A form that is too large to be held in memory: read while it comes, kept on disk, and sent from there.

`Upload` stands between three sides that never wait for each other: the client, which is held back while the disk is
behind; the disk (`proxy.spool`); and the upstream, for which nothing is read ahead while its socket is full. It can be
sent again from the beginning, as often as the exchange likes.

In memory are at most `HELD_BYTES` that are not on disk yet, and one piece that is being sent.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Callable
from typing import Final, TypeAlias

from swapyard.errors import RequestError, StorageFailed, UnsupportedEncoding
from swapyard.http.headers import RequestHead
from swapyard.http.server import ClientConnection
from swapyard.http.upstream import UpstreamConnection
from swapyard.proxy.body import Asked, BodyKind, kind_of, read_fields
from swapyard.proxy.forms import FormScanner, places_to_rename, replaced
from swapyard.proxy.spool import Spool

HELD_BYTES: Final = 1024 * 1024
PIECE: Final = 256 * 1024

Fail: TypeAlias = Callable[[RequestError], None]

log = logging.getLogger("swapyard.proxy")


class Upload:
    """`fail` is called where the form turns out to be none, or the disk fails. Whoever made an upload closes it, then as in
    every other end."""

    __slots__ = (
        "_at",
        "_client",
        "_connection",
        "_fail",
        "_held_back",
        "_name",
        "_paused",
        "_places",
        "_reading",
        "_scanner",
        "_spool",
    )

    @classmethod
    def begin(
        cls, head: RequestHead, loop: asyncio.AbstractEventLoop, client: ClientConnection, fail: Fail
    ) -> Upload | None:
        """For a body with this head; None where that is no form. Raises BadRequest for a form that cannot be read."""
        known = head.known
        content_type = known.get(b"content-type", b"")
        if kind_of(content_type, b"") is not BodyKind.MULTIPART:
            return None
        if known.get(b"content-encoding", b"identity") != b"identity":
            raise UnsupportedEncoding(known[b"content-encoding"].decode("latin-1"))
        return cls(content_type, loop, client, fail)

    def __init__(self, content_type: bytes, loop: asyncio.AbstractEventLoop, client: ClientConnection, fail: Fail) -> None:
        self._scanner = FormScanner(content_type)
        self._spool = Spool(loop, self)
        self._client = client
        self._fail = fail
        self._held_back = False  # the client
        self._places: list[tuple[int, int]] = []
        self._name = b""  # what stands in those places, as it is sent
        self._connection: UpstreamConnection | None = None
        self._at = 0  # sent so far, as counted before anything was renamed
        self._reading = False
        self._paused = False  # the upstream takes no more

    # --- receiving ---

    def receive(self, data: bytes) -> None:
        try:
            self._scanner.feed(data)
        except RequestError as error:
            self._fail(error)
            return
        self._spool.write(data)
        if self._spool.backlog > HELD_BYTES:
            self._held_back = True
            self._client.pause_reading()

    def asked(self, raw_query: bytes) -> Asked:
        """What the whole form asks for. Raises BadRequest."""
        self._scanner.finish()
        return read_fields(self._scanner.fields, raw_query)

    def rename(self, name: str) -> None:
        """The form asks for this model from now on, where it names one at all."""
        self._name = name.encode()
        self._places = places_to_rename(self._scanner.fields, self._name)

    @property
    def length(self) -> int:
        """Bytes that are sent."""
        return self._spool.size + sum(len(self._name) - (end - start) for start, end in self._places)

    # --- sending ---

    def send(self, connection: UpstreamConnection) -> None:
        """All of it, from the beginning. What an earlier connection was sent is forgotten."""
        self._connection = connection
        self._at = 0
        self._paused = False
        self._send_on()

    def stop(self) -> None:
        """The connection is gone."""
        self._connection = None

    def pause(self, paused: bool) -> None:
        self._paused = paused
        if not paused:
            self._send_on()

    def close(self) -> None:
        """Nothing of it is needed any more."""
        self._connection = None
        self._spool.close()

    def _send_on(self) -> None:
        connection = self._connection
        if connection is None or self._paused or self._reading:
            return
        if self._at < self._spool.size:
            self._reading = True
            self._spool.read(self._at, PIECE)
        else:
            self._connection = None
            connection.request_complete()

    # --- spool.Owner ---

    def written(self) -> None:
        if self._held_back and self._spool.backlog <= HELD_BYTES // 2:
            self._held_back = False
            self._client.resume_reading()

    def was_read(self, at: int, data: bytes) -> None:
        self._reading = False
        connection = self._connection
        # A piece that was read for a connection that broke is of use where the next one stands at the same place.
        if connection is not None and at == self._at:
            self._at += len(data)
            connection.send(replaced(data, at, self._places, self._name), last=False)
        self._send_on()

    def failed(self, error: Exception) -> None:
        if isinstance(error, OSError):
            where = tempfile.gettempdir()
            self._fail(StorageFailed(f"the form could not be kept in {where}: {error.strerror or error}"))
        else:
            log.error("a form could not be passed on", exc_info=error)
            self._fail(RequestError("an internal error; the log of the server tells more"))
