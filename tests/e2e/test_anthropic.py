"""Anthropic's own client, unchanged, in front of Swapyard; errors come in Anthropic's shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest


@pytest.fixture
def claude(zoo: Any) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=zoo.address, api_key="sk-gateway", max_retries=0) as client:
        yield client


QUESTION: Any = [{"role": "user", "content": "Who are you?"}]


def test_messages(claude: anthropic.Anthropic) -> None:
    answer = claude.messages.create(model="claude-haiku", max_tokens=64, messages=QUESTION)
    block = answer.content[0]
    assert block.type == "text"
    assert "Who are you?" in block.text
    assert answer.usage.output_tokens > 0


def test_messages_stream(claude: anthropic.Anthropic) -> None:
    with claude.messages.stream(model="tortoise", max_tokens=64, messages=QUESTION) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert "Who are you?" in text
    assert final.usage.output_tokens > 0


async def test_messages_stream_to_the_asynchronous_client(zoo: Any) -> None:
    async with (
        anthropic.AsyncAnthropic(base_url=zoo.address, api_key="sk-gateway", max_retries=0) as client,
        client.messages.stream(model="hare", max_tokens=64, messages=QUESTION) as stream,
    ):
        text = "".join([piece async for piece in stream.text_stream])
    assert "Who are you?" in text


def test_tokens_are_counted(claude: anthropic.Anthropic) -> None:
    short = claude.messages.count_tokens(model="hare", messages=QUESTION).input_tokens
    long = claude.messages.count_tokens(model="hare", messages=QUESTION, system="Be brief, be kind.").input_tokens
    assert 0 < short < long


def test_models_are_listed(claude: anthropic.Anthropic) -> None:
    assert {"hare", "tortoise"} <= {model.id for model in claude.models.list()}


def test_an_unknown_model_is_not_found_and_a_near_one_is_named(claude: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="hare") as unknown:
        claude.messages.create(model="hair", max_tokens=8, messages=QUESTION)
    body: Any = unknown.value.body
    assert body["type"] == "error"
    assert body["error"]["type"] == "not_found_error"


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_does_not_start_is_a_server_error_with_its_reason(claude: anthropic.Anthropic, stream: bool) -> None:
    with pytest.raises(anthropic.InternalServerError, match="exited with code 3"):
        claude.messages.create(model="broken", max_tokens=8, messages=QUESTION, stream=stream)


def test_a_stream_that_breaks_off_is_an_error_and_never_a_short_answer(claude: anthropic.Anthropic) -> None:
    endless: Any = [{"role": "user", "content": "count to 100000"}]
    with (
        pytest.raises(anthropic.APIError, match="was killed by SIGKILL"),
        claude.messages.stream(model="frail", max_tokens=100_000, messages=endless) as stream,
    ):
        stream.get_final_message()


def test_a_wrong_key_is_an_authentication_error(claude: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.AuthenticationError):
        claude.with_options(api_key="sk-wrong").messages.create(model="hare", max_tokens=8, messages=QUESTION)
    with pytest.raises(anthropic.AuthenticationError):
        claude.with_options(api_key="sk-wrong").messages.count_tokens(model="hare", messages=QUESTION)


def test_too_many_requests_are_a_rate_limit_error(claude: anthropic.Anthropic) -> None:
    endless: Any = [{"role": "user", "content": "count to 100000"}]
    with claude.messages.stream(model="shy", max_tokens=100_000, messages=endless) as stream:
        next(stream.text_stream)
        with pytest.raises(anthropic.RateLimitError) as refused:
            claude.messages.create(model="shy", max_tokens=8, messages=QUESTION)
    assert int(refused.value.response.headers["retry-after"]) > 0
