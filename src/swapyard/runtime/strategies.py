"""The door by which planners and schedulers come in: entry points `swapyard.planners` and `swapyard.schedulers`.

The built-in ones are declared there too (pyproject.toml), but their names are known here, so that an ordinary start looks
through no package's metadata; of several hundred installed packages only the chosen strategy is ever imported. Nobody can
take a built-in name.

Whatever may be wrong with a package becomes a finding (key path, message) that names it. What its planner does wrong later
on, in the middle of a decision, is caught by `Guarded`. The contract is `core.strategies`.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import pkgutil
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeAlias

import msgspec

from swapyard.config.schema import Config
from swapyard.core.messages import Planner, Policy
from swapyard.core.strategies import Scheduler, SettingsError
from swapyard.errors import ConfigError

Path: TypeAlias = tuple[str | int, ...]
Finding: TypeAlias = tuple[Path, str]

log = logging.getLogger(__name__)
LONGEST_RULE = 100  # characters of a planner's words for its rule


@dataclass(frozen=True, slots=True)
class Kind:
    """`block`: where it is chosen, below `routing`. `methods`: what it has to have, with arguments to try it on."""

    word: str
    entry_points: str
    block: str
    built_in: dict[str, str]
    methods: dict[str, tuple[Any, ...]]


PLANNER = Kind(
    "planner",
    "swapyard.planners",
    "router",
    {"group": "swapyard.core.planners.group:planner", "matrix": "swapyard.core.planners.matrix:planner"},
    {"evict": ("model", ())},
)
SCHEDULER = Kind(
    "scheduler",
    "swapyard.schedulers",
    "scheduler",
    {"fifo": "swapyard.core.scheduler:Scheduler"},
    {"handle": (None, 0.0), "running": (), "positions": ()}
    | dict.fromkeys(("state", "run_of", "reserved", "is_full", "serving", "waiting", "plan", "idle_since"), ("model",)),
)
KINDS = {kind.word: kind for kind in (PLANNER, SCHEDULER)}


@dataclass(frozen=True, slots=True)
class Entry:
    """An installed strategy. `target`: `module:name` of its factory. `package`: name and version, empty if it is ours."""

    name: str
    target: str
    package: str = ""

    def __str__(self) -> str:
        return f'"{self.name}" of the package {self.package}' if self.package else f'"{self.name}"'


class Broken(ConfigError):
    """A strategy cannot be used. `findings` for whoever knows the files' lines; the loader does."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__([f"{'.'.join(str(step) for step in path)}: {message}" for path, message in findings])
        self.findings = findings


# --- what is installed -----------------------------------------------------------------------------------------------------


def entries(kind: Kind) -> list[Entry]:
    """The built-in ones, then those of packages by name. Reads every installed package's metadata: some milliseconds."""
    from importlib import metadata  # not needed for the built-in ones

    importlib.invalidate_caches()  # a package may have been installed since
    found = {
        Entry(point.name, point.value, f"{point.dist.name} {point.dist.version}" if point.dist else "")
        for point in metadata.entry_points(group=kind.entry_points)
        if point.name not in kind.built_in
    }
    ours = [Entry(name, target) for name, target in kind.built_in.items()]
    return ours + sorted(found, key=lambda entry: (entry.name, entry.package))


def find(kind: Kind, name: str) -> Entry | str:
    """The entry of that name, or what is wrong with the name."""
    target = kind.built_in.get(name)
    if target is not None:
        return Entry(name, target)
    every = entries(kind)
    named = [entry for entry in every if entry.name == name]
    if len(named) == 1:
        return named[0]
    if named:
        return (
            f'"{name}" is offered by several packages: {", ".join(entry.package for entry in named)}; uninstall all but one'
        )
    near = get_close_matches(name, [entry.name for entry in every], n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]}?" if near else ""
    listed = ", ".join(f"{entry.name} ({entry.package})" if entry.package else entry.name for entry in every)
    return f'no {kind.word} "{name}" is installed (installed: {listed}){hint}'


class Installed:
    """What `config.load` asks (`config.strategies.Strategies`)."""

    def missing(self, kind: str, name: str) -> str | None:
        found = find(KINDS[kind], name)
        return found if isinstance(found, str) else None

    def findings(self, config: Config) -> Iterator[Finding]:
        """Makes the chosen strategies, those that are not ours, to see whether they can be made."""
        routing = config.routing
        planner = None
        try:
            if routing.router not in PLANNER.built_in:
                planner = planner_of(config)
        except Broken as broken:
            yield from broken.findings
            return
        try:
            if routing.scheduler not in SCHEDULER.built_in:
                scheduler_of(routing.scheduler, Policy({}, planner or NoPlanner(), settings=routing.scheduler_settings))
        except Broken as broken:
            yield from broken.findings


class NoPlanner:
    """For a scheduler that is only made to see whether it can be."""

    def evict(self, model: str, running: Sequence[str]) -> Sequence[str]:
        return running


def origins(config: Config) -> list[str]:
    """A line for each strategy that comes from another package."""
    chosen = ((PLANNER, config.routing.router), (SCHEDULER, config.routing.scheduler))
    found = [(kind, find(kind, name)) for kind, name in chosen if name not in kind.built_in]
    return [f"{kind.word} {entry}" for kind, entry in found if isinstance(entry, Entry)]


# --- making them -----------------------------------------------------------------------------------------------------------


def planner_of(config: Config) -> Planner:
    """The planner that the configuration chooses. Raises Broken."""
    routing = config.routing
    settings = {"group": routing.groups, "matrix": routing.matrix}.get(routing.router, routing.router_settings)
    made: Planner = make(PLANNER, routing.router, settings, settings, tuple(config.models))
    return made if routing.router in PLANNER.built_in else guarded(made, routing.router)


def scheduler_of(name: str, policy: Policy) -> Scheduler:
    """The scheduler of that name. Raises Broken."""
    made: Scheduler = make(SCHEDULER, name, policy.settings, policy)
    return made


def make(kind: Kind, name: str, settings: Any, *arguments: Any) -> Any:
    chosen: Path = ("routing", kind.block, "use")
    entry = find(kind, name)
    if isinstance(entry, str):
        raise Broken([(chosen, entry)])
    factory = load(entry, chosen)
    if name in kind.built_in:
        return factory(*arguments)
    place: Path = ("routing", kind.block, "settings", name) if settings is not None else chosen
    try:
        made = factory(*arguments)
    except (Exception, SystemExit) as error:
        raise Broken([((*place, *path), message) for path, message in complaints(error, entry)]) from error
    wanting = list(shortcomings(made, kind))
    if wanting:
        raise Broken([(chosen, f"{entry} gives no {kind.word}: {type(made).__name__} {'; '.join(wanting)}")])
    return made


def load(entry: Entry, chosen: Path) -> Callable[..., Any]:
    try:
        factory: Any = pkgutil.resolve_name(entry.target)
    except (Exception, SystemExit) as error:
        raise Broken([(chosen, f"{entry} cannot be loaded from {entry.target}: {told(error)}")]) from error
    if not callable(factory):
        raise Broken([(chosen, f"{entry} is no factory: {entry.target} cannot be called")])
    return factory  # type: ignore[no-any-return]


def complaints(error: BaseException, entry: Entry) -> Iterator[Finding]:
    """What a factory says is wrong, with the key below its settings."""
    match error:
        case ExceptionGroup():
            for part in error.exceptions:
                yield from complaints(part, entry)
        case SettingsError():
            yield error.path, error.message
        case msgspec.ValidationError():
            message, _, place = str(error).partition(" - at `$")
            yield steps(place.removesuffix("`")), message
        case _:
            yield (), f"{entry} cannot be made: {told(error)}"


def steps(place: str) -> Path:
    """`.a.b[0]`, as msgspec tells a place, as a path."""
    found = re.findall(r"\.([^.\[]+)|\[(\d+)\]", place)
    return tuple(name or int(number) for name, number in found)


def shortcomings(made: object, kind: Kind) -> Iterator[str]:
    """In which methods it is not what it has to be."""
    for name, arguments in kind.methods.items():
        method = getattr(made, name, None)
        if not callable(method):
            yield f"has no method {name}"
            continue
        try:
            inspect.signature(method).bind(*arguments)
        except TypeError as error:
            yield f"has a method {name} that cannot be called as needed ({error})"
        except ValueError:
            pass  # it has no signature: it will be seen
        if inspect.iscoroutinefunction(method):
            yield f"has a method {name} that is async"


def told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


# --- while it decides ------------------------------------------------------------------------------------------------------


def guarded(planner: Planner, name: str) -> Planner:
    return GuardedKin(planner, name) if callable(getattr(planner, "kin", None)) else Guarded(planner, name)


class Guarded:
    """A planner of another package. If it fails, everybody has to go (or nobody, for a model that is there already), which
    never lets two run together that may not, and the log tells."""

    def __init__(self, planner: Planner, name: str) -> None:
        self.planner = planner
        self.by_last_use = bool(getattr(planner, "by_last_use", False))
        self._name = name

    def evict(self, model: str, running: Sequence[str]) -> Sequence[str]:
        try:
            answer = tuple(self.planner.evict(model, running))
            strangers = [name for name in answer if name not in running]
            if not strangers:
                return answer
            problem = f"named {strangers[0]!r}, which does not run"
        except (Exception, SystemExit) as error:
            problem = f"failed: {told(error)}"
        log.error(
            'planner "%s" %s; asked who must go for %s of %s', self._name, problem, model, ", ".join(running) or "nobody"
        )
        return () if model in running else tuple(running)

    def rule(self, model: str, evicted: str) -> str:
        """What it says itself, or who it is. A planner that cannot name its rule has decided all the same."""
        try:
            said: Any = self.planner.rule(model, evicted)  # type: ignore[attr-defined]
        except (Exception, SystemExit):
            said = None
        if not isinstance(said, str) or not said.strip():
            return f"planner {self._name}"
        # Neither JSON nor SQLite takes half of a surrogate pair.
        return " ".join(said.split())[:LONGEST_RULE].encode(errors="replace").decode()


class GuardedKin(Guarded):
    def kin(self, model: str) -> str | None:
        try:
            found: Any = self.planner.kin(model)  # type: ignore[attr-defined]
        except (Exception, SystemExit) as error:
            log.error('planner "%s" failed to tell the kin of %s: %s', self._name, model, told(error))
            return None
        return None if found is None else str(found)


__all__ = ["Broken", "Installed", "entries", "origins", "planner_of", "scheduler_of"]
