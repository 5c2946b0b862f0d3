"""What is quoted of a run's output."""

from __future__ import annotations

import pytest

from swapyard.runtime.last_words import LENGTH, LINES, LastWords


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"\n \n\t\n", ""),
        (b"one\r\ntwo\n\n", "one\ntwo"),
        (b"no newline", "no newline"),
        (b"\x1b[1;31mred\x1b[0m \x1b]0;title\x07 \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\ \x1b(B.", "red  link ."),
        (b" 10%\r 50%\r100%\nloaded\r\n", "100%\nloaded"),
        (b"bell\x07 null\x00 tab\there \x9b", "bell null tab\there \ufffd"),
        ("h\u00e9 \U0001f600".encode(), "h\u00e9 \U0001f600"),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_output_becomes_plain_lines(data: bytes, text: str) -> None:
    words = LastWords()
    words.hear(data)
    assert words.text() == text


def test_only_the_last_lines_are_quoted_however_they_arrive() -> None:
    words = LastWords()
    for number in range(5000):
        for byte in f"line {number}\n".encode():
            words.hear(bytes([byte]))
    assert words.text().split("\n") == [f"line {number}" for number in range(5000 - LINES, 5000)]


def test_long_lines_are_cut_to_valid_text() -> None:
    words = LastWords()
    words.hear(b"\xe2\x82\xac" * 100_000)
    text = words.text()
    assert set(text) <= {"\u20ac", "\ufffd"}
    assert LENGTH - 3 <= len(text.encode()) <= LENGTH


def test_that_it_was_asked_whether_it_is_ready_drives_nothing_out() -> None:
    look = b"srv  log_server_r: done request: GET /health 503\n"
    words = LastWords()
    words.hear(look * 30)
    assert words.text().count("GET /health") == LINES
    words.hear(b"out of memory\n" + look * 30)
    assert words.text() == "out of memory"


# llama.cpp's server with a file that is no model, as it wrote it.
NO_MODEL = b"""\
0.00.005.311 I srv    load_model: loading model '/etc/hostname'
0.00.006.225 E gguf_init_from_reader: failed to read magic
0.00.006.239 E llama_model_load: error loading model: llama_model_loader: failed to load model from /etc/hostname
0.00.006.239 E llama_model_load_from_file_impl: failed to load model
0.00.006.242 E cmn  common_init_: failed to load model '/etc/hostname'
0.00.006.243 E srv    load_model: failed to load model, '/etc/hostname'
0.00.006.245 I srv    operator(): operator(): cleaning up before exit...
0.00.006.620 E srv          init: exiting due to model loading error
"""


def test_the_last_line_of_a_llama_server_that_could_not_load_says_why() -> None:
    words = LastWords()
    words.hear(NO_MODEL)
    quoted = words.text().split("\n")
    assert quoted[-1].endswith("error loading model: llama_model_loader: failed to load model from /etc/hostname")
    assert quoted[-2].endswith("gguf_init_from_reader: failed to read magic")


def test_a_farewell_is_better_than_nothing_and_other_servers_words_are_theirs() -> None:
    words = LastWords()
    words.hear(b"main: exiting due to model loading error\n")
    assert words.text() == "main: exiting due to model loading error"
    words.hear(b"Traceback (most recent call last):\nRuntimeError: failed to load model\n")
    assert words.text().endswith("\nRuntimeError: failed to load model")
