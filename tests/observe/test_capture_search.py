"""Searching captures by what they say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from swapyard.observe.capture_search import MOST_TIME, CaptureSearch
from swapyard.observe.captures import Captures

JSON = [(b"Content-Type", b"application/json")]


@pytest.fixture
def captures() -> Iterator[Captures]:
    made = Captures(1_000_000, warn=print)
    yield made
    made.close()


def keep(captures: Captures, row_id: int, body: bytes, answer: bytes = b"{}") -> None:
    one = captures.begin("/v1/chat/completions", [(b"x-api-key", b"X-Api-Key", b"s3cret")], body)
    assert one is not None
    one.answered(200, JSON)
    one.feed(answer)
    captures.keep(one, row_id)


@pytest.mark.parametrize("is_packed", [False, True])
def test_a_text_is_found_in_requests_and_answers_in_any_case(captures: Captures, is_packed: bool) -> None:
    keep(captures, 1, b'{"prompt": "The Quick brown fox"}' * 20)
    keep(captures, 2, b"{}", b'{"answer": "a QUICK hare"}' * 20)
    keep(captures, 3, b'{"prompt": "slow"}' * 20)
    while is_packed and captures.compress_next():
        pass
    found = CaptureSearch().find(captures, "quick")
    assert (found.numbers, found.searched, found.kept) == (frozenset({1, 2}), 3, 3)
    assert CaptureSearch().find(captures, "s3cret").numbers == set()


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("Grüße", '{"prompt": "viele GRÜSSE, grüße"}'.encode()),
        ("Grüße", rb'{"prompt": "gr\u00FC\u00dfe"}'),
        ('say "hi"', rb'{"prompt": "Say \"hi\""}'),
        ("two\nlines", rb'{"prompt": "two\nlines"}'),
    ],
)
def test_it_does_not_matter_how_json_writes_a_text(captures: Captures, text: str, body: bytes) -> None:
    keep(captures, 1, body)
    assert CaptureSearch().find(captures, text).numbers == {1}


def test_what_a_stream_says_in_pieces_is_one_text(captures: Captures) -> None:
    pieces = ('{"choices":[{"delta":{"content":"The ha"}}]}', '{"choices":[{"delta":{"content":"re is \\"quick\\""}}]}')
    keep(captures, 1, b"{}", "".join(f"data: {piece}\n\n" for piece in pieces).encode())
    assert CaptureSearch().find(captures, 'the hare is "quick"').numbers == {1}


def test_a_search_is_bounded_in_time_goes_on_with_the_next_question_and_forgets_what_is_gone(captures: Captures) -> None:
    for row_id in (1, 2, 3):
        keep(captures, row_id, b'{"prompt": "fox"}')
    now = iter([0.0, 1.0, MOST_TIME, 0.0, 0.5, 1.0, 0.0])
    search = CaptureSearch(clock=lambda: next(now))
    assert search.find(captures, "fox").numbers == {3}
    assert search.find(captures, "fox").numbers == {1, 2, 3}
    captures.close()
    assert search.find(captures, "fox").numbers == set()


def test_other_captures_are_searched_anew(captures: Captures) -> None:
    """After a reload: the numbers are the same, and what they stand for is not."""
    keep(captures, 1, b"needle")
    search = CaptureSearch()
    assert search.find(captures, "needle").numbers == {1}
    others = Captures(1_000_000, warn=print)
    keep(others, 1, b"hay")
    assert search.find(others, "needle").numbers == frozenset()
    others.close()
