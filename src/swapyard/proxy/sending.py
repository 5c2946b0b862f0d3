"""The request's side of an exchange: its body is received, kept where it may be needed again, and sent.

    COLLECTED   whole, because it is read and perhaps edited first; in memory
    SPOOLED     likewise, on disk (`proxy.upload`), because it is a large form
    STREAMED    as it comes
    IN_CHUNKS   as it comes, in chunks

What is streamed is held up to `HELD_BYTES`, so that it can be sent again on another connection; then the client has to wait
until there is one. `Sending` is the base of `Exchange` and nothing by itself: one object per request is enough.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum
from typing import Final

from swapyard.errors import RequestError
from swapyard.http.headers import Headers, RequestHead
from swapyard.http.server import ClientConnection
from swapyard.http.upstream import Upstream, UpstreamConnection
from swapyard.proxy import heads
from swapyard.proxy.peers import PeerServer
from swapyard.proxy.phases import RECEIVING, SENT, Phase
from swapyard.proxy.recording import Recording
from swapyard.proxy.state import ProxyState
from swapyard.proxy.upload import Upload

HELD_BYTES = 1024 * 1024  # of a body that waits for its model without being needed to find it, and of a form; then to disk


class Passing(Enum):
    """How the request's body goes to the upstream."""

    COLLECTED = "whole, because it is read and perhaps edited first"
    SPOOLED = "likewise, from disk, because it is a large form"
    STREAMED = "as it comes, with the length that the client told"
    IN_CHUNKS = "as it comes, in chunks"


COLLECTED: Final = Passing.COLLECTED
SPOOLED: Final = Passing.SPOOLED
STREAMED: Final = Passing.STREAMED
IN_CHUNKS: Final = Passing.IN_CHUNKS


class Sending(ABC):
    __slots__ = (
        "_body",
        "_body_size",
        "_client",
        "_complete",
        "_connection",
        "_head",
        "_held",
        "_passing",
        "_path",
        "_peer",
        "_phase",
        "_record",
        "_state",
        "_trailers",
        "_upload",
        "_upstream",
    )

    def __init__(self, state: ProxyState, head: RequestHead, client: ClientConnection) -> None:
        self._state = state
        self._head = head
        self._client = client
        self._phase: Phase = RECEIVING
        self._passing = COLLECTED
        self._body: list[bytes] = []
        self._body_size = 0
        self._held = True  # all that has come of the body is here, so that it could be sent again
        self._upload: Upload | None = None  # where it is when it is SPOOLED
        self._complete = False  # the request's body is whole
        self._trailers: Headers = []
        self._path = b""
        self._record: Recording | None = None  # None: nobody keeps account of it
        self._peer: PeerServer | None = None  # who is asked, where it is a peer
        self._upstream: Upstream | None = None
        self._connection: UpstreamConnection | None = None

    @abstractmethod
    def fail(self, error: RequestError) -> None:
        """Ends the exchange with an error."""

    @abstractmethod
    def abandon(self, error: RequestError) -> None:
        """The same, for what goes wrong on this side of the upstream."""

    # --- receiving ---

    def body(self, data: bytes) -> None:
        if self._passing is COLLECTED:
            self._body.append(data)
            self._body_size += len(data)
            if self._body_size > HELD_BYTES:
                self._spool_form()
            return
        if self._upload is not None:
            self._upload.receive(data)
            return
        if self._held:
            self._body.append(data)
            self._body_size += len(data)
        if self._phase >= SENT and self._connection is not None:
            self._connection.send(self._framed(data), last=False)
            if self._body_size > HELD_BYTES:
                self._let_go_of_body()
        elif self._body_size > HELD_BYTES:
            self._client.pause_reading()

    def _spool_form(self) -> None:
        """The body outgrows memory. A form goes on to disk; everything else has to be in memory to be read."""
        try:
            upload = Upload.begin(self._head, self._state.engine.loop, self._client, self.abandon)
        except RequestError as error:
            self.fail(error)
            return
        if upload is not None:
            self._passing = SPOOLED
            self._upload = upload
            pieces, self._body = self._body, []
            upload.receive(b"".join(pieces))

    def _sent_body(self) -> bytes | None:
        """None where it is not at hand, or not whole yet."""
        body = self._body
        if self._passing is COLLECTED and len(body) == 1:
            return body[0]
        return b"".join(body) if self._held and self._complete and self._upload is None else None

    # --- sending (called by http.upstream) ---

    def connected(self, connection: UpstreamConnection) -> None:
        self._connection = connection
        connection.head_only = self._head.method == b"HEAD"
        self._phase = SENT
        if self._passing is not COLLECTED:
            self._send_streamed(connection)
            return
        body = self._body[0] if self._body else b""
        connection.send(self._request_head(b"Content-Length: %d\r\n" % len(body)) + body, last=True)

    def _send_streamed(self, connection: UpstreamConnection) -> None:
        known = self._head.known
        framing = b""
        if self._passing is IN_CHUNKS:
            framing = b"Transfer-Encoding: chunked\r\n"
        elif b"content-length" in known:
            framing = b"Content-Length: " + known[b"content-length"] + b"\r\n"
        if self._upload is not None:
            connection.send(self._request_head(b"Content-Length: %d\r\n" % self._upload.length), last=False)
            self._upload.send(connection)
            return
        data = b"".join(self._body)
        if not self._complete:
            if self._body_size > HELD_BYTES:
                self._let_go_of_body()
            self._client.send_continue()
            self._client.resume_reading()  # before the sending, which may pause it again
        connection.send(self._request_head(framing) + self._framed(data), last=False)
        if self._complete:
            self._end_streamed_body(connection)

    def _let_go_of_body(self) -> None:
        self._held = False
        self._body = []

    def _end_streamed_body(self, connection: UpstreamConnection) -> None:
        if self._passing is IN_CHUNKS:
            kept = heads.trailers(self._trailers, self._state.keys)
            tail = b"".join(name + b": " + value + b"\r\n" for name, value in kept)
            connection.send(b"0\r\n" + tail + b"\r\n", last=True)
        else:
            connection.request_complete()

    def _framed(self, data: bytes) -> bytes:
        if self._passing is IN_CHUNKS:
            return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        return data

    def _request_head(self, framing: bytes) -> bytes:
        upstream, record = self._upstream, self._record
        assert upstream is not None
        is_read = record is not None and record.is_metered
        remote, keys = b"", None
        if self._peer is None:
            remote, keys = self._client.remote.encode(), self._state.keys
        else:  # its head is made for it already
            framing = upstream.hop_fields + framing
        trace = record.trace if record is not None else None
        if trace is not None:
            framing = trace.fields + framing
        traced = trace is not None
        return heads.request_head(
            self._head, upstream, self._path, framing, remote=remote, keys=keys, is_read=is_read, is_traced=traced
        )

    def request_paused(self, paused: bool) -> None:
        if self._upload is not None:
            self._upload.pause(paused)
            return
        self._client.pause_reading() if paused else self._client.resume_reading()
