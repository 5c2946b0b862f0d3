"""A scripted upstream that is not the bottleneck: uvloop, httptools, answers that are made before anyone asks.

    python bench/upstream.py --port N [--paced-chunks N] [--gigabyte-bytes N]

Whatever is posted to any path is a chat request. Its `user` says what comes back: `sse` 100 events without a pause (one
write each, as an engine sends token by token), `paced` events at 20 per second, `gigabyte` one long stream; anything
else one small JSON answer. Bodies are searched for that word and never parsed. Connections stay open.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from itertools import cycle
from typing import cast

import httptools
import uvloop

PACE = 20  # events per second of a paced stream
SLOTS = 10  # paced streams are spread over that many moments of each interval
SSE_CHUNKS = 100
BLOCK = 64 * 1024


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(**fields: object) -> bytes:
    envelope = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "bench"}
    return b"data: " + json.dumps({**envelope, **fields}, separators=(",", ":")).encode() + b"\n\n"


def delta(content: str) -> bytes:
    return event(choices=[{"index": 0, "delta": {"content": content}, "finish_reason": None}])


USAGE = {"prompt_tokens": 12, "completion_tokens": SSE_CHUNKS, "total_tokens": 12 + SSE_CHUNKS}
TIMINGS = {
    "cache_n": 0,
    "prompt_n": 12,
    "prompt_ms": 10.0,
    "prompt_per_token_ms": 0.83,
    "prompt_per_second": 1200.0,
    "predicted_n": SSE_CHUNKS,
    "predicted_ms": 1000.0,
    "predicted_per_token_ms": 10.0,
    "predicted_per_second": 100.0,
}


def whole(words: str) -> bytes:
    answer = json.dumps(
        {
            "id": "chatcmpl-bench",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": "bench",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": words}, "finish_reason": "stop"}],
            "usage": USAGE,
            "timings": TIMINGS,
        }
    ).encode()
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nServer: bench\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(answer), answer)
    )


# Of several lengths, as real answers are.
WHOLES = cycle([whole("Fine, thanks" + "." * dots) for dots in range(1, 32)])
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nServer: bench\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = chunk(delta(" word"))
CLOSING = chunk(event(choices=[], usage=USAGE, timings=TIMINGS) + b"data: [DONE]\n\n") + b"0\r\n\r\n"
FILLER = chunk(delta("x" * (BLOCK - len(delta("")))))
FILLER_BYTES = BLOCK


class Ticker:
    """Writes the next event of every paced stream; one timer for all of them, so that pacing itself costs little."""

    def __init__(self, loop: asyncio.AbstractEventLoop, chunks: int) -> None:
        self.loop = loop
        self.chunks = chunks
        self.slots: list[dict[Connection, int]] = [{} for _ in range(SLOTS)]
        self.turns = cycle(self.slots)
        self.next_home = cycle(self.slots)
        self.due = loop.time()
        self.tick()

    def join(self, connection: Connection) -> None:
        next(self.next_home)[connection] = self.chunks

    def leave(self, connection: Connection) -> None:
        for slot in self.slots:
            slot.pop(connection, None)

    def tick(self) -> None:
        slot = next(self.turns)
        for connection, left in list(slot.items()):
            if left:
                slot[connection] = left - 1
                connection.transport.write(PIECE)
            else:
                del slot[connection]
                connection.transport.write(CLOSING)
        self.due += 1 / PACE / SLOTS
        self.loop.call_at(self.due, self.tick)


class Connection(asyncio.Protocol):
    def __init__(self, ticker: Ticker, gigabyte: int) -> None:
        self.ticker = ticker
        self.gigabyte = gigabyte
        self.parser = httptools.HttpRequestParser(self)
        self.loop = asyncio.get_running_loop()
        self.body = b""
        self.left = 0
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's class is none of asyncio's

    def connection_lost(self, exc: Exception | None) -> None:
        self.left = 0
        self.paused = True
        self.ticker.leave(self)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        body, self.body = self.body, b""
        if b'"sse"' in body:
            self.transport.write(STREAM_HEAD)
            self.left = SSE_CHUNKS
            self.next_piece()
        elif b'"paced"' in body:
            self.transport.write(STREAM_HEAD)
            self.ticker.join(self)
        elif b'"gigabyte"' in body:
            self.transport.write(STREAM_HEAD)
            self.left = self.gigabyte // FILLER_BYTES
            self.pour()
        else:
            self.transport.write(next(WHOLES))

    def next_piece(self) -> None:
        if self.left:
            self.left -= 1
            self.transport.write(PIECE)
            self.loop.call_soon(self.next_piece)
        elif not self.transport.is_closing():
            self.transport.write(CLOSING)

    def pour(self) -> None:
        while self.left and not self.paused:
            self.left -= 1
            self.transport.write(FILLER)
            if not self.left:
                self.transport.write(CLOSING)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self.pour()


async def serve(port: int, paced_chunks: int, gigabyte: int) -> None:
    loop = asyncio.get_running_loop()
    ticker = Ticker(loop, paced_chunks)
    server = await loop.create_server(lambda: Connection(ticker, gigabyte), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description="A scripted upstream for benchmarks.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--paced-chunks", type=int, default=200)
    parser.add_argument("--gigabyte-bytes", type=int, default=1 << 30)
    flags = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(flags.port, flags.paced_chunks, flags.gigabyte_bytes))


if __name__ == "__main__":
    main()
