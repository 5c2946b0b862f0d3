"""The queue: who waits without a load that is going to serve them, and in which order their models are looked at.

Two orders exist. *Rank* (priority, then arrival) is the order in which clients see themselves and in which models are
normally tried; *age* (arrival alone) is the order of those who have waited too long. Tickets of one model share their
priority, so for deciding it is enough to look at each model's first waiter, its *head*.

Models of one `Kin` are interchangeable for the planner. When the first plain model of a kin (no run, in nobody's way) is
blocked, so are the others, and nobody has to look at them: that is what keeps an event cheap with thousands of models
waiting in one swap group. Everything here is a sorted list and a bisection; nothing depends on hash order.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping
from math import inf

from swapyard.core.messages import Ticket
from swapyard.core.records import Slot, Waiter


class Kin:
    """Queued models that are interchangeable: by rank as (-priority, seq, slot), by age as (seq, since, slot)."""

    __slots__ = ("by_age", "by_rank")

    def __init__(self) -> None:
        self.by_rank: list[tuple[int, int, Slot]] = []
        self.by_age: list[tuple[int, float, Slot]] = []

    def insert(self, slot: Slot) -> None:
        head = slot.first_waiter()
        insort(self.by_rank, (-slot.policy.priority, head.seq, slot))
        insort(self.by_age, (head.seq, head.since, slot))

    def remove(self, slot: Slot, head: Waiter) -> None:
        del self.by_rank[bisect_left(self.by_rank, (-slot.policy.priority, head.seq))]
        del self.by_age[bisect_left(self.by_age, (head.seq,))]

    def best(self) -> Slot | None:
        return next((slot for _, _, slot in self.by_rank if slot.is_plain), None)

    def oldest(self) -> Slot | None:
        return next((slot for _, _, slot in self.by_age if slot.is_plain), None)


class Queue:
    """Keeps `Slot.waiting` and `Slot.queued`. `len` is the number of queued tickets."""

    def __init__(self) -> None:
        self._line: list[tuple[int, int, Ticket]] = []  # (-priority, seq, ticket): a position is an index
        self._kins: dict[Kin, None] = {}  # those with at least one queued model
        self._positions: dict[Ticket, int] | None = None

    def __len__(self) -> int:
        return len(self._line)

    def add(self, waiter: Waiter) -> None:
        """The ticket waits: in the queue, or for the load that its model has already."""
        slot = waiter.slot
        slot.waiting[waiter.ticket] = waiter
        if slot.queued:
            self._put_in_line(waiter)
        elif slot.load is None:
            self.enter(slot)

    def remove(self, waiter: Waiter) -> None:
        """The ticket waits no longer. Its model leaves the queue with its last waiter."""
        slot = waiter.slot
        if not slot.queued:
            del slot.waiting[waiter.ticket]
            return
        was_head = slot.first_waiter() is waiter
        del slot.waiting[waiter.ticket]
        self._take_from_line(waiter)
        if was_head:
            slot.kin.remove(slot, waiter)
            if slot.waiting:
                slot.kin.insert(slot)
            else:
                self._left(slot)

    def enter(self, slot: Slot) -> None:
        """No load serves this model's waiters any more: they queue."""
        slot.queued = True
        for waiter in slot.waiting.values():
            self._put_in_line(waiter)
        slot.kin.insert(slot)
        self._kins[slot.kin] = None

    def leave(self, slot: Slot) -> None:
        """A load is going to serve this model's waiters: they queue no longer."""
        slot.kin.remove(slot, slot.first_waiter())
        for waiter in slot.waiting.values():
            self._take_from_line(waiter)
        self._left(slot)

    def position(self, waiter: Waiter) -> int:
        """From 1. The ticket must be queued."""
        return bisect_left(self._line, (-waiter.slot.policy.priority, waiter.seq)) + 1

    def positions(self) -> Mapping[Ticket, int]:
        """Every queued ticket's position. Computed when asked for and kept until the queue changes."""
        if self._positions is None:
            self._positions = {ticket: at for at, (_, _, ticket) in enumerate(self._line, 1)}
        return self._positions

    def by_rank(self, singular: Iterable[Slot]) -> Iterator[Slot]:
        """Models worth a look, best rank first: every one of `singular` (queued, but not plain), and of each kin its best
        plain model, then its next if the former got a load while it was the consumer's."""
        # The third field keeps comparisons from reaching the fourth, should a model lose its last singularity on the way.
        heap: list[tuple[int, int, bool, Slot, Kin | None]]
        heap = [(*rank(slot), False, slot, None) for slot in singular]
        heap += [(*rank(slot), True, slot, kin) for kin in self._kins if (slot := kin.best()) is not None]
        heapq.heapify(heap)
        while heap:
            _, _, _, slot, kin = heapq.heappop(heap)
            if slot.queued:
                yield slot
            if kin is not None and not slot.queued and (following := kin.best()) is not None:
                heapq.heappush(heap, (*rank(following), True, following, kin))

    def overdue(self, now: float, max_wait: float, singular: Iterable[Slot]) -> list[Slot]:
        """Models whose head has waited that long, oldest first: of `singular` each, of a kin's plain ones the oldest."""
        found = list(singular)
        found += [slot for kin in self._kins if (slot := kin.oldest()) is not None]
        found = [slot for slot in found if slot.first_waiter().since + max_wait <= now]
        return sorted(found, key=lambda slot: slot.first_waiter().seq)

    def next_overdue(self, now: float, max_wait: float) -> float:
        """When the first head that has not yet waited that long will have; infinite if there is none."""
        found = inf
        for kin in self._kins:
            at = bisect_right(kin.by_age, now, key=lambda entry: entry[1] + max_wait)
            if at < len(kin.by_age):
                found = min(found, kin.by_age[at][1] + max_wait)
        return found

    def _put_in_line(self, waiter: Waiter) -> None:
        insort(self._line, (-waiter.slot.policy.priority, waiter.seq, waiter.ticket))
        self._positions = None

    def _take_from_line(self, waiter: Waiter) -> None:
        del self._line[bisect_left(self._line, (-waiter.slot.policy.priority, waiter.seq))]
        self._positions = None

    def _left(self, slot: Slot) -> None:
        slot.queued = False
        if not slot.kin.by_rank:
            del self._kins[slot.kin]


def rank(slot: Slot) -> tuple[int, int]:
    return -slot.policy.priority, slot.first_waiter().seq
