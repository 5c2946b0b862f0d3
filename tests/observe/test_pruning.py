"""Rows that a file keeps no longer than it should, and what it does with the room."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from tests.observe.rows import Open, ids, listed, request_of

from swapyard.observe.activity import ActivityQuery, ActivityStore
from swapyard.observe.activity.database import Database
from swapyard.observe.activity.pruning import AT_ONCE, Pruning

DAY = 86_400.0


def old(**more: Any) -> Any:
    return request_of("old", ended=time.time() - 2 * DAY, **more)


def new(**more: Any) -> Any:
    return request_of("new", ended=time.time(), **more)


def tables(path: Path) -> list[int]:
    """How many rows llama-swap's table has, and ours."""
    with contextlib.closing(sqlite3.connect(path)) as file:
        return [file.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("activity", "swapyard_activity")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "activity.db"


def filled(open_store: Open, path: Path, rows: int) -> None:
    """With old ones and a new one."""
    store: ActivityStore = open_store(path)
    store.record_all([old(error="x" * 200) for _ in range(rows)])
    store.record(new())
    store.close()


@pytest.mark.parametrize("rows", [0, 3, AT_ONCE, 2 * AT_ONCE + 1])
def test_rows_of_both_tables_go_when_they_are_too_old(open_store: Open, path: Path, rows: int) -> None:
    filled(open_store, path, rows)
    store = open_store(path, retention=DAY)
    store.record(new())
    assert ids(store) == [rows + 2, rows + 1]
    assert tables(path) == [2, 2]


def test_all_rows_are_kept_where_nothing_else_is_asked_for(open_store: Open, path: Path) -> None:
    filled(open_store, path, 3)
    store = open_store(path)
    store.record(new())
    assert listed(store)["total"] == 5


def test_another_retention_takes_effect_at_once_without_a_request(open_store: Open, path: Path) -> None:
    filled(open_store, path, 3)
    store = open_store(path, retention=3 * DAY)
    store.flush()
    assert listed(store)["total"] == 4
    store.keep(1000, DAY)
    assert ids(store) == [4]
    store.record(old())
    assert ids(store) == [5, 4]
    store.keep(1000)
    assert ids(store) == [5, 4]


def test_rows_in_memory_are_as_many_as_memory_keeps(open_store: Open) -> None:
    store = open_store(retention=DAY)
    store.record(old())
    store.keep(1000, 2 * DAY)
    store.record(old())
    assert ids(store) == [2, 1]


def test_it_is_time_once_an_hour_or_when_a_tenth_of_the_retention_is_over(tmp_path: Path) -> None:
    now = [50.0]
    database = Database(tmp_path / "activity.db")
    for retention, pause in ((100 * DAY, 3600.0), (600.0, 60.0)):
        pruning = Pruning(retention, lambda: now[0])
        assert pruning.seconds_left() == 0.0
        pruning.prune(database, lambda: True)
        now[0] += 10
        assert pruning.seconds_left() == pause - 10
        database.insert([(int(now[0]), request_of(ended=0.0))])
        pruning.prune(database, lambda: True)
        assert database.listing(ActivityQuery(), lambda _: False).total == 1  # not yet
        now[0] += pause
        pruning.prune(database, lambda: True)
        assert database.listing(ActivityQuery(), lambda _: False).total == 0
    assert Pruning(0.0, lambda: now[0]).seconds_left() is None
    database.close()


def test_what_is_recorded_meanwhile_is_written_between_the_deletions(tmp_path: Path) -> None:
    database = Database(tmp_path / "activity.db")
    database.insert([(number, old()) for number in range(1, 3 * AT_ONCE)])
    left: list[int] = []

    def meanwhile() -> bool:
        left.append(database.listing(ActivityQuery(), lambda _: False).total)
        database.insert([(10 * AT_ONCE + len(left), new())])
        return len(left) < 2

    Pruning(DAY).prune(database, meanwhile)
    assert left == [2 * AT_ONCE - 1, AT_ONCE]  # and it stops when it is told to
    database.close()


def test_a_file_that_is_locked_is_tried_again(
    open_store: Open, path: Path, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swapyard.observe.activity.database.BUSY_MS", 20)
    now = [0.0]
    filled(open_store, path, 3)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        store = open_store(path, retention=DAY, clock=lambda: now[0])
        store.keep(1000, 2 * DAY)
        store.keep(1000, DAY)
        assert listed(store)["total"] == 4
    assert warnings == []  # nothing is lost
    now[0] = 31.0
    store.record(new())
    assert ids(store) == [5, 4]


def test_who_closes_the_store_does_not_wait_for_all_deletions(
    open_store: Open, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(open_store, path, 3 * AT_ONCE)
    opened: list[ActivityStore] = []
    delete = Database.delete_before

    def delete_and_be_closed(database: Database, before: int, most: int) -> int:
        opened[0]._closing.set()
        return delete(database, before, most)

    store: ActivityStore = open_store(path)
    opened.append(store)
    monkeypatch.setattr(Database, "delete_before", delete_and_be_closed)
    store.keep(1000, DAY)
    store.close()
    assert tables(path) == [2 * AT_ONCE + 1] * 2


# --- large files ---


@pytest.fixture
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swapyard.observe.activity.database.EXACT_ROWS", 100)


def test_figures_of_a_large_file_are_the_old_ones_until_they_are_counted_anew(
    open_store: Open, path: Path, small_is_large: None
) -> None:
    filled(open_store, path, 500)
    database = Database(path)
    assert database.statistics(ActivityQuery()).total_requests == 501
    before = int(time.time() - DAY)
    assert database.delete_before(before, 200) == 200
    reads: list[str] = []
    database._reader.set_trace_callback(reads.append)
    assert database.statistics(ActivityQuery()).total_requests == 501
    assert not any("sum(" in read for read in reads)  # who asks does not wait for that
    database.insert([(600, new())])
    assert database.statistics(ActivityQuery()).total_requests == 502
    database.recount()
    assert database.statistics(ActivityQuery()).total_requests == 302
    assert [used[:2] for used in sorted(database.uses())] == [("new", 2), ("old", 300)]
    # Others are still noticed.
    with contextlib.closing(sqlite3.connect(path)) as file, file:
        file.execute("DELETE FROM activity WHERE id < 400")
    assert database.statistics(ActivityQuery()).total_requests == 103
    database.close()


def test_a_file_that_becomes_small_and_large_again_is_counted_anew(
    open_store: Open, path: Path, small_is_large: None
) -> None:
    filled(open_store, path, 500)
    database = Database(path)
    database.warm_up()
    Pruning(DAY).prune(database, lambda: True)
    assert database.statistics(ActivityQuery()).total_requests == 1
    database.insert([(number, new()) for number in range(600, 800)])
    assert database.statistics(ActivityQuery()).total_requests == 201
    database.close()


@pytest.mark.parametrize(("rows", "kept"), [(98, True), (100, False)])
def test_where_much_goes_the_indexes_of_a_large_file_are_made_anew(
    path: Path, small_is_large: None, monkeypatch: pytest.MonkeyPatch, rows: int, kept: bool
) -> None:
    monkeypatch.setattr("swapyard.observe.activity.database.LARGE", 100)
    database = Database(path)
    database.insert([(number, old() if number <= rows else new()) for number in range(1, 1001)])
    database.tend()
    statements: list[str] = []
    database._writer.set_trace_callback(statements.append)
    Pruning(DAY).prune(database, lambda: True)
    assert any(one.startswith("DROP INDEX") for one in statements) is not kept
    assert database.statistics(ActivityQuery()).total_requests == 1000 - rows
    names = {row[1] for row in database._reader.execute("PRAGMA index_list(activity)")}
    assert "swapyard_sort_duration_ms" in names
    database.close()


# --- room on the disk ---


def test_the_file_becomes_smaller_where_much_of_it_is_free(open_store: Open, path: Path) -> None:
    filled(open_store, path, 9000)
    before = path.stat().st_size
    store = open_store(path, retention=DAY)
    store.record(new())
    assert len(ids(store)) == 2
    store.close()
    assert path.stat().st_size < before / 10


def test_room_is_given_back_a_part_at_a_time(path: Path) -> None:
    database = Database(path)
    database.insert([(number, old(error="x" * 500)) for number in range(1, 6000)])
    while database.delete_before(int(time.time() - DAY), AT_ONCE):
        pass
    free = database._writer.execute("PRAGMA freelist_count").fetchone()[0]
    assert free > 600
    assert database.shrink()
    assert database._writer.execute("PRAGMA freelist_count").fetchone()[0] == free - 512
    while database.shrink():
        pass
    assert database._writer.execute("PRAGMA freelist_count").fetchone()[0] == 0
    database.close()


def test_a_little_room_is_used_again(path: Path) -> None:
    database = Database(path)
    database.insert([(number, new(error="x" * 500)) for number in range(1, 4000)])
    assert not database.shrink()
    assert database._writer.execute("PRAGMA freelist_count").fetchone()[0] == 0
    database._writer.execute("DELETE FROM activity WHERE id < 200")
    free = database._writer.execute("PRAGMA freelist_count").fetchone()[0]
    assert free > 0
    assert not database.shrink()
    assert database._writer.execute("PRAGMA freelist_count").fetchone()[0] == free
    database.close()


def test_a_file_that_cannot_become_smaller_is_pruned_all_the_same(open_store: Open, path: Path) -> None:
    """As llama-swap makes them."""
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE activity_of_another_time (x)")
    filled(open_store, path, 3000)
    size = path.stat().st_size
    store = open_store(path, retention=DAY)
    store.record(new())
    assert len(ids(store)) == 2
    store.close()
    assert path.stat().st_size == size


def test_the_log_of_writes_becomes_small_again_after_a_long_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swapyard.observe.activity.database._LARGEST_LOG", 100_000)
    database = Database(path)
    log = path.with_name("activity.db-wal")
    number = iter(range(1, 100_000))

    def write() -> None:
        for _ in range(20):
            database.insert([(next(number), new(error="x" * 500)) for _ in range(500)])

    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM activity").fetchone()
        write()
        assert log.stat().st_size > 4_000_000
    write()
    database.insert([(next(number), new())])
    assert log.stat().st_size < 8_000_000
    database.close()
