"""Rows for the activity store, and how they are listed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec

from swapyard.observe.activity import Activity, ActivityQuery, ActivityStore
from swapyard.observe.figures import Usage

START = 1_760_000_000
Open = Callable[..., ActivityStore]


def request_of(model: str = "m", **more: Any) -> Activity:
    given: dict[str, Any] = {"ended": START + 0.75, "path": "/v1/chat/completions", "status": 200, "duration_ms": 10}
    return Activity(model=model, **(given | {"usage": Usage()} | more))


def listed(store: ActivityStore, **parameters: object) -> dict[str, Any]:
    assert store.flush()
    pairs = [
        (name, str(one)) for name, value in parameters.items() for one in (value if isinstance(value, list) else [value])
    ]
    found: dict[str, Any] = json.loads(msgspec.json.encode(store.listing(ActivityQuery.parse(pairs))))
    return found


def ids(store: ActivityStore, **parameters: object) -> list[int]:
    return [row["id"] for row in listed(store, **parameters)["data"]]
