"""Every request is accounted for exactly once, however it ends, and its row says what it was and what it cost."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.proxy.messages import CHAT, EVENT, LAST, answer, ask, chunk

from swapyard.config.schema import Compat, Fifo, Model, Peer, Routing, Selector
from swapyard.core.messages import StartError
from swapyard.observe.activity import Outcome
from swapyard.proxy import exchange, loading, recording, second_chances
from swapyard.proxy import recorder as recorder_module

if TYPE_CHECKING:
    from tests.proxy.conftest import OpenYard, Yard

USAGE = b'{"usage":{"prompt_tokens":7,"completion_tokens":3},"timings":{"prompt_n":5,"cache_n":2,"predicted_n":3}}'
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
LEAVING = ["close", "reset", "end"]
HANDSHAKE = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: abc\r\nSec-WebSocket-Version: 13\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: d\r\n\r\n"


def told(row: Any) -> tuple[int, str]:
    return row.resp_status_code, row.timing.outcome


async def cancelled(yard: Yard, wire: Any) -> None:
    """An operator ends the only request under way."""
    inflight = yard.books.recorder.inflight
    await wire.until(lambda: len(inflight) == 1)
    (entry,) = inflight.entries()
    assert inflight.cancel(str(entry.id))
    await wire.until(lambda: len(inflight) == 0)
    assert not inflight.cancel(str(entry.id))


# --- when there is one ---


async def test_rows_are_made_soon_or_many_at_a_time(open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", books=True) as yard,
        wire.connect(yard.port) as client,
    ):
        store, recorder = yard.books.store, yard.books.recorder
        peer: Any = None
        monkeypatch.setattr(recorder_module, "SETTLED_WITHIN", 3600)
        monkeypatch.setattr(recorder_module, "TOGETHER", 3)
        for made in (0, 0, 3, 3):
            client.send(ask())
            peer = peer or await up.accept()
            await peer.request()
            peer.send(answer(USAGE))
            await client.response()
            assert store._last == made
        assert recorder.metrics.models() == []
        recorder.count()
        ((model, counts),) = recorder.metrics.models()
        assert (model, sum(counts.requests.values()), counts.tokens[2]) == ("m", 3, 9)
        monkeypatch.setattr(recorder_module, "COUNTED_TOGETHER", 1)
        recorder.close()
        assert sum(counts.requests.values()) == 4
        assert store._last == 4
        monkeypatch.setattr(recorder_module, "SETTLED_WITHIN", 0)
        client.send(ask())
        await peer.request()
        peer.send(answer(USAGE))
        await client.response()
        await wire.until(lambda: store._last == 5)
        assert [row.tokens.output_tokens for row in yard.books.rows()] == [3] * 5


async def test_an_answer_that_cannot_be_read_costs_nobody_elses_row(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", books=True) as yard,
        wire.connect(yard.port) as client,
    ):
        recorder = yard.books.recorder
        told: list[str] = []
        monkeypatch.setattr(recorder_module, "SETTLED_WITHIN", 3600)
        yard.loop.set_exception_handler(lambda _, context: told.append(context["message"]))
        peer: Any = None
        for broken in ("", "figures", "trace", ""):
            client.send(ask())
            peer = peer or await up.accept()
            await peer.request()
            peer.send(answer(USAGE))
            await client.response()
            one = recorder._over[-1]
            if broken == "figures":
                one._whole, one._tap = None, type("Broken", (), {"end": fail, "unreadable": "", "first_token_at": 0.0})()
            elif broken == "trace":
                one.trace = type("Broken", (), {"end": fail})()
        rows = yard.books.rows()
        assert [row.tokens.output_tokens for row in rows] == [3, 0, 3, 3]
        assert told == ["the figures of an answer could not be read", "a request could not be settled"]
        yard.loop.set_exception_handler(None)


# --- what a row says ---


async def test_a_row_says_what_was_asked_and_answered(open_yard: OpenYard, wire: Any) -> None:
    routing = Routing(fifo=Fifo(priority={"m": 7}))
    config = {"routing": routing, "selectors": {"any": Selector(strategy="warm", targets=("m",))}}
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", books=True, config=config) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(ask("/v/chat/completions?x=1", "any", "X-Forwarded-For: 9.9.9.9, 8.8.8.8"))
        peer = await up.accept()
        await peer.request()
        yard.clock.now += 2
        peer.send(answer(USAGE, kind=b"application/json; charset=utf-8"))
        await client.response()
        row = yard.books.row()
        assert (row.id, row.model, row.req_path) == (1, "m", "/chat/completions")
        assert row.resp_content_type == "application/json; charset=utf-8"
        assert told(row) == (200, "complete")
        assert row.metadata == {"fifo_priority": "7", "selector": "any"}
        assert (row.tokens.input_tokens, row.tokens.output_tokens, row.tokens.cache_tokens) == (5, 3, 2)
        assert row.duration_ms == 2000
        timing = row.timing
        assert (timing.queue_ms, timing.load_ms, timing.first_token_ms, timing.prompt_tokens) == (0, -1, 2000, 7)
        assert timing.client == "9.9.9.9"
        assert not row.error_msg


@pytest.mark.parametrize(
    ("lines", "session"),
    [
        ((), ""),
        (("x-session-id: abc ",), "abc"),
        (("X-Other: second", "X-Session-ID: first"), "first"),
        (("X-Session-ID:", "X-Other: second"), "second"),
        (("X-Session-ID: " + "x" * 1000,), "x" * recording.LONGEST_SESSION),
    ],
)
async def test_a_row_names_the_session(open_yard: OpenYard, wire: Any, lines: tuple[str, ...], session: str) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", books=True) as yard,
        wire.connect(yard.port) as client,
    ):
        yard.books.recorder.session_headers = (b"x-session-id", b"x-other")
        client.send(ask(CHAT, "m", *lines))
        peer = await up.accept()
        await peer.request()
        peer.send(answer(USAGE))
        await client.response()
        assert yard.books.row().timing.session == session


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        (CHAT, CHAT),
        ("/v/embeddings", "/embeddings"),
        ("/audioapi/v1/tasks/run", "/v1/tasks/run"),
        ("/upstream/m/v1/messages?beta=1", "/v1/messages"),
        ("/infill", "/infill"),
    ],
)
async def test_the_path_is_the_one_that_the_server_sees(open_yard: OpenYard, wire: Any, asked: str, path: str) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", books=True) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(ask(asked))
        peer = await up.accept()
        assert (await peer.request()).target.decode().partition("?")[0] == path
        peer.send(answer(b'{"usage":{"input_tokens":4,"output_tokens":2},"timings":{"prompt_n":4,"predicted_n":2}}'))
        await client.response()
        row = yard.books.row()
        assert (row.req_path, row.tokens.input_tokens, row.tokens.output_tokens) == (path, 4, 2)


@pytest.mark.parametrize("coding", [b"", b"gzip"])
async def test_the_tokens_of_a_stream_are_counted_wherever_it_is_cut(open_yard: OpenYard, wire: Any, coding: bytes) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", books=True) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(ask(CHAT, "m", "Accept-Encoding: gzip", stream=True))
        peer = await up.accept()
        await peer.request()
        text = EVENT * 3 + LAST
        encoded = gzip.compress(text) if coding else text
        yard.clock.now += 1
        peer.send(SSE, b"Content-Encoding: gzip\r\n\r\n" if coding else b"\r\n")
        await client.head()
        yard.clock.now += 1
        for at in range(len(encoded)):
            peer.send(chunk(encoded[at : at + 1]))
            await client.until(chunk(encoded[at : at + 1]))
            yard.clock.now += 1
        peer.send(b"0\r\n\r\n")
        await client.until(b"0\r\n\r\n")
        row = yard.books.row()
        assert (row.tokens.input_tokens, row.tokens.output_tokens, row.tokens.cache_tokens) == (7, 3, -1)
        assert 2000 < row.timing.first_token_ms < row.duration_ms == 2000 + 1000 * len(encoded)
        assert yard.books.capture().resp_body == text


async def test_queue_load_and_first_token_are_timed_apart(open_yard: OpenYard, wire: Any) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, n=up.port, ready="n", books=True) as yard,
        wire.connect(yard.port) as other,
        wire.connect(yard.port) as client,
    ):
        other.send(ask(model="n"))
        peer = await up.accept()
        await peer.request()
        client.send(ask(stream=True))
        await wire.until(lambda: yard.waiting)
        yard.clock.now += 10  # n must finish
        peer.send(answer())
        await other.response()
        process = await yard.started()
        yard.clock.now += 20  # m loads
        process.become_ready()
        peer = await up.accept()
        await peer.request()
        yard.clock.now += 30  # its prompt is read
        peer.send(SSE, b"\r\n", chunk(EVENT))
        await client.until(EVENT)
        yard.clock.now += 40
        peer.send(chunk(LAST), b"0\r\n\r\n")
        await client.until(b"0\r\n\r\n")
        _, row = yard.books.rows()
        assert (row.timing.queue_ms, row.timing.load_ms) == (10_000, 20_000)
        assert (row.timing.first_token_ms, row.duration_ms) == (60_000, 100_000)


async def test_who_comes_in_the_middle_of_a_load_waits_for_the_rest_of_it(open_yard: OpenYard, wire: Any) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, books=True) as yard,
        wire.connect(yard.port) as first,
        wire.connect(yard.port) as second,
    ):
        first.send(ask())
        process = await yard.started()
        yard.clock.now += 10
        second.send(ask())
        await wire.until(lambda: len(yard.books.recorder.waiting) == 2)
        yard.clock.now += 5
        process.become_ready()
        for _ in range(2):
            peer = await up.accept()
            await peer.request()
            peer.send(answer())
        await first.response()
        await second.response()
        assert sorted(row.timing.load_ms for row in yard.books.rows()) == [5_000, 15_000]
        assert [row.timing.queue_ms for row in yard.books.rows()] == [0, 0]


async def test_a_peers_request_is_recorded_by_the_name_that_was_used(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up:
        config = {"peers": {"box": Peer(proxy=f"http://127.0.0.1:{up.port}", models=("p",))}}
        async with open_yard(books=True, config=config) as yard, wire.connect(yard.port) as client:
            feed = yard.books.look()
            peer: Any = None
            for name in ("p", "box/p"):
                client.send(ask(model=name))
                peer = peer or await up.accept()
                await peer.request()
                assert [entry.phase for entry in yard.books.recorder.inflight.entries()] == ["prefill"]
                peer.send(answer(USAGE))
                await client.response()
            rows = yard.books.rows()
            assert [(row.model, row.tokens.output_tokens) for row in rows] == [("p", 3), ("box/p", 3)]
            assert not any(row.metadata for row in rows)  # nothing of ours queued it
            assert [one.get("request", {}).get("phase") for one in yard.books.seen(feed)][:4] == [
                "receiving", "prefill", "streaming", None
            ]  # fmt: skip


# --- each ends as one row ---


async def test_an_unknown_model_has_a_row(open_yard: OpenYard, wire: Any) -> None:
    async with open_yard(m=1, books=True) as yard, wire.connect(yard.port) as client:
        client.send(ask(model="nobody"))
        assert (await client.response()).status == 404
        row = yard.books.row()
        assert (row.model, row.req_path, told(row)) == ("nobody", CHAT, (404, "complete"))
        assert str(row.error_msg).startswith('model "nobody" is not known here')
        assert not row.metadata
        assert json.loads(yard.books.capture().req_body) == {"model": "nobody"}


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET /props?model=nobody HTTP/1.1\r\nHost: x\r\n\r\n",
        ask("/upstream/nobody/v1/completions"),
        ask().replace(b'"m"', b"null"),
        ask("/v1/chat/nonsense"),
    ],
)
async def test_what_names_no_model_or_is_no_metered_post_has_none(
    open_yard: OpenYard, wire: Any, request_text: bytes
) -> None:
    async with open_yard(m=1, books=True) as yard, wire.connect(yard.port) as client:
        feed = yard.books.look()
        client.send(request_text)
        await client.response()
        assert yard.books.rows() == []
        assert yard.books.seen(feed) == []


async def test_a_request_beyond_the_limit_has_a_row(open_yard: OpenYard, wire: Any) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", policy={"limit": 1}, books=True) as yard,
        wire.connect(yard.port) as client,
        wire.connect(yard.port) as other,
    ):
        client.send(ask())
        peer = await up.accept()
        await peer.request()
        other.send(ask())
        assert (await other.response()).status == 429
        row = yard.books.row()
        assert told(row) == (429, "complete")
        assert not row.metadata
        peer.send(answer())
        await client.response()
        assert [one.resp_status_code for one in yard.books.rows()] == [429, 200]


@pytest.mark.parametrize(("again", "status"), [(False, 502), (True, 503)])
async def test_a_start_that_fails_has_a_row(open_yard: OpenYard, wire: Any, again: bool, status: int) -> None:
    async with open_yard(m=1, books=True) as yard, wire.connect(yard.port) as client:
        client.send(ask())
        process = await yard.started()
        yard.clock.now += 3
        process.exit(StartError("no such file", worth_retrying=again))
        assert (await client.response()).status == status
        row = yard.books.row()
        assert told(row) == (status, "complete")
        assert "no such file" in str(row.error_msg)
        assert (row.timing.queue_ms, row.timing.load_ms, row.duration_ms) == (0, 3000, 3000)


async def test_an_error_of_the_upstream_is_told_in_its_own_words(open_yard: OpenYard, wire: Any) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", books=True) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(ask())
        peer = await up.accept()
        await peer.request()
        peer.send(answer(b'{"error":{"message":"too long"}}', status=b"400 Bad Request"))
        await client.response()
        row = yard.books.row()
        assert (told(row), row.error_msg) == ((400, "complete"), "too long")
        assert row.timing.first_token_ms == -1
        capture = yard.books.capture()
        assert (capture.resp_body, json.loads(capture.req_body)) == (None, {"model": "m"})


@pytest.mark.parametrize("how", LEAVING)
@pytest.mark.parametrize("phase", ["queue", "load", "telling", "connect", "headers", "body", "stream"])
async def test_a_client_that_leaves_has_one_row(
    open_yard: OpenYard, wire: Any, how: str, phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = {"m": Model(cmd="x", send_loading_state=phase == "telling")}
    ready = "" if phase in ("load", "telling") else "m"
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, n=up.port, ready=ready, books=True, models=models, policy={"parallel": 1}) as yard,
        wire.connect(yard.port) as other,
        wire.connect(yard.port) as client,
    ):
        if phase == "queue":
            other.send(ask())
            first = await up.accept()
            await first.request()
        client.send(ask(stream=True))
        if phase == "telling":
            await client.head()
        elif phase == "connect":
            await up.accept()
        elif phase not in ("queue", "load"):
            peer = await up.accept()
            await peer.request()
            if phase == "body":
                peer.send(answer(b"x" * 10)[:-5])
                await client.until(b"xxxxx")
            elif phase == "stream":
                peer.send(SSE, b"\r\n", chunk(EVENT))
                await client.until(EVENT)
        recorder = yard.books.recorder
        await wire.until(lambda: len(recorder.inflight) == 1 + (phase == "queue"))
        await wire.until(lambda: bool(recorder.waiting) is (phase in ("queue", "load", "telling")))
        yard.clock.now += 4
        getattr(client, how)()
        await wire.until(lambda: len(recorder.inflight) == (phase == "queue"))
        answered = phase in ("body", "stream")
        row = yard.books.row()
        assert told(row) == (200 if answered else 499, "client_left")
        assert row.timing.queue_ms == (4000 if phase == "queue" else 0)
        assert row.timing.load_ms == (4000 if phase in ("load", "telling") else -1)
        assert row.duration_ms == 4000
        if phase == "queue":
            first.send(answer())
            await other.response()
            assert len(yard.books.rows()) == 2


@pytest.mark.parametrize("phase", ["queue", "load", "telling", "headers", "body", "stream"])
async def test_a_request_that_an_operator_cancels_has_one_row(open_yard: OpenYard, wire: Any, phase: str) -> None:
    models = {"m": Model(cmd="x", send_loading_state=phase == "telling")}
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, n=up.port, books=True, models=models) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(ask(stream=True))
        process = await yard.started()
        if phase == "telling":
            head = await client.head()
        elif phase not in ("queue", "load"):
            process.become_ready()
            peer = await up.accept()
            await peer.request()
            if phase == "body":
                peer.send(answer(b"x" * 10)[:-5])
                await client.until(b"xxxxx")
            elif phase == "stream":
                peer.send(SSE, b"\r\n", chunk(EVENT))
                await client.until(EVENT)
        await cancelled(yard, wire)
        row = yard.books.row()
        assert told(row) == (200 if phase in ("body", "stream") else 499, "cancelled")
        assert row.error_msg == "the request was cancelled by an operator of this server"
        if phase == "telling":
            body = (await client._with_body(head, default="none")).body
            assert b"cancelled by an operator" in body
        elif phase == "stream":
            assert b"cancelled by an operator" in await client.rest()
        elif phase != "body":
            assert (await client.response()).status == 499
        if phase == "load":
            process.become_ready()
        await yard.settled()
        assert len(yard.books.rows()) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_an_upstream_that_breaks_off_is_told(open_yard: OpenYard, wire: Any, stream: bool) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", books=True) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(ask(stream=stream))
        peer = await up.accept()
        await peer.request()
        if stream:
            peer.send(SSE, b"\r\n", chunk(EVENT))
            await client.until(EVENT)
        else:
            peer.send(answer(USAGE)[:-5])
            await client.head()
        peer.reset()
        await yard.settled()
        row = yard.books.row()
        assert told(row) == (200, "broken")
        assert str(row.error_msg).startswith('the server of model "m"')


async def test_an_upstream_that_goes_before_it_answers_is_a_502(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "EXIT_IS_TOLD_WITHIN", 0.01)
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", books=True) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(ask())
        peer = await up.accept()
        await peer.request()
        peer.reset()
        assert (await client.response()).status == 502
        assert told(yard.books.row()) == (502, "complete")


async def test_a_request_that_is_queued_anew_has_one_row_with_all_its_waits(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first run takes no connections any more and is found to be dead; a second one is loaded."""
    monkeypatch.setattr(second_chances, "REQUEUE_AFTER", (0.05,))
    async with wire.scripted() as up, open_yard(m=wire.free_port(), books=True) as yard, wire.connect(yard.port) as client:
        client.send(ask())
        process = await yard.started()
        yard.clock.now += 10
        process.become_ready()
        await wire.until(lambda: yard.engine.leavings.total() == 1)
        feed = yard.books.look()
        yard.ports["m"] = up.port
        yard.clock.now += 1
        process.exit()
        process = await yard.started()
        yard.clock.now += 20
        process.become_ready()
        peer = await up.accept()
        await peer.request()
        peer.send(answer(USAGE))
        await client.response()
        row = yard.books.row()
        assert (told(row), row.tokens.output_tokens) == ((200, "complete"), 3)
        assert (row.timing.queue_ms, row.timing.load_ms, row.duration_ms) == (1000, 30_000, 31_000)
        phases = [one["request"]["phase"] for one in yard.books.seen(feed) if "request" in one]
        assert phases[:2] == ["prefill", "streaming"]


async def test_a_large_form_has_a_row(open_yard: OpenYard, wire: Any) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", books=True) as yard,
        wire.connect(yard.port) as client,
    ):
        field = b'--B\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
        body = field % (b"model", b"m") + field % (b"file", b"x" * 2_000_000) + b"--B--\r\n"
        head = "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=B\r\n"
        client.send(head.encode(), b"Content-Length: %d\r\n\r\n" % len(body), body)
        peer = await up.accept()
        await peer.request()
        peer.send(answer(b'{"text":"hello","usage":{"input_tokens":9,"output_tokens":4}}'))
        await client.response()
        row = yard.books.row()
        assert (told(row), row.req_path, row.tokens.input_tokens) == ((200, "complete"), "/v1/audio/transcriptions", 9)
        capture = yard.books.capture()
        assert capture.req_body is None
        assert b"hello" in capture.resp_body


async def test_a_get_is_seen_under_way_and_leaves_no_row(open_yard: OpenYard, wire: Any) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", books=True) as yard,
        wire.connect(yard.port) as client,
    ):
        peer: Any = None
        for target in ("/props?model=m", "/upstream/m/props"):
            feed = yard.books.look()
            client.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            peer = peer or await up.accept()
            await peer.request()
            peer.send(answer())
            await client.response()
            first, *_, last = yard.books.seen(feed)
            assert (first["request"]["method"], first["request"]["req_path"]) == ("GET", "/props")
            assert last == {"operation": "remove", "id": first["request"]["id"]}
            feed.close()
        assert yard.books.rows() == []


@pytest.mark.parametrize(
    ("request_text", "models"),
    [
        (b"GET /upstream/m/v1/models HTTP/1.1\r\nHost: x\r\n\r\n", {}),
        (b"POST /upstream/m/slots/0 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", {}),
        (b"PUT /upstream/m/v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", {}),
        (b"GET /comfyui/api/queue HTTP/1.1\r\nHost: x\r\n\r\n", {"comfyui_auto": Model(cmd="x")}),
        (
            b"GET /props?model=m HTTP/1.1\r\nHost: x\r\n" + HANDSHAKE + b"\r\n",
            {"m": Model(cmd="x", compat=Compat(ignore_websockets=True))},
        ),
    ],
    ids=["upstream get", "upstream post", "upstream put", "comfyui", "ignored websocket"],
)
async def test_of_these_no_account_is_kept(
    open_yard: OpenYard, wire: Any, request_text: bytes, models: dict[str, Model]
) -> None:
    async with wire.scripted() as up:
        ports = {"m": up.port, **dict.fromkeys(models, up.port)}
        ready = "comfyui_auto" if "comfyui_auto" in models else "m"
        async with (
            open_yard(**ports, ready=ready, books=True, models=models) as yard,
            wire.connect(yard.port) as client,
        ):
            feed = yard.books.look()
            client.send(request_text)
            peer = await up.accept()
            await peer.request()
            assert len(yard.books.recorder.inflight) == 0
            peer.send(answer(USAGE))
            await client.response()
            assert yard.books.rows() == []
            assert yard.books.seen(feed) == []


@pytest.mark.parametrize("phase", ["load", "handshake", "tunnel"])
async def test_a_websocket_can_be_cancelled(open_yard: OpenYard, wire: Any, phase: str) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, books=True) as yard, wire.connect(yard.port) as client:
        client.send(b"GET /props?model=m HTTP/1.1\r\nHost: x\r\n", HANDSHAKE, b"\r\n")
        process = await yard.started()
        if phase != "load":
            process.become_ready()
            peer = await up.accept()
            await peer.head()
            if phase == "tunnel":
                peer.send(SWITCH)
                await client.head()
                (entry,) = yard.books.recorder.inflight.entries()
                assert entry.phase == "streaming"
        await cancelled(yard, wire)
        if phase == "tunnel":
            await client.gone()
            await peer.gone()
        else:
            assert (await client.response()).status == 499
        await yard.settled()
        assert yard.books.rows() == []


async def test_pipelined_requests_have_a_row_each(open_yard: OpenYard, wire: Any) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", books=True) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(ask() * 5, ask(model="nobody"), ask())
        peer = await up.accept()
        for _ in range(6):
            await peer.request()
            peer.send(answer(USAGE))
        assert [(await client.response()).status for _ in range(7)] == [200] * 5 + [404, 200]
        assert [row.resp_status_code for row in yard.books.rows()] == [200] * 5 + [404, 200]


def test_every_outcome_is_reached_here() -> None:
    """So that a new one gets its tests."""
    assert set(Outcome) == {Outcome.COMPLETE, Outcome.CLIENT_LEFT, Outcome.CANCELLED, Outcome.BROKEN}
    assert (recording.CLIENT_LEFT, loading.FIRST_COMMENT > 0) == (499, True)
