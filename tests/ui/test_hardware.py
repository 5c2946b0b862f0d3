"""Hardware: what the machine is, as a page and as text."""

from __future__ import annotations

import platform

from playwright.sync_api import Page, expect


def test_the_machine_is_told_in_cards_and_as_text_to_copy(demo: str, window: Page) -> None:
    window.goto(f"{demo}/ui/hardware")
    expect(window.get_by_role("region", name="System")).to_contain_text(platform.release())
    expect(window.get_by_role("region", name="Processor")).to_contain_text("Threads")
    window.get_by_role("tab", name="Text").click()
    assert window.url.endswith("?tab=text")
    expect(window.locator("pre")).to_contain_text("Processor\n  Model:")
    window.context.grant_permissions(["clipboard-read", "clipboard-write"])
    window.get_by_role("button", name="Copy as text").click()
    expect(window.get_by_role("button", name="Copied").first).to_be_visible()
    assert window.evaluate("navigator.clipboard.readText()") == window.locator("pre").text_content()


def test_a_machine_that_cannot_be_told_is_an_error_with_a_way_on(demo: str, desktop: Page) -> None:
    desktop.route("**/api/hardware", lambda route: route.fulfill(status=503, json={"error": "the hardware cannot be told"}))
    desktop.goto(f"{demo}/ui/hardware")
    expect(desktop.get_by_role("alert")).to_contain_text("the log of Swapyard says why")
    desktop.unroute("**/api/hardware")
    desktop.get_by_role("button", name="Try again").click()
    expect(desktop.get_by_role("region", name="System")).to_be_visible()
