"""The scripted upstream and the clients of the benchmarks understand each other; no gateway, no wrk, no nginx."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from bench.load import BadAnswer, KeepAlive, chat, post
from bench.processes import FailedToStart, Served, free_ports
from bench.sides import HERE

BYTES = 1 << 20


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Served]:
    port = free_ports()
    flags = ["--port", str(port), "--paced-chunks", "3", "--gigabyte-bytes", str(BYTES)]
    with Served([sys.executable, str(HERE / "upstream.py"), *flags], port, tmp_path / "log") as served:
        yield served


def test_one_connection_asks_many_things(upstream: Served) -> None:
    with KeepAlive(upstream.port) as client:
        assert len(client.latencies(post(chat()), 5)) == 5
        assert client.first_byte(post(chat(stream=True, user="sse"))) > 0


def test_a_stream_has_a_hundred_events_then_usage_then_done(upstream: Served) -> None:
    response = httpx.post(f"http://127.0.0.1:{upstream.port}/v1/chat/completions", content=chat(stream=True, user="sse"))

    events = [line.removeprefix("data: ") for line in response.text.splitlines() if line]
    assert len(events) == 102
    assert json.loads(events[-2])["usage"]["completion_tokens"] == 100
    assert events[-1] == "[DONE]"


def test_the_long_stream_is_as_long_as_asked(upstream: Served) -> None:
    with KeepAlive(upstream.port) as client:
        assert BYTES <= client.swallow(post(chat(stream=True, user="gigabyte"))) < BYTES * 1.1


def test_many_streams_are_counted_and_their_gaps_timed(upstream: Served) -> None:
    command = [sys.executable, str(HERE / "stream_client.py"), "--port", str(upstream.port), "--streams", "7"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert (found["complete"], found["failures"], found["stalls"]) == (7, 0, 0)
    assert found["events"] == 7 * (3 + 2)
    assert found["p99_gap_ms"] >= 40


def test_streams_that_are_refused_are_failures(upstream: Served) -> None:
    upstream.stop()
    command = [sys.executable, str(HERE / "stream_client.py"), "--port", str(upstream.port), "--streams", "2"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert (found["complete"], found["failures"]) == (0, 2)


def test_a_side_that_does_not_start_says_its_last_words(tmp_path: Path) -> None:
    with (
        pytest.raises(FailedToStart, match="no such luck"),
        Served([sys.executable, "-c", "import sys; sys.exit('no such luck')"], free_ports(), tmp_path / "log"),
    ):
        pass


def test_an_answer_other_than_200_is_no_measurement(upstream: Served) -> None:
    with KeepAlive(upstream.port) as client, pytest.raises(BadAnswer):
        client.first_byte(b"nonsense\r\n\r\n")
