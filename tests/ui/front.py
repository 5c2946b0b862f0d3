"""A reverse proxy that serves Swapyard below a prefix, and that can go away and come back at the same address."""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

DROPPED = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Front:
    """`address` ends with the prefix, without a slash behind it."""

    def __init__(self, behind: str, prefix: str = "") -> None:
        self._behind = urlsplit(behind).netloc
        self._prefix = prefix
        self._server: ThreadingHTTPServer | None = None
        self._open: set[http.client.HTTPConnection] = set()
        self._port = 0
        self.start()
        self.address = f"http://127.0.0.1:{self._port}{prefix}"

    def start(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        """Every answer that is under way breaks off."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        for connection in [*self._open]:
            if connection.sock is not None:
                connection.sock.shutdown(2)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        front = self

        class Handler(BaseHTTPRequestHandler):
            def forward(self) -> None:
                if not self.path.startswith(front._prefix + "/"):
                    self.send_error(404)
                    return
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                upstream = http.client.HTTPConnection(front._behind)
                front._open.add(upstream)
                try:
                    headers = {name: value for name, value in self.headers.items() if name.lower() not in DROPPED}
                    upstream.request(self.command, self.path.removeprefix(front._prefix), body or None, headers)
                    answer = upstream.getresponse()
                    self.send_response_only(answer.status)
                    for name, value in answer.getheaders():
                        if name.lower() not in DROPPED:
                            self.send_header(name, value)
                    self.end_headers()
                    while piece := answer.read1(65536):
                        self.wfile.write(piece)
                        self.wfile.flush()
                except (OSError, http.client.HTTPException, ValueError):
                    self.close_connection = True
                finally:
                    front._open.discard(upstream)
                    upstream.close()

            do_GET = do_POST = do_PUT = do_DELETE = forward  # noqa: N815 (names of http.server)

            def log_message(self, *_: object) -> None: ...

        return Handler
