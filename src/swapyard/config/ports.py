"""The numbers that `${PORT}` stands for: they count up from `startPort`, in the order in which models ask.

After a reload a model keeps its number, so that a new neighbour changes nothing for it; and a number that another model had
is not given anew, since that model's process may still be finishing what it serves (llama-swap #281: a port clash).
"""

from __future__ import annotations

from swapyard.config.schema import Config


class Ports:
    """`previous`: the configuration before the reload. Another `startPort` is a wish for other numbers: then all are new."""

    def __init__(self, start: int, previous: Config | None = None) -> None:
        self._next = start
        self._kept: dict[str, int] = {}
        if previous is not None and previous.start_port == start:
            self._kept = {name: model.port for name, model in previous.models.items() if model.port is not None}
        self._taken = frozenset(self._kept.values())

    def of(self, model: str) -> int:
        """To be asked once per model. May be beyond 65535."""
        if (kept := self._kept.get(model)) is not None:
            return kept
        while self._next in self._taken:
            self._next += 1
        self._next += 1
        return self._next - 1
