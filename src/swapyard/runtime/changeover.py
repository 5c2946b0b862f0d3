"""How one scheduler follows another without a restart: the old one ends what it has, the new one gets everything that comes.

What a scheduler knows is its own, so nothing is handed over but tickets. While the old one still serves or loads for
somebody, new tickets are held; when it has no ticket left, its idle runs are stopped; when these are gone, the new scheduler
is made, gets the held tickets in the order of their arrival, and takes the engine's place. So no two runs ever depend on
schedulers that do not know of each other.

To the engine this is a scheduler like any other (`core.strategies.Scheduler`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from swapyard.core.lifecycle import State
from swapyard.core.messages import (
    Arrived,
    Command,
    Event,
    Left,
    Moved,
    Policy,
    PolicyChanged,
    RefusalReason,
    Refuse,
    RunId,
    ShutdownAsked,
    Ticket,
    UnloadAsked,
)
from swapyard.core.strategies import Scheduler


class Changeover:
    """`make`: the scheduler that follows, made when it is its turn; may be replaced until then. `over`: is given it then."""

    def __init__(
        self, old: Scheduler, policy: Policy, make: Callable[[Policy], Scheduler], over: Callable[[Scheduler], None]
    ) -> None:
        self.make = make
        self._old = old
        self._policy = policy
        self._over = over
        self._held: dict[Ticket, str] = {}
        self._closing = False
        self._emptied = False

    def handle(self, event: Event, now: float) -> list[Command]:
        match event:
            case Arrived(ticket=ticket, model=model):
                return self._hold(ticket, model)
            case Left(ticket=ticket) if ticket in self._held:
                del self._held[ticket]
                return []
            case UnloadAsked(models=models):
                out = self._refuse(RefusalReason.UNLOADED, lambda model: models is None or model in models)
            case ShutdownAsked():
                self._closing = True
                out = self._refuse(RefusalReason.SHUTTING_DOWN, lambda model: True)
            case PolicyChanged(policy=policy):
                self._policy = policy
                out = self._refuse(RefusalReason.UNKNOWN_MODEL, lambda model: model not in policy.models)
            case _:
                out = []
        out += self._old.handle(event, now)
        if not self._closing:
            out += self._go_on(now)
        return out

    def _go_on(self, now: float) -> list[Command]:
        """The next step, if it is time for it."""
        old = self._old
        out: list[Command] = []
        if not self._emptied and not any(old.reserved(model) for model in {*self._policy.models, *old.running()}):
            self._emptied = True
            out += old.handle(UnloadAsked(), now)
        if self._emptied and not old.running():
            new = self.make(self._policy)
            self._over(new)
            for ticket, model in self._held.items():
                out += new.handle(Arrived(ticket, model), now)
        return out

    def _hold(self, ticket: Ticket, model: str) -> list[Command]:
        reason = None
        if self._closing:
            reason = RefusalReason.SHUTTING_DOWN
        elif model not in self._policy.models:
            reason = RefusalReason.UNKNOWN_MODEL
        elif self._waiting_here(model) >= self._policy.max_queue:
            reason = RefusalReason.QUEUE_FULL
        if reason is not None:
            return [Refuse(ticket, reason)]
        self._held[ticket] = model
        return [Moved(ticket, len(self.positions()))]

    def _refuse(self, reason: RefusalReason, concerns: Callable[[str], bool]) -> list[Command]:
        refused = [ticket for ticket, model in self._held.items() if concerns(model)]
        for ticket in refused:
            del self._held[ticket]
        return [Refuse(ticket, reason) for ticket in refused]

    def _waiting_here(self, model: str) -> int:
        return sum(held == model for held in self._held.values())

    # --- questions: the old scheduler's answers, and what is held ----------------------------------------------------------

    def state(self, model: str) -> State:
        return self._old.state(model)

    def run_of(self, model: str) -> RunId | None:
        return self._old.run_of(model)

    def running(self) -> tuple[str, ...]:
        return self._old.running()

    def reserved(self, model: str) -> int:
        return self._old.reserved(model) + self._waiting_here(model)

    def is_full(self, model: str) -> bool:
        return self._waiting_here(model) >= self._policy.max_queue

    def serving(self, model: str) -> int:
        return self._old.serving(model)

    def waiting(self, model: str) -> int:
        return self._old.waiting(model) + self._waiting_here(model)

    def positions(self) -> Mapping[Ticket, int]:
        before = self._old.positions()
        return {**before, **{ticket: at for at, ticket in enumerate(self._held, len(before) + 1)}}

    def plan(self, model: str) -> tuple[str, ...]:
        return self._old.plan(model)

    def idle_since(self, model: str) -> float | None:
        return self._old.idle_since(model)
