"""One open activity database: batches of rows go in, pages and figures come out.

Every method blocks and may be called from any thread; all but `close` raise sqlite3.Error where the disk says no. A file has
one connection that writes and one that reads, so that a long read holds up no recording (WAL); in memory there is one for
both, and the table is small.

A page is found along an index wherever that is short: the order's own index, from the nearer end, or the filter's, whichever
promises fewer rows to look at. Nothing is assumed of ids but that they grow.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Final

from swapyard.observe.activity import changes as of_models
from swapyard.observe.activity.query import ActivityQuery
from swapyard.observe.activity.rows import (
    MAIN_COLUMNS,
    OUR_COLUMNS,
    Activity,
    HasCapture,
    Listing,
    Row,
    Values,
    main_values,
    our_values,
    row_of,
)
from swapyard.observe.activity.schema import StoreError, migrate, missing_sort_indexes, without_sort_indexes
from swapyard.observe.activity.statistics import EXACT_ROWS, HOUR, Rollup, Statistics, exact
from swapyard.observe.history import Change

BUSY_MS: Final = 5000
LARGE: Final = 50_000  # rows from which on sorting needs indexes, and sorting what a filter left is slower than walking one

# Rows of one INSERT. SQLite works without the GIL, but every statement gives it up and has to get it back from a busy loop:
# once for many rows instead of for each.
_AT_ONCE: Final = (1024, 128, 16, 1)
_SELECT: Final = (
    f"SELECT {', '.join('a.' + name for name in MAIN_COLUMNS)}, {', '.join('s.' + name for name in OUR_COLUMNS)}"
    " FROM activity AS a LEFT JOIN swapyard_activity AS s ON s.id = a.id"
)

_EVER: Final = 2**50  # hours
_LARGEST_LOG: Final = 16 << 20  # bytes that the write-ahead log keeps on the disk; it is longer only while somebody reads
_FREED_AT_ONCE: Final = 512  # pages


class Database:
    def __init__(self, path: Path | None, *, keep: int = 1000) -> None:
        """Opens the file, or a database in memory that holds the newest `keep` rows. Raises StoreError where the file can
        never be a store, sqlite3.Error where it cannot be one now."""
        self._path = path
        self.keep = keep
        self._lock = threading.Lock()  # of whoever uses `_reader`
        self._rollup = Rollup()
        self._is_shrinking = False
        self._writer = self._connect(write=True)
        try:
            self._prepare()
            self._place = _place(path)
            self._reader = self._writer if path is None else self._connect(write=False)
            if path is not None:
                for connection in (self._writer, self._reader):  # KiB; four times as much makes nothing quicker
                    connection.execute("PRAGMA cache_size = -512")
        except BaseException:
            self._writer.close()
            raise

    def _connect(self, *, write: bool) -> sqlite3.Connection:
        target = ":memory:" if self._path is None else f"{self._path.absolute().as_uri()}?mode={'rwc' if write else 'ro'}"
        connection = sqlite3.connect(
            target, uri=True, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False, cached_statements=32
        )
        connection.execute("PRAGMA mmap_size = 0")  # a mapped file that somebody empties ends the process (SIGBUS)
        connection.text_factory = _text
        return connection

    def _prepare(self) -> None:
        name = str(self._path)
        try:
            if self._path is not None:
                if self._writer.execute("PRAGMA page_count").fetchone()[0] == 0:
                    self._writer.execute("PRAGMA auto_vacuum = INCREMENTAL")  # a new file, which can be made smaller
                mode = self._writer.execute("PRAGMA journal_mode = WAL").fetchone()[0]
                if mode != "wal":
                    raise StoreError(f"store.path {name} cannot be used in WAL mode (got {mode}): is it on a network disk?")
                self._writer.execute("PRAGMA synchronous = NORMAL")
                self._writer.execute(f"PRAGMA journal_size_limit = {_LARGEST_LOG}")
            migrate(self._writer, name)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            raise StoreError(f"store.path {name} is not an activity store: {error}") from None

    @property
    def in_memory(self) -> bool:
        return self._path is None

    def newest_id(self) -> int:
        """The highest id ever given, also if its row is gone."""
        with self._lock:
            return _newest_id(self._reader)

    @property
    def is_lost(self) -> bool:
        """Its file is not where it was: deleted, moved, or another one put in its place. What is written leads nowhere."""
        return self._place is not None and self._place != _place(self._path)

    # --- writing ----------------------------------------------------------------------------------------------------

    def insert(self, batch: Iterable[tuple[int, Activity]]) -> int:
        """All or nothing. By how much the ids had to be higher than they are in the batch: 0 unless these were taken."""
        rows = list(batch)
        if self.in_memory:
            rows = rows[-self.keep :]  # the others would go again at once
        return self._write([main_values(*row) for row in rows], [our_values(*row) for row in rows])

    def _write(self, main: Sequence[Values], ours: Sequence[Values]) -> int:
        with self._lock if self.in_memory else nullcontext():
            try:
                return self._in_transaction(main, ours)
            except sqlite3.IntegrityError:  # somebody else writes to the file, too, and has taken these ids
                return self._in_transaction(main, ours, behind=True)

    def _in_transaction(self, main: Sequence[Values], ours: Sequence[Values], *, behind: bool = False) -> int:
        """`behind`: with ids that come after all others. Returns by how much they are higher."""
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            shift = max(0, _newest_id(self._writer) + 1 - int(main[0][0])) if behind else 0
            main, ours = _moved(main, shift), _moved(ours, shift)
            self._insert("activity", MAIN_COLUMNS, main)
            self._insert("swapyard_activity", ("id", *OUR_COLUMNS), ours)
            if self.in_memory and main:
                oldest = main[-1][0] - self.keep
                self._writer.execute("DELETE FROM activity WHERE id <= ?", (oldest,))
                self._writer.execute("DELETE FROM swapyard_activity WHERE id <= ?", (oldest,))
            self._writer.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._writer.rollback()
            raise
        return shift

    def _insert(self, table: str, columns: Sequence[str], rows: Sequence[Values]) -> None:
        at = 0
        for count in _AT_ONCE:
            one = f"({', '.join('?' * len(columns))})"
            statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([one] * count)}"
            while len(rows) - at >= count:
                self._writer.execute(statement, list(chain.from_iterable(rows[at : at + count])))
                at += count

    def take_from(self, other: Database, first: int) -> int:
        """Adds all rows of another database. `first`: the lowest id that any of its rows ever had. Returns by how much their
        ids are higher now, so that `first`, too, comes after all that are here."""
        with other._lock:
            main = other._reader.execute(f"SELECT {', '.join(MAIN_COLUMNS)} FROM activity ORDER BY id").fetchall()
            ours = other._reader.execute(f"SELECT id, {', '.join(OUR_COLUMNS)} FROM swapyard_activity").fetchall()
        shift = max(0, self.newest_id() + 1 - first)
        return shift + self._write(_moved(main, shift), _moved(ours, shift))

    def expect_to_delete(self, before: int) -> None:
        """Where that is a tenth of all rows or more, without the indexes of a large file: `tend` makes them again in a tenth
        of the time that keeping them up to date would take."""
        many = _span(self._writer) // 10
        some = "SELECT 1 FROM activity WHERE ts_created < ? LIMIT ?"
        (found,) = self._writer.execute(f"SELECT count(*) FROM ({some})", (before, many)).fetchone()
        if found == many > 0:
            for statement in without_sort_indexes(self._writer):
                self._writer.execute(statement)

    def delete_before(self, before: int, most: int) -> int:
        """The oldest rows of requests that ended before a time (Unix, seconds), at most so many. How many they were."""
        oldest = "SELECT id FROM activity WHERE ts_created < ? ORDER BY ts_created, id LIMIT ?"
        ids = [row[0] for row in self._writer.execute(oldest, (before, most))]
        if not ids:
            return 0
        self._rollup.goes_on = True
        marks = ", ".join("?" * len(ids))
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            for table in ("activity", "swapyard_activity"):
                self._writer.execute(f"DELETE FROM {table} WHERE id IN ({marks})", ids)
            self._writer.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._writer.rollback()
            raise
        return len(ids)

    def shrink(self) -> bool:
        """Give some of the file back to the disk where a quarter of it or more is free. False: there is no need, or the
        file is of a program that did not provide for it."""
        free, pages = (self._writer.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_count"))
        if not self._is_shrinking:
            self._is_shrinking = 4 * free >= pages
        if self._is_shrinking:
            self._writer.executescript(f"PRAGMA incremental_vacuum({_FREED_AT_ONCE})")  # `execute` would free one page
            self._is_shrinking = 0 < self._writer.execute("PRAGMA freelist_count").fetchone()[0] < free
        return self._is_shrinking

    def insert_changes(self, changes: Sequence[Change]) -> None:
        of_models.insert(self._writer, changes)

    def changes(self, *, before: float | None, after: float | None, model: str | None, limit: int) -> list[Change]:
        with self._lock:
            return of_models.page(self._reader, before=before, after=after, model=model, limit=limit)

    def past(self) -> tuple[list[Change], dict[str, list[float]]]:
        """The newest changes, oldest first, and what each model's last loads took."""
        with self._lock:
            return of_models.newest(self._reader), of_models.load_seconds(self._reader)

    def tend(self) -> None:
        """What makes a large file quick to ask: its rows counted, and an index for every order. A first time takes seconds
        for a million rows, during which the writing thread writes nothing."""
        self.warm_up()
        if self.in_memory or _span(self._writer) < LARGE:
            return
        for statement in missing_sort_indexes(self._writer):
            self._writer.execute(statement)

    def let_go(self) -> None:
        """Of a file that is lost: what waits in its log goes where it is now, and not into the next file of its name."""
        with suppress(sqlite3.Error):
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        with self._lock:
            for connection in (self._reader, self._writer):  # the last one to close tidies the file up
                with suppress(sqlite3.Error):
                    connection.close()

    # --- reading ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """One state of the file for several statements, whatever other programs delete meanwhile."""
        with self._lock:
            self._reader.execute("BEGIN")
            try:
                yield
            finally:
                self._reader.rollback()

    def warm_up(self) -> None:
        """Count the rows of a large file that are not counted yet, on a connection of its own."""
        if not self._is_large():
            return
        with closing(self._connect(write=False)) as connection:
            self._rollup.catch_up(connection)

    def recount(self) -> None:
        """After rows were deleted. Until it is done, those who ask are told what was counted before."""
        if not self._rollup.goes_on:
            return
        fresh = Rollup()
        if self._is_large():
            with closing(self._connect(write=False)) as connection:
                fresh.catch_up(connection)
        with self._lock:
            self._rollup = fresh

    def _is_large(self) -> bool:
        if self.in_memory:
            return False
        with self._lock:
            return _span(self._reader) >= EXACT_ROWS

    def statistics(self, query: ActivityQuery) -> Statistics:
        """Of the rows that the filter lets through. Of a large file quick as long as only models are asked for."""
        large = self._is_large() and query.all_times and query.all_ids and query.all_answers
        if large and not self._rollup.ready:
            self.warm_up()
        with self._reading():
            if not large:
                return exact(self._reader, *query.conditions())
            self._rollup.catch_up(self._reader)
            return self._rollup.statistics(query.models)

    def uses(self) -> list[tuple[str, int, int]]:
        """Model, rows, time of the newest one."""
        if self._is_large():
            if not self._rollup.ready:
                self.warm_up()
            with self._reading():
                self._rollup.catch_up(self._reader)
                return [(model, rows, self._newest(model)) for model, rows in self._rollup.rows_by_model()]
        with self._lock:
            return self._reader.execute(
                "SELECT model_id, count(*), max(ts_created) FROM activity GROUP BY model_id"
            ).fetchall()

    def _newest(self, model: str) -> int:
        (newest,) = self._reader.execute("SELECT max(ts_created) FROM activity WHERE model_id = ?", (model,)).fetchone()
        return int(newest or 0)

    def listing(self, query: ActivityQuery, has_capture: HasCapture) -> Listing:
        large = self._is_large()
        with self._reading():
            total = self._count(query, large)
            ids = self._page(query, total) if query.offset < total else []
            rows = self._rows(ids, has_capture)
        return Listing(data=rows, page=query.page, limit=query.limit, total=total, total_pages=-(-total // query.limit))

    def after(self, query: ActivityQuery, last: int, most: int, has_capture: HasCapture) -> list[Row]:
        """The next rows by id, at most `most` of those that the query's filter lets through."""
        where, values = query.conditions("id")
        condition = f"{where} AND id > ?" if where else " WHERE id > ?"
        with self._reading():
            found = self._reader.execute(
                f"SELECT id FROM activity{condition} ORDER BY id LIMIT ?", [*values, last, most]
            ).fetchall()
            return self._rows([row[0] for row in found], has_capture)

    def _count(self, query: ActivityQuery, large: bool) -> int:
        if large and query.all_ids and query.all_answers and self._rollup.ready:
            self._rollup.catch_up(self._reader)
            if query.all_times:
                return self._rollup.requests(query.models)
            return self._count_by_hours(query)
        return self._count_rows(query)

    def _count_by_hours(self, query: ActivityQuery) -> int:
        """The whole hours from the rollup, what is left at either end from the rows."""
        first = -(-query.start // HOUR) if query.start is not None else -_EVER
        last = (query.end + 1) // HOUR - 1 if query.end is not None else _EVER
        if first > last:
            return self._count_rows(query)
        total = self._rollup.hours(query.models, first, last)[0]
        if query.start is not None:
            total += self._count_rows(replace(query, end=first * HOUR - 1))
        if query.end is not None:
            total += self._count_rows(replace(query, start=(last + 1) * HOUR))
        return total

    def _count_rows(self, query: ActivityQuery) -> int:
        where, values = query.conditions()
        return int(self._reader.execute(f"SELECT count(*) FROM activity{where}", values).fetchone()[0])

    def _page(self, query: ActivityQuery, total: int) -> list[int]:
        """Ids of the rows of a page, in order."""
        offset, limit, descending = query.offset, min(query.limit, total - query.offset), query.descending
        if from_the_end := offset > total // 2:
            offset, descending = total - offset - limit, not descending
        walk = total > LARGE
        if walk and query.column == "id" and not query.all_times and self._rollup.ready:
            query = self._bounded(query)
        where, values = query.conditions(query.column if walk else None)
        mark, direction = "" if walk or not where else "+", "DESC" if descending else "ASC"
        order = f"{mark}{query.column} {direction}" + ("" if query.column == "id" else f", {mark}id {direction}")
        sql = f"SELECT id FROM activity{where} ORDER BY {order} LIMIT ? OFFSET ?"
        ids = [row[0] for row in self._reader.execute(sql, [*values, limit, offset])]
        return ids[::-1] if from_the_end else ids

    def _bounded(self, query: ActivityQuery) -> ActivityQuery:
        """The same rows, but with bounds of their ids: a walk along the ids begins where the first of them may be."""
        first = query.start // HOUR if query.start is not None else -_EVER
        last = query.end // HOUR if query.end is not None else _EVER
        _, least, most = self._rollup.hours(query.models, first, last)
        return replace(query, min_id=max(query.min_id or 0, least), max_id=min(query.max_id or most, most))

    def _rows(self, ids: Sequence[int], has_capture: HasCapture) -> list[Row]:
        if not ids:
            return []
        values = self._reader.execute(f"{_SELECT} WHERE a.id IN ({', '.join('?' * len(ids))})", ids).fetchall()
        rows = {value[0]: row_of(value, has_capture) for value in values}
        return [rows[row_id] for row_id in ids]


def _text(stored: bytes) -> str:
    """Other programs store bytes that are not UTF-8, too: one of these rows must not hide the others."""
    return stored.decode("utf-8", "replace")


def _place(path: Path | None) -> tuple[int, int] | None:
    """Which file is there; None: none."""
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found is not None else None


def _newest_id(connection: sqlite3.Connection) -> int:
    """Of both tables: rows that were deleted from one of them only have their ids still."""
    (newest,) = connection.execute(
        "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'activity'), 0),"
        " coalesce((SELECT max(id) FROM activity), 0), coalesce((SELECT max(id) FROM swapyard_activity), 0))"
    ).fetchone()
    return int(newest)


def _moved(rows: Sequence[Values], by: int) -> Sequence[Values]:
    """With other ids, which come first in each."""
    return [(values[0] + by, *values[1:]) for values in rows] if by else rows


def _span(connection: sqlite3.Connection) -> int:
    """About how many rows there are, at once."""
    ends = "(SELECT max(id) FROM activity) - (SELECT min(id) FROM activity)"  # max and min in one SELECT would read all
    return connection.execute(f"SELECT coalesce({ends}, 0)").fetchone()[0]  # type: ignore[no-any-return]
