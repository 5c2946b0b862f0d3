"""Resident memory of the gateway's own process: idle, after many requests, after one very long stream.

Each gateway is started anew for this. The budget after work is what it had when idle, plus the capture buffer (5 MB by
default), plus 20 MB.
"""

from __future__ import annotations

import time

from bench.load import BadAnswer, KeepAlive, chat, post, wrk
from bench.measures import CONNECTIONS, Size
from bench.processes import Served
from bench.report import Budget, Row, Values, itself
from bench.sides import Bench

ROOM = 5 + 20  # MB
TIME_LIMIT = 120.0  # seconds that a slow side gets for its requests
SETTLE = 1.0


def memory(bench: Bench, size: Size) -> list[Row]:
    idle: dict[str, float] = {}
    worked: dict[str, float] = {}
    streamed: dict[str, float] = {}
    requests: dict[str, int] = {}
    for name in bench.gateways:
        with bench.start(name) as served:
            time.sleep(SETTLE)
            idle[name] = served.resident_mb()
            requests[name] = many_requests(served, size.memory_requests)
            worked[name] = served.resident_mb()
            with KeepAlive(served.port) as client:
                received = client.swallow(post(chat(stream=True, user="gigabyte")))
            if received < size.gigabyte:
                raise BadAnswer(f"{name}: only {received} of {size.gigabyte} bytes came")
            streamed[name] = served.resident_mb()

    def growth(values: Values) -> float | None:
        return values["swapyard"] - idle["swapyard"] if "swapyard" in values else None

    grown = Budget(f"idle + {ROOM} MB", ROOM, growth, shown="{:+.1f}")
    return [
        Row("memory, idle", "MB", idle, [Budget("<= 45 MB", 45, itself, shown="{:.1f}")]),
        Row(f"memory, after {size.memory_requests:,} requests", "MB", worked, [grown], {"requests": requests}),
        Row(f"memory, after a stream of {size.gigabyte >> 20} MB", "MB", streamed, [grown]),
    ]


def many_requests(served: Served, count: int) -> int:
    """At least `count` requests, or as many as fit into the time limit; how many it was."""
    deadline = time.monotonic() + TIME_LIMIT
    done = 0
    while done < count and time.monotonic() < deadline:
        done += wrk(served.port, chat(), connections=CONNECTIONS, seconds=1)[1]
    return done
