"""How long the matrix planner takes for one decision: `python -m bench.matrix`.

- 10,000, a million:  `t & (a0 | ... | a9) & (b0 | ... ) & ...`, four or six choices of ten; one model of each runs, so
                      that the answer keeps them all;
- full:               the same million, with all 60 models running, which no set allows: the bound has to hold;
- spelled out:        10,000 alternatives `a0 & b0 | a1 & b1 | ...`, with one pair running;
- target everywhere:  10,000 alternatives that all name the target: the cost goes with the length of the text;
- thousand sets:      a thousand sets that refer to each other in one long chain;
- worst:              forty choices of 25, all thousand models running: the largest explosion.

Times are the median of the decisions, in milliseconds of processor time. The budget is 0.2 ms for 10,000 combinations.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from swapyard.core.matrix import MatrixSets
from swapyard.core.planners.matrix import MatrixPlanner


@dataclass(frozen=True, slots=True)
class Case:
    sets: dict[str, str]
    running: Sequence[str]
    target: str = "t"

    @property
    def models(self) -> set[str]:
        words = " ".join(self.sets.values()).replace("(", " ").replace(")", " ").split()
        return {word for word in words if word not in "&|" and word[0] != "+"} | {*self.running, self.target}


def choices(parts: int, width: int) -> list[list[str]]:
    return [[f"m{part}-{number}" for number in range(width)] for part in range(parts)]


def product(clauses: list[list[str]]) -> dict[str, str]:
    return {"s": "t & " + " & ".join(f"({' | '.join(clause)})" for clause in clauses)}


def one_of_each(parts: int) -> Case:
    clauses = choices(parts, 10)
    return Case(product(clauses), [clause[5] for clause in clauses])


def all_running(parts: int, width: int) -> Case:
    clauses = choices(parts, width)
    return Case(product(clauses), [model for clause in clauses for model in clause])


def spelled_out() -> Case:
    pairs = [f"a{number} & b{number}" for number in range(10_000)]
    return Case({"s": " | ".join(pairs)}, ["b7000", "a3000"], target="a7000")


def target_everywhere() -> Case:
    return Case({"s": " | ".join(f"t & a{number}" for number in range(10_000))}, ["a7000", "a3000"])


def chain() -> Case:
    sets = {f"s{number}": f"+s{number + 1} & m{number} | x{number}" for number in range(1000)} | {"s1000": "t & y"}
    return Case(sets, ["m3", "m500", "y"])


CASES: dict[str, Callable[[], Case]] = {
    "10,000 combinations": lambda: one_of_each(4),
    "a million combinations": lambda: one_of_each(6),
    "a million, full": lambda: all_running(6, 10),
    "10,000 spelled out": spelled_out,
    "target everywhere": target_everywhere,
    "thousand sets": chain,
    "worst": lambda: all_running(40, 25),
}


def main() -> None:
    print(f"{'':24} {'parse ms':>9} {'decision ms':>12}")
    for name, make in CASES.items():
        case = make()
        models = case.models
        begin = time.process_time()
        planner = MatrixPlanner(MatrixSets.parse(case.sets, {}, models))
        parsed = time.process_time() - begin
        took: list[float] = []
        give_up_at = time.process_time() + 1.0
        while len(took) < 500 and (len(took) < 5 or time.process_time() < give_up_at):
            begin = time.process_time()
            planner.evict(case.target, case.running)
            took.append(time.process_time() - begin)
        choice = planner.sets.best(case.target, case.running, {})
        exact = "" if choice.exact else "  (bounded)"
        print(f"{name:24} {parsed * 1e3:9.2f} {median(took) * 1e3:12.3f}{exact}")


if __name__ == "__main__":
    main()
