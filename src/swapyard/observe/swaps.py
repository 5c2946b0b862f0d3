"""How long swaps take: from the first stop that makes room for a model until that model is ready.

Told of the changes of models' states as they come. A swap that nobody wants any more ends without a figure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

AT_ONCE: Final = 1.0  # seconds: a start that follows the last stop later than this has nothing to do with it


@dataclass(slots=True)
class _Swap:
    since: float
    leaving: set[str] = field(default_factory=set)  # models that are being stopped for it
    left: float = 0.0  # when the last of them was gone
    has_begun: bool = False


class Swaps:
    """All times are one clock's, in seconds."""

    def __init__(self) -> None:
        self._under_way: dict[str, _Swap] = {}  # by the model that is to be loaded

    def stopping(self, model: str, for_model: str, at: float) -> None:
        """`model` makes room for another."""
        swap = self._under_way.get(for_model)
        if swap is None or not swap.leaving:
            swap = self._under_way[for_model] = _Swap(at)
        swap.leaving.add(model)

    def stopped(self, model: str, at: float) -> None:
        own = self._under_way.get(model)
        if own is not None:
            if own.has_begun:
                del self._under_way[model]  # its start has failed, or was given up
            else:
                own.left = at  # it had to end before it could start again
        for swap in self._under_way.values():
            if model in swap.leaving:
                swap.leaving.remove(model)
                swap.left = at

    def starting(self, model: str, at: float) -> None:
        swap = self._under_way.get(model)
        if swap is not None:
            if swap.leaving or at - swap.left > AT_ONCE:
                del self._under_way[model]
            else:
                swap.has_begun = True

    def ready(self, model: str, at: float) -> float | None:
        """Seconds that its swap took; None: nobody had to go for it."""
        swap = self._under_way.pop(model, None)
        return None if swap is None else at - swap.since
