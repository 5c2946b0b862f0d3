"""The other tools of the playground: pictures, speech, transcription, reranking, load tests."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Page, expect

TOOLS = {
    "chat": "Chat", "images": "Images", "speech": "Speech", "transcription": "Transcription", "rerank": "Rerank",
    "load-test": "Load test",
}  # fmt: skip
SOUND = FilePayload(name="hello.wav", mimeType="audio/wav", buffer=b"RIFF\x24\x00\x00\x00WAVE")


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_has_its_own_address(demo: str, window: Page, tool: str) -> None:
    window.goto(f"{demo}/ui/playground/{tool}")
    tools = window.get_by_role("navigation", name="Tools")
    expect(tools.locator("[aria-current=page]")).to_have_text(TOOLS[tool])
    expect(window.locator("h1")).to_have_count(1)
    assert window.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_last_tool_is_remembered_and_keeps_what_was_typed(demo: str, window: Page) -> None:
    window.goto(f"{demo}/ui/playground/speech")
    window.get_by_role("textbox", name="Text").fill("Not lost")
    tools = window.get_by_role("navigation", name="Tools")
    tools.get_by_role("link", name="Rerank").click()
    expect(window).to_have_url(re.compile("/playground/rerank$"))
    tools.get_by_role("link", name="Speech").click()
    expect(window.get_by_role("textbox", name="Text")).to_have_value("Not lost")
    window.goto(f"{demo}/ui/playground")
    expect(window).to_have_url(re.compile("/playground/speech$"))


def test_pictures_are_made_in_both_ways_seen_large_and_kept(demo: str, window: Page) -> None:
    window.goto(f"{demo}/ui/playground/images")
    expect(window.get_by_role("button", name="Model: Chameleon")).to_be_visible()
    window.get_by_role("textbox", name="Prompt", exact=True).fill("a red door")
    window.get_by_label("Pictures", exact=True).fill("2")
    with window.expect_request("**/v1/images/generations") as asked:
        window.keyboard.press("Enter")
        window.get_by_role("button", name="Generate").click()
    assert asked.value.post_data_json == {"model": "chameleon", "prompt": "a red door", "n": 2, "size": "512x512"}
    expect(window.get_by_role("img", name="a red door")).to_have_count(2)
    window.get_by_role("button", name="Show picture 2 full size").click()
    window.keyboard.press("ArrowLeft")
    with window.expect_download() as download:
        window.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "chameleon-1.png"
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")
    window.keyboard.press("Escape")
    expect(window.get_by_role("dialog")).to_have_count(0)


def test_the_stable_diffusion_way_has_every_parameter(demo: str, window: Page) -> None:
    window.goto(f"{demo}/ui/playground/images")
    window.get_by_label("API").select_option("sdapi")
    window.get_by_role("textbox", name="Prompt", exact=True).fill("a door")
    window.get_by_role("textbox", name="Negative prompt").fill("a window")
    for label, value in {"Steps": "30", "CFG scale": "5.5", "Seed": "42"}.items():
        window.get_by_label(label).fill(value)
    window.get_by_label("Size").select_option("1024x768")
    window.get_by_label("Sampler").select_option("euler")
    window.get_by_label("Scheduler").select_option("karras")
    window.get_by_role("button", name="Ask the model for its LoRAs").click()
    window.get_by_role("slider", name="stripes").fill("0.5")
    with window.expect_request("**/sdapi/v1/txt2img") as asked:
        window.get_by_role("button", name="Generate").click()
    assert asked.value.post_data_json == {
        "model": "chameleon", "prompt": "a door", "negative_prompt": "a window", "width": 1024, "height": 768,
        "steps": 30, "cfg_scale": 5.5, "seed": 42, "batch_size": 1, "sampler_name": "euler", "scheduler": "karras",
        "lora": [{"path": "demo://stripes", "multiplier": 0.5}],
    }  # fmt: skip
    expect(window.get_by_role("img", name="a door")).to_be_visible()


def test_what_a_model_cannot_do_is_told_where_the_result_would_stand(demo: str, window: Page) -> None:
    window.goto(f"{demo}/ui/playground/images?model=owl")
    window.get_by_role("textbox", name="Prompt", exact=True).fill("a door")
    window.get_by_role("button", name="Generate").click()
    expect(window.get_by_role("alert")).to_contain_text("does not support image generation")
    expect(window.get_by_role("button", name="Try again")).to_be_visible()


def test_speech_is_made_with_the_voices_of_the_model(demo: str, window: Page) -> None:
    window.goto(f"{demo}/ui/playground/speech")
    window.get_by_role("button", name="Ask the model for its voices").click()
    expect(window.get_by_text("The voices of this model")).to_be_visible()
    window.get_by_label("Voice", exact=True).select_option("basso")
    window.get_by_label("Play at once").uncheck()
    window.get_by_role("textbox", name="Text").fill("Good morning")
    with window.expect_request("**/v1/audio/speech") as asked:
        window.get_by_role("button", name="Speak").click()
    assert asked.value.post_data_json == {
        "model": "parrot",
        "input": "Good morning",
        "voice": "basso",
        "response_format": "mp3",
    }
    expect(window.locator("audio")).to_be_visible()
    with window.expect_download() as download:
        window.get_by_role("button", name="Download").click()
    assert re.fullmatch(r"basso-\d{6}\.wav", download.value.suggested_filename)  # what came is what counts
    window.get_by_role("button", name="Clear").click()
    expect(window.locator("audio")).to_have_count(0)
    expect(window.get_by_role("textbox", name="Text")).to_have_value("")


def test_speech_plays_at_once(demo: str, desktop: Page) -> None:
    desktop.goto(f"{demo}/ui/playground/speech")
    desktop.evaluate("HTMLMediaElement.prototype.play = function () { window.played = true; return Promise.resolve(); }")
    desktop.get_by_role("textbox", name="Text").fill("Now")
    desktop.get_by_role("button", name="Speak").click()
    expect(desktop.locator("audio")).to_be_visible()
    desktop.wait_for_function("window.played")


def test_a_sound_is_transcribed_in_every_format(demo: str, window: Page) -> None:
    window.goto(f"{demo}/ui/playground/transcription")
    window.locator("input[type=file]").set_input_files(FilePayload(name="x.txt", mimeType="text/plain", buffer=b"x"))
    expect(window.get_by_role("alert")).to_contain_text("does not look like a sound")
    window.locator("input[type=file]").set_input_files(SOUND)
    window.get_by_label("Language").fill("en")
    for form, text in {
        "json": "I have heard 12 bytes of hello.wav",
        "verbose_json": "1.0 s",
        "srt": "-->",
        "vtt": "WEBVTT",
    }.items():
        window.get_by_label("Format").select_option(form)
        window.get_by_role("button", name="Transcribe").click()
        expect(window.get_by_role("region", name="Transcription: result")).to_contain_text(text)
    expect(window.get_by_role("button", name="Copy", exact=True)).to_be_visible()
    window.get_by_role("button", name="Clear").click()
    expect(window.get_by_text("Drop a sound here")).to_be_visible()


def test_a_sound_is_dropped(demo: str, desktop: Page) -> None:
    desktop.goto(f"{demo}/ui/playground/transcription")
    desktop.locator(".drop").evaluate(
        """element => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(12)], "dropped.mp3", { type: "audio/mpeg" }));
            element.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
        }"""
    )
    expect(desktop.get_by_text("dropped.mp3")).to_be_visible()


def test_documents_are_ranked_and_sorted(demo: str, window: Page) -> None:
    window.goto(f"{demo}/ui/playground/rerank")
    window.get_by_label("Query").fill("swapping group")
    window.get_by_label("Document 5", exact=True).fill("Another group")
    expect(window.get_by_label("Document 6", exact=True)).to_be_visible()
    window.get_by_role("button", name="Take document 4 away").click()
    window.get_by_role("button", name="Rerank", exact=True).click()
    rows = window.get_by_role("table").locator("tbody tr")
    expect(rows).to_have_count(4)
    expect(rows.first).to_contain_text("+1.000")
    expect(window.get_by_text(re.compile(r"\d+ tokens"))).to_be_visible()
    order = [rows.locator("td:nth-child(2)").all_inner_texts()]
    for _ in range(2):
        window.get_by_role("button", name="Score").click()
        order.append(rows.locator("td:nth-child(2)").all_inner_texts())
    assert order[0][0] == "1"
    assert order[1][-1] == "1"
    assert order[2] == ["1", "2", "3", "4"]


def test_documents_are_edited_as_json(demo: str, window: Page) -> None:
    window.goto(f"{demo}/ui/playground/rerank")
    window.get_by_role("button", name="Edit as JSON").click()
    field = window.get_by_label("Query and documents as JSON")
    assert json.loads(field.input_value())["query"] == "How are models kept apart?"
    field.fill('{"query": 1}')
    window.get_by_role("button", name="Edit as a table").click()
    expect(window.get_by_text("“query” has to be a text.")).to_be_visible()
    field.fill('{"query": "owl", "documents": ["an owl", "a hare"]}')
    window.get_by_role("button", name="Edit as a table").click()
    expect(window.get_by_label("Query")).to_have_value("owl")
    window.get_by_role("button", name="Sample").click()
    expect(window.get_by_label("Query")).to_have_value("How are models kept apart?")


def test_a_load_test_runs_is_measured_and_exported(demo: str, window: Page) -> None:
    window.goto(f"{demo}/ui/playground/load-test")
    for model in ("Hare", "Hare", "Magpie"):
        window.get_by_role("button", name=f"Add a request to {model}").click()
    window.get_by_role("textbox", name="Prompt").fill("count to 9")
    window.get_by_role("button", name="Go", exact=True).click()
    expect(window.get_by_text("3 of 3 done")).to_be_visible()
    expect(window.get_by_role("button", name="Go", exact=True)).to_be_visible()
    cards = window.get_by_role("list", name="Requests").locator("> li")
    expect(cards).to_have_count(3)
    for at in range(3):
        expect(cards.nth(at)).to_contain_text("1 2 3 4 5 6 7 8 9")
    expect(
        window.get_by_role("img", name=re.compile("^Magpie: .*(loading the model|in the queue).*; done$"))
    ).to_be_visible()
    expect(window.get_by_role("row", name=re.compile("^Whole answer"))).to_be_visible()
    window.get_by_role("button", name="Export").click()
    with window.expect_download() as download:
        window.get_by_role("menuitem", name="As CSV").click()
    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[1:3] for line in lines[1:]] == [["hare", "done"], ["hare", "done"], ["magpie", "done"]]
    window.get_by_role("button", name=re.compile("^Move request 3, Magpie")).press("ArrowUp")
    expect(cards.nth(1)).to_contain_text("Magpie")
    window.get_by_role("button", name="Take request 1 away").click()
    expect(cards).to_have_count(2)
    window.reload()
    expect(cards).to_have_count(2)
    window.get_by_role("button", name="Clear (2)").click()
    expect(cards).to_have_count(0)


def test_a_load_test_is_stopped(demo: str, window: Page) -> None:
    window.goto(f"{demo}/ui/playground/load-test")
    window.get_by_role("button", name="Add a request to Hare").click()
    window.get_by_role("textbox", name="Prompt").fill("count to 5000")
    window.get_by_label("Max tokens").fill("5000")
    window.get_by_role("button", name="Go", exact=True).click()
    expect(window.get_by_role("list", name="Requests")).to_contain_text("1 2 3")
    window.get_by_role("button", name="Stop", exact=True).click()
    expect(window.get_by_role("list", name="Requests")).to_contain_text("stopped")
    window.get_by_role("button", name="Reset prompt and numbers").click()
    expect(window.get_by_label("Max tokens")).to_have_value("256")
    window.get_by_role("button", name="Clear (1)").click()
