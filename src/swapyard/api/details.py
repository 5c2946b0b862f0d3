"""One model in every detail, and what would happen if it were asked for now. Looking starts nothing and changes nothing."""

from __future__ import annotations

import asyncio

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swapyard.api.answers import json_answer
from swapyard.api.services import RunFacts, Services
from swapyard.errors import MethodNotAllowed, NotFound
from swapyard.observe.history import Change
from swapyard.observe.memory import tree_memory
from swapyard.proxy.resolve import Kind

# What a name below /api/models/ begins with that is no model, unless one is called so, and the methods that it takes.
COMMANDS = {"load": ("DELETE", "POST"), "unload": ("POST",)}


class GpuMemory(Struct, frozen=True):
    """`id` and `name`: as in `/api/performance`."""

    id: int
    name: str
    memory_bytes: int | None


class Run(Struct, frozen=True, kw_only=True):
    """Seconds; `idle` and `ttl_left` are null while the run is busy or not ready, `ttl_left` also where there is no TTL.
    `memory_bytes`: resident, of the whole process tree; null where it cannot be told. `gpu_memory`: what the tree holds of
    each GPU's memory; null where no source tells of processes."""

    id: int
    pid: int | None
    address: str | None
    uptime: float
    idle: float | None
    ttl_left: float | None
    memory_bytes: int | None
    gpu_memory: list[GpuMemory] | None


class Loads(Struct, frozen=True):
    """Of the last loads that succeeded; seconds."""

    count: int
    failed: int
    median: float | None
    p95: float | None


class Details(Struct, frozen=True, kw_only=True):
    """`limit`: how many requests are served at once; `running` + `queued` are admitted."""

    id: str
    name: str
    description: str
    state: str
    cmd: str
    proxy: str
    aliases: tuple[str, ...]
    ttl: int
    run: Run | None
    running: int
    limit: int
    queued: int
    loads: Loads
    last_error: Change | None
    transitions: list[Change]


class DetailsList(Struct, frozen=True):
    models: list[Details]


class Plan(Struct, frozen=True, kw_only=True):
    """`action`: `serve` (it is ready, nothing has to go), `start`, or `wait` (a load or a stop is under way, or who has to
    go is busy). `stops`: the models that would be stopped; `busy`: those of them that have requests to finish first."""

    model: str
    state: str
    action: str
    stops: list[str]
    busy: list[str]
    estimate_seconds: float | None


def routes(services: Services) -> list[Route]:
    def local(request: Request) -> str:
        name = request.path_params["id"]
        command = COMMANDS.get(name.partition("/")[0])
        if command is not None and services.names().resolve(name) is None:
            raise MethodNotAllowed(request.method, request.scope["path"], command)
        found = services.names().require(name)
        if found.kind is not Kind.LOCAL:
            raise NotFound(f'model "{name}" is served by peer "{found.peer}"; ask there for its details')
        return found.model

    async def details(request: Request) -> Response:
        """One model: its run, requests, loads, last error and last changes."""
        return json_answer(await _details(services, local(request)))

    async def all_loaded(_request: Request) -> Response:
        """Every model that is not stopped, or whose last run failed, in detail."""
        return json_answer(await loaded(services))

    async def plan(request: Request) -> Response:
        """What would be stopped if the model were asked for now."""
        return json_answer(_plan(services, local(request)))

    return [
        Route("/api/models", all_loaded),
        Route("/api/models/{id:path}/plan", plan),
        Route("/api/models/{id:path}", details),
    ]


async def loaded(services: Services) -> DetailsList:
    """Every model that is not stopped, or whose last run failed."""
    known = services.config().models
    wanted = sorted(model for model in {*services.states(), *services.failures()} if model in known)
    return DetailsList([await _details(services, model, changes=3) for model in wanted])


async def _details(services: Services, model: str, changes: int = 20) -> Details:
    facts = services.facts(model)
    configured = services.config().models[model]
    loads = services.history.loads(model)
    return Details(
        id=model,
        name=configured.name,
        description=configured.description,
        state=facts.state,
        cmd=services.mask_command(configured.cmd),
        proxy=configured.proxy,
        aliases=configured.aliases,
        ttl=configured.ttl,
        run=await _run(services, facts.run, configured.ttl) if facts.run is not None else None,
        running=facts.serving,
        limit=facts.limit,
        queued=facts.queued,
        loads=Loads(loads.count, loads.failed, loads.median, loads.p95),
        last_error=services.history.last_error(model),
        transitions=services.history.page(model=model, limit=changes),
    )


async def _run(services: Services, facts: RunFacts, ttl: int) -> Run:
    memory, shares = await asyncio.to_thread(_memory, services, facts.pid) if facts.pid is not None else (None, None)
    return Run(
        id=facts.id,
        pid=facts.pid,
        address=f"{facts.address[0]}:{facts.address[1]}" if facts.address is not None else None,
        uptime=facts.uptime,
        idle=facts.idle,
        ttl_left=max(0.0, ttl - facts.idle) if ttl > 0 and facts.idle is not None else None,
        memory_bytes=memory,
        gpu_memory=shares,
    )


def _memory(services: Services, pid: int) -> tuple[int | None, list[GpuMemory] | None]:
    tree = tree_memory(pid)
    shares = services.sampling.gpu_memory(tree.pids)
    listed = None if shares is None else [GpuMemory(share.id, share.name, share.memory) for share in shares]
    return tree.resident, listed


def _plan(services: Services, model: str) -> Plan:
    facts = services.facts(model)
    if facts.state == "ready" and not facts.stops:
        action = "serve"
    elif facts.busy or facts.state in ("starting", "stopping"):
        action = "wait"
    else:
        action = "start"
    return Plan(
        model=model,
        state=facts.state,
        action=action,
        stops=list(facts.stops),
        busy=list(facts.busy),
        estimate_seconds=0.0 if action == "serve" else services.history.loads(model).median,
    )
