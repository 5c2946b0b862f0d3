"""`python -m tools.screenshots [page ...]`: pictures of every page of the web UI, below screenshots/ (`make screenshots`).

Each page at the size of a desktop and of a phone, light and dark, of a Swapyard that has something to do (made_up_yard).
What would take an hour to come about is made up (made_up_past): the samples of the machine, and when things happened. So is
the memory of the models' processes, which are small scripts.
`--readme`: the two that README.md shows, into docs/images/.
"""

from __future__ import annotations

import base64
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tools import made_up_yard
from tools.made_up_past import Past

ROOT = Path(__file__).parents[1]
FOLDER, IMAGES = ROOT / "screenshots", ROOT / "docs" / "images"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
SIZES = {"desktop": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
THEMES = ("light", "dark")
PAGES = {
    "now": "",
    "models": "models",
    "model": "model?id=qwen3-coder-30b",
    "model-logs": "model?id=qwen3-coder-30b&tab=logs",
    "model-details": "model?id=qwen3-coder-30b&tab=details",
    "model-snippets": "model?id=qwen3-coder-30b&tab=snippets",
    "model-failed": "model?id=experiment&tab=details",
    "activity": "activity",
    "timeline": "timeline",
    "playground": "playground/chat?model=qwen3-coder-30b",
    "playground-images": "playground/images",
    "playground-rerank": "playground/rerank",
    "playground-load-test": "playground/load-test",
    "logs": "logs",
    "performance": "performance",
    "hardware": "hardware",
    "settings": "settings",
    "not-found": "nowhere",
}
SETTLED = 900  # ms
SETTLED_WELL = 12_000  # ms; it has been seen for a while which model holds what
TO_WEBP = """async address => {
  const image = new Image();
  image.src = address;
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
  canvas.getContext("2d").drawImage(image, 0, 0);
  return canvas.toDataURL("image/webp", 0.9);
}"""


def main(arguments: list[str]) -> int:
    wanted = {name: PAGES[name] for name in arguments if name in PAGES} or PAGES
    browser_path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser_path is None:
        print("no Chromium here; Debian: apt-get install chromium", file=sys.stderr)
        return 1
    with made_up_yard.running() as address, sync_playwright() as playwright:
        traffic = made_up_yard.Traffic(address)
        traffic.begin()
        past = Past(address)
        browser = playwright.chromium.launch(executable_path=browser_path, args=[*FLAGS])
        try:
            if "--readme" in arguments:
                take_for_readme(browser, address, past)
            else:
                take_all(browser, address, past, wanted)
        finally:
            traffic.end()
            browser.close()
    return 0


def take_all(browser: Browser, address: str, past: Past, pages: dict[str, str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    for theme in THEMES:
        for size in SIZES:
            for name, path in shown(browser, address, past, size, theme, pages):
                target = FOLDER / f"{name}-{size}-{theme}.png"
                path.screenshot(path=target)
                print(target.relative_to(ROOT))


def take_for_readme(browser: Browser, address: str, past: Past) -> None:
    IMAGES.mkdir(exist_ok=True)
    for theme, name in (("light", "now"), ("dark", "performance")):
        for _, page in shown(browser, address, past, "desktop", theme, {name: PAGES[name]}):
            page.wait_for_timeout(SETTLED_WELL)
            (IMAGES / f"{name}.webp").write_bytes(as_webp(browser, page.screenshot()))


def as_webp(browser: Browser, picture: bytes) -> bytes:
    """Half the size, by the browser's own means."""
    with browser.new_context() as context:
        page = context.new_page()
        text = page.evaluate(TO_WEBP, "data:image/png;base64," + base64.b64encode(picture).decode())
    return base64.b64decode(text.partition(",")[2])


def shown(
    browser: Browser, address: str, past: Past, size: str, theme: Any, pages: dict[str, str]
) -> Iterator[tuple[str, Page]]:
    viewport: Any = SIZES[size]
    is_phone = size == "phone"
    with browser.new_context(viewport=viewport, color_scheme=theme, is_mobile=is_phone, has_touch=is_phone) as context:
        page = context.new_page()
        page.on("pageerror", lambda error: print("error:", error, file=sys.stderr))
        past.follow(page)
        for name, path in pages.items():
            page.goto(f"{address}/ui/{path}")
            page.wait_for_selector("h1")
            if name == "playground":
                talk(page)
            page.wait_for_timeout(SETTLED)
            yield name, page
        page.unroute_all(behavior="ignoreErrors")


def talk(page: Page) -> None:
    """Two questions, and their answers."""
    page.get_by_role("textbox", name="Message", exact=True).fill("Tell me about hares and tortoises.")
    page.keyboard.press("Enter")
    page.wait_for_selector("article.answer dl")
    page.get_by_role("textbox", name="Message", exact=True).fill("count to 40")
    page.keyboard.press("Enter")
    page.wait_for_selector("article.answer >> nth=1 >> dl")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
