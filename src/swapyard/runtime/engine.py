"""The engine: the only interpreter of the scheduler's decisions.

Events go in through methods (`arrive`, `leave`, `unload`, ...) and from the supervisors; `Scheduler.handle` answers with
commands; `_perform` carries each out, synchronously, in one `match`. Events that arise meanwhile join a deque. There are no
locks, no channels and no awaiting inside, so nobody ever acts on a stale snapshot.

`proxy` brings `Waiter`s (one per request), `app` brings launch specifications and policies. The engine owns one
`Supervisor` and one `Upstream` (connection pool) per run.

Whoever is called from here may have a bug. It goes to the loop's exception handler (the log, with its traceback), it
costs one request or one run, and the rest of the event's commands is carried out.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Protocol, assert_never

from swapyard.core.lifecycle import State
from swapyard.core.messages import (
    Arrived,
    BecameReady,
    Command,
    Event,
    Exited,
    Failed,
    Grant,
    Left,
    Moved,
    Policy,
    PolicyChanged,
    Refuse,
    RunId,
    ShutdownAsked,
    Start,
    StartError,
    Stop,
    StopReason,
    Ticket,
    UnloadAsked,
    WakeAt,
    Woke,
)
from swapyard.core.strategies import Scheduler
from swapyard.errors import RequestError
from swapyard.http.upstream import Upstream
from swapyard.runtime.changeover import Changeover
from swapyard.runtime.loads import Load
from swapyard.runtime.wording import refusal, stop_cause


class Waiter(Protocol):
    """Who holds a ticket. Exactly one of `granted` and `refused` is called, unless it leaves first."""

    @property
    def cause(self) -> str:
        """Why a model is loaded for it, in words; empty where nothing is known."""
        ...

    def granted(self, upstream: Upstream) -> None:
        """The model is ready: send the request there, and call `Engine.leave` when it is over."""

    def refused(self, error: RequestError) -> None:
        """The ticket is over; do not call `Engine.leave`."""

    def moved(self, position: int) -> None:
        """The ticket has to wait, at this place of the queue (from 1)."""


class RunProcess(Protocol):
    """What the engine needs of a supervisor (`runtime.supervisor.Supervisor`), which reports `Exited` exactly once, last."""

    @property
    def pid(self) -> int | None: ...
    @property
    def address(self) -> tuple[str, int] | None:
        """Where the run answered its check; None without one."""

    @property
    def epitaph(self) -> str:
        """How it ended by itself, as it reads on from "the server of model x"."""
        ...

    @property
    def exit_code(self) -> int | None:
        """Of its first process, once that is gone; negative: the signal that killed it."""
        ...

    def start(self) -> None: ...
    def stop(self, grace: float) -> None:
        """Seconds until it is killed. Asking again is harmless: a shorter grace counts, a longer one does not."""

    def kill(self) -> None: ...
    async def wait_over(self) -> None: ...


class Launchpad(Protocol):
    """How a run of a model comes to life; made by `app` from the configuration, replaced on reload."""

    def supervise(self, run: RunId, model: str, notify: Callable[[Event], None]) -> RunProcess: ...
    def upstream(self, model: str, process: RunProcess) -> Upstream: ...
    def grace(self, model: str) -> float:
        """Seconds between the request to stop and the kill."""
        ...


@dataclass(slots=True)
class Run:
    id: RunId
    model: str
    process: RunProcess
    grace: float
    launchpad: Launchpad
    started: float
    cause: str = ""  # of its start, in words; empty where it is not known
    state: State = State.STOPPED
    upstream: Upstream | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of a model's state, with its cause in words. `reason`, `for_model`: why a run is stopped, and which model it
    makes room for. `for_ticket`: who wants it stopped or started. `seconds`: how long the run took to become ready, or how
    long it lived, at its end."""

    model: str
    run: RunId
    state: State
    cause: str
    reason: StopReason | None = None
    for_model: str | None = None
    for_ticket: Ticket | None = None
    seconds: float | None = None


OF_RUNS = (BecameReady, Failed, Exited)


@dataclass(slots=True)
class Engine:
    scheduler: Scheduler
    launchpad: Launchpad
    loop: asyncio.AbstractEventLoop
    observers: list[Callable[[Transition], None]] = field(default_factory=list)
    runs: dict[RunId, Run] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)  # model -> why its last run came to a bad end, until the next
    exit_codes: dict[str, int] = field(default_factory=dict)  # model -> of its last run, where known, until the next
    _waiters: dict[Ticket, tuple[Waiter, str]] = field(default_factory=dict)
    _events: deque[Event] = field(default_factory=deque)
    _working: bool = False
    _last_run: RunId = 0
    _alarm: asyncio.TimerHandle | None = None
    _tickets: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    # --- for requests ---

    def new_ticket(self) -> Ticket:
        return next(self._tickets)

    def arrive(self, ticket: Ticket, model: str, waiter: Waiter) -> None:
        """Claims a place. A ready model with nothing in its way is granted before this returns."""
        self._waiters[ticket] = (waiter, model)
        self.feed(Arrived(ticket, model))

    def leave(self, ticket: Ticket) -> None:
        """The lease has ended, or the client gave up waiting. Once per ticket that was not refused."""
        self._waiters.pop(ticket, None)
        self.feed(Left(ticket))

    def position(self, ticket: Ticket) -> int | None:
        """Its place in the queue, from 1; None if it waits for a load that is under way, or not at all."""
        return self.scheduler.positions().get(ticket)

    def waiter(self, ticket: Ticket) -> Waiter | None:
        """Who holds it; None when it is over."""
        found = self._waiters.get(ticket)
        return None if found is None else found[0]

    # --- for operators ---

    def state(self, model: str) -> State:
        return self.scheduler.state(model)

    def ready_upstream(self, model: str) -> Upstream | None:
        """Where a ready model can be reached without a ticket (ignored websockets), None while it is not ready."""
        run = self.scheduler.run_of(model)
        if run is None or self.scheduler.state(model) is not State.READY:
            return None
        return self.runs[run].upstream

    async def load(self, model: str, cause: str = "by hand") -> None:
        """Returns when the model is ready. Raises `RequestError` when it cannot be. `cause`: of it, in words."""
        load = Load(self, model, cause)
        try:
            await load.done
        finally:
            load.give_up()

    async def unload(self, models: Collection[str] | None = None) -> None:
        """Stops these models' runs (None: all), busy or not. Returns when their processes are gone."""
        wanted = None if models is None else frozenset(models)
        concerned = [run for run in self.runs.values() if wanted is None or run.model in wanted]
        self.feed(UnloadAsked(wanted))
        await self._all_gone(concerned)

    async def _all_gone(self, runs: Collection[Run]) -> None:
        for outcome in await asyncio.gather(*(run.process.wait_over() for run in runs), return_exceptions=True):
            if isinstance(outcome, Exception):
                self._report("the supervision of a run failed", outcome)

    def change_policy(
        self,
        policy: Policy,
        launchpad: Launchpad,
        replaced: frozenset[str],
        another: Callable[[Policy], Scheduler] | None = None,
    ) -> None:
        """After a reload. Runs that go on keep the launchpad that started them, but for the grace that they get.

        `another`: makes the scheduler that is to follow the present one, where that changes (`Changeover`).
        """
        if another is not None:
            self._follow(policy, another)
        self.launchpad = launchpad
        for run in self.runs.values():
            if run.model in policy.models:
                run.grace = launchpad.grace(run.model)
        self.feed(PolicyChanged(policy, replaced))

    def _follow(self, policy: Policy, another: Callable[[Policy], Scheduler]) -> None:
        def make(policy: Policy) -> Scheduler:
            return another(replace(policy, last_run=self._last_run))

        def over(scheduler: Scheduler) -> None:
            self.scheduler = scheduler

        if isinstance(self.scheduler, Changeover):
            self.scheduler.make = make
        else:
            self.scheduler = Changeover(self.scheduler, policy, make, over)

    def begin_shutdown(self) -> None:
        """Refuses who waits and who still comes; idle runs stop now, busy ones when they are idle."""
        self.feed(ShutdownAsked())

    async def finish_shutdown(self, grace: float) -> None:
        """Stops what is left, with `grace` seconds for each before it is killed, and waits until all is gone."""
        runs = list(self.runs.values())
        for run in runs:
            run.grace = min(run.grace, grace)
        self.feed(UnloadAsked())
        for run in runs:
            run.process.stop(run.grace)  # those that were stopping already may have had more time
        await self._all_gone(runs)
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    # --- the interpreter ---

    def feed(self, event: Event) -> None:
        if self._working:
            self._events.append(event)
            return
        self._working = True
        try:
            self._take(event)
            while self._events:
                self._take(self._events.popleft())
        finally:
            self._working = False

    def _take(self, event: Event) -> None:
        try:
            if isinstance(event, OF_RUNS):
                event = self._note(event)
            commands = self.scheduler.handle(event, self.loop.time())
        except Exception as bug:
            self._report(f"{event} could not be handled", bug)
            if isinstance(event, Arrived):
                self._turn_away(event.ticket)
            return
        for command in commands:
            try:
                self._perform(command)
            except Exception as bug:
                self._report(f"{command} could not be carried out", bug)
                self._mend(command, bug)

    def _perform(self, command: Command) -> None:
        match command:
            case Grant():  # of every request: taken apart by hand, which costs a third of a pattern
                upstream = self.runs[command.run].upstream
                assert upstream is not None, "a grant names a run that is ready"
                self._waiters[command.ticket][0].granted(upstream)
            case Start():
                self._start(command)
            case Stop():
                self._stop(command)
            case Refuse(ticket):
                waiter, model = self._waiters.pop(ticket)
                waiter.refused(refusal(command, model))
            case Moved(ticket, position):
                self._waiters[ticket][0].moved(position)
            case WakeAt(at):
                if self._alarm is not None:
                    self._alarm.cancel()
                self._alarm = self.loop.call_at(at, self.feed, Woke())
            case _:
                assert_never(command)

    def _start(self, start: Start) -> None:
        run, model = start.run, start.model
        self._last_run = run
        launchpad = self.launchpad
        process = launchpad.supervise(run, model, self.feed)
        cause = self._wanted(start.for_ticket)
        started = self.runs[run] = Run(run, model, process, launchpad.grace(model), launchpad, self.loop.time(), cause)
        process.start()
        self._tell(started, State.STARTING, cause or "requested", for_ticket=start.for_ticket)

    def _stop(self, stop: Stop) -> None:
        run = self.runs[stop.run]
        cause = stop_cause(stop, self._wanted(stop.for_ticket))
        self._tell(run, State.STOPPING, cause, stop=stop)
        # llama.cpp does not exit on SIGTERM while a stream is open, so connections go first.
        self._disconnect(run, f"was stopped ({cause})")
        run.process.stop(run.grace)

    def _wanted(self, ticket: Ticket | None) -> str:
        """For whom a model is wanted, in words; empty where nobody waits for it or nothing is known of who does."""
        waiter = None if ticket is None else self.waiter(ticket)
        return "" if waiter is None else waiter.cause

    def _disconnect(self, run: Run, detail: str, *, exited: bool = False) -> None:
        if run.upstream is not None:
            try:
                run.upstream.close(detail, exited=exited)
            except Exception as bug:
                self._report(f"not every connection to run {run.id} of {run.model} could be closed", bug)

    def _note(self, event: BecameReady | Failed | Exited) -> Event:
        """Keeps the table of runs, before the scheduler hears of the event. Returns what it is to hear."""
        run = self.runs.get(event.run)
        if run is None:
            return event
        match event:
            case BecameReady():
                try:
                    run.upstream = run.launchpad.upstream(run.model, run.process)
                except Exception as bug:
                    self._report(f"no connections can be made to run {run.id} of {run.model}", bug)
                    return Failed(run.id, StartError(f'model "{run.model}" came up, but cannot be reached: {bug}'))
                took = self.loop.time() - run.started
                self._tell(run, State.READY, f"loaded in {took:.1f} s {run.cause}".rstrip(), seconds=took)
            case Failed(_, error):
                reason = StopReason.CRASHED if run.state is State.READY else StopReason.START_FAILED
                self._tell(run, State.STOPPING, error.detail, reason=reason)
                self._disconnect(run, run.process.epitaph, exited=True)
            case Exited(_, error):
                del self.runs[event.run]
                if (code := run.process.exit_code) is not None:
                    self.exit_codes[run.model] = code
                self._tell_end(run, error)
                self._disconnect(run, run.process.epitaph, exited=True)
        return event

    # --- what is told, and bugs ---

    def _tell_end(self, run: Run, error: StartError | None) -> None:
        lived = self.loop.time() - run.started
        if error is not None and run.state is State.STARTING:
            self._tell(run, State.STOPPED, error.detail, reason=StopReason.START_FAILED, seconds=lived)
        elif run.state is State.READY:
            cause = f'the server of model "{run.model}" {run.process.epitaph}'
            self._tell(run, State.STOPPED, cause, reason=StopReason.CRASHED, seconds=lived)
        else:
            self._tell(run, State.STOPPED, "exited", seconds=lived)

    def _tell(
        self,
        run: Run,
        state: State,
        cause: str,
        *,
        reason: StopReason | None = None,
        stop: Stop | None = None,
        for_ticket: Ticket | None = None,
        seconds: float | None = None,
    ) -> None:
        if run.state is state or (run.state is State.STOPPING and state is State.READY):
            return  # it became ready before it heard of its stop
        run.state = state
        change = Transition(run.model, run.id, state, cause, reason, for_ticket=for_ticket, seconds=seconds)
        if stop is not None:
            change = replace(change, reason=stop.reason, for_model=stop.for_model, for_ticket=stop.for_ticket)
        if change.reason in (StopReason.START_FAILED, StopReason.CRASHED):
            self.failures[run.model] = cause
        elif state is State.STARTING:
            self.failures.pop(run.model, None)
            self.exit_codes.pop(run.model, None)
        for observer in self.observers:
            try:
                observer(change)
            except Exception as bug:
                self._report("an observer of the engine failed", bug)

    def _mend(self, command: Command, bug: Exception) -> None:
        """What could not be carried out must leave nobody waiting: a grant goes back, a start has failed."""
        match command:
            case Grant(ticket):
                self._turn_away(ticket)
            case Start(run, model):
                self.runs.pop(run, None)
                self._events.append(Exited(run, StartError(f'model "{model}" cannot be started: {bug}')))
            case _:
                pass

    def _turn_away(self, ticket: Ticket) -> None:
        """After a mistake of ours or of a scheduler's: the ticket is over, for nobody may wait for ever. The scheduler hears
        of it, and may not know it at all."""
        self._events.append(Left(ticket))
        found = self._waiters.pop(ticket, None)
        if found is not None:
            try:
                found[0].refused(RequestError("internal error; the log of swapyard tells more"))
            except Exception as another:
                self._report(f"ticket {ticket} could not be refused either", another)

    def _report(self, what: str, bug: BaseException) -> None:
        self.loop.call_exception_handler({"message": what, "exception": bug})
