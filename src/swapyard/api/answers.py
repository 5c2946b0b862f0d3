"""The few kinds of answers that the resources give."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

# Maps come key-sorted, records in the order of their fields.
_encoder = msgspec.json.Encoder(order="deterministic")


def encode(value: Any) -> bytes:
    return _encoder.encode(value)


def json_answer(value: Any, status: int = 200) -> Response:
    return raw_json_answer(encode(value), status)


def raw_json_answer(body: bytes, status: int = 200) -> Response:
    return Response(body + b"\n", status, media_type="application/json")


def text_answer(body: str | bytes) -> Response:
    return Response(body, media_type="text/plain", headers={"X-Content-Type-Options": "nosniff"})


def redirect(location: str, status: int = 302) -> Response:
    return Response(status_code=status, headers={"Location": location})


def allow_origin(request: Request, response: Response) -> Response:
    """Let the page that asks read the answer, whatever its origin."""
    origin = request.headers.get("origin")
    if origin:
        response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Vary"] = "Origin"
    return response


class Source(Protocol):
    """Bytes that come over time (`observe.monitor.Subscription`)."""

    async def next(self) -> bytes | None:
        """The next bytes; None at the end."""
        ...

    def close(self) -> None:
        """No more is wanted: a pending `next` ends."""
        ...


class LiveAnswer(Response):
    """Sends its headers at once and then whatever a source gives, until the source ends or the client leaves."""

    media_type = "text/plain"

    def __init__(self, source: Source) -> None:
        super().__init__(
            headers={"X-Content-Type-Options": "nosniff", "X-Accel-Buffering": "no", "Cache-Control": "no-cache"}
        )
        del self.headers["Content-Length"]
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            # Servers may keep the head back until there is a body; a quiet stream would look hung.
            await send({"type": "http.response.body", "body": b"", "more_body": scope["method"] != "HEAD"})
            if scope["method"] != "HEAD":
                await self._stream(receive, send)
        except OSError:
            pass  # the client is gone
        finally:
            self._source.close()

    async def _stream(self, receive: Receive, send: Send) -> None:
        watcher = asyncio.create_task(self._close_when_the_client_leaves(receive), name="log stream: client watch")
        try:
            while (chunk := await self._source.next()) is not None:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)

    async def _close_when_the_client_leaves(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._source.close()
