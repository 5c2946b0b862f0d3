"""News for whoever looks: what has changed, as it changes.

A `Feed` is one viewer's queue. It is bounded in bytes: a viewer that does not read is dropped, keeps nobody waiting and
costs no more than `LIMIT`; it learns what it missed when it comes again, because every stream begins with the present state.

With nobody looking, publishing is one test of a list: `bus.watched` tells whether making a message is worth it.
All of it happens on the event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec

LIMIT = 4 * 1024 * 1024  # bytes that may wait for one viewer
_encode = msgspec.json.Encoder(order="deterministic").encode


def message(kind: str, data: object) -> bytes:
    """One event of the stream. `data` is JSON within JSON, as the clients of llama-swap read it."""
    return b"event:message\ndata:" + _encode({"type": kind, "data": _encode(data).decode()}) + b"\n\n"


Wording = Callable[[str, object], bytes]


class Feed:
    """One viewer. `next` gives what has come; None when it was dropped or the bus is closed. `wording`: how a viewer is told
    what is published, as bytes of its stream; b"" is nothing."""

    def __init__(self, bus: Bus, limit: int = LIMIT, wording: Wording = message) -> None:
        self.wording = wording
        self._bus = bus
        self._limit = limit
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self.ended = False

    async def next(self) -> bytes | None:
        """All that has come since the last call; waits for something. One caller at a time."""
        while not self._waiting and not self.ended:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if not self._waiting:
            return None
        taken = b"".join(self._waiting)
        self._waiting.clear()
        self._size = 0
        return taken

    def offer(self, event: bytes) -> None:
        if self.ended:
            return
        if self._size + len(event) > self._limit:
            self._waiting.clear()  # what it could still be told has a gap behind it
            self.close()
            return
        self._waiting.append(event)
        self._size += len(event)
        self._wake()

    def close(self) -> None:
        """No more is wanted. What waits can still be taken. Calling it again does nothing."""
        self.ended = True
        self._bus.leave(self)
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class Bus:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._feeds: list[Feed] = []
        self._soon: dict[str, asyncio.TimerHandle] = {}
        self.closed = False
        self.watched = False  # anybody looks; a plain attribute, as every request asks for it several times

    def subscribe(self, limit: int = LIMIT, wording: Wording = message) -> Feed:
        """`limit`: bytes that may wait for this viewer."""
        feed = Feed(self, limit, wording)
        if self.closed:
            feed.ended = True
        else:
            self._feeds.append(feed)
            self.watched = True
        return feed

    def publish(self, kind: str, data: object) -> None:
        if self._feeds:
            event = message(kind, data)
            for feed in self._feeds[:]:
                if told := event if feed.wording is message else feed.wording(kind, data):
                    feed.offer(told)

    def publish_within(self, seconds: float, kind: str, data: Callable[[], object]) -> None:
        """Publishes what `data` tells in so many seconds. Asking again meanwhile changes nothing: news that replace each
        other are told once."""
        if self._feeds and kind not in self._soon:
            self._soon[kind] = self._loop.call_later(seconds, self._now, kind, data)

    def _now(self, kind: str, data: Callable[[], object]) -> None:
        del self._soon[kind]
        self.publish(kind, data())

    def leave(self, feed: Feed) -> None:
        if feed in self._feeds:
            self._feeds.remove(feed)
            self.watched = bool(self._feeds)

    def close(self) -> None:
        """Ends every stream, and each later one at once: they would hold up a shutdown."""
        self.closed = True
        for timer in self._soon.values():
            timer.cancel()
        self._soon.clear()
        for feed in self._feeds[:]:
            feed.close()
