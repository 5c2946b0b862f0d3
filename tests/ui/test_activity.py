"""Activity: what is under way, what is finished, and the request that is opened beside the list."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.ports import start_port
from tests.ui.conftest import SIZES

StartDemo = Callable[..., AbstractContextManager[str]]
ANSWERED = 60.0  # seconds


def ask(address: str, path: str = "/v1/chat/completions", **body: Any) -> httpx.Response:
    body = {"messages": [{"role": "user", "content": "Who are you?"}]} | body
    return httpx.post(address + path, json=body, timeout=ANSWERED)


@pytest.fixture(scope="module")
def busy(start_demo: StartDemo) -> Iterator[str]:
    """A demo with 34 finished requests: the first to a model that is not there, one that failed, three streams and an
    embedding among them."""
    with start_demo() as address:
        ask(address, model="squirrels")
        ask(address, model="squirrel")
        ask(address, model="hare", stream=True)
        ask(address, "/v1/messages", model="hare", stream=True, max_tokens=8)
        ask(address, "/v1/responses", model="hare", stream=True, input="Who are you?")
        for _ in range(29):
            ask(address, "/v1/embeddings", model="squirrel", input="hello")
        yield address


@contextlib.contextmanager
def under_way(address: str, model: str) -> Iterator[None]:
    """A request that goes on until somebody ends it."""
    begun = threading.Event()

    def stream() -> None:
        body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "count to 100000"}]}
        with (
            contextlib.suppress(httpx.HTTPError),
            httpx.stream("POST", f"{address}/v1/chat/completions", json=body, timeout=ANSWERED) as answer,
        ):
            for _ in answer.iter_lines():
                begun.set()

    thread = threading.Thread(target=stream)
    thread.start()
    assert begun.wait(ANSWERED)
    yield
    thread.join(ANSWERED)


def rows(page: Page) -> Any:
    return page.locator("main [data-row]")


def is_phone(page: Page) -> bool:
    return page.viewport_size == SIZES["phone"]


def test_a_request_under_way_is_shown_and_can_be_cancelled(busy: str, window: Page) -> None:
    window.goto(f"{busy}/ui/activity")
    with under_way(busy, "hare"):
        card = window.get_by_role("region", name="Under way")
        expect(card).to_contain_text("Answers")
        window.get_by_role("button", name="Cancel /v1/chat/completions of Hare").click()
        expect(card).to_contain_text("Nothing is under way.")
    expect(window.get_by_text("Cancelled").first).to_be_attached()


def numbers(page: Page) -> list[str]:
    """The first and the last id that the list shows, from the addresses of its rows."""
    return [str(row.get_attribute("href")).rpartition("capture=")[2] for row in (rows(page).first, rows(page).last)]


def test_pages_sizes_and_the_order_stand_in_the_address(busy: str, window: Page) -> None:
    shown = f"{busy}/ui/activity?max_id=34"
    window.goto(shown)
    expect(rows(window)).to_have_count(25)
    window.get_by_label("Rows").select_option("10")
    expect(rows(window)).to_have_count(10)
    pages = window.get_by_role("navigation", name="Pages of the list")
    for button, page, ends in [
        ("Next page", "&page=2", ["24", "15"]),
        ("Last page", "&page=4", ["4", "1"]),
        ("Previous page", "&page=3", ["14", "5"]),
        ("First page", "", ["34", "25"]),
    ]:
        pages.get_by_role("button", name=button).click()
        expect(rows(window).first).to_have_attribute("href", re.compile(rf"capture={ends[0]}$"))
        assert numbers(window) == ends
        expect(window).to_have_url(f"{shown}&limit=10{page}")
    expect(pages.get_by_role("button", name="Previous page")).to_be_disabled()
    window.go_back()
    expect(rows(window).first).to_have_attribute("href", re.compile("capture=14$"))
    if is_phone(window):
        window.get_by_role("button", name="Highest first; turn round").tap()
        window.get_by_role("combobox", name="Order").select_option("req_path")
        expect(rows(window).first).to_contain_text("/v1/chat/completions")
        window.get_by_role("combobox", name="Order").select_option("id")
    else:
        window.get_by_role("button", name="Page 2").click()
        window.get_by_role("button", name="ID", exact=True).click()
        expect(window.get_by_role("columnheader", name="ID")).to_have_attribute("aria-sort", "ascending")
    for _ in range(2):
        expect(rows(window).last).to_have_attribute("href", re.compile("capture=10$"))
        assert numbers(window) == ["1", "10"]
        window.reload()


def test_filters_are_chips_that_hold_for_the_totals_too(busy: str, window: Page) -> None:
    window.goto(f"{busy}/ui/activity?max_id=34")
    totals = window.get_by_label("Totals of what the filters show")
    expect(totals).to_contain_text("34")
    window.get_by_role("button", name="Failures").click()
    expect(rows(window)).to_have_count(2)
    expect(totals.locator("dd").first).to_have_text("2")
    expect(window.get_by_text("does not support").first).to_be_visible()
    colours = set()
    for status, tone in (("501 Failed", "bad"), ("404 Refused", "moving")):
        cell = window.locator(f".cell .{tone}").filter(has_text=status.split()[0])
        expect(cell).to_have_text(re.compile(rf"^\s*{status}\s*$"))
        expect(cell.locator("svg")).to_be_visible()
        colours.add(cell.evaluate("cell => getComputedStyle(cell).color"))
    assert len(colours | {window.evaluate("getComputedStyle(document.body).color")}) == 3
    window.get_by_role("button", name="Take away: Status 4xx").click()
    expect(rows(window)).to_have_count(1)
    window.get_by_role("button", name="Clear all").click()
    window.get_by_label("Show only paths with").fill("messages")
    expect(rows(window)).to_have_count(1)
    window.get_by_role("button", name="Take away: Path has “messages”").click()
    window.get_by_role("combobox", name="Time").select_option("1h")
    expect(window.get_by_role("button", name="Take away: Last hour")).to_be_visible()
    window.get_by_role("button", name="More filters").click()
    dialog = window.get_by_role("dialog", name="Filters")
    dialog.get_by_label("squirrel").check()
    dialog.get_by_label("One status").fill("501")
    dialog.get_by_label("Id to").fill("20")
    dialog.get_by_role("button", name="Show the requests").click()
    expect(rows(window)).to_have_count(1)
    assert "model=squirrel" in window.url
    window.reload()
    expect(rows(window)).to_have_count(1)


def test_times_and_ids_narrow_the_list(busy: str, window: Page) -> None:
    told = httpx.get(f"{busy}/api/metrics/activity?max_id=34&limit=100", timeout=ANSWERED).json()["data"]
    ended = sorted(datetime.fromisoformat(row["timestamp"]) for row in told)
    middle = (ended[0] + (ended[-1] - ended[0]) / 2).replace(microsecond=0)
    later, earlier = sum(at >= middle for at in ended), sum(at <= middle for at in ended)
    assert later < 34
    assert earlier < 34
    field = middle.astimezone().strftime("%Y-%m-%dT%H:%M:%S")
    window.goto(f"{busy}/ui/activity?max_id=34")
    totals = window.get_by_label("Totals of what the filters show").locator("dd").first
    expect(totals).to_have_text("34")
    dialog = window.get_by_role("dialog", name="Filters")
    for label, value, count in (("From", field, later), ("Until", field, earlier), ("Id from", "20", 15)):
        window.get_by_role("button", name="More filters").click()
        dialog.get_by_label(label, exact=True).fill(value)
        dialog.get_by_label(label, exact=True).press("Tab")
        dialog.get_by_role("button", name="Show the requests").click()
        expect(totals).to_have_text(str(count))
        window.get_by_role("button", name=re.compile(f"^Take away: {label}")).click()
        expect(totals).to_have_text("34")


def test_the_requests_of_a_session_are_found(busy: str, window: Page) -> None:
    body = {"model": "squirrel", "input": "hello"}
    talk = f"talk-{window.evaluate('innerWidth')}"
    for session in (talk, talk, f"{talk}2"):
        httpx.post(f"{busy}/v1/embeddings", json=body, headers={"X-Session-ID": session}, timeout=ANSWERED)
    window.goto(f"{busy}/ui/activity")
    window.get_by_role("button", name="More filters").click()
    dialog = window.get_by_role("dialog", name="Filters")
    dialog.get_by_label("Session").fill(talk)
    dialog.get_by_role("button", name="Show the requests").click()
    expect(rows(window)).to_have_count(2)
    assert f"session={talk}" in window.url
    expect(window.get_by_label("Totals of what the filters show").locator("dd").first).to_have_text("2")
    rows(window).first.click()
    expect(window.get_by_text(talk, exact=True).first).to_be_visible()
    window.keyboard.press("Escape")
    window.get_by_role("button", name=f"Take away: Session {talk}").click()
    expect(window.get_by_label("Filters that are on")).to_have_count(0)


def test_a_session_in_its_column_narrows_the_list(busy: str, desktop: Page) -> None:
    httpx.post(
        f"{busy}/v1/embeddings", json={"model": "squirrel", "input": "x"}, headers={"X-Session-ID": "s9"}, timeout=ANSWERED
    )
    desktop.goto(f"{busy}/ui/activity")
    desktop.get_by_role("button", name="Columns of finished requests").click()
    desktop.get_by_role("checkbox", name="Session").check()
    desktop.keyboard.press("Escape")
    desktop.get_by_role("button", name="s9", exact=True).click()
    expect(rows(desktop)).to_have_count(1)


def test_what_a_request_waits_for_is_told_alike_everywhere(start_demo: StartDemo, window: Page) -> None:
    with start_demo() as address, under_way(address, "hare"):
        waiting = threading.Thread(target=lambda: ask(address, model="tortoise"))
        waiting.start()
        try:
            window.goto(f"{address}/ui/activity")
            card = window.get_by_role("region", name="Under way")
            expect(card).to_contain_text("Hare must finish first")
            window.goto(f"{address}/ui/")
            expect(window.get_by_role("region", name="Waiting")).to_contain_text("Hare must finish first")
        finally:
            window.get_by_role("button", name="Cancel request").first.click()
            window.goto(f"{address}/ui/activity")
            window.get_by_role("button", name="Cancel /v1/chat/completions of Hare").click()
            waiting.join(ANSWERED)


def test_a_load_and_the_reading_of_a_prompt_are_phases(
    start_demo: StartDemo, engine: Callable[..., str], desktop: Page, tmp_path: Path
) -> None:
    reader = engine("reader", "--load-seconds", "3", "--prompt-tokens-per-second", "1")
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"startPort": start_port(), "models": {"reader": {"name": "Reader", "cmd": reader}}}))
    with start_demo(config=config) as address:
        desktop.goto(f"{address}/ui/activity")
        card = desktop.get_by_role("region", name="Under way")
        expect(card).to_contain_text("Nothing is under way.")
        question = [{"role": "user", "content": "word " * 60}]
        asking = threading.Thread(target=lambda: ask(address, model="reader", stream=True, messages=question))
        asking.start()
        expect(card).to_contain_text("Model loads")
        expect(card).to_contain_text("Reads the prompt")
        desktop.get_by_role("button", name="Cancel /v1/chat/completions of Reader").click()
        asking.join(ANSWERED)


def test_columns_are_hidden_and_moved_with_the_keyboard_and_stay_so(busy: str, desktop: Page) -> None:
    desktop.goto(f"{busy}/ui/activity")
    expect(rows(desktop)).to_have_count(25)
    menu = desktop.get_by_role("button", name="Columns of finished requests")
    menu.press("Enter")
    desktop.get_by_role("checkbox", name="Path").uncheck()
    desktop.get_by_role("button", name="Move Model up").press("Enter")
    desktop.get_by_role("button", name="Move Model up").press("Enter")
    desktop.keyboard.press("Escape")
    expect(menu).to_be_focused()
    finished = desktop.get_by_role("region", name="Finished")
    expect(finished.get_by_role("columnheader").first).to_have_text("Model")
    number = finished.locator("tbody tr").first.locator("td.number").first
    expect(number).to_have_css("text-align", "right")
    expect(number).to_have_css("font-variant-numeric", "tabular-nums")
    desktop.reload()
    expect(finished.get_by_role("columnheader").first).to_have_text("Model")
    expect(finished.get_by_role("columnheader", name="Path")).to_have_count(0)


def test_columns_of_requests_under_way_are_chosen_and_moved_and_stay_so(busy: str, desktop: Page) -> None:
    desktop.goto(f"{busy}/ui/activity")
    card = desktop.get_by_role("region", name="Under way")
    heads = card.get_by_role("columnheader")
    with under_way(busy, "hare"):
        expect(heads.first).to_have_text("Phase")
        desktop.get_by_role("button", name="Columns of requests under way").press("Enter")
        desktop.get_by_role("checkbox", name="User agent").check()
        desktop.get_by_role("checkbox", name="Address").uncheck()
        desktop.get_by_role("button", name="Move Model up").press("Enter")
        desktop.keyboard.press("Escape")
        for _ in range(2):
            expect(heads.first).to_have_text("Model")
            expect(heads.filter(has_text="User agent")).to_have_count(1)
            expect(heads.filter(has_text="Address")).to_have_count(0)
            expect(card).to_contain_text("python-httpx")
            desktop.reload()
        desktop.get_by_role("button", name="Cancel /v1/chat/completions of Hare").click()


def test_what_cards_show_is_chosen_and_moved_and_stays_so(busy: str, phone: Page) -> None:
    phone.goto(f"{busy}/ui/activity?path=messages&max_id=34")
    first = rows(phone).first
    expect(first).to_contain_text(re.compile(r"^Hare"))
    phone.get_by_role("button", name="What cards of finished requests show").tap()
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    menu = phone.get_by_role("dialog", name="What cards of finished requests show")
    menu.get_by_role("checkbox", name="Prompt", exact=True).tap()
    menu.get_by_role("checkbox", name="Duration").tap()
    for _ in range(4):
        menu.get_by_role("button", name="Move Path up").tap()
    box = menu.bounding_box()
    assert box is not None
    assert 0 <= box["x"] <= box["x"] + box["width"] <= SIZES["phone"]["width"]
    phone.keyboard.press("Escape")
    with under_way(busy, "hare"):
        phone.get_by_role("button", name="What cards of requests under way show").tap()
        phone.get_by_role("checkbox", name="User agent").tap()
        phone.get_by_role("checkbox", name="Elapsed").tap()
        phone.get_by_role("button", name="Move Phase up").tap()
        phone.keyboard.press("Escape")
        for _ in range(2):
            expect(first).to_contain_text(re.compile(r"^/v1/messages.*Prompt \d"))
            expect(first.get_by_role("img")).to_have_count(0)  # the bar goes with the duration
            under = phone.get_by_role("list", name="Requests under way").get_by_role("listitem")
            expect(under).to_have_text(re.compile(r"^\s*Answers\s*Hare\s*[\d.]+\s\w*B\s*python-httpx\S*\s*$"))
            phone.reload()
        phone.get_by_role("button", name="Cancel /v1/chat/completions of Hare").tap()


def test_requests_under_way_fold_away_and_stay_so(busy: str, window: Page) -> None:
    window.goto(f"{busy}/ui/activity")
    card = window.get_by_role("region", name="Under way")
    fold = card.get_by_role("button", name="Requests under way", exact=True)
    cancel = card.get_by_role("button", name="Cancel /v1/chat/completions of Hare")
    with under_way(busy, "hare"):
        expect(cancel).to_be_visible()
        fold.click()
        for _ in range(2):
            expect(fold).to_have_attribute("aria-expanded", "false")
            expect(cancel).to_have_count(0)
            expect(card).to_contain_text(re.compile(r"Under way\s*1"))  # the head still counts them
            window.reload()
        fold.click()
        expect(fold).to_have_attribute("aria-expanded", "true")
        cancel.click()
        expect(card).to_contain_text("Nothing is under way.")


def test_speeds_fold_away_and_stay_so(busy: str, window: Page) -> None:
    window.goto(f"{busy}/ui/activity")
    speeds = window.get_by_role("button", name="Speeds")
    is_open = speeds.get_attribute("aria-expanded") == "true"  # on phones they are folded at first
    charts = window.get_by_role("img", name="tokens per second")
    for _ in range(2):
        expect(charts).to_have_count(2 if is_open else 0)
        speeds.click()
        is_open = not is_open
        expect(charts).to_have_count(2 if is_open else 0)
        window.reload()


def test_a_row_tells_its_exact_time_why_it_failed_and_where_its_time_went(busy: str, window: Page) -> None:
    window.goto(f"{busy}/ui/activity?status=4xx&max_id=34")
    expect(rows(window)).to_have_count(1)
    finished = window.get_by_role("region", name="Finished")
    time = finished.locator("time")
    told = time.get_attribute("datetime")
    assert told is not None
    expect(time).to_have_attribute("title", re.compile(rf"{told[:4]}.*\d:{told[14:19]}"))  # to the second, with the date
    told_to_client = 'model "squirrels" is not known here; did you mean "squirrel"?'
    why = finished.get_by_text(told_to_client, exact=True)
    expect(why).to_be_visible()
    assert why.evaluate("text => text.scrollHeight <= text.clientHeight + 1 && text.scrollWidth <= text.clientWidth")
    window.goto(f"{busy}/ui/activity?capture=1")
    panel = window.get_by_role("region", name="Request 1", exact=True)
    expect(panel).to_contain_text(f"The client was told: {told_to_client}")
    expect(panel.get_by_role("link", name="squirrels")).to_have_count(0)  # it would lead nowhere
    window.goto(f"{busy}/ui/activity")
    legend = finished.get_by_role("list", name="What the colours below a duration mean")
    expect(legend.get_by_role("listitem")).to_have_text(
        ["in the queue", "loading the model", "waiting at its server", "reading the prompt", "answering", "other"]
    )
    window.goto(f"{busy}/ui/activity?path=chat&status=2xx&max_id=34")  # the request that hare was loaded for
    bar = finished.get_by_role("img", name=re.compile(r"\d m?s loading the model, .*\d m?s answering"))
    expect(bar).to_have_count(1)
    parts = dict(bar.locator("span").evaluate_all("parts => parts.map(part => [part.classList[0], part.clientWidth])"))
    assert parts["load"] > 0
    assert parts["decode"] > 0


def test_the_bar_of_a_request_that_waited_tells_the_queue_and_the_load(busy: str, window: Page) -> None:
    ours = {"X-Session-ID": f"waited-{window.viewport_size}"}
    body = {"model": "magpie", "stream": True, "messages": [{"role": "user", "content": "Who are you?"}]}

    def wait() -> None:
        httpx.post(f"{busy}/v1/chat/completions", json=body, headers=ours, timeout=ANSWERED)

    window.goto(f"{busy}/ui/activity?session={ours['X-Session-ID']}")
    with under_way(busy, "hare"):
        waiting = threading.Thread(target=wait)
        waiting.start()
        under = window.get_by_role("region", name="Under way")
        expect(under).to_contain_text(re.compile("Queued|Hare must finish first"))
        under.get_by_role("button", name="Cancel /v1/chat/completions of Hare").click()
    waiting.join(ANSWERED)
    took = r"[\d.]+ m?s"
    bar = window.get_by_role("region", name="Finished").get_by_role("img")
    expect(bar).to_have_attribute(
        "aria-label", re.compile(rf"^{took} in the queue, {took} loading the model, .*{took} answering")
    )
    expect(bar).to_have_count(1)
    widths = dict(bar.locator("span").evaluate_all("parts => parts.map(part => [part.classList[0], part.clientWidth])"))
    timing = httpx.get(f"{busy}/api/metrics/activity?limit=1&model=magpie", timeout=ANSWERED).json()["data"][0]["timing"]
    assert min(timing["queue_ms"], timing["load_ms"], widths["queue"], widths["load"]) > 0
    assert (widths["load"] > widths["queue"]) == (timing["load_ms"] > timing["queue_ms"])  # each as wide as it took
    colours = bar.locator("span").evaluate_all("parts => parts.map(part => getComputedStyle(part).backgroundColor)")
    assert len(set(colours)) == len(colours)


def test_columns_are_moved_with_the_mouse(busy: str, desktop: Page) -> None:
    desktop.goto(f"{busy}/ui/activity?max_id=34")
    heads = desktop.get_by_role("region", name="Finished").get_by_role("columnheader")
    expect(heads.first).to_have_text("ID")
    desktop.get_by_role("button", name="Columns of finished requests").click()
    choices = desktop.get_by_role("list", name="All in their order").get_by_role("listitem")
    choices.filter(has_text="Path").get_by_text("Path").click()  # its word is as good as its box
    choices.filter(has_text="Model").drag_to(choices.first)
    expect(choices.first).to_contain_text("Model")
    desktop.keyboard.press("Escape")
    for _ in range(2):
        expect(heads).to_contain_text(["Model", "ID", "Time", "Status"])
        expect(heads.filter(has_text="Path")).to_have_count(0)
        desktop.reload()


def test_on_a_phone_requests_are_cards_and_open(busy: str, phone: Page) -> None:
    phone.goto(f"{busy}/ui/activity")
    expect(rows(phone)).to_have_count(25)
    expect(phone.get_by_role("table")).to_have_count(0)
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    card = rows(phone).last
    left, right = card.evaluate(
        "card => [card, card.parentElement].map(box => box.getBoundingClientRect()).reduce((inner, outer) => "
        "[card.querySelector('.line').getBoundingClientRect().left - outer.left, "
        "outer.right - card.querySelector('.line').getBoundingClientRect().right])"
    )
    assert left == right == 16  # a line has the whole width
    expect(card).to_contain_text("/v1/embeddings")
    box = card.bounding_box()
    assert box is not None
    assert box["height"] >= 44
    card.tap()
    expect(phone.locator("#request-title")).to_be_visible()


def test_the_list_is_exported_as_markdown_csv_and_json_lines(busy: str, window: Page) -> None:
    window.goto(f"{busy}/ui/activity?status=4xx&max_id=34")
    expect(rows(window)).to_have_count(1)
    window.get_by_role("button", name="Export").click()
    expect(window.get_by_role("region", name="Copy the Markdown")).to_contain_text("404 model")
    window.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text }")
    window.get_by_role("button", name="Copy Markdown").click()
    assert "| squirrels |" in window.evaluate("window.copied")
    with window.expect_download() as csv:
        window.get_by_role("button", name="CSV").click()
    assert csv.value.suggested_filename == "swapyard-activity.csv"
    assert csv.value.path().read_text().count("\n") == 2
    window.goto(f"{busy}/ui/activity?max_id=34&limit=10")
    expect(rows(window)).to_have_count(10)
    window.get_by_role("button", name="Export").click()
    with window.expect_download() as csv:  # all of it, not the page that is shown
        window.get_by_role("button", name="CSV").click()
    assert csv.value.path().read_text().count("\n") == 35
    window.goto(f"{busy}/ui/activity?status=4xx&max_id=34")
    expect(rows(window)).to_have_count(1)
    window.get_by_role("button", name="Export").click()
    with window.expect_download() as lines:
        window.get_by_role("button", name="JSON lines").click()
    assert [json.loads(line)["model"] for line in lines.value.path().read_text().splitlines()] == ["squirrels"]


def test_finished_requests_appear_by_themselves_on_the_first_page_only(busy: str, desktop: Page) -> None:
    desktop.goto(f"{busy}/ui/activity?path=rerank")
    expect(desktop.get_by_text("No request passes these filters.")).to_be_visible()
    ask(busy, "/v1/rerank", model="owl", query="a", documents=["b"])
    expect(rows(desktop)).to_have_count(1)


@pytest.mark.parametrize(
    ("path", "answer"), [("chat", "You asked"), ("messages", "This is hare"), ("responses", "This is hare")]
)
def test_a_streamed_answer_is_read_as_a_conversation(busy: str, window: Page, path: str, answer: str) -> None:
    window.goto(f"{busy}/ui/activity?path={path}&status=2xx&max_id=34")
    rows(window).first.click()
    panel = window.get_by_role("region", name="Request", exact=False).first
    expect(panel.get_by_role("region", name="Answer", exact=True)).to_contain_text(answer)
    expect(panel.get_by_role("region", name="Request", exact=True)).to_contain_text("Who are you?")
    window.reload()
    expect(panel.get_by_role("region", name="Answer", exact=True)).to_contain_text(answer)
    panel.get_by_role("button", name="Raw").last.click()
    expect(panel.get_by_role("region", name="the answer, as it is")).to_contain_text("data:")
    window.keyboard.press("Escape")
    expect(panel.get_by_role("region", name="Answer", exact=True)).to_have_count(0)


def test_a_body_is_copied_and_a_copied_link_opens_the_same_capture(busy: str, window: Page) -> None:
    window.add_init_script("if (navigator.clipboard) navigator.clipboard.writeText = async text => { window.copied = text }")
    window.goto(f"{busy}/ui/activity?path=chat&status=2xx&max_id=34")
    rows(window).first.click()
    title = window.locator("#request-title")
    expect(title).to_have_text("Request 3")
    request = window.get_by_role("region", name="Request", exact=True)
    request.get_by_role("button", name="Raw").click()
    request.get_by_role("button", name="Copy the request").click()
    assert json.loads(window.evaluate("window.copied"))["messages"] == [{"role": "user", "content": "Who are you?"}]
    answer = window.get_by_role("region", name="Answer", exact=True)
    answer.get_by_role("button", name="Copy the answer").click()
    assert "This is hare" in window.evaluate("window.copied")
    window.get_by_role("button", name="Copy the link to this request").click()
    link = window.evaluate("window.copied")
    window.goto("about:blank")
    window.goto(link)
    expect(title).to_have_text("Request 3")
    expect(answer).to_contain_text("This is hare")
    expect(rows(window)).to_have_count(1)  # the same list beside it


def test_sounds_are_heard_and_pictures_seen(busy: str, window: Page) -> None:
    """Swapyard keeps neither; a request made again brings them, and what an engine answers on other paths is kept."""
    spoken = ask(busy, "/v1/audio/speech", model="parrot", input="Hello", voice="alloy").content
    ask(busy, "/v1/images/generations", model="chameleon", prompt="a yard", size="256x256")
    again = window.get_by_role("region", name="Make it again")
    answer = window.get_by_role("region", name="Answer", exact=True)
    window.goto(f"{busy}/ui/activity?model=chameleon")
    rows(window).first.click()
    expect(answer).to_contain_text("pictures and sound never are")
    again.get_by_role("button", name="Send").click()
    picture = again.get_by_role("img", name="the new answer: picture 1")
    expect(picture).to_be_visible()
    picture.evaluate("picture => picture.decode()")
    assert picture.evaluate("picture => picture.naturalWidth") > 0
    again.get_by_role("button", name="JSON").click()
    expect(again).to_contain_text("b64_json")

    kept = {"resp_headers": {"content-type": "audio/wav"}, "resp_body": base64.b64encode(spoken).decode()}
    capture = {"id": 1, "req_path": "/audioapi/v1/tasks/run", "req_headers": {}, "req_body": None, **kept}
    window.route("**/api/captures/*", lambda route: route.fulfill(json=capture))
    window.goto(f"{busy}/ui/activity?model=parrot")
    rows(window).first.click()
    sound = answer.locator("audio")
    expect(sound).to_be_visible()
    sound.evaluate("sound => sound.readyState || new Promise(done => (sound.onloadedmetadata = done))")
    assert sound.evaluate("sound => sound.duration") > 0


def test_a_request_is_searched_copied_as_curl_and_made_again(busy: str, window: Page) -> None:
    window.goto(f"{busy}/ui/activity?capture=3")
    request = window.get_by_role("region", name="Request", exact=True)
    request.locator("summary").click()
    expect(request).to_contain_text("application/json")
    request.get_by_role("button", name="JSON").click()
    window.get_by_label("Find in the request").fill("who are")
    expect(request).to_contain_text("1 of 1")
    window.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text }")
    window.get_by_role("button", name="Copy as curl").click()
    assert window.evaluate("window.copied").startswith(f"curl '{busy}/v1/chat/completions'")
    again = window.get_by_role("region", name="Make it again")
    again.get_by_role("combobox", name="Model").select_option("magpie")
    again.get_by_role("button", name="Send").click()
    expect(again).to_contain_text("This is magpie.")
    again.get_by_text("Compare with the answer as it was").click()
    pair = again.get_by_role("group", name="The two answers compared")
    expect(pair.get_by_role("region", name="As it was").locator("mark").first).to_have_text("hare. ")
    expect(pair.get_by_role("region", name="Now, from Magpie").locator("mark").first).to_have_text("magpie. ")


def test_arrow_keys_go_through_the_list_and_what_is_gone_is_said(busy: str, desktop: Page) -> None:
    desktop.goto(f"{busy}/ui/activity?max_id=34&capture=34")
    title = desktop.locator("#request-title")
    expect(title).to_have_text("Request 34")
    expect(rows(desktop)).to_have_count(25)
    edge = title.evaluate("title => title.closest('.panel').getBoundingClientRect().right")
    assert edge == SIZES["desktop"]["width"]  # no strip of the page is left beside it
    desktop.keyboard.press("ArrowRight")
    expect(title).to_have_text("Request 33")
    desktop.keyboard.press("ArrowLeft")
    expect(title).to_have_text("Request 34")
    desktop.goto(f"{busy}/ui/activity?capture=999999")
    expect(desktop.get_by_text("There is no request 999999 (any more).")).to_be_visible()


def test_what_was_said_is_shown_as_text_however_hostile(busy: str, window: Page) -> None:
    hostile = '<img src=x onerror="window.harmed = true"><script>window.harmed = true</script>'
    ask(busy, model="hare", stream=True, messages=[{"role": "user", "content": hostile}])
    window.goto(f"{busy}/ui/activity")
    rows(window).first.click()
    for side in ("Request", "Answer"):
        part = window.get_by_role("region", name=side, exact=True)
        expect(part).to_contain_text("<script>window.harmed = true</script>")
        expect(part.locator("img, script")).to_have_count(0)
    assert window.evaluate("window.harmed") is None


def test_requests_are_found_by_what_they_say_and_are_answered(busy: str, window: Page) -> None:
    wombat = f"Wombat {window.viewport_size}"  # a window of another size has asked for its own
    ask(busy, model="hare", stream=True, messages=[{"role": "user", "content": wombat}])
    window.goto(f"{busy}/ui/activity")
    expect(rows(window).first).to_be_visible()
    window.get_by_label("Show only requests that say, or are answered with").fill(f'you asked: "{wombat.lower()}')
    expect(rows(window)).to_have_count(1)  # the answer came in pieces
    expect(window.get_by_role("status").filter(has_text="Looked through all")).to_be_visible()
    window.reload()
    expect(rows(window)).to_have_count(1)
    window.get_by_role("button", name="Take away: Says").click()
    expect(rows(window).nth(20)).to_be_attached()
    assert "text=" not in window.url
    window.goto(f"{busy}/ui/activity?text=nobody+said+this")
    expect(window.get_by_text("No request passes these filters.")).to_be_visible()
