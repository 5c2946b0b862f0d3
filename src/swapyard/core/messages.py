"""The words that the core and the engine exchange: events go in, commands come out.

Everything here is frozen data. Times are seconds on whatever monotonic clock the caller uses; ids are integers that are
never used twice in the life of a process. Every event about a run carries that run's id, so that a late event of an old
run can hurt nobody (a llama-swap weakness: results matched by model name only).

The three that are made for every request are msgspec structs, which cost a fifth of a frozen dataclass.

`Policy` is all that the core knows of the configuration; `app` makes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct

Ticket = int
RunId = int


class Planner(Protocol):
    """Says which runs must stop so that a model can start. Pure and deterministic.

    A planner may also have `kin(model) -> str | None`. Models of one kin are interchangeable: exchanging two of their names
    in a question exchanges them in the answer, and nothing else. The scheduler then looks at the first of a kin that waits
    instead of at all of them; None, or no such method, means that it cannot.

    A planner may also have `rule(model, evicted) -> str`: by which of its rules `evicted` must go for `model`, in two or
    three words for people ("group exclusive"). It is asked once for everyone that is told to stop.

    A planner may also have `by_last_use = True`: then `running` comes in the order of last use, and the planner is asked
    anew whenever it matters. Its answer for a model that runs itself must not depend on that order.
    """

    def evict(self, model: str, running: Sequence[str]) -> Sequence[str]:
        """Which of `running` (ids, without `model` unless it runs itself) must go before `model` may serve.

        The order of `running` is that in which they came to be there (a load's target is there from the load's beginning);
        with `by_last_use`, first what is stopping, then what is idle, the longest idle first, then what is in use or on its
        way, in the order of coming.
        """
        ...


@dataclass(frozen=True, slots=True)
class ModelPolicy:
    """How one model is scheduled.

    `limit`: with it, a ticket beyond that many (waiting plus served) is refused. Without it (None), `parallel` tickets
    are served at a time and up to `Policy.max_queue` more wait. `ttl`: seconds of idleness before the run is stopped,
    0 = never.
    """

    limit: int | None = None
    parallel: int = 10
    priority: int = 0
    ttl: float = 0.0


@dataclass(frozen=True, slots=True)
class Policy:
    """`max_wait`: seconds after which the oldest waiting ticket gates what is in its way, 0 = never.
    `max_queue`: how many tickets may wait per model that has no `limit`. `settings`: what the file says for a scheduler of
    another package, None for fifo. `last_run`: the last run id of the scheduler before, if this one follows another."""

    models: Mapping[str, ModelPolicy]
    planner: Planner
    max_wait: float = 60.0
    max_queue: int = 1000
    settings: Any = None
    last_run: RunId = 0


# --- events: what happened ---------------------------------------------------------------------------------------------


class Arrived(Struct, frozen=True, gc=False):
    """A request wants `model`. A ticket id is used once."""

    ticket: Ticket
    model: str


class Left(Struct, frozen=True, gc=False):
    """The ticket is over: its lease ended, or its client gave up waiting."""

    ticket: Ticket


@dataclass(frozen=True, slots=True)
class BecameReady:
    run: RunId


@dataclass(frozen=True, slots=True)
class Failed:
    """The run will not become ready (its check timed out, ...) or serves no longer (its first process died), though some
    of it may still be alive."""

    run: RunId
    error: StartError


@dataclass(frozen=True, slots=True)
class Exited:
    """Nothing of the run is left. `error` says why, where it died before it was ready."""

    run: RunId
    error: StartError | None = None


@dataclass(frozen=True, slots=True)
class UnloadAsked:
    """Stop these models' runs now, busy or not, and refuse who waits for them. None means all."""

    models: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Woke:
    """The time of the last `WakeAt` has come (or passed, or not quite: the scheduler looks at `now` only)."""


@dataclass(frozen=True, slots=True)
class PolicyChanged:
    """A new policy. Runs of `replaced` models (changed or gone) finish what they serve and are stopped then."""

    policy: Policy
    replaced: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ShutdownAsked:
    """Refuse who waits and whoever still comes; stop each run once it is idle. `UnloadAsked` afterwards cuts the rest."""


Event = Arrived | Left | BecameReady | Failed | Exited | UnloadAsked | Woke | PolicyChanged | ShutdownAsked


# --- commands: what is to be done --------------------------------------------------------------------------------------


class StopReason(StrEnum):
    EVICTED = "evicted"
    IDLE = "idle"
    UNLOADED = "unloaded"
    ABANDONED = "abandoned"  # a load that nobody waited for any more was in the way of another
    START_FAILED = "start_failed"
    CRASHED = "crashed"
    RELOADED = "reloaded"
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True)
class Start:
    """`for_ticket`: who has waited longest for it, None where nobody does any more."""

    run: RunId
    model: str
    for_ticket: Ticket | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Stop:
    """`for_model` and `for_ticket`: whom the run has to make room for, where that is the reason. `rule`: by which it is
    evicted, as the planner calls it; empty where it does not say. `idle`: for how many seconds nobody has used it, where
    that is the reason."""

    run: RunId
    reason: StopReason = StopReason.EVICTED
    for_model: str | None = field(default=None, compare=False)
    for_ticket: Ticket | None = field(default=None, compare=False)
    rule: str = field(default="", compare=False)
    idle: float = field(default=0.0, compare=False)


class Grant(Struct, frozen=True, gc=False):
    ticket: Ticket
    run: RunId


class RefusalReason(StrEnum):
    UNKNOWN_MODEL = "unknown_model"
    LIMIT = "limit"  # more than concurrencyLimit
    QUEUE_FULL = "queue_full"  # more than maxQueue wait
    START_FAILED = "start_failed"
    UNLOADED = "unloaded"
    SHUTTING_DOWN = "shutting_down"


@dataclass(frozen=True, slots=True)
class Refuse:
    ticket: Ticket
    reason: RefusalReason
    error: StartError | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """The ticket has to wait; `position` is its place in the queue, from 1. Sent when it begins to wait. Later places are
    asked for (`Scheduler.positions`), because telling all of n waiters of every move would cost O(n) an event."""

    ticket: Ticket
    position: int


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Send `Woke` at this time. Replaces the earlier wish."""

    at: float


Command = Start | Stop | Grant | Refuse | Moved | WakeAt


@dataclass(frozen=True, slots=True)
class StartError:
    """Why a run did not come up. `detail` is a full sentence with exit code and last output lines where known."""

    detail: str
    worth_retrying: bool = False
