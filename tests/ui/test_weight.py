"""The budget of the first page."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
from playwright.sync_api import Page, Response, Route, expect

MOST_BYTES = 60_000  # as they come over the wire
MOST_REQUESTS = 7
WATCH_SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => list.getEntries().forEach((entry) => (window.shifted += entry.value)))
  .observe({ type: "layout-shift", buffered: true });
"""
DRAWN = "new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn, 50)))"
# After two seconds without the stream a banner says so, above all else; a slow machine takes as long for nothing.
NEVER_STALE = """
const soon = window.setTimeout;
window.setTimeout = (call, delay, ...rest) => soon(call, delay === 2000 ? 60_000 : delay, ...rest);
"""


def test_the_first_page_is_light(demo: str, window: Page) -> None:
    answers: list[Response] = []
    window.on("response", lambda answer: answers.append(answer))
    window.goto(f"{demo}/ui/")
    expect(window.get_by_role("heading", name="Lately")).to_be_visible()
    window.wait_for_load_state("load")
    paths = [urlsplit(answer.url).path for answer in answers]
    assert len(paths) <= MOST_REQUESTS, paths
    size = sum(answer.request.sizes()["responseBodySize"] for answer in answers if "/api/" not in answer.url)
    assert 10_000 < size <= MOST_BYTES
    assert all(urlsplit(answer.url).netloc == urlsplit(demo).netloc for answer in answers)


def test_nothing_jumps_while_the_first_page_comes(demo: str, window: Page) -> None:
    window.add_init_script(WATCH_SHIFTS)
    window.goto(f"{demo}/ui/")
    expect(window.get_by_role("heading", name="Lately")).to_be_visible()
    window.wait_for_timeout(500)
    assert window.evaluate("window.shifted") < 0.02


PAGES = (
    "", "models", "model?id=hare", "model?id=hare&tab=logs", "model?id=hare&tab=details", "model?id=hare&tab=snippets",
    "model?id=owl&tab=details", "model?id=magpie&tab=details", "activity", "timeline", "timeline?view=table", "logs",
    "performance", "hardware", "settings", "manual/configuration", "playground/chat", "playground/images",
    "playground/speech", "playground/transcription", "playground/rerank", "playground/load-test",
)  # fmt: skip


def test_nothing_jumps_while_a_page_comes_with_what_is_loaded(demo: str, window: Page) -> None:
    for model in ("hare", "owl"):
        httpx.post(f"{demo}/api/models/load/{model}", timeout=30)
    question = {"model": "hare", "messages": [{"role": "user", "content": "Who are you?"}]}
    for _ in range(3):
        httpx.post(f"{demo}/v1/chat/completions", json=question, timeout=30)
    httpx.get(f"{demo}/api/models", timeout=30)  # what they hold is known once somebody has looked
    window.add_init_script(WATCH_SHIFTS)
    shifted = {}
    for path in PAGES:
        window.goto(f"{demo}/ui/{path}")
        expect(window.locator("h1")).to_have_count(1)
        expect(window.locator(".skeleton")).to_have_count(0)
        window.wait_for_timeout(300)
        shifted[path] = window.evaluate("window.shifted")
    assert {path: most for path, most in shifted.items() if most >= 0.02} == {}


def test_nothing_jumps_where_the_answers_are_late(demo: str, window: Page) -> None:
    for model in ("tortoise", "magpie", "hare"):  # each is gone for the next, which is told
        httpx.post(f"{demo}/api/models/load/{model}", timeout=30)
    window.add_init_script(WATCH_SHIFTS)
    window.add_init_script(NEVER_STALE)
    held: list[Route] = []
    shifted = {}
    for path in PAGES:
        held.clear()
        window.route("**/api/**", lambda route: held.append(route))
        window.goto(f"{demo}/ui/{path}")
        expect(window.locator("h1")).to_have_count(1)
        window.evaluate(DRAWN)
        stream = next(route for route in held if "/api/events" in route.request.url)
        stream.continue_()
        stream.request.response()
        window.evaluate(DRAWN)
        window.unroute("**/api/**")  # which lets go the others, too
        for route in held:
            route.request.response()
        expect(window.locator(".skeleton")).to_have_count(0)
        window.wait_for_timeout(300)
        shifted[path] = window.evaluate("window.shifted")
    assert {path: most for path, most in shifted.items() if most >= 0.02} == {}


def test_the_first_view_waits_for_no_call(demo: str, window: Page) -> None:
    window.route("**/api/**", lambda route: None)  # none is ever answered
    window.goto(f"{demo}/ui/")
    expect(window.get_by_role("heading", name="Lately")).to_be_visible()
    expect(window.get_by_role("button", name="Load Hare")).to_be_disabled()
    expect(window.locator("#snapshot")).to_have_count(0)
    expect(window.locator(".skeleton")).to_have_count(0)
