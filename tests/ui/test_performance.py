"""Performance: charts of what the server samples, told apart from what it does not know."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from playwright.sync_api import Browser, Page, Route, expect
from tests.ui.axe import complaints
from tests.ui.conftest import page_of

from tools import made_up_machine

Json = dict[str, Any]
UNKNOWN = "\N{EN DASH}"


class Machine:
    """Answers in the server's place, with figures of two GPUs. `changed`: what becomes of an answer before it is sent."""

    def __init__(self, page: Page) -> None:
        self.asked: list[str] = []
        self.changed: Callable[[Json], Json] = lambda answer: answer
        self.held: dict[int, dict[str, int]] = {}  # MiB by model, by GPU
        page.route("**/api/performance*", self.performance)
        page.route("**/api/models", self.models)

    def performance(self, route: Route) -> None:
        after = parse_qs(urlsplit(route.request.url).query).get("after", [""])[0]
        self.asked.append(after)
        since = time.time() - 3600 if not after else made_up_machine.moment(after)
        held = {gpu: sum(models.values()) for gpu, models in self.held.items()}
        answer = self.changed(made_up_machine.performance(time.time(), since, held=(lambda _: held) if held else None))
        route.fulfill(json=answer, status=200 if answer["enabled"] else 503)

    def models(self, route: Route) -> None:
        answer = route.fetch().json()
        for model in answer["models"]:
            shares = [
                {"id": gpu, "name": "", "memory_bytes": models[model["id"]] * 1024**2}
                for gpu, models in self.held.items()
                if model["id"] in models
            ]
            if model["run"]:
                model["run"]["gpu_memory"] = shares
        route.fulfill(json=answer)


def chart(page: Page, name: str) -> Any:
    return page.locator(f"[data-panel={name}]")


def test_every_figure_has_a_chart_that_says_in_words_what_it_shows(demo: str, window: Page) -> None:
    Machine(window)
    window.goto(f"{demo}/ui/performance")
    for panel in ("gpu-use", "gpu-memory", "gpu-temperature", "gpu-power", "cpu", "memory", "load", "network"):
        expect(chart(window, panel)).to_be_visible()
        expect(chart(window, panel).locator("canvas")).to_be_visible()
    expect(chart(window, "gpu-memory-temperature")).to_have_count(0)  # nobody tells it
    said = chart(window, "memory").get_attribute("aria-label")
    assert said is not None
    assert re.match("Memory from .*Swap: now 900 MiB", said)
    assert window.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_it_asks_for_what_is_new_only(demo: str, desktop: Page) -> None:
    machine = Machine(desktop)
    desktop.goto(f"{demo}/ui/performance")
    expect(chart(desktop, "cpu")).to_be_visible()
    with desktop.expect_response("**/api/performance?after=*"):
        desktop.get_by_role("button", name="Refresh now").click()
    assert machine.asked[0] == ""
    assert all(machine.asked[1:])


def test_a_hidden_page_asks_for_nothing_and_catches_up_when_it_is_seen_again(demo: str, desktop: Page) -> None:
    machine = Machine(desktop)
    desktop.clock.install()
    desktop.goto(f"{demo}/ui/performance")
    expect(chart(desktop, "cpu")).to_be_visible()
    desktop.evaluate(
        "Object.defineProperty(document, 'hidden', { get: () => window.isAway, configurable: true }); window.isAway = true"
    )
    asked = len(machine.asked)
    desktop.clock.run_for(30_000)
    assert len(machine.asked) == asked
    with desktop.expect_response("**/api/performance?after=*"):
        desktop.evaluate("window.isAway = false; document.dispatchEvent(new Event('visibilitychange'))")


def test_it_asks_as_often_as_is_chosen_and_that_is_remembered(demo: str, window: Page) -> None:
    machine = Machine(window)
    window.clock.install()
    window.goto(f"{demo}/ui/performance")
    expect(chart(window, "cpu")).to_be_visible()
    choice = window.get_by_role("combobox", name=re.compile("^Refresh"))
    idle = window.get_by_role("button", name="Refresh now")
    choice.select_option(label="every 30 s")
    expect(idle).to_be_enabled()
    asked = len(machine.asked)
    window.clock.run_for(12_000)  # the clock goes on besides
    assert len(machine.asked) == asked
    with window.expect_response("**/api/performance*"):
        window.clock.run_for(20_000)
    choice.select_option(label="off")
    expect(idle).to_be_enabled()
    asked = len(machine.asked)
    window.clock.run_for(30_000)  # after 40 s of silence it would connect anew
    assert len(machine.asked) == asked
    window.reload()
    expect(choice).to_have_value("0")


def test_a_failure_keeps_what_is_shown_and_says_so(demo: str, desktop: Page) -> None:
    Machine(desktop)
    desktop.goto(f"{demo}/ui/performance")
    expect(chart(desktop, "cpu")).to_be_visible()
    desktop.route(
        "**/api/performance*", lambda route: route.fulfill(status=500, json={"error": {"message": "broken sampler"}})
    )
    desktop.get_by_role("button", name="Refresh now").click()
    expect(desktop.get_by_role("alert")).to_contain_text("broken sampler")
    expect(chart(desktop, "cpu")).to_be_visible()
    desktop.unroute("**/api/performance*")
    Machine(desktop)
    desktop.get_by_role("button", name="Try again").click()
    expect(desktop.get_by_role("alert")).to_have_count(0)


def test_the_window_stands_in_the_address_and_a_chart_can_be_a_table(demo: str, window: Page) -> None:
    Machine(window)
    window.goto(f"{demo}/ui/performance?window=5m")
    expect(window.get_by_role("button", name="5 min", exact=True)).to_have_attribute("aria-pressed", "true")
    window.get_by_role("button", name="GPU power as a table").click()
    table = window.get_by_role("table", name="GPU power")
    expect(table.get_by_role("row")).to_have_count(61)  # with the header
    expect(table.get_by_role("columnheader").nth(1)).to_have_text("GPU 0 · RTX 4090")
    window.get_by_role("button", name="1 h", exact=True).click()
    assert parse_qs(urlsplit(window.url).query) == {"window": ["1h"], "table": ["gpu-power"]}


def test_an_unknown_figure_is_a_gap_and_not_0(demo: str, desktop: Page) -> None:
    def lose_power(answer: Json) -> Json:
        for row in answer["gpu_stats"][-4:]:
            row.update(power_draw_w=0, unknown=[*row["unknown"], "power_draw_w"])
        return answer

    Machine(desktop).changed = lose_power
    desktop.goto(f"{demo}/ui/performance?window=5m&table=gpu-power")
    cells = desktop.get_by_role("table", name="GPU power").get_by_role("row").nth(1).get_by_role("cell")
    expect(cells.nth(1)).to_have_text(UNKNOWN)
    expect(cells.nth(2)).to_have_text(UNKNOWN)


def test_the_crosshair_is_one_for_all_charts(demo: str, desktop: Page) -> None:
    Machine(desktop)
    desktop.goto(f"{demo}/ui/performance")
    chart(desktop, "gpu-use").locator(".u-over").hover()
    for panel in ("gpu-power", "cpu", "network"):
        expect(chart(desktop, panel).locator(".u-cursor-x")).to_be_visible()
    expect(desktop.locator(".readout strong")).to_have_text(re.compile(r"\d\d:\d\d:\d\d"))


def test_model_changes_are_marked_and_gpu_memory_is_stacked_by_model(start_demo: Any, browser: Browser) -> None:
    with start_demo() as address, page_of(browser, "desktop") as desktop:
        httpx.post(f"{address}/api/models/load/squirrel", timeout=30)
        machine = Machine(desktop)
        machine.held = {0: {"squirrel": 5000}}
        desktop.goto(f"{address}/ui/performance")
        expect(desktop.get_by_role("link", name="1 model change")).to_be_visible()
        stack = chart(desktop, "gpu-0-models")
        expect(stack).to_have_attribute("aria-label", re.compile("Squirrel: now 4.9 GiB.*Everything else: now 640 MiB"))
        expect(chart(desktop, "gpu-1-models")).to_have_count(0)


def test_the_crosshair_tells_the_change_that_it_stands_on(demo: str, desktop: Page) -> None:
    newest = int(time.time()) // made_up_machine.EVERY * made_up_machine.EVERY
    changes = [
        {"id": 3, "at": newest - 75, "model": "hare", "run": 2, "state": "stopped", "cause": ""},
        {"id": 2, "at": newest - 75, "model": "hare", "run": 2, "state": "stopping", "cause": "", "reason": "crashed"},
        {"id": 1, "at": newest - 150, "model": "squirrel", "run": 1, "state": "ready", "cause": "requested"},
    ]
    Machine(desktop).changed = lambda _: made_up_machine.performance(newest, newest - 3600)
    desktop.route("**/api/transitions*", lambda route: route.fulfill(json={"transitions": changes, "next": None}))
    desktop.goto(f"{demo}/ui/performance?window=5m")
    link = desktop.get_by_role("link", name="2 model changes")
    expect(link).to_be_visible()
    over = chart(desktop, "cpu").locator(".u-over")
    width = over.evaluate("area => area.clientWidth")
    over.hover(position={"x": width / 2, "y": 20})
    readout = desktop.locator(".readout")
    expect(readout).to_contain_text("Squirrel is ready")
    over.hover(position={"x": width * 3 / 4, "y": 20})
    expect(readout).to_contain_text("Hare failed")
    over.hover(position={"x": width / 4, "y": 20})
    expect(readout.locator("strong")).to_be_visible()
    expect(readout).not_to_contain_text("Hare")
    desktop.mouse.move(5, 5)
    marks = desktop.get_by_role("button", name="Model changes")
    marks.click()
    expect(link).to_have_count(0)
    desktop.reload()
    expect(marks).to_have_attribute("aria-pressed", "false")
    expect(chart(desktop, "cpu")).to_be_visible()
    expect(link).to_have_count(0)


def test_a_line_can_be_hidden(demo: str, desktop: Page) -> None:
    Machine(desktop)
    desktop.goto(f"{demo}/ui/performance")
    button = desktop.get_by_title("Show or hide 5 minutes")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")


def test_without_a_gpu_it_tells_who_was_asked_and_why_there_is_none(demo: str, window: Page) -> None:
    Machine(window).changed = made_up_machine.without_gpu
    window.goto(f"{demo}/ui/performance")
    expect(window.get_by_text("No GPU can be seen")).to_be_visible()
    expect(window.get_by_text("NVML Shared Library Not Found")).to_be_visible()
    card = window.get_by_role("region", name="No GPU can be seen")
    assert card.evaluate("card => card.offsetHeight") < 300  # the charts are what the page is for
    expect(chart(window, "cpu")).to_be_visible()
    expect(chart(window, "gpu-use")).to_have_count(0)


def test_switched_off_it_tells_how_to_switch_it_on(start_demo: Any, tmp_path: Path, browser: Browser) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("performance:\n  disabled: true\nmodels: {}\n")
    with start_demo(config=config) as address, page_of(browser, "phone") as page:
        page.goto(f"{address}/ui/performance")
        expect(page.get_by_text("switched off in the configuration")).to_be_visible()
        expect(page.locator("pre")).to_contain_text("disabled: false")
        expect(page.get_by_label("Time shown")).to_have_count(0)


def test_axe_finds_nothing_in_charts_tables_and_empty_states(demo: str, browser: Browser, axe: str) -> None:
    with page_of(browser, "desktop", bypass_csp=True) as page:
        machine = Machine(page)
        page.goto(f"{demo}/ui/performance?table=gpu-power")
        expect(chart(page, "cpu")).to_be_visible()
        assert complaints(page, axe) == []
        machine.changed = made_up_machine.without_gpu
        page.goto(f"{demo}/ui/performance")
        expect(page.get_by_text("No GPU can be seen")).to_be_visible()
        assert complaints(page, axe) == []


def test_a_colour_of_a_line_stands_out_from_the_page_in_every_theme(demo: str, desktop: Page) -> None:
    """3 : 1, as WCAG wants it of graphics."""
    desktop.goto(f"{demo}/ui/performance")
    for theme in ("light", "dark", "contrast"):
        desktop.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        surface, *lines = desktop.evaluate(
            "names => names.map(name => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim())",
            ["surface", *(f"series-{number}" for number in range(1, 9))],
        )
        assert {line: contrast(line, surface) for line in lines if contrast(line, surface) < 3} == {}


def contrast(first: str, second: str) -> float:
    """Of two colours written as #rrggbb or #rgb."""
    darker, lighter = sorted(map(luminance, (first, second)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    colour = colour if len(colour) == 7 else "#" + "".join(digit * 2 for digit in colour[1:])
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
