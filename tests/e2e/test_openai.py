"""OpenAI's own client, unchanged, in front of Swapyard: every API that local engines serve, and its error classes."""

from __future__ import annotations

import io
import os
import wave
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import openai
import pytest


@pytest.fixture
def gpt(zoo: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=zoo.address + "/v1", api_key="sk-gateway", max_retries=0) as client:
        yield client


QUESTION: Any = [{"role": "user", "content": "Who are you?"}]
ENDLESS: Any = [{"role": "user", "content": "count to 100000"}]


def test_chat_swaps_between_models(gpt: openai.OpenAI) -> None:
    for model in ("hare", "tortoise", "gpt-4o-mini"):
        answer = gpt.chat.completions.create(model=model, messages=QUESTION)
        assert "Who are you?" in (answer.choices[0].message.content or "")
        assert answer.usage is not None
        assert answer.usage.completion_tokens > 0


def test_chat_streams_with_usage(gpt: openai.OpenAI) -> None:
    stream = gpt.chat.completions.create(
        model="tortoise", messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "Who are you?" in text
    assert chunks[-1].usage is not None


async def test_chat_streams_to_the_asynchronous_client(zoo: Any) -> None:
    async with openai.AsyncOpenAI(base_url=zoo.address + "/v1", api_key="sk-gateway", max_retries=0) as client:
        stream = await client.chat.completions.create(model="hare", messages=QUESTION, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert "Who are you?" in text


def test_a_stream_that_is_left_early_gives_its_place_up(gpt: openai.OpenAI, until: Any) -> None:
    with gpt.chat.completions.create(model="shy", messages=ENDLESS, stream=True) as stream:
        next(iter(stream))

    def answer() -> str | None:
        try:
            return gpt.chat.completions.create(model="shy", messages=QUESTION).choices[0].message.content
        except openai.RateLimitError:
            return None

    assert "Who are you?" in until(answer)


def test_completions(gpt: openai.OpenAI) -> None:
    assert "once upon" in gpt.completions.create(model="hare", prompt="once upon").choices[0].text
    pieces = gpt.completions.create(model="hare", prompt="once upon", stream=True)
    assert "once upon" in "".join(piece.choices[0].text for piece in pieces if piece.choices)


def test_responses(gpt: openai.OpenAI) -> None:
    answer = gpt.responses.create(model="hare", input="Who are you?")
    assert "Who are you?" in answer.output_text
    assert answer.usage is not None
    assert answer.usage.output_tokens > 0


def test_responses_stream_every_event_in_order(gpt: openai.OpenAI) -> None:
    with gpt.responses.stream(model="tortoise", input="Who are you?") as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert "Who are you?" in final.output_text
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    assert kinds.count("response.output_text.delta") > 1


def test_embeddings(gpt: openai.OpenAI) -> None:
    one, two = gpt.embeddings.create(model="squirrel", input=["one", "two"]).data
    assert len(one.embedding) == len(two.embedding) > 0
    assert one.embedding != two.embedding


def test_speech(gpt: openai.OpenAI) -> None:
    answer = gpt.audio.speech.create(model="parrot", voice="alto", input="good morning", response_format="wav")
    with wave.open(io.BytesIO(answer.content)) as sound:
        assert sound.getnframes() > 0
    with gpt.audio.speech.with_streaming_response.create(model="parrot", voice="alto", input="good morning") as stream:
        assert b"".join(stream.iter_bytes()) == answer.content


def test_images(gpt: openai.OpenAI) -> None:
    answer = gpt.images.generate(model="chameleon", prompt="a chameleon on a chessboard", n=2)
    assert answer.data is not None
    assert len(answer.data) == 2
    assert b64decode(answer.data[0].b64_json or "").startswith(b"\x89PNG")


@pytest.mark.parametrize("size", [1_000, 3_000_000])
def test_transcriptions(gpt: openai.OpenAI, size: int) -> None:
    recording = ("good morning.wav", os.urandom(size), "audio/wav")
    heard = f"I have heard {size} bytes of good morning.wav."
    assert heard in gpt.audio.transcriptions.create(model="parrot", file=recording).text
    assert heard in gpt.audio.transcriptions.create(model="parrot", file=recording, response_format="text")
    events = list(gpt.audio.transcriptions.create(model="parrot", file=recording, stream=True))
    assert heard in "".join(event.delta for event in events if event.type == "transcript.text.delta")
    with pytest.raises(openai.NotFoundError, match='did you mean "parrot"'):
        gpt.audio.transcriptions.create(model="parott", file=recording)


def test_image_edits(gpt: openai.OpenAI) -> None:
    original = ("chess.png", os.urandom(2_000_000), "image/png")
    first, second = (
        gpt.images.edit(model="chameleon", image=image, prompt="add a chameleon").data for image in (original, [original])
    )
    assert first is not None
    assert b64decode(first[0].b64_json or "").startswith(b"\x89PNG")
    assert first == second


def test_models_are_listed_and_retrieved(gpt: openai.OpenAI) -> None:
    listed = [model.id for model in gpt.models.list()]
    assert {"hare", "owl", "tortoise"} <= set(listed)
    assert listed == sorted(listed)
    assert gpt.models.retrieve("hare").id == "hare"
    with pytest.raises(openai.NotFoundError):
        gpt.models.retrieve("nobody")


def test_an_unknown_model_is_not_found_and_a_near_one_is_named(gpt: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match='did you mean "hare"') as unknown:
        gpt.chat.completions.create(model="hair", messages=QUESTION)
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")


def test_an_error_of_the_engine_passes_as_it_is(gpt: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        gpt.chat.completions.create(model="small", messages=[{"role": "user", "content": "word " * 100}])
    assert refused.value.type == "exceed_context_size_error"


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_does_not_start_is_a_server_error_with_its_reason(gpt: openai.OpenAI, stream: bool) -> None:
    with pytest.raises(openai.InternalServerError, match="exited with code 3") as failed:
        gpt.chat.completions.create(model="broken", messages=QUESTION, stream=stream)
    assert failed.value.status_code == 502


def test_a_stream_that_breaks_off_is_an_error_and_never_a_short_answer(gpt: openai.OpenAI) -> None:
    with pytest.raises(openai.APIError, match="was killed by SIGKILL"):
        list(gpt.chat.completions.create(model="frail", messages=ENDLESS, stream=True))
    with pytest.raises(openai.APIError, match="was killed by SIGKILL"):
        list(gpt.responses.create(model="frail", input="count to 100000", stream=True))


def test_a_wrong_key_is_an_authentication_error(gpt: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError):
        gpt.with_options(api_key="sk-wrong").chat.completions.create(model="hare", messages=QUESTION)


def test_too_many_requests_are_a_rate_limit_error_that_says_when_to_come_back(gpt: openai.OpenAI) -> None:
    with gpt.chat.completions.create(model="shy", messages=ENDLESS, stream=True) as stream:
        next(iter(stream))
        with pytest.raises(openai.RateLimitError) as refused:
            gpt.chat.completions.create(model="shy", messages=QUESTION)
    assert refused.value.code == "concurrency_limit"
    assert int(refused.value.response.headers["retry-after"]) > 0
