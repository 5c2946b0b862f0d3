"""Loads, told as they go on: the event `load` at the start, every second, and at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec import Struct

from swapyard.core.lifecycle import State
from swapyard.observe.bus import Bus
from swapyard.observe.history import History
from swapyard.runtime.engine import Transition

EVERY = 1.0  # seconds


class LoadNow(Struct, frozen=True, kw_only=True):
    """`state`: `starting`, at the end `ready`, or `stopping` or `stopped` where it came to nothing. `elapsed`: seconds so
    far. `estimate`: what the load will take in all, the median of the model's past ones; None where there was none."""

    model: str
    run: int
    state: str
    elapsed: float
    estimate: float | None


class Progress:
    """Its timer runs while something loads; a message is made only for viewers."""

    def __init__(self, bus: Bus, history: History, loop: asyncio.AbstractEventLoop) -> None:
        self._bus = bus
        self._history = history
        self._loop = loop
        self._loads: dict[int, tuple[str, float, float | None]] = {}  # run -> model, when it began (loop time), estimate
        self._timer: asyncio.TimerHandle | None = None

    def changed(self, change: Transition) -> None:
        """An observer of the engine."""
        if change.state is State.STARTING:
            self._loads[change.run] = (change.model, self._loop.time(), self._history.loads(change.model).median)
            self._publish(change.run, State.STARTING)
            if self._timer is None:
                self._timer = self._loop.call_later(EVERY, self._tick)
        elif change.run in self._loads:
            self._publish(change.run, change.state)
            del self._loads[change.run]
            if not self._loads:
                self.close()

    def now(self) -> Sequence[LoadNow]:
        """Every load that is under way."""
        return [self._progress(run, State.STARTING) for run in self._loads]

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = self._loop.call_later(EVERY, self._tick)
        for run in self._loads:
            self._publish(run, State.STARTING)

    def _publish(self, run: int, state: State) -> None:
        if self._bus.watched:
            self._bus.publish("load", self._progress(run, state))

    def _progress(self, run: int, state: State) -> LoadNow:
        model, began, estimate = self._loads[run]
        elapsed = round(self._loop.time() - began, 3)
        return LoadNow(model=model, run=run, state=state.value, elapsed=elapsed, estimate=estimate)
