"""The clients that people use, unchanged, in front of Swapyard: openai and anthropic, streaming and not, errors included."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import anthropic
import httpx
import openai
import pytest

from swapyard.demo import quoted

Start = Callable[..., AbstractContextManager[Any]]

CONFIG = f"""
apiKeys: [sk-gateway]
startPort: 21100
macros:
  engine: '{quoted(sys.executable)} -m swapyard.demo.engine --port ${{PORT}} --model ${{MODEL_ID}} --tokens-per-second 2000'
models:
  hare:
    cmd: ${{engine}}
    aliases: [gpt-4o-mini, claude-haiku]
  tortoise:
    cmd: ${{engine}} --load-seconds 0.3
  squirrel:
    cmd: ${{engine}} --kind embedding
  small:
    cmd: ${{engine}} --ctx-size 16
  broken:
    cmd: ${{engine}} --load-seconds 30 --exit-code 3 --exit-after 0.1
"""


@pytest.fixture
def address(swapyard: Start) -> Iterator[str]:
    with swapyard(CONFIG) as running:
        yield running.address


@pytest.fixture
def gpt(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=address + "/v1", api_key="sk-gateway", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(address: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=address, api_key="sk-gateway", max_retries=0) as client:
        yield client


QUESTION: Any = [{"role": "user", "content": "Who are you?"}]


def test_openai_chat_swaps_between_models(gpt: openai.OpenAI) -> None:
    for model in ("hare", "tortoise", "gpt-4o-mini"):
        answer = gpt.chat.completions.create(model=model, messages=QUESTION)
        assert "Who are you?" in (answer.choices[0].message.content or "")
        assert answer.usage is not None
        assert answer.usage.completion_tokens > 0


def test_openai_chat_streams_with_usage(gpt: openai.OpenAI) -> None:
    stream = gpt.chat.completions.create(
        model="tortoise", messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "Who are you?" in text
    assert chunks[-1].usage is not None


def test_openai_responses_and_embeddings(gpt: openai.OpenAI) -> None:
    assert "Who are you?" in gpt.responses.create(model="hare", input="Who are you?").output_text
    assert len(gpt.embeddings.create(model="squirrel", input=["one", "two"]).data) == 2


def test_openai_lists_and_retrieves_models(gpt: openai.OpenAI) -> None:
    assert [model.id for model in gpt.models.list()] == ["broken", "hare", "small", "squirrel", "tortoise"]
    assert gpt.models.retrieve("hare").id == "hare"
    with pytest.raises(openai.NotFoundError):
        gpt.models.retrieve("nobody")


def test_openai_error_classes(gpt: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match='did you mean "hare"') as unknown:
        gpt.chat.completions.create(model="hair", messages=QUESTION)
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError):  # the engine's own 400
        gpt.chat.completions.create(model="small", messages=[{"role": "user", "content": "word " * 100}])
    with pytest.raises(openai.InternalServerError, match="exited with code 3") as failed:
        gpt.chat.completions.create(model="broken", messages=QUESTION)
    assert failed.value.status_code == 502
    with pytest.raises(openai.AuthenticationError):
        gpt.with_options(api_key="sk-wrong").chat.completions.create(model="hare", messages=QUESTION)


def test_anthropic_messages(claude: anthropic.Anthropic) -> None:
    answer = claude.messages.create(model="claude-haiku", max_tokens=64, messages=QUESTION)
    block = answer.content[0]
    assert block.type == "text"
    assert "Who are you?" in block.text
    assert answer.usage.output_tokens > 0
    assert claude.messages.count_tokens(model="hare", messages=QUESTION).input_tokens > 0


def test_anthropic_streams(claude: anthropic.Anthropic) -> None:
    with claude.messages.stream(model="tortoise", max_tokens=64, messages=QUESTION) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert "Who are you?" in text
    assert final.usage.output_tokens > 0


def test_anthropic_error_classes(claude: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="hare") as unknown:
        claude.messages.create(model="hair", max_tokens=8, messages=QUESTION)
    body: Any = unknown.value.body
    assert body["type"] == "error"
    assert body["error"]["type"] == "not_found_error"
    with pytest.raises(anthropic.AuthenticationError):
        claude.with_options(api_key="sk-wrong").messages.create(model="hare", max_tokens=8, messages=QUESTION)
    with pytest.raises(anthropic.InternalServerError, match="exited with code 3"):
        claude.messages.create(model="broken", max_tokens=8, messages=QUESTION)


def test_curl_style_request_without_a_json_content_type(address: str) -> None:
    answer = httpx.post(
        address + "/v1/chat/completions",
        content='{"model": "hare", "messages": [{"role": "user", "content": "hi"}]}',
        headers={"Content-Type": "application/x-www-form-urlencoded", "x-api-key": "sk-gateway"},
    )
    assert answer.status_code == 200
