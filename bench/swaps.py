"""What a swap costs beyond the engine's own stop and load, and how long a gateway takes to start.

The engine's own time is taken in the same run, in turns with the swaps: the same engine, started and stopped by this
program, from spawn to the first 200 of /health (asked every millisecond) and from SIGTERM to its exit; and a request to
it, to the first byte. A swap is a request for the model that does not run, to the first byte. What is left is overhead.
The engines' journal tells where the time went; it is in the JSON file.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import Any

from bench.load import KeepAlive, chat, post
from bench.measures import Size
from bench.processes import Served, free_ports
from bench.report import Budget, Row, itself
from bench.sides import Bench

MODELS = ("swap-1", "swap-2")


def swap(bench: Bench, size: Size) -> list[Row]:
    own: list[float] = []
    totals: dict[str, list[float]] = {name: [] for name in bench.gateways}
    steps: dict[str, list[dict[str, float]]] = {name: [] for name in bench.gateways}
    for name in bench.gateways:
        with bench.start(name) as served:
            request_to(served, MODELS[0])
            for number in range(size.swaps):
                model = MODELS[(number + 1) % 2]
                asked = time.monotonic()
                totals[name].append(request_to(served, model) * 1000)
                steps[name].append(journalled(bench.folder / "journal", asked))
                own.append(own_time(bench) * 1000)
    engine = statistics.median(own)
    overhead = {name: statistics.median(taken) - engine for name, taken in totals.items()}
    detail = {"engine_own_median_ms": engine, "engine_own_ms": own, "request_to_first_byte_ms": totals, "steps": steps}
    return [
        Row("swap, less the engine's own time", "ms", overhead, [Budget("<= 20 ms", 20, itself, shown="{:.1f}")], detail)
    ]


def request_to(served: Served, model: str) -> float:
    with KeepAlive(served.port) as client:
        return client.first_byte(post(chat(model, max_tokens=4)))


def own_time(bench: Bench) -> float:
    """Seconds that the engine takes without a gateway: stop, load and answer."""
    port = free_ports()
    engine = Served([*bench.engine(), "--port", str(port)], port, bench.folder / "engine.log")
    with engine:
        with KeepAlive(port) as client:
            answer = client.first_byte(post(chat(max_tokens=4)))
        stop = engine.stop()
    return engine.seconds_to_serve + answer + stop


def journalled(journal: Path, asked: float) -> dict[str, float]:
    """The steps of the engines since `asked`, in milliseconds after it (Linux: one monotonic clock for all processes)."""
    lines = journal.read_text().splitlines() if journal.exists() else []
    entries: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return {entry["event"]: round((entry["at"] - asked) * 1000, 2) for entry in entries if entry["at"] >= asked}


def startup(bench: Bench, size: Size) -> list[Row]:
    """From exec to the first 200 of /health, asked every millisecond."""
    found: dict[str, list[float]] = {name: [] for name in bench.gateways}
    for _ in range(size.starts):
        for name in bench.gateways:
            with bench.start(name) as served:
                found[name].append(served.seconds_to_serve * 1000)
    values = {name: statistics.median(taken) for name, taken in found.items()}
    return [Row("start-up to /health 200", "ms", values, [Budget("<= 250 ms", 250, itself, shown="{:.0f}")], found)]
