"""What is refused or warned of, at which key, and what the rest becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from swapyard.config.checks import duration
from swapyard.config.schema import Http
from swapyard.errors import ConfigError

AB = "models: {a: {cmd: 'x ${PORT}', aliases: [al]}, b: {cmd: 'x ${PORT}'}}\n"
PEER = "peers: {p: {proxy: 'http://h', models: [m1, shared]}, q: {proxy: 'http://h', models: [shared]}}\n"
GROUPS = "routing.router.settings.groups"
MATRIX = "routing: {router: {use: matrix, settings: {matrix: %s}}}\n"
MATRIX_PATH = "routing.router.settings.matrix"
SPILL = "selectors: {s: {strategy: spillover, targets: [a, b]}}\n"


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("startPort: 0", "startPort", "must be 1 or more, got 0"),
        ("startPort: many", "startPort", 'must be a number, got the string "many"'),
        ("globalTTL: -1", "globalTTL", "must be 0 or more, got -1"),
        ("unloadTimeout: -1", "unloadTimeout", "must be 0 or more, got -1"),
        ("logToStdout: Proxy", "logToStdout", 'must be one of proxy, upstream, both, none, got "Proxy"'),
        ("logToStdout: ''", "logToStdout", 'must be one of proxy, upstream, both, none, got ""'),
        ("http: {maxHeadBytes: 100}", "http.maxHeadBytes", "must be 1024 or more, got 100"),
        ("http: {maxHeaderFields: 0}", "http.maxHeaderFields", "must be 10 or more, got 0"),
        ("http: {maxBodyBytes: -1}", "http.maxBodyBytes", "must be 0 or more, got -1"),
        ("http: {headTimeout: -0.5}", "http.headTimeout", "must be 0 or more, got -0.5"),
        ("http: {bodyTimeout: 10s}", "http.bodyTimeout", "must be a number, got"),
        ("http: 5", "http", "must be a mapping"),
        ("performance: {every: 4s}", "performance.every", 'must be 5s or more, got "4s"'),
        ("performance: {every: -5s}", "performance.every", 'must be 5s or more, got "-5s"'),
        ("performance: {every: 5}", "performance.every", 'must be a duration such as 5s or 1m30s, got "5"'),
        ("performance: {every: soon}", "performance.every", 'must be a duration such as 5s or 1m30s, got "soon"'),
        ("store: {}", "store.path", "the file of the store is needed"),
        ("store: {path: ' '}", "store.path", "the file of the store is needed"),
        ("store: {path: a.db, retention: 30}", "store.retention", 'must be a duration such as 30d or 12h, got "30"'),
        ("store: {path: a.db, retention: -1d}", "store.retention", 'must be 1m or more, or 0 to keep all, got "-1d"'),
        ("apiKeys: ['']", "apiKeys[0]", "an empty key would let everybody in"),
        ("apiKeys: [k, 'a b']", "apiKeys[1]", "a key must not contain blanks"),
        ("modelsDir: ' '", "modelsDir", "the path of a folder is needed"),
        ("modelsDir: [/tmp, '']", "modelsDir[1]", "the path of a folder is needed"),
        ('modelsDir: "/a\\0b"', "modelsDir", "the path of a folder is needed"),
        ("modelsDir: [~nobody-at-all/models]", "modelsDir[0]", "the home of somebody who is unknown here"),
        ("modelsDir: {path: /tmp}", "modelsDir", "must be a list, got a mapping"),
        ("upstream: {ignorePaths: [ok, 'a(?=b)']}", "upstream.ignorePaths[1]", "look-around"),
        ("upstream: {ignorePaths: ['(']}", "upstream.ignorePaths[0]", "not closed"),
        # models
        ("models: {m: {cmd: 'x ${PORT}', ttl: -2}}", "models.m.ttl", "must be -1 or more, got -2"),
        ("models: {m: {cmd: 'x ${PORT}', unloadTimeout: -1}}", "models.m.unloadTimeout", "must be 0 or more"),
        ("models: {m: {cmd: 'x ${PORT}', timeouts: {connect: -1}}}", "models.m.timeouts.connect", "must be 0 or more"),
        (
            "models: {m: {cmd: 'x ${PORT}', capabilities: {in: [text, smell]}}}",
            "models.m.capabilities.in[1]",
            "must be one of text",
        ),
        (
            "models: {m: {cmd: 'x ${PORT}', capabilities: {context: -1}}}",
            "models.m.capabilities.context",
            "must be 0 or more",
        ),
        ("models: {m: {cmd: x, proxy: 'http://h:x'}}", "models.m.proxy", "is not a URL"),
        ("models: {m: {cmd: x, proxy: '127.0.0.1:99'}}", "models.m.proxy", "has no scheme"),
        ("models: {m: {cmd: x, proxy: 'http://a b/'}}", "models.m.proxy", "blank in its host"),
        ("models: {m: {cmd: x, proxy: 'http://h/%zz'}}", "models.m.proxy", "hexadecimal"),
        ("models: {m: {cmd: 'x ${PORT}', checkEndpoint: ':x'}}", "models.m.checkEndpoint", "has no scheme"),
        ("models: {m: {cmd: 'x ${PORT}', checkEndpoint: '/%'}}", "models.m.checkEndpoint", "hexadecimal"),
        ("models: {m: {cmd: 'x ${PORT}', aliases: [q, q]}}", "models.m.aliases[1]", '"q" appears twice'),
        (AB + "groups: ~\nx: ~".replace("x: ~", "matrix: [1]"), "matrix", "must be a mapping, got a list"),
        ("models: [a]", "models", "must be a mapping of ids to models, got a list"),
        ("models: {a: text}", "models.a", 'must be a mapping, got the string "text"'),
        # names
        (AB.replace("'x ${PORT}'}", "'x ${PORT}', aliases: [al]}"), "models.b.aliases[0]", 'already an alias of model "a"'),
        (
            AB.replace("[al]", "[al], filters: {setParamsByID: {b: {}}}"),
            "models.a.filters.setParamsByID.b",
            "another model's id",
        ),
        (
            AB.replace("'x ${PORT}'}", "'x ${PORT}', filters: {setParamsByID: {al: {}}}}"),
            "models.b.filters.setParamsByID.al",
            'already an alias of model "a"',
        ),
        ("models: {p/m1: {cmd: 'x ${PORT}'}}\n" + PEER, "models.p/m1", "full name of a model of peers.p"),
        (AB.replace("[al]", "[p/m1]") + PEER, "models.a.aliases", "full name of a model of peers.p"),
        (
            "peers: {a/b: {proxy: 'http://h', models: [c]}, a: {proxy: 'http://h', models: [b/c]}}",
            "peers.a",
            '"a/b/c" names a model',
        ),
        # peers
        ("peers: {p: {models: [m]}}", "peers.p.proxy", "the peer's base URL is needed"),
        ("peers: {p: {proxy: ':x', models: [m]}}", "peers.p.proxy", "has no scheme"),
        ("peers: {p: {proxy: 'http://h'}}", "peers.p.models", "at least one model is needed"),
        ('peers: {p: {proxy: "http://h", models: [m], apiKey: "a\\nb"}}', "peers.p.apiKey", "a control character"),
        # groups
        (AB + "groups: {g: {members: [a, a]}}", "groups.g.members[1]", '"a" appears twice'),
        (AB + "groups: {g: {members: [a]}, h: {members: [b, a]}}", "groups.h.members[1]", '"a" is in group "g" already'),
        (AB + "groups: {g: {members: [c]}}", "groups.g.members[0]", 'unknown model "c"'),
        (AB + "groups: {(default): {members: [a]}}", "groups.(default)", "the name is reserved"),
        ("routing: {router: {use: Group}}", "routing.router.use", 'must be one of group, matrix, got "Group"'),
        ("routing: {router: {use: matrix}}", f"{MATRIX_PATH}", "is needed because routing.router.use is matrix"),
        ("routing: {scheduler: {use: lifo}}", "routing.scheduler.use", "must be one of fifo"),
        (AB + "groups: {g: {}}\nrouting: {router: {use: group}}", "groups", "cannot stand beside routing.router"),
        (
            AB + "matrix: {sets: {s: a}}\nrouting: {router: {settings: {groups: {g: {}}}}}",
            "matrix",
            "cannot stand beside routing",
        ),
        (AB + "groups: {g: {}}\nmatrix: {sets: {s: a}}", "matrix", "cannot stand beside groups"),
        (
            AB + "routing: {scheduler: {settings: {fifo: {priority: {c: 1}}}}}",
            "routing.scheduler.settings.fifo.priority.c",
            'unknown model "c"',
        ),
        (
            "routing: {scheduler: {settings: {fifo: {maxWait: -1}}}}",
            "routing.scheduler.settings.fifo.maxWait",
            "must be 0 or more",
        ),
        (
            "routing: {scheduler: {settings: {fifo: {maxQueue: 0}}}}",
            "routing.scheduler.settings.fifo.maxQueue",
            "must be 1 or more",
        ),
        # matrix
        (AB + "matrix: {}", "matrix.sets", "at least one set is needed"),
        (AB + MATRIX % "{sets: {s: a}, vars: {a_b: a}}", f"{MATRIX_PATH}.vars.a_b", "1 to 32 letters"),
        (AB + MATRIX % "{sets: {s: a}, vars: {v: al}}", f"{MATRIX_PATH}.vars.v", 'unknown model "al"'),
        (AB + MATRIX % "{sets: {s: a}, evict_costs: {a: 0}}", f"{MATRIX_PATH}.evict_costs.a", "must be 1 or more, got 0"),
        (AB + MATRIX % "{sets: {s: a}, evict_costs: {c: 1}}", f"{MATRIX_PATH}.evict_costs.c", 'unknown model or var "c"'),
        (AB + MATRIX % "{sets: {s: a & c}}", f"{MATRIX_PATH}.sets.s", 'unknown model or var "c" (column 5)'),
        (AB + MATRIX % "{sets: {s: ''}}", f"{MATRIX_PATH}.sets.s", "is empty"),
        (AB + MATRIX % "{sets: {s: ~}}", f"{MATRIX_PATH}.sets.s", "is empty"),
        (AB + MATRIX % "{sets: {s: [a]}}", f"{MATRIX_PATH}.sets.s", "must be a string, got a list"),
        (AB + MATRIX % "{sets: [a]}", f"{MATRIX_PATH}.sets", "must be a mapping, got a list"),
        (AB + MATRIX % "{sets: {s: +t, t: +s}}", f"{MATRIX_PATH}.sets.s", "refers to itself"),
        # selectors
        (AB + "selectors: {a: {strategy: pin, targets: [b]}}", "selectors.a", "is a model's id"),
        (AB + "selectors: {al: {strategy: pin, targets: [b]}}", "selectors.al", 'is an alias of model "a"'),
        (AB + "selectors: {' ': {strategy: pin, targets: [b]}}", "selectors. ", "needs a name"),
        (AB + PEER + "selectors: {p/m1: {strategy: pin, targets: [b]}}", "selectors.p/m1", "full name"),
        (AB + "selectors: {s: {targets: [b]}}", "selectors.s.strategy", "is needed (warm, pin, spillover)"),
        (
            AB + "selectors: {s: {strategy: best, targets: [b]}}",
            "selectors.s.strategy",
            "must be one of warm, pin, spillover",
        ),
        (AB + "selectors: {s: {strategy: pin}}", "selectors.s.targets", "at least one target is needed"),
        (AB + "selectors: {s: {strategy: pin, targets: [a, c]}}", "selectors.s.targets[1]", 'unknown model "c"'),
        (
            AB + PEER + "selectors: {s: {strategy: pin, targets: [shared]}}",
            "selectors.s.targets[0]",
            'unknown model "shared"',
        ),
        (
            AB + "selectors: {s: {strategy: pin, targets: [t]}, t: {strategy: pin, targets: [a]}}",
            "selectors.s.targets[0]",
            '"t" is a selector',
        ),
        (AB + PEER + "selectors: {s: {strategy: warm, targets: [m1]}}", "selectors.s.targets[0]", "local models only"),
        (AB + "selectors: {s: {strategy: spillover, targets: [a, al]}}", "selectors.s.targets[1]", "same model"),
        (
            AB + "selectors: {s: {strategy: spillover, targets: [a], settings: {spillover: 0}}}",
            "selectors.s.settings.spillover",
            "must be 1 or more, got 0",
        ),
        (AB + SPILL, "selectors.s.targets", "put them into one group with swap: false"),
        (AB + SPILL + "groups: {g: {members: [a, b]}}", "selectors.s.targets", "put them into one group with swap: false"),
        (AB + SPILL + "matrix: {sets: {s: a | b}}", "selectors.s.targets", "no matrix set"),
        # profiles
        (AB + "profiles: {' ': {pins: {x: a}}}", "profiles. ", "needs a name"),
        (AB + "profiles: {p: {}}", "profiles.p.pins", "at least one pin is needed"),
        (AB + "profiles: {p: {pins: {' ': a}}}", "profiles.p.pins. ", "a pin needs a name"),
        (AB + "profiles: {p: {pins: {x: nope}}}", "profiles.p.pins.x", 'unknown model "nope"'),
        (AB + "profiles: {p: {pins: {x: ' '}}}", "profiles.p.pins.x", 'unknown model " "'),
        (AB + "profiles: {p: {pins: {x: a, y: x}}}", "profiles.p.pins.y", 'unknown model "x"'),
        (AB + PEER + "profiles: {p: {pins: {p/m1: a}}}", "profiles.p.pins.p/m1", "cannot be pinned"),
        (AB + "profiles: {p: [a, b]}", "profiles.p", "lists of models are no longer supported"),
    ],
)
def test_what_is_refused_and_at_which_key(load: Any, text: str, path: str, message: str) -> None:
    (problem,) = load.problems(text)
    place, _, rest = problem.partition(f" {path}: ")
    assert place.startswith("config.yaml:"), problem
    assert message in rest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("healtCheckTimeout: 30", "healtCheckTimeout: unknown key, ignored; did you mean healthCheckTimeout?"),
        ("models: {m: {cmd: 'x ${PORT}', command: y}}", "models.m.command: unknown key, ignored; did you mean cmd?"),
        ("models: {m: {cmd: 'x ${PORT}', alias: [q]}}", "models.m.alias: unknown key, ignored; did you mean aliases?"),
        ("performance: {enable: true}", "performance.enable: unknown key, ignored"),
        ("healthCheckTimeout: 3", "healthCheckTimeout: 3 is raised to the least, 15 seconds"),
        ("logLevel: loud", 'logLevel: "loud" is not a level (debug, info, warn, error); info is used'),
        ("logTimeFormat: iso", 'logTimeFormat: "iso" is not a layout'),
        ("startPort: 7000.5", "startPort: is a whole number: 7000.5 is read as 7000"),
        ("startPort: 65536\nmodels: {m: {cmd: 'x ${PORT}'}}", "models.m.cmd: ${PORT} is 65536 here"),
        (AB + "hooks: {on_startup: {preload: [aa]}}", 'hooks.on_startup.preload[0]: unknown model "aa", ignored'),
        (AB.replace("[al]", "[b]"), 'models.a.aliases[0]: "b" is the id of another model, which keeps it'),
        (AB.replace("[al]", "[a]"), 'models.a.aliases[0]: "a" is its own id'),
        (AB.replace("[al]", "['']"), "models.a.aliases[0]: an empty alias"),
        ("models: {'': {cmd: 'x ${PORT}'}}", "models.: an empty model id"),
        (AB + PEER, 'peers.p.models: "shared" alone is unusable: p, q offer it'),
        ("peers: {p: {proxy: 'http://me:pw@h', models: [a]}}", "peers.p.proxy: user and password in the URL are not sent"),
        (AB + "peers: {p: {proxy: 'http://h', models: [a]}}", 'peers.p.models: "a" alone means the local model "a"'),
        (AB + "groups: {g: {members: [al]}}", 'groups.g.members[0]: "al" is an alias; read as model "a"'),
        (
            AB + "groups: {g: {members: [a]}, h: {members: [al]}}",
            'groups.h.members[0]: "al" is an alias of model "a", which is in group "g"',
        ),
        (
            AB + "routing: {scheduler: {settings: {fifo: {priority: {a: 1, al: 2}}}}}",
            'priority.al: is an alias of model "a", which has a priority of its own; ignored',
        ),
        (
            AB + MATRIX % "{vars: {v: a}, sets: {s: v}, evict_costs: {a: 1, v: 2}}",
            'evict_costs.v: means the same model as "a"',
        ),
        (
            "models: {m: {cmd: x, proxy: 'localhost:99'}}",
            'models.m.proxy: "localhost:99" does not begin with http:// or https://',
        ),
        ("models: {m: {cmd: x, proxy: ''}}", 'models.m.proxy: "" does not begin with http://'),
        ("models: {m: {cmd: 'x ${PORT}', concurrencyLimit: -1}}", "models.m.concurrencyLimit: -1 acts as 0"),
        ("models: {m: {cmd: 'x ${PORT}', healthCheckTimeout: 30}}", "models.m.healthCheckTimeout: has no effect"),
    ],
)
def test_what_is_accepted_with_a_warning(load: Any, text: str, message: str) -> None:
    found = load.warnings(text)
    assert any(message in line for line in found), found
    assert all(line.startswith("config.yaml:") for line in found)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("models: {m: {cmd: [a]}}", "models.m.cmd: must be a string, got a list"),
        ("models: {m: {cmd: [a], proxy: 'http://h:${PORT}'}}", "models.m.cmd: must be a string, got a list"),
        ("models: {m: {cmd: '${gone}'}}", "models.m.cmd: macro ${gone} is not defined"),
        ("models: {m: {cmd: '${env.GONE}'}}", "env GONE is not set"),
        ("models: {m: [a]}\ngroups: {g: {members: [m]}}", "models.m: must be a mapping, got a list"),
        ("macros: {x: [1]}\nmodels: {m: {cmd: '${x} a'}}", "macros.x: a macro's value must be a string, a number or a"),
        ("macros: [x]\nmodels: {m: {cmd: '${x}'}}", "macros: must be a mapping of names to values, got a list"),
        ("models: {m: {cmd: '${x}', macros: {x: ~}}}", "models.m.macros.x: a macro's value must be a string"),
    ],
)
def test_what_follows_from_a_problem_is_not_told(load: Any, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load.resolved(text)
    (found,) = caught.value.problems
    assert found.startswith(f"config.yaml:1: {problem}")
    assert caught.value.warnings == ()


@pytest.mark.parametrize(
    "text", ["", "# nothing yet\n", "logLevel: info", "models: {}", "models:\npeers: ~", "models: ~\npeers: {}"]
)
def test_a_file_that_serves_nothing_is_accepted_with_a_warning(load: Any, text: str) -> None:
    (warning,) = load.warnings(text)
    assert warning.endswith("no models: nothing can be served; describe them under models:")


@pytest.mark.parametrize("text", [AB, "peers: {p: {proxy: 'http://h', models: [m]}}"])
def test_a_file_with_models_or_peers_is_not_called_empty(load: Any, text: str) -> None:
    assert load.warnings(text) == []


def test_all_problems_are_told_at_once_in_the_order_of_lines(load: Any) -> None:
    found = load.problems(
        """\
startPort: 0
models:
  m:
    cmd: x ${gone}
    ttl: -2
groups:
  g:
    members: [nobody]
apiKeys: ['a b']
"""
    )
    assert found == [
        "config.yaml:1: startPort: must be 1 or more, got 0",
        "config.yaml:4: models.m.cmd: macro ${gone} is not defined",
        "config.yaml:5: models.m.ttl: must be -1 or more, got -2",
        'config.yaml:8: groups.g.members[0]: unknown model "nobody"',
        "config.yaml:9: apiKeys[0]: a key must not contain blanks",
    ]


# --- what the accepted ones become -----------------------------------------------------------------------------------------


def test_defaults(load: Any) -> None:
    config = load.resolved("")
    assert (config.health_check_timeout, config.capture_buffer, config.start_port) == (120, 5, 5800)
    assert config.performance.every == 5.0
    assert (config.routing.fifo.max_wait, config.routing.fifo.max_queue) == (60.0, 1000)
    model = load.model("")
    assert (model.check_endpoint, model.ttl, model.unload_timeout, model.concurrency_limit) == ("/health", 0, 10, 0)
    assert (model.proxy, model.argv) == ("http://localhost:5800", ("svr", "--port", "5800"))


@pytest.mark.parametrize(
    ("globally", "own", "result"), [("", "", 0), ("7", "", 7), ("7", "-1", 7), ("7", "0", 0), ("7", "9", 9)]
)
def test_ttl_is_inherited(load: Any, globally: str, own: str, result: int) -> None:
    config = load.resolved(f"globalTTL: {globally}\nmodels: {{m: {{cmd: 'x ${{PORT}}', ttl: {own or '~'}}}}}")
    assert config.models["m"].ttl == result


@pytest.mark.parametrize(("globally", "own", "result"), [("~", "~", 10), ("0", "~", 10), ("7", "0", 7), ("7", "3", 3)])
def test_unload_timeout_is_inherited(load: Any, globally: str, own: str, result: int) -> None:
    config = load.resolved(f"unloadTimeout: {globally}\nmodels: {{m: {{cmd: 'x ${{PORT}}', unloadTimeout: {own}}}}}")
    assert config.models["m"].unload_timeout == result


@pytest.mark.parametrize(("globally", "own", "result"), [("true", "~", True), ("true", "no", False), ("~", "yes", True)])
def test_send_loading_state_is_inherited(load: Any, globally: str, own: str, result: bool) -> None:
    config = load.resolved(f"sendLoadingState: {globally}\nmodels: {{m: {{cmd: 'x ${{PORT}}', sendLoadingState: {own}}}}}")
    assert config.models["m"].send_loading_state is result


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("none", "none"),
        ("' none '", "none"),
        ("''", "/"),
        ("/x?y=1", "/x?y=1"),
        ("x", "/x"),
        ("http://other:1/ready", "/ready"),
    ],
)
def test_check_endpoints(load: Any, written: str, path: str) -> None:
    assert load.value("check_endpoint", written) == path


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ("{stripParams: ' b, a,,model, b'}", ("a", "b")),
        ("{strip_params: 'x'}", ("x",)),
        ("{strip_params: x, stripParams: y}", ("y",)),
        ("{}", ()),
    ],
)
def test_parameters_to_strip(load: Any, filters: str, names: tuple[str, ...]) -> None:
    assert load.model(f"filters: {filters}").filters.strip_params == names


def test_parameters_to_set_come_in_key_order_without_the_model(load: Any) -> None:
    filters = load.model("filters: {setParams: {z: 1, model: x, a: [1]}, setParamsByID: {m: {model: y, t: 0.5}}}").filters
    assert list(filters.set_params.items()) == [("a", [1]), ("z", 1)]
    assert filters.set_params_by_id == {"m": {"t": 0.5}}


def test_names_in_set_params_by_id_become_aliases(load: Any) -> None:
    model = load.model("aliases: [one]\nfilters: {setParamsByID: {m: {}, one: {}, 'm:high': {}}}")
    assert model.aliases == ("one", "m:high")


@pytest.mark.parametrize(("written", "result"), [("", 50), ("concurrencyLimit: 9", 50), ("concurrencyLimit: 90", 90)])
def test_comfyui_auto_gets_room_and_free_websockets(load: Any, written: str, result: int) -> None:
    model = load.resolved(f"models:\n  comfyui_auto:\n    cmd: x ${{PORT}}\n    {written}\n").models["comfyui_auto"]
    assert (model.concurrency_limit, model.compat.ignore_websockets) == (result, True)
    assert load.model("aliases: [comfyui_auto]").compat.ignore_websockets is False


def test_capabilities_that_say_nothing_are_absent(load: Any) -> None:
    assert load.model("capabilities: {in: [], tools: false, context: 0}").capabilities is None
    assert load.model("capabilities: {in: [text]}").capabilities.in_ == ("text",)


def test_session_headers_are_trimmed_and_unique(load: Any) -> None:
    config = load.resolved("ui: {activity: {session_id: [' X-A ', x-a, '', X-B]}}")
    assert config.session_headers == ("X-A", "X-B")


@pytest.mark.parametrize(("written", "result"), [("0s", 5.0), ("1m30s", 90.0), ("5000ms", 5.0), ("~", 5.0)])
def test_the_sampling_interval(load: Any, written: str, result: float) -> None:
    assert load.resolved(f"performance: {{every: {written}}}").performance.every == result


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1h2m3s", 3723.0),
        ("1.5d", 129_600.0),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("-2s", -2.0),
        ("0", 0.0),
        ("1us", 1e-6),
        ("", None),
        ("5", None),
        ("5 s", None),
        ("s", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert duration(text) == (None if seconds is None else pytest.approx(seconds))


def test_numbers_that_fall_back(load: Any) -> None:
    config = load.resolved(
        "metricsMaxInMemory: 0\ncaptureBuffer: -3\nhealthCheckTimeout: -3\nlogLevel: ' WARN '\nlogTimeFormat: RFC3339"
    )
    assert (config.metrics_max_in_memory, config.capture_buffer, config.health_check_timeout) == (1000, 0, 15)
    assert (config.log_level, config.log_time_format) == ("warn", "rfc3339")


def test_preload_takes_names_of_local_models(load: Any) -> None:
    config = load.resolved(AB + PEER + "hooks: {on_startup: {preload: [' al ', a, '', m1, b]}}")
    assert config.preload == ("a", "a", "b")


def test_peers(load: Any) -> None:
    peer = load.resolved("peers: {p: {proxy: 'http://h', models: [x, x, y], timeouts: {connect: 3}}}").peers["p"]
    assert peer.models == ("x", "y")
    assert (peer.timeouts.response_header, peer.timeouts.connect) == (60, 3)


def test_a_peers_key_as_a_file_with_a_line_end_gives_it(load: Any) -> None:
    assert load.resolved('peers: {p: {proxy: "http://h", models: [x], apiKey: "key\\n"}}').peers["p"].api_key == "key"


def test_folders_of_models_are_one_or_several_and_may_come_later(
    load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load.resolved("modelsDir: ~/models").models_dir == (f"{tmp_path}/models",)
    assert load.resolved("macros: {at: /x}\nmodelsDir: ['${at}/y', ~, ~/z]").models_dir == ("/x/y", f"{tmp_path}/z")
    assert load.resolved("modelsDir:").models_dir == ()
    assert load.warnings(f"{AB}modelsDir: {tmp_path}") == []
    (warning,) = load.warnings(f"{AB}modelsDir: {tmp_path}/later")
    assert "modelsDir" in warning
    assert "is no folder at the moment" in warning
    (warning,) = load.warnings(f"{AB}modelDir: /x")
    assert "did you mean modelsDir?" in warning


def test_the_store_needs_a_place(load: Any, tmp_path: Path) -> None:
    assert load.resolved(f"store: {{path: '{tmp_path}/a.db'}}").store.path == f"{tmp_path}/a.db"
    assert "is a directory" in load.problems(f"store: {{path: '{tmp_path}'}}")[0]
    assert "does not exist" in load.problems(f"store: {{path: '{tmp_path}/no/a.db'}}")[0]
    assert load.resolved("store: ~").store is None


@pytest.mark.parametrize(
    ("written", "seconds"), [("90d", 7_776_000.0), ("1m", 60.0), ("0", 0.0), ("0s", 0.0), ("''", 0.0), ("~", 0.0)]
)
def test_the_store_keeps_its_rows_for_ever_or_for_some_time(load: Any, written: str, seconds: float) -> None:
    assert load.resolved(f"store: {{path: a.db, retention: {written}}}").store.retention == seconds


# --- routing ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place",
    ["groups: %s", "routing: {router: {settings: {groups: %s}}}", "routing: {router: {use: group, settings: {groups: %s}}}"],
)
def test_groups_in_either_spelling(load: Any, place: str) -> None:
    routing = load.resolved(AB + place % "{g: {swap: no, members: [b]}}").routing
    assert routing.router == "group"
    assert routing.groups["g"].members == ("b",)
    assert routing.groups["g"].swap is False
    assert routing.groups["(default)"].members == ("a",)


@pytest.mark.parametrize("place", ["matrix: %s", "routing: {router: {use: matrix, settings: {matrix: %s}}}"])
def test_the_matrix_in_either_spelling(load: Any, place: str) -> None:
    routing = load.resolved(AB + place % "{vars: {v: a}, sets: {s: v & b}, evict_costs: {v: 3}}").routing
    assert (routing.router, routing.groups) == ("matrix", {})
    assert routing.matrix.sets == {"s": "v & b"}
    assert routing.matrix.evict_costs == {"a": 3}


def test_what_does_not_count_as_either(load: Any) -> None:
    text = AB + "groups: {}\nmatrix: ~\nrouting: {router: {use: group}, scheduler: {use: fifo}}"
    assert load.resolved(text).routing.groups["(default)"].members == ("a", "b")
    assert load.resolved(AB + "groups: {g: {}}\nrouting: {scheduler: {use: fifo}}").routing.groups["g"].members == ()


def test_the_matrix_that_is_not_used_is_not_checked(load: Any) -> None:
    text = AB + "routing: {router: {use: group, settings: {matrix: {sets: {s: nonsense &}}}}}"
    assert load.resolved(text).routing.router == "group"


def test_an_alias_as_member_stands_for_its_model(load: Any) -> None:
    groups = load.resolved(AB + "groups: {g: {members: [al]}, h: {members: [b]}}").routing.groups
    assert groups["g"].members == ("a",)
    assert groups["(default)"].members == ()
    groups = load.resolved(AB + "groups: {g: {members: [al]}, h: {members: [a]}}").routing.groups
    assert (groups["g"].members, groups["h"].members) == ((), ("a",))
    assert load.resolved(AB + "groups: {g: {members: [al, a]}}").routing.groups["g"].members == ("a",)


def test_a_priority_under_an_alias_is_the_models(load: Any) -> None:
    fifo = load.resolved(
        AB + "routing: {scheduler: {settings: {fifo: {priority: {al: 5, b: -1}, maxWait: 0.5, maxQueue: 9}}}}"
    ).routing.fifo
    assert fifo.priority == {"a": 5, "b": -1}
    assert (fifo.max_wait, fifo.max_queue) == (0.5, 9)


@pytest.mark.parametrize(
    "routing",
    ["groups: {g: {swap: false, members: [a, b]}}", "matrix: {sets: {s: a & b}}", "matrix: {sets: {s: a, t: +s & b}}"],
)
def test_spillover_between_models_that_run_together(load: Any, routing: str) -> None:
    assert load.resolved(AB + SPILL + routing).selectors["s"].targets == ("a", "b")


def test_profiles(load: Any) -> None:
    text = (
        AB
        + PEER
        + "selectors: {s: {strategy: pin, targets: [m1]}}\nprofiles: {p: {pins: {x: al, y: ~, z: '', a: s, m1: p/shared}}}"
    )
    assert load.resolved(text).profiles["p"].pins == {"x": "al", "y": "", "z": "", "a": "s", "m1": "p/shared"}


def test_limits_of_clients(load: Any) -> None:
    assert load.resolved(AB).http == Http()
    sizes = "maxHeadBytes: 2048, maxHeaderFields: 50, maxBodyBytes: 9"
    times = "headTimeout: 2.5, bodyTimeout: 3, stallTimeout: 0, keepalive: 4"
    assert load.resolved(f"{AB}http: {{{sizes}, {times}}}").http == Http(
        max_head_bytes=2048,
        max_header_fields=50,
        head_timeout=2.5,
        max_body_bytes=9,
        body_timeout=3.0,
        stall_timeout=0.0,
        keepalive=4,
    )
