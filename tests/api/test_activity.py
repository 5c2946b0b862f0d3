"""/api/metrics/activity, its export, /api/metrics/stats, captures, and the end of requests under way."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from swapyard.observe.activity import Activity, ActivityStore
from swapyard.observe.captures import Captures
from swapyard.observe.figures import Usage

CHAT = "/v1/chat/completions"


@pytest.fixture
def books(yard: Any) -> Iterator[Any]:
    """Three rows: of m (with a capture), of n, and of m, in this order."""
    captures = Captures(1_000_000, warn=print)
    store = ActivityStore(None, warn=print, has_capture=captures.has)
    for at, model in ((100, "m"), (200, "n"), (300, "m")):
        usage = Usage(input_tokens=at, output_tokens=2, tokens_per_second=at / 10)
        store.record(Activity(ended=float(at), model=model, path=CHAT, status=200, duration_ms=at, usage=usage))
    capture = captures.begin(CHAT, [(b"x-api-key", b"X-Api-Key", b"s3cret")], b'{"model":"m"}')
    assert capture is not None
    capture.answered(200, [(b"Content-Type", b"application/json")])
    capture.feed(b"{}")
    captures.keep(capture, 1)
    assert store.flush()
    yard.activity, yard.captures = store, captures
    yield yard
    captures.close()
    store.close()


def ids(answer: Any) -> list[int]:
    assert answer.status == 200, answer.text
    return [row["id"] for row in answer.json["data"]]


async def test_captures_are_of_their_rows_also_where_another_program_added_some(books: Any) -> None:
    books.activity.ids.move(1, 2)
    answer = await books.get("/api/captures/3")
    assert (answer.status, answer.json["id"]) == (200, 3)
    assert ids(await books.get("/api/metrics/activity?text=model")) == [3]
    assert (await books.get("/api/captures/1")).status == 404


async def test_the_listing_its_export_and_the_totals_are_narrowed_by_what_captures_say(books: Any) -> None:
    answer = await books.get("/api/metrics/activity?text=%22MODEL%22")
    assert ids(answer) == [1]
    assert answer.json["search"] == {"searched": 1, "kept": 1}
    assert "search" not in (await books.get("/api/metrics/activity")).json
    assert ids(await books.get("/api/metrics/activity?text=nowhere")) == []
    assert ids(await books.get("/api/metrics/activity?text=model&min_id=2")) == []
    assert (await books.get("/api/metrics/stats?text=model")).json["total_requests"] == 1
    exported = await books.get("/api/metrics/activity/export?format=jsonl&text=model")
    assert [json.loads(line)["id"] for line in exported.text.splitlines()] == [1]
    refused = await books.get(f"/api/metrics/activity?text={'x' * 1001}")
    assert (refused.status, refused.json["error"]["param"]) == (400, "text")


async def test_the_listing_has_pages_filters_and_orders(books: Any) -> None:
    answer = await books.get("/api/metrics/activity")
    assert ids(answer) == [3, 2, 1]
    assert (answer.json["page"], answer.json["limit"], answer.json["total"], answer.json["total_pages"]) == (1, 25, 3, 1)
    row = answer.json["data"][-1]
    assert (row["model"], row["req_path"], row["resp_status_code"], row["has_capture"]) == ("m", CHAT, 200, True)
    assert row["tokens"]["input_tokens"] == 100
    assert "error_msg" not in row
    assert ids(await books.get("/api/metrics/activity?limit=2&page=2&order=ASC")) == [3]
    assert ids(await books.get("/api/metrics/activity?model=n&model=nobody")) == [2]
    assert ids(await books.get("/api/metrics/activity?min_id=2&sort=prompt&order=asc")) == [2, 3]
    assert ids(await books.get("/api/metrics/activity?start=1970-01-01T00:03:20Z&end=1970-01-01T00:05:00%2B00:00")) == [3, 2]
    assert ids(await books.get("/api/metrics/activity?page=9")) == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("start=2026-01-01", "start"),
        ("end=yesterday", "end"),
        ("start=2026-01-02T00:00:00Z&end=2026-01-01T00:00:00Z", "start"),
        ("min_id=0", "min_id"),
        ("max_id=x", "max_id"),
        ("min_id=5&max_id=4", "min_id"),
        ("limit=1000", "limit"),
        ("limit=-1", "limit"),
        ("page=0", "page"),
        ("page=1.5", "page"),
        ("sort=Model", "sort"),
        ("order=up", "order"),
    ],
)
@pytest.mark.parametrize("path", ["/api/metrics/activity", "/api/metrics/activity/export"])
async def test_a_wrong_parameter_is_named(books: Any, path: str, query: str, field: str) -> None:
    answer = await books.get(f"{path}?{query}")
    if path.endswith("export") and field in ("limit", "page"):
        assert answer.status == 200  # an export has no pages
        return
    assert (answer.status, answer.json["error"]["param"]) == (400, field)
    assert field in answer.json["error"]["message"]


async def test_who_asks_for_the_head_of_an_export_has_nothing_read(books: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ActivityStore, "export", None)
    answer = await books.ask("HEAD", "/api/metrics/activity/export?format=jsonl")
    assert (answer.status, answer.headers["content-type"], answer.text) == (200, "application/x-ndjson", "")


async def test_the_export_is_csv_or_json_lines_and_keeps_to_the_filters(books: Any) -> None:
    answer = await books.get("/api/metrics/activity/export?model=m&limit=1")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="swapyard-activity.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["id"], row["model"], row["input_tokens"]) for row in rows] == [("1", "m", "100"), ("3", "m", "300")]
    answer = await books.get("/api/metrics/activity/export?format=jsonl&min_id=2")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert answer.headers["content-disposition"] == 'attachment; filename="swapyard-activity.jsonl"'
    assert [json.loads(line)["id"] for line in answer.text.splitlines()] == [2, 3]
    answer = await books.get("/api/metrics/activity/export?format=xml")
    assert (answer.status, answer.json["error"]["param"]) == (400, "format")
    assert answer.json["error"]["message"] == '"format" must be csv or jsonl, not "xml"'


async def test_statistics_of_all_models_of_one_and_of_none(books: Any) -> None:
    answer = (await books.get("/api/metrics/stats")).json
    assert (answer["total_requests"], answer["total_input_tokens"], answer["total_output_tokens"]) == (3, 600, 6)
    assert (answer["gen_histogram"]["min"], answer["gen_histogram"]["max"]) == (10, 30)
    assert answer["prompt_histogram"] is None
    assert (await books.get("/api/metrics/stats?model=%20n%20")).json["total_input_tokens"] == 200
    assert (await books.get("/api/metrics/stats?model=n&model=m")).json["total_input_tokens"] == 600
    nobody = await books.get("/api/metrics/stats?model=nobody")
    assert (nobody.status, nobody.json["total_requests"]) == (200, 0)


async def test_a_capture_is_shown_with_its_secrets_hidden(books: Any) -> None:
    answer = await books.get("/api/captures/1")
    assert answer.json == {
        "id": 1,
        "req_path": CHAT,
        "req_headers": {"X-Api-Key": "[REDACTED]"},
        "req_body": "eyJtb2RlbCI6Im0ifQ==",
        "resp_headers": {"Content-Type": "application/json"},
        "resp_body": "e30=",
    }
    assert (await books.get("/api/captures/+1")).status == 200


@pytest.mark.parametrize(
    ("text", "status"),
    [("2", 404), ("-1", 404), ("9" * 6000, 404), ("x", 400), ("1.0", 400), ("1_0", 400), ("%D9%A1", 400), ("%201", 400)],
)
async def test_a_capture_that_is_none(books: Any, text: str, status: int) -> None:
    answer = await books.get(f"/api/captures/{text}")
    assert answer.status == status
    error = answer.json["error"]
    assert error["param"] == ("id" if status == 400 else None)
    assert "captureBuffer" in error["message"] if status == 404 else "whole number" in error["message"]


async def test_a_request_under_way_is_cancelled_by_its_id(yard: Any) -> None:
    answer = await yard.post("/api/inflight/7/cancel")
    assert (answer.status, answer.json) == (200, {"msg": "ok"})
    answer = await yard.post("/api/inflight/8/cancel")
    assert (answer.status, answer.json["error"]["message"]) == (404, 'no request "8" is under way')
    assert yard.cancelled == ["7", "8"]
    assert (await yard.get("/api/inflight/7/cancel")).status == 405
