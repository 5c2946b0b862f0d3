"""The group planner: models live in groups, and a group says whom its members tolerate beside them.

For a model that is wanted, each running model x must go if

- x is of the same group and that group has `swap` (even where it is `persistent`), or
- x is of another group, the *wanted* model's group is `exclusive`, and x's group is not `persistent`.

Only the wanted model's group decides about others. So a model of a non-exclusive group may start beside a running model
of an exclusive one, and the next ticket for the latter wants the former gone: a quirk of llama-swap (#109, #790), kept
because configurations rely on it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol


class Group(Protocol):
    """What the planner needs of a group; `config.schema.Group` has it."""

    @property
    def swap(self) -> bool: ...
    @property
    def exclusive(self) -> bool: ...
    @property
    def persistent(self) -> bool: ...
    @property
    def members(self) -> Iterable[str]: ...


def planner(settings: Mapping[str, Group], models: Collection[str]) -> GroupPlanner:
    """The factory behind the name `group` (`core.strategies.PlannerFactory`)."""
    return GroupPlanner(settings)


class GroupPlanner:
    """Plans by groups, given by name. Raises ValueError if a model is a member of two.

    A model of no group (one that a reload took away and that still runs, say) is in everyone's way, and everyone in its.
    """

    def __init__(self, groups: Mapping[str, Group]) -> None:
        self._group_of: dict[str, tuple[str, Group]] = {}
        for name, group in groups.items():
            for model in group.members:
                other = self._group_of.setdefault(model, (name, group))
                if other[0] != name:
                    raise ValueError(f'model "{model}" is a member of two groups, "{other[0]}" and "{name}"')

    def evict(self, model: str, running: Sequence[str]) -> Sequence[str]:
        group_of = self._group_of
        mine = group_of.get(model)
        return tuple(x for x in running if x != model and must_go(mine, group_of.get(x)))

    def rule(self, model: str, evicted: str) -> str:
        mine, other = self._group_of.get(model), self._group_of.get(evicted)
        if mine is None or other is None:
            return "no group"
        return "group swap" if mine[0] == other[0] else "group exclusive"

    def kin(self, model: str) -> str | None:
        known = self._group_of.get(model)
        return known[0] if known is not None else None


def must_go(wanted: tuple[str, Group] | None, present: tuple[str, Group] | None) -> bool:
    if wanted is None or present is None:
        return True
    if wanted[0] == present[0]:
        return wanted[1].swap
    return wanted[1].exclusive and not present[1].persistent
