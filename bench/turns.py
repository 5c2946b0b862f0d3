"""States of the code against each other, on small requests: `python -m bench.turns [--rounds N] TREE...`, Linux only.

A tree is a folder with `src/swapyard`: a worktree of another commit, or a copy with something changed or taken out.
Without one, the code at hand. All run at once and take turns under wrk's load, second by second, with nginx between them,
so that a noisy minute of the machine hits all of them. Of each: requests per second, their ratio to nginx of the same
rounds, and the processor time that a request takes, by the kernel's account: of the thread that serves, and of its others.

`--config FILE`: keys for the configuration of all, to see what a setting costs. `--stream`: streams of 100 events instead;
rate and times are of streams then.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from os import sysconf
from pathlib import Path
from statistics import median

from bench.load import chat, wrk
from bench.measures import CONNECTIONS
from bench.processes import Served, free_ports
from bench.sides import NGINX, Bench

SECONDS = 1.0
TICKS = sysconf("SC_CLK_TCK") if sys.platform == "linux" else 100


@dataclass(slots=True)
class Side:
    """One tree. `own`, `others`: microseconds a request, (user, system), by round, of the serving thread and the rest."""

    served: Served
    rates: list[float] = field(default_factory=list)
    own: list[tuple[float, float]] = field(default_factory=list)
    others: list[tuple[float, float]] = field(default_factory=list)

    def turn(self, body: bytes) -> None:
        before = spent(self.served.process.pid)
        rate, requests = wrk(self.served.port, body, connections=CONNECTIONS, seconds=SECONDS)
        taken = {thread: now - before.get(thread, 0) for thread, now in spent(self.served.process.pid).items()}
        one = 1e6 / TICKS / requests
        main = self.served.process.pid
        self.rates.append(rate)
        self.own.append((taken[main, 0] * one, taken[main, 1] * one))
        rest = [sum(ticks for (thread, its), ticks in taken.items() if thread != main and its == kind) for kind in (0, 1)]
        self.others.append((rest[0] * one, rest[1] * one))


def spent(process: int) -> dict[tuple[int, int], int]:
    """Ticks that each thread has used: (thread, 0) outside and (thread, 1) inside of the kernel."""
    found: dict[tuple[int, int], int] = {}
    for thread in Path(f"/proc/{process}/task").iterdir():
        fields = (thread / "stat").read_text().rpartition(")")[2].split()
        found[int(thread.name), 0], found[int(thread.name), 1] = int(fields[11]), int(fields[12])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.turns", description="Trees of code against each other.")
    parser.add_argument("trees", nargs="*", type=Path, default=[Path.cwd()], metavar="TREE")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--stream", action="store_true")
    options = parser.parse_args()
    body = chat(stream=True, user="sse") if options.stream else chat()
    more = options.config.read_text() if options.config is not None else ""
    with tempfile.TemporaryDirectory(prefix="swapyard-bench-") as folder, ExitStack() as stack:
        bench = Bench(Path(folder))
        sides: dict[str, Side] = {}
        if NGINX:
            bench.upstream_port = stack.enter_context(bench.start("direct")).port
            sides["nginx"] = Side(stack.enter_context(bench.start("nginx")))
        for at, tree in enumerate(options.trees):
            sides[str(tree)] = Side(stack.enter_context(of_tree(bench, tree.resolve(), at, more)))
        for side in sides.values():
            wrk(side.served.port, body, connections=CONNECTIONS, seconds=SECONDS)
        for _ in range(options.rounds):
            for side in sides.values():
                side.turn(body)
    tell(sides)


def of_tree(bench: Bench, tree: Path, at: int, more: str) -> Served:
    assert (tree / "src" / "swapyard").is_dir(), f"{tree} has no src/swapyard"
    port = free_ports()
    flags = ["--config", str(bench.config(port, more)), "--listen", f"127.0.0.1:{port}"]
    command = ["env", f"PYTHONPATH={tree / 'src'}", sys.executable, "-m", "swapyard", *flags]
    return Served(command, port, bench.folder / f"tree-{at}.log")


def tell(sides: dict[str, Side]) -> None:
    width = max(map(len, sides))
    print(f"{'':{width}}  {'req/s':>7}  {'of nginx':>8}  {'user + system us':>16}  {'at best':>14}  {'other threads':>14}")
    for name, side in sides.items():
        ratios = [ours / nginx for ours, nginx in zip(side.rates, sides["nginx"].rates, strict=True)] if NGINX else []
        ratio = f"{median(ratios):.2f}" if ratios else "-"
        own, least, others = pair(side.own, median), pair(side.own, min), pair(side.others, median)
        print(f"{name:{width}}  {median(side.rates):7.0f}  {ratio:>8}  {own:>16}  {least:>14}  {others:>14}")


def pair(values: list[tuple[float, float]], pick: Callable[[list[float]], float]) -> str:
    return " + ".join(f"{pick([value[kind] for value in values]):.1f}" for kind in (0, 1))


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(str(error))
