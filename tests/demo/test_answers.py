"""The scripted engine says on the wire what llama-server says: whole answers, streams, errors."""

from __future__ import annotations

import base64
import io
import json
import struct
import wave
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest

StartEngine = Callable[..., AbstractContextManager[Any]]

QUESTION: dict[str, Any] = {"messages": [{"role": "user", "content": "count to 3"}]}
TIMINGS = {
    "cache_n",
    "prompt_n",
    "prompt_ms",
    "prompt_per_token_ms",
    "prompt_per_second",
    "predicted_n",
    "predicted_ms",
    "predicted_per_token_ms",
    "predicted_per_second",
}


def events(response: httpx.Response) -> list[Any]:
    """The data of every server-sent event, decoded, `[DONE]` as it is."""
    data = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    return [item if item == "[DONE]" else json.loads(item) for item in data]


def test_chat_answers_whole_with_usage_and_timings(start_engine: StartEngine) -> None:
    with start_engine() as engine:
        response = httpx.post(f"{engine.address}/v1/chat/completions", json=QUESTION)

    answer = response.json()
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.headers["keep-alive"] == "timeout=5, max=100"
    assert response.headers["server"] == "swapyard-demo"
    assert response.headers["access-control-allow-origin"] == ""
    assert answer["choices"][0]["message"]["content"] == "1 2 3"
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["model"] == "hare"
    assert answer["usage"]["completion_tokens"] == 3
    assert set(answer["timings"]) == TIMINGS
    assert answer["timings"]["cache_n"] + answer["timings"]["prompt_n"] == answer["usage"]["prompt_tokens"]


def test_answer_names_the_model_and_repeats_the_question(start_engine: StartEngine) -> None:
    question = {"messages": [{"role": "user", "content": [{"type": "text", "text": "Is it raining?"}]}]}
    with start_engine() as engine:
        texts = [
            httpx.post(f"{engine.address}/v1/chat/completions", json=question).json()["choices"][0]["message"]["content"]
            for _ in range(2)
        ]

    assert texts[0] == texts[1]
    assert texts[0].startswith('This is hare. You asked: "Is it raining?"')


def test_stream_without_include_usage_ends_with_timings_and_done(start_engine: StartEngine) -> None:
    with start_engine() as engine:
        response = httpx.post(f"{engine.address}/v1/chat/completions", json={**QUESTION, "stream": True})

    *chunks, done = events(response)
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["transfer-encoding"] == "chunked"
    assert response.headers["x-accel-buffering"] == "no"
    assert done == "[DONE]"
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": None}
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == "1 2 3"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert set(chunks[-1]["timings"]) == TIMINGS
    assert not any("usage" in chunk for chunk in chunks)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_stream_with_include_usage_has_one_more_chunk(start_engine: StartEngine, path: str) -> None:
    body = {**QUESTION, "prompt": "count to 3", "stream": True, "stream_options": {"include_usage": True}}
    with start_engine() as engine:
        response = httpx.post(f"{engine.address}{path}", json=body)

    *chunks, last, done = events(response)
    assert done == "[DONE]"
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 3
    assert last["timings"]["predicted_n"] == 3
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert not any("usage" in chunk or "timings" in chunk for chunk in chunks)


def test_messages_stream_in_the_shape_of_anthropic(start_engine: StartEngine) -> None:
    body = {**QUESTION, "system": "be brief", "stream": True, "max_tokens": 2}
    with start_engine() as engine:
        response = httpx.post(f"{engine.address}/v1/messages", json=body)

    found = events(response)
    names = [line.removeprefix("event: ") for line in response.text.splitlines() if line.startswith("event: ")]
    assert [event["type"] for event in found] == names
    assert names == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert found[-2]["delta"]["stop_reason"] == "max_tokens"
    assert found[-2]["usage"]["output_tokens"] == 2


def test_responses_stream_nests_usage_and_has_no_done(start_engine: StartEngine) -> None:
    with start_engine() as engine:
        response = httpx.post(f"{engine.address}/v1/responses", json={"input": "count to 3", "stream": True})

    found = events(response)
    assert found[0]["type"] == "response.created"
    assert found[-1]["type"] == "response.completed"
    assert found[-1]["response"]["usage"]["output_tokens"] == 3
    assert found[-1]["response"]["output"][0]["content"][0]["text"] == "1 2 3"


def test_native_completion_streams_without_done(start_engine: StartEngine) -> None:
    with start_engine() as engine:
        response = httpx.post(f"{engine.address}/completion", json={"prompt": "count to 3", "stream": True})

    found = events(response)
    assert "".join(part["content"] for part in found) == "1 2 3"
    assert [part["stop"] for part in found] == [False, False, False, True]
    assert set(found[-1]["timings"]) == TIMINGS


def test_ignore_eos_speaks_up_to_the_limit(start_engine: StartEngine) -> None:
    body = {**QUESTION, "ignore_eos": True, "max_tokens": 20}
    with start_engine() as engine:
        answer = httpx.post(f"{engine.address}/v1/chat/completions", json=body).json()

    assert answer["usage"]["completion_tokens"] == 20
    assert answer["choices"][0]["finish_reason"] == "length"


def test_the_same_prompt_is_cached_the_second_time(start_engine: StartEngine) -> None:
    with start_engine() as engine:
        first, second = (httpx.post(f"{engine.address}/v1/chat/completions", json=QUESTION).json() for _ in range(2))

    assert first["timings"]["cache_n"] == 0
    assert second["timings"]["prompt_n"] == 1
    assert second["timings"]["cache_n"] + 1 == second["usage"]["prompt_tokens"]


def test_embeddings_as_numbers_and_as_base64(start_engine: StartEngine) -> None:
    with start_engine("--kind", "embedding") as engine:
        url = f"{engine.address}/v1/embeddings"
        plain = httpx.post(url, json={"input": ["a cat", "a dog"]}).json()
        packed = httpx.post(url, json={"input": "a cat", "encoding_format": "base64"}).json()

    vector = plain["data"][0]["embedding"]
    assert [item["index"] for item in plain["data"]] == [0, 1]
    assert plain["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
    assert abs(sum(value * value for value in vector) - 1) < 1e-3
    unpacked = struct.unpack(f"<{len(vector)}f", base64.b64decode(packed["data"][0]["embedding"]))
    assert unpacked == pytest.approx(vector)


def test_rerank_puts_the_best_document_first(start_engine: StartEngine) -> None:
    body = {"query": "green tea", "documents": ["coffee", "tea that is green", "tea"]}
    with start_engine("--kind", "rerank") as engine:
        results = httpx.post(f"{engine.address}/v1/rerank", json=body).json()["results"]

    assert [result["index"] for result in results] == [1, 2, 0]
    assert results[0]["relevance_score"] == 1.0


def test_speech_is_a_wav_file_of_a_tone_per_word(start_engine: StartEngine) -> None:
    with start_engine("--kind", "audio") as engine:
        url = f"{engine.address}/v1/audio/speech"
        high, again, deep = (
            httpx.post(url, json={"input": "two words", "voice": voice}) for voice in ("alto", "alto", "basso")
        )
        voices = httpx.get(f"{engine.address}/v1/audio/voices").json()["voices"]

    assert high.headers["content-type"] == "audio/wav"
    with wave.open(io.BytesIO(high.content)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 16_000)
        assert sound.getnframes() == 1600
    assert high.content == again.content != deep.content
    assert voices == ["alto", "basso"]


def test_pictures_are_png_files_in_either_api(start_engine: StartEngine) -> None:
    with start_engine("--kind", "image") as engine:
        body = {"prompt": "a fox", "n": 2}
        first, second = httpx.post(f"{engine.address}/v1/images/generations", json=body).json()["data"]
        (other,) = httpx.post(f"{engine.address}/sdapi/v1/txt2img", json=body).json()["images"]
        assert httpx.get(f"{engine.address}/sdapi/v1/loras").json()[0]["name"] == "stripes"

    for picture in (first["b64_json"], second["b64_json"], other):
        data = base64.b64decode(picture)
        assert data.startswith(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0@\0\0\0@")
        assert len(zlib.decompress(data[data.index(b"IDAT") + 4 : data.index(b"IEND") - 8])) == 64 * (1 + 64 * 3)
    assert first != second


@pytest.mark.parametrize(
    ("wanted", "kind", "says"),
    [
        ({}, "application/json; charset=utf-8", '{{"text":"{text}"}}'),
        ({"response_format": "text"}, "text/plain; charset=utf-8", "{text}\n"),
        ({"response_format": "srt"}, "text/plain; charset=utf-8", "1\n00:00:00,000 --> 00:00:01,000\n{text}\n\n"),
        ({"response_format": "vtt"}, "text/plain; charset=utf-8", "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n{text}\n\n"),
    ],
)
def test_transcriptions_tell_what_was_heard(start_engine: StartEngine, wanted: dict[str, str], kind: str, says: str) -> None:
    with start_engine("--kind", "audio") as engine:
        url = f"{engine.address}/v1/audio/transcriptions"
        answer = httpx.post(url, data={"model": "x", **wanted}, files={"file": ("a.wav", b"\r\n--\0\r\n")})
        assert httpx.post(url, files={"model": b"x"}).status_code == 400
    assert answer.headers["content-type"] == kind
    assert answer.text == says.format(text="This is hare. I have heard 7 bytes of a.wav.")


def test_an_edited_picture_depends_on_the_picture_and_the_prompt(start_engine: StartEngine) -> None:
    with start_engine("--kind", "image") as engine:
        pictures = [
            httpx.post(f"{engine.address}/v1/images/edits", data={"prompt": prompt}, files={name: content}).json()["data"]
            for prompt, name, content in [("a", "image", b"1"), ("a", "image", b"2"), ("b", "image[]", b"1")]
        ]
    assert all(base64.b64decode(picture["b64_json"]).startswith(b"\x89PNG") for (picture,) in pictures)
    assert len({picture["b64_json"] for (picture,) in pictures}) == 3


def test_what_the_kind_cannot_do_is_501(start_engine: StartEngine) -> None:
    body = {"input_prefix": "def f():\n    ", "input_suffix": "\n"}
    with start_engine() as engine:
        assert httpx.post(f"{engine.address}/infill", json=body).status_code == 501
        assert httpx.post(f"{engine.address}/v1/embeddings", json={"input": "x"}).status_code == 501
    with start_engine("--kind", "code") as engine:
        assert httpx.post(f"{engine.address}/infill", json=body).json()["content"].endswith("    pass\n")


@pytest.mark.parametrize(
    ("path", "content", "status", "kind"),
    [
        ("/v1/chat/completions", b"{nonsense", 500, "server_error"),
        ("/v1/chat/completions", b"{}", 400, "invalid_request_error"),
        ("/v1/chat/completions", b'{"messages": "hi", "stream": true}', 400, "invalid_request_error"),
        ("/v1/completions", b"{}", 400, "invalid_request_error"),
        ("/v1/nothing", b"{}", 404, "not_found_error"),
    ],
)
def test_errors_are_those_of_llama_server(
    start_engine: StartEngine, path: str, content: bytes, status: int, kind: str
) -> None:
    with start_engine() as engine:
        response = httpx.post(f"{engine.address}{path}", content=content)

    assert response.status_code == status
    assert response.json()["error"]["type"] == kind
    assert response.json()["error"]["code"] == status


def test_context_overflow_is_plain_json_even_for_a_stream(start_engine: StartEngine) -> None:
    with start_engine("--ctx-size", "8") as engine:
        body = {"messages": [{"role": "user", "content": "too many words " * 5}], "stream": True}
        response = httpx.post(f"{engine.address}/v1/chat/completions", json=body)

    assert response.status_code == 400
    assert response.headers["content-type"].startswith("application/json")
    assert response.json()["error"]["type"] == "exceed_context_size_error"
    assert response.json()["error"]["n_ctx"] == 8


def test_key_is_asked_for_but_not_on_health(start_engine: StartEngine) -> None:
    with start_engine("--api-key", "sesame") as engine:
        url = f"{engine.address}/v1/chat/completions"
        assert httpx.get(f"{engine.address}/health").status_code == 200
        assert httpx.post(url, json=QUESTION).status_code == 401
        assert httpx.post(url, json=QUESTION, headers={"Authorization": "Bearer sesame"}).status_code == 200


def test_listings_and_counts(start_engine: StartEngine) -> None:
    with start_engine() as engine, httpx.Client(base_url=engine.address) as client:
        assert client.get("/v1/models").json()["data"][0]["id"] == "hare"
        assert client.get("/props").json()["total_slots"] == 4
        assert len(client.post("/tokenize", json={"content": "one two three"}).json()["tokens"]) == 3
        assert client.post("/v1/messages/count_tokens", json=QUESTION).json()["input_tokens"] > 3
        assert client.head("/health").content == b""
