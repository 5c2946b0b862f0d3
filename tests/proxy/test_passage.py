"""What the upstream receives is byte for byte what the client sent but for the intended edits, and so is what comes back.

The edits are written down once more here, from the documentation and not from the code: `request_by_the_book` and
`response_by_the_book`. Messages come in any pieces, several on a connection, each like the one before it or nearly so,
because that is where something remembered would do harm.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

Field = tuple[bytes, bytes]

HOP_BY_HOP = {b"connection", b"proxy-connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"te",
              b"transfer-encoding", b"upgrade"}  # fmt: skip
KEY = b"sk-gateway"

# --- messages ---


@dataclass(frozen=True)
class Request:
    method: bytes
    target: bytes
    fields: tuple[Field, ...]
    body: bytes | None = None
    trailers: tuple[Field, ...] | None = None  # None: not in chunks
    version: bytes = b"1.1"

    def wire(self, sizes: list[int]) -> bytes:
        start = b"%s /upstream/m%s HTTP/%s" % (self.method, self.target, self.version)
        return written(start, self.fields, self.body, self.trailers, sizes)


@dataclass(frozen=True)
class Response:
    status: int
    reason: bytes
    fields: tuple[Field, ...]
    body: bytes | None = b""  # None: nothing tells its end but the close, and there is none
    trailers: tuple[Field, ...] | None = None

    def wire(self, sizes: list[int]) -> bytes:
        return written(b"HTTP/1.1 %d %s" % (self.status, self.reason), self.fields, self.body, self.trailers, sizes)


def written(
    start: bytes, fields: tuple[Field, ...], body: bytes | None, trailers: tuple[Field, ...] | None, sizes: list[int]
) -> bytes:
    lines = [start, *(name + b": " + value for name, value in fields)]
    if body is None:
        return b"\r\n".join((*lines, b"", b""))
    if trailers is None:
        # In the middle: a head need not end with its framing.
        lines.insert(1 + len(fields) // 2, b"Content-Length: %d" % len(body))
        return b"\r\n".join((*lines, b"", body))
    text = b"\r\n".join((*lines, b"Transfer-Encoding: chunked", b"", b""))
    for piece in cut(body, sizes):
        text += b"%x\r\n%s\r\n" % (len(piece), piece)
    return text + b"0\r\n" + b"".join(name + b": " + value + b"\r\n" for name, value in trailers) + b"\r\n"


def cut(text: bytes, sizes: list[int]) -> list[bytes]:
    pieces: list[bytes] = []
    at = 0
    while at < len(text):
        pieces.append(text[at : at + sizes[len(pieces) % len(sizes)]])
        at += len(pieces[-1])
    return pieces


# --- the intended edits ---


def listed(fields: tuple[Field, ...], name: bytes) -> set[bytes]:
    """The members of a list field, in small letters."""
    return {part.strip().lower() for key, value in fields if key.lower() == name for part in value.split(b",")}


def is_ours(name: bytes, value: bytes) -> bool:
    """A credential that is the gateway's own key."""
    return name.lower() in (b"authorization", b"x-api-key") and value in (KEY, b"Bearer " + KEY)


METERED = (b"/v1/completions", b"/rerank", b"/infill")


def is_metered(request: Request) -> bool:
    """Whether its answer is read for its figures."""
    return request.method == b"POST" and request.target.partition(b"?")[0] in METERED


def readable(value: bytes) -> bytes:
    """What of an Accept-Encoding can be undone here."""
    codings = [item.strip() for item in value.split(b",")]
    left = [item for item in codings if re.match(rb"(x-gzip|gzip|deflate|zstd|identity)[ \t]*(;|$)", item, re.IGNORECASE)]
    return value if left == codings else b", ".join(left)


def with_readable_codings(fields: list[Field]) -> list[Field]:
    asked = [field for field in fields if field[0].lower() == b"accept-encoding"]
    told = [field for field in asked if not field[1] or readable(field[1])]
    first = asked[:1]
    found: list[Field] = []
    for name, value in fields:
        if name.lower() != b"accept-encoding":
            found.append((name, value))
        elif (name, value) in told:
            found.append((name, readable(value)))
        elif first and not told:
            found.append((name, b"identity"))
            first = []
    return found


def request_by_the_book(request: Request) -> tuple[bytes, list[Field]]:
    """Request line and fields, without framing."""
    gone = (
        HOP_BY_HOP | {b"content-length", b"expect", b"x-forwarded-for"} | (listed(request.fields, b"connection") - {b"host"})
    )
    fields = [(name, value) for name, value in request.fields if name.lower() not in gone and not is_ours(name, value)]
    if is_metered(request):
        fields = with_readable_codings(fields)
    if not any(name.lower() == b"host" for name, _ in request.fields):
        fields.append((b"Host", b"127.0.0.1:9000"))
    way = [value for name, value in request.fields if name.lower() == b"x-forwarded-for"]
    fields.append((b"X-Forwarded-For", b", ".join([value for value in [b", ".join(way)] if value] + [b"127.0.0.1"])))
    if b"trailers" in listed(request.fields, b"te"):
        fields += [(b"Connection", b"TE"), (b"TE", b"trailers")]
    return b"%s %s HTTP/1.1" % (request.method, request.target), fields


def response_by_the_book(response: Response, request: Request) -> tuple[bytes, list[Field], bytes, list[Field]]:
    """Status line, fields with framing, body and trailers."""
    gone = HOP_BY_HOP | {b"content-length"} | listed(response.fields, b"connection")
    fields = [(name, value) for name, value in response.fields if name.lower() not in gone]
    fields = [(name, value) for name, value in fields if name.lower() != b"access-control-allow-origin" or value]
    if not any(name.lower() == b"access-control-allow-origin" for name, _ in fields):
        fields.append((b"Access-Control-Allow-Origin", b"*"))
    types = [value.lower() for name, value in response.fields if name.lower() == b"content-type"]
    if types and b"text/event-stream" in types[-1] and not any(name.lower() == b"x-accel-buffering" for name, _ in fields):
        fields.append((b"X-Accel-Buffering", b"no"))
    body, trailers = response.body or b"", list(response.trailers or ())
    bodyless = request.method == b"HEAD" or response.status in (204, 304)
    closes = b"close" in listed(request.fields, b"connection") or request.version == b"1.0"
    if response.status != 204 and response.body is not None and response.trailers is None:
        fields.append((b"Content-Length", b"%d" % len(body)))
    elif response.status == 304 or response.status == 204 or request.method == b"HEAD":
        pass
    elif request.version == b"1.1":
        fields.append((b"Transfer-Encoding", b"chunked"))
    else:
        trailers = []
    if closes:
        fields.append((b"Connection", b"close"))
    if bodyless:
        body, trailers = b"", []
    kept = [(name, value) for name, value in trailers if name.lower() not in HOP_BY_HOP | {b"content-length", b"host"}]
    return b"HTTP/1.1 %d %s" % (response.status, response.reason), fields, body, kept


# --- strategies ---

token = st.text("abXY09!#$%&'*+-.^_`|~", min_size=1, max_size=8).map(str.encode)
visible = st.integers(0x21, 0xFF).filter(lambda byte: byte != 0x7F).map(lambda byte: bytes([byte]))
text = (
    st.lists(visible | st.sampled_from([b" ", b"\t", b",", b";"]), max_size=12).map(b"".join).map(lambda v: v.strip(b" \t"))
)
plain = st.tuples(token.map(lambda name: b"x" + name), text)
for_us = st.sampled_from(
    [
        (b"Connection", b"keep-alive"), (b"connection", b"Keep-Alive, xa"), (b"Connection", b"xA, XB , host, content-type"),
        (b"Connection", b"TE"), (b"TE", b"trailers"), (b"te", b"gzip, Trailers"), (b"TE", b"trailersx"),
        (b"Keep-Alive", b"5"), (b"Proxy-Connection", b"x"), (b"Proxy-Authorization", b"Basic abc"),
        (b"X-Forwarded-For", b"1.2.3.4"), (b"x-forwarded-for", b"::1, fe80::1"), (b"Forwarded", b"for=1.2.3.4"),
        (b"x-api-key", KEY), (b"X-Api-Key", b"other"), (b"Content-Type", b"application/json"), (b"content-type", b""),
        (b"Trailer", b"X-T"), (b"Via", b"1.1 a"), (b"Cookie", b"a=b; c=\xe4"), (b"Content-Encoding", b"gzip"), (b"xa", b"1"),
        (b"XB", b"2"), (b"Transfer-Encodin", b"chunked"), (b"Content-Length2", b"9"), (b"X-Accel-Buffering", b"yes"),
        (b"Content-Type", b"text/event-stream; charset=utf-8"), (b"Access-Control-Allow-Origin", b""),
        (b"access-control-allow-origin", b"http://a"), (b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=2"),
        (b"Accept-Encoding", b"gzip, deflate, br"), (b"accept-encoding", b"br;q=1,*"), (b"Accept-Encoding", b"GZIP;q=0 ,br"),
        (b"Accept-Encoding", b""), (b"Server", b"x"), (b"Date", b"Thu, 01 Jan 1970 00:00:00 GMT"),
    ]
)  # fmt: skip
fields = st.lists(plain | for_us, max_size=7).map(tuple)
segment = st.sampled_from(
    [b"a", b"%2F", b"%2f", b"%2e", b"%00", b"%ff", b"%", b":", b"@", b"~", b"=", b"'", b'"', b"|", b"{", b"\\"]
)
path = st.lists(segment, min_size=1, max_size=4).map(lambda parts: b"/" + b"".join(parts))
target = st.tuples(
    path | st.sampled_from(METERED), st.sampled_from([b"", b"?", b"?a=b&c", b"?a=/../b", b"?%00=%ff?", b"?x=http://h/"])
).map(b"".join)
methods = st.sampled_from([b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"PROPFIND", b"TRACE"])
body = st.none() | st.binary(max_size=40)
trailers = st.none() | st.lists(st.tuples(token.map(lambda name: b"T" + name), text), max_size=2).map(tuple)
sizes = st.lists(st.integers(1, 60) | st.just(100_000), min_size=1, max_size=6)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    host = draw(st.sampled_from([(b"Host", b"h"), (b"host", b"h:80"), (b"Host", b"[::1]:8080"), (b"HOST", b"")]))
    lines = [*draw(fields), (b"Authorization", b"Bearer " + KEY)]
    lines.insert(draw(st.integers(0, len(lines))), host)
    some = draw(body)
    return Request(draw(methods), draw(target), tuple(lines), some, None if some is None else draw(trailers))


@st.composite
def responses(draw: st.DrawFn) -> Response:
    status = draw(st.sampled_from([200, 200, 200, 201, 204, 206, 299, 301, 304, 400, 404, 429, 500, 503, 599]))
    reason = draw(st.sampled_from([b"OK", b"", b"Any Words", b"\xe4\t!"]))
    return Response(status, reason, draw(fields), draw(st.binary(max_size=40)), draw(trailers))


@st.composite
def like(draw: st.DrawFn, message: Any) -> Any:
    """The same, or the same but for one thing."""
    match draw(st.sampled_from(["same", "body", "field", "name", "value", "target", "line"])):
        case "body":
            return replace(message, body=draw(st.binary(max_size=40)))
        case "field":
            at = draw(st.integers(0, len(message.fields)))
            return replace(message, fields=(*message.fields[:at], draw(plain), *message.fields[at:]))
        case "value" | "name" as which if message.fields:
            at = draw(st.integers(0, len(message.fields) - 1))
            name, value = message.fields[at]
            if name.lower() in (b"host", b"authorization", b"connection", b"te"):
                return message
            changed = (name.swapcase(), value) if which == "name" else (name, value[:-1] + b"z")
            return replace(message, fields=(*message.fields[:at], changed, *message.fields[at + 1 :]))
        case "target" if isinstance(message, Request):
            return replace(message, target=b"/z" + message.target[1:])
        case "line" if isinstance(message, Request):
            return replace(message, method=draw(methods))
        case "line":
            return replace(message, status=draw(st.sampled_from([200, 203, 404])))
    return message


@st.composite
def talks(draw: st.DrawFn) -> list[tuple[Request, Response]]:
    pairs = [(draw(requests()), draw(responses()))]
    while len(pairs) < 4 and draw(st.booleans()):
        request, response = pairs[-1]
        pairs.append((draw(like(request)), draw(like(response))))
    return pairs


# --- what holds ---


@settings(max_examples=400)
@given(talk=talks(), sizes=sizes, whole=st.booleans())
def test_everything_passes_as_it_came_but_for_the_intended_edits(
    stage: Any, passage: Any, talk: list[tuple[Request, Response]], sizes: list[int], whole: bool
) -> None:
    yard = passage.PassageStage(api_keys=(KEY.decode(),))
    for request, response in talk:
        text = request.wire(sizes)
        sent = yard.ask(*([text] if whole else cut(text, sizes)))
        got = stage.reference_request(sent)
        assert got is not None, sent
        line, wanted = request_by_the_book(request)
        assert b"%s %s HTTP/%s" % got.start == line
        if request.body is not None:
            length = (b"Content-Length", b"%d" % len(request.body))
            wanted.append((b"Transfer-Encoding", b"chunked") if request.trailers is not None else length)
        assert got.fields == wanted
        assert (got.body, got.trailers, got.rest) == (request.body or b"", list(request.trailers or ()), b"")

        head_only = request.method == b"HEAD"
        if head_only or response.status in (204, 304):  # no body follows, whatever the head says
            text = response.wire(sizes).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        else:
            text = response.wire(sizes)
        back = yard.answer(*([text] if whole else cut(text, sizes)))
        seen = stage.reference_response(back, head_only=head_only)
        assert seen is not None, back
        line, wanted, body, tail = response_by_the_book(response, request)
        assert b"HTTP/%s %s %s" % seen.start == line
        assert (seen.fields, seen.body, seen.trailers, seen.rest) == (wanted, body, tail, b"")
        assert (yard.served, yard.ends[-1]) == (0, response.status)
        assert len(yard.rows) == is_metered(request)
        yard.rows.clear()
        if yard.paper.is_closed or yard.paper.ended:
            assert (b"Connection", b"close") in seen.fields
            yard.connect()


@settings(max_examples=60)
@given(talk=talks(), sizes=sizes)
def test_an_old_client_gets_what_it_can_understand(
    stage: Any, passage: Any, talk: list[tuple[Request, Response]], sizes: list[int]
) -> None:
    yard = passage.PassageStage(api_keys=(KEY.decode(),))
    for request, response in talk:
        without = tuple(field for field in request.fields if field[0].lower() not in (b"host", b"connection"))
        old = replace(request, version=b"1.0", trailers=None, fields=without)
        got = stage.reference_request(yard.ask(*cut(old.wire(sizes), sizes)))
        line, wanted = request_by_the_book(old)
        framing = [] if old.body is None else [(b"Content-Length", b"%d" % len(old.body))]
        assert (b"%s %s HTTP/%s" % got.start, got.fields, got.body) == (line, wanted + framing, old.body or b"")
        text = response.wire(sizes)
        if old.method == b"HEAD" or response.status in (204, 304):
            text = text.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        seen = stage.reference_response(yard.answer(*cut(text, sizes)), head_only=old.method == b"HEAD")
        line, wanted, body, _ = response_by_the_book(response, old)
        assert (b"HTTP/%s %s %s" % seen.start, seen.fields, seen.body) == (line, wanted, body)
        assert yard.paper.is_closed or yard.paper.ended
        yard.connect()
