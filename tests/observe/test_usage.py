"""Token figures: every API family and engine, however its bytes were cut, encoded or broken off."""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Iterable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from swapyard.observe.figures import Usage
from swapyard.observe.usage import is_document, tap_response, whole_answer

STREAMS = Path(__file__).parent / "streams"
SSE = "text/event-stream; charset=utf-8"
JSON = "application/json; charset=utf-8"
TIMINGS = {
    "cache_n": 236,
    "prompt_n": 1,
    "prompt_ms": 30.958,
    "prompt_per_second": 32.3,
    "predicted_n": 35,
    "predicted_ms": 661.064,
    "predicted_per_second": 52.9,
}
LLAMACPP = {"prompt_per_second": 32.301828283480845, "tokens_per_second": 52.94494935437416, "prompt_tokens": 237}

# Written after documentation; what real servers answered: test_recordings.
# file, path, what it tells: input, output, cached, and other fields
WRITTEN = [
    ("openai_chat.sse", "/v1/chat/completions", (2006, 300, 1920), {"prompt_tokens": 2006, "tokens_per_second": -1.0}),
    ("openai_responses.sse", "/v1/responses", (37, 11, 12), {}),
    ("openai_transcription.sse", "/v1/audio/transcriptions", (14, 31, -1), {}),
    ("openai_image.sse", "/v1/images/generations", (50, 50, -1), {}),
    ("anthropic_messages.sse", "/v1/messages", (472, 89, 1000), {"prompt_tokens": 1502}),
    ("llamacpp_chat_timings.sse", "/v1/chat/completions", (1, 35, 236), LLAMACPP | {"draft_tokens": -1}),
    (
        "llamacpp_chat_usage.sse",
        "/v1/chat/completions",
        (1, 35, 236),
        LLAMACPP | {"draft_tokens": 40, "draft_accepted_tokens": 28, "engine_ms": 692},
    ),
    ("llamacpp_completion.sse", "/completion", (1, 35, 236), LLAMACPP),
    (
        "vllm_chat.sse",
        "/v1/chat/completions",
        (120, 30, 20),
        {"prompt_per_second": 2000.0, "tokens_per_second": 100.0, "draft_tokens": 18, "draft_accepted_tokens": 12},
    ),
]


def read(path: str, pieces: Iterable[bytes], *, kind: str = SSE, status: int = 200, encoding: str = "") -> Usage:
    tap = tap_response(path, status, kind, encoding)
    for piece in pieces:
        tap.feed(piece)
    return tap.end()


def answer(path: str, body: object, **more: object) -> Usage:
    return read(path, [json.dumps(body).encode()], kind=JSON, **more)  # type: ignore[arg-type]


def counts(usage: Usage) -> tuple[int, int, int]:
    return usage.input_tokens, usage.output_tokens, usage.cache_tokens


def in_steps(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize(("file", "path", "expected", "more"), WRITTEN, ids=[row[0] for row in WRITTEN])
def test_a_stream_gives_its_figures_whatever_pieces_it_comes_in(
    file: str, path: str, expected: tuple[int, int, int], more: dict[str, float]
) -> None:
    data = (STREAMS / file).read_bytes()
    for pieces in ([data], data.splitlines(keepends=True), in_steps(data, 1), in_steps(data, 7), in_steps(data, 4096)):
        usage = read(path, pieces)
        assert counts(usage) == expected
        assert {field: getattr(usage, field) for field in more} == more
        assert usage.error == ""


@pytest.mark.parametrize("file", [row[0] for row in WRITTEN])
@pytest.mark.parametrize("line_end", [b"\r\n", b"\r"])
def test_any_line_end_will_do(file: str, line_end: bytes) -> None:
    data = (STREAMS / file).read_bytes()
    assert read("/x", [data.replace(b"\n", line_end)]) == read("/x", [data])


@given(st.data())
def test_where_a_stream_is_split_does_not_matter(data: st.DataObject) -> None:
    file, path, expected, _ = data.draw(st.sampled_from(WRITTEN))
    text = (STREAMS / file).read_bytes() * data.draw(st.integers(1, 3))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True) if a < b]
    assert counts(read(path, pieces)) == expected


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("gzip", lambda data: gzip.compress(data[:999]) + gzip.compress(data[999:]) + b"\0" * 8),
        ("deflate", zlib.compress),
        ("deflate", lambda data: zlib.compress(data)[2:-4]),
        ("zstd", zstandard.compress),
    ],
    ids=["gzip", "two gzip members", "deflate", "raw deflate", "zstd"],
)
@pytest.mark.parametrize("size", [1, 100, 1_000_000])
def test_encoded_streams_are_read_as_they_pass(encoding: str, encode: object, size: int) -> None:
    data = (STREAMS / "vllm_chat.sse").read_bytes()
    encoded = encode(data)  # type: ignore[operator]
    assert counts(read("/v1/chat/completions", in_steps(encoded, size), encoding=encoding)) == (120, 30, 20)


def test_an_encoding_that_cannot_be_read_is_said_and_harms_nothing() -> None:
    assert "br" in read("/x", [b"\x8b\x01"], encoding="br").error
    assert "cannot be decoded" in read("/x", [b"no gzip at all", b"and more"], encoding="gzip").error


def test_a_json_answer_that_cannot_be_decoded_says_so() -> None:
    tap = tap_response("/v1/chat/completions", 200, JSON, "gzip")
    tap.feed(b"no gzip at all")
    assert "cannot be decoded" in tap.end().error


def test_of_a_long_answer_that_failed_no_figures_are_read() -> None:
    tap = tap_response("/v1/chat/completions", 500, JSON, "")
    tap.feed(b'{"error": "' + b"x" * 100_000)
    tap.feed(b'", "usage": {"prompt_tokens": 7, "completion_tokens": 9}}')
    assert tap.end() == Usage()


def test_an_encoded_stream_that_breaks_off_tells_what_came() -> None:
    encoder = zlib.compressobj(wbits=31)
    begin = (STREAMS / "anthropic_messages.sse").read_bytes().partition(b"event: ping")[0]
    part = encoder.compress(begin) + encoder.flush(zlib.Z_SYNC_FLUSH)
    assert counts(read("/v1/messages", [part], encoding="gzip")) == (472, 2, 1000)


@pytest.mark.parametrize("bomb", [gzip.compress(b"\0" * 200_000_000), zstandard.compress(b"\0" * 200_000_000)])
def test_a_bomb_is_given_up(bomb: bytes) -> None:
    encoding = "gzip" if bomb[:2] == b"\x1f\x8b" else "zstd"
    assert "unpacks to more than" in read("/x", [bomb], encoding=encoding).error


def test_a_stream_that_the_client_left_keeps_the_figures_told_so_far() -> None:
    data = b'data: {"choices":[],"timings":{"prompt_n":5,"predicted_n":%d,"cache_n":0}}\n\n'
    assert counts(read("/v1/chat/completions", [data % n for n in range(1000)])) == (5, 999, 0)


def test_figures_survive_a_stream_of_any_length() -> None:
    start, *_ = (STREAMS / "anthropic_messages.sse").read_bytes().partition(b"event: ping")
    middle = b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"x"}}\n\n'
    end = b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":70000}}\n\n'
    usage = read("/v1/messages", [start, *[middle] * 70_000, end])
    assert counts(usage) == (472, 70_000, 1000)


@pytest.mark.parametrize("size", [1, 100, 10_000])
@pytest.mark.parametrize(("kind", "most"), [(SSE, 21_000), (JSON, 84_000)])
def test_a_tap_holds_little_of_a_long_body(kind: str, most: int, size: int) -> None:
    tap = tap_response("/v1/chat/completions", 200, kind)
    for n in range(100_000):
        tap.feed(b"x" * size)
        if n % 1000 == 999:
            ends = tap._ends  # type: ignore[attr-defined]
            assert ends.held() < most
    assert ends.begin is not None


@pytest.mark.parametrize("kind", [SSE, JSON])
def test_a_tap_keeps_no_piece_alive(kind: str) -> None:
    """Small objects of many streams would lie among what lives on, and hold the memory around them."""
    tap = tap_response("/v1/chat/completions", 200, kind)
    pieces = [b"data: %d\n\n" % n for n in range(100)]
    holders = [sys.getrefcount(piece) for piece in pieces]
    for piece in pieces:
        tap.feed(piece)
    del piece
    assert [sys.getrefcount(piece) for piece in pieces] == holders


def test_an_event_of_several_data_lines_is_one() -> None:
    lines = json.dumps({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}, indent=1).splitlines()
    data = "".join(f"data: {line}\n" for line in lines).encode() + b"\n"
    for size in (1, 10, 1000):
        assert counts(read("/v1/chat/completions", in_steps(data, size))) == (3, 4, -1)


def test_events_without_blank_lines_count_and_bare_lines_do_not() -> None:
    data = b'data:{"usage":{"prompt_tokens":3}}\ndata: nonsense\ndata:{"usage":{"completion_tokens":4}}'
    assert counts(read("/v1/completions", [data])) == (3, 4, -1)
    assert counts(read("/v1/completions", [b'{"usage":{"prompt_tokens":3}}\n'])) == (0, 0, 0)


def test_what_the_model_says_is_no_figure() -> None:
    said = json.dumps({"choices": [{"delta": {"content": '"usage":{"prompt_tokens":99} "timings":{"predicted_n":9}'}}]})
    assert counts(read("/v1/chat/completions", [f"data: {said}\n\n".encode()])) == (0, 0, 0)
    long = {"choices": [{"message": {"content": '"usage":{"prompt_tokens":99}' * 9000}}], "usage": {"prompt_tokens": 7}}
    assert counts(answer("/v1/chat/completions", long)) == (7, 0, -1)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"error": {"code": 500, "message": "out of slots", "type": "server_error"}}, "out of slots"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "Overloaded"),
        ({"type": "error", "code": "ERR", "message": "Something went wrong", "param": None}, "Something went wrong"),
        ({"type": "response.failed", "response": {"error": {"code": "x", "message": "failed"}}}, "failed"),
        ({"error": {"code": 1}}, "the stream tells an error without saying which"),
    ],
)
def test_an_error_inside_a_stream_is_told(error: object, expected: str) -> None:
    opening = b'data: {"choices":[],"usage":{"prompt_tokens":3}}\n\n'
    usage = read("/v1/chat/completions", [opening, f"event: error\ndata: {json.dumps(error)}\n\n".encode()])
    assert usage.error == expected
    assert usage.input_tokens == 3


# --- one JSON answer ---


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"usage": {"prompt_tokens": 9, "completion_tokens": 12}}, (9, 12, -1)),
        ({"usage": {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}}}, (9, 0, 4)),
        ({"usage": {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": None}}}, (9, 0, 0)),
        ({"usage": {"input_tokens": 9, "output_tokens": 1, "input_tokens_details": {"cached_tokens": 2}}}, (9, 1, 2)),
        ({"usage": {"input_tokens": 9, "output_tokens": 1, "cache_read_input_tokens": 5}}, (9, 1, 5)),
        ({"usage": {"prompt_tokens": "12", "completion_tokens": 7.9}}, (12, 7, -1)),
        ({"usage": {"prompt_tokens": 10**30, "completion_tokens": "many"}}, (2**53, 0, -1)),
        ({"usage": {"total_tokens": 56}, "results": []}, (56, 0, -1)),
        ({"usage": {}}, (0, 0, -1)),
        ({"usage": None}, (0, 0, -1)),
        ({"response": {"usage": {"input_tokens": 3, "output_tokens": 2}}}, (3, 2, -1)),
        ({"response": "a text", "message": "another", "usage": {"prompt_tokens": 1}}, (1, 0, -1)),
        ({"usage": {"prompt_tokens": 500}, "timings": TIMINGS}, (1, 35, 236)),
        ({"usage": {"prompt_tokens_details": {"cached_tokens": 4}}, "timings": {"prompt_n": 2}}, (2, 0, 4)),
        ({"timings": {}}, (0, 0, -1)),
        ({"timings": None}, (0, 0, -1)),
        ({"choices": []}, (0, 0, 0)),
        ([], (0, 0, 0)),
        (5, (0, 0, 0)),
    ],
)
def test_the_counts_of_an_answer(body: object, expected: tuple[int, int, int]) -> None:
    assert counts(answer("/v1/chat/completions", body)) == expected


def test_what_is_not_told_is_minus_one_and_what_says_nothing_is_zero() -> None:
    told = answer("/v1/completions", {"usage": {"prompt_tokens": 1}})
    assert (told.draft_tokens, told.draft_accepted_tokens, told.prompt_per_second, told.tokens_per_second) == (-1,) * 4
    silent = answer("/v1/completions", {})
    assert silent == Usage()
    assert read("/v1/completions", []) == Usage()
    assert read("/v1/completions", [b'{"usage":{"prompt_tokens":1'], kind=JSON) == Usage()
    half = answer("/v1/completions", {"timings": {"draft_n": 3}})
    assert (half.draft_tokens, half.prompt_per_second, half.tokens_per_second) == (-1, 0.0, 0.0)


def test_vllm_has_the_last_word_but_not_with_half_an_object() -> None:
    usage = answer(
        "/v1/chat/completions",
        {
            "timings": {"prompt_n": 100, "draft_n": 3, "draft_n_accepted": 2, "predicted_per_second": 5},
            "metrics": {"time_to_first_token_ms": 100, "mean_itl_ms": 0, "speculative_decoding": {"num_draft_tokens": 9}},
        },
    )
    assert (usage.draft_tokens, usage.prompt_per_second, usage.tokens_per_second) == (3, 1000.0, 5.0)


def test_infill_counts_its_last_element_and_several_prompts_are_summed() -> None:
    several = [{"timings": TIMINGS}, {"timings": TIMINGS}]
    assert counts(answer("/infill", several)) == (1, 35, 236)
    assert counts(answer("/infill", {"timings": TIMINGS})) == (1, 35, 236)
    summed = answer("/completion", several)
    assert counts(summed) == (2, 70, 472)
    assert summed.tokens_per_second == pytest.approx(70_000 / (2 * 661.064))


@pytest.mark.parametrize("first", [True, False], ids=["usage first", "usage last"])
@pytest.mark.parametrize("size", [1000, 65536, 10_000_000])
def test_the_usage_of_a_huge_answer_is_found_at_either_end(first: bool, size: int) -> None:
    usage = {"usage": {"prompt_tokens": 8, "total_tokens": 8}}
    data = {"object": "list", "data": [{"embedding": [0.25] * 768, "index": n} for n in range(100)]}
    body = json.dumps(usage | data if first else data | usage).encode()
    assert counts(read("/v1/embeddings", in_steps(body, size), kind=JSON)) == (8, 0, -1)


def test_binary_answers_are_not_looked_into() -> None:
    usage = read("/v1/audio/speech", [b'{"usage":{"prompt_tokens":1}}'], kind="audio/mpeg")
    assert usage == Usage()


ANYTHING = [
    b'{"usage":' + b"[" * 20_000,
    b'{"a":' * 9_000,
    b"[" * 30_000,
    b'\xff\xfe{"usage":1}',
    b'{"error":"\xff","usage":{"prompt_tokens":1}',
    b'{"usage":' + b"[" * 3000 + b"]" * 3000 + b"}",
    b'data: {"error":' + b"[" * 30_000 + b"\n\n",
]


@given(
    body=st.one_of(st.binary(), st.sampled_from(ANYTHING), st.builds(bytes.__mul__, st.sampled_from(ANYTHING), st.just(20))),
    kind=st.sampled_from([SSE, JSON, "", "audio/wav"]),
    status=st.sampled_from([200, 204, 500]),
    encoding=st.sampled_from(["", "gzip", "deflate", "zstd", "br", "gzip, gzip"]),
    path=st.sampled_from(["/infill", "/v1/messages", "/completion"]),
)
def test_a_tap_takes_anything(body: bytes, kind: str, status: int, encoding: str, path: str) -> None:
    usage = read(path, in_steps(body, 4096), kind=kind, status=status, encoding=encoding)
    assert all(isinstance(count, int) and count >= -1 for count in counts(usage))
    usage.error.encode()  # what is told can be written down


# --- errors and times ---


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": {"message": "no such thing", "code": 404}}, "no such thing"),
        ({"error": "plain"}, "plain"),
        ({"error": {"message": " "}, "message": "the outer one"}, "the outer one"),
        ({"detail": "from FastAPI"}, "from FastAPI"),
        ({"detail": [{"msg": "a list"}]}, ""),
        (["nothing"], ""),
        ({"error": "é" * 251}, "é" * 250 + "..."),
        ({"error": "a" + "é" * 250}, "a" + "é" * 249 + "..."),
    ],
)
def test_a_failed_answer_tells_why_and_no_tokens(body: object, expected: str) -> None:
    usage = answer("/v1/chat/completions", body, status=500)
    assert usage == Usage(error=expected)


def test_a_failed_answer_is_no_place_for_tokens() -> None:
    assert answer("/v1/completions", {"usage": {"prompt_tokens": 5}}, status=404) == Usage()
    assert answer("/v1/completions", {"usage": {"prompt_tokens": 5}}, status=201).input_tokens == 5


@pytest.mark.parametrize(
    ("file", "path", "event"),
    [
        ("anthropic_messages.sse", "/v1/messages", b"content_block_delta"),
        ("openai_responses.sse", "/v1/responses", b"output_text.delta"),
        ("llamacpp_chat_timings.sse", "/v1/chat/completions", b"data:"),
    ],
)
def test_the_first_token_is_the_first_event_with_a_part_of_the_answer(file: str, path: str, event: bytes) -> None:
    pieces = [piece + b"\n\n" for piece in (STREAMS / file).read_bytes().split(b"\n\n")]
    now = iter(range(1, 1000))
    tap = tap_response(path, 200, SSE, clock=lambda: float(next(now)))
    for piece in pieces:
        assert tap.first_token_at == 0.0
        tap.feed(piece)
        if event in piece:
            break
    assert tap.first_token_at == 1.0
    tap.feed(pieces[-1])
    assert tap.first_token_at == 1.0


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (
            "application/json",
            b'{"usage":{},"metrics":{"time_to_first_token_ms":5e-324,"mean_itl_ms":5e-324}}',
        ),
        ("application/json", b'{"timings":{"prompt_ms":1.7e308,"predicted_ms":1.7e308}}'),
        ("application/json", b'[{"timings":{"prompt_n":9,"prompt_ms":5e-324}},{"timings":{"predicted_ms":"1e300"}}]'),
        ("text/event-stream", b'data: {"type":"error","message":1e999}\n\n'),
        ("text/event-stream", b'data: {"type":"error","message":"\xff"}\n\n'),
    ],
)
def test_figures_beyond_all_measure_are_no_fault(kind: str, body: bytes) -> None:
    tap = tap_response("/v1/chat/completions", 200, kind)
    tap.feed(body)
    usage = tap.end()
    assert 0 <= usage.engine_ms < 2**62
    assert all(-1 <= rate < 2**62 for rate in (usage.prompt_per_second, usage.tokens_per_second))


@pytest.mark.parametrize(
    ("path", "event"), [("/v1/messages", b"event: content_block_delta\n"), ("/v1/chat/completions", b"data: {}\n\n")]
)
def test_the_first_token_is_seen_wherever_its_event_is_cut(path: str, event: bytes) -> None:
    for cut in range(1, len(event)):
        tap = tap_response(path, 200, SSE, clock=lambda: 1.0)
        tap.feed(b": a comment\n\n")
        tap.feed(event[:cut])
        tap.feed(event[cut:])
        assert tap.first_token_at == 1.0, event[:cut]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/completion", "/infill"])
@pytest.mark.parametrize(
    "body",
    [
        b'{"usage":{"prompt_tokens":5,"completion_tokens":2}}',
        b'{"usage":{"input_tokens":5,"output_tokens":2,"cache_read_input_tokens":3}}',
        b'{"timings":{"prompt_n":5,"predicted_n":2,"prompt_ms":10,"predicted_ms":20,"cache_n":1}}',
        b'[{"timings":{"prompt_n":5,"predicted_n":2}},{"timings":{"prompt_n":7,"predicted_n":3}}]',
        b'{"error":{"message":"no"},"usage":{"prompt_tokens":5}}',
        b'{"usage":{"prompt_tokens":"5"}}',
        b"[]",
        b"\xff\x00",
        b"",
    ],
)
def test_an_answer_read_at_once_tells_what_it_tells_in_pieces(path: str, body: bytes) -> None:
    assert is_document(200, "application/json", "")
    for cut in range(len(body) + 1):
        tap = tap_response(path, 200, "application/json")
        tap.feed(body[:cut])
        tap.feed(body[cut:])
        assert tap.end() == whole_answer(path, body)


def test_of_an_infill_only_the_last_answer_counts() -> None:
    body = b'[{"timings":{"prompt_n":5,"predicted_n":2}},{"timings":{"prompt_n":7,"predicted_n":3}}]'
    assert [whole_answer(path, body).output_tokens for path in ("/infill", "/completion")] == [3, 5]
