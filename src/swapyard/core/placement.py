"""What becomes of waiting tickets: they are granted, a load begins for them, or they go on waiting.

`place` is the one function that decides it; arrivals, leases that end and the walk through the queue (`drain`) all end
there. A load stops its victims, waits until every one of them has exited, and starts its target; it is given up when its
target is unloaded or fails, and when nobody waits for it any more while it is in another's way.

`scheduler` calls this for every event; commands collect in `out`. Idleness is decided here too, beside the grants, so that
no grant can race a stop.
"""

from __future__ import annotations

from math import inf

from swapyard.core.fairness import Fairness
from swapyard.core.lifecycle import State, Step, next_state
from swapyard.core.messages import (
    Command,
    Grant,
    Moved,
    Policy,
    RefusalReason,
    Refuse,
    RunId,
    Start,
    StartError,
    Stop,
    StopReason,
    Ticket,
    WakeAt,
)
from swapyard.core.queue import Queue
from swapyard.core.records import Load, Run, Slot, Waiter
from swapyard.core.room import Room


class Placement:
    """`now` and `out` belong to the event being handled. `tickets`: who serves each granted ticket, or what waits."""

    def __init__(self, policy: Policy) -> None:
        self.room = Room(policy.planner)
        self.queue = Queue()
        self.fairness = Fairness(self.room, self.queue, policy.max_wait)
        self.tickets: dict[Ticket, Run | Waiter] = {}
        self.now = 0.0
        self.out: list[Command] = []
        self._last_run: RunId = policy.last_run
        self._last_seq = 0
        self._armed = inf  # the time of the WakeAt that is out
        self._requeued: list[Slot] = []  # whose waiters stand in the queue again and have not been told

    def begin(self, now: float) -> list[Command]:
        """A new event is to be handled: its commands go into the list returned."""
        self.now = now
        self.out = []
        return self.out

    # --- tickets --------------------------------------------------------------------------------------------------------

    def add(self, ticket: Ticket, slot: Slot) -> None:
        """A ticket is admitted: grants it, begins a load for it, or tells it that it waits."""
        self._last_seq += 1
        waiter = self.tickets[ticket] = Waiter(ticket, slot, self._last_seq, self.now)
        self.queue.add(waiter)
        if slot.queued and len(slot.waiting) == 1:  # otherwise somebody waits already, and nothing has changed for those
            self.place(slot)
        if slot.queued:
            self.out.append(Moved(ticket, self.queue.position(waiter)))
            self.wake_at(self.fairness.waits(self.now))

    def place(self, slot: Slot) -> bool:
        """Grants to the queued waiters of this model, or begins a load for them, or leaves them. True if not the last."""
        run = slot.run
        if run is not None and run.outdated and run.state is State.READY:
            return False  # its leases finish first; then it is stopped
        evict = self.room.evict(slot)
        if run is not None and run.state is State.READY and not evict:
            if not slot.gated:
                self.room.open[slot.model] = run
            return self._grant_waiting(run)
        if self.fairness.holds_back(slot, evict):
            return False
        if in_the_way := self.room.collisions(slot, evict):
            if not self._drop_abandoned(in_the_way, slot):
                return False
            evict = self.room.evict(slot)  # whoever was starting in vain is stopping now
        if any(is_busy(victim) for victim in evict):
            return False
        self._begin(slot, evict)
        return True

    def drain(self) -> None:
        """Somebody may have room now: the overdue first, oldest first, then everybody by rank."""
        if self.queue:
            while any(self.place(slot) for slot in self.fairness.look(self.now)):
                pass  # somebody else may be in somebody else's way now: look again
            for slot in self.queue.by_rank(self.room.singular()):
                self.place(slot)
        if self._requeued:
            self._tell_requeued()
        self.fairness.look(self.now)
        self.wake_at(self.fairness.due)

    def _tell_requeued(self) -> None:
        for slot in self._requeued:
            if slot.queued:
                for waiter in slot.waiting.values():
                    self.out.append(Moved(waiter.ticket, self.queue.position(waiter)))
        self._requeued.clear()

    def _grant_waiting(self, run: Run) -> bool:
        """Serves waiters in order of arrival while there is capacity; a gated model only those of its turn. True if any."""
        slot = run.slot
        before = run.leases
        while slot.waiting and run.leases < slot.capacity:
            head = slot.first_waiter()
            if slot.gated and head.seq > slot.mark:
                break
            self.queue.remove(head)
            self.lease(head.ticket, run)
        return run.leases > before

    def lease(self, ticket: Ticket, run: Run) -> None:
        run.leases += 1
        run.slot.served += 1
        self.tickets[ticket] = run
        self.out.append(Grant(ticket, run.id))

    def _refuse_waiting(self, slot: Slot, reason: RefusalReason, error: StartError | None = None) -> None:
        for waiter in list(slot.waiting.values()):
            self.queue.remove(waiter)
            del self.tickets[waiter.ticket]
            self.out.append(Refuse(waiter.ticket, reason, error))

    # --- loads ----------------------------------------------------------------------------------------------------------

    def _begin(self, slot: Slot, victims: tuple[Slot, ...]) -> None:
        """Begins a load. Nobody is in its way, and every victim has a run without leases."""
        head = slot.first_waiter()
        self.queue.leave(slot)
        load = slot.load = Load(slot, victims)
        self.room.loads[load] = None
        self.room.note(slot)
        if slot.run is not None and slot.run.state is State.STOPPING:
            self._await_exit(load, slot.run)
        for victim in victims:
            assert victim.run is not None, "a model that is present without a run is a load's target, which collides"
            victim.claimed_by = load
            self._await_exit(load, victim.run)
            if victim.run.state is not State.STOPPING:
                self.stop(victim.run, StopReason.EVICTED, slot.model, head.ticket, self.room.rule(slot, victim))
        if not load.pending:
            self.launch(load)

    def _await_exit(self, load: Load, run: Run) -> None:
        load.pending.add(run.id)
        run.awaited_by.append(load)

    def launch(self, load: Load) -> None:
        """Everybody who had to go is gone."""
        slot = load.slot
        if slot.run is not None:
            self.complete(load)
            return
        self._last_run += 1
        run = slot.run = Run(self._last_run, slot, next_state(State.STOPPED, Step.START))
        self.room.runs[run.id] = run
        self.room.note(slot)
        self.out.append(Start(run.id, slot.model, slot.first_waiter().ticket if slot.waiting else None))

    def complete(self, load: Load) -> None:
        """The target is ready: its turn begins, whatever the policy would say by now (llama-swap does the same)."""
        slot = load.slot
        assert slot.run is not None, "a load completes with a ready run"
        slot.mark = self._last_seq
        self._grant_waiting(slot.run)
        self.forget(load)
        if slot.is_idle:
            self.rest(slot)

    def forget(self, load: Load) -> None:
        """The load is over or given up. Whoever still waits for its target queues again."""
        slot = load.slot
        slot.load = None
        del self.room.loads[load]
        for victim in load.victims:
            victim.claimed_by = None
        self.room.note(slot)
        if slot.waiting:
            self.queue.enter(slot)
            self.fairness.waits(slot.first_waiter().since)
            self._requeued.append(slot)

    def give_up_load(self, slot: Slot, reason: RefusalReason, error: StartError | None = None) -> None:
        """Refuses everybody who waits for this model and forgets its load, if it has one."""
        self._refuse_waiting(slot, reason, error)
        if slot.load is not None:
            self.forget(slot.load)

    def _drop_abandoned(self, in_the_way: list[Load], slot: Slot) -> bool:
        """Aborts those of these loads that nobody waits for any more (llama-swap #727). True if that was all of them."""
        abandoned = [load for load in in_the_way if not load.slot.waiting]
        for load in dict.fromkeys(abandoned):
            self.forget(load)
            if load.slot.state is State.STARTING:
                self.stop(load.slot.run, StopReason.ABANDONED, slot.model, slot.first_waiter().ticket)
        return len(abandoned) == len(in_the_way)

    def stop(
        self,
        run: Run | None,
        reason: StopReason,
        for_model: str | None = None,
        for_ticket: Ticket | None = None,
        rule: str = "",
        idle: float = 0.0,
    ) -> None:
        assert run is not None, "only a model with a run is stopped"
        run.state = next_state(run.state, Step.STOP)
        self.room.open.pop(run.slot.model, None)
        self.out.append(Stop(run.id, reason, for_model, for_ticket, rule, idle))

    def lose(self, run: Run) -> None:
        """A ready run serves no longer, though something of it may still be alive: whoever waits for its model waits for its
        end, and for the next run then."""
        self.stop(run, StopReason.CRASHED)
        if run.slot.load is not None:  # it only waited for others to go
            self._await_exit(run.slot.load, run)

    # --- time -----------------------------------------------------------------------------------------------------------

    def rest(self, slot: Slot) -> None:
        """The model is ready and nobody uses it, from now on."""
        slot.idle_since = self.now
        if slot.policy.ttl > 0:
            self.wake_at(self.now + slot.policy.ttl)

    def stop_the_idle(self) -> None:
        """Stops every run that has been idle for its time to live. Grants are decided here too, so none can be cut."""
        for run in list(self.room.runs.values()):
            slot = run.slot
            if slot.policy.ttl > 0 and slot.is_idle:
                end = slot.idle_since + slot.policy.ttl
                if end <= self.now:
                    self.stop(run, StopReason.IDLE, idle=slot.policy.ttl)
                else:
                    self.wake_at(end)

    def wake(self) -> None:
        """The time of the last wish has come, or near enough: does what is due by time alone, and makes the next wish."""
        self._armed = inf
        self.stop_the_idle()
        self.wake_at(self.fairness.due)

    def wake_at(self, at: float) -> None:
        """One wish is out at a time, the earliest; a later one is made when that has come true."""
        if at < self._armed:
            self._armed = at
            self.out.append(WakeAt(at))


def is_busy(slot: Slot) -> bool:
    """It serves somebody, and is not going anyway."""
    return slot.run is not None and slot.run.leases > 0 and slot.run.state is not State.STOPPING
