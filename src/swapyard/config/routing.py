"""`routing`, `groups` and `matrix` to one `Routing`, whichever spelling the file uses.

The old spelling (top-level `groups`, `matrix`) stays legal but not beside the new one. The settings of a planner or
scheduler that another package brings are passed on as they are; that package checks them (`strategies`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from msgspec.structs import replace

from swapyard.config.file import FileConfig, FileFifo, FileGroup, FileMatrix
from swapyard.config.names import Names
from swapyard.config.problems import Path, Problems, dotted
from swapyard.config.schema import Fifo, Group, Matrix, Routing
from swapyard.config.strategies import PLANNERS, SCHEDULERS, Strategies
from swapyard.core.matrix import MatrixError, MatrixSets, resolve_costs

DEFAULT_GROUP = "(default)"  # of every model that is in no other group
SETTINGS: Path = ("routing", "router", "settings")
SCHEDULER: Path = ("routing", "scheduler")


@dataclass(frozen=True, slots=True)
class Choice:
    """What the file chose: the router, and where its settings stand."""

    router: str
    path: Path
    groups: dict[str, FileGroup]
    matrix: FileMatrix | None


def routing_of(
    raw: FileConfig, names: Names, strategies: Strategies, problems: Problems
) -> tuple[Routing, MatrixSets | None]:
    """The routing, and the parsed matrix where that is in use and without errors."""
    routing, sets = router_of(raw, names, strategies, problems)
    block = raw.routing.scheduler
    scheduler = installed("scheduler", block.use or "fifo", (*SCHEDULER, "use"), strategies, problems)
    warn_of_idle_settings(scheduler, SCHEDULER, block.settings.others, SCHEDULERS, problems)
    fifo = fifo_of(block.settings.fifo, names, problems)
    return replace(routing, scheduler=scheduler, fifo=fifo, scheduler_settings=block.settings.others.get(scheduler)), sets


def router_of(
    raw: FileConfig, names: Names, strategies: Strategies, problems: Problems
) -> tuple[Routing, MatrixSets | None]:
    choice = choose(raw, strategies, problems)
    others = raw.routing.router.settings.others
    warn_of_idle_settings(choice.router, SETTINGS[:-1], others, PLANNERS, problems)
    if choice.router == "matrix":
        matrix, sets = matrix_of(choice.matrix or FileMatrix(), choice.path, names, problems)
        return Routing(router="matrix", matrix=matrix), sets
    if choice.router == "group":
        return Routing(router="group", groups=groups_of(choice, names, problems)), None
    return Routing(router=choice.router, router_settings=others.get(choice.router)), None


def installed(kind: str, name: str, path: Path, strategies: Strategies, problems: Problems) -> str:
    """The name of a planner or scheduler, which has to exist."""
    missing = strategies.missing(kind, name)
    if missing is not None:
        problems.error(path, missing)
    return name


def warn_of_idle_settings(
    chosen: str, place: Path, others: dict[str, Any], built_in: Collection[str], problems: Problems
) -> None:
    """Settings of what is not chosen may be there, for later, but they may also be a slip of the pen."""
    known = {"group": "groups"}
    for key in others:
        if key == chosen:
            continue
        near = get_close_matches(key, [known.get(name, name) for name in (*built_in, chosen)], n=1, cutoff=0.6)
        hint = f"; did you mean {near[0]}?" if near else f", because {dotted((*place, 'use'))} is not {key}"
        problems.warn((*place, "settings", key), f"ignored{hint}")


def choose(raw: FileConfig, strategies: Strategies, problems: Problems) -> Choice:
    router = raw.routing.router
    modern = bool(router.use) or router.settings.matrix is not None or bool(router.settings.groups)
    legacy = raw.matrix is not None or bool(raw.groups)
    if legacy and modern:
        old = "matrix" if raw.matrix is not None else "groups"
        problems.error((old,), f"cannot stand beside routing.router; move it to routing.router.settings.{old}")
    if raw.groups and raw.matrix is not None:
        problems.error(("matrix",), "cannot stand beside groups; choose one of them")
    if modern or not legacy:
        if router.use == "matrix":
            if router.settings.matrix is None:
                problems.error((*SETTINGS, "matrix"), "is needed because routing.router.use is matrix")
                return Choice("group", (*SETTINGS, "groups"), {}, None)
            return Choice("matrix", (*SETTINGS, "matrix"), {}, router.settings.matrix)
        if router.use not in ("", "group"):
            name = installed("planner", router.use, (*SETTINGS[:-1], "use"), strategies, problems)
            return Choice(name, (*SETTINGS, name), {}, None)
        return Choice("group", (*SETTINGS, "groups"), router.settings.groups, None)
    if raw.matrix is not None:
        return Choice("matrix", ("matrix",), {}, raw.matrix)
    return Choice("group", ("groups",), raw.groups, None)


# --- groups --------------------------------------------------------------------------------------------------------------


def groups_of(choice: Choice, names: Names, problems: Problems) -> dict[str, Group]:
    """All groups with model ids as members, `(default)` last."""
    owner = members_by_id(choice, names, problems)
    groups: dict[str, Group] = {}
    for name, raw in choice.groups.items():
        path = (*choice.path, name)
        if name == DEFAULT_GROUP:
            problems.error(path, "the name is reserved for the group of all models that are in no other; choose another")
            continue
        members = members_of(name, raw, path, owner, names, problems)
        groups[name] = Group(swap=raw.swap, exclusive=raw.exclusive, persistent=raw.persistent, members=members)
    grouped = {member for group in groups.values() for member in group.members}
    groups[DEFAULT_GROUP] = Group(members=tuple(sorted(model for model in names.models if model not in grouped)))
    return groups


def members_by_id(choice: Choice, names: Names, problems: Problems) -> dict[str, str]:
    """Model id -> its group, for members that are given by id. A second group is an error."""
    owner: dict[str, str] = {}
    for name, raw in choice.groups.items():
        for index, member in enumerate(raw.members):
            if member in names.models and owner.setdefault(member, name) != name:
                problems.error((*choice.path, name, "members", index), f'"{member}" is in group "{owner[member]}" already')
    return owner


def members_of(
    group: str, raw: FileGroup, path: Path, owner: dict[str, str], names: Names, problems: Problems
) -> tuple[str, ...]:
    """The members as ids. An alias stands for its model, unless that model's id is in a group."""
    members: list[str] = []
    for index, member in enumerate(raw.members):
        at = (*path, "members", index)
        model = names.local(member)
        if member in raw.members[:index]:
            problems.error(at, f'"{member}" appears twice')
        elif model is None:
            problems.error(at, f'unknown model "{member}"')
        elif model == member:
            if owner[model] == group:
                members.append(model)
        elif owner.setdefault(model, group) == group and model not in members and model not in raw.members:
            problems.warn(at, f'"{member}" is an alias; read as model "{model}"')
            members.append(model)
        else:
            problems.warn(
                at, f'"{member}" is an alias of model "{model}", which is in group "{owner[model]}" already; ignored'
            )
    return tuple(members)


# --- matrix --------------------------------------------------------------------------------------------------------------


def matrix_of(raw: FileMatrix, path: Path, names: Names, problems: Problems) -> tuple[Matrix, MatrixSets | None]:
    matrix = Matrix(vars=dict(raw.vars), evict_costs={}, sets=dict(raw.sets))
    try:
        sets = MatrixSets.parse(raw.sets, raw.vars, names.models)
    except MatrixError as error:
        for place, message in error.findings:
            problems.error((*path, *place), message)
        sets = None
    costs = resolve_costs(raw.evict_costs, raw.vars, names.models)
    for key, message in costs.errors:
        problems.error((*path, "evict_costs", key), message)
    for key, message in costs.warnings:
        problems.warn((*path, "evict_costs", key), message)
    matrix.evict_costs.update(costs.by_model)
    return matrix, sets


# --- scheduler -----------------------------------------------------------------------------------------------------------


def fifo_of(raw: FileFifo, names: Names, problems: Problems) -> Fifo:
    path: Path = ("routing", "scheduler", "settings", "fifo", "priority")
    priority: dict[str, int] = {}
    for name, value in raw.priority.items():
        model = names.local(name)
        if model is None:
            problems.error((*path, name), f'unknown model "{name}" (local models only)')
        elif model != name and model in raw.priority:
            problems.warn((*path, name), f'is an alias of model "{model}", which has a priority of its own; ignored')
        else:
            priority[model] = value
    return Fifo(priority=priority, max_wait=raw.max_wait, max_queue=raw.max_queue)
