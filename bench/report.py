"""What the run found, judged: the rows of the table, the budgets, the JSON file.

A budget is about Swapyard's value and one other: a ratio to another side's, a difference to `direct`, or a plain limit.
The numbers are those of docs/architecture.md.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Budget:
    """`judge` gives the figure that counts (None: not comparable in this run); it must be at least or at most `limit`."""

    text: str
    limit: float
    judge: Callable[[Values], float | None]
    at_least: bool = False
    shown: str = "{:.2f}"

    def figure(self, values: Values) -> float | None:
        return self.judge(values)

    def met(self, values: Values) -> bool | None:
        figure = self.judge(values)
        if figure is None:
            return None
        return figure >= self.limit if self.at_least else figure <= self.limit


def ratio_to(other: str) -> Callable[[Values], float | None]:
    return lambda values: values["swapyard"] / values[other] if values.get(other) and "swapyard" in values else None


def added_to(other: str) -> Callable[[Values], float | None]:
    return lambda values: values["swapyard"] - values[other] if {other, "swapyard"} <= set(values) else None


def itself(values: Values) -> float | None:
    return values.get("swapyard")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of every side. `detail` goes into the JSON file only."""

    what: str
    unit: str
    values: Values
    budgets: Sequence[Budget] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)


def table(rows: Sequence[Row], sides: Sequence[str]) -> str:
    """The table as text, one line per figure and budget."""
    header = ["what", "unit", *sides, "figure", "budget", "met"]
    lines = [header]
    for row in rows:
        values = [shown(row.values.get(side)) for side in sides]
        for number, budget in enumerate(row.budgets or [None]):
            start = [row.what, row.unit, *values] if number == 0 else [""] * (2 + len(sides))
            lines.append([*start, *judged(budget, row.values)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width) for column, (cell, width) in enumerate(cells)
        ).rstrip()
        for cells in (list(zip(line, widths, strict=True)) for line in [lines[0], rule, *lines[1:]])
    )


def judged(budget: Budget | None, values: Values) -> list[str]:
    if budget is None:
        return ["", "", ""]
    figure = budget.figure(values)
    met = {True: "yes", False: "NO", None: "-"}[budget.met(values)]
    return ["-" if figure is None else budget.shown.format(figure), budget.text, met]


def shown(value: float | None) -> str:
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def write_json(rows: Sequence[Row], folder: Path, options: Mapping[str, Any]) -> Path:
    """One file per run; what it was run on stands in it. A budget is written as its text, figure and verdict."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / time.strftime("%Y%m%d-%H%M%S.json")
    found = []
    for row in rows:
        budgets = [
            {"budget": budget.text, "figure": budget.figure(row.values), "met": budget.met(row.values)}
            for budget in row.budgets
        ]
        found.append({**asdict(row), "budgets": budgets})
    machine = {"python": platform.python_version(), "system": platform.platform(), "processor": platform.machine()}
    path.write_text(json.dumps({"machine": machine, "options": dict(options), "rows": found}, indent=2, default=str) + "\n")
    return path
