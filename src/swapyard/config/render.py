"""A resolved configuration back to the file's format, for people: macros expanded, defaults left out.

`loads(to_yaml(config))` gives the same configuration again, except that ports have become plain text of the commands.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
import yaml
from msgspec import Struct

from swapyard.config.nodes import plain_value
from swapyard.config.patterns import to_re2
from swapyard.config.routing import DEFAULT_GROUP
from swapyard.config.schema import Config, Fifo, Filters, Model, Routing, Selector, Timeouts


def to_yaml(config: Config) -> str:
    return yaml.dump(to_file(config), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10_000)


class Dumper(yaml.CSafeDumper):
    """Quotes what our YAML rules would not read back as a string, and writes texts of several lines as blocks."""


def represent_text(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    style = None
    if not isinstance(plain_value(text), str):
        style = '"'
    elif "\n" in text:
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


Dumper.add_representer(str, represent_text)


def to_file(config: Config) -> dict[str, Any]:
    """Plain mappings, lists and scalars under the file's keys."""
    default = Config()
    file: dict[str, Any] = {
        "healthCheckTimeout": config.health_check_timeout,
        "logLevel": config.log_level,
        "logTimeFormat": config.log_time_format,
        "logToStdout": config.log_to_stdout,
        "metricsMaxInMemory": config.metrics_max_in_memory,
        "captureBuffer": config.capture_buffer,
        "performance": {"disabled": config.performance.disabled, "every": f"{config.performance.every:.9g}s"},
        "startPort": config.start_port,
        "sendLoadingState": config.send_loading_state,
        "includeAliasesInList": config.include_aliases_in_list,
    }
    if config.log_format != default.log_format:
        file["logFormat"] = config.log_format
    if config.store is not None:
        file["store"] = {"path": config.store.path}
        if config.store.retention:
            file["store"]["retention"] = f"{config.store.retention:.9g}s"
    if config.session_headers != default.session_headers:
        file["ui"] = {"activity": {"session_id": list(config.session_headers)}}
    if config.http != default.http:
        file["http"] = changed(config.http)
    if config.api_keys:
        file["apiKeys"] = list(config.api_keys)
    if config.models_dir:
        file["modelsDir"] = list(config.models_dir)
    if config.ignore_paths != default.ignore_paths:
        file["upstream"] = {"ignorePaths": [to_re2(pattern) for pattern in config.ignore_paths]}
    if config.preload:
        file["hooks"] = {"on_startup": {"preload": list(config.preload)}}
    file["models"] = {name: model_of(model) for name, model in config.models.items()}
    file["peers"] = {name: changed(peer) for name, peer in config.peers.items()}
    file["selectors"] = {name: selector_of(selector) for name, selector in config.selectors.items()}
    file["profiles"] = {name: changed(profile) for name, profile in config.profiles.items()}
    file["routing"] = routing_of(config.routing)
    return {key: value for key, value in file.items() if value not in ({}, "")}


def model_of(model: Model) -> dict[str, Any]:
    fields = {"cmd": model.cmd, "proxy": model.proxy, "ttl": model.ttl, "unloadTimeout": model.unload_timeout}
    block: dict[str, Any] = fields | changed(model) | {"sendLoadingState": model.send_loading_state}
    for derived in ("argv", "port"):
        block.pop(derived, None)
    return block


def selector_of(selector: Selector) -> dict[str, Any]:
    block = changed(selector)
    block.pop("spillover", None)
    if selector.strategy == "spillover":
        block["settings"] = {"spillover": selector.spillover}
    return block


def routing_of(routing: Routing) -> dict[str, Any]:
    router: dict[str, Any] = {"use": routing.router}
    groups = {name: changed(group) for name, group in routing.groups.items() if name != DEFAULT_GROUP}
    if routing.matrix is not None:
        router["settings"] = {"matrix": changed(routing.matrix)}
    elif groups:
        router["settings"] = {"groups": groups}
    elif routing.router_settings is not None:
        router["settings"] = {routing.router: routing.router_settings}
    scheduler: dict[str, Any] = {"use": routing.scheduler}
    settings = {"fifo": changed(routing.fifo)} if routing.fifo != Fifo() else {}
    if routing.scheduler_settings is not None:
        settings[routing.scheduler] = routing.scheduler_settings
    if settings:
        scheduler["settings"] = settings
    return {"router": router} | ({"scheduler": scheduler} if scheduler != {"use": "fifo"} else {})


def changed(struct: Struct) -> dict[str, Any]:
    """The fields that differ from their defaults, under their file keys; nested structs the same way."""
    block = {}
    for name, key, default in fields_of(type(struct)):
        value = getattr(struct, name)
        if value == default and not isinstance(struct, Timeouts):
            continue
        block[key] = changed(value) if isinstance(value, Struct) else msgspec.to_builtins(value)
    if isinstance(struct, Filters) and struct.strip_params:
        block["stripParams"] = ", ".join(struct.strip_params)
    return block


@cache
def fields_of(kind: type[Struct]) -> list[tuple[str, str, Any]]:
    """Name, file key and default of each field. Remembered, because msgspec works the annotations out anew each time."""
    fields = msgspec.structs.fields(kind)
    return [
        (info.name, info.encode_name, info.default if info.default_factory is msgspec.NODEFAULT else info.default_factory())
        for info in fields
    ]
