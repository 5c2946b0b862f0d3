"""One entry of `models:` to a `Model`: its macros, its port, its defaults, and the checks that need only the model itself.

The order of steps is llama-swap's, since files lean on it: comment lines of the commands go first, then macros, then, if
the command wants one, the next port. Models are taken in code-point order of their ids, because that decides the ports.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from yaml import ScalarNode

from swapyard.config.command import comment_inside_quotes, drop_comment_lines, split_command, unterminated_quote
from swapyard.config.decode import UNSET, Context, read_struct
from swapyard.config.file import FileConfig, FileFilters, FileModel
from swapyard.config.macros import Macros, Scope, declared, model_order, model_scope, text_form
from swapyard.config.nodes import UNKNOWN, Mapping, Node, is_null, kind_of, mark_of
from swapyard.config.ports import Ports
from swapyard.config.problems import Path, Problems
from swapyard.config.schema import Capabilities, Compat, Filters, Model, Timeouts
from swapyard.config.urls import base_url_doubt, check_path, url_fault

COMFYUI = "comfyui_auto"  # serves /comfyui/, whose page keeps many requests and websockets open (llama-swap #1000, #1001)
COMFYUI_LIMIT = 50
WINDOWS_STOP = "taskkill /f /t /pid ${PID}"
MAX_PORT = 65535
DRIVE = re.compile(r"(?<![A-Za-z])[A-Za-z]:\\")
SHELL_SIGN = re.compile(r"~/|[&|;<>]")
SHELL_OPERATORS = frozenset({"&&", "||", "|", ";", "&", ">", ">>", "<", "2>&1"})


@dataclass(slots=True)
class ModelReader:
    """Reads the models one after the other."""

    everywhere: Scope
    settings: FileConfig
    platform: str
    ports: Ports
    order: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.order = model_order(self.everywhere.macros)

    @property
    def problems(self) -> Problems:
        return self.everywhere.problems

    def read_all(self, block: Node | None) -> dict[str, Model]:
        if block is None or is_null(block):
            return {}
        if not isinstance(block, Mapping):
            self.problems.error(("models",), f"must be a mapping of ids to models, got {kind_of(block)}")
            return {}
        models = {}
        for name in sorted(block.entries):
            node = block.entries[name][1]
            if is_null(node):
                node = Mapping({}, mark_of(node))
            if isinstance(node, Mapping):
                models[name] = self.read(name, node)
            else:
                self.problems.error(("models", name), f"must be a mapping, got {kind_of(node)}")
                models[name] = Model()  # so that references to it are not called unknown
        return models

    def read(self, name: str, node: Mapping) -> Model:
        path: Path = ("models", name)
        own: Macros = {}
        given: dict[str, Any] = {}
        if "macros" in node.entries:
            own = declared(node.entries["macros"][1], (*path, "macros"), self.problems)
            given["macros"] = UNSET
        scope = model_scope(name, self.everywhere, own, self.order)
        given["cmd"] = cmd = self.command("cmd", node, path, scope)
        if "${PORT}" in cmd:
            self.assign_port(name, path, scope)
            given["cmd"] = cmd = text_form(scope.with_port(cmd))
        if "${" in cmd:
            scope.leftovers(cmd, (*path, "cmd"))
        given["cmdStop"] = self.stop_command(node, path, scope)
        given["proxy"] = self.proxy(node, path, scope)
        if "filters" in node.entries:
            node = with_expanded_ids(node, path, scope)
        raw = read_struct(FileModel, node, path, Context(scope), given)
        return self.model(name, raw, scope.port)

    # --- the fields with rules of their own ----------------------------------------------------------------------------

    def command(self, key: str, node: Mapping, path: Path, scope: Scope) -> str:
        """The text of `cmd` or `cmdStop` without comment lines, macros expanded but for PORT."""
        entry = node.entries.get(key)
        if entry is None or is_null(entry[1]):
            if entry is not None and entry[1].tag == UNKNOWN:  # type: ignore[union-attr]  # null is a scalar
                self.problems.doubt((*path, key))
            elif key == "cmd" and ((proxy := node.entries.get("proxy")) is None or is_null(proxy[1])):
                self.problems.error((*path, key), "is needed; or proxy, for a server that is not started here")
            return ""
        value = entry[1]
        if not isinstance(value, ScalarNode):
            self.problems.error((*path, key), f"must be a string, got {kind_of(value)}")
            return ""
        text = drop_comment_lines(value.value)
        if text is not value.value and comment_inside_quotes(value.value, self.platform):
            self.problems.warn((*path, key), "a line that begins with # is dropped, even inside quotes")
        return text_form(scope.expand_macros(text, (*path, key))) if "${" in text else text

    def assign_port(self, name: str, path: Path, scope: Scope) -> None:
        scope.port = self.ports.of(name)
        if scope.port > MAX_PORT:
            self.problems.warn((*path, "cmd"), f"${{PORT}} is {scope.port} here, which no server can use; lower startPort")

    def stop_command(self, node: Mapping, path: Path, scope: Scope) -> str:
        text = text_form(scope.with_port(self.command("cmdStop", node, path, scope)))
        scope.leftovers(text, (*path, "cmdStop"), allowed=("PID",))
        return text or (WINDOWS_STOP if self.platform == "win32" else "")

    def proxy(self, node: Mapping, path: Path, scope: Scope) -> str:
        entry = node.entries.get("proxy")
        if entry is None or is_null(entry[1]):
            if scope.port is not None:
                return f"http://localhost:{scope.port}"
            if self.problems.is_doubtful((*path, "cmd")):
                return ""
            text = "http://localhost:${PORT}"
        elif isinstance(entry[1], ScalarNode):
            text = entry[1].value
        else:
            self.problems.error((*path, "proxy"), f"must be a URL, got {kind_of(entry[1])}")
            return ""
        at = (*path, "proxy")
        url = text_form(scope.expand(text, at)) if "${" in text else text
        if "${" not in url:
            self.check_url(url, at)
            return url
        if entry is None and "${PORT}" in url:
            self.problems.error(at, "uses ${PORT} by default but cmd does not; give proxy, or put ${PORT} into cmd")
        else:
            scope.leftovers(url, at)
        return url

    def check_url(self, url: str, path: Path) -> None:
        fault = url_fault(url)
        if fault:
            self.problems.error(path, f'"{url}" {fault}')
            return
        doubt = base_url_doubt(url)
        if doubt:
            self.problems.warn(path, f'"{url}" {doubt}')

    # --- the whole -------------------------------------------------------------------------------------------------------

    def model(self, name: str, raw: FileModel, port: int | None) -> Model:
        path: Path = ("models", name)
        argv = tuple(split_command(raw.cmd, self.platform))
        self.check(path, raw, argv)
        special = name == COMFYUI
        settings = self.settings
        limit = max(raw.concurrency_limit, 0)
        loading = raw.send_loading_state
        return Model(
            cmd=raw.cmd,
            argv=argv,
            cmd_stop=raw.cmd_stop,
            proxy=raw.proxy,
            check_endpoint=self.check_endpoint(raw.check_endpoint, path),
            ttl=settings.global_ttl if raw.ttl < 0 else raw.ttl,
            unload_timeout=raw.unload_timeout or settings.unload_timeout or 10,
            aliases=raw.aliases,
            env=raw.env,
            unlisted=raw.unlisted,
            use_model_name=raw.use_model_name,
            name=raw.name,
            description=raw.description,
            concurrency_limit=max(limit, COMFYUI_LIMIT) if special else limit,
            send_loading_state=settings.send_loading_state if loading is None else loading,
            filters=filters_of(raw.filters),
            metadata=raw.metadata,
            timeouts=timeouts_of(raw.timeouts),
            compat=IGNORES_WEBSOCKETS if special or raw.compat.ignore_websockets else NO_COMPAT,
            capabilities=capabilities_of(raw),
            port=port,
        )

    def check_endpoint(self, endpoint: str, path: Path) -> str:
        if endpoint == "/health":
            return endpoint
        fault = url_fault(endpoint)
        if fault:
            self.problems.error((*path, "checkEndpoint"), f'"{endpoint}" {fault}; give a path such as /health, or none')
            return "/health"
        return check_path(endpoint)

    def check(self, path: Path, raw: FileModel, argv: tuple[str, ...]) -> None:
        warn = self.problems.warn
        if not path[1]:
            warn(path, "an empty model id cannot be asked for")
        if not argv and not self.problems.is_doubtful((*path, "cmd")):
            but = " but for comments and quotes" if raw.cmd else ""
            warn((*path, "cmd"), f"is empty{but}; the model cannot be started")
        for key, text in (("cmd", raw.cmd), ("cmdStop", raw.cmd_stop)):
            self.check_quotes((*path, key), text)
            self.check_shell((*path, key), text)
        for index, setting in enumerate(raw.env):
            if "=" not in setting[1:]:
                warn((*path, "env", index), f'"{setting}" is not NAME=value')
        if raw.health_check_timeout is not None:
            warn((*path, "healthCheckTimeout"), "has no effect on one model; the global healthCheckTimeout counts")
        if raw.concurrency_limit < 0:
            warn((*path, "concurrencyLimit"), f"{raw.concurrency_limit} acts as 0, which means no limit of its own")

    def check_quotes(self, path: Path, text: str) -> None:
        if '"' in text or "'" in text:
            quote = unterminated_quote(text, self.platform)
            if quote:
                self.problems.warn(path, f"the quote {quote} is never closed; all that follows it is one argument")
        elif ":\\" in text and self.platform != "win32" and DRIVE.search(text):
            message = "a backslash outside quotes takes the next character; put a Windows path in single quotes"
            self.problems.warn(path, message)

    def check_shell(self, path: Path, text: str) -> None:
        """What only a shell would understand. An operator in quotes is somebody's argument."""
        if not SHELL_SIGN.search(text):
            return
        for word in split_command(text, self.platform):
            if word.startswith("~/"):
                self.problems.warn(path, f'"{word}" is taken as it stands, there is no shell; write ${{env.HOME}}{word[1:]}')
            elif word in SHELL_OPERATORS and f" {word} " in text:
                message = f'"{word}" is an argument like any other, there is no shell; run sh -c "..." where you need one'
                self.problems.warn(path, message)


IGNORES_WEBSOCKETS = Compat(ignore_websockets=True)
NO_COMPAT = Compat()
NO_FILTERS = Filters()
FILE_DEFAULTS = FileModel()
DEFAULT_TIMEOUTS = Timeouts()


def filters_of(raw: FileFilters) -> Filters:
    if raw is FILE_DEFAULTS.filters:
        return NO_FILTERS
    names = {name.strip() for name in (raw.strip_params or raw.strip_params_legacy).split(",")}
    return Filters(
        strip_params=tuple(sorted(names - {"", "model"})),
        set_params=without_model(raw.set_params),
        set_params_by_id={name: without_model(values) for name, values in raw.set_params_by_id.items()},
    )


def without_model(params: dict[str, Any]) -> dict[str, Any]:
    """In key order, in which they are applied; `model` is not theirs to change."""
    return {key: params[key] for key in sorted(params) if key != "model"}


def timeouts_of(raw: Any) -> Timeouts:
    if raw is FILE_DEFAULTS.timeouts:
        return DEFAULT_TIMEOUTS
    return Timeouts(**{name: getattr(raw, name) for name in raw.__struct_fields__})


def capabilities_of(raw: FileModel) -> Capabilities | None:
    given = raw.capabilities
    if given is FILE_DEFAULTS.capabilities:
        return None
    found = Capabilities(in_=given.in_, out=given.out, tools=given.tools, reranker=given.reranker, context=given.context)
    return None if found == Capabilities() else found


def with_expanded_ids(node: Mapping, path: Path, scope: Scope) -> Mapping:
    """The model with the keys of `filters.setParamsByID` expanded, the only keys that may hold references."""
    key, filters = node.entries["filters"]
    if not isinstance(filters, Mapping) or "setParamsByID" not in filters.entries:
        return node
    by_id_key, by_id = filters.entries["setParamsByID"]
    if not isinstance(by_id, Mapping) or not any("${" in name for name in by_id.entries):
        return node
    at: Path = (*path, "filters", "setParamsByID")
    renamed: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for name, entry in by_id.entries.items():
        new = text_form(scope.expand(name, at)) if "${" in name else name
        scope.leftovers(new, (*at, name))
        if new in renamed:
            scope.problems.error((*at, name), f'"{origin[new]}" and "{name}" are both "{new}" once expanded')
        renamed[new], origin[new] = entry, name
    expanded = filters.entries | {"setParamsByID": (by_id_key, Mapping(renamed, by_id.mark))}
    return Mapping(node.entries | {"filters": (key, Mapping(expanded, filters.mark))}, node.mark)
