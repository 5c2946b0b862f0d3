"""Pins: which name stands for which, in bodies, queries and paths."""

from __future__ import annotations

import pytest

from swapyard.config.schema import Profile
from swapyard.errors import NotFound
from swapyard.proxy.profiles import Pins

PINS = Pins(
    "work",
    Profile(
        pins={"fast": "small", "a": "b", "b": "a", "author/model": "x y/ü", "author": "other", "off": "", "off/on": "on"}
    ),
)


@pytest.mark.parametrize(
    ("name", "target"),
    [("fast", "small"), ("a", "b"), ("b", "a"), ("author/model", "x y/ü"), ("small", "small"), ("Fast", "Fast")],
)
def test_a_name_is_exchanged_once(name: str, target: str) -> None:
    assert PINS.target(name) == target


def test_a_disabled_name_tells_the_profile_and_the_pin() -> None:
    with pytest.raises(NotFound) as caught:
        PINS.target("off")
    assert caught.value.message == 'model "off" is disabled by profile "work", which is active: its pin has no target'
    assert (caught.value.status, caught.value.code, caught.value.param) == (404, "model_not_found", "model")


@pytest.mark.parametrize(
    ("raw", "rewritten"),
    [
        (b"fast/v1/models", b"small/v1/models"),
        (b"fast", b"small"),
        (b"fast/", b"small/"),
        (b"faster/v1", b"faster/v1"),
        (b"%66ast/a%2Fb/%252F", b"small/a%2Fb/%252F"),
        (b"author/model/v1", b"x%20y/%C3%BC/v1"),
        (b"author%2Fmodel/v1", b"x%20y/%C3%BC/v1"),
        (b"author//model//v1", b"x%20y/%C3%BC//v1"),
        (b"author/else/v1", b"other/else/v1"),
        (b"a/b", b"b/b"),
        (b"v1/fast", b"v1/fast"),
        (b"off/on/x", b"on/x"),
        (b"", b""),
    ],
)
def test_the_longest_pin_that_begins_a_path_is_replaced(raw: bytes, rewritten: bytes) -> None:
    assert PINS.rewrite_path(raw) == rewritten


def test_a_path_of_a_disabled_name() -> None:
    with pytest.raises(NotFound, match='"off" is disabled by profile "work"'):
        PINS.rewrite_path(b"off/v1")
