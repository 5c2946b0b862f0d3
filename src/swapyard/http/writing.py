"""One response after another, written to a client's transport.

A handler calls `begin`, then `write` and `flush` as often as it likes, and ends with what its connection offers (`finish`).
What is written is collected and leaves with `flush`, so that a head and its first bytes share a packet. Framing is chosen
here and nowhere else: heads that come from handlers carry no framing fields.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import Final, cast

from swapyard.http.headers import Headers, RequestHead, has_no_body, status_line

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LARGE = 64 * 1024  # from this size on, pieces are handed to the socket as they are instead of being joined


class Framing(Enum):
    """How the client knows where the body ends."""

    NO_BODY = "no body"
    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"  # HTTP/1.0 and an unknown length


NO_BODY: Final = Framing.NO_BODY
LENGTH: Final = Framing.LENGTH
CHUNKED: Final = Framing.CHUNKED
CLOSE: Final = Framing.CLOSE


class ResponseWriter(asyncio.Protocol):
    """The writing half of a client connection. `head` is the request that is being answered, `status` the one of its
    response (0 until `begin`), `bytes_sent` counts body bytes."""

    __slots__ = ("_close_after", "_framing", "_out", "_pending", "_transport", "bytes_sent", "head", "status")

    def __init__(self) -> None:
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.head = RequestHead()
        self.status = 0
        self.bytes_sent = 0
        self._out: list[bytes] = []  # head or framing, ready to be written
        self._pending: list[bytes] = []  # body bytes, not yet framed
        self._framing = NO_BODY
        self._close_after = False  # this response is the last one of its connection

    def begin(self, status: int, headers: Headers, *, length: int | None, reason: bytes | None = None) -> None:
        """Starts the response. `headers` carry no framing fields; `length` is the body's size in bytes, None if unknown."""
        self.begin_with(status, block(status, headers, reason), length)

    def begin_with(self, status: int, lines: bytes, length: int | None) -> None:
        """Like `begin`; `lines` is what `block` makes of the status and the headers."""
        self.status = status
        request = self.head
        out = self._out
        out.append(lines)
        if has_no_body(status) or request.method == b"HEAD":
            self._framing = NO_BODY
            if length is not None and status != 204:
                out.append(b"Content-Length: %d\r\n" % length)
        elif length is not None:
            self._framing = LENGTH
            out.append(b"Content-Length: %d\r\n" % length)
        elif request.version == "1.1":
            self._framing = CHUNKED
            out.append(b"Transfer-Encoding: chunked\r\n")
        else:
            self._framing = CLOSE
            self._close_after = True
        if request.upgrade or request.awaits_continue:
            self._close_after = True  # behind a refused handshake nothing can be parsed; an awaited body may come or not
        if self._close_after:
            out.append(b"Connection: close\r\n\r\n")
        elif request.version == "1.0":
            out.append(b"Connection: keep-alive\r\n\r\n")
        else:
            out.append(b"\r\n")

    def write(self, data: bytes) -> None:
        """Body bytes; they leave with the next `flush` or at the end."""
        if self._framing is not NO_BODY:
            self._pending.append(data)

    def flush(self) -> None:
        """Writes what is collected."""
        out = self._out
        pending = self._pending
        size = 0
        if pending:
            size = len(pending[0]) if len(pending) == 1 else sum(map(len, pending))
            self.bytes_sent += size
            if self._framing is CHUNKED and size:
                out.append(b"%x\r\n" % size)
                out += pending
                out.append(b"\r\n")
            else:
                out += pending
            self._pending = []
        if out:
            if size < LARGE:
                self._transport.write(b"".join(out))
            else:
                self._transport.writelines(out)
            self._out = []

    def _end_body(self, trailers: Headers | None) -> None:
        """Writes what is left, and the last chunk where there are chunks. Other framings have no place for trailers."""
        self.flush()
        if self._framing is CHUNKED:
            tail = b"".join(name + b": " + value + b"\r\n" for name, value in trailers) if trailers else b""
            self._transport.write(b"0\r\n" + tail + b"\r\n")

    def send_continue(self) -> None:
        """For a handler that wants the body: lets a client that asked `Expect: 100-continue` begin to send it."""
        if self.head.awaits_continue and self.status == 0:
            self.head.awaits_continue = False
            self._transport.write(CONTINUE)

    def interim(self, status: int, headers: Headers, reason: bytes) -> None:
        """Relays a 1xx response. HTTP/1.0 clients do not know them (RFC 9110 15.2), and 100 is our own to send."""
        if self.head.version == "1.1" and self.status == 0 and status != 100:
            lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
            self._transport.write(status_line(status, reason) + lines + b"\r\n")


def block(status: int, headers: Headers, reason: bytes | None) -> bytes:
    """The lines of a head, up to where the framing fields begin."""
    lines = [status_line(status, reason)]
    for name, value in headers:
        lines += (name, b": ", value, b"\r\n")
    return b"".join(lines)
