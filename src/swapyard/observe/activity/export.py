"""The activity as CSV or JSON lines, in pieces: constant memory, and no query is open between two pieces.

The order is that of the ids; the query's filter counts, its page and order do not.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import UNSET

from swapyard.observe.activity.rows import OUR_COLUMNS, Row

ROWS: Final = 500  # read at once


class Format(StrEnum):
    CSV = "csv"
    JSON_LINES = "jsonl"

    @property
    def content_type(self) -> str:
        return "text/csv; charset=utf-8" if self is Format.CSV else "application/x-ndjson"


TOKEN_COLUMNS: Final = (
    "cache_tokens",
    "draft_tokens",
    "draft_acc_tokens",
    "input_tokens",
    "output_tokens",
    "prompt_per_second",
    "tokens_per_second",
)
COLUMNS: Final = (
    "id",
    "timestamp",
    "model",
    "req_path",
    "resp_content_type",
    "resp_status_code",
    *TOKEN_COLUMNS,
    "duration_ms",
    "has_capture",
    "error_msg",
    "metadata",
    *OUR_COLUMNS,
)


def export(next_rows: Callable[[int, int], list[Row]], form: Format) -> Iterator[bytes]:
    """`next_rows(last, most)`: up to `most` rows with ids above `last`. Blocks; each piece is up to `ROWS` lines."""
    if form is Format.CSV:
        yield _lines([COLUMNS])
    last = 0
    while rows := next_rows(last, ROWS):
        last = rows[-1].id
        yield _lines(map(_cells, rows)) if form is Format.CSV else b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def _lines(rows: object) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)  # type: ignore[arg-type]  # RFC 4180
    return text.getvalue().encode()


def _cells(row: Row) -> list[object]:
    return [
        row.id,
        row.timestamp,
        _text(row.model),
        _text(row.req_path),
        _text(row.resp_content_type),
        row.resp_status_code,
        *(getattr(row.tokens, name) for name in TOKEN_COLUMNS),
        row.duration_ms,
        str(row.has_capture).lower(),
        "" if row.error_msg is UNSET else _text(str(row.error_msg)),
        "" if row.metadata is UNSET else msgspec.json.encode(row.metadata).decode(),
        *([""] * len(OUR_COLUMNS) if row.timing is UNSET else (_cell(getattr(row.timing, name)) for name in OUR_COLUMNS)),
    ]


def _cell(value: object) -> object:
    return _text(value) if isinstance(value, str) else value


def _text(value: str) -> str:
    """What came from outside must be no formula to a spreadsheet (OWASP, CSV injection)."""
    return "'" + value if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
