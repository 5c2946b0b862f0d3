"""How an event stream ends that has begun and cannot go on: one error event in its API's shape, and what its clients take
for the end. Its status is gone by then, so everything has to be said in the event. Pure functions."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from swapyard.errors import RequestError, UpstreamFailed
from swapyard.http.headers import REASONS
from swapyard.proxy.endpoints import ErrorShape, shape_of
from swapyard.proxy.replies import sse_error

LONGEST_QUOTE: Final = 2_000  # characters of an answer that is no error that we know

# Whose streams end with this event, errors or not; the others just end.
_ENDED_BY_DONE: Final = frozenset({"/v1/chat/completions", "/v1/completions", "/v/chat/completions", "/v/completions"})
_DONE: Final = b"data: [DONE]\n\n"


def last_events(error: RequestError, path: str) -> bytes:
    """`path`: what the client asked for."""
    return sse_error(error, path) + _terminator(path)


def refused_events(status: int, body: bytes, model: str, path: str) -> bytes:
    """What a model's server answered instead of an event stream. Its own error object is passed on where there is one."""
    try:
        told: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        told = None
    error = told.get("error") if isinstance(told, dict) else None
    if not isinstance(error, dict):
        return last_events(unexpected(status, error if isinstance(error, str) else body, model), path)
    if shape_of(path) is ErrorShape.ANTHROPIC:
        return b"event: error\ndata: " + msgspec.json.encode({"type": "error", "error": error}) + b"\n\n"
    return b"data: " + msgspec.json.encode(told) + b"\n\n" + _terminator(path)


def unexpected(status: int, body: str | bytes, model: str) -> RequestError:
    """An answer that can only be quoted."""
    reason = REASONS.get(status, b"").decode()
    text = body if isinstance(body, str) else body.decode(errors="replace")
    quote = f": {text[:LONGEST_QUOTE].strip()}" if text.strip() else ""
    return UpstreamFailed(f'the server of model "{model}" answered {status} {reason} instead of an event stream{quote}')


def _terminator(path: str) -> bytes:
    return _DONE if path in _ENDED_BY_DONE else b""
