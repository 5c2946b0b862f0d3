"""What the control plane needs from the rest of Swapyard, and nothing more. `app` fills it in.

What changes with a reload or from moment to moment is a callable. All of it is called on the event loop and returns at
once, except `unload`, `hardware`, `metrics` and (for a thread) `neighbours` and `model_entry`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from swapyard.api.status import Origin
from swapyard.config.schema import Config
from swapyard.errors import RequestError
from swapyard.observe.activity import ActivityStore
from swapyard.observe.bus import Bus
from swapyard.observe.captures import Captures
from swapyard.observe.history import History
from swapyard.observe.logs import Logs
from swapyard.proxy.resolve import Names

if TYPE_CHECKING:  # they take a while to load, and come after the listener
    from swapyard.observe.memory import MemoryLog
    from swapyard.observe.system.hardware.snapshot import Snapshot
    from swapyard.observe.system.sampling import Sampling


class Reply(Protocol):
    """A whole answer, ready to be sent (`proxy.replies` makes them)."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]: ...
    @property
    def body(self) -> bytes: ...


class RenderError(Protocol):
    def __call__(self, error: RequestError, *, accept: bytes, path: str) -> Reply:
        """The answer that tells an error in the shape of the API that `path` belongs to. `accept`: the request's header."""
        ...


@dataclass(frozen=True, slots=True)
class Build:
    """Which Swapyard this is."""

    version: str
    commit: str = "unknown"
    build_date: str = "unknown"


class Load(Protocol):
    """A wait for a model to be ready (`runtime.loads.Load`)."""

    @property
    def model(self) -> str: ...

    @property
    def done(self) -> asyncio.Future[None]:
        """Has a result once the model is ready, a `RequestError` when it cannot be; cancelled by `give_up`."""
        ...

    @property
    def place(self) -> int | None:
        """In the queue, from 1; None if the load is under way, or over."""
        ...

    def give_up(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """A model's run. Seconds; `idle`: for how long it has had nothing to do, None while it is busy or not ready."""

    id: int
    pid: int | None
    address: tuple[str, int] | None
    uptime: float
    idle: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a model at this moment. `serving` requests of at most `limit` are served, `queued` wait. `stops`: the
    models that would be stopped if it were asked for now, or are, if it is being loaded; `busy`: those of them that have
    requests to finish first."""

    state: str
    serving: int
    limit: int
    queued: int
    stops: Sequence[str]
    busy: Sequence[str]
    run: RunFacts | None


@dataclass(frozen=True, slots=True)
class Some:
    """Models: how many, and the first of them in the configuration's order."""

    count: int
    first: Sequence[str]


@dataclass(frozen=True, slots=True)
class MatrixSet:
    name: str
    expression: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """`sets`: of the matrix, those that the model stands in. `stops`: the models that its load would stop if they ran;
    `stopped_by`: those whose load would stop it; `beside`: all others. None: too many to be compared."""

    sets: Sequence[MatrixSet]
    stops: Some | None
    stopped_by: Some | None
    beside: Some | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """`started`: seconds since the epoch.
    `origin`: where the configuration comes from.
    `states`: model id -> `starting`, `ready` or `stopping`, for every model that is not stopped.
    `facts`: of a model of the configuration; asking changes nothing.
    `neighbours`: who can run beside a model of the configuration; None where only its planner knows.
    `inflight`: the requests under way, as the event of that name tells them; `cancel` ends the one with this id (False:
    there is none). `queue`: those of them that wait, `loads`: the loads under way, likewise.
    `failures`: model id -> why its last run came to a bad end, until the next one starts.
    `exit_codes`: of the models' last runs, where they are known, until the next one starts; negative: the signal.
    `load`: begins to wait until a model is ready, loading it where needed.
    `unload`: stops these models' runs (None: all) and returns when nothing of them is left.
    `active_profile`: the id of the active profile, None while none is.
    `activate_profile`: makes this profile of the configuration the active one; None: none.
    `sampling`: what is measured of the machine; `memory`: what models were seen to hold.
    `hardware`: what the machine is; None when it cannot be told. Takes up to ten seconds.
    `metrics`: the text for Prometheus.
    `mask_command`: a command text with what looks like a secret blotted out.
    `model_entry`: YAML with the model of this name, which llama.cpp's server serves with these arguments.
    `data_plane`: the paths that the gateway serves itself, for a hint to who mistypes one.
    """

    build: Build
    started: int
    config: Callable[[], Config]
    origin: Callable[[], Origin]
    names: Callable[[], Names]
    logs: Logs
    states: Callable[[], Mapping[str, str]]
    facts: Callable[[str], Facts]
    neighbours: Callable[[str], Neighbours | None]
    bus: Bus
    history: History
    inflight: Callable[[], object]
    queue: Callable[[], object]
    loads: Callable[[], Sequence[object]]
    cancel: Callable[[str], bool]
    activity: Callable[[], ActivityStore]
    captures: Callable[[], Captures]
    failures: Callable[[], Mapping[str, str]]
    exit_codes: Callable[[], Mapping[str, int]]
    load: Callable[[str], Load]
    unload: Callable[[Collection[str] | None], Awaitable[None]]
    active_profile: Callable[[], str | None]
    activate_profile: Callable[[str | None], None]
    sampling: Sampling
    memory: MemoryLog
    hardware: Callable[[], Awaitable[Snapshot | None]]
    metrics: Callable[[], Awaitable[bytes]]
    mask_command: Callable[[str], str]
    model_entry: Callable[[str, Sequence[str]], str]
    render_error: RenderError
    data_plane: Collection[str] = ()
