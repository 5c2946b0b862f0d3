"""Chatting: every user action, at both sizes, with scripted models that load, swap and fail."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, FilePayload, Locator, Page, Route, expect
from tests.ports import start_port
from tests.ui.conftest import page_of

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478da63fccfc0500f00048101"
    "80a9c9b2dd0000000049454e44ae426082"
)
TYPED = {
    "Temperature": "0.3", "Max tokens": "5", "Top p": "0.9", "Top k": "40", "Min p": "0.05", "Typical p": "0.8",
    "Presence penalty": "0.1", "Frequency penalty": "0.2", "Repeat penalty": "1.1", "Repeat window": "32", "Seed": "7",
}  # fmt: skip


@pytest.fixture(scope="module")
def stage(
    start_demo: Callable[..., AbstractContextManager[str]],
    engine: Callable[..., str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """Two models that swap, of which one loads slowly, one that reads slowly, one that fails, and loading texts."""
    config = {
        "startPort": start_port(),
        "sendLoadingState": True,
        "models": {
            "hare": {"name": "Hare", "cmd": engine("hare", "--tokens-per-second", "400"), "aliases": ["fast"]},
            "tortoise": {"name": "Tortoise", "cmd": engine("tortoise", "--load-seconds", "2.5")},
            "reader": {"name": "Reader", "cmd": engine("reader", "--prompt-tokens-per-second", "2")},
            "broken": {
                "name": "Broken",
                "cmd": engine("broken", "--load-seconds", "30", "--exit-code", "3", "--exit-after", "0.1"),
            },
        },
        "groups": {
            "chat": {"members": ["hare", "tortoise"]},
            "apart": {"swap": False, "exclusive": False, "members": ["reader"]},
        },
        "selectors": {"whichever": {"strategy": "warm", "targets": ["tortoise"]}},
    }
    path = tmp_path_factory.mktemp("stage") / "config.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")
    with start_demo(config=path) as address:
        yield address


def begin(page: Page, address: str, model: str = "hare") -> None:
    page.goto(f"{address}/ui/playground?model={model}")
    expect(page.get_by_role("button", name=re.compile("^Model: "))).to_be_visible()


def write(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="Message", exact=True).fill(text)
    expect(page.get_by_role("button", name=re.compile("^(Send|Stop)")).first).to_be_enabled()  # not before it is connected
    page.keyboard.press("Enter")


def answers(page: Page) -> Locator:
    return page.locator("article.answer")


def ask(page: Page, text: str) -> Locator:
    """Returns the answer, which is over."""
    write(page, text)
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    return answers(page).last


def sent(page: Page, act: Callable[[], object]) -> dict[str, Any]:
    """The body of the chat that `act` brings about."""
    with page.expect_request(lambda request: request.method == "POST" and "/v1/" in request.url) as asked:
        act()
    body: dict[str, Any] = json.loads(asked.value.post_data or "{}")
    return body


def saying(page: Page, *events: str) -> None:
    """From now on chats are answered with these events."""
    body = "".join(f"data: {event}\n\n" for event in events)

    def answer(route: Route) -> None:
        route.fulfill(status=200, headers={"Content-Type": "text/event-stream"}, body=body)

    page.route("**/v1/chat/completions", answer)


def delta(**fields: str) -> str:
    return json.dumps({"choices": [{"delta": fields}]})


@pytest.mark.parametrize(
    ("endpoint", "path"), [("chat", "v1/chat/completions"), ("messages", "v1/messages"), ("responses", "v1/responses")]
)
def test_each_endpoint_answers_with_numbers(stage: str, window: Page, endpoint: str, path: str) -> None:
    begin(window, stage)
    window.get_by_role("button", name="Settings of this chat").click()
    window.get_by_label("Endpoint").select_option(endpoint)
    window.get_by_role("button", name="Done").click()
    with window.expect_request(f"**/{path}") as asked:
        answer = ask(window, "Who are you?")
    assert re.fullmatch("sypg-[a-z0-9]{5}", asked.value.headers["x-session-id"])
    expect(answer).to_contain_text("This is hare.")
    # Without the engine's own figures a short answer has no speed: it may come in one piece.
    words = ["prompt", "generated", "prefill", "first token", "total", "finish", *(["decode"] if endpoint == "chat" else [])]
    for word in words:
        expect(answer.locator("dt", has_text=re.compile(f"^{word}$"))).to_be_visible()


def test_a_load_is_shown_as_a_load_and_never_as_reasoning(stage: str, window: Page) -> None:
    httpx.post(f"{stage}/api/models/unload", timeout=30)
    begin(window, stage, "tortoise")
    expect(window.get_by_text("Tortoise is not loaded")).to_be_visible()
    write(window, "Who are you?")
    expect(answers(window).last).to_contain_text("Tortoise is being loaded")
    expect(window.get_by_role("progressbar")).to_be_visible()
    expect(window.get_by_text("Reasoning")).to_have_count(0)
    expect(answers(window).last).to_contain_text("This is tortoise.")
    expect(answers(window).last.locator("dt", has_text="waited")).to_be_visible()
    expect(window.get_by_text("What the server said while it loaded the model")).to_be_visible()
    expect(window.get_by_text("Reasoning")).to_have_count(0)
    expect(window.get_by_text("\u2501")).to_have_count(0)


def test_who_queues_is_told_its_place_for_whom_why_and_for_how_long(stage: str, window: Page) -> None:
    for model in ("tortoise", "hare"):  # from then on it is known what a load takes
        httpx.post(f"{stage}/api/models/load/{model}", timeout=30)
    begin(window, stage, "tortoise")
    with streaming(stage, "hare", "count to 2000") as busy:
        httpx.post(f"{stage}/api/models/load/tortoise?wait=false", timeout=30)  # has a place in the server's queue, too
        write(window, "Who are you?")
        answer = answers(window).last
        expect(answer).to_contain_text("Waiting for Tortoise: place 1 of 1")
        expect(answer).to_contain_text(re.compile(r"Hare must finish first, then about \d s to load"))
        window.get_by_role("button", name="Stop", exact=True).click()
        with streaming(stage, "tortoise", "count to 3"):
            write(window, "Who are you?")
            expect(answers(window).last).to_contain_text("Waiting for Tortoise: place 2 of 2")
            busy.close()
            expect(answers(window).last).to_contain_text(re.compile(r"Tortoise is being loaded: \d s of about \d"))
            expect(answers(window).last).to_contain_text("This is tortoise.")


@contextmanager
def streaming(address: str, model: str, text: str) -> Iterator[httpx.Response]:
    """A request of somebody else's, from when it is known until the end of the block."""
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": text}]}
    with httpx.stream("POST", f"{address}/v1/chat/completions", json=body, timeout=30) as answer:
        lines = answer.iter_lines()  # dropping them would end the answer
        next(lines)
        yield answer


def test_the_reading_of_the_prompt_is_a_phase_of_its_own(stage: str, window: Page) -> None:
    httpx.post(f"{stage}/api/models/load/reader", timeout=30)
    begin(window, stage, "reader")
    write(window, "Please read this prompt slowly")
    expect(answers(window).last).to_contain_text("Reader reads the prompt (prefill)")
    expect(window.get_by_text("Waiting for")).to_have_count(0)
    expect(answers(window).last).to_contain_text("This is reader.")


def test_it_begins_with_a_model_that_is_ready_and_goes_on_with_the_last_one(stage: str, window: Page) -> None:
    httpx.post(f"{stage}/api/models/load/hare", timeout=30)
    window.goto(f"{stage}/ui/playground/chat")
    expect(window.get_by_role("button", name="Model: Hare")).to_contain_text("Ready")
    choose(window, "reader")
    ask(window, "Hi")
    httpx.post(f"{stage}/api/models/unload/reader", timeout=30)
    window.goto(f"{stage}/ui/playground/chat")
    window.get_by_role("button", name="New chat").locator("visible=true").first.click()
    expect(window.get_by_role("button", name="Model: Reader")).to_contain_text("Stopped")


def test_an_answer_is_copied_as_the_request_that_it_answers(stage: str, window: Page) -> None:
    begin(window, stage)
    window.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text }")
    window.get_by_role("button", name="Settings of this chat").click()
    window.get_by_role("textbox", name="System prompt").fill("It's brief.")
    window.get_by_label("Seed", exact=True).fill("7")
    window.get_by_role("button", name="Done").click()
    body = sent(window, lambda: ask(window, "First"))
    window.get_by_role("button", name="Settings of this chat").click()
    window.get_by_label("Seed", exact=True).fill("8")
    window.get_by_role("button", name="Done").click()
    ask(window, "Second")
    answers(window).first.get_by_title("Copy the request as curl").click()
    program, address, *words = shlex.split(window.evaluate("window.copied"))
    assert (program, address) == ("curl", f"{stage}/v1/chat/completions")
    assert json.loads(words[words.index("-d") + 1]) == body
    assert body["seed"] == 7
    assert body["messages"][0]["content"] == "It's brief."


def test_reasoning_is_folded_with_its_length(stage: str, window: Page) -> None:
    begin(window, stage)
    saying(window, delta(reasoning_content="Hm, let me see."), delta(content="Done."), "[DONE]")
    answer = ask(window, "Think")
    expect(answer.get_by_text("15 characters")).to_be_visible()
    expect(answer.get_by_text("Hm, let me see.")).to_be_hidden()
    answer.locator("summary").click()
    expect(answer.get_by_text("Hm, let me see.")).to_be_visible()


def test_hostile_answers_stay_text(stage: str, window: Page) -> None:
    hostile = (
        "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>\n\n<svg onload=window.hacked=1>\n\n"
        "[link](javascript:window.hacked=1) ![picture](https://evil.example/x.png)\n\n"
        "```js\n</code></pre><img src=x onerror=window.hacked=1>\n```\n\n"
        "$\\href{javascript:window.hacked=1}{x}$ $$\\includegraphics{https://evil.example/x.png}$$\n\n"
        "<form action=https://evil.example><button>Sign in</button></form>"
    )
    asked: list[str] = []
    window.on("request", lambda request: asked.append(request.url))
    begin(window, stage)
    saying(window, *(delta(content=letter) for letter in hostile), "[DONE]")
    answer = ask(window, "Be evil")
    expect(answer).to_contain_text("onerror='window.hacked=1'")
    expect(answer.locator("pre code")).to_contain_text("</code></pre><img")
    expect(answer.locator(".markdown :is(img, script, svg, form, iframe, style)")).to_have_count(0)
    expect(answer.locator("a[href^='javascript']")).to_have_count(0)
    assert window.evaluate("window.hacked") is None
    assert not [url for url in asked if "evil.example" in url]


def test_markdown_code_and_formulas_are_drawn(stage: str, window: Page) -> None:
    table = "| a | b |\n|---|---|\n| 1 | 2 |"
    text = f"# Title\n\n- one\n- two\n\n{table}\n\n```python\ndef f(): return 'x'\n```\n\n$$\\frac{{1}}{{2}}$$"
    begin(window, stage)
    saying(window, delta(content=text), "[DONE]")
    answer = ask(window, "Show")
    expect(answer.locator("ul li")).to_have_count(2)
    expect(answer.locator("td")).to_have_count(2)
    expect(answer.locator(".hljs-keyword").first).to_have_text("def")
    expect(answer.locator(".katex-html")).to_be_visible()
    window.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text }")
    for label, copied in (
        ("Copy this answer", text),
        ("Copy this code", "def f(): return 'x'"),
        ("Copy this message", "Show"),
    ):
        window.get_by_role("button", name=label).click()
        window.wait_for_function("text => window.copied?.trim() === text", arg=copied)
    expect(window.locator("h1")).to_have_count(1)
    answer.get_by_role("button", name="Show its plain text").click()
    expect(answer.locator("pre.raw")).to_contain_text("| 1 | 2 |")


def test_errors_stand_by_themselves_and_are_not_sent_back(stage: str, window: Page) -> None:
    begin(window, stage, "broken")
    write(window, "Hello?")
    expect(window.get_by_role("alert").first).to_contain_text("exit")
    window.goto(f"{stage}/ui/playground")
    expect(window.get_by_role("alert").first).to_contain_text("exit")
    choose(window, "hare")
    body = sent(window, lambda: write(window, "And now?"))
    assert body["messages"] == [{"role": "user", "content": "Hello?\n\nAnd now?"}]
    expect(answers(window).last).to_contain_text("This is hare.")


def choose(page: Page, words: str, label: str = "Model") -> None:
    page.get_by_role("button", name=re.compile(f"^{label}: ")).click()
    page.keyboard.type(words)
    page.keyboard.press("Enter")


def test_failures_inside_a_stream_are_told_and_what_came_stays(stage: str, window: Page) -> None:
    begin(window, stage)
    saying(window, delta(content="Half an"), '{"error": {"message": "out of memory"}}')
    answer = ask(window, "Go")
    expect(answer).to_contain_text("Half an")
    expect(answer.get_by_role("alert")).to_contain_text("out of memory")
    window.route("**/api/events", lambda route: route.fulfill(status=503))
    window.reload()
    expect(answer.get_by_role("alert")).to_contain_text("out of memory")
    expect(answer.get_by_role("button", name="Try again")).to_be_disabled()  # nothing is sent while the server is not heard
    window.get_by_role("button", name="Edit this message").click()
    expect(window.get_by_role("button", name="Ask again")).to_be_disabled()
    window.get_by_role("textbox", name="Edit your message").press("Enter")
    expect(answers(window)).to_have_count(1)
    window.get_by_role("button", name="Cancel", exact=True).click()
    window.unroute("**/api/events")
    window.unroute("**/v1/chat/completions")
    answer.get_by_role("button", name="Try again").click()
    expect(answers(window).last).to_contain_text("This is hare.")


def test_stop_keeps_what_came(stage: str, window: Page) -> None:
    begin(window, stage)
    write(window, "count to 3000")
    expect(answers(window).last).to_contain_text("1 2 3")
    window.get_by_role("button", name="Stop").click()
    expect(answers(window).last.locator("dd", has_text="stopped")).to_be_visible()
    expect(answers(window).last).to_contain_text("1 2 3")


def test_edits_and_new_answers_are_branches(stage: str, window: Page) -> None:
    begin(window, stage)
    ask(window, "count to 3")
    window.get_by_role("button", name="Edit this message").click()
    window.get_by_role("textbox", name="Edit your message").fill("count to 5")
    window.keyboard.press("Enter")
    expect(answers(window)).to_contain_text("1 2 3 4 5")
    expect(window.locator("article.question")).to_contain_text("2 / 2")
    window.get_by_role("button", name="The version before").click()
    expect(window.locator("article.question p")).to_have_text("count to 3")
    window.get_by_role("button", name="Answer again").click()
    expect(answers(window)).to_contain_text("2 / 2")
    window.get_by_role("button", name="Edit this message").click()
    window.keyboard.press("Escape")
    expect(window.get_by_role("textbox", name="Edit your message")).to_have_count(0)


def open_list(page: Page) -> None:
    button = page.get_by_role("button", name="Chats", exact=True)
    if button.is_visible():
        button.click()


def shown_list(page: Page) -> Locator:
    return page.get_by_role("list", name="Chats").locator("visible=true")


def test_chats_are_kept_named_and_deleted(stage: str, window: Page) -> None:
    begin(window, stage)
    ask(window, "First question")
    window.get_by_role("button", name="New chat").locator("visible=true").first.click()
    ask(window, "Second question")
    window.reload()
    expect(window.locator("article.question p")).to_have_text("Second question")
    open_list(window)
    shown_list(window).get_by_role("button", name=re.compile("^First question")).click()
    expect(window.locator("article.question p")).to_have_text("First question")
    expect(window).to_have_url(re.compile(r"playground/chat\?chat=\w+"))
    address = window.url
    open_list(window)
    window.get_by_role("button", name="What to do with First question").locator("visible=true").click()
    window.get_by_role("menuitem", name="Rename").click()
    window.get_by_role("textbox", name="Name of the chat").fill("Renamed")
    window.keyboard.press("Enter")
    expect(shown_list(window).get_by_text("Renamed")).to_be_visible()
    window.get_by_role("button", name="What to do with Renamed").locator("visible=true").click()
    window.get_by_role("menuitem", name="Delete").click()
    expect(shown_list(window).get_by_text("Renamed")).to_have_count(0)
    window.goto(address)
    expect(window.locator("article.question")).to_have_count(0)


def test_a_deleted_chat_comes_back(stage: str, desktop: Page) -> None:
    begin(desktop, stage)
    ask(desktop, "Keep me")
    desktop.get_by_role("button", name="What to do with Keep me").click()
    desktop.get_by_role("menuitem", name="Delete").click()
    desktop.get_by_role("button", name="Undo").click()
    expect(desktop.locator("article.question p")).to_have_text("Keep me")


def test_a_chat_is_exported(stage: str, desktop: Page) -> None:
    begin(desktop, stage)
    ask(desktop, "Export me")
    found = {}
    for item in ("Markdown", "JSON"):
        desktop.get_by_role("button", name="What to do with Export me").click()
        with desktop.expect_download() as download:
            desktop.get_by_role("menuitem", name=f"Export as {item}").click()
        found[download.value.suggested_filename] = Path(download.value.path()).read_text(encoding="utf-8")
    assert "## You\n\nExport me\n\n## hare\n\nThis is hare." in found["export-me.md"]
    assert [node["role"] for node in json.loads(found["export-me.json"])["nodes"]] == ["user", "assistant"]


def test_an_answer_goes_on_while_another_page_is_looked_at(stage: str, window: Page) -> None:
    begin(window, stage)
    write(window, "count to 600")
    expect(answers(window).last).to_contain_text("1 2 3")
    window.evaluate("history.pushState(null, '', '../models'); dispatchEvent(new PopStateEvent('popstate'))")
    expect(window.locator("h1")).to_have_text("Models")
    window.go_back()
    expect(answers(window).last).to_contain_text("599 600")


# Files of these names and sizes, in bytes.
DROP = """(field, files) => {
    const transfer = new DataTransfer();
    for (const [name, size] of files) transfer.items.add(new File([new Uint8Array(size)], name, { type: "image/png" }));
    field.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


def test_pictures_are_chosen_pasted_and_dropped(stage: str, window: Page) -> None:
    begin(window, stage)
    choice = FilePayload(name="one.png", mimeType="image/png", buffer=PIXEL)
    window.get_by_role("region", name="Chat", exact=True).locator("input[type=file]").set_input_files(choice)
    field = window.get_by_role("textbox", name="Message", exact=True)
    transfer = """bytes => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(bytes)], "two.png", { type: "image/png" }));
        return transfer;
    }"""
    for kind in ("paste", "drop"):
        handle = window.evaluate_handle(transfer, [*PIXEL, len(kind)])
        field.evaluate(
            """(element, [kind, transfer]) => element.dispatchEvent(kind === "paste"
                ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true })
                : new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }))""",
            [kind, handle],
        )
    pictures = window.get_by_role("list", name="Pictures that go along").locator("li")
    expect(pictures).to_have_count(3)
    window.get_by_role("button", name="Take picture 3 away").click()
    expect(pictures).to_have_count(2)
    window.get_by_role("region", name="Chat", exact=True).locator("input[type=file]").set_input_files(
        FilePayload(name="x.svg", mimeType="image/svg+xml", buffer=b"<svg/>")
    )
    expect(window.get_by_role("alert")).to_contain_text("x.svg is no JPEG")
    field.evaluate(DROP, [["big.png", 20 * 1024 * 1024 + 1]])
    expect(window.get_by_role("alert")).to_have_text("big.png is larger than 20 MiB.")
    field.evaluate(DROP, [[f"{n}.png", n] for n in range(1, 5)])
    expect(window.get_by_role("alert")).to_have_text("Not more than 5 pictures go along at once.")
    expect(pictures).to_have_count(5)
    for at in (5, 4, 3):
        window.get_by_role("button", name=f"Take picture {at} away").click()
    body = sent(window, lambda: write(window, "What is this?"))
    kinds = [part["type"] for part in body["messages"][0]["content"]]
    assert kinds == ["text", "image_url", "image_url"]
    window.get_by_role("button", name="Show picture 1 full size").click()
    expect(window.get_by_role("dialog")).to_be_visible()
    window.keyboard.press("Escape")
    expect(window.get_by_role("dialog")).to_have_count(0)


def test_every_setting_reaches_the_request(stage: str, window: Page) -> None:
    begin(window, stage)
    window.get_by_role("button", name="Settings of this chat").click()
    window.get_by_role("textbox", name="System prompt").fill("Be brief.")
    for label, value in TYPED.items():
        window.get_by_label(label, exact=True).fill(value)
    window.get_by_label("Reasoning effort").select_option("low")
    window.get_by_label("Form of the answer").select_option("json")
    window.get_by_label("Stop texts").fill("END\nSTOP")
    window.get_by_label("Extra JSON").fill("[1]")
    expect(window.get_by_text("It has to be an object")).to_be_visible()
    window.get_by_label("Extra JSON").fill('{"mirostat": 2}')
    window.get_by_role("button", name="Done").click()
    body = sent(window, lambda: write(window, "count to 50"))
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    for name in ("model", "messages", "stream", "stream_options"):
        del body[name]
    assert body == {
        "temperature": 0.3, "max_tokens": 5, "top_p": 0.9, "top_k": 40, "min_p": 0.05, "typical_p": 0.8,
        "presence_penalty": 0.1, "frequency_penalty": 0.2, "repeat_penalty": 1.1, "repeat_last_n": 32, "seed": 7,
        "reasoning_effort": "low", "response_format": {"type": "json_object"}, "stop": ["END", "STOP"], "mirostat": 2,
    }  # fmt: skip
    expect(answers(window).last.locator("dd", has_text="the most tokens were reached")).to_be_visible()
    others: dict[str, dict[str, Any]] = {
        "messages": {"system": "Be brief.", "max_tokens": 5, "top_k": 40, "stop_sequences": ["END", "STOP"]},
        "responses": {
            "instructions": "Be brief.",
            "max_output_tokens": 5,
            "reasoning": {"effort": "low"},
            "text": {"format": {"type": "json_object"}},
        },
    }
    for endpoint, its_own in others.items():
        window.get_by_role("button", name="Settings of this chat").click()
        window.get_by_label("Endpoint").select_option(endpoint)
        expect(window.get_by_text("Not part of this API, so not sent")).to_be_visible()
        window.get_by_role("button", name="Done").click()
        body = sent(window, lambda: write(window, "count to 50"))
        for name in ("model", "messages", "input", "stream"):
            body.pop(name, None)
        assert body == {"temperature": 0.3, "top_p": 0.9, "mirostat": 2, **its_own}
        expect(window.get_by_role("button", name="Send")).to_be_visible()


def test_two_models_answer_side_by_side(stage: str, desktop: Page) -> None:
    begin(desktop, stage)
    choose(desktop, "tortoise", "Second model")
    write(desktop, "Who are you?")
    expect(answers(desktop)).to_have_count(2)
    expect(answers(desktop).nth(0)).to_contain_text("This is hare.")
    expect(answers(desktop).nth(1)).to_contain_text("This is tortoise.")
    desktop.get_by_role("button", name="Go on with this one").click()
    choose(desktop, "", "Second model")
    body = sent(desktop, lambda: write(desktop, "Really?"))
    assert "This is tortoise." in body["messages"][1]["content"]


def test_the_picker_finds_models_by_alias_and_tells_their_state(stage: str, window: Page) -> None:
    httpx.post(f"{stage}/api/models/load/hare", timeout=30)
    begin(window, stage)
    window.get_by_role("button", name=re.compile("^Model: ")).click()
    expect(window.get_by_role("option", name="Hare")).to_contain_text("Ready")
    window.keyboard.type("nothing like it")
    expect(window.get_by_text("No model has these words.")).to_be_visible()
    window.get_by_role("combobox").fill("fast")
    expect(window.get_by_role("option")).to_have_count(2)
    window.get_by_role("option", name="fast").click()
    expect(window.get_by_role("button", name="Model: fast")).to_be_visible()


def test_models_that_are_made_for_something_else_are_offered_when_they_are_asked_for(demo: str, window: Page) -> None:
    begin(window, demo)
    window.get_by_role("button", name=re.compile("^Model: ")).click()
    chats = ["Whichever", "Hare", "Magpie", "Tortoise", "Mole"]
    offered = window.get_by_role("option").filter(has=window.locator("svg"))
    for name in chats:
        expect(offered.filter(has_text=name)).to_have_count(1)
    expect(offered).to_have_count(len(chats))
    window.get_by_role("combobox", name="Search model").fill("owl")
    expect(window.get_by_text("No model for this has these words.")).to_be_visible()
    window.get_by_role("button", name="Show 1 model made for something else").click()
    window.get_by_role("option", name="Owl").click()
    window.get_by_role("button", name="Model: Owl").click()
    expect(window.get_by_role("option", name="Owl")).to_be_visible()  # as what is chosen
    expect(window.get_by_role("option", name="Parrot")).to_have_count(0)
    window.goto(f"{demo}/ui/playground/load-test")
    expect(window.get_by_role("button", name="Add a request to Hare")).to_be_visible()
    expect(window.get_by_role("button", name="Add a request to Owl")).to_have_count(0)
    window.get_by_role("button", name="Show 4 models made for something else").click()
    expect(window.get_by_role("button", name="Add a request to Owl")).to_be_visible()


def test_the_conversation_follows_its_end_until_somebody_scrolls_up(stage: str, window: Page) -> None:
    begin(window, stage)
    ask(window, "count to 900")
    write(window, "count to 2500")
    expect(answers(window).last).to_contain_text("1 2 3")
    scroller = window.get_by_role("region", name="Conversation")
    away = "element => element.scrollHeight - element.scrollTop - element.clientHeight"
    expect(answers(window).last).to_contain_text(" 300 ")
    assert scroller.evaluate(away) <= 200  # it grows while we look
    scroller.evaluate("element => element.scrollTo(0, 0)")
    expect(window.get_by_role("button", name="To the end")).to_be_visible()
    window.get_by_role("button", name="Stop").click()
    assert scroller.evaluate("element => element.scrollTop") == 0
    window.get_by_role("button", name="To the end").click()
    expect(window.get_by_role("button", name="To the end")).to_have_count(0)
    assert scroller.evaluate(away) <= 40


def test_a_long_message_is_written_in_a_large_field(stage: str, window: Page) -> None:
    begin(window, stage)
    field = window.get_by_role("textbox", name="Message", exact=True)
    field.press_sequentially("One")
    window.keyboard.press("Shift+Enter")
    field.press_sequentially("two")
    expect(field).to_have_value("One\ntwo")
    expect(window.locator("article")).to_have_count(0)  # nothing was sent
    for way, kept in (("Cancel", "One\ntwo"), ("Done", "Three\nfour")):
        window.get_by_role("button", name="Write in a large field").click()
        window.get_by_role("dialog").get_by_role("textbox").fill("Three\nfour")
        window.get_by_role("dialog").get_by_role("button", name=way, exact=True).click()
        expect(field).to_have_value(kept)
    assert sent(window, lambda: field.press("Enter"))["messages"] == [{"role": "user", "content": "Three\nfour"}]


def test_the_key_of_the_sign_in_is_sent(
    start_demo: Callable[..., AbstractContextManager[str]], engine: Callable[..., str], browser: Browser, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    models = {"hare": {"cmd": engine("hare")}}
    config.write_text(json.dumps({"startPort": start_port(), "apiKeys": ["sk-1"], "models": models}), encoding="utf-8")
    with start_demo(config=config) as address, page_of(browser, "desktop") as page:
        page.goto(f"{address}/ui/playground/chat")
        page.get_by_label("API key").fill("sk-1")
        page.get_by_role("button", name="Sign in").click()
        expect(ask(page, "Who are you?")).to_contain_text("This is hare.")


def test_heavy_code_is_fetched_only_where_it_is_needed(stage: str, window: Page) -> None:
    asked: list[str] = []
    window.on("request", lambda request: asked.append(request.url))
    window.goto(f"{stage}/ui/models")
    expect(window.locator("h1")).to_be_visible()
    assert not re.search("Chat-|katex|common-", " ".join(asked))
    begin(window, stage)
    ask(window, "Who are you?")
    assert not re.search("katex|common-", " ".join(asked))


@pytest.mark.parametrize("leave", ["reload", "goto"])
def test_what_was_sent_is_there_however_soon_the_page_is_left(stage: str, window: Page, leave: str) -> None:
    begin(window, stage, "tortoise")
    window.get_by_role("textbox", name="Message", exact=True).fill("Do not lose this")
    # In one script, so that nothing that the page does later can be what keeps it.
    window.evaluate(
        """leave => {
            const enter = new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true });
            document.querySelector("textarea").dispatchEvent(enter);
            if (leave === "reload") location.reload();
            else location.href = "about:blank";
        }""",
        leave,
    )
    if leave != "reload":
        window.wait_for_url("about:blank")
        window.goto(f"{stage}/ui/playground")
    expect(window.locator("article.question p")).to_have_text("Do not lose this")
    expect(answers(window)).to_contain_text("The page was left before this answer was over.")
    window.get_by_role("button", name="Answer again").click()
    expect(answers(window).last).to_contain_text("This is tortoise.")


def test_what_is_being_typed_is_there_after_a_reload(stage: str, window: Page) -> None:
    begin(window, stage)
    window.get_by_role("textbox", name="Message", exact=True).fill("Not yet sen")
    window.reload()
    expect(window.get_by_role("textbox", name="Message", exact=True)).to_have_value("Not yet sen")
    ask(window, "Sent")
    window.get_by_role("textbox", name="Message", exact=True).fill("In the first")
    window.get_by_role("button", name="New chat").locator("visible=true").first.click()
    expect(window.get_by_role("textbox", name="Message", exact=True)).to_have_value("")
    open_list(window)
    shown_list(window).get_by_role("button", name=re.compile("^Sent")).click()
    expect(window.get_by_role("textbox", name="Message", exact=True)).to_have_value("In the first")


def test_what_an_answer_has_said_is_there_after_a_reload(stage: str, window: Page) -> None:
    begin(window, stage)
    write(window, "count to 5000")
    expect(answers(window).last).to_contain_text(" 40 ")
    window.reload()
    expect(answers(window).last).to_contain_text(" 40 ")
    expect(answers(window).last).to_contain_text("The page was left before this answer was over.")


def test_a_chat_that_was_deleted_does_not_come_back_however_soon_the_page_is_left(stage: str, desktop: Page) -> None:
    begin(desktop, stage)
    ask(desktop, "Delete me")
    desktop.get_by_role("button", name="What to do with Delete me").click()
    desktop.get_by_role("menuitem", name="Delete").evaluate("item => { item.click(); location.reload(); }")
    expect(desktop.get_by_text("Chats are kept here, in this browser.")).to_be_visible()


def test_an_exported_chat_is_imported_and_a_bad_file_is_told_what_is_wrong(stage: str, window: Page) -> None:
    begin(window, stage)
    ask(window, "Take me along")
    open_list(window)
    window.get_by_role("button", name="What to do with Take me along").locator("visible=true").click()
    with window.expect_download() as download:
        window.get_by_role("menuitem", name="Export as JSON").click()
    chat = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    picker = window.locator("input[type=file][accept*=json]").last
    for content, fault in {
        "{": "chat.json cannot be imported. It is not JSON",
        json.dumps({**chat, "nodes": [{**chat["nodes"][0], "text": 5}]}): "“nodes[0].text” has to be a text.",
    }.items():
        picker.set_input_files(FilePayload(name="chat.json", mimeType="application/json", buffer=content.encode()))
        expect(window.get_by_role("alert").locator("visible=true")).to_contain_text(fault)
    content = json.dumps({**chat, "title": "Another name"})
    picker.set_input_files(FilePayload(name="chat.json", mimeType="application/json", buffer=content.encode()))
    expect(window).to_have_url(re.compile(r"chat=\w+"))
    open_list(window)
    expect(shown_list(window).get_by_text("Another name")).to_be_visible()
    expect(shown_list(window).get_by_text("Take me along")).to_be_visible()  # the first one is still there
    shown_list(window).get_by_role("button", name=re.compile("^Another name")).click()
    window.reload()
    expect(answers(window)).to_contain_text("This is hare.")
