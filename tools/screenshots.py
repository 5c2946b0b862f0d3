"""`python -m tools.screenshots [page ...]`: pictures of every page of the web UI, below screenshots/ (`make screenshots`).

Each scene (scenes) at the size of a desktop and of a phone, light and dark, of a Swapyard that has something to do
(made_up_yard). What would take an hour to come about is made up (made_up_past): the samples of the machine, and when things
happened. So is the memory of the models' processes, which are small scripts.
`--readme`: the two that README.md shows, into docs/images/.
"""

from __future__ import annotations

import base64
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from tools import made_up_yard
from tools.made_up_past import Past
from tools.scenes import SCENES, Scene, Yard

ROOT = Path(__file__).parents[1]
FOLDER, IMAGES = ROOT / "screenshots", ROOT / "docs" / "images"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
SIZES = {"desktop": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
THEMES = ("light", "dark")
CONFIGURATIONS: Mapping[Yard, dict[str, Any]] = {
    Yard.WORK: made_up_yard.configuration(),
    Yard.KEYS: {"apiKeys": ["sk-of-the-pictures"], "models": {}},
    Yard.EMPTY: {"models": {}},
}
SETTLED = 300  # ms, from when all is there: what moves into its place
PATIENCE = 60_000  # ms; a busy machine may need them
SETTLED_WELL = 12_000  # ms; it has been seen for a while which model holds what
TO_WEBP = """async address => {
  const image = new Image();
  image.src = address;
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
  canvas.getContext("2d").drawImage(image, 0, 0);
  return canvas.toDataURL("image/webp", 0.9);
}"""

COMPLETE = "() => document.fonts.status === 'loaded' && !document.querySelector('main :is(.skeleton, div[aria-busy=true])')"


@dataclass(frozen=True, slots=True)
class Stage:
    """Where pictures are taken. `addresses`: without a slash at the end."""

    browser: Browser
    addresses: Mapping[Yard, str]
    past: Past


def main(arguments: list[str]) -> int:
    wanted = {name: SCENES[name] for name in arguments if name in SCENES} or SCENES
    browser_path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser_path is None:
        print("no Chromium here; Debian: apt-get install chromium", file=sys.stderr)
        return 1
    with ExitStack() as stack:
        addresses = {yard: stack.enter_context(made_up_yard.running(of)) for yard, of in CONFIGURATIONS.items()}
        playwright = stack.enter_context(sync_playwright())
        traffic = made_up_yard.Traffic(addresses[Yard.WORK])
        traffic.begin()
        browser = playwright.chromium.launch(executable_path=browser_path, args=[*FLAGS])
        stage = Stage(browser, addresses, Past(addresses[Yard.WORK]))
        try:
            if "--readme" in arguments:
                take_for_readme(stage)
            else:
                take_all(stage, wanted)
        finally:
            traffic.end()
            browser.close()
    return 0


def take_all(stage: Stage, scenes: Mapping[str, Scene]) -> None:
    FOLDER.mkdir(exist_ok=True)
    for theme in THEMES:
        for size in SIZES:
            for name, page in shown(stage, size, theme, scenes):
                target = FOLDER / f"{name}-{size}-{theme}.png"
                page.screenshot(path=target)
                print(target.relative_to(ROOT))


def take_for_readme(stage: Stage) -> None:
    IMAGES.mkdir(exist_ok=True)
    for theme, name in (("light", "now"), ("dark", "performance")):
        for _, page in shown(stage, "desktop", theme, {name: SCENES[name]}):
            page.wait_for_timeout(SETTLED_WELL)
            (IMAGES / f"{name}.webp").write_bytes(as_webp(stage.browser, page.screenshot()))


def as_webp(browser: Browser, picture: bytes) -> bytes:
    """Half the size, by the browser's own means."""
    with browser.new_context() as context:
        page = context.new_page()
        text = page.evaluate(TO_WEBP, "data:image/png;base64," + base64.b64encode(picture).decode())
    return base64.b64decode(text.partition(",")[2])


def shown(stage: Stage, size: str, theme: Any, scenes: Mapping[str, Scene]) -> Iterator[tuple[str, Page]]:
    viewport: Any = SIZES[size]
    is_phone = size == "phone"
    options: Any = {"viewport": viewport, "color_scheme": theme, "is_mobile": is_phone, "has_touch": is_phone}
    with stage.browser.new_context(**options) as context:
        page = context.new_page()
        page.on("pageerror", lambda error: print("error:", error, file=sys.stderr))
        for yard, address in stage.addresses.items():
            if yard is Yard.WORK:
                stage.past.follow(page)
            else:
                page.unroute_all(behavior="ignoreErrors")
            for name, scene in scenes.items():
                if scene.yard is not yard:
                    continue
                page.goto(f"{address}/ui/{scene.path}")
                wait_for_content(page)
                if scene.act:
                    scene.act(page)
                wait_for_content(page)
                yield name, page
                if scene.loads:
                    httpx.post(f"{address}/api/models/unload/{scene.loads}", timeout=30).raise_for_status()


def wait_for_content(page: Page) -> None:
    """Until nothing on the page stands for what is still to come."""
    page.wait_for_selector("h1", timeout=PATIENCE)
    page.wait_for_function(COMPLETE, timeout=PATIENCE)
    page.wait_for_timeout(SETTLED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
