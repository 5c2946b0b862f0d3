"""GET /metrics: everything that Prometheus can ask for. A scrape wakes nothing and measures nothing."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swapyard.api.services import Services
from swapyard.observe.metrics import CONTENT_TYPE


def routes(services: Services) -> list[Route]:
    async def metrics(_request: Request) -> Response:
        """Counters, histograms and the newest samples, for Prometheus."""
        return Response(await services.metrics(), headers={"Content-Type": CONTENT_TYPE})

    return [Route("/metrics", metrics)]
