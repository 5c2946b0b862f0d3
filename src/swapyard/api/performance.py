"""GET /api/performance: an hour of samples of the machine and its GPUs.

llama-swap's shape: `sys_stats` and `gpu_stats`, oldest first, null before the first sample; with `after` always lists, of
what was taken later. Ours besides: `sources`, which tells what the GPU figures come from, and `every`, in seconds.
"""

from __future__ import annotations

from msgspec import Raw, Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swapyard.api.answers import json_answer
from swapyard.api.services import Services
from swapyard.api.transitions import moment
from swapyard.observe.system.gpus import Report

_NULL = Raw(b"null")


class Performance(Struct, frozen=True):
    enabled: bool
    gpu_stats: Raw
    sys_stats: Raw
    every: float
    sources: list[Report]


class Disabled(Struct, frozen=True):
    enabled: bool = False


def routes(services: Services) -> list[Route]:
    async def performance(request: Request) -> Response:
        """Samples of the processors, memory, network and GPUs of the last hour; `?after=` (a time) for the newer ones."""
        after = moment(request.query_params, "after")
        found = newer(services, after)
        return json_answer(Disabled(), 503) if found is None else json_answer(found)

    return [Route("/api/performance", performance)]


def newer(services: Services, after: float | None) -> Performance | None:
    """The samples that were taken after this time (seconds since the epoch; None: all). None where nothing is measured."""
    sampling = services.sampling
    if not sampling.is_enabled:
        return None
    history = sampling.history(None if after is None else round(after * 1_000_000))
    gpus, system = (_NULL if json is None else Raw(json) for json in (history.gpus, history.system))
    return Performance(True, gpus, system, services.config().performance.every, sampling.sources())
