"""Every key of the configuration by name: what a value becomes, what holds without it, and what is refused.

What depends on several keys at once (names, routing, macros, merging) has files of its own beside this one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from swapyard.config.load import loads
from swapyard.config.schema import Config, Filters
from swapyard.config.strategies import BuiltIn

KEYS = Path(__file__).parents[2] / "docs" / "keys.md"

# What stands around the key that is tested, so that the file is complete. `*` is `m` for models and `it` for the rest.
AROUND: dict[str, Any] = {
    "models": {"m": {"cmd": "server --port ${PORT}"}, "other": {"cmd": "server --port ${PORT}"}},
    "peers": {"it": {"proxy": "http://peer", "models": ["far"]}},
    "selectors": {"it": {"strategy": "pin", "targets": ["other"]}},
    "profiles": {"it": {"pins": {"name": "other"}}},
}
Look = Callable[[Config], Any]


class Needed(NamedTuple):
    """The file is refused without the key, with this message."""

    message: str


class Row(NamedTuple):
    """`look` takes from a configuration what `written` makes `means`, and what is `default` without the key. `refused`: a
    value, and what the problem says of it. `beside`: other keys of the file."""

    key: str
    look: Look
    written: Any
    means: Any
    default: Any
    refused: tuple[Any, str] | None
    beside: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        return self.key


def model(field: str) -> Look:
    return lambda config: inside(config.models["m"], field)


def peer(field: str) -> Look:
    return lambda config: inside(config.peers["it"], field)


def selector(field: str) -> Look:
    return lambda config: inside(config.selectors["it"], field)


def top(field: str) -> Look:
    return lambda config: inside(config, field)


def inside(value: Any, path: str) -> Any:
    """None where a block on the way is absent."""
    for field in path.split("."):
        value = value.get(field) if isinstance(value, dict) else getattr(value, field) if value is not None else None
    return value


Refused = tuple[Any, str]
NO_TEXT: Refused = ([], "must be a string")
NO_BOOL: Refused = (1, "must be true or false")
NO_INT: Refused = ("many", "must be a number")
NO_LIST: Refused = ("one", "must be a list")
NO_MAP: Refused = ([], "must be a mapping")
NO_MODALITY: Refused = (["smell"], "must be one of text")
NO_STORE = Needed("the file of the store is needed")
STORED = (("store.path", "activity.db"),)
NEGATIVE = (-1, "must be 0 or more, got -1")
SPILLOVER = (("selectors.it.strategy", "spillover"),)
MATRIX = (("routing.router.use", "matrix"), ("routing.router.settings.matrix.sets.s", "m & other"))
GROUP = "routing.router.settings.groups.*."
SETS = "routing.router.settings.matrix."
FIFO = "routing.scheduler.settings.fifo."

# fmt: off
ROWS = [
    Row("healthCheckTimeout", top("health_check_timeout"), 30, 30, 120, NO_INT),
    Row("logLevel", top("log_level"), " WARN ", "warn", "info", NO_TEXT),
    Row("logTimeFormat", top("log_time_format"), "RFC3339", "rfc3339", "", NO_TEXT),
    Row("logToStdout", top("log_to_stdout"), "both", "both", "proxy", ("Proxy", "must be one of proxy, upstream, both")),
    Row("logFormat", top("log_format"), "json", "json", "text", ("JSON", "must be one of text, json")),
    Row("logRequests", lambda config: None, True, None, None, NO_BOOL),
    Row("metricsMaxInMemory", top("metrics_max_in_memory"), 5, 5, 1000, NO_INT),
    Row("captureBuffer", top("capture_buffer"), 9, 9, 5, NO_INT),
    Row("globalTTL", model("ttl"), 60, 60, 0, NEGATIVE),
    Row("unloadTimeout", model("unload_timeout"), 3, 3, 10, NEGATIVE),
    Row("startPort", model("port"), 7000, 7000, 5800, (0, "must be 1 or more, got 0")),
    Row("sendLoadingState", model("send_loading_state"), True, True, False, NO_BOOL),
    Row("includeAliasesInList", top("include_aliases_in_list"), True, True, False, NO_BOOL),
    Row("apiKeys", top("api_keys"), ["a", "b"], ("a", "b"), (), (["a b"], "a key must not contain blanks")),
    Row("modelsDir", top("models_dir"), ["/a", "b", "/a"], ("/a", "b"), (), ({}, "must be a list")),
    Row("macros", model("name"), {"x": 7}, "7", Needed("macro ${x} is not defined"),
        ({"x": None}, "must be a string, a number"), (("models.m.name", "${x}"),)),
    Row("groups", top("routing.groups.g.members"), {"g": {"members": ["m"]}}, ("m",), None, NO_MAP),
    Row("matrix", top("routing.matrix.sets"), {"sets": {"s": "m"}}, {"s": "m"}, None, ({}, "at least one set is needed")),
    Row("store.path", top("store.path"), "activity.db", "activity.db", NO_STORE, (" ", "the file of the store is needed")),
    Row("store.retention", top("store.retention"), "90d", 7776000.0, 0.0, ("59s", "must be 1m or more"), STORED),
    Row("ui.activity.session_id", top("session_headers"), ["X-A", "x-a"], ("X-A",), Config().session_headers, NO_LIST),
    Row("performance.disabled", top("performance.disabled"), True, True, False, NO_BOOL),
    Row("performance.every", top("performance.every"), "1m30s", 90.0, 5.0, ("4s", "must be 5s or more")),
    Row("http.maxHeadBytes", top("http.max_head_bytes"), 9000, 9000, 65536, (1, "must be 1024 or more")),
    Row("http.maxHeaderFields", top("http.max_header_fields"), 50, 50, 200, (1, "must be 10 or more")),
    Row("http.headTimeout", top("http.head_timeout"), 1.5, 1.5, 30.0, (-1, "must be 0 or more")),
    Row("http.maxBodyBytes", top("http.max_body_bytes"), 10, 10, 0, NEGATIVE),
    Row("http.bodyTimeout", top("http.body_timeout"), 9, 9.0, 0.0, (-1, "must be 0 or more")),
    Row("http.stallTimeout", top("http.stall_timeout"), 9, 9.0, 120.0, (-1, "must be 0 or more")),
    Row("http.keepalive", top("http.keepalive"), 9, 9, 15, NEGATIVE),
    # models
    Row("models.*.cmd", model("argv"), "x 'a b'", ("x", "a b"), (), NO_TEXT, (("models.m.proxy", "http://x"),)),
    Row("models.*.cmdStop", model("cmd_stop"), "stop ${PID}", "stop ${PID}", "", NO_TEXT),
    Row("models.*.proxy", model("proxy"), "http://h:1/p", "http://h:1/p", "http://localhost:5800",
        ("http://h:x", "is not a URL")),
    Row("models.*.checkEndpoint", model("check_endpoint"), "/ready", "/ready", "/health", ("/%", "hexadecimal")),
    Row("models.*.ttl", model("ttl"), 5, 5, 0, (-2, "must be -1 or more, got -2")),
    Row("models.*.unloadTimeout", model("unload_timeout"), 3, 3, 10, NEGATIVE),
    Row("models.*.aliases", model("aliases"), ["nick"], ("nick",), (), (["nick", "nick"], '"nick" appears twice')),
    Row("models.*.env", model("env"), ["A=1", "B="], ("A=1", "B="), (), NO_LIST),
    Row("models.*.unlisted", model("unlisted"), True, True, False, NO_BOOL),
    Row("models.*.useModelName", model("use_model_name"), "real", "real", "", NO_TEXT),
    Row("models.*.name", model("name"), "Name", "Name", "", NO_TEXT),
    Row("models.*.description", model("description"), "text", "text", "", NO_TEXT),
    Row("models.*.concurrencyLimit", model("concurrency_limit"), 3, 3, 0, NO_INT),
    Row("models.*.sendLoadingState", model("send_loading_state"), False, False, True, NO_BOOL,
        (("sendLoadingState", True),)),
    Row("models.*.filters.stripParams", model("filters.strip_params"), "b, a", ("a", "b"), (), NO_TEXT),
    Row("models.*.filters.strip_params", model("filters.strip_params"), "b, a", ("a", "b"), (), NO_TEXT),
    Row("models.*.filters.setParams", model("filters.set_params"), {"a": [1]}, {"a": [1]}, {}, NO_MAP),
    Row("models.*.filters.setParamsByID", model("aliases"), {"brief": {"n": 1}}, ("brief",), (),
        ({"other": {}}, "another model's id")),
    Row("models.*.macros", model("name"), {"x": "7"}, "7", "8", ({"x": None}, "must be a string, a number"),
        (("models.m.name", "${x}"), ("macros.x", 8))),
    Row("models.*.metadata", model("metadata"), {"a": {"b": 1}}, {"a": {"b": 1}}, {}, NO_MAP),
    Row("models.*.timeouts.connect", model("timeouts.connect"), 1, 1, 30, NEGATIVE),
    Row("models.*.timeouts.keepalive", model("timeouts.keepalive"), 1, 1, 30, NEGATIVE),
    Row("models.*.timeouts.responseHeader", model("timeouts.response_header"), 1, 1, 0, NEGATIVE),
    Row("models.*.timeouts.tlsHandshake", model("timeouts.tls_handshake"), 1, 1, 10, NEGATIVE),
    Row("models.*.timeouts.expectContinue", model("timeouts.expect_continue"), 2, 2, 1, NEGATIVE),
    Row("models.*.timeouts.idleConn", model("timeouts.idle_conn"), 1, 1, 90, NEGATIVE),
    Row("models.*.compat.ignoreWebsockets", model("compat.ignore_websockets"), True, True, False, NO_BOOL),
    Row("models.*.capabilities.in", model("capabilities.in_"), ["text", "image"], ("text", "image"), None, NO_MODALITY),
    Row("models.*.capabilities.out", model("capabilities.out"), ["audio"], ("audio",), None, NO_MODALITY),
    Row("models.*.capabilities.tools", model("capabilities.tools"), True, True, None, NO_BOOL),
    Row("models.*.capabilities.reranker", model("capabilities.reranker"), True, True, None, NO_BOOL),
    Row("models.*.capabilities.context", model("capabilities.context"), 4096, 4096, None, NEGATIVE),
    Row("models.*.healthCheckTimeout", top("health_check_timeout"), 30, 120, 120, None),
    # names
    Row("profiles.*.description", top("profiles.it.description"), "text", "text", "", NO_TEXT),
    Row("profiles.*.pins", top("profiles.it.pins"), {"a": "m", "b": None}, {"a": "m", "b": ""},
        Needed("at least one pin is needed"), ({"a": "nobody"}, "unknown model")),
    Row("selectors.*.strategy", selector("strategy"), "warm", "warm", Needed("is needed (warm, pin, spillover)"),
        ("best", "must be one of warm, pin, spillover")),
    Row("selectors.*.targets", selector("targets"), ["far"], ("far",), Needed("at least one target is needed"),
        (["nobody"], "unknown model")),
    Row("selectors.*.settings.spillover", selector("spillover"), 3, 3, 1, (0, "must be 1 or more, got 0"), SPILLOVER),
    Row("selectors.*.name", selector("name"), "Name", "Name", "", NO_TEXT),
    Row("selectors.*.description", selector("description"), "text", "text", "", NO_TEXT),
    Row("selectors.*.unlisted", selector("unlisted"), True, True, False, NO_BOOL),
    Row("selectors.*.metadata", selector("metadata"), {"a": 1}, {"a": 1}, {}, NO_MAP),
    # peers
    Row("peers.*.proxy", peer("proxy"), "https://h/v", "https://h/v", Needed("the peer's base URL is needed"),
        (":x", "has no scheme")),
    Row("peers.*.models", peer("models"), ["a", "b", "a"], ("a", "b"), Needed("at least one model is needed"),
        ([], "at least one model is needed")),
    Row("peers.*.apiKey", peer("api_key"), "k", "k", "", NO_TEXT),
    Row("peers.*.filters", peer("filters"), {"setParams": {"n": 1}}, Filters(set_params={"n": 1}), Filters(), NO_MAP),
    Row("peers.*.timeouts.connect", peer("timeouts.connect"), 1, 1, 30, NEGATIVE),
    Row("peers.*.timeouts.keepalive", peer("timeouts.keepalive"), 1, 1, 30, NEGATIVE),
    Row("peers.*.timeouts.responseHeader", peer("timeouts.response_header"), 1, 1, 60, NEGATIVE),
    Row("peers.*.timeouts.tlsHandshake", peer("timeouts.tls_handshake"), 1, 1, 10, NEGATIVE),
    Row("peers.*.timeouts.expectContinue", peer("timeouts.expect_continue"), 2, 2, 1, NEGATIVE),
    Row("peers.*.timeouts.idleConn", peer("timeouts.idle_conn"), 1, 1, 90, NEGATIVE),
    # the rest
    Row("hooks.on_startup.preload", top("preload"), [" m ", "nobody"], ("m",), (), NO_LIST),
    Row("upstream.ignorePaths", top("ignore_paths"), ["^/a"], ("^/a",), Config().ignore_paths, (["("], "not closed")),
    Row("routing.router.use", top("routing.router"), "matrix", "matrix", "group", ("Group", "must be one of group, matrix"),
        MATRIX[1:]),
    Row(GROUP + "swap", top("routing.groups.it.swap"), False, False, True, NO_BOOL),
    Row(GROUP + "exclusive", top("routing.groups.it.exclusive"), False, False, True, NO_BOOL),
    Row(GROUP + "persistent", top("routing.groups.it.persistent"), True, True, False, NO_BOOL),
    Row(GROUP + "members", top("routing.groups.it.members"), ["m"], ("m",), (), (["nobody"], "unknown model")),
    Row(SETS + "vars", top("routing.matrix.vars"), {"v": "m"}, {"v": "m"}, {}, ({"a_b": "m"}, "1 to 32 letters"), MATRIX),
    Row(SETS + "evict_costs", top("routing.matrix.evict_costs"), {"m": 3}, {"m": 3}, {}, ({"m": 0}, "must be 1 or more"),
        MATRIX),
    Row(SETS + "sets", top("routing.matrix.sets"), {"s": "m"}, {"s": "m"}, Needed("at least one set is needed"),
        ({}, "at least one set"), MATRIX[:1]),
    Row("routing.router.settings.*", top("routing.router_settings"), {"models": 2}, {"models": 2}, None, None,
        (("routing.router.use", "it"),)),
    Row("routing.scheduler.use", top("routing.scheduler"), "fifo", "fifo", "fifo", ("lifo", "must be one of fifo")),
    Row(FIFO + "priority", top("routing.fifo.priority"), {"m": 2}, {"m": 2}, {}, ({"nobody": 1}, "unknown model")),
    Row(FIFO + "maxWait", top("routing.fifo.max_wait"), 0.5, 0.5, 60.0, (-1, "must be 0 or more")),
    Row(FIFO + "maxQueue", top("routing.fifo.max_queue"), 9, 9, 1000, (0, "must be 1 or more")),
    Row("routing.scheduler.settings.*", top("routing.scheduler_settings"), {"x": 2}, {"x": 2}, None, None,
        (("routing.scheduler.use", "it"),)),
]
# fmt: on


def path_of(key: str) -> str:
    return key.replace("models.*", "models.m").replace("*", "it")


def text(row: Row, *value: Any) -> str:
    """The file with `value` at the key of the row, or without the key. JSON is YAML."""
    content = json.loads(json.dumps(AROUND))
    for key, beside in row.beside:
        block, last = place(content, key)
        block[last] = beside
    block, last = place(content, path_of(row.key))
    block.pop(last, None)
    if value:
        block[last] = value[0]
    return json.dumps(content)


def place(block: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    *above, last = key.split(".")
    for name in above:
        block = block.setdefault(name, {})
    return block, last


class Installed:
    """A planner and a scheduler named `it` are installed, and take any settings."""

    def missing(self, kind: str, name: str) -> str | None:
        return None if name == "it" else BuiltIn().missing(kind, name)

    def findings(self, config: Config) -> tuple[()]:
        return ()


def resolved(file: str) -> Config:
    return loads(file, platform="linux", strategies=Installed()).config


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_what_a_value_becomes(row: Row) -> None:
    assert row.look(resolved(text(row, row.written))) == row.means


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_what_holds_without_the_key(load: Any, row: Row) -> None:
    if isinstance(row.default, Needed):
        assert any(row.default.message in problem for problem in load.problems(text(row)))
    else:
        assert row.look(resolved(text(row))) == row.default


@pytest.mark.parametrize("row", [row for row in ROWS if row.refused], ids=str)
def test_what_is_refused_and_at_which_key(load: Any, row: Row) -> None:
    assert row.refused is not None
    value, message = row.refused
    (problem,) = load.problems(text(row, value))
    assert f" {path_of(row.key)}" in problem
    assert message in problem


def test_the_table_above_has_every_key() -> None:
    documented = re.findall(r"^\| `([^`]+)` \|", KEYS.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(row.key for row in ROWS) == sorted(documented)
