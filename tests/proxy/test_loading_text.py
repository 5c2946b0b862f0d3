"""The words of the loading-state stream and their pace."""

from __future__ import annotations

import json

import pytest

from swapyard.proxy.loading_text import REMARKS, SEPARATOR, Narrator, chunk, seconds_for, typed


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("abcdefg", ["abcde", "fg"]),
        ("ab\ncdefgh\n", ["ab", "\n", "cdefg", "h", "\n"]),
        ("\n \n", ["\n", " ", "\n"]),
        ("ünïcödé", ["ünïcö", "dé"]),
    ],
)
def test_texts_are_typed_in_pieces_of_five_and_line_ends_stand_alone(text: str, pieces: list[str]) -> None:
    assert list(typed(text)) == pieces


def test_typing_takes_its_time_by_bytes() -> None:
    assert seconds_for("abcde") == pytest.approx(5 / 75)
    assert seconds_for(SEPARATOR) == pytest.approx(15 / 75)


def test_a_piece_is_a_chunk_with_nothing_but_reasoning_content() -> None:
    event = chunk('a"\n')
    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    assert event.count(b"\n") == 2
    assert json.loads(event[6:]) == {"choices": [{"delta": {"reasoning_content": 'a"\n'}}]}


def test_the_opening_names_the_model_between_lines() -> None:
    first, second, rest = Narrator("author/m", 0).opening().split("\n")
    assert (first, rest) == ("\u2501" * 5, "")
    assert "author/m" in second


@pytest.mark.parametrize(("well", "word"), [(True, "done"), (False, "failed")])
def test_the_end_tells_the_seconds(well: bool, word: str) -> None:
    assert Narrator("m", 10.0).closing(12.345, well=well) == f"\n{word} after 2.35 s\n{SEPARATOR}\n \n"


def test_each_tick_tells_a_new_place_or_a_remark_that_is_due_or_a_dot() -> None:
    narrator = Narrator("m", 0.0)
    assert "#3" in narrator.progress(0.75, 3)
    assert narrator.progress(1.5, 3) == "."
    assert "#2" in narrator.progress(2.25, 2)
    assert narrator.progress(7.0, 2) == "."  # not five seconds since the last words
    assert narrator.progress(11.5, None).strip() in REMARKS  # more than nine
    assert narrator.progress(12.0, None) == "."
    assert "#2" in narrator.progress(12.5, 2)  # in the queue again


def test_the_first_tick_of_a_load_is_a_remark() -> None:
    text = Narrator("m", 0.0).progress(0.75, None)
    assert text[0] == "\n"
    assert text[-1] == " "


def test_every_remark_is_heard_before_one_comes_again() -> None:
    narrator = Narrator("m", 0.0)
    heard = [narrator.progress(10.0 * tick, None) for tick in range(1, 2 * len(REMARKS) + 1)]
    assert len(set(heard[: len(REMARKS)])) == len(REMARKS)
    assert set(heard[: len(REMARKS)]) == set(heard[len(REMARKS) :])
