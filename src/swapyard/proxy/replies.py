"""Answers that the gateway gives itself: errors in the shape of the API that was called, redirects, CORS preflights.

An error on `/v1/messages` is told in Anthropic's words, everything else in OpenAI's envelope with `src` (llama-swap
#1037); the status is the same. A client that takes text or HTML and no JSON gets that, except for a 429. Every answer is
readable across origins.

Messages may hold anything (a server's last output, a client's bytes): here they become harmless. Pure functions; they run
on the error path only.
"""

from __future__ import annotations

import html
import re
from typing import Any, Final, NamedTuple

import msgspec

from swapyard.errors import RequestError
from swapyard.proxy.endpoints import ErrorShape, shape_of

SOURCE: Final = "swapyard"
LONGEST_MESSAGE: Final = 16_000  # characters

# https://docs.anthropic.com/en/api/errors; other 4xx are invalid_request_error, other 5xx api_error. Their own status for
# "overloaded" is 529; ours stays 503, which their SDKs retry alike.
_ANTHROPIC_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_ANY_ORIGIN: Final = (b"Access-Control-Allow-Origin", b"*")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and newline
_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch  # RFC 9110, 5.6.2


class Reply(NamedTuple):
    """`headers` carry no framing: whoever sends the reply knows the length of its body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def render(error: RequestError, *, accept: bytes = b"", path: str = "") -> Reply:
    """A whole answer. `accept`: the request's Accept, empty where it has none. `path`: what was asked for, without query."""
    content_type, body = _content(error, accept, path)
    headers = [
        (b"Content-Type", content_type),
        (b"X-Content-Type-Options", b"nosniff"),
        _ANY_ORIGIN,
    ]
    if error.retry_after is not None:
        headers.append((b"Retry-After", b"%d" % error.retry_after))
    for name, value in error.headers:
        headers.append((name.encode("latin-1"), _CONTROL.sub("", value).replace("\n", "").encode("latin-1", "replace")))
    return Reply(error.status, headers, body)


def sse_error(error: RequestError, path: str, *, inside_event: bool = False) -> bytes:
    """The event that ends a broken stream, where the status is long gone. `inside_event`: the stream broke off before the
    blank line of an event, which is then closed first."""
    told = _told(error, path)
    named = shape_of(path) is ErrorShape.ANTHROPIC
    if not named and path.endswith("/responses"):
        # https://platform.openai.com/docs/api-reference/responses-streaming/error; the SDKs raise for `error` only.
        flat = {key: told["error"][key] for key in ("code", "message", "param")}
        told, named = {"type": "error", "sequence_number": 0, **flat, **told}, True
    event = b"data: " + msgspec.json.encode(told) + b"\n\n"
    if named:
        event = b"event: error\n" + event
    return b"\n\n" + event if inside_event else event


def preflight(request_headers: bytes | None) -> Reply:
    """The answer to any OPTIONS. `request_headers`: Access-Control-Request-Headers, None where it is absent. What it asks
    for is allowed, less what can be no header name."""
    if request_headers is None:
        allowed = b"Content-Type, Authorization, Accept, X-Requested-With"
    else:
        allowed = b", ".join(name for part in request_headers.split(b",") if _TOKEN(name := part.strip()))
    headers = [
        _ANY_ORIGIN,
        (b"Access-Control-Allow-Methods", b"GET, POST, PUT, PATCH, DELETE, OPTIONS"),
        (b"Access-Control-Allow-Headers", allowed),
        (b"Access-Control-Max-Age", b"86400"),
    ]
    return Reply(204, headers, b"")


def redirect(method: bytes, location: bytes) -> Reply:
    """A permanent redirect that keeps the method: 301 for GET and HEAD, else 308."""
    return Reply(301 if method in {b"GET", b"HEAD"} else 308, [(b"Location", location), _ANY_ORIGIN], b"")


def tidied(location: bytes) -> Reply:
    """A redirect to the clean form of a path (`endpoints.tidy`), method and body kept."""
    return Reply(307, [(b"Location", location), _ANY_ORIGIN], b"")


def _content(error: RequestError, accept: bytes, path: str) -> tuple[bytes, bytes]:
    wanted = accept.lower()
    # JSON anywhere wins: axios sends "application/json, text/plain, */*" and parses JSON.
    if error.status != 429 and b"application/json" not in wanted:
        message = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", _harmless(error.message))
        if b"text/plain" in wanted:
            return b"text/plain; charset=utf-8", f"{SOURCE}: {message}".encode()
        if b"text/html" in wanted:
            page = f"<!doctype html>\n<title>{SOURCE}</title>\n<h1>{SOURCE}</h1>\n<p>{html.escape(message)}</p>\n"
            return b"text/html; charset=utf-8", page.encode()
    return b"application/json", msgspec.json.encode(_told(error, path))


def _told(error: RequestError, path: str) -> dict[str, Any]:
    message = _harmless(error.message)
    if shape_of(path) is ErrorShape.ANTHROPIC:
        fallback = "invalid_request_error" if error.status < 500 else "api_error"
        return {"type": "error", "error": {"type": _ANTHROPIC_TYPES.get(error.status, fallback), "message": message}}
    param = None if error.param is None else _harmless(error.param)
    told = {"message": message, "type": error.type, "param": param, "code": error.code}
    return {"src": SOURCE, "error": told}


def _harmless(text: str) -> str:
    """Encodable whatever bytes it was made of, and of bounded length."""
    if len(text) > LONGEST_MESSAGE:
        text = text[:LONGEST_MESSAGE] + "..."
    return text.encode(errors="replace").decode()
