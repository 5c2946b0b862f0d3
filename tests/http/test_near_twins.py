"""Messages in which one byte is wrong, each alone, split, byte by byte, and behind messages that are right.

Three things hold for all of them. How a message is cut changes nothing. What came before on the connection changes nothing,
however similar it was. And whatever is taken means the same to a parser that was written from the RFC alone, so that nobody
behind us can read it in another way (request smuggling, response splitting).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

REQUESTS = {
    "json": b"POST /v1/x HTTP/1.1\r\nHost: a:80\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n"
    b'{"model":"m"}',
    "get": b"GET /a?b=c HTTP/1.1\r\nHost: a\r\n\r\n",
    "chunks": b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'5\r\nhello\r\n1;q="a"\r\n!\r\n0\r\nX-T: v\r\n\r\n',
    "old": b"POST /a HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
    "expect": b"POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
    "absolute": b"GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n",
    "upgrade": b"POST /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi",
    "options": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
}
RESPONSES = {
    "length": b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Type: a/b\r\nContent-Length: 5\r\n\r\nhello",
    "chunks": b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;q="a"\r\n!\r\n0\r\nX-T: v\r\n\r\n',
    "interim": b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 2\r\n\r\nhi",
    "empty": b"HTTP/1.1 204 No Content\r\nA: b\r\n\r\n",
    "unchanged": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n",
    "close": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
    "old": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
}
PROBE = b"GET /probe HTTP/1.1\r\nHost: p\r\n\r\n"
WRONG = [bytes([byte]) for byte in b"\r\n\0 \t:,;+-1a/\x7f\xff"]


def twins(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Every message that differs in one byte: where, and the whole."""
    for at in range(len(message) + 1):
        before, byte, behind = message[:at], message[at : at + 1], message[at + 1 :]
        others = {before + behind, before + byte.swapcase() + behind, before + byte + byte + behind}
        for wrong in WRONG:
            others |= {before + wrong + behind, before + wrong + byte + behind}
        yield from ((at, other) for other in sorted(others - {message}))


def every_cut(message: bytes) -> Iterator[tuple[bytes, ...]]:
    yield from ((message[:at], message[at:]) for at in range(1, len(message)))
    yield tuple(bytes([byte]) for byte in message)


# --- requests ---


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_means_the_same_however_it_is_cut(stage: Any, name: str) -> None:
    """As the first, second and third one of its connection."""
    message = REQUESTS[name]
    whole = stage.ClientStage().feed(message)
    assert [asked.trailers is not None for asked in whole.requests] == [True]
    for pieces in every_cut(message * 3 + PROBE):
        seen = stage.ClientStage().feed(*pieces)
        assert seen.requests[:-1] == whole.requests * 3
        assert seen.requests[-1].target == b"/probe"
        assert (seen.ends, seen.is_over, seen.loop.timers) == ([200] * 4, False, 0)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_means_the_same_whatever_came_before(stage: Any, name: str) -> None:
    for other in REQUESTS.values():
        before = stage.ClientStage().feed(other, REQUESTS[name])
        assert before.requests[1:] == stage.ClientStage().feed(REQUESTS[name]).requests


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_with_one_byte_wrong(stage: Any, name: str) -> None:
    right = REQUESTS[name]
    taken = refused = 0
    for at, message in twins(right):
        alone = stage.ClientStage().feed(message + PROBE)
        stage.check_requests(message + PROBE, alone.requests)
        assert stage.ClientStage().feed(message[:at], message[at:] + PROBE).outcome == alone.outcome
        if at % 4 == 0:
            assert stage.ClientStage().feed(*(bytes([byte]) for byte in message + PROBE)).outcome == alone.outcome
        for ahead in (1, 2):
            after = stage.ClientStage().feed(right * ahead).feed(message + PROBE)
            assert (after.requests[ahead:], after.ends[ahead:], after.is_over) == alone.outcome, message
        if alone.ends == [200, 200]:  # and the right one behind it
            whole = stage.ClientStage().feed(right, message, right)
            in_two = stage.ClientStage().feed(right, message[:at], message[at:], right)
            assert whole.requests == in_two.requests == [*whole.requests[:2], whole.requests[0]], message
            at_once = stage.ClientStage().feed(right, message + message, right)
            assert at_once.requests == [*whole.requests[:2], whole.requests[1], whole.requests[0]], message
            taken += 1
        else:
            refused += 1
    assert taken > 20
    assert refused > 20


@pytest.mark.parametrize("digits", [b"%d" % size for size in (*range(30), 99, 100, 101)] + [b"013", b"0000000000000013"])
def test_lengths_may_change_from_request_to_request(stage: Any, digits: bytes) -> None:
    size = int(digits)
    right = REQUESTS["json"]
    other = right.replace(b"Length: 13\r\n", b"Length: " + digits + b"\r\n").replace(b'{"model":"m"}', b"x" * size)
    seen = stage.ClientStage().feed(right, other, right, other + other + PROBE)
    assert [len(asked.body) for asked in seen.requests] == [13, size, 13, size, size, 0]
    assert seen.ends == [200] * 6
    for at in range(1, len(other)):
        cut = stage.ClientStage().feed(right, other[:at], other[at:], PROBE)
        assert [len(asked.body) for asked in cut.requests] == [13, size, 0]


# --- responses ---


def kept(stage: Any, response: bytes, *, times: int, head_only: bool) -> Any:
    """A stage on which `response` has come so often and that was kept each time, or None."""
    seen = stage.UpstreamStage()
    head = b"\r\n\r\n".join((*response.split(b"\r\n\r\n")[: 2 if response.startswith(b"HTTP/1.1 103") else 1], b""))
    for _ in range(times):
        seen.ask(head_only=head_only).feed(head if head_only else response)
        if not seen.is_kept:
            return None
    return seen


@pytest.mark.parametrize("name", RESPONSES)
def test_a_response_means_the_same_however_it_is_cut(stage: Any, name: str) -> None:
    message = RESPONSES[name]
    for times in range(3):
        whole = stage.outcome(stage.UpstreamStage().ask().feed(message))
        assert whole[0].end == "complete"
        for pieces in every_cut(message):
            seen = kept(stage, message, times=times, head_only=False)
            if seen is not None:
                assert stage.outcome(seen.ask().feed(*pieces)) == whole


@pytest.mark.parametrize("head_only", [False, True])
@pytest.mark.parametrize("name", RESPONSES)
def test_responses_with_one_byte_wrong(stage: Any, name: str, head_only: bool) -> None:
    right = RESPONSES[name]
    taken = refused = 0
    for at, message in twins(right):
        read = stage.reference_response(message, head_only=head_only)
        if read is not None and read.rest and not read.rest.strip(b"\r\n"):
            continue
        alone = stage.outcome(stage.UpstreamStage().ask(head_only=head_only).feed(message))
        stage.check_response(message, *alone, head_only=head_only)
        assert stage.outcome(stage.UpstreamStage().ask(head_only=head_only).feed(message[:at], message[at:])) == alone, (
            message
        )
        if at % 4 == 0:
            pieces = [bytes([byte]) for byte in message]
            assert stage.outcome(stage.UpstreamStage().ask(head_only=head_only).feed(*pieces)) == alone, message
        for times in (1, 2):
            seen = kept(stage, right, times=times, head_only=head_only)
            if seen is not None:
                cut = at if times == 2 else 0
                seen.ask(head_only=head_only).feed(message[:cut], message[cut:])
                if seen.is_kept and alone[1]:  # and the right one behind it
                    assert seen.told == alone[0]
                    wanted = stage.outcome(stage.UpstreamStage().ask(head_only=head_only).feed(right))
                    assert stage.outcome(seen.ask(head_only=head_only).feed(right)) == wanted, message
                else:
                    assert stage.outcome(seen) == alone, message
        taken, refused = taken + (alone[0].end == "complete"), refused + (alone[0].end == "broken")
    assert taken > 20
    assert refused > 20


@pytest.mark.parametrize("byte", [bytes([code]) for code in range(32) if code not in (9, 10, 13)] + [b"\x7f"])
@pytest.mark.parametrize("status", [b"200", b"103"])
def test_a_control_character_in_a_reason_is_no_response(stage: Any, byte: bytes, status: bytes) -> None:
    message = b"HTTP/1.1 %s O%sK\r\nContent-Length: 0\r\n\r\n" % (status, byte)
    assert stage.outcome(stage.UpstreamStage().ask().feed(message))[0] == stage.Told(end="broken")


@pytest.mark.parametrize("reason", [b"", b"OK", b"Any words at all", b"\xc3\xa4\xff", b"a\tb"])
def test_any_other_reason_passes(stage: Any, reason: bytes) -> None:
    told, kept = stage.outcome(stage.UpstreamStage().ask().feed(b"HTTP/1.1 299 %s\r\nContent-Length: 0\r\n\r\n" % reason))
    assert (told.reason, told.end, kept) == (reason, "complete", True)
