"""The other tools of the playground: pictures, speech, transcription, reranking, load tests."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, FilePayload, Page, Request, expect
from tests.ports import start_port
from tests.ui.conftest import CHROMIUM, FLAGS, StartDemo, page_of

TOOLS = {
    "chat": "Chat", "images": "Images", "speech": "Speech", "transcription": "Transcription", "rerank": "Rerank",
    "load-test": "Load test",
}  # fmt: skip
SOUND = FilePayload(name="hello.wav", mimeType="audio/wav", buffer=b"RIFF\x24\x00\x00\x00WAVE")
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478da63fccfc0500f00048101"
    "80a9c9b2dd0000000049454e44ae426082"
)
# What goes out as a form: playwright does not see the files in it.
NOTE_FORMS = """() => {
    const original = window.fetch;
    window.fetch = (url, options) => {
        if (options?.body instanceof FormData) window.sent = { path: new URL(url, location).pathname, form: options.body };
        return original(url, options);
    };
}"""
SENT = """async () => {
    const fields = [...window.sent.form].map(([name, value]) => [name, typeof value === "string" ? value : value.name]);
    const sound = window.sent.form.get("file");
    return [window.sent.path, fields, sound ? [...new Uint8Array(await sound.arrayBuffer())] : []];
}"""
BRING = """([kind, name]) => {
    const transfer = new DataTransfer();
    const bytes = new Uint8Array(6);
    crypto.getRandomValues(bytes);
    transfer.items.add(new File([bytes], name, { type: "image/png" }));
    const how = kind === "drop" ? { dataTransfer: transfer } : { clipboardData: transfer };
    const event = new (kind === "drop" ? DragEvent : ClipboardEvent)(kind, { ...how, bubbles: true, cancelable: true });
    (kind === "drop" ? document.querySelector(".drop") : document.body).dispatchEvent(event);
}"""


def copied_as_curl(page: Page) -> tuple[str, list[str]]:
    """The address and the other words of the command that the page's button copies."""
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text }")
    page.get_by_title("Copy as curl").click()
    program, address, *words = shlex.split(page.evaluate("window.copied").replace("\\\n", ""))
    assert program == "curl"
    return address, words


def body_of(words: list[str]) -> Any:
    return json.loads(words[words.index("-d") + 1])


def of_chameleon(page: Page) -> None:
    page.get_by_role("textbox", name="Prompt", exact=True).fill("a door")


def of_parrot(page: Page) -> None:
    page.get_by_role("textbox", name="Text").fill("Good morning")


def to_parrot(page: Page) -> None:
    page.locator("input[type=file]").set_input_files(SOUND)


def as_it_is(_: Page) -> None: ...


def test_what_takes_too_long_is_cancelled_and_no_failure(demo: str, window: Page) -> None:
    for tool, fill, go, path in (
        ("images", of_chameleon, "Generate", "v1/images/generations"),
        ("speech", of_parrot, "Speak", "v1/audio/speech"),
        ("transcription", to_parrot, "Transcribe", "v1/audio/transcriptions"),
        ("rerank", as_it_is, "Rerank", "v1/rerank"),
    ):
        window.route(f"**/{path}", lambda _: None)  # never answered
        window.goto(f"{demo}/ui/playground/{tool}")
        fill(window)
        button = window.get_by_role("button", name=go, exact=True)
        with window.expect_request(f"**/{path}"):
            button.click()
        with window.expect_event("requestfailed", lambda request, path=path: request.url.endswith(path)):
            window.get_by_role("button", name="Cancel", exact=True).click()
        expect(button).to_be_enabled()
        expect(window.get_by_role("alert")).to_have_count(0)


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
    address, words = copied_as_curl(window)
    assert (address, body_of(words)) == (asked.value.url, asked.value.post_data_json)
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
    window.get_by_label("Pictures", exact=True).fill("3")
    window.get_by_label("Sampler").select_option("euler")
    window.get_by_label("Scheduler").select_option("karras")
    window.get_by_role("button", name="Ask the model for its LoRAs").click()
    window.get_by_role("slider", name="stripes").fill("0.5")
    with window.expect_request("**/sdapi/v1/txt2img") as asked:
        window.get_by_role("button", name="Generate").click()
    assert asked.value.post_data_json == {
        "model": "chameleon", "prompt": "a door", "negative_prompt": "a window", "width": 1024, "height": 768,
        "steps": 30, "cfg_scale": 5.5, "seed": 42, "batch_size": 3, "sampler_name": "euler", "scheduler": "karras",
        "lora": [{"path": "demo://stripes", "multiplier": 0.5}],
    }  # fmt: skip
    expect(window.get_by_role("img", name="a door").first).to_be_visible()


def test_what_a_model_cannot_do_is_told_where_the_result_would_stand(demo: str, window: Page) -> None:
    window.goto(f"{demo}/ui/playground/images?model=owl")
    window.get_by_role("textbox", name="Prompt", exact=True).fill("a door")
    window.get_by_role("button", name="Generate").click()
    expect(window.get_by_role("alert")).to_contain_text("does not support image generation")
    expect(window.get_by_role("button", name="Try again")).to_be_visible()


def test_speech_is_made_with_the_voices_of_the_model(demo: str, window: Page) -> None:
    asked_for = f"{demo}/v1/audio/voices?model=parrot"
    window.route(asked_for, lambda route: route.fulfill(status=503, json={}))  # so that they are not known yet
    window.goto(f"{demo}/ui/playground/speech")
    voice = window.get_by_label("Voice", exact=True)
    expect(voice).to_have_value("")
    expect(window.get_by_text("Proposed are OpenAI's.")).to_be_visible()
    text = window.get_by_role("textbox", name="Text")
    text.fill("Hello")
    for name in ("", "nova"):
        voice.fill(name)
        with window.expect_request("**/v1/audio/speech") as asked:
            window.get_by_role("button", name="Speak").click()
        assert (asked.value.post_data_json or {}).get("voice", "") == name
    window.unroute(asked_for)
    window.get_by_role("button", name="Ask the model for its voices").click()
    expect(window.get_by_text("The voices of this model")).to_be_visible()
    window.get_by_label("Voice", exact=True).select_option("basso")
    window.get_by_label("Format").select_option("wav")
    window.get_by_label("Speed").fill("1.5")
    window.get_by_label("Play at once").uncheck()
    window.get_by_role("textbox", name="Text").fill("Good morning")
    with window.expect_request("**/v1/audio/speech") as asked:
        window.get_by_role("button", name="Speak").click()
    assert asked.value.post_data_json == {
        "model": "parrot",
        "input": "Good morning",
        "voice": "basso",
        "response_format": "wav",
        "speed": 1.5,
    }
    address, words = copied_as_curl(window)
    assert (address, body_of(words)) == (asked.value.url, asked.value.post_data_json)
    assert words[-2:] == ["-o", "speech.wav"]
    expect(window.locator("audio")).to_have_count(3)
    with window.expect_download() as download:
        window.get_by_role("button", name="Download").first.click()
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
    window.get_by_label("Hint").fill("Zo\N{LATIN SMALL LETTER E WITH DIAERESIS}")
    window.evaluate(NOTE_FORMS)
    for label, form, text in (
        ("text", "json", "I have heard 12 bytes of hello.wav"),
        ("plain text", "text", "I have heard 12 bytes of hello.wav"),
        ("with times (JSON)", "verbose_json", "1.0 s"),
        ("SRT subtitles", "srt", "-->"),
        ("WebVTT subtitles", "vtt", "WEBVTT"),
    ):
        window.get_by_label("Format").select_option(label=label)
        window.get_by_role("button", name="Transcribe").click()
        window.wait_for_function("form => window.sent?.form.get('response_format') === form", arg=form)
        expect(window.get_by_role("region", name="Transcription: result")).to_contain_text(text)
        path, fields, _ = window.evaluate(SENT)
        assert path == "/v1/audio/transcriptions"
        assert fields == [
            ["model", "parrot"], ["response_format", form], ["language", "en"],
            ["prompt", "Zo\N{LATIN SMALL LETTER E WITH DIAERESIS}"], ["file", "hello.wav"],
        ]  # fmt: skip
    address, words = copied_as_curl(window)
    assert address == f"{demo}/v1/audio/transcriptions"
    window.get_by_role("button", name="Copy", exact=True).click()
    expect(window.get_by_role("button", name="Copied", exact=True).last).to_be_visible()
    assert window.evaluate("window.copied").startswith("WEBVTT\n")
    window.get_by_label("Format").select_option("verbose_json")
    assert words[::2] == ["-F"] * len(fields)
    assert words[1::2] == [f"{name}={'@' if name == 'file' else ''}{value}" for name, value in fields]
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
    with window.expect_request("**/v1/rerank") as asked:
        window.get_by_role("button", name="Rerank", exact=True).click()
    sent = asked.value.post_data_json or {}
    assert (sent["model"], sent["query"], len(sent["documents"])) == ("owl", "swapping group", 4)
    assert sent["documents"][-1] == "Another group"
    address, words = copied_as_curl(window)
    assert (address, body_of(words)) == (asked.value.url, sent)
    rows = window.get_by_role("table").locator("tbody tr")
    expect(rows).to_have_count(4)
    expect(rows.first).to_contain_text("+1.000")
    poor = rows.filter(has_text="owl").locator("td").first
    expect(poor).to_have_text("0.000")
    quiet = rows.first.locator("td:nth-child(2)").evaluate("cell => getComputedStyle(cell).color")
    expect(poor.locator("span")).to_have_css("color", quiet)  # a low score is no failure
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
    models = window.locator(".models .list")
    assert models.evaluate("list => list.scrollHeight <= list.clientHeight")  # as many as these are all seen
    for model in ("Hare", "Hare", "Magpie"):
        window.get_by_role("button", name=f"Add a request to {model}").click()
    window.get_by_role("textbox", name="Prompt").fill("count to 9")
    window.get_by_label("Max tokens").fill("40")
    window.get_by_label("At once").fill("2")
    window.get_by_label("Ramp").fill("0.4")
    sent: list[Request] = []
    window.on("request", lambda request: sent.append(request) if request.url.endswith("/v1/chat/completions") else None)
    window.get_by_role("button", name="Go", exact=True).click()
    expect(window.get_by_text("3 of 3 done")).to_be_visible()
    expect(window.get_by_role("button", name="Go", exact=True)).to_be_visible()
    bodies = [request.post_data_json or {} for request in sent]
    assert [body["model"] for body in bodies] == ["hare", "hare", "magpie"]
    assert {(body["messages"][0]["content"], body["max_tokens"]) for body in bodies} == {("count to 9", 40)}
    address, words = copied_as_curl(window)  # one command after the other
    assert address == sent[0].url
    assert [json.loads(words[at + 1]) for at, word in enumerate(words) if word == "-d"] == bodies
    begun = [request.timing["startTime"] for request in sent]
    assert begun[1] - begun[0] >= 300  # ms
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


def test_a_load_test_tells_the_state_of_models_as_every_other_page(demo: str, window: Page) -> None:
    httpx.post(f"{demo}/v1/chat/completions", json={"model": "mole", "messages": []}, timeout=30)
    window.goto(f"{demo}/ui/playground/load-test")
    expect(window.get_by_role("button", name="Add a request to Mole")).to_contain_text("Failed")


def test_a_load_test_tells_waits_for_a_slot_once_they_are_known(
    start_demo: StartDemo, engine: Callable[..., str], desktop: Page, tmp_path: Path
) -> None:
    slow = engine("slow", "--parallel", "1", "--tokens-per-second", "20")
    models = {"slow": {"cmd": slow}, "snail": {"cmd": engine("snail", "--load-seconds", "60")}}
    selectors = {"whichever": {"strategy": "warm", "targets": ["snail"]}}
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps({"startPort": start_port(), "models": models, "selectors": selectors}), encoding="utf-8")
    with start_demo(config=path) as address:
        httpx.post(f"{address}/api/models/load/slow", timeout=30)
        desktop.goto(f"{address}/ui/playground/load-test")
        for _ in range(2):
            desktop.get_by_role("button", name="Add a request to slow").click()
        desktop.get_by_role("textbox", name="Prompt").fill("count to 9")
        desktop.get_by_role("button", name="Go", exact=True).click()
        expect(desktop.get_by_text("2 of 2 done")).to_be_visible()
        lines = desktop.get_by_role("img", name=re.compile("^slow: "))
        expect(lines.filter(visible=True)).to_have_count(2)
        told = [line.get_attribute("aria-label") or "" for line in lines.all()]
        assert any(re.search(r"waiting at its server ([3-9]\d\d ms|\d+(\.\d+)? s)", line) for line in told)
        waited = desktop.get_by_role("row", name=re.compile("^Of that, waiting"))
        expect(waited).to_contain_text(re.compile(r"\d"))
        httpx.post(f"{address}/api/models/unload", timeout=30)
        httpx.post(f"{address}/api/models/load/snail?wait=false", timeout=30)
        expect(desktop.get_by_role("button", name="Add a request to whichever")).to_contain_text("Loading")


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


def test_pictures_are_changed_with_a_mask_and_what_came_is_changed_again(demo: str, window: Page) -> None:
    window.goto(f"{demo}/ui/playground/images")
    choose, mask = window.locator("input[type=file]").first, window.locator("input[type=file]").last
    choose.set_input_files(FilePayload(name="notes.txt", mimeType="text/plain", buffer=b"x"))
    expect(window.get_by_role("alert")).to_contain_text("notes.txt is no JPEG")
    choose.set_input_files(FilePayload(name="cat.png", mimeType="image/png", buffer=PIXEL))
    mask.set_input_files(FilePayload(name="mask.jpg", mimeType="image/jpeg", buffer=b"x"))
    expect(window.get_by_role("alert")).to_contain_text("mask.jpg is no PNG")
    mask.set_input_files(FilePayload(name="mask.png", mimeType="image/png", buffer=PIXEL))
    expect(window.get_by_role("img", name="The mask")).to_be_visible()
    window.get_by_role("textbox", name="Prompt", exact=True).fill("with a hat")
    window.evaluate(NOTE_FORMS)
    window.get_by_role("button", name="Change it").click()
    path, fields, _ = window.evaluate(SENT)
    assert path == "/v1/images/edits"
    assert fields == [
        ["model", "chameleon"], ["prompt", "with a hat"], ["n", "1"], ["size", "512x512"], ["image", "cat.png"],
        ["mask", "mask.png"],
    ]  # fmt: skip
    expect(window.get_by_role("img", name="with a hat")).to_be_visible()
    window.get_by_role("button", name="Change this picture").click()
    sources = window.get_by_role("list", name=re.compile("^Begin with a picture")).get_by_role("listitem")
    expect(sources).to_have_count(1)
    expect(window.get_by_role("img", name="chameleon.png")).to_be_visible()
    expect(window.get_by_role("img", name="The mask")).to_have_count(0)
    window.get_by_role("button", name="Take chameleon.png away").click()
    expect(window.get_by_role("button", name="Generate")).to_be_visible()


def test_several_pictures_are_dropped_and_pasted_and_go_together(demo: str, window: Page) -> None:
    window.goto(f"{demo}/ui/playground/images")
    window.get_by_role("textbox", name="Prompt", exact=True).fill("both in one")
    for kind in ("drop", "paste"):
        window.evaluate(BRING, [kind, f"{kind}.png"])
        expect(window.get_by_role("img", name=f"{kind}.png")).to_be_visible()
    window.evaluate(NOTE_FORMS)
    window.get_by_role("button", name="Change it").click()
    _, fields, _ = window.evaluate(SENT)
    assert fields[-2:] == [["image[]", "drop.png"], ["image[]", "paste.png"]]
    expect(window.get_by_role("img", name="both in one")).to_be_visible()


@pytest.fixture(scope="module")
def recorder(browser: Browser) -> Iterator[Browser]:
    """A browser with a microphone that hums."""
    flags = [*FLAGS, "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with browser.browser_type.launch(executable_path=CHROMIUM, args=flags) as started:
        yield started


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_what_is_recorded_is_transcribed(demo: str, recorder: Browser, size: str) -> None:
    with page_of(recorder, size) as page:
        page.goto(f"{demo}/ui/playground/transcription")
        page.get_by_role("button", name="Record", exact=True).click()
        expect(page.get_by_role("status").filter(has_text="Recording")).to_contain_text("3 s")  # it beeps every second
        page.get_by_role("button", name="End the recording").click()
        expect(page.get_by_text(re.compile(r"^recording-\d{6}\.wav$"))).to_be_visible()
        page.evaluate(NOTE_FORMS)
        page.get_by_role("button", name="Transcribe").click()
        _, _, content = page.evaluate(SENT)
        sound = bytes(content)
        assert (sound[:4], sound[8:16]) == (b"RIFF", b"WAVEfmt ")
        assert int.from_bytes(sound[24:28], "little") == 16_000
        assert any(sound[44:])
        expect(page.get_by_role("region", name="Transcription: result")).to_contain_text("I have heard")


def test_a_microphone_that_cannot_be_used_is_told_with_the_reason(demo: str, window: Page) -> None:
    window.goto(f"{demo}/ui/playground/transcription")
    window.evaluate("""() => {
        navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "NotAllowedError"));
    }""")
    window.get_by_role("button", name="Record", exact=True).click()
    expect(window.get_by_role("alert")).to_contain_text("The microphone is not allowed for this page.")
    window.evaluate("""() => {
        Object.defineProperty(navigator, "mediaDevices", { value: undefined });
        Object.defineProperty(window, "isSecureContext", { value: false });
    }""")
    window.get_by_role("button", name="Record", exact=True).click()
    expect(window.get_by_role("alert")).to_contain_text("only over HTTPS or on the machine itself")
    expect(window.get_by_role("button", name="Choose a file")).to_be_visible()
