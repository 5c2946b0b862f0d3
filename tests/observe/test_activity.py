"""The activity store: what goes in comes out as specified, and nothing that happens to its file reaches a request."""

from __future__ import annotations

import contextlib
import csv
import json
import math
import random
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.observe.rows import START, Open, ids, listed, request_of

from swapyard.observe.activity import Activity, ActivityQuery, ActivityStore, Outcome
from swapyard.observe.activity.export import COLUMNS, Format
from swapyard.observe.activity.store import MOST_AT_ONCE
from swapyard.observe.figures import Usage

OF_A = ActivityQuery(models=("a",))


def test_a_row_is_listed_as_it_was_recorded(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(has_capture=lambda row_id: row_id == 1)
    usage = Usage(
        input_tokens=5,
        output_tokens=7,
        cache_tokens=-1,
        draft_tokens=3,
        draft_accepted_tokens=2,
        prompt_per_second=12.5,
        tokens_per_second=50.25,
        prompt_ms=100,
        generation_ms=40,
        prompt_tokens=9,
    )
    first = request_of(
        "qwen", usage=usage, content_type="text/event-stream", metadata={"fifo_priority": "2"}, queue_ms=4,
        load_ms=1000, first_token_ms=1200, outcome=Outcome.CLIENT_LEFT, client="::1", session="s1",
        request=812,
    )  # fmt: skip
    assert [store.record(first), store.record(request_of(status=502))] == [1, 2]
    page = listed(store, order="asc")
    assert list(page) == ["data", "page", "limit", "total", "total_pages"]
    row, failed = page["data"]
    assert list(row) == [
        "id", "timestamp", "model", "req_path", "resp_content_type", "resp_status_code", "tokens", "duration_ms",
        "has_capture", "metadata", "timing",
    ]  # fmt: skip
    assert row["tokens"] == {
        "cache_tokens": -1, "draft_tokens": 3, "draft_acc_tokens": 2, "input_tokens": 5, "output_tokens": 7,
        "prompt_per_second": 12.5, "tokens_per_second": 50.25,
    }  # fmt: skip
    assert (row["duration_ms"], row["has_capture"], row["metadata"]) == (140, True, {"fifo_priority": "2"})
    assert row["timing"] == {
        "outcome": "client_left", "ended_ms": START * 1000 + 750, "queue_ms": 4, "load_ms": 1000, "first_token_ms": 1200,
        "prefill_ms": 100.0, "decode_ms": 40.0, "prompt_tokens": 9, "client": "::1", "session": "s1",
        "request": 812,
    }  # fmt: skip
    assert (failed["error_msg"], failed["has_capture"]) == ("502 Bad Gateway", False)
    assert "metadata" not in failed


@pytest.mark.parametrize(
    ("activity", "expected"),
    [
        (request_of(status=404), "404 Not Found"),
        (request_of(status=599), "HTTP 599"),
        (request_of(status=500, usage=Usage(error="out of memory")), "out of memory"),
        (request_of(status=500, usage=Usage(error="x"), error="ours"), "ours"),
        (request_of(status=201), None),
    ],
)
def test_what_a_failed_request_says(store: ActivityStore, activity: Activity, expected: str | None) -> None:
    store.record(activity)
    assert listed(store)["data"][0].get("error_msg") == expected


def test_filters_by_status_and_path_hold_for_the_totals_too(open_store: Open) -> None:
    store = open_store()
    answers = [(200, "/v1/chat/completions"), (404, "/v1/models"), (503, "/v1/chat/completions"), (500, "/v1/rerank")]
    for status, path in answers:
        store.record(request_of(status=status, path=path, usage=Usage(input_tokens=1)))
    assert ids(store, status="5xx") == [4, 3]
    assert ids(store, status=["404", "503", ""]) == [3, 2]
    assert ids(store, path="chat") == [3, 1]
    assert ids(store, path="CHAT") == []
    assert ids(store, path="chat", status="2xx", model="m") == [1]
    assert store.statistics(ActivityQuery.parse([("status", "5xx")])).total_input_tokens == 2
    assert store.statistics(ActivityQuery.parse([("path", "chat"), ("status", "503")])).total_requests == 1


def test_a_request_is_found_by_its_number_under_way(store: ActivityStore) -> None:
    for number in (0, 7, 70, 7):  # another process counts from 1 again
        store.record(request_of(request=number))
    assert ids(store, request="7") == [4, 2]
    assert ids(store, request="7", order="asc", min_id="3") == [4]
    assert ids(store, request="8") == []
    assert store.statistics(ActivityQuery.parse([("request", "7")])).total_requests == 2


def test_sessions_are_found_by_their_whole_name(store: ActivityStore) -> None:
    for session in ("", "chat-1", "chat-10", "chat-1"):
        store.record(request_of(session=session, usage=Usage(input_tokens=1)))
    assert ids(store, session="chat-1") == [4, 2]
    assert ids(store, session=["chat-1", "chat-10", ""], model="m") == [4, 3, 2]
    assert ids(store, session="chat") == []
    assert ids(store, session="") == [4, 3, 2, 1]
    assert store.statistics(ActivityQuery.parse([("session", "chat-1")])).total_input_tokens == 2


def test_uses_tell_how_often_and_when_last(open_store: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(tmp_path / "activity.db")
    assert store.uses() == []
    for n in range(9):
        store.record(request_of("a" if n % 3 else "b", ended=START + n))
    assert store.flush()
    small = sorted(store.uses())
    assert small == [("a", 6, START + 8), ("b", 3, START + 6)]
    monkeypatch.setattr("swapyard.observe.activity.database.EXACT_ROWS", 5)
    assert sorted(store.uses()) == small


def test_pages_filters_and_orders(store: ActivityStore) -> None:
    for n in range(60):
        usage = Usage(output_tokens=n % 7, tokens_per_second=n / 3)
        store.record(request_of(("a", "b", "c")[n % 3], ended=START + n // 2, usage=usage, duration_ms=60 - n))
    everything = list(range(60, 0, -1))
    assert ids(store) == everything[:25]
    assert ids(store, page=3) == everything[50:]
    assert ids(store, page=2, limit=50, order="ASC") == list(range(51, 61))
    assert ids(store, page=4) == []
    assert listed(store, limit=7)["total_pages"] == 9
    assert ids(store, model=["a", "c", " "], limit=999) == [n for n in everything if (n - 1) % 3 != 1]
    assert ids(store, min_id=3, max_id=5) == [5, 4, 3]
    assert ids(store, sort="duration", order="asc", limit=3) == [60, 59, 58]
    by_tokens = sorted(everything, key=lambda n: ((n - 1) % 7, n), reverse=True)
    assert [row for page in range(1, 7) for row in ids(store, sort="generated", limit=10, page=page)] == by_tokens
    assert ids(store, sort="time", model="b", limit=2) == [59, 56]
    span = listed(store, start="2025-10-09T08:53:20.9Z", end="2025-10-09T10:53:21+02:00")
    assert ([row["id"] for row in span["data"]], span["total"], span["page"], span["limit"]) == ([4, 3, 2, 1], 4, 1, 25)


# What llama-swap can sort by, and where a row has it.
SORTS = {
    "id": "id",
    "time": "timestamp",
    "model": "model",
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


@pytest.mark.parametrize("sort", SORTS)
def test_every_order_is_by_its_own_field(store: ActivityStore, sort: str) -> None:
    dice = random.Random(sort)
    for _ in range(40):
        usage = Usage(
            input_tokens=dice.randrange(9), output_tokens=dice.randrange(9), cache_tokens=dice.randrange(-1, 9),
            draft_tokens=dice.randrange(-1, 9), prompt_per_second=dice.randrange(9) / 2, tokens_per_second=dice.randrange(9),
        )  # fmt: skip
        fields: dict[str, Any] = {
            "ended": START + dice.randrange(9), "path": dice.choice(("/a", "/b")), "status": dice.choice((200, 500)),
            "content_type": dice.choice("xyz"), "duration_ms": dice.randrange(9),
        }  # fmt: skip
        store.record(request_of(dice.choice("klm"), usage=usage, **fields))
    flat = [(row | row["tokens"])[SORTS[sort]] for row in (listed(store, sort="id", order="asc", limit=999)["data"])]
    expected = sorted(range(1, 41), key=lambda row_id: (flat[row_id - 1], row_id))
    assert ids(store, sort=sort, order="asc", limit=999) == expected
    assert ids(store, sort=sort, limit=999) == expected[::-1]


def test_an_empty_store_lists_nothing(store: ActivityStore) -> None:
    assert listed(store) == {"data": [], "page": 1, "limit": 25, "total": 0, "total_pages": 0}
    assert store.statistics().total_requests == 0
    assert ids(store, start="2025-10-09T08:53:20Z") == []


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"start": "2025-10-09"}, "start"),
        ({"end": "yesterday"}, "end"),
        ({"start": "2025-13-09T08:53:20Z"}, "start"),
        ({"start": "2025-10-09T08:53:21Z", "end": "2025-10-09T08:53:20Z"}, "start"),
        ({"min_id": "0"}, "min_id"),
        ({"max_id": "1_0"}, "max_id"),
        ({"min_id": "3", "max_id": "2"}, "min_id"),
        ({"limit": "0"}, "limit"),
        ({"limit": "1000"}, "limit"),
        ({"limit": "ten", "sort": "nonsense"}, "limit"),
        ({"page": "-1"}, "page"),
        ({"sort": "ID"}, "sort"),
        ({"order": "up"}, "order"),
        ({"status": "error"}, "status"),
        ({"status": "4x4"}, "status"),
    ],
)
def test_a_wrong_parameter_is_named(parameters: dict[str, str], param: str) -> None:
    with pytest.raises(Exception, match=param) as caught:
        ActivityQuery.parse(parameters.items())
    assert getattr(caught.value, "status", 0) == 400
    assert getattr(caught.value, "param", "") == param


def test_parameters_are_trimmed_and_blank_ones_ignored() -> None:
    given = [("limit", " 5 "), ("page", " "), ("model", " a "), ("model", ""), ("order", "Asc"), ("sort", "")]
    assert ActivityQuery.parse(given) == ActivityQuery(models=("a",), limit=5, descending=False)


# --- statistics ---


def test_statistics_follow_the_formulas(store: ActivityStore) -> None:
    speeds = [10.0, 20.0, 30.0, 45.0, 0.0, -1.0]
    for speed in speeds:
        store.record(request_of(usage=Usage(tokens_per_second=speed, input_tokens=2, output_tokens=3, cache_tokens=-1)))
    store.record(request_of("other", usage=Usage(prompt_per_second=7.0, cache_tokens=5)))
    store.flush()
    found = json.loads(msgspec.json.encode(store.statistics()))
    assert found == {
        "total_requests": 7, "total_input_tokens": 12, "total_output_tokens": 18, "total_cache_tokens": 5,
        "prompt_histogram": {"bins": [1], "min": 7.0, "max": 7.0, "binSize": 0.0, "p50": 7.0, "p95": 7.0, "p99": 7.0},
        "gen_histogram": {
            "bins": [1, 1, 1, 0, 1], "min": 10.0, "max": 45.0, "binSize": 7.0,
            "p50": 25.0, "p95": pytest.approx(42.75), "p99": pytest.approx(44.55),
        },
    }  # fmt: skip
    assert store.statistics(ActivityQuery(models=("other",))).gen_histogram is None
    assert store.statistics(ActivityQuery(models=("nobody",))).total_requests == 0


def test_statistics_of_a_large_file_agree_with_those_of_a_small_one(
    open_store: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(5)
    store = open_store(tmp_path / "activity.db")
    for _ in range(3000):
        usage = Usage(prompt_per_second=dice.lognormvariate(7, 2), tokens_per_second=dice.choice((-1, dice.uniform(1, 90))))
        store.record(request_of(dice.choice("ab"), usage=usage))
    store.flush()
    small = [store.statistics(query) for query in (ActivityQuery(), OF_A)]
    monkeypatch.setattr("swapyard.observe.activity.database.EXACT_ROWS", 100)
    monkeypatch.setattr("swapyard.observe.activity.statistics._AT_ONCE", 700)
    for exact, counted in zip(small, [store.statistics(query) for query in (ActivityQuery(), OF_A)], strict=True):
        assert exact.total_requests == counted.total_requests
        for one, other in ((exact.gen_histogram, counted.gen_histogram), (exact.prompt_histogram, counted.prompt_histogram)):
            assert one is not None
            assert other is not None
            assert (one.min, one.max, one.bin_size) == (other.min, other.max, other.bin_size)
            assert sum(one.bins) == sum(other.bins)
            assert sum(abs(a - b) for a, b in zip(one.bins, other.bins, strict=True)) <= 30
            for percentile in ("p50", "p95", "p99"):
                exactly = getattr(one, percentile)
                assert math.isclose(exactly, getattr(other, percentile), rel_tol=0.01, abs_tol=0.05)
    store.record(request_of("a"))
    assert listed(store, model="a")["total"] == small[1].total_requests + 1
    assert store.statistics(OF_A).total_requests == small[1].total_requests + 1


def test_a_large_file_is_listed_like_a_small_one(open_store: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(3)
    store = open_store(tmp_path / "activity.db")
    for n in range(400):
        usage = Usage(output_tokens=dice.randrange(9))
        ended = START + (10**8 if n == 200 else n * 60 + dice.randrange(9999))
        status = (200, 404, 500)[n % 3]
        session = f"s{n % 5}" if n % 5 else ""
        more = {"duration_ms": n % 11, "status": status, "session": session}
        store.record(request_of(dice.choice("abc"), ended=ended, usage=usage, **more))
    time = {"start": "2025-10-09T10:54:20Z", "end": "2025-10-09T14:01:01Z"}
    queries: list[dict[str, Any]] = [
        {"sort": sort, "order": order, "page": page, "limit": 60, **more}
        for sort in ("id", "time", "model", "generated", "duration")
        for order in ("asc", "desc")
        for page in (1, 3, 7)
        for more in (
            {},
            {"model": ["a", "b"]},
            time,
            time | {"model": "a"},
            {"min_id": 50, "model": "c"},
            {"status": ["5xx", "404"], "path": "/v1"},
            {"session": ["s1", "s2"], "model": "a"},
        )
    ]
    small = [listed(store, **query) for query in queries]
    for name in ("EXACT_ROWS", "LARGE"):
        monkeypatch.setattr(f"swapyard.observe.activity.database.{name}", 50)
    monkeypatch.setattr(store, "_rows_to_check", 0)
    store.record(request_of("late", ended=START + 10**6))
    store.flush()
    with contextlib.closing(sqlite3.connect(tmp_path / "activity.db")) as connection:
        names = {row[1] for row in connection.execute("PRAGMA index_list(activity)")}
        assert "swapyard_sort_duration_ms" in names
        connection.execute("DELETE FROM activity WHERE id = 401")  # it was only to have the indexes made
        connection.commit()
    store.statistics()
    assert [listed(store, **query) for query in queries] == small


# --- writing ---


@contextlib.contextmanager
def hurdle(store: ActivityStore) -> Iterator[None]:
    """The writer writes nothing meanwhile."""
    drain, gate = store._drain, threading.Event()
    passed: Any = lambda: (gate.wait(10), drain())  # noqa: E731
    store._drain = passed  # type: ignore[method-assign]
    try:
        yield
    finally:
        gate.set()


def test_memory_keeps_the_newest_rows(open_store: Open) -> None:
    store = open_store(max_in_memory=10)
    for _ in range(25):
        store.record(request_of())
    store.flush()
    store.record(request_of())
    assert ids(store, limit=999) == list(range(26, 16, -1))


def test_rows_that_wait_are_as_many_as_memory_keeps(open_store: Open) -> None:
    store = open_store(max_in_memory=10)
    with hurdle(store):
        for _ in range(25):
            store.record(request_of())
        assert len(store._queue) == 10
        store.keep(15)
        for _ in range(4):
            store.record(request_of())
        store.keep(12)
    assert ids(store, limit=999) == list(range(29, 17, -1))


@pytest.mark.parametrize("keep", [0, -5])
def test_no_bound_means_a_thousand(open_store: Open, keep: int) -> None:
    store = open_store(max_in_memory=keep)
    for _ in range(1010):
        store.record(request_of())
    assert listed(store)["total"] == 1000


def test_who_listens_is_told_of_rows_that_are_there_to_see(open_store: Open) -> None:
    told: list[int] = []
    seen: list[int] = []

    def stored(new: Sequence[int]) -> None:
        told.extend(new)
        seen.append(opened[0].listing(ActivityQuery()).total)

    opened = [open_store(stored=stored)]
    for _ in range(3):
        opened[0].record(request_of())
    opened[0].flush()
    assert told == [1, 2, 3]
    assert seen[-1] == 3


def test_a_flood_is_written_whole_and_in_order(open_store: Open, tmp_path: Path) -> None:
    """More than go into one transaction, and one more."""
    told: list[int] = []
    store = open_store(tmp_path / "activity.db", stored=told.extend)
    many = 2 * MOST_AT_ONCE + 1
    assert store.record_all([request_of(session=f"s{number}") for number in range(1, many + 1)]) == 1
    store.flush()
    assert told == list(range(1, many + 1))
    rows = [json.loads(line) for line in b"".join(store.export(ActivityQuery(), Format.JSON_LINES)).splitlines()]
    assert [(row["id"], row["timing"]["session"]) for row in rows] == [(n, f"s{n}") for n in range(1, many + 1)]


def test_recording_never_waits_for_the_disk(open_store: Open) -> None:
    gate = threading.Event()
    store = open_store(stored=lambda _: gate.wait(20) and None)
    store.record(request_of())
    for _ in range(30_000):  # returns, although the writer stands still
        store.record(request_of())
    assert not store.flush(0)
    gate.set()
    assert store.flush()


def test_what_cannot_be_text_is_stored_all_the_same(store: ActivityStore) -> None:
    store.record(request_of("m\udcff\x00", metadata={"k": "é\x00"}))
    assert listed(store)["data"][0]["model"] == "m?\x00"


# --- export ---


@pytest.mark.parametrize("rows", [0, 1, 1203])
def test_an_export_has_every_row_once(store: ActivityStore, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_keep", 5000)
    for n in range(min(rows, 1000)):
        store.record(request_of("a" if n % 2 else "b", metadata={"n": str(n)} if n == 3 else None))
    store.flush()
    expected = min(rows, 1000)
    lines = b"".join(store.export(ActivityQuery(limit=1, page=9), Format.JSON_LINES)).splitlines()
    assert [json.loads(line)["id"] for line in lines] == list(range(1, expected + 1))
    table = list(csv.DictReader(b"".join(store.export(ActivityQuery(), Format.CSV)).decode().splitlines()))
    assert [int(row["id"]) for row in table] == list(range(1, expected + 1))
    if rows > 3:
        assert table[3]["metadata"] == '{"n":"3"}'
        assert tuple(table[0]) == COLUMNS
        only_a = list(store.export(ActivityQuery(models=("a",)), Format.JSON_LINES))
        assert b"".join(only_a).count(b"\n") == expected // 2
        assert len(only_a) == math.ceil(expected / 2 / 500)


def test_a_table_carries_no_formula(store: ActivityStore) -> None:
    store.record(request_of("=cmd()", error='a "quoted", text\nof two lines', session="@SUM(1)"))
    store.flush()
    row = next(csv.DictReader(b"".join(store.export(ActivityQuery(), Format.CSV)).decode().splitlines(keepends=True)))
    assert (row["model"], row["error_msg"]) == ("'=cmd()", 'a "quoted", text\nof two lines')
    assert row["session"] == "'@SUM(1)"
