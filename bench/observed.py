"""What observation costs where it counts: requests per second with every default on, with all off that can be, and with no
account kept at all (`bench.unrecorded`), which is the path between a client and its upstream."""

from __future__ import annotations

from contextlib import ExitStack

from bench.load import chat, wrk
from bench.measures import CONNECTIONS, Size, medians, rounds, warm
from bench.report import Budget, Row, ratio_to
from bench.sides import NGINX, Bench

# Rows, metrics and the table of requests under way are always kept.
LITTLE = """\
captureBuffer: 0
logLevel: warn
performance: {disabled: true}
"""
WHAT = {
    "full": "small requests, every default on",
    "little": "small requests, no captures, samples, access log",
    "unrecorded": "small requests, no account kept",
}
PATH = Budget(">= 0.50x nginx", 0.5, ratio_to("nginx"), at_least=True, shown="{:.2f}x")


def observed(bench: Bench, size: Size) -> list[Row]:
    if not bench.with_swapyard:
        return []
    with ExitStack() as stack:
        sides = {}
        if NGINX:
            bench.upstream_port = stack.enter_context(bench.start("direct")).port
            sides["nginx"] = stack.enter_context(bench.start("nginx"))
        sides["full"] = stack.enter_context(bench.start("swapyard"))
        sides["little"] = stack.enter_context(bench.start("swapyard", LITTLE))
        sides["unrecorded"] = stack.enter_context(bench.start("unrecorded"))
        for served in sides.values():
            warm(served)
        found = rounds(
            sides, size.rounds, lambda served: wrk(served.port, chat(), connections=CONNECTIONS, seconds=size.seconds)[0]
        )
    taken = medians(found)
    nginx = {"nginx": taken["nginx"]} if "nginx" in taken else {}
    return [
        Row(
            what,
            "req/s",
            {**nginx, "swapyard": taken[side]},
            [PATH] if side == "unrecorded" else [],
            {"rounds": {name: values for name, values in found.items() if name in (side, "nginx")}},
        )
        for side, what in WHAT.items()
    ]
