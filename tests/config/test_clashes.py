"""Models that would listen at one address: a warning that names them, and where there is none."""

from __future__ import annotations

import json
from typing import Any

import pytest

PORT = "x ${PORT}"


def text(models: dict[str, tuple[str, str]]) -> str:
    """Name -> command and proxy (empty: not given)."""
    blocks = {name: {"cmd": cmd, "proxy": proxy} if proxy else {"cmd": cmd} for name, (cmd, proxy) in models.items()}
    return json.dumps({"startPort": 5800, "models": blocks})


@pytest.mark.parametrize(
    ("models", "warning"),
    [
        (
            {"a": ("x", "http://localhost:99"), "b": ("x", "http://127.0.0.1:99/v1")},
            'models.b.proxy: localhost:99 is also the address of "a"; they can only run one at a time',
        ),
        (
            {"a": ("x", "http://gpu"), "b": ("x", "http://GPU:80")},
            'models.b.proxy: gpu:80 is also the address of "a"; they can only run one at a time',
        ),
        (
            {"a": ("x", "http://[::1]:5800"), "b": (PORT, "")},
            'models.a.proxy: localhost:5800 is also the address of "b" (its ${PORT}); they can only run one at a time',
        ),
        (
            {"a": (PORT, "http://gpu:1"), "b": ("x", "http://0.0.0.0:5800")},
            'models.b.proxy: localhost:5800 is also the address of "a" (its ${PORT}); they can only run one at a time',
        ),
        (
            dict.fromkeys("abcdefgh", ("x", "http://h:1")),
            'models.h.proxy: h:1 is also the address of "a", "b", "c", "d", "e" and 2 more; they can only run one at a time',
        ),
    ],
)
def test_a_shared_address_is_warned_of_once_with_the_names(load: Any, models: Any, warning: str) -> None:
    (found,) = load.warnings(text(models))
    assert found == f"config.yaml:1: {warning}"


@pytest.mark.parametrize(
    "models",
    [
        {"a": (PORT, ""), "b": (PORT, ""), "c": ("x", "http://localhost:5802")},
        {"a": (PORT, "http://localhost:${PORT}"), "b": (PORT, "http://127.0.0.1:${PORT}")},
        {"a": (PORT, "http://127.0.0.1:5800")},
        {"a": ("x", "http://h:1"), "b": ("x", "http://g:1"), "c": ("x", "http://h:2"), "d": ("x", "https://h")},
    ],
)
def test_addresses_of_their_own_are_fine(load: Any, models: Any) -> None:
    assert load.warnings(text(models)) == []


def test_models_that_cannot_be_started_clash_with_nobody(load: Any) -> None:
    warnings = load.warnings(text({"a": ("", "http://h:1"), "b": ("x", "http://h:1"), "c": ("x", "h:1"), "d": ("x", "h:1")}))
    assert not any("one at a time" in warning for warning in warnings)
