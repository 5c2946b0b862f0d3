"""Planners and schedulers of other packages: found, made, and refused with words that name the package."""

from __future__ import annotations

import logging
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from textwrap import dedent

import pytest

from swapyard.config.load import loads
from swapyard.config.mask import masked
from swapyard.config.render import to_yaml
from swapyard.core.planners.group import GroupPlanner
from swapyard.core.planners.matrix import MatrixPlanner
from swapyard.errors import ConfigError
from swapyard.runtime import strategies
from swapyard.runtime.policy import policy_of
from swapyard.runtime.strategies import KINDS, Guarded, GuardedKin, Installed, guarded, planner_of, scheduler_of

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
MODELS = "models: {a: {cmd: 'x ${PORT}'}, b: {cmd: 'x ${PORT}'}}\n"
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """`install("pack", "name = pack:factory", code)`: a package with that entry point and that module."""
    monkeypatch.syspath_prepend(str(tmp_path))
    modules = set(sys.modules)

    def add(package: str, entry: str, code: str, kind: str = "planner") -> None:
        (tmp_path / f"{package}.py").write_text(dedent(code))
        info = tmp_path / f"{package}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[{KINDS[kind].entry_points}]\n{entry}\n")

    yield add
    for name in set(sys.modules) - modules:
        if str(tmp_path) in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]


def refused(routing: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loads(MODELS + dedent(routing), strategies=Installed())
    return list(caught.value.problems)


def chosen(name: str, settings: str = "") -> str:
    lines = [MODELS + "routing:", "  router:", f"    use: {name}"]
    return "\n".join(lines + (["    settings:", f"      {name}:", f"        {settings}"] if settings else []))


PLANNER = """
    class Planner:
        def evict(self, model, running):
            return running
    def factory(settings, models):
        return Planner()
"""


def test_the_built_in_names_are_declared_as_entry_points_too() -> None:
    declared = tomllib.loads(PYPROJECT.read_text())["project"]["entry-points"]
    assert declared == {kind.entry_points: kind.built_in for kind in KINDS.values()}


def test_a_built_in_strategy_costs_no_look_at_any_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(kind: object) -> None:
        raise AssertionError("the metadata of packages was read")

    monkeypatch.setattr(strategies, "entries", fail)
    matrix = MODELS + "matrix: {sets: {s: a & b}}"
    planners = [planner_of(loads(text, strategies=Installed()).config) for text in (MODELS, matrix)]
    assert [type(planner) for planner in planners] == [GroupPlanner, MatrixPlanner]


def test_serving_imports_no_planner_but_the_chosen_one() -> None:
    code = "import swapyard.app, swapyard.runtime.strategies, sys; print('swapyard.core.planners.matrix' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_only_the_chosen_package_is_imported(install: Install) -> None:
    install("chosen_pack", "one = chosen_pack:factory", PLANNER)
    install("other_pack", "two = other_pack:factory", "raise SystemExit('imported')")
    config = loads(chosen("one"), strategies=Installed()).config
    assert list(planner_of(config).evict("a", ["b"])) == ["b"]
    assert "other_pack" not in sys.modules


def test_a_planner_gets_its_settings_as_they_stand_and_the_ids_of_all_models(install: Install) -> None:
    install(
        "pack",
        "mine = pack:factory",
        """
        class Planner:
            def __init__(self, *given): self.given = given
            def evict(self, model, running): return running
        factory = Planner
        """,
    )
    text = "macros: {n: 7}\n" + chosen("mine", "{n: '${n}', deep: {list: [1, x, ~]}}")
    planner = planner_of(loads(text, strategies=Installed()).config)
    assert isinstance(planner, Guarded)
    assert planner.planner.given == ({"n": 7, "deep": {"list": [1, "x", None]}}, ("a", "b"))  # type: ignore[attr-defined]


def test_an_unknown_name_lists_what_is_installed(install: Install) -> None:
    install("pack", "mine = pack:factory", PLANNER)
    (problem,) = refused(chosen("mein").removeprefix(MODELS))
    assert problem.startswith('config.yaml:4: routing.router.use: no planner "mein" is installed')
    assert problem.endswith(" (installed: group, matrix, mine (pack 1.2)); did you mean mine?")
    assert refused("routing: {scheduler: {use: lifo}}") == [
        'config.yaml:2: routing.scheduler.use: no scheduler "lifo" is installed (installed: fifo); did you mean fifo?'
    ]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import not_there", "cannot be loaded from pack:factory: ModuleNotFoundError: No module named 'not_there'"),
        ("raise SystemExit(3)", "cannot be loaded from pack:factory: SystemExit: 3"),
        ("factori = 1", "cannot be loaded from pack:factory: AttributeError: module 'pack' has no attribute 'factory'"),
        ("factory = 1", "is no factory: pack:factory cannot be called"),
        ("def factory(): pass", "cannot be made: TypeError: factory() takes 0 positional arguments but 2 were given"),
        ("def factory(s, m): return 1 / 0", "cannot be made: ZeroDivisionError: division by zero"),
        ("def factory(s, m): raise SystemExit('no licence')", "cannot be made: SystemExit: no licence"),
        ("def factory(s, m): return 1", "gives no planner: int has no method evict"),
        (
            "class P:\n def evict(self, model): return ()\ndef factory(s, m): return P()",
            "gives no planner: P has a method evict that cannot be called as needed (too many positional arguments)",
        ),
        (
            "class P:\n async def evict(self, m, r): return ()\ndef factory(s, m): return P()",
            "gives no planner: P has a method evict that is async",
        ),
    ],
)
def test_a_broken_package_is_named(install: Install, code: str, message: str) -> None:
    install("pack", "mine = pack:factory", code)
    assert refused(chosen("mine").removeprefix(MODELS)) == [
        f'config.yaml:4: routing.router.use: "mine" of the package pack 1.2 {message}'
    ]


@pytest.mark.parametrize(
    ("error", "places"),
    [
        ("SettingsError('no', 'a')", [("7: routing.router.settings.mine.a", "no")]),
        ("SettingsError('no', 'l', 1)", [("7: routing.router.settings.mine.l[1]", "no")]),
        ("SettingsError('no')", [("6: routing.router.settings.mine", "no")]),
        (
            "ExceptionGroup('', [SettingsError('x', 'a'), SettingsError('y', 'l')])",
            [("7: routing.router.settings.mine.a", "x"), ("7: routing.router.settings.mine.l", "y")],
        ),
        (
            "msgspec.ValidationError('Expected `int` - at `$.l[0]`')",
            [("7: routing.router.settings.mine.l[0]", "Expected `int`")],
        ),
        ("msgspec.ValidationError('Expected `object`')", [("6: routing.router.settings.mine", "Expected `object`")]),
    ],
)
def test_wrong_settings_are_told_with_line_and_key(install: Install, error: str, places: list[tuple[str, str]]) -> None:
    code = f"import msgspec\nfrom swapyard.core.strategies import SettingsError\ndef factory(s, m): raise {error}"
    install("pack", "mine = pack:factory", code)
    assert refused(chosen("mine", "{a: 1, l: [1, 2]}").removeprefix(MODELS)) == [
        f"config.yaml:{place}: {message}" for place, message in places
    ]


def test_a_name_that_two_packages_offer_is_refused(install: Install) -> None:
    install("pack_a", "mine = pack_a:factory", PLANNER)
    install("pack_b", "mine = pack_b:factory", PLANNER)
    (problem,) = refused(chosen("mine").removeprefix(MODELS))
    assert '"mine" is offered by several packages: pack_a 1.2, pack_b 1.2' in problem


def test_nobody_takes_a_built_in_name(install: Install) -> None:
    install("pack", "group = pack:factory", PLANNER)
    assert isinstance(planner_of(loads(MODELS, strategies=Installed()).config), GroupPlanner)


def test_a_scheduler_gets_its_settings_with_the_policy(install: Install) -> None:
    install(
        "pack",
        "mine = pack:Mine",
        """
        from swapyard.core.scheduler import Scheduler
        class Mine(Scheduler):
            def __init__(self, policy):
                super().__init__(policy)
                self.word = policy.settings["word"]
        """,
        kind="scheduler",
    )
    text = MODELS + "routing: {scheduler: {use: mine, settings: {mine: {word: hello}}}}"
    config = loads(text, strategies=Installed()).config
    assert scheduler_of("mine", policy_of(config)).word == "hello"  # type: ignore[attr-defined]
    assert refused("routing: {scheduler: {use: mine, settings: {mine: {}}}}") == [
        "config.yaml:2: routing.scheduler.settings.mine: \"mine\" of the package pack 1.2 cannot be made: KeyError: 'word'"
    ]


def test_a_scheduler_without_its_questions_is_refused(install: Install) -> None:
    install("pack", "mine = pack:Mine", "class Mine:\n def __init__(self, policy): pass\n", kind="scheduler")
    (problem,) = refused("routing: {scheduler: {use: mine}}")
    assert "gives no scheduler: Mine has no method handle; has no method running" in problem


# --- while it decides ------------------------------------------------------------------------------------------------------


class Wild:
    """Does whatever its question is called."""

    def evict(self, model: str, running: Sequence[str]) -> Sequence[str]:
        match model:
            case "raises":
                raise IndexError
            case "exits":
                raise SystemExit(3)
            case "none":
                return None  # type: ignore[return-value]
        return ["x"] if model == "strange" else ["b"]

    def kin(self, model: str) -> str:
        raise RuntimeError("kin")


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("raises", "failed: IndexError"),
        ("exits", "failed: SystemExit: 3"),
        ("strange", "named 'x', which does not run"),
        ("none", "failed: TypeError"),
    ],
)
def test_a_planner_that_fails_lets_nobody_run_together(model: str, says: str, caplog: pytest.LogCaptureFixture) -> None:
    planner = guarded(Wild(), "wild")
    with caplog.at_level(logging.ERROR):
        assert planner.evict(model, ("a", "b")) == ("a", "b")
    assert f'planner "wild" {says}' in caplog.text
    assert planner.evict(model, ("a", model)) == ()  # who is there already stays
    assert planner.evict("good", ("a", "b")) == ("b",)


def test_kin_is_passed_on_where_it_can_be_told(caplog: pytest.LogCaptureFixture) -> None:
    planner = guarded(Wild(), "wild")
    assert isinstance(planner, GuardedKin)
    assert planner.kin("a") is None
    assert "failed to tell the kin of a" in caplog.text


def test_an_eviction_s_rule_is_what_the_planner_calls_it_or_its_name() -> None:
    class Named(Wild):
        def rule(self, model: str, evicted: str) -> str:
            return f"too\nmany for {model}" if model != "raises" else str(1 / 0)

    planner = guarded(Named(), "lru")
    assert isinstance(planner, Guarded)
    assert [planner.rule(model, "b") for model in ("a", "raises")] == ["too many for a", "planner lru"]
    assert planner.rule("\ud800", "b") == "too many for ?"  # what no JSON can tell
    unnamed = guarded(Wild(), "wild")
    assert isinstance(unnamed, Guarded)
    assert unnamed.rule("a", "b") == "planner wild"


# --- what is shown ---------------------------------------------------------------------------------------------------------


def test_the_resolved_configuration_shows_strategies_with_their_settings_but_no_secrets(install: Install) -> None:
    install("pack", "mine = pack:factory", PLANNER)
    config = loads(chosen("mine", "{n: 7, api_key: hush}"), strategies=Installed()).config
    assert loads(to_yaml(config), strategies=Installed()).config.routing == config.routing
    assert "hush" not in to_yaml(masked(config))
    assert "n: 7" in to_yaml(masked(config))
    assert strategies.origins(config) == ['planner "mine" of the package pack 1.2']


@pytest.mark.parametrize(
    ("settings", "warning"),
    [
        ("groupz: {}", "routing.router.settings.groupz: ignored; did you mean groups?"),
        ("lru: {}", "routing.router.settings.lru: ignored, because routing.router.use is not lru"),
    ],
)
def test_settings_of_what_is_not_chosen_are_a_warning(settings: str, warning: str) -> None:
    (said,) = loads(MODELS + f"routing: {{router: {{settings: {{{settings}}}}}}}", strategies=Installed()).warnings
    assert said == f"config.yaml:2: {warning}"


def test_without_a_look_at_packages_only_the_built_in_names_exist() -> None:
    with pytest.raises(ConfigError, match='must be one of group, matrix, got "lru"'):
        loads(chosen("lru"))
