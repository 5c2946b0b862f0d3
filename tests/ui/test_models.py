"""The list of models, and the page of one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

LIST = "main :is(tbody tr, ul[aria-label=Models] li)"  # rows of a table, or on phones cards


def names(page: Page) -> list[str]:
    return page.locator(f"{LIST} a[data-row]").all_inner_texts()


def lines(page: Page) -> Locator:
    return page.locator(LIST)


def first(page: Page) -> Locator:
    return page.locator(f"{LIST} a[data-row]").first


def test_what_is_ready_stands_first_and_the_slash_key_searches(stopped: str, window: Page) -> None:
    httpx.post(f"{stopped}/api/models/load/tortoise", timeout=30)
    window.goto(f"{stopped}/ui/models")
    expect(first(window)).to_have_text("Tortoise")
    assert names(window)[1:] == ["Broken", "Hare", "org/model.v2:q4", "Snail"]
    window.keyboard.press("/")
    window.keyboard.type("fast")
    expect(lines(window)).to_have_count(1)
    assert names(window) == ["Hare"]
    assert window.url.endswith("?q=fast")
    window.reload()
    expect(lines(window)).to_have_count(1)


def test_filters_and_the_order_stand_in_the_address(stopped: str, desktop: Page) -> None:
    desktop.goto(f"{stopped}/ui/models")
    desktop.get_by_label("Unlisted ones too").check()
    expect(desktop.get_by_role("link", name="secret", exact=True)).to_be_visible()
    desktop.get_by_label("Capability").select_option("Vision")
    expect(desktop.locator("tbody tr")).to_have_count(1)
    desktop.get_by_role("button", name="Clear").click()
    desktop.get_by_role("button", name="Model", exact=True).click()
    desktop.get_by_role("button", name="Model", exact=True).click()
    assert "sort=name" in desktop.url
    assert "order=desc" in desktop.url
    assert names(desktop)[0] == "Tortoise"
    desktop.get_by_role("button", name="Pin hare to the top").click()
    assert names(desktop)[0] == "Hare"


def test_the_list_is_ordered_by_use_and_memory_and_says_so_in_its_address(stopped: str, window: Page) -> None:
    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)
    httpx.get(f"{stopped}/api/models", timeout=30)  # what a model holds is known once somebody has looked
    for _ in range(40):
        httpx.post(f"{stopped}/v1/embeddings", json={"model": "org/model.v2:q4", "input": "hello"}, timeout=30)
    httpx.get(f"{stopped}/api/models", timeout=30)
    window.goto(f"{stopped}/ui/models")
    expect(first(window)).to_have_text("org/model.v2:q4")  # it has made Hare go
    order = window.get_by_label("Order")
    order.select_option("Order: Name")
    expect(first(window)).to_have_text("Broken")
    for wanted in ("Most used", "Last used"):
        order.select_option(f"Order: {wanted}")
        expect(first(window)).to_have_text("org/model.v2:q4")
    window.reload()
    expect(order).to_have_value("used")
    expect(first(window)).to_have_text("org/model.v2:q4")
    order.select_option("Order: Memory")
    assert set(names(window)[-2:]).isdisjoint({"Hare", "org/model.v2:q4"})


def test_columns_tell_the_use_of_each_model(stopped: str, desktop: Page) -> None:
    httpx.post(f"{stopped}/v1/embeddings", json={"model": "hare", "input": "hello"}, timeout=30)
    desktop.goto(f"{stopped}/ui/models?q=hare")
    row = desktop.locator("tbody tr")
    expect(row).to_contain_text("ago")
    assert desktop.evaluate("[...document.querySelectorAll('.scroll')].every(box => box.scrollWidth <= box.clientWidth)")
    desktop.get_by_role("button", name="Requests", exact=True).click()
    expect(desktop.get_by_role("columnheader", name="Requests")).to_have_attribute("aria-sort", "descending")


def test_the_list_is_grouped_by_group_and_by_family(stopped: str, window: Page) -> None:
    window.goto(f"{stopped}/ui/models")
    window.get_by_label("Grouped by").select_option("By group")
    headings = window.locator("main :is(td, li).part")
    expect(headings).to_have_text(["(default) 2", "apart 1", "chat 2"])
    assert "group=group" in window.url
    window.get_by_label("Grouped by").select_option("By family")
    expect(headings.first).to_have_text("broken 1")
    window.get_by_label("Search models").fill("hare")
    expect(headings).to_have_text(["hare 1"])


def test_on_a_phone_a_name_can_be_read_and_its_button_can_be_hit(stopped: str, phone: Page) -> None:
    phone.goto(f"{stopped}/ui/models")
    name = phone.get_by_role("link", name="org/model.v2:q4", exact=True)
    expect(name).to_be_visible()
    assert name.evaluate("link => link.scrollWidth <= link.clientWidth")
    button = phone.get_by_role("button", name="Load org/model.v2:q4")
    box = button.bounding_box()
    assert box is not None
    assert (round(box["width"]), round(box["height"])) == (44, 44)
    button.click()
    expect(phone.get_by_role("button", name="Unload org/model.v2:q4")).to_be_visible()


def test_a_row_of_buttons_that_is_cut_off_fades(stopped: str, phone: Page) -> None:
    phone.set_viewport_size({"width": 300, "height": 700})
    phone.goto(f"{stopped}/ui/model?id=hare")
    tabs = phone.get_by_role("tablist")
    behind = "tabs => getComputedStyle(tabs).getPropertyValue('--more-behind')"
    expect(tabs).to_be_visible()
    assert tabs.evaluate(behind) == "40px"
    phone.set_viewport_size({"width": 800, "height": 700})
    assert tabs.evaluate(behind) == "0px"


def test_selectors_profiles_and_peers_are_told(stopped: str, window: Page) -> None:
    window.goto(f"{stopped}/ui/models")
    expect(window.locator("section", has_text="Selectors")).to_contain_text("whichever")
    expect(window.locator("section", has_text="Profiles")).to_contain_text("gpt-4o → Hare")
    window.get_by_role("link", name="attic/llama").click()
    expect(window.locator("h1")).to_have_text("attic/llama")
    expect(window.get_by_text("Served by attic")).to_be_visible()
    expect(window.get_by_role("button", name="Load")).to_have_count(0)


def test_a_model_is_loaded_from_the_list_and_all_are_unloaded(stopped: str, window: Page) -> None:
    window.goto(f"{stopped}/ui/models")
    window.get_by_role("button", name="Load Hare").click()
    expect(window.get_by_role("button", name="Unload Hare")).to_be_visible()
    window.get_by_role("button", name="Unload all").click()
    expect(window.get_by_role("button", name="Load Hare")).to_be_visible()


def test_thousands_of_models_are_drawn_only_where_they_are_looked_at(
    start_demo: Callable[..., Any], desktop: Page, tmp_path: Path
) -> None:
    config = tmp_path / "many.yaml"
    config.write_text(json.dumps({"models": {f"model-{number}": {"cmd": "x --port ${PORT}"} for number in range(3000)}}))
    with start_demo(config=config) as address:
        desktop.goto(f"{address}/ui/models")
        expect(desktop.get_by_text("3000 of 3000")).to_be_visible()
        assert len(names(desktop)) < 100
        desktop.evaluate("window.scrollTo(0, 1500 * 36)")
        expect(desktop.get_by_role("link", name="model-1500", exact=True)).to_be_in_viewport()
        assert len(names(desktop)) < 100
        desktop.get_by_label("Search models").fill("2999")
        expect(desktop.locator("tbody tr")).to_have_count(1)


@pytest.mark.parametrize("name", ["fast", "hare"])
def test_a_model_is_found_by_any_of_its_names(stopped: str, window: Page, name: str) -> None:
    window.goto(f"{stopped}/ui/model?id={name}")
    expect(window.locator("h1")).to_have_text("Hare")
    assert window.title().startswith("Hare")


def test_an_unknown_model_has_a_way_on(stopped: str, window: Page) -> None:
    window.goto(f"{stopped}/ui/model?id=nobody")
    expect(window.get_by_text("There is no model “nobody”.")).to_be_visible()
    window.get_by_role("link", name="All models").click()
    expect(window.locator("h1")).to_have_text("Models")


def test_an_id_with_slashes_and_dots_works_everywhere(stopped: str, window: Page) -> None:
    window.goto(f"{stopped}/ui/models")
    window.get_by_role("link", name="org/model.v2:q4", exact=True).click()
    expect(window.locator("h1")).to_have_text("org/model.v2:q4")
    window.get_by_role("button", name="Load org/model.v2:q4").click()
    expect(window.get_by_role("button", name="Unload org/model.v2:q4")).to_be_visible()
    window.get_by_role("tab", name="Log").click()
    expect(window.get_by_role("region", name="Log of org/model.v2:q4", exact=True)).to_contain_text("model 'dots'")
    window.reload()
    expect(window.get_by_role("tab", name="Log")).to_have_attribute("aria-selected", "true")
    assert window.get_by_role("link", name="Open server").get_attribute("href") == "/upstream/org/model.v2%3Aq4/"


def test_the_details_tell_command_loads_and_changes(stopped: str, window: Page) -> None:
    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)
    window.goto(f"{stopped}/ui/model?id=hare&tab=details")
    panel = window.get_by_role("tabpanel")
    for text in ("swapyard.demo.engine --model hare", "32K tokens", "Vision, Function calling", "never"):
        expect(panel).to_contain_text(text)
    expect(panel).to_contain_text("ready: loaded in")


def test_a_request_appears_in_the_models_activity(stopped: str, window: Page) -> None:
    window.goto(f"{stopped}/ui/model?id=hare")
    body = {"model": "hare", "messages": [{"role": "user", "content": "Who are you?"}]}
    assert httpx.post(f"{stopped}/v1/chat/completions", json=body, timeout=30).status_code == 200
    rows = window.get_by_role("region", name="Finished").locator("[data-row]")
    expect(rows.first).to_be_visible()
    expect(window.get_by_role("region", name="Finished")).to_contain_text("200")
    rows.first.click()
    answer = window.get_by_role("region", name="Answer", exact=True)
    expect(answer).to_contain_text("This is hare")
    assert "/ui/model?" in window.url
    window.keyboard.press("Escape")
    expect(answer).to_have_count(0)


def test_a_models_requests_have_filters_pages_and_columns_of_their_own(stopped: str, desktop: Page) -> None:
    ours = {"X-Session-ID": "twelve"}  # other tests ask the same models
    for _ in range(12):
        httpx.post(f"{stopped}/v1/embeddings", json={"model": "hare", "input": "hello"}, headers=ours, timeout=30)
    httpx.post(f"{stopped}/v1/embeddings", json={"model": "tortoise", "input": "hello"}, headers=ours, timeout=30)
    desktop.goto(f"{stopped}/ui/model?id=hare&session=twelve")
    finished = desktop.get_by_role("region", name="Finished")
    expect(finished).to_contain_text("12 requests")
    expect(finished.get_by_role("columnheader", name="Model")).to_have_count(0)
    finished.get_by_label("Rows").select_option("10")
    expect(finished.locator("tbody tr")).to_have_count(10)
    finished.get_by_role("button", name="Page 2").click()
    expect(finished.locator("tbody tr")).to_have_count(2)
    finished.get_by_role("button", name="Columns of finished requests").click()
    expect(desktop.get_by_role("checkbox", name="Model")).to_have_count(0)
    desktop.get_by_role("checkbox", name="Path").uncheck()
    desktop.keyboard.press("Escape")
    desktop.goto(f"{stopped}/ui/model?id=hare")
    expect(finished.get_by_role("columnheader", name="Path")).to_have_count(0)
    expect(finished.locator("tbody tr")).to_have_count(10)
    desktop.goto(f"{stopped}/ui/activity")
    expect(finished.get_by_role("columnheader", name="Path")).to_have_count(1)
    expect(finished.get_by_label("Rows")).to_have_value("25")


def test_a_models_log_is_filtered_and_keeps_its_own_look(stopped: str, window: Page) -> None:
    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)
    window.goto(f"{stopped}/ui/model?id=hare&tab=logs")
    lines = window.get_by_role("region", name="Lines of Log of Hare")
    expect(lines).to_contain_text("model 'hare'")
    expect(window.get_by_role("button", name="Requests of this page")).to_have_count(0)
    window.get_by_label("Show only lines that match").fill("no such line")
    expect(window.get_by_text("No line passes the filter.")).to_be_visible()
    window.get_by_role("button", name="Wrap long lines").click()
    window.get_by_role("tab", name="Snippets").click()
    assert "filter" not in window.url
    window.goto(f"{stopped}/ui/logs")
    expect(window.get_by_role("button", name="Wrap long lines")).to_have_attribute("aria-pressed", "true")
    window.goto(f"{stopped}/ui/model?id=hare&tab=logs")
    expect(window.get_by_role("button", name="Wrap long lines")).to_have_attribute("aria-pressed", "false")


def test_the_group_of_a_model_and_whom_its_load_stops(stopped: str, window: Page) -> None:
    window.goto(f"{stopped}/ui/model?id=hare&tab=details")
    card = window.get_by_role("region", name="Runs beside")
    for text in ("chat one of its models at a time", "Its load stops", "Stopped by loads of"):
        expect(card).to_contain_text(text)
    card.get_by_role("link", name="Snail").first.click()
    expect(window.locator("h1")).to_have_text("Snail")
    expect(card).to_contain_text("apart its models run side by side; a load leaves other groups' models alone")


def test_memory_is_measured_and_says_whether_there_is_room(stopped: str, window: Page) -> None:
    window.goto(f"{stopped}/ui/model?id=secret&tab=details")
    card = window.get_by_role("region", name="Memory")
    expect(card).to_contain_text("is known once it has been seen running")
    window.goto(f"{stopped}/ui/model?id=org/model.v2:q4&tab=details")
    window.get_by_role("button", name="Load org/model.v2:q4").click()
    expect(card).to_contain_text("measured")
    expect(card).to_contain_text("at least")
    expect(card.get_by_role("img")).to_be_visible()  # it takes two samples
    httpx.post(f"{stopped}/api/models/unload", timeout=30)
    expect(card).to_contain_text("Peak of its last run")
    expect(card).to_contain_text("Fits now")
    expect(card).to_contain_text("estimated by its last run")


def test_snippets_name_this_server_and_the_chosen_model(stopped: str, window: Page) -> None:
    window.goto(f"{stopped}/ui/model?id=hare&tab=snippets")
    curl = window.get_by_role("region", name="Copy for curl")
    expect(curl).to_contain_text(f"{stopped}/v1/chat/completions")
    window.get_by_label("Model's name").select_option("fast")
    window.get_by_label("For", exact=True).select_option("Embeddings")
    expect(curl).to_contain_text(f"{stopped}/v1/embeddings")
    expect(curl).to_contain_text('"model": "fast"')
    window.get_by_role("button", name="Copy for curl").click()
    expect(window.get_by_role("button", name="Copied")).to_be_visible()


def test_why_a_load_failed_stands_on_the_models_page(stopped: str, window: Page) -> None:
    window.goto(f"{stopped}/ui/model?id=broken")
    window.get_by_role("button", name="Load Broken").click()
    note = window.locator("main").get_by_role("alert")
    expect(note).to_contain_text("exited with code 3")
    note.get_by_role("link", name="Show its log").click()
    expect(window.get_by_role("tab", name="Log")).to_have_attribute("aria-selected", "true")
