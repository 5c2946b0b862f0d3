"""The list of models, and the page of one."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect
from tests.ports import start_port
from tests.ui.conftest import SIZES, page_of

LIST = "main :is(tbody tr, ul[aria-label=Models] li)"  # rows of a table, or on phones cards


# What is wider than its card or the window: tables that must be scrolled, and what juts out.
WITHIN = """() => [document.documentElement, ...document.querySelectorAll("main .scroll, main .card, main li")]
    .filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => box.outerHTML.slice(0, 200))"""
LIGHTNESS = "of => getComputedStyle(of).backgroundColor.match(/\\d+/g).slice(0, 3).reduce((sum, part) => sum + +part, 0)"


def is_phone(page: Page) -> bool:
    return page.viewport_size == SIZES["phone"]


def names(page: Page) -> list[str]:
    return page.locator(f"{LIST} a[data-row]").all_inner_texts()


def lines(page: Page) -> Locator:
    return page.locator(LIST)


def first(page: Page) -> Locator:
    return page.locator(f"{LIST} a[data-row]").first


@contextlib.contextmanager
def streaming(address: str, model: str) -> Iterator[None]:
    """A request that goes on until its model is unloaded; the block is over when the request is."""
    begun = threading.Event()

    def stream() -> None:
        body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "count to 100000"}]}
        with (
            contextlib.suppress(httpx.HTTPError),
            httpx.stream("POST", f"{address}/v1/chat/completions", json=body, timeout=60) as answer,
        ):
            for _ in answer.iter_lines():
                begun.set()

    thread = threading.Thread(target=stream)
    thread.start()
    assert begun.wait(60)
    try:
        yield
    finally:
        httpx.post(f"{address}/api/models/unload", timeout=30)
        thread.join(60)


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


def test_the_list_is_narrowed_by_state_and_found_by_tag_and_family(stopped: str, window: Page) -> None:
    httpx.post(f"{stopped}/api/models/load/broken", timeout=30)
    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)
    window.goto(f"{stopped}/ui/models")
    state = window.get_by_role("combobox", name="State")
    for choice, found in (
        ("Ready", ["Hare"]),
        ("Failed", ["Broken"]),
        ("Stopped", ["org/model.v2:q4", "Snail", "Tortoise"]),
    ):
        state.select_option(choice)
        expect(lines(window)).to_have_count(len(found))
        assert names(window) == found
    assert "state=stopped" in window.url
    window.get_by_role("button", name="Clear").click()
    search = window.get_by_label("Search models")
    for word in ("nimble", "lagomorph hare"):
        search.fill(word)
        expect(lines(window)).to_have_count(1)
        assert names(window) == ["Hare"]
    search.fill("lagomorph tortoise")
    expect(window.get_by_text("No model is like that.")).to_be_visible()


def test_the_list_is_ordered_by_use_and_says_so_in_its_address(stopped: str, window: Page) -> None:
    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)
    for _ in range(40):
        httpx.post(f"{stopped}/v1/embeddings", json={"model": "org/model.v2:q4", "input": "hello"}, timeout=30)
    window.goto(f"{stopped}/ui/models")
    expect(first(window)).to_have_text("org/model.v2:q4")  # it has made Hare go
    order = window.get_by_label("Order")
    order.select_option("name")
    expect(first(window)).to_have_text("Broken")
    for wanted in ("requests", "used"):
        order.select_option(wanted)
        expect(first(window)).to_have_text("org/model.v2:q4")
    window.reload()
    expect(order).to_have_value("used")
    expect(first(window)).to_have_text("org/model.v2:q4")


def test_the_list_is_ordered_by_memory_and_by_name_either_way(stopped: str, window: Page) -> None:
    gib = 2**30
    peaks = {"tortoise": 9 * gib, "broken": 2 * gib, "snail": 5 * gib, "hare": 7 * gib}

    def with_peaks(route: Route) -> None:
        answer = route.fetch().json()
        for entry in answer["models"]:
            entry["peak_bytes"] = peaks.get(entry["id"], 0)
        route.fulfill(json=answer)

    def with_a_gpu(route: Route) -> None:
        answer = route.fetch().json()
        for model in answer["models"]:
            if model["run"]:  # it holds less now than it has held
                model["run"]["gpu_memory"] = [{"id": 0, "name": "Big GPU", "memory_bytes": 3 * gib}]
        route.fulfill(json=answer)

    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)
    window.route("**/api/catalog", with_peaks)
    window.route("**/api/models", with_a_gpu)
    window.goto(f"{stopped}/ui/models")
    order = window.get_by_label("Order")
    by_memory = ["Tortoise", "Snail", "Hare", "Broken", "org/model.v2:q4"]
    by_name = ["Broken", "Hare", "org/model.v2:q4", "Snail", "Tortoise"]
    shown = lines(window).locator("a[data-row]")
    for choice, head, once, address in (
        ("Memory", "Memory", by_memory, "order=asc"),
        ("Name", "Model", by_name, "order=desc"),
    ):
        order.select_option(choice.lower())
        expect(shown).to_have_text(once)
        if is_phone(window):
            window.get_by_role("button", name="turn round").tap()
        else:
            window.get_by_role("button", name=head, exact=True).click()
        expect(shown).to_have_text(once[::-1])
        assert address in window.url
        window.reload()
        expect(shown).to_have_text(once[::-1])


def test_columns_tell_the_use_of_each_model(stopped: str, desktop: Page) -> None:
    httpx.post(f"{stopped}/v1/embeddings", json={"model": "hare", "input": "hello"}, timeout=30)
    desktop.goto(f"{stopped}/ui/models?q=hare")
    row = desktop.locator("tbody tr")
    expect(row).to_contain_text("ago")
    assert desktop.evaluate("[...document.querySelectorAll('.scroll')].every(box => box.scrollWidth <= box.clientWidth)")
    desktop.get_by_role("button", name="Requests", exact=True).click()
    expect(desktop.get_by_role("columnheader", name="Requests")).to_have_attribute("aria-sort", "descending")


def test_the_list_is_grouped_by_group_family_and_tag(stopped: str, window: Page) -> None:
    window.goto(f"{stopped}/ui/models")
    window.get_by_label("Grouped by").select_option("By group")
    headings = window.locator("main :is(td, li).part")
    expect(headings).to_have_text(["(default) 2", "apart 1", "chat 2"])
    assert "group=group" in window.url
    window.get_by_label("Grouped by").select_option("By family")
    expect(headings.first).to_have_text("broken 1")
    window.get_by_label("Grouped by").select_option("By tag")
    expect(headings).to_have_text(["nimble 1", "No tag 4"])
    assert names(window) == ["Hare", "Broken", "org/model.v2:q4", "Snail", "Tortoise"]
    window.get_by_label("Grouped by").select_option("By family")
    window.get_by_label("Search models").fill("hare")
    expect(headings).to_have_text(["Lagomorph 1"])


def test_on_a_phone_a_name_can_be_read_and_its_button_can_be_hit(stopped: str, phone: Page) -> None:
    phone.goto(f"{stopped}/ui/models")
    name = phone.get_by_role("link", name="org/model.v2:q4", exact=True)
    expect(name).to_be_visible()
    assert name.evaluate("link => link.scrollWidth <= link.clientWidth")
    button = phone.get_by_role("button", name="Load org/model.v2:q4")
    box = button.bounding_box()
    assert box is not None
    assert (round(box["width"]), round(box["height"])) == (44, 44)
    phone.emulate_media(color_scheme="dark")
    of_card = button.evaluate(f"button => ({LIGHTNESS})(button.closest('.card'))")
    assert button.evaluate(LIGHTNESS) > of_card  # it stands out of the card, and is no hole in it
    expect(phone.get_by_label("Search models")).to_have_attribute("placeholder", re.compile("family$"))  # no key to press
    expect(phone.get_by_role("list", name="Models")).to_be_visible()
    expect(phone.get_by_role("table")).to_have_count(0)
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
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


def test_a_row_says_why_its_model_is_as_it_is(
    start_demo: Callable[..., Any], engine: Callable[..., str], window: Page, tmp_path: Path
) -> None:
    models = {
        "napper": {"cmd": engine("napper"), "ttl": 1},
        "crasher": {"cmd": engine("crasher", "--exit-code", "7", "--exit-after", "1")},
        "changer": {"cmd": engine("changer")},
        "goer": {"cmd": engine("goer")},
        "comer": {"cmd": engine("comer")},
    }
    groups = {
        "pair": {"members": ["goer", "comer"], "exclusive": False},
        "all": {"members": ["napper", "crasher", "changer"], "swap": False, "exclusive": False},
    }
    path = tmp_path / "config.yaml"
    config = {"startPort": start_port(), "models": models, "groups": groups}
    path.write_text(json.dumps(config))
    with start_demo(config=path, flags=["--watch-config"]) as address:
        for model in ("changer", "napper", "crasher", "goer"):
            httpx.post(f"{address}/api/models/load/{model}", timeout=30).raise_for_status()
        asked = {"model": "comer", "messages": [{"role": "user", "content": "hi"}]}
        httpx.post(f"{address}/v1/chat/completions", json=asked, timeout=30).raise_for_status()
        models["changer"] = {"cmd": engine("changer", "--ctx-size", "8192")}
        path.write_text(json.dumps(config))
        window.goto(f"{address}/ui/models")
        causes: dict[str, str | re.Pattern[str]] = {
            "napper": "idle for 1 s",
            "crasher": "exited with code 7 while it served",
            "changer": "its configuration changed",
            "goer": re.compile(r"evicted: group swap, for comer, request \d+"),
            "comer": re.compile(r"loaded in [\d.]+ m?s for request \d+"),
        }
        for model, cause in causes.items():
            line = lines(window).filter(has=window.get_by_role("link", name=model, exact=True))
            expect(line).to_contain_text(cause)
        window.goto(f"{address}/ui/timeline?view=table")
        for cause in (
            "idle for 1 s",
            "exited with code 7",
            "its configuration changed",
            "evicted: group swap, for comer",
        ):
            expect(window.get_by_title(re.compile(cause)).first).to_be_attached()


def test_a_load_that_waits_is_given_up(stopped: str, window: Page) -> None:
    with streaming(stopped, "tortoise"):
        window.goto(f"{stopped}/ui/models")
        window.get_by_role("button", name="Load Hare").click()
        question = window.get_by_role("dialog", name="Load Hare?")  # where no pointer has shown it beforehand
        give_up = window.get_by_role("button", name="Give up Hare")
        expect(question.or_(give_up).first).to_be_visible()
        if question.is_visible():
            expect(question).to_contain_text("Unloads Tortoise, once Tortoise has finished.")
            question.get_by_role("button", name="Load Hare").click()
        assert httpx.get(f"{stopped}/api/models/hare", timeout=30).json()["queued"] == 1
        with window.expect_response(re.compile("/api/models/unload/hare")):
            give_up.click()
        expect(window.get_by_role("button", name="Load Hare")).to_be_visible()
        assert httpx.get(f"{stopped}/api/models/hare", timeout=30).json()["queued"] == 0
        expect(window.get_by_role("button", name="Unload Tortoise")).to_be_visible()


def test_long_names_and_causes_are_cut_within_their_tables_and_can_be_read(
    start_demo: Callable[..., Any], engine: Callable[..., str], window: Page, tmp_path: Path
) -> None:
    name = "Qwen3 Coder 480B A35B Instruct, four bits, with tools and everything else there is"
    alias = "an-alias-of-it-that-nobody-types-but-programs-do"
    long = {"name": name, "aliases": ["coder", alias], "cmd": engine("long", "--ctx-size", "16384")}
    config = {"startPort": start_port(), "models": {"organisation/" + "x" * 60: long, "brief": {"cmd": engine("brief")}}}
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(config))
    with start_demo(config=path) as address:
        for model in ("brief", "coder"):
            asked = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
            httpx.post(f"{address}/v1/chat/completions", json=asked, timeout=30).raise_for_status()
        with streaming(address, "coder"):
            window.goto(f"{address}/ui/activity")
            expect(window.get_by_role("region", name="Under way").get_by_text(name[:20])).to_be_visible()
            expect(window.get_by_role("region", name="Finished").locator("[data-row]")).to_have_count(2)
            assert window.evaluate(WITHIN) == []
            window.goto(f"{address}/ui/models")
            link = window.get_by_role("link", name=name, exact=True)
            because = lines(window).filter(has=window.get_by_role("link", name="brief")).locator(".because").last
            expect(because).to_contain_text("evicted: group swap, for Qwen3")
            assert window.evaluate(WITHIN) == []
            if is_phone(window):
                assert link.evaluate("link => link.scrollWidth <= link.clientWidth")
                assert because.evaluate("text => text.scrollHeight <= text.clientHeight + 1")
            else:
                assert lines(window).first.evaluate("row => row.offsetHeight") == 36
                expect(link).to_have_attribute("title", re.compile(f"^{re.escape(name)}, .*{alias}"))
                expect(because).to_have_attribute("title", re.compile("evicted"))
        window.goto(f"{address}/ui/model?id=coder&tab=details")
        facts = window.get_by_role("region", name="Configuration")
        expect(facts).to_contain_text(re.compile(r"Context\s*16K tokens, set by its command"))
        assert window.evaluate(WITHIN) == []


def test_on_a_phone_a_models_page_begins_with_one_row(stopped: str, phone: Page) -> None:
    phone.goto(f"{stopped}/ui/model?id=hare")
    head = phone.locator("main header").first
    expect(head.get_by_role("button", name="Load Hare")).to_be_visible()
    for link in ("Chat", "Open server"):
        expect(head.get_by_role("link", name=link)).to_be_visible()
    assert head.evaluate("head => head.offsetHeight") == 44
    expect(phone.get_by_text("Stopped", exact=True).first).to_be_visible()


def test_a_models_own_server_opens_from_its_row(stopped: str, desktop: Page) -> None:
    desktop.goto(f"{stopped}/ui/models?unlisted=1")
    for model, path, title in (("hare", "/upstream/hare/", "hare"), ("comfyui_auto", "/comfyui/", "comfy")):
        with desktop.expect_popup() as opened:
            desktop.get_by_role("link", name=f"Open the server of {model}").click()
        expect(opened.value.locator("h1")).to_have_text(title)
        assert opened.value.url == stopped + path
        opened.value.close()


def test_thousands_of_models_are_drawn_only_where_they_are_looked_at(
    start_demo: Callable[..., Any], browser: Browser, tmp_path: Path
) -> None:
    config = tmp_path / "many.yaml"
    config.write_text(json.dumps({"models": {f"model-{number}": {"cmd": "x --port ${PORT}"} for number in range(3000)}}))
    with start_demo(config=config) as address:
        with page_of(browser, "desktop") as page:
            page.goto(f"{address}/ui/models")
            expect(page.get_by_text("3000 of 3000")).to_be_visible()
            assert len(names(page)) < 100
            assert lines(page).first.evaluate("row => row.offsetHeight") == 36
            page.evaluate("window.scrollTo(0, 1500 * 36)")
            expect(page.get_by_role("link", name="model-1500", exact=True)).to_be_in_viewport()
            assert len(names(page)) < 100
            page.get_by_label("Search models").fill("2999")
            expect(page.locator("tbody tr")).to_have_count(1)
        with page_of(browser, "phone") as page:
            page.goto(f"{address}/ui/models")
            cards = page.get_by_role("list", name="Models")
            expect(cards).to_be_visible()
            assert 8 < len(names(page)) < 100
            height = cards.evaluate("list => list.offsetHeight")
            expect(page.get_by_role("table")).to_have_count(0)
            page.evaluate("window.scrollTo(0, document.body.scrollHeight / 2)")
            expect(page.get_by_role("link", name=re.compile("^model-1[45]\\d\\d$")).first).to_be_attached()
            assert 8 < len(names(page)) < 100
            expect(page.locator("[aria-setsize='3000']").last).to_have_attribute(
                "aria-posinset", re.compile(r"^1[4-6]\d\d$")
            )
            assert cards.evaluate("list => list.offsetHeight") == pytest.approx(height, rel=0.2)
            page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
            expect(page.get_by_role("link", name="model-2999", exact=True)).to_be_attached()
            page.get_by_role("link", name="model-2999", exact=True).scroll_into_view_if_needed()
            page.get_by_role("button", name="Pin model-2999 to the top").tap()
            page.evaluate("window.scrollTo(0, 0)")
            expect(first(page)).to_have_text("model-2999")
            page.get_by_label("Search models").fill("2998")
            expect(lines(page)).to_have_count(1)


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
    known = httpx.get(f"{stopped}/api/models/hare", timeout=30).json()
    took = r"\d[\d.]* m?s"
    for region, fact, value in (
        ("Configuration", "Server's address", re.escape(known["proxy"])),
        ("Configuration", "Other names", "fast$"),
        ("Loads", "Succeeded", f"{known['loads']['count']}$"),
        ("Loads", "Median time", f"{took}$"),
    ):
        row = window.get_by_role("region", name=region).locator("dl > div").filter(has_text=fact)
        expect(row).to_have_text(re.compile(rf"^\s*{fact}\s*{value}"))
    assert known["loads"]["count"] >= 1
    loads = window.get_by_role("region", name="Loads")
    counts: list[int] = []

    def loaded_so_often(route: Route) -> None:
        route.fulfill(json={**known, "loads": {**known["loads"], "count": counts[-1], "p95": 0.4}})

    window.route("**/api/models/hare", loaded_so_often)
    for count, rows in ((4, 0), (5, 1)):  # of four it would only be the slowest
        counts.append(count)
        window.reload()
        expect(loads).to_contain_text(re.compile(rf"Succeeded\s*{count}"))
        expect(loads.locator("dl > div").filter(has_text=re.compile(r"19 of 20 within\s*400 ms"))).to_have_count(rows)
    window.unroute_all(behavior="wait")
    expect(panel).to_contain_text(re.compile(r"ready: loaded in [\d.]+ m?s by hand"))


def test_the_details_tell_process_ttl_port_parameters_and_no_secret(stopped: str, window: Page) -> None:
    httpx.post(f"{stopped}/api/models/load/secret", timeout=30)
    run = httpx.get(f"{stopped}/api/models/secret", timeout=30).json()["run"]
    window.goto(f"{stopped}/ui/model?id=secret&tab=details")
    facts = window.get_by_role("region", name="Configuration")
    expect(facts).to_contain_text(re.compile(rf"Process\s*{run['pid']}"))
    expect(facts).to_contain_text(re.compile(r"Unloads when idle for\s*1 min 30 s"))
    expect(window.get_by_role("region", name="Loads")).to_contain_text(re.compile(r"Median time\s*[\d.]+ m?s"))
    parameters = window.get_by_role("region", name="Parameters")
    for text in (r"n_ctx_train\s*4096", r"--api-key\s*\*\*\*"):  # it keeps its /props to those who have the key
        expect(parameters).to_contain_text(re.compile(text))
    assert "hunter2" not in window.content()
    with window.expect_popup() as opened:
        facts.get_by_role("link", name=run["address"]).click()
    expect(opened.value.locator("h1")).to_have_text("secret")
    assert opened.value.url == f"http://{run['address']}/"
    opened.value.close()
    expect(
        window.get_by_role("region", name="Memory").get_by_text(re.compile("last .*, lowest .*, highest "))
    ).to_be_visible()
    httpx.post(f"{stopped}/api/models/unload", timeout=30)
    expect(facts).to_contain_text(re.compile(r"Its own port\s*none"))
    window.goto(f"{stopped}/ui/model?id=hare&tab=details")
    window.get_by_role("button", name="Load Hare").click()
    expect(parameters).to_contain_text(re.compile(r"total_slots\s*4"))


def test_the_details_tell_a_trend_of_speed_and_the_last_errors(stopped: str, window: Page) -> None:
    for question in ("Who are you?", "count to 5"):
        body = {"model": "hare", "messages": [{"role": "user", "content": question}]}
        httpx.post(f"{stopped}/v1/chat/completions", json=body, timeout=30)
    window.goto(f"{stopped}/ui/model?id=hare&tab=details")
    speed = window.get_by_role("region", name="Speed")
    speeds = r"[\d.,]+"
    for chart in ("Generating", "Reading prompts"):
        expect(
            speed.get_by_role("img", name=re.compile(rf"^{chart}, .*: last {speeds}, lowest {speeds}, highest {speeds}$"))
        ).to_be_visible()
    expect(speed).to_contain_text("generating at a median of")
    for _ in range(2):
        httpx.post(f"{stopped}/api/models/load/broken", timeout=30)
    window.goto(f"{stopped}/ui/model?id=broken&tab=details")
    errors = window.get_by_role("region", name="Loads").get_by_role("group")
    expect(errors.nth(1)).to_contain_text("exited with code 3")
    expect(errors.first.get_by_role("region", name="Copy the error")).to_contain_text("its last output:")
    errors.nth(1).get_by_text("exited with code 3").first.click()
    expect(errors.nth(1).get_by_role("region", name="Copy the error")).to_be_visible()


def test_who_waits_for_a_model_is_told_on_its_page(stopped: str, window: Page) -> None:
    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)  # so that it is known how long that takes
    with streaming(stopped, "tortoise"):
        body = {"model": "hare", "messages": [{"role": "user", "content": "hi"}]}
        waiting = threading.Thread(target=lambda: httpx.post(f"{stopped}/v1/chat/completions", json=body, timeout=60))
        waiting.start()
        window.goto(f"{stopped}/ui/model?id=hare&tab=details")
        queue = window.get_by_role("region", name="Waiting")
        window.get_by_role("tab", name="Details").click()
        expect(queue).to_contain_text("Place 1 of 1")
        for told in (queue, window.get_by_role("region", name="Under way")):
            expect(told).to_contain_text(re.compile(r"Tortoise must finish first, then about [\d.]+ m?s to load"))
            expect(told).to_contain_text(re.compile("lace 1 of 1"))
            window.get_by_role("tab", name="Activity").click()
        window.get_by_role("button", name="Cancel /v1/chat/completions of Hare").click()
        waiting.join(60)


def test_a_load_is_as_far_as_the_median_of_past_ones_says(stopped: str, window: Page) -> None:
    httpx.post(f"{stopped}/api/models/load/tortoise", timeout=30)  # 2 s
    httpx.post(f"{stopped}/api/models/unload", timeout=30)
    window.goto(f"{stopped}/ui/model?id=tortoise&tab=details")
    window.get_by_role("button", name="Load Tortoise").click()
    bar = window.get_by_role("progressbar", name="Loading Tortoise")
    expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^\d\d?$"))
    expect(window.get_by_text(re.compile(r"about \d s left|longer than usual"))).to_be_visible()
    window.goto(f"{stopped}/ui/model?id=snail&tab=details")
    window.get_by_role("button", name="Load Snail").click()
    expect(window.get_by_text("First load: how long it takes is not known yet")).to_be_visible()
    expect(window.get_by_role("progressbar", name="Loading Snail")).not_to_have_attribute("aria-valuenow", re.compile("."))


def test_a_request_appears_in_the_models_activity(stopped: str, window: Page) -> None:
    window.goto(f"{stopped}/ui/model?id=hare")
    body = {"model": "hare", "messages": [{"role": "user", "content": "Who are you?"}]}
    assert httpx.post(f"{stopped}/v1/chat/completions", json=body, timeout=30).status_code == 200
    rows = window.get_by_role("region", name="Finished").locator("[data-row]")
    expect(rows.first).to_be_visible()
    newest = window.get_by_role("region", name="Finished").locator(":is(tbody tr, li)", has=window.locator("[data-row]"))
    expect(newest.or_(rows).first).to_contain_text("200")  # what came before may have failed
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
    window.goto(f"{stopped}/ui/model?id=mole&tab=details")
    card = window.get_by_role("region", name="Memory")
    expect(card).to_contain_text("is known once it has been seen running")

    def with_a_gpu(route: Route) -> None:
        answer = route.fetch().json()
        for model in answer.get("models", [answer]):
            if model["run"]:
                model["run"]["gpu_memory"] = [{"id": 0, "name": "Big GPU", "memory_bytes": 3 * 2**29}]
        route.fulfill(json=answer)

    window.route(re.compile(r"/api/models(/org/model.v2(:|%3A)q4)?$"), with_a_gpu)
    window.goto(f"{stopped}/ui/model?id=org/model.v2:q4&tab=details")
    window.get_by_role("button", name="Load org/model.v2:q4").click()
    expect(card).to_contain_text("measured")
    expect(card).to_contain_text("at least")
    expect(card).to_contain_text(re.compile(r"GPU 0 now\s*1.5 GiB, measured"))
    expect(card.get_by_role("img")).to_be_visible()  # it takes two samples
    httpx.post(f"{stopped}/api/models/unload", timeout=30)
    expect(card).to_contain_text("Peak of its last run")
    expect(card).to_contain_text("Fits now")
    expect(card).to_contain_text("estimated by its last run")
    if window.evaluate("innerWidth") > 1000:  # on phones there is no such column
        window.goto(f"{stopped}/ui/models")
        row = window.get_by_role("row").filter(has=window.get_by_role("link", name="org/model.v2:q4", exact=True))
        expect(row.get_by_title("Estimated: what its last run was seen to hold")).to_have_text(re.compile(r"^≈ [\d.]+ MiB$"))


def test_what_does_not_fit_now_is_told_by_device(stopped: str, window: Page) -> None:
    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)
    httpx.get(f"{stopped}/api/models", timeout=30)  # what a model holds is known once somebody has looked
    httpx.post(f"{stopped}/api/models/unload", timeout=30)
    full = {"timestamp": "2026-01-01T00:00:00Z", "mem_total_mb": 1024, "mem_used_mb": 1023}
    window.route(
        "**/api/performance*", lambda route: route.fulfill(json={"enabled": True, "sys_stats": [full], "gpu_stats": []})
    )
    window.goto(f"{stopped}/ui/model?id=hare&tab=details")
    card = window.get_by_role("region", name="Memory")
    expect(card).to_contain_text("Does not fit now")
    expect(card).to_contain_text(re.compile(r"RAM: needs about [\d.]+ MiB, 1.0 MiB free: too little"))


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
    programs = {
        "curl": "curl ",
        "Python": "client.embeddings.create",
        "JavaScript": "await fetch",
        "LangChain": "OpenAIEmbeddings(",
    }
    for program, call in programs.items():
        text = window.get_by_role("region", name=f"Copy for {program}")
        for part in (call, f"{stopped}/v1", '"fast"'):
            expect(text).to_contain_text(part)
        expect(text).not_to_contain_text("SWAPYARD_KEY")
    window.evaluate("sessionStorage.setItem('swapyard.key', 'k3y')")  # as signing in does
    window.reload()
    for program in programs:
        expect(window.get_by_role("region", name=f"Copy for {program}")).to_contain_text("SWAPYARD_KEY")
    assert "k3y" not in window.locator("main").inner_text()


def test_why_a_load_failed_stands_on_the_models_page(stopped: str, window: Page) -> None:
    window.goto(f"{stopped}/ui/model?id=broken")
    window.get_by_role("button", name="Load Broken").click()
    note = window.locator("main").get_by_role("alert")
    expect(note.locator("p")).to_contain_text(re.compile("exited with code 3 .*; its last output: .*loading model 'broken'"))
    note.get_by_role("link", name="Show its log").click()
    expect(window.get_by_role("tab", name="Log")).to_have_attribute("aria-selected", "true")
