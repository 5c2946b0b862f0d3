"""What must hold whatever happens: the scheduler against a world that answers its commands in every possible order.

`World` plays the engine and the clients. It knows the rules by itself and checks every command and the state after every
event; hypothesis looks for a history that breaks one, and a long seeded run does a million steps.

The planner of these tests is a relation (who evicts whom), so the world can tell who may run beside whom. Models of one
line of the relation are kin half of the time, so the shortcut through kinship is checked against planners without it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

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
    ShutdownAsked,
    Start,
    StartError,
    Stop,
    StopReason,
    UnloadAsked,
    WakeAt,
    Woke,
)
from swapyard.core.scheduler import Scheduler

MODELS = "abcdefg"
SPARING = {StopReason.EVICTED, StopReason.IDLE, StopReason.ABANDONED, StopReason.RELOADED, StopReason.SHUTDOWN}


class Relation:
    """A planner from groups: a model's group says which groups it evicts (its own included or not)."""

    def __init__(self, group_of: dict[str, int], evicts: frozenset[tuple[int, int]]) -> None:
        self.group_of, self.pairs = group_of, evicts

    def evicts(self, model: str, other: str) -> bool:
        return model != other and (self.group_of.get(model, -1), self.group_of.get(other, -1)) in self.pairs

    def evict(self, model: str, running: Sequence[str]) -> Sequence[str]:
        return [x for x in running if self.evicts(model, x)]


class KinRelation(Relation):
    def kin(self, model: str) -> str:
        return str(self.group_of.get(model, -1))


class Thorough(Scheduler):
    """Takes no short way."""

    assert "_simply" in vars(Scheduler)

    def _simply(self, event: Event) -> list[Command] | None:
        return None


class World:
    """The engine and the clients, as far as the scheduler can tell. Every check is an assertion. `twin`: says the same."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.scheduler = Scheduler(policy)
        self.twin = Thorough(policy)
        self.now = 0.0
        self.wake_at: float | None = None
        self.tickets = 0
        self.last_run = 0
        self.waiting: dict[int, tuple[str, float]] = {}  # in order of arrival
        self.granted: dict[int, int] = {}  # ticket -> run
        self.leases: dict[int, int] = {}  # run -> how many; those of runs that are over too
        self.alive: dict[int, str] = {}  # run -> model, from Start to Exited
        self.ready: set[int] = set()
        self.stopping: set[int] = set()
        self.outdated: set[int] = set()
        self.mark: dict[str, int] = {}  # model -> last ticket that belongs to its turn
        self.closing = False

    # --- what can happen

    def feed(self, event: Event) -> list[Command]:
        before, at_their_turns_end = self.loading(), self.at_their_turns_end()
        commands = self.scheduler.handle(event, self.now)
        assert commands == self.twin.handle(event, self.now)
        for command in commands:
            self.perform(command)
        if isinstance(event, Exited):
            # A load whose target was ready all the time ends with its last victim's exit, and a turn begins.
            self.mark.update(dict.fromkeys(before - self.loading(), self.tickets))
        self.check_fairness(commands, self.loading() - before, at_their_turns_end)
        return commands

    def arrive(self, model: str) -> list[Command]:
        self.tickets += 1
        self.waiting[self.tickets] = (model, self.now)
        return self.feed(Arrived(self.tickets, model))

    def leave(self, ticket: int) -> list[Command]:
        if ticket in self.granted:
            self.leases[self.granted.pop(ticket)] -= 1
        else:
            del self.waiting[ticket]
        return self.feed(Left(ticket))

    def become_ready(self, run: int) -> list[Command]:
        if run not in self.stopping:
            self.ready.add(run)
            self.mark[self.alive[run]] = self.tickets
        return self.feed(BecameReady(run))

    def exit(self, run: int) -> list[Command]:
        del self.alive[run]
        for runs in (self.ready, self.stopping, self.outdated):
            runs.discard(run)
        return self.feed(Exited(run))

    def wake(self) -> list[Command]:
        assert self.wake_at is not None
        self.now = max(self.now, self.wake_at)
        self.wake_at = None
        return self.feed(Woke())

    def change(self, policy: Policy, replaced: frozenset[str]) -> list[Command]:
        gone = self.policy.models.keys() - policy.models.keys()
        self.policy = policy
        self.outdated |= {run for run, model in self.alive.items() if model in replaced | gone}
        return self.feed(PolicyChanged(policy, replaced))

    def close(self) -> list[Command]:
        self.closing = True
        return self.feed(ShutdownAsked())

    # --- what the scheduler asks for

    def perform(self, command: Command) -> None:
        match command:
            case Start(run, model):
                assert run > self.last_run
                assert model in self.policy.models
                assert not self.closing
                assert model not in self.alive.values(), "a second run of the same model"
                for other in self.alive.values():
                    assert not (self.evicts(model, other) and self.evicts(other, model)), "two that may not coexist"
                self.last_run = run
                self.alive[run] = model
                self.leases[run] = 0
            case Stop(run, reason):
                assert run in self.alive
                assert run not in self.stopping, "stopped twice"
                assert reason not in SPARING or not self.leases[run], f"a run with leases is stopped: {reason}"
                if reason is StopReason.ABANDONED:
                    assert run not in self.ready
                    assert not self.waiters(self.alive[run])
                self.stopping.add(run)
                self.ready.discard(run)
            case Grant(ticket, run):
                model, _ = self.waiting.pop(ticket)
                assert self.alive[run] == model
                assert run in self.ready
                assert run not in self.outdated, "the definition of this run was replaced"
                assert not self.closing
                assert not any(other < ticket for other in self.waiters(model)), "an older ticket of the model waits"
                self.granted[ticket] = run
                self.leases[run] += 1
                assert self.leases[run] <= self.capacity(model)
            case Refuse(ticket, reason):
                model, _ = self.waiting.pop(ticket)
                if reason is RefusalReason.QUEUE_FULL:
                    assert len(self.waiters(model)) >= self.policy.max_queue
                if reason in (RefusalReason.QUEUE_FULL, RefusalReason.LIMIT):
                    assert ticket == self.tickets, "refused after it was admitted"
                if reason is RefusalReason.UNKNOWN_MODEL:
                    assert model not in self.policy.models
            case Moved(ticket, position):
                assert self.scheduler.positions()[ticket] == position
            case WakeAt(at):
                assert self.wake_at is None or at < self.wake_at
                self.wake_at = at

    # --- what must hold

    def check_fairness(self, commands: Sequence[Command], began: set[str], at_their_turns_end: set[str]) -> None:
        """Nobody is let past an overdue ticket in the queue, unless its own model has to let another in first."""
        if not self.is_anybody_overdue():
            return
        queued = self.scheduler.positions()
        overdue = [ticket for ticket in self.waiting if ticket in queued and self.is_overdue(ticket)]
        running = self.present()
        for old in overdue:
            model = self.waiting[old][0]
            if model in at_their_turns_end and old > self.mark[model]:
                continue
            for command in commands:
                if isinstance(command, Grant) and self.evicts(model, granted := self.alive[command.run]):
                    assert command.ticket <= self.mark[granted], f"ticket {command.ticket} overtook {old}"
            for newcomer in filter(self.waiters, began):  # an abandoned load that goes on does not begin
                if newcomer != model and self.conflict(model, newcomer, set(self.scheduler.plan(newcomer)), running):
                    assert min(self.waiters(newcomer)) < old, f"a load of {newcomer} began in the way of ticket {old}"

    def check_work(self) -> None:
        """Who waits has a reason: something busy, some load, its own capacity, or somebody overdue."""
        queued = self.scheduler.positions()
        loading, running = self.loading(), self.present()
        overdue = {
            m for t, (m, since) in self.waiting.items() if t in queued and 0 < self.policy.max_wait <= self.now - since
        }
        for model in {self.waiting[ticket][0] for ticket in queued}:
            run = self.scheduler.run_of(model)
            victims = self.victims(model, running)
            if run in self.outdated and run not in self.stopping:
                assert self.leases[run] > 0
                continue
            if run in self.ready and not victims:
                full = self.leases[run] >= self.capacity(model)
                assert full or any(self.evicts(m, model) for m in overdue), f"{model} is ready and has room"
                continue
            busy = any(self.is_busy(x) for x in victims)
            blocked = any(self.collide(model, other, victims) for other in loading)
            held_back = any(m != model and self.conflict(m, model, victims, running) for m in overdue)
            assert busy or blocked or held_back, f"{model} waits for nothing"

    def check_books(self) -> None:
        scheduler = self.scheduler
        assert set(scheduler.running()) == set(self.alive.values())
        for model in self.policy.models:
            runs = [run for run, m in self.alive.items() if m == model]
            assert scheduler.run_of(model) == (runs[0] if runs else None)
            assert scheduler.waiting(model) == len(self.waiters(model))
        positions = scheduler.positions()
        assert sorted(positions.values()) == list(range(1, len(positions) + 1))
        ranked = sorted(positions, key=positions.__getitem__)
        assert ranked == sorted(positions, key=lambda t: (-self.policy.models[self.waiting[t][0]].priority, t))
        if self.granted and not self.waiting:
            assert not positions

    def drain(self) -> None:
        """Every lease ends, every start succeeds, every stop ends: then nobody waits."""
        for _ in range(10_000):
            if not (self.waiting or self.granted or self.stopping):
                return
            self.now += 1
            for ticket in list(self.granted):
                self.leave(ticket)
            for run in sorted(self.stopping):
                self.exit(run)
            for run in [run for run in self.alive if run not in self.ready and run not in self.stopping]:
                self.become_ready(run)
        raise AssertionError(f"these wait for ever: {self.waiting}")

    # --- words

    def evicts(self, model: str, other: str) -> bool:
        assert isinstance(self.policy.planner, Relation)
        return self.policy.planner.evicts(model, other)

    def victims(self, model: str, running: set[str]) -> set[str]:
        return {x for x in running if self.evicts(model, x)}

    def conflict(self, overdue: str, newcomer: str, victims: set[str], running: set[str]) -> bool:
        """A load of `newcomer` with these victims would stand in the way of the overdue model."""
        return self.evicts(overdue, newcomer) or overdue in victims or bool(victims & self.victims(overdue, running))

    def collide(self, model: str, loading: str, victims: set[str]) -> bool:
        theirs = set(self.scheduler.plan(loading))
        return loading in victims or model in theirs or bool(theirs & victims)

    def at_their_turns_end(self) -> set[str]:
        """Ready models that must let somebody overdue in, after their turn. Told only where it matters: it costs."""
        if not self.is_anybody_overdue():
            return set()
        queued = self.scheduler.positions()
        overdue = {self.waiting[ticket][0] for ticket in self.waiting if ticket in queued and self.is_overdue(ticket)}
        ready = {self.alive[run] for run in self.ready}
        return {model for model in ready if any(self.evicts(other, model) for other in overdue)}

    def is_anybody_overdue(self) -> bool:
        return bool(self.waiting) and self.is_overdue(next(iter(self.waiting)))

    def is_overdue(self, ticket: int) -> bool:
        return self.policy.max_wait > 0 and self.waiting[ticket][1] + self.policy.max_wait <= self.now

    def is_busy(self, model: str) -> bool:
        return any(self.leases[run] for run, m in self.alive.items() if m == model and run not in self.stopping)

    def loading(self) -> set[str]:
        """Models with a load that somebody waits for, and those starting."""
        queued = self.scheduler.positions() if self.waiting else ()
        found = {model for ticket, (model, _) in self.waiting.items() if ticket not in queued}
        return found | {m for run, m in self.alive.items() if run not in self.ready and run not in self.stopping}

    def present(self) -> set[str]:
        return set(self.alive.values()) | self.loading()

    def waiters(self, model: str) -> list[int]:
        return [ticket for ticket, (m, _) in self.waiting.items() if m == model]

    def capacity(self, model: str) -> int:
        policy = self.policy.models[model]
        return policy.limit if policy.limit is not None else policy.parallel


def random_policy(rng: random.Random, models: str = MODELS) -> Policy:
    groups = rng.randint(1, 4)
    chance = rng.choice([0.3, 0.6, 1.0])
    pairs = frozenset((g, h) for g in range(groups) for h in range(groups) if rng.random() < chance)
    if rng.random() < 0.5:
        pairs |= {(h, g) for g, h in pairs}
    planner = rng.choice([Relation, KinRelation])({model: rng.randrange(groups) for model in models}, pairs)
    policies = {
        model: ModelPolicy(
            limit=rng.choice([None, None, 1, 3]),
            parallel=rng.choice([1, 2, 10]),
            priority=rng.choice([0, 0, 1, -1]),
            ttl=rng.choice([0.0, 5.0]),
        )
        for model in models
    }
    return Policy(policies, planner, max_wait=rng.choice([0.0, 3.0, 20.0]), max_queue=rng.choice([0, 2, 1000]))


class AnyHistory(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.world = World(random_policy(random.Random(seed)))

    @rule(model=st.sampled_from(MODELS + "?"))
    def a_ticket_arrives(self, model: str) -> None:
        self.world.arrive(model)

    @precondition(lambda self: self.world.granted)
    @rule(data=st.data())
    def a_lease_ends(self, data: st.DataObject) -> None:
        self.world.leave(data.draw(st.sampled_from(sorted(self.world.granted))))

    @precondition(lambda self: self.world.waiting)
    @rule(data=st.data())
    def a_client_gives_up(self, data: st.DataObject) -> None:
        self.world.leave(data.draw(st.sampled_from(sorted(self.world.waiting))))

    @precondition(lambda self: self.world.alive)
    @rule(data=st.data())
    def a_run_becomes_ready(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from(sorted(self.world.alive)))
        if run not in self.world.ready:
            self.world.become_ready(run)

    @precondition(lambda self: self.world.stopping)
    @rule(data=st.data())
    def a_stop_ends(self, data: st.DataObject) -> None:
        self.world.exit(data.draw(st.sampled_from(sorted(self.world.stopping))))

    @precondition(lambda self: self.world.alive)
    @rule(data=st.data(), fails=st.booleans())
    def a_run_fails_or_dies(self, data: st.DataObject, fails: bool) -> None:
        run = data.draw(st.sampled_from(sorted(self.world.alive)))
        if fails:
            self.world.feed(Failed(run, StartError("it does not start, or crashed")))
        else:
            self.world.exit(run)

    @rule(seconds=st.sampled_from([0.5, 3.0, 5.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.now += seconds

    @precondition(lambda self: self.world.wake_at is not None)
    @rule()
    def it_wakes(self) -> None:
        self.world.wake()

    @rule(models=st.none() | st.frozensets(st.sampled_from(MODELS), max_size=2))
    def somebody_unloads(self, models: frozenset[str] | None) -> None:
        self.world.feed(UnloadAsked(models))

    @rule(seed=st.integers(0, 2**32), replaced=st.frozensets(st.sampled_from(MODELS), max_size=2))
    def the_policy_changes(self, seed: int, replaced: frozenset[str]) -> None:
        rng = random.Random(seed)
        self.world.change(random_policy(rng, "".join(m for m in MODELS if rng.random() < 0.9) or "a"), replaced)

    @rule(event=st.sampled_from([BecameReady(10**9), Exited(10**9), Failed(10**9, StartError("long ago"))]))
    def something_is_heard_of_an_unknown_run(self, event: Event) -> None:
        assert not [c for c in self.world.feed(event) if isinstance(c, Stop | Refuse)]

    @rule()
    def it_shuts_down(self) -> None:
        self.world.close()

    @invariant()
    def books_agree_and_who_waits_has_a_reason(self) -> None:
        self.world.check_books()
        self.world.check_work()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.drain()


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=150, stateful_step_count=60)


def steps(world: World, rng: random.Random) -> Iterator[None]:
    """Random traffic for ever: mostly arrivals and leases that end, now and then everything else."""
    while True:
        world.now += rng.random()
        dice = rng.random()
        if dice < 0.4 and len(world.waiting) < 40:
            world.arrive(rng.choice(MODELS))
        elif dice < 0.75 and world.granted:
            world.leave(rng.choice(list(world.granted)))
        elif dice < 0.85 and world.stopping:
            world.exit(rng.choice(sorted(world.stopping)))
        elif dice < 0.95 and (starting := [r for r in world.alive if r not in world.ready and r not in world.stopping]):
            world.become_ready(rng.choice(starting))
        elif dice < 0.96 and world.waiting:
            world.leave(rng.choice(list(world.waiting)))
        elif dice < 0.965 and world.alive:
            world.exit(rng.choice(list(world.alive)))
        elif dice < 0.967:
            world.feed(UnloadAsked(frozenset(rng.choice(MODELS))))
        elif dice < 0.968:
            world.change(random_policy(rng), frozenset(rng.choice(MODELS)))
        elif world.wake_at is not None and world.wake_at <= world.now:
            world.wake()
        else:
            continue
        yield


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_million_random_steps_keep_every_promise() -> None:
    rng = random.Random(20260712)
    world = World(random_policy(rng))
    for step, _ in enumerate(steps(world, rng)):
        if step % 20 == 0:
            world.check_books()
            world.check_work()
        if step == 1_000_000:
            break
    world.drain()
