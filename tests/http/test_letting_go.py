"""Connections that are over are gone at once: nothing waits for the collector of circles, which rarely comes by."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest

from swapyard.http.client_connection import ClientConnection
from swapyard.http.reading import RequestReader
from swapyard.http.server import Server
from swapyard.http.upstream import Upstream
from swapyard.http.upstream_connection import UpstreamConnection


class Nowhere:
    """A transport that swallows everything."""

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else None

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


class Answering:
    def __init__(self, client: Any) -> None:
        self.client = client

    def start(self) -> None:
        self.client.reply(200, [], b"hello")

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nHo", b"nonsense\r\n\r\n"])
async def test_a_clients_connection(data: bytes) -> None:
    made: Callable[..., Any] = Server(
        loop=asyncio.get_running_loop(),
        accept=lambda _, client: Answering(client),
        refuse=lambda client, error: client.reply(error.status, [], b""),
        log_end=lambda *_: None,
    )
    connection = made()
    transport: Any = Nowhere()
    connection.connection_made(transport)
    if data:
        connection.data_received(data)
    kinds = (ClientConnection, RequestReader)
    before = sum(isinstance(one, kinds) for one in gc.get_objects())
    connection.connection_lost(None)
    del connection
    await asyncio.sleep(0)
    assert sum(isinstance(one, kinds) for one in gc.get_objects()) == before - 2


@pytest.mark.usefixtures("without_collector")
async def test_an_upstreams_connection() -> None:
    connection = UpstreamConnection(Upstream("127.0.0.1", 1, loop=asyncio.get_running_loop()))
    transport: Any = Nowhere()
    connection.connection_made(transport)
    before = sum(isinstance(one, UpstreamConnection) for one in gc.get_objects())
    connection.connection_lost(None)
    del connection
    await asyncio.sleep(0)
    assert sum(isinstance(one, UpstreamConnection) for one in gc.get_objects()) == before - 1
