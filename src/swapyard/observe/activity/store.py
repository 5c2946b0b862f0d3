"""The store as the rest of Swapyard sees it: `record` on the loop, one writer thread behind it.

The writer wakes with the first row, waits `BATCH_SECONDS` for more, and commits them together; with no requests it sleeps.
In memory, where the newest rows are kept and no others, it waits longer when more come than that: then most of a batch need
not be written at all.
Where the file fails (full, locked, gone), rows go to a database in memory that holds as many as one without a file would;
one line in the log says so. Every `RETRY_SECONDS`, as long as rows come, the file is tried again, and takes over what memory
holds. Rows that a file need not keep any longer go between the batches (`pruning`).
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from swapyard.observe.activity.changes import MOST_WAITING as MOST_WAITING_CHANGES
from swapyard.observe.activity.database import Database
from swapyard.observe.activity.export import Format, export
from swapyard.observe.activity.ids import RowIds
from swapyard.observe.activity.pruning import Pruning
from swapyard.observe.activity.query import ActivityQuery
from swapyard.observe.activity.rows import Activity, HasCapture, Listing, Row
from swapyard.observe.activity.statistics import Statistics
from swapyard.observe.history import Change

BATCH_SECONDS: Final = 0.05
BUSY_SECONDS: Final = 0.1  # in a file, while a batch brings so many rows: each statement has to wait for the busy loop
BUSY_ROWS: Final = 200
MOST_AT_ONCE: Final = 1024  # rows of one transaction: what it takes to write them is memory that stays ours
FLOOD_SECONDS: Final = 1.0  # in memory, while a batch brings half of what is kept, or more
RETRY_SECONDS: Final = 30.0
MOST_WAITING: Final = 20_000  # rows, while the disk makes the writer wait; about 20 MB
DEFAULT_KEEP: Final = 1000
_CHECK_SIZE_EVERY: Final = 5_000  # rows
_ALL: Final = ActivityQuery()

Clock = Callable[[], float]
T = TypeVar("T")


def _never(_: int) -> bool:
    return False


def _nobody(_: Sequence[int]) -> None:
    return None


class ActivityStore:
    def __init__(
        self,
        path: str | None,
        *,
        max_in_memory: int = DEFAULT_KEEP,
        retention: float = 0.0,
        warn: Callable[[str], None],
        stored: Callable[[Sequence[int]], None] = _nobody,
        has_capture: HasCapture = _never,
        clock: Clock = time.monotonic,
    ) -> None:
        """`warn` takes one line for the log; `stored` the ids of the rows that have just become visible. Both are called on
        the writer thread. `has_capture` is asked when rows are listed, for their numbers. `retention`: seconds that a file
        keeps rows; 0 = for ever. Blocks. Raises StoreError where the file can never be a store; one that cannot be written
        now is tried again later."""
        self._path = Path(path) if path else None
        self._keep = max_in_memory if max_in_memory > 0 else DEFAULT_KEEP
        self._warn = warn
        self._stored = stored
        self._captured = has_capture
        self._clock = clock
        # Without a file the newest that are kept and no more: the others would go unseen, and memory that is used again at
        # once costs a fifth less time than a second's worth of rows.
        self._queue: deque[tuple[int, Activity]] = deque(maxlen=None if path else self._keep)
        self._changes: deque[Change] = deque(maxlen=MOST_WAITING_CHANGES)
        self._dropped = 0
        self._retry_at: float | None = None  # not None: the file has failed
        self._missing_from = 1  # the id of the first row that it has not got
        self._rows_to_check = _CHECK_SIZE_EVERY
        self._pause = BATCH_SECONDS
        self._retention = retention if path else 0.0
        self._pruning = Pruning(self._retention, clock)
        self._database = self._open()
        self._last = self._database.newest_id()
        self.ids = RowIds()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._thread = threading.Thread(target=self._run, name="swapyard-activity", daemon=True)
        self._thread.start()

    def _open(self) -> Database:
        if self._path is not None:
            try:
                return Database(self._path)
            except sqlite3.Error as error:
                self._fall_back(error, 1)
        return Database(None, keep=self._keep)

    def record(self, activity: Activity) -> int:
        """The number of the row (`ids`), which will be visible within about `BATCH_SECONDS`. One thread only: the loop's."""
        return self.record_all([activity])

    def record_all(self, activities: Sequence[Activity]) -> int:
        """The same of several, at least one. The number of the first; the others have the next ones."""
        first = self._last + 1
        self._queue.extend(enumerate(activities, first))
        self._last += len(activities)
        if not self._wake.is_set():
            self._idle.clear()
            self._wake.set()
        return first

    def note(self, change: Change) -> None:
        """A change of a model's state; kept where there is a file. One thread only: the loop's."""
        if self._path is not None:
            self._changes.append(change)
            if not self._wake.is_set():
                self._idle.clear()
                self._wake.set()

    def keep(self, max_in_memory: int, retention: float = 0.0) -> None:
        """As many rows as this are kept in memory from now on; less take effect with the next row. A file keeps its rows so
        many seconds (0: for ever). One thread only, too."""
        if self._path is not None and retention != self._retention:
            self._retention, self._pruning = retention, Pruning(retention, self._clock)
            self._idle.clear()
            self._wake.set()
        self._keep = max_in_memory if max_in_memory > 0 else DEFAULT_KEEP
        self._database.keep = self._keep
        if self._path is None and self._queue.maxlen != self._keep:
            before, self._queue = self._queue, deque(maxlen=self._keep)
            with suppress(IndexError):  # the writer, too, takes from it
                while True:
                    self._queue.append(before.popleft())
            if self._queue and not self._wake.is_set():  # the writer may have looked at the one before
                self._idle.clear()
                self._wake.set()

    # --- reading: all of these block ---

    def listing(self, query: ActivityQuery) -> Listing:
        return self._read(lambda database: database.listing(query, self._has_capture))

    def statistics(self, query: ActivityQuery = _ALL) -> Statistics:
        return self._read(lambda database: database.statistics(query))

    def uses(self) -> list[tuple[str, int, int]]:
        """Of every model that has rows: how many, and when its newest request ended (Unix time, seconds)."""
        return self._read(lambda database: database.uses())

    def export(self, query: ActivityQuery, form: Format) -> Iterator[bytes]:
        def next_rows(last: int, most: int) -> list[Row]:
            return self._read(lambda database: database.after(query, last, most, self._has_capture))

        return export(next_rows, form)

    def changes(
        self, *, before: float | None = None, after: float | None = None, model: str | None = None, limit: int = 100
    ) -> list[Change]:
        """Of models, the newest first; those of the last moment may be missing. Empty without a file."""
        return self._read(lambda database: database.changes(before=before, after=after, model=model, limit=limit))

    def past(self) -> tuple[list[Change], dict[str, list[float]]]:
        """The newest changes of earlier times, oldest first, and what each model's last loads took."""
        return self._read(lambda database: database.past())

    def _has_capture(self, row_id: int) -> bool:
        number = self.ids.number_of(row_id)
        return number is not None and self._captured(number)

    def _read(self, ask: Callable[[Database], T]) -> T:
        """Raises sqlite3.Error where the file cannot be read."""
        database = self._database
        try:
            return ask(database)
        except sqlite3.ProgrammingError:
            if database is self._database:
                raise
            return ask(self._database)  # it was replaced, and closed, meanwhile

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all that was recorded is stored. False: it takes longer than `timeout` seconds."""
        return self._idle.wait(timeout)

    def close(self, timeout: float = 10.0) -> None:
        """Store what waits, for at most `timeout` seconds, and close the file. `record` afterwards leads nowhere."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout)
        if not self._thread.is_alive():
            self._database.close()

    # --- the writer thread ---

    def _run(self) -> None:
        with suppress(sqlite3.Error):  # whoever asks will be told
            self._database.tend()
        while True:
            if self._wake.wait(self._pruning.seconds_left()):
                self._closing.wait(self._pause)
            self._wake.clear()
            try:
                self._write_all()
                self._prune()
            except Exception as error:  # a mistake of ours must not end the recording
                self._warn(f"recording activity failed: {error!r}")
            if self._closing.is_set() and not self._queue:
                self._idle.set()
                return
            if not self._queue and not self._wake.is_set():
                self._idle.set()

    def _write_all(self) -> bool:
        """False: it is the end."""
        self._write_changes()
        self._drain()
        return not self._closing.is_set()

    def _prune(self) -> None:
        with suppress(sqlite3.Error):  # what keeps the file from being written is told of rows; it is tried again
            self._pruning.prune(self._database, self._write_all)

    def _write_changes(self) -> None:
        if self._changes and not self._database.in_memory and not self._database.is_lost:
            waiting = list(self._changes)
            try:
                self._database.insert_changes(waiting)
            except sqlite3.Error:
                return  # what keeps the file from being written is told of rows; the next change tries again
            except Exception as error:  # a mistake of ours: rows are recorded all the same
                self._warn(f"recording what became of models failed: {error!r}")
            for _ in waiting:
                self._changes.popleft()

    def _drain(self) -> None:
        queue = self._queue
        while len(queue) > MOST_WAITING:
            queue.popleft()
            self._dropped += 1
        waiting = len(queue)
        if not waiting:
            return
        if self._dropped:
            self._warn(f"the activity store is too slow: {self._dropped} rows were dropped")
            self._dropped = 0
        for begun in range(0, waiting, MOST_AT_ONCE):
            self._write_some(queue, min(waiting - begun, MOST_AT_ONCE))
        if self._database.in_memory:
            self._pause = FLOOD_SECONDS if 2 * waiting >= self._keep else BATCH_SECONDS
        else:
            self._pause = BUSY_SECONDS if waiting >= BUSY_ROWS else BATCH_SECONDS

    def _write_some(self, queue: deque[tuple[int, Activity]], most: int) -> None:
        batch: list[tuple[int, Activity]] = []
        with suppress(IndexError):  # `keep` may take what is left
            for _ in range(most):
                batch.append(queue.popleft())
        if batch:
            self._write(batch)
            self._stored([self.ids.id_of(number) for number, _ in batch])

    def _write(self, batch: Sequence[tuple[int, Activity]]) -> None:
        if self._database.is_lost:
            self._leave_file(self.ids.id_of(batch[0][0]))
        if self._retry_at is not None and self._clock() >= self._retry_at:
            self._try_file_again()  # that it still fails has been said
        rows = [(self.ids.id_of(number), activity) for number, activity in batch]
        first = rows[0][0]
        try:
            self.ids.move(first, self._database.insert(rows))
            self._grown(len(rows))
        except sqlite3.Error as error:
            if self._database.in_memory:
                self._warn(f"{len(rows)} rows of activity are lost: {error}")
                return
            self._fall_back(error, first)
            self._replace(Database(None, keep=self._keep))
            self._database.insert(rows)

    def _grown(self, rows: int) -> None:
        self._rows_to_check -= rows
        if self._rows_to_check < 0:
            self._rows_to_check = _CHECK_SIZE_EVERY
            with suppress(sqlite3.Error):  # it is only slower without
                self._database.tend()

    def _fall_back(self, error: Exception, first: int) -> None:
        """`first`: the id of the first row that the file does not get."""
        self._missing_from = first
        self._retry_at = self._clock() + RETRY_SECONDS
        self._warn(
            f"store.path {self._path} cannot be written ({error}): activity is kept in memory, the newest {self._keep} "
            f"rows, and the file is tried again every {RETRY_SECONDS:.0f} s"
        )

    def _leave_file(self, first: int) -> None:
        """`first` as for `_fall_back`. A file of this name is begun, or gone on with, at once."""
        self._warn(f"store.path {self._path} is gone (deleted, moved or replaced): activity goes to a new one")
        self._database.let_go()
        self._replace(Database(None, keep=self._keep))
        self._missing_from = first
        if error := self._try_file_again():
            self._fall_back(error, first)

    def _try_file_again(self) -> Exception | None:
        """What it fails with, if it does."""
        assert self._path is not None
        file = None
        try:
            file = Database(self._path)
            self.ids.move(self._missing_from, file.take_from(self._database, self._missing_from))
        except Exception as error:
            if file is not None:
                file.close()
            self._retry_at = self._clock() + RETRY_SECONDS
            return error
        self._retry_at = None
        self._replace(file)
        self._warn(f"store.path {self._path} can be written again")
        return None

    def _replace(self, database: Database) -> None:
        old, self._database = self._database, database
        old.close()
