"""From configuration text to an accepted `Config`, or to one `ConfigError` with every problem.

The way: files (`sources`) -> trees (`yaml_source`) -> one tree (`merge`) -> macros -> structs (`decode`, `models`) -> names,
routing and checks -> `Config`. Nothing outside this package needs more than `load` and `loads`.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swapyard.config import checks
from swapyard.config.clashes import warn_of_shared_addresses
from swapyard.config.decode import UNSET, Context, read_struct
from swapyard.config.file import FileConfig
from swapyard.config.macros import declared, global_scope
from swapyard.config.merge import merge
from swapyard.config.models import ModelReader
from swapyard.config.names import collect
from swapyard.config.nodes import Mapping as Tree
from swapyard.config.nodes import Node, is_empty
from swapyard.config.ports import Ports
from swapyard.config.problems import Problems
from swapyard.config.routing import routing_of
from swapyard.config.schema import Config, Http, Model
from swapyard.config.sources import find_sources, read_text
from swapyard.config.strategies import BuiltIn, Strategies
from swapyard.config.yaml_source import Source, parse
from swapyard.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Loaded:
    """`warnings`: one line each, sorted by file and line. `sources`: the files that were read, in order."""

    config: Config
    warnings: list[str]
    sources: list[Path]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a configuration depends on besides its text. `previous`: the one that it is going to replace, if any."""

    environ: Mapping[str, str]
    platform: str
    previous: Config | None = None
    strategies: Strategies = field(default_factory=BuiltIn)


def load(
    config: Path | None,
    config_dir: Path | None,
    *,
    environ: Mapping[str, str],
    platform: str = sys.platform,
    previous: Config | None = None,
    strategies: Strategies | None = None,
) -> Loaded:
    """The configuration of a file, a directory's *.yml and *.yaml files, or both. Raises ConfigError.

    `platform` decides how commands are split and stopped (`sys.platform`'s words). With a `previous` configuration, models
    keep their ports (see `ports`). `strategies`: what is installed, None for the built-in ones alone. Some CPU time for
    large files: 10,000 models take about a second.
    """
    problems = Problems()
    paths = find_sources(config, config_dir)
    texts = [(str(path), read_text(path, problems)) for path in paths]
    around = Surroundings(environ, platform, previous, strategies or BuiltIn())
    resolved = resolve([(name, text) for name, text in texts if text is not None], around, problems)
    return Loaded(resolved, problems.warning_lines(), paths)


def loads(
    text: str,
    name: str = "config.yaml",
    *,
    environ: Mapping[str, str] | None = None,
    platform: str = sys.platform,
    previous: Config | None = None,
    strategies: Strategies | None = None,
) -> Loaded:
    """Like `load`, of a text; `name` stands in messages."""
    problems = Problems()
    around = Surroundings(environ or {}, platform, previous, strategies or BuiltIn())
    resolved = resolve([(name, text)], around, problems)
    return Loaded(resolved, problems.warning_lines(), [])


def resolve(texts: list[tuple[str, str]], around: Surroundings, problems: Problems) -> Config:
    problems.sources = [name for name, _ in texts]
    with no_garbage_collection():
        resolved = resolve_sources(texts, around, problems)
        problems.tree = None  # the trees are to be gone before the collector looks around again
    if problems.errors:
        raise ConfigError(problems.error_lines(), problems.warning_lines())
    return resolved


def resolve_sources(texts: list[tuple[str, str]], around: Surroundings, problems: Problems) -> Config:
    parsed = [parse(text, name, around.environ, problems) for name, text in texts]
    sources = [source for source in parsed if source is not None]
    if problems.unreadable:
        return Config()
    problems.tree = merge([source.tree for source in sources] or [Tree({}, None)], problems)
    return interpret(problems.tree, sources, around, problems)


def interpret(tree: Tree, sources: list[Source], around: Surroundings, problems: Problems) -> Config:
    everywhere = global_scope(declared(child(tree, "macros"), ("macros",), problems), problems)
    anchored = frozenset[str]().union(*(source.anchored for source in sources))
    given: dict[str, Any] = {key: UNSET for key in ("macros", "models") if key in tree.entries}
    raw: FileConfig = read_struct(FileConfig, tree, (), Context(everywhere, anchored), given)
    ports = Ports(raw.start_port, around.previous)
    models = ModelReader(everywhere, raw, around.platform, ports).read_all(child(tree, "models"))
    if all(is_absent(child(tree, key)) for key in ("models", "peers")):
        problems.warn((), "no models: nothing can be served; describe them under models:")
    warn_of_shared_addresses(models, problems)
    config = assemble(raw, models, around.strategies, problems)
    if not problems.errors:
        for path, message in around.strategies.findings(config):
            problems.error(path, message)
    return config


def assemble(raw: FileConfig, models: dict[str, Model], strategies: Strategies, problems: Problems) -> Config:
    """What needs more than one block: names, routing, and all that refers to models."""
    problems.settle()
    peers = {name: checks.peer(name, peer, problems) for name, peer in raw.peers.items()}
    names = collect(models, peers, problems)
    routing, sets = routing_of(raw, names, strategies, problems)
    selectors = {}
    for name, block in raw.selectors.items():
        selectors[name], meanings = checks.selector(name, block, raw.selectors, names, problems)
        if block.strategy == "spillover":
            checks.check_spillover(name, meanings, routing, sets, problems)
    profiles = {name: checks.profile(name, block, raw.selectors, names, problems) for name, block in raw.profiles.items()}
    return Config(
        health_check_timeout=checks.health_check_timeout(raw, problems),
        log_level=checks.log_level(raw, problems),
        log_time_format=checks.log_time_format(raw, problems),
        log_to_stdout=raw.log_to_stdout,
        log_format=raw.log_format,
        metrics_max_in_memory=raw.metrics_max_in_memory if raw.metrics_max_in_memory > 0 else checks.DEFAULT_ROWS,
        capture_buffer=max(raw.capture_buffer, 0),
        store=checks.store(raw, problems),
        session_headers=checks.session_headers(raw),
        performance=checks.performance(raw, problems),
        http=Http(**{name: getattr(raw.http, name) for name in raw.http.__struct_fields__}),
        start_port=raw.start_port,
        send_loading_state=raw.send_loading_state,
        include_aliases_in_list=raw.include_aliases_in_list,
        api_keys=checks.api_keys(raw, problems),
        models_dir=checks.models_dir(raw, problems),
        models=names.models,
        profiles=profiles,
        selectors=selectors,
        peers=peers,
        preload=checks.preload(raw, names, problems),
        ignore_paths=checks.ignore_paths(raw, problems),
        routing=routing,
    )


def child(tree: Tree, key: str) -> Node | None:
    entry = tree.entries.get(key)
    return None if entry is None else entry[1]


def is_absent(block: Node | None) -> bool:
    return block is None or is_empty(block)


@contextlib.contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Hundreds of thousands of small objects come to life here, and none of them is garbage: the collector's repeated
    walks over them would take most of the time (1.4 s of 1.8 s for 10,000 models)."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
