"""The resolved configuration as a file again: loading it gives the same."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from swapyard.config.render import to_yaml
from swapyard.config.schema import Config

FULL = """
healthCheckTimeout: 30
logTimeFormat: kitchen
apiKeys: [k1, 0123]
modelsDir: [/, /tmp]
performance: {every: 1m30s}
store: {path: /tmp/a.db, retention: 36h}
http: {maxBodyBytes: 1000, headTimeout: 2.5, maxHeadBytes: 9999}
sendLoadingState: true
globalTTL: 60
ui: {activity: {session_id: [X-Own]}}
upstream: {ignorePaths: ['\\.js$', '\\d+']}
hooks: {on_startup: {preload: [a]}}
macros: {common: "--ctx 8192"}
models:
  a:
    cmd: |
      svr --port ${PORT} \\
        ${common} '${a.b}' "x: y # z"
    cmdStop: stop ${PID}
    aliases: [one, "yes", "1e3", "0o17", "~"]
    env: ["A=b"]
    name: 1.10
    ttl: 5
    filters:
      stripParams: b, a
      setParams: {x: 1e3, s: "1e3", o: "0o17", n: ~, l: [1, {t: "true"}]}
      setParamsByID: {"a:hi": {t: 0}}
    metadata: {"5": "5", multi: "a\\nb", date: 2024-01-01}
    timeouts: {connect: 0}
    capabilities: {in: [text, image], tools: true, context: 8192}
    compat: {ignoreWebsockets: true}
    concurrencyLimit: 3
    checkEndpoint: none
    unlisted: true
    sendLoadingState: false
  b: {cmd: "svr ${PORT}"}
peers: {p: {proxy: "http://h:1", models: [x], apiKey: k, timeouts: {responseHeader: 5}, filters: {stripParams: q}}}
selectors: {s: {strategy: spillover, targets: [a, b], settings: {spillover: 3}}, t: {strategy: pin, targets: [x], name: T}}
profiles: {p: {description: d, pins: {z: a, y: ""}}}
"""
GROUPS = (
    "groups: {g: {swap: false, members: [a, b]}}\nrouting: {scheduler: {settings: {fifo: {priority: {a: 1}, maxWait: 0}}}}\n"
)
MATRIX = "matrix: {vars: {v: a}, sets: {s: v & b, t: +s}, evict_costs: {v: 3}}\n"


@pytest.mark.parametrize(
    "text", [FULL + GROUPS, FULL + MATRIX, "", "groups: {g: ~}"], ids=["groups", "matrix", "empty", "group"]
)
def test_what_is_printed_loads_as_the_same(load: Any, text: str) -> None:
    config = load.resolved(text)
    assert without_ports(load.resolved(to_yaml(config))) == without_ports(config)


def without_ports(config: Config) -> Config:
    models = {name: msgspec.structs.replace(model, port=None) for name, model in config.models.items()}
    return msgspec.structs.replace(config, models=models)


def test_what_is_printed_warns_of_nothing(load: Any) -> None:
    assert load.warnings(to_yaml(load.resolved(FULL + MATRIX))) == []
