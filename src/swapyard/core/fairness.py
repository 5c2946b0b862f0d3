"""Fairness: no ticket waits for ever because others keep what it needs busy (llama-swap #612, #790).

A model whose head has waited `max_wait` is *overdue*, and no load may begin that would stand in its way, unless for
somebody who is older still. While something is in its way already (busy runs, loads of others), the models that must go
before it may serve are *gated*: they serve whoever came before their turn began (`Slot.mark`) and let nobody else in. So
turns alternate, and each lasts as long as those need who waited at its beginning.

Why somebody is always served in the end: an overdue model that waits only for its own capacity holds loads back while its
turn lasts, and no longer if it is gated then; the oldest of the others waits for leases, of which there come no new ones,
and for loads, which end.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from swapyard.core.queue import Queue
from swapyard.core.records import Slot
from swapyard.core.room import Room


@dataclass(slots=True, frozen=True)
class Gate:
    """An overdue model. `seq`: how old it is. `evict`: who must go before it may serve."""

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
        self._overdue: list[Slot] = []
        self._gates: list[Gate] = []
        self._gated: tuple[Slot, ...] = ()

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
        if not self._overdue and now < self.due:
            return []
        on = self.max_wait > 0
        self._overdue = self._queue.overdue(now, self.max_wait, self._room.singular()) if on else []
        self.due = self._queue.next_overdue(now, self.max_wait) if on else inf
        self._gate(tuple(dict.fromkeys(slot for overdue in self._overdue for slot in self._room.evict(overdue))))
        self._gates = [
            Gate(slot, slot.first_waiter().seq, self._room.evict(slot))
            for slot in self._overdue
            if not (slot.gated and slot.first_waiter().seq > slot.mark and self._room.servable(slot))
        ]
        return self._overdue

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
