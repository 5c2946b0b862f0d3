"""GET /api/transitions: what became of the models lately, and why. The newest first, paged by time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swapyard.api.answers import json_answer
from swapyard.api.services import Services
from swapyard.errors import BadRequest
from swapyard.observe.history import Change

DEFAULT, MOST = 100, 1000  # changes on a page
_FARTHEST = 1e12  # seconds; microseconds of it are exact, too


class Page(Struct, frozen=True):
    """`next`: what to ask for as `before` to get the page behind this one; None where this is the last."""

    transitions: list[Change]
    next: float | None


def routes(services: Services) -> list[Route]:
    async def transitions(request: Request) -> Response:
        """What became of the models, and why: `?model=`, `?before=` and `?after=` (a time), `?limit=`."""
        query = request.query_params
        limit = whole_number(query, "limit", DEFAULT, MOST)
        before, after, model = moment(query, "before"), moment(query, "after"), query.get("model") or None
        changes = services.history.page(before=before, after=after, model=model, limit=limit)
        if len(changes) < limit:  # what is older may be in the store's file
            before = changes[-1].at if changes else before
            ask = partial(services.activity().changes, before=before, after=after, model=model, limit=limit - len(changes))
            changes += await asyncio.to_thread(ask)
        return json_answer(Page(changes, changes[-1].at if len(changes) == limit else None))

    return [Route("/api/transitions", transitions)]


def whole_number(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    """Raises BadRequest."""
    text = query.get(name, "").strip()
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:10]) <= most:
        raise BadRequest(f'"{name}" must be a whole number from 1 to {most}, not "{text[:50]}"', param=name)
    return int(text)


def moment(query: Mapping[str, str], name: str) -> float | None:
    """A time in seconds since the epoch, given as such or by RFC 3339. Raises BadRequest."""
    text = query.get(name, "").strip()
    if not text:
        return None
    with suppress(ValueError):
        seconds = float(text)
        if abs(seconds) < _FARTHEST:  # which is true neither of nan nor of inf
            return seconds
    with suppress(ValueError):
        when = datetime.fromisoformat(text.replace(" ", "+"))  # a "+" in a query is a blank
        if when.tzinfo is not None:
            return when.timestamp()
    wanted = "a time like 2026-01-31T12:00:00Z, or seconds since 1970"
    raise BadRequest(f'"{name}" must be {wanted}, not "{text[:50]}"', param=name)
