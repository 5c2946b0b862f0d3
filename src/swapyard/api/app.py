"""Puts the resources together and tells every error in one way.

Unknown paths and wrong methods are answered like any other error: in the shape of the API whose path it is, readable across
origins. An exception that nobody expected is a 500 that tells no details; they go to the log.
"""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from swapyard.api import (
    activity,
    catalog,
    details,
    events,
    found,
    hardware,
    health,
    load,
    logs,
    metrics,
    models,
    performance,
    profiles,
    router,
    running,
    transitions,
    ui,
    unload,
    version,
)
from swapyard.api.services import Reply, Services
from swapyard.errors import BadRequest, MethodNotAllowed, NotFound, RequestError

_LONGEST_COMPARED = 100  # characters of an unknown path that are compared with the known ones


def all_routes(services: Services) -> list[Route]:
    """Every route of the control plane. What one is for stands in the first line of its handler's docstring: the
    documentation is made from it."""
    return [
        *models.routes(services),
        *running.routes(services),
        *load.routes(services),
        *unload.routes(services),
        *router.routes(services),
        *profiles.routes(services),
        *version.routes(services),
        *logs.routes(services),
        *events.routes(services),
        *activity.routes(services),
        *transitions.routes(services),
        *found.routes(services),  # before the paths that take any model's id
        *details.routes(services),
        *catalog.routes(services),
        *performance.routes(services),
        *hardware.routes(services),
        *metrics.routes(services),
        *health.routes(),
        *ui.routes(services),
    ]


def make_app(services: Services) -> Starlette:
    """The control plane. It answers what the gateway does not serve itself."""
    routes = all_routes(services)
    paths = {*services.data_plane, *(route.path for route in routes if "{" not in route.path)}

    async def expected(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            error = _ours(error, request, routes, paths)
        assert isinstance(error, RequestError)
        return _answer(services, error, request)

    app = Starlette(
        routes=routes,
        middleware=[Middleware(UnexpectedErrors, services=services)],
        exception_handlers={RequestError: expected, HTTPException: expected},
    )
    app.router.redirect_slashes = False  # /health/ is not /health
    return app


class UnexpectedErrors:
    """Logs what nobody expected, and answers 500 where nothing has been sent yet."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def watched_send(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except Exception:
            if has_begun:
                raise  # the server logs it and breaks the connection off, so that the answer does not look complete
            logger = self._services.logs.proxy_logger()
            for line in traceback.format_exc().splitlines():
                logger.error("%s", line)
            request = Request(scope)
            answer = _answer(self._services, RequestError("internal error; the log of swapyard tells more"), request)
            await answer(scope, receive, send)


def _answer(services: Services, error: RequestError, request: Request) -> Response:
    accept = ", ".join(request.headers.getlist("accept")).encode("latin-1")
    reply: Reply = services.render_error(error, accept=accept, path=request.scope["path"])
    answer = Response(reply.body, reply.status)
    for name, value in reply.headers:
        answer.headers[name.decode("latin-1")] = value.decode("latin-1")
    return answer


def _ours(error: HTTPException, request: Request, routes: Iterable[Route], paths: Iterable[str]) -> RequestError:
    """What the router of Starlette raises, in our words."""
    path = request.scope["path"]
    match error.status_code:
        case 404:
            near = difflib.get_close_matches(path[:_LONGEST_COMPARED], paths, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            return NotFound(f"nothing is served at {path[:200]}{hint}")
        case 405:
            first = next((route.path for route in routes if route.path_regex.match(path)), "")
            allowed = {method for route in routes if route.path == first for method in route.methods or ()}
            return MethodNotAllowed(request.method, path[:200], sorted(allowed))
        case _:
            return BadRequest(error.detail)
