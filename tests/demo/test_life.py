"""The scripted engine's life: load phase, signals, failures on demand, journal."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

StartEngine = Callable[..., AbstractContextManager[Any]]

COUNT = {"messages": [{"role": "user", "content": "count to 9"}], "stream": True}


def test_every_route_is_503_while_it_loads_and_health_is_200_after(start_engine: StartEngine) -> None:
    with start_engine("--load-seconds", "0.5", ready=False) as engine:
        loading = [httpx.get(f"{engine.address}{path}") for path in ("/health", "/v1/models", "/nowhere")]
        engine.wait_for("model loaded")
        loaded = httpx.get(f"{engine.address}/health")

    assert [response.status_code for response in loading] == [503, 503, 503]
    assert loading[0].json() == {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}
    assert (loaded.status_code, loaded.json()) == (200, {"status": "ok"})


def test_sigterm_ends_it_with_0(start_engine: StartEngine) -> None:
    with start_engine() as engine:
        engine.process.send_signal(signal.SIGTERM)
        assert engine.process.wait(10) == 0


def test_sigterm_while_it_loads_kills_it(start_engine: StartEngine) -> None:
    with start_engine("--load-seconds", "60", ready=False) as engine:
        engine.wait_for("loading model")
        engine.process.send_signal(signal.SIGTERM)
        assert engine.process.wait(10) == -signal.SIGTERM


def test_a_stubborn_one_serves_on(start_engine: StartEngine) -> None:
    with start_engine("--ignore-sigterm") as engine:
        engine.process.send_signal(signal.SIGTERM)
        engine.wait_for("not stopping")
        assert httpx.get(f"{engine.address}/health").status_code == 200


def test_finish_streams_waits_until_the_connection_is_closed(start_engine: StartEngine) -> None:
    with start_engine("--finish-streams", "--tokens-per-second", "1", "--load-seconds", "0") as engine:
        with httpx.stream("POST", f"{engine.address}/v1/chat/completions", json=COUNT) as response:
            lines = response.iter_lines()  # kept: the answer is closed when this is gone
            next(lines)
            engine.process.send_signal(signal.SIGTERM)
            engine.wait_for("cleaning up")
            assert engine.process.poll() is None
        assert engine.process.wait(10) == 0


def test_a_failing_load_says_why(start_engine: StartEngine) -> None:
    command = [sys.executable, "-m", "swapyard.demo.engine", "--port", "0", "--fail", "no such file: model.gguf"]
    ended = subprocess.run([*command, "--exit-code", "3"], capture_output=True, text=True, timeout=20)

    assert ended.returncode == 3
    assert "no such file: model.gguf" in ended.stderr


def test_exit_after_ends_it_while_it_loads(start_engine: StartEngine) -> None:
    flags = ("--load-seconds", "60", "--exit-after", "0.1", "--exit-code", "7", "--fail", "out of memory")
    with start_engine(*flags, ready=False) as engine:
        engine.wait_for("out of memory")
        assert engine.process.wait(10) == 7


def test_a_taken_port_and_a_bad_flag_exit_with_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for flags in (["--port", port], ["--port", "0", "--no-such-flag"]):
            ended = subprocess.run(
                [sys.executable, "-m", "swapyard.demo.engine", *flags], capture_output=True, text=True, timeout=20
            )
            assert ended.returncode == 1
            assert ended.stderr


def test_crash_before_the_headers_and_in_the_middle_of_a_stream(start_engine: StartEngine) -> None:
    with start_engine("--crash-after", "0") as engine:
        with pytest.raises(httpx.TransportError):
            httpx.post(f"{engine.address}/v1/chat/completions", json=COUNT)
        assert engine.process.wait(10) == -signal.SIGKILL
    lines: list[str] = []
    with (
        start_engine("--crash-after", "3", "--tokens-per-second", "20") as engine,
        httpx.stream("POST", f"{engine.address}/v1/chat/completions", json=COUNT) as response,
        pytest.raises(httpx.TransportError),
    ):
        lines.extend(line for line in response.iter_lines() if line)
    assert len(lines) < 6


def test_the_journal_tells_its_life_in_order(start_engine: StartEngine, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with start_engine("--journal", str(journal)) as engine:
        engine.process.send_signal(signal.SIGTERM)
        engine.process.wait(10)

    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [entry["event"] for entry in entries] == ["began", "listening", "ready", "sigterm", "exit"]
    assert all(entry["pid"] == engine.process.pid for entry in entries)
    assert [entry["at"] for entry in entries] == sorted(entry["at"] for entry in entries)
