"""Requests that two servers could read in two ways, or that hide a second one. Each comes as the first request of its
connection and behind harmless ones that are as like it as can be, whole and cut everywhere; none may ever be understood."""

from __future__ import annotations

from typing import Any

import pytest

HIDDEN = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


def post(*lines: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join((b"POST /a HTTP/1.1", b"Host: a", *lines, b"", body))


PLAIN = post(b"Content-Length: 5", body=b"hello")
CHUNKED = post(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n")
LENGTH_0 = post(b"Content-Length: 0")


def with_length(value: bytes) -> bytes:
    return post(b"Content-Length:" + value, body=b"hello")


def with_coding(line: bytes, *lines: bytes) -> bytes:
    return post(line, *lines, body=b"5\r\nhello\r\n0\r\n\r\n")


def with_chunk(size: bytes, data: bytes = b"hello\r\n", last: bytes = b"0\r\n\r\n") -> bytes:
    return post(b"Transfer-Encoding: chunked", body=size + data + last)


# What it is, what is harmless and like it, the message, and the status of the refusal.
ATTEMPTS: list[tuple[str, bytes, bytes, int]] = [
    ("CL.TE", PLAIN, with_coding(b"Content-Length: 5", b"Transfer-Encoding: chunked"), 400),
    ("TE.CL", CHUNKED, with_coding(b"Transfer-Encoding: chunked", b"Content-Length: 5"), 400),
    ("CL.TE with a length of 0", LENGTH_0, with_coding(b"Content-Length: 0", b"Transfer-Encoding: chunked"), 400),
    ("TE.TE: identity", CHUNKED, with_coding(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"), 400),
    ("TE.TE: identity first", CHUNKED, with_coding(b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked"), 501),
    ("TE.TE: x", CHUNKED, with_coding(b"Transfer-Encoding: chunked", b"Transfer-encoding: x"), 400),
    ("TE.TE: a list", CHUNKED, with_coding(b"Transfer-Encoding: chunked, identity"), 400),
    ("TE.TE: twice in a list", CHUNKED, with_coding(b"Transfer-Encoding: chunked, chunked"), 400),
    ("TE: a space before the colon", CHUNKED, with_coding(b"Transfer-Encoding : chunked"), 400),
    ("TE: a tab before the colon", CHUNKED, with_coding(b"Transfer-Encoding\t: chunked"), 400),
    ("TE: folded", CHUNKED, with_coding(b"Transfer-Encoding:", b" chunked"), 400),
    ("TE: folded with a tab", CHUNKED, with_coding(b"Transfer-Encoding:", b"\tchunked"), 400),
    ("TE: a bare CR", CHUNKED, with_coding(b"Transfer-Encoding:\rchunked"), 400),
    ("TE: a vertical tab", CHUNKED, with_coding(b"Transfer-Encoding: \x0bchunked"), 400),
    ("TE: a form feed", CHUNKED, with_coding(b"Transfer-Encoding: chunked\x0c"), 400),
    ("TE: NUL", CHUNKED, with_coding(b"Transfer-Encoding: chunked\0"), 400),
    ("TE: quoted", CHUNKED, with_coding(b'Transfer-Encoding: "chunked"'), 400),
    ("TE: with a parameter", CHUNKED, with_coding(b"Transfer-Encoding: chunked;a=b"), 400),
    ("TE: a comma", CHUNKED, with_coding(b"Transfer-Encoding: chunked,"), 400),
    ("TE: empty", CHUNKED, with_coding(b"Transfer-Encoding:"), 400),
    ("TE: without an end", CHUNKED, with_coding(b"Transfer-Encoding: chunke"), 400),
    ("TE: another letter", CHUNKED, with_coding(b"Transfer-Encoding: \xe7hunked"), 400),
    ("TE: Kelvin's k", CHUNKED, with_coding("Transfer-Encoding: chun\N{KELVIN SIGN}ed".encode()), 400),
    ("TE: the line behind another's bare LF", CHUNKED, with_coding(b"X: y\nTransfer-Encoding: chunked"), 400),
    ("CL: the line behind another's bare LF", PLAIN, post(b"X: y\nContent-Length: 5", body=b"hello"), 400),
    ("CL: the line behind another's bare CR", PLAIN, post(b"X: y\rContent-Length: 5", body=b"hello"), 400),
    *((f"CL: {value!r}", PLAIN, with_length(value), 400) for value in (
        b" +5", b" -5", b" 0x5", b" 5 5", b" 5,5", b" 5, 5", b" 5;", b" 5.0", b" 5e0", b" ", b"", b" five", b"\t5\0",
        b" 5\r", b" 5_0", b" \xd9\xa5", b" 184467440737095516160", b" 18446744073709551621", b" --5", b" '5'", b' "5"',
        b"5a", b" 0b101",
    )),
    ("two lengths, in two spellings", PLAIN, post(b"Content-Length: 5", b"content-length: 0", body=b"hello"), 400),
    ("two lengths that agree", PLAIN, post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"), 400),
    ("two lengths, 0 and 05", PLAIN, post(b"Content-Length: 05", b"Content-Length: 5", body=b"hello"), 400),
    *((f"chunk size {size!r}", CHUNKED, with_chunk(size), 400) for size in (
        b"+5\r\n", b"-5\r\n", b"0x5\r\n", b" 5\r\n", b"5 \r\n", b"5\t\r\n", b"5\n", b"5\r", b"\r\n5\r\n",
        b"5\0\r\n", b"5g\r\n", b";a\r\n", b"5 ;a\r\n", b"5;a\n", b"5;a\r;\r\n", b"5;a=\"\n\"\r\n", b"5\r\r\n", b"\r\n",
        b"10000000000000005\r\n", b"5;\0\r\n", b"5_\r\n",
    )),
    *((f"behind a chunk: {data!r}", CHUNKED, with_chunk(b"5\r\n", data), 400) for data in (
        b"hello\n", b"hello", b"hello\r", b"hello \r\n", b"hello\r\r\n", b"hellohello\r\n",
    )),
    *((f"last chunk {last!r}", CHUNKED, with_chunk(b"5\r\n", last=last), 400) for last in (
        b"0\n\r\n", b"0 \r\n\r\n", b"-0\r\n\r\n", b"0\r\nX: y\nZ: a\r\n\r\n", b"0\r\nContent-Length: 3\r\n\r\n",
        b"0\r\nTransfer-Encoding: chunked\r\n\r\n", b"0\r\n X: y\r\n\r\n",
        b"0\r\nX : y\r\n\r\n", b"0\r\nX\r\n\r\n", b"0\r\nX: \0\r\n\r\n",
    )),
    ("HTTP/1.0 with chunks", CHUNKED, CHUNKED.replace(b"1.1", b"1.0"), 400),
    ("a head that ends with bare LF", PLAIN, b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\n\nhello", 400),
    ("LF CR for CR LF", PLAIN, PLAIN.replace(b"a\r\n", b"a\n\r"), 400),
    ("a second request line", PLAIN, b"POST /a HTTP/1.1\r\n" + PLAIN, 400),
    ("a request in the target", PLAIN, b"POST /a HTTP/1.1\r\nHost: a\r\nX: GET /smuggled HTTP/1.1\rHost: a\r\n\r\n", 400),
    ("CR in the target", PLAIN, PLAIN.replace(b"/a", b"/a\r"), 400),
    ("LF in the target", PLAIN, PLAIN.replace(b"/a", b"/a\nX:"), 505),  # read as HTTP/0.9
    ("NUL in the target", PLAIN, PLAIN.replace(b"/a", b"/a\0"), 400),
    ("a tab behind the method", PLAIN, PLAIN.replace(b"POST ", b"POST\t"), 400),
    ("a tab behind the target", PLAIN, PLAIN.replace(b"/a ", b"/a\t"), 400),
    ("a space in the target", PLAIN, PLAIN.replace(b"/a ", b"/a b "), 400),
    ("authority form", PLAIN, PLAIN.replace(b"/a ", b"a:80 "), 400),
    ("CONNECT", PLAIN, b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("CONNECT with a body", PLAIN, PLAIN.replace(b"POST /a", b"CONNECT a:80"), 400),
    ("HTTP/0.9", PLAIN, b"GET /a\r\n\r\n", 505),
    ("HTTP/0.9 in words", PLAIN, PLAIN.replace(b"1.1", b"0.9"), 505),
    ("HTTP/1.2", PLAIN, PLAIN.replace(b"1.1", b"1.2"), 505),
    ("HTTP/2.0", PLAIN, PLAIN.replace(b"1.1", b"2.0"), 505),
    ("HTTP/1.10", PLAIN, PLAIN.replace(b"1.1", b"1.10"), 400),
    ("HTTP/11", PLAIN, PLAIN.replace(b"1.1", b"11"), 400),
    ("small http", PLAIN, PLAIN.replace(b"HTTP", b"http"), 400),
    ("HTTP/2's preface", PLAIN, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("TLS", PLAIN, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(32)), 400),
    ("a byte order mark", PLAIN, b"\xef\xbb\xbf" + PLAIN, 400),
    ("another method", PLAIN, PLAIN.replace(b"POST", b"P0ST"), 400),
    ("no Host", PLAIN, PLAIN.replace(b"Host", b"Hest"), 400),
    ("two Hosts", PLAIN, post(b"Content-Length: 5", b"host: b", body=b"hello"), 400),
    ("a list of Hosts", PLAIN, PLAIN.replace(b"Host: a", b"Host: a,b"), 400),
    ("two Hosts in one", PLAIN, PLAIN.replace(b"Host: a", b"Host: a b"), 400),
    ("an expectation", PLAIN, post(b"Expect: 200-ok", b"Content-Length: 5", body=b"hello"), 417),
]  # fmt: skip


@pytest.mark.parametrize(("harmless", "message", "status"), [row[1:] for row in ATTEMPTS], ids=[row[0] for row in ATTEMPTS])
def test_it_is_refused_and_nothing_behind_it_is_understood(stage: Any, harmless: bytes, message: bytes, status: int) -> None:
    text = message + HIDDEN
    for ahead in range(3):
        for at in (0, *range(1, len(text), 1 if ahead == 0 else 3)):
            seen = stage.ClientStage().feed(harmless * ahead).feed(text[:at], text[at:])
            assert seen.ends == [200] * ahead + [status], (ahead, at)
            assert seen.is_over
            assert not any(b"smuggled" in asked.target for asked in seen.requests)
            assert [asked.trailers for asked in seen.requests if asked.trailers is not None] == [[]] * ahead
            assert seen.paper.written.endswith(b"Connection: close\r\n\r\n" + seen.paper.written.rpartition(b"\r\n\r\n")[2])
            after = seen.paper.written
            assert seen.feed(HIDDEN).paper.written == after


TAKEN: list[tuple[str, bytes, bytes, bytes]] = [
    ("a length with zeros in front", PLAIN, post(b"Content-Length: 0005", body=b"hello"), b"hello"),
    ("a length between blanks", PLAIN, post(b"Content-Length: \t5 \t", body=b"hello"), b"hello"),
    ("chunked in other letters", CHUNKED, with_coding(b"transfer-encoding: ChunKed"), b"hello"),
    ("a size with zeros in front", CHUNKED, with_chunk(b"000005\r\n"), b"hello"),
    ("extensions", CHUNKED, with_chunk(b'5;a;b=c;d="e;f"\r\n'), b"hello"),
    ("a last chunk of many zeros", CHUNKED, with_chunk(b"5\r\n", last=b"000;x\r\n\r\n"), b"hello"),
    ("something like the fields", PLAIN, post(b"X-Transfer-Encoding: chunked", b"Content-Length-: 9", body=b""), b""),
    ("TRACE", PLAIN, b"TRACE /a HTTP/1.1\r\nHost: a\r\n\r\n", b""),
    ("the asterisk", PLAIN, b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", b""),
    # A liberty of llhttp, which does not tell. No server in front of us would have passed it on.
    ("RTSP", PLAIN, PLAIN.replace(b"HTTP/1.1", b"RTSP/1.1"), b"hello"),
    ("an empty Host", PLAIN, PLAIN.replace(b"Host: a", b"Host:"), b"hello"),
    ("a body that looks like a request", PLAIN, post(b"Content-Length: %d" % len(HIDDEN), body=HIDDEN), HIDDEN),
    ("the same in a chunk", CHUNKED, with_chunk(b"%x\r\n" % len(HIDDEN), HIDDEN + b"\r\n"), HIDDEN),
]  # fmt: skip


@pytest.mark.parametrize(("harmless", "message", "body"), [row[1:] for row in TAKEN], ids=[row[0] for row in TAKEN])
def test_what_only_looks_odd_is_taken_for_what_it_is(stage: Any, harmless: bytes, message: bytes, body: bytes) -> None:
    for ahead in range(3):
        for at in range(len(message)):
            seen = stage.ClientStage().feed(harmless * ahead).feed(message[:at], message[at:]).feed(harmless)
            assert [asked.body for asked in seen.requests[ahead:]] == [body, b"hello"]
            assert (seen.ends, seen.is_over) == ([200] * (ahead + 2), False)
