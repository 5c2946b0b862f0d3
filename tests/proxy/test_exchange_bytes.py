"""Whatever a client sends reaches the upstream as it was, but for the documented edits, and so does what comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from tests.proxy.conftest import OpenYard

Field = tuple[bytes, bytes]

# Fields with a meaning at this hop have their own tests.
MEANT_FOR_US = {
    "host", "connection", "content-length", "transfer-encoding", "upgrade", "te", "expect", "keep-alive",
    "proxy-connection", "proxy-authenticate", "proxy-authorization", "x-forwarded-for", "trailer",
    "access-control-allow-origin", "x-accel-buffering", "content-type",
}  # fmt: skip
names = st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=12).filter(lambda name: name.lower() not in MEANT_FOR_US)
visible = st.integers(0x21, 0xFF).filter(lambda byte: byte != 0x7F).map(lambda byte: bytes([byte]))
values = st.lists(visible | st.sampled_from([b" ", b"\t", b",", b";"]), max_size=20).map(b"".join).map(bytes.strip)
fields: st.SearchStrategy[list[Field]] = st.lists(st.tuples(names.map(str.encode), values), max_size=8)
segments = st.lists(
    st.sampled_from(
        [b"a", b"B", b"7", b"-", b"_", b"~", b"%2F", b"%2f", b"%25", b"%20", b"%00", b":", b"@", b"!", b"(", b"="]
    ),
    min_size=1,
    max_size=5,
).map(b"".join)
paths = st.lists(segments, max_size=4).map(lambda parts: b"/" + b"/".join(parts))
queries = st.none() | st.lists(st.sampled_from([b"a", b"=", b"&", b"%3D", b"?", b"/", b";", b"+"]), max_size=6).map(b"".join)
methods = st.sampled_from([b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"PROPFIND"])
bodies = st.none() | st.binary(max_size=3000)
trailers: st.SearchStrategy[list[Field]] = st.lists(st.tuples(names.map(lambda n: b"T" + n.encode()), values), max_size=2)
statuses = st.sampled_from([200, 201, 206, 299, 301, 400, 404, 500, 599])
splits = st.lists(st.integers(1, 500), min_size=1, max_size=20)


def run(main: Coroutine[Any, Any, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(30):
            await main

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(limited())


def message(start: bytes, head: list[Field], body: bytes | None, tail: list[Field] | None, cuts: list[int]) -> bytes:
    """`tail`: the trailers of a chunked body, None for one of known length."""
    lines = [start, *(name + b": " + value for name, value in head)]
    if body is None:
        return b"\r\n".join((*lines, b"", b""))
    if tail is None:
        return b"\r\n".join((*lines, b"Content-Length: %d" % len(body), b"", body))
    text = b"\r\n".join((*lines, b"Transfer-Encoding: chunked", b"", b""))
    for piece in pieces(body, cuts):
        text += b"%X;x=y\r\n%s\r\n" % (len(piece), piece)
    return text + b"0\r\n" + b"".join(name + b":" + value + b"\r\n" for name, value in tail) + b"\r\n"


def pieces(text: bytes, cuts: list[int]) -> list[bytes]:
    found: list[bytes] = []
    at = 0
    while at < len(text):
        size = cuts[len(found) % len(cuts)]
        found.append(text[at : at + size])
        at += size
    return found


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    method=methods, path=paths, query=queries, head=fields, body=bodies, tail=st.none() | trailers,
    status=statuses, head_back=fields, body_back=st.binary(max_size=3000), tail_back=st.none() | trailers,
    cuts=splits, again=st.booleans(),
)  # fmt: skip
def test_every_byte_passes_as_it_came(
    open_yard: OpenYard, wire: Any, method: bytes, path: bytes, query: bytes | None, head: list[Field], body: bytes | None,
    tail: list[Field] | None, status: int, head_back: list[Field], body_back: bytes, tail_back: list[Field] | None,
    cuts: list[int], again: bool,
) -> None:  # fmt: skip
    target = path if query is None else path + b"?" + query
    start = b"%s /upstream/m%s HTTP/1.1" % (method, target)
    request = message(start, [(b"Host", b"h"), *head], body, tail, cuts)
    answer = message(b"HTTP/1.1 %d Any Words" % status, head_back, body_back, tail_back, cuts)

    async def main() -> None:
        async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
            peer = None
            for _ in range(1 + again):
                for piece in pieces(request, cuts):
                    client.send(piece)
                    await asyncio.sleep(0)
                peer = peer or await up.accept()
                received = await peer.request()
                assert received.start == b"%s %s HTTP/1.1" % (method, target)
                framing = [] if body is None else [received.headers[-1]]
                assert received.headers == [(b"Host", b"h"), *head, (b"X-Forwarded-For", b"127.0.0.1"), *framing]
                assert received.body == (body or b"")
                assert received.framing == ("none" if body is None else "length" if tail is None else "chunked")
                assert received.trailers == (tail or [] if body is not None else [])
                for piece in pieces(answer, cuts):
                    peer.send(piece)
                    await asyncio.sleep(0)
                back = await client.response(to=method)
                assert back.start == b"HTTP/1.1 %d Any Words" % status
                assert back.headers[:-1] == [*head_back, (b"Access-Control-Allow-Origin", b"*")]
                assert (back.body, back.trailers) == (body_back, tail_back or [])

    run(main())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(body=st.binary(max_size=200), extra=st.text(max_size=200), cuts=splits, chunked=st.booleans())
def test_a_json_body_passes_byte_for_byte(
    open_yard: OpenYard, wire: Any, body: bytes, extra: str, cuts: list[int], chunked: bool
) -> None:
    import json

    text = b'  {"prompt" : %s,\n"model":"m","b":"%s" }\n ' % (json.dumps(extra).encode(), body.hex().encode())
    head = [(b"Host", b"h"), (b"Content-Type", b"application/json")]
    request = message(b"POST /v1/completions HTTP/1.1", head, text, [] if chunked else None, cuts)

    async def main() -> None:
        async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
            for piece in pieces(request, cuts):
                client.send(piece)
                await asyncio.sleep(0)
            peer = await up.accept()
            received = await peer.request()
            assert (received.body, received.framing) == (text, "length")
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            assert (await client.response()).status == 200

    run(main())
