"""Thousands of random histories of two models that swap: no request sees a run that is being stopped, nothing starts beside
what it replaces, and everybody is answered (llama-swap #277, #667, #946, #949)."""

from __future__ import annotations

import random
from types import ModuleType
from typing import Any

import pytest

GRID = 0.5  # seconds; a coarse grid makes most things happen at the same time, in a random order
MANY = [200, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(300)])]


def grid(dice: random.Random, most: float) -> float:
    return GRID * dice.randint(0, int(most / GRID))


def stage_of(play_engine: ModuleType, dice: random.Random) -> Any:
    ttl = dice.choice([0.0, 0.5, 1.0, 2.0])
    policy = play_engine.swapping(
        "a", "b", ttl=ttl, parallel=dice.choice([1, 2, 10]), max_wait=dice.choice([0.0, 1.0, 60.0])
    )
    stage = play_engine.Stage(policy, dice)

    def prepare(script: Any) -> None:
        assert stage.alive == [], "started before the one before it was gone"
        script.loads = grid(dice, 1.5)
        script.stops = grid(dice, 1.5)
        script.ready_though_stopped = dice.random() < 0.5

    stage.prepare = prepare
    return stage


def visitors(play_engine: ModuleType, stage: Any, dice: random.Random) -> list[Any]:
    """About to arrive at random times, and to be served for random times."""
    clients = [play_engine.Client(stage, dice.choice("ab"), grid(dice, 1)) for _ in range(dice.randint(4, 12))]
    for client in clients:
        stage.clock.call_at(grid(dice, 4), client.arrive)
    return clients


@pytest.mark.parametrize("histories", MANY)
def test_every_request_is_served_by_a_run_that_lives_through_it(play_engine: ModuleType, histories: int) -> None:
    swaps = idle_stops = 0
    for seed in range(histories):
        dice = random.Random(seed)
        stage = stage_of(play_engine, dice)
        clients = visitors(play_engine, stage, dice)
        stage.clock.run_until(200)
        assert {client.outcome for client in clients} == {"served"}, seed
        assert stage.clock.bugs == [], seed
        causes = [change.cause for change in stage.transitions]
        swaps += sum("evicted" in cause for cause in causes)
        idle_stops += sum("idle" in cause for cause in causes)
    assert swaps > histories
    assert idle_stops > histories / 4


@pytest.mark.parametrize("histories", MANY)
def test_whoever_stays_is_answered_whatever_others_do(play_engine: ModuleType, histories: int) -> None:
    """Clients leave at any moment, models are unloaded and crash at any moment."""
    unloads = crashes = 0
    for seed in range(histories):
        dice = random.Random(seed)
        stage = stage_of(play_engine, dice)
        clients = visitors(play_engine, stage, dice)
        leavers = dice.sample(clients, dice.randint(0, len(clients) // 2))
        for client in leavers:
            stage.clock.call_at(grid(dice, 6), client.give_up)
        if dice.random() < 0.5:
            unloads += 1
            stage.clock.call_at(grid(dice, 6), stage.engine.feed, unload(dice))
        if dice.random() < 0.5:
            crashes += 1
            stage.clock.call_at(grid(dice, 6), crash, stage)
        stage.clock.run_until(200)
        for client in clients:
            told = client.outcome if client.outcome != "refused" else client.error.message
            allowed = ("served", "left") if client in leavers else ("served",)
            assert (
                told in allowed
                or told.startswith(("broken: was stopped (unloaded by hand)", "broken: has exited"))
                or ("was unloaded while" in told or "exited before it was ready" in told)
            ), (seed, told)
        assert stage.clock.bugs == [], seed
    assert unloads
    assert crashes


def unload(dice: random.Random) -> Any:
    from swapyard.core.messages import UnloadAsked

    return UnloadAsked(dice.choice([None, frozenset("a"), frozenset("b")]))


def crash(stage: Any) -> None:
    for script in list(stage.alive):
        script.exit()
