"""The matrix planner: a model starts beside whatever the sets allow, and what is cheapest to evict makes room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from swapyard.core.matrix import MatrixSets


@dataclass(frozen=True, slots=True)
class MatrixPlanner:
    """`costs`: model id -> what evicting it costs; 1 if not given."""

    sets: MatrixSets
    costs: Mapping[str, int] = field(default_factory=dict)

    def evict(self, model: str, running: Sequence[str]) -> tuple[str, ...]:
        """Nothing if `model` runs already; everything if it is in no set."""
        return self.sets.best(model, running, self.costs).evicted
