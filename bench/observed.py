"""What observation costs where it counts: requests per second with every default on, and with all off that can be."""

from __future__ import annotations

from bench.load import chat, wrk
from bench.measures import CONNECTIONS, Size, medians, rounds, warm
from bench.report import Row
from bench.sides import Bench

# Rows, metrics and the table of requests under way are always kept.
LITTLE = """\
captureBuffer: 0
logLevel: warn
performance: {disabled: true}
"""


def observed(bench: Bench, size: Size) -> list[Row]:
    if not bench.with_swapyard:
        return []
    with bench.start("swapyard") as full, bench.start("swapyard", LITTLE) as little:
        sides = {"full": full, "little": little}
        for served in sides.values():
            warm(served)
        found = rounds(
            sides, size.rounds, lambda served: wrk(served.port, chat(), connections=CONNECTIONS, seconds=size.seconds)[0]
        )
    taken = medians(found)
    return [
        Row("small requests, every default on", "req/s", {"swapyard": taken["full"]}, [], {"rounds": found["full"]}),
        Row(
            "small requests, no captures, samples, access log",
            "req/s",
            {"swapyard": taken["little"]},
            [],
            {"rounds": found["little"]},
        ),
    ]
