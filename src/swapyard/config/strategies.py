"""Which planners and schedulers exist, as far as the loader has to know: it asks, `runtime.strategies` looks.

Whoever loads a configuration that is going to be served hands in what is installed; without, only the built-in ones exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from swapyard.config.problems import Path
from swapyard.config.schema import Config

PLANNERS = frozenset({"group", "matrix"})  # built in; their settings are read and checked by this package
SCHEDULERS = frozenset({"fifo"})


class Strategies(Protocol):
    def missing(self, kind: str, name: str) -> str | None:
        """What is wrong with the name of a `kind` ("planner" or "scheduler"), as a message; None if it is installed."""

    def findings(self, config: Config) -> Iterable[tuple[Path, str]]:
        """What is wrong with the strategies that a configuration, otherwise good, chooses: key path and message."""
        ...


class BuiltIn:
    """Nothing is installed."""

    def missing(self, kind: str, name: str) -> str | None:
        names = PLANNERS if kind == "planner" else SCHEDULERS
        return None if name in names else f'must be one of {", ".join(sorted(names))}, got "{name}"'

    def findings(self, config: Config) -> Iterable[tuple[Path, str]]:
        return ()
