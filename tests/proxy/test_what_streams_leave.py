"""What streams held is let go when they end, by counting references: nothing waits for the collector of circles."""

from __future__ import annotations

import gc
import json
from collections import Counter
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from swapyard.http.client_connection import ClientConnection
from swapyard.http.reading import RequestReader
from swapyard.http.upstream_connection import Limits, UpstreamConnection
from swapyard.observe.ends import Ends
from swapyard.observe.usage import StreamTap
from swapyard.proxy.exchange import Exchange
from swapyard.proxy.recording import Recording

if TYPE_CHECKING:
    from tests.proxy.conftest import OpenYard

STREAMS = 8
KINDS = (ClientConnection, RequestReader, UpstreamConnection, Exchange, Recording, StreamTap, Ends)
BODY = json.dumps({"model": "m", "stream": True}).encode()
ASK = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b'data: {"choices":[{"delta":{"content":"hi"}}]}\n\n'


def alive() -> Counter[str]:
    return Counter(type(one).__name__ for one in gc.get_objects() if isinstance(one, KINDS))


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize("how", ["whole", "client leaves", "upstream breaks"])
async def test_of_many_streams_nothing_is_left_but_the_connections_that_are_kept(
    open_yard: OpenYard, wire: Any, how: str
) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m", limits=Limits(idle_connections=2), books=True) as yard:
        before = alive()
        async with AsyncExitStack() as clients:
            asking = [await clients.enter_async_context(wire.connect(yard.port)) for _ in range(STREAMS)]
            for client in asking:
                client.send(ASK)
            answering = [await up.accept() for _ in asking]
            for peer in answering:
                await peer.request()
                peer.send(HEAD, b"%x\r\n%b\r\n" % (len(EVENT), EVENT))
            for client in asking:
                await client.until(EVENT)
            assert min((alive() - before)[kind.__name__] for kind in KINDS) == STREAMS
            if how != "client leaves":
                for client, peer in zip(asking, answering, strict=True):
                    peer.send(b"0\r\n\r\n") if how == "whole" else peer.close()
                    await client.until(b"0\r\n\r\n" if how == "whole" else b'"error"')
        kept = {"UpstreamConnection": 2} if how == "whole" else {}
        await wire.until(lambda: alive() - before == kept)
