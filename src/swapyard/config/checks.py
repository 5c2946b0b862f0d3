"""Checks and normalisation of everything but models and routing: settings, peers, selectors, profiles, start-up.

Each function takes the file's block and returns the resolved one. Problems are reported and something usable is returned, so
that one run finds them all. The order of the checks does not matter: findings are sorted by their place in the files.
"""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from pathlib import Path as FilePath
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from swapyard.config.file import FileConfig, FilePeer, FileProfile, FileSelector
from swapyard.config.models import filters_of
from swapyard.config.names import Local, Names, Remote
from swapyard.config.patterns import PatternError, to_python
from swapyard.config.problems import Path, Problems
from swapyard.config.schema import Config, Peer, PeerTimeouts, Performance, Profile, Routing, Selector, Store
from swapyard.config.strategies import PLANNERS
from swapyard.config.urls import base_url_doubt, url_fault
from swapyard.core.matrix import MatrixSets

LogLevel: TypeAlias = Literal["debug", "info", "warn", "error"]
LEVELS: dict[str, LogLevel] = {"debug": "debug", "info": "info", "warn": "warn", "error": "error"}
TIME_FORMATS = frozenset(
    {"ansic", "unixdate", "rubydate", "rfc822", "rfc822z", "rfc850", "rfc1123", "rfc1123z", "rfc3339", "rfc3339nano"}
    | {"kitchen", "stamp", "stampmilli", "stampmicro", "stampnano"}
)
LEAST_HEALTH_CHECK_TIMEOUT = 15
LEAST_SAMPLING = 5.0
LEAST_RETENTION = 60.0
DEFAULT_ROWS = 1000
DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h|d)")
UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "\u00b5s": 1e-6,
    "\u03bcs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}


# --- settings ----------------------------------------------------------------------------------------------------------


def log_level(raw: FileConfig, problems: Problems) -> LogLevel:
    level = raw.log_level.strip().lower()
    if level in LEVELS:
        return LEVELS[level]
    problems.warn(("logLevel",), f'"{raw.log_level}" is not a level ({", ".join(LEVELS)}); info is used')
    return "info"


def log_time_format(raw: FileConfig, problems: Problems) -> str:
    """The layout's name in lower case; empty for none."""
    name = raw.log_time_format.strip().lower()
    if not name or name in TIME_FORMATS:
        return name
    known = ", ".join(sorted(TIME_FORMATS))
    problems.warn(("logTimeFormat",), f'"{raw.log_time_format}" is not a layout ({known}); no time is printed')
    return ""


def health_check_timeout(raw: FileConfig, problems: Problems) -> int:
    given = raw.health_check_timeout
    if given < LEAST_HEALTH_CHECK_TIMEOUT:
        problems.warn(("healthCheckTimeout",), f"{given} is raised to the least, {LEAST_HEALTH_CHECK_TIMEOUT} seconds")
    return max(given, LEAST_HEALTH_CHECK_TIMEOUT)


def duration(text: str) -> float | None:
    """Seconds of a text such as `1m30s`, `30d`, `500ms`, `-2s` or `0`; None for anything else."""
    sign = -1.0 if text.startswith("-") else 1.0
    rest = text.removeprefix("-") if sign < 0 else text.removeprefix("+")
    if rest == "0":
        return 0.0
    total, position = 0.0, 0
    while part := DURATION_PART.match(rest, position):
        total += float(part[1]) * UNITS[part[2]]
        position = part.end()
    return sign * total if rest and position == len(rest) else None


def performance(raw: FileConfig, problems: Problems) -> Performance:
    path: Path = ("performance", "every")
    every = duration(raw.performance.every)
    if every is None:
        problems.error(path, f'must be a duration such as 5s or 1m30s, got "{raw.performance.every}"')
        every = LEAST_SAMPLING
    if every != 0 and every < LEAST_SAMPLING:
        problems.error(path, f'must be 5s or more, got "{raw.performance.every}"')
    return Performance(disabled=raw.performance.disabled, every=every or LEAST_SAMPLING)


def store(raw: FileConfig, problems: Problems) -> Store | None:
    if raw.store is None:
        return None
    fault = store_fault(raw.store.path)
    if fault:
        problems.error(("store", "path"), fault)
    return Store(path=raw.store.path, retention=retention(raw.store.retention, problems))


def retention(text: str, problems: Problems) -> float:
    seconds = duration(text.strip() or "0")
    if seconds is None:
        problems.error(("store", "retention"), f'must be a duration such as 30d or 12h, got "{text}"')
    elif seconds != 0 and seconds < LEAST_RETENTION:
        problems.error(("store", "retention"), f'must be 1m or more, or 0 to keep all, got "{text}"')
    return seconds or 0.0


def store_fault(text: str) -> str | None:
    if not text.strip():
        return "the file of the store is needed"
    try:
        path = FilePath(text)
        if path.is_dir():
            return f'"{text}" is a directory; name a file'
        if path.exists():
            return None if os.access(path, os.W_OK) else f'"{text}" is not writable'
        parent = path.parent
        if not parent.is_dir():
            return f'the directory "{parent}" does not exist'
        return None if os.access(parent, os.W_OK) else f'the directory "{parent}" is not writable'
    except (OSError, ValueError) as error:
        return f'"{text}" cannot be used: {error}'


def session_headers(raw: FileConfig) -> tuple[str, ...]:
    """Trimmed; blank ones and repeats (whatever their case) dropped."""
    names: dict[str, str] = {}
    for name in raw.ui.activity.session_id:
        if name.strip():
            names.setdefault(name.strip().lower(), name.strip())
    return tuple(names.values())


def api_keys(raw: FileConfig, problems: Problems) -> tuple[str, ...]:
    for index, key in enumerate(raw.api_keys):
        if not key:
            problems.error(("apiKeys", index), "an empty key would let everybody in")
        elif " " in key:
            problems.error(("apiKeys", index), "a key must not contain blanks")
    return raw.api_keys


def models_dir(raw: FileConfig, problems: Problems) -> tuple[str, ...]:
    """The folders, `~` replaced, without repeats. What is not there may come: a disk, or the first download."""
    given = raw.models_dir
    folders: dict[str, None] = {}
    for index, folder in enumerate((given,) if isinstance(given, str) else given):
        path: Path = ("modelsDir",) if isinstance(given, str) else ("modelsDir", index)
        if not folder.strip() or "\0" in folder:
            problems.error(path, "the path of a folder is needed")
            continue
        try:
            place = FilePath(folder).expanduser()
        except RuntimeError:
            problems.error(path, f'"{folder}" begins with the home of somebody who is unknown here')
            continue
        if not os.path.isdir(place):  # noqa: PTH112 - False for whatever cannot be looked at
            problems.warn(path, f'"{folder}" is no folder at the moment; its files are offered once it is there')
        folders[str(place)] = None
    return tuple(folders)


def ignore_paths(raw: FileConfig, problems: Problems) -> tuple[str, ...]:
    """Python patterns for the file's RE2 ones; without any, the default."""
    patterns = []
    for index, pattern in enumerate(raw.upstream.ignore_paths):
        try:
            patterns.append(to_python(pattern))
        except PatternError as error:
            problems.error(("upstream", "ignorePaths", index), f'"{pattern}" {error}')
    return tuple(patterns) or Config().ignore_paths


def preload(raw: FileConfig, names: Names, problems: Problems) -> tuple[str, ...]:
    """Model ids, repeats kept."""
    models = []
    for index, name in enumerate(raw.hooks.on_startup.preload):
        model = names.local(name.strip())
        if model is not None:
            models.append(model)
        elif name.strip():
            hint = nearest(name.strip(), names)
            problems.warn(("hooks", "on_startup", "preload", index), f'unknown model "{name}", ignored{hint}')
    return tuple(models)


def nearest(name: str, names: Names) -> str:
    near = get_close_matches(name, [*names.models, *names.aliases], n=1)
    return f'; did you mean "{near[0]}"?' if near else ""


# --- peers -------------------------------------------------------------------------------------------------------------


def peer(name: str, raw: FilePeer, problems: Problems) -> Peer:
    path: Path = ("peers", name)
    fault = url_fault(raw.proxy)
    if not raw.proxy.strip():
        problems.error((*path, "proxy"), "the peer's base URL is needed")
    elif fault:
        problems.error((*path, "proxy"), f'"{raw.proxy}" {fault}')
    elif doubt := base_url_doubt(raw.proxy):
        problems.warn((*path, "proxy"), f'"{raw.proxy}" {doubt}')
    elif "@" in urlsplit(raw.proxy).netloc:
        problems.warn((*path, "proxy"), "user and password in the URL are not sent; apiKey is")
    if not raw.models:
        problems.error((*path, "models"), "at least one model is needed")
    if any(character < " " or character == "\x7f" for character in raw.api_key.strip()):
        problems.error((*path, "apiKey"), "the key contains a control character, such as the end of a line")
    timeouts = PeerTimeouts(**{field: getattr(raw.timeouts, field) for field in raw.timeouts.__struct_fields__})
    return Peer(
        proxy=raw.proxy,
        models=tuple(dict.fromkeys(raw.models)),
        api_key=raw.api_key.strip(),
        filters=filters_of(raw.filters),
        timeouts=timeouts,
    )


# --- selectors ---------------------------------------------------------------------------------------------------------


def selector(
    name: str, raw: FileSelector, others: dict[str, FileSelector], names: Names, problems: Problems
) -> tuple[Selector, list[Local | Remote]]:
    """The selector, and what its targets mean (unknown ones left out)."""
    path: Path = ("selectors", name)
    fault = selector_name_fault(name, names)
    if fault:
        problems.error(path, fault)
    if not raw.strategy:
        problems.error((*path, "strategy"), "is needed (warm, pin, spillover)")
    if not raw.targets:
        problems.error((*path, "targets"), "at least one target is needed")
    if raw.strategy == "spillover" and raw.settings.spillover < 1:
        problems.error((*path, "settings", "spillover"), f"must be 1 or more, got {raw.settings.spillover}")
    meanings = targets(raw, path, others, names, problems)
    resolved = Selector(
        strategy=raw.strategy or "pin",
        targets=raw.targets,
        spillover=max(raw.settings.spillover, 1),
        name=raw.name,
        description=raw.description,
        unlisted=raw.unlisted,
        metadata=raw.metadata,
    )
    return resolved, meanings


def selector_name_fault(name: str, names: Names) -> str | None:
    if not name.strip():
        return "a selector needs a name"
    if name in names.models:
        return f'"{name}" is a model\'s id; choose another name'
    if name in names.aliases:
        return f'"{name}" is an alias of model "{names.aliases[name]}"; choose another name'
    if name in names.full:
        return f'"{name}" is the full name of a model of peers.{names.full[name].peer}; choose another name'
    return None


def targets(
    raw: FileSelector, path: Path, others: dict[str, FileSelector], names: Names, problems: Problems
) -> list[Local | Remote]:
    meanings: list[Local | Remote] = []
    for index, target in enumerate(raw.targets):
        at = (*path, "targets", index)
        meaning = names.resolve(target)
        if target in others:
            problems.error(at, f'"{target}" is a selector; targets are models')
        elif meaning is None:
            problems.error(at, f'unknown model "{target}"{nearest(target, names)}')
        elif raw.strategy == "warm" and not isinstance(meaning, Local):
            problems.error(at, f'"{target}" belongs to a peer; a warm selector takes local models only')
        elif raw.strategy == "spillover" and meaning in meanings:
            problems.error(at, f'"{target}" is the same model as another target')
        else:
            meanings.append(meaning)
    return meanings


def check_spillover(
    name: str, meanings: list[Local | Remote], routing: Routing, sets: MatrixSets | None, problems: Problems
) -> None:
    """The local targets of a spillover selector must be able to run together (another package's planner cannot be asked)."""
    local = [meaning.model for meaning in meanings if isinstance(meaning, Local)]
    if len(local) < 2 or routing.router not in PLANNERS:
        return
    path: Path = ("selectors", name, "targets")
    listed = ", ".join(local)
    if routing.router == "matrix":
        if sets is not None and not sets.allows(local):
            problems.error(path, f"{listed} cannot run together: no matrix set has a combination with all of them")
    elif not any(not group.swap and set(local) <= set(group.members) for group in routing.groups.values()):
        problems.error(path, f"{listed} cannot run together: put them into one group with swap: false")


# --- profiles ----------------------------------------------------------------------------------------------------------


def profile(name: str, raw: FileProfile, selectors: dict[str, FileSelector], names: Names, problems: Problems) -> Profile:
    path: Path = ("profiles", name)
    if not name.strip():
        problems.error(path, "a profile needs a name")
    if not raw.pins:
        problems.error((*path, "pins"), "at least one pin is needed")
    for pin, target in raw.pins.items():
        at = (*path, "pins", pin)
        if not pin.strip():
            problems.error(at, "a pin needs a name")
        if pin in names.full:
            problems.error(at, f'"{pin}" is the full name of a model of peers.{names.full[pin].peer} and cannot be pinned')
        if target and target not in selectors and names.resolve(target) is None:
            problems.error(at, f'unknown model "{target}"{nearest(target, names)}')
    return Profile(description=raw.description, pins=raw.pins)
