"""GET /api/events: what changes, as it changes, for as long as the client stays.

A stream begins with the present state (logs, models, profile, requests under way), so that a client that comes again after a
break knows all there is to know. Then it is woven of three sources: the news (`observe.bus`) and the two logs. Subscriptions
are made before the state is read: news may repeat what the state says, and nothing is missed. A client that does not read
is dropped (`Feed`); of logs it loses lines, with a mark.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swapyard.api.answers import LiveAnswer, Source
from swapyard.api.services import Services
from swapyard.api.status import model_status, ui_config
from swapyard.observe.bus import message
from swapyard.observe.logs import Logs
from swapyard.observe.monitor import Mark

HEARTBEAT = 15.0  # seconds of silence before a comment is sent: proxies cut what is silent for long
_COMMENT = b":\n\n"


def routes(services: Services) -> list[Route]:
    async def events(_request: Request) -> Response:
        """Server-sent events: models, requests, logs and everything else that changes."""
        return EventAnswer(Weave(services))

    return [Route("/api/events", events)]


class EventAnswer(LiveAnswer):
    media_type = "text/event-stream"


class Weave:
    """The news and the two logs as one stream (`api.answers.Source`)."""

    def __init__(self, services: Services) -> None:
        logs = services.logs
        self._feed = services.bus.subscribe()
        self._sources: list[Source] = [self._feed, LogNews("proxy", logs), LogNews("upstream", logs)]
        self._first: bytes | None = _beginning(services)
        self._pending: dict[asyncio.Task[bytes | None], int] = {}
        self._closed = False

    async def next(self) -> bytes | None:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        if self._closed:
            return None
        for at, source in enumerate(self._sources):
            if at not in self._pending.values():
                self._pending[asyncio.create_task(source.next(), name="event stream: a source")] = at
        done, _ = await asyncio.wait(self._pending, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            return _COMMENT
        told = b""
        for _, data in sorted((self._pending.pop(task), task.result()) for task in done):
            if data is None:  # dropped, or Swapyard shuts down
                self.close()
                await asyncio.gather(*self._pending)
                return None
            told += data
        return told

    def close(self) -> None:
        self._closed = True
        for source in self._sources:
            source.close()


class LogNews:
    """What is written to a log from now on, as events."""

    def __init__(self, name: str, logs: Logs) -> None:
        self._name = name
        self._log = logs.monitor(name).subscribe(history=False)

    async def next(self) -> bytes | None:
        data = await self._log.next()
        return None if data is None else _log_event(self._name, data, self._log.marks)

    def close(self) -> None:
        self._log.close()


def _log_event(source: str, data: bytes, marks: Sequence[Mark]) -> bytes:
    """`times`: when its lines came (`observe.monitor`)."""
    return message("logData", {"source": source, "data": data.decode(errors="replace"), "times": marks})


def present_state(services: Services) -> list[tuple[str, object]]:
    """What a stream tells at its beginning behind the logs: kinds of events, and their data."""
    config = services.config()
    return [
        ("modelStatus", model_status(config, services.states())),
        ("uiConfig", ui_config(config, services.origin())),
        ("profileChanged", {"active": services.active_profile()}),
        ("inflight", services.inflight()),  # brings those who wait up to date
        ("queue", services.queue()),
        *(("load", load) for load in services.loads()),
    ]


def _beginning(services: Services) -> bytes:
    logs = services.logs
    told = [_log_event(name, *logs.monitor(name).timed_history()) for name in ("proxy", "upstream")]
    return b"".join([*told, *(message(kind, data) for kind, data in present_state(services))])
