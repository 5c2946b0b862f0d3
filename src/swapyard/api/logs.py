"""GET /logs and /logs/stream[/{id}]: what was logged, and what is being logged.

A stream sends its headers at once, then the history (not with `?no-history`), then live bytes, until the client leaves or
Swapyard shuts down (`Logs.end_streams`). `?model=`, `?source=` and `?level=` narrow it to the lines that are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swapyard.api.answers import LiveAnswer, Source, redirect, text_answer
from swapyard.api.services import Services
from swapyard.errors import BadRequest
from swapyard.observe.levels import Wanted
from swapyard.observe.lines import Level
from swapyard.observe.monitor import LogMonitor
from swapyard.proxy.resolve import Kind

LONGEST_LINE = 64 * 1024  # bytes that may wait for the end of their line; of longer ones the end is shown
_LONGEST_NAME = 1000  # characters; keeps the search for a model's name in a hostile path short
SOURCES: Final[Mapping[str, Literal["", "proxy", "upstream"]]] = {"": "", "proxy": "proxy", "upstream": "upstream"}
LEVELS: Final = {"debug": Level.DEBUG, "info": Level.INFO, "warn": Level.WARN, "error": Level.ERROR}


def routes(services: Services) -> list[Route]:
    async def history(request: Request) -> Response:
        """What went to standard output lately."""
        if "text/html" in request.headers.get("accept", ""):
            return redirect("/ui/")
        return text_answer(services.logs.monitor(None).history())

    async def stream(request: Request) -> Response:
        """A log as it is written: `proxy`, `upstream` or one model's, with its history (`?no-history` without), narrowed by
        `?model=`, `?source=` and `?level=`."""
        query = request.query_params
        path = request.path_params.get("id", "")
        monitor = find_monitor(services, path)
        wanted = find_wanted(services, monitor, query)
        if not path and wanted.source:
            monitor = services.logs.monitor(wanted.source)  # also where it does not go to standard output
        lines = monitor.subscribe(history="no-history" not in query)
        return LiveAnswer(lines if wanted.is_everything else Narrowed(lines, wanted))

    return [
        Route("/logs", history),
        Route("/logs/stream", stream),
        Route("/logs/stream/{id:path}", stream),
    ]


def find_monitor(services: Services, path: str) -> LogMonitor:
    """The monitor that a path names: none, `proxy`, `upstream`, or the longest beginning of it that is a model's name."""
    logs = services.logs
    path = path.partition("?")[0]  # some clients encode the question mark of their query
    if not path:
        return logs.monitor(None)
    if path in {"proxy", "upstream"}:
        return logs.monitor(path)
    names = services.names()
    name = path[:_LONGEST_NAME]
    while name:
        found = names.resolve(name)
        if found is not None and found.kind is Kind.LOCAL:
            return logs.model(found.model)
        name = name.rpartition("/")[0]
    near = names.nearest(path)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    raise BadRequest(f'there is no log "{path[:200]}" (only "proxy", "upstream" and one for each local model){hint}')


def find_wanted(services: Services, monitor: LogMonitor, query: Mapping[str, str]) -> Wanted:
    """What the query asks for. Raises BadRequest."""
    model, asked, level = (query.get(name, "").strip() for name in ("model", "source", "level"))
    logs = services.logs
    is_tagged = monitor in (logs.proxy, logs.upstream, logs.combined)
    if not is_tagged and (model or asked):
        raise BadRequest("the log of one model can be narrowed by level only", param="model" if model else "source")
    source = SOURCES.get(asked)
    if source is None:
        raise BadRequest(f'"source" must be proxy or upstream, not "{asked[:50]}"', param="source")
    if level and level not in LEVELS:
        raise BadRequest(f'"level" must be one of {", ".join(LEVELS)}, not "{level[:50]}"', param="level")
    if model:
        found = services.names().require(model)
        if found.kind is not Kind.LOCAL:
            raise BadRequest(f'"{model[:200]}" is no local model, and has no log', param="model")
        model = found.model
    return Wanted(model, source, LEVELS.get(level, Level.DEBUG), is_tagged)


class Narrowed:
    """The lines of a log that are wanted (`api.answers.Source`). Lines are whole, whatever the pieces that they come in."""

    def __init__(self, log: Source, wanted: Wanted) -> None:
        self._log = log
        self._wanted = wanted
        self._rest = b""

    async def next(self) -> bytes | None:
        while (data := await self._log.next()) is not None:
            *lines, rest = (self._rest + data).split(b"\n")
            self._rest = rest[-LONGEST_LINE:]
            if taken := [line + b"\n" for line in lines if self._wanted.takes(line)]:
                return b"".join(taken)
        return None

    def close(self) -> None:
        self._log.close()
