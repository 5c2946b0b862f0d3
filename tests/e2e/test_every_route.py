"""Every route of the control plane by name, on the real command: who may ask, what it answers, which methods it knows.

The routes to models are in tests/proxy/test_every_endpoint.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple
from unittest.mock import MagicMock

import httpx
import pytest

from swapyard.api.app import all_routes

Start = Callable[..., AbstractContextManager[Any]]

KEY = {"Authorization": "Bearer sk-gateway"}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class Row(NamedTuple):
    """`route`: as the program names it; `path`: one of its paths. `answer`: status, then what the body or the Location
    begins with. `loaded`: whether the model is loaded before."""

    method: str
    route: str
    path: str
    answer: tuple[int, str]
    needs_key: bool = True
    allowed: tuple[str, ...] = ("GET", "HEAD")
    body: str = ""
    loaded: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


LOAD = "/api/models/load/{model}"
ROWS = (
    Row("GET", "/v1/models", "/v1/models", (200, '{"object":"list","data":[{"id":"hare"')),
    Row("GET", "/models", "/models", (200, '{"object":"list","data":[{"id":"hare"')),
    Row("GET", "/v1/models/{id}", "/v1/models/hare", (200, '{"id":"hare"')),
    Row("GET", "/running", "/running", (200, '{"running":[')),
    Row("GET", "/unload", "/unload", (200, "OK")),
    Row("POST", "/api/models/unload", "/api/models/unload", (200, '{"msg":"ok"}'), allowed=("POST",)),
    Row("POST", "/api/models/unload/{model}", "/api/models/unload/hare", (200, "OK"), allowed=("POST",)),
    Row("POST", LOAD, "/api/models/load/hare", (200, '{"model":"hare","state":"ready"'), allowed=("DELETE", "POST")),
    Row("DELETE", LOAD, "/api/models/load/hare", (200, '{"given_up":0'), allowed=("DELETE", "POST")),
    Row("POST", "/models/load", "/models/load", (200, '{"success":true}'), allowed=("POST",), body='{"model": "hare"}'),
    Row("POST", "/models/unload", "/models/unload", (200, '{"success":true}'), allowed=("POST",), body='{"model": "hare"}'),
    Row("GET", "/models/sse", "/models/sse", (200, 'data: {"data":{"status":"loaded"}'), loaded=True),
    Row("GET", "/props", "/props", (200, '{"build_info":"swapyard')),
    Row("GET", "/api/models", "/api/models", (200, '{"models":[')),
    Row("GET", "/api/models/found", "/api/models/found", (200, '{"enabled":false,')),
    Row("GET", "/api/catalog", "/api/catalog", (200, '{"models":[')),
    Row("GET", "/api/models/{id}", "/api/models/hare", (200, '{"id":"hare"')),
    Row("GET", "/api/models/{id}/plan", "/api/models/hare/plan", (200, '{"model":"hare"')),
    Row("GET", "/api/metrics/activity", "/api/metrics/activity", (200, '{"data":[')),
    Row("GET", "/api/metrics/activity/export", "/api/metrics/activity/export", (200, "id,timestamp,model,")),
    Row("GET", "/api/metrics/stats", "/api/metrics/stats", (200, '{"total_requests":')),
    Row("GET", "/api/captures/{id}", "/api/captures/999", (404, '{"src":"swapyard"')),
    Row("POST", "/api/inflight/{id}/cancel", "/api/inflight/999/cancel", (404, '{"src":"swapyard"'), allowed=("POST",)),
    Row("GET", "/api/transitions", "/api/transitions", (200, '{"transitions":[')),
    Row("GET", "/api/events", "/api/events", (200, 'event:message\ndata:{"')),
    Row("GET", "/api/profiles", "/api/profiles", (200, '{"active":null,"profiles":[{"id":"quiet"')),
    Row(
        "PUT",
        "/api/profiles/active",
        "/api/profiles/active",
        (200, '{"active":null}'),
        allowed=("PUT",),
        body='{"name": null}',
    ),
    Row("GET", "/api/version", "/api/version", (200, '{"build_date":')),
    Row("GET", "/api/performance", "/api/performance", (200, '{"enabled":true,"gpu_stats":')),
    Row("GET", "/api/hardware", "/api/hardware", (200, '{"schema_version":1,')),
    Row("GET", "/metrics", "/metrics", (200, "# help ")),
    Row("GET", "/logs", "/logs", (200, "[info]")),
    Row("GET", "/logs/stream", "/logs/stream", (200, "[info]")),
    Row("GET", "/logs/stream/{id}", "/logs/stream/proxy", (200, "[info]")),
    Row("GET", "/ui", "/ui", (307, "/ui/"), needs_key=False),
    Row("GET", "/ui/{file}", "/ui/", (200, "<!doctype html>"), needs_key=False),
    Row("GET", "/", "/", (302, "/ui"), needs_key=False),
    Row("GET", "/upstream", "/upstream", (302, "/ui/models"), needs_key=False, allowed=METHODS),
    Row("GET", "/favicon.ico", "/favicon.ico", (200, "<svg"), needs_key=False),
    Row("GET", "/health", "/health", (200, "OK"), needs_key=False),
    Row("GET", "/wol-health", "/wol-health", (200, "OK"), needs_key=False),
)


@pytest.fixture(scope="module")
def client(shared_swapyard: Start, scripted: Callable[..., str]) -> Iterator[httpx.Client]:
    models = {"hare": {"cmd": scripted("hare")}}
    config = {"apiKeys": ["sk-gateway"], "models": models, "profiles": {"quiet": {"pins": {"loud": "hare"}}}}
    with shared_swapyard(config) as running, httpx.Client(base_url=running.address, timeout=30) as made:
        yield made


def ask(client: httpx.Client, row: Row, headers: dict[str, str], method: str = "") -> tuple[httpx.Response, str]:
    """The answer, and the first piece of its body: a log goes on for as long as somebody reads it."""
    with open_answer(client, row, headers, method) as answer:
        return answer, next(answer.iter_text(), "")


def status_of(client: httpx.Client, row: Row, headers: dict[str, str]) -> int:
    """Without the body: a stream of news may have none for long."""
    with open_answer(client, row, headers) as answer:
        return answer.status_code


def open_answer(
    client: httpx.Client, row: Row, headers: dict[str, str], method: str = ""
) -> AbstractContextManager[httpx.Response]:
    return client.stream(method or row.method, row.path, headers=headers, content=row.body)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_route_answers(client: httpx.Client, row: Row) -> None:
    if row.loaded:
        client.post("/api/models/load/hare", headers=KEY)
    answer, text = ask(client, row, KEY)
    status, begins = row.answer
    assert answer.status_code == status
    assert answer.headers.get("location", text).lower().startswith(begins.lower())


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_route_needs_a_key_or_does_not(client: httpx.Client, row: Row) -> None:
    for wrong in ({}, {"Authorization": "Bearer sk-wrong"}, {"x-api-key": "sk-wrong"}):
        assert status_of(client, row, wrong) == (401 if row.needs_key else row.answer[0])
    for right in (KEY, {"x-api-key": "sk-gateway"}, {"Authorization": "Basic Og==", "x-api-key": "sk-gateway"}):
        assert status_of(client, row, right) == row.answer[0]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_route_knows_its_methods(client: httpx.Client, row: Row) -> None:
    for method in METHODS:
        if method == row.method:
            continue  # as above
        answer, text = ask(client, row, KEY, method)
        if method not in row.allowed:
            assert answer.status_code == 405
            assert answer.headers["allow"] == ", ".join(row.allowed)
            assert '"method_not_allowed"' in text or method == "HEAD"
        elif method == "HEAD":
            assert (answer.status_code, text) == (row.answer[0], "")


@pytest.mark.parametrize("path", [*(row.path for row in ROWS), "/nowhere"])
def test_a_preflight_is_answered_without_a_key(client: httpx.Client, path: str) -> None:
    answer = client.options(path, headers={"Origin": "http://page", "Access-Control-Request-Headers": "authorization"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")
    assert answer.headers["access-control-allow-headers"] == "authorization"


def test_the_table_above_has_every_route_of_the_control_plane() -> None:
    named = {(method, row.route) for row in ROWS for method in row.allowed}
    served = ((route.path.replace(":path}", "}"), route.methods or ()) for route in all_routes(MagicMock()))
    assert named == {(method, path) for path, methods in served for method in methods}
