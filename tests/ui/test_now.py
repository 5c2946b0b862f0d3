"""The start page: what is loaded, what waits, and why."""

from __future__ import annotations

import contextlib
import re
import threading

import httpx
from playwright.sync_api import Page, expect


def chat(address: str, model: str, words: int = 20) -> threading.Thread:
    """A streamed answer that somebody reads to its end, in the background."""
    body = {
        "model": model,
        "stream": True,
        "max_tokens": words,
        "messages": [{"role": "user", "content": "count to 100000"}],
    }

    def read() -> None:
        with contextlib.suppress(httpx.HTTPError):  # it may be cancelled, or its model unloaded
            httpx.post(f"{address}/v1/chat/completions", json=body, timeout=60)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def test_a_model_is_loaded_and_unloaded_with_the_reasons_told(stopped: str, window: Page) -> None:
    window.goto(f"{stopped}/ui/")
    expect(window.get_by_text("Nothing is loaded.")).to_be_visible()
    window.get_by_role("button", name="Load Hare").click()
    expect(window.get_by_text("1 model ready")).to_be_visible()
    expect(window.get_by_text("of 10 running")).to_be_visible()
    window.get_by_role("button", name="Unload Hare").click()
    expect(window.get_by_text("Nothing is loaded.")).to_be_visible()
    lately = window.locator("section", has_text="Lately")
    expect(lately).to_contain_text("Hare ready: loaded in")
    expect(lately).to_contain_text("unloaded")


def test_a_load_tells_how_far_it_is_and_can_be_stopped(stopped: str, window: Page) -> None:
    window.goto(f"{stopped}/ui/")
    window.get_by_role("button", name="Load Snail").click()
    expect(window.get_by_role("progressbar", name="Loading Snail")).to_be_visible()
    expect(window.get_by_text("so far")).to_be_visible()
    window.get_by_role("button", name="Stop Snail").click()
    expect(window.get_by_text("Nothing is loaded.")).to_be_visible()


def test_before_a_load_it_is_told_what_would_have_to_go(stopped: str, desktop: Page) -> None:
    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)
    desktop.goto(f"{stopped}/ui/")
    desktop.get_by_role("button", name="Load Tortoise").hover()
    expect(desktop.get_by_text("Unloads Hare.")).to_be_visible()
    desktop.get_by_role("button", name="Load Tortoise").click()
    expect(desktop.get_by_role("button", name="Unload Tortoise")).to_be_visible()
    expect(desktop.get_by_role("button", name="Unload Hare")).to_have_count(0)
    expect(desktop.locator("section", has_text="Lately")).to_contain_text("made room for Tortoise")


def test_where_it_could_not_be_seen_before_it_is_asked(stopped: str, phone: Page) -> None:
    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)
    phone.goto(f"{stopped}/ui/")
    phone.get_by_role("button", name="Load Tortoise").tap()
    dialog = phone.get_by_role("dialog", name="Load Tortoise?")
    expect(dialog).to_contain_text("Unloads Hare.")
    dialog.get_by_role("button", name="Cancel").tap()
    expect(phone.get_by_role("button", name="Unload Hare")).to_be_visible()
    phone.get_by_role("button", name="Load Tortoise").tap()
    dialog.get_by_role("button", name="Load Tortoise").tap()
    expect(phone.get_by_role("button", name="Unload Tortoise")).to_be_visible()


def test_who_waits_has_a_place_and_a_reason_and_can_be_cancelled(stopped: str, window: Page) -> None:
    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)  # so that it is known how long that takes
    httpx.post(f"{stopped}/api/models/load/tortoise", timeout=30)
    window.goto(f"{stopped}/ui/")
    busy = chat(stopped, "tortoise", words=100_000)
    expect(window.get_by_text("1 request running")).to_be_visible()
    waiting = chat(stopped, "hare")
    queue = window.locator("section", has=window.get_by_role("heading", name="Waiting"))
    expect(queue).to_contain_text("Place 1")
    expect(queue).to_contain_text("Tortoise must finish first")
    expect(queue).to_contain_text(re.compile(r"then about [\d.]+ m?s to load"))
    window.goto(f"{stopped}/ui/models?state=queued")
    listed = window.locator("main :is(tbody tr, ul[aria-label=Models] li)")
    expect(listed).to_have_count(1)
    expect(listed).to_contain_text(re.compile("Hare.*Queued"))
    window.goto(f"{stopped}/ui/")
    queue.get_by_role("button", name="Cancel request").click()
    waiting.join(15)
    expect(queue).to_have_count(0)
    window.get_by_role("button", name="Unload all").click()
    busy.join(15)


def test_a_load_that_fails_is_told_with_its_reason_and_stays_visible(stopped: str, window: Page) -> None:
    window.goto(f"{stopped}/ui/")
    window.get_by_role("button", name="Load Broken").click()
    alert = window.get_by_role("alert").filter(has_text="Broken could not be loaded")
    expect(alert).to_contain_text("exited with code 3")
    alert.get_by_role("button", name="Dismiss").click()
    expect(alert).to_have_count(0)
    window.reload()
    expect(window.locator("section", has=window.get_by_role("link", name="Broken", exact=True)).first).to_contain_text(
        "Failed"
    )
    expect(window.get_by_role("link", name="Show its log")).to_be_visible()
