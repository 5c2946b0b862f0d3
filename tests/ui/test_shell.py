"""What surrounds every page: navigation, keys, the connection, the key for the API, settings, and life behind a proxy."""

from __future__ import annotations

import json
import re
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, FilePayload, Page, Route, expect
from tests.ports import start_port
from tests.ui.axe import complaints
from tests.ui.conftest import page_of, served

# How few rows there have been since.
WATCH_ROWS = """
window.fewestRows = document.querySelectorAll("main [data-row]").length;
new MutationObserver(() => {
  window.fewestRows = Math.min(window.fewestRows, document.querySelectorAll("main [data-row]").length);
}).observe(document.body, { childList: true, subtree: true });
"""

GO_TO = {
    "gm": "Models",
    "ga": "Activity",
    "gt": "Timeline",
    "gl": "Logs",
    "gp": "Performance",
    "gh": "Hardware",
    "gd": "Manual",
    "gs": "Settings",
    "gn": "Now",
    "gc": "Playground",
}


def test_pages_are_reached_by_links_keys_and_the_back_button(yard: str, desktop: Page) -> None:
    desktop.goto(f"{yard}/ui/")
    desktop.get_by_role("link", name="Models", exact=True).click()
    expect(desktop.locator("h1")).to_have_text("Models")
    expect(desktop.get_by_role("navigation", name="Pages", exact=True).locator("[aria-current=page]")).to_have_text("Models")
    for keys, title in GO_TO.items():
        for key in keys:
            desktop.keyboard.press(key)
        expect(desktop.locator("h1")).to_have_text(title)
    desktop.go_back()
    expect(desktop.locator("h1")).to_have_text("Now")
    desktop.keyboard.press("?")
    expect(desktop.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    desktop.keyboard.press("Escape")
    expect(desktop.get_by_role("dialog")).to_have_count(0)


def test_rows_are_walked_with_j_and_k(yard: str, desktop: Page) -> None:
    desktop.goto(f"{yard}/ui/models")
    expect(desktop.locator("[data-row]").first).to_be_visible()
    for key in "jjk":
        desktop.keyboard.press(key)
    expect(desktop.locator("[data-row]").first).to_be_focused()
    desktop.keyboard.press("Enter")
    expect(desktop.get_by_role("tab", name="Activity")).to_be_visible()


def test_a_phone_has_a_bar_below_and_the_rest_behind_more(yard: str, phone: Page) -> None:
    phone.goto(f"{yard}/ui/")
    bar = phone.get_by_role("navigation", name="Pages, short")
    expect(bar.get_by_role("link")).to_have_text(["Now", "Models", "Activity", "Chat"])
    bar.get_by_role("button", name="More").tap()
    phone.get_by_role("dialog").get_by_role("link", name="Settings").tap()
    expect(phone.locator("h1")).to_have_text("Settings")
    expect(phone.get_by_role("dialog")).to_have_count(0)


@pytest.mark.parametrize(
    ("old", "title"),
    [
        ("#/", "Now"),
        ("#/models", "Models"),
        ("#/models/org%2Fmodel.v2%3Aq4", "org/model.v2:q4"),
        ("#/activity", "Activity"),
        ("#/playground", "Playground"),
        ("#/performance", "Performance"),
        ("#/hardware", "Hardware"),
        ("#/logs", "Logs"),
        ("#/settings", "Settings"),
    ],
)
def test_links_of_llama_swaps_page_still_lead_there(yard: str, desktop: Page, old: str, title: str) -> None:
    desktop.goto(f"{yard}/ui/{old}")
    expect(desktop.locator("h1")).to_have_text(title)
    assert "#" not in desktop.url


def test_an_unknown_page_says_so(yard: str, desktop: Page) -> None:
    desktop.goto(f"{yard}/ui/a/b/c")
    expect(desktop.get_by_text("There is no page at “a/b/c”.")).to_be_visible()
    desktop.get_by_role("link", name="To the start page").click()
    expect(desktop.locator("h1")).to_have_text("Now")


def test_what_is_typed_before_the_palette_has_come_reaches_it(stopped: str, desktop: Page) -> None:
    held: list[Route] = []
    desktop.route(re.compile(r"/Palette-[^/]*\.js"), lambda route: held.append(route))
    desktop.goto(f"{stopped}/ui/settings")
    expect(desktop.get_by_text("Live", exact=True)).to_be_visible()
    desktop.keyboard.press("Control+k")
    desktop.keyboard.type("load hare")
    desktop.wait_for_timeout(100)  # a held request shows itself by an event
    assert held
    for request in held:
        request.continue_()
    expect(desktop.get_by_role("listbox").get_by_role("option").first).to_contain_text("Load Hare")


def test_the_palette_does_what_it_is_told(stopped: str, desktop: Page) -> None:
    desktop.goto(f"{stopped}/ui/settings")
    expect(desktop.get_by_text("Live", exact=True)).to_be_visible()
    desktop.keyboard.press("Control+k")
    desktop.keyboard.type("load hare")
    expect(desktop.get_by_role("listbox").get_by_role("option").first).to_contain_text("Load Hare")
    desktop.keyboard.press("Enter")
    expect(desktop.get_by_role("dialog")).to_have_count(0)
    desktop.keyboard.press("Control+k")
    expect(desktop.get_by_role("dialog")).to_be_visible()
    desktop.keyboard.type("log of snail")
    desktop.keyboard.press("Enter")
    expect(desktop.locator("h1")).to_have_text("Snail")
    desktop.keyboard.press("Control+k")
    expect(desktop.get_by_role("dialog")).to_be_visible()
    desktop.keyboard.type("unload hare")
    expect(desktop.get_by_role("listbox").get_by_role("option").first).to_contain_text("Unload Hare")
    desktop.keyboard.press("Escape")
    expect(desktop.get_by_role("dialog")).to_have_count(0)
    command(desktop, "unload hare")
    wait_for_states(stopped, {})
    command(desktop, "go to hardware")
    expect(desktop.locator("h1")).to_have_text("Hardware")


def test_the_palette_opens_right_after_it_was_closed(stopped: str, desktop: Page) -> None:
    desktop.goto(f"{stopped}/ui/settings")
    expect(desktop.get_by_text("Live", exact=True)).to_be_visible()
    never = "addEventListener('close', (event) => event.stopImmediatePropagation(), true)"  # it comes with a frame, or later
    desktop.evaluate(never)
    palette = desktop.get_by_role("dialog", name="Commands")
    opener = desktop.get_by_role("button", name=re.compile("^Go to …"))
    opener.focus()
    for _ in range(3):
        desktop.keyboard.press("Control+k")
        expect(palette).to_be_visible()
        desktop.keyboard.press("Escape")
        expect(palette).to_have_count(0)
        expect(opener).to_be_focused()


def wait_for_states(address: str, wanted: dict[str, str]) -> None:
    """Of the models that are not stopped."""
    end = time.monotonic() + 30
    while (found := states(address)) != wanted:
        assert time.monotonic() < end, found
        time.sleep(0.05)


def states(address: str) -> dict[str, str]:
    running = httpx.get(f"{address}/running", timeout=30).json()["running"]
    return {run["model"]: run["state"] for run in running}


def test_the_palette_tells_what_a_load_would_unload_before_it_does(stopped: str, desktop: Page) -> None:
    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)
    held: list[Route] = []
    desktop.route(re.compile("/api/models/tortoise/plan$"), lambda route: held.append(route))
    desktop.goto(f"{stopped}/ui/settings")
    expect(desktop.get_by_text("Live", exact=True)).to_be_visible()
    desktop.keyboard.press("Control+k")
    desktop.keyboard.type("load tortoise")
    option = desktop.get_by_role("listbox", name="Commands").get_by_role("option", selected=True)
    expect(option).to_have_text(re.compile("Load Tortoise"))
    desktop.keyboard.press("Enter")  # before that is known
    desktop.wait_for_timeout(100)  # a held request shows itself by an event
    for request in held:
        request.continue_()
    expect(option).to_contain_text("unloads Hare")
    assert states(stopped) == {"hare": "ready"}
    desktop.keyboard.press("Enter")
    expect(desktop.get_by_role("dialog")).to_have_count(0)
    wait_for_states(stopped, {"tortoise": "ready"})


def test_however_much_a_load_would_unload_the_palette_shows_whole_what_is_loaded(stopped: str, desktop: Page) -> None:
    plan = {"model": "tortoise", "state": "stopped", "action": "wait", "queued": 0, "estimate_seconds": None}
    others = ["hare", "a-model-with-a-long-name", "another-one-with-a-long-name"]
    desktop.route(
        re.compile("/api/models/tortoise/plan$"),
        lambda route: route.fulfill(json={**plan, "stops": others, "busy": others}),
    )
    desktop.goto(f"{stopped}/ui/settings")
    expect(desktop.get_by_text("Live", exact=True)).to_be_visible()
    desktop.keyboard.press("Control+k")
    desktop.keyboard.type("load tortoise")
    option = desktop.get_by_role("listbox", name="Commands").get_by_role("option", selected=True)
    expect(option).to_contain_text(
        "unloads Hare, a-model-with-a-long-name, another-one-with-a-long-name, once they are done"
    )
    label = option.get_by_text("Load Tortoise", exact=True)
    assert label.evaluate("of => of.scrollWidth <= of.clientWidth")


def command(page: Page, text: str) -> None:
    """What the palette offers first for it."""
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog", name="Commands")).to_be_visible()
    page.keyboard.type(text)
    expect(page.get_by_role("listbox", name="Commands").get_by_role("option", selected=True)).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_profiles_themes_unloads_and_calls_of_models_are_had_from_the_palette(stopped: str, desktop: Page) -> None:
    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)
    desktop.context.grant_permissions(["clipboard-read", "clipboard-write"])
    desktop.goto(f"{stopped}/ui/")
    expect(desktop.get_by_text("Live", exact=True)).to_be_visible()
    command(desktop, "profile quiet")
    expect(desktop.get_by_label("Profile").first).to_have_value("quiet")
    command(desktop, "profile off")
    expect(desktop.get_by_label("Profile").first).to_have_value("")
    command(desktop, "copy curl hare")
    expect(desktop.get_by_text("curl for Hare is copied")).to_be_visible()
    call = desktop.evaluate("navigator.clipboard.readText()")
    assert call.startswith(f"curl {stopped}/v1/chat/completions")
    assert '"model": "hare"' in call
    command(desktop, "snippet python fast")  # by the word for it, and by its alias
    expect(desktop.get_by_text("Python for Hare is copied")).to_be_visible()
    assert f'base_url="{stopped}/v1"' in desktop.evaluate("navigator.clipboard.readText()")
    command(desktop, "copy base address")
    expect(desktop.get_by_text("The base address is copied")).to_be_visible()
    assert desktop.evaluate("navigator.clipboard.readText()") == f"{stopped}/v1"
    for words, theme in (("theme high contrast", "contrast"), ("theme dark", "dark")):
        command(desktop, words)
        expect(desktop.locator("html")).to_have_attribute("data-theme", theme)
    command(desktop, "unload all")
    expect(desktop.get_by_text("All models are unloaded")).to_be_visible()
    expect(desktop.get_by_role("button", name="Load Hare", exact=True)).to_be_visible()
    desktop.reload()  # what was chosen is kept
    expect(desktop.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_pinned_model_stays_on_top_after_a_reload(yard: str, window: Page) -> None:
    window.goto(f"{yard}/ui/models?sort=name&unlisted=1")
    rows = window.locator("main a[data-row]")
    expect(rows.first).to_have_text("Broken")
    window.get_by_role("button", name="Pin secret to the top").click()
    expect(rows.first).to_have_text("secret")
    window.reload()
    expect(rows.first).to_have_text("secret")
    for words in ("hare, fast", "unlisted"):  # its id and its other name
        expect(window.get_by_text(words).first).to_be_visible()
    window.get_by_role("button", name="Unpin secret").click()
    expect(rows.first).to_have_text("Broken")


def test_the_profile_is_switched_for_everybody(yard: str, desktop: Page, phone: Page) -> None:
    for page in (desktop, phone):
        page.goto(f"{yard}/ui/models")
    desktop.get_by_label("Profile").first.select_option("quiet")
    expect(phone.get_by_text("“quiet” is active")).to_be_visible()
    phone.get_by_role("button", name="More").tap()
    more = phone.get_by_role("dialog")
    expect(more.get_by_label("Profile")).to_have_value("quiet")
    more.get_by_label("Profile").select_option("None")
    expect(desktop.get_by_text("none is active")).to_be_visible()
    expect(desktop.get_by_label("Profile").first).to_have_value("")


# --- for everybody ---


def test_the_keyboard_gets_past_the_navigation_and_changes_are_said(stopped: str, desktop: Page) -> None:
    desktop.goto(f"{stopped}/ui/")
    expect(desktop.get_by_text("Live", exact=True)).to_be_visible()
    skip = desktop.get_by_role("link", name="Skip to the page")
    expect(skip).not_to_be_in_viewport()
    desktop.keyboard.press("Tab")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    desktop.keyboard.press("Enter")
    expect(desktop.locator("main")).to_be_focused()
    expect(desktop.locator("h1")).to_have_text("Now")
    desktop.keyboard.press("Tab")
    assert desktop.evaluate("document.querySelector('main').contains(document.activeElement)")
    said = desktop.locator("[aria-live=polite][role=status]").filter(has_text="Hare is ready.")
    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)
    expect(said).to_have_count(1)


def test_motion_and_colours_are_as_the_system_wants_them(stopped: str, desktop: Page) -> None:
    desktop.goto(f"{stopped}/ui/")
    spinner = desktop.locator("svg.spin").first
    desktop.get_by_role("button", name="Load Snail").click()
    expect(spinner).to_have_css("animation-iteration-count", "infinite")
    desktop.emulate_media(reduced_motion="reduce")
    expect(spinner).to_have_css("animation-iteration-count", "1")
    expect(spinner).to_have_css("animation-duration", "1e-05s")
    root = desktop.locator("html")
    for theme, scheme in (("light", "light"), ("dark", "dark"), ("high contrast", "dark")):
        command(desktop, f"theme {theme}")
        expect(root).to_have_css("color-scheme", scheme)


# --- the connection --------------------------------------------------------------------------------------------------------


def test_a_lost_connection_is_told_and_a_new_one_needs_no_reload(
    stopped: str, browser: Browser, front: Callable[..., Any]
) -> None:
    with front(stopped) as proxy, page_of(browser, "desktop", lost=True) as page:
        page.clock.install()
        page.goto(f"{proxy.address}/ui/")
        expect(page.get_by_role("button", name="Load Hare")).to_be_enabled()
        page.route("**/api/models/load/hare*", lambda route: route.fulfill(status=503, json={"error": {"message": "busy"}}))
        page.get_by_role("button", name="Load Hare").click()
        again = page.get_by_role("button", name="Try again")
        expect(again).to_be_enabled()
        page.unroute_all()
        rows = page.locator("main [data-row]")
        known = rows.all_text_contents()
        assert len(known) >= 5
        page.evaluate(WATCH_ROWS)
        page.clock.pause_at(page.evaluate("Date.now() / 1000 + 1"))
        proxy.stop()
        banner = page.get_by_role("alert").filter(has_text="No connection to Swapyard.")
        mutating = page.get_by_role("button", name=re.compile("^(Load |Unload |Try again)")).locator("visible=true")
        expect(mutating.first).to_be_disabled()  # at once
        assert mutating.count() > 5
        for button in mutating.all():
            expect(button).to_be_disabled()  # the page's clock stands still
        page.clock.run_for(1500)
        expect(banner).to_have_count(0)
        page.clock.run_for(1000)
        expect(banner).to_contain_text(re.compile(r"What you see is as of \d\d:\d\d:\d\d\."))
        page.clock.run_for(1000)  # a try, in vain: the next is in 4 s
        next_try = banner.locator(".next")
        expect(next_try).to_have_text(re.compile(r"^Next try in [45] s$"))
        shown = next_try.inner_text()
        page.clock.run_for(1000)
        expect(next_try).not_to_have_text(shown)  # it counts
        expect(next_try).to_have_text(re.compile(r"^Next try in [34] s$"))
        expect(page.locator(".page")).to_have_css("filter", "grayscale(1)")
        expect(page.get_by_role("button", name="Load Hare")).to_be_disabled()
        proxy.start()
        banner.get_by_role("button", name="Retry now").click()
        expect(banner).to_have_count(0)
        expect(page.locator(".page")).to_have_css("filter", "none")
        expect(page.get_by_role("button", name="Load Hare")).to_be_enabled()
        assert rows.all_text_contents() == known
        assert page.evaluate("window.fewestRows") == len(known)  # not even for a moment
        page.clock.resume()
        again.click()
        expect(page.get_by_role("button", name="Unload Hare")).to_be_visible()


def test_swapyard_is_restarted_and_the_page_goes_on(
    built: None, engine: Callable[..., str], browser: Browser, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    models = {"hare": {"name": "Hare", "cmd": engine("hare")}, "owl": {"name": "Owl", "cmd": engine("owl")}}
    config.write_text(json.dumps({"startPort": start_port(), "models": models}))
    with page_of(browser, "phone", lost=True) as page:
        with served("--config", str(config)) as before:
            page.goto(f"{before.address}/ui/")
            page.get_by_role("button", name="Load Hare").tap()
            expect(page.get_by_text("1 model ready")).to_be_visible()
            page.evaluate(WATCH_ROWS)
        banner = page.get_by_role("alert").filter(has_text="No connection to Swapyard.")
        expect(banner).to_be_visible()
        with served("--config", str(config), port=before.port) as after:
            assert after.address == before.address
            expect(banner).to_have_count(0)  # by itself
            expect(page.get_by_text("Nothing is loaded.")).to_be_visible()  # as the new one says
            expect(page.get_by_text("No model has been loaded since Swapyard was started.")).to_be_visible()
            page.get_by_role("button", name="Load Owl").tap()
            expect(page.get_by_role("button", name="Unload Owl")).to_be_visible()
            expect(page.locator(".lately")).to_contain_text("Owl ready: loaded in")
            assert page.evaluate("window.fewestRows") == 2


def test_nothing_is_asked_for_while_nobody_looks(stopped: str, desktop: Page) -> None:
    desktop.add_init_script("Object.defineProperty(document, 'hidden', { get: () => window.isAway ?? false })")
    desktop.clock.install()
    asked: list[str] = []
    desktop.goto(f"{stopped}/ui/")
    expect(desktop.get_by_text("Live", exact=True)).to_be_visible()
    desktop.on("request", lambda request: asked.append(urlsplit(request.url).path))
    with desktop.expect_request("**/api/models"):
        desktop.clock.run_for(2500)
    desktop.evaluate("window.isAway = true; document.dispatchEvent(new Event('visibilitychange'))")
    asked.clear()
    for _ in range(3):
        desktop.clock.run_for(10_000)
    assert asked == []
    with desktop.expect_request("**/api/models"), desktop.expect_request("**/api/performance*"):
        desktop.evaluate("window.isAway = false; document.dispatchEvent(new Event('visibilitychange'))")


def test_the_page_works_below_a_prefix(stopped: str, desktop: Page, front: Callable[..., Any]) -> None:
    with front(stopped, "/ai/yard") as proxy:
        desktop.goto(f"{proxy.address}/ui/model?id=hare&tab=details")
        expect(desktop.get_by_role("tabpanel")).to_contain_text("swapyard.demo.engine")
        desktop.get_by_role("button", name="Load Hare").click()
        expect(desktop.get_by_role("button", name="Unload Hare")).to_be_visible()
        desktop.get_by_role("link", name="Settings").click()
        assert desktop.url == f"{proxy.address}/ui/settings"
        expect(desktop.get_by_text(f"{proxy.address}/v1").first).to_be_visible()
        for _ in range(2):  # reloaded two levels below the page's folder
            desktop.goto(f"{proxy.address}/ui/playground/chat?model=hare")
            field = desktop.get_by_role("textbox", name="Message")
            field.fill("count to 3")
            field.press("Enter")
            expect(desktop.locator("article").last).to_contain_text("1 2 3")
            desktop.reload()
            expect(field).to_be_visible()
        desktop.goto(f"{proxy.address}/ui/activity?model=hare")
        desktop.locator("main [data-row]").first.click()
        assert desktop.url.startswith(f"{proxy.address}/ui/activity?model=hare&capture=")
        answer = desktop.get_by_role("region", name="Answer", exact=True)
        for _ in range(2):
            expect(answer).to_contain_text("1 2 3")
            desktop.reload()
        desktop.goto(f"{proxy.address}/ui/logs?source=proxy&filter=ready")
        lines = desktop.get_by_role("region", name="Lines of Swapyard")
        for _ in range(2):
            expect(lines).to_contain_text("<hare> ready")
            expect(desktop.get_by_label("Show only lines that match")).to_have_value("ready")
            desktop.reload()
        desktop.goto(f"{proxy.address}/ui/manual/keys#ttl")
        expect(desktop.locator("main h2").first).to_have_text("Every configuration key")
        manifest = desktop.locator("link[rel=manifest]").evaluate("link => link.href")
        told = httpx.get(manifest).json()
        assert told["display"] == "standalone"
        for place in (told["start_url"], told["scope"]):
            assert urljoin(manifest, place) == f"{proxy.address}/ui/"
        for icon in told["icons"]:
            assert httpx.get(urljoin(manifest, icon["src"])).headers["content-type"] == icon["type"]


def test_with_api_keys_the_page_asks_for_one_and_keeps_it_in_this_tab(
    start_demo: Callable[..., Any], engine: Callable[..., str], browser: Browser, axe: str, tmp_path: Path
) -> None:
    config = tmp_path / "keys.yaml"
    config.write_text(
        json.dumps({"startPort": start_port(), "apiKeys": ["sk-right"], "models": {"hare": {"cmd": engine("hare")}}})
    )
    with start_demo(config=config) as address:
        assert str(tmp_path) not in httpx.get(f"{address}/ui/").text  # where the configuration lies is told with a key only
        assert httpx.get(f"{address}/api/events").status_code == 401
        for size in ("phone", "desktop"):
            with page_of(browser, size, bypass_csp=True) as page:
                sign_in_and_out(page, address, axe)


# Everything that a page can keep in a browser, as text; of IndexedDB one text per store.
KEPT = """async () => {
  const done = (request) => new Promise((resolve) => { request.onsuccess = () => resolve(request.result) })
  const stores = []
  for (const { name } of await indexedDB.databases()) {
    const base = await done(indexedDB.open(name))
    for (const store of base.objectStoreNames) {
      stores.push(JSON.stringify(await done(base.transaction(store).objectStore(store).getAll())))
    }
    base.close()
  }
  return { localStorage: JSON.stringify(localStorage), sessionStorage: JSON.stringify(sessionStorage), indexedDB: stores }
}"""


def sign_in_and_out(page: Page, address: str, axe: str) -> None:
    page.goto(f"{address}/ui/models")
    field = page.get_by_label("API key")
    field.fill("sk-wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("This key is not accepted.")).to_be_visible()
    assert complaints(page, axe) == []
    field.fill("sk-right")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("h1")).to_have_text("Models")
    expect(page.get_by_role("button", name="Load hare")).to_be_enabled()
    page.reload()
    expect(page.get_by_role("link", name="hare", exact=True)).to_be_visible()
    page.goto(f"{address}/ui/playground/chat?model=hare")
    page.get_by_role("textbox", name="Message", exact=True).fill("Who are you?")
    page.keyboard.press("Enter")
    expect(page.locator("article.answer")).to_contain_text("This is hare.")  # so that everything that is kept is there
    kept = page.evaluate(KEPT)
    assert "Who are you?" in kept.pop("indexedDB")[0]
    assert {place: text.count("sk-right") for place, text in kept.items()} == {"localStorage": 0, "sessionStorage": 1}
    assert "sk-right" not in page.url + json.dumps([*page.evaluate(KEPT)["indexedDB"], page.context.cookies()])
    other = page.context.new_page()
    other.goto(f"{address}/ui/models")
    expect(other.get_by_label("API key")).to_be_visible()  # another tab has none
    other.close()
    page.goto(f"{address}/ui/settings")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()
    assert page.evaluate("JSON.stringify(sessionStorage)").count("sk-right") == 0


def test_no_script_runs_that_the_server_did_not_send_as_a_file(yard: str, browser: Browser) -> None:
    with browser.new_context() as context:  # what is refused is told on the console as an error
        page = context.new_page()
        page.goto(f"{yard}/ui/")
        page.evaluate(
            """() => {
                window.refused = [];
                document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
                const script = document.createElement("script");
                script.textContent = "window.harmed = true";
                document.body.append(script);
                document.body.insertAdjacentHTML("beforeend", "<img src='data:,' onerror='window.harmed = true'>");
            }"""
        )
        page.wait_for_function("refused.length === 2")
        assert page.evaluate("refused") == ["script-src-elem", "script-src-attr"]
        assert page.evaluate("window.harmed") is None


# --- settings --------------------------------------------------------------------------------------------------------------


def test_looks_are_chosen_and_kept_and_reset(yard: str, window: Page) -> None:
    window.goto(f"{yard}/ui/settings")
    root = window.locator("html")
    colour = "getComputedStyle(document.documentElement).getPropertyValue('--page')"
    seen = set()
    for label, name, value in (
        ("Light", "theme", "light"),
        ("Dark", "theme", "dark"),
        ("High contrast", "theme", "contrast"),
        ("Rose", "accent", "rose"),
        ("Dense", "density", "dense"),
    ):
        window.get_by_label(label).check()
        expect(root).to_have_attribute(f"data-{name}", value)
        seen.add(window.evaluate(colour))
    assert len(seen) >= 3  # each theme has its own
    window.get_by_label("Name of this instance").fill("  The\tbig one ")
    window.get_by_label("Name of this instance").press("Tab")
    expect(window).to_have_title("Settings · The big one")
    expect(window.get_by_title("To the start page")).to_have_text("The big one")
    window.reload()
    for name, value in (("theme", "contrast"), ("accent", "rose"), ("density", "dense")):
        expect(root).to_have_attribute(f"data-{name}", value)
    expect(window).to_have_title("Settings · The big one")
    window.get_by_label("Name of this instance").fill("  ")
    window.get_by_label("Name of this instance").press("Enter")
    expect(window).to_have_title("Settings · Swapyard")
    expect(window.get_by_title("To the start page")).to_have_text("Swapyard")
    window.get_by_label("System", exact=True).check()
    expect(root).to_have_attribute("data-theme", "light")
    window.emulate_media(color_scheme="dark")
    expect(root).to_have_attribute("data-theme", "dark")
    window.emulate_media(color_scheme="light")
    window.get_by_role("button", name="Reset").click()
    with window.expect_navigation():
        window.get_by_role("dialog").get_by_role("button", name="Reset").click()
    expect(window).to_have_title("Settings · Swapyard")
    expect(root).to_have_attribute("data-accent", "blue")


def test_times_and_the_page_to_begin_with_are_chosen(stopped: str, window: Page) -> None:
    window.goto(f"{stopped}/ui/settings")
    window.get_by_label("12 hours").check()
    window.get_by_label("Start page").select_option(label="Logs")
    window.goto("about:blank")
    window.goto(f"{stopped}/ui/")
    expect(window.locator("h1")).to_have_text("Logs")
    expect(window).to_have_url(re.compile("/ui/logs$"))
    line = window.get_by_role("region", name="Lines of Everything").locator("div:not([hidden])").first
    expect(line).to_have_attribute("data-at", re.compile(r"^\d\d:\d\d:\d\d\s[AP]M$"))
    window.evaluate("history.pushState(null, '', './'); dispatchEvent(new PopStateEvent('popstate'))")
    expect(window.locator("h1")).to_have_text("Now")
    window.reload()  # who is on a page stays there
    expect(window.locator("h1")).to_have_text("Now")
    window.goto(f"{stopped}/ui/settings")
    window.get_by_label("24 hours").check()
    window.goto(f"{stopped}/ui/logs")
    expect(line).to_have_attribute("data-at", re.compile(r"^\d\d:\d\d:\d\d$"))


def test_everything_kept_is_taken_from_one_browser_to_another_and_reset(yard: str, browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "data.json"
    with page_of(browser, "desktop") as page:
        page.goto(f"{yard}/ui/playground/chat?model=hare")
        page.get_by_role("textbox", name="Message", exact=True).fill("Come along")
        page.keyboard.press("Enter")
        expect(page.locator("article.answer")).to_contain_text("This is hare.")
        page.goto(f"{yard}/ui/settings")
        page.get_by_label("Dark").check()
        with page.expect_download() as download:
            page.get_by_role("button", name="Export").click()
        download.value.save_as(file)
    with page_of(browser, "desktop") as page:
        page.goto(f"{yard}/ui/settings")
        with page.expect_navigation():
            page.locator("input[type=file]").set_input_files(file)
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        page.goto(f"{yard}/ui/playground/chat")
        expect(page.locator("article.question p")).to_have_text("Come along")
        page.goto(f"{yard}/ui/settings")
        page.get_by_role("button", name="Reset").click()
        page.get_by_label("Delete the playground's chats too").check()
        with page.expect_navigation():
            page.get_by_role("dialog").get_by_role("button", name="Reset").click()
        expect(page.locator("html")).to_have_attribute("data-theme", "light")
        page.goto(f"{yard}/ui/playground/chat")
        expect(page.get_by_text("Chats are kept here, in this browser.")).to_be_visible()


def test_a_file_that_is_no_export_changes_nothing_and_is_told_why(yard: str, window: Page) -> None:
    window.goto(f"{yard}/ui/settings")
    window.locator("input[type=file]").set_input_files(FilePayload(name="x.json", mimeType="application/json", buffer=b"{}"))
    alert = window.get_by_role("alert")
    expect(alert).to_contain_text("x.json cannot be imported")
    expect(alert).to_contain_text("“kind” is not “swapyard.page”")


# --- notifications ---------------------------------------------------------------------------------------------------------

# Stands for the system: what is shown is noted, and the tab says what the test wants it to.
NOTIFIED = """
window.Notification = class {
  static requestPermission = async () => window.permission ?? "granted";
  static told = "";
  constructor(title) { document.documentElement.dataset.notified = Notification.told += `${title}. `; }
};
Object.defineProperty(document, "hidden", { get: () => window.isAway ?? false });
"""


def go_to(page: Page, path: str) -> None:
    """Within the page, which goes on."""
    page.evaluate("path => { history.pushState(null, '', path); dispatchEvent(new PopStateEvent('popstate')); }", path)


def test_loads_are_notified_as_chosen_while_nobody_looks(stopped: str, window: Page) -> None:
    window.add_init_script(NOTIFIED)
    window.goto(f"{stopped}/ui/settings")
    window.get_by_label("Loads that I ask for here").check()
    told = "Notifications are on. "
    expect(window.locator("html")).to_have_attribute("data-notified", told)
    window.evaluate("window.isAway = true")
    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)  # somebody else's
    go_to(window, "models")
    window.get_by_role("button", name="Load Broken").click()
    told += "Broken could not be loaded. "
    expect(window.locator("html")).to_have_attribute("data-notified", told)
    go_to(window, "settings")
    window.get_by_label("All loads").check()
    httpx.post(f"{stopped}/api/models/load/tortoise", timeout=30)
    told += "Tortoise is ready. "
    expect(window.locator("html")).to_have_attribute("data-notified", told)
    window.evaluate("window.isAway = false")
    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)
    go_to(window, "models")
    expect(window.get_by_role("button", name="Unload Hare")).to_be_visible()  # the news has come
    expect(window.locator("html")).to_have_attribute("data-notified", told)
    go_to(window, "settings")
    window.reload()
    expect(window.get_by_label("All loads")).to_be_checked()


def test_a_load_that_a_chat_asks_for_is_its_own(stopped: str, desktop: Page) -> None:
    desktop.add_init_script(NOTIFIED)
    desktop.goto(f"{stopped}/ui/settings")
    desktop.get_by_label("Loads that I ask for here").check()
    go_to(desktop, "playground/chat?model=tortoise")
    desktop.get_by_role("textbox", name="Message", exact=True).fill("Who are you?")
    desktop.keyboard.press("Enter")
    desktop.evaluate("window.isAway = true")
    expect(desktop.locator("html")).to_have_attribute("data-notified", re.compile("Tortoise is ready"))


def test_notifications_that_are_refused_stay_off_and_the_reason_is_told(yard: str, window: Page) -> None:
    window.add_init_script(NOTIFIED + "window.permission = 'denied';")
    window.goto(f"{yard}/ui/settings")
    window.get_by_label("All loads").click()
    expect(window.get_by_role("alert")).to_contain_text("Notifications are not allowed for this page.")
    expect(window.get_by_role("radio", name="None")).to_be_checked()


def test_the_page_can_be_installed(yard: str, window: Page) -> None:
    window.goto(f"{yard}/ui/")
    found = {
        rel: window.locator(f"link[rel={rel}]").evaluate("link => link.href") for rel in ("manifest", "apple-touch-icon")
    }
    manifest = httpx.get(found["manifest"]).json()
    assert manifest["display"] == "standalone"
    for place in ("start_url", "scope"):
        assert urljoin(found["manifest"], manifest[place]) == f"{yard}/ui/"
    sizes = set()
    for icon in manifest["icons"]:
        answer = httpx.get(urljoin(found["manifest"], icon["src"]))
        assert answer.headers["content-type"] == icon["type"]
        if icon["type"] == "image/png":
            width, height = struct.unpack(">II", answer.content[16:24])
            assert icon["sizes"] == f"{width}x{height}"
            sizes.add((width, icon["purpose"]))
    assert sizes == {(192, "any"), (512, "any"), (512, "maskable")}
    assert struct.unpack(">II", httpx.get(found["apple-touch-icon"]).content[16:24]) == (180, 180)


def test_the_system_decides_between_light_and_dark_until_somebody_does(yard: str, browser: Browser) -> None:
    with page_of(browser, "desktop", color_scheme="dark") as page:
        page.goto(f"{yard}/ui/settings")
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        page.emulate_media(color_scheme="light")
        expect(page.locator("html")).to_have_attribute("data-theme", "light")
