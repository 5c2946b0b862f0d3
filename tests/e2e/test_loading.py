"""Real clients that stream while their model loads (`sendLoadingState`); row 19 of docs/reliability.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import anthropic
import httpx
import openai
import pytest

Start = Callable[..., AbstractContextManager[Any]]
QUESTION: Any = [{"role": "user", "content": "Who are you?"}]
DYING = ("--load-seconds", "30", "--exit-code", "3", "--exit-after")


@pytest.fixture
def running(swapyard: Start, scripted: Callable[..., str]) -> Iterator[Any]:
    models = {
        "slow": {"cmd": scripted("slow", "--load-seconds", "2")},
        "slower": {"cmd": scripted("slower", "--load-seconds", "6")},
        "small": {"cmd": scripted("small", "--load-seconds", "1", "--ctx-size", "16")},
        "broken": {"cmd": scripted("broken", *DYING, "1")},
        "broken-late": {"cmd": scripted("broken-late", *DYING, "6")},
    }
    with swapyard({"sendLoadingState": True, "models": models}) as started:
        yield started


@pytest.fixture
def gpt(running: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=running.address + "/v1", api_key="x", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(running: Any) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=running.address, api_key="x", max_retries=0) as client:
        yield client


def read(stream: Any) -> tuple[str, str]:
    """What a chat page shows apart from the answer, and the answer."""
    aside, answer = "", ""
    for chunk in stream:
        for choice in chunk.choices:
            aside += getattr(choice.delta, "reasoning_content", None) or ""
            answer += choice.delta.content or ""
    return aside, answer


def test_openai_reads_the_loading_text_and_then_the_answer(gpt: openai.OpenAI) -> None:
    aside, answer = read(gpt.chat.completions.create(model="slow", messages=QUESTION, stream=True))
    assert "swapyard is loading slow" in aside
    assert "done after" in aside
    assert "Who are you?" in answer
    assert "swapyard is loading" not in answer
    aside, answer = read(gpt.chat.completions.create(model="slow", messages=QUESTION, stream=True))
    assert aside == ""  # it is ready
    assert "Who are you?" in answer


def test_openai_raises_what_went_wrong_behind_the_loading_text(gpt: openai.OpenAI) -> None:
    with pytest.raises(openai.APIError, match="exited with code 3"):
        read(gpt.chat.completions.create(model="broken", messages=QUESTION, stream=True))
    long: Any = [{"role": "user", "content": "word " * 100}]
    with pytest.raises(openai.APIError, match="context"):  # the engine's own 400
        read(gpt.chat.completions.create(model="small", messages=long, stream=True))


def test_heartbeats_disturb_neither_anthropic_nor_responses(claude: anthropic.Anthropic, gpt: openai.OpenAI) -> None:
    def message() -> str:
        with claude.messages.stream(model="slower", max_tokens=64, messages=QUESTION) as stream:
            return stream.get_final_text()

    def response() -> str:
        with gpt.responses.stream(model="slower", input="Who are you?") as answers:
            return answers.get_final_response().output_text

    with ThreadPoolExecutor() as threads:  # both wait for one load
        answers = [threads.submit(ask) for ask in (message, response)]
    assert all("Who are you?" in answer.result() for answer in answers)


def test_anthropic_raises_what_went_wrong_behind_heartbeats(claude: anthropic.Anthropic) -> None:
    stream = claude.messages.create(model="broken-late", max_tokens=64, messages=QUESTION, stream=True)
    assert stream.response.status_code == 200
    with pytest.raises(anthropic.APIStatusError, match="exited with code 3"):
        list(stream)


def test_a_heartbeat_is_on_the_wire_before_the_model_is_ready(running: Any) -> None:
    body = {"model": "slower", "stream": True, "prompt": "Who are you?"}
    with httpx.stream("POST", running.address + "/v1/completions", json=body, timeout=30) as response:
        assert response.headers["content-type"] == "text/event-stream"
        assert next(response.iter_lines()) == ': waiting for model "slower"'
        assert running.states() == {"slower": "starting"}
