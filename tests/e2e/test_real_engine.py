"""A real engine (llama.cpp's own server) behind Swapyard: load, stream, swap, unload, its own routes and its figures."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from tests.ports import start_port

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(180)]

Start = Callable[..., AbstractContextManager[Any]]
QUESTION: Any = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def yard(shared_swapyard: Start, gguf_models: Sequence[Path], engine_command: Callable[..., str]) -> Iterator[Any]:
    """An ordinary llama-swap configuration: a macro, groups, aliases, filters, a ttl and a stop command. `told` is asked for
    by one test only, which reads its rows."""
    one, two = gguf_models
    config = f"""
healthCheckTimeout: 90
startPort: {start_port()}
macros:
  port-flag: --port ${{PORT}}
models:
  author/one:
    cmd: |
      # the first of two
      {engine_command(one, alias="one", port="").removesuffix(" --port ")} \\
        ${{port-flag}}
    aliases: [first, gpt-4o-mini]
    ttl: 300
    useModelName: one
    filters:
      stripParams: "top_k, frequency_penalty"
      setParams:
        max_tokens: 5
        temperature: 0
      setParamsByID:
        long:
          max_tokens: 9
    cmdStop: kill -TERM ${{PID}}
  two:
    cmd: {shlex.quote(engine_command(two, "--context-shift", alias="two"))[1:-1]}
    checkEndpoint: /v1/models
  told:
    cmd: {engine_command(two, alias="told")}
  embedder:
    cmd: {engine_command(one, "--embeddings", "--pooling", "mean", alias="embedder")}
groups:
  chat:
    swap: true
    exclusive: true
    members: [author/one, two]
"""
    with shared_swapyard(config) as running:
        yield running


@pytest.fixture
def running(yard: Any) -> Any:
    """Nothing is loaded."""
    yard.unload()
    return yard


def loaded(address: str) -> dict[str, str]:
    return {row["model"]: row["state"] for row in httpx.get(address + "/running").json()["running"]}


def rows(address: str, model: str) -> list[Any]:
    answer = httpx.get(address + "/api/metrics/activity", params={"order": "asc", "model": model})
    return list(answer.json()["data"])


def events(stream: str) -> list[Any]:
    """The objects of a stream of server-sent events."""
    data = [line.removeprefix("data: ") for line in stream.splitlines() if line.startswith("data: ")]
    return [json.loads(text) for text in data if text != "[DONE]"]


def test_load_stream_swap_and_unload(running: Any) -> None:
    address = running.address
    with openai.OpenAI(base_url=address + "/v1", api_key="none", max_retries=0, timeout=120) as client:
        whole = client.chat.completions.create(model="first", messages=QUESTION)
        assert loaded(address) == {"author/one": "ready"}
        text = whole.choices[0].message.content or ""
        assert len(text) == 5  # setParams
        assert whole.model == "one"  # useModelName

        stream = client.chat.completions.create(model="author/one", messages=QUESTION, stream=True, max_tokens=50)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == text

        long = client.chat.completions.create(model="long", messages=QUESTION)  # an alias by setParamsByID
        assert len(long.choices[0].message.content or "") == 9

        other = client.chat.completions.create(model="two", messages=QUESTION, max_tokens=5, temperature=0)
        assert loaded(address) == {"two": "ready"}
        assert other.choices[0].message.content != text
        chunks = list(client.chat.completions.create(model="two", messages=QUESTION, max_tokens=5, stream=True))
        assert chunks[-1].choices[0].finish_reason == "length"

        assert client.chat.completions.create(model="first", messages=QUESTION).choices[0].message.content == text
        assert loaded(address) == {"author/one": "ready"}
    assert httpx.post(address + "/api/models/unload/author/one", timeout=60).status_code == 200
    assert loaded(address) == {}
    assert running.descendants() == []


def test_the_rows_have_the_engines_own_figures(running: Any, until: Callable[..., Any]) -> None:
    address = running.address
    with openai.OpenAI(base_url=address + "/v1", api_key="none", max_retries=0, timeout=120) as client:
        whole = client.chat.completions.create(model="told", messages=QUESTION, max_tokens=7)
        for _ in client.chat.completions.create(model="told", messages=QUESTION, max_tokens=400, stream=True):
            pass
        text = client.completions.create(model="told", prompt="hello", max_tokens=3)
    with anthropic.Anthropic(base_url=address, api_key="none", max_retries=0, timeout=120) as claude:
        message = claude.messages.create(model="told", messages=QUESTION, max_tokens=4)
    assert whole.usage is not None
    assert text.usage is not None
    until(lambda: len(rows(address, "told")) == 4)
    first, streamed, last, apart = rows(address, "told")

    for row, usage in ((first, whole.usage), (last, text.usage)):
        assert usage.prompt_tokens_details is not None
        tokens = row["tokens"]
        assert tokens["cache_tokens"] == usage.prompt_tokens_details.cached_tokens
        assert tokens["input_tokens"] == usage.prompt_tokens - tokens["cache_tokens"]
        assert tokens["output_tokens"] == usage.completion_tokens
    assert first["tokens"]["output_tokens"] == 7
    assert streamed["tokens"]["output_tokens"] == 400  # from `timings` in the last event: no usage was asked for
    assert streamed["tokens"]["input_tokens"] + streamed["tokens"]["cache_tokens"] == whole.usage.prompt_tokens
    assert apart["tokens"]["input_tokens"] == message.usage.input_tokens
    assert apart["tokens"]["cache_tokens"] == message.usage.cache_read_input_tokens
    assert apart["tokens"]["output_tokens"] == message.usage.output_tokens == 4

    assert first["timing"]["load_ms"] > 0
    assert 0 < first["timing"]["first_token_ms"] <= first["duration_ms"]
    assert 0 < streamed["timing"]["first_token_ms"] < streamed["duration_ms"]
    assert (streamed["timing"]["load_ms"], streamed["resp_status_code"]) == (-1, 200)


def test_llama_cpps_own_routes_are_answered_and_metered(running: Any, until: Callable[..., Any]) -> None:
    """Each answer's `timings` are in its row, of a stream those of its last event."""
    address = running.address
    before = len(rows(address, "two"))
    chat = {"model": "two", "messages": QUESTION, "max_tokens": 5, "stream": True, "timings_per_token": True}
    middle = {"model": "two", "input_prefix": "def", "input_suffix": "return", "n_predict": 4}
    native = {"model": "two", "prompt": "hello", "n_predict": 3}
    with httpx.Client(base_url=address, timeout=120) as client:
        streams = [
            client.post("/completion", json={**native, "stream": True}),
            client.post("/v1/chat/completions", json=chat),
        ]
        wholes = [client.post("/completion", json=native), client.post("/infill", json=middle)]
    answers = [events(answer.text)[-1] for answer in streams] + [answer.json() for answer in wholes]
    assert sum("timings" in event for event in events(streams[1].text)) > 1
    until(lambda: len(rows(address, "two")) == before + 4)
    for answer, row in zip(answers, rows(address, "two")[before:], strict=True):
        timings, tokens = answer["timings"], row["tokens"]
        assert tokens["cache_tokens"] == timings["cache_n"]
        assert tokens["input_tokens"] == timings["prompt_n"]
        assert tokens["output_tokens"] == timings["predicted_n"]
        assert tokens["prompt_per_second"] == pytest.approx(timings["prompt_per_second"])
        assert tokens["tokens_per_second"] == pytest.approx(timings["predicted_per_second"])
    assert [answer["timings"]["predicted_n"] for answer in answers] == [3, 5, 3, 4]


def test_a_models_properties_slots_and_tokens_are_asked_of_its_own_server(running: Any) -> None:
    with httpx.Client(base_url=running.address, timeout=120) as client:
        below = "/upstream/author/one"
        assert client.get(below + "/v1/models").json()["data"][0]["id"] == "one"
        assert client.get("/props", params={"model": "first"}).json() == client.get(below + "/props").json()
        assert client.get(below + "/props").json()["default_generation_settings"]["n_ctx"] == 512
        assert [slot["is_processing"] for slot in client.get(below + "/slots").json()] == [False]
        tokens = client.post(below + "/tokenize", json={"content": "hello"}).json()["tokens"]
        assert client.post(below + "/detokenize", json={"tokens": tokens}).json()["content"].endswith("hello")
        prompt = client.post(below + "/apply-template", json={"messages": QUESTION}).json()["prompt"]
        assert prompt == "user: hello\nassistant: "


def test_embeddings_and_the_engines_own_refusals_pass(running: Any, until: Callable[..., Any]) -> None:
    address = running.address
    with openai.OpenAI(base_url=address + "/v1", api_key="none", max_retries=0, timeout=120) as client:
        found = client.embeddings.create(model="embedder", input=["hello", "you"], encoding_format="float")
        assert [len(entry.embedding) for entry in found.data] == [256, 256]
        with pytest.raises(openai.InternalServerError) as refused:
            client.embeddings.create(model="author/one", input="hello")
        assert (refused.value.status_code, refused.value.type) == (501, "not_supported_error")
        with pytest.raises(openai.BadRequestError) as too_long:
            client.chat.completions.create(model="author/one", messages=[{"role": "user", "content": "x" * 600}])
    assert isinstance(too_long.value.body, dict)
    assert too_long.value.type == "exceed_context_size_error"
    assert too_long.value.body["n_ctx"] == 512
    until(lambda: rows(address, "embedder"))
    assert rows(address, "embedder")[0]["tokens"]["input_tokens"] == found.usage.prompt_tokens


def test_engine_stops_generating_when_the_client_leaves(running: Any, until: Callable[..., Any]) -> None:
    with httpx.Client(base_url=running.address, timeout=60) as client:

        def works() -> bool:
            return bool(client.get("/upstream/two/slots").json()[0]["is_processing"])

        assert not works()
        body = {"model": "two", "messages": QUESTION, "stream": True, "max_tokens": 1_000_000_000}  # for as long as it lives
        with httpx.stream("POST", running.address + "/v1/chat/completions", json=body, timeout=60) as answer:
            lines = answer.iter_lines()  # kept: the answer is closed when this is gone
            next(lines)
            assert works()
        until(lambda: not works())
        # It serves one request at a time, and would not answer this one.
        body = {"model": "two", "messages": QUESTION, "max_tokens": 3}
        assert client.post("/v1/chat/completions", json=body).status_code == 200
