"""What an upstream may send behind the body of its answer."""

from __future__ import annotations

import pytest
from tests.http.http_stage import UpstreamStage

from swapyard.http.upstream_connection import LONGEST_TRAILERS, MOST_TRAILERS

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = b"5\r\nhello\r\n"
PIECE = 16 * 1024


@pytest.mark.parametrize("begin", [b"0\r\nX: ", b"1;"], ids=["one trailer", "an extension"])
def test_what_has_no_end_breaks_the_answer_off(begin: bytes) -> None:
    stage = UpstreamStage().ask().feed(HEAD, BODY, begin)
    stage.feed(*[b"y" * PIECE] * (LONGEST_TRAILERS // PIECE - 1))
    assert stage.told.end == ""
    stage.feed(b"y" * PIECE, b"y" * PIECE)
    assert (stage.told.end, stage.told.body) == ("broken", b"hello")


@pytest.mark.parametrize(("count", "end"), [(MOST_TRAILERS, "complete"), (MOST_TRAILERS + 1, "broken")])
def test_trailers_beyond_number_break_the_answer_off(count: int, end: str) -> None:
    stage = UpstreamStage().ask().feed(HEAD, BODY, b"0\r\n" + b"X: y\r\n" * count + b"\r\n")
    assert stage.told.end == end


def test_a_large_head_and_a_large_body_have_no_part_in_it() -> None:
    head = b"HTTP/1.1 200 OK\r\nX: " + b"y" * 2 * LONGEST_TRAILERS + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n" % (4 * LONGEST_TRAILERS) + b"z" * 4 * LONGEST_TRAILERS + b"\r\n"
    stage = UpstreamStage().ask().feed(HEAD, BODY, b"0\r\n", b"\r\n").ask()  # one that ended quietly went before
    stage.feed(head, chunk, b"5\r\n", b"hello\r\n", b"0\r\nX: y\r\n", b"\r\n")
    assert (stage.told.end, stage.told.trailers) == ("complete", [(b"X", b"y")])
    assert len(stage.told.body) == 4 * LONGEST_TRAILERS + 5
