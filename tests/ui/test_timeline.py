"""The timeline: which model was loaded when, and why it went."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

StartDemo = Callable[..., AbstractContextManager[str]]
ANSWERED = 60.0  # seconds


def ask(address: str, model: str) -> None:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    httpx.post(f"{address}/v1/chat/completions", json=body, timeout=ANSWERED).raise_for_status()


@pytest.fixture(scope="module")
def swapped(start_demo: StartDemo) -> Iterator[str]:
    """Hare has made room for magpie, which has failed once."""
    with start_demo() as address:
        ask(address, "hare")
        ask(address, "magpie")
        httpx.post(f"{address}/v1/embeddings", json={"model": "magpie", "input": "hi"}, timeout=ANSWERED)  # fails
        yield address


def test_a_lane_tells_what_a_model_was_and_a_click_why_it_went(swapped: str, window: Page) -> None:
    window.goto(f"{swapped}/ui/timeline")
    hare = window.get_by_role("group", name="Hare")
    expect(hare.get_by_role("button", name="Loading, ")).to_have_count(1)
    hare.get_by_role("button", name="Ready, ").press("Enter")
    expect(window.get_by_role("heading", name="Hare: ready")).to_be_visible()
    expect(window.get_by_text(re.compile("evicted: group swap, for magpie, request 2$"))).to_be_visible()
    expect(window.get_by_role("heading", name="1 request meanwhile")).to_be_visible()
    began = httpx.get(f"{swapped}/api/transitions?model=hare", timeout=30).json()["transitions"][2]
    assert window.url.endswith(f"?at={began['id']}")
    expect(window.get_by_text(re.compile(r"loaded in [\d.]+ m?s for request 1$"))).to_be_visible()
    window.reload()
    expect(window.get_by_role("heading", name="Hare: ready")).to_be_visible()
    window.get_by_role("link", name="request 2").click()  # which had to wait for it to go
    expect(window.get_by_role("heading", name="Request 2", exact=True)).to_be_visible()
    expect(window.get_by_role("region", name="Request 2")).to_contain_text(
        re.compile("Magpie.*Under way as\\s*request 2", re.S)
    )
    expect(window).to_have_url(re.compile(r"/activity\?capture=2$"))
    window.go_back()
    window.get_by_role("button", name="Close the details").click()
    expect(window.get_by_role("heading", name="Hare: ready")).to_have_count(0)
    assert "at=" not in window.url
    magpie = window.get_by_role("group", name="Magpie")
    for lane, ticks, failed in ((hare, 1, 0), (magpie, 2, 1)):
        expect(lane.locator(".tick")).to_have_count(ticks)
        expect(lane.locator(".tick.failed")).to_have_count(failed)
        expect(lane.locator(".busy").first).to_be_attached()
    window.goto(f"{swapped}/ui/timeline?range=2m")
    magpie.get_by_role("button", name="Ready, ").click()
    expect(window.get_by_role("heading", name="Magpie: ready")).to_be_visible()
    expect(window.get_by_role("heading", name="2 requests meanwhile")).to_be_visible()


def test_arrow_keys_go_through_a_lane_and_to_other_lanes(swapped: str, desktop: Page) -> None:
    desktop.goto(f"{swapped}/ui/timeline")
    hare = desktop.get_by_role("group", name="Hare")
    loading = hare.get_by_role("button", name="Loading, ")
    loading.focus()
    desktop.keyboard.press("ArrowRight")
    expect(hare.get_by_role("button", name="Ready, ")).to_be_focused()
    desktop.keyboard.press("Enter")
    expect(hare.get_by_role("button", name="Ready, ")).to_have_attribute("aria-pressed", "true")
    desktop.keyboard.press("ArrowDown")
    expect(desktop.get_by_role("group", name="Magpie").get_by_role("button").first).to_be_focused()


def test_the_same_is_a_table_with_causes(swapped: str, window: Page) -> None:
    window.goto(f"{swapped}/ui/timeline")
    window.get_by_role("tab", name="As a table").click()
    changes = window.locator("tbody tr").filter(has_text="Hare")
    expect(changes).to_have_count(4)  # the newest first
    expect(changes.nth(3)).to_contain_text("for request 1")
    expect(changes.nth(2)).to_contain_text(re.compile(r"loaded in [\d.]+ m?s for request 1"))
    assert "view=table" in window.url
    window.reload()
    expect(window.locator("tbody tr").filter(has_text="Hare")).to_have_count(4)


def test_the_stretch_of_time_stands_in_the_address(swapped: str, window: Page) -> None:
    window.goto(f"{swapped}/ui/timeline")
    window.get_by_role("button", name="1 h", exact=True).click()
    expect(window.get_by_role("button", name="1 h", exact=True)).to_have_attribute("aria-pressed", "true")
    assert "range=1h" in window.url
    window.get_by_role("button", name="Earlier").click()
    window.get_by_role("button", name="Earlier").click()
    expect(window.get_by_text("No model was loaded in this time.")).to_be_visible()
    far = ended(window)
    window.get_by_role("button", name="Later").click()
    expect(window).not_to_have_url(re.compile(f"end={far}"))
    assert ended(window) - far == 3600 * 3 // 4
    window.get_by_role("button", name="Later").click()
    expect(window).not_to_have_url(re.compile("end="))  # not beyond now
    expect(window.get_by_role("group", name="Hare")).to_be_visible()
    expect(window.get_by_role("button", name="Later")).to_be_disabled()
    window.get_by_role("button", name="Earlier").click()
    window.get_by_role("button", name="Now", exact=True).click()
    expect(window).not_to_have_url(re.compile("end="))


def ended(page: Page) -> int:
    """The end of what is shown, as the address has it: seconds since the epoch."""
    found = re.search(r"end=(\d+)", page.url)
    assert found
    return int(found[1])


def test_buttons_show_a_quarter_an_hour_and_a_day(swapped: str, window: Page) -> None:
    window.goto(f"{swapped}/ui/timeline")
    ranges = window.get_by_role("group", name="How much is shown")
    first = window.get_by_role("tabpanel").locator(".time").first
    for label, query, seconds in (("1 h", "range=1h", 3600), ("24 h", "range=24h", 86_400), ("15 min", "", 900)):
        ranges.get_by_role("button", name=label, exact=True).click()
        expect(ranges.locator("[aria-pressed=true]")).to_have_text(label)
        assert window.url.partition("?")[2] == query
        expect(window.get_by_role("group", name="Hare").get_by_role("button").first).to_be_attached()
        began = window.get_by_text(re.compile("to now$")).inner_text().removesuffix(" to now")
        age = window.evaluate("began => (Date.now() - Date.parse(began)) / 1000", began)
        assert seconds - 5 < age < seconds + 60
        expect(first).to_be_visible()


def test_no_label_and_no_name_is_cut(swapped: str, window: Page) -> None:
    end = (int(time.time()) // 21_600 + 1) * 21_600  # a round time: its label stands at the very end
    window.goto(f"{swapped}/ui/timeline?range=24h&end={end}")
    lane = window.get_by_role("group", name="Hare")
    expect(lane).to_be_visible()
    track = window.locator(".axis .track").bounding_box()
    labels = [label.bounding_box() for label in window.locator(".axis .time").all()]
    assert track is not None
    assert labels
    for label in labels:
        assert label is not None
        assert track["x"] - 1 <= label["x"]
        assert label["x"] + label["width"] <= track["x"] + track["width"] + 1
    assert lane.get_by_role("link").evaluate("name => name.scrollWidth <= name.clientWidth")


def test_a_swap_appears_while_it_happens(start_demo: StartDemo, desktop: Page) -> None:
    with start_demo() as address:
        desktop.goto(f"{address}/ui/timeline")
        expect(desktop.get_by_text("No model was loaded in this time.")).to_be_visible()
        ask(address, "hare")
        expect(desktop.get_by_role("group", name="Hare").get_by_role("button", name="Ready, ")).to_be_visible()
        ask(address, "magpie")
        expect(desktop.get_by_role("group", name="Hare").get_by_role("button", name="Stopping, ")).to_be_attached()


def test_memory_stands_below_the_lanes_on_their_axis(swapped: str, window: Page) -> None:
    window.goto(f"{swapped}/ui/timeline?range=2m")
    memory = window.get_by_role("group", name="Memory over the same time")
    curve = memory.get_by_role("img")
    expect(curve.first).to_have_attribute("aria-label", re.compile(r"^(RAM|GPU.*) of \d.*: at the end \d.*, highest \d"))
    lane = window.get_by_role("group", name="Hare").locator(".track").bounding_box()
    track = curve.first.bounding_box()
    assert lane is not None
    assert track is not None
    assert abs(lane["x"] - track["x"]) < 1
    assert abs(lane["width"] - track["width"]) < 1
    curve.first.hover(position={"x": track["width"] - 2, "y": 20})
    expect(memory).to_contain_text(re.compile(r"\d\d:\d\d:\d\d: \d"))

    def with_a_gpu(route: Route) -> None:
        answer = route.fetch().json()
        gpu = {"id": 0, "name": "Big GPU", "mem_total_mb": 24576, "mem_used_mb": 9216}
        route.fulfill(json={**answer, "gpu_stats": [{**gpu, "timestamp": row["timestamp"]} for row in answer["sys_stats"]]})

    window.route("**/api/performance*", with_a_gpu)
    window.reload()
    expect(curve).to_have_count(1)
    expect(curve).to_have_attribute("aria-label", re.compile(r"^GPU memory of 24.0 GiB: at the end 9.0 GiB"))
    expect(curve.locator("path.line")).to_have_attribute("d", re.compile(r"^M[\d.]+ 62\.50"))  # 9 of 24 used


def test_where_no_memory_is_measured_the_timeline_says_so(swapped: str, window: Page) -> None:
    window.route("**/api/performance*", lambda route: route.fulfill(status=503, json={"enabled": False}))
    window.goto(f"{swapped}/ui/timeline")
    memory = window.get_by_role("group", name="Memory over the same time")
    expect(memory).to_contain_text("performance.disabled is set in the configuration")
    expect(memory.get_by_role("img")).to_have_count(0)
