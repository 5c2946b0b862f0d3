"""The start page: what is loaded, what waits, and why."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, Route, expect
from tests.ports import start_port
from tests.ui.conftest import SIZES, StartDemo, served

BIRDS = ("Finch", "Heron", "Owl", "Robin", "Swift", "Wren")


@pytest.fixture(scope="module")
def birds(start_demo: StartDemo, engine: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Six models that are loaded together, and three that are not; Heron goes when it has been idle for an hour, Finch says
    30 tokens a second."""
    models: dict[str, Any] = {
        name.lower(): {"name": name, "cmd": engine(name.lower())} for name in (*BIRDS, "Auk", "Crow", "Duck")
    }
    models["heron"]["ttl"] = 3600
    models["finch"]["cmd"] = engine("finch", "--tokens-per-second", "30")
    config = {
        "startPort": start_port(),
        "models": models,
        "groups": {"all": {"swap": False, "members": [*models]}},
    }
    path = tmp_path_factory.mktemp("birds") / "config.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")
    with start_demo(config=path) as address:
        for name in BIRDS:
            httpx.post(f"{address}/api/models/load/{name.lower()}", timeout=30)
        yield address


def section(page: Page, title: str) -> Locator:
    return page.locator("section", has=page.get_by_role("heading", name=title, exact=True))


def chat(address: str, model: str, words: int = 20) -> threading.Thread:
    """A streamed answer that somebody reads to its end, in the background."""
    body = {
        "model": model,
        "stream": True,
        "max_tokens": words,
        "messages": [{"role": "user", "content": "count to 100000"}],
    }

    def read() -> None:
        with contextlib.suppress(httpx.HTTPError):  # it may be cancelled, or its model unloaded
            httpx.post(f"{address}/v1/chat/completions", json=body, timeout=60)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def test_a_model_is_loaded_and_unloaded_with_the_reasons_told(stopped: str, window: Page) -> None:
    window.goto(f"{stopped}/ui/")
    expect(window.get_by_text("Nothing is loaded.")).to_be_visible()
    window.get_by_role("button", name="Load Hare").click()
    expect(window.get_by_text("1 model ready")).to_be_visible()
    expect(window.get_by_text("0 running, 10 at most")).to_be_visible()
    window.get_by_role("button", name="Unload Hare").click()
    expect(section(window, "Hare")).to_contain_text("Stopped")
    window.mouse.move(0, 0)
    expect(window.get_by_text("Nothing is loaded.")).to_be_visible()
    lately = window.locator("section", has_text="Lately")
    expect(lately).to_contain_text(re.compile(r"Hare ready: loaded in [\d.]+ m?s by hand"))
    expect(lately).to_contain_text("unloaded")


def test_a_load_tells_how_far_it_is_and_can_be_stopped(stopped: str, window: Page) -> None:
    window.goto(f"{stopped}/ui/")
    window.get_by_role("button", name="Load Snail").click()
    expect(window.get_by_role("progressbar", name="Loading Snail")).to_be_visible()
    expect(window.get_by_text("so far")).to_be_visible()
    window.get_by_role("button", name="Stop Snail").click()
    expect(section(window, "Snail")).to_contain_text("Stopped")
    window.mouse.move(0, 0)
    expect(window.get_by_text("Nothing is loaded.")).to_be_visible()


def test_before_a_load_it_is_told_what_would_have_to_go(stopped: str, desktop: Page) -> None:
    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)
    desktop.goto(f"{stopped}/ui/")
    desktop.get_by_role("button", name="Load Tortoise").hover()
    expect(desktop.get_by_text("Unloads Hare.")).to_be_visible()
    desktop.get_by_role("button", name="Load Tortoise").click()
    expect(desktop.get_by_role("button", name="Unload Tortoise")).to_be_visible()
    expect(desktop.get_by_role("button", name="Unload Hare")).to_have_count(0)
    expect(desktop.locator("section", has_text="Lately")).to_contain_text(
        "evicted: group swap, for Tortoise, by hand, after"
    )


def test_a_load_that_somebody_else_has_asked_for_is_told_before_another(stopped: str, desktop: Page) -> None:
    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)  # so that it is known how long that takes
    httpx.post(f"{stopped}/api/models/load/tortoise", timeout=30)
    busy = chat(stopped, "tortoise", words=100_000)
    desktop.goto(f"{stopped}/ui/")
    expect(desktop.get_by_text("1 request running")).to_be_visible()
    preview = desktop.get_by_role("button", name="Load Hare", exact=True)
    for already in ("", "A load of it is already under way. It "):
        preview.hover()
        hint = desktop.locator(".preview")
        unloads = r"[Uu]nloads Tortoise, once Tortoise has finished\. Takes about \d\.\d s\."
        expect(hint).to_have_text(re.compile(rf"^\s*{already}{unloads}\s*$"))
        desktop.mouse.move(0, 0)
        expect(hint).to_have_count(0)
        httpx.post(f"{stopped}/api/models/load/hare?wait=false", timeout=30)
    httpx.delete(f"{stopped}/api/models/load/hare", timeout=30)
    httpx.post(f"{stopped}/api/models/unload", timeout=30)
    busy.join(15)


def last_evicted_by(address: str, model: str) -> str:
    """The number of the request for which the model has been evicted last, "" for none."""
    page = httpx.get(f"{address}/api/transitions", params={"model": model}, timeout=30).json()
    return next((str(one.get("for_request", "")) for one in page["transitions"] if one.get("reason") == "evicted"), "")


def test_a_cause_leads_to_its_request_while_that_is_under_way_and_after(stopped: str, window: Page) -> None:
    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)
    window.goto(f"{stopped}/ui/")
    before = last_evicted_by(stopped, "hare")
    busy = chat(stopped, "tortoise", words=100_000)
    end = time.monotonic() + 30
    while (number := last_evicted_by(stopped, "hare")) == before:
        assert time.monotonic() < end
        time.sleep(0.05)
    request = f"request {number}"
    evicted = section(window, "Lately").get_by_role("listitem").filter(has_text="Hare evicted: group swap, for Tortoise, ")
    evicted.get_by_role("link", name=request, exact=True).click()
    note = window.get_by_role("status").filter(has_text="is under way")
    expect(note).to_contain_text(f"{request.capitalize()} is under way: /v1/chat/completions of Tortoise.")
    under_way = window.locator(".selected")
    expect(under_way).to_contain_text("Tortoise")
    under_way.get_by_role("button", name="Cancel /v1/chat/completions of Tortoise").click()
    panel = window.get_by_role("region", name=re.compile(r"^Request \d+$"))
    expect(panel).to_contain_text(re.compile(rf"Tortoise.*Under way as\s*{request}\b", re.S))
    expect(note).to_have_count(0)
    assert re.search(r"/activity\?capture=\d+$", window.url)
    window.goto(f"{stopped}/ui/activity?request=999999&at=1")
    expect(window.get_by_role("status").filter(has_text="Request 999999 was not found.")).to_be_visible()
    busy.join(15)


def test_who_looks_for_a_request_does_not_ask_with_every_answer(stopped: str, window: Page) -> None:
    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)
    asked: list[str] = []
    window.on("request", lambda request: asked.append(request.url) if "request=999999&limit" in request.url else None)
    window.goto(f"{stopped}/ui/activity?request=999999&at=1")
    note = window.get_by_role("status").filter(has_text="Request 999999")
    expect(note).to_contain_text("was not found")
    begun = time.monotonic()
    body = {"model": "hare", "max_tokens": 1, "messages": [{"role": "user", "content": "Hello"}]}
    for _ in range(30):
        httpx.post(f"{stopped}/v1/chat/completions", json=body, timeout=30).raise_for_status()
        time.sleep(0.06)  # rows of one batch are told together
    window.wait_for_timeout(600)
    assert len(asked) <= min(2 + (time.monotonic() - begun) / 0.5, 25)


def test_where_it_could_not_be_seen_before_it_is_asked(stopped: str, phone: Page) -> None:
    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)
    phone.goto(f"{stopped}/ui/")
    phone.get_by_role("button", name="Load Tortoise").tap()
    dialog = phone.get_by_role("dialog", name="Load Tortoise?")
    expect(dialog).to_contain_text("Unloads Hare.")
    dialog.get_by_role("button", name="Cancel").tap()
    expect(phone.get_by_role("button", name="Unload Hare")).to_be_visible()
    phone.get_by_role("button", name="Load Tortoise").tap()
    dialog.get_by_role("button", name="Load Tortoise").tap()
    expect(phone.get_by_role("button", name="Unload Tortoise")).to_be_visible()


def test_who_waits_has_a_place_and_a_reason_and_can_be_cancelled(stopped: str, window: Page) -> None:
    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)  # so that it is known how long that takes
    httpx.post(f"{stopped}/api/models/load/tortoise", timeout=30)
    window.goto(f"{stopped}/ui/")
    busy = chat(stopped, "tortoise", words=100_000)
    expect(window.get_by_text("1 request running")).to_be_visible()
    waiting = chat(stopped, "hare")
    queue = window.locator("section", has=window.get_by_role("heading", name="Waiting"))
    expect(section(window, "Tortoise")).to_contain_text("1 running, 10 at most")
    expect(section(window, "Hare")).to_contain_text("1 request waiting: Tortoise must finish first")
    expect(queue).to_contain_text("Place 1")
    expect(queue).to_contain_text("Tortoise must finish first")
    expect(queue).to_contain_text(re.compile(r"then about [\d.]+ m?s to load"))
    window.goto(f"{stopped}/ui/models?state=queued")
    listed = window.locator("main :is(tbody tr, ul[aria-label=Models] li)")
    expect(listed).to_have_count(1)
    expect(listed).to_contain_text(re.compile("Hare.*Queued"))
    window.goto(f"{stopped}/ui/")
    queue.get_by_role("button", name="Cancel request").click()
    waiting.join(15)
    expect(queue).to_have_count(0)
    window.get_by_role("button", name="Unload all").click()
    busy.join(15)


def test_a_load_that_fails_is_told_with_its_reason_and_stays_visible(stopped: str, window: Page) -> None:
    window.goto(f"{stopped}/ui/")
    window.get_by_role("button", name="Load Broken").click()
    alert = window.get_by_role("alert").filter(has_text="Broken could not be loaded")
    died = re.compile("exited with code 3 .*; its last output: .*loading model 'broken'")
    expect(alert).to_contain_text(died)
    alert.get_by_role("button", name="Dismiss").click()
    expect(alert).to_have_count(0)
    window.reload()
    expect(window.locator("section", has=window.get_by_role("link", name="Broken", exact=True)).first).to_contain_text(
        "Failed"
    )
    expect(section(window, "Broken")).to_contain_text(died)
    expect(window.get_by_role("link", name="Show its log")).to_be_visible()


def with_a_gpu_and_a_past(page: Page) -> None:
    """As a driver would tell: a GPU of 24 GiB, of which each model holds 1 GiB, and somebody else 3. And 30 old loads."""

    def measured(route: Route) -> None:
        answer = route.fetch().json()
        gpu = {"timestamp": "2026-01-01T00:00:00Z", "id": 0, "name": "Big GPU", "mem_total_mb": 24576, "mem_used_mb": 9216}
        route.fulfill(json={**answer, "gpu_stats": [gpu]})

    def long_ago(route: Route) -> None:
        answer = route.fetch().json()
        past = [
            {"id": -n, "at": 1.0, "model": "duck", "run": -n, "state": "ready", "cause": "", "seconds": 1.0}
            for n in range(30)
        ]
        route.fulfill(json={**answer, "transitions": [*answer["transitions"], *past]})

    def held(route: Route) -> None:
        answer = route.fetch().json()
        for model in answer["models"]:
            if model["run"]:
                model["run"]["gpu_memory"] = [{"id": 0, "memory_bytes": 2**30}]
        route.fulfill(json=answer)

    page.route(re.compile(r"/api/performance"), measured)
    page.route(re.compile(r"/api/transitions"), long_ago)
    page.route(re.compile(r"/api/models$"), held)


def test_six_models_their_memory_and_what_happened_stand_in_one_window(birds: str, desktop: Page) -> None:
    with_a_gpu_and_a_past(desktop)
    desktop.goto(f"{birds}/ui/")
    gpu = desktop.get_by_role("img", name="Big GPU:")
    each = ", ".join(f"{name} 1.0 GiB" for name in BIRDS)
    expect(gpu).to_have_accessible_name(f"Big GPU: {each}, Other 3.0 GiB, 15.0 GiB free")
    expect(gpu.locator("span")).to_have_count(7)
    ram = "".join(rf"{name} [\d.]+ MiB, " for name in BIRDS)
    expect(desktop.get_by_role("img", name="RAM:")).to_have_accessible_name(
        re.compile(rf"RAM: {ram}Other [\d.]+ [MG]iB, [\d.]+ GiB free")
    )
    for name in BIRDS:
        expect(desktop.get_by_role("button", name=f"Unload {name}")).to_be_in_viewport()
        expect(section(desktop, name)).to_contain_text("1.0 GiB GPU")
    chat(birds, "owl").join(30)
    expect(section(desktop, "Owl")).to_contain_text(re.compile(r"0 running, 10 at most.*last [\d,.]+ tokens/s"))
    countdown = desktop.get_by_text(re.compile(r"^unloads in 59 min \d+ s$"))
    expect(countdown).to_have_count(1)
    expect(section(desktop, "Heron")).to_contain_text(re.compile(r"idle (\d+ min )?\d+ s"))
    shown = countdown.text_content()
    expect(countdown).not_to_have_text(shown or "")  # it counts
    expect(desktop.get_by_role("button", name="Load Duck")).to_be_in_viewport()
    expect(section(desktop, "Lately").get_by_role("listitem").first).to_contain_text("Wren ready: loaded in")
    assert desktop.evaluate("document.documentElement.scrollHeight") <= 900
    expect(desktop.locator(".lately li")).to_have_count(24)  # what has no room is out of reach of the keyboard, too
    reached = desktop.locator(".lately li").evaluate_all(
        "rows => rows.map(row => [getComputedStyle(row).visibility, row.getBoundingClientRect().right <= innerWidth])"
    )
    assert ["hidden", False] in reached
    assert all((visibility == "visible") == is_inside for visibility, is_inside in reached)


def test_a_model_keeps_its_colour_while_others_come_and_go(birds: str, desktop: Page) -> None:
    colours = "parts => Object.fromEntries(parts.map(part => [part.title.split(':')[0], part.style.background]))"
    desktop.goto(f"{birds}/ui/")
    ram = desktop.get_by_role("img", name="RAM:")
    expect(ram).to_have_accessible_name(re.compile("Wren"))
    before = ram.locator("span").evaluate_all(colours)
    httpx.post(f"{birds}/api/models/load/crow", timeout=30)  # it stands before them all
    expect(ram).to_have_accessible_name(re.compile("Crow"))
    after = ram.locator("span").evaluate_all(colours)
    httpx.post(f"{birds}/api/models/unload/crow", timeout=30)
    assert after == {**before, "Crow": after["Crow"]}
    assert len({after[name] for name in (*BIRDS, "Crow")}) == len(BIRDS) + 1


def test_how_fast_a_model_answers_now_is_told_as_long_as_it_does(birds: str, window: Page) -> None:
    about = re.compile(r"≈ [1-8]\d(?!\d)")  # 30 a second, give or take what a busy machine does
    body = {"model": "finch", "stream": True, "messages": [{"role": "user", "content": "count to 100000"}]}
    card = section(window, "Finch")
    left = "next => next.getBoundingClientRect().left"
    window.goto(f"{birds}/ui/")
    expect(card.locator(".speed")).to_have_text(re.compile(r"^$|^last [\d.,]+ tokens/s$"))
    place = card.locator(".speed + span").evaluate(left)
    with httpx.stream("POST", f"{birds}/v1/chat/completions", json=body, timeout=60):
        expect(card.locator(".speed")).to_have_text(about)
        expect(card.locator(".speed")).to_have_attribute("title", re.compile("^An estimate: "))
        assert card.locator(".speed + span").evaluate(left) == place
        expect(card).to_contain_text(re.compile("Answering.*1 running, 10 at most", re.S))
        if SIZES["desktop"] == window.viewport_size:
            pages = window.get_by_role("navigation", name="Pages")
            expect(pages.get_by_role("link", name="Models 6 ready", exact=True)).to_be_visible()
            expect(pages.get_by_role("link", name="Activity 1 running", exact=True)).to_be_visible()
        assert card.locator(".speed").evaluate("shown => shown.closest('[aria-live], [role=status]')") is None
        window.goto(f"{birds}/ui/model?id=finch")
        expect(window.locator("main .speed")).to_have_text(about)
        expect(window.get_by_text("Answering", exact=True).first).to_be_visible()
        if SIZES["desktop"] == window.viewport_size:
            window.get_by_role("button", name="Columns of requests under way").click()
            window.get_by_role("checkbox", name="Tokens/s").check()
            under_way = window.get_by_role("table", name="Requests under way")
            expect(under_way.get_by_role("cell", name=about)).to_have_count(1)
        window.goto(f"{birds}/ui/")
        expect(card.locator(".speed")).to_have_text(about)
        expect(section(window, "Wren").locator(".speed")).to_have_text("")  # it has told of no tokens, so nothing is said
        for state, names in (("answering", ["Finch"]), ("ready", [*BIRDS])):
            window.goto(f"{birds}/ui/models?state={state}")
            listed = window.locator("main :is(tbody tr, ul[aria-label=Models] li)")
            expect(listed).to_have_count(len(names))
            expect(listed.filter(has_text="Answering")).to_contain_text(["Finch"])
        window.goto(f"{birds}/ui/")
    expect(card).to_contain_text("Ready")
    expect(card.locator(".speed")).not_to_contain_text("≈")
    chat(birds, "finch").join(30)
    expect(card.locator(".speed")).to_have_text(re.compile(r"^last \d+(\.\d)? tokens/s$"))


def test_a_phone_begins_with_what_is_loaded_in_the_order_of_the_keys_too(birds: str, phone: Page, desktop: Page) -> None:
    titles = "[...document.querySelectorAll('main h2')].map(title => title.textContent)"
    for page, order in (
        (desktop, ["Memory", "Loaded, loading and wanted models", "Not loaded", "Lately"]),
        (phone, ["Loaded, loading and wanted models", "Memory", "Not loaded", "Lately"]),
    ):
        page.goto(f"{birds}/ui/")
        expect(page.get_by_role("heading", name="Lately")).to_be_visible()
        assert page.evaluate(titles) == order
    tops = [section(phone, title).bounding_box() for title in ("Memory", "Not loaded", "Lately")]
    assert [box["y"] for box in tops if box] == sorted(box["y"] for box in tops if box)
    first = phone.get_by_role("button", name="Unload Finch").bounding_box()
    assert first
    assert first["y"] < 300


def test_who_goes_and_why_is_told_once(built: None, engine: Callable[..., str], desktop: Page, tmp_path: Path) -> None:
    models: dict[str, Any] = {
        "idler": {"cmd": engine("idler"), "ttl": 1},
        "frail": {"cmd": engine("frail", "--crash-after", "1")},
        "fickle": {"cmd": engine("fickle")},
        "broken": {"cmd": engine("broken", "--load-seconds", "30", "--exit-code", "3", "--exit-after", "0.1")},
    }
    config = {
        "startPort": start_port(),
        "models": models,
        "groups": {"all": {"swap": False, "members": [*models]}},
    }
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")
    with served("--config", str(path)) as running:
        desktop.goto(f"{running.address}/ui/")
        lately = section(desktop, "Lately").get_by_role("listitem")
        for model in models:
            httpx.post(f"{running.address}/api/models/load/{model}", timeout=30)
        chat(running.address, "frail").join(30)
        models["fickle"]["cmd"] += " --ctx-size 8192"
        path.write_text(json.dumps(config), encoding="utf-8")
        running.process.send_signal(signal.SIGHUP)
        for cause in (
            r"idler stopped: idle for 1 s, after [\d.]+ s",
            r"frail failed: .*",
            r"fickle stopped: its configuration changed, after [\d.]+ (m?s)",
            r"broken failed: model \"broken\" exited with code 3 .*; its last output: .*loading model 'broken'",
        ):
            expect(lately.filter(has_text=re.compile(cause))).to_have_count(1)
        assert sorted(text.split()[0] for text in lately.all_text_contents()) == [
            "broken", "fickle", "fickle", "frail", "frail", "idler", "idler",
        ]  # fmt: skip


def test_messages_cover_no_button_and_take_no_focus(stopped: str, window: Page) -> None:
    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)
    refusal = {"error": {"message": "not now", "code": "busy"}}
    window.route("**/api/models/unload*", lambda route: route.fulfill(status=503, json=refusal))
    window.route("**/api/models/unload/*", lambda route: route.fulfill(status=503, json=refusal))
    window.goto(f"{stopped}/ui/")
    for name in ("Unload all", "Unload Hare"):
        window.get_by_role("button", name=name).focus()
        window.keyboard.press("Enter")
        expect(window.get_by_role("alert").filter(has_text="could not be unloaded").last).to_be_visible()
        expect(window.get_by_role("button", name=name)).to_be_focused()
    expect(window.get_by_role("alert")).to_have_count(2)
    covered = """() => {
        const messages = document.querySelector('[aria-label=Messages]').getBoundingClientRect();
        const parts = [...document.querySelectorAll('main :is(a, button, input, textarea)')];
        return parts.filter(part => part.checkVisibility()).filter(part => {
            const { left, right, top, bottom } = part.getBoundingClientRect();
            return left < messages.right && right > messages.left && top < messages.bottom && bottom > messages.top;
        }).map(part => part.textContent);
    }"""
    expect(window.get_by_role("button", name="Unload all")).to_be_in_viewport(ratio=1)
    window.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    assert window.evaluate(covered) == []  # whatever stands at the end of the page can be brought out from below them
    window.evaluate("history.pushState(null, '', 'playground'); dispatchEvent(new PopStateEvent('popstate'))")
    send = window.get_by_role("button", name="Send")
    expect(send).to_be_visible()
    window.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    assert window.evaluate(covered) == []
    while window.get_by_role("alert").count():
        window.get_by_role("button", name="Dismiss").last.click()
    assert window.evaluate("getComputedStyle(document.querySelector('main')).paddingBottom") in ("0px", "60px")


def test_what_failed_is_tried_again_from_the_message_that_tells_it(stopped: str, window: Page) -> None:
    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)
    window.goto(f"{stopped}/ui/")
    refusal = {"error": {"message": "not now", "code": "busy"}}
    window.route("**/api/models/unload/hare", lambda route: route.fulfill(status=503, json=refusal))
    window.get_by_role("button", name="Unload Hare").click()
    alert = window.get_by_role("alert").filter(has_text="Hare could not be unloaded")
    expect(alert).to_contain_text("not now")
    window.unroute_all()
    alert.get_by_role("button", name="Try again").click()
    expect(alert).to_have_count(0)
    expect(window.get_by_role("button", name="Load Hare", exact=True)).to_be_visible()
    window.get_by_role("button", name="Load Broken").click()
    alert = window.get_by_role("alert").filter(has_text="Broken could not be loaded")
    with window.expect_request("**/api/models/load/broken*"):
        alert.get_by_role("button", name="Try again").click()
    alert.get_by_role("link", name="Show its log").click()  # it has failed again
    expect(window.get_by_role("tab", name="Log")).to_have_attribute("aria-selected", "true")
    expect(window.get_by_role("tabpanel")).to_contain_text("load_model: loading model 'broken'")


# Where each model's name and button stand.
PLACES = """() => Object.fromEntries([...document.querySelectorAll('.columns .main :is(h3 a, li > a, button)')].map(part => {
    const { left, right, top } = part.getBoundingClientRect();
    const name = part.closest('li, section').querySelector('a').textContent;
    return [`${name} ${part.localName}`, [Math.round(part.localName === 'a' ? left : right), Math.round(top)]];
}))"""
# Counts what goes up or down among the models; within its line a model may tell more or less.
SHIFTS = """() => {
    window.shifts = [];
    new PerformanceObserver(list => {
        for (const shift of list.getEntries()) for (const { node, previousRect, currentRect } of shift.sources)
            if (node?.parentElement?.closest('.columns .main') && Math.abs(previousRect.y - currentRect.y) > 2)
                window.shifts.push(node.outerHTML?.slice(0, 200));
    }).observe({ type: 'layout-shift' });
}"""


def test_no_model_moves_while_the_pointer_is_among_them(birds: str, desktop: Page) -> None:
    """Whatever is loaded, unloaded or waits meanwhile; once the pointer is gone all of it settles."""
    crow, finch = (desktop.get_by_role("button", name=name, exact=True) for name in ("Load Crow", "Unload Finch"))
    desktop.goto(f"{birds}/ui/")
    expect(finch).to_be_visible()
    crow.hover()
    before = desktop.evaluate(PLACES)
    desktop.evaluate(SHIFTS)
    try:
        httpx.post(f"{birds}/api/models/load/auk", timeout=30)  # it stands above Crow, in the list and among the cards
        row = section(desktop, "Not loaded").get_by_role("listitem").filter(has_text="Auk")
        expect(row).to_contain_text("Ready")
        httpx.post(f"{birds}/api/models/unload/finch", timeout=30)
        expect(section(desktop, "Finch")).to_contain_text("Stopped")
        after = desktop.evaluate(PLACES)
        same = before.keys() & after.keys()
        assert {name: after[name] for name in same} == {name: before[name] for name in same}
        assert {"Crow button", "Duck button", "Wren button", "Swift a", "Finch button"} <= same
        assert desktop.evaluate("shifts") == []
        desktop.mouse.move(0, 0)
        expect(row).to_have_count(0)
        expect(section(desktop, "Auk")).to_contain_text("Ready")
        expect(section(desktop, "Not loaded").get_by_role("listitem").filter(has_text="Finch")).to_have_count(1)
    finally:
        httpx.post(f"{birds}/api/models/load/finch", timeout=30)
        httpx.post(f"{birds}/api/models/unload/auk", timeout=30)


def test_who_loads_by_keys_goes_on_from_there(stopped: str, desktop: Page) -> None:
    desktop.goto(f"{stopped}/ui/")
    load = desktop.get_by_role("button", name="Load Hare")
    row = section(desktop, "Not loaded").get_by_role("listitem").filter(has_text="Hare")
    row.get_by_role("link").focus()
    desktop.keyboard.press("Tab")
    expect(load).to_be_focused()
    desktop.keyboard.press("Enter")
    expect(desktop.get_by_role("button", name="Unload Hare")).to_be_visible()
    expect(row).to_contain_text("Ready")
    expect(row.get_by_role("link")).to_be_focused()
    desktop.get_by_role("button", name="Unload all").focus()
    expect(row).to_have_count(0)


def test_after_a_touch_nothing_moves_for_a_while(stopped: str, phone: Page) -> None:
    phone.goto(f"{stopped}/ui/")
    other = phone.get_by_role("button", name="Load Tortoise")
    phone.get_by_role("button", name="Load Hare").tap()
    before = other.bounding_box()
    expect(phone.get_by_role("button", name="Unload Hare")).to_be_visible()
    assert other.bounding_box() == before
    row = section(phone, "Not loaded").get_by_role("listitem").filter(has_text="Hare")
    expect(row).to_have_count(1)
    expect(row).to_have_count(0)


def test_the_queue_stands_beside_the_models_and_nobody_in_it_moves_up_under_the_pointer(stopped: str, desktop: Page) -> None:
    httpx.post(f"{stopped}/api/models/load/hare", timeout=30)
    desktop.goto(f"{stopped}/ui/")
    button = desktop.get_by_role("button", name="Load Snail")
    expect(button).to_be_visible()
    busy = chat(stopped, "hare", words=100_000)
    expect(desktop.get_by_text("1 request running")).to_be_visible()
    waiting = [chat(stopped, "tortoise") for _ in range(2)]
    queue = section(desktop, "Waiting")
    cancels = queue.get_by_role("button", name="Cancel request")
    expect(cancels).to_have_count(2)
    first, second = cancels.all()
    place = second.bounding_box()
    assert place
    second.hover()
    number = first.get_attribute("aria-label")
    httpx.post(f"{stopped}/api/inflight/{(number or '').split()[-1]}/cancel", timeout=30).raise_for_status()
    expect(first).to_be_disabled()
    assert second.bounding_box() == place
    desktop.mouse.move(0, 0)
    expect(cancels).to_have_count(1)
    pages = desktop.get_by_role("navigation", name="Pages")
    told = pages.get_by_role("link", name="Activity 1 running, 1 waiting", exact=True)
    box = told.locator(".count").bounding_box()
    assert box
    assert box["height"] < 20  # one line
    cancels.click()
    expect(queue).to_have_count(0)
    httpx.post(f"{stopped}/api/models/unload", timeout=30)
    for thread in (busy, *waiting):
        thread.join(20)


def test_a_double_click_loads_and_does_not_stop_that_again(birds: str, desktop: Page) -> None:
    stopped: list[str] = []
    desktop.on("request", lambda request: stopped.append(request.url) if request.method == "DELETE" else None)
    desktop.goto(f"{birds}/ui/")
    row = section(desktop, "Not loaded").get_by_role("listitem").filter(has_text="Duck")
    row.get_by_role("button", name="Load Duck").dblclick(delay=150)
    expect(row).to_contain_text("Ready")
    assert stopped == []
    httpx.post(f"{birds}/api/models/unload/duck", timeout=30)
