"""What the control plane is told of a model: the scheduler's and the engine's knowledge, put together."""

from __future__ import annotations

from swapyard.api.services import Facts, RunFacts
from swapyard.config.schema import Config
from swapyard.core.lifecycle import State
from swapyard.core.messages import ModelPolicy
from swapyard.runtime.engine import Engine


def facts_of(engine: Engine, config: Config, model: str) -> Facts:
    scheduler = engine.scheduler
    stops = tuple(other for other in scheduler.plan(model) if scheduler.state(other) is not State.STOPPED)
    configured = config.models.get(model)
    return Facts(
        state=scheduler.state(model).value,
        serving=scheduler.serving(model),
        limit=(configured.concurrency_limit if configured else 0) or ModelPolicy().parallel,
        queued=scheduler.waiting(model),
        stops=stops,
        busy=tuple(other for other in stops if scheduler.serving(other)),
        run=_run_facts(engine, model),
    )


def _run_facts(engine: Engine, model: str) -> RunFacts | None:
    run_id = engine.scheduler.run_of(model)
    run = engine.runs.get(run_id) if run_id is not None else None
    if run is None:
        return None
    now = engine.loop.time()
    idle_since = engine.scheduler.idle_since(model)
    return RunFacts(
        id=run.id,
        pid=run.process.pid,
        address=run.process.address,
        uptime=now - run.started,
        idle=None if idle_since is None else now - idle_since,
    )
