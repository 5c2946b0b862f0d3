"""What YAML text means."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from swapyard.errors import ConfigError


@pytest.mark.parametrize(
    ("written", "meaning"),
    [
        ("300", 300),
        ("0x10", 16),
        ("0o17", 15),
        ("0b11", 3),
        ("010", 8),
        ("+5", 5),
        ("1_000", 1000),
        ("1.9", 1),
        ("1e3", 1000),
        ("08", 8),
        ("~", 0),
        ("null", 0),
        ("", 0),
    ],
)
def test_whole_numbers(load: Any, written: str, meaning: int) -> None:
    assert load.value("ttl", written) == meaning


@pytest.mark.parametrize("written", ['"5"', "1:30", "true", "[1]", "{a: 1}", ".inf", ".nan", "abc", "99999999999999999999"])
def test_what_is_no_whole_number(load: Any, written: str) -> None:
    (problem,) = load.model_problems(f"ttl: {written}")
    assert problem.startswith("config.yaml:4: models.m.ttl: must be ")


@pytest.mark.parametrize(
    ("written", "meaning"),
    [(word, True) for word in ("true", "True", "TRUE", "yes", "on", "y", "Yes", '"yes"', "'on'")]
    + [(word, False) for word in ("false", "False", "FALSE", "no", "off", "n", '"no"', "~")],
)
def test_booleans(load: Any, written: str, meaning: bool) -> None:
    assert load.value("unlisted", written) is meaning


@pytest.mark.parametrize("written", ['"true"', "1", "0", "maybe", "[true]"])
def test_what_is_no_boolean(load: Any, written: str) -> None:
    (problem,) = load.model_problems(f"unlisted: {written}")
    assert "models.m.unlisted: must be true or false" in problem


@pytest.mark.parametrize(
    ("written", "meaning"),
    [
        ("1.10", "1.10"),
        ("0x10", "0x10"),
        ("1.50", "1.50"),
        ("2024-01-01", "2024-01-01"),
        ("yes", "yes"),
        ("true", "true"),
        ("1:30", "1:30"),
        ('"~"', "~"),
        ("~", ""),
        ("!!str 5", "5"),
        ("010", "010"),
    ],
)
def test_a_string_key_keeps_the_written_text(load: Any, written: str, meaning: str) -> None:
    assert load.value("name", written) == meaning


def test_api_keys_keep_their_written_text(load: Any) -> None:
    assert load.resolved("apiKeys: [01234, 1e3, abc, ~]").api_keys == ("01234", "1e3", "abc")


@pytest.mark.parametrize(
    ("written", "meaning"),
    [
        ("5", 5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("-0x1F", -31),
        (".inf", float("inf")),
        ("yes", "yes"),
        ("TRUE", True),
        ("~", None),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ('"5"', "5"),
        ("-a", "-a"),
        ("+", "+"),
        ("0_7", 7),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", 2.0**64),
        ("[1, {a: 2}]", [1, {"a": 2}]),
    ],
)
def test_free_data_is_typed(load: Any, written: str, meaning: object) -> None:
    value = load.model(f"metadata:\n  x: {written}").metadata["x"]
    assert value == meaning
    assert type(value) is type(meaning)


def test_only_the_first_document_is_read(load: Any) -> None:
    assert load.resolved("startPort: 7000\n---\nstartPort: 8000\n").start_port == 7000


@pytest.mark.parametrize("text", ["", "# nothing\n", "~", "just words", "[]", "{}", "---\n"])
def test_a_file_without_settings_means_the_defaults(load: Any, text: str) -> None:
    assert load.resolved(text) == load.resolved("startPort: 5800")


def test_a_list_at_the_top_is_refused(load: Any) -> None:
    assert load.problems("- a\n") == ["config.yaml:1: the top level must be a mapping, got a list"]


@pytest.mark.parametrize(
    "text",
    [
        "startPort: 1\nstartPort: 2\n",
        "a: {b: 1,\n  b: 2}\n",
        "x:\n  - {k: 1,\n     'k': 2}\n",
        "apiKeys: [a]\n'apiKeys': [b]\n",
    ],
)
def test_a_key_twice_in_one_mapping_is_refused_everywhere(load: Any, text: str) -> None:
    (problem,) = load.problems(text)
    assert "appears twice in one mapping" in problem


def test_a_repeated_key_is_reported_with_both_lines(load: Any) -> None:
    assert load.problems("logLevel: info\n\nlogLevel: warn\n") == [
        'config.yaml:3: key "logLevel" appears twice in one mapping (first in line 1)'
    ]


def test_a_repeated_key_hides_no_other_problem_and_its_first_value_counts(load: Any) -> None:
    found = load.problems(
        """\
models:
  m:
    cmd: server ${gone}
    ttl: soon
    ttl: 5
    proxy: http://x
  n: {cmd: 'x ${PORT}', aliases: [first]}
  n: {cmd: 'x ${PORT}', aliases: [second]}
groups: {g: {members: [first, second]}}
"""
    )
    assert found == [
        "config.yaml:3: models.m.cmd: macro ${gone} is not defined",
        'config.yaml:4: models.m.ttl: must be a number, got the string "soon"',
        'config.yaml:5: key "ttl" appears twice in one mapping (first in line 4)',
        'config.yaml:8: key "n" appears twice in one mapping (first in line 7)',
        'config.yaml:9: groups.g.members[1]: unknown model "second"',
    ]


def test_anchors_aliases_and_merge_keys(load: Any) -> None:
    models = load.resolved(
        """
        defs:
          base: &base {ttl: 5, unlisted: true}
          other: &other {ttl: 9, name: other}
        models:
          a: {<<: *base, cmd: "x ${PORT}", unlisted: false}
          b: {<<: [*base, *other], cmd: "x ${PORT}"}
          c:
            cmd: &cmd "y ${PORT}"
          d:
            cmd: *cmd
        """
    ).models
    assert (models["a"].ttl, models["a"].unlisted) == (5, False)
    assert (models["b"].ttl, models["b"].name) == (5, "other")
    assert models["d"].argv == ("y", "5803")


def test_an_unknown_top_level_key_may_hold_anchors_without_a_warning(load: Any) -> None:
    assert load.warnings("defs: &d {ttl: 5}\nx-note: hello\nmodels: {m: {cmd: 'x ${PORT}'}}\n") == []


@pytest.mark.parametrize(
    "text", ["a: *nothing", "a: &a [*a]", "a: [1, 2\nb: 3", "a:\n\t- b", "a: b: c", "<<: 5", "? [a]\n: b"]
)
def test_what_is_no_yaml_is_refused_with_its_line(load: Any, text: str) -> None:
    problem = load.problems(text)[0]
    assert problem.startswith("config.yaml:")
    assert "line 0" not in problem


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("models:\n  m: {cmd: server --port ${PORT}}", 2),
        ("models:\n  m: {\n    cmd: x,\n    name: ${MODEL_ID}\n  }", 4),
        ("apiKeys: [${key}]", 1),
    ],
)
def test_a_reference_in_flow_style_that_needs_quotes_is_told_so(load: Any, text: str, line: int) -> None:
    (problem,) = load.problems(text)
    assert problem.startswith(f"config.yaml:{line}: not valid YAML: ")
    assert problem.endswith('; in {} and [] a value with ${...} needs quotes, as in {cmd: "server --port ${PORT}"}')


@pytest.mark.parametrize("text", ["a: {b: {c}}}", "a: b: ${x}", 'a: {cmd: "x ${PORT}}', "a: {b: '${x}'}}", "a: ["])
def test_other_syntax_errors_get_no_hint_about_references(load: Any, text: str) -> None:
    assert "needs quotes" not in "".join(load.problems(text))


@pytest.mark.parametrize(
    ("cmd", "hint"),
    [
        ('    cmd: server --note "a: b"', "is quoted as a whole"),
        ('    cmd: "/my programs/server" --port 1', "a value that begins with a quote ends with it"),
        ('    cmd: "server \\d"', "a backslash is written twice"),
        ("    cmd: @server", "a value that begins with @ needs quotes"),
        ("    cmd: *.gguf", "a value that begins with * needs quotes"),
        ("\t  cmd: server", "indent with blanks, not with tabs"),
        ("    cmd: server\n   ttl: 5", "not indented like those it belongs to"),
        ("    cmd server\n    ttl: 5", "the colon of the line before"),
        ("    cmd: server\n      ttl: 5", "indented too far"),
        ("    cmd: |\n    server\n    ttl: 5", "line 4 is no key"),
        ("    aliases: [a, b\n    ttl: 5", "it began in line 3"),
        ('    cmd: "server\n    ttl: 5', "it began in line 3"),
    ],
)
def test_how_a_syntax_error_usually_comes_about_is_told(load: Any, cmd: str, hint: str) -> None:
    (problem,) = load.problems(f"models:\n  m:\n{cmd}\n")
    assert ": not valid YAML: " in problem
    assert hint in problem


def test_ids_and_other_keys_are_their_written_text(load: Any) -> None:
    models = load.resolved("models: {1: {cmd: 'x ${PORT}'}, true: {cmd: 'x ${PORT}'}, 1.10: {cmd: 'x ${PORT}'}}").models
    assert set(models) == {"1", "true", "1.10"}


def test_free_data_below_a_number_as_key_is_expanded_too(load: Any) -> None:
    assert load.model("metadata:\n  5: ${MODEL_ID}").metadata == {"5": "m"}


def test_null_for_a_list_or_map_empties_it(load: Any) -> None:
    assert load.resolved("ui: {activity: {session_id: ~}}").session_headers == ()
    assert load.model("aliases: ~\nmetadata: ~").aliases == ()


def test_null_for_a_block_leaves_its_defaults(load: Any) -> None:
    config = load.resolved("ui: ~\nperformance:\nrouting: ~\nmodels: ~\ngroups: ~\nstore: ~\n")
    assert config == load.resolved("")
    assert load.model("timeouts: ~").timeouts.connect == 30


def test_a_null_entry_of_a_map_gets_defaults_and_checks(load: Any) -> None:
    config = load.resolved("groups: {g: ~}\nmodels: {a: {cmd: 'x ${PORT}'}}")
    assert config.routing.groups["g"].swap is True
    assert load.problems("models:\n  a: ~\n") == [
        "config.yaml:2: models.a.cmd: is needed; or proxy, for a server that is not started here"
    ]
    assert [line.split(": ")[1] for line in load.problems("peers:\n  p: ~\n")] == ["peers.p.models", "peers.p.proxy"]


def test_a_misspelt_cmd_is_told_once(load: Any) -> None:
    text = "models:\n  a:\n    command: server --port ${PORT}\n"
    assert load.problems(text) == ["config.yaml:2: models.a.cmd: is needed; or proxy, for a server that is not started here"]


@pytest.mark.parametrize(
    ("text", "path"),
    [("aliases: one", "models.m.aliases"), ("filters: [a]", "models.m.filters"), ("metadata: 5", "models.m.metadata")],
)
def test_the_wrong_kind_of_node_is_refused(load: Any, text: str, path: str) -> None:
    (problem,) = load.model_problems(text)
    assert problem.startswith(f"config.yaml:4: {path}: must be a ")


# --- hostile files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "{a: " * 5_000, "- " * 5_000 + "x", "\n".join(f"{' ' * depth}k{depth}:" for depth in range(500)) + " x"],
    ids=["lists", "maps", "dashes", "lines"],
)
def test_deep_nesting_is_refused(load: Any, text: str) -> None:
    assert "nested deeper than 100 levels" in load.problems(text)[0]


def test_an_alias_bomb_is_refused(load: Any) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 12)]
    assert "aliases expand to more than" in load.problems("\n".join(lines))[0]


def test_a_bomb_of_merge_keys_is_refused(load: Any) -> None:
    base = "base: &b {" + ", ".join(f"k{number}: 1" for number in range(3000)) + "}\n"
    assert "more than 3000000 entries" in load.problems(base + "m: {<<: [" + ", ".join(["*b"] * 3000) + "]}")[0]


def test_a_bomb_of_macros_is_refused(load: Any) -> None:
    lines = ["macros:", "  a0: xxxxxxxxxx"]
    lines += [f"  a{level}: ${{a{level - 1}}}${{a{level - 1}}}" for level in range(1, 40)]
    problem = load.problems("\n".join(lines) + "\nlogLevel: ${a39}x\n")[0]
    assert "makes the text longer than" in problem


@pytest.mark.parametrize(
    "text", ["a: \x00", "a: \x07b", "\ud800: x".encode("utf-8", "replace").decode(), "%YAML 9.9\n--- a", "!<x> y"]
)
def test_odd_bytes_give_an_error_or_nothing_but_never_a_crash(load: Any, text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert load.resolved(text).models == {}
