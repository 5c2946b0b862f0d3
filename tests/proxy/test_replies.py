"""Errors in the shape of the API that was called, and the other answers of the gateway's own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapyard.errors import (
    BadRequest,
    Conflict,
    MethodNotAllowed,
    ModelNotFound,
    NotFound,
    RequestError,
    StartFailed,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UpstreamFailed,
    UpstreamTimeout,
)
from swapyard.proxy.replies import LONGEST_MESSAGE, Reply, preflight, redirect, render, sse_error


def forbidden() -> RequestError:
    error = RequestError("x")
    error.status = 403
    return error


def headers(reply: Reply) -> dict[str, str]:
    found = {name.decode(): value.decode("latin-1") for name, value in reply.headers}
    assert len(found) == len(reply.headers)
    return found


ERRORS: list[tuple[RequestError, int, str, str, str]] = [
    (BadRequest("x"), 400, "invalid_request_error", "bad_request", "invalid_request_error"),
    (Unauthorized("x"), 401, "authentication_error", "unauthorized", "authentication_error"),
    (forbidden(), 403, "server_error", "internal_error", "permission_error"),
    (NotFound("x"), 404, "invalid_request_error", "not_found", "not_found_error"),
    (ModelNotFound("x"), 404, "invalid_request_error", "model_not_found", "not_found_error"),
    (MethodNotAllowed("GET", "/x", ["POST"]), 405, "invalid_request_error", "method_not_allowed", "invalid_request_error"),
    (Conflict("x"), 409, "invalid_request_error", "conflict", "invalid_request_error"),
    (TooManyRequests("x"), 429, "rate_limit_error", "concurrency_limit", "rate_limit_error"),
    (RequestError("x"), 500, "server_error", "internal_error", "api_error"),
    (UpstreamFailed("x"), 502, "server_error", "bad_gateway", "api_error"),
    (StartFailed("x"), 502, "server_error", "model_start_failed", "api_error"),
    (StartFailed("x", worth_retrying=True), 503, "server_error", "model_start_failed", "overloaded_error"),
    (Unavailable("x"), 503, "server_error", "service_unavailable", "overloaded_error"),
    (UpstreamTimeout("x"), 504, "server_error", "gateway_timeout", "timeout_error"),
]


@pytest.mark.parametrize(("error", "status", "type_", "code", "anthropic_type"), ERRORS)
def test_errors_by_status_and_shape(error: RequestError, status: int, type_: str, code: str, anthropic_type: str) -> None:
    reply = render(error, path="/v1/chat/completions")
    assert reply.status == status
    told = {"message": error.message, "type": type_, "param": error.param, "code": code}
    assert json.loads(reply.body) == {"src": "swapyard", "error": told}
    reply = render(error, path="/v1/messages")
    assert reply.status == status
    assert json.loads(reply.body) == {"type": "error", "error": {"type": anthropic_type, "message": error.message}}


def test_headers_of_an_error() -> None:
    reply = render(BadRequest("x"))
    assert headers(reply) == {
        "Content-Type": "application/json",
        "X-Content-Type-Options": "nosniff",
        "Access-Control-Allow-Origin": "*",
    }
    assert headers(render(TooManyRequests("x", retry_after=7)))["Retry-After"] == "7"
    assert headers(render(StartFailed("x", worth_retrying=True)))["Retry-After"] == "1"
    assert headers(render(Unauthorized("x")))["WWW-Authenticate"] == 'Basic realm="swapyard"'
    assert headers(render(MethodNotAllowed("PUT", "/x", ["GET", "HEAD"])))["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (b"", "application/json"),
        (b"*/*", "application/json"),
        (b"application/json", "application/json"),
        (b"application/json, text/plain, */*", "application/json"),  # axios
        (b"text/html, Application/JSON;q=0.1", "application/json"),
        (b"text/event-stream", "application/json"),
        (b"text/plain", "text/plain; charset=utf-8"),
        (b"text/html, text/plain", "text/plain; charset=utf-8"),
        (b"TEXT/PLAIN;q=0.5", "text/plain; charset=utf-8"),
        (b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html; charset=utf-8"),
        (b"\xff\x00", "application/json"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/"])
def test_accept_chooses_the_form(accept: bytes, content_type: str, path: str) -> None:
    assert headers(render(BadRequest("x"), accept=accept, path=path))["Content-Type"] == content_type


def test_a_429_is_always_json() -> None:
    reply = render(TooManyRequests("x"), accept=b"text/html")
    assert headers(reply)["Content-Type"] == "application/json"
    assert json.loads(reply.body)["error"]["type"] == "rate_limit_error"


def test_text_and_html() -> None:
    error = BadRequest("<b>&\x1b[31m\nsecond")
    assert render(error, accept=b"text/plain").body == "swapyard: <b>&\ufffd[31m\nsecond".encode()
    page = render(error, accept=b"text/html").body.decode()
    assert "<h1>swapyard</h1>" in page
    assert "<p>&lt;b&gt;&amp;\ufffd[31m\nsecond</p>" in page


@given(st.text(st.characters(exclude_categories=[])), st.sampled_from([b"", b"text/plain", b"text/html"]))
def test_any_message_can_be_sent(message: str, accept: bytes) -> None:
    error = BadRequest(message, param=message)
    assert_sendable(error, accept)


def test_half_a_surrogate_pair_can_be_sent() -> None:
    assert_sendable(BadRequest("a\ud800", param="\udcff"), b"")
    assert_sendable(BadRequest("a\ud800"), b"text/plain")


def assert_sendable(error: RequestError, accept: bytes) -> None:
    for path in ("/", "/v1/messages"):
        reply = render(error, accept=accept, path=path)
        text = reply.body.decode()
        assert "\x1b" not in text
        assert "\0" not in text
        assert sse_error(error, path).count(b"\n\n") == 1


def test_messages_are_bounded() -> None:
    assert len(render(BadRequest("x" * 1_000_000)).body) < LONGEST_MESSAGE + 200


def test_header_values_cannot_break_out() -> None:
    error = MethodNotAllowed("GET", "/x", ["A\r\nX-Evil: 1", "ü\u20ac"])
    assert headers(render(error))["Allow"] == "AX-Evil: 1, ü?"


# --- streams ---


def test_the_last_event_of_a_broken_stream() -> None:
    error = UpstreamFailed("gone\nfor good")
    told: Any = {"message": "gone\nfor good", "type": "server_error", "param": None, "code": "bad_gateway"}
    event = sse_error(error, "/v1/chat/completions")
    assert event.startswith(b"data: ")
    assert event.endswith(b"}\n\n")
    assert json.loads(event[6:]) == {"src": "swapyard", "error": told}


def test_the_last_event_of_a_broken_stream_of_messages() -> None:
    event = sse_error(UpstreamFailed("gone"), "/v1/messages")
    assert event == b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"gone"}}\n\n'


def test_an_event_that_broke_off_is_closed_first() -> None:
    assert sse_error(UpstreamFailed("x"), "/", inside_event=True) == b"\n\n" + sse_error(UpstreamFailed("x"), "/")


# --- preflights and redirects ---


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        (None, "Content-Type, Authorization, Accept, X-Requested-With"),
        (b"", ""),
        (b"content-type,  x-stainless-os ,x_y", "content-type, x-stainless-os, x_y"),
        (b"good, bad header, b\xc3\xa4d, a/b, x\r\ny, *, ", "good, *"),
    ],
)
def test_preflight(asked: bytes | None, allowed: str) -> None:
    reply = preflight(asked)
    assert (reply.status, reply.body) == (204, b"")
    assert headers(reply) == {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
        "Access-Control-Allow-Headers": allowed,
        "Access-Control-Max-Age": "86400",
    }


@pytest.mark.parametrize(("method", "status"), [(b"GET", 301), (b"HEAD", 301), (b"POST", 308), (b"DELETE", 308)])
def test_redirects_keep_the_method(method: bytes, status: int) -> None:
    reply = redirect(method, b"/upstream/m/?x=1")
    assert reply.status == status
    assert headers(reply)["Location"] == "/upstream/m/?x=1"
