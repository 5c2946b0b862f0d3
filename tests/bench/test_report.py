"""Budgets are judged on the right figure, and the table says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench.report import Budget, Row, added_to, itself, ratio_to, table, write_json

HALF = Budget(">= 0.50x nginx", 0.5, ratio_to("nginx"), at_least=True, shown="{:.2f}x")
ADDED = Budget("+ <= 1.00 ms", 1.0, added_to("direct"), shown="+{:.2f}")


@pytest.mark.parametrize(
    ("budget", "values", "figure", "met"),
    [
        (HALF, {"nginx": 40.0, "swapyard": 20.0}, 0.5, True),
        (HALF, {"nginx": 40.0, "swapyard": 19.0}, 0.475, False),
        (HALF, {"swapyard": 19.0}, None, None),
        (ADDED, {"direct": 1.0, "swapyard": 2.0}, 1.0, True),
        (ADDED, {"direct": 1.0, "swapyard": 2.5}, 1.5, False),
        (ADDED, {"direct": 1.0}, None, None),
        (Budget("<= 45 MB", 45, itself), {"swapyard": 46.0}, 46.0, False),
        (Budget("= 0", 0, itself), {"swapyard": 0.0}, 0.0, True),
    ],
)
def test_a_budget_is_met_or_missed_or_cannot_be_told(
    budget: Budget, values: dict[str, float], figure: float | None, met: bool | None
) -> None:
    assert budget.figure(values) == figure
    assert budget.met(values) is met


def test_the_table_has_a_line_per_budget_and_a_dash_for_what_is_missing() -> None:
    rows = [Row("requests", "req/s", {"nginx": 40_000.0, "swapyard": 10_000.0}, [HALF, ADDED]), Row("sse: FAILED", "", {})]

    lines = table(rows, ["direct", "nginx", "swapyard"]).splitlines()

    assert lines[0].split() == ["what", "unit", "direct", "nginx", "swapyard", "figure", "budget", "met"]
    assert lines[2].split() == ["requests", "req/s", "-", "40,000", "10,000", "0.25x", ">=", "0.50x", "nginx", "NO"]
    assert lines[3].split() == ["-", "+", "<=", "1.00", "ms", "-"]
    assert lines[4].split() == ["sse:", "FAILED", "-", "-", "-"]


def test_the_file_holds_rounds_figures_and_verdicts(tmp_path: Path) -> None:
    row = Row("requests", "req/s", {"nginx": 4.0, "swapyard": 3.0}, [HALF], {"rounds": {"nginx": [4.0]}})

    path = write_json([row], tmp_path / "results", {"quick": True})

    written = json.loads(path.read_text())
    assert written["rows"][0]["budgets"] == [{"budget": ">= 0.50x nginx", "figure": 0.75, "met": True}]
    assert written["rows"][0]["detail"]["rounds"] == {"nginx": [4.0]}
    assert written["options"] == {"quick": True}
