"""Captures: the rules of the paths, no secrets, and a bound that holds at every moment."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator

import msgspec
import pytest

from swapyard.observe.captures import MANY, Capture, Captures
from swapyard.observe.redaction import shown_headers

FIELDS = [(b"host", b"Host", b"h"), (b"x-api-key", b"X-API-KEY", b"sk-1"), (b"accept", b"accept", b"*/*")]
ANSWER = [(b"content-type", b"application/json"), (b"Set-Cookie", b"a=b"), (b"X-One", b"1"), (b"x-one", b"2")]
CHAT = "/v1/chat/completions"


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def captures(warnings: list[str]) -> Iterator[Captures]:
    made = Captures(1_000_000, warn=warnings.append, clock=lambda: 0.0)
    yield made
    made.close()


def capture(
    captures: Captures, row_id: int, *, path: str = CHAT, body: bytes = b"{}", answer: bytes = b"[]", status: int = 200
) -> Capture:
    one = captures.begin(path, FIELDS, body)
    assert one is not None
    one.answered(status, ANSWER)
    one.feed(answer)
    captures.keep(one, row_id)
    return one


def compress(captures: Captures) -> None:
    while captures.compress_next():
        pass


@pytest.mark.parametrize("compressed", [False, True])
def test_a_payload_is_what_went_over_the_wire_without_the_secrets(captures: Captures, compressed: bool) -> None:
    capture(captures, 7, body=b'{"a":1}' * 50, answer=b'{"b":2}' * 50)
    if compressed:
        compress(captures)
    assert captures.has(7)
    payload = json.loads(msgspec.json.encode(captures.payload(7)))
    assert list(payload) == ["id", "req_path", "req_headers", "req_body", "resp_headers", "resp_body"]
    assert payload["req_headers"] == {"Accept": "*/*", "Host": "h", "X-Api-Key": "[REDACTED]"}
    assert payload["resp_headers"] == {"Content-Type": "application/json", "Set-Cookie": "[REDACTED]", "X-One": "1"}
    assert (payload["id"], payload["req_path"]) == (7, CHAT)
    found = captures.payload(7)
    assert found is not None
    assert (found.req_body, found.resp_body) == (b'{"a":1}' * 50, b'{"b":2}' * 50)


@pytest.mark.parametrize(
    ("path", "request_kept", "answer_kept"),
    [
        (CHAT, True, True),
        ("/v1/embeddings", True, True),
        ("/v1/audio/speech", True, False),
        ("/v1/images/generations", True, False),
        ("/sdapi/v1/txt2img", True, False),
        ("/v1/audio/voices", False, True),
        ("/v1/audio/transcriptions", False, True),
        ("/v1/images/edits", False, False),
        ("/sdapi/v1/img2img", False, False),
    ],
)
def test_what_is_kept_depends_on_the_path(captures: Captures, path: str, request_kept: bool, answer_kept: bool) -> None:
    one = capture(captures, 1, path=path, body=b"question", answer=b"answer")
    found = captures.payload(1)
    assert found is not None
    assert found.req_body == (b"question" if request_kept else None)
    assert found.resp_body == (b"answer" if answer_kept else None)
    assert one.held < 3000


def test_a_failed_answer_has_no_body_and_an_empty_one_no_capture(captures: Captures) -> None:
    capture(captures, 1, status=500, answer=b"sorry")
    found = captures.payload(1)
    assert found is not None
    assert (found.req_body, found.resp_body) == (b"{}", None)
    capture(captures, 2, answer=b"")
    assert not captures.has(2)


@pytest.mark.parametrize("compressed", [False, True])
def test_an_encoded_answer_is_shown_decoded(captures: Captures, compressed: bool) -> None:
    one = captures.begin(CHAT, FIELDS, b"{}")
    assert one is not None
    one.answered(200, [(b"content-encoding", b"gzip")])
    data = gzip.compress(b"plain text " * 100)
    for at in range(0, len(data), 5):
        one.feed(data[at : at + 5])
    captures.keep(one, 1)
    if compressed:
        compress(captures)
    found = captures.payload(1)
    assert found is not None
    assert found.resp_body == b"plain text " * 100
    assert found.resp_headers == {}


def test_captures_can_be_turned_off(warnings: list[str]) -> None:
    for budget in (0, -1):
        assert Captures(budget, warn=warnings.append).begin(CHAT, FIELDS, b"{}") is None


def test_the_oldest_make_room_and_a_known_row_moves_to_the_end(captures: Captures) -> None:
    for row_id in range(1, 5):
        capture(captures, row_id, answer=b"x" * 200_000)
    capture(captures, 1, answer=b"y" * 200_000)
    for row_id in (5, 6, 7):
        capture(captures, row_id, answer=b"x" * 200_000)
    assert [row_id for row_id in range(1, 8) if captures.has(row_id)] == [1, 5, 6, 7]
    assert captures.payload(2) is None


def test_one_giant_is_dropped_with_one_warning_and_spares_the_others(captures: Captures, warnings: list[str]) -> None:
    capture(captures, 1)
    for row_id in (2, 3):
        one = captures.begin(CHAT, FIELDS, b"{}")
        assert one is not None
        one.answered(200, ANSWER)
        for _ in range(10_000):
            one.feed(b"z" * 1000)
        assert one.held == 0
        captures.keep(one, row_id)
    assert [captures.has(row_id) for row_id in (1, 2, 3)] == [True, False, False]
    assert len(warnings) == 1
    assert "captureBuffer" in warnings[0]


def test_the_budget_holds_at_every_moment(captures: Captures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swapyard.observe.captures.MANY", 10**9)  # all of it happens within one second
    dice = random.Random(11)
    under_way: list[Capture] = []
    for row_id in range(2000):
        if (one := captures.begin(CHAT, FIELDS, dice.randbytes(dice.choice((10, 3000, 90_000))))) is not None:
            one.answered(dice.choice((200, 200, 500)), ANSWER)
            under_way.append(one)
        for one in under_way:
            one.feed(b"t" * dice.choice((50, 500, 20_000)))
            assert captures.used <= 1_000_000
            really = sum(len(each.body or b"") + each.answer.__alloc__() for each in under_way)
            assert really <= captures.used
        while len(under_way) > 12 or (under_way and dice.random() < 0.5):
            one = under_way.pop(dice.randrange(len(under_way)))
            captures.keep(one, row_id) if dice.random() < 0.9 else captures.drop(one)
        if dice.random() < 0.3:
            captures.compress_next()
    for one in under_way:
        captures.drop(one)
    for row_id in range(2000, 2400):
        capture(captures, row_id, answer=b"x" * 50_000)
        compress(captures)
    assert 200_000 < captures.used <= 1_000_000
    captures.close()
    assert captures.used == 0


def test_compression_makes_room_for_many_more(captures: Captures) -> None:
    for row_id in range(300):
        capture(captures, row_id, answer=b"the same words again " * 1000)
        compress(captures)
    assert all(captures.has(row_id) for row_id in range(300))


def test_what_ends_without_a_row_leaves_nothing(captures: Captures) -> None:
    one = captures.begin(CHAT, FIELDS, b"{}" * 1000)
    assert one is not None
    one.feed(b"x" * 1000)
    assert captures.used > 3000
    captures.drop(one)
    captures.drop(one)
    one.feed(b"more")
    assert captures.used == 0


def test_the_thread_compresses_by_itself(captures: Captures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swapyard.observe.captures.COMPRESS_AFTER", 0.0)
    one = capture(captures, 1, answer=b"words " * 1000)
    for _ in range(1000):
        if one.packed is not None:
            break
        captures._wake.set()
        captures._closed.wait(0.005)
    assert one.packed is not None
    found = captures.payload(1)
    assert found is not None
    assert found.resp_body == b"words " * 1000


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        (b"Authorization", True),
        (b"proxy-authorization", True),
        (b"COOKIE", True),
        (b"x-goog-api-key", True),
        (b"Helicone-Auth", True),
        (b"X-Auth-Token", True),
        (b"X-Amz-Signature", True),
        (b"Sec-WebSocket-Key", False),
        (b"X-Max-Tokens", False),
        (b"Author", False),
    ],
)
def test_secrets_are_known_by_their_names(name: bytes, secret: bool) -> None:
    (value,) = shown_headers([(name, b"v")]).values()
    assert value == ("[REDACTED]" if secret else "v")


def test_a_flood_leaves_captures_the_time_to_be_looked_at() -> None:
    """Not the newest of ten thousand a second, each gone before anybody could open it."""
    now = [0.0]
    captures = Captures(4 * 1024 * 1024, warn=lambda _: None, clock=lambda: now[0])
    begun: list[int] = []
    for row_id in range(40_000):
        now[0] += 0.0004
        one = captures.begin(CHAT, FIELDS, b"{}")
        if one is not None:
            one.answered(200, ())
            one.feed(b"x" * 4000)
            captures.keep(one, row_id)
            begun.append(row_id)
    captures.close()
    assert 256 < len(begun) < 10_000
    assert begun[-1] > 30_000  # it goes on with what comes later


def test_room_that_appears_in_a_flood_is_used_at_once(captures: Captures) -> None:
    large = [captures.begin(CHAT, FIELDS, b"x" * 300_000) for _ in range(2)]
    for row in range(MANY):
        small = captures.begin(CHAT, [], None)
        assert small is not None
        small.answered(200, [])
        small.feed(b"{}")
        captures.keep(small, row)
    assert captures.begin(CHAT, FIELDS, b"{}") is None
    for one in large:
        assert one is not None
        captures.drop(one)
    assert captures.begin(CHAT, FIELDS, b"{}") is not None


def test_compressing_waits_for_room_to_work_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it takes is of the budget, too."""
    captures = Captures(100_000, warn=lambda _: None, clock=lambda: 0.0)
    used: list[int] = []

    def packed(body: bytes | None, answer: bytes | bytearray) -> bytes:
        used.append(captures.used)
        return b"packed"

    monkeypatch.setattr("swapyard.observe.captures._packed", packed)
    capture(captures, 1, body=b"x" * 40_000)
    capture(captures, 2, body=b"x" * 40_000)
    assert not captures.compress_next() or not captures.compress_next()
    assert max(used, default=0) <= 100_000
    assert captures.numbers() == [2, 1]
    captures.close()


def test_what_began_with_other_captures_is_kept_by_nobody(captures: Captures) -> None:
    """A reload gives others: rows of another file may have the same numbers."""
    before = Captures(1_000_000, warn=lambda _: None)
    one = before.begin(CHAT, FIELDS, b"{}")
    assert one is not None
    one.answered(200, ANSWER)
    one.feed(b"[]")
    captures.keep(one, 1)
    assert (captures.numbers(), captures.used, before.used) == ([], 0, 0)
