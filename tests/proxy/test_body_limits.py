"""A body beyond `http.maxBodyBytes`: what the client is told, and that neither model nor upstream is troubled by it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from swapyard.http.server import Limits

TEN = Limits(body=10)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ROUTES = [
    ("/v1/chat/completions", b"application/json"),
    ("/v1/messages", b"application/json"),
    ("/v1/audio/transcriptions", b"multipart/form-data; boundary=x"),
    ("/upstream/m/x", b"text/plain"),
    ("/health", b"text/plain"),
    ("/api/version", b"text/plain"),
    ("/nowhere", b"text/plain"),
]


def post(path: str, kind: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join((b"POST %s HTTP/1.1" % path.encode(), b"Host: a", b"Content-Type: " + kind, *lines, b"", b""))


@pytest.mark.parametrize(("path", "kind"), ROUTES, ids=[path for path, _ in ROUTES])
@pytest.mark.parametrize("expecting", [(), (b"Expect: 100-continue",)])
def test_a_length_beyond_the_limit_is_413_before_anything_begins(
    stage: Any, passage: Any, path: str, kind: bytes, expecting: tuple[bytes, ...]
) -> None:
    yard = passage.PassageStage(limits=TEN)
    assert yard.ask(post(path, kind, b"Content-Length: 11", *expecting)) == b""
    assert not yard.engine.runs
    seen = stage.reference_response(yard.paper.written)  # final, and the first: no 100 before it
    assert yard.paper.written.startswith(b"HTTP/1.1 413 ")
    assert (b"Connection", b"close") in seen.fields
    error = json.loads(seen.body)["error"]
    assert error["type"] == ("request_too_large" if path == "/v1/messages" else "invalid_request_error")
    assert "larger than 10 bytes" in error["message"]
    assert yard.ends == [413]
    assert yard.paper.ended  # half-closed: what the client still sends is read and dropped
    assert yard.ask(bytes(1000)) == b""


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_chunks_beyond_the_limit_end_the_request_at_the_upstream_too(stage: Any, passage: Any, ahead: int) -> None:
    """It must not look whole there."""
    head = post("/upstream/m/x", b"text/plain", b"Transfer-Encoding: chunked")
    yard = passage.PassageStage(limits=TEN)
    for _ in range(ahead):
        assert stage.reference_request(yard.ask(head + b"a\r\n0123456789\r\n0\r\n\r\n")).body == b"0123456789"
        yard.answer(OK)
    sent = yard.ask(head + b"a\r\n0123456789\r\n", b"1\r\n!\r\n0\r\n\r\n")
    assert sent.endswith(b"a\r\n0123456789\r\n")
    assert stage.reference_request(sent) is None
    assert yard.upstream.paper.is_closed
    assert (yard.served, yard.ends) == (0, [200] * ahead + [413])


def test_chunks_beyond_the_limit_never_reach_a_model_that_they_name(stage: Any, passage: Any) -> None:
    yard = passage.PassageStage(limits=TEN)
    head = post("/v1/completions", b"application/json", b"Transfer-Encoding: chunked")
    assert yard.ask(head + b'5\r\n{"mod\r\n', b'8\r\nel":"m"}\r\n0\r\n\r\n') == b""
    assert not yard.engine.runs
    assert yard.ends == [413]


def test_a_body_within_the_limit_passes(stage: Any, passage: Any) -> None:
    yard = passage.PassageStage(limits=Limits(body=13))
    for _ in range(3):
        sent = yard.ask(post("/v1/completions", b"application/json", b"Content-Length: 13") + b'{"model":"m"}')
        assert stage.reference_request(sent).body == b'{"model":"m"}'
        assert yard.answer(OK).endswith(b"ok")
