"""Hands a parsed request to an ASGI app: the control plane lives behind the same listener as the data plane.

One task per request. The app may be slow; a client that reads slowly makes `send` wait, and one that leaves makes `receive`
say `http.disconnect`, after which the app's writes go nowhere.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote

from swapyard.errors import RequestError
from swapyard.http.headers import HOP_BY_HOP, Headers, RequestHead
from swapyard.http.server import ClientConnection

Message = MutableMapping[str, Any]
AsgiApp = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]

HELD_BYTES = 1024 * 1024  # of a request body that the app has not asked for yet
log = logging.getLogger("swapyard.http")


class AsgiHandler:
    def __init__(self, app: AsgiApp, head: RequestHead, client: ClientConnection, spawn: Callable[..., object]) -> None:
        self._app = app
        self._head = head
        self._client = client
        self._spawn = spawn
        self._body: list[bytes] = []
        self._size = 0
        self._complete = False
        self._end_told = False  # the app has been told that no more of the body comes
        self._left = False
        self._finished = False
        self._changed = asyncio.Event()  # body bytes, its end, or the client's leaving
        self._room = asyncio.Event()  # the client's socket takes more
        self._room.set()
        self._head_to_send: Message | None = None
        self._promised: int | None = None  # bytes of the body that are still to come, where the app told its length

    # --- http.server.Handler ---

    def start(self) -> None:
        self._client.send_continue()
        self._spawn(self._run(), f"{self._head.method.decode()} {self._head.path.decode('latin-1')}")

    def body(self, data: bytes) -> None:
        self._body.append(data)
        self._size += len(data)
        if self._size > HELD_BYTES:
            self._client.pause_reading()
        self._changed.set()

    def end(self, trailers: Headers) -> None:
        self._complete = True
        self._changed.set()

    def gone(self) -> None:
        self._left = True
        self._room.set()
        self._changed.set()

    def pause(self) -> None:
        self._room.clear()

    def resume(self) -> None:
        self._room.set()

    # --- the app's side ---

    async def _run(self) -> None:
        try:
            await self._app(self._scope(), self._receive, self._send)
        except asyncio.CancelledError:
            self._break_off()
            raise
        except Exception:
            log.exception("%s %s failed", self._head.method.decode(), self._head.path.decode("latin-1"))
            self._break_off()
        else:
            if not self._finished:
                self._break_off()

    def _break_off(self) -> None:
        if not self._left and not self._finished:
            self._finished = True
            self._client.fail(RequestError("an internal error; the log of the server tells more"))

    def _scope(self) -> dict[str, Any]:
        head = self._head
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": head.version,
            "method": head.method.decode(),
            "scheme": "http",
            "path": unquote(head.path.decode("latin-1")),
            "raw_path": head.path,
            "query_string": head.query,
            "root_path": "",
            "headers": [(key, value) for key, _, value in head.fields],
            "client": (self._client.remote, 0),
            "server": None,
        }

    async def _receive(self) -> Message:
        while not (self._body or self._complete or self._left or self._finished):
            self._changed.clear()
            await self._changed.wait()
        if self._body:
            data = b"".join(self._body)
            self._body = []
            self._size = 0
            self._end_told = self._complete
            self._client.resume_reading()
            return {"type": "http.request", "body": data, "more_body": not self._complete}
        if self._complete and not self._end_told and not self._left and not self._finished:
            self._end_told = True
            return {"type": "http.request", "body": b"", "more_body": False}
        while not (self._left or self._finished):
            self._changed.clear()
            await self._changed.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self._left or self._finished:
            return
        if message["type"] == "http.response.start":
            self._head_to_send = message
        elif message["type"] == "http.response.body":
            body = bytes(message.get("body", b""))
            more = bool(message.get("more_body", False))
            if self._head_to_send is not None:
                self._begin(self._head_to_send, None if more else len(body))
                self._head_to_send = None
            self._keep_promise(len(body), more)
            self._client.write(body)
            if more:
                self._client.flush()
                await self._room.wait()
            else:
                self._finished = True
                self._changed.set()
                self._client.finish()

    def _keep_promise(self, size: int, more: bool) -> None:
        """A body of another length than the app told would run into the next response, or never end."""
        if self._promised is not None and self._head.method != b"HEAD":
            self._promised -= size
            if self._promised < 0 or (self._promised > 0 and not more):
                raise ValueError("the body has not the length that its head told")

    def _begin(self, message: Message, length: int | None) -> None:
        headers: Headers = []
        for name, value in message.get("headers", ()):
            if name == b"content-length":
                length = self._promised = int(value)
            elif name not in HOP_BY_HOP:
                headers.append((name, value))
        self._client.begin(message["status"], headers, length=length)
