"""GET /logs and /logs/stream[/{id}]: what was logged, and what is being logged.

A stream sends its headers at once, then the history (not with `?no-history`), then live bytes, until the client leaves or
Swapyard shuts down (`Logs.end_streams`).
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swapyard.api.answers import LiveAnswer, redirect, text_answer
from swapyard.api.services import Services
from swapyard.errors import BadRequest
from swapyard.observe.monitor import LogMonitor
from swapyard.proxy.resolve import Kind

_LONGEST_NAME = 1000  # characters; keeps the search for a model's name in a hostile path short


def routes(services: Services) -> list[Route]:
    async def history(request: Request) -> Response:
        """What went to standard output lately."""
        if "text/html" in request.headers.get("accept", ""):
            return redirect("/ui/")
        return text_answer(services.logs.monitor(None).history())

    async def stream(request: Request) -> Response:
        """A log as it is written: `proxy`, `upstream` or one model's, with its history (`?no-history` without)."""
        monitor = find_monitor(services, request.path_params.get("id", ""))
        return LiveAnswer(monitor.subscribe(history="no-history" not in request.query_params))

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
