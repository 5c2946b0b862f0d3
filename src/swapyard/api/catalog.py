"""GET /api/catalog: what the list of models is sorted and grouped by, beside their state."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swapyard.api.answers import json_answer
from swapyard.api.services import Services

MOST_TAGS = 8
LONGEST_TAG = 40  # characters


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is not known is left out. `group`: of the group router. `family` and `tags`: of the model's `metadata`.
    `requests`: finished ones that the activity still has; `last_used`: when the newest ended, seconds since the epoch.
    `peak_bytes`: the most that its newest run was seen to hold of RAM and of each GPU, together."""

    id: str
    group: str = ""
    family: str = ""
    tags: tuple[str, ...] = ()
    requests: int = 0
    last_used: int | None = None
    peak_bytes: int | None = None


class Catalog(Struct, frozen=True):
    models: list[Entry]


def routes(services: Services) -> list[Route]:
    async def catalog(_request: Request) -> Response:
        """Every local model's group, family, tags, use and peak of memory."""
        uses = await asyncio.to_thread(services.activity().uses)
        return json_answer(Catalog(list(_entries(services, {model: (requests, last) for model, requests, last in uses}))))

    return [Route("/api/catalog", catalog)]


def _entries(services: Services, uses: Mapping[str, tuple[int, int]]) -> Iterator[Entry]:
    config = services.config()
    groups = {model: name for name, group in config.routing.groups.items() for model in group.members}
    for model, configured in sorted(config.models.items()):
        requests, last = uses.get(model, (0, None))
        held = services.memory.of(model)
        yield Entry(
            id=model,
            group=groups.get(model, ""),
            family=_text(configured.metadata.get("family")),
            tags=tags(configured.metadata.get("tags")),
            requests=requests,
            last_used=last,
            peak_bytes=held.peak + sum(share.memory or 0 for share in held.gpu_peaks.values()) if held is not None else None,
        )


def tags(told: Any) -> tuple[str, ...]:
    """A list, or a text with commas; the first few."""
    each = told.split(",") if isinstance(told, str) else told if isinstance(told, list) else ()
    return tuple(dict.fromkeys(tag for tag in map(_text, each) if tag))[:MOST_TAGS]


def _text(value: Any) -> str:
    return value.strip()[:LONGEST_TAG] if isinstance(value, str) else ""
