"""The scripted engine's connections: who leaves is noticed, streams close, slots are few, websockets echo."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import struct
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest

from swapyard.demo.echo import accept_key

StartEngine = Callable[..., AbstractContextManager[Any]]


def request(body: dict[str, Any], path: str = "/v1/chat/completions", more: str = "") -> bytes:
    data = json.dumps(body).encode()
    return f"POST {path} HTTP/1.1\r\nHost: x\r\n{more}Content-Length: {len(data)}\r\n\r\n".encode() + data


COUNT = {"messages": [{"role": "user", "content": "count to 999"}]}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("way", ["close", "half-close", "reset"])
def test_a_client_that_leaves_frees_its_slot(start_engine: StartEngine, stream: bool, way: str) -> None:
    with start_engine("--tokens-per-second", "20") as engine:
        with socket.create_connection(("127.0.0.1", engine.port)) as client:
            client.sendall(request({**COUNT, "stream": stream}))
            if stream:
                assert client.recv(4096).startswith(b"HTTP/1.1 200")
            else:
                wait_until_active(engine.address)
            if way == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif way == "half-close":
                client.shutdown(socket.SHUT_WR)
                engine.wait_for("client gone")
        if way != "half-close":
            engine.wait_for("client gone")
        state = httpx.get(f"{engine.address}/demo/state").json()

    assert (state["active"], state["served"], state["cancelled"]) == (0, 0, 1)


def wait_until_active(address: str) -> None:
    with httpx.Client(base_url=address) as client:
        while not client.get("/demo/state").json()["active"]:
            pass


def test_a_client_that_leaves_the_queue_for_a_slot_is_counted_too(start_engine: StartEngine) -> None:
    with (
        start_engine("--tokens-per-second", "20", "--parallel", "1") as engine,
        socket.create_connection(("127.0.0.1", engine.port)) as first,
    ):
        first.sendall(request({**COUNT, "stream": True}))
        first.recv(4096)
        with socket.create_connection(("127.0.0.1", engine.port)) as second:
            second.sendall(request(COUNT))
            with httpx.Client(base_url=engine.address) as client:
                while not client.get("/demo/state").json()["waiting"]:
                    pass
        engine.wait_for("left before it had a slot")
        state = httpx.get(f"{engine.address}/demo/state").json()

    assert (state["active"], state["waiting"], state["cancelled"]) == (1, 0, 1)


async def test_the_connection_is_closed_after_a_stream_though_it_says_keep_alive(start_engine: StartEngine) -> None:
    with start_engine() as engine:
        reader, writer = await asyncio.open_connection("127.0.0.1", engine.port)
        writer.write(request({"messages": [], "max_tokens": 1, "stream": True}))
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()

    assert b"\r\nKeep-Alive: timeout=5, max=100\r\n" in answer
    assert b"Connection: close" not in answer
    assert answer.endswith(b"\r\n0\r\n\r\n")


async def test_requests_on_one_connection_are_answered_in_turn(start_engine: StartEngine) -> None:
    with start_engine() as engine:
        reader, writer = await asyncio.open_connection("127.0.0.1", engine.port)
        get = b"GET %b HTTP/1.1\r\nHost: x\r\n%b\r\n"
        writer.write(request(COUNT) + get % (b"/health", b"") + get % (b"/props", b"Connection: close\r\n"))
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()

    assert answer.index(b"chat.completion") < answer.index(b'{"status":"ok"}') < answer.index(b"total_slots")


async def test_an_unknown_post_and_the_hundredth_request_close_the_connection(start_engine: StartEngine) -> None:
    with start_engine() as engine:
        for sent, answers in (
            (request({}, "/nowhere"), 1),
            (b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 101, 100),
            (b"GARBAGE\r\n\r\n", 1),
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", engine.port)
            writer.write(sent)
            assert (await reader.read()).count(b"HTTP/1.1 ") == answers
            writer.close()
            await writer.wait_closed()


async def test_an_idle_connection_is_closed(start_engine: StartEngine) -> None:
    with start_engine("--keep-alive", "0.1") as engine:
        reader, writer = await asyncio.open_connection("127.0.0.1", engine.port)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_a_chunked_body_after_100_continue(start_engine: StartEngine) -> None:
    with start_engine() as engine:
        reader, writer = await asyncio.open_connection("127.0.0.1", engine.port)
        head = b"POST /tokenize HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b'8\r\n{"conten\r\n8\r\nt":"a b"\r\n1\r\n}\r\n0\r\n\r\n')
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()


def test_the_pace_of_the_answer_is_kept(start_engine: StartEngine) -> None:
    with start_engine("--tokens-per-second", "40", "--prompt-tokens-per-second", "50") as engine:
        body = {"messages": [{"role": "user", "content": "count to 8"}]}
        answer = httpx.post(f"{engine.address}/v1/chat/completions", json=body).json()

    assert answer["timings"]["predicted_ms"] >= 190
    assert answer["timings"]["prompt_ms"] >= 1000 * (answer["timings"]["prompt_n"] - 1) / 50


async def test_websocket_echoes_pongs_and_closes(start_engine: StartEngine) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    with start_engine() as engine:
        reader, writer = await asyncio.open_connection("127.0.0.1", engine.port)
        writer.write(
            f"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        long = os.urandom(70_000)
        for first, payload in (
            (0x81, b"hello"),
            (0x82, b"x" * 300),
            (0x82, long),
            (0x89, b"still there?"),
            (0x88, b"\x03\xe8"),
        ):
            writer.write(masked_frame(first, payload))
        echoed = await reader.read()
        writer.close()
        await writer.wait_closed()

    assert head.startswith("HTTP/1.1 101 ")
    assert f"Sec-WebSocket-Accept: {accept_key(key)}\r\n" in head
    expected = b"\x81\x05hello" + b"\x82\x7e\x01\x2c" + b"x" * 300 + b"\x82\x7f" + (70_000).to_bytes(8) + long
    assert echoed == expected + b"\x8a\x0cstill there?" + b"\x88\x02\x03\xe8"


def test_accept_key_is_the_example_of_the_rfc() -> None:
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, section 1.3


def masked_frame(first: int, payload: bytes) -> bytes:
    """A frame as a client sends it (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < 126:
        length = bytes((0x80 | size,))
    elif size < 1 << 16:
        length = bytes((0x80 | 126,)) + size.to_bytes(2)
    else:
        length = bytes((0x80 | 127,)) + size.to_bytes(8)
    mask = os.urandom(4)
    return bytes((first,)) + length + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
