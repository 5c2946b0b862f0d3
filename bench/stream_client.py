"""The client of many concurrent streams, a process of its own and light: it counts, and times the gaps between events.

    python bench/stream_client.py --port N --streams 1000 --model NAME

Prints one JSON object: `complete` streams, `events` in all, `p50_gap_ms` and `p99_gap_ms` between two events of a stream,
`longest_gap_ms`, `stalls` (gaps of over a second) and `failures` (answers that are not 200 or end before `[DONE]`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from array import array
from typing import cast

import uvloop

STALL = 1.0  # seconds
RAMP = 100  # streams opened at once, so that the listener's backlog is not what is measured
RAMP_PAUSE = 0.05


class Tally:
    def __init__(self) -> None:
        self.gaps = array("d")
        self.events = 0
        self.complete = 0
        self.failures = 0


class Stream(asyncio.Protocol):
    """One request and its stream."""

    def __init__(self, request: bytes, tally: Tally, done: asyncio.Future[None]) -> None:
        self.request = request
        self.tally = tally
        self.done = done
        self.last = 0.0
        self.tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's class is none of asyncio's
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        if not self.last and not data.startswith(b"HTTP/1.1 200"):
            self.transport.close()
            return
        if events := data.count(b"data: "):
            self.tally.events += events
            if self.last:
                self.tally.gaps.append(now - self.last)
        self.last = now
        self.tail = (self.tail + data)[-32:]
        if b"0\r\n\r\n" in self.tail:
            self.tally.complete += 1
            self.finish()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.tally.failures += 1
            self.finish()

    def finish(self) -> None:
        self.done.set_result(None)
        self.transport.close()


async def run(port: int, streams: int, model: str, limit: float) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    body = json.dumps({"model": model, "stream": True, "user": "paced", "messages": []}, separators=(",", ":")).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    )
    request = head.encode() + b"\r\n\r\n" + body
    tally = Tally()
    waiting: list[asyncio.Future[None]] = []
    for number in range(streams):
        done = loop.create_future()
        waiting.append(done)
        try:
            await loop.create_connection(lambda done=done: Stream(request, tally, done), "127.0.0.1", port)  # type: ignore[misc]
        except OSError:
            tally.failures += 1
            done.set_result(None)
        if number % RAMP == RAMP - 1:
            await asyncio.sleep(RAMP_PAUSE)
    await asyncio.wait(waiting, timeout=limit)
    return summary(tally, streams)


def summary(tally: Tally, streams: int) -> dict[str, float]:
    gaps = sorted(tally.gaps) or [0.0]
    return {
        "complete": tally.complete,
        "failures": tally.failures + (streams - tally.complete - tally.failures),
        "events": tally.events,
        "stalls": sum(gap > STALL for gap in gaps),
        "p50_gap_ms": gaps[len(gaps) // 2] * 1000,
        "p99_gap_ms": gaps[len(gaps) * 99 // 100] * 1000,
        "longest_gap_ms": gaps[-1] * 1000,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Many concurrent streams.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--model", default="bench")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds")
    flags = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(run(flags.port, flags.streams, flags.model, flags.limit))))


if __name__ == "__main__":
    main()
