"""The activity store and its file: what earlier versions and other programs left there, locks, full disks, ids."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
from pathlib import Path

import pytest
from tests.observe.rows import Open, ids, listed, request_of

from swapyard.observe.activity import StoreError
from swapyard.observe.activity.schema import MIGRATIONS
from swapyard.observe.figures import Usage
from swapyard.observe.history import Change

LLAMA_SWAP = """
CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL,
    is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')));
INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1), (1, 1);
CREATE TABLE activity (id INTEGER PRIMARY KEY AUTOINCREMENT, ts_created INTEGER NOT NULL, model_id TEXT NOT NULL,
    req_path TEXT NOT NULL DEFAULT '', resp_content_type TEXT NOT NULL DEFAULT '',
    resp_status_code INTEGER NOT NULL DEFAULT 0, cache_tokens INTEGER NOT NULL DEFAULT 0,
    draft_tokens INTEGER NOT NULL DEFAULT 0, draft_acc_tokens INTEGER NOT NULL DEFAULT 0,
    input_tokens INTEGER NOT NULL DEFAULT 0, output_tokens INTEGER NOT NULL DEFAULT 0,
    prompt_per_second REAL NOT NULL DEFAULT 0, tokens_per_second REAL NOT NULL DEFAULT 0,
    duration_ms INTEGER NOT NULL DEFAULT 0, error_msg TEXT NOT NULL DEFAULT '', metadata_json TEXT NOT NULL DEFAULT '');
CREATE INDEX idx_activity_created_id ON activity (ts_created DESC, id DESC);
CREATE INDEX idx_activity_model_created_id ON activity (model_id, ts_created DESC, id DESC);
INSERT INTO activity (ts_created, model_id, req_path, resp_status_code, input_tokens, metadata_json)
    VALUES (1760000000, 'old', '/v1/chat/completions', 200, 11, '{"selector":"s"}');
INSERT INTO activity (ts_created, model_id) VALUES (1760000001, 'gone');
DELETE FROM activity WHERE model_id = 'gone';
"""


def test_a_file_that_is_pruned_meanwhile_is_counted_anew(
    open_store: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swapyard.observe.activity.database.EXACT_ROWS", 10)
    store = open_store(tmp_path / "activity.db")
    for _ in range(50):
        store.record(request_of(usage=Usage(input_tokens=1)))
    store.flush()
    assert store.statistics().total_requests == 50
    with contextlib.closing(sqlite3.connect(tmp_path / "activity.db")) as connection, connection:
        connection.execute("DELETE FROM activity WHERE id <= 20")
    assert store.statistics().total_input_tokens == 30
    assert listed(store)["total"] == 30


def test_rows_and_ids_survive_a_restart(open_store: Open, tmp_path: Path) -> None:
    path = tmp_path / "activity.db"
    store = open_store(path)
    store.record(request_of("a"))
    store.record(request_of("b"))
    store.close()
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM activity WHERE id = 2")
    connection.commit()
    connection.close()
    again = open_store(path)
    assert again.record(request_of("c")) == 3
    assert ids(again) == [3, 1]


def test_a_file_of_llama_swap_opens_and_goes_on(open_store: Open, tmp_path: Path) -> None:
    path = tmp_path / "llama-swap.db"
    connection = sqlite3.connect(path)
    connection.executescript(LLAMA_SWAP)
    connection.close()
    store = open_store(path)
    assert store.record(request_of("new", usage=Usage(input_tokens=4))) == 3
    old, new = listed(store, order="asc")["data"]
    assert (old["model"], old["metadata"], old["tokens"]["input_tokens"]) == ("old", {"selector": "s"}, 11)
    assert "timing" not in old
    assert new["timing"]["outcome"] == "complete"
    assert store.statistics().total_input_tokens == 15
    store.close()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT version_id FROM goose_db_version ORDER BY id").fetchall() == [(0,), (1,)]
    connection.execute("INSERT INTO activity (ts_created, model_id) VALUES (1760000009, 'back again')")
    connection.commit()
    connection.close()
    assert [row["model"] for row in listed(open_store(path))["data"]] == ["back again", "new", "old"]


def test_a_file_without_sessions_goes_on(open_store: Open, tmp_path: Path) -> None:
    path = tmp_path / "before.db"
    store = open_store(path)
    store.record(request_of("old"))
    store.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP INDEX swapyard_activity_request")
        connection.execute("ALTER TABLE swapyard_activity DROP COLUMN request")
        connection.execute("DROP INDEX swapyard_activity_session")
        connection.execute("ALTER TABLE swapyard_activity DROP COLUMN session")
        connection.execute("PRAGMA user_version = 2")
        connection.commit()
    store = open_store(path)
    store.record(request_of("new", session="s"))
    assert [row["timing"]["session"] for row in listed(store)["data"]] == ["s", ""]


def test_a_file_without_numbers_of_requests_goes_on(open_store: Open, tmp_path: Path) -> None:
    path = tmp_path / "before.db"
    store = open_store(path)
    store.record(request_of("old", session="s"))
    store.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP INDEX swapyard_activity_request")
        connection.execute("ALTER TABLE swapyard_activity DROP COLUMN request")
        connection.execute("PRAGMA user_version = 3")
        connection.commit()
    store = open_store(path)
    store.record(request_of("new", request=7))
    rows = listed(store)["data"]
    assert [(row["timing"]["request"], row["timing"]["session"]) for row in rows] == [(7, ""), (0, "s")]
    assert ids(store, request="7") == [2]


def test_a_new_file_has_the_books_that_llama_swap_looks_for(open_store: Open, tmp_path: Path) -> None:
    open_store(tmp_path / "new.db").close()
    with contextlib.closing(sqlite3.connect(tmp_path / "new.db")) as connection:
        assert connection.execute("SELECT version_id, is_applied FROM goose_db_version").fetchall() == [(0, 1), (1, 1)]
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("PRAGMA user_version = 99", "newer Swapyard"),
        ("CREATE TABLE activity (id INTEGER PRIMARY KEY, ts_created INTEGER, model_id TEXT)", "without req_path"),
    ],
)
def test_a_file_that_can_never_be_a_store_is_refused(open_store: Open, tmp_path: Path, script: str, message: str) -> None:
    path = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    with pytest.raises(StoreError, match=message):
        open_store(path)


def test_a_text_file_is_refused(open_store: Open, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("these are notes, and no database at all " * 50)
    with pytest.raises(StoreError, match=r"notes\.txt is not an activity store"):
        open_store(tmp_path / "notes.txt")


def test_closing_stores_what_waits(open_store: Open, tmp_path: Path) -> None:
    store = open_store(tmp_path / "activity.db")
    for _ in range(100):
        store.record(request_of())
    store.close()
    assert listed(open_store(tmp_path / "activity.db"))["total"] == 100
    assert stat.S_ISREG((tmp_path / "activity.db").stat().st_mode)


# --- a file that cannot be written ---


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swapyard.observe.activity.database.BUSY_MS", 20)


class Lock:
    """Another program that writes to the file, or (`exclusive`) lets nobody read it either."""

    def __init__(self, path: Path, *, exclusive: bool = False) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        if exclusive:
            self.connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        self.connection.execute("BEGIN EXCLUSIVE" if exclusive else "BEGIN IMMEDIATE")

    def release(self) -> None:
        self.connection.execute("ROLLBACK")
        self.connection.close()


def test_a_locked_file_degrades_to_memory_with_one_line_and_is_taken_up_again(
    open_store: Open, tmp_path: Path, warnings: list[str], impatient: None
) -> None:
    now = [0.0]
    store = open_store(tmp_path / "activity.db", clock=lambda: now[0])
    store.record(request_of("before"))
    store.flush()
    lock = Lock(tmp_path / "activity.db")
    for model in ("one", "two"):
        store.record(request_of(model))
        assert store.flush()
    assert [row["model"] for row in listed(store)["data"]] == ["two", "one"]
    now[0] = 31.0
    store.record(request_of("three"))  # tried again, in vain
    store.flush()
    assert len(warnings) == 1
    assert "activity.db cannot be written (database is locked)" in warnings[0]
    lock.release()
    now[0] = 62.0
    store.record(request_of("four"))
    assert [row["model"] for row in listed(store)["data"]] == ["four", "three", "two", "one", "before"]
    assert warnings[1:] == [f"store.path {tmp_path / 'activity.db'} can be written again"]


def test_a_file_locked_at_the_start_harms_nothing(
    open_store: Open, tmp_path: Path, warnings: list[str], impatient: None
) -> None:
    path = tmp_path / "activity.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE x (y)")
    lock = Lock(path)
    store = open_store(path)
    store.record(request_of())
    assert ids(store) == [1]
    assert len(warnings) == 1
    lock.release()


def test_a_full_disk_degrades_to_memory(open_store: Open, tmp_path: Path, warnings: list[str]) -> None:
    store = open_store(tmp_path / "activity.db")
    store.record(request_of())
    store.flush()
    pages = store._database._writer.execute("PRAGMA page_count").fetchone()[0]
    store._database._writer.execute(f"PRAGMA max_page_count = {pages}")
    for _ in range(50):
        store.record(request_of("x" * 1000))
    assert ids(store, limit=999) == list(range(51, 1, -1))
    assert len(warnings) == 1
    assert "database or disk is full" in warnings[0]


def test_ids_that_another_program_took_meanwhile_lose_no_row(open_store: Open, tmp_path: Path) -> None:
    store = open_store(tmp_path / "activity.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "activity.db")) as connection, connection:
        connection.execute("INSERT INTO activity (ts_created, model_id) VALUES (1, 'theirs'), (1, 'theirs')")
    store.record(request_of("ours"))
    store.flush()
    store.record(request_of("ours"))
    assert [(row["id"], row["model"]) for row in listed(store)["data"]] == [
        (4, "ours"), (3, "ours"), (2, "theirs"), (1, "theirs"),
    ]  # fmt: skip


# --- numbers and ids ---


def with_rows(open_store: Open, folder: Path, rows: int) -> Path:
    """A file of an earlier time."""
    path = folder / "activity.db"
    store = open_store(path)
    for _ in range(rows):
        store.record(request_of("earlier"))
    store.close()
    return path


def test_ids_go_on_behind_those_of_a_file_that_was_locked_at_the_start(
    open_store: Open, tmp_path: Path, impatient: None
) -> None:
    """Captures are kept, and viewers told, by the id that `record` gave."""
    now = [0.0]
    path = with_rows(open_store, tmp_path, 5)
    lock = Lock(path, exclusive=True)
    store = open_store(path, clock=lambda: now[0])
    store.record(request_of("locked"))
    store.flush()
    lock.release()
    now[0] = 31.0
    store.record(request_of("taken up"))
    store.flush()
    last = store.record(request_of("last"))
    assert [(row["id"], row["model"]) for row in listed(store, limit=3)["data"]] == [
        (8, "last"),
        (7, "taken up"),
        (6, "locked"),
    ]
    assert [store.ids.id_of(number) for number in (1, 2, last)] == [6, 7, 8]
    assert [store.ids.number_of(row_id) for row_id in range(5, 9)] == [None, 1, 2, 3]


def test_the_id_that_was_given_is_the_rows_also_after_another_program_wrote(open_store: Open, tmp_path: Path) -> None:
    store = open_store(tmp_path / "activity.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "activity.db")) as connection, connection:
        connection.execute("INSERT INTO activity (ts_created, model_id) VALUES (1, 'theirs')")
    store.record(request_of("ours"))
    store.flush()
    given = store.record(request_of("ours"))
    assert ids(store, limit=1) == [store.ids.id_of(given)] == [3]
    assert [store.ids.number_of(row_id) for row_id in (1, 2, 3)] == [None, 1, 2]


def test_a_change_that_cannot_be_written_does_not_end_the_recording(
    open_store: Open, tmp_path: Path, warnings: list[str]
) -> None:
    store = open_store(tmp_path / "activity.db")
    store.note(Change(id=1, at=1.0, model="m", run=1, state="stopping", cause="port in use by \udcff"))
    store.record(request_of("m"))
    assert ids(store) == [1]
    (warning,) = warnings
    assert "what became of models" in warning


def test_ids_that_only_our_own_table_has_still_lose_no_row(open_store: Open, tmp_path: Path, warnings: list[str]) -> None:
    """Another program has deleted rows, and their numbering, but not what we keep beside them."""
    path = with_rows(open_store, tmp_path, 3)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM activity")
        connection.execute("DELETE FROM sqlite_sequence")
    store = open_store(path)
    store.record(request_of("ours"))
    assert ids(store) == [4]
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO swapyard_activity SELECT 5, 'x', 1, 1, 1, 1, 1, 1, 1, '', '', 0")
    store.record(request_of("ours"))
    assert ids(store) == [6, 4]
    assert not warnings


def test_a_row_that_the_file_never_gets_shares_its_id_with_nobody(open_store: Open, tmp_path: Path, impatient: None) -> None:
    """More rows than memory keeps, while the file holds others' rows with the ids of the first of them."""
    now = [0.0]
    path = with_rows(open_store, tmp_path, 3)
    lock = Lock(path, exclusive=True)
    store = open_store(path, clock=lambda: now[0], max_in_memory=2, has_capture=lambda number: number <= 5)
    for _ in range(5):
        store.record(request_of("locked"))
        store.flush()
    lock.release()
    now[0] = 31.0
    store.record(request_of("last"))
    rows = listed(store, order="asc")["data"]
    captured = [(row["id"], row["model"]) for row in rows if row["has_capture"]]
    assert [row["id"] for row in rows] == [1, 2, 3, 7, 8, 9]
    assert captured == [(7, "locked"), (8, "locked")]
