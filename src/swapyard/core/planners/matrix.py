"""The matrix planner: a model starts beside whatever the sets allow, and what is cheapest to evict makes room."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from swapyard.core.matrix import MatrixSets


class Settings(Protocol):
    """What the planner needs of the settings; `config.schema.Matrix` has it. Costs are by model id."""

    @property
    def vars(self) -> Mapping[str, str]: ...
    @property
    def evict_costs(self) -> Mapping[str, int]: ...
    @property
    def sets(self) -> Mapping[str, str]: ...


def planner(settings: Settings, models: Collection[str]) -> MatrixPlanner:
    """The factory behind the name `matrix` (`core.strategies.PlannerFactory`). Raises MatrixError."""
    return MatrixPlanner(MatrixSets.parse(settings.sets, settings.vars, models), settings.evict_costs)


@dataclass(frozen=True, slots=True)
class MatrixPlanner:
    """`costs`: model id -> what evicting it costs; 1 if not given."""

    sets: MatrixSets
    costs: Mapping[str, int] = field(default_factory=dict)

    def evict(self, model: str, running: Sequence[str]) -> tuple[str, ...]:
        """Nothing if `model` runs already; everything if it is in no set."""
        return self.sets.best(model, running, self.costs).evicted

    def rule(self, model: str, evicted: str) -> str:
        return "matrix"
