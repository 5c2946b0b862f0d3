"""What the scheduler remembers: a `Slot` per model, a `Run` per launch, a `Load` per swap under way, a `Waiter` per ticket
that is not served yet.

Plain records without decisions: `queue`, `room`, `fairness` and `scheduler` read and change them, nobody else. Records are
compared by identity and keep references to one another, which spares the hot path every look-up by name.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from swapyard.core.lifecycle import State
from swapyard.core.messages import ModelPolicy, RunId, Ticket

if TYPE_CHECKING:
    from swapyard.core.queue import Kin


@dataclass(slots=True, eq=False)
class Waiter:
    """A ticket that waits. `seq` numbers waiters by arrival; `since` is the time of arrival in seconds."""

    ticket: Ticket
    slot: Slot
    seq: int
    since: float


@dataclass(slots=True, eq=False)
class Run:
    """One launch of a model. `leases` counts the tickets it serves.

    `outdated`: its definition was replaced; it grants nothing more. `awaited_by`: loads that need it gone (some of them
    perhaps given up meanwhile).
    """

    id: RunId
    slot: Slot
    state: State
    leases: int = 0
    outdated: bool = False
    awaited_by: list[Load] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Load:
    """A swap: `victims` have been told to stop, and once every run in `pending` is gone, `slot` is started.

    `pending` holds the victims' runs and the target's own previous run, where that is still stopping. When it is empty,
    the target is starting. A target may be ready already and only wait for the victims to go.
    """

    slot: Slot
    victims: tuple[Slot, ...]
    pending: set[RunId] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class Slot:
    """Everything about one model.

    `capacity`: how many tickets it serves at a time. `served`: granted tickets that have not left, those of dead runs
    included. `claimed_by`: the load that has this model among its victims; there is one at most, because loads whose
    victims overlap collide. `queued`: its waiters stand in the queue, because no load is going to serve them. `mark`: the
    last `seq` given out when it last became ready; its turn covers waiters up to there even while it is `gated`.
    """

    model: str
    policy: ModelPolicy
    kin: Kin
    capacity: int = 0
    known: bool = True
    run: Run | None = None
    load: Load | None = None
    claimed_by: Load | None = None
    waiting: OrderedDict[Ticket, Waiter] = field(default_factory=OrderedDict)
    queued: bool = False
    served: int = 0
    mark: int = 0
    gated: bool = False
    idle_since: float = 0.0

    @property
    def state(self) -> State:
        return self.run.state if self.run is not None else State.STOPPED

    @property
    def is_plain(self) -> bool:
        """It has no run and nobody needs it gone: then it is just like any other plain model of its kin."""
        return self.run is None and self.claimed_by is None

    @property
    def is_idle(self) -> bool:
        """It is ready and nobody uses it, waits for it or is about to."""
        run = self.run
        return run is not None and run.state is State.READY and not (run.leases or self.waiting or self.load)

    def first_waiter(self) -> Waiter:
        return next(iter(self.waiting.values()))
