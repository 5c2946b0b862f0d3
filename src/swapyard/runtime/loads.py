"""A load that somebody wants for its own sake: a preload, or one that an operator asked for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from swapyard.core.lifecycle import State
from swapyard.errors import RequestError
from swapyard.http.upstream import Upstream

if TYPE_CHECKING:
    from swapyard.runtime.engine import Engine


class Load:
    """Waits for a model to be ready and lets go of it at once, so that an idle model's `ttl` begins anew.

    `done` has a result once it is ready, a `RequestError` when it cannot be, and is cancelled by `give_up`. A model that is
    ready and busy needs no place in its queue: it is done at once. `cause`: who wants it, in words.
    """

    def __init__(self, engine: Engine, model: str, cause: str) -> None:
        self._engine = engine
        self.model = model
        self.cause = cause
        self.done: asyncio.Future[None] = engine.loop.create_future()
        self.done.add_done_callback(_look_at)
        self._ticket = 0
        self._waits = False
        if engine.state(model) is State.READY and engine.scheduler.idle_since(model) is None:
            self.done.set_result(None)
            return
        self._waits = True
        self._ticket = engine.new_ticket()
        engine.arrive(self._ticket, model, self)

    @property
    def place(self) -> int | None:
        """In the queue, from 1; None if the load is under way, or over."""
        return self._engine.position(self._ticket) if self._waits else None

    def give_up(self) -> None:
        """Waits no longer; without effect once it is over. A load that nobody waits for gives way to others."""
        if self._waits:
            self._waits = False
            self._engine.leave(self._ticket)
        self.done.cancel()

    # --- runtime.engine.Waiter ---

    def granted(self, upstream: Upstream) -> None:
        self._waits = False
        # Not within `granted`: the engine must have noted the lease before it can end.
        self._engine.loop.call_soon(self._engine.leave, self._ticket)
        if not self.done.done():
            self.done.set_result(None)

    def refused(self, error: RequestError) -> None:
        self._waits = False
        if not self.done.done():
            self.done.set_exception(error)

    def moved(self, position: int) -> None: ...


def _look_at(done: asyncio.Future[None]) -> None:
    """Nobody may be waiting for the outcome, and asyncio complains of exceptions that nobody has seen."""
    if not done.cancelled():
        done.exception()
