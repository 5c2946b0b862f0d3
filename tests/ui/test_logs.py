"""Logs: their lines as they come, and finding the ones that matter."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.ui.conftest import SIZES

StartDemo = Callable[..., AbstractContextManager[str]]
ANSWERED = 60.0  # seconds


def ask(address: str, model: str = "squirrel") -> None:
    httpx.post(f"{address}/v1/embeddings", json={"model": model, "input": "hello"}, timeout=ANSWERED)


@pytest.fixture(scope="module")
def talkative(start_demo: StartDemo) -> Iterator[str]:
    with start_demo() as address:
        for _ in range(60):
            ask(address)
        yield address


def lines(page: Page, title: str) -> Any:
    return page.get_by_role("region", name=f"Lines of {title}", exact=True)


def test_the_log_goes_on_and_probes_and_the_pages_own_requests_are_hidden(talkative: str, window: Page) -> None:
    httpx.get(f"{talkative}/health", timeout=ANSWERED)
    window.goto(f"{talkative}/ui/playground/chat")  # asks for the models
    expect(window.get_by_role("button", name=re.compile("^Model: "))).to_be_visible()
    window.goto(f"{talkative}/ui/logs")
    log = lines(window, "Everything")
    expect(log).to_contain_text("POST /v1/embeddings")
    visible = log.locator("div:not([hidden])")
    expect(visible.filter(has_text="POST /v1/embeddings").nth(59)).to_be_attached()  # all that were asked before
    noise = ("/ui/", "GET /v1/models", '"GET /health', "log_server_r: done request: GET /health")
    for each in noise:
        expect(visible.filter(has_text=each)).to_have_count(0)
    asked = visible.filter(has_text="[INFO] Request")
    before = asked.count()
    ask(talkative)
    expect(asked).to_have_count(before + 1)
    chip = window.get_by_role("button", name=re.compile("^Probes and this page: "))
    hidden = int(re.findall(r"[\d,]+", chip.inner_text())[0].replace(",", ""))
    assert 0 < hidden <= log.locator("div[hidden]").count()
    chip.click()
    for each in noise:
        expect(visible.filter(has_text=each).first).to_be_attached()
    expect(chip).to_have_text(re.compile("shown$"))
    window.reload()
    expect(chip).to_have_attribute("aria-pressed", "true")


def test_a_filter_shows_marks_and_counts_what_matches(talkative: str, window: Page) -> None:
    window.goto(f"{talkative}/ui/logs?source=proxy")
    field = window.get_by_label("Show only lines that match this regular expression")
    field.fill("SQUIRREL> (starting|ready)")
    log = lines(window, "Swapyard")
    expect(log.locator("div:not([hidden])")).to_have_count(2)
    expect(log.locator("mark").first).to_have_text("squirrel> starting")
    expect(window.get_by_role("status").filter(has_text=re.compile(r"2 of \d+ lines, 2 matches"))).to_be_visible()
    window.reload()
    expect(log.locator("div:not([hidden])")).to_have_count(2)
    field.fill("(oops")
    expect(window.get_by_role("alert").filter(has_text="This is no regular expression")).to_be_visible()
    assert log.locator("div:not([hidden])").count() > 2
    field.fill("")
    window.get_by_role("button", name="Errors").click()
    expect(window.get_by_text("No line passes the filter.")).to_be_visible()


def test_a_log_is_followed_until_somebody_reads_further_up(talkative: str, window: Page) -> None:
    window.goto(f"{talkative}/ui/logs?source=proxy")
    log = lines(window, "Swapyard")
    expect(log.locator("div").nth(60)).to_be_attached()
    expect(window.get_by_text("Following", exact=True)).to_be_visible()
    assert log.evaluate("box => box.scrollHeight - box.scrollTop - box.clientHeight < 40")
    log.evaluate("box => box.scrollTop = 0")
    expect(window.get_by_text("Not following")).to_be_visible()
    ask(talkative)
    expect(window.get_by_role("button", name="To the end, 1 new")).to_be_visible()
    assert log.evaluate("box => box.scrollTop") == 0
    window.get_by_role("button", name="To the end").click()
    expect(window.get_by_text("Following", exact=True)).to_be_visible()


def test_a_pause_lets_lines_wait(talkative: str, window: Page) -> None:
    window.goto(f"{talkative}/ui/logs?source=proxy")
    log = lines(window, "Swapyard")
    expect(log.locator("div").nth(60)).to_be_attached()
    window.get_by_role("button", name="Pause").click()
    before = log.locator("div").count()
    ask(talkative)
    expect(window.get_by_text("Paused, 1 new")).to_be_visible()
    assert log.locator("div").count() == before
    window.get_by_role("button", name="Go on").click()
    expect(log.locator("div")).to_have_count(before + 1)


def test_lines_wrap_grow_are_copied_downloaded_and_cleared(talkative: str, window: Page) -> None:
    window.goto(f"{talkative}/ui/logs?source=proxy&filter=listening")
    log = lines(window, "Swapyard")
    expect(log.locator("div:not([hidden])")).to_have_count(1)
    wrap = window.get_by_role("button", name="Wrap long lines")
    wrap.click()
    expect(log).to_have_css("white-space", "pre")
    window.get_by_role("button", name="Smaller text").click()
    expect(log).to_have_css("font-size", "11px")
    for size in ("12px", "13px"):
        window.get_by_role("button", name="Larger text").click()
        expect(log).to_have_css("font-size", size)
    window.reload()
    expect(log).to_have_css("font-size", "13px")
    expect(wrap).to_have_attribute("aria-pressed", "false")
    expect(log.locator("div:not([hidden])")).to_have_count(1)
    window.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text }")
    window.get_by_role("button", name="Copy the lines of Swapyard").click()
    assert window.evaluate("window.copied").count("\n") == 1
    with window.expect_download() as saved:
        window.get_by_role("button", name="Download the lines of Swapyard").click()
    assert saved.value.suggested_filename == "proxy.log"
    assert "listening on" in saved.value.path().read_text()
    window.get_by_role("button", name="Clear the view of Swapyard").click()
    expect(log.locator("div")).to_have_count(0)


def test_chips_that_do_not_fit_fade_where_they_are_cut(talkative: str, window: Page) -> None:
    window.goto(f"{talkative}/ui/logs")
    chips = window.get_by_role("group", name="Only lines about")
    expect(chips).to_be_visible()
    window.add_style_tag(content=".chips button { min-width: 100vw }")
    box = chips if window.viewport_size == SIZES["desktop"] else window.locator(".sources")
    assert box.evaluate("box => box.scrollWidth > box.clientWidth")
    expect(box).to_have_css("mask-image", re.compile("linear-gradient.*40px"))


def test_one_stream_is_narrowed_by_source_and_model(talkative: str, window: Page) -> None:
    window.goto(f"{talkative}/ui/logs")
    everything = lines(window, "Everything")
    expect(everything).to_contain_text("loading model 'squirrel'")
    told = everything.inner_text()
    assert told.index("<squirrel> starting") < told.index("loading model 'squirrel'") < told.index("<squirrel> ready")
    window.get_by_role("group", name="Only lines about").get_by_role("button", name="Squirrel").click()
    visible = lines(window, "Squirrel").locator("div:not([hidden])")
    expect(visible.filter(has_not_text="squirrel")).to_have_count(0)
    expect(visible.filter(has_text="[INFO] <squirrel> starting")).to_have_count(1)
    window.get_by_role("group", name="Only lines of").get_by_role("button", name="Servers").click()
    expect(visible.filter(has_text="loading model 'squirrel'")).to_have_count(1)
    expect(visible.filter(has_text="[INFO]")).to_have_count(0)
    assert "source=upstream" in window.url
    assert "model=squirrel" in window.url
    window.reload()
    expect(visible.filter(has_text="loading model 'squirrel'")).to_have_count(1)


def test_errors_are_jumped_to_and_a_failed_start_is_whole_lines(stopped: str, window: Page) -> None:
    ask(stopped, "broken")
    ask(stopped, "hare")
    window.goto(f"{stopped}/ui/logs")
    log = lines(window, "Everything")
    told = log.locator("div.error:not([hidden])", has_text="<broken>")
    expect(told.filter(has_text="its last output:").last).to_be_attached()
    expect(told.filter(has_text="[ERROR] <broken>   | ").last).to_be_attached()
    expect(log).not_to_contain_text("\\n")
    expect(window.get_by_role("group", name="Errors in Everything")).to_contain_text("error")
    current = log.locator(".current.error")
    window.get_by_role("button", name="Previous error").click()
    expect(current).to_be_in_viewport()
    expect(current).to_have_text(told.filter(has_text="its last output:").last.inner_text())
    window.get_by_role("heading", name="Logs").click()
    window.keyboard.press("e")
    expect(current).to_be_in_viewport()
    window.keyboard.press("Shift+E")
    expect(current).to_have_text(told.filter(has_text="its last output:").last.inner_text())


def test_a_link_leads_to_the_same_line_again(talkative: str, window: Page) -> None:
    window.goto(f"{talkative}/ui/logs")
    log = lines(window, "Everything")
    line = log.locator("div:not([hidden])", has_text="[INFO] <squirrel> starting")
    assert len(line.get_attribute("data-at") or "") == len("12:34:56")
    line.click(position={"x": 200, "y": 5})
    expect(line).to_have_class("info current")
    assert "at=" in window.url
    window.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text }")
    window.get_by_role("button", name="Copy a link to this place in Everything").click()
    link = window.evaluate("window.copied")
    for _ in range(3):
        ask(talkative)
    window.goto("about:blank")
    window.goto(link)
    expect(line).to_have_class("info current")
    expect(line).to_be_in_viewport()
    expect(window.get_by_text("Not following")).to_be_visible()
    window.get_by_role("button", name="To the end").click()
    expect(window.get_by_text("Following", exact=True)).to_be_visible()
    assert "at=" not in window.url
    window.goto(f"{talkative}/ui/logs?at=1000")
    expect(window.get_by_text("The line of this link is no longer kept")).to_be_visible()


def test_times_stand_beside_the_lines_until_they_are_turned_off(talkative: str, window: Page) -> None:
    window.goto(f"{talkative}/ui/logs?source=proxy")
    log = lines(window, "Swapyard")
    expect(log.locator("div").first).to_be_attached()
    button = window.get_by_role("button", name="Times beside the lines")
    is_on = button.get_attribute("aria-pressed") == "true"
    gutter = "line => getComputedStyle(line, '::before').content"
    first = log.locator("div").first
    assert (first.evaluate(gutter) != "none") is is_on
    button.click()
    assert (first.evaluate(gutter) != "none") is not is_on
    window.reload()
    expect(button).to_have_attribute("aria-pressed", str(not is_on).lower())


def test_two_logs_share_the_width_as_the_keyboard_and_the_mouse_say(talkative: str, desktop: Page) -> None:
    desktop.goto(f"{talkative}/ui/logs")
    desktop.get_by_role("button", name="Side by side").click()
    expect(lines(desktop, "Swapyard")).to_be_visible()
    expect(lines(desktop, "All servers")).to_contain_text("loading model")
    border = desktop.get_by_role("separator", name="Width of the first log")
    before = lines(desktop, "Swapyard").bounding_box()
    border.press("ArrowLeft")
    border.press("ArrowLeft")
    expect(border).to_have_attribute("aria-valuenow", "46")
    after = lines(desktop, "Swapyard").bounding_box()
    assert before is not None
    assert after is not None
    assert after["width"] < before["width"]
    desktop.reload()
    expect(border).to_have_attribute("aria-valuenow", "46")
    place = border.bounding_box()
    assert place is not None
    middle = (place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    desktop.mouse.move(*middle)
    desktop.mouse.down()
    desktop.mouse.move(middle[0] + 150, middle[1], steps=3)
    desktop.mouse.up()
    desktop.mouse.move(*middle)  # let go, it stays
    assert int(border.get_attribute("aria-valuenow") or "") > 55
    desktop.reload()
    assert int(border.get_attribute("aria-valuenow") or "") > 55
