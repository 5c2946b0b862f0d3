"""Who is here, and who must go so that another can come: the planner's answers, and the rule for loads that collide.

*Present* is every model with a run (starting, ready or stopping) and every target of a load. The planner is asked about
present models only; its answers are kept until their set changes (not at all where they hang on the order of last use).
Decides nothing about tickets, time or fairness.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from swapyard.core.lifecycle import State
from swapyard.core.messages import ModelPolicy, Planner, RunId
from swapyard.core.queue import Kin
from swapyard.core.records import Load, Run, Slot


class Room:
    """`slots` by model, `runs` by id (so in order of their start), `loads` in order of their beginning.

    `open`: ready runs that may be granted tickets without any question, as long as they have room; the hot path. Whatever
    could change the answer to one of the questions takes the run out again.
    """

    def __init__(self, planner: Planner) -> None:
        self.slots: dict[str, Slot] = {}
        self.runs: dict[RunId, Run] = {}
        self.loads: dict[Load, None] = {}
        self.open: dict[str, Run] = {}
        self._present: dict[str, Slot] = {}  # in the order of coming
        self.use(planner)

    def use(self, planner: Planner) -> None:
        """From now on this planner is asked. Kinship is new, too: who is queued has to be queued anew."""
        self._planner = planner
        self._kin_of = getattr(planner, "kin", None)
        self._rule_of = getattr(planner, "rule", None)
        self._by_last_use = bool(getattr(planner, "by_last_use", False))
        self._kins: dict[str, Kin] = {}
        self._forget_answers()

    def kin_of(self, model: str) -> Kin:
        name = self._kin_of(model) if self._kin_of is not None else None
        return Kin() if name is None else self._kins.setdefault(name, Kin())

    def add(self, model: str, policy: ModelPolicy) -> None:
        slot = self.slots[model] = Slot(model, policy, self.kin_of(model))
        self.update(slot, policy)

    def update(self, slot: Slot, policy: ModelPolicy | None) -> None:
        """The slot, which is not queued, gets this policy. None: the model is gone, and its slot goes once it has no run."""
        slot.known = policy is not None
        slot.kin = self.kin_of(slot.model)
        if policy is not None:
            slot.policy = policy
            slot.capacity = policy.limit if policy.limit is not None else policy.parallel
        elif slot.run is None:
            del self.slots[slot.model]

    def note(self, slot: Slot) -> None:
        """To be called after the slot's run or load has come or gone."""
        is_present = slot.run is not None or slot.load is not None
        if is_present == (slot.model in self._present):
            return
        if is_present:
            self._present[slot.model] = slot
        else:
            del self._present[slot.model]
        self._forget_answers()

    def evict(self, slot: Slot) -> tuple[Slot, ...]:
        """The present models that must go before this one, which has no load, may serve."""
        if self._by_last_use and slot.run is None:
            return self._ask(slot.model, self._in_order_of_use())
        key = slot.kin if slot.is_plain else slot
        answer = self._answers.get(key)
        if answer is None:
            answer = self._answers[key] = self._ask(slot.model, self._present)
        return answer

    def would_evict(self, wanted: Slot, newcomer: Slot) -> bool:
        """Whether `newcomer`, if it ran too, would have to go before `wanted` may serve."""
        if newcomer.run is not None or newcomer.load is not None:
            return newcomer in self.evict(wanted)
        if self._by_last_use and wanted.run is None:
            return newcomer in self._ask(wanted.model, [*self._in_order_of_use(), newcomer.model])
        key = (wanted.kin if wanted.is_plain else wanted, newcomer.kin if newcomer.is_plain else newcomer)
        answer = self._hypotheses.get(key)
        if answer is None:
            answer = self._hypotheses[key] = newcomer in self._ask(wanted.model, [*self._present, newcomer.model])
        return answer

    def rule(self, wanted: Slot, victim: Slot) -> str:
        """By which rule of the planner the one must go for the other, in words; empty where it does not say."""
        return self._rule_of(wanted.model, victim.model) if self._rule_of is not None else ""

    def collisions(self, slot: Slot, evict: tuple[Slot, ...]) -> list[Load]:
        """Loads that cannot go on beside a load of `slot` with these victims: one's victims include the other's target, or
        they share a victim. A load may be named more than once."""
        found = [slot.claimed_by] if slot.claimed_by is not None else []
        for victim in evict:
            if victim.load is not None:
                found.append(victim.load)
            if victim.claimed_by is not None:
                found.append(victim.claimed_by)
        return found

    def singular(self) -> list[Slot]:
        """The queued models that are not plain: first those with a run, then those that a load still keeps away."""
        found = [run.slot for run in self.runs.values() if run.slot.queued]
        found += [victim for load in self.loads for victim in load.victims if victim.queued and victim.run is None]
        return found

    def servable(self, slot: Slot) -> bool:
        """It is ready and nobody has to go first."""
        run = slot.run
        return run is not None and run.state is State.READY and not run.outdated and not self.evict(slot)

    def _in_order_of_use(self) -> list[str]:
        """The present models as `Planner.by_last_use` wants them; equals stay in the order of coming."""
        return [slot.model for slot in sorted(self._present.values(), key=last_use)]

    def _ask(self, model: str, running: Iterable[str]) -> tuple[Slot, ...]:
        named = self._planner.evict(model, tuple(running))
        return tuple(self.slots[name] for name in dict.fromkeys(named) if name != model and name in self.slots)

    def _forget_answers(self) -> None:
        self._answers: dict[Kin | Slot, tuple[Slot, ...]] = {}
        self._hypotheses: dict[tuple[Kin | Slot, Kin | Slot], bool] = {}
        self.open.clear()


def last_use(slot: Slot) -> float:
    """A time to order present models by: before all times for what is going, after all for what is in use or on its way."""
    run = slot.run
    if slot.load is not None or run is None or run.leases or run.state is State.STARTING:
        return inf
    return slot.idle_since if run.state is State.READY else -inf
