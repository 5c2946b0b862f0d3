"""The engine on a stage where nothing is real: a clock that is moved by hand, processes that follow a script, clients that
are served for as long as they want. Thousands of histories a second, each the same for the same random numbers."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from swapyard.config.schema import Group
from swapyard.core.lifecycle import State
from swapyard.core.messages import BecameReady, Event, Exited, Failed, ModelPolicy, Policy, RunId, StartError
from swapyard.core.planners.group import GroupPlanner
from swapyard.core.scheduler import Scheduler
from swapyard.errors import RequestError
from swapyard.http.upstream import Upstream
from swapyard.runtime.engine import Engine, RunProcess, Transition


class Clock:
    """As much of a loop as the engine uses. What is due at the same time happens in a random order, if `dice` is given."""

    def __init__(self, dice: random.Random | None = None) -> None:
        self.now = 0.0
        self.bugs: list[str] = []
        self._dice = dice
        self._numbers = itertools.count()
        self._due: list[tuple[float, float, int, asyncio.TimerHandle]] = []

    def as_loop(self) -> asyncio.AbstractEventLoop:
        return cast("asyncio.AbstractEventLoop", self)

    def time(self) -> float:
        return self.now

    def get_debug(self) -> bool:
        return False

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self.as_loop(), context)
        order = self._dice.random() if self._dice else 0.0
        heapq.heappush(self._due, (when, order, next(self._numbers), handle))
        return handle

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> asyncio.TimerHandle:
        return self.call_at(self.now + delay, callback, *args)

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> asyncio.Handle:
        return self.call_at(self.now, callback, *args)

    def call_exception_handler(self, context: Mapping[str, Any]) -> None:
        self.bugs.append(f"{context['message']}: {context['exception']!r}")

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None: ...

    def run_until(self, end: float) -> None:
        """Everything that is due up to and including `end`."""
        while self._due and self._due[0][0] <= end:
            self.now, _, _, handle = heapq.heappop(self._due)
            if not handle.cancelled():
                handle._run()
        self.now = max(self.now, end)


class Connections:
    """What the engine needs of an Upstream, and who is being served through it."""

    def __init__(self) -> None:
        self.open = True
        self.users: dict[Client, None] = {}
        self.closings: list[str] = []

    def close(self, detail: str, *, exited: bool = False) -> None:
        self.open = False
        self.closings.append(detail)
        for user in list(self.users):
            user.broken(detail)


@dataclass(eq=False)
class Client:
    """A request that is served for `needs` seconds; None: until `leave`."""

    stage: Stage
    model: str
    needs: float | None = None
    ticket: int = 0
    outcome: str = ""
    error: RequestError | None = None
    connections: Connections | None = None
    positions: list[int] = field(default_factory=list)
    cause: str = ""
    on_grant: Callable[[], None] = lambda: None

    def arrive(self) -> Client:
        if self.outcome:
            return self  # left before it came
        self.ticket = self.stage.engine.new_ticket()
        self.stage.engine.arrive(self.ticket, self.model, self)
        return self

    def granted(self, upstream: Upstream) -> None:
        self.on_grant()
        assert not self.outcome
        self.connections = cast("Connections", upstream)
        assert self.connections.open, "granted a run that is being stopped"
        self.outcome = "granted"
        self.connections.users[self] = None
        if self.needs is not None:
            self.stage.clock.call_later(self.needs, self.finish)

    def refused(self, error: RequestError) -> None:
        assert not self.outcome or self.error is None
        self.outcome, self.error = "refused", error

    def moved(self, position: int) -> None:
        self.positions.append(position)

    def finish(self) -> None:
        if self.outcome == "granted":
            self._end("served")

    def give_up(self) -> None:
        if self.outcome in ("", "granted"):
            self._end("left")

    def broken(self, detail: str) -> None:
        self._end(f"broken: {detail}")

    def _end(self, outcome: str) -> None:
        self.outcome = outcome
        if self.connections:
            self.connections.users.pop(self, None)
        if self.ticket:
            self.stage.engine.leave(self.ticket)


class Script:
    """A run's process: what it does, and what was done to it. Times in seconds; `loads` None: for ever."""

    pid: int | None = 1
    address: tuple[str, int] | None = None
    epitaph = "has exited"
    exit_code: int | None = None

    def __init__(self, stage: Stage, run: RunId, model: str, notify: Callable[[Event], None]) -> None:
        self.stage, self.run, self.model, self.notify = stage, run, model, notify
        self.loads: float | None = 1.0
        self.stops = 1.0
        self.ready_though_stopped = False  # tells that it is ready after it was told to stop
        self.graces: list[float] = []
        self.over = False

    def start(self) -> None:
        self.stage.alive.append(self)
        if self.loads is not None:
            self.stage.clock.call_later(self.loads, self.become_ready)

    def become_ready(self) -> None:
        if not self.over and (not self.graces or self.ready_though_stopped):
            self.notify(BecameReady(self.run))

    def fail(self, detail: str, *, worth_retrying: bool = False) -> None:
        self.notify(Failed(self.run, StartError(detail, worth_retrying)))

    def stop(self, grace: float) -> None:
        if not self.graces:
            self.stage.clock.call_later(self.stops, self.exit)
        self.graces.append(grace)

    def kill(self) -> None:
        self.exit()

    def exit(self, error: StartError | None = None) -> None:
        if not self.over:
            self.over = True
            self.stage.alive.remove(self)
            self.notify(Exited(self.run, error))

    async def wait_over(self) -> None:
        while not self.over:
            await asyncio.sleep(0)


class Stage:
    """Also the launchpad. `scripts` in order of their start; `prepare` may change each before it starts."""

    def __init__(self, policy: Policy, dice: random.Random | None = None) -> None:
        self.clock = Clock(dice)
        self.alive: list[Script] = []
        self.scripts: list[Script] = []
        self.transitions: list[Transition] = []
        self.prepare: Callable[[Script], None] = lambda script: None
        self.engine = Engine(Scheduler(policy), self, self.clock.as_loop())
        self.engine.observers.append(self.transitions.append)

    def supervise(self, run: RunId, model: str, notify: Callable[[Event], None]) -> Script:
        script = Script(self, run, model, notify)
        self.prepare(script)
        self.scripts.append(script)
        return script

    def upstream(self, model: str, process: RunProcess) -> Upstream:
        return cast("Upstream", Connections())

    def grace(self, model: str) -> float:
        return 10.0

    def client(self, model: str, needs: float | None = None) -> Client:
        return Client(self, model, needs).arrive()

    def told(self) -> list[tuple[str, State]]:
        return [(change.model, change.state) for change in self.transitions]


def swapping(*names: str, max_wait: float = 60.0, max_queue: int = 1000, **policy: Any) -> Policy:
    """A policy for models of which one runs at a time."""
    planner = GroupPlanner({"all": Group(members=names)})
    return Policy(dict.fromkeys(names, ModelPolicy(**policy)), planner, max_wait=max_wait, max_queue=max_queue)
