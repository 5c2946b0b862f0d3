"""Selectors: names that stand for one of several models, chosen for each request.

    pin        the first target, always
    warm       the first target that is ready, else the first that is starting, else the first
    spillover  targets fill up one after another; when all are in use, the least busy one is next

Whom a choice falls on follows from the order of the targets and from what happened before, never from chance. Choosing and
reserving is one step: all of this runs on the event loop, and nothing can come between.

Beyond llama-swap: how busy a model is includes the requests that did not come through this selector, and a target that
would refuse the request (its `concurrencyLimit` is reached), or could not be started or reached a moment ago, is passed
over while another can do. Where none can, the choice falls as if nothing were wrong, and the client is told what is.
"""

from __future__ import annotations

from collections.abc import Sequence

from swapyard.config.schema import Config, Selector
from swapyard.core.lifecycle import State
from swapyard.errors import RequestError, Unavailable, UpstreamFailed, UpstreamTimeout
from swapyard.proxy.resolve import Kind, Names, Resolved
from swapyard.runtime.engine import Engine

PASSED_OVER = 10.0  # seconds after a failure, in which another target is preferred


class Target:
    """One target of one selector, `name` as it is written there. `reserved`: choices of it that are not over.
    `failed_until`: loop time until which its last failure counts."""

    __slots__ = ("failed_until", "name", "reserved", "to")

    def __init__(self, name: str, to: Resolved) -> None:
        self.name = name
        self.to = to
        self.reserved = 0
        self.failed_until = 0.0


class Choice:
    """What stands in a request for the name that it came with. `selector` is empty where only a pin chose. A target is
    reserved from the moment that its choice is made."""

    __slots__ = ("_is_reserved", "_target", "name", "selector")

    def __init__(self, name: str, selector: str = "", target: Target | None = None) -> None:
        self.name = name
        self.selector = selector
        self._target = target
        self._is_reserved = True
        if target is not None:
            target.reserved += 1

    def release(self) -> None:
        """The request is over, or does not count. The second time has no effect."""
        if self._target is not None and self._is_reserved:
            self._is_reserved = False
            self._target.reserved -= 1

    def failed(self, error: RequestError, now: float) -> None:
        """The request has failed before anything was answered. `now`: loop time. Releases nothing."""
        if self._target is not None and isinstance(error, UpstreamFailed | UpstreamTimeout):
            self._target.failed_until = now + PASSED_OVER


class Chooser:
    """One selector at work."""

    def __init__(self, selector_id: str, selector: Selector, names: Names, engine: Engine) -> None:
        self._id = selector_id
        self._selector = selector
        self._targets = [Target(name, names.require(name)) for name in selector.targets]
        self._engine = engine
        self._turns = 0  # how often the least busy target was asked for

    def choose(self) -> Choice:
        """Chooses and reserves. Raises Unavailable where no target can take a request."""
        match self._selector.strategy:
            case "pin":
                target = self._targets[0]
            case "warm":
                target = self._warmest()
            case "spillover":
                target = self._with_room()
        return Choice(target.name, self._id, target)

    def _warmest(self) -> Target:
        states = [(target, self._state(target)) for target in self._targets]
        running = [target for wanted in (State.READY, State.STARTING) for target, state in states if state is wanted]
        if running:
            # One that is full is left only for another that runs: this strategy is there to spare loads.
            return next((target for target in running if not self._is_full(target)), running[0])
        return next((target for target in self._targets if not self._is_failing(target)), self._targets[0])

    def _with_room(self) -> Target:
        able = [target for target in self._targets if not self._is_full(target) and not self._is_failing(target)]
        target = self._spilled(able) or self._spilled(self._targets)
        if target is None:
            names = ", ".join(f'"{target.name}"' for target in self._targets)
            raise Unavailable(f'no target of selector "{self._id}" can be used now; stopping: {names}', retry_after=1)
        return target

    def _spilled(self, targets: Sequence[Target]) -> Target | None:
        """None where every target is stopping."""
        in_use: list[tuple[int, Target]] = []
        first_idle: Target | None = None
        for target in targets:
            state = self._state(target)
            if state is State.STOPPING:
                continue
            busy = self._busy(target)
            if busy or state is not State.STOPPED:
                in_use.append((busy, target))
            elif first_idle is None:
                first_idle = target
        least = min((busy for busy, _ in in_use), default=None)
        if least is None or (least >= self._selector.spillover and first_idle is not None):
            return first_idle
        tied = [target for busy, target in in_use if busy == least]
        turn, self._turns = self._turns, self._turns + 1
        return tied[turn % len(tied)]

    def _state(self, target: Target) -> State:
        """Of a peer nothing is known: it counts as stopped until it is in use."""
        return self._engine.state(target.to.model) if target.to.kind is Kind.LOCAL else State.STOPPED

    def _busy(self, target: Target) -> int:
        """Requests that wait or are served, whichever way they came; of a peer those that came this way."""
        if target.to.kind is Kind.PEER:
            return target.reserved
        return max(target.reserved, self._engine.scheduler.reserved(target.to.model))

    def _is_full(self, target: Target) -> bool:
        return target.to.kind is Kind.LOCAL and self._engine.scheduler.is_full(target.to.model)

    def _is_failing(self, target: Target) -> bool:
        """Whether it failed a moment ago and does not run again."""
        return self._engine.loop.time() < target.failed_until and self._state(target) is State.STOPPED


def choosers(config: Config, names: Names, engine: Engine) -> dict[str, Chooser]:
    """By selector id."""
    return {id_: Chooser(id_, selector, names, engine) for id_, selector in config.selectors.items()}
