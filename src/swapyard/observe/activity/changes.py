"""What became of the models, kept in the store's file: causes can be looked up, and loads estimated, after a restart.

Functions on a connection; `store` calls them, the writing one on its writer thread. What cannot be written now is tried
again with the next change, the newest `MOST_WAITING` of them. Without a file none of it is used.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from swapyard.observe.history import KEPT, TIMED, Change

MOST_KEPT: Final = 100_000  # changes in the file
MOST_WAITING: Final = 2_000
COLUMNS: Final = ("id", "at", "model", "run", "state", "cause", "reason", "for_model", "for_request", "seconds")
_SELECT: Final = f"SELECT {', '.join(COLUMNS)} FROM swapyard_changes"


def insert(connection: sqlite3.Connection, changes: Sequence[Change]) -> None:
    """All or nothing. The file counts by itself: a reload may bring one in which the ids of this process are taken."""
    columns = COLUMNS[1:]
    values = [tuple(getattr(change, column) for column in columns) for change in changes]
    connection.execute("BEGIN IMMEDIATE")
    try:
        marks = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO swapyard_changes ({', '.join(columns)}) VALUES ({marks})", values)
        connection.execute(
            "DELETE FROM swapyard_changes WHERE id <= (SELECT max(id) FROM swapyard_changes) - ?", (MOST_KEPT,)
        )
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def page(
    connection: sqlite3.Connection, *, before: float | None, after: float | None, model: str | None, limit: int
) -> list[Change]:
    """The newest first; `before` and `after` are exclusive, in seconds since the epoch."""
    conditions, values = ["1"], list[Any]()
    for condition, value in (("at < ?", before), ("at > ?", after), ("model = ?", model)):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    rows = connection.execute(
        f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY at DESC, id DESC LIMIT ?", [*values, limit]
    )
    return [_change(row) for row in rows]


def newest(connection: sqlite3.Connection) -> list[Change]:
    """As many as a history keeps, oldest first."""
    rows = connection.execute(f"{_SELECT} ORDER BY id DESC LIMIT ?", (KEPT,)).fetchall()
    return [_change(row) for row in reversed(rows)]


def load_seconds(connection: sqlite3.Connection) -> dict[str, list[float]]:
    """By model, what its last loads took, oldest first."""
    rows = connection.execute(
        "SELECT model, seconds FROM"
        " (SELECT id, model, seconds, row_number() OVER (PARTITION BY model ORDER BY id DESC) AS nth"
        " FROM swapyard_changes WHERE state = 'ready' AND seconds IS NOT NULL) WHERE nth <= ? ORDER BY id",
        (TIMED,),
    )
    found: dict[str, list[float]] = {}
    for model, seconds in rows:
        found.setdefault(model, []).append(seconds)
    return found


def _change(row: Sequence[Any]) -> Change:
    return Change(**dict(zip(COLUMNS, row, strict=True)))
