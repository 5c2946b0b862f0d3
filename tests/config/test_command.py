"""Command lines to arguments, POSIX and Windows."""

from __future__ import annotations

from typing import Any

import pytest

from swapyard.config.command import split_command, unterminated_quote


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("svr   --a\tb", ["svr", "--a", "b"]),
        ("svr\n--a\nb", ["svr", "--a", "b"]),
        ("a\rb \x0b \x0c", ["a\rb", "\x0b", "\x0c"]),
        (r"'c\'d'", ["c\\d"]),
        ('"a\\\\b\n\\$x"', ["a\\b\n$x"]),
        (r'"a\eb\`c\"d"', [r'a\eb`c"d']),
        (r"\e", ["e"]),
        (r"C:\dir\x", ["C:dirx"]),
        ("a\\", ["a"]),
        ("a \\", ["a"]),
        (r"a\ b", ["a b"]),
        ('e"f g"h', ["ef gh"]),
        ("\"a\"'b'", ["ab"]),
        ('svr "" x', ["svr", "", "x"]),
        ("svr '' x", ["svr", "", "x"]),
        ('"a\nb"', ["a\nb"]),
        ('"unterminated x', ["unterminated x"]),
        ("'un", ["un"]),
        ("", []),
        (" \n\t ", []),
        ("a\\\nb", ["a", "b"]),
        ("a \\  \n  b", ["a", "b"]),
        ("a \\\n--b \\\n--c", ["a", "--b", "--c"]),
        ("$VAR ~ * ; | > &&", ["$VAR", "~", "*", ";", "|", ">", "&&"]),
        ("svr # x", ["svr", "#", "x"]),
        ("# all\nsvr\n   # more\n--a", ["svr", "--a"]),
        ("svr \\\n# comment\n --x", ["svr", "--x"]),
        ("svr --json '{\"a\": 1}'", ["svr", "--json", '{"a": 1}']),
        ('"a\\', ["a "]),
    ],
)
def test_posix(text: str, arguments: list[str]) -> None:
    assert split_command(text, "linux") == arguments


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("svr   --a\tb\r\nc", ["svr", "--a", "b", "c"]),
        (r"C:\dir\x.exe --a", [r"C:\dir\x.exe", "--a"]),
        (r'"C:\Program Files\x" a', [r"C:\Program Files\x", "a"]),
        ("'a b'", ["'a", "b'"]),
        (r"a\"b", ['a"b']),
        ('"a""b"', ['a"b']),
        (r'"a\\" b', ["a\\", "b"]),
        (r'"a\\\" b"', ['a\\" b']),
        (r"a\\b", [r"a\\b"]),
        ('""', [""]),
        ('e"f g"h', ["ef gh"]),
        ('"open x', ["open x"]),
        ("a\\\nb", ["a", "b"]),
        ("# no\nsvr", ["svr"]),
        ("", []),
    ],
)
def test_windows(text: str, arguments: list[str]) -> None:
    assert split_command(text, "win32") == arguments


@pytest.mark.parametrize(
    ("text", "platform", "quote"),
    [
        ("a 'b", "linux", "'"),
        ('a "b', "linux", '"'),
        ("a 'b'", "linux", None),
        ("it's", "win32", None),
        ('"a', "win32", '"'),
    ],
)
def test_a_quote_that_is_never_closed(text: str, platform: str, quote: str | None) -> None:
    assert unterminated_quote(text, platform) == quote


def test_many_backslashes_take_linear_time() -> None:
    assert split_command("\\" * 200_000, "win32") == ["\\" * 199_999]


def test_models_carry_their_arguments(load: Any, load_windows: Any) -> None:
    assert load.model("cmd: |\n  svr \\\n    --port ${PORT} \\\n    # no\n    -m 'a b'").argv == (
        "svr",
        "--port",
        "5800",
        "-m",
        "a b",
    )
    assert load_windows.model(r"cmd: C:\svr.exe --port ${PORT}").argv == (r"C:\svr.exe", "--port", "5800")


def test_macros_in_comment_lines_do_not_expand(load: Any) -> None:
    assert load.model("cmd: |\n  svr ${PORT}\n  # ${gone}").argv == ("svr", "5800")


def test_a_reference_after_a_hash_in_the_line_counts(load: Any) -> None:
    assert load.model("cmd: 'svr ${PORT} # ${MODEL_ID}'").argv == ("svr", "5800", "#", "m")


def test_windows_stops_with_taskkill_by_default(load: Any, load_windows: Any) -> None:
    assert load.model("").cmd_stop == ""
    assert load_windows.model("").cmd_stop == "taskkill /f /t /pid ${PID}"


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ("cmd: svr ${PORT} 'x", "models.m.cmd: the quote ' is never closed"),
        ('cmdStop: stop "x', 'models.m.cmdStop: the quote " is never closed'),
        (r"cmd: C:\svr.exe ${PORT}", "models.m.cmd: a backslash outside quotes"),
        ("cmd: ''\nproxy: http://h:1", "models.m.cmd: is empty"),
        ("cmd: |\n  svr ${PORT} 'a\n  # b\n  c'", "models.m.cmd: a line that begins with # is dropped"),
        ("cmd: ~/svr ${PORT}", 'models.m.cmd: "~/svr" is taken as it stands, there is no shell; write ${env.HOME}/svr'),
        ("cmd: cd /srv && svr ${PORT}", 'models.m.cmd: "&&" is an argument like any other, there is no shell'),
        ("cmdStop: stop 2>&1 | cat", 'models.m.cmdStop: "|" is an argument like any other'),
        ("env: [NOVALUE]", 'models.m.env[0]: "NOVALUE" is not NAME=value'),
    ],
)
def test_doubtful_commands_warn(load: Any, body: str, part: str) -> None:
    from_model = load.warnings(
        "models:\n  m:\n"
        + ("" if "cmd:" in body else "    cmd: x ${PORT}\n")
        + "\n".join(f"    {line}" for line in body.splitlines())
    )
    assert any(part in line for line in from_model), from_model


@pytest.mark.parametrize(
    "cmd",
    ["sh -c 'cd ~/srv && svr ${PORT} | tee log'", "svr --port ${PORT} --split '|'", "svr --url http://h:${PORT}/?a&b;c>d"],
)
def test_what_a_shell_would_read_is_no_matter_inside_an_argument(load: Any, cmd: str) -> None:
    assert load.warnings(f"models:\n  m:\n    cmd: {cmd}\n") == []
