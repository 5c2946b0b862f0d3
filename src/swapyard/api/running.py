"""GET /running: the models that are not stopped."""

from __future__ import annotations

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swapyard.api.answers import json_answer
from swapyard.api.services import Services


class Running(Struct, frozen=True):
    """`ttl` in seconds. `cmd` is the expanded command; what looks like a secret in it is masked."""

    model: str
    state: str
    cmd: str
    proxy: str
    ttl: int
    name: str
    description: str


def routes(services: Services) -> list[Route]:
    async def running(_request: Request) -> Response:
        """Models that are starting, ready or stopping, with their commands (secrets masked)."""
        models = services.config().models
        found = []
        for model_id, state in sorted(services.states().items()):
            # A model that a reload took away may still be stopping: it is told, though its settings are gone.
            model = models.get(model_id)
            if model is None:
                found.append(Running(model_id, state, "", "", 0, "", ""))
            else:
                cmd = services.mask_command(model.cmd)
                found.append(Running(model_id, state, cmd, model.proxy, model.ttl, model.name, model.description))
        return json_answer({"running": found})

    return [Route("/running", running)]
