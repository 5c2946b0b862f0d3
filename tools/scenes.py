"""What tools.screenshots takes pictures of: addresses of the page, and what is done there before the picture.

Most of it is seen in front of a Swapyard at work (made_up_yard); what such a one never shows, in front of others: `KEYS`
wants an API key, `EMPTY` has no models.
"""

from __future__ import annotations

import io
import math
import wave
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from playwright.sync_api import FilePayload, Page


class Yard(StrEnum):
    WORK = "at work"
    KEYS = "with API keys"
    EMPTY = "without models"


@dataclass(frozen=True, slots=True)
class Scene:
    """`path`: below /ui/. `act` is done once the page is there. `loads`: the model that it loads, which goes afterwards."""

    path: str
    act: Callable[[Page], None] | None = None
    yard: Yard = Yard.WORK
    loads: str = ""


def talk(page: Page) -> None:
    """Two questions, and their answers."""
    for at, text in enumerate(("Tell me about hares and tortoises.", "count to 40")):
        page.get_by_role("textbox", name="Message", exact=True).fill(text)
        page.keyboard.press("Enter")
        page.wait_for_selector(f"article.answer >> nth={at} >> dl")


def open_capture(page: Page) -> None:
    page.locator("main [href*='capture=']").first.click()
    page.get_by_role("region", name="Answer", exact=True).wait_for()


def paint(page: Page) -> None:
    page.get_by_role("textbox", name="Prompt", exact=True).fill("A railway yard at dusk, in the rain")
    page.get_by_label("Pictures", exact=True).fill("2")
    page.get_by_role("button", name="Generate").click()
    page.get_by_role("img", name="A railway yard").first.wait_for()


def speak(page: Page) -> None:
    page.get_by_role("button", name="Ask the model for its voices").click()
    page.get_by_text("The voices of this model").wait_for()
    for text in ("All aboard.", "The train on track four is about to depart. Please mind the gap."):
        page.get_by_role("textbox", name="Text").fill(text)
        page.get_by_role("button", name="Speak").click()
        page.locator(".sound", has_text=text).wait_for()


def transcribe(page: Page) -> None:
    sound = FilePayload(name="announcement.wav", mimeType="audio/wav", buffer=announcement())
    page.locator("input[type=file]").set_input_files(sound)
    page.get_by_label("Format").select_option("verbose_json")
    page.get_by_role("button", name="Transcribe").click()
    page.get_by_role("region", name="Transcription: result").get_by_role("list").wait_for()


def rank(page: Page) -> None:
    page.get_by_role("button", name="Rerank", exact=True).click()
    page.get_by_role("table").wait_for()


def try_load(page: Page) -> None:
    for _ in range(3):
        page.get_by_role("button", name="Add a request to Qwen3 Coder 30B").click()
    page.get_by_role("button", name="Go", exact=True).click()
    page.get_by_text("3 of 3 done").wait_for()
    page.get_by_text("3 of 3 done").scroll_into_view_if_needed()


def open_palette(page: Page) -> None:
    page.keyboard.press("Control+k")
    page.get_by_role("dialog").wait_for()
    page.keyboard.type("gpt")


def announcement() -> bytes:
    """A gong of a second: 16 kHz, mono."""
    rate = 16_000
    heights = (12_000 * math.exp(-3 * at / rate) * math.sin(2 * math.pi * 523 * at / rate) for at in range(rate))
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, rate, 0, "NONE", "not compressed"))
        sound.writeframes(b"".join(round(height).to_bytes(2, "little", signed=True) for height in heights))
    return file.getvalue()


SCENES = {
    "now": Scene(""),
    "palette": Scene("", open_palette),
    "models": Scene("models"),
    "model": Scene("model?id=qwen3-coder-30b"),
    "model-logs": Scene("model?id=qwen3-coder-30b&tab=logs"),
    "model-details": Scene("model?id=qwen3-coder-30b&tab=details"),
    "model-snippets": Scene("model?id=qwen3-coder-30b&tab=snippets"),
    "model-failed": Scene("model?id=experiment&tab=details"),
    "activity": Scene("activity"),
    "capture": Scene("activity?model=qwen3-coder-30b", open_capture),
    "timeline": Scene("timeline"),
    "logs": Scene("logs"),
    "performance": Scene("performance"),
    "hardware": Scene("hardware"),
    "manual": Scene("manual"),
    "settings": Scene("settings"),
    "not-found": Scene("nowhere"),
    "playground": Scene("playground/chat?model=qwen3-coder-30b", talk),
    "playground-images": Scene("playground/images?model=sdxl-turbo", paint, loads="sdxl-turbo"),
    "playground-speech": Scene("playground/speech", speak, loads="kokoro-82m"),
    "playground-transcription": Scene("playground/transcription", transcribe),
    "playground-rerank": Scene("playground/rerank", rank),
    "playground-load-test": Scene("playground/load-test", try_load),
    "sign-in": Scene("", yard=Yard.KEYS),
    "no-models": Scene("", yard=Yard.EMPTY),
}
