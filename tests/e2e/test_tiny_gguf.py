"""The real engine on its own: it loads the model that we write, and streams from it. Swapyard is not involved."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

pytestmark = [pytest.mark.engine, pytest.mark.slow]

QUESTION = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 12, "temperature": 0}


@contextmanager
def served(command: str, address: str) -> Iterator[httpx.Client]:
    process = subprocess.Popen(shlex.split(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=address, timeout=20) as client:
            wait_until_ready(client, process)
            yield client
    finally:
        process.terminate()
        process.wait(20)


def wait_until_ready(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        assert process.poll() is None, f"the engine ended with {process.returncode}"
        assert time.monotonic() < deadline, "the engine is not ready after 30 s"
        try:
            if client.get("/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)


def test_a_seed_makes_one_file_and_another_seed_another(gguf_models: Sequence[Path], tmp_path: Path) -> None:
    one, other = (path.read_bytes() for path in gguf_models)
    again = tmp_path / "again.gguf"
    subprocess.run([sys.executable, Path(__file__).with_name("tiny_gguf.py"), again, "--seed", "1"], check=True)

    assert one[:4] == b"GGUF"
    assert len(one) < 8_000_000
    assert again.read_bytes() == one
    assert other != one


def test_engine_answers_and_streams_from_the_tiny_model(
    gguf_model: Path, engine_command: Callable[..., str], free_port: Callable[[], int]
) -> None:
    port = free_port()
    with served(engine_command(gguf_model, port=str(port)), f"http://127.0.0.1:{port}") as client:
        whole = client.post("/v1/chat/completions", json=QUESTION).json()
        lines = client.post("/v1/chat/completions", json={**QUESTION, "stream": True}).text.split("\n\n")

    text = whole["choices"][0]["message"]["content"]
    assert len(text) == 12
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyz ")
    assert whole["usage"]["completion_tokens"] == 12
    events = [line.removeprefix("data: ") for line in lines if line.strip()]
    assert events[-1] == "[DONE]"
    deltas = [json.loads(event)["choices"][0]["delta"] for event in events[:-1]]
    assert "".join(delta.get("content") or "" for delta in deltas) == text
