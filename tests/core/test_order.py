"""What comes first among equals: always a stated rule (docs/scheduling.md), never a name, the order of a dict, or chance."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from swapyard.core.matrix import MatrixSets
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
    Planner,
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
    Woke,
)
from swapyard.core.planners.group import GroupPlanner
from swapyard.core.planners.matrix import MatrixPlanner
from swapyard.core.scheduler import Scheduler

Play = Callable[..., Scheduler]
Policies = Callable[..., Policy]
Names = Sequence[str]


# --- the rules, one by one -------------------------------------------------------------------------------------------------


def test_of_equal_priorities_the_first_to_arrive_is_first(play: Play, one: Policies) -> None:
    play(one("a b c d"), [
        (Arrived(1, "a"), [Start(1, "a")]),
        (Arrived(2, "d"), [Moved(2, 1)]),
        (Arrived(3, "b"), [Moved(3, 2)]),
        (Arrived(4, "c"), [Moved(4, 3)]),
        (BecameReady(1), [Grant(1, 1)]),
        (Left(1), [Stop(1)]),
        (Exited(1), [Start(2, "d")]),
    ])  # fmt: skip


def test_of_equal_waits_the_first_to_arrive_is_first(play: Play, one: Policies) -> None:
    """All arrive at the same time and become overdue at the same time."""
    scheduler = play(one("a b c d", max_wait=10), [
        (0, Arrived(1, "a"), [Start(1, "a")]),
        (0, BecameReady(1), [Grant(1, 1)]),
    ])  # fmt: skip
    for ticket, model in enumerate("dbc", 2):
        scheduler.handle(Arrived(ticket, model), 5)
    scheduler.handle(Woke(), 20)
    assert scheduler.handle(Left(1), 21) == [Stop(1)]
    assert [command for command in scheduler.handle(Exited(1), 22) if isinstance(command, Start)] == [Start(2, "d")]


def test_victims_are_stopped_in_the_order_of_their_coming(play: Play, pairs: Policies) -> None:
    play(pairs("a b c x", {"x": "a b c"}), [
        *[step for number, model in enumerate("cab", 1) for step in loaded(number, model)],
        (Arrived(9, "x"), [Stop(1), Stop(2), Stop(3)]),
    ])  # fmt: skip


def loaded(number: int, model: str) -> list[tuple[Event, list[Command]]]:
    return [
        (Arrived(number, model), [Start(number, model)]),
        (BecameReady(number), [Grant(number, number)]),
        (Left(number), []),
    ]


@pytest.mark.parametrize(
    ("event", "refusal", "reason"),
    [
        (UnloadAsked(), RefusalReason.UNLOADED, StopReason.UNLOADED),
        (UnloadAsked(frozenset("abcx")), RefusalReason.UNLOADED, StopReason.UNLOADED),
        (ShutdownAsked(), RefusalReason.SHUTTING_DOWN, StopReason.SHUTDOWN),
    ],
)
def test_who_waits_is_refused_in_the_order_of_arrival_and_runs_stop_in_that_of_their_start(
    play: Play, pairs: Policies, event: Event, refusal: RefusalReason, reason: StopReason
) -> None:
    play(pairs("a b c x y", {"x": "c", "a": "c"}), [
        (Arrived(1, "c"), [Start(1, "c")]),
        (Arrived(2, "x"), [Moved(2, 1)]),
        (Arrived(3, "b"), [Start(2, "b")]),
        (Arrived(4, "a"), [Moved(4, 2)]),
        (Arrived(5, "x"), [Moved(5, 3)]),
        (event, [
            Refuse(1, refusal), Refuse(2, refusal), Refuse(5, refusal), Refuse(3, refusal), Refuse(4, refusal),
            Stop(1, reason), Stop(2, reason),
        ]),
    ])  # fmt: skip


def test_models_that_a_reload_replaces_stop_in_the_order_of_their_start(play: Play, pairs: Policies) -> None:
    policy = pairs("a b c")
    play(policy, [
        *[step for number, model in enumerate("cab", 1) for step in loaded(number, model)],
        (PolicyChanged(policy, frozenset("abc")), [Stop(run, StopReason.RELOADED) for run in (1, 2, 3)]),
    ])  # fmt: skip


def test_models_whose_ttl_ends_at_once_stop_in_the_order_of_their_start(play: Play, pairs: Policies) -> None:
    scheduler = Scheduler(pairs("a b c", ttl=10.0))
    for number, model in enumerate("cab", 1):
        for event in (Arrived(number, model), BecameReady(number), Left(number)):
            scheduler.handle(event, 0)
    assert scheduler.handle(Woke(), 10) == [Stop(run, StopReason.IDLE) for run in (1, 2, 3)]


# --- all of it: whatever the models are called -----------------------------------------------------------------------------


class Pairs:
    """Every model evicts some others, by number."""

    def __init__(self, names: Names) -> None:
        self.number = {name: number for number, name in enumerate(names)}

    def evict(self, model: str, running: Sequence[str]) -> Sequence[str]:
        mine = self.number[model]
        return [name for name in running if (mine * 7 + self.number[name] * 3) % 4 == 1 and name != model]


class Oldest:
    """At most three at a time; the first of `running` make room."""

    def __init__(self, by_last_use: bool) -> None:
        self.by_last_use = by_last_use

    def evict(self, model: str, running: Sequence[str]) -> Sequence[str]:
        return () if model in running else list(running)[: max(len(running) - 2, 0)]


def by_groups(names: Names, make_group: Callable[..., Any]) -> Planner:
    halves = (names[:3], names[3:])
    members = [" ".join(sorted(half)) for half in halves]
    return GroupPlanner({"g": make_group(members[0]), "h": make_group(members[1], exclusive=False)})


def by_matrix(names: Names) -> Planner:
    a, b, c, d, e, f = names
    sets = {"s": f"{a} & ({b} | {c}) & ({d} | {e})", "t": f"{f} & ({a} | {d}) | {e} & {b}"}
    return MatrixPlanner(MatrixSets.parse(sets, {}, names), {a: 2})


PLANNERS: Mapping[str, Callable[..., Planner]] = {
    "groups": by_groups,
    "matrix": lambda names, _: by_matrix(names),
    "pairs": lambda names, _: Pairs(names),
    "oldest": lambda names, _: Oldest(by_last_use=False),
    "least recently used": lambda names, _: Oldest(by_last_use=True),
}


class World:
    """A random history, chosen by numbers alone. `told`: every command, with the models' numbers for their names."""

    def __init__(self, seed: int, names: Names, listed: Names, planner: Planner) -> None:
        self.random = random.Random(seed)
        self.names = names
        number = {name: at for at, name in enumerate(names)}
        fields = [
            ModelPolicy(priority=at % 2, parallel=2, ttl=at % 3 * 5.0, limit=4 if at == 5 else None) for at in range(6)
        ]
        models = {name: fields[number[name]] for name in listed}
        self.policy = Policy(models, planner, max_wait=4.0, max_queue=6)
        self.scheduler = Scheduler(self.policy)
        self.number = number
        self.now = 0.0
        self.tickets = 0
        self.open: list[int] = []
        self.runs: dict[int, str] = {}
        self.told: list[object] = []

    def step(self) -> None:
        self.now += self.random.choice((0, 0, 1, 2))
        event = self.choose()
        for command in self.scheduler.handle(event, self.now):
            self.take(command)

    def choose(self) -> Event:
        starting, ready, stopping = map(self.runs_that_are, ("starting", "ready", "stopping"))
        dice = self.random.random()
        if dice < 0.30 and stopping:
            run = self.random.choice(stopping)
            del self.runs[run]
            return Exited(run)
        if dice < 0.50 and starting:
            run = self.random.choice(starting)
            if self.random.random() < 0.15:
                return Failed(run, StartError("no"))
            self.runs[run] = "ready"
            return BecameReady(run)
        if dice < 0.70 and self.open:
            ticket = self.random.choice(self.open)
            self.open.remove(ticket)
            return Left(ticket)
        if dice < 0.73:
            return UnloadAsked(frozenset(self.random.sample(list(self.names), 3)))
        if dice < 0.75:
            return PolicyChanged(self.policy, frozenset(self.random.sample(list(self.names), 2)))
        if dice < 0.77 and ready:
            return Failed(self.random.choice(ready), StartError("crash"))
        if dice < 0.80:
            return Woke()
        self.tickets += 1
        self.open.append(self.tickets)
        return Arrived(self.tickets, self.random.choice(self.names))

    def runs_that_are(self, state: str) -> list[int]:
        return [run for run, present in self.runs.items() if present == state]

    def take(self, command: Command) -> None:
        match command:
            case Start(run, model):
                self.runs[run] = "starting"
                self.told.append((run, self.number[model]))
            case Stop(run, reason, for_model, for_ticket):
                self.runs[run] = "stopping"
                self.told.append((run, reason, None if for_model is None else self.number[for_model], for_ticket))
            case Refuse(ticket):
                self.open.remove(ticket)
                self.told.append(command)
            case _:
                self.told.append(command)


@pytest.mark.parametrize("kind", PLANNERS)
@pytest.mark.parametrize("seed", range(8))
def test_names_and_the_order_of_definition_decide_nothing(kind: str, seed: int, make_group: Callable[..., Any]) -> None:
    other = random.Random(seed)
    renamed = other.sample("uvwxyz", 6)
    namings = [("abcdef", "abcdef"), ("fedcba", "abcdef"), (renamed, sorted(renamed)), (renamed, other.sample(renamed, 6))]
    worlds = [World(seed, names, listed, PLANNERS[kind](names, make_group)) for names, listed in namings]
    for step in range(400):
        for world in worlds:
            world.step()
        assert all(world.told == worlds[0].told for world in worlds), f"step {step}"
    assert len(worlds[0].told) > 60, "too little has happened"
