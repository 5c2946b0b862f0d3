"""A prompt may take 20 minutes, and so may a load that nobody limits: no timer of ours cuts it off by default (llama-swap
#225, #618, #1090).

The whole app runs here on a loop whose clock can be put forward. Whatever is armed for the time in between fires at once.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable

import pytest

from swapyard.api.services import Build
from swapyard.app import App, Options
from swapyard.config.load import Loaded, loads

TWENTY_MINUTES = 20 * 60.0
HANG = 30.0


class HastyLoop(asyncio.SelectorEventLoop):
    ahead = 0.0  # seconds

    def time(self) -> float:
        return super().time() + self.ahead


class SlowEngine:
    """Takes one request at a time; answers when it is told to."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()
        self.cut_off = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        self.asked.set()
        left = asyncio.ensure_future(reader.read(1))
        answer = asyncio.ensure_future(self.answer.wait())
        await asyncio.wait({left, answer}, return_when=asyncio.FIRST_COMPLETED)
        self.cut_off = left.done()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nat ")
        self.answer.clear()
        await asyncio.wait({left, asyncio.ensure_future(self.answer.wait())}, return_when=asyncio.FIRST_COMPLETED)
        writer.write(b"last")
        left.cancel()
        writer.close()


def app_in_front_of(port: int, loop: asyncio.AbstractEventLoop, listen: int) -> App:
    model = {"cmd": "sleep 3600", "proxy": f"http://127.0.0.1:{port}", "checkEndpoint": "none"}

    def load(_previous: object = None) -> Loaded:
        return loads(json.dumps({"models": {"a": model}, "logToStdout": "none"}))

    return App(Options(load=load, listen=("127.0.0.1", listen), build=lambda: Build("0")), load(), loop)


@pytest.mark.usefixtures("process_as_it_was")
def test_twenty_minutes_to_the_first_byte_and_twenty_more_in_mid_answer_pass(free_port: Callable[[], int]) -> None:
    loop = HastyLoop()

    async def main() -> bytes:
        engine = SlowEngine()
        upstream = await asyncio.start_server(engine.serve, "127.0.0.1", 0)
        listen = free_port()
        app = app_in_front_of(upstream.sockets[0].getsockname()[1], loop, listen)
        serving = asyncio.create_task(app.run())
        reader, writer = await connect(listen)
        body = b'{"model": "a"}'
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await asyncio.wait_for(engine.asked.wait(), HANG)
        await put_forward(loop)
        assert not engine.cut_off
        engine.answer.set()
        received = await asyncio.wait_for(reader.readuntil(b"at "), HANG)
        await put_forward(loop)
        engine.answer.set()
        received += await asyncio.wait_for(reader.readexactly(4), HANG)
        writer.close()
        signal.raise_signal(signal.SIGTERM)
        assert await asyncio.wait_for(serving, HANG) == 0
        upstream.close()
        return received

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        received = runner.run(main())
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"at last")


async def put_forward(loop: HastyLoop) -> None:
    """Everything that is due within the next 20 minutes happens now."""
    loop.ahead += TWENTY_MINUTES
    for _ in range(50):
        await asyncio.sleep(0)


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    for _ in range(1000):
        try:
            return await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.01)
    raise AssertionError("nobody listens")
