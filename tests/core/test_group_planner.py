"""Who must go for whom, by groups (section 5 of the routing specification)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from swapyard.core.planners.group import GroupPlanner

MakeGroup = Callable[..., Any]

TOLERANT = {"exclusive": False}

CASES: list[tuple[str, dict[str, dict[str, Any]], str, str, str]] = [
    ("one of a swap group runs at a time", {"g": {"members": "a b c"}}, "a", "b", "b"),
    ("without swap the members tolerate each other", {"g": {"members": "a b", "swap": False}}, "a", "b", ""),
    ("swap counts even where the group is persistent", {"g": {"members": "a b", "persistent": True}}, "a", "b", "b"),
    ("an exclusive group evicts others", {"g": {"members": "a"}, "h": {"members": "x y", "swap": False}}, "a", "x y", "x y"),
    ("but no persistent ones", {"g": {"members": "a"}, "h": {"members": "x", "persistent": True}}, "a", "x", ""),
    (
        "a non-exclusive one evicts no others",
        {"g": {"members": "a", "exclusive": False}, "h": {"members": "x"}},
        "a",
        "x",
        "",
    ),
    (
        "the wanted model's group decides",
        {"g": {"members": "a", "exclusive": False}, "h": {"members": "x"}},
        "x",
        "a",
        "a",
    ),
    ("a running model does not evict itself", {"g": {"members": "a b"}}, "a", "a b", "b"),
    ("nobody runs, nobody goes", {"g": {"members": "a b"}}, "a", "", ""),
    ("an unknown model is in the way", {"g": {"members": "a", "exclusive": False}}, "a", "gone", "gone"),
    ("and everybody is in its way", {"g": {"members": "a", "persistent": True}}, "gone", "a", "a"),
    ("the answer keeps the order asked in", {"g": {"members": "c b a z"}}, "z", "a b c", "a b c"),
]


@pytest.mark.parametrize(("groups", "model", "running", "expected"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_evict(make_group: MakeGroup, groups: dict[str, Any], model: str, running: str, expected: str) -> None:
    planner = GroupPlanner({name: make_group(**fields) for name, fields in groups.items()})
    assert list(planner.evict(model, running.split())) == expected.split()


def test_the_rule_is_the_group_s_own_swap_or_the_other_group_s_exclusiveness(make_group: MakeGroup) -> None:
    planner = GroupPlanner({"g": make_group("a b"), "h": make_group("x")})
    assert [planner.rule("a", other) for other in ("b", "x", "gone")] == ["group swap", "group exclusive", "no group"]


def test_members_of_a_group_are_kin_and_strangers_are_nobodys(make_group: MakeGroup) -> None:
    planner = GroupPlanner({"g": make_group("a b"), "h": make_group("x")})
    assert [planner.kin(model) for model in ("a", "b", "x", "gone")] == ["g", "g", "h", None]


def test_a_model_in_two_groups_is_refused(make_group: MakeGroup) -> None:
    with pytest.raises(ValueError, match='"a" is a member of two groups, "g" and "h"'):
        GroupPlanner({"g": make_group("a"), "h": make_group("a")})
