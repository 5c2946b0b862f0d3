"""Heads that are written once for all the heads that repeat them."""

from __future__ import annotations

import asyncio

import pytest

from swapyard.http.headers import RequestHead, ResponseHead
from swapyard.http.repeats import Kept
from swapyard.http.upstream import Upstream
from swapyard.proxy import heads
from swapyard.proxy.auth import Keys


def request(kept: Kept | None) -> RequestHead:
    head = RequestHead()
    head.method = b"POST"
    head.target = head.path = b"/v1/x"
    head.fields = [
        (b"host", b"Host", b"a"),
        (b"authorization", b"Authorization", b"Bearer secret"),
        (b"content-length", b"Content-Length", b"5"),
        (b"x-a", b"X-A", b"1"),
    ]
    head.known = {b"host": b"a", b"authorization": b"Bearer secret", b"content-length": b"5"}
    head.kept = kept
    return head


async def test_a_kept_head_is_made_anew_for_another_upstream_path_or_set_of_keys() -> None:
    loop = asyncio.get_running_loop()
    upstreams = [Upstream("127.0.0.1", 1, loop=loop), Upstream("127.0.0.1", 2, loop=loop, base_path=b"/base")]
    cases = [
        (upstream, path, keys)
        for upstream in upstreams
        for path in (b"/v1/x", b"/x")
        for keys in (None, Keys(["secret"]), Keys(["other"]))
    ]
    kept = Kept()
    for upstream, path, keys in [*cases, *reversed(cases)]:
        for length in (5, 70):
            framing = b"Content-Length: %d\r\n" % length
            said = heads.request_head(request(kept), upstream, path, framing, remote=b"9.9.9.9", keys=keys)
            plain = heads.request_head(request(None), upstream, path, framing, remote=b"9.9.9.9", keys=keys)
            assert said == plain
            assert framing in said


def test_a_head_that_repeats_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    head = ResponseHead(200, b"OK", [(b"X-A", b"1"), (b"Content-Length", b"3")], 3, event_stream=False, kept=Kept())
    first = heads.response_lines(head)
    monkeypatch.setattr(heads, "response_headers", lambda _: 1 // 0)
    assert heads.response_lines(head) == first
    assert first == b"HTTP/1.1 200 OK\r\nX-A: 1\r\nAccess-Control-Allow-Origin: *\r\n"
