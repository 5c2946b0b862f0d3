"""The file's format: every key that may be written, its type, default, bounds and description.

This is the one table of keys. `decode` reads files by it (types, bounds, unknown keys) and `swapyard schema` prints it as
JSON Schema for editors. What the rest of Swapyard uses is `schema`, made from this by `load`.

A field's file key is its name in camel case, or the explicit `name=`; `OTHERS` takes the keys that no field has. Seconds are
whole numbers unless the type says otherwise.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal

from msgspec import Meta, Struct, field

# When a changed value counts, for keys where that is not at once. (Of models' keys `runtime.policy` says which make a run.)
NEW_RUN: Final = "new run"
NEXT_START: Final = "next start"
NEVER: Final = "never"
WHERE_USED: Final = "where it is used"


def doc(text: str, reload: str = "") -> Meta:
    """What a key means, and what a reload does with it."""
    return Meta(description=text, extra={"reload": reload} if reload else None)


Seconds = Annotated[int, Meta(ge=0)]
Names = tuple[str, ...]
OTHERS = "*"
FreeData = dict[str, Any]


class FileTimeouts(Struct, rename="camel", kw_only=True, frozen=True):
    """Seconds; 0 means no limit unless the key says otherwise."""

    connect: Annotated[Seconds, doc("TCP connect.")] = 30
    keepalive: Annotated[Seconds, doc("Interval of TCP keep-alive probes; 0 = the library's default.")] = 30
    response_header: Annotated[Seconds, doc("Wait for the response's headers.")] = 0
    tls_handshake: Annotated[Seconds, doc("TLS handshake.")] = 10
    expect_continue: Annotated[Seconds, doc("Wait for 100 Continue; 0 = send the body at once.")] = 1
    idle_conn: Annotated[Seconds, doc("How long an idle connection is kept.")] = 90


class FilePeerTimeouts(FileTimeouts, rename="camel", kw_only=True, frozen=True):
    response_header: Annotated[Seconds, doc("Wait for the response's headers.")] = 60


class FileFilters(Struct, rename="camel", kw_only=True, frozen=True):
    """Edits of a JSON request body: strip, then set, then set by the requested name."""

    strip_params: Annotated[str, doc("Comma-separated body parameters to remove (`model` never is).")] = ""
    strip_params_legacy: Annotated[str, doc("Old spelling of stripParams, used only when that is empty.")] = field(
        default="", name="strip_params"
    )
    set_params: Annotated[FreeData, doc("Body parameters to set, by JSON path (`a.b` is member b of a).")] = field(
        default_factory=dict
    )
    set_params_by_id: Annotated[
        dict[str, FreeData],
        doc("Body parameters per requested name. Every key but the model's own id becomes an alias. Keys may use macros."),
    ] = field(default_factory=dict, name="setParamsByID")


class FileCompat(Struct, rename="camel", kw_only=True, frozen=True):
    """Concessions to particular servers."""

    ignore_websockets: Annotated[bool, doc("Websockets bypass scheduling, concurrency limit and ttl.")] = False


class FileCapabilities(Struct, rename="camel", kw_only=True, frozen=True):
    """What the model can do, for listings."""

    in_: Annotated[tuple[Literal["text", "audio", "image"], ...], doc("Input modalities.")] = field(default=(), name="in")
    out: Annotated[tuple[Literal["text", "audio", "image"], ...], doc("Output modalities.")] = ()
    tools: Annotated[bool, doc("Calls tools.")] = False
    reranker: Annotated[bool, doc("Is a reranker.")] = False
    context: Annotated[int, Meta(ge=0), doc("Context size in tokens.")] = 0


MacrosBlock = Annotated[
    dict[str, str | int | float | bool],
    doc(
        "Values for ${name}. Names: letters, digits, _ and -, at most 63 characters; not PID, PORT, MODEL_ID."
        " A macro may use those above it.",
        WHERE_USED,
    ),
]


class FileModel(Struct, rename="camel", kw_only=True, frozen=True):
    """One model: the command that serves it, and how to reach what it serves."""

    cmd: Annotated[
        str,
        doc("Launch command, split as a shell would (none is involved). ${PORT} is a number of its own, from startPort up."),
    ] = ""
    cmd_stop: Annotated[str, doc("Command that stops the model, instead of SIGTERM; ${PID} is the process id.")] = ""
    proxy: Annotated[str, doc("Base URL of the server that the command starts.")] = "http://localhost:${PORT}"
    check_endpoint: Annotated[str, doc('Path that answers 200 once the model is ready; "none" skips the check.')] = "/health"
    ttl: Annotated[
        int, Meta(ge=-1), doc("Seconds of idleness before the model is unloaded; 0 = never, -1 = globalTTL.")
    ] = -1
    unload_timeout: Annotated[Seconds, doc("Seconds between asking to stop and killing; 0 = the global unloadTimeout.")] = 0
    aliases: Annotated[Names, doc("Other names of the model.")] = ()
    env: Annotated[Names, doc("NAME=value, added to the environment of the command.")] = ()
    unlisted: Annotated[bool, doc("Leave the model out of listings; it stays usable.")] = False
    use_model_name: Annotated[str, doc("Model name written into request bodies sent to the server.")] = ""
    name: Annotated[str, doc("Shown in listings.")] = ""
    description: Annotated[str, doc("Shown in listings.")] = ""
    concurrency_limit: Annotated[
        int, doc("Requests waiting or running at a time; more are answered 429. 0 = 10 at a time, and more wait.")
    ] = 0
    send_loading_state: Annotated[
        bool | None, doc("Stream the loading progress as reasoning text; unset = the global value.")
    ] = None
    filters: Annotated[FileFilters, doc("Edits of request bodies.")] = FileFilters()
    macros: MacrosBlock = field(default_factory=dict)
    metadata: Annotated[FreeData, doc("Free data, shown in the models list.")] = field(default_factory=dict)
    timeouts: Annotated[FileTimeouts, doc("Timeouts of connections to the server.")] = FileTimeouts()
    compat: Annotated[FileCompat, doc("Concessions to particular servers.")] = FileCompat()
    capabilities: Annotated[FileCapabilities, doc("What the model can do.")] = FileCapabilities()
    health_check_timeout: Annotated[Any, doc("No effect here: the global healthCheckTimeout counts.", NEVER)] = None


class FileGroup(Struct, rename="camel", kw_only=True, frozen=True):
    """Models that share a rule about who may run together."""

    swap: Annotated[bool, doc("Members evict each other.")] = True
    exclusive: Annotated[bool, doc("Loading a member evicts running models of other groups.")] = True
    persistent: Annotated[bool, doc("Other groups may not evict members.")] = False
    members: Annotated[Names, doc("Model ids.")] = ()


class FileMatrix(Struct, kw_only=True, frozen=True):
    """Which models may run together, as expressions over sets."""

    vars: Annotated[dict[str, str], doc("Short names (letters, digits, . and -) for model ids.")] = field(
        default_factory=dict
    )
    evict_costs: Annotated[dict[str, int], doc("What evicting a model costs, by var or id; 1 if not given.")] = field(
        default_factory=dict
    )
    sets: Annotated[dict[str, str], doc("Name to expression: ids or vars with & (together), | (or), parentheses, +set.")] = (
        field(default_factory=dict)
    )


class FileRouterSettings(Struct, kw_only=True, frozen=True):
    groups: Annotated[dict[str, FileGroup], doc("Groups, by id.")] = field(default_factory=dict)
    matrix: Annotated[FileMatrix | None, doc("The matrix router's sets.")] = None
    others: Annotated[
        FreeData, doc("Settings of a planner that an installed package brings, by its name; the package checks them.")
    ] = field(default_factory=dict, name=OTHERS)


class FileRouter(Struct, kw_only=True, frozen=True):
    use: Annotated[str, doc("Who decides: group (unless told otherwise), matrix, or an installed planner's name.")] = ""
    settings: Annotated[FileRouterSettings, doc("Settings per router.")] = FileRouterSettings()


class FileFifo(Struct, rename="camel", kw_only=True, frozen=True):
    priority: Annotated[dict[str, int], doc("Model id or alias to priority: higher is served first, 0 if not given.")] = (
        field(default_factory=dict)
    )
    max_wait: Annotated[
        float, Meta(ge=0), doc("Seconds a request waits before the models in its way are closed to newcomers; 0 = no bound.")
    ] = 60.0
    max_queue: Annotated[
        int, Meta(ge=1), doc("Requests that may wait per model without concurrencyLimit; more get 429.")
    ] = 1000


class FileSchedulerSettings(Struct, kw_only=True, frozen=True):
    fifo: Annotated[FileFifo, doc("Settings of the fifo scheduler.")] = FileFifo()
    others: Annotated[
        FreeData, doc("Settings of a scheduler that an installed package brings, by its name; the package checks them.")
    ] = field(default_factory=dict, name=OTHERS)


class FileScheduler(Struct, kw_only=True, frozen=True):
    use: Annotated[str, doc("Who decides: fifo (unless told otherwise), or an installed scheduler's name.")] = ""
    settings: Annotated[FileSchedulerSettings, doc("Settings per scheduler.")] = FileSchedulerSettings()


class FileRouting(Struct, kw_only=True, frozen=True):
    """Who runs together, and who is served first."""

    router: Annotated[FileRouter, doc("Who runs together.")] = FileRouter()
    scheduler: Annotated[FileScheduler, doc("Who is served first.")] = FileScheduler()


class FileSelectorSettings(Struct, kw_only=True, frozen=True):
    spillover: Annotated[int, doc("Busy requests per target before the next one is used (at least 1).")] = 1


class FileSelector(Struct, kw_only=True, frozen=True):
    """A name that picks one of several models per request."""

    strategy: Annotated[Literal["", "warm", "pin", "spillover"], doc("How the target is picked. Required.")] = ""
    targets: Annotated[Names, doc("Model ids, aliases or peer names. Required.")] = ()
    settings: Annotated[FileSelectorSettings, doc("Settings of the strategy.")] = FileSelectorSettings()
    name: Annotated[str, doc("Shown in listings.")] = ""
    description: Annotated[str, doc("Shown in listings.")] = ""
    unlisted: Annotated[bool, doc("Leave it out of listings.")] = False
    metadata: Annotated[FreeData, doc("Free data, shown in listings.")] = field(default_factory=dict)


class FileProfile(Struct, kw_only=True, frozen=True):
    """A switchable set of redirections."""

    # llama-swap once took a list of models here; the message says what to do with it.
    wanted: ClassVar[str] = "a mapping with pins (lists of models are no longer supported; use groups)"

    description: Annotated[str, doc("Shown to people.")] = ""
    pins: Annotated[dict[str, str], doc('Name to target while the profile is active; "" disables the name.')] = field(
        default_factory=dict
    )


class FilePeer(Struct, rename="camel", kw_only=True, frozen=True):
    """Another server whose models are offered here too."""

    proxy: Annotated[str, doc("Base URL. Required.")] = ""
    models: Annotated[Names, doc("Models it serves. Required.")] = ()
    api_key: Annotated[str, doc("Sent to the peer.")] = ""
    filters: Annotated[FileFilters, doc("Edits of request bodies.")] = FileFilters()
    timeouts: Annotated[FilePeerTimeouts, doc("Timeouts of connections to the peer.")] = FilePeerTimeouts()


class FileStore(Struct, kw_only=True, frozen=True):
    path: Annotated[str, doc("File of the activity store. Required.")] = ""
    retention: Annotated[str, doc("How long its rows are kept, such as 90d or 12h. 0 = for ever.")] = "0"


class FilePerformance(Struct, kw_only=True, frozen=True):
    disabled: Annotated[bool, doc("Turn system and GPU sampling off.")] = False
    every: Annotated[str, doc("Sampling interval such as 5s or 1m30s, at least 5s.")] = "5s"


class FileActivity(Struct, kw_only=True, frozen=True):
    session_id: Annotated[Names, doc("Headers that identify a session; the first with a value counts. [] = none.")] = (
        "X-Session-ID",
        "X-Litellm-Session-Id",
    )


class FileUi(Struct, kw_only=True, frozen=True):
    activity: Annotated[FileActivity, doc("The activity page.")] = FileActivity()


class FileStartup(Struct, kw_only=True, frozen=True):
    preload: Annotated[Names, doc("Models to load at once.")] = ()


class FileHooks(Struct, kw_only=True, frozen=True):
    on_startup: Annotated[FileStartup, doc("When the daemon starts.")] = FileStartup()


class FileUpstream(Struct, rename="camel", kw_only=True, frozen=True):
    ignore_paths: Annotated[Names, doc("Regular expressions (RE2): matching /upstream paths do not load a model.")] = ()


class FileHttp(Struct, rename="camel", kw_only=True, frozen=True):
    """What a client's connection may cost. A change counts from the next request on, on open connections too."""

    max_head_bytes: Annotated[int, Meta(ge=1024), doc("Bytes of a request's head; more is answered 431.")] = 65536
    max_header_fields: Annotated[int, Meta(ge=10), doc("Header fields of a request; more are answered 431.")] = 200
    head_timeout: Annotated[
        float, Meta(ge=0), doc("Seconds from the first to the last byte of a head, then 408; 0 = no limit.")
    ] = 30.0
    max_body_bytes: Annotated[int, Meta(ge=0), doc("Bytes of a request's body; more is answered 413. 0 = no limit.")] = 0
    body_timeout: Annotated[
        float, Meta(ge=0), doc("Seconds for which a client may send nothing of an unfinished body, then 408; 0 = no limit.")
    ] = 0.0
    stall_timeout: Annotated[
        float, Meta(ge=0), doc("Seconds for which a client may take nothing of an answer, then reset; 0 = no limit.")
    ] = 120.0
    keepalive: Annotated[Seconds, doc("Seconds of silence before TCP asks whether a client is still there; 0 = never.")] = 15


class FileConfig(Struct, rename="camel", kw_only=True, frozen=True):
    """Configuration of Swapyard."""

    health_check_timeout: Annotated[int, doc("Seconds a model may take to become ready, at least 15.")] = 120
    log_level: Annotated[str, doc("debug, info, warn or error.")] = "info"
    log_time_format: Annotated[str, doc("Name of a time stamp layout such as rfc3339; empty = none.")] = ""
    log_to_stdout: Annotated[
        Literal["proxy", "upstream", "both", "none"], doc("Which logs go to standard output.", NEXT_START)
    ] = "proxy"
    log_format: Annotated[
        Literal["text", "json"], doc("How lines go to standard output: as they are, or as a JSON object each.")
    ] = "text"
    log_requests: Annotated[bool, doc("Old key without effect.", NEVER)] = False
    metrics_max_in_memory: Annotated[int, doc("Activity rows kept in memory; 0 or less = 1000.")] = 1000
    capture_buffer: Annotated[int, doc("Megabytes for captured requests; 0 = off.")] = 5
    store: Annotated[FileStore | None, doc("Keep activity in a file.")] = None
    ui: Annotated[FileUi, doc("The web interface.")] = FileUi()
    performance: Annotated[FilePerformance, doc("System and GPU figures.")] = FilePerformance()
    http: Annotated[FileHttp, doc("What a client's connection may cost.")] = FileHttp()
    global_ttl: Annotated[Seconds, doc("Default of ttl; 0 = never unload.")] = field(default=0, name="globalTTL")
    unload_timeout: Annotated[Seconds, doc("Seconds between asking to stop and killing; 0 = 10.")] = 10
    start_port: Annotated[int, Meta(ge=1), doc("First number for ${PORT}.", NEW_RUN)] = 5800
    send_loading_state: Annotated[bool, doc("Stream the loading progress as reasoning text.")] = False
    include_aliases_in_list: Annotated[bool, doc("List aliases as models too.")] = False
    api_keys: Annotated[Names, doc("Keys that clients must present; none = open.")] = ()
    macros: MacrosBlock = field(default_factory=dict)
    models_dir: Annotated[
        str | Names,
        doc(
            "Folder with .gguf files, or a list of such: the page offers those that no model uses. Relative to where"
            " Swapyard runs; ~ is the home directory."
        ),
    ] = ()
    models: Annotated[dict[str, FileModel], doc("The models, by id.")] = field(default_factory=dict)
    profiles: Annotated[dict[str, FileProfile], doc("Switchable redirections.")] = field(default_factory=dict)
    selectors: Annotated[dict[str, FileSelector], doc("Names that pick one of several models.")] = field(
        default_factory=dict
    )
    peers: Annotated[dict[str, FilePeer], doc("Other servers whose models are offered here.")] = field(default_factory=dict)
    hooks: Annotated[FileHooks, doc("What to do at certain moments.")] = FileHooks()
    upstream: Annotated[FileUpstream, doc("Direct access to models' servers.")] = FileUpstream()
    routing: Annotated[FileRouting, doc("Who runs together, and who is served first.")] = FileRouting()
    groups: Annotated[dict[str, FileGroup], doc("Old place of routing.router.settings.groups.")] = field(
        default_factory=dict
    )
    matrix: Annotated[FileMatrix | None, doc("Old place of routing.router.settings.matrix.")] = None
