"""What a strategy of one's own has to be: the contract between Swapyard and planners or schedulers of other packages.

A package offers a factory under the entry point group `swapyard.planners` or `swapyard.schedulers`, and the configuration
chooses it by its name (`routing.router.use`, `routing.scheduler.use`). `group`, `matrix` and `fifo` are made the same way.

    def planner(settings, models):      # PlannerFactory: settings is what the file says, None where it says nothing
        return MyPlanner(...)           # messages.Planner

    def scheduler(policy):              # SchedulerFactory; its settings are policy.settings
        return MyScheduler(policy)      # Scheduler, below

A factory tells wrong settings by raising `SettingsError` (or `msgspec.ValidationError`, which names the key as well).
Finding and loading strategies is `runtime.strategies`; nothing here looks for anything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from swapyard.core.lifecycle import State
from swapyard.core.messages import Command, Event, Planner, Policy, RunId, Ticket


class SettingsError(ValueError):
    """A strategy's settings are wrong: `SettingsError("must be 1 or more, got 0", "models")`.

    `path`: the key below the strategy's settings, list positions as numbers; empty for the settings as a whole. Several at
    once go into an ExceptionGroup.
    """

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


class PlannerFactory(Protocol):
    def __call__(self, settings: Any, models: Collection[str]) -> Planner:
        """`models`: the ids of all models, sorted."""
        ...


class Scheduler(Protocol):
    """What the engine needs of a scheduler; `core.scheduler.Scheduler` is the one called fifo, and says what each means.

    `handle` gets a `PolicyChanged` on every reload that does not change the scheduler itself.
    """

    def handle(self, event: Event, now: float) -> list[Command]: ...
    def state(self, model: str) -> State: ...
    def run_of(self, model: str) -> RunId | None: ...
    def running(self) -> tuple[str, ...]: ...
    def reserved(self, model: str) -> int: ...
    def is_full(self, model: str) -> bool: ...
    def serving(self, model: str) -> int: ...
    def waiting(self, model: str) -> int: ...
    def positions(self) -> Mapping[Ticket, int]: ...
    def plan(self, model: str) -> tuple[str, ...]: ...
    def idle_since(self, model: str) -> float | None: ...


class SchedulerFactory(Protocol):
    def __call__(self, policy: Policy) -> Scheduler: ...
