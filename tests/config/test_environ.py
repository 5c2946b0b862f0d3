"""Environment references."""

from __future__ import annotations

from typing import Any

import pytest


def test_the_type_follows_from_the_value_where_the_reference_is_unquoted(load: Any) -> None:
    assert load.resolved("startPort: ${env.N}", N="7000").start_port == 7000
    assert load.resolved("startPort: ${env.N}", N=" 7000 ").start_port == 7000
    assert load.resolved("startPort: 7${env.N}", N="000").start_port == 7000
    (problem,) = load.problems('startPort: "${env.N}"', N="7000")
    assert problem == 'config.yaml:1: startPort: must be a number without quotes, got the string "7000"'


def test_references_work_in_flow_lists_keys_and_commands(load: Any) -> None:
    config = load.resolved(
        "apiKeys: [${env.KEY}]\nmodels:\n  ${env.NAME}:\n    cmd: ${env.BIN} --port ${PORT}\n    aliases: ['${env.NAME}-x']",
        KEY="k1",
        NAME="llama",
        BIN="/opt/svr",
    )
    assert config.api_keys == ("k1",)
    assert config.models["llama"].argv == ("/opt/svr", "--port", "5800")
    assert config.models["llama"].aliases == ("llama-x",)


@pytest.mark.parametrize("value", ["a: b", "x # y", "[1", "{", 'a"b', "a\\b", "*x", "- z", "'"])
@pytest.mark.parametrize("written", ["${env.V}", '"${env.V}"', "'${env.V}'"])
def test_a_value_cannot_change_the_documents_structure(load: Any, value: str, written: str) -> None:
    assert load.value("name", written, V=value) == value


def test_an_unset_variable_is_named_with_file_and_line_once(load: Any) -> None:
    assert load.problems("logLevel: info\nstartPort: ${env.NOPE}\n") == ["config.yaml:2: env NOPE is not set"]


def test_an_unset_variable_in_a_block_scalar_is_an_error_even_in_a_comment_line(load: Any) -> None:
    assert load.model_problems("cmd: |\n  # ${env.NOPE}\n  x ${PORT}") == ["config.yaml:3: env NOPE is not set"]


def test_comments_do_not_count(load: Any) -> None:
    assert load.resolved("# ${env.NOPE}\nstartPort: 7000 # ${env.NOPE}\n").start_port == 7000


def test_an_empty_variable_is_fine(load: Any) -> None:
    assert load.value("name", "${env.E}", E="") == ""
    assert load.value("ttl", "${env.E}", E="") == 0


@pytest.mark.parametrize("character", ["\n", "\r", "\0"])
def test_line_breaks_and_nul_are_refused(load: Any, character: str) -> None:
    (problem,) = load.problems("logLevel: ${env.V}", V=f"a{character}b")
    assert problem.startswith("config.yaml:1: env V contains ")


def test_a_value_that_is_no_text_is_refused(load: Any) -> None:
    assert load.problems("logLevel: ${env.V}", V="info \udcff")[0].startswith("config.yaml:1: env V is not UTF-8 text")
    assert load.value("name", "${env.V}", V="\u00e9\U0001f600") == "\u00e9\U0001f600"


@pytest.mark.parametrize("written", ["${env.1X}", "${env.}", "${env.a-b}"])
def test_what_is_no_variable_name_is_left_alone(load: Any, written: str) -> None:
    assert load.value("name", f"'{written}'") == written


def test_a_reference_in_a_value_is_replaced_one_level_deep(load: Any) -> None:
    assert load.value("name", "${env.A}", A="x${env.B}", B="y") == "xy"
    (problem,) = load.model_problems("name: ${env.A}", A="${env.B}", B="${env.C}", C="z")
    assert problem == "config.yaml:4: models.m.name: ${env.C}: environment variable not set"


def test_macros_may_hold_references_and_references_macros(load: Any) -> None:
    model = load.model("name: ${A} ${env.V}\nmacros: {A: '${env.W}'}", V="${MODEL_ID}", W="w")
    assert model.name == "w m"


def test_columns_stay_right_behind_a_reference(load: Any) -> None:
    (problem,) = load.problems('a: ["${env.V}" }', V="x")
    assert "(column 16)" in problem


def test_an_alias_of_a_scalar_with_a_reference_is_replaced_too(load: Any) -> None:
    config = load.resolved("defs: &k ${env.V}\napiKeys: [*k]\n", V="secret")
    assert config.api_keys == ("secret",)
