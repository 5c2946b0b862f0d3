"""The command line of the benchmarks: `python -m bench [--quick] [--only NAME ...] [--peer COMMAND]`."""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import measures, memory, observed, swaps
from bench.load import BadAnswer
from bench.measures import FULL, QUICK, Sides, Size
from bench.processes import FailedToStart
from bench.report import Row, table, write_json
from bench.sides import NGINX, Bench, Peer

RESULTS = Path(__file__).with_name("results")

SIDE_BY_SIDE: dict[str, Callable[[Sides, Size, str], list[Row]]] = {
    "throughput": measures.throughput,
    "latency": measures.latency,
    "sse": measures.sse,
    "streams": measures.streams,
}
GATEWAYS_ALONE: dict[str, Callable[[Bench, Size], list[Row]]] = {
    "swap": swaps.swap,
    "startup": swaps.startup,
    "memory": memory.memory,
    "observed": observed.observed,
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Swapyard beside nginx, a peer, and no proxy at all."
    )
    parser.add_argument("--quick", action="store_true", help="a short run: the figures are rough")
    parser.add_argument("--only", action="append", choices=[*SIDE_BY_SIDE, *GATEWAYS_ALONE], help="may be repeated")
    parser.add_argument("--peer", metavar="COMMAND", help='e.g. "llama-swap --config {config} --listen 127.0.0.1:{port}"')
    parser.add_argument("--peer-name", default="peer", help="how the table calls it")
    parser.add_argument("--without-swapyard", action="store_true", help="try the harness: direct, nginx and the peer only")
    return parser.parse_args()


def run(bench: Bench, size: Size, wanted: list[str], peer: str) -> list[Row]:
    """Every measure that is wanted, in the order of the table. One that fails is told and left out."""
    rows: list[Row] = []

    def add(name: str, measure: Callable[[], list[Row]]) -> None:
        print(f"... {name}", file=sys.stderr, flush=True)
        try:
            rows.extend(measure())
        except (BadAnswer, FailedToStart, OSError) as error:
            print(f"{name} failed: {error}", file=sys.stderr)
            rows.append(Row(f"{name}: FAILED", "", {}))

    if together := [name for name in SIDE_BY_SIDE if name in wanted]:
        with bench.all_running() as sides:
            for name, served in sides.items():
                add(f"warm up {name}", lambda served=served: measures.warm(served))  # type: ignore[misc]
            for name in together:
                add(name, lambda name=name: SIDE_BY_SIDE[name](sides, size, peer))  # type: ignore[misc]
    for name in GATEWAYS_ALONE:
        if name in wanted and bench.gateways:
            add(name, lambda name=name: GATEWAYS_ALONE[name](bench, size))  # type: ignore[misc]
    return rows


def main() -> int:
    flags = parse()
    size = QUICK if flags.quick else FULL
    wanted = flags.only or [*SIDE_BY_SIDE, *GATEWAYS_ALONE]
    raise_file_limit()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that everything is stopped
    if not NGINX:
        print("nginx is not installed (Debian: apt-get install nginx-light): its column is left out", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="swapyard-bench-") as folder:
        peer = Peer(flags.peer_name, flags.peer) if flags.peer else None
        upstream = ("--paced-chunks", str(20 * size.stream_seconds), "--gigabyte-bytes", str(size.gigabyte))
        bench = Bench(Path(folder), peer, not flags.without_swapyard, upstream)
        try:
            rows = run(bench, size, wanted, peer.name if peer else "")
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
            return 130
        except FailedToStart as error:
            print(error, file=sys.stderr)
            return 1
    print(table(rows, bench.names))
    print(f"\nwritten to {write_json(rows, RESULTS, vars(flags))}")
    return 1 if any(not row.values for row in rows) else 0


def raise_file_limit() -> None:
    """A thousand streams through a gateway need two thousand descriptors there; children inherit the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(16384, hard) if hard != resource.RLIM_INFINITY else 16384
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    sys.exit(main())
