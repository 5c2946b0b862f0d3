"""Heads of messages: what was parsed, which fields end at this hop, and how a head is written.

Header lists are `list[tuple[bytes, bytes]]` in wire order with names as they were written. `known` maps the lower-case names
of the few fields that Swapyard itself looks at to their values (repeated ones joined by ", ", RFC 9110 5.3).
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import msgspec

from swapyard.http.repeats import Kept

Headers = list[tuple[bytes, bytes]]
_copy: Callable[[Any], Any] = msgspec.Struct.__copy__  # type: ignore[attr-defined]  # without the detours of copy.copy

# RFC 9110 7.6.1, and what the wild treats alike. `upgrade` is put back for a real upgrade; `trailer` stays, as trailers do.
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"proxy-connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"transfer-encoding",
        b"upgrade",
    }
)

# Request fields that somebody on the way reads; all others only pass through.
READ_BY_US = frozenset(
    {
        b"accept",
        b"access-control-request-headers",
        b"authorization",
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"te",
        b"transfer-encoding",
        b"upgrade",
        b"user-agent",
        b"x-api-key",
        b"x-forwarded-for",
        b"x-real-ip",
    }
)

REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}


class RequestHead(msgspec.Struct, eq=False):
    """The head of a client's request. `target` is the raw request target; `path` and `query` are its raw parts.

    `fields` holds (lower-case name, name as written, value) in wire order: each name is lowered once. `kept` is shared by
    the heads of a connection that repeat each other but for the Content-Length; None as long as nothing has repeated.
    `upgrade`: a websocket handshake, complete and well-formed as far as the head tells. `awaits_continue`: the client may
    wait for a `100 Continue` before it sends the body. `started`: loop time at which its turn began, seconds.
    """

    method: bytes = b""
    target: bytes = b""
    path: bytes = b""
    query: bytes = b""
    version: str = "1.1"
    fields: list[tuple[bytes, bytes, bytes]] = msgspec.field(default_factory=list)
    known: dict[bytes, bytes] = msgspec.field(default_factory=dict)
    keep_alive: bool = True
    upgrade: bool = False
    awaits_continue: bool = False
    started: float = 0.0
    kept: Kept | None = None

    def again(self, at: int, length: bytes) -> RequestHead:
        """The same head with another Content-Length, which is the field number `at`. (One that repeats asks for no upgrade
        and awaits no `100 Continue`: `reading.UNREPEATED`.)"""
        head: RequestHead = _copy(self)
        head.fields = fields = self.fields[:]
        fields[at] = (b"content-length", fields[at][1], length)
        head.known = known = self.known.copy()
        known[b"content-length"] = length
        return head

    def split_target(self) -> None:
        """Sets `path` and `query`. The absolute form (RFC 9112 3.2.2) loses its scheme and authority."""
        target = self.target
        if target[:1] != b"/" and b"://" in target:
            authority, mark, query = target.partition(b"://")[2].partition(b"?")
            target = b"/" + authority.partition(b"/")[2] + mark + query
        self.path, _, self.query = target.partition(b"?")

    def with_fields(self, fields: list[tuple[bytes, bytes, bytes]]) -> RequestHead:
        """A copy with other fields, for the way to the upstream; what is `known` of the client's stays."""
        head: RequestHead = _copy(self)
        head.fields = fields
        head.awaits_continue = False
        head.kept = None
        return head

    def with_query(self, query: bytes) -> RequestHead:
        """A copy with another query. The head itself stays what the client sent: its next one may repeat it."""
        head = self.with_fields(self.fields)
        head.query = query
        return head

    @property
    def size(self) -> int:
        """Bytes of the head on the wire, near enough for a limit."""
        return len(self.target) + sum(len(name) + len(value) + 4 for _, name, value in self.fields)

    @property
    def chunked(self) -> bool:
        return b"transfer-encoding" in self.known

    @property
    def has_body(self) -> bool:
        return b"transfer-encoding" in self.known or self.known.get(b"content-length", b"0").strip(b"0 ") != b""


class ResponseHead(msgspec.Struct, eq=False):
    """The head of an upstream's response. `length` is None where the end is told by chunks or by the close; what `headers`
    say of it does not count. `content_type` and `encoding` (of the content) are "" where they are absent. `kept` is shared
    by heads that repeat each other, see `RequestHead`."""

    status: int
    reason: bytes
    headers: Headers
    length: int | None
    event_stream: bool
    kept: Kept | None = None
    content_type: str = ""
    encoding: str = ""

    def again(self, length: int) -> ResponseHead:
        """The same head of a body of another length."""
        head: ResponseHead = _copy(self)
        head.length = length
        return head


def connection_tokens(value: bytes | None) -> frozenset[bytes]:
    """The field names and options that a Connection header lists, in lower case."""
    if not value:
        return frozenset()
    return frozenset(token.strip().lower() for token in value.split(b","))


def is_websocket(head: RequestHead) -> bool:
    """Whether a request is a websocket handshake: lists and repeated fields count, in any case. HTTP/1.0 has no upgrades
    (RFC 9110 7.8), and a handshake has no body: where the raw bytes would begin behind one is anybody's guess."""
    upgrade = head.known.get(b"upgrade")
    if upgrade is None or head.method != b"GET" or head.version != "1.1" or head.has_body:
        return False
    return b"websocket" in connection_tokens(upgrade) and b"upgrade" in connection_tokens(head.known.get(b"connection"))


def status_line(status: int, reason: bytes | None = None) -> bytes:
    if reason is None:
        reason = REASONS.get(status, b"")
    return b"HTTP/1.1 %d %s\r\n" % (status, reason)


def has_no_body(status: int) -> bool:
    """Responses that never carry a body, whatever their fields say (RFC 9110 6.4.1)."""
    return status < 200 or status in (204, 304)
