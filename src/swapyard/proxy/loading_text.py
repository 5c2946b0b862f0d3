"""What a chat client reads while its model is loaded: the words, and how they are typed.

Everything goes out as chat completion chunks whose delta is `reasoning_content`, which chat pages show apart from the
answer. The shape of the chunks and their pace are llama-swap's, the texts are ours. Pure: time and places are arguments.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

import msgspec

PIECE: Final = 5  # characters typed at a time
BYTES_PER_SECOND: Final = 75.0  # of typing
TICK: Final = 0.75  # seconds between two words of progress
REMARKS_APART: Final = (5.0, 9.0)  # seconds, at least and at most
SEPARATOR: Final = "\u2501" * 5

REMARKS: Final = (
    "Bringing the tensors in from the yard.",
    "Counting layers; lost count; counting again.",
    "Warming up the matrix multipliers.",
    "The weights are heavier than they look.",
    "Asking the GPU nicely for some room.",
    "Sweeping the last model's crumbs out of memory.",
    "Sorting parameters by the alphabet was a mistake.",
    "Reading a very long file of very small numbers.",
    "Shunting billions of floats onto the right track.",
    "Checking under the cache for more memory.",
    "Putting the kettle on for the attention heads.",
    "Teaching the tokens to stand in line.",
    "Still cheaper than a second graphics card.",
    "Polishing the embeddings.",
    "The disk says it is going as fast as it can.",
    "Untangling the key-value cache.",
)


def typed(text: str) -> Iterator[str]:
    """The pieces in which a text goes out. The end of a line is a piece of its own."""
    for line in text.splitlines(keepends=True):
        words = line.rstrip("\n")
        for at in range(0, len(words), PIECE):
            yield words[at : at + PIECE]
        if words != line:
            yield "\n"


def seconds_for(piece: str) -> float:
    """How long typing a piece takes."""
    return len(piece.encode()) / BYTES_PER_SECOND


def chunk(piece: str) -> bytes:
    """The event that shows a piece."""
    return b'data: {"choices":[{"delta":{"reasoning_content":' + msgspec.json.encode(piece) + b"}}]}\n\n"


class Narrator:
    """Knows what has been told of one wait. Times in seconds, on any clock."""

    __slots__ = ("_began", "_model", "_place", "_remarks", "_silent_until")

    def __init__(self, model: str, now: float) -> None:
        self._model = model
        self._began = now
        self._silent_until = now
        self._place: int | None = None
        self._remarks: list[str] = []

    def opening(self) -> str:
        return f"{SEPARATOR}\nswapyard is loading {self._model}\n"

    def progress(self, now: float, place: int | None) -> str:
        """What the next tick says. `place`: in the queue, from 1; None where the load is under way."""
        moved, self._place = place != self._place, place
        if moved and place is not None:
            text = f"\nin the queue: #{place} "
        elif now >= self._silent_until:
            text = f"\n{self._next_remark()} "
        else:
            return "."
        self._silent_until = now + random.uniform(*REMARKS_APART)  # noqa: S311 - nobody gains by guessing it
        return text

    def closing(self, now: float, *, well: bool) -> str:
        return f"\n{'done' if well else 'failed'} after {now - self._began:.2f} s\n{SEPARATOR}\n \n"

    def _next_remark(self) -> str:
        if not self._remarks:
            self._remarks = random.sample(REMARKS, len(REMARKS))
        return self._remarks.pop()
