"""What a model's server tells of its model: asked once a run, of whatever kind the server is."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import msgspec
import pytest

from swapyard.api import parameters
from swapyard.api.parameters import Parameter, Parameters

LLAMA_CPP = {
    "default_generation_settings": {"n_ctx": 4096, "params": {"temperature": 0.800000011920929, "top_k": 40, "stop": []}},
    "total_slots": 4,
    "model_path": "/models/a.gguf",
    "modalities": {"vision": True, "audio": False},
    "chat_template": "{{ messages }}",
}
VLLM = {"data": [{"id": "m", "object": "model", "max_model_len": 8192, "root": "org/m", "permission": [{}]}]}

Serve = Callable[[dict[str, Any]], AbstractContextManager[tuple[str, list[str]]]]


@pytest.fixture
def serve() -> Serve:
    """`with serve({"/props": ...}) as (address, asked)`: a server of these paths; a text is answered as it is."""

    @contextmanager
    def served(paths: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                told = paths.get(self.path)
                self.send_response(404 if told is None else 302 if told == "elsewhere" else 200)
                if told == "elsewhere":
                    self.send_header("Location", "/v1/elsewhere")
                self.end_headers()
                self.wfile.write((told if isinstance(told, str) else json.dumps(told)).encode())

            def log_message(self, *_: object) -> None: ...

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", asked
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    return served


async def test_llama_cpps_properties_are_told_without_what_is_for_programs(serve: Serve) -> None:
    with serve({"/props": LLAMA_CPP}) as (address, asked):
        servers = Parameters()
        told = await servers.of("m", 1, address)
        assert told == [
            Parameter("n_ctx", "4096"),
            Parameter("temperature", "0.8"),
            Parameter("top_k", "40"),
            Parameter("total_slots", "4"),
            Parameter("model_path", "/models/a.gguf"),
            Parameter("modalities", "vision"),
        ]
        assert await servers.of("m", 1, address) == told
        assert asked == ["/props"]
        await servers.of("m", 2, address)
        assert asked == ["/props", "/props"]


@pytest.mark.parametrize("props", [None, "no JSON", [1], {}])
async def test_of_other_servers_the_listing_tells(serve: Serve, props: Any) -> None:
    with serve({"/props": props, "/v1/models": VLLM}) as (address, _):
        told = await Parameters().of("m", 1, address)
        assert told == [Parameter("max_model_len", "8192"), Parameter("root", "org/m")]


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "ftp://127.0.0.1", "file:///etc/passwd", "nonsense"])
async def test_where_nothing_answers_nothing_is_told(address: str) -> None:
    assert await Parameters().of("m", 1, address) == []


async def test_it_is_not_followed_elsewhere(serve: Serve) -> None:
    with serve({"/props": "elsewhere", "/v1/elsewhere": LLAMA_CPP}) as (address, asked):
        assert await Parameters().of("m", 1, address) == []
        assert asked == ["/props", "/v1/models"]


async def test_however_many_ask_its_server_is_asked_once(serve: Serve) -> None:
    with serve({"/props": LLAMA_CPP}) as (address, asked):
        servers = Parameters()
        first, *others = await asyncio.gather(*(servers.of("m", 1, address) for _ in range(10)))
        assert len(first) == 6
        assert all(other == first for other in others)
        assert asked == ["/props"]


@pytest.mark.parametrize("props", ["[" * 100_000, '{"a": "' + "b" * (parameters.LONGEST + 1) + '"}'])
async def test_answers_that_are_too_deep_or_too_long_tell_nothing(serve: Serve, props: str) -> None:
    with serve({"/props": props}) as (address, _):
        assert await Parameters().of("m", 1, address) == []


async def test_names_and_values_are_cut_and_can_be_sent_on(serve: Serve) -> None:
    with serve({"/props": {"n" * 1000: 1, "broken": "\ud800", "long": "x" * 1000}}) as (address, _):
        told = await Parameters().of("m", 1, address)
        assert [(len(one.name), len(one.value)) for one in told] == [(200, 1), (6, 1), (4, 200)]
        assert b"broken" in msgspec.json.encode(told)


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1", b"nonsense"]
)
async def test_who_never_comes_to_an_end_is_not_waited_for(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameters, "TIMEOUT", 0.05)
    writers: list[asyncio.StreamWriter] = []

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(said)

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await Parameters().of("m", 1, f"http://127.0.0.1:{port}") == []
        for writer in writers:
            writer.close()
