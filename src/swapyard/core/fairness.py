"""Fairness: no ticket waits for ever because others keep what it needs busy (llama-swap #612, #790).

A model whose head has waited `max_wait` is *overdue*. While something is in its way (busy runs, loads of others) it is a
`Gate`: the models in its way are gated, which means that they serve who came before their turn began (`Slot.mark`) and let
nobody else in; and no load may begin that would stand in its way again, unless for somebody who is older still. So turns
alternate: each lasts as long as those who waited at its beginning need.

An overdue model that waits for nothing but its own capacity gates nobody, so the oldest gate can always be served in the
end: what it waits for are leases, of which there come no new ones, and loads, which end.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from swapyard.core.queue import Queue
from swapyard.core.records import Slot
from swapyard.core.room import Room


@dataclass(slots=True, frozen=True)
class Gate:
    """`seq`: how old it is. `evict`: who must go before it may serve."""

    slot: Slot
    seq: int
    evict: tuple[Slot, ...]


class Fairness:
    """`due`: the time at which the next model becomes overdue, in seconds; infinite if none will."""

    def __init__(self, room: Room, queue: Queue, max_wait: float) -> None:
        self._room = room
        self._queue = queue
        self.max_wait = max_wait
        self.due = inf
        self._gates: list[Gate] = []
        self._gated: tuple[Slot, ...] = ()

    @property
    def active(self) -> bool:
        return bool(self._gates)

    def changed(self, max_wait: float) -> None:
        """There is a new bound, and who must go for whom may have changed: the next look is to be a full one."""
        self.max_wait = max_wait
        self.due = -inf

    def waits(self, since: float) -> float:
        """Somebody waits since then: when it becomes overdue (infinite if never)."""
        at = since + self.max_wait if self.max_wait > 0 else inf
        self.due = min(self.due, at)
        return at

    def is_gate(self, slot: Slot) -> bool:
        return any(gate.slot is slot for gate in self._gates)

    def look(self, now: float) -> list[Slot]:
        """Finds out anew who is overdue and whom that gates. Returns the overdue models, oldest first (of those that are
        interchangeable, the oldest only)."""
        if not self._gates and now < self.due:
            return []
        overdue = self._queue.overdue(now, self.max_wait, self._room.singular()) if self.max_wait > 0 else []
        self._gates = [
            Gate(slot, slot.first_waiter().seq, self._room.evict(slot)) for slot in overdue if not self._room.servable(slot)
        ]
        self._gate(tuple(dict.fromkeys(slot for gate in self._gates for slot in gate.evict)))
        self.due = self._queue.next_overdue(now, self.max_wait) if self.max_wait > 0 else inf
        return overdue

    def holds_back(self, slot: Slot, evict: tuple[Slot, ...]) -> bool:
        """Whether a load of `slot` with these victims would stand in the way of an older, overdue ticket."""
        if not self._gates:
            return False
        seq = slot.first_waiter().seq
        return any(gate.seq < seq and self._conflict(gate, slot, evict) for gate in self._gates)

    def _conflict(self, gate: Gate, slot: Slot, evict: tuple[Slot, ...]) -> bool:
        return gate.slot in evict or any(victim in gate.evict for victim in evict) or self._room.would_evict(gate.slot, slot)

    def _gate(self, gated: tuple[Slot, ...]) -> None:
        for slot in self._gated:
            slot.gated = False
        for slot in gated:
            slot.gated = True
            self._room.open.pop(slot.model, None)
        self._gated = gated
