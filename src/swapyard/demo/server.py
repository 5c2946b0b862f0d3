"""One client's connection to the scripted engine: HTTP/1.1 by httptools in, bytes out.

The manners are those of llama-server (cpp-httplib): `Server` and `Access-Control-Allow-Origin` (the origin of the page that
asks, empty where there is none) on every answer, `Keep-Alive: timeout=5, max=100` and a close after that; a streamed answer
ends with a proper last chunk and then the connection is closed; a client that closes its sending side counts as gone.
Requests on one connection are answered in turn, each by one task that ends with the connection.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httptools

from swapyard.demo.echo import Echo

MAX_REQUESTS = 100
HIGH_WATER = 64 * 1024


@dataclass(slots=True)
class Request:
    """A request whose body is complete. Header names are lower case; of a repeated header the last one counts."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    keep_alive: bool
    version: str


Handler = Callable[[Request, "Reply"], Awaitable[None]]


class Reply:
    """How a handler answers: one `json` (or `text`), or `begin_stream`, `send` ..., `end`."""

    def __init__(self, connection: Connection, request: Request) -> None:
        self.connection = connection
        self.request = request
        self.chunked = request.version != "1.0"
        self.status = 0

    def json(self, status: int, data: Any, *, close: bool = False) -> None:
        body = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
        self.whole(status, "application/json; charset=utf-8", body, close=close)

    def whole(self, status: int, content_type: str, body: bytes, *, close: bool = False) -> None:
        """Answer with `body` at once; `close` ends the connection although the answer does not say so."""
        last = not self.request.keep_alive or self.connection.answered + 1 >= MAX_REQUESTS
        headers = f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        self.head(status, headers, "close" if last else "")
        if self.request.method != "HEAD":
            self.connection.write(body)
        if close or last:
            self.connection.close()

    def begin_stream(self) -> None:
        coding = "Transfer-Encoding: chunked\r\n" if self.chunked else ""
        headers = f"Content-Type: text/event-stream\r\nX-Accel-Buffering: no\r\n{coding}"
        self.head(200, headers, "" if self.request.keep_alive else "close")

    async def send(self, data: bytes) -> None:
        """One chunk of a stream; waits while the client is slow to read."""
        self.connection.write(b"%x\r\n%b\r\n" % (len(data), data) if self.chunked else data)
        await self.connection.writable.wait()

    def end(self) -> None:
        if self.chunked:
            self.connection.write(b"0\r\n\r\n")
        self.connection.close()

    def head(self, status: int, headers: str, connection: str) -> None:
        self.status = status
        reuse = f"Connection: {connection}\r\n" if connection else f"Keep-Alive: timeout=5, max={MAX_REQUESTS}\r\n"
        self.connection.write(
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nServer: swapyard-demo\r\n"
            f"Access-Control-Allow-Origin: {self.request.headers.get('origin', '')}\r\n{headers}{reuse}\r\n".encode()
        )


@dataclass(slots=True)
class Draft:
    """A request while it is parsed."""

    url: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


class Connection(asyncio.Protocol):
    """One client. `keep_alive` is the seconds that an idle connection stays open."""

    def __init__(self, handler: Handler, keep_alive: float, everyone: set[Connection]) -> None:
        self.handler = handler
        self.keep_alive = keep_alive
        self.everyone = everyone
        self.parser = httptools.HttpRequestParser(self)
        self.draft = Draft()
        self.queue: deque[Request] = deque()
        self.task: asyncio.Task[None] | None = None
        self.echo: Echo | None = None
        self.idle: asyncio.TimerHandle | None = None
        self.writable = asyncio.Event()
        self.answered = 0

    # --- from the socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=HIGH_WATER)
        self.writable.set()
        self.everyone.add(self)
        self.rest()

    def connection_lost(self, exc: Exception | None) -> None:
        self.everyone.discard(self)
        self.writable.set()
        self.queue.clear()
        if self.idle is not None:
            self.idle.cancel()
        if self.task is not None:
            self.task.cancel()

    def eof_received(self) -> None:
        """A half-closed connection counts as gone (measured on llama-server). The transport closes itself after this."""
        if self.task is not None:
            self.task.cancel()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        if self.echo is not None:
            self.echo.feed(data)
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.feed_echo(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            self.close()

    def feed_echo(self, data: bytes) -> None:
        if self.echo is not None:
            self.echo.feed(data)

    # --- from the parser

    def on_message_begin(self) -> None:
        self.draft = Draft()

    def on_url(self, url: bytes) -> None:
        self.draft.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.draft.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self.draft.headers.get("expect", "").lower() == "100-continue":
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        self.draft.body += data

    def on_message_complete(self) -> None:
        draft = self.draft
        path = httptools.parse_url(draft.url).path or b"/"
        if path == b"/ws" and draft.headers.get("upgrade", "").lower() == "websocket":
            self.rest(until_next=False)
            self.echo = Echo(self.transport)
            self.echo.accept(draft.headers.get("sec-websocket-key", ""))
            return
        self.queue.append(
            Request(
                self.parser.get_method().decode(),
                path.decode("latin-1"),
                draft.headers,
                bytes(draft.body),
                self.parser.should_keep_alive(),
                self.parser.get_http_version(),
            )
        )
        if self.task is None:
            self.rest(until_next=False)
            self.task = asyncio.create_task(self.answer_in_turn(), name="demo answers")

    # --- answering

    async def answer_in_turn(self) -> None:
        try:
            while self.queue and not self.transport.is_closing():
                request = self.queue.popleft()
                await self.handler(request, Reply(self, request))
                self.answered += 1
        finally:
            self.task = None
            if not self.transport.is_closing():
                self.rest()

    def rest(self, *, until_next: bool = True) -> None:
        """(Re)start the time after which an idle connection is closed, or stop it."""
        if self.idle is not None:
            self.idle.cancel()
            self.idle = None
        if until_next and self.keep_alive > 0:
            self.idle = asyncio.get_running_loop().call_later(self.keep_alive, self.close)

    def write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def close(self) -> None:
        self.transport.close()
