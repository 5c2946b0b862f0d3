"""A real engine (llama.cpp, through llama-cpp-python's server) behind Swapyard: load, stream, swap, unload."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(180)]

Start = Callable[..., AbstractContextManager[Any]]
QUESTION: Any = [{"role": "user", "content": "hello"}]


@pytest.fixture
def running(swapyard: Start, gguf_models: Sequence[Path], engine_command: Callable[..., str]) -> Iterator[Any]:
    """An ordinary llama-swap configuration: a macro, groups, aliases, filters, a ttl and a stop command."""
    one, two = gguf_models
    config = f"""
healthCheckTimeout: 90
startPort: 21200
macros:
  port-flag: --port ${{PORT}}
models:
  author/one:
    cmd: |
      # the first of two
      {engine_command(one, alias="one", port="").removesuffix(" --port ")} \\
        ${{port-flag}}
    checkEndpoint: /v1/models
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
    cmd: {shlex.quote(engine_command(two, alias="two"))[1:-1]}
    checkEndpoint: /v1/models
groups:
  chat:
    swap: true
    exclusive: true
    members: [author/one, two]
"""
    with swapyard(config) as running:
        yield running


def loaded(address: str) -> dict[str, str]:
    return {row["model"]: row["state"] for row in httpx.get(address + "/running").json()["running"]}


def rows(address: str) -> list[Any]:
    return list(httpx.get(address + "/api/metrics/activity?order=asc").json()["data"])


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
        whole = client.chat.completions.create(model="two", messages=QUESTION, max_tokens=7)
        for _ in client.chat.completions.create(model="two", messages=QUESTION, max_tokens=7, stream=True):
            pass
        text = client.completions.create(model="two", prompt="hello", max_tokens=3)
    assert whole.usage is not None
    assert text.usage is not None
    until(lambda: len(rows(address)) == 3)
    first, streamed, last = rows(address)
    told = [(row["tokens"]["input_tokens"], row["tokens"]["output_tokens"]) for row in (first, last)]
    assert told[0] == (whole.usage.prompt_tokens, whole.usage.completion_tokens)
    assert told[1] == (text.usage.prompt_tokens, text.usage.completion_tokens)
    assert told[0][1] == 7
    assert first["timing"]["load_ms"] > 0
    assert 0 < first["timing"]["first_token_ms"] <= first["duration_ms"]
    assert 0 < streamed["timing"]["first_token_ms"] < streamed["duration_ms"]
    assert (streamed["timing"]["load_ms"], streamed["resp_status_code"]) == (-1, 200)


def test_passthrough_reaches_the_engine_itself(running: Any) -> None:
    answer = httpx.get(running.address + "/upstream/author/one/v1/models", timeout=120)
    assert answer.json()["data"][0]["id"] == "one"


def test_engine_stops_generating_when_the_client_leaves(running: Any) -> None:
    address = running.address
    httpx.get(address + "/upstream/two/v1/models", timeout=120)
    body = {"model": "two", "messages": QUESTION, "stream": True, "max_tokens": 400}
    with httpx.stream("POST", address + "/v1/chat/completions", json=body, timeout=60) as answer:
        next(answer.iter_lines())
    # The engine serves one request at a time: it can only answer this one if it has let go of the other.
    body = {"model": "two", "messages": QUESTION, "max_tokens": 3}
    assert httpx.post(address + "/v1/chat/completions", json=body, timeout=60).status_code == 200
