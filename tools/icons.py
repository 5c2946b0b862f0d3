"""`python -m tools.icons`: the page's icons as PNG files, out of ui/public/favicon.svg, drawn by Chromium.

The manifest names them, and browsers want them before they install the page as an app. To be run when the SVG has changed.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tools.screenshots import FLAGS

FOLDER = Path(__file__).parents[1] / "ui" / "public"
PLAIN = {"icon-192.png": 192, "icon-512.png": 512}  # pixels; the corners are transparent
# To the very edge: the system cuts its own shape out of them. Never into the middle, where the arrows are.
FILLED = {"icon-180.png": 180, "icon-maskable-512.png": 512}


def main() -> int:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print("no Chromium here; Debian: apt-get install chromium", file=sys.stderr)
        return 1
    svg = (FOLDER / "favicon.svg").read_text(encoding="utf-8")
    ground = re.search(r'<rect[^>]*fill="(#\w+)"', svg)
    assert ground is not None, "the ground of favicon.svg is a filled rectangle"
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=chromium, args=[*FLAGS]) as browser:
        page = browser.new_page()
        for name, pixels in PLAIN.items():
            draw(page, svg, pixels, FOLDER / name)
        for name, pixels in FILLED.items():
            draw(page, svg, pixels, FOLDER / name, ground[1])
    return 0


def draw(page: Page, svg: str, pixels: int, path: Path, ground: str = "transparent") -> None:
    page.set_viewport_size({"width": pixels, "height": pixels})
    page.set_content(
        f"<style>body {{ margin: 0; background: {ground} }} svg {{ display: block; height: 100vh }}</style>{svg}"
    )
    page.screenshot(path=path, omit_background=True)
    print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    sys.exit(main())
