"""Second chances for a request whose upstream failed before a byte of an answer had come.

A pooled connection that turns out to be dead: the request, held until then, goes out once more on a fresh one. A run that
takes no connections: it has most likely just died, so the lease goes back and a place is claimed anew, when its exit had
time to be noticed; after a second death a third one would follow.

Made for the first failure; a request that goes well never has one.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from swapyard.http.upstream import Cause, Upstream

# Seconds before the first, second, ... new claim: a server without a check may only be about to listen.
REQUEUE_AFTER = (0.1, 0.3, 1.0, 2.5, 4.0)


class Retrying(Protocol):
    """Whose request it is (`proxy.exchange.Exchange`)."""

    @property
    def is_held(self) -> bool:
        """Whether all that has come of the body is at hand."""
        ...

    @property
    def ticket(self) -> int: ...
    def send_again(self, upstream: Upstream) -> None: ...
    def give_place_back(self) -> None:
        """It waits from now on, without a ticket."""

    def claim_again(self) -> None:
        """Unless it is over meanwhile."""

    def give_up(self) -> None:
        """There is nothing left to try."""


class SecondChances:
    __slots__ = ("_deaths", "_loop", "_requeued", "_resent")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._resent = False
        self._requeued = 0
        self._deaths = 0  # runs that died before they took the request

    def take(self, request: Retrying, upstream: Upstream, cause: Cause) -> bool:
        """False: there is none for a failure like this one."""
        if cause is Cause.STALE and not self._resent and request.is_held:
            self._resent = True
            if upstream.open:
                request.send_again(upstream)
                return True
            cause = Cause.UNREACHABLE
        if cause is Cause.UNREACHABLE and request.ticket and self._requeued < len(REQUEUE_AFTER):
            request.give_place_back()
            self._loop.call_later(REQUEUE_AFTER[self._requeued], self._claim_again, request, upstream)
            self._requeued += 1
            return True
        return False

    def _claim_again(self, request: Retrying, upstream: Upstream) -> None:
        self._deaths += upstream.ended is not None
        if self._deaths > 1:
            request.give_up()
        else:
            request.claim_again()
