"""Stopping models by hand. Each answer comes when the processes are gone; the three bodies differ as llama-swap's do."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swapyard.api.answers import json_answer, text_answer
from swapyard.api.services import Services
from swapyard.errors import ModelNotFound, NotFound, Unavailable
from swapyard.proxy.resolve import Kind


def routes(services: Services) -> list[Route]:
    async def unload_all_by_get(request: Request) -> Response:
        """Stop all models; answers when their processes are gone."""
        # A GET with an effect, kept for the scripts that use it. What merely looks around must not set it off.
        if "prefetch" in request.headers.get("sec-purpose", request.headers.get("purpose", "")):
            raise Unavailable("/unload stops all models, so it is not fetched in advance")
        if request.method != "HEAD":
            await services.unload(None)
        return text_answer("OK")

    async def unload_all(_request: Request) -> Response:
        """Stop all models; answers when their processes are gone."""
        await services.unload(None)
        return json_answer({"msg": "ok"})

    async def unload_one(request: Request) -> Response:
        """Stop one model; answers when its processes are gone."""
        name = request.path_params["model"]
        if not name:
            raise NotFound("which model? POST /api/models/unload/{model} stops one, POST /api/models/unload all")
        found = services.names().require(name)
        if found.kind is not Kind.LOCAL:
            raise NotFound(
                f'model "{name}" is served by peer "{found.peer}" and cannot be unloaded here', code=ModelNotFound.code
            )
        await services.unload([found.model])
        return text_answer("OK")

    return [
        Route("/unload", unload_all_by_get),
        Route("/api/models/unload", unload_all, methods=["POST"]),
        Route("/api/models/unload/{model:path}", unload_one, methods=["POST"]),
    ]
