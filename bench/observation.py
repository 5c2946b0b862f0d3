"""What observing a request costs, in processor time: `python -m bench.observation`.

A small JSON answer and a stream of 100 pieces, each with everything on (table, figures, capture, row, metrics) and nobody
looking; then each call by itself.
"""

from __future__ import annotations

import asyncio
import timeit
from collections.abc import Callable
from time import process_time, thread_time

from swapyard.observe.activity import ActivityStore
from swapyard.observe.bus import Bus
from swapyard.observe.captures import Captures
from swapyard.observe.inflight import InFlight
from swapyard.observe.metrics import Metrics
from swapyard.observe.recording import Recorder, Recording
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
    recorder = Recorder(loop, InFlight(Bus(loop), loop), captures, store, Metrics(models={"m"}, routes={CHAT}))

    def begin() -> Recording:
        return recorder.begin("m", CHAT, CHAT, "POST", FIELDS, "127.0.0.1", lambda: None, has_row=True)

    def document() -> None:
        one = begin()
        one.sent(BODY)
        one.answered(200, JSON)
        one.passed(ANSWER)
        one.over()

    def stream() -> None:
        one = begin()
        one.sent(BODY)
        one.answered(200, SSE)
        for _ in range(100):
            one.passed(PIECE)
        one.over()

    def refused() -> None:
        begin().over(status=429)

    tap = tap_response(CHAT, 200, "text/event-stream")
    passing = begin()
    passing.answered(200, SSE)
    print("| what | ns on the loop | ns in all threads |\n|---|---|---|")
    for name, call, number in (
        ("a request with a JSON answer", document, 5_000),
        ("a stream of 100 pieces", stream, 500),
        ("a refused request", refused, 5_000),
        ("UsageTap.feed", lambda: tap.feed(PIECE), 100_000),
        ("Recording.passed, without a capture", lambda: passing.passed(PIECE), 100_000),
    ):
        print(f"| {name} | {nanoseconds(call, number, thread_time):,.0f} | {nanoseconds(call, number, process_time):,.0f} |")
    store.close()
    captures.close()
    loop.close()


if __name__ == "__main__":
    main()
