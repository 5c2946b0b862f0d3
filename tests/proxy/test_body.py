"""What a request's body or query asks for, and where it breaks."""

from __future__ import annotations

import json
import math
import re
import tracemalloc
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from swapyard.errors import BadRequest
from swapyard.proxy.body import MOST_PAIRS, PIECE, Asked, BodyKind, kind_of, read, read_form, read_json, read_query

JSON, FORM, MULTIPART = BodyKind.JSON, BodyKind.FORM, BodyKind.MULTIPART


def refusal(body: bytes) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        read_json(body)
    return caught.value


# --- JSON ---


@pytest.mark.parametrize(
    ("body", "model", "stream"),
    [
        (b'{"model":"a"}', "a", False),
        (b' \r\n\t{ "x" : [1, {"model": "no"}], "model" : "a" , "stream" : true } ', "a", True),
        (b'{"model":"a","stream":false}', "a", False),
        (b'{"model":"a","stream":null}', "a", False),
        (b'{"model":"a","stream":1}', "a", True),
        (b'{"model":"a","stream":0}', "a", False),
        (b'{"model":"a","stream":0.0}', "a", False),
        (b'{"model":"a","stream":-0.5}', "a", True),
        (b'{"model":"a","stream":"true"}', "a", True),
        (b'{"model":"a","stream":"1"}', "a", True),
        (b'{"model":"a","stream":"t"}', "a", True),
        (b'{"model":"a","stream":"yes"}', "a", False),
        (b'{"model":"a","stream":{}}', "a", False),
        (b'{"model":"a","stream":[1]}', "a", False),
        (b'{"model":" a "}', " a ", False),
        (b'{"model":"author\\/model"}', "author/model", False),
        (b'{"mod\\u0065l":"\\u0061"}', "a", False),
        ('{"model":"größe-😀"}'.encode(), "größe-😀", False),
        (b'{"model":"\\ud83d\\ude00"}', "😀", False),
        (b'{"model":123}', "123", False),
        (b'{"model":1.10}', "1.10", False),
        (b'{"model":12345678901234567890123}', "12345678901234567890123", False),
        (b'{"model":false}', "false", False),
        (b'{"model":["a", 1]}', '["a", 1]', False),
        (b'{"model":{}}', "{}", False),
        (b'{"model":"a","x":1e999}', "a", False),
        (b'{"Model":"b","model":"a"}', "a", False),
        (b'{"stream":true,"model":"a","stream":false}', "a", False),  # as engines read it: the last one
        (b'\xef\xbb\xbf{"model":"a"}', "a", False),
        (b'{"model":"a\\u0000b"}', "a\0b", False),
    ],
)
def test_what_a_json_body_asks_for(body: bytes, model: str, stream: bool) -> None:
    assert read_json(body) == Asked(model, stream, JSON)


@pytest.mark.parametrize("body", [b"{}", b'{"model":null}', b'{"model":""}', b'{"x":{"model":"a"}}', b'{"Model":"a"}'])
def test_a_missing_model_is_told_as_such(body: bytes) -> None:
    error = refusal(body)
    assert (error.status, error.param) == (400, "model")
    assert '"model"' in error.message


@pytest.mark.parametrize(
    "body", [b'{"model":"a","model":"b"}', b'{"model":"a","x":1,"mod\\u0065l":"a"}', b'{"model":null,"model":"a"}']
)
def test_two_models_are_refused(body: bytes) -> None:
    error = refusal(body)
    assert error.param == "model"
    assert "more than once" in error.message


@pytest.mark.parametrize(
    ("body", "place", "cause"),
    [
        (b'{"model":"a",}', "line 1 column 14 (byte 13)", "trailing comma"),
        (b'{"model":"a",\n "x":nope}', "line 2 column 7", "invalid character"),
        (b'{"model":"a",\n\n"x":[1,2}', "line 3 column 9", "expected ','"),
        (b'{"model":"a"', "line 1 column 13 (byte 12)", "ends too early"),
        (b'{"model":"a', "line 1 column 12", "ends too early"),
        (b'{"model":"a"} {}', "line 1 column 16", "trailing characters"),
        (b'{"model":"a","x":01}', "line 1 column 19", "invalid number"),
        (b'{"model":"a","x":NaN}', "line 1 column 18", "invalid character"),
        (b'{"model":"a","x":"\n"}', "line 1 column 19", "invalid character"),
        (b'{"model":"a","x":"\\q"}', "line 1 column 20", "invalid escaped character"),
        (b"{'model':'a'}", "line 1 column 2", "object keys must be strings"),
        (b"{model:1}", "line 1 column 2", "object keys must be strings"),
        (b"model=a&x=1", "line 1 column 1", "invalid character"),
        (b'{"model":"a"}\0', "line 1 column 15", "trailing characters"),
        (b'{"model":"a","x":"\xff"}', "line 1 column 19 (byte 18)", "not valid UTF-8"),
        (b'{"model":"a",\n"x":"\xed\xa0\x80"}', "line 2 column 6", "not valid UTF-8"),
        (b'{"model":"\xe4"}', "line 1 column 11", "not valid UTF-8"),
        (b'{"\xff":1,"model":"a"}', "line 1 column 3", "not valid UTF-8"),
        (b'{"model":"a","x":"\\ud800 and so on"}', "line 1", "half of a surrogate pair"),
        (b'{"model":"a","x":"\\udc00"}', "line 1", "half of a surrogate pair"),
        (b'{"model":"a","x":"\\ud800"}', "line 1 column 19", "half of a surrogate pair"),
        (b'{"model":"a","x":"\\ud8', "line 1 column 23", "ends too early"),
        ('{"model":"a"}'.encode("utf-16"), "line 1 column 1", "not valid UTF-8"),
    ],
)
def test_broken_text_is_told_with_its_place(body: bytes, place: str, cause: str) -> None:
    message = refusal(body).message
    assert place in message
    assert cause in message


@pytest.mark.parametrize("character", ["é", "€", "😀"])
@pytest.mark.parametrize("shift", range(5))
def test_utf8_across_the_pieces_in_which_it_is_checked(character: str, shift: int) -> None:
    head = '{"model":"a","x":"'
    whole = head.encode() + b"x" * (PIECE - len(head) - shift) + character.encode() * 4 + b"x" * PIECE + b'"}'
    assert read_json(whole).model == "a"
    at = PIECE - shift
    last = at + len(character.encode()) - 1
    assert f"(byte {at})" in refusal(whole[:last] + b"\xff" + whole[last + 1 :]).message


def test_the_surroundings_of_the_break_are_shown() -> None:
    message = refusal(b'{"model":"a","temperature":0,7,"top_k":1' + b" " * 10_000 + b"}").message
    assert '"temperature":0,7,"top_k":1' in message
    assert len(message) < 250


@pytest.mark.parametrize(
    ("body", "begins"), [(b"[1]", "[1]"), (b'"a"', '"a"'), (b"null", "null"), (b" 12 ", "12"), (b"[" * 100_000, "[[[[")]
)
def test_json_that_is_no_object(body: bytes, begins: str) -> None:
    message = refusal(body).message
    assert "not an object" in message
    assert f"'{begins}" in message


@pytest.mark.parametrize("body", [b"", b" \r\n", b"\xef\xbb\xbf"])
def test_an_empty_body(body: bytes) -> None:
    error = refusal(body)
    assert "empty" in error.message
    assert error.param == "model"


@pytest.mark.parametrize("marks", [2, 100_000])
def test_one_byte_order_mark_is_tolerated_and_no_more(marks: int) -> None:
    assert "not valid JSON" in refusal(marks * b"\xef\xbb\xbf" + b'{"model":"a"}').message


def test_nesting_beyond_all_sense_is_refused() -> None:
    assert "nested too deeply" in refusal(b'{"model":"a","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}").message


def test_a_stream_that_is_megabytes_of_lists_is_not_taken_apart() -> None:
    body = b'{"model":"a","stream":[' + b"[]," * 300_000 + b"0]}"
    tracemalloc.start()
    try:
        assert read_json(body) == Asked("a", False, JSON)
        assert tracemalloc.get_traced_memory()[1] < 3 * len(body)
    finally:
        tracemalloc.stop()


def test_what_is_wrong_behind_an_odd_stream_is_told() -> None:
    assert "line 1 column 25" in str(refusal(b'{"model":"a","stream":1,]}'))
    assert 'names "model" more than once' in str(refusal(b'{"model":"a","stream":1,"model":"b"}'))
    assert refusal(b'{"stream":1,"model":1e999}').param == "model"


@pytest.mark.parametrize("field", ["model", "stream"])
def test_a_number_that_no_one_can_hold(field: str) -> None:
    error = refusal(b'{"model":"a","%s":1e999}' % field.encode() if field == "stream" else b'{"model":1e999}')
    assert error.param == field


def test_a_refused_body_leaves_nothing_behind_for_the_next_one() -> None:
    refusal(b'{"model":"a","x":}')
    assert read_json(b'{"model":"b"}').model == "b"
    refusal(b"{}")


# --- against json.loads ---

SPACE = st.sampled_from(["", " ", "\n", "\t "])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["model", "stream", "true", "", "\\", '"', "\u2028", "😀"]),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)
OBJECTS = st.dictionaries(st.sampled_from(["model", "stream", "x", "modell", "é"]) | st.text(max_size=4), VALUES, max_size=5)


@st.composite
def hostile_bodies(draw: st.DrawFn) -> bytes:
    """JSON texts with a few bytes deleted, replaced, doubled or put in."""
    text = draw(st.sampled_from(["", "\ufeff"]))
    text += json.dumps(draw(OBJECTS), ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))
    body = bytearray(text.encode(errors="surrogatepass"))
    junk = st.sampled_from(
        [b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\\ud800", b"\\u0065", b"0", b"-", b".", b"e", b"\xff"]
    )
    junk |= st.sampled_from(
        [b"\xc3\xa9", b"\x00", b"\n", b" ", b"null", b"NaN", b'"model":"z",', b'"mod\\u0065l":1,', b"/**/"]
    )
    for _ in range(draw(st.integers(0, 3))):
        at, length = draw(st.integers(0, len(body))), draw(st.integers(0, 2))
        body[at : at + length] = draw(junk)
    return bytes(body)


def expected(body: bytes) -> Any:
    """The same judgement by the standard library: the object, or None where the body is to be refused."""
    outermost: list[tuple[str, Any]] = []

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal outermost
        outermost = pairs
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        found = json.loads(body.decode().removeprefix("\ufeff"), object_pairs_hook=note, parse_constant=refuse)
        json.dumps([found, outermost], ensure_ascii=False).encode()  # fails for half a surrogate pair
    except (ValueError, UnicodeError):
        return None
    if not isinstance(found, dict) or [key for key, _ in outermost].count("model") != 1:
        return None
    return (
        None if found["model"] in (None, "") or any(holds_infinity(found.get(key)) for key in ("model", "stream")) else found
    )


def holds_infinity(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(holds_infinity, value))
    if isinstance(value, dict):
        return any(map(holds_infinity, value.values()))
    return isinstance(value, float) and math.isinf(value)


@given(hostile_bodies())
@example(b'{"model":"a","model":"b"}')
@example(b'{"x":"\\ud800","model":"a"}')
def test_read_json_agrees_with_the_standard_library(body: bytes) -> None:
    told = expected(body)
    if told is None:
        assert refusal(body).status == 400
        return
    asked = read_json(body)
    model = told["model"]
    assert (asked.model if isinstance(model, str) else json.loads(asked.model)) == model
    if isinstance(told.get("stream"), bool):
        assert asked.stream is told["stream"]


@given(st.binary(max_size=50))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for content_type in (None, b"application/json", b"text/plain", b"application/x-www-form-urlencoded", b"\xff;="):
        try:
            assert read(content_type, body, body).model
        except BadRequest as error:
            assert re.match(r"[a-z]", error.message)  # noqa: PT017 - either is fine, this is what a refusal looks like


# --- content types ---


@pytest.mark.parametrize(
    ("content_type", "body", "kind"),
    [
        (b"application/json", b"", JSON),
        (b"application/json; charset=utf-8", b"x", JSON),
        (b"Application/JSON", b"x", JSON),
        (b"application/vnd.api+json", b"x", JSON),
        (b"text/plain;charset=UTF-8", b' {"model":"a"}', JSON),
        (b"application/x-www-form-urlencoded", b'{"model":"a"}', JSON),
        (b"application/x-www-form-urlencoded", b'\r\n{"model":"a"}', JSON),
        (b"application/octet-stream", b"\xef\xbb\xbf{", JSON),
        (None, b"{", JSON),
        (b"", b"{", JSON),
        (None, b"model=a", FORM),
        (b"application/x-www-form-urlencoded", b"model=a", FORM),
        (b"text/plain", b"", FORM),
        (b"multipart/form-data; boundary=x", b"{", MULTIPART),
        (b"Multipart/Form-Data; boundary=x", b"--x", MULTIPART),
    ],
)
def test_how_a_body_is_to_be_read(content_type: bytes | None, body: bytes, kind: BodyKind) -> None:
    assert kind_of(content_type, body) is kind


def test_json_is_read_under_any_content_type() -> None:
    for content_type in (None, b"", b"text/plain", b"application/x-www-form-urlencoded", b"application/json;charset=utf-8"):
        assert read(content_type, b'{"model":"a","stream":true}', b"model=q") == Asked("a", True, JSON)


def test_a_multipart_form_names_its_model() -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\na\r\n--x--\r\n'
    assert read(b"multipart/form-data; boundary=x", body, b"") == Asked("a", False, MULTIPART)


# --- forms and queries ---

URLENCODED = b"application/x-www-form-urlencoded; charset=utf-8"


@pytest.mark.parametrize(
    ("content_type", "body", "query", "asked"),
    [
        (URLENCODED, b"x=1&model=a+b%2Fc&stream=true", b"model=q", Asked("a b/c", True, FORM)),
        (URLENCODED, b"x=1", b"model=q&stream=true", Asked("q", True, FORM)),
        (URLENCODED, b"model=&stream=false", b"model=q&stream=true", Asked("q", False, FORM)),
        (URLENCODED, b"model=a&x=1&model=%61", b"", Asked("a", False, FORM)),
        (b"audio/wav", b"model=a", b"model=q", Asked("q", False, FORM)),
        (None, b"", b"model=q", Asked("q", False, FORM)),
    ],
)
def test_forms(content_type: bytes | None, body: bytes, query: bytes, asked: Asked) -> None:
    assert read_form(content_type, body, query) == asked


def test_a_query_or_form_of_very_many_pairs_is_refused_because_all_others_wait_while_it_is_read() -> None:
    most = b"model=a" + (MOST_PAIRS - 1) * b"&"
    assert read(b"application/x-www-form-urlencoded", most, b"").model == "a"
    assert read_query(most).model == "a"
    with pytest.raises(BadRequest, match=f"more than {MOST_PAIRS} pairs"):
        read(b"application/x-www-form-urlencoded", most + b"&", b"")
    with pytest.raises(BadRequest, match=f"more than {MOST_PAIRS} pairs"):
        read_query(most + b"&")


def test_a_form_without_a_model_is_told_what_it_was_taken_for() -> None:
    with pytest.raises(BadRequest, match=r'no "model" in a body of type audio/wav') as caught:
        read(b"audio/wav", b"RIFF", b"")
    assert caught.value.param == "model"
    with pytest.raises(BadRequest, match="the body is empty"):
        read(None, b"", b"")


@pytest.mark.parametrize(
    ("query", "model", "stream"),
    [
        (b"model=a", "a", False),
        (b"x=1&model=a%2Fb+c&stream=true", "a/b c", True),
        (b"model=a&model=b&stream=1", "a", False),
        (b"m%6Fdel=a", "a", False),
        (b"model=a=b", "a=b", False),
        (b"a;b&%zz&model=%zz", "%zz", False),  # broken escapes spoil nothing
        (b"model=%FF", "\ufffd", False),
    ],
)
def test_what_a_query_asks_for(query: bytes, model: str, stream: bool) -> None:
    assert read_query(query) == Asked(model, stream, FORM)


@pytest.mark.parametrize("query", [b"", b"model", b"model=", b"Model=a", b"xmodel=a"])
def test_a_query_without_a_model(query: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        read_query(query)
    assert caught.value.param == "model"
