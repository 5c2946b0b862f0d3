"""The clients: wrk for load, one keep-alive connection for latency, one request timed to its first byte."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from array import array
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SCRIPT = Path(__file__).with_name("chat.lua")


TIMEOUT = 30.0  # seconds to connect, and of silence


class BadAnswer(Exception):
    pass


def chat(model: str = "bench", **fields: Any) -> bytes:
    """A small chat request's body."""
    messages = [
        {"role": "system", "content": "You are a helpful assistant. Answer briefly."},
        {"role": "user", "content": "How are you today? Tell me in one sentence."},
    ]
    return json.dumps({"model": model, "messages": messages, "temperature": 0.7, **fields}, separators=(",", ":")).encode()


def post(body: bytes) -> bytes:
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    )
    return head.encode() + b"\r\n\r\n" + body


def wrk(port: int, body: bytes, *, connections: int, seconds: float) -> tuple[float, int]:
    """Requests per second and their number. Raises `BadAnswer` when any answer was not 2xx or any socket failed."""
    program = shutil.which("wrk")
    if program is None:
        raise BadAnswer("wrk is not installed (Debian: apt-get install wrk)")
    length = max(round(seconds), 1)
    flags = ["-t1", f"-c{connections}", f"-d{length}s", "--timeout", "10s", "-s", str(SCRIPT)]
    ended = subprocess.run(
        [program, *flags, f"http://127.0.0.1:{port}/v1/chat/completions", "--", body.decode()],
        capture_output=True,
        text=True,
        timeout=length + 30,
        check=True,
    )
    found = next((line for line in ended.stdout.splitlines() if line.startswith("RESULT ")), "")
    if not found:
        raise BadAnswer(f"wrk said nothing: {ended.stdout} {ended.stderr}")
    requests, microseconds, errors = (int(word) for word in found.split()[1:])
    if errors or not requests:
        raise BadAnswer(f"{errors} of {requests} requests failed:\n{ended.stdout}")
    return requests / microseconds * 1e6, requests


class KeepAlive:
    """One connection that asks one thing at a time."""

    def __init__(self, port: int) -> None:
        self.port = port

    def __enter__(self) -> Self:
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.socket.close()

    def latencies(self, request: bytes, count: int) -> array[float]:
        """Seconds from the request to the last byte of its answer, `count` times. The answers carry a length."""
        found = array("d")
        self.whole(request)
        for _ in range(count):
            began = time.perf_counter()
            self.whole(request)
            found.append(time.perf_counter() - began)
        return found

    def whole(self, request: bytes) -> None:
        self.socket.sendall(request)
        data = self.socket.recv(65536)
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self.more()
        head = data[:end].lower()
        if not head.startswith(b"http/1.1 200"):
            raise BadAnswer(data.decode(errors="replace"))
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        while len(data) < end + 4 + length:
            data += self.more()

    def more(self) -> bytes:
        if not (data := self.socket.recv(65536)):
            raise BadAnswer("the connection was closed in the middle of an answer")
        return data

    def first_byte(self, request: bytes) -> float:
        """Seconds from the request to the first byte of its answer; the rest is not read."""
        began = time.perf_counter()
        self.socket.sendall(request)
        data = self.socket.recv(65536)
        took = time.perf_counter() - began
        if not data.startswith(b"HTTP/1.1 200"):
            raise BadAnswer(data.decode(errors="replace"))
        return took

    def swallow(self, request: bytes) -> int:
        """Read a chunked answer to its end, as fast as it comes; how many bytes came."""
        self.socket.sendall(request)
        buffer = bytearray(1 << 20)
        total, tail = 0, b""
        while count := self.socket.recv_into(buffer):
            total += count
            tail = (tail + buffer[max(count - 8, 0) : count])[-8:]
            if tail.endswith(b"\r\n0\r\n\r\n"):
                return total
        raise BadAnswer(f"the stream broke off after {total} bytes")
