"""The dashboard in docs/ asks only for metrics that exist, and leaves none out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from swapyard.observe.metrics import GpuSample, Machine, Metrics, ModelNow, SystemSample

DASHBOARD: dict[str, Any] = json.loads((Path(__file__).parents[2] / "docs" / "grafana.json").read_text(encoding="utf-8"))
SYSTEM = SystemSample(
    cpu_percent=[1.0],
    memory_total=1,
    memory_used=1,
    memory_free=1,
    swap_total=1,
    swap_used=1,
    load=(1.0, 1.0, 1.0),
    network={"eth0": (1, 1)},
)
GPU = GpuSample(
    id=0,
    name="G",
    uuid="u",
    temperature=1,
    vram_temperature=1,
    util_percent=1,
    memory_util_percent=1,
    memory_used=1,
    memory_total=1,
    fan_percent=1,
    power_watts=1,
)
NAME = re.compile(r"\b(?:llamaswap|swapyard)_\w+")


def queries() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (variable["query"] for variable in DASHBOARD["templating"]["list"])


@pytest.fixture(scope="module")
def served() -> set[str]:
    """Every name of a series, as Prometheus knows it."""
    metrics = Metrics(models=("m",), routes=(), now=lambda: [ModelNow("m", "ready")], machine=lambda: Machine(SYSTEM, [GPU]))
    metrics.loaded("m", 1.0)
    names = set()
    for family in text_string_to_metric_families(metrics.text().decode()):
        names |= {family.name + "_total"} if family.type == "counter" else {family.name}
        names |= {f"{family.name}_bucket"} if family.type == "histogram" else set()
    return names


def test_it_asks_only_for_what_is_served(served: set[str]) -> None:
    asked = {name for query in queries() for name in NAME.findall(query)}
    assert asked - served == set()


def test_it_shows_every_metric(served: set[str]) -> None:
    shown = {name.removesuffix("_bucket") for query in queries() for name in NAME.findall(query)}
    # These two add nothing to the duration that has them as parts.
    assert {name.removesuffix("_bucket") for name in served} - shown == {
        "swapyard_prefill_seconds",
        "swapyard_decode_seconds",
    }


def test_panels_do_not_overlap_and_have_numbers_of_their_own() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert all(0 <= x < 24 for x, _ in cells)
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))
