"""GET /health and /wol-health: this process answers. They say nothing about models, and need no key.

The gateway answers GET and HEAD itself, before this app is loaded; the routes are here so that other methods are told 405.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swapyard.api.answers import text_answer


def routes() -> list[Route]:
    async def health(_request: Request) -> Response:
        """This process answers; says nothing about models."""
        return text_answer("OK")

    return [Route("/health", health), Route("/wol-health", health)]
