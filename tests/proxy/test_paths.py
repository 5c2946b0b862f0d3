"""The language that names a place in a body."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapyard.proxy.paths import APPEND, HIGHEST_INDEX, Key, check_path, parse_path


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("a", (Key("a"),)),
        ("a.b.c", (Key("a"), Key("b"), Key("c"))),
        ("list.2", (Key("list"), Key("2", 2))),
        ("list.02", (Key("list"), Key("02", 2))),
        ("list.-1", (Key("list"), Key("-1", APPEND))),
        ("list.-2", (Key("list"), Key("-2"))),
        ("a.:7", (Key("a"), Key("7"))),
        ("a.:-1", (Key("a"), Key("-1"))),
        (":a", (Key("a"),)),
        ("a:b", (Key("a:b"),)),
        ("\\:a", (Key(":a"),)),
        ("::a", (Key(":a"),)),
        ("esc\\.key.b", (Key("esc.key"), Key("b"))),
        ("a\\\\b", (Key("a\\b"),)),
        ("a\\*", (Key("a*"),)),
        ("a..b", (Key("a"), Key(""), Key("b"))),
        ("a.", (Key("a"), Key(""))),
        ("a\\", (Key("a"),)),
        ("a.²", (Key("a"), Key("²"))),
        ("", (Key(""),)),
    ],
)
def test_parsing(path: str, keys: tuple[Key, ...]) -> None:
    assert parse_path(path) == keys


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("a.b", None),
        ("a\\*b\\|c\\#\\?\\@", None),
        ("models", None),
        ("x.model", None),
        ("a..b", None),
        (f"a.{HIGHEST_INDEX}", None),
        ("99999", None),  # at the top it is a key
        ("a.:99999", None),
        ("", "is empty"),
        ("a*", '"*"'),
        ("a.b?", '"?"'),
        ("a.#", '"#"'),
        ("@this", '"@"'),
        ("a|b", '"|"'),
        ("model", "no filter may change the model"),
        ("model.x", "no filter may change the model"),
        (":model", "no filter may change the model"),
        ("mo\\del", "no filter may change the model"),
        ("model.-1", "no filter may change the model"),
        (f"a.{HIGHEST_INDEX + 1}", "an index may be"),
        ("a." + "9" * 10_000, "an index may be"),
    ],
)
def test_checking(path: str, problem: str | None) -> None:
    found = check_path(path)
    assert found is None if problem is None else found is not None and problem in found


@given(st.text(alphabet="a.:\\*?#@|-1²٣7", max_size=12))
def test_any_text_can_be_checked_and_parsed(path: str) -> None:
    check_path(path)
    assert parse_path(path)
