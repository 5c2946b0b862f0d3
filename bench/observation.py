"""What observing a request costs, in processor time: `python -m bench.observation`.

A small JSON answer and a stream of 100 pieces, each with everything on (table, figures, capture, row, metrics) and nobody
looking; then each call by itself.
"""

from __future__ import annotations

import asyncio
import timeit
from collections.abc import Callable
from time import process_time, thread_time

from swapyard.observe.activity import Activity, ActivityStore
from swapyard.observe.bus import Bus
from swapyard.observe.captures import Captures
from swapyard.observe.inflight import Entry, InFlight, Phase
from swapyard.observe.metrics import Metrics
from swapyard.observe.usage import tap_response

CHAT = "/v1/chat/completions"
FIELDS = [(b"host", b"Host", b"localhost:8080"), (b"content-type", b"Content-Type", b"application/json")] * 3
JSON = [(b"Content-Type", b"application/json; charset=utf-8"), (b"Server", b"llama.cpp"), (b"X-Id", b"1")]
SSE = [(b"Content-Type", b"text/event-stream"), (b"Server", b"llama.cpp"), (b"X-Id", b"1")]
TIMINGS = b'"timings":{"cache_n":4,"prompt_n":16,"prompt_ms":12.5,"prompt_per_second":1280.0,"predicted_n":10,'
TIMINGS += b'"predicted_ms":100.0,"predicted_per_second":100.0}'
ANSWER = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello"}}],"usage":{"completion_tokens":10,'
ANSWER += b'"prompt_tokens":20,"total_tokens":30},' + TIMINGS + b"}"
PIECE = b'data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":" hello"}}],"created":1730000000,"id":"c",'
PIECE += b'"model":"x","system_fingerprint":"b1-x","object":"chat.completion.chunk"}\n\n'
BODY = b'{"model":"m","messages":[{"role":"user","content":"' + b"hello " * 30 + b'"}]}'


def nanoseconds(call: Callable[[], object], number: int, clock: Callable[[], float]) -> float:
    return min(timeit.repeat(call, number=number, repeat=5, timer=clock)) / number * 1e9


def main() -> None:
    loop = asyncio.new_event_loop()
    captures = Captures(5 * 1024 * 1024, warn=print)
    store = ActivityStore(None, warn=print)
    inflight, metrics = InFlight(Bus(loop), loop), Metrics(models={"m"}, routes={CHAT})

    def life(headers: list[tuple[bytes, bytes]], pieces: list[bytes]) -> None:
        """What `proxy.recording` does for a request that finds its model ready."""
        entry = Entry("m", CHAT, "POST", FIELDS, "127.0.0.1", lambda: None)
        inflight.add(entry)
        inflight.moved(entry, Phase.PREFILL)
        inflight.answered(entry, headers)
        tap = tap_response(CHAT, 200, headers[0][1].decode())
        capture = captures.begin(CHAT, FIELDS, BODY)
        assert capture is not None
        capture.answered(200, headers)
        for piece in pieces:
            inflight.passed(entry, len(piece))
            tap.feed(piece)
            capture.feed(piece)
        inflight.remove(entry)
        usage = tap.end()
        row = Activity(ended=1.76e9, model="m", path=CHAT, status=200, duration_ms=5, usage=usage, queue_ms=0)
        row_id = store.record(row)
        metrics.finished([row])
        captures.keep(capture, row_id)

    def figures() -> None:
        whole = tap_response(CHAT, 200, "application/json; charset=utf-8")
        whole.feed(ANSWER)
        whole.end()

    tap = tap_response(CHAT, 200, "text/event-stream")
    print("| what | ns on the loop | ns in all threads |\n|---|---|---|")
    for name, call, number in (
        ("a request with a JSON answer", lambda: life(JSON, [ANSWER]), 5_000),
        ("a stream of 100 pieces", lambda: life(SSE, [PIECE] * 100), 500),
        ("UsageTap.feed", lambda: tap.feed(PIECE), 100_000),
        ("UsageTap, from opening to end, a JSON answer", figures, 5_000),
    ):
        print(f"| {name} | {nanoseconds(call, number, thread_time):,.0f} | {nanoseconds(call, number, process_time):,.0f} |")
    store.close()
    captures.close()
    loop.close()


if __name__ == "__main__":
    main()
