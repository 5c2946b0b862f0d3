"""What the start page shows at first, to stand in the page itself: it paints without waiting for the event stream, which
replaces all of it a moment later. The same things that /api/events, /api/transitions, /api/models and /api/performance
tell, but for the logs.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Final

from msgspec import Struct

from swapyard.api import details, performance, transitions
from swapyard.api.answers import encode
from swapyard.api.events import present_state
from swapyard.api.services import Services

LARGEST: Final = 256 * 1024  # bytes; a page with more would paint later than one without
_CHANGES: Final = 20


class Event(Struct, frozen=True):
    type: str
    data: object


class Snapshot(Struct, frozen=True):
    """`performance`: of the last moments; None where nothing is measured."""

    events: list[Event]
    transitions: transitions.Page
    details: details.DetailsList
    performance: performance.Performance | None


async def snapshot(services: Services) -> bytes:
    """JSON that may stand in an element of HTML, whatever its strings hold; empty where it would be too large."""
    changes = services.history.page(limit=_CHANGES)
    if len(changes) < _CHANGES:  # what is older may be in the store's file
        before = changes[-1].at if changes else None
        changes += await asyncio.to_thread(
            partial(services.activity().changes, before=before, limit=_CHANGES - len(changes))
        )
    loaded = await details.loaded(services)
    now = Snapshot(
        events=[Event(kind, data) for kind, data in present_state(services)],
        transitions=transitions.Page(changes, None),
        details=loaded,
        performance=performance.newer(services, time.time() - 3 * services.config().performance.every - 1),
    )
    # Within JSON a "<" stands only in strings: so escaped, nothing can end the element or begin a comment.
    json = encode(now).replace(b"<", b"\\u003c")
    return json if len(json) <= LARGEST else b""
