"""What a request says about itself: the model it wants, and whether it wants a stream.

`read` looks at the content type and takes the right one of `read_json`, `read_form` and `read_multipart`; a GET has its
query. JSON is read strictly and only as far as needed: msgspec checks the whole text, but makes objects of the two fields
alone (0.4 us for a small body, 3 ms for 11 MB). What is refused, with the place where it breaks:

- text that is no JSON, or JSON that is no object; invalid UTF-8 anywhere (msgspec does not look into skipped values);
- half a surrogate pair (`\\ud800` alone): no character, and engines stumble over it (llama.cpp, tokenizers);
- two `model` keys: llama-swap reads the first and engines the last, so nobody knows which one is meant.

A byte order mark is tolerated, as engines do. The body itself is never changed here. One thread only: the loop's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec

from swapyard.errors import BadRequest
from swapyard.proxy.forms import Field, FormScanner

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
PIECE = 64 * 1024  # bytes looked at together for UTF-8
MOST_PAIRS: Final = 2_000  # of a query or url-encoded form; each one takes up to 5 us in all, for which all others wait
LONGEST_STREAM: Final = 400  # bytes of a `stream` that may mean true
EXCERPT = 24  # bytes shown on each side of the place where a body breaks


class BodyKind(StrEnum):
    JSON = "json"
    FORM = "form"  # url-encoded, or nothing that says a model: then the query does
    MULTIPART = "multipart"


class Asked(msgspec.Struct, frozen=True, gc=False):
    """Made for each request, hence a msgspec struct: a fifth of a frozen dataclass's cost.

    `model` is never empty. `kind` says how the body is read, and so how it is edited: filters are for JSON only.
    """

    model: str
    stream: bool
    kind: BodyKind = BodyKind.JSON


class _Named:
    """Stands for a `model` value; what it was is in `_named`."""


_NAMED: Final = _Named()
_named: list[Any] = []  # every `model` value of the body being read: two of them are one too many


def _note(_type: type, value: Any) -> _Named:
    _named.append(value)
    return _NAMED


class _Head(msgspec.Struct, gc=False):
    model: _Named = _NAMED
    stream: bool | None = False


class _OddHead(msgspec.Struct, gc=False):
    """For a `stream` that is neither: as text, since ten megabytes of lists would be a second's worth of objects."""

    model: _Named = _NAMED
    stream: msgspec.Raw = msgspec.Raw(b"false")


class _RawHead(msgspec.Struct, gc=False):
    model: msgspec.Raw


_decode = msgspec.json.Decoder(_Head, dec_hook=_note).decode
_decode_odd = msgspec.json.Decoder(_OddHead, dec_hook=_note).decode
_decode_raw = msgspec.json.Decoder(_RawHead).decode

_OBJECT_BEGINS = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*\{").match
_BYTE = re.compile(r" \(byte (\d+)\)$")
_HALF_A_PAIR = re.compile(rb'\\u[dD][89abAB][0-9a-fA-F]{2}[^\\"]{0,6}"')


def kind_of(content_type: bytes | None, body: bytes) -> BodyKind:
    """How a body is to be read. JSON is taken for JSON under any content type that a form does not claim, because curl's
    default says url-encoded and fetch's says text/plain."""
    media = content_type.lower() if content_type else b""
    if b"multipart/form-data" in media:
        return BodyKind.MULTIPART
    if b"json" in media or _OBJECT_BEGINS(body):
        return BodyKind.JSON
    return BodyKind.FORM


def read(content_type: bytes | None, body: bytes, raw_query: bytes) -> Asked:
    """What the body of a request other than GET and HEAD asks for. Raises BadRequest."""
    if content_type == b"application/json":  # nearly every request
        return read_json(body)
    match kind_of(content_type, body):
        case BodyKind.JSON:
            return read_json(body)
        case BodyKind.FORM:
            return read_form(content_type, body, raw_query)
        case BodyKind.MULTIPART:
            return read_multipart(content_type or b"", body, raw_query)


def read_json(body: bytes) -> Asked:
    """Raises BadRequest: for text that is no JSON object with the place, for a missing model with param "model"."""
    if not body.isascii():
        _check_utf8(body)
    _named.clear()
    try:
        stream = _decode(body).stream
    except (msgspec.MsgspecError, RecursionError) as error:
        if body.startswith(BYTE_ORDER_MARK) and not body.startswith(BYTE_ORDER_MARK, len(BYTE_ORDER_MARK)):
            return read_json(body[len(BYTE_ORDER_MARK) :])
        if "`$.stream`" not in str(error):
            raise broken(body, error) from None
        stream = _odd_stream(body)
    if len(_named) == 1:
        name = _named[0]
        if type(name) is not str and name is not None:
            name = bytes(_decode_raw(body).model).decode()  # 123 looks for a model named "123", 1.10 for "1.10"
        if name:
            return Asked(name, stream is True)
    elif _named:
        raise BadRequest('the body names "model" more than once', param="model")
    raise BadRequest('the body has no "model", or an empty one: it says which model is to answer', param="model")


def _odd_stream(body: bytes) -> bool:
    """What a `stream` that is neither a boolean nor null means. Notes the model anew. Raises BadRequest."""
    _named.clear()
    try:
        text = bytes(_decode_odd(body).stream)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise broken(body, error) from None
    try:
        return len(text) <= LONGEST_STREAM and _is_true(msgspec.json.decode(text))
    except (msgspec.MsgspecError, RecursionError):
        raise BadRequest('the value of "stream" is out of range', param="stream") from None


def read_form(content_type: bytes | None, body: bytes, raw_query: bytes) -> Asked:
    """A url-encoded form; the query fills in what the form leaves out. Other kinds of bodies say nothing, so that only the
    query counts. Raises BadRequest where neither names a model."""
    form = body if is_urlencoded(content_type) else b""
    named = set(_values(form, b"model"))
    if len(named) > 1:
        raise BadRequest('the form names "model" more than once, and not the same one', param="model")
    model = (named.pop() if named else "") or value_of(raw_query, b"model")
    if not model:
        kind = "a body without a content type" if not content_type else f"a body of type {content_type.decode('latin-1')}"
        expected = "send a JSON object with that field" if body else "the body is empty"
        raise BadRequest(f'no "model" in {kind}: {expected}', param="model")
    stream = value_of(form, b"stream")
    return Asked(model, (value_of(raw_query, b"stream") if stream is None else stream) == "true", BodyKind.FORM)


def is_urlencoded(content_type: bytes | None) -> bool:
    return content_type is not None and b"application/x-www-form-urlencoded" in content_type.lower()


def read_multipart(content_type: bytes, body: bytes, raw_query: bytes) -> Asked:
    """A multipart form that is whole in memory. Raises BadRequest."""
    scanner = FormScanner(content_type)
    scanner.feed(body)
    scanner.finish()
    return read_fields(scanner.fields, raw_query)


def read_fields(fields: list[Field], raw_query: bytes) -> Asked:
    """What a multipart form asks for. A model in the query goes before the form's own (as llama-swap has it); since the
    upstream reads the form, the name is written there too (`rewrite.rename`). Raises BadRequest."""
    models = {field.value for field in fields if field.name == b"model"}
    if len(models) > 1:
        raise BadRequest('the form names "model" more than once, and not the same one', param="model")
    model = value_of(raw_query, b"model") or (models.pop().decode(errors="replace") if models else "")
    if not model:
        raise BadRequest('the form has no field "model", or an empty one: it says which model is to answer', param="model")
    stream = next((field.value for field in fields if field.name == b"stream"), b"")
    return Asked(model, _is_true(value_of(raw_query, b"stream") or stream.decode(errors="replace")), BodyKind.MULTIPART)


def read_query(raw_query: bytes) -> Asked:
    """What a GET asks for: `model` and `stream` of its query (without the "?"), the first of each. Raises BadRequest."""
    model = value_of(raw_query, b"model")
    if not model:
        raise BadRequest(
            'the query has no "model", or an empty one: ?model=NAME says which model is to answer', param="model"
        )
    return Asked(model, value_of(raw_query, b"stream") == "true", BodyKind.FORM)


def broken(body: bytes, error: Exception) -> BadRequest:
    """The answer to a body that msgspec refused: what is wrong, and where (line and column from 1, columns in bytes)."""
    if isinstance(error, RecursionError):
        return BadRequest("the body is nested too deeply")
    if isinstance(error, msgspec.ValidationError):
        if "Expected `object`" in str(error):
            return BadRequest(
                f"the body is JSON, but not an object: it begins with {_excerpt(body.lstrip()[: 2 * EXCERPT])}"
            )
        field = str(error).rpartition("`$.")[2].rstrip("`")
        return BadRequest(f'the value of "{field}" is out of range', param=field)
    cause = str(error).removeprefix("JSON is malformed: ")
    if place := _BYTE.search(cause):
        at, cause = int(place[1]), cause[: place.start()]
        if "surrogate" in cause or "hex escape" in cause:
            cause = "a \\u escape is half of a surrogate pair"
    elif not body or body.isspace():
        return BadRequest('the body is empty; a JSON object with "model" is needed', param="model")
    elif half := _HALF_A_PAIR.search(body, max(0, len(body) - 16)):
        # msgspec looks for the other half first, and reports the end of the text.
        at, cause = half.start(), "a \\u escape is half of a surrogate pair"
    else:
        at, cause = len(body), "it ends too early"
    return BadRequest(f"the body is not valid JSON: {cause} at {_place(body, at)}")


def _check_utf8(body: bytes) -> None:
    """Piece by piece, because a picture of megabytes needs no decoding for the one umlaut beside it."""
    start = 0
    while start < len(body):
        end = start + PIECE
        while end < len(body) and end > start + PIECE - 4 and body[end] & 0xC0 == 0x80:
            end -= 1  # not inside a character
        piece = body[start:end]
        if not piece.isascii():
            try:
                piece.decode()
            except UnicodeDecodeError as error:
                place = _place(body, start + error.start)
                raise BadRequest(f"the body is not valid UTF-8: {error.reason} at {place}") from None
        start = end


def _place(body: bytes, at: int) -> str:
    line = body.count(b"\n", 0, at) + 1
    column = at - (body.rfind(b"\n", 0, at) + 1) + 1
    return f"line {line} column {column} (byte {at}), near {_excerpt(body[max(0, at - EXCERPT) : at + EXCERPT])}"


def _excerpt(text: bytes) -> str:
    # repr: what breaks a body is often what cannot be seen.
    return repr(text.decode(errors="replace"))


def _is_true(value: Any) -> bool:
    """What counts as `stream: true` besides the literal: non-zero numbers, and strings that say so."""
    if isinstance(value, str):
        return value.lower() in {"1", "t", "true"}
    return isinstance(value, int | float) and value != 0


def value_of(encoded: bytes, key: bytes) -> str | None:
    """The first value of a key in a query or a url-encoded form. Broken escapes stay as they are; bytes that are no UTF-8
    become U+FFFD, and so no known name."""
    return next(_values(encoded, key), None)


def _values(encoded: bytes, key: bytes) -> Iterator[str]:
    for name, value in pairs(encoded):
        if name == key:
            yield unquote_to_bytes(value.replace(b"+", b" ")).decode(errors="replace")


def pairs(encoded: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The pairs of a query or form in order: names decoded, values as written. Raises BadRequest for too many."""
    if encoded.count(b"&") >= MOST_PAIRS:
        raise BadRequest(f"a query or url-encoded form of more than {MOST_PAIRS} pairs cannot be read")
    for pair in encoded.split(b"&"):
        name, _, value = pair.partition(b"=")
        yield (unquote_to_bytes(name.replace(b"+", b" ")) if b"%" in name or b"+" in name else name), value
