"""Multipart forms: where the model stands, whatever the pieces in which the form comes, and what is no form."""

from __future__ import annotations

import email
import email.policy

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from swapyard.errors import BadRequest
from swapyard.proxy.body import BodyKind, read
from swapyard.proxy.forms import (
    LONGEST_HEADERS,
    LONGEST_VALUE,
    MOST_PARTS,
    FormScanner,
    boundary_of,
    places_to_rename,
    replaced,
)
from swapyard.proxy.rewrite import rename

TYPE = b"multipart/form-data; boundary=BoRd"


def part(header: bytes, content: bytes = b"") -> bytes:
    return b"--BoRd\r\n" + header + b"\r\n\r\n" + content + b"\r\n"


def named(name: bytes, content: bytes = b"") -> bytes:
    return part(b'Content-Disposition: form-data; name="%b"' % name, content)


FILE = part(b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav', b"\r\n--BoR\r\n\0")
END = b"--BoRd--\r\n"


def scan(*pieces: bytes, content_type: bytes = TYPE) -> list[tuple[bytes, bytes]]:
    scanner = FormScanner(content_type)
    for piece in pieces:
        scanner.feed(piece)
    scanner.finish()
    return [(field.name, field.value) for field in scanner.fields]


# --- what is read ---


@pytest.mark.parametrize(
    "header",
    [
        b'Content-Disposition: form-data; name="model"',
        b"content-disposition:form-data;name=model",
        b'CONTENT-DISPOSITION:  Form-Data ; NAME = "model" ;',
        b'Content-Disposition: form-data; name="mod\\el"',
        b'Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name="model"\r\nX-Empty:',
        b'Content-Disposition: form-data; name="model"\r\nContent-Transfer-Encoding: 8BIT',
    ],
)
def test_spellings_of_a_field(header: bytes) -> None:
    assert scan(FILE, part(header, b"m"), END) == [(b"model", b"m")]


@pytest.mark.parametrize(
    "header",
    [
        b'Content-Disposition: form-data; name="Model"',
        b'Content-Disposition: form-data; name="model[]"',
        b'Content-Disposition: form-data; name="model"; filename="weights.bin"',
        b"Content-Disposition: form-data; name=\"model\"; filename*=utf-8''weights.bin",
        b'Content-Disposition: form-data; name="model"; filename=""',
        b'Content-Disposition: form-data; name="x; name=\\"model\\""',
    ],
)
def test_other_fields_and_files_are_not_the_model(header: bytes) -> None:
    assert scan(part(header, b"m"), END) == []


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        (b"multipart/form-data; boundary=x", b"x"),
        (b'Multipart/Form-Data; charset=utf-8; BOUNDARY="a b;c"; y=1', b"a b;c"),
        (b'multipart/form-data;boundary="a\\"b"', b'a"b'),
        (b"multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW", b"----WebKitFormBoundary7MA4YWxkTrZu0gW"),
        (b"multipart/form-data; boundary=a'()+_,-./:=?b", b"a'()+_,-./:=?b"),
    ],
)
def test_boundaries(content_type: bytes, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary
    body = named(b"model", b"m").replace(b"BoRd", boundary) + END.replace(b"BoRd", boundary)
    assert scan(body, content_type=content_type) == [(b"model", b"m")]


@pytest.mark.parametrize(
    "content_type",
    [
        b"multipart/form-data",
        b"multipart/form-data; boundary=",
        b'multipart/form-data; boundary=""',
        b'multipart/form-data; boundary="x ',
        b"multipart/form-data; boundary=x; boundary=y",
        b'multipart/form-data; boundary="x "',
        b"multipart/form-data; boundary=" + 201 * b"x",
        b"multipart/form-data; boundary=\xc3\xbc",
    ],
)
def test_a_content_type_without_a_usable_boundary_is_refused(content_type: bytes) -> None:
    with pytest.raises(BadRequest, match="boundary"):
        boundary_of(content_type)


def test_blanks_behind_a_boundary_blank_lines_before_the_first_and_what_follows_the_last_mean_nothing() -> None:
    spaced = named(b"model", b"m").replace(b"--BoRd\r\n", b"--BoRd \t \r\n")
    assert scan(b"\r\n\r\n", spaced, END, b"--BoRd\r\n more") == [(b"model", b"m")]
    assert scan(b"--BoRd--") == []


# --- what is refused, and where ---


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "ends before its first part, after 0 bytes"),
        (b"\r", "ends before its first part"),
        (b"--BoRd", "ends before its first part, after 6 bytes: its last boundary, '--BoRd--', is missing"),
        (b"hello", "at byte 0: it does not begin with its boundary, '--BoRd'"),
        (b"preamble\r\n" + END, "at byte 0: it does not begin"),
        (b"--BoRdX\r\n", "at byte 6: a line begins with the boundary and goes on"),
        (b"--BoRd\n", "at byte 6: a line begins with the boundary and goes on"),
        (b"--BoRd-x", "at byte 6: a line begins"),
        (named(b"model", b"m"), "ends in part 1, after 59 bytes"),
        (named(b"a") + named(b"model", b"m") + b"--BoRd-", "ends in part 2"),
        (b"--BoRd\r\n\r\nx\r\n" + END, "at byte 8: part 1 has no Content-Disposition"),
        (part(b"Content-Type: text/plain") + END, "part 1 has no Content-Disposition: form-data"),
        (FILE + part(b"Content-Disposition: attachment; name=model") + END, "part 2 has no Content-Disposition: form-data"),
        (part(b"Content-Disposition: form-data") + END, 'part 1 has no clear name="..."'),
        (part(b'Content-Disposition: form-data; name="model') + END, 'part 1 has no clear name="..."'),
        (part(b"Content-Disposition: form-data; name=a b") + END, 'part 1 has no clear name="..."'),
        (part(b"Content-Disposition: form-data; name=a; name=model") + END, 'part 1 has no clear name="..."'),
        (part(b"Content-Disposition: form-data; name=a; name*=utf-8''model") + END, 'part 1 has no clear name="..."'),
        (part(b"Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b"), "has two Content-Dis"),
        (part(b"garbage"), "part 1 has a header line that is none: 'garbage'"),
        (part(b"Content-Disposition: form-data;\r\n name=model"), "part 1 has a header line that is none: ' name=model'"),
        (part(b"Content Disposition: form-data"), "part 1 has a header line that is none"),
        (part(b"Content-Disposition: form-data; name=x\nX: y"), "part 1 has a header line that is none"),
        (part(b"X: \0"), "part 1 has a header line that is none"),
        (part(b"X: " + LONGEST_HEADERS * b"y"), f"the headers of part 1 are larger than {LONGEST_HEADERS} bytes"),
        (b"--BoRd\r\n" + 2 * LONGEST_HEADERS * b"y", f"the headers of part 1 are larger than {LONGEST_HEADERS} bytes"),
        (named(b"model", (LONGEST_VALUE + 1) * b"m"), f'the value of "model" is longer than {LONGEST_VALUE} bytes'),
        (part(b"Content-Disposition: form-data; name=model\r\nContent-Transfer-Encoding: base64"), "'base64'; send it"),
        (named(b"x", b"--BoRd\r\n") + END, "the content of part 1 begins with the boundary"),
        ((MOST_PARTS + 1) * named(b"x"), f"it has more than {MOST_PARTS} parts"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 1_000_000], ids=["bytes", "whole"])
def test_what_is_no_form_is_refused_with_the_place(body: bytes, says: str, size: int) -> None:
    if size == 1 and len(body) > 50_000:
        size = 1000
    with pytest.raises(BadRequest) as refused:
        scan(*(body[at : at + size] for at in range(0, len(body), size)))
    assert says in refused.value.message
    assert refused.value.status == 400


# --- what it asks for, and the edit ---


@pytest.mark.parametrize(
    ("fields", "query", "model", "stream"),
    [
        ([(b"model", b"a")], b"", "a", False),
        ([(b"model", b"a"), (b"stream", b"true"), (b"model", b"a")], b"", "a", True),
        ([(b"stream", b"false"), (b"stream", b"true"), (b"model", b" a ")], b"", " a ", False),
        ([(b"model", b"a"), (b"stream", b"True")], b"", "a", True),
        ([(b"model", b"\xff")], b"", "\ufffd", False),
        ([(b"model", "ü/b".encode())], b"x=1", "ü/b", False),
        ([(b"model", b"a")], b"model=q&stream=1", "q", True),
        ([(b"model", b"")], b"model=q", "q", False),
        ([(b"x", b"")], b"model=q", "q", False),
    ],
)
def test_what_a_form_asks_for(fields: list[tuple[bytes, bytes]], query: bytes, model: str, stream: bool) -> None:
    asked = read(TYPE, b"".join(named(*field) for field in fields) + END, query)
    assert (asked.model, asked.stream, asked.kind) == (model, stream, BodyKind.MULTIPART)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (FILE + END, 'no field "model"'),
        (END, 'no field "model"'),
        (named(b"model") + END, "or an empty one"),
        (named(b"model", b"a") + named(b"model", b"b") + END, 'names "model" more than once'),
        (named(b"model", b"a") + named(b"model") + END, 'names "model" more than once'),
    ],
)
def test_a_form_without_one_model_is_refused(body: bytes, says: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read(TYPE, body, b"")
    assert says in refused.value.message
    assert refused.value.param == "model"


def renamed(body: bytes, name: str, query: bytes = b"", kind: bytes = TYPE) -> tuple[bytes, bytes]:
    asked = read(kind, body, query)
    return rename(asked.kind, name, content_type=kind, body=body, raw_query=query)


def test_renaming_touches_the_values_of_model_alone() -> None:
    def body(name: bytes) -> bytes:
        return b"\r\n" + FILE + named(b"model", name) + named(b"prompt", b"model=m") + named(b"model", name) + END + b"tail"

    assert renamed(body(b"m"), "other/\u00fc") == (body("other/\u00fc".encode()), b"")
    assert renamed(body(b"m"), "m") == (body(b"m"), b"")
    assert renamed(body(b""), "q", b"a=1&model=q") == (body(b"q"), b"a=1&model=q")
    assert renamed(body(b"m"), "n", b"a=%31&model=q&b") == (body(b"n"), b"a=%31&model=n&b")
    assert renamed(FILE + END, "n", b"model=q") == (FILE + END, b"model=n")


URLENCODED = b"application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("body", "query", "new_body", "new_query"),
    [
        (b"a=%31&model=m&b=+&%zz", b"", b"a=%31&model=n%2F1&b=+&%zz", b""),
        (b"m%6Fdel=m&model=m", b"x", b"model=n%2F1", b"x"),
        (b"model=n/1", b"model=n%2f1&model=n/1", b"model=n/1", b"model=n%2f1&model=n/1"),
        (b"model=m", b"model=q&c", b"model=n%2F1", b"model=n%2F1&c"),
        (b"c=1", b"model=m", b"c=1", b"model=n%2F1"),
        (b"model=&c=1", b"model=m", b"model=n%2F1&c=1", b"model=n%2F1"),
    ],
)
def test_renaming_in_url_encoded_forms_keeps_order_and_spelling(
    body: bytes, query: bytes, new_body: bytes, new_query: bytes
) -> None:
    assert renamed(body, "n/1", query, URLENCODED) == (new_body, new_query)


def test_a_body_that_is_no_form_is_not_touched() -> None:
    assert renamed(b"model=m", "n", b"model=q", b"audio/wav") == (b"model=m", b"model=n")


# --- any form, in any pieces ---

NAMES = st.sampled_from([b"model", b"stream", b"file", b"prompt", b"Model"])
# Contents are full of what looks like a boundary and is none.
LURES = [b"\r", b"\n", b"\r\n", b"-", b"--", b"\r\n--", b"\r\n--BoR", b"--BoRd", b"m", b"\0\xff"]
CONTENTS = (
    st.lists(st.sampled_from(LURES) | st.binary(max_size=9), max_size=8)
    .map(b"".join)
    .filter(lambda content: b"\r\n--BoRd" not in b"\r\n" + content)
)
PARTS = st.lists(st.tuples(NAMES, st.booleans(), CONTENTS), max_size=6)


def build(parts: list[tuple[bytes, bool, bytes]], *, model: bytes | None = None) -> bytes:
    """A form; `model` stands in place of the values that name it."""
    body = []
    for name, is_file, content in parts:
        is_model = name == b"model" and not is_file
        header = b'Content-Disposition: form-data; name="%b"%b' % (name, b'; filename="f"' if is_file else b"")
        body.append(part(header, model if is_model and model is not None else content))
    return b"".join(body) + END


def pieces_of(data: st.DataObject, body: bytes) -> list[bytes]:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=12)))
    return [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]


@given(PARTS, st.data())
def test_any_form_is_read_alike_in_any_pieces_and_edited_nowhere_else(
    parts: list[tuple[bytes, bool, bytes]], data: st.DataObject
) -> None:
    body = build(parts)
    scanner = FormScanner(TYPE)
    for piece in pieces_of(data, body):
        scanner.feed(piece)
    scanner.finish()
    fields = [(name, content) for name, is_file, content in parts if name in (b"model", b"stream") and not is_file]
    assert [(field.name, field.value) for field in scanner.fields] == fields
    assert all(body[field.start : field.end] == field.value for field in scanner.fields)

    value = data.draw(st.sampled_from([b"", b"n", b"a longer name", b"\r\n--BoR"]))
    places = places_to_rename(scanner.fields, value)
    at, sent = 0, b""
    for piece in pieces_of(data, body):
        sent += replaced(piece, at, places, value)
        at += len(piece)
    assert sent == build(parts, model=value)


@given(PARTS)
@example([(b"model", False, b"\r--BoRd")])
def test_the_standard_library_reads_the_same_fields(parts: list[tuple[bytes, bool, bytes]]) -> None:
    """Another parser of the same format; it takes bare CRs and LFs for line ends, so only contents without them."""
    parts = [(name, is_file, content.replace(b"\r", b"").replace(b"\n", b"")) for name, is_file, content in parts]
    if any(content.startswith(b"--BoRd") for _, _, content in parts):
        with pytest.raises(BadRequest, match="begins with the boundary"):
            scan(build(parts))
        return
    message = email.message_from_bytes(b"Content-Type: " + TYPE + b"\r\n\r\n" + build(parts), policy=email.policy.HTTP)
    theirs = [
        (str(piece.get_param("name", header="content-disposition")).encode(), piece.get_payload(decode=True))
        for piece in message.iter_parts()
        if piece.get_filename() is None
    ]
    assert scan(build(parts)) == [field for field in theirs if field[0] in (b"model", b"stream")]
