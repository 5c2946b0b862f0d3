"""The words between a connection to an upstream and who uses it: what is heard of a response, and why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from swapyard.http.headers import Headers, ResponseHead

if TYPE_CHECKING:
    from swapyard.http.upstream_connection import UpstreamConnection


class Cause(StrEnum):
    """Why there is no (whole) response, as far as it matters for what is done next."""

    UNREACHABLE = "unreachable"  # no connection could be made: nothing was sent
    STALE = "stale"  # a reused connection died before a byte of an answer: most likely it was dead before
    BROKEN = "broken"
    TIMEOUT = "timeout"
    STOPPED = "stopped"  # by `Upstream.close`
    INTERNAL = "internal"  # an error of ours


@dataclass(frozen=True, slots=True)
class UpstreamError:
    """`detail` reads on from "the server of model x ..."."""

    detail: str
    cause: Cause = Cause.BROKEN


class Sink(Protocol):
    """Who sent the request and takes the response. Nothing is called after `complete` or `broken`."""

    def connected(self, connection: UpstreamConnection) -> None:
        """Here is the connection: send the request."""

    def interim(self, status: int, reason: bytes, headers: Headers) -> None: ...
    def response(self, head: ResponseHead) -> None: ...
    def data(self, data: bytes) -> None: ...

    def turn_over(self) -> None:
        """All that one read of the socket brought has been handed over: a good moment to write it on."""

    def complete(self, trailers: Headers) -> None: ...

    def switched(self, head: ResponseHead, rest: bytes) -> None:
        """101: from now on raw bytes; take them with `connection.tunnel`."""

    def broken(self, error: UpstreamError) -> None: ...

    def request_paused(self, paused: bool) -> None:
        """The upstream's socket is full (or has room again): hold the request's body back."""


class Tunnel(Protocol):
    """Who takes the raw bytes after a 101."""

    def from_upstream(self, data: bytes) -> None: ...

    def upstream_ended(self) -> None:
        """The upstream has half-closed: no more bytes come from it."""

    def upstream_gone(self) -> None: ...
    def upstream_full(self, full: bool) -> None: ...
