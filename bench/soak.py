"""A long run with everything on, and whether the books are right at its end: `python -m bench.soak`.

The real command, with rows in a file, captures, metrics, samples of the machine, the access log as JSON, and somebody who
watches the events. Requests over 16 connections and streams at 20 events per second; then:

* memory is within the budget: idle + captureBuffer + 20 MB;
* every request is accounted for exactly once: rows of the file, metrics' counters and access lines agree with the clients.

Prints a table; the exit code is 1 where something is over its budget or does not add up.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import shlex
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.__main__ import raise_file_limit
from bench.load import KeepAlive, chat, post
from bench.measures import CONNECTIONS
from bench.memory import SETTLE
from bench.processes import Served, free_ports
from bench.sides import HERE

CHAT = "/v1/chat/completions"
CAPTURES = 5  # MB
ROOM = CAPTURES + 20  # MB
STREAM_SECONDS = 5
BOOKS = 10.0  # seconds for the last rows and lines to be written
GIVEN_BACK = 3.0  # seconds of quiet after which what a peak has left is given back to the system

CONFIG = """\
startPort: {start_port}
logFormat: json
captureBuffer: {captures}
store: {{path: {folder}/rows.db}}
performance: {{every: 5s}}
models:
  bench:
    cmd: {upstream} --port ${{PORT}}
    proxy: http://127.0.0.1:${{PORT}}
    concurrencyLimit: 5000
"""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description="A long run with everything on.")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--streams", type=int, default=1000)
    return parser.parse_args()


def served(folder: Path) -> Served:
    upstream = [sys.executable, str(HERE / "upstream.py"), "--paced-chunks", str(20 * STREAM_SECONDS)]
    config = folder / "config.yaml"
    values = {"start_port": free_ports(4), "captures": CAPTURES, "folder": folder, "upstream": shlex.join(upstream)}
    config.write_text(CONFIG.format(**values))
    port = free_ports()
    command = [sys.executable, "-m", "swapyard", "--config", str(config), "--listen", f"127.0.0.1:{port}"]
    return Served(command, port, folder / "swapyard.log")


@contextmanager
def viewer(port: int) -> Iterator[None]:
    """Reads the events, and does nothing with them."""
    with socket.create_connection(("127.0.0.1", port)) as events:
        events.sendall(b"GET /api/events HTTP/1.1\r\nHost: bench\r\n\r\n")

        def read() -> None:
            while events.recv(1 << 20):
                pass

        reader = threading.Thread(target=read)
        reader.start()
        yield
        events.shutdown(socket.SHUT_RDWR)
        reader.join()


def ask(port: int, path: str) -> str:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("GET", path)
        return connection.getresponse().read().decode()


def load(port: int, requests: int) -> None:
    """So many requests over `CONNECTIONS` connections, each answered whole before the next. Raises BadAnswer."""
    shares = [requests // CONNECTIONS + (number < requests % CONNECTIONS) for number in range(CONNECTIONS)]

    def work(share: int) -> None:
        body = post(chat())
        with KeepAlive(port) as client:
            for _ in range(share):
                client.whole(body)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(work, shares))  # raises what a worker raised


def many_streams(port: int, streams: int) -> int:
    """How many of them came to their proper end."""
    command = [sys.executable, str(HERE / "stream_client.py"), "--port", str(port), "--streams", str(streams)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return int(json.loads(ended.stdout)["complete"])


@dataclass(frozen=True, slots=True)
class Books:
    """What Swapyard says of the requests that it served; each is to be the same number."""

    rows: int
    rows_without_fault: int
    metrics: int
    access_lines: int


def books(folder: Path, port: int) -> Books:
    with closing(sqlite3.connect(folder / "rows.db")) as file:
        rows, good = file.execute(
            "SELECT count(DISTINCT id), sum(resp_status_code = 200 AND output_tokens > 0 AND error_msg = '') FROM activity"
        ).fetchone()
    counted = re.findall(r"^swapyard_requests_total\{.*\} (\S+)$", ask(port, "/metrics"), re.MULTILINE)
    with (folder / "swapyard.log").open(encoding="utf-8") as lines:
        access = sum(json.loads(line).get("path") == CHAT for line in lines)
    return Books(rows, good or 0, round(sum(map(float, counted))), access)


def settled(folder: Path, port: int, expected: Books) -> Books:
    """Rows and lines are written a moment later than answers."""
    give_up_at = time.monotonic() + BOOKS
    while (found := books(folder, port)) != expected and time.monotonic() < give_up_at:
        time.sleep(0.2)
    return found


def main() -> int:
    flags = parse()
    raise_file_limit()
    with tempfile.TemporaryDirectory(prefix="swapyard-soak-") as name:
        folder = Path(name)
        with served(folder) as gateway, viewer(gateway.port):
            load(gateway.port, 1)  # the model is there from now on
            time.sleep(SETTLE)
            idle = gateway.resident_mb()
            began = time.monotonic()
            load(gateway.port, flags.requests)
            rate = flags.requests / (time.monotonic() - began)
            complete = many_streams(gateway.port, flags.streams)
            every = 1 + flags.requests + flags.streams
            found = settled(folder, gateway.port, Books(every, every, every, every))
            time.sleep(GIVEN_BACK)
            grown = gateway.resident_mb() - idle
    verdicts = [
        ("memory", f"{idle:.1f} MB {grown:+.1f}", f"idle + {ROOM} MB", grown <= ROOM),
        ("streams that came to their end", str(complete), f"{flags.streams}", complete == flags.streams),
        *((f"accounted for: {book}", str(count), f"{every}", count == every) for book, count in asdict(found).items()),
    ]
    print(f"{flags.requests} requests at {rate:,.0f}/s (as fast as this client asks), {flags.streams} streams\n")
    print("| what | found | wanted | |\n|---|---|---|---|")
    for what, figure, wanted, is_right in verdicts:
        print(f"| {what} | {figure} | {wanted} | {'yes' if is_right else '**no**'} |")
    return 0 if all(is_right for *_, is_right in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
