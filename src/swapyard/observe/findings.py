"""Finding `usage`, `timings`, `metrics` and errors in JSON text.

A whole text is parsed, with all that is not asked for skipped. Of a text that is not whole (`observe.ends`) only the few
keys are looked for, and the values behind them read: `Findings.skim`. A key cannot stand unescaped inside a
JSON string, so what looks like one is one, though perhaps not of the outermost object; such a `usage` counts only if it has
a count in it.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from swapyard.observe.figures import (
    NO_USAGE,
    Counts,
    ToldTimings,
    ToldUsage,
    Usage,
    error_text,
    figures,
    summed,
    timings_of,
    usage_of,
)

_VALUE: Final = 4096  # bytes that a value behind one of the keys may have in a text that is not whole
_KEY: Final = re.compile(rb'"(usage|timings|metrics)"\s*:\s*')
_JSON: Final = json.JSONDecoder()
# Not JSON, not UTF-8, or nested too deeply: an engine may send anything, and its answer must pass all the same.
UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)

# One of these is in every event of a stream that can tell something; searching is far cheaper than parsing.
_TELLING: Final = (b'_tokens"', b'"timings"', b'"metrics"', b'"error"')


def may_tell(text: bytes) -> bool:
    """Whether `Findings` could find anything in the events of this text."""
    return any(key in text for key in _TELLING)


class _Keys(msgspec.Struct, gc=False):
    """The outermost keys that matter. `response` (OpenAI's Responses), `message` (Anthropic) and `x_groq` may hold a `usage`
    in a stream; other engines keep texts under these names, so they are looked into only when they are objects."""

    metrics: Any = UNSET
    error: Any = None
    type: Any = None
    response: msgspec.Raw = msgspec.Raw(b"")
    message: msgspec.Raw = msgspec.Raw(b"")
    x_groq: msgspec.Raw = msgspec.Raw(b"")


class _Answer(_Keys, gc=False):
    usage: ToldUsage | UnsetType | None = UNSET
    timings: ToldTimings | UnsetType = UNSET


class _Loose(_Keys, gc=False):
    """An answer of an engine that does not keep to the types."""

    usage: Any = UNSET
    timings: Any = UNSET

    def strict(self) -> _Answer:
        usage = self.usage if self.usage is UNSET else usage_of(self.usage)
        timings = self.timings if self.timings is UNSET else timings_of(self.timings)
        return _Answer(self.metrics, self.error, self.type, self.response, self.message, self.x_groq, usage, timings)


_answer: Final = msgspec.json.Decoder(_Answer)
_loose: Final = msgspec.json.Decoder(_Loose)
_loose_answers: Final = msgspec.json.Decoder(list[_Loose])
_anything: Final = msgspec.json.Decoder()


def _read(text: bytes | msgspec.Raw) -> _Answer:
    """A JSON object. Raises one of `UNREADABLE`."""
    try:
        return _answer.decode(text)
    except msgspec.ValidationError:
        return _loose.decode(text).strict()


def plainly_told(text: bytes) -> Usage | None:
    """Of a whole JSON answer that has its `usage` where nearly all have it, in a third of the time. None: look again, with
    `Findings.document`."""
    try:
        answer = _answer.decode(text)
    except UNREADABLE:
        return None
    if type(answer.usage) is not ToldUsage:
        return None
    counts = Counts()
    counts.add(answer.usage)
    return figures(counts, answer.timings, answer.metrics)


def _is_object(raw: msgspec.Raw) -> bool:
    return bytes(memoryview(raw)[:1]) == b"{"


class Findings:
    """What one response has told so far. `usage()` is the sum of it; asking is cheap and changes nothing."""

    __slots__ = ("_counts", "_known", "_metrics", "_timings", "error")

    def __init__(self, error: str = "") -> None:
        self._counts = Counts()
        self._known = False
        self._timings: ToldTimings | UnsetType = UNSET
        self._metrics: Any = UNSET
        self.error = error

    def usage(self) -> Usage:
        if not self._known:
            return Usage(error=self.error)
        found = figures(self._counts, self._timings, self._metrics)
        found.error = self.error
        return found

    def event(self, text: bytes) -> bool:
        """The data of one event of a stream. False: it is no JSON object."""
        try:
            answer = _read(text)
            nested = (answer.response, answer.message, answer.x_groq)
            places = [answer, *(_read(raw) for raw in nested if _is_object(raw))]
            errors = [place.error for place in places if place.error]
            if answer.type == "error" and not errors:  # OpenAI's Responses tell it without an object of its own
                errors = [_anything.decode(answer.message or b"null")]
        except UNREADABLE:
            return False
        for place in places:
            if place.usage and place.usage != NO_USAGE:
                self._add(place.usage)
                break
        self._keep(answer.timings, answer.metrics)
        if errors:
            self.error = error_text({"error": errors[0]}) or "the stream tells an error without saying which"
        return True

    def document(self, text: bytes, *, last_only: bool) -> None:
        """A whole JSON answer. Of an array the last element counts (`/infill`, llama-swap #463),
        or with `last_only` off the sum of all. What is no JSON tells nothing."""
        try:
            if text.lstrip()[:1] == b"[":
                self._array([one.strict() for one in _loose_answers.decode(text)], last_only)
            else:
                self._whole(_read(text))
        except UNREADABLE:
            return

    def failure(self, text: bytes) -> None:
        """The whole answer to a request that failed."""
        try:
            self.error = error_text(_anything.decode(text))
        except UNREADABLE:
            return

    def skim(self, text: bytes) -> None:
        """A part of a JSON text."""
        for name in (b'"usage"', b'"timings"', b'"metrics"'):
            at = text.find(name)
            while at >= 0:
                if key := _KEY.match(text, at):
                    self._skimmed(key[1], text[key.end() : key.end() + _VALUE])
                at = text.find(name, at + 1)

    def _skimmed(self, key: bytes, value: bytes) -> None:
        try:
            found, _ = _JSON.raw_decode(value.decode("utf-8", "replace"))
        except UNREADABLE:  # cut off
            return
        if not isinstance(found, dict):
            return
        if key == b"timings":
            self._keep(timings_of(found), UNSET)
        elif key == b"metrics":
            self._keep(UNSET, found)
        elif (usage := usage_of(found)) != NO_USAGE:
            self._add(usage)

    def _whole(self, answer: _Answer) -> None:
        usage = answer.usage
        if usage is UNSET and _is_object(answer.response):
            usage = _read(answer.response).usage
        if usage is not UNSET:
            self._add(usage or NO_USAGE)
        self._keep(answer.timings, answer.metrics)

    def _array(self, answers: list[_Answer], last_only: bool) -> None:
        if not answers:
            return
        self._whole(answers[-1])
        timings = [answer.timings for answer in answers if answer.timings is not UNSET]
        if len(timings) > 1 and not last_only:
            self._timings = summed(timings)

    def _add(self, usage: ToldUsage) -> None:
        self._known = True
        self._counts.add(usage)

    def _keep(self, timings: ToldTimings | UnsetType, metrics: object) -> None:
        if timings is not UNSET:
            self._known = True
            self._timings = timings
        if metrics is not UNSET:
            self._known = True
            self._metrics = metrics
