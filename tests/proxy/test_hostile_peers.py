"""Upstreams that answer nonsense, clients that ask nonsense, and paths that want out: what each side gets to see."""

from __future__ import annotations

import json
from typing import Any

import pytest

GET = b"GET /upstream/m/x HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
INJECTED = b"HTTP/1.1 200 Injected\r\nX-Injected: 1\r\nContent-Length: 8\r\n\r\ninjected"


def head(*lines: bytes, start: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join((start, *lines, b"", b""))


# --- responses that are none ---

# What the upstream says before a byte of it can be passed on.
MALFORMED: list[tuple[str, bytes]] = [
    ("no HTTP", b"hello\r\n\r\n"),
    ("TLS", b"\x15\x03\x01\x00\x02\x02\x46"),
    ("HTTP/0.9", b"<html>hello</html>"),
    ("HTTP/2", b"\x00\x00\x12\x04\x00\x00\x00\x00\x00"),
    ("another version", head(b"Content-Length: 2", start=b"HTTP/3.0 200 OK") + b"ok"),
    ("small letters", head(b"Content-Length: 2", start=b"http/1.1 200 OK") + b"ok"),
    ("no status", head(b"Content-Length: 2", start=b"HTTP/1.1 OK") + b"ok"),
    ("two digits", head(b"Content-Length: 2", start=b"HTTP/1.1 20 OK") + b"ok"),
    ("four digits", head(b"Content-Length: 2", start=b"HTTP/1.1 2000 OK") + b"ok"),
    ("status 099", head(b"Content-Length: 2", start=b"HTTP/1.1 099 OK") + b"ok"),
    ("a negative status", head(b"Content-Length: 2", start=b"HTTP/1.1 -20 OK") + b"ok"),
    ("NUL in the reason", head(b"Content-Length: 2", start=b"HTTP/1.1 200 O\0K") + b"ok"),
    ("a bare CR in the reason", head(b"Content-Length: 2", start=b"HTTP/1.1 200 OK\rSet-Cookie: a=b") + b"ok"),
    ("a bare LF in the reason", head(b"Content-Length: 2", start=b"HTTP/1.1 200 OK\nSet-Cookie: a=b") + b"ok"),
    ("a bare LF behind a field", b"HTTP/1.1 200 OK\r\nA: b\nContent-Length: 2\r\n\r\nok"),
    ("a bare CR in a field", head(b"A: b\rSet-Cookie: a=b", b"Content-Length: 2") + b"ok"),
    ("NUL in a field", head(b"A: b\0c", b"Content-Length: 2") + b"ok"),
    ("a folded field", head(b"A: b", b" c", b"Content-Length: 2") + b"ok"),
    ("a space before the colon", head(b"A : b", b"Content-Length: 2") + b"ok"),
    ("a field without a colon", head(b"A", b"Content-Length: 2") + b"ok"),
    ("two lengths", head(b"Content-Length: 2", b"Content-Length: 3") + b"ok"),
    ("the same length twice", head(b"Content-Length: 2", b"Content-Length: 2") + b"ok"),
    ("a list of lengths", head(b"Content-Length: 2, 2") + b"ok"),
    ("a signed length", head(b"Content-Length: +2") + b"ok"),
    ("a negative length", head(b"Content-Length: -2") + b"ok"),
    ("a length in hex", head(b"Content-Length: 0x2") + b"ok"),
    ("a length of 80 bits", head(b"Content-Length: 999999999999999999999999") + b"ok"),
    ("length and chunks", head(b"Content-Length: 2", b"Transfer-Encoding: chunked") + b"2\r\nok\r\n0\r\n\r\n"),
    ("chunks and length", head(b"Transfer-Encoding: chunked", b"Content-Length: 2") + b"2\r\nok\r\n0\r\n\r\n"),
    ("another coding", head(b"Transfer-Encoding: gzip") + b"ok"),
    ("a coding before chunks", head(b"Transfer-Encoding: gzip, chunked") + b"2\r\nok\r\n0\r\n\r\n"),
    ("a head without end", head()[:-2] + b"A: " + b"b" * 300_000),
    ("interim responses without end", head(start=b"HTTP/1.1 102 Processing") * 20_000),
    ("two codings", head(b"Transfer-Encoding: x", b"Transfer-Encoding: chunked") + b"2\r\nok\r\n0\r\n\r\n"),
    ("an interim response with chunks",
     head(b"Transfer-Encoding: chunked", start=b"HTTP/1.1 103 Early") + b"2\r\nno\r\n0\r\n\r\n" + OK),
    ("an interim response with a length",
     head(b"Content-Length: 2", start=b"HTTP/1.1 103 Early") + b"no" + OK),
    # llhttp knows of 100 to 103 only that they have no body.
    ("another interim response with chunks",
     head(b"Transfer-Encoding: chunked", start=b"HTTP/1.1 150 Wait") + b"2\r\nno\r\n0\r\n\r\n" + OK),
    ("another interim response with a length", head(b"Content-Length: 2", start=b"HTTP/1.1 150 Wait") + b"no" + OK),
    ("101 without an upgrade", head(start=b"HTTP/1.1 101 Go") + OK),
    ("101 with chunks", head(b"Transfer-Encoding: chunked", start=b"HTTP/1.1 101 Go") + b"2\r\nno\r\n0\r\n\r\n" + OK),
    ("HTTP/2.0 in words", head(b"Content-Length: 2", start=b"HTTP/2.0 200 OK") + b"ok"),
    ("nothing", b""),
    ("a head that breaks off", head(b"Content-Length: 2")[:-1]),
    ("101 that nobody asked for", head(b"Upgrade: websocket", b"Connection: Upgrade", start=b"HTTP/1.1 101 Go")),
]  # fmt: skip


@pytest.mark.parametrize("said", [row[1] for row in MALFORMED], ids=[row[0] for row in MALFORMED])
@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_a_response_that_is_none_is_a_502(stage: Any, passage: Any, said: bytes, ahead: int) -> None:
    """Nothing of it reaches the client, the lease ends, the connection is not used again, and the next request is served."""
    yard = passage.PassageStage()
    for _ in range(ahead):
        yard.ask(GET)
        assert yard.answer(OK).endswith(b"ok")
    yard.ask(GET)
    paper, before = yard.upstream.paper, len(yard.paper.written)
    step = 1 if len(said) < 1000 else 30_000
    yard.answer(*(said[at : at + step] for at in range(0, len(said), step)), end=True)
    if yard.upstream.paper is not paper:  # a pooled connection that died without a word: asked once more
        yard.answer(said, end=True)
    yard.loop.ring()  # the news of an exit, which might explain it, is waited for
    back = yard.paper.written[before:]
    seen = stage.reference_response(back)
    assert seen is not None, back
    assert seen.start[1] == b"502"
    error = json.loads(seen.body)
    assert (error["src"], error["error"]["code"]) == ("swapyard", "bad_gateway")
    assert b"Set-Cookie" not in back.partition(b"\r\n\r\n")[0]
    assert yard.served == 0
    assert paper.is_closed
    yard.ask(GET)
    assert yard.upstream.paper is not paper
    assert yard.answer(OK).endswith(b"\r\n\r\nok")


# What comes behind a head that has been passed on, and whether a length was told.
BROKEN: list[tuple[str, bytes]] = [
    ("a chunk size that is none", head(b"Transfer-Encoding: chunked") + b"2\r\nok\r\nxyz\r\n"),
    ("a chunk longer than its size", head(b"Transfer-Encoding: chunked") + b"2\r\nok!\r\n0\r\n\r\n"),
    ("a chunk size beyond 64 bits", head(b"Transfer-Encoding: chunked") + b"2\r\nok\r\nfffffffffffffffff\r\n"),
    ("a negative chunk size", head(b"Transfer-Encoding: chunked") + b"2\r\nok\r\n-1\r\n"),
    ("a bare LF behind a chunk", head(b"Transfer-Encoding: chunked") + b"2\r\nok\n0\r\n\r\n"),
    ("a trailer that is none", head(b"Transfer-Encoding: chunked") + b"2\r\nok\r\n0\r\nA\r\n\r\n"),
    ("a length in the trailers", head(b"Transfer-Encoding: chunked") + b"2\r\nok\r\n0\r\nContent-Length: 9\r\n\r\n"),
    ("an end inside a chunk", head(b"Transfer-Encoding: chunked") + b"9\r\nok"),
    ("an end behind a chunk", head(b"Transfer-Encoding: chunked") + b"2\r\nok\r\n"),
    ("an end before the last line", head(b"Transfer-Encoding: chunked") + b"2\r\nok\r\n0\r\n"),
    ("an end before the length", head(b"Content-Length: 9") + b"ok"),
]  # fmt: skip


@pytest.mark.parametrize("said", [row[1] for row in BROKEN], ids=[row[0] for row in BROKEN])
@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_a_response_that_breaks_never_looks_whole(stage: Any, passage: Any, said: bytes, ahead: int) -> None:
    for step in (1, 7, len(said)):
        yard = passage.PassageStage()
        for _ in range(ahead):
            yard.ask(GET)
            yard.answer(OK if b"chunked" not in said else head(b"Transfer-Encoding: chunked") + b"2\r\nok\r\n0\r\n\r\n")
        yard.ask(GET + GET)
        paper = yard.upstream.paper
        back = yard.answer(*(said[at : at + step] for at in range(0, len(said), step)), end=True)
        assert back.startswith(b"HTTP/1.1 200 OK\r\n")
        assert stage.reference_response(back) is None
        assert yard.paper.is_closed
        assert (yard.served, paper.is_closed) == (0, True)


# --- more than was asked for ---


@pytest.mark.parametrize(
    "first",
    [OK, head(b"Transfer-Encoding: chunked") + b"2\r\nok\r\n0\r\n\r\n", head(start=b"HTTP/1.1 204 No Content"),
     head(b"Content-Length: 9", start=b"HTTP/1.1 304 Not Modified")],
)  # fmt: skip
@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_a_second_response_reaches_nobody(passage: Any, first: bytes, ahead: int) -> None:
    """Whoever comes next would take it for the answer to its own request."""
    text = first + INJECTED
    for at in range(len(first) - 1, len(text)):
        yard = passage.PassageStage()
        for _ in range(ahead):
            yard.ask(GET)
            yard.answer(first)
        yard.ask(GET)
        paper = yard.upstream.paper
        back = yard.answer(text[:at], text[at:])
        assert b"njected" not in back
        assert paper.is_closed
        yard.ask(GET)
        assert yard.upstream.paper is not paper
        assert yard.answer(OK).endswith(b"\r\n\r\nok")
        assert b"njected" not in yard.paper.written


def test_a_body_behind_the_head_that_was_asked_for_reaches_nobody(passage: Any) -> None:
    for at in range(len(OK) - 2, len(OK)):
        yard = passage.PassageStage()
        yard.ask(GET.replace(b"GET", b"HEAD"))
        back = yard.answer(OK[:at], OK[at:])
        assert back.endswith(b"\r\n\r\n")
        yard.ask(GET)
        assert yard.answer(OK).endswith(b"\r\n\r\nok")


def test_an_answer_before_the_question_reaches_nobody(passage: Any) -> None:
    yard = passage.PassageStage()
    yard.ask(GET)
    yard.answer(OK)
    paper = yard.upstream.paper
    assert yard.answer(INJECTED) == b""
    assert paper.is_closed
    yard.ask(GET)
    assert yard.answer(OK).endswith(b"ok")


# --- fields that would split a response ---


@pytest.mark.parametrize("name", [b"X-A", b"Location", b"Set-Cookie", b"Content-Type"])
@pytest.mark.parametrize(
    "value", [b"a\xc4\x8d\xc4\x8ab", b"a%0d%0aSet-Cookie: b", b"a\xe5\x98\x8a\xe5\x98\x8d", b"\\r\\n", b"a\tb"]
)
def test_what_only_decodes_to_a_line_end_passes_as_it_is(stage: Any, passage: Any, name: bytes, value: bytes) -> None:
    yard = passage.PassageStage()
    yard.ask(GET)
    seen = stage.reference_response(yard.answer(head(name + b": " + value, b"Content-Length: 2") + b"ok"))
    assert [field for field in seen.fields if field[0] == name] == [(name, value)]
    assert seen.rest == b""


# --- paths that want out ---

CLIMBING = [
    "/upstream/m/../../v1/models", "/upstream/m/./x", "/upstream/../api/version", "/upstream/m/x/..", "/upstream/m/..",
    "/ui/../api/version", "/ui/./x", "/ui/..", "/v1/../api/version", "//evil.example/x", "/./x", "/ui//..//x", "/x/../../..",
    "//evil.example/..", "/\\evil.example/..", "/.//evil.example/",
]  # fmt: skip


@pytest.mark.parametrize("path", CLIMBING)
def test_dot_segments_are_taken_out_before_anything_is_served(stage: Any, passage: Any, path: str) -> None:
    yard = passage.PassageStage()
    assert yard.ask(GET.replace(b"/upstream/m/x", path.encode())) == b""
    seen = stage.reference_response(yard.paper.written)
    assert seen.start[1] == b"307"
    location = dict(seen.fields)[b"Location"].decode()
    assert location.startswith("/")
    assert location[1:2] not in ("/", "\\")  # another site, to a browser
    assert not {"..", "."} & set(location.split("/"))


HIDDEN_CLIMBS = [
    "%2e%2e/%2e%2e/etc/passwd", "..%2f..%2fetc/passwd", "%252e%252e%252fx", "..%5c..%5cx", "..\\..\\x", "%c0%ae%c0%ae/x",
    "%00", "x%00.js", "%0d%0aX: y", "%2f%2fevil.example", "....//x", "..;/x", "%u002e%u002e/x", "x/%2e", ".hidden", "...",
]  # fmt: skip


@pytest.mark.parametrize("rest", HIDDEN_CLIMBS)
def test_what_is_encoded_is_the_upstreams_business_and_stays_as_it_is(stage: Any, passage: Any, rest: str) -> None:
    """Nobody decodes it here, so nothing of ours can be climbed out of, and the model's own server stays in its own."""
    yard = passage.PassageStage()
    yard.ask(GET)
    yard.answer(OK)  # some of these paths load no model
    got = stage.reference_request(yard.ask(GET.replace(b"/m/x", b"/m/" + rest.replace(" ", "%20").encode())))
    assert got is not None
    assert got.start[1] == b"/" + rest.replace(" ", "%20").encode()


@pytest.mark.parametrize(
    "path", [f"/upstream/{rest}/x" for rest in ["%2e%2e", "m%00", "..%2fm", "%6d%2f..", "M", "m%20", "%ff", "m%0a"]]
)
def test_a_model_that_is_only_like_one_is_unknown(stage: Any, passage: Any, path: str) -> None:
    yard = passage.PassageStage()
    sent = yard.ask(GET.replace(b"/upstream/m/x", path.encode()))
    if path == "/upstream/%6d%2f../x":  # m, and a path of its own that climbs nowhere here
        assert sent.startswith(b"GET /../x ")
    else:
        assert sent == b""
        assert stage.reference_response(yard.paper.written).start[1] == b"404"


# --- bytes that are no text ---


@pytest.mark.parametrize("path", [b"/upstream/m\xff/x", b"/\xff", b"/v1/\xc3\xa4", b"/upstream/m/\x80"])
def test_a_target_that_is_not_ascii_is_refused(passage: Any, path: bytes) -> None:
    yard = passage.PassageStage()
    yard.ask(GET.replace(b"/upstream/m/x", path))
    assert yard.ends == [400]


@pytest.mark.parametrize("escapes", ["%ff", "%c3%28", "%ed%a0%80", "%00", "%80", "%f4%90%80%80", "%"])
def test_escapes_that_are_no_utf8_are_answered_everywhere(stage: Any, passage: Any, escapes: str) -> None:
    wanted = {
        f"GET /upstream/{escapes}/x": 404,
        f"GET /{escapes}": 200,  # the control plane's
        f"GET /props?model={escapes}": 404,
        f"POST /v1/chat/completions?model={escapes}": 400,
    }
    for start, status in wanted.items():
        yard = passage.PassageStage()
        yard.ask(f"{start} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        assert yard.ends in ([status], [404]), start
        assert stage.reference_response(yard.paper.written) is not None


@pytest.mark.parametrize("value", [b"\xff", b"\xc3\x28", b"caf\xe9", "ä".encode()])
def test_header_bytes_that_are_no_utf8_pass(stage: Any, passage: Any, value: bytes) -> None:
    yard = passage.PassageStage()
    for name in (b"User-Agent", b"X-A", b"Cookie", b"Accept", b"Content-Type"):
        got = stage.reference_request(yard.ask(GET.replace(b"Host: a", b"Host: a\r\n" + name + b": " + value)))
        assert (name, value) in got.fields
        yard.answer(OK)


@pytest.mark.parametrize(
    "value", [b"\xff", b"Bearer \xff", b"Basic \xff", b"Basic /w==", b"Basic", b"Bearer", b"Basic Og=="]
)
@pytest.mark.parametrize("name", [b"Authorization", b"x-api-key"])
def test_credentials_that_are_no_text_are_refused(passage: Any, name: bytes, value: bytes) -> None:
    yard = passage.PassageStage(api_keys=("k",))
    yard.ask(GET.replace(b"Host: a", b"Host: a\r\n" + name + b": " + value))
    assert yard.ends == [401]


@pytest.mark.parametrize("junk", [b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\0", b"\xf4\x90\x80\x80"])
@pytest.mark.parametrize(
    "place", [b'{"model":"m","a":"%s"}', b'{"model":"m%s"}', b'{"%s":1,"model":"m"}', b'%s{"model":"m"}']
)
def test_json_that_is_no_utf8_is_refused(stage: Any, passage: Any, junk: bytes, place: bytes) -> None:
    body = place % junk
    yard = passage.PassageStage()
    sent = yard.ask(b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n%s" % (len(body), body))  # fmt: skip
    assert (sent, yard.ends) == (b"", [400])
    assert json.loads(stage.reference_response(yard.paper.written).body)["error"]["code"] == "bad_request"


# --- garbage behind a request that is valid ---


@pytest.mark.parametrize(
    "junk", [b"\0", b"GET", b"\r\n\r\nX", b"HTTP/1.1 200 OK\r\n\r\n", b"\xff" * 100, b"{}" * 1000, b"0\r\n\r\n"]
)
@pytest.mark.parametrize("slow", [False, True])
def test_garbage_behind_a_request_does_not_reach_the_upstream(stage: Any, passage: Any, junk: bytes, slow: bool) -> None:
    yard = passage.PassageStage()
    sent = yard.ask(GET, junk) if slow else yard.ask(GET + junk)
    got = stage.reference_request(sent)
    assert got is not None
    assert got.rest == b""
    back = yard.answer(OK)
    seen = stage.reference_response(back)
    assert seen.body == b"ok"
    assert seen.rest == b"" or stage.reference_response(seen.rest).start[1] in (b"400", b"505")
    assert yard.served == 0
    assert yard.upstream.paper.written == sent
