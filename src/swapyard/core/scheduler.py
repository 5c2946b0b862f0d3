"""The scheduler: events in, commands out. It knows no clock, no process and no socket; `runtime.engine` feeds it.

`Scheduler.handle` is the only way in; below it, one method per event brings the records up to date and leaves it to
`placement` to say what becomes of the waiting tickets. The questions at the end are for whoever shows the state to people.

Elsewhere: what is remembered (`records`), grants, loads and stops (`placement`), who waits in which order (`queue`), who
must go for whom (`room`), who has waited too long (`fairness`), which steps a run can take (`lifecycle`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf
from typing import assert_never

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
    Policy,
    PolicyChanged,
    RefusalReason,
    Refuse,
    RunId,
    ShutdownAsked,
    StartError,
    Stop,
    StopReason,
    Ticket,
    UnloadAsked,
    Woke,
)
from swapyard.core.placement import Placement
from swapyard.core.records import Run, Slot, Waiter


class Scheduler:
    """Decides for one policy. Deterministic: the same events at the same times give the same commands.

    `handle` raises ValueError for a ticket that arrives twice or leaves twice (a refused ticket has left), and
    `lifecycle.LifecycleError` for a step that the run cannot take; both are bugs of the caller. Events about runs that are
    over are ignored. `now` is in seconds and never goes back.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._placement = Placement(policy)
        self._room = self._placement.room
        self._queue = self._placement.queue
        self._fairness = self._placement.fairness
        self._tickets = self._placement.tickets
        self._closing = False
        for model, model_policy in policy.models.items():
            self._room.add(model, model_policy)

    # --- events ---------------------------------------------------------------------------------------------------------

    def handle(self, event: Event, now: float) -> list[Command]:
        """Takes in what happened at `now` and returns what is to be done, in order."""
        if now < self._fairness.due and (at_once := self._simply(event)) is not None:
            return at_once
        out = self._placement.begin(now)
        if now >= self._fairness.due:
            self._placement.drain()
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

    def _simply(self, event: Event) -> list[Command] | None:
        """Nearly every event comes to a model that is ready, has room for more, and concerns nobody else. Does what
        `_arrived` and `_left` would do then, in a fraction of the time. None: it is not so, and nothing has been done."""
        if type(event) is Arrived:
            ticket = event.ticket
            run = self._room.open.get(event.model)
            if run is None or run.slot.served >= run.slot.capacity or ticket in self._tickets:
                return None
            run.leases += 1
            run.slot.served += 1
            self._tickets[ticket] = run
            return [Grant(ticket, run.id)]
        if type(event) is Left:
            holder = self._tickets.get(event.ticket)
            if type(holder) is not Run or holder.leases == 1 or holder.slot.queued:
                return None
            del self._tickets[event.ticket]
            holder.leases -= 1
            holder.slot.served -= 1
            return []
        return None

    def _arrived(self, event: Arrived) -> None:
        ticket = event.ticket
        if ticket in self._tickets:
            raise ValueError(f"ticket {ticket} has arrived before")
        run = self._room.open.get(event.model)
        if run is not None and run.slot.served < run.slot.capacity:
            self._placement.lease(ticket, run)
            return
        slot = self._room.slots.get(event.model)
        refusal = self._refusal(slot)
        if slot is None or refusal is not None:
            self._placement.out.append(Refuse(ticket, refusal or RefusalReason.UNKNOWN_MODEL))
            return
        self._placement.add(ticket, slot)

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
        if holder.state is not State.READY:
            return  # a lease of a run that is over or going: it stands in nobody's way
        if slot.queued and self._room.servable(slot):
            # Before anybody else: a turn ends when its own waiters have been served.
            held_others_back = self._fairness.is_gate(slot)
            if self._placement.place(slot) and held_others_back:
                self._placement.drain()
        if holder.leases == 0:
            self._became_idle(holder)

    def _gave_up(self, waiter: Waiter) -> None:
        slot = waiter.slot
        was_gate = self._fairness.is_gate(slot)
        self._queue.remove(waiter)
        if slot.is_idle:
            self._placement.rest(slot)
        if was_gate or (slot.load is not None and not slot.waiting):
            self._placement.drain()

    def _became_idle(self, run: Run) -> None:
        """The last lease of a ready run has ended."""
        slot = run.slot
        if run.outdated or self._closing:
            self._placement.stop(run, StopReason.SHUTDOWN if self._closing else StopReason.RELOADED)
        if self._queue:
            self._placement.drain()
        if slot.is_idle:
            self._placement.rest(slot)

    def _became_ready(self, event: BecameReady) -> None:
        run = self._room.runs.get(event.run)
        if run is None:
            return
        run.state = next_state(run.state, Step.BECOME_READY)
        if run.state is State.READY:
            assert run.slot.load is not None, "a starting run has a load"
            self._placement.complete(run.slot.load)
            self._placement.drain()

    def _failed(self, event: Failed) -> None:
        run = self._room.runs.get(event.run)
        if run is None:
            return
        if run.state is State.READY:
            self._placement.lose(run)
            self._placement.drain()
            return
        before, run.state = run.state, next_state(run.state, Step.FAIL)
        if before is State.STARTING:
            self._placement.give_up_load(run.slot, RefusalReason.START_FAILED, event.error)
            self._placement.out.append(Stop(run.id, StopReason.START_FAILED))
            self._placement.drain()

    def _exited(self, event: Exited) -> None:
        run = self._room.runs.pop(event.run, None)
        if run is None:
            return
        slot = run.slot
        before, run.state = run.state, next_state(run.state, Step.EXIT)
        slot.run = None
        if before is State.STARTING:
            error = event.error or StartError(f'the server of model "{slot.model}" exited before it was ready')
            self._placement.give_up_load(slot, RefusalReason.START_FAILED, error)
        self._room.note(slot)
        for load in run.awaited_by:
            if load.slot.load is load:
                load.pending.discard(run.id)
                if not load.pending:
                    self._placement.launch(load)
        if not slot.known and slot.load is None:
            del self._room.slots[slot.model]
        self._placement.drain()

    def _unload(self, event: UnloadAsked) -> None:
        slots = self._room.slots
        named = list(slots.values()) if event.models is None else [slots[model] for model in event.models & slots.keys()]
        for slot in as_they_wait(named):
            self._placement.give_up_load(slot, RefusalReason.UNLOADED)
        for slot in as_they_started(named):
            if slot.state in (State.STARTING, State.READY):
                self._placement.stop(slot.run, StopReason.UNLOADED)
        self._placement.drain()

    def _shut_down(self) -> None:
        self._closing = True
        for slot in as_they_wait(self._room.slots.values()):
            self._placement.give_up_load(slot, RefusalReason.SHUTTING_DOWN)
        for slot in as_they_started(self._room.slots.values()):
            if slot.state is State.STARTING or slot.is_idle:
                self._placement.stop(slot.run, StopReason.SHUTDOWN)
        self._room.open.clear()

    def _woke(self) -> None:
        self._placement.wake()

    def _policy_changed(self, event: PolicyChanged) -> None:
        policy = self._policy = event.policy
        room = self._room
        gone = room.slots.keys() - policy.models.keys()
        for slot in as_they_wait(room.slots[model] for model in gone):
            self._placement.give_up_load(slot, RefusalReason.UNKNOWN_MODEL)
        for slot in as_they_started(room.slots[model] for model in (event.replaced & room.slots.keys()) | gone):
            self._replace(slot)
        for load in [load for load in room.loads if load.pending]:
            self._placement.forget(load)  # planned under the old policy: to be planned anew
        queued = [slot for slot in room.slots.values() if slot.queued]
        for slot in queued:
            self._queue.leave(slot)
        room.use(policy.planner)
        for slot in list(room.slots.values()):
            room.update(slot, policy.models.get(slot.model))
        for model, model_policy in policy.models.items():
            if model not in room.slots:
                room.add(model, model_policy)
        for slot in queued:
            self._queue.enter(slot)
        self._fairness.changed(policy.max_wait)
        self._placement.drain()
        self._placement.stop_the_idle()

    def _replace(self, slot: Slot) -> None:
        """The model's definition changed or went: its run grants nothing more, finishes what it serves, and is stopped."""
        run = slot.run
        if run is None or run.state is State.STOPPING:
            return
        run.outdated = True
        if slot.load is not None:
            self._placement.forget(slot.load)
        if run.state is State.STARTING or run.leases == 0:
            self._placement.stop(run, StopReason.RELOADED)

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

    def is_full(self, model: str) -> bool:
        """Whether a ticket for it would be refused because too many are served or wait."""
        return self._refusal(self._room.slots.get(model)) in (RefusalReason.LIMIT, RefusalReason.QUEUE_FULL)

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


def as_they_wait(slots: Iterable[Slot]) -> list[Slot]:
    """Those with waiting tickets or a load, by their oldest ticket: the order in which one event refuses several models'."""
    found = [slot for slot in slots if slot.waiting or slot.load is not None]
    return sorted(found, key=lambda slot: slot.first_waiter().seq if slot.waiting else inf)


def as_they_started(slots: Iterable[Slot]) -> list[Slot]:
    """Those with a run, the oldest run first: the order in which one event stops several."""
    return [slot for _, slot in sorted((slot.run.id, slot) for slot in slots if slot.run is not None)]
