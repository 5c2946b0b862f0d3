"""The parameters of `GET /api/metrics/activity`, checked and turned into SQL.

Checked in llama-swap's order (model, start, end, range, ids, limit, page, sort, order), so that of several mistakes the same
one is told; then ours (status, path, session, request). Values are trimmed; an empty one is as good as none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Final

from swapyard.errors import BadRequest
from swapyard.observe.activity.schema import SORT_COLUMNS

DEFAULT_LIMIT: Final = 25
MOST_LIMIT: Final = 999
_LARGEST: Final = 2**63 - 1
_RFC3339: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,]\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_STATUS: Final = re.compile(r"[1-5](?:\d\d|xx)", re.ASCII)
_COLUMNS: Final = {"id": "id", "time": "ts_created", **SORT_COLUMNS}


@dataclass(frozen=True, slots=True)
class ActivityQuery:
    """Which rows, and which page of them. Times are Unix seconds, all bounds inclusive. `column` is a name of the table.
    `statuses`: ranges, of which a row's status is in one. `path`: what a row's path holds somewhere. `sessions`: whole.
    `ids`: of which a row's is one. `request`: its number among the requests under way, of whichever process. None: any."""

    models: tuple[str, ...] = ()
    start: int | None = None
    end: int | None = None
    min_id: int | None = None
    max_id: int | None = None
    statuses: tuple[tuple[int, int], ...] = ()
    path: str = ""
    sessions: tuple[str, ...] = ()
    limit: int = DEFAULT_LIMIT
    page: int = 1
    column: str = "id"
    descending: bool = True
    ids: frozenset[int] | None = None
    request: int | None = None

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.limit

    @classmethod
    def parse(cls, parameters: Iterable[tuple[str, str]]) -> ActivityQuery:
        """`parameters`: names and values in the order of the query string. Raises BadRequest with `param` set."""
        given: dict[str, list[str]] = {}
        for name, value in parameters:
            given.setdefault(name, []).append(value.strip())
        first = {name: values[0] for name, values in given.items()}
        models = tuple(dict.fromkeys(model for model in given.get("model", ()) if model))
        start, end = _time(first, "start"), _time(first, "end")
        if start is not None and end is not None and start > end:
            raise BadRequest("start must not be after end", param="start")
        min_id, max_id = _integer(first, "min_id", _LARGEST), _integer(first, "max_id", _LARGEST)
        if min_id is not None and max_id is not None and min_id > max_id:
            raise BadRequest("min_id must not be greater than max_id", param="min_id")
        limit = _integer(first, "limit", MOST_LIMIT) or DEFAULT_LIMIT
        page = _integer(first, "page", _LARGEST) or 1
        sort = first.get("sort") or "id"
        if sort not in _COLUMNS:
            raise BadRequest(f"sort must be one of {', '.join(_COLUMNS)}", param="sort")
        order = (first.get("order") or "desc").lower()
        if order not in ("asc", "desc"):
            raise BadRequest("order must be asc or desc", param="order")
        statuses = tuple(dict.fromkeys(_statuses(status) for status in given.get("status", ()) if status))
        path = first.get("path", "")
        sessions = tuple(dict.fromkeys(session for session in given.get("session", ()) if session))
        request = _integer(first, "request", _LARGEST)
        column, descending = _COLUMNS[sort], order == "desc"
        return cls(
            models, start, end, min_id, max_id, statuses, path, sessions, limit, page, column, descending, request=request
        )

    def among(self, ids: frozenset[int]) -> ActivityQuery:
        """Of the rows that this asks for only these."""
        first, last = min(ids, default=1), max(ids, default=1)
        lower = first if self.min_id is None else max(first, self.min_id)
        upper = last if self.max_id is None else min(last, self.max_id)
        return replace(self, ids=ids, min_id=lower, max_id=upper)

    def conditions(self, walk: str | None = None) -> tuple[str, list[object]]:
        """The WHERE clause ("" for all rows) and its values. `walk`: the column along whose index the rows will be looked
        through; the other conditions are then written so that SQLite uses no index for them (its unary plus)."""
        times = (("ts_created", ">=", self.start), ("ts_created", "<=", self.end))
        ids = (("id", ">=", self.min_id), ("id", "<=", self.max_id))
        clauses: list[str] = []
        values: list[object] = []
        for column, compare, value in (*times, *ids):
            if value is not None:
                clauses.append(f"{'' if walk in (None, column) else '+'}{column} {compare} ?")
                values.append(value)
        if self.models:
            # llama-swap's index on (model, time, id) is in the order of time for one model
            used = walk in (None, "model_id") or (walk == "ts_created" and len(self.models) == 1)
            clauses.append(f"{'' if used else '+'}model_id IN ({', '.join('?' * len(self.models))})")
            values += self.models
        if self.statuses:
            column = "resp_status_code" if walk in (None, "resp_status_code") else "+resp_status_code"
            clauses.append(f"({' OR '.join([f'{column} BETWEEN ? AND ?'] * len(self.statuses))})")
            values += chain.from_iterable(self.statuses)
        if self.path:
            clauses.append("instr(req_path, ?)")
            values.append(self.path)
        if self.sessions:
            marks = ", ".join("?" * len(self.sessions))
            ours = f"SELECT s.id FROM swapyard_activity AS s WHERE s.session IN ({marks}) AND s.session != ''"
            clauses.append(f"{'' if walk is None else '+'}id IN ({ours})")
            values += self.sessions
        if self.request is not None:
            ours = "SELECT s.id FROM swapyard_activity AS s WHERE s.request = ? AND s.request != 0"
            clauses.append(f"{'' if walk is None else '+'}id IN ({ours})")
            values.append(self.request)
        if self.ids is not None:
            clauses.append(f"{'' if walk in (None, 'id') else '+'}id IN ({', '.join(map(str, sorted(self.ids)))})")
        return (f" WHERE {' AND '.join(clauses)}" if clauses else ""), values

    @property
    def all_times(self) -> bool:
        return self.start is None and self.end is None

    @property
    def all_ids(self) -> bool:
        return self.min_id is None and self.max_id is None

    @property
    def all_answers(self) -> bool:
        """Only models, times and ids are asked for."""
        narrowed = self.statuses or self.path or self.sessions or self.ids is not None or self.request is not None
        return not narrowed


def _statuses(text: str) -> tuple[int, int]:
    """A status, or the hundred of them that "4xx" stands for."""
    if not _STATUS.fullmatch(text):
        raise BadRequest(f'"status" must be a status such as 404 or a class such as 5xx, not "{text[:50]}"', param="status")
    return int(text.replace("x", "0")), int(text.replace("x", "9"))


def _time(first: dict[str, str], name: str) -> int | None:
    """Unix seconds; fractions are cut off."""
    text = first.get(name)
    if not text:
        return None
    found = _RFC3339.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        return int(datetime.fromisoformat(found[1] + found[2]).timestamp())
    except (ValueError, OverflowError):
        raise BadRequest(f"{name} must be an RFC 3339 time such as 2026-01-31T23:59:59Z", param=name) from None


def _integer(first: dict[str, str], name: str, most: int) -> int | None:
    text = first.get(name)
    if not text:
        return None
    value = int(text) if _INTEGER.fullmatch(text) else 0
    if not 1 <= value <= most:
        bound = f"from 1 to {most}" if most < _LARGEST else "of at least 1"
        raise BadRequest(f'"{name}" must be a whole number {bound}, not "{text[:50]}"', param=name)
    return value
