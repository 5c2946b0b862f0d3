"""What the scheduler's tests share: policies made of a few words, and `play`, which checks a history."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from swapyard.core.messages import Command, Event, ModelPolicy, Policy
from swapyard.core.planners.group import GroupPlanner
from swapyard.core.scheduler import Scheduler

History = Sequence[tuple[Event, Sequence[Command]] | tuple[float, Event, Sequence[Command]]]


class PairPlanner:
    """`{"b": "a c"}`: loading b evicts a and c where they run. It knows no kin, as a plugin's planner may not."""

    def __init__(self, evicts: Mapping[str, str]) -> None:
        self._evicts = {model: victims.split() for model, victims in evicts.items()}

    def evict(self, model: str, running: Sequence[str]) -> Sequence[str]:
        return [x for x in running if x in self._evicts.get(model, ())]


def models(names: str, **fields: Any) -> dict[str, ModelPolicy]:
    return {name: ModelPolicy(**fields) for name in names.split()}


@pytest.fixture
def pairs() -> Callable[..., Policy]:
    """`pairs("a b", {"b": "a"})`: a policy where loading b evicts a; `special` replaces models' policies. No ageing."""

    def make(
        names: str,
        evicts: Mapping[str, str] | None = None,
        special: Mapping[str, ModelPolicy] | None = None,
        max_wait: float = 0.0,
        max_queue: int = 1000,
        **fields: Any,
    ) -> Policy:
        return Policy(models(names, **fields) | dict(special or {}), PairPlanner(evicts or {}), max_wait, max_queue)

    return make


@pytest.fixture
def one() -> Callable[..., Policy]:
    """`one("a b c")`: one default group, so only one of the models runs at a time. No ageing."""

    def make(
        names: str,
        special: Mapping[str, ModelPolicy] | None = None,
        max_wait: float = 0.0,
        max_queue: int = 1000,
        **fields: Any,
    ) -> Policy:
        planner = GroupPlanner({"(default)": group(names)})
        return Policy(models(names, **fields) | dict(special or {}), planner, max_wait, max_queue)

    return make


@pytest.fixture
def grouped() -> Callable[..., Policy]:
    """`grouped(g={"members": "a b", "swap": False})`: a policy of several groups. No ageing."""

    def make(max_wait: float = 0.0, **groups: Mapping[str, Any]) -> Policy:
        names = " ".join(fields["members"] for fields in groups.values())
        return Policy(models(names), GroupPlanner({name: group(**fields) for name, fields in groups.items()}), max_wait)

    return make


def group(members: str, swap: bool = True, exclusive: bool = True, persistent: bool = False) -> Any:
    return SimpleNamespace(members=members.split(), swap=swap, exclusive=exclusive, persistent=persistent)


@pytest.fixture
def make_group() -> Callable[..., Any]:
    return group


@pytest.fixture
def play() -> Callable[[Policy | Scheduler, History], Scheduler]:
    """Feeds a history, `[(event, commands), ...]` or `[(time, event, commands), ...]`, and checks each step's commands.

    Without a time, a step happens one second after the one before it.
    """

    def run(policy: Policy | Scheduler, history: History) -> Scheduler:
        scheduler = policy if isinstance(policy, Scheduler) else Scheduler(policy)
        now = 0.0
        for number, step in enumerate(history, 1):
            now = step[0] if len(step) == 3 else now + 1
            event, expected = step[-2], step[-1]
            assert scheduler.handle(event, now) == list(expected), f"step {number}: {event}"
        return scheduler

    return run
