"""The scheduler: events in, commands out. It knows no clock, no process and no socket; `runtime.engine` feeds it.

`handle` is the only way in. One function, `_place`, decides what becomes of a model's waiting tickets: grant, begin a load,
or leave them waiting; arrivals, leases that end and the walk through the queue all end there. `_drain` walks the queue
whenever something may have become free. A model has one run at most; a load (see `records`) stops its victims, waits until
all of them have exited, and starts the target.

Elsewhere: what is remembered (`records`), who waits in which order (`queue`), who must go for whom (`room`), who has
waited too long (`fairness`), which steps a run can take (`lifecycle`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf
from typing import assert_never

from swapyard.core.fairness import Fairness
from swapyard.core.lifecycle import State, Step, next_state
from swapyard.core.messages import (
    Arrived,
    BecameReady,
    Command,
    Event,
    Exited,
    Failed,
    Grant,
    Left,
    ModelPolicy,
    Moved,
    Policy,
    PolicyChanged,
    RefusalReason,
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
from swapyard.core.queue import Queue
from swapyard.core.records import Load, Run, Slot, Waiter
from swapyard.core.room import Room


class Scheduler:
    """Decides for one policy. Deterministic: the same events at the same times give the same commands.

    `handle` raises ValueError for a ticket that arrives twice or leaves twice (a refused ticket has left), and
    `lifecycle.LifecycleError` for a step that the run cannot take; both are bugs of the caller. Events about runs that are
    over are ignored. `now` is in seconds and never goes back.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._room = Room(policy.planner)
        self._queue = Queue()
        self._fairness = Fairness(self._room, self._queue, policy.max_wait)
        self._tickets: dict[Ticket, Run | Waiter] = {}
        self._last_run: RunId = 0
        self._last_seq = 0
        self._armed = inf  # the time of the WakeAt that is out
        self._closing = False
        self._now = 0.0
        self._out: list[Command] = []
        self._requeued: list[Slot] = []  # whose waiters stand in the queue again and have not been told
        for model in policy.models:
            self._add_slot(model, policy.models[model])

    # --- events ---------------------------------------------------------------------------------------------------------

    def handle(self, event: Event, now: float) -> list[Command]:
        """Takes in what happened at `now` and returns what is to be done, in order."""
        self._now = now
        out = self._out = []
        if now >= self._fairness.due:
            self._drain()
        match event:
            case Arrived():
                self._arrived(event)
            case Left():
                self._left(event)
            case BecameReady():
                self._became_ready(event)
            case Failed():
                self._failed(event)
            case Exited():
                self._exited(event)
            case UnloadAsked():
                self._unload(event)
            case Woke():
                self._woke()
            case PolicyChanged():
                self._policy_changed(event)
            case ShutdownAsked():
                self._shut_down()
            case _:
                assert_never(event)
        return out

    def _arrived(self, event: Arrived) -> None:
        ticket = event.ticket
        if ticket in self._tickets:
            raise ValueError(f"ticket {ticket} has arrived before")
        run = self._room.open.get(event.model)
        if run is not None and run.slot.served < run.slot.capacity:
            self._lease(ticket, run)
            return
        slot = self._room.slots.get(event.model)
        refusal = self._refusal(slot)
        if slot is None or refusal is not None:
            self._out.append(Refuse(ticket, refusal or RefusalReason.UNKNOWN_MODEL))
            return
        self._last_seq += 1
        waiter = self._tickets[ticket] = Waiter(ticket, slot, self._last_seq, self._now)
        self._queue.add(waiter)
        if len(slot.waiting) == 1:  # otherwise somebody waits already, and nothing has changed for those
            self._place(slot)
        if slot.queued:
            self._out.append(Moved(ticket, self._queue.position(waiter)))
            self._wake_at(self._fairness.waits(self._now))

    def _refusal(self, slot: Slot | None) -> RefusalReason | None:
        if self._closing:
            return RefusalReason.SHUTTING_DOWN
        if slot is None or not slot.known:
            return RefusalReason.UNKNOWN_MODEL
        reserved = slot.served + len(slot.waiting)
        if slot.policy.limit is not None:
            return RefusalReason.LIMIT if reserved >= slot.policy.limit else None
        # Whoever can be served as soon as the model is ready does not count as queueing, so even max_queue 0 can load it.
        if reserved >= slot.capacity and len(slot.waiting) >= self._policy.max_queue:
            return RefusalReason.QUEUE_FULL
        return None

    def _left(self, event: Left) -> None:
        holder = self._tickets.pop(event.ticket, None)
        if holder is None:
            raise ValueError(f"ticket {event.ticket} never arrived, was refused, or has left before")
        if isinstance(holder, Waiter):
            self._gave_up(holder)
            return
        slot = holder.slot
        holder.leases -= 1
        slot.served -= 1
        if slot.run is not holder or holder.state is not State.READY:
            return  # a lease of a run that is over or going: it stands in nobody's way
        if holder.leases == 0:
            self._became_idle(holder)
        elif slot.queued:
            self._place(slot)

    def _gave_up(self, waiter: Waiter) -> None:
        slot = waiter.slot
        was_gate = self._fairness.is_gate(slot)
        self._queue.remove(waiter)
        if slot.is_idle:
            self._rest(slot)
        if was_gate or (slot.load is not None and not slot.waiting):
            self._drain()

    def _became_idle(self, run: Run) -> None:
        """The last lease of a ready run has ended."""
        slot = run.slot
        if run.outdated or self._closing:
            self._stop(run, StopReason.SHUTDOWN if self._closing else StopReason.RELOADED)
        if self._queue:
            self._drain()
        if slot.is_idle:
            self._rest(slot)

    def _became_ready(self, event: BecameReady) -> None:
        run = self._room.runs.get(event.run)
        if run is None:
            return
        run.state = next_state(run.state, Step.BECOME_READY)
        if run.state is State.READY:
            assert run.slot.load is not None, "a starting run has a load"
            self._complete(run.slot.load)
            self._drain()

    def _failed(self, event: Failed) -> None:
        run = self._room.runs.get(event.run)
        if run is None:
            return
        before, run.state = run.state, next_state(run.state, Step.FAIL)
        if before is State.STARTING:
            self._give_up_load(run.slot, RefusalReason.START_FAILED, event.error)
            self._out.append(Stop(run.id, StopReason.START_FAILED))
            self._drain()

    def _exited(self, event: Exited) -> None:
        run = self._room.runs.pop(event.run, None)
        if run is None:
            return
        slot = run.slot
        before, run.state = run.state, next_state(run.state, Step.EXIT)
        slot.run = None
        self._room.open.pop(slot.model, None)
        if before is State.STARTING:
            error = event.error or StartError(f'the server of model "{slot.model}" exited before it was ready')
            self._give_up_load(slot, RefusalReason.START_FAILED, error)
        self._room.note(slot)
        for load in run.awaited_by:
            if load.slot.load is load:
                load.pending.discard(run.id)
                if not load.pending:
                    self._launch(load)
        if not slot.known and slot.load is None:
            self._remove_slot(slot)
        self._drain()

    def _unload(self, event: UnloadAsked) -> None:
        slots = self._room.slots
        for model in sorted(slots if event.models is None else event.models & slots.keys()):
            slot = slots[model]
            self._give_up_load(slot, RefusalReason.UNLOADED)
            if slot.state in (State.STARTING, State.READY):
                self._stop(slot.run, StopReason.UNLOADED)
        self._drain()

    def _shut_down(self) -> None:
        self._closing = True
        for _, slot in sorted(self._room.slots.items()):
            self._give_up_load(slot, RefusalReason.SHUTTING_DOWN)
            if slot.state is State.STARTING or slot.is_idle:
                self._stop(slot.run, StopReason.SHUTDOWN)
        self._room.open.clear()

    def _woke(self) -> None:
        self._armed = inf
        self._stop_the_idle()
        self._wake_at(self._fairness.due)

    def _policy_changed(self, event: PolicyChanged) -> None:
        policy = self._policy = event.policy
        room = self._room
        gone = room.slots.keys() - policy.models.keys()
        for model in sorted(gone):
            self._give_up_load(room.slots[model], RefusalReason.UNKNOWN_MODEL)
        for model in sorted((event.replaced & room.slots.keys()) | gone):
            self._replace(room.slots[model])
        queued = [slot for slot in room.slots.values() if slot.queued]
        for slot in queued:
            self._queue.leave(slot)
        room.use(policy.planner)
        for slot in list(room.slots.values()):
            self._update_slot(slot, policy.models.get(slot.model))
        for model in policy.models:
            if model not in room.slots:
                self._add_slot(model, policy.models[model])
        for slot in queued:
            self._queue.enter(slot)
        self._fairness.changed(policy.max_wait)
        self._drain()
        self._stop_the_idle()

    # --- placement ------------------------------------------------------------------------------------------------------

    def _place(self, slot: Slot) -> bool:
        """Grants to the queued waiters of this model, or begins a load for them, or leaves them. True if a load began."""
        run = slot.run
        if run is not None and run.outdated and run.state is State.READY:
            return False  # its leases finish first; then it is stopped
        evict = self._room.evict(slot)
        if run is not None and run.state is State.READY and not evict:
            self._grant_waiting(run)
            if not slot.gated:
                self._room.open[slot.model] = run
            return False
        if self._fairness.holds_back(slot, evict):
            return False
        if self._drop_abandoned(slot, evict):
            evict = self._room.evict(slot)
        if any(True for _ in self._room.collisions(slot, evict)) or any(is_busy(victim) for victim in evict):
            return False
        self._begin(slot, evict)
        return True

    def _drain(self) -> None:
        """Somebody may have room now: the overdue first, oldest first, then everybody by rank."""
        if self._queue:
            while any(self._place(slot) for slot in self._fairness.look(self._now)):
                pass  # a load has begun, which may change who is in whose way: look again
            for slot in self._queue.by_rank(self._room.singular()):
                if self._place(slot):
                    self._fairness.look(self._now)
        self._tell_requeued()
        self._fairness.look(self._now)
        self._wake_at(self._fairness.due)

    def _tell_requeued(self) -> None:
        for slot in self._requeued:
            if slot.queued:
                for waiter in slot.waiting.values():
                    self._out.append(Moved(waiter.ticket, self._queue.position(waiter)))
        self._requeued.clear()

    def _grant_waiting(self, run: Run) -> None:
        """Serves waiters in order of arrival while there is capacity; a gated model only those of its turn."""
        slot = run.slot
        while slot.waiting and run.leases < slot.capacity:
            head = slot.first_waiter()
            if slot.gated and head.seq > slot.mark:
                return
            self._queue.remove(head)
            self._lease(head.ticket, run)

    def _lease(self, ticket: Ticket, run: Run) -> None:
        run.leases += 1
        run.slot.served += 1
        self._tickets[ticket] = run
        self._out.append(Grant(ticket, run.id))

    def _refuse_waiting(self, slot: Slot, reason: RefusalReason, error: StartError | None = None) -> None:
        for waiter in list(slot.waiting.values()):
            self._queue.remove(waiter)
            del self._tickets[waiter.ticket]
            self._out.append(Refuse(waiter.ticket, reason, error))

    # --- loads ----------------------------------------------------------------------------------------------------------

    def _begin(self, slot: Slot, victims: tuple[Slot, ...]) -> None:
        """Begins a load. Nobody is in its way, and every victim has a run without leases."""
        head = slot.first_waiter()
        self._queue.leave(slot)
        load = slot.load = Load(slot, victims)
        self._room.loads[load] = None
        self._room.note(slot)
        if slot.run is not None and slot.run.state is State.STOPPING:
            self._await_exit(load, slot.run)
        for victim in victims:
            assert victim.run is not None, "a model that is present without a run is a load's target, which collides"
            victim.claimed_by = load
            self._await_exit(load, victim.run)
            if victim.run.state is not State.STOPPING:
                self._stop(victim.run, StopReason.EVICTED, slot.model, head.ticket)
        if not load.pending:
            self._launch(load)

    def _await_exit(self, load: Load, run: Run) -> None:
        load.pending.add(run.id)
        run.awaited_by.append(load)

    def _launch(self, load: Load) -> None:
        """Everybody who had to go is gone."""
        slot = load.slot
        if slot.run is not None:
            self._complete(load)
            return
        self._last_run += 1
        run = slot.run = Run(self._last_run, slot, next_state(State.STOPPED, Step.START))
        self._room.runs[run.id] = run
        self._room.note(slot)
        self._out.append(Start(run.id, slot.model))

    def _complete(self, load: Load) -> None:
        """The target is ready: its turn begins, whatever the policy would say by now (llama-swap does the same)."""
        slot = load.slot
        assert slot.run is not None, "a load completes with a ready run"
        slot.mark = self._last_seq
        self._grant_waiting(slot.run)
        self._forget(load)
        if slot.is_idle:
            self._rest(slot)

    def _forget(self, load: Load) -> None:
        """The load is over or given up. Whoever still waits for its target queues again."""
        slot = load.slot
        slot.load = None
        del self._room.loads[load]
        for victim in load.victims:
            victim.claimed_by = None
        self._room.note(slot)
        if slot.waiting:
            self._queue.enter(slot)
            self._requeued.append(slot)

    def _give_up_load(self, slot: Slot, reason: RefusalReason, error: StartError | None = None) -> None:
        """Refuses everybody who waits for this model and forgets its load, if it has one."""
        self._refuse_waiting(slot, reason, error)
        if slot.load is not None:
            self._forget(slot.load)

    def _drop_abandoned(self, slot: Slot, evict: tuple[Slot, ...]) -> bool:
        """Aborts the loads in the way of this one that nobody waits for (llama-swap #727). True if there were any."""
        abandoned = [load for load in self._room.collisions(slot, evict) if not load.slot.waiting]
        for load in dict.fromkeys(abandoned):
            self._forget(load)
            if load.slot.state is State.STARTING:
                self._stop(load.slot.run, StopReason.ABANDONED, slot.model, slot.first_waiter().ticket)
        return bool(abandoned)

    def _stop(
        self, run: Run | None, reason: StopReason, for_model: str | None = None, for_ticket: Ticket | None = None
    ) -> None:
        assert run is not None, "only a model with a run is stopped"
        run.state = next_state(run.state, Step.STOP)
        self._room.open.pop(run.slot.model, None)
        self._out.append(Stop(run.id, reason, for_model, for_ticket))

    # --- time -----------------------------------------------------------------------------------------------------------

    def _rest(self, slot: Slot) -> None:
        """The model is ready and nobody uses it, from now on."""
        slot.idle_since = self._now
        if slot.policy.ttl > 0:
            self._wake_at(self._now + slot.policy.ttl)

    def _stop_the_idle(self) -> None:
        """Stops every run that has been idle for its time to live. Grants are decided here too, so none can be cut."""
        for run in list(self._room.runs.values()):
            slot = run.slot
            if slot.policy.ttl > 0 and slot.is_idle:
                end = slot.idle_since + slot.policy.ttl
                if end <= self._now:
                    self._stop(run, StopReason.IDLE)
                else:
                    self._wake_at(end)

    def _wake_at(self, at: float) -> None:
        """One wish is out at a time, the earliest; a later one is made when that has come true."""
        if at < self._armed:
            self._armed = at
            self._out.append(WakeAt(at))

    # --- policy ---------------------------------------------------------------------------------------------------------

    def _add_slot(self, model: str, policy: ModelPolicy) -> None:
        slot = self._room.slots[model] = Slot(model, policy, self._room.kin_of(model))
        self._update_slot(slot, policy)

    def _update_slot(self, slot: Slot, policy: ModelPolicy | None) -> None:
        """None: the policy no longer has this model."""
        slot.known = policy is not None
        slot.kin = self._room.kin_of(slot.model)
        if policy is not None:
            slot.policy = policy
            slot.capacity = policy.limit if policy.limit is not None else policy.parallel
        elif slot.run is None:
            self._remove_slot(slot)

    def _remove_slot(self, slot: Slot) -> None:
        del self._room.slots[slot.model]

    def _replace(self, slot: Slot) -> None:
        """The model's definition changed or went: its run grants nothing more, finishes what it serves, and is stopped."""
        run = slot.run
        if run is None or run.state is State.STOPPING:
            return
        run.outdated = True
        if slot.load is not None:
            self._forget(slot.load)
        if run.state is State.STARTING or run.leases == 0:
            self._stop(run, StopReason.RELOADED)

    # --- questions ------------------------------------------------------------------------------------------------------

    def state(self, model: str) -> State:
        slot = self._room.slots.get(model)
        return slot.state if slot is not None else State.STOPPED

    def run_of(self, model: str) -> RunId | None:
        slot = self._room.slots.get(model)
        return slot.run.id if slot is not None and slot.run is not None else None

    def running(self) -> tuple[str, ...]:
        """The models with a run, sorted."""
        return tuple(sorted(run.slot.model for run in self._room.runs.values()))

    def reserved(self, model: str) -> int:
        """Tickets admitted and not over: waiting and served."""
        return self.serving(model) + self.waiting(model)

    def serving(self, model: str) -> int:
        slot = self._room.slots.get(model)
        return slot.served if slot is not None else 0

    def waiting(self, model: str) -> int:
        slot = self._room.slots.get(model)
        return len(slot.waiting) if slot is not None else 0

    def positions(self) -> Mapping[Ticket, int]:
        """Place in the queue, from 1, of every ticket that no load is going to serve yet."""
        return self._queue.positions()

    def plan(self, model: str) -> tuple[str, ...]:
        """Whom a ticket for this model would see stopped (or does, if its load is under way). Changes nothing."""
        slot = self._room.slots.get(model)
        if slot is None:
            return ()
        victims: Iterable[Slot] = slot.load.victims if slot.load is not None else self._room.evict(slot)
        return tuple(victim.model for victim in victims)

    def idle_since(self, model: str) -> float | None:
        """Since when the model's ready run has had nothing to do; None if it is busy or not ready."""
        slot = self._room.slots.get(model)
        return slot.idle_since if slot is not None and slot.is_idle else None


def is_busy(slot: Slot) -> bool:
    """It serves somebody, and is not going anyway."""
    return slot.run is not None and slot.run.leases > 0 and slot.run.state is not State.STOPPING
