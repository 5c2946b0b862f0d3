"""What requests have cost: /api/metrics/activity and /api/metrics/stats, captures, and the end of requests under way.

Whatever reads the store or unpacks a capture does so in a thread.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from swapyard.api.answers import json_answer
from swapyard.api.services import Services
from swapyard.errors import BadRequest, NotFound
from swapyard.observe.activity import ActivityQuery
from swapyard.observe.activity.export import Format
from swapyard.observe.activity.rows import Search
from swapyard.observe.capture_search import CaptureSearch

WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")
FILTERS = {"model", "start", "end", "min_id", "max_id", "status", "path", "session", "request"}
LONGEST_TEXT = 1000  # characters


def routes(services: Services) -> list[Route]:
    captured = CaptureSearch()

    async def narrowed(query: ActivityQuery, items: Sequence[tuple[str, str]]) -> tuple[ActivityQuery, Search | None]:
        """Where the request has `text`: to the rows whose captures say it, and how far the search for it came."""
        text = first(items, "text")
        if not text:
            return query, None
        if len(text) > LONGEST_TEXT:
            raise BadRequest(f'"text" may have at most {LONGEST_TEXT} characters, and has {len(text)}', param="text")
        found = await asyncio.to_thread(captured.find, services.captures(), text)
        ids = frozenset(map(services.activity().ids.id_of, found.numbers))
        return query.among(ids), Search(found.searched, found.kept)

    async def listing(request: Request) -> Response:
        """Finished requests, one page (`limit`, `page`, `sort`, `order`) of those that the filters let through: `model`,
        `start`, `end`, `min_id`, `max_id`, `status` (404, 5xx), `path` (a part of it), `session`, `request` (the
        number that a transition's `for_request` has), and `text` (in their captures)."""
        items = request.query_params.multi_items()
        query, search = await narrowed(ActivityQuery.parse(items), items)
        found = await asyncio.to_thread(services.activity().listing, query)
        found.search = search
        return json_answer(found)

    async def export(request: Request) -> Response:
        """Finished requests, all that the filters let through, as a file: `?format=csv` or `jsonl`."""
        items = request.query_params.multi_items()
        form = format_of(first(items, "format") or "csv")
        query = ActivityQuery.parse([(key, value) for key, value in items if key not in ("format", "limit", "page")])
        query, _ = await narrowed(query, items)
        pieces = services.activity().export(query, form) if request.method == "GET" else iter(())  # HEAD reads no rows
        headers = {"Content-Disposition": f'attachment; filename="swapyard-activity.{form.value}"'}
        return StreamingResponse(in_threads(pieces), media_type=form.content_type, headers=headers)

    async def stats(request: Request) -> Response:
        """Totals and speeds of finished requests, of all or of those that the filters of the listing let through."""
        items = request.query_params.multi_items()
        query, _ = await narrowed(ActivityQuery.parse([(key, value) for key, value in items if key in FILTERS]), items)
        return json_answer(await asyncio.to_thread(services.activity().statistics, query))

    async def capture(request: Request) -> Response:
        """What a request and its answer were, as long as memory holds them."""
        text = request.path_params["id"]
        if WHOLE_NUMBER.fullmatch(text) is None:
            raise BadRequest(f'"{text[:50]}" is no id: a whole number is needed', param="id")
        row_id = int(text) if len(text) < 20 else 0  # no row has so many digits, and Python reads only 4300
        number = services.activity().ids.number_of(row_id)
        payload = None if number is None else await asyncio.to_thread(services.captures().payload, number)
        if payload is None:
            raise NotFound(f"there is no capture {text[:50]} (any more): captureBuffer bounds how much is kept")
        payload.id = row_id
        return json_answer(payload)

    async def cancel(request: Request) -> Response:
        """Ends a request that is under way."""
        entry = request.path_params["id"]
        if not services.cancel(entry):
            raise NotFound(f'no request "{entry[:50]}" is under way')
        return json_answer({"msg": "ok"})

    return [
        Route("/api/metrics/activity", listing),
        Route("/api/metrics/activity/export", export),
        Route("/api/metrics/stats", stats),
        Route("/api/captures/{id}", capture),
        Route("/api/inflight/{id}/cancel", cancel, methods=["POST"]),
    ]


def first(items: Sequence[tuple[str, str]], name: str) -> str:
    """The first value of this name, trimmed; "" where there is none."""
    return next((value.strip() for key, value in items if key == name), "")


def format_of(text: str) -> Format:
    try:
        return Format(text)
    except ValueError:
        known = " or ".join(form.value for form in Format)
        raise BadRequest(f'"format" must be {known}, not "{text[:50]}"', param="format") from None


async def in_threads(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Each piece is made in a thread."""
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece
