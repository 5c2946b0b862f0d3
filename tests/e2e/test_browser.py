"""A browser in front of Swapyard: websockets, pages of other origins, the key as the password of a login.

Chromium, driven by playwright. Where Chromium is missing these tests are skipped, with the reason; `make test` installs it
where it may.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page, sync_playwright

Start = Callable[..., AbstractContextManager[Any]]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; Debian: apt-get install chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS]) as started:
        yield started


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_context() as context:
        yield context.new_page()


@pytest.fixture(scope="module")
def hare(shared_swapyard: Start, scripted: Callable[..., str]) -> Iterator[Any]:
    models = {
        "hare": {"cmd": scripted("hare")},
        "comfyui_auto": {"cmd": scripted("comfyui")},
        "parrot": {"cmd": scripted("parrot", "--kind", "audio")},
        "broken": {"cmd": scripted("broken", "--load-seconds", "30", "--exit-code", "3", "--exit-after", "0.1")},
    }
    with shared_swapyard({"models": models}) as running:
        yield running


ECHO = """async ([address, messages]) => {
  const socket = new WebSocket(address)
  socket.binaryType = "arraybuffer"
  const closed = new Promise(resolve => socket.onclose = event => resolve([event.code, event.wasClean]))
  await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = () => reject("no websocket") })
  const echoed = []
  for (const message of messages) {
    const answer = new Promise(resolve => socket.onmessage = event => resolve(event.data))
    socket.send(typeof message === "number" ? new Uint8Array(message).fill(7) : message)
    const data = await answer
    echoed.push(typeof data === "string" ? data : new Uint8Array(data).filter(byte => byte === 7).length)
  }
  socket.close(1000)
  return [echoed, await closed]
}"""


def test_a_page_of_a_model_talks_to_its_websocket(hare: Any, page: Page) -> None:
    page.goto(hare.address + "/upstream/hare/")
    assert page.inner_text("h1") == "hare"
    messages = ["hello", "", "grüße 🦊", 1, 300_000]
    echoed, (code, was_clean) = page.evaluate(ECHO, ["ws", messages])
    assert echoed == messages
    assert (code, was_clean) == (1000, True)


def test_many_websockets_at_once_and_one_more_when_they_are_over(hare: Any, page: Page) -> None:
    page.goto(hare.address + "/upstream/hare/")
    every = f"addresses => Promise.all(addresses.map(address => ({ECHO})([address, [address]])))"
    for _ in range(2):
        addresses = [f"ws?number={number}" for number in range(8)]
        assert page.evaluate(every, addresses) == [[[address], [1000, True]] for address in addresses]


def test_a_websocket_to_a_model_that_does_not_start_is_an_error_and_hangs_nowhere(hare: Any, page: Page) -> None:
    page.goto(hare.address + "/ui/")
    failed = page.evaluate(
        """address => new Promise(resolve => {
          const socket = new WebSocket(address)
          socket.onclose = event => resolve([event.code, event.wasClean])
        })""",
        f"{hare.address.replace('http', 'ws', 1)}/upstream/broken/ws",
    )
    assert failed == [1006, False]


def test_comfyui_is_loaded_by_its_page_and_not_by_its_websocket(hare: Any, page: Page) -> None:
    hare.unload()
    page.goto(hare.address + "/ui/")
    with pytest.raises(Error, match="no websocket"):
        page.evaluate(ECHO, [hare.address.replace("http", "ws", 1) + "/comfyui/ws", ["too early"]])
    assert hare.states() == {}
    page.goto(hare.address + "/comfyui")
    assert page.url == hare.address + "/comfyui/"
    assert page.inner_text("h1") == "comfyui"
    assert page.evaluate(ECHO, ["ws", ["now", 300_000]])[0] == ["now", 300_000]


def test_a_page_hears_of_models_as_they_change(hare: Any, page: Page) -> None:
    hare.unload()
    page.goto(hare.address + "/ui/")
    states = page.evaluate(
        """() => new Promise(resolve => {
          const events = new EventSource("../api/events")
          const states = []
          events.onopen = () => fetch("../upstream/hare/health")
          events.onmessage = event => {
            const {type, data} = JSON.parse(event.data)
            if (type !== "modelStatus") return
            const {state} = JSON.parse(data).find(model => model.id === "hare")
            if (state !== states.at(-1)) states.push(state)
            if (state === "ready") resolve(states)
          }
        })"""
    )
    assert (states[0], states[-1]) == ("stopped", "ready")


def test_the_key_is_the_password_of_the_browsers_login(
    swapyard: Start, scripted: Callable[..., str], browser: Browser
) -> None:
    with swapyard({"apiKeys": ["sk-gateway"], "models": {"hare": {"cmd": scripted("hare")}}}) as running:
        with browser.new_context() as context, pytest.raises(Error, match="AUTH_CREDENTIALS"):  # it asked for a password
            context.new_page().goto(running.address + "/upstream/hare/")
        with browser.new_context(http_credentials={"username": "anybody", "password": "sk-gateway"}) as context:
            page = context.new_page()
            page.goto(running.address + "/upstream/hare/")
            assert page.inner_text("h1") == "hare"
            assert page.evaluate(ECHO, ["ws", ["with the key"]])[0] == ["with the key"]


# --- pages of other origins ------------------------------------------------------------------------------------------------


class Elsewhere(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title>")

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def elsewhere(page: Page) -> Iterator[Page]:
    """A page whose origin is another server's."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        yield page
        server.shutdown()
        thread.join()


ASK = """async ([address, body, headers]) => {
  const options = body === null ? {headers} : {method: "POST", body: JSON.stringify(body), headers}
  const answer = await fetch(address, options)
  return [answer.status, await answer.json()]
}"""
JSON = {"Content-Type": "application/json"}


def question(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Who are you?"}], **more}


def test_a_page_of_another_origin_reads_answers_and_lists(hare: Any, elsewhere: Page) -> None:
    status, answer = elsewhere.evaluate(ASK, [hare.address + "/v1/chat/completions", question("hare"), JSON])
    assert status == 200
    assert "Who are you?" in answer["choices"][0]["message"]["content"]
    status, listing = elsewhere.evaluate(ASK, [hare.address + "/v1/models", None, {"Authorization": "Bearer whatever"}])
    assert (status, [model["id"] for model in listing["data"]]) == (200, ["broken", "comfyui_auto", "hare", "parrot"])


def test_a_page_of_another_origin_reads_a_stream(hare: Any, elsewhere: Page) -> None:
    text = elsewhere.evaluate(
        """async ([address, body]) => {
          const answer = await fetch(address, {method: "POST", body: JSON.stringify(body)})
          const pieces = answer.body.pipeThrough(new TextDecoderStream()).getReader()
          let text = ""
          for (let piece = await pieces.read(); !piece.done; piece = await pieces.read()) text += piece.value
          return text
        }""",
        [hare.address + "/v1/chat/completions", question("hare", stream=True)],
    )
    assert text.endswith("data: [DONE]\n\n")


def test_a_page_of_another_origin_uploads_a_form(hare: Any, elsewhere: Page) -> None:
    text = elsewhere.evaluate(
        """async address => {
          const form = new FormData()
          form.append("file", new Blob([new Uint8Array(2000000)]), "a.wav")
          form.append("model", "parrot")
          return (await (await fetch(address, {method: "POST", body: form})).json()).text
        }""",
        hare.address + "/v1/audio/transcriptions",
    )
    assert text == "This is parrot. I have heard 2000000 bytes of a.wav."


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/chat/completions", question("hair"), 404, "model_not_found"),
        ("/v1/chat/completions", question("broken"), 502, "model_start_failed"),
        ("/v1/chat/completions", {"messages": []}, 400, "bad_request"),
        ("/v1/chat/completions", None, 405, "method_not_allowed"),
        ("/v1/chat/completion", question("hare"), 404, "not_found"),
        ("/running", question("hare"), 405, "method_not_allowed"),
    ],
)
def test_a_page_of_another_origin_reads_errors(
    hare: Any, elsewhere: Page, path: str, body: Any, status: int, code: str
) -> None:
    found, error = elsewhere.evaluate(ASK, [hare.address + path, body, JSON])
    assert (found, error["error"]["code"]) == (status, code)


def test_a_page_of_another_origin_reads_that_its_key_is_wrong(
    swapyard: Start, scripted: Callable[..., str], elsewhere: Page
) -> None:
    with swapyard({"apiKeys": ["sk-gateway"], "models": {"hare": {"cmd": scripted("hare")}}}) as running:
        address = running.address + "/v1/chat/completions"
        status, error = elsewhere.evaluate(ASK, [address, question("hare"), JSON | {"Authorization": "Bearer sk-wrong"}])
        assert (status, error["error"]["code"]) == (401, "unauthorized")
        status, _ = elsewhere.evaluate(ASK, [address, question("hare"), JSON | {"Authorization": "Bearer sk-gateway"}])
        assert status == 200
