"""GET /api/version."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swapyard.api.answers import json_answer
from swapyard.api.services import Services


def routes(services: Services) -> list[Route]:
    build = services.build

    async def version(_request: Request) -> Response:
        """Version, commit and build date."""
        return json_answer({"build_date": build.build_date, "commit": build.commit, "version": build.version})

    return [Route("/api/version", version)]
