"""Every page in every theme, as axe sees it (WCAG 2.2 AA)."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.ui.axe import complaints
from tests.ui.conftest import page_of

PAGES = [
    "", "models?unlisted=1", "models?group=group&sort=used", "model?id=tortoise", "model?id=hare&tab=details",
    "model?id=broken&tab=details", "model?id=hare&tab=snippets",
    "model?id=hare&tab=logs", "model?id=nobody", "model?id=attic%2Fllama", "activity", "timeline",
    "playground/chat", "playground/images", "playground/speech",
    "playground/transcription", "playground/rerank", "playground/load-test", "logs", "performance", "hardware",
    "manual/configuration", "manual/keys",
    "settings", "no/such/page",
]  # fmt: skip


# What is touched is 44 px high, and 24 px wide. Links within a sentence are left out, as WCAG 2.5.8 has it, and so are the
# lanes of time, which have their own scale. A box or a radio button is as large as the label that ticks it.
SMALL = """() => [...document.querySelectorAll('a, button, input, select, textarea, summary')].flatMap(each => {
  const isInline = each.matches('a') && getComputedStyle(each).display === 'inline'
  if (isInline && each.parentElement.textContent.trim() !== each.textContent.trim()) return []
  const target = each.matches('[type=checkbox], [type=radio]') ? each.labels[0] ?? each : each
  if (!target.checkVisibility({ visibilityProperty: true }) || target.closest('.spoken, .lanes')) return []
  const { width, height } = target.getBoundingClientRect()
  return height < 43.5 || width < 24 ? [`${width} x ${height}: ${target.outerHTML.slice(0, 160)}`] : []
})"""


def test_on_a_phone_everything_is_large_enough_to_touch(yard: str, phone: Page) -> None:
    for model in ("tortoise", "broken"):
        httpx.post(f"{yard}/api/models/load/{model}", timeout=30)
    ask = {"model": "tortoise", "stream": True, "messages": [{"role": "user", "content": "Who are you?"}]}
    httpx.post(f"{yard}/v1/chat/completions", json=ask, timeout=60)
    found = {}
    for path in [*PAGES, "activity?capture=1", "activity?status=4xx", "timeline?view=table"]:
        phone.goto(f"{yard}/ui/{path}")
        expect(phone.locator("h1")).to_have_count(1)
        expect(phone.locator(".skeleton")).to_have_count(0)
        if small := phone.evaluate(SMALL):
            found[path] = small
    assert found == {}


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
