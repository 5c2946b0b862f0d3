"""Totals, histograms and percentiles of the activity, as `/api/metrics/stats` tells them.

Up to `EXACT_ROWS` rows they are computed from every value. Beyond that a `Rollup` counts the speeds in narrow steps, so that
a million rows take no longer than a thousand: totals, minimum and maximum stay exact, percentiles and the borders of the
histogram's bins are right to one step (1/32 token/s below 64, then less than 1 %).

A rollup also counts rows by the hour, so that nobody has to count half a million of them to tell how many pages there are.
"""

from __future__ import annotations

import math
import sqlite3
import threading
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

import msgspec

EXACT_ROWS: Final = 20_000
HOUR: Final = 3600  # seconds
_AT_ONCE: Final = 200_000  # rows read in one query, so that a first count of a large file holds nobody up for long


class Histogram(msgspec.Struct, kw_only=True, rename={"bin_size": "binSize"}):
    bins: list[int]
    min: float
    max: float
    bin_size: float
    p50: float
    p95: float
    p99: float


class Statistics(msgspec.Struct, kw_only=True):
    """Cached tokens count only where they are positive, speeds likewise; a histogram is None where there are none."""

    total_requests: int = 0
    total_input_tokens: int = 0
    total_output_tokens: int = 0
    total_cache_tokens: int = 0
    prompt_histogram: Histogram | None = None
    gen_histogram: Histogram | None = None


# Not `sum`, which fails beyond 64 bits: a thousand answers of an engine that lies come to that. Exact up to 2**53.
TOTALS: Final = (
    "count(*), CAST(total(input_tokens) AS INTEGER), CAST(total(output_tokens) AS INTEGER),"
    " CAST(total(max(cache_tokens, 0)) AS INTEGER)"
)
SPEEDS: Final = ("prompt_per_second", "tokens_per_second")


def histogram(steps: Sequence[tuple[float, float, int]], least: float, most: float) -> Histogram | None:
    """`steps`: (lowest value, width, how many values), ascending; width 0 where it is the value itself."""
    n = sum(count for *_, count in steps)
    if n == 0:
        return None
    ends = list(accumulate(count for *_, count in steps))
    p50, p95, p99 = (min(max(_percentile(steps, ends, p), least), most) for p in (50, 95, 99))
    if least == most:
        return Histogram(bins=[n], min=least, max=most, bin_size=0.0, p50=p50, p95=p95, p99=p99)
    k = min(max(math.ceil(math.log2(n)) + 1, 5), 20)
    size = (most - least) / k
    bins = [0] * k
    for low, width, count in steps:
        bins[min(max(int((low + width / 2 - least) / size), 0), k - 1)] += count
    return Histogram(bins=bins, min=least, max=most, bin_size=size, p50=p50, p95=p95, p99=p99)


def _percentile(steps: Sequence[tuple[float, float, int]], ends: Sequence[int], p: int) -> float:
    """Linear between the two nearest ranks. `ends`: how many values there are up to and with each step."""
    rank = p / 100 * (ends[-1] - 1)
    low, high = (_at_rank(steps, ends, nearest) for nearest in (math.floor(rank), math.ceil(rank)))
    return low + (high - low) * (rank - math.floor(rank))


def _at_rank(steps: Sequence[tuple[float, float, int]], ends: Sequence[int], rank: int) -> float:
    at = bisect_right(ends, rank)
    low, width, count = steps[at]
    return low + width * (rank - (ends[at] - count) + 0.5) / count


def exact(connection: sqlite3.Connection, where: str, values: Sequence[object]) -> Statistics:
    """From every row that a condition lets through. For small tables, and for filters that no rollup knows."""
    requests, tokens_in, tokens_out, cached = connection.execute(
        f"SELECT {TOTALS} FROM activity{where}", list(values)
    ).fetchone()
    found = []
    for column in SPEEDS:
        condition = f"{where} AND {column} > 0" if where else f" WHERE {column} > 0"
        speeds = sorted(row[0] for row in connection.execute(f"SELECT {column} FROM activity{condition}", list(values)))
        found.append(histogram([(speed, 0.0, 1) for speed in speeds], speeds[0], speeds[-1]) if speeds else None)
    return Statistics(
        total_requests=requests,
        total_input_tokens=tokens_in,
        total_output_tokens=tokens_out,
        total_cache_tokens=cached,
        prompt_histogram=found[0],
        gen_histogram=found[1],
    )


# Steps of a speed, the same for SQL and Python: powers of two, so that both compute the same number.
_SEGMENTS: Final = ((64.0, 1 / 32, 0), (1024.0, 0.5, 10_000), (16384.0, 8.0, 20_000), (1048576.0, 512.0, 30_000))
_OVERFLOW: Final = 40_000


def _step_sql(column: str) -> str:
    cases = " ".join(
        f"WHEN {column} < {bound} THEN {first} + CAST({column} * {1 / width} AS INTEGER)"
        for bound, width, first in _SEGMENTS
    )
    return f"CASE {cases} ELSE {_OVERFLOW} END"


def _step_range(step: int) -> tuple[float, float]:
    """(lowest value, width)"""
    for _, width, first in reversed(_SEGMENTS):
        if first <= step < _OVERFLOW:
            return (step - first) * width, width
    return _SEGMENTS[-1][0], 0.0


class _Speeds:
    __slots__ = ("least", "most", "steps")

    def __init__(self) -> None:
        self.steps: dict[int, int] = {}
        self.least = math.inf
        self.most = 0.0

    def add(self, step: int, count: int, least: float, most: float) -> None:
        self.steps[step] = self.steps.get(step, 0) + count
        self.least = min(self.least, least)
        self.most = max(self.most, most)


class _Model:
    __slots__ = ("hours", "speeds", "totals")

    def __init__(self) -> None:
        self.totals = [0, 0, 0, 0]
        self.hours: dict[int, tuple[int, int, int]] = {}  # by the hour since 1970: rows, lowest and highest id
        self.speeds = (_Speeds(), _Speeds())

    def add(self, hour: int, least: int, most: int, totals: Sequence[int]) -> None:
        self.totals = [a + b for a, b in zip(self.totals, totals, strict=True)]
        count, least_so_far, most_so_far = self.hours.get(hour, (0, least, most))
        self.hours[hour] = count + totals[0], min(least, least_so_far), max(most, most_so_far)


class Rollup:
    """Running figures of a table that only grows. Rows are read once, when somebody asks. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._models: dict[str, _Model] = {}
        self._oldest = 0
        self._read_up_to = 0
        self.ready = False  # it has caught up once: from now on that is quick
        self.goes_on = False  # whatever is deleted: whoever deletes will replace it

    def catch_up(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            newest = connection.execute("SELECT max(id) FROM activity").fetchone()[0] or 0
            oldest = connection.execute("SELECT min(id) FROM activity").fetchone()[0] or 0
            was_pruned = oldest != self._oldest or newest < self._read_up_to
            if was_pruned and not (self.ready and self.goes_on):
                self._models, self._oldest, self._read_up_to = {}, oldest, 0
            while self._read_up_to < newest:
                # From the next row on: another program may have left any gap between two ids.
                (first,) = connection.execute("SELECT min(id) FROM activity WHERE id > ?", (self._read_up_to,)).fetchone()
                upper = newest if first is None else min(first - 1 + _AT_ONCE, newest)
                self._read(connection, self._read_up_to, upper)
                self._read_up_to = upper
            self.ready = True

    def _read(self, connection: sqlite3.Connection, after: int, upper: int) -> None:
        span = "FROM activity WHERE id > ? AND id <= ?"
        by_hour = f"SELECT model_id, ts_created / {HOUR}, min(id), max(id), {TOTALS} {span} GROUP BY 1, 2"
        for model, hour, least, most, *totals in connection.execute(by_hour, (after, upper)):
            self._models.setdefault(model, _Model()).add(hour, least, most, totals)
        for at, column in enumerate(SPEEDS):
            query = f"SELECT model_id, {_step_sql(column)}, count(*), min({column}), max({column}) {span}"
            for model, *step in connection.execute(f"{query} AND {column} > 0 GROUP BY 1, 2", (after, upper)):
                self._models[model].speeds[at].add(*step)

    def requests(self, models: Sequence[str]) -> int:
        """How many rows there are, of some models or (none given) of all, as of the last `catch_up`."""
        with self._lock:
            return sum(model.totals[0] for model in self._chosen(models))

    def rows_by_model(self) -> list[tuple[str, int]]:
        """As of the last `catch_up`."""
        with self._lock:
            return [(name, model.totals[0]) for name, model in self._models.items()]

    def hours(self, models: Sequence[str], first: int, last: int) -> tuple[int, int, int]:
        """Rows, lowest and highest id of some whole hours since 1970, both included; (0, 0, 0) where there are none."""
        with self._lock:
            found = [entry for model in self._chosen(models) for hour, entry in model.hours.items() if first <= hour <= last]
        if not found:
            return 0, 0, 0
        return sum(entry[0] for entry in found), min(entry[1] for entry in found), max(entry[2] for entry in found)

    def _chosen(self, models: Sequence[str]) -> list[_Model]:
        if not models:
            return list(self._models.values())
        return [self._models[model] for model in models if model in self._models]

    def statistics(self, models: Sequence[str]) -> Statistics:
        """Of some models or (none given) of all, as of the last `catch_up`."""
        with self._lock:
            chosen = self._chosen(models)
            requests, tokens_in, tokens_out, cached = (sum(entry.totals[at] for entry in chosen) for at in range(4))
            return Statistics(
                total_requests=requests,
                total_input_tokens=tokens_in,
                total_output_tokens=tokens_out,
                total_cache_tokens=cached,
                prompt_histogram=_merged([entry.speeds[0] for entry in chosen]),
                gen_histogram=_merged([entry.speeds[1] for entry in chosen]),
            )


def _merged(all_speeds: Sequence[_Speeds]) -> Histogram | None:
    together: dict[int, int] = {}
    for speeds in all_speeds:
        for step, count in speeds.steps.items():
            together[step] = together.get(step, 0) + count
    steps = [(*_step_range(step), together[step]) for step in sorted(together)]
    least = min((speeds.least for speeds in all_speeds), default=0.0)
    return histogram(steps, least, max((speeds.most for speeds in all_speeds), default=0.0))
