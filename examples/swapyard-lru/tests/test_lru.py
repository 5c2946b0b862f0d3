"""The planner alone: no server, no process. Run with `pytest` after installing Swapyard and this package."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from swapyard.core.messages import Arrived, BecameReady, Exited, Grant, Left, ModelPolicy, Policy, Start, Stop
from swapyard.core.scheduler import Scheduler
from swapyard.core.strategies import SettingsError
from swapyard_lru import LruPlanner, planner


@pytest.mark.parametrize(
    ("model", "running", "evicted"),
    [
        ("c", "", ""),
        ("c", "a", ""),
        ("c", "a b", "a"),
        ("c", "b a", "b"),
        ("c", "a b d", "a b"),  # after the limit was lowered
        ("b", "a b", ""),
        ("b", "a b d", ""),
    ],
)
def test_the_longest_unused_goes_as_far_as_needed(model: str, running: str, evicted: str) -> None:
    assert list(LruPlanner(2).evict(model, running.split())) == evicted.split()


def test_a_kept_model_stays_and_counts() -> None:
    assert list(LruPlanner(2, frozenset({"a"})).evict("c", ["a", "b"])) == ["b"]


def test_the_scheduler_tells_in_which_order_models_were_used() -> None:
    scheduler = Scheduler(Policy({name: ModelPolicy() for name in "abc"}, LruPlanner(2)))
    said: list[Any] = []
    events = [Arrived(1, "a"), BecameReady(1), Left(1), Arrived(2, "b"), BecameReady(2), Left(2), Arrived(3, "a"), Left(3)]
    for now, event in enumerate([*events, Arrived(4, "c"), Exited(2)]):
        said = [*said, *scheduler.handle(event, now)]
    assert [command for command in said if isinstance(command, Start | Stop)] == [
        Start(1, "a"),
        Start(2, "b"),
        Stop(2),  # a was used after b
        Start(3, "c"),
    ]
    assert Grant(3, 1) in said


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        (None, "models"),
        ({"models": 0}, "models"),
        ({"models": "two"}, "models"),
        ({"models": 2, "keeep": []}, "keeep"),
        ({"models": 2, "keep": ["gone"]}, "gone"),
        ({"models": 1, "keep": ["a"]}, "fewer than 1"),
    ],
)
def test_wrong_settings_are_told(settings: Any, error: str) -> None:
    with pytest.raises((SettingsError, msgspec.ValidationError), match=error):
        planner(settings, ["a", "b"])
