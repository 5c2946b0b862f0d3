"""What holds for every page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

PAGES = {
    "": "Now",
    "models": "Models",
    "activity": "Activity",
    "timeline": "Timeline",
    "playground": "Playground",
    "logs": "Logs",
    "performance": "Performance",
    "hardware": "Hardware",
    "manual/keys": "Manual",
    "settings": "Settings",
}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_one_heading_and_is_no_wider_than_the_window(path: str, demo: str, window: Page) -> None:
    window.goto(f"{demo}/ui/{path}")
    expect(window.locator("h1")).to_have_count(1)
    expect(window.locator("h1")).to_have_text(PAGES[path])
    expect(window.locator(".skeleton")).to_have_count(0)
    assert window.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
