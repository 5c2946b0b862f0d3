"""The store, opened as often as a test wants."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.observe.rows import Open

from swapyard.observe.activity import ActivityStore


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def open_store(warnings: list[str]) -> Iterator[Open]:
    opened: list[ActivityStore] = []

    def open_one(path: Path | None = None, **more: Any) -> ActivityStore:
        opened.append(ActivityStore(str(path) if path else None, warn=warnings.append, **more))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, open_store: Open, tmp_path: Path) -> ActivityStore:
    return open_store(None if request.param == "memory" else tmp_path / "activity.db")
