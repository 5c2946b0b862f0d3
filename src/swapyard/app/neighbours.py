"""Which models can run beside which, as far as the configuration says.

Each pair by itself, by the planner that decides of it: what the two would do to each other if nobody else ran. With a
planner of a package nothing is told, as it may go by what happens. Made once per configuration and model; blocks for a
moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from swapyard.api.services import MatrixSet, Neighbours, Some
from swapyard.config.schema import Config
from swapyard.core.messages import Planner
from swapyard.core.planners.matrix import MatrixPlanner
from swapyard.runtime.strategies import PLANNER, planner_of

NAMED = 50  # models of each list; the others are counted
COMPARED = 1000  # models; a matrix takes about 20 us for each


class Neighbourhood:
    def __init__(self) -> None:
        self._config: Config | None = None
        self._known: dict[str, Neighbours | None] = {}

    def of(self, config: Config, model: str) -> Neighbours | None:
        """None where it cannot be told. For any thread."""
        if self._config is not config:
            self._config, self._known = config, {}
        known = self._known
        if model not in known:
            known[model] = neighbours(config, model)
        return known[model]


def neighbours(config: Config, model: str) -> Neighbours | None:
    if config.routing.router not in PLANNER.built_in:
        return None
    planner = planner_of(config)
    sets = planner.sets.holding(model) if isinstance(planner, MatrixPlanner) else []
    others = [other for other in config.models if other != model]
    if isinstance(planner, MatrixPlanner) and len(others) > COMPARED:
        return Neighbours(sets=[MatrixSet(*each) for each in sets], stops=None, stopped_by=None, beside=None)
    stops = set(pairwise(planner, model, others))
    stopped_by = {other for other in others if planner.evict(other, (model,))}
    return Neighbours(
        sets=[MatrixSet(*each) for each in sets],
        stops=some(other for other in others if other in stops),
        stopped_by=some(other for other in others if other in stopped_by),
        beside=some(other for other in others if other not in stops and other not in stopped_by),
    )


def pairwise(planner: Planner, model: str, others: Sequence[str]) -> Iterator[str]:
    """Those that would be stopped by a load of the model if they alone ran."""
    return (other for other in others if planner.evict(model, (other,)))


def some(models: Iterable[str]) -> Some:
    everyone = list(models)
    return Some(len(everyone), tuple(everyone[:NAMED]))
