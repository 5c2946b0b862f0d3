"""What viewers of requests under way are told, in order, and what captures keep of requests and their answers."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest
from tests.proxy.messages import CHAT, EVENT, LAST, answer, ask, chunk

from swapyard.config.schema import Filters, Model
from swapyard.proxy import recorder

if TYPE_CHECKING:
    from tests.proxy.conftest import OpenYard

SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a=b\r\n\r\n"


def steps(told: Sequence[Any], entry: str) -> list[Any]:
    """What was told of one request: (phase, position, waiting_for), and None when it was removed."""
    found: list[Any] = []
    for one in told:
        shown = one.get("request")
        if one.get("id") == entry:
            found.append(None)
        elif shown is not None and shown["id"] == entry:
            found.append((shown["phase"], shown.get("position"), shown.get("waiting_for")))
    return found


# --- requests under way ---


async def test_a_viewer_follows_a_request_through_all_its_phases(open_yard: OpenYard, wire: Any) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, n=up.port, ready="n", books=True) as yard,
        wire.connect(yard.port) as other,
        wire.connect(yard.port) as client,
    ):
        feed = yard.books.look()
        other.send(ask(model="n"))
        peer = await up.accept()
        await peer.request()
        client.send(ask(CHAT, "m", "Authorization: Bearer s3cret", stream=True))
        await wire.until(lambda: yard.waiting)
        peer.send(answer())
        await other.response()
        process = await yard.started()
        process.become_ready()
        peer = await up.accept()
        await peer.request()
        peer.send(SSE, chunk(EVENT))
        await client.until(EVENT)
        yard.clock.now += 1
        peer.send(chunk(LAST), b"0\r\n\r\n")
        await client.until(b"0\r\n\r\n")
        await yard.settled()
        told = yard.books.seen(feed)
        inflight = [one for one in told if "operation" in one]
        assert steps(inflight, "2") == [
            ("receiving", None, None),
            ("queued", 1, "n must finish first"),
            ("loading", None, None),
            ("prefill", None, None),
            ("streaming", None, None),
            ("streaming", None, None),
            None,
        ]
        shown = [one["request"] for one in inflight if one.get("request", {}).get("id") == "2"]
        assert shown[0]["req_headers"]["Authorization"] == "[REDACTED]"
        assert shown[-2]["resp_headers"]["Set-Cookie"] == "[REDACTED]"
        assert (shown[-2]["resp_bytes"], shown[-1]["resp_bytes"]) == (0, len(EVENT + LAST))
        assert "events" not in shown[-2]
        assert shown[-1]["events"] == (EVENT + LAST).count(b"data:") == 3
        assert shown[-1]["elapsed_ms"] == 1000
        assert shown[-1]["metadata"] == {"fifo_priority": "0"}


async def test_a_viewer_hears_of_every_place_in_the_queue(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "MOVES_TOLD_WITHIN", 0)
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", policy={"parallel": 1}, books=True) as yard,
        wire.connect(yard.port) as first,
        wire.connect(yard.port) as second,
        wire.connect(yard.port) as third,
    ):
        feed = yard.books.look()
        first.send(ask())
        peer = await up.accept()
        await peer.request()
        for place, client in ((1, second), (2, third)):
            client.send(ask())
            await wire.until(lambda place=place: yard.waiting == place)
        told = yard.books.seen(feed)
        assert steps(told, "2")[-1] == ("queued", 1, "m is busy")
        assert steps(told, "3")[-1] == ("queued", 2, "m is busy")
        second.close()  # so the third moves up, though no model changes
        await wire.until(lambda: feed._size > 0 and yard.waiting == 1)
        told = []

        def has_moved_up() -> bool:
            told.extend(yard.books.seen(feed))
            return ("queued", 1, "m is busy") in steps(told, "3")

        await wire.until(has_moved_up)
        peer.send(answer())
        await first.response()
        await peer.request()
        peer.send(answer())
        await third.response()
        assert steps(yard.books.seen(feed), "3") == [("prefill", None, None), ("streaming", None, None), None]


async def test_viewers_come_and_go(open_yard: OpenYard, wire: Any) -> None:
    """Who comes late is told from then on; with nobody there, nothing is told and nothing goes wrong."""
    async with wire.scripted() as up, open_yard(m=up.port, books=True) as yard, wire.connect(yard.port) as client:
        inflight = yard.books.recorder.inflight
        client.send(ask(stream=True))
        process = await yard.started()
        early = yard.books.look()
        assert [one.phase for one in inflight.snapshot().requests] == ["loading"]
        process.become_ready()
        peer = await up.accept()
        await peer.request()
        assert steps(yard.books.seen(early), "1") == [("prefill", None, None)]
        early.close()
        peer.send(SSE, chunk(EVENT))
        await client.until(EVENT)
        late = yard.books.look()
        (shown,) = inflight.snapshot().requests
        assert (shown.phase, shown.resp_bytes) == ("streaming", len(EVENT))
        yard.clock.now += 1
        peer.send(chunk(LAST), b"0\r\n\r\n")
        await client.until(b"0\r\n\r\n")
        assert steps(yard.books.seen(late), "1") == [("streaming", None, None), None]
        assert yard.books.seen(early) == []


async def test_a_viewer_that_does_not_read_holds_nobody_up(open_yard: OpenYard, wire: Any) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", books=True) as yard,
        wire.connect(yard.port) as client,
    ):
        feed = yard.books.bus.subscribe(limit=2000)
        client.send(ask() * 20)
        peer = await up.accept()
        for _ in range(20):
            await peer.request()
            peer.send(answer())
            await client.response()
        assert feed.ended
        assert not yard.books.bus.watched
        assert len(yard.books.rows()) == 20


# --- a loading text is nobody's answer ---


async def test_a_loading_text_counts_neither_as_answer_nor_as_bytes(open_yard: OpenYard, wire: Any) -> None:
    models = {"m": Model(cmd="x", send_loading_state=True)}
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, books=True, models=models) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(ask(stream=True))
        process = await yard.started()
        head = await client.head()
        (entry,) = yard.books.recorder.inflight.entries()
        assert (entry.phase, entry.size) == ("loading", 0)
        yard.clock.now += 5
        process.become_ready()
        peer = await up.accept()
        await peer.request()
        peer.send(SSE, chunk(EVENT), chunk(LAST), b"0\r\n\r\n")
        body = (await client._with_body(head, default="none")).body
        assert b"reasoning_content" in body
        assert body.endswith(EVENT + LAST)
        row = yard.books.row()
        assert (row.resp_status_code, row.tokens.input_tokens, row.tokens.output_tokens) == (200, 7, 3)
        assert (row.timing.load_ms, row.timing.first_token_ms) == (5000, 5000)
        capture = yard.books.capture()
        assert capture.resp_body == EVENT + LAST
        assert capture.resp_headers["Set-Cookie"] == "[REDACTED]"


async def test_an_answer_that_a_loading_text_hides_has_its_own_status(open_yard: OpenYard, wire: Any) -> None:
    models = {"m": Model(cmd="x", send_loading_state=True)}
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, books=True, models=models) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(ask(stream=True))
        process = await yard.started()
        head = await client.head()
        process.become_ready()
        peer = await up.accept()
        await peer.request()
        peer.send(answer(b'{"error":{"message":"no"}}', status=b"500 Oops"))
        await client._with_body(head, default="none")
        row = yard.books.row()
        assert (row.resp_status_code, row.error_msg) == (500, "no")


# --- captures ---


@pytest.mark.parametrize(
    ("path", "request_is_kept", "answer_is_kept"),
    [
        (CHAT, True, True),
        ("/v/embeddings", True, True),
        ("/v1/audio/speech", True, False),
        ("/v1/images/generations", True, False),
        ("/sdapi/v1/txt2img", True, False),
        ("/v1/audio/voices", False, True),
        ("/v1/audio/transcriptions", False, True),
        ("/v1/images/edits", False, False),
        ("/sdapi/v1/img2img", False, False),
    ],
)
@pytest.mark.parametrize("prefix", ["", "/upstream/m"])
async def test_what_is_kept_depends_on_the_path(
    open_yard: OpenYard, wire: Any, path: str, prefix: str, request_is_kept: bool, answer_is_kept: bool
) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", books=True) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(ask(prefix + path, "m", "X-Api-Key: s3cret", "X-Plain: 1"))
        peer = await up.accept()
        request = await peer.request()
        peer.send(answer(b'{"a":1}', b"Set-Cookie: a=b"))
        await client.response()
        kept = yard.books.capture()
        assert yard.books.row().has_capture
        assert kept.req_body == (request.body if request_is_kept else None)
        assert kept.resp_body == (b'{"a":1}' if answer_is_kept else None)
        assert (kept.req_headers["X-Api-Key"], kept.req_headers["X-Plain"]) == ("[REDACTED]", "1")
        assert (kept.resp_headers["Set-Cookie"], kept.resp_headers["Content-Type"]) == ("[REDACTED]", "application/json")
        assert kept.req_path == path


async def test_a_capture_has_the_request_as_it_was_sent_and_the_answer_unpacked(open_yard: OpenYard, wire: Any) -> None:
    models = {"m": Model(cmd="x", filters=Filters(set_params={"temperature": 0}))}
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", books=True, models=models) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(ask(CHAT, "m", "Accept-Encoding: gzip, br"))
        peer = await up.accept()
        request = await peer.request()
        assert json.loads(request.body) == {"model": "m", "temperature": 0}
        packed = gzip.compress(b'{"b":2}')
        peer.send(answer(packed, b"Content-Encoding: gzip"))
        assert (await client.response()).body == packed
        kept = yard.books.capture()
        assert (kept.req_body, kept.resp_body) == (request.body, b'{"b":2}')
        assert "Content-Encoding" not in kept.resp_headers
        assert kept.req_headers["Accept-Encoding"] == "gzip, br"


async def test_an_answer_that_cannot_be_unpacked_is_told_and_not_kept(open_yard: OpenYard, wire: Any) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", books=True) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(ask())
        peer = await up.accept()
        await peer.request()
        peer.send(answer(b"nonsense", b"Content-Encoding: gzip"))
        assert (await client.response()).body == b"nonsense"
        row = yard.books.row()
        assert str(row.error_msg).startswith("the response cannot be decoded")
        assert not row.has_capture


async def test_an_empty_answer_is_not_kept(open_yard: OpenYard, wire: Any) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", books=True) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(ask())
        peer = await up.accept()
        await peer.request()
        peer.send(answer(b""))
        await client.response()
        assert not yard.books.row().has_capture


async def test_a_stream_that_breaks_off_is_kept_as_far_as_it_came(open_yard: OpenYard, wire: Any) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", books=True) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(ask(stream=True))
        peer = await up.accept()
        await peer.request()
        peer.send(SSE, chunk(EVENT))
        await client.until(EVENT)
        client.close()
        await yard.settled()
        await wire.until(lambda: not len(yard.books.recorder.inflight))
        assert yard.books.capture().resp_body == EVENT


async def test_no_body_of_a_passage_is_kept_that_is_no_longer_at_hand(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not whole when the answer begins, or was larger than what is held."""
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", books=True, capture_bytes=10_000_000) as yard,
        wire.connect(yard.port) as client,
    ):
        large = ask("/upstream/m" + CHAT, "m", long="x" * 2_000_000)
        peer: Any = None
        for text, whole in ((large, True), (ask("/upstream/m" + CHAT, "m", long="x" * 1000), False)):
            client.send(text if whole else text[:-500])
            peer = peer or await up.accept()
            await (peer.request() if whole else peer.until(b"x" * 400))
            peer.send(answer())
            await client.response()
        rows = yard.books.rows()
        kept = [yard.books.recorder.captures.payload(row.id) for row in rows]
        assert [one.req_body for one in kept if one is not None] == [None, None]


async def test_captures_can_be_turned_off(open_yard: OpenYard, wire: Any) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", books=True, capture_bytes=0) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(ask(), ask(model="nobody"))
        peer = await up.accept()
        await peer.request()
        peer.send(answer())
        await client.response()
        await client.response()
        assert [row.has_capture for row in yard.books.rows()] == [False, False]
