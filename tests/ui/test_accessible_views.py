"""What opens on the pages of requests, logs and the timeline, as axe sees it (WCAG 2.2 AA), in every theme."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.ui.axe import ACCENTS, complaints
from tests.ui.conftest import page_of

StartDemo = Callable[..., AbstractContextManager[str]]
ANSWERED = 60.0  # seconds


@pytest.fixture(scope="module")
def lively(start_demo: StartDemo) -> Iterator[str]:
    """A demo that has swapped, streamed and failed."""
    with start_demo() as address:
        for model in ("hare", "magpie", "nobody", "squirrel"):
            body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "Who are you?"}]}
            httpx.post(f"{address}/v1/chat/completions", json=body, timeout=ANSWERED)
        yield address


def filters(page: Page) -> None:
    page.get_by_role("button", name="More filters").click()


def export(page: Page) -> None:
    page.get_by_role("button", name="Export").click()
    expect(page.get_by_role("region", name="Copy the Markdown")).to_be_visible()


def conversation(page: Page) -> None:
    expect(page.get_by_role("region", name="Answer", exact=True)).to_contain_text("You asked")
    page.locator("summary").first.click()


def tree(page: Page) -> None:
    conversation(page)
    page.get_by_role("button", name="JSON", exact=True).click()
    page.get_by_label("Find in the request").fill("who")
    expect(page.get_by_text("1 of 1")).to_be_visible()


def columns(page: Page) -> None:
    page.get_by_role("button", name=re.compile("(Columns|What cards) of finished requests")).click()


def detail(page: Page) -> None:
    page.get_by_role("group", name="Hare").get_by_role("button", name="Ready, ").first.press("Enter")
    expect(page.get_by_role("heading", name="Hare: ready")).to_be_visible()


def marks(page: Page) -> None:
    expect(page.locator("mark").first).to_be_attached()


def answered(page: Page) -> None:
    page.get_by_role("textbox", name="Message", exact=True).fill("Who are you?")
    page.keyboard.press("Enter")
    expect(page.locator("article.answer dt", has_text="finish")).to_be_visible()


def chat_settings(page: Page) -> None:
    page.get_by_role("button", name="Settings of this chat").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def ranked(page: Page) -> None:
    page.get_by_role("button", name="Rerank", exact=True).click()
    expect(page.get_by_role("table")).to_be_visible()


def shortcuts(page: Page) -> None:
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()


def refused(page: Page) -> None:
    """A toast, and what is loaded behind it."""
    page.route("**/api/models/load/*", lambda route: route.fulfill(status=503, json={"error": {"message": "busy"}}))
    page.get_by_role("button", name="Load Parrot").click()
    if (question := page.get_by_role("dialog").get_by_role("button", name="Load Parrot")).count():
        question.click()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    page.unroute_all()


def more(page: Page) -> None:
    if (button := page.get_by_role("button", name="More", exact=True)).count():
        button.click()


def reset(page: Page) -> None:
    page.get_by_role("button", name="Reset").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def nothing(_: Page) -> None: ...


VIEWS = [
    ("activity?status=4xx&status=5xx", nothing), ("activity", filters), ("activity", export), ("activity", columns),
    ("activity?capture=1", conversation), ("activity?capture=1", tree), ("activity?capture=99999", nothing),
    ("timeline", detail), ("timeline?view=table", nothing), ("timeline?end=1000000000", nothing),
    ("logs?filter=e", marks), ("logs?filter=(", nothing), ("logs?source=hare", nothing), ("logs?at=1000", nothing),
    ("logs?panel=proxy&panel=upstream", nothing), ("activity?text=hare", nothing),
    ("playground/chat?model=magpie", answered), ("playground/chat", chat_settings), ("playground/rerank", ranked),
    ("", shortcuts), ("", refused), ("", more), ("settings", reset),
]  # fmt: skip


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_axe_finds_nothing_in_what_opens(lively: str, browser: Browser, axe: str, size: str) -> None:
    with page_of(browser, size, bypass_csp=True) as page:
        found = {}
        for path, do in VIEWS:
            page.goto(f"{lively}/ui/{path}")
            expect(page.locator("h1")).to_have_count(1)
            expect(page.locator(".skeleton")).to_have_count(0)
            do(page)
            if said := complaints(page, axe):
                found[path, do.__name__] = said
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        if size == "desktop":  # colours are the same on phones
            page.goto(f"{lively}/ui/settings")
            page.get_by_label("Dense").check()
            assert complaints(page, axe, accents=ACCENTS) == []
    assert found == {}
