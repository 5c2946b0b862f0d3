"""Requests per second, added latency, streams: all sides run at once, and take turns round by round.

A round visits every side once, so that a noisy minute of the machine hits all of them; the median round counts.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bench.load import BadAnswer, KeepAlive, chat, post, wrk
from bench.processes import Served
from bench.report import Budget, Row, added_to, itself, ratio_to

Sides = Mapping[str, Served]
Result = TypeVar("Result")

CONNECTIONS = 16
STREAMS = 1000


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done: `seconds` per side and round, `rounds`, requests per batch, and so on."""

    rounds: int
    seconds: float
    latency_requests: int
    streams: int
    stream_seconds: int
    stream_rounds: int
    swaps: int
    starts: int
    memory_requests: int
    gigabyte: int


FULL = Size(5, 4, 2000, STREAMS, 6, 3, 20, 10, 100_000, 1 << 30)
QUICK = Size(2, 1, 500, 200, 3, 1, 4, 3, 10_000, 1 << 27)


def warm(served: Served) -> list[Row]:
    """The first request to a gateway loads the model. It is not measured."""
    with KeepAlive(served.port) as client:
        client.whole(post(chat()))
    return []


def rounds(sides: Sides, count: int, measure: Callable[[Served], Result]) -> dict[str, list[Result]]:
    """`measure` of every side, `count` times in turns; every other round goes backwards."""
    found: dict[str, list[Result]] = {name: [] for name in sides}
    for number in range(count):
        names = list(sides) if number % 2 == 0 else list(sides)[::-1]
        for name in names:
            found[name].append(measure(sides[name]))
    return found


def medians(found: Mapping[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(values) for name, values in found.items()}


def throughput(sides: Sides, size: Size, peer: str) -> list[Row]:
    body = chat()
    rounds(sides, 1, lambda served: wrk(served.port, body, connections=CONNECTIONS, seconds=1)[0])
    found = rounds(
        sides, size.rounds, lambda served: wrk(served.port, body, connections=CONNECTIONS, seconds=size.seconds)[0]
    )
    budgets = [Budget(">= 0.40x nginx", 0.4, ratio_to("nginx"), at_least=True, shown="{:.2f}x")]
    if peer:
        budgets.append(Budget(f">= 4.0x {peer}", 4.0, ratio_to(peer), at_least=True, shown="{:.2f}x"))
    return [Row(f"small requests, {CONNECTIONS} connections", "req/s", medians(found), budgets, {"rounds": found})]


def latency(sides: Sides, size: Size, peer: str) -> list[Row]:
    """One client, one connection. The p50 and p99 of each round, in milliseconds; what counts is what is added to direct."""
    request = post(chat())

    def batch(served: Served) -> tuple[float, float]:
        with KeepAlive(served.port) as client:
            taken = sorted(client.latencies(request, size.latency_requests))
        return taken[len(taken) // 2] * 1000, taken[len(taken) * 99 // 100] * 1000

    found = rounds(sides, size.rounds, batch)
    p50 = {name: [one[0] for one in taken] for name, taken in found.items()}
    p99 = {name: [one[1] for one in taken] for name, taken in found.items()}
    return [
        Row(
            "latency p50, 1 client",
            "ms",
            medians(p50),
            [Budget("+ <= 0.20 ms", 0.2, added_to("direct"), shown="+{:.3f}")],
            {"rounds": p50},
        ),
        Row(
            "latency p99, 1 client",
            "ms",
            medians(p99),
            [Budget("+ <= 1.00 ms", 1.0, added_to("direct"), shown="+{:.3f}")],
            {"rounds": p99},
        ),
    ]


def sse(sides: Sides, size: Size, peer: str) -> list[Row]:
    """Streams of 100 events, without a pause, in events per second."""
    body = chat(stream=True, user="sse")
    rounds(sides, 1, lambda served: wrk(served.port, body, connections=CONNECTIONS, seconds=1)[0])
    found = rounds(
        sides, size.rounds, lambda served: 100 * wrk(served.port, body, connections=CONNECTIONS, seconds=size.seconds)[0]
    )
    budget = Budget(">= 0.90x direct", 0.9, ratio_to("direct"), at_least=True, shown="{:.2f}x")
    return [Row(f"SSE, {CONNECTIONS} clients, 100 events each", "events/s", medians(found), [budget], {"rounds": found})]


def streams(sides: Sides, size: Size, peer: str) -> list[Row]:
    """Many streams at 20 events per second each: none may stall, and the gaps may grow only a little."""
    results = rounds(sides, size.stream_rounds, lambda served: many_streams(served, size))
    gaps = medians({name: [one["p99_gap_ms"] for one in taken] for name, taken in results.items()})
    stalls = {name: sum(one["stalls"] + one["failures"] for one in taken) for name, taken in results.items()}
    return [
        Row(f"{size.streams} streams at 20/s: stalled", "streams", stalls, [Budget("= 0", 0, itself, shown="{:.0f}")]),
        Row(
            f"{size.streams} streams at 20/s: p99 gap",
            "ms",
            gaps,
            [Budget("+ <= 25 ms", 25, added_to("direct"), shown="{:+.1f}")],
            results,
        ),
    ]


def many_streams(served: Served, size: Size) -> dict[str, float]:
    script = Path(__file__).with_name("stream_client.py")
    limit = size.stream_seconds + 30
    command = [
        sys.executable,
        str(script),
        "--port",
        str(served.port),
        "--streams",
        str(size.streams),
        "--limit",
        str(limit),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=limit + 30, check=False)
    if ended.returncode:
        raise BadAnswer(ended.stderr)
    result: dict[str, Any] = json.loads(ended.stdout)
    return result
