"""Whom a selector chooses: tables of what the targets are doing, and histories of choices."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapyard.config.schema import Config, Model, Peer, Selector
from swapyard.core.lifecycle import State
from swapyard.errors import BadRequest, RequestError, StartFailed, TooManyRequests, Unavailable, UpstreamFailed
from swapyard.proxy.resolve import Names
from swapyard.proxy.selectors import PASSED_OVER, Choice, Chooser, choosers
from swapyard.runtime.engine import Engine


class World:
    """What a selector sees of the engine. Models that are not in `states` are stopped."""

    def __init__(self, **states: str) -> None:
        self.states = states
        self.reserved: dict[str, int] = {}
        self.full: set[str] = set()
        self.now = 100.0
        self.loop = SimpleNamespace(time=lambda: self.now)
        self.scheduler = SimpleNamespace(
            reserved=lambda model: self.reserved.get(model, 0), is_full=lambda model: model in self.full
        )

    def state(self, model: str) -> State:
        return State(self.states.get(model, "stopped"))

    def chooser(self, strategy: Any, targets: str, spillover: int = 2) -> Chooser:
        """Models a, b, c (alias c2) are local, p/x and p/y are a peer's."""
        selector = Selector(strategy=strategy, targets=tuple(targets.split()), spillover=spillover)
        models = {"a": Model(), "b": Model(), "c": Model(aliases=("c2",))}
        peers = {"p": Peer(proxy="http://p", models=("x", "y"))}
        config = Config(models=models, peers=peers, selectors={"s": selector})
        return choosers(config, Names(config), cast("Engine", self))["s"]


def names_of(chooser: Chooser, count: int) -> str:
    """That many choices one after another, none of which ends."""
    return " ".join(chooser.choose().name for _ in range(count))


# --- pin and warm ------------------------------------------------------------------------------------------------------


def test_pin_takes_the_first_whatever_it_does() -> None:
    world = World(a="stopping", b="ready")
    chooser = world.chooser("pin", "a b")
    world.full.add("a")
    chooser.choose().failed(UpstreamFailed("x"), world.now)
    assert names_of(chooser, 2) == "a a"


@pytest.mark.parametrize(
    ("states", "chosen"),
    [
        ({}, "a"),
        ({"b": "ready"}, "b"),
        ({"b": "ready", "c": "ready"}, "b"),
        ({"c": "ready", "a": "starting"}, "c2"),
        ({"b": "starting", "c": "starting"}, "b"),
        ({"b": "stopping"}, "a"),
        ({"a": "stopping"}, "a"),
    ],
)
def test_warm_takes_the_first_ready_then_the_first_starting_then_the_first(states: dict[str, str], chosen: str) -> None:
    assert World(**states).chooser("warm", "a b c2").choose().name == chosen


@pytest.mark.parametrize(
    ("states", "full", "chosen"),
    [
        ({"a": "ready", "b": "ready"}, "a", "b"),
        ({"a": "ready", "b": "starting"}, "a", "b"),
        ({"a": "ready", "b": "starting"}, "a b", "a"),
        ({"b": "ready"}, "b", "b"),  # loading another one is not what warm is for
    ],
)
def test_warm_leaves_a_full_target_only_for_one_that_runs(states: dict[str, str], full: str, chosen: str) -> None:
    world = World(**states)
    world.full.update(full.split())
    assert world.chooser("warm", "a b c").choose().name == chosen


def test_warm_passes_over_a_target_that_failed_until_it_runs_or_time_has_passed() -> None:
    world = World()
    chooser = world.chooser("warm", "a b")
    chooser.choose().failed(StartFailed("it died"), world.now)
    assert chooser.choose().name == "b"
    world.states["a"] = "starting"
    assert chooser.choose().name == "a"
    world.states.clear()
    world.now += PASSED_OVER
    assert chooser.choose().name == "a"


# --- spillover ---------------------------------------------------------------------------------------------------------


def test_targets_fill_up_in_order_and_then_take_turns() -> None:
    assert names_of(World().chooser("spillover", "a b c"), 6) == "a a b b c c"
    chooser = World().chooser("spillover", "a b c")
    names_of(chooser, 6)
    assert sorted(names_of(chooser, 3).split()) == ["a", "b", "c"]
    assert sorted(names_of(chooser, 3).split()) == ["a", "b", "c"]


def test_the_same_history_gives_the_same_choices() -> None:
    assert names_of(World().chooser("spillover", "a b c"), 40) == names_of(World().chooser("spillover", "a b c"), 40)


@pytest.mark.parametrize(
    ("states", "chosen"),
    [
        ({}, "a a b b c2 c2"),
        ({"c": "ready"}, "c2 c2 a a b b"),
        ({"b": "starting"}, "b b a a c2 c2"),
        ({"a": "stopping"}, "b b c2 c2"),
        ({"a": "ready", "b": "ready"}, "a b a b c2 c2"),
    ],
)
def test_who_runs_is_used_first_and_who_stops_is_not(states: dict[str, str], chosen: str) -> None:
    assert names_of(World(**states).chooser("spillover", "a b c2"), len(chosen.split())) == chosen


def test_what_a_target_is_given_back_it_can_take_again() -> None:
    chooser = World().chooser("spillover", "a b")
    first = chooser.choose()
    assert names_of(chooser, 2) == "a b"
    first.release()
    first.release()  # once is all that counts
    assert [target.reserved for target in chooser._targets] == [1, 1]
    assert names_of(chooser, 2) == "b a"  # one request each, and it is the second one's turn


def test_requests_that_came_another_way_count() -> None:
    world = World(a="ready")
    world.reserved["a"] = 5
    chooser = world.chooser("spillover", "a b")
    assert names_of(chooser, 2) == "b b"
    world.reserved["b"] = 2  # these two themselves, as the scheduler counts them
    assert names_of(chooser, 3) == "b b b"


def test_a_stopped_target_that_others_wait_for_is_in_use() -> None:
    world = World()
    world.reserved["b"] = 1
    assert names_of(world.chooser("spillover", "a b"), 3) == "b b a"


def test_peers_are_idle_until_they_are_used_and_names_stay_as_written() -> None:
    assert names_of(World().chooser("spillover", "p/x y a"), 6) == "p/x p/x y y a a"
    assert names_of(World(a="ready").chooser("spillover", "p/x a"), 4) == "a a p/x p/x"


def test_a_full_target_is_passed_over_while_another_can_do() -> None:
    world = World(a="ready", b="ready")
    world.full.add("a")
    chooser = world.chooser("spillover", "a b")
    assert names_of(chooser, 4) == "b b b b"
    world.full.add("b")
    assert chooser.choose().name == "a"  # the least busy, and its refusal is the answer


def test_a_target_that_failed_is_passed_over_while_another_can_do() -> None:
    world = World()
    chooser = world.chooser("spillover", "a p/x")

    def fail(error: RequestError) -> str:
        choice = chooser.choose()
        choice.failed(error, world.now)
        choice.release()
        return choice.name

    assert fail(BadRequest("the client's fault")) == "a"
    assert fail(TooManyRequests("full")) == "a"
    assert fail(StartFailed("it died", worth_retrying=True)) == "a"
    assert fail(UpstreamFailed("unreachable")) == "p/x"
    assert fail(UpstreamFailed("dead again")) == "a"  # no other is left
    world.now += PASSED_OVER
    assert chooser.choose().name == "a"


def test_no_target_at_all_is_a_503_that_names_them() -> None:
    chooser = World(a="stopping", b="stopping").chooser("spillover", "a b")
    with pytest.raises(Unavailable) as caught:
        chooser.choose()
    assert caught.value.message == 'no target of selector "s" can be used now; stopping: "a", "b"'
    assert (caught.value.status, caught.value.retry_after) == (503, 1)


STATES = st.sampled_from(["stopped", "starting", "ready", "stopping"])


@given(
    states=st.fixed_dictionaries({"a": STATES, "b": STATES, "c": STATES}),
    elsewhere=st.fixed_dictionaries({name: st.integers(0, 4) for name in "abc"}),
    full=st.sets(st.sampled_from("abc")),
    spillover=st.integers(1, 3),
    steps=st.lists(st.booleans(), max_size=30),
)
def test_spillover_keeps_its_promises(
    states: dict[str, str], elsewhere: dict[str, int], full: set[str], spillover: int, steps: list[bool]
) -> None:
    """Whatever goes on, and whoever came another way. A step chooses, or ends the oldest choice."""
    world = World(**states)
    chooser = world.chooser("spillover", "a b c", spillover)
    world.full |= full
    held: list[Choice] = []
    for chooses in steps:
        mine = Counter(choice.name for choice in held)
        world.reserved = {name: elsewhere[name] + mine[name] for name in "abc"}
        if not chooses:
            if held:
                held.pop(0).release()
            continue
        usable = [name for name in "abc" if states[name] != "stopping"]
        if not usable:
            with pytest.raises(Unavailable):
                chooser.choose()
            continue
        chosen = chooser.choose()
        held.append(chosen)
        usable = [name for name in usable if name not in full] or usable
        in_use = {name: world.reserved[name] for name in usable if world.reserved[name] or states[name] != "stopped"}
        idle = [name for name in usable if name not in in_use]
        assert chosen.name in usable
        if in_use and (min(in_use.values()) < spillover or not idle):
            assert in_use.get(chosen.name) == min(in_use.values())
        else:
            assert chosen.name == idle[0]
    assert [target.reserved for target in chooser._targets] == [[c.name for c in held].count(name) for name in "abc"]


def test_a_choice_without_a_selector_counts_nowhere() -> None:
    choice = Choice("b")
    choice.failed(UpstreamFailed("x"), 1.0)
    choice.release()
    assert (choice.name, choice.selector) == ("b", "")
