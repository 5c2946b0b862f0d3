"""Reliability row 15: whoever looks and does not read may cost nobody anything (llama-swap #875, #878)."""

from __future__ import annotations

import shlex
import socket
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import httpx
import psutil

Start = Callable[..., AbstractContextManager[Any]]

MEGABYTES = 100
NOISE = f"""\
import sys, time
block = (b"x" * 99 + b"\\n") * 10_000
due = time.monotonic()
for _ in range({MEGABYTES}):
    sys.stdout.buffer.write(block)
    sys.stdout.buffer.flush()
    due += 1 / 50
    time.sleep(max(0, due - time.monotonic()))
open(sys.argv[1], "w").close()
"""
STREAMS = [
    "/logs/stream",
    "/logs/stream/upstream",
    "/logs/stream/noisy",
    "/logs/stream?level=info&model=noisy",
    "/api/events",
]
MORE = 48 * 1024 * 1024  # bytes that all of it may take: what waits for five readers and in their sockets, and captures


def stalled_reader(port: int, path: str) -> socket.socket:
    """Asks, and never reads."""
    reader = socket.create_connection(("127.0.0.1", port), timeout=30)
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    reader.recv(1)
    return reader


def test_readers_that_never_read_and_fifty_megabytes_of_logs_a_second_hold_nobody_up(
    swapyard: Start, scripted: Callable[..., str], tmp_path: Path
) -> None:
    script = tmp_path / "noise.py"
    script.write_text(NOISE)
    over = tmp_path / "over"  # made when all of it was taken from the noisy server
    noise = shlex.join([sys.executable, str(script), str(over)])
    noisy = f"sh -c '{noise} & exec {scripted('noisy')}'"
    config = {
        "models": {"noisy": {"cmd": noisy}, "hare": {"cmd": scripted("hare")}},
        "groups": {"all": {"swap": False, "members": ["noisy", "hare"]}},
    }
    with swapyard(config) as running, ExitStack() as readers:
        assert running.ask("hare").status_code == 200
        process = psutil.Process(running.process.pid)
        before = process.memory_info().rss
        for path in STREAMS:
            readers.enter_context(stalled_reader(running.port, path))
        assert running.ask("noisy").status_code == 200
        most, answers = before, 0
        while not over.exists():
            for model in ("hare", "noisy"):
                answer = httpx.post(
                    running.address + "/v1/chat/completions",
                    json={"model": model, "max_tokens": 2, "messages": [{"role": "user", "content": "hi"}]},
                    timeout=5,  # a log that blocks would block for ever
                )
                assert answer.status_code == 200
            answers += 2
            most = max(most, process.memory_info().rss)
        assert answers > 10
        assert most - before < MORE, f"{(most - before) >> 20} MB"
