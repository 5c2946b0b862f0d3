"""One exchange, observed from end to end: every part hears of it, once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from swapyard.observe.activity import ActivityQuery, ActivityStore, Outcome, Row
from swapyard.observe.bus import Bus
from swapyard.observe.captures import Captures
from swapyard.observe.inflight import InFlight, Phase
from swapyard.observe.metrics import Metrics
from swapyard.observe.recording import Recorder, Recording

STREAM = (Path(__file__).parent / "streams" / "llamacpp_chat_usage.sse").read_bytes()
FIELDS = [(b"x-forwarded-for", b"X-Forwarded-For", b"9.9.9.9")]
SSE = [(b"Content-Type", b"text/event-stream")]
CHAT = "/v1/chat/completions"


class Loop:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def time(self) -> float:
        return self.now


@contextmanager
def recorder() -> Iterator[tuple[Recorder, Loop]]:
    loop: Any = Loop()
    captures = Captures(1_000_000, warn=print)
    store = ActivityStore(None, warn=print, has_capture=captures.has)
    made = Recorder(
        loop,
        InFlight(Bus(asyncio.new_event_loop()), loop),
        captures,
        store,
        Metrics(models={"m"}, routes={CHAT}),
        wall=lambda: 1_760_000_000.0,
    )
    try:
        yield made, loop
    finally:
        made.inflight._bus._loop.close()
        captures.close()
        store.close()


def begin(made: Recorder, **more: Any) -> Recording:
    return made.begin("m", "/v/chat/completions", CHAT, "POST", FIELDS, "::1", lambda: None, **{"has_row": True, **more})


def rows(made: Recorder) -> list[Row]:
    assert made.store.flush()
    return made.store.listing(ActivityQuery(descending=False)).data


def test_a_stream_is_recorded_with_all_that_is_known_of_it() -> None:
    with recorder() as (made, loop):
        one = begin(made)
        one.metadata = {"selector": "s"}
        for phase, seconds in ((Phase.QUEUED, 2.0), (Phase.LOADING, 3.0), (Phase.QUEUED, 0.5), (Phase.LOADING, 1.0)):
            one.moved(phase)
            loop.now += seconds
        one.sent(b'{"model":"m"}')
        loop.now += 0.25
        one.answered(200, SSE)
        one.passed(STREAM[:100])
        loop.now += 0.5
        one.passed(STREAM[100:])
        assert len(made.inflight) == 1
        one.over()
        one.over(Outcome.CANCELLED)
        (row,) = rows(made)
        assert (row.model, row.req_path, row.resp_status_code, row.duration_ms) == ("m", CHAT, 200, 7250)
        assert (row.tokens.input_tokens, row.tokens.output_tokens, row.tokens.cache_tokens) == (1, 35, 236)
        assert (row.has_capture, row.metadata) == (True, {"selector": "s"})
        timing: Any = row.timing
        assert (timing.queue_ms, timing.load_ms, timing.first_token_ms) == (2500, 4000, 6750)
        assert (timing.outcome, timing.client) == ("complete", "9.9.9.9")
        payload = made.captures.payload(row.id)
        assert payload is not None
        assert (payload.req_body, payload.resp_body) == (b'{"model":"m"}', STREAM)
        assert b'swapyard_requests_total{model="m"' in made.metrics.text()
        assert len(made.inflight) == 0


@pytest.mark.parametrize("outcome", [Outcome.CLIENT_LEFT, Outcome.CANCELLED])
def test_who_leaves_the_queue_has_a_row_and_no_capture(outcome: Outcome) -> None:
    with recorder() as (made, loop):
        one = begin(made)
        one.moved(Phase.QUEUED, 1)
        loop.now += 1.0
        one.over(outcome)
        one.sent(b"too late")
        one.moved(Phase.LOADING)
        one.answered(200, SSE)
        (row,) = rows(made)
        timing: Any = row.timing
        assert (row.resp_status_code, row.has_capture, timing.outcome, timing.queue_ms) == (200, False, outcome.value, 1000)
        assert timing.first_token_ms == -1
        assert made.captures.used == 0


def test_a_refusal_says_its_status_and_why() -> None:
    with recorder() as (made, _):
        begin(made).over(status=429, error="too many requests wait for m")
        (row,) = rows(made)
        assert (row.resp_status_code, row.error_msg) == (429, "too many requests wait for m")


def test_what_breaks_off_keeps_the_figures_told_so_far() -> None:
    with recorder() as (made, _):
        one = begin(made)
        one.sent(b"{}")
        one.answered(200, SSE)
        one.passed(b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}\n\ndata: {"cho')
        one.over(Outcome.BROKEN, error="the server died")
        (row,) = rows(made)
        assert (row.tokens.input_tokens, row.tokens.output_tokens, row.error_msg) == (7, 3, "the server died")
        assert row.has_capture


def test_a_request_without_a_row_only_shows_while_it_is_under_way() -> None:
    with recorder() as (made, _):
        one = begin(made, has_row=False)
        one.sent(b"")
        one.answered(200, SSE)
        one.passed(b"data")
        assert made.inflight.snapshot().requests[0].resp_bytes == 4
        one.over()
        assert rows(made) == []
        assert made.captures.used == 0


def test_an_answer_that_cannot_be_decoded_has_a_message_and_no_capture() -> None:
    with recorder() as (made, _):
        one = begin(made)
        one.sent(b"{}")
        one.answered(200, [*SSE, (b"content-encoding", b"gzip")])
        one.passed(b"this is no gzip")
        one.over()
        (row,) = rows(made)
        assert "cannot be decoded" in str(row.error_msg)
        assert not row.has_capture
        assert made.captures.used == 0


def test_a_request_that_is_sent_twice_is_captured_once() -> None:
    with recorder() as (made, _):
        one = begin(made)
        one.sent(b"{}")
        used = made.captures.used
        one.sent(b"{}")
        assert made.captures.used == used
        one.over(status=502)
        assert rows(made)[0].error_msg == "502 Bad Gateway"
