"""Every page in every theme, as axe sees it (WCAG 2.2 AA)."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Browser, expect
from tests.ui.axe import complaints
from tests.ui.conftest import page_of

PAGES = [
    "", "models?unlisted=1", "models?group=group&sort=used", "model?id=tortoise", "model?id=hare&tab=details",
    "model?id=broken&tab=details", "model?id=hare&tab=snippets",
    "model?id=hare&tab=logs", "model?id=nobody", "activity", "timeline",
    "playground/chat", "playground/images", "playground/speech",
    "playground/transcription", "playground/rerank", "playground/load-test", "logs", "performance", "hardware",
    "manual/configuration", "manual/keys",
    "settings", "no/such/page",
]  # fmt: skip


@pytest.mark.timeout(180)
@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_axe_finds_nothing(yard: str, browser: Browser, axe: str, size: str) -> None:
    for model in ("tortoise", "broken"):
        httpx.post(f"{yard}/api/models/load/{model}", timeout=30)
    with page_of(browser, size, bypass_csp=True) as page:
        found = {}
        for path in PAGES:
            page.goto(f"{yard}/ui/{path}")
            expect(page.locator("h1")).to_have_count(1)
            expect(page.locator(".skeleton")).to_have_count(0)
            if said := complaints(page, axe):
                found[path] = said
        page.goto(f"{yard}/ui/")
        page.keyboard.press("Control+k")
        expect(page.get_by_role("dialog")).to_be_visible()
        if said := complaints(page, axe):
            found["palette"] = said
    assert found == {}
