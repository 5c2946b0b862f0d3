"""The control plane, brought in late."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from swapyard.api.services import Services


class LateControlPlane:
    """The ASGI app of the control plane, which comes a moment after the listener: importing Starlette takes a quarter of the
    time to start, and nothing that passes a request through needs it. Requests that are early wait for it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._app: asyncio.Future[ASGIApp] = loop.create_future()

    async def arrive(self, services: Services) -> None:
        def make() -> ASGIApp:
            from swapyard.api.app import make_app

            return make_app(services)

        self._app.set_result(await asyncio.to_thread(make))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = await asyncio.shield(self._app)
        await app(scope, receive, send)
