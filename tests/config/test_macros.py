"""Macros, ports, and the order in which they are put in."""

from __future__ import annotations

from typing import Any

import pytest

from swapyard.config.macros import float_form
from swapyard.config.nodes import plain_value


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("1.50", "1.5"),
        ("123456.5", "123456.5"),
        ("1e5", "100000"),
        ("1000000.0", "1e+06"),
        ("123456789.25", "1.2345678925e+08"),
        ("0.00001", "1e-05"),
        ("0.0001", "0.0001"),
        ("0.00012", "0.00012"),
        ("999999.0", "999999"),
        ("1e21", "1e+21"),
        ("-2.5", "-2.5"),
        ("100.0", "100"),
        ("0.0", "0"),
        ("1e-300", "1e-300"),
        (".inf", "+Inf"),
        ("-.inf", "-Inf"),
        (".nan", "NaN"),
    ],
)
def test_the_text_of_a_float(written: str, text: str) -> None:
    value = plain_value(written)
    assert isinstance(value, float)
    assert float_form(value) == text


@pytest.mark.parametrize(
    ("macros", "written", "text"),
    [
        ("A: 1.50", "x ${A}", "x 1.5"),
        ("A: 1.50", "${A}", "1.5"),
        ("A: true", "x ${A}", "x true"),
        ("A: 010", "x ${A}", "x 8"),
        ("A: yes", "x ${A}", "x yes"),
        ("A: 1\n  B: ${A}2", "${B}", "12"),
        ("A: one\n  B: ${A} two", "${B} ${A}", "one two one"),
        ("A: x", "${a.b} ${a b} ${} $A ${A", "${a.b} ${a b} ${} $A ${A"),
        ("A-b_9: x", "${A-b_9}", "x"),
        ("port: x", "${port}", "x"),
        ("A: A", "${A}${A}", "AA"),
        ("A: x\n  B: $", "${B}{A}", "${A}"),
    ],
)
def test_macros_in_a_text(load: Any, macros: str, written: str, text: str) -> None:
    if (macros, written) == ("A: x\n  B: $", "${B}{A}"):
        text = "x"  # B comes before A in the reverse walk, which then sees ${A}
    config = load.resolved(f"macros:\n  {macros}\nmodels:\n  m:\n    cmd: x ${{PORT}}\n    name: {written}\n")
    assert config.models["m"].name == text


@pytest.mark.parametrize(("macro", "ttl"), [("5", 5), ("1.9", 1), ("0x10", 16)])
@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_a_value_that_is_one_reference_keeps_the_macros_type(load: Any, macro: str, ttl: int, quote: str) -> None:
    assert load.model(f"ttl: {quote}${{A}}{quote}\nmacros: {{A: {macro}}}").ttl == ttl


def test_a_chain_keeps_the_type(load: Any) -> None:
    assert load.model("ttl: ${A}\nmacros: {B: 5, A: '${B}'}").ttl == 5


@pytest.mark.parametrize(("macro", "written"), [("5", "1${A}"), ('"5"', "${A}")])
def test_text_never_turns_back_into_a_number(load: Any, macro: str, written: str) -> None:
    (problem,) = load.model_problems(f"ttl: {written}\nmacros: {{A: {macro}}}")
    assert "models.m.ttl: must be a number" in problem


def test_a_boolean_macro_serves_a_boolean_key(load: Any) -> None:
    assert load.model("unlisted: ${A}\nmacros: {A: true}").unlisted is True


def test_a_model_macro_takes_the_place_of_the_global_one(load: Any) -> None:
    # B is global and first; A refers to it and sees the model's value.
    config = load.resolved(
        """
        macros: {B: global, A: "${B}"}
        models:
          m: {cmd: "x ${PORT} ${A}", macros: {B: mine}}
          n: {cmd: "x ${PORT} ${A}"}
        """
    )
    assert config.models["m"].argv == ("x", "5800", "mine")
    assert config.models["n"].argv == ("x", "5801", "global")


def test_a_global_macro_cannot_see_one_that_only_the_model_has(load: Any) -> None:
    (problem,) = load.problems('macros: {A: "${L}"}\nmodels:\n  m: {cmd: "x ${PORT} ${A}", macros: {L: 1}}\n')
    assert problem.startswith("config.yaml:3: models.m.cmd: macro ${L} is declared after")


def test_a_forward_reference_is_an_error_only_where_it_is_used(load: Any) -> None:
    assert load.resolved('macros: {A: "${B}", B: 1, C: "${nowhere}"}').start_port == 5800
    (problem,) = load.problems('macros: {A: "${B}", B: 1}\nlogLevel: ${A}\n')
    assert problem == "config.yaml:2: logLevel: macro ${B} is declared after the macro that refers to it; declare it earlier"


def test_a_cycle_of_macros_is_an_error_where_it_is_used(load: Any) -> None:
    (problem,) = load.problems('macros: {A: "${B}", B: "${A}"}\nlogLevel: ${B}\n')
    assert problem.startswith("config.yaml:2: logLevel: macro ${B}")


def test_model_id_works_inside_any_macro(load: Any) -> None:
    config = load.resolved('macros: {F: "/models/${MODEL_ID}.gguf"}\nmodels: {m: {cmd: "x ${PORT} ${F}"}}')
    assert config.models["m"].argv == ("x", "5800", "/models/m.gguf")


def test_macros_of_a_later_model_are_invisible_to_others(load: Any) -> None:
    (problem,) = load.problems("models:\n  a: {cmd: 'x ${PORT} ${L}'}\n  b: {cmd: 'x ${PORT}', macros: {L: 1}}\n")
    assert problem == "config.yaml:2: models.a.cmd: macro ${L} is not defined"


def test_macros_reach_lists_maps_and_unknown_keys_but_no_map_keys(load: Any) -> None:
    model = load.model(
        "env: ['A=${X}']\nmetadata: {'${X}': ['${X}', {deep: 'v ${X}'}]}\nfilters: {setParams: {p: '${X}'}}\nmacros: {X: 7}"
    )
    assert model.env == ("A=7",)
    assert model.metadata == {"${X}": [7, {"deep": "v 7"}]}
    assert model.filters.set_params == {"p": 7}


def test_start_port_may_be_a_macro(load: Any) -> None:
    config = load.resolved("macros: {P: 9000}\nstartPort: ${P}\nmodels: {m: {cmd: 'x ${PORT}'}}")
    assert config.models["m"].port == 9000


# --- ports -----------------------------------------------------------------------------------------------------------------


def test_ports_are_given_in_code_point_order_to_models_that_ask(load: Any) -> None:
    ids = ["a", "_", "B", "9", "10"]
    models = "\n".join(f'  "{name}": {{cmd: "x ${{PORT}}"}}' for name in ids)
    config = load.resolved(f"models:\n{models}\n  A: {{cmd: x, proxy: 'http://h:1'}}\n")
    assert {name: model.port for name, model in config.models.items()} == {
        "10": 5800,
        "9": 5801,
        "A": None,
        "B": 5802,
        "_": 5803,
        "a": 5804,
    }


def test_the_port_is_the_same_everywhere_in_a_model(load: Any) -> None:
    model = load.model(
        "proxy: http://127.0.0.1:${PORT}\nmetadata: {port: '${PORT}', text: 'p${PORT}'}\n"
        "filters: {setParamsByID: {'m:${PORT}': {}}}\ncmdStop: kill ${PID} ${PORT}\ncheckEndpoint: /h/${PORT}"
    )
    assert model.proxy == "http://127.0.0.1:5800"
    assert model.metadata == {"port": 5800, "text": "p5800"}
    assert model.aliases == ("m:5800",)
    assert model.cmd_stop == "kill ${PID} 5800"
    assert model.check_endpoint == "/h/5800"


def test_a_port_may_come_through_a_macro(load: Any) -> None:
    model = load.model("cmd: x ${P}\nmacros: {P: '--port ${PORT}'}")
    assert (model.argv, model.proxy) == (("x", "--port", "5800"), "http://localhost:5800")


@pytest.mark.parametrize(
    "body",
    [
        "cmd: x",
        "cmd: x\nproxy: http://h:${PORT}",
        "cmd: x\nproxy: ~",
        "cmd: |\n  # --port ${PORT}\n  x",
        "cmd: x\nproxy: ${P}\nmacros: {P: 'http://h:${PORT}'}",
    ],
)
def test_a_proxy_with_a_port_that_cmd_does_not_use_is_refused(load: Any, body: str) -> None:
    (problem,) = load.model_problems(body)
    assert "models.m.proxy: uses ${PORT}" in problem


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("cmd: x\nproxy: http://h:1\nmetadata: {p: '${PORT}'}", "models.m.metadata.p: uses ${PORT} but cmd does not"),
        ("cmd: x ${PORT} ${PID}", "models.m.cmd: ${PID} can be used in a model's cmdStop only"),
        ("name: ${nope}", "models.m.name: macro ${nope} is not defined"),
        ("aliases: [a, '${nope}']", "models.m.aliases[1]: macro ${nope} is not defined"),
        ("whatever: {deep: ['${nope}']}", "models.m.whatever.deep[0]: macro ${nope} is not defined"),
        ("cmdStop: x ${nope}", "models.m.cmdStop: macro ${nope} is not defined"),
        (
            "filters: {setParamsByID: {'${nope}': {}}}",
            "models.m.filters.setParamsByID.${nope}: macro ${nope} is not defined",
        ),
        ("capabilities: {context: '${nope}'}", "models.m.capabilities.context: macro ${nope} is not defined"),
    ],
)
def test_references_that_are_left_are_refused(load: Any, body: str, problem: str) -> None:
    found = load.model_problems(body)
    assert any(line.endswith(problem) for line in found), found


@pytest.mark.parametrize("name", ["PORT", "MODEL_ID", "PID"])
def test_names_of_the_model_mean_nothing_outside(load: Any, name: str) -> None:
    (problem,) = load.problems(f"hooks: {{on_startup: {{preload: ['${{{name}}}']}}}}")
    assert problem.startswith("config.yaml:1: hooks.on_startup.preload[0]: ${" + name)


def test_an_unknown_top_level_key_may_hold_anything(load: Any) -> None:
    assert load.resolved("notes: '${nope} ${PORT}'").start_port == 5800


def test_names_in_set_params_by_id_that_become_one_are_refused(load: Any) -> None:
    problems = load.model_problems("filters: {setParamsByID: {'${A}': {}, x: {}}}\nmacros: {A: x}")
    assert any('"${A}" and "x" are both "x" once expanded' in line for line in problems)


# --- declarations ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("macros", "path"),
    [
        ("{PORT: 1}", "macros.PORT"),
        ("{PID: 1}", "macros.PID"),
        ("{MODEL_ID: 1}", "macros.MODEL_ID"),
        ("{a.b: 1}", "macros.a.b"),
        ("{'a b': 1}", "macros.a b"),
        ("{" + "x" * 64 + ": 1}", "macros." + "x" * 64),
        ("{a: ~}", "macros.a"),
        ("{a: 2024-01-01}", "macros.a"),
        ("{a: [1]}", "macros.a"),
        ("{a: {b: 1}}", "macros.a"),
        ("{a: 'x${a}'}", "macros.a"),
        ("[a]", "macros"),
    ],
)
def test_wrong_declarations_are_refused(load: Any, macros: str, path: str) -> None:
    (problem,) = load.problems(f"macros: {macros}")
    assert problem.startswith(f"config.yaml:1: {path}: ")
    (problem,) = load.model_problems(f"macros: {macros}")
    assert problem.startswith(f"config.yaml:4: models.m.{path}: ")


def test_a_name_of_63_characters_is_fine(load: Any) -> None:
    assert load.resolved(f"macros: {{{'x' * 63}: debug}}\nlogLevel: ${{{'x' * 63}}}").log_level == "debug"
