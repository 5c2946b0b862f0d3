"""Heads that are written once for all the heads that repeat them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from swapyard.http.headers import RequestHead, ResponseHead
from swapyard.http.repeats import Kept
from swapyard.http.upstream import Upstream
from swapyard.observe.decoding import READABLE, decoder
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
        (b"accept-encoding", b"Accept-Encoding", b"gzip, br"),
        (b"traceparent", b"TraceParent", b"00-a-b-01"),
        (b"tracestate", b"TraceState", b"c=d"),
    ]
    head.known = {b"host": b"a", b"authorization": b"Bearer secret", b"content-length": b"5"}
    head.kept = kept
    return head


async def test_a_kept_head_is_made_anew_for_another_upstream_path_or_set_of_keys() -> None:
    loop = asyncio.get_running_loop()
    upstreams = [Upstream("127.0.0.1", 1, loop=loop), Upstream("127.0.0.1", 2, loop=loop, base_path=b"/base")]
    cases = [
        (upstream, path, keys, is_read, is_traced)
        for upstream in upstreams
        for path in (b"/v1/x", b"/x")
        for keys in (None, Keys(["secret"]), Keys(["other"]))
        for is_read in (False, True)
        for is_traced in (False, True)
    ]
    kept = Kept()
    for upstream, path, keys, is_read, is_traced in [*cases, *reversed(cases)]:
        for length in (5, 70):
            framing = b"Content-Length: %d\r\n" % length
            ways: Any = {"remote": b"9.9.9.9", "keys": keys, "is_read": is_read, "is_traced": is_traced}
            said = heads.request_head(request(kept), upstream, path, framing, **ways)
            plain = heads.request_head(request(None), upstream, path, framing, **ways)
            assert said == plain
            assert framing in said
            assert (b"Accept-Encoding: gzip, br\r\n" in said) is not is_read
            assert (b"Accept-Encoding: gzip\r\n" in said) is is_read
            assert (b"traceparent" in said.lower()) is not is_traced
            assert (b"tracestate" in said.lower()) is not is_traced


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ([b"gzip, deflate, br, zstd"], [b"gzip, deflate, zstd"]),
        ([b"gzip;q=1.0,  br;q=0.5 ,identity; q=0.2"], [b"gzip;q=1.0, identity; q=0.2"]),
        ([b"gzip,deflate"], [b"gzip,deflate"]),
        ([b"GZIP;q=0, X-Gzip"], [b"GZIP;q=0, X-Gzip"]),
        ([b"br"], [b"identity"]),
        ([b"*"], [b"identity"]),
        ([b"gzip, *;q=0"], [b"gzip"]),
        ([b""], [b""]),
        ([b"br", b"gzip"], [b"gzip"]),
        ([b"br", b"compress"], [b"identity"]),
        ([], []),
    ],
)
def test_codings_that_cannot_be_undone_are_not_asked_for(asked: list[bytes], left: list[bytes]) -> None:
    fields = [(b"x-a", b"X-A", b"br"), *((b"accept-encoding", b"Accept-Encoding", value) for value in asked)]
    narrowed = heads.with_readable_codings([*fields, (b"x-b", b"X-B", b"br")])
    assert [value for key, _, value in narrowed if key == b"accept-encoding"] == left
    assert [narrowed[0], narrowed[-1]] == [(b"x-a", b"X-A", b"br"), (b"x-b", b"X-B", b"br")]


def test_what_may_be_asked_for_is_what_can_be_undone() -> None:
    for coding in READABLE:
        decoder(coding.decode())
    for coding in (b"br", b"compress", b"*"):
        assert coding not in READABLE


def test_a_head_that_repeats_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    head = ResponseHead(200, b"OK", [(b"X-A", b"1"), (b"Content-Length", b"3")], 3, event_stream=False, kept=Kept())
    first = heads.response_lines(head)
    monkeypatch.setattr(heads, "response_headers", lambda _: 1 // 0)
    assert heads.response_lines(head) == first
    assert first == b"HTTP/1.1 200 OK\r\nX-A: 1\r\nAccess-Control-Allow-Origin: *\r\n"
