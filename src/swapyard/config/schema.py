"""The configuration as data: one struct per block of the file, defaults included.

These structs are what the rest of Swapyard sees: macros expanded, files merged, names checked, legacy spellings gone
(`config.load` does that). Field names are the file's own keys in snake case; `rename="camel"` or an explicit name gives
the key. `swapyard schema` prints the JSON Schema made from them. Durations are seconds unless a field says otherwise.

Nothing here reads files or knows YAML.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct, field


class Timeouts(Struct, frozen=True, rename="camel", kw_only=True):
    """Seconds; 0 = no limit (`keepalive`: the library's default; `expect_continue`: send the body at once)."""

    connect: int = 30
    keepalive: int = 30
    response_header: int = 0
    tls_handshake: int = 10
    expect_continue: int = 1
    idle_conn: int = 90


class PeerTimeouts(Timeouts, frozen=True, rename="camel", kw_only=True):
    response_header: int = 60


class Filters(Struct, frozen=True, rename="camel", kw_only=True):
    """Edits of a JSON request body. `strip_params` is sorted, without duplicates and without `model`."""

    strip_params: tuple[str, ...] = ()
    set_params: dict[str, Any] = field(default_factory=dict)
    set_params_by_id: dict[str, dict[str, Any]] = field(default_factory=dict, name="setParamsByID")


class Compat(Struct, frozen=True, rename="camel", kw_only=True):
    ignore_websockets: bool = False


class Capabilities(Struct, frozen=True, kw_only=True):
    in_: tuple[Literal["text", "audio", "image"], ...] = field(default=(), name="in")
    out: tuple[Literal["text", "audio", "image"], ...] = ()
    tools: bool = False
    reranker: bool = False
    context: int = 0


class Model(Struct, frozen=True, rename="camel", kw_only=True):
    """A command, and how to reach what it serves.

    `argv` is `cmd` split for this platform (empty when `cmd` is empty: such a model fails when it is asked for); `cmd` is
    the expanded text, as listings show it. `cmd_stop` keeps `${PID}`. `port` is the number that `${PORT}` stood for, None
    where `cmd` does not use it. `ttl` and `unload_timeout` are final: the global values are already in place. `aliases`
    holds the listed ones and those that `setParamsByID` makes. `concurrency_limit` 0 = not set.
    """

    cmd: str = ""
    argv: tuple[str, ...] = ()
    cmd_stop: str = ""
    proxy: str = "http://localhost:${PORT}"
    check_endpoint: str = "/health"
    ttl: int = 0
    unload_timeout: int = 10
    aliases: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    unlisted: bool = False
    use_model_name: str = ""
    name: str = ""
    description: str = ""
    concurrency_limit: int = 0
    send_loading_state: bool = False
    filters: Filters = field(default_factory=Filters)
    metadata: dict[str, Any] = field(default_factory=dict)
    timeouts: Timeouts = field(default_factory=Timeouts)
    compat: Compat = field(default_factory=Compat)
    capabilities: Capabilities | None = None
    port: int | None = None


class Group(Struct, frozen=True, kw_only=True):
    swap: bool = True
    exclusive: bool = True
    persistent: bool = False
    members: tuple[str, ...] = ()


class Matrix(Struct, frozen=True, kw_only=True):
    """`sets` in definition order. `evict_costs` is by model id (vars resolved)."""

    vars: dict[str, str] = field(default_factory=dict)
    evict_costs: dict[str, int] = field(default_factory=dict)
    sets: dict[str, str] = field(default_factory=dict)


class Fifo(Struct, frozen=True, rename="camel", kw_only=True):
    """`priority` is by model id (aliases resolved). `max_wait`: seconds, 0 turns it off. `max_queue`: per model."""

    priority: dict[str, int] = field(default_factory=dict)
    max_wait: float = 60.0
    max_queue: int = 1000


class Routing(Struct, frozen=True, kw_only=True):
    """The one place where routing is read, whichever spelling the file used. `groups` includes "(default)" (empty with
    another router than group).

    `router` and `scheduler` may be those of an installed package; then `router_settings` and `scheduler_settings` are what
    the file says for them, macros expanded and otherwise as it stands (None where it says nothing).
    """

    router: str = "group"
    groups: dict[str, Group] = field(default_factory=dict)
    matrix: Matrix | None = None
    router_settings: Any = None
    scheduler: str = "fifo"
    fifo: Fifo = field(default_factory=Fifo)
    scheduler_settings: Any = None


class Selector(Struct, frozen=True, kw_only=True):
    strategy: Literal["warm", "pin", "spillover"]
    targets: tuple[str, ...]
    spillover: int = 1
    name: str = ""
    description: str = ""
    unlisted: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)


class Profile(Struct, frozen=True, kw_only=True):
    """`pins`: name -> target; the target "" disables the name."""

    description: str = ""
    pins: dict[str, str] = field(default_factory=dict)


class Peer(Struct, frozen=True, rename="camel", kw_only=True):
    proxy: str
    models: tuple[str, ...]
    api_key: str = ""
    filters: Filters = field(default_factory=Filters)
    timeouts: PeerTimeouts = field(default_factory=PeerTimeouts)


class Store(Struct, frozen=True, kw_only=True):
    """`retention`: seconds that rows are kept; 0 = for ever."""

    path: str
    retention: float = 0.0


class Performance(Struct, frozen=True, kw_only=True):
    """`every`: seconds, at least 5."""

    disabled: bool = False
    every: float = 5.0


class Http(Struct, frozen=True, rename="camel", kw_only=True):
    """What a client's connection may cost. Seconds and bytes; 0 = no limit, but for `max_head_bytes` and
    `max_header_fields`, which have none without."""

    max_head_bytes: int = 64 * 1024
    max_header_fields: int = 200
    head_timeout: float = 30.0
    max_body_bytes: int = 0
    body_timeout: float = 0.0
    stall_timeout: float = 120.0
    keepalive: int = 15


class Config(Struct, frozen=True, rename="camel", kw_only=True):
    """Everything, checked. `session_headers` is `ui.activity.session_id`; `ignore_paths` is `upstream.ignorePaths` as
    Python patterns; `preload` is `hooks.on_startup.preload` as model ids."""

    health_check_timeout: int = 120
    log_level: Literal["debug", "info", "warn", "error"] = "info"
    log_time_format: str = ""
    log_to_stdout: Literal["proxy", "upstream", "both", "none"] = "proxy"
    log_format: Literal["text", "json"] = "text"
    metrics_max_in_memory: int = 1000
    capture_buffer: int = 5
    store: Store | None = None
    session_headers: tuple[str, ...] = ("X-Session-ID", "X-Litellm-Session-Id")
    performance: Performance = field(default_factory=Performance)
    http: Http = field(default_factory=Http)
    start_port: int = 5800
    send_loading_state: bool = False
    include_aliases_in_list: bool = False
    api_keys: tuple[str, ...] = ()
    models_dir: tuple[str, ...] = ()
    models: dict[str, Model] = field(default_factory=dict)
    profiles: dict[str, Profile] = field(default_factory=dict)
    selectors: dict[str, Selector] = field(default_factory=dict)
    peers: dict[str, Peer] = field(default_factory=dict)
    preload: tuple[str, ...] = ()
    ignore_paths: tuple[str, ...] = (r"\.(js|json|css|png|gif|jpg|jpeg|ico|txt)\Z",)
    routing: Routing = field(default_factory=Routing)


__all__ = [name for name, value in list(globals().items()) if isinstance(value, type) and issubclass(value, msgspec.Struct)]
