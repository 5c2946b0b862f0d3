"""What became of the models, over restarts."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from swapyard.observe.activity import ActivityStore, changes
from swapyard.observe.history import TIMED, Change, History


def change(at: float, **more: Any) -> Change:
    fields: dict[str, Any] = {"id": 1, "model": "m", "run": 1, "state": "starting", "cause": "requested"}
    return Change(at=at, **(fields | more))


def store(path: Path | None) -> ActivityStore:
    return ActivityStore(str(path) if path else None, warn=lambda line: pytest.fail(line))


def test_changes_and_loads_are_there_again_after_a_restart(tmp_path: Path) -> None:
    first = store(tmp_path / "a.db")
    stopping = change(2.0, state="stopping", cause="evicted for n", reason="evicted", for_model="n", for_request="7")
    for one in (
        change(1.0),
        stopping,
        change(3.0, state="ready", seconds=1.5),
        change(4.0, model="n", state="ready", seconds=9.0),
    ):
        first.note(one)
    first.close()
    again = store(tmp_path / "a.db")
    history = History()
    history.remember(*again.past())
    assert [one.at for one in history.page()] == [4.0, 3.0, 2.0, 1.0]
    assert history.page()[2] == Change(**{key: getattr(stopping, key) for key in changes.COLUMNS} | {"id": 2})
    assert history.loads("m").median == 1.5
    assert history.loads("n").median == 9.0
    assert history.note(at=5.0, model="m", run=2, state="starting", cause="requested").id == 5
    again.close()


def test_older_changes_are_paged_by_time(tmp_path: Path) -> None:
    kept = store(tmp_path / "a.db")
    for at in range(1, 11):
        kept.note(change(float(at), model="even" if at % 2 == 0 else "odd"))
    assert kept.flush()
    assert [one.at for one in kept.changes(limit=3)] == [10.0, 9.0, 8.0]
    assert [one.at for one in kept.changes(before=8.0, limit=3)] == [7.0, 6.0, 5.0]
    assert [one.at for one in kept.changes(after=8.0)] == [10.0, 9.0]
    assert [one.at for one in kept.changes(model="odd", before=9.0)] == [7.0, 5.0, 3.0, 1.0]
    kept.close()


def test_only_the_last_loads_of_a_model_count(tmp_path: Path) -> None:
    kept = store(tmp_path / "a.db")
    for at in range(TIMED + 5):
        kept.note(change(float(at), state="ready", seconds=float(at)))
    assert kept.flush()
    assert kept.past()[1]["m"] == [float(at) for at in range(5, TIMED + 5)]
    kept.close()


def test_the_file_keeps_a_bounded_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MOST_KEPT", 5)
    kept = store(tmp_path / "a.db")
    for at in range(12):
        kept.note(change(float(at)))
        assert kept.flush()
    assert [one.at for one in kept.changes()] == [11.0, 10.0, 9.0, 8.0, 7.0]
    kept.close()


def test_without_a_file_nothing_is_kept() -> None:
    kept = store(None)
    kept.note(change(1.0))
    assert kept.flush()
    assert kept.changes() == []
    assert kept.past() == ([], {})
    kept.close()


def test_a_file_of_the_version_before_goes_on(tmp_path: Path) -> None:
    store(tmp_path / "a.db").close()
    with sqlite3.connect(tmp_path / "a.db") as file:
        file.execute("DROP TABLE swapyard_changes")
        file.execute("DROP INDEX swapyard_activity_request")
        file.execute("ALTER TABLE swapyard_activity DROP COLUMN request")
        file.execute("DROP INDEX swapyard_activity_session")
        file.execute("ALTER TABLE swapyard_activity DROP COLUMN session")
        file.execute("PRAGMA user_version = 1")
    file.close()
    kept = store(tmp_path / "a.db")
    kept.note(change(1.0))
    assert kept.flush()
    assert len(kept.changes()) == 1
    kept.close()


def test_changes_that_cannot_be_written_now_are_written_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = store(tmp_path / "a.db")
    real = changes.insert

    def full(*_: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(changes, "insert", full)
    kept.note(change(1.0))
    kept.flush(0.5)
    monkeypatch.setattr(changes, "insert", real)
    kept.note(change(2.0))
    kept.flush()
    assert [one.at for one in kept.changes()] == [2.0, 1.0]
    kept.close()
