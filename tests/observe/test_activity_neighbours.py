"""The activity's file while other programs add and delete rows, leave anything in it, empty it or take it away."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.observe.rows import Open, ids, listed, request_of

from swapyard.observe.activity import ActivityQuery, Row
from swapyard.observe.activity.database import Database
from swapyard.observe.activity.export import Format
from swapyard.observe.figures import Usage
from swapyard.observe.history import Change


def test_rows_that_another_program_adds_between_two_tries_lose_no_row(
    open_store: Open, tmp_path: Path, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch whose ids are taken is written behind all others, in a transaction that lets nobody in between."""
    path = tmp_path / "activity.db"
    begun = Database._in_transaction

    def after_another(self: Database, main: Any, ours: Any, **more: Any) -> int:
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("INSERT INTO activity (ts_created, model_id) VALUES (1, 'theirs')")
        return begun(self, main, ours, **more)

    store = open_store(path)
    monkeypatch.setattr(Database, "_in_transaction", after_another)
    store.record(request_of("ours"))
    assert [row["model"] for row in listed(store)["data"]] == ["ours", "theirs", "theirs"]
    assert not warnings


@pytest.mark.parametrize("column", ["ts_created", "model_id", "error_msg"])
@pytest.mark.parametrize("value", ["1790000000000", "-99999999999999", "'2026-01-01'", "CAST(x'ff41' AS TEXT)"])
def test_a_row_with_anything_in_it_does_not_hide_the_others(
    open_store: Open, tmp_path: Path, column: str, value: str
) -> None:
    store = open_store(tmp_path / "activity.db")
    store.record(request_of("ours"))
    store.flush()
    values = {"ts_created": "1", "model_id": "'theirs'", "error_msg": "''"} | {column: value}
    with contextlib.closing(sqlite3.connect(tmp_path / "activity.db")) as connection, connection:
        connection.execute(f"INSERT INTO activity ({', '.join(values)}) VALUES ({', '.join(values.values())})")
    assert ids(store) == [2, 1]
    assert len(store.uses()) == 2
    assert b"".join(store.export(ActivityQuery(), Format.CSV)).count(b"\r\n") == 3


def test_rows_deleted_while_they_are_listed_are_still_listed(
    open_store: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids are found first, then their rows."""
    path = tmp_path / "activity.db"
    store = open_store(path)
    for _ in range(3):
        store.record(request_of())
    store.flush()
    rows = Database._rows

    def after_a_deletion(self: Database, *given: Any) -> list[Row]:
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DELETE FROM activity WHERE id <= 2")
        return rows(self, *given)

    monkeypatch.setattr(Database, "_rows", after_a_deletion)
    assert ids(store) == [3, 2, 1]
    assert ids(store) == [3]


def test_any_gap_between_ids_is_counted_over(open_store: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swapyard.observe.activity.database.EXACT_ROWS", 10)
    store = open_store(tmp_path / "activity.db")
    store.record(request_of(usage=Usage(input_tokens=1)))
    store.flush()
    with contextlib.closing(sqlite3.connect(tmp_path / "activity.db")) as connection, connection:
        connection.execute("INSERT INTO activity (id, ts_created, model_id) VALUES (9000000000000000000, 1, 'theirs')")
    assert store.statistics().total_requests == 2


def test_totals_beyond_64_bits_are_told(open_store: Open, tmp_path: Path) -> None:
    store = open_store(tmp_path / "activity.db")
    for _ in range(1200):
        store.record(request_of(usage=Usage(input_tokens=2**53)))
    store.flush()
    assert store.statistics().total_input_tokens >= 2**63 - 1


@pytest.mark.parametrize("how", ["deleted", "deleted with its log", "moved", "replaced"])
def test_a_file_that_is_gone_is_begun_anew(open_store: Open, tmp_path: Path, warnings: list[str], how: str) -> None:
    path, other = tmp_path / "activity.db", tmp_path / "elsewhere.db"
    if how == "replaced":
        backup = open_store(other)
        backup.record(request_of("backup"))
        backup.close()
    store = open_store(path)
    store.record(request_of("before"))
    store.flush()
    match how:
        case "moved":
            path.rename(other)
        case "replaced":
            other.rename(path)
        case _:
            path.unlink()
    if how == "deleted with its log":
        for name in ("activity.db-wal", "activity.db-shm"):
            (tmp_path / name).unlink()
    store.record(request_of("after"))
    expected = ["after", "backup"] if how == "replaced" else ["after"]
    assert [row["model"] for row in listed(store)["data"]] == expected
    assert len(warnings) == 2
    assert "is gone (deleted, moved or replaced)" in warnings[0]
    store.close()
    assert [row["model"] for row in listed(open_store(path))["data"]] == expected
    if how == "moved":
        assert [row["model"] for row in listed(open_store(other))["data"]] == ["before"]


def test_changes_of_models_wait_for_the_file_that_is_begun_anew(open_store: Open, tmp_path: Path) -> None:
    path = tmp_path / "activity.db"
    store = open_store(path)
    store.record(request_of())
    store.flush()
    path.unlink()
    store.note(Change(id=1, at=1.0, model="m", run=1, state="starting", cause="requested"))
    store.flush()
    for _ in range(2):  # the first begins the file
        store.record(request_of())
        store.flush()
    assert [one.at for one in store.changes()] == [1.0]


def test_viewers_are_told_the_ids_that_rows_got(open_store: Open, tmp_path: Path) -> None:
    told: list[int] = []
    store = open_store(tmp_path / "activity.db", stored=told.extend)
    with contextlib.closing(sqlite3.connect(tmp_path / "activity.db")) as connection, connection:
        connection.execute("INSERT INTO activity (ts_created, model_id) VALUES (1, 'theirs')")
    for _ in range(2):
        store.record(request_of())
        store.flush()
    assert told == [2, 3]


def test_a_directory_in_place_of_the_file_degrades_to_memory(open_store: Open, tmp_path: Path, warnings: list[str]) -> None:
    path = tmp_path / "activity.db"
    store = open_store(path)
    store.record(request_of("before"))
    store.flush()
    path.unlink()
    path.mkdir()
    for model in ("one", "two"):
        store.record(request_of(model))
        assert store.flush()
    assert [row["model"] for row in listed(store)["data"]] == ["two", "one"]
    assert len(warnings) == 2
    assert "unable to open database file" in warnings[1]


def test_a_file_that_is_emptied_meanwhile_ends_nobody(open_store: Open, tmp_path: Path, warnings: list[str]) -> None:
    """`> activity.db` in a shell. If it was mapped, looking at it would end the process, this one."""
    path = tmp_path / "activity.db"
    store = open_store(path)
    for _ in range(100):
        store.record(request_of("before"))
    assert listed(store)["total"] == 100
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.listing(ActivityQuery())
    os.truncate(path, 0)
    with contextlib.suppress(sqlite3.Error):
        store.listing(ActivityQuery())
    store.record(request_of("after"))
    assert [row["model"] for row in listed(store)["data"]] == ["after"]
    assert len(warnings) == 1
