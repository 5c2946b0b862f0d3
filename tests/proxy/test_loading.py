"""What streaming clients hear while their model is loaded, and what becomes of it at every end (row 19 of
docs/reliability.md)."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from swapyard.config.schema import Model
from swapyard.core.messages import StartError
from swapyard.proxy import exchange, loading, loading_text, second_chances
from swapyard.proxy.exchange import Exchange

if TYPE_CHECKING:
    from tests.proxy.conftest import OpenYard, Yard

SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nX-Mine: 1\r\n\r\n"
HELLO = b'data: {"choices":[{"delta":{"content":"hello"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
CHAT = "/v1/chat/completions"
LEAVING = ["close", "reset", "end"]
TELLING = {"m": Model(cmd="x", send_loading_state=True)}


def ask(path: str = CHAT, *, version: str = "1.1", extra: str = "", **body: Any) -> bytes:
    content = json.dumps({"model": "m", "stream": True, **body}).encode()
    head = f"POST {path} HTTP/{version}\r\nHost: x\r\n{extra}Content-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def chunked(*events: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in events) + b"0\r\n\r\n"


def events(body: bytes) -> list[str]:
    """What stands behind `data: ` in each event; comments are left out."""
    return [line[6:] for line in body.decode().split("\n") if line.startswith("data: ")]


def loading_words(body: bytes) -> str:
    return "".join(
        chunk["choices"][0]["delta"].get("reasoning_content", "")
        for text in events(body)
        if text != "[DONE]" and "choices" in (chunk := json.loads(text))
    )


def error_of(body: bytes) -> Any:
    (told,) = [json.loads(text) for text in events(body) if '"error"' in text]
    return told["error"]


async def telling(yard: Yard, wire: Any) -> Any:
    """The next run that is started, once a client has heard of it."""
    process = await yard.started()
    await wire.until(lambda: any(connection.status for connection in yard.server.connections))
    return process


def remembered(monkeypatch: pytest.MonkeyPatch) -> list[loading.WaitingStream]:
    """The streams that are made from now on."""
    waits: list[loading.WaitingStream] = []
    made = loading.WaitingStream.__init__

    def remember(self: loading.WaitingStream, *arguments: Any, **more: Any) -> None:
        made(self, *arguments, **more)
        waits.append(self)

    monkeypatch.setattr(loading.WaitingStream, "__init__", remember)
    return waits


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Typing takes no time, comments come at once, and nothing else is said, unless a test wants it."""
    monkeypatch.setattr(loading_text, "BYTES_PER_SECOND", 1e9)
    monkeypatch.setattr(loading, "TICK", 1e6)
    monkeypatch.setattr(loading, "FIRST_COMMENT", 0)
    monkeypatch.setattr(loading, "COMMENTS_APART", 1e6)


@asynccontextmanager
async def telling_yard(open_yard: OpenYard, wire: Any, **more: Any) -> AsyncIterator[tuple[Any, Yard, Any]]:
    """An upstream, a gateway whose model m has `sendLoadingState`, and a client."""
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, **{"models": TELLING, **more}) as yard,
        wire.connect(yard.port) as client,
    ):
        yield up, yard, client


# --- chat completions ---


async def test_a_chat_is_answered_at_once_and_the_answer_follows_the_loading_text(open_yard: OpenYard, wire: Any) -> None:
    async with telling_yard(open_yard, wire) as (up, yard, client):
        client.send(ask(extra="Accept-Encoding: gzip, br\r\n"))
        process = await yard.started()
        head = await client.head()
        assert head.status == 200
        assert head.one(b"content-type") == b"text/event-stream"
        assert head.one(b"x-accel-buffering") == b"no"
        assert head.one(b"cache-control") == b"no-cache"
        assert head.one(b"access-control-allow-origin") == b"*"
        process.become_ready()
        peer = await up.accept()
        request = await peer.request()
        assert request.all(b"accept-encoding") == [b"identity"]
        peer.send(SSE, chunked(HELLO, DONE))
        answer = await client._with_body(head, default="none")
        words = loading_words(answer.body)
        assert re.fullmatch("━{5}\nswapyard is loading m\n\ndone after \\d+\\.\\d\\d s\n━{5}\n \n", words)
        assert answer.body.endswith(HELLO + DONE)
        assert b"X-Mine" not in answer.body


async def test_the_text_comes_in_small_pieces_and_none_behind_the_answer(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading_text, "BYTES_PER_SECOND", 1e-6)  # typing would take for ever
    async with telling_yard(open_yard, wire) as (up, yard, client):
        client.send(ask())
        process = await yard.started()
        await client.until(b'"\xe2\x94\x81\xe2\x94\x81\xe2\x94\x81\xe2\x94\x81\xe2\x94\x81"')
        process.become_ready()
        peer = await up.accept()
        await peer.request()
        peer.send(SSE, chunked(HELLO, DONE))
        rest = await client.until(b"0\r\n\r\n")
        assert rest.index(b"done ") < rest.index(b"hello")
        assert b"reasoning_content" not in rest[rest.index(b"hello") :]


async def test_ticks_are_silent_while_it_still_types(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading_text, "BYTES_PER_SECOND", 1e-6)
    monkeypatch.setattr(loading, "TICK", 0.001)
    waits = remembered(monkeypatch)
    async with telling_yard(open_yard, wire) as (_, yard, client):
        client.send(ask())
        process = await telling(yard, wire)
        await wire.settle()
        assert "".join(waits[0]._pieces) == "\nswapyard is loading m\n"
        process.exit(StartError("enough"))
        await client.until(b"0\r\n\r\n")


async def test_progress_is_told_while_it_loads(open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "TICK", 0.001)
    async with telling_yard(open_yard, wire) as (up, yard, client):
        client.send(ask())
        process = await yard.started()
        await client.until(b'{"reasoning_content":"."}')
        process.become_ready()
        peer = await up.accept()
        await peer.request()
        peer.send(SSE, chunked(HELLO, DONE))
        answer = await client.until(b"0\r\n\r\n")
        assert answer.index(HELLO) < answer.index(DONE)


async def test_the_place_in_the_queue_is_told_and_told_anew(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "TICK", 0.001)
    monkeypatch.setattr(loading_text, "PIECE", 100)
    models = {"other": Model(cmd="x")} | TELLING
    async with (
        telling_yard(open_yard, wire, models=models, other=1) as (up, yard, client),
        wire.connect(yard.port) as ahead,
        wire.connect(yard.port) as first,
    ):
        first.send(ask(model="other"))
        loading_other = await yard.started()
        ahead.send(ask(model="m", stream=False))
        await wire.until(lambda: yard.waiting == 2)
        client.send(ask())
        await client.until(b"#2 ")
        ahead.close()
        await client.until(b"#1 ")
        first.close()
        process = await yard.started()
        assert loading_other.over.is_set()
        process.become_ready()
        peer = await up.accept()
        await peer.request()
        peer.send(SSE, chunked(HELLO, DONE))
        await client.until(b"0\r\n\r\n")


async def test_what_records_answers_sees_no_loading_text(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []
    pass_on = Exchange.data

    def record(self: Exchange, data: bytes) -> None:
        seen.append(data)
        pass_on(self, data)

    monkeypatch.setattr(Exchange, "data", record)
    async with telling_yard(open_yard, wire) as (up, yard, client):
        client.send(ask())
        (await telling(yard, wire)).become_ready()
        peer = await up.accept()
        await peer.request()
        peer.send(SSE, chunked(HELLO, DONE))
        await client.response()
    assert b"".join(seen) == HELLO + DONE


async def test_http_1_0_gets_the_same_without_chunks(open_yard: OpenYard, wire: Any) -> None:
    async with telling_yard(open_yard, wire) as (up, yard, client):
        client.send(ask(version="1.0"))
        process = await telling(yard, wire)
        process.become_ready()
        peer = await up.accept()
        await peer.request()
        peer.send(SSE, chunked(HELLO, DONE))
        rest = await client.rest()
        head, _, body = rest.partition(b"\r\n\r\n")
        assert b"connection: close" in head.lower()
        assert b"transfer-encoding" not in head.lower()
        assert "done after" in loading_words(body)
        assert body.endswith(HELLO + DONE)


async def test_the_next_request_of_the_connection_is_an_ordinary_one(open_yard: OpenYard, wire: Any) -> None:
    async with telling_yard(open_yard, wire) as (up, yard, client):
        client.send(ask() + ask())
        (await telling(yard, wire)).become_ready()
        peer = await up.accept()
        await peer.request()
        peer.send(SSE, chunked(HELLO, DONE))
        assert (await client.response()).body.endswith(HELLO + DONE)
        await peer.request()
        peer.send(SSE, chunked(HELLO, DONE))
        second = await client.response()
        assert second.body == HELLO + DONE
        assert second.one(b"x-mine") == b"1"


# --- who hears nothing ---


@pytest.mark.parametrize(
    ("path", "body", "models"),
    [
        (CHAT, {"stream": False}, TELLING),
        (CHAT, {"stream": True}, {}),
        ("/v1/embeddings", {"stream": True}, TELLING),
        ("/v1/audio/speech", {"stream": True}, TELLING),
        ("/upstream/m/v1/chat/completions", {"stream": True}, TELLING),
    ],
)
async def test_who_did_not_ask_for_it_gets_status_and_headers_of_the_model(
    open_yard: OpenYard, wire: Any, path: str, body: dict[str, Any], models: dict[str, Model]
) -> None:
    async with telling_yard(open_yard, wire, models=models) as (up, yard, client):
        client.send(ask(path, **body))
        process = await yard.started()
        await wire.settle()
        process.become_ready()
        peer = await up.accept()
        await peer.request()
        peer.send(b"HTTP/1.1 418 Teapot\r\nContent-Length: 2\r\n\r\n{}")
        answer = await client.response()
        assert (answer.status, answer.body) == (418, b"{}")


async def test_a_ready_model_answers_for_itself(open_yard: OpenYard, wire: Any) -> None:
    async with telling_yard(open_yard, wire, ready="m") as (up, _, client):
        client.send(ask(extra="Accept-Encoding: gzip\r\n"))
        peer = await up.accept()
        assert (await peer.request()).one(b"accept-encoding") == b"gzip"
        peer.send(b"HTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\n{}")
        assert (await client.response()).status == 400


async def test_a_refusal_comes_before_any_header(open_yard: OpenYard, wire: Any) -> None:
    """Row 19: elsewhere, 200 and a stream, and then a 429 inside it."""
    async with (
        telling_yard(open_yard, wire, policy={"limit": 1}) as (_, yard, client),
        wire.connect(yard.port) as second,
    ):
        client.send(ask())
        process = await telling(yard, wire)
        second.send(ask())
        refused = await second.response()
        assert refused.status == 429
        assert refused.one(b"retry-after") == b"1"
        assert json.loads(refused.body)["error"]["code"] == "concurrency_limit"
        second.send(ask(model="who"))
        assert (await second.response()).status == 404
        process.exit()


async def test_a_load_that_fails_within_the_call_is_told_with_its_status(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with telling_yard(open_yard, wire) as (_, yard, client):
        supervise = yard.supervise

        def supervise_and_fail(*arguments: Any) -> Any:
            process: Any = supervise(*arguments)
            process.start = lambda: process.exit(StartError("no such program"))
            return process

        monkeypatch.setattr(yard, "supervise", supervise_and_fail)
        client.send(ask())
        assert (await client.response()).status == 502


# --- comments ---

OTHERS = ["/v1/completions", "/v1/responses", "/v1/messages", "/v/chat/completions", "/infill", "/completion"]


@pytest.mark.parametrize("path", OTHERS)
async def test_other_streams_get_comments(open_yard: OpenYard, wire: Any, path: str) -> None:
    async with telling_yard(open_yard, wire) as (up, yard, client):
        client.send(ask(path))
        process = await yard.started()
        head = await client.head()
        assert head.one(b"content-type") == b"text/event-stream"
        await client.until(b': waiting for model "m"\n\n\r\n')
        process.become_ready()
        peer = await up.accept()
        await peer.request()
        peer.send(SSE, chunked(HELLO))
        assert await client.until(b"0\r\n\r\n") == chunked(HELLO)


async def test_a_quick_load_keeps_status_and_headers(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "FIRST_COMMENT", 1e6)
    waits = remembered(monkeypatch)
    async with telling_yard(open_yard, wire) as (up, yard, client):
        client.send(ask("/v1/messages", extra="Accept-Encoding: gzip\r\n"))
        process = await yard.started()
        await wire.settle()
        process.become_ready()
        assert waits[0]._timer is None  # a long prompt costs no status either
        peer = await up.accept()
        assert (await peer.request()).one(b"accept-encoding") == b"gzip"
        peer.send(b"HTTP/1.1 429 Slow down\r\nX-Mine: 1\r\nContent-Length: 2\r\n\r\n{}")
        answer = await client.response()
        assert (answer.status, answer.one(b"x-mine")) == (429, b"1")


async def test_a_chat_that_waits_for_a_busy_model_hears_comments_with_its_place(open_yard: OpenYard, wire: Any) -> None:
    async with (
        telling_yard(open_yard, wire, ready="m", policy={"parallel": 1}) as (up, yard, client),
        wire.connect(yard.port) as busy,
    ):
        busy.send(ask(stream=False))
        peer = await up.accept()
        await peer.request()
        client.send(ask())
        await client.until(b': waiting for model "m", #1 in the queue\n\n')
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        assert (await busy.response()).body == b"{}"
        await peer.request()
        peer.send(SSE, chunked(HELLO, DONE))
        answer = await client.until(b"0\r\n\r\n")
        assert answer.index(HELLO) < answer.index(DONE)


async def test_comments_go_on_until_the_model_answers(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long prompt takes minutes before the first byte."""
    monkeypatch.setattr(loading, "COMMENTS_APART", 0.001)
    async with telling_yard(open_yard, wire) as (up, yard, client):
        client.send(ask())
        (await telling(yard, wire)).become_ready()
        peer = await up.accept()
        await peer.request()
        await client.until(b': waiting for the answer of "m"\n\n')
        await client.until(b': waiting for the answer of "m"\n\n')
        peer.send(SSE, b"%x\r\n%b\r\n" % (len(HELLO), HELLO))
        await client.until(b"hello")
        await wire.settle()
        peer.send(b"0\r\n\r\n")
        assert b"waiting" not in await client.until(b"0\r\n\r\n")


# --- endings ---


@pytest.mark.parametrize(("path", "end"), [(CHAT, DONE), ("/v1/completions", DONE), ("/v1/messages", b"")])
async def test_a_failed_load_is_an_error_event_and_the_end(open_yard: OpenYard, wire: Any, path: str, end: bytes) -> None:
    async with telling_yard(open_yard, wire) as (_, yard, client):
        client.send(ask(path))
        process = await yard.started()
        head = await client.head()
        process.exit(StartError("exited with code 3"))
        answer = await client._with_body(head, default="none")
        assert error_of(answer.body)["message"] == "exited with code 3"
        assert (b"event: error\n" in answer.body) is (path == "/v1/messages")
        assert answer.body.endswith(b"}\n\n" + end)
        if path == CHAT:
            assert "failed after" in loading_words(answer.body)
        client.send(ask())  # the connection goes on
        process = await yard.started()
        head = await client.head()
        process.exit(StartError("again"))
        assert error_of((await client._with_body(head, default="none")).body)["message"] == "again"


async def test_a_failed_load_is_told_to_http_1_0_in_full(open_yard: OpenYard, wire: Any) -> None:
    async with telling_yard(open_yard, wire) as (_, yard, client):
        client.send(ask(version="1.0"))
        (await telling(yard, wire)).exit(StartError("exited with code 3"))
        _, _, body = (await client.rest()).partition(b"\r\n\r\n")  # `rest` wants an orderly end
        assert error_of(body)["message"] == "exited with code 3"
        assert body.endswith(DONE)


async def test_an_error_of_the_responses_api_has_its_shape(open_yard: OpenYard, wire: Any) -> None:
    async with telling_yard(open_yard, wire) as (_, yard, client):
        client.send(ask("/v1/responses"))
        process = await yard.started()
        head = await client.head()
        process.exit(StartError("exited with code 3"))
        body = (await client._with_body(head, default="none")).body
        assert b"event: error\n" in body
        (told,) = map(json.loads, events(body))
        assert (told["type"], told["code"], told["message"]) == ("error", "model_start_failed", "exited with code 3")
        assert told["error"]["code"] == told["code"]


@pytest.mark.parametrize("how", ["unload", "shutdown"])
async def test_unload_and_shutdown_are_told_in_the_stream(open_yard: OpenYard, wire: Any, how: str) -> None:
    async with telling_yard(open_yard, wire) as (_, yard, client):
        client.send(ask())
        await telling(yard, wire)
        if how == "unload":
            await yard.engine.unload(["m"])
        else:
            yard.engine.begin_shutdown()
            yard.server.drain()
        body = await client.until(b"0\r\n\r\n")
        assert b'"code":"service_unavailable"' in body
        assert DONE in body
        if how == "shutdown":
            assert await client.rest() == b""


REFUSALS = [
    (b"400 Bad Request", b'{\n "error": {"message": "too\\nlong", "code": 400}}', "too\nlong"),
    (
        b"500 Oops",
        b'{"error": "told in a word"}',
        "answered 500 Internal Server Error instead of an event stream: told in a word",
    ),
    (b"503 Busy", b"<html>busy</html>", "answered 503 Service Unavailable instead of an event stream: <html>busy</html>"),
    (b"200 OK", b'{"error": {"message": "no luck"}}', "no luck"),
    (b"404 Not Found", b"", "answered 404 Not Found instead of an event stream"),
    (b"200 OK", b'{"choices": []}', 'answered 200 OK instead of an event stream: {"choices": []}'),
]


@pytest.mark.parametrize(("status", "content", "message"), REFUSALS)
@pytest.mark.parametrize("path", [CHAT, "/v1/messages"])
async def test_an_answer_that_is_no_event_stream_becomes_an_error_event(
    open_yard: OpenYard, wire: Any, path: str, status: bytes, content: bytes, message: str
) -> None:
    async with telling_yard(open_yard, wire) as (up, yard, client):
        client.send(ask(path))
        process = await yard.started()
        head = await client.head()
        process.become_ready()
        peer = await up.accept()
        await peer.request()
        peer.send(b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(content)))
        peer.send(content)
        body = (await client._with_body(head, default="none")).body
        assert error_of(body)["message"].endswith(message)
        assert body.endswith(DONE) is (path == CHAT)
        assert body.count(b"event: error\ndata: {") == (path != CHAT)
        client.send(ask(stream=False))
        await peer.request()  # the upstream's connection is as good as before
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        assert (await client.response()).body == b"{}"


async def test_an_error_told_as_an_event_stream_is_an_error(open_yard: OpenYard, wire: Any) -> None:
    async with telling_yard(open_yard, wire) as (up, yard, client):
        client.send(ask())
        (await telling(yard, wire)).become_ready()
        peer = await up.accept()
        await peer.request()
        peer.send(SSE.replace(b"200 OK", b"500 Oops"), chunked(HELLO))
        body = (await client.response()).body
        assert "answered 500 Internal Server Error instead" in error_of(body)["message"]
        assert HELLO not in body


async def test_an_endless_answer_that_is_no_event_stream_is_given_up(open_yard: OpenYard, wire: Any) -> None:
    async with telling_yard(open_yard, wire) as (up, yard, client):
        client.send(ask())
        (await telling(yard, wire)).become_ready()
        peer = await up.accept()
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\n\r\n", b"noise" * 20_000)
        body = (await client.response()).body
        assert error_of(body)["message"].startswith(
            'the server of model "m" answered 200 OK instead of an event stream: noise'
        )
        assert len(body) < 10_000
        await peer.gone()


async def test_a_compressed_stream_does_not_fit_behind_plain_text(open_yard: OpenYard, wire: Any) -> None:
    async with telling_yard(open_yard, wire) as (up, yard, client):
        client.send(ask())
        (await telling(yard, wire)).become_ready()
        peer = await up.accept()
        await peer.request()
        peer.send(SSE.replace(b"X-Mine: 1", b"Content-Encoding: gzip"), chunked(b"\x1f\x8b\x08"))
        assert "instead of" in error_of((await client.response()).body)["message"]


async def test_an_upstream_that_breaks_before_it_answers_is_an_error_event(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "EXIT_IS_TOLD_WITHIN", 0)
    async with telling_yard(open_yard, wire) as (up, yard, client):
        client.send(ask())
        (await telling(yard, wire)).become_ready()
        peer = await up.accept()
        await peer.request()
        peer.close()
        body = (await client.response()).body
        assert "closed the connection before it sent response headers" in error_of(body)["message"]
        assert body.endswith(DONE)


async def test_an_upstream_that_breaks_inside_a_refusal_is_an_error_event(open_yard: OpenYard, wire: Any) -> None:
    async with telling_yard(open_yard, wire) as (up, yard, client):
        client.send(ask())
        (await telling(yard, wire)).become_ready()
        peer = await up.accept()
        await peer.request()
        peer.send(b"HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\n{")
        await wire.settle()
        peer.close()
        assert "in the middle" in error_of((await client.response()).body)["message"]


async def test_a_stream_that_breaks_off_never_looks_whole(open_yard: OpenYard, wire: Any) -> None:
    async with telling_yard(open_yard, wire) as (up, yard, client):
        client.send(ask())
        (await telling(yard, wire)).become_ready()
        peer = await up.accept()
        await peer.request()
        peer.send(SSE, b"%x\r\n%b\r\n" % (len(HELLO), HELLO))
        await client.until(b"hello")
        peer.close()
        rest = await client.rest()
        assert b'"error"' in rest
        assert not rest.endswith(b"0\r\n\r\n")


async def test_a_switch_of_protocols_that_nobody_asked_for_is_an_error_event(open_yard: OpenYard, wire: Any) -> None:
    async with telling_yard(open_yard, wire) as (up, yard, client):
        client.send(ask())
        (await telling(yard, wire)).become_ready()
        peer = await up.accept()
        await peer.request()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
        assert "switched protocols" in error_of((await client.response()).body)["message"]
        await peer.gone()


async def test_a_run_that_takes_no_connections_is_waited_for_again(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_chances, "REQUEUE_AFTER", (0.0, 0.0))
    async with telling_yard(open_yard, wire) as (up, yard, client):
        port, yard.ports["m"] = yard.ports["m"], wire.free_port()
        client.send(ask())
        process = await telling(yard, wire)
        process.become_ready()
        process.exit()
        yard.ports["m"] = port
        (await yard.started()).become_ready()
        peer = await up.accept()
        assert (await peer.request()).all(b"accept-encoding") == [b"identity"]
        peer.send(SSE, chunked(HELLO, DONE))
        body = (await client.response()).body
        assert loading_words(body).count("done after") == 1
        assert body.endswith(HELLO + DONE)


async def test_a_ready_model_that_has_just_died_is_waited_for_aloud(open_yard: OpenYard, wire: Any) -> None:
    async with telling_yard(open_yard, wire) as (up, yard, client):
        port, yard.ports["m"] = yard.ports["m"], wire.free_port()
        process = await yard.load()
        yard.ports["m"] = port
        client.send(ask())
        await wire.until(lambda: yard.served)
        process.exit()
        (await telling(yard, wire)).become_ready()
        peer = await up.accept()
        await peer.request()
        peer.send(SSE, chunked(HELLO, DONE))
        body = (await client.response()).body
        assert "swapyard is loading m" in loading_words(body)
        assert body.endswith(HELLO + DONE)


# --- the client leaves ---


@pytest.mark.parametrize("how", LEAVING)
@pytest.mark.parametrize("phase", ["pending", "telling", "asked", "refused", "passing"])
@pytest.mark.parametrize("path", [CHAT, "/v1/messages"])
async def test_a_client_may_leave_at_any_time(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch, path: str, phase: str, how: str
) -> None:
    waits = remembered(monkeypatch)
    monkeypatch.setattr(loading_text, "BYTES_PER_SECOND", 100.0)
    monkeypatch.setattr(loading, "FIRST_COMMENT", 1e6 if phase == "pending" else 0)
    async with telling_yard(open_yard, wire) as (up, yard, client):
        client.send(ask(path))
        process = await yard.started()
        if phase != "pending":
            await client.head()
        if phase in {"asked", "refused", "passing"}:
            process.become_ready()
            peer = await up.accept()
            await peer.request()
        if phase == "refused":
            peer.send(b"HTTP/1.1 500 Oops\r\nContent-Length: 9\r\n\r\n{")
            await wire.until(lambda: waits[0]._body)
        elif phase == "passing":
            peer.send(SSE, b"%x\r\n%b\r\n" % (len(HELLO), HELLO))
            await client.until(b"hello")
        getattr(client, how)()
        await yard.settled()
        (wait,) = waits
        assert (wait._timer, wait._typing) == (None, None)
        if phase in {"asked", "refused", "passing"}:
            with pytest.raises(ConnectionResetError):
                await peer.rest()
        assert yard.ends == [499]
