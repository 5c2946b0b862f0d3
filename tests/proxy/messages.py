"""What clients ask and servers answer, as bytes: of which tests of several files are made."""

from __future__ import annotations

import json
from typing import Any

CHAT = "/v1/chat/completions"
EVENT = b'data: {"choices":[{"delta":{"content":"hi"}}]}\n\n'
LAST = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}\n\ndata: [DONE]\n\n'


def ask(path: str = CHAT, model: str = "m", *lines: str, **more: Any) -> bytes:
    body = json.dumps({"model": model, **more}).encode()
    fields = "".join(line + "\r\n" for line in ("Host: x", f"Content-Length: {len(body)}", *lines))
    return f"POST {path} HTTP/1.1\r\n{fields}\r\n".encode() + body


def answer(body: bytes = b"{}", *lines: bytes, status: bytes = b"200 OK", kind: bytes = b"application/json") -> bytes:
    fields = (b"Content-Type: " + kind, b"Content-Length: %d" % len(body), *lines)
    return b"HTTP/1.1 %b\r\n%b\r\n\r\n%b" % (status, b"\r\n".join(fields), body)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
