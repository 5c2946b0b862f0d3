"""The tables, and how an older file becomes a current one.

`activity` is llama-swap's table, column for column, so that either program opens the other's file. What only we record is in
`swapyard_activity`, by the same id, and in `swapyard_changes` (of models). llama-swap's migration tool keeps its book in
`goose_db_version`: version 1 must stand there, or it would create `activity` once more and fail. Our own version is SQLite's
`user_version`.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from swapyard.errors import SwapyardError
from swapyard.observe.activity.rows import MAIN_COLUMNS


class StoreError(SwapyardError):
    """The file cannot be an activity store. The message names it and says why."""


# One entry per version, each a list of statements; never edited, only added to. Idempotent where llama-swap may have been
# there before us.
MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """CREATE TABLE IF NOT EXISTS activity (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            ts_created INTEGER NOT NULL,
            model_id TEXT NOT NULL,
            req_path TEXT NOT NULL DEFAULT '',
            resp_content_type TEXT NOT NULL DEFAULT '',
            resp_status_code INTEGER NOT NULL DEFAULT 0,
            cache_tokens INTEGER NOT NULL DEFAULT 0,
            draft_tokens INTEGER NOT NULL DEFAULT 0,
            draft_acc_tokens INTEGER NOT NULL DEFAULT 0,
            input_tokens INTEGER NOT NULL DEFAULT 0,
            output_tokens INTEGER NOT NULL DEFAULT 0,
            prompt_per_second REAL NOT NULL DEFAULT 0,
            tokens_per_second REAL NOT NULL DEFAULT 0,
            duration_ms INTEGER NOT NULL DEFAULT 0,
            error_msg TEXT NOT NULL DEFAULT '',
            metadata_json TEXT NOT NULL DEFAULT ''
        )""",
        "CREATE INDEX IF NOT EXISTS idx_activity_created_id ON activity (ts_created DESC, id DESC)",
        "CREATE INDEX IF NOT EXISTS idx_activity_model_created_id ON activity (model_id, ts_created DESC, id DESC)",
        """CREATE TABLE IF NOT EXISTS goose_db_version (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            version_id INTEGER NOT NULL,
            is_applied INTEGER NOT NULL,
            tstamp TIMESTAMP DEFAULT (datetime('now'))
        )""",
        """INSERT INTO goose_db_version (version_id, is_applied)
            SELECT value, 1 FROM (SELECT 0 AS value UNION SELECT 1)
            WHERE value NOT IN (SELECT version_id FROM goose_db_version) ORDER BY value""",
        """CREATE TABLE swapyard_activity (
            id INTEGER PRIMARY KEY,
            outcome TEXT NOT NULL,
            ended_ms INTEGER NOT NULL,
            queue_ms INTEGER NOT NULL,
            load_ms INTEGER NOT NULL,
            first_token_ms INTEGER NOT NULL,
            prefill_ms REAL NOT NULL,
            decode_ms REAL NOT NULL,
            prompt_tokens INTEGER NOT NULL,
            client TEXT NOT NULL
        )""",
    ),
    (
        """CREATE TABLE swapyard_changes (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            at REAL NOT NULL,
            model TEXT NOT NULL,
            run INTEGER NOT NULL,
            state TEXT NOT NULL,
            cause TEXT NOT NULL,
            reason TEXT NOT NULL,
            for_model TEXT NOT NULL,
            for_request TEXT NOT NULL,
            seconds REAL
        )""",
        "CREATE INDEX swapyard_changes_at ON swapyard_changes (at, id)",
        "CREATE INDEX swapyard_changes_model ON swapyard_changes (model, at, id)",
    ),
    (
        "ALTER TABLE swapyard_activity ADD COLUMN session TEXT NOT NULL DEFAULT ''",
        # Of those that have one only: most requests name no session, and writing an entry for each would cost.
        "CREATE INDEX swapyard_activity_session ON swapyard_activity (session) WHERE session != ''",
    ),
    (
        "ALTER TABLE swapyard_activity ADD COLUMN request INTEGER NOT NULL DEFAULT 0",
        # Of those that have waited only, which a change of a model can name.
        "CREATE INDEX swapyard_activity_request ON swapyard_activity (request) WHERE request != 0",
    ),
)

# What a listing may be sorted by; each gets an index in a large file. `id` and `time` have theirs from the beginning.
SORT_COLUMNS: Final = {
    "model": "model_id",
    "req_path": "req_path",
    "resp_status_code": "resp_status_code",
    "resp_content_type": "resp_content_type",
    "cached": "cache_tokens",
    "prompt": "input_tokens",
    "generated": "output_tokens",
    "drafted": "draft_tokens",
    "prompt_speed": "prompt_per_second",
    "gen_speed": "tokens_per_second",
    "duration": "duration_ms",
}
_SORTED: Final = {f"swapyard_sort_{column}": column for column in SORT_COLUMNS.values()}


def migrate(connection: sqlite3.Connection, name: str) -> None:
    """Bring the database to the newest version, each step whole or not at all. `name` is for messages.

    Raises StoreError where it is no activity store, or one of the future; sqlite3.Error where the disk says no.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise StoreError(
            f"store.path {name} was written by a newer Swapyard (version {version}, this one knows {len(MIGRATIONS)})"
        )
    for number, statements in enumerate(MIGRATIONS[version:], version + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise
    present = {row[1] for row in connection.execute("PRAGMA table_info(activity)")}
    if missing := [column for column in MAIN_COLUMNS if column not in present]:
        raise StoreError(f"store.path {name} has a table `activity` without {', '.join(missing)}: it is no activity store")


def missing_sort_indexes(connection: sqlite3.Connection) -> list[str]:
    """Statements that create them."""
    present = _sort_indexes(connection)
    return [
        f"CREATE INDEX IF NOT EXISTS {name} ON activity ({column})"
        for name, column in _SORTED.items()
        if name not in present
    ]


def without_sort_indexes(connection: sqlite3.Connection) -> list[str]:
    """Statements that delete them."""
    return [f"DROP INDEX {name}" for name in _sort_indexes(connection)]


def _sort_indexes(connection: sqlite3.Connection) -> set[str]:
    return {row[1] for row in connection.execute("PRAGMA index_list(activity)")} & _SORTED.keys()
