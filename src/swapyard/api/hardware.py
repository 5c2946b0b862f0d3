"""GET /api/hardware: what this machine is."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swapyard.api.answers import json_answer
from swapyard.api.services import Services


def routes(services: Services) -> list[Route]:
    async def hardware(_request: Request) -> Response:
        """What the machine is: system, processors, memory, GPUs. Looked up when asked for, and kept for five minutes."""
        snapshot = await services.hardware()
        if snapshot is None:
            return json_answer({"error": "the hardware cannot be told; the log of swapyard says why"}, 503)
        return json_answer(snapshot)

    return [Route("/api/hardware", hardware)]
