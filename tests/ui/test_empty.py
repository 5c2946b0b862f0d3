"""Where there is nothing to show: what is told teaches what to do, and what it gives to copy works as it is."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.ports import start_port
from tests.ui.axe import complaints
from tests.ui.conftest import StartDemo, page_of, served


@pytest.fixture(scope="module")
def fresh(start_demo: StartDemo, engine: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One model, and nothing has happened yet."""
    path = tmp_path_factory.mktemp("fresh") / "config.yaml"
    models = {"hare": {"name": "Hare", "cmd": engine("hare")}}
    path.write_text(json.dumps({"startPort": start_port(), "models": models}), encoding="utf-8")
    with start_demo(config=path) as address:
        yield address


def copied(page: Page, label: str) -> str:
    page.get_by_role("button", name=label).click()
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def test_without_models_it_is_told_what_to_write_and_where(built: None, browser: Browser, axe: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("models: {}\n")
    with served("--config", str(path), "--watch-config") as running:
        for size in ("phone", "desktop"):
            with page_of(browser, size, bypass_csp=True) as page:
                page.context.grant_permissions(["clipboard-read", "clipboard-write"])
                page.goto(f"{running.address}/ui/")
                expect(page.get_by_text("No models are configured yet.")).to_be_visible()
                expect(page.get_by_text("It is being watched")).to_be_visible()
                expect(page.get_by_text("Write modelsDir: /path/to/models there")).to_be_visible()
                assert complaints(page, axe) == []
                assert copied(page, "Copy the path") == str(path)
                example = copied(page, "Copy the example")
                page.get_by_role("link", name="configuration", exact=True).click()
                expect(page.locator("main h2")).to_have_text("Configuration")
                page.locator(".text").get_by_role("link", name="keys", exact=True).click()
                expect(page.locator("main td", has_text="healthCheckTimeout").first).to_be_visible()
                assert page.url == f"{running.address}/ui/manual/keys"
                page.goto(f"{running.address}/ui/manual/http#limits")
                expect(page.get_by_role("heading", name="Limits")).to_be_in_viewport()
                page.goto(f"{running.address}/ui/manual/keys#%")  # such an address may say anything
                expect(page.locator("main td", has_text="healthCheckTimeout").first).to_be_visible()
                page.goto(f"{running.address}/ui/manual")
                code = page.locator("pre").first
                expect(code).to_be_visible()
                assert code.evaluate("code => code.clientWidth <= code.parentElement.clientWidth")
                if size == "phone":  # what is wider is scrolled to, and fades where it goes on
                    code.evaluate("code => code.scrollTo(1000, 0)")
                    assert code.evaluate("code => code.scrollLeft") > 0
                    assert code.evaluate("code => getComputedStyle(code).getPropertyValue('--more-before')") == "40px"
                expect(page.get_by_role("link", name="Configuration", exact=True)).to_have_attribute("aria-current", "page")
                page.goto(f"{running.address}/ui/")
                if size == "desktop":
                    path.write_text(example)
                    expect(page.get_by_role("button", name="Load my-model")).to_be_visible()  # by itself
    path.write_text("models: {}\n")
    with served("--config", str(path)) as running, page_of(browser, "phone") as page:
        page.goto(f"{running.address}/ui/")
        expect(page.get_by_text("--watch-config")).to_be_visible()  # nobody watches this one
        expect(page.get_by_text("It is being watched")).to_have_count(0)


def test_files_that_could_be_models_are_found_and_written_out(browser: Browser, axe: str, tmp_path: Path) -> None:
    folder = tmp_path / "my models"
    for name in ("qwen 3 #4.gguf", "yes.gguf", "see/llava.gguf", "see/mmproj.gguf", "big-00001-of-00002.gguf"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"GGUF")
    path = tmp_path / "config.yaml"
    setting = f"modelsDir: [{json.dumps(str(folder))}, /nowhere/at/all]\n"
    path.write_text(setting)
    with served("--config", str(path)) as running:

        def write(text: str) -> None:
            path.write_text(text)
            running.process.send_signal(signal.SIGHUP)

        for size in ("phone", "desktop"):
            with page_of(browser, size, bypass_csp=True) as page:
                page.context.grant_permissions(["clipboard-read", "clipboard-write"])
                page.goto(f"{running.address}/ui/")
                expect(page.get_by_text(f"Found 3 .gguf files in {folder}. ")).to_be_visible()
                expect(page.get_by_text("/nowhere/at/all: it does not exist.")).to_be_visible()
                expect(page.get_by_text("big-00001-of-00002.gguf: 1 of its 2 parts are here.")).to_be_visible()
                expect(page.get_by_text("modelsDir: /path/to/models")).to_have_count(0)
                assert complaints(page, axe) == []
                text = copied(page, "Copy the configuration")
                assert text.count("cmd:") == 3
                write(setting + "".join(text.splitlines(keepends=True)[:3]))  # the first of them
                expect(page.get_by_role("button", name="Load qwen-3-4")).to_be_visible()  # by itself
                page.goto(f"{running.address}/ui/models")
                page.get_by_text(f"2 more .gguf files (8 B) in {folder} that no model uses").click()
                assert complaints(page, axe) == []
                rest = copied(page, "Copy the configuration")
                assert f"--mmproj '{folder}/see/mmproj.gguf'" in rest
                write(path.read_text() + rest.removeprefix("models:\n"))
                expect(page.get_by_role("link", name="yes", exact=True)).to_be_visible()
                expect(page.get_by_text("can be used")).to_have_text(re.compile("^Not all of .* can be used$"))
                write(setting)
                expect(page.get_by_text("No models are configured yet.")).to_be_visible()


def test_the_first_request_is_there_to_be_copied(fresh: str, desktop: Page) -> None:
    desktop.context.grant_permissions(["clipboard-read", "clipboard-write"])
    desktop.goto(f"{fresh}/ui/")
    expect(desktop.get_by_text("Nothing is loaded.")).to_be_visible()
    expect(desktop.get_by_text("No model has been loaded since Swapyard was started.")).to_be_visible()
    request = copied(desktop, "Copy a request")
    desktop.goto(f"{fresh}/ui/activity")
    expect(desktop.get_by_text("No request has been answered yet.")).to_be_visible()
    assert copied(desktop, "A first request") == request
    answer = subprocess.run(["sh", "-c", f"{request} -sS"], capture_output=True, text=True, timeout=60, check=True)
    assert "This is hare." in answer.stdout
    expect(desktop.locator("tbody tr")).to_have_count(1)
    expect(desktop.locator("tbody tr")).to_contain_text("Hare")


def test_without_a_gpu_it_is_told_who_was_asked_and_why_each_failed(fresh: str, window: Page) -> None:
    sources = httpx.get(f"{fresh}/api/performance", params={"after": "2026-01-01T00:00:00Z"}).json()["sources"]
    if any(source["gpus"] for source in sources):
        pytest.skip("this machine has a GPU")
    window.goto(f"{fresh}/ui/")
    expect(window.get_by_text("No GPU can be seen.")).to_be_visible()
    window.get_by_role("link", name="Why?").click()
    expect(window.locator("h1")).to_have_text("Performance")
    said = window.get_by_role("list", name="Who was asked for GPUs")
    for source in httpx.get(f"{fresh}/api/performance", params={"after": "2026-01-01T00:00:00Z"}).json()["sources"]:
        if source["problem"]:
            expect(said).to_contain_text(re.compile(rf"{re.escape(source['name'])}\s*{re.escape(source['problem'])}"))
