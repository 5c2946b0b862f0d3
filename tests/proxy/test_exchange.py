"""Requests and their answers as they pass: what is edited, what is refused, and who is told what."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.proxy.messages import chunk

from swapyard.config.schema import Compat, Filters, Model
from swapyard.core.messages import StartError
from swapyard.http.upstream import Limits
from swapyard.proxy import asking, heads

if TYPE_CHECKING:
    from tests.proxy.conftest import OpenYard

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chat(model: str = "m", *lines: bytes, path: bytes = b"/v1/chat/completions", more: str = "") -> bytes:
    body = b'{"model":"%s"%s}' % (model.encode(), more.encode())
    return post(path, body, b"Content-Type: application/json", *lines)


def post(path: bytes, body: bytes, *lines: bytes) -> bytes:
    fields = (b"Host: gate", b"Content-Length: %d" % len(body), *lines)
    return b"POST %s HTTP/1.1\r\n%s\r\n\r\n%s" % (path, b"\r\n".join(fields), body)


def get(path: bytes, *lines: bytes, method: bytes = b"GET", version: bytes = b"1.1") -> bytes:
    return b"%s %s HTTP/%s\r\n%s\r\n\r\n" % (method, path, version, b"\r\n".join((b"Host: gate", *lines)))


# --- what reaches the upstream ---


async def test_a_request_with_its_head_and_body(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(
            chat(
                "m", b"X-Custom: 1", b"x-custom: 2", b"Authorization: Bearer theirs", b"Accept-Encoding: br", b"TE: trailers"
            )
        )
        peer = await up.accept()
        request = await peer.request()
        assert (request.start, request.body) == (b"POST /v1/chat/completions HTTP/1.1", b'{"model":"m"}')
        assert request.headers == [
            (b"Host", b"gate"),
            (b"Content-Type", b"application/json"),
            (b"X-Custom", b"1"),
            (b"x-custom", b"2"),
            (b"Authorization", b"Bearer theirs"),
            (b"Accept-Encoding", b"br"),
            (b"X-Forwarded-For", b"127.0.0.1"),
            (b"Connection", b"TE"),
            (b"TE", b"trailers"),
            (b"Content-Length", b"13"),
        ]
        peer.send(OK)
        answer = await client.response()
        assert (answer.status, answer.body) == (200, b"{}")
        assert answer.headers == [
            (b"Content-Type", b"application/json"),
            (b"Access-Control-Allow-Origin", b"*"),
            (b"Content-Length", b"2"),
        ]


async def test_what_ends_at_this_hop(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        hop = [
            b"Connection: keep-alive, X-Mine, host",
            b"X-Mine: 1",
            b"Keep-Alive: timeout=5",
            b"Proxy-Connection: keep-alive",
        ]
        hop += [b"Proxy-Authorization: secret", b"X-Forwarded-For: 9.9.9.9", b"X-Forwarded-Proto: https"]
        client.send(chat("m", *hop))
        peer = await up.accept()
        request = await peer.request()
        assert [name for name, _ in request.headers] == [
            b"Host",
            b"Content-Type",
            b"X-Forwarded-Proto",
            b"X-Forwarded-For",
            b"Content-Length",
        ]
        assert request.one(b"x-forwarded-for") == b"9.9.9.9, 127.0.0.1"
        peer.send(
            b"HTTP/1.1 200 OK\r\nConnection: X-Theirs, keep-alive\r\nX-Theirs: 1\r\nKeep-Alive: timeout=5\r\n"
            b"Proxy-Authenticate: x\r\nServer: llama.cpp\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n"
        )
        answer = await client.response()
        assert answer.headers == [
            (b"Server", b"llama.cpp"),
            (b"Set-Cookie", b"a"),
            (b"Set-Cookie", b"b"),
            (b"Access-Control-Allow-Origin", b"*"),
            (b"Content-Length", b"0"),
        ]


async def test_the_gateways_own_key_stays_here(open_yard: OpenYard, wire: Any) -> None:
    config = {"api_keys": ("ours",)}
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", config=config) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(chat("m", b"Authorization: Bearer ours", b"x-api-key: theirs"))
        peer = await up.accept()
        request = await peer.request()
        assert (request.one(b"authorization"), request.one(b"x-api-key")) == (None, b"theirs")
        peer.send(OK)
        assert (await client.response()).status == 200
        trailer = b"0\r\nX-Api-Key: ours\r\nX-Kept: 1\r\nContent-Type: x\r\n\r\n"
        client.send(get(b"/upstream/m/x", b"x-api-key: ours", b"Transfer-Encoding: chunked", method=b"PUT"), trailer)
        request = await peer.request()
        assert request.one(b"x-api-key") is None
        assert request.trailers == [(b"X-Kept", b"1"), (b"Content-Type", b"x")]
        peer.send(OK)
        assert (await client.response()).status == 200


async def test_filters_edit_the_body(open_yard: OpenYard, wire: Any) -> None:
    model = Model(cmd="x", aliases=("nick",), use_model_name="real", filters=Filters(set_params={"seed": 7}))
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", models={"m": model}) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(chat("nick", more=',"n":1'))
        peer = await up.accept()
        assert json.loads((await peer.request()).body) == {"model": "real", "n": 1, "seed": 7}
        peer.send(OK)
        assert (await client.response()).status == 200


@pytest.mark.parametrize(
    ("asked", "forwarded"),
    [
        (b"/upstream/m/a%2Fb//c?x=%2F&y", b"/a%2Fb//c?x=%2F&y"),
        (b"/upstream/m/", b"/"),
        (b"/upstream/m/v/x", b"/v/x"),
        (b"/upstream/a%2Fb/%252F%20%c3%a4", b"/%252F%20%c3%a4"),
        (b"/upstream/a/b/?", b"/?"),
        (b"/v/completions?a=b", b"/completions?a=b"),
        (b"/audioapi/v1/tasks/run", b"/v1/tasks/run"),
        (b"http://gate/v1/completions?x=1", b"/v1/completions?x=1"),
    ],
)
async def test_the_path_that_the_upstream_sees(open_yard: OpenYard, wire: Any, asked: bytes, forwarded: bytes) -> None:
    models = {"m": Model(cmd="x", aliases=("a/b",))}
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", models=models) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(chat("m", path=asked))
        peer = await up.accept()
        request = await peer.request()
        assert request.target == forwarded
        assert request.body == b'{"model":"m"}'
        peer.send(OK)
        assert (await client.response()).status == 200


async def test_an_http_1_0_client(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(b"GET /upstream/m/x HTTP/1.0\r\n\r\n")
        peer = await up.accept()
        request = await peer.request()
        assert (request.start, request.one(b"host")) == (b"GET /x HTTP/1.1", b"127.0.0.1:%d" % up.port)
        peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk(b"abc"))
        peer.send(b"0\r\nX-T: 1\r\n\r\n")
        answer = await client.response()
        assert (answer.body, answer.framing, answer.interim) == (b"abc", "close", [])


# --- bodies ---


async def test_chunked_bodies_and_trailers_both_ways(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        peer: Any = None
        for _ in range(2):
            client.send(get(b"/upstream/m/x", b"Transfer-Encoding: chunked", b"Trailer: X-T", method=b"POST"), chunk(b"abc"))
            peer = peer or await up.accept()
            assert (await peer.head()).one(b"trailer") == b"X-T"
            assert await peer.until(b"abc\r\n") == b"3\r\nabc\r\n"  # as it comes
            client.send(chunk(b"defg"), b"0\r\nX-T: 1\r\n\r\n")
            assert await peer.until(b"\r\n\r\n") == b"4\r\ndefg\r\n0\r\nX-T: 1\r\n\r\n"
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk(b"abc"))
            assert await client.until(b"abc\r\n")
            peer.send(chunk(b"defg"), b"0\r\nX-U: 2\r\n\r\n")
            assert await client.until(b"\r\n\r\n") == b"4\r\ndefg\r\n0\r\nX-U: 2\r\n\r\n"


async def test_a_chunked_json_body_is_sent_with_its_length(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(get(b"/v1/completions", b"Transfer-Encoding: chunked", method=b"POST"))
        client.send(chunk(b'{"mod'), chunk(b'el":"m"}'), b"0\r\nX-T: 1\r\n\r\n")
        peer = await up.accept()
        request = await peer.request()
        assert (request.body, request.framing, request.one(b"content-length")) == (b'{"model":"m"}', "length", b"13")
        peer.send(OK)
        assert (await client.response()).status == 200


async def test_a_close_delimited_answer(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        for _ in range(2):
            client.send(chat())
            peer = await up.accept()
            await peer.request()
            peer.send(b"HTTP/1.0 200 OK\r\n\r\nabc")
            await client.until(b"abc\r\n")
            peer.send(b"def")
            await peer.drained()
            peer.close()
            assert await client.until(b"0\r\n\r\n") == b"3\r\ndef\r\n0\r\n\r\n"


@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_without_a_body(open_yard: OpenYard, wire: Any, status: int) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        peer: Any = None
        for _ in range(2):
            client.send(get(b"/upstream/m/x"))
            peer = peer or await up.accept()
            await peer.request()
            peer.send(b"HTTP/1.1 %d Fine\r\n\r\n" % status)
            answer = await client.response()
            assert (answer.start, answer.one(b"transfer-encoding")) == (b"HTTP/1.1 %d Fine" % status, None)


async def test_head_is_passed_and_keeps_the_connection(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        peer: Any = None
        for n, framing in enumerate([b"Content-Length: 5", b"Transfer-Encoding: chunked"]):
            client.send(get(b"/props?model=m", method=b"HEAD"))
            peer = peer or await up.accept()
            assert (await peer.request()).start == b"HEAD /props?model=m HTTP/1.1"
            peer.send(b"HTTP/1.1 200 OK\r\n", framing, b"\r\n\r\n")
            answer = await client.response(to=b"HEAD")
            assert answer.one(b"content-length") == (b"5" if n == 0 else None)
        client.send(chat())
        await peer.request()
        peer.send(OK)
        assert (await client.response()).body == b"{}"
        assert len(up.accepted) == 1


async def test_interim_responses_are_relayed(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(chat())
        peer = await up.accept()
        await peer.request()
        peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nKeep-Alive: 5\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n", OK)
        answer = await client.response()
        assert [(early.status, early.headers) for early in answer.interim] == [(103, [(b"Link", b"</a>")])]
        assert answer.body == b"{}"


async def test_expect_continue_with_a_streamed_body(open_yard: OpenYard, wire: Any) -> None:
    """The client is let go when there is somebody to take the body."""
    async with wire.scripted() as up, open_yard(m=up.port) as yard, wire.connect(yard.port) as client:
        client.send(get(b"/upstream/m/x", b"Expect: 100-continue", b"Content-Length: 5", method=b"POST"))
        process = await yard.started()
        await wire.settle()
        process.become_ready()
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"hello")
        peer = await up.accept()
        request = await peer.request()
        assert (request.body, request.one(b"expect")) == (b"hello", None)
        peer.send(OK)
        assert (await client.response()).body == b"{}"


async def test_expect_continue_for_an_unknown_model_is_refused_before_the_body(open_yard: OpenYard, wire: Any) -> None:
    async with open_yard(m=1) as yard, wire.connect(yard.port) as client:
        client.send(get(b"/upstream/nobody/x", b"Expect: 100-continue", b"Content-Length: 5", method=b"POST"))
        answer = await client.response()
        assert (answer.status, answer.interim) == (404, [])
        assert await client.rest() == b""


# --- events ---


async def test_an_event_stream_passes_event_by_event(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(chat())
        peer = await up.accept()
        await peer.request()
        peer.send(EVENTS)
        assert b"X-Accel-Buffering: no\r\n" in await client.until(b"\r\n\r\n")
        for n in range(5):
            peer.send(chunk(b"data: %d\n\n" % n))
            assert await client.until(b"\n\n\r\n") == chunk(b"data: %d\n\n" % n)
        peer.send(b"0\r\n\r\n")
        assert await client.until(b"\r\n\r\n") == b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "inside"),
    [
        ([], False),
        ([b"data: 1\n\n"], False),
        ([b"data: 1\r\n\r\n"], False),
        ([b"data: 1\n", b"\n"], False),
        ([b"data: 1\r\n", b"\r", b"\n"], False),
        ([b"data: 1\n"], True),
        ([b"data: 1\n\nda", b"ta: 2"], True),
        ([b"d"], True),
    ],
)
@pytest.mark.parametrize("path", [b"/v1/chat/completions", b"/v1/messages"])
async def test_an_event_stream_that_breaks_ends_with_an_error_event(
    open_yard: OpenYard, wire: Any, sent: list[bytes], inside: bool, path: bytes
) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(chat(path=path))
        peer = await up.accept()
        await peer.request()
        peer.send(EVENTS)
        await client.head()
        for part in sent:
            peer.send(chunk(part))
            await client.until(part + b"\r\n")
        peer.reset()
        rest = await client.rest()
        assert not rest.endswith(b"0\r\n\r\n")  # it does not look complete
        event = rest.split(b"\r\n", 1)[1]
        assert event.startswith(b"\n\n") is inside
        lines = event.strip().split(b"\n")
        assert lines[0] == b"event: error" if path == b"/v1/messages" else len(lines) == 1
        told = json.loads(lines[-1].removeprefix(b"data: "))
        assert 'the server of model "m" broke the connection' in told["error"]["message"]


@pytest.mark.parametrize("extra", [b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked", b"Content-Length: 1000"])
async def test_no_words_are_put_into_a_body_where_they_do_not_fit(open_yard: OpenYard, wire: Any, extra: bytes) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(chat())
        peer = await up.accept()
        await peer.request()
        chunked = b"chunked" in extra
        peer.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n", extra, b"\r\n\r\n", chunk(b"ab") if chunked else b"ab"
        )
        await client.until(b"ab\r\n" if chunked else b"\r\n\r\nab")
        peer.reset()
        assert await client.rest() == b""


# --- an upstream that fails ---


def error_of(answer: Any) -> dict[str, Any]:
    told = json.loads(answer.body)
    assert told["src"] == "swapyard"
    assert answer.one(b"access-control-allow-origin") == b"*"
    error: dict[str, Any] = told["error"]
    return error


@pytest.mark.parametrize("path", [b"/v1/chat/completions", b"/upstream/m/x"])
@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-"])
async def test_an_upstream_that_dies_before_its_headers(open_yard: OpenYard, wire: Any, path: bytes, said: bytes) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(chat(path=path), chat(path=path))
        peer = await up.accept()
        await peer.request()
        peer.send(said)
        await peer.drained()
        peer.close()
        answer = await client.response()
        assert answer.status == 502
        assert error_of(answer)["message"] == (
            'the server of model "m" closed the connection before it sent response headers'
        )
        peer = await up.accept()
        await peer.request()
        peer.send(OK)
        assert (await client.response()).status == 200
        assert yard.ends == [502, 200]


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_an_upstream_that_dies_in_a_chunked_answer(open_yard: OpenYard, wire: Any, how: str) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(chat())
        peer = await up.accept()
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await client.until(b"abc\r\n")
        getattr(peer, how)()
        assert await client.rest() == b""


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_an_upstream_that_dies_in_an_answer_of_known_length(open_yard: OpenYard, wire: Any, how: str) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(chat())
        peer = await up.accept()
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nabc")
        await client.until(b"abc")
        getattr(peer, how)()
        assert await client.rest() == b""


async def test_an_old_client_gets_a_reset_for_an_answer_that_is_not_whole(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(b"GET /upstream/m/ HTTP/1.0\r\n\r\n")
        peer = await up.accept()
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await client.until(b"abc")
        peer.close()
        with pytest.raises(ConnectionResetError):
            await client.rest()


MALFORMED = {
    "no http": b"SMTP/1.1 200 OK\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "unknown coding alone": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxx",
    "space before colon": b"HTTP/1.1 200 OK\r\nFoo : a\r\n\r\n",
    "a status that is none": b"HTTP/1.1 099 Hm\r\nContent-Length: 0\r\n\r\n",
    "an upgrade nobody asked for": b"HTTP/1.1 101 Hm\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "101 without an upgrade": b"HTTP/1.1 101 Hm\r\n\r\n",
    "a head without end": b"HTTP/1.1 200 OK\r\n" + b"A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n" * 8000,
}


@pytest.mark.parametrize("said", MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_answer_is_a_502(open_yard: OpenYard, wire: Any, said: bytes) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(chat())
        peer = await up.accept()
        await peer.request()
        peer.send(said)
        answer = await client.response()
        assert (answer.status, error_of(answer)["code"]) == (502, "bad_gateway")
        await peer.gone()


async def test_a_broken_chunk_in_an_answer_breaks_it_off(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(chat())
        peer = await up.accept()
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n")
        assert (await client.rest()).endswith(b"\r\n\r\n3\r\nabc\r\n")


ANSWER = (
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Very Fine\r\nX-Empty:\r\nContent-Type: text/plain\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-T: 1\r\n\r\n"
)


async def test_an_answer_may_be_split_anywhere(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        peer = None
        for at in range(1, len(ANSWER)):
            client.send(chat())
            peer = peer or await up.accept()
            await peer.request()
            peer.send(ANSWER[:at])
            await asyncio.sleep(0.002)
            peer.send(ANSWER[at:])
            answer = await client.response()
            assert (answer.start, answer.body) == (b"HTTP/1.1 201 Very Fine", b"abcde")
            assert (answer.one(b"x-empty"), answer.trailers, len(answer.interim)) == (b"", [(b"X-T", b"1")], 1)
        assert len(up.accepted) == 1


async def test_no_headers_in_time_is_a_504(open_yard: OpenYard, wire: Any) -> None:
    limits = Limits(response_header=0.05)
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", limits=limits) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(chat())
        peer = await up.accept()
        await peer.request()
        answer = await client.response()
        assert (answer.status, error_of(answer)["code"]) == (504, "gateway_timeout")
        await peer.gone()
        client.send(chat())  # the limit ends with the head: bodies may take their time
        peer = await up.accept()
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{")
        await asyncio.sleep(0.1)
        peer.send(b"}")
        assert (await client.response()).body == b"{}"


async def test_a_long_prefill_is_not_cut_off_by_default(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(chat())
        peer = await up.accept()
        await peer.request()
        [connection] = yard.upstreams[0].connections
        assert connection._timer is None  # nothing waits for the first byte with a clock in hand
        assert Limits().response_header == 0
        peer.send(OK)
        assert (await client.response()).status == 200


# --- answers before the request is whole ---


async def test_an_answer_before_the_request_is_whole(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(get(b"/upstream/m/x", b"Content-Length: 3000000", method=b"PUT"), b"abc")
        peer = await up.accept()
        await peer.until(b"abc")
        peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        assert (await client.response()).status == 413
        await peer.gone()  # the rest has nowhere to go
        await yard.settled()
        client.send(b"x" * 2_999_997, chat())
        peer = await up.accept()
        await peer.request()
        peer.send(OK)
        assert (await client.response()).status == 200


async def test_both_directions_at_once(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(get(b"/upstream/m/echo", b"Transfer-Encoding: chunked", method=b"POST"))
        peer = await up.accept()
        await peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await client.head()
        for n in range(5):
            client.send(chunk(b"ping%d" % n))
            assert await peer.until(b"%d\r\n" % n) == chunk(b"ping%d" % n)
            peer.send(chunk(b"pong%d" % n))
            assert await client.until(b"g%d\r\n" % n) == chunk(b"pong%d" % n)
        client.send(b"0\r\n\r\n")
        await peer.until(b"0\r\n\r\n")
        peer.send(b"0\r\n\r\n")
        await client.until(b"0\r\n\r\n")


# --- what the exchange refuses itself ---


@pytest.mark.parametrize(
    ("message", "status", "code", "words"),
    [
        (chat("nobody"), 404, "model_not_found", "nobody"),
        (post(b"/v1/completions", b'{"a":1}'), 400, "bad_request", "model"),
        (post(b"/v1/completions", b'{"model":'), 400, "bad_request", "not valid JSON"),
        (get(b"/upstream/nobody/x"), 404, "model_not_found", "nobody"),
        (get(b"/sdapi/v1/loras"), 400, "bad_request", "model"),
        (get(b"/upstream/m/favicon.ico"), 409, "conflict", "not loaded"),
    ],
)
async def test_refusals(open_yard: OpenYard, wire: Any, message: bytes, status: int, code: str, words: str) -> None:
    async with open_yard(m=1) as yard, wire.connect(yard.port) as client:
        client.send(message, message)
        for _ in range(2):  # the connection goes on
            answer = await client.response()
            assert (answer.status, error_of(answer)["code"]) == (status, code)
            assert words in error_of(answer)["message"]
        assert yard.processes == []


async def test_anthropics_clients_get_their_own_shape(open_yard: OpenYard, wire: Any) -> None:
    async with open_yard(m=1) as yard, wire.connect(yard.port) as client:
        client.send(chat("nobody", path=b"/v1/messages"))
        answer = await client.response()
        assert answer.status == 404
        assert json.loads(answer.body)["error"]["type"] == "not_found_error"


async def test_a_start_that_fails_is_told(open_yard: OpenYard, wire: Any) -> None:
    async with open_yard(m=1) as yard, wire.connect(yard.port) as client:
        client.send(chat())
        (await yard.started()).exit(StartError("it exited with 1: no such file"))
        answer = await client.response()
        assert (answer.status, error_of(answer)["code"]) == (502, "model_start_failed")
        assert "no such file" in error_of(answer)["message"]
        client.send(chat())  # and the next request starts it again
        (await yard.started()).exit(StartError("busy", worth_retrying=True))
        assert (await client.response()).status == 503


async def test_beyond_the_limit_is_429(open_yard: OpenYard, wire: Any) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", policy={"limit": 1}) as yard,
        wire.connect(yard.port) as client,
        wire.connect(yard.port) as other,
    ):
        client.send(chat())
        peer = await up.accept()
        await peer.request()
        other.send(chat())
        answer = await other.response()
        assert (answer.status, answer.one(b"retry-after")) == (429, b"1")
        peer.send(OK)
        assert (await client.response()).status == 200


async def test_ignored_websockets_need_a_ready_model(open_yard: OpenYard, wire: Any) -> None:
    model = Model(cmd="x", compat=Compat(ignore_websockets=True))
    async with open_yard(m=1, models={"m": model}) as yard, wire.connect(yard.port) as client:
        client.send(get(b"/upstream/m/ws", b"Connection: Upgrade", b"Upgrade: websocket"))
        answer = await client.response()
        assert (answer.status, error_of(answer)["code"]) == (409, "conflict")
        assert yard.processes == []


# --- an error of ours ---


async def test_a_bug_while_the_request_is_read_is_a_500(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_yard(m=1) as yard, wire.connect(yard.port) as client:
        monkeypatch.setattr(asking, "read", lambda *_: 1 // 0)
        client.send(chat())
        answer = await client.response()
        assert (answer.status, error_of(answer)["code"], answer.one(b"connection")) == (500, "internal_error", b"close")
        assert await client.rest() == b""
        assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("ready", ["m", ""])
async def test_a_bug_while_the_request_is_sent_is_a_500(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, ready: str
) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready=ready) as yard, wire.connect(yard.port) as client:
        monkeypatch.setattr(heads, "request_head", lambda *_, **__: 1 // 0)
        client.send(chat())
        if not ready:
            (await yard.started()).become_ready()
        answer = await client.response()
        assert (answer.status, error_of(answer)["code"]) == (500, "internal_error")
        assert "ZeroDivisionError" in caplog.text


async def test_a_bug_while_the_answer_passes_is_a_500(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        monkeypatch.setattr(heads, "response_headers", lambda *_: 1 // 0)
        client.send(chat())
        peer = await up.accept()
        await peer.request()
        peer.send(OK)
        answer = await client.response()
        assert (answer.status, error_of(answer)["code"]) == (500, "internal_error")
        assert "ZeroDivisionError" in caplog.text


async def test_a_compressed_body_is_refused_with_the_reason(open_yard: OpenYard, wire: Any) -> None:
    async with open_yard(m=1) as yard, wire.connect(yard.port) as client:
        client.send(
            b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08"
        )
        answer = await client.response()
        assert (answer.status, b"Content-Encoding gzip" in answer.body) == (415, True)
        assert yard.processes == []


async def test_filters_leave_a_form_alone(open_yard: OpenYard, wire: Any) -> None:
    model = Model(cmd="x", filters=Filters(set_params={"a": 1}))
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, models={"m": model}, ready="m") as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(
            b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            b"Content-Length: 11\r\n\r\nmodel=m&b=2"
        )
        peer = await up.accept()
        assert (await peer.request()).body == b"model=m&b=2"
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        assert (await client.response()).status == 200
