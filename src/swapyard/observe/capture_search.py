"""Which captures a text occurs in, in any case: in the request's body, the answer's, or in what a stream's pieces say
together.

Bounded work, the newest first: `MOST_TIME` for a question, `MOST_BODY` of each body. What is found stays known as long as
the same text is asked for, so that a list that is brought up to date looks only through what is new, and a search that was
too long for one question goes on with the next. It blocks (captures are unpacked): called in threads, one search at a time.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from swapyard.observe.captures import Captures, Payload

MOST_TIME: Final = 2.0  # seconds
MOST_BODY: Final = 2 * 1024 * 1024  # bytes
# The strings of which the APIs' streams make up an answer, piece by piece.
_PIECE: Final = re.compile(
    rb'"(?:content|text|delta|thinking|reasoning|reasoning_content|arguments|partial_json)":\s*("[^"\\]*(?:\\.[^"\\]*)*")'
)


@dataclass(frozen=True, slots=True)
class Found:
    """`numbers` of rows. Of `kept` captures, `searched` have been looked through."""

    numbers: frozenset[int]
    searched: int
    kept: int


class CaptureSearch:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._question: tuple[Captures, str] | None = None
        self._known: dict[int, bool] = {}  # by number of a row: whether the text occurs

    def find(self, captures: Captures, text: str) -> Found:
        with self._lock:
            if self._question != (captures, text):
                self._question = (captures, text)
                self._known = {}
            kept = captures.numbers()
            self._known = {number: self._known[number] for number in kept if number in self._known}
            needles = _needles(text)
            until = self._clock() + MOST_TIME
            for number in kept:
                if number in self._known:
                    continue
                if self._clock() >= until:
                    break
                payload = captures.payload(number)
                self._known[number] = payload is not None and _occurs(needles, payload)
            return Found(frozenset(number for number, occurs in self._known.items() if occurs), len(self._known), len(kept))


def _needles(text: str) -> tuple[bytes, ...]:
    """The text as UTF-8 and as JSON writes it within strings, with and without escapes of what is not ASCII."""
    lower = text.lower()
    forms = (lower, json.dumps(lower)[1:-1].lower(), json.dumps(lower, ensure_ascii=False)[1:-1])
    return tuple(dict.fromkeys(form.encode("utf-8", "replace") for form in forms))


def _occurs(needles: tuple[bytes, ...], payload: Payload) -> bool:
    for body in (payload.req_body, payload.resp_body):
        if body and any(needle in text for text in _texts(body[:MOST_BODY]) for needle in needles):
            return True
    return False


def _texts(body: bytes) -> tuple[bytes, ...]:
    """In lower case: the body as it is, and what its pieces say together."""
    pieces = _PIECE.findall(body)
    # bytes.lower knows ASCII only
    whole = body.lower() if body.isascii() else body.decode(errors="replace").lower().encode()
    return (whole, _joined(pieces)) if len(pieces) > 1 else (whole,)


def _joined(pieces: list[bytes]) -> bytes:
    said: list[str] = []
    for piece in pieces:
        try:
            said.append(json.loads(piece))
        except ValueError:
            continue  # no JSON after all
    return "".join(said).lower().encode("utf-8", "replace")
