"""A live answer lets go of its source however it ends."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message

from swapyard.api.answers import LiveAnswer


class Source:
    """Gives its pieces, then waits to be closed."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)
        self._closing = asyncio.Event()

    async def next(self) -> bytes | None:
        if self._pieces:
            return self._pieces.pop(0)
        await self._closing.wait()
        return None

    def close(self) -> None:
        self._closing.set()

    @property
    def is_closed(self) -> bool:
        return self._closing.is_set()


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def nowhere(message: Message) -> None: ...


async def test_when_it_is_only_a_head() -> None:
    source = Source(b"x")
    await LiveAnswer(source)({"method": "HEAD"}, never, nowhere)
    assert source.is_closed


async def test_when_the_client_leaves() -> None:
    async def leaves() -> Message:
        return {"type": "http.disconnect"}

    source = Source()
    await asyncio.wait_for(LiveAnswer(source)({"method": "GET"}, leaves, nowhere), 20)
    assert source.is_closed


async def test_when_the_connection_breaks_in_mid_stream() -> None:
    async def breaks(message: Message) -> None:
        if message.get("body"):
            raise ConnectionResetError

    source = Source(b"x")
    await asyncio.wait_for(LiveAnswer(source)({"method": "GET"}, never, breaks), 20)
    assert source.is_closed


async def test_when_it_is_cancelled() -> None:
    source = Source(b"x")
    task = asyncio.create_task(LiveAnswer(source)({"method": "GET"}, never, nowhere))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.is_closed
