"""What opens on pages, and what comes of what is done there, as axe sees it (WCAG 2.2 AA), in every theme."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import httpx
import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect
from tests.ui.axe import ACCENTS, complaints
from tests.ui.conftest import page_of
from tests.ui.front import Front

StartDemo = Callable[..., AbstractContextManager[str]]
ANSWERED = 60.0  # seconds
SAID = """# Hares

> They *run*.

1. [Link](https://example.org), `code`

| name | speed |
|------|------:|
| hare |    70 |

```python
@cached  # for ever
def run(times: int = 3) -> str:
    return f"{times} rounds" if times > 1 else None
```

```python
run(times=2)
```

$$\\frac{1}{2} + \\sqrt{x}$$
"""


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
    events = [{"choices": [{"delta": {"reasoning_content": "Hm."}}]}, {"choices": [{"delta": {"content": SAID}}]}]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    page.route("**/v1/chat/completions", lambda route: route.fulfill(content_type="text/event-stream", body=body))
    message = page.get_by_role("textbox", name="Message", exact=True)
    message.fill("Who are you?")
    message.press("Enter")
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    for drawn in (".hljs-keyword", ".katex-html", "td"):
        expect(page.locator(f"article.answer {drawn}").first).to_be_visible()
    message.fill("And now?")
    page.unroute_all()


def chat_settings(page: Page) -> None:
    page.get_by_role("button", name="Settings of this chat").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def ranked(page: Page) -> None:
    page.get_by_role("button", name="Rerank", exact=True).click()
    expect(page.get_by_role("table")).to_be_visible()


def pictured(page: Page) -> None:
    page.get_by_role("textbox", name="Prompt", exact=True).fill("a red door")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("img", name="a red door")).to_be_visible()


def spoken(page: Page) -> None:
    page.get_by_role("textbox", name="Text").fill("Good morning")
    page.get_by_role("button", name="Speak").click()
    expect(page.locator("audio")).to_be_visible()


def transcribed(page: Page) -> None:
    sound = FilePayload(name="hello.wav", mimeType="audio/wav", buffer=b"RIFF\x24\x00\x00\x00WAVE")
    page.locator("input[type=file]").set_input_files(sound)
    page.get_by_label("Format").select_option("verbose_json")
    page.get_by_role("button", name="Transcribe").click()
    expect(page.get_by_role("region", name="Transcription: result").get_by_role("list")).to_be_visible()


def measured(page: Page) -> None:
    page.get_by_role("button", name="Add a request to Magpie").click()
    page.get_by_role("button", name="Go", exact=True).click()
    expect(page.get_by_text("1 of 1 done")).to_be_visible()


def others(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^Model: ")).click()
    page.get_by_role("button", name="made for something else").click()
    expect(page.get_by_role("option", name="Owl")).to_be_visible()


def shortcuts(page: Page) -> None:
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()


def refused(page: Page) -> None:
    """A toast, and what is loaded behind it."""
    page.route("**/api/models/unload/*", lambda route: route.fulfill(status=503, json={"error": {"message": "busy"}}))
    page.get_by_role("button", name="Unload Owl").click()
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
    ("playground/chat", chat_settings), ("playground/chat", others), ("playground/images", pictured),
    ("playground/speech", spoken), ("playground/transcription", transcribed), ("playground/rerank", ranked),
    ("playground/load-test", measured), ("playground/chat?model=magpie", answered),
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
            page.goto(f"{lively}/ui/playground/chat?model=magpie")
            answered(page)
            assert complaints(page, axe, accents=ACCENTS) == []
    assert found == {}


def ask(address: str, model: str, text: str) -> None:
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": text}]}
    with contextlib.suppress(httpx.HTTPError):  # its model goes at the end of the test
        httpx.post(f"{address}/v1/chat/completions", json=body, timeout=ANSWERED)


def test_axe_finds_nothing_where_models_load_and_wait_and_the_connection_is_lost(
    stopped: str, browser: Browser, axe: str, front: Callable[..., AbstractContextManager[Front]]
) -> None:
    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)
    httpx.post(f"{stopped}/api/models/load/snail?wait=false", timeout=30)
    for model, text in (("hare", "count to 100000"), ("tortoise", "I wait.")):
        threading.Thread(target=ask, args=(stopped, model, text), daemon=True).start()
    with front(stopped) as proxy:
        for size in ("phone", "desktop"):
            with page_of(browser, size, lost=True, bypass_csp=True) as page:
                assert seen(page, axe, proxy, question=size == "phone") == {}


def seen(page: Page, axe: str, proxy: Front, *, question: bool) -> dict[str, list[str]]:
    """`question`: what would have to go is told in a dialog, and not before the click."""
    page.goto(f"{proxy.address}/ui/")
    expect(page.get_by_role("progressbar", name="Loading Snail")).to_be_visible()
    expect(page.get_by_role("heading", name="Waiting")).to_be_visible()
    page.route("**/api/models/unload/*", lambda route: route.fulfill(status=503, json={"error": {"message": "busy"}}))
    page.get_by_role("button", name="Unload Hare").click()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    page.unroute_all()
    found = {"busy": complaints(page, axe)}
    page.get_by_role("button", name="Dismiss").click()
    if question:
        page.get_by_role("button", name="Load org/model.v2:q4").tap()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("Unloads Hare")
        found["question"] = complaints(page, axe)
        dialog.get_by_role("button", name="Cancel").tap()
    proxy.stop()
    expect(page.get_by_role("alert").filter(has_text="No connection to Swapyard.")).to_be_visible()
    found["lost"] = complaints(page, axe)
    proxy.start()
    return {view: said for view, said in found.items() if said}
