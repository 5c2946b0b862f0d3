"""One model in every detail, and what would happen if it were asked for now. Looking starts nothing and changes nothing."""

from __future__ import annotations

import asyncio
import time

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swapyard.api.answers import json_answer
from swapyard.api.parameters import Parameter, Parameters
from swapyard.api.services import Neighbours, RunFacts, Services, Some
from swapyard.config.schema import Config
from swapyard.errors import MethodNotAllowed, NotFound
from swapyard.observe.history import Change
from swapyard.observe.memory import TreeMemory, tree_memory
from swapyard.observe.system.samples import GpuShare
from swapyard.proxy.resolve import Kind

# What a name below /api/models/ begins with that is no model, unless one is called so, and the methods that it takes.
COMMANDS = {"load": ("DELETE", "POST"), "unload": ("POST",)}
MEMBERS = 50  # of a group that are named


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


class Models(Struct, frozen=True):
    """`first`: up to 50 of them, in the configuration's order."""

    count: int
    first: tuple[str, ...]


class Group(Struct, frozen=True, kw_only=True):
    """Of the group router, as it is configured."""

    name: str
    swap: bool
    exclusive: bool
    persistent: bool
    members: Models


class Set(Struct, frozen=True):
    """Of the matrix router."""

    name: str
    expression: str


class Routing(Struct, frozen=True, kw_only=True):
    """Who can run beside the model. `group` with the group router, `sets` (those it stands in) with the matrix. `stops`: the
    models that its load stops if they run; `stopped_by`: those whose load stops it; `beside`: all others; null where only
    the planner knows."""

    router: str
    group: Group | None
    sets: list[Set]
    stops: Models | None
    stopped_by: Models | None
    beside: Models | None


class MemorySample(Struct, frozen=True):
    """`at`: seconds since the epoch. `gpu_bytes`: on all GPUs together, null where no source tells."""

    at: float
    memory_bytes: int
    gpu_bytes: int | None


class Memory(Struct, frozen=True, kw_only=True):
    """What a run was seen to hold: the present one, or the last. Looked at while somebody asks for details, so the peaks are
    the least that it can have been. `gpu_peaks`: of each GPU by itself. `samples`: oldest first, at most 120; none in the
    list of all models."""

    run: int
    peak_bytes: int
    gpu_peaks: list[GpuMemory]
    samples: list[MemorySample]


class Details(Struct, frozen=True, kw_only=True):
    """`limit`: how many requests are served at once; `running` + `queued` are admitted. `memory`: null where it was never
    seen to run. `routing`: null in the list of all models. `parameters`: as its server tells, while it is ready; none in
    that list."""

    id: str
    name: str
    description: str
    state: str
    cmd: str
    proxy: str
    aliases: tuple[str, ...]
    ttl: int
    run: Run | None
    memory: Memory | None
    routing: Routing | None
    parameters: list[Parameter]
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
    go is busy). `stops`: the models that would be stopped; `busy`: those of them that have requests to finish first.
    `queued`: how many wait for it by now, so that it is being loaded for them, or will be."""

    model: str
    state: str
    action: str
    stops: list[str]
    busy: list[str]
    queued: int
    estimate_seconds: float | None


def routes(services: Services) -> list[Route]:
    servers = Parameters()

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
        model = local(request)
        routing = _routing(services.config(), model, await asyncio.to_thread(services.neighbours, model))
        return json_answer(await _details(services, model, routing, servers))

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
    return DetailsList([await _details(services, model) for model in wanted])


async def _details(
    services: Services, model: str, routing: Routing | None = None, servers: Parameters | None = None
) -> Details:
    """`routing` and `servers`: None in the list, where there is less of everything."""
    configured = services.config().models[model]
    told: list[Parameter] = []
    asked = services.facts(model)
    if servers is not None and asked.run is not None and asked.state == "ready":
        told = await servers.of(model, asked.run.id, configured.proxy)
    facts = services.facts(model)  # its server may have taken a while to answer
    run = await _run(services, model, facts.run, configured.ttl) if facts.run is not None else None
    if run is None or asked.run is None or run.id != asked.run.id:
        told = []
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
        run=run,
        memory=_seen(services, model, with_samples=routing is not None),
        routing=routing,
        parameters=told,
        running=facts.serving,
        limit=facts.limit,
        queued=facts.queued,
        loads=Loads(loads.count, loads.failed, loads.median, loads.p95),
        last_error=services.history.last_error(model),
        transitions=services.history.page(model=model, limit=3 if routing is None else 20),
    )


def _routing(config: Config, model: str, told: Neighbours | None) -> Routing:
    name = next((name for name, group in config.routing.groups.items() if model in group.members), None)
    group = config.routing.groups[name] if name is not None else None

    def models(some: Some | None) -> Models | None:
        return None if some is None else Models(some.count, tuple(some.first))

    return Routing(
        router=config.routing.router,
        group=None
        if name is None or group is None
        else Group(
            name=name,
            swap=group.swap,
            exclusive=group.exclusive,
            persistent=group.persistent,
            members=Models(len(group.members), group.members[:MEMBERS]),
        ),
        sets=[] if told is None else [Set(each.name, each.expression) for each in told.sets],
        stops=models(told.stops) if told is not None else None,
        stopped_by=models(told.stopped_by) if told is not None else None,
        beside=models(told.beside) if told is not None else None,
    )


def _seen(services: Services, model: str, *, with_samples: bool) -> Memory | None:
    held = services.memory.of(model)
    if held is None:
        return None
    return Memory(
        run=held.run,
        peak_bytes=held.peak,
        gpu_peaks=[GpuMemory(share.id, share.name, share.memory) for _, share in sorted(held.gpu_peaks.items())],
        samples=[MemorySample(each.at, each.resident, each.gpus) for each in held.samples] if with_samples else [],
    )


async def _run(services: Services, model: str, facts: RunFacts, ttl: int) -> Run:
    memory, shares = None, None
    if facts.pid is not None:
        memory, shares = await asyncio.to_thread(_memory, services, facts.pid)
        services.memory.note(model, facts.id, time.time(), memory, shares)
    return Run(
        id=facts.id,
        pid=facts.pid,
        address=f"{facts.address[0]}:{facts.address[1]}" if facts.address is not None else None,
        uptime=round(facts.uptime, 3),
        idle=_rounded(facts.idle),
        ttl_left=_rounded(max(0.0, ttl - facts.idle)) if ttl > 0 and facts.idle is not None else None,
        memory_bytes=memory.resident if memory is not None else None,
        gpu_memory=None if shares is None else [GpuMemory(share.id, share.name, share.memory) for share in shares],
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _memory(services: Services, pid: int) -> tuple[TreeMemory, list[GpuShare] | None]:
    tree = tree_memory(pid)
    return tree, services.sampling.gpu_memory(tree.pids)


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
        queued=facts.queued,
        estimate_seconds=0.0 if action == "serve" else services.history.loads(model).median,
    )
