"""Timestamps of log lines: the layouts that `logTimeFormat` names, all in local time.

Python's strftime, and what it has no portable letter for, in braces: `{day}` is space-padded, `{hour}` is 1 to 12 without
padding, `{zone}` is `Z` or `+hh:mm`, `{fraction}` is filled in for every line.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

_STAMP = "%b {day} %H:%M:%S"
_RFC3339 = "%Y-%m-%dT%H:%M:%S"

LAYOUTS = {
    "ansic": "%a %b {day} %H:%M:%S %Y",
    "unixdate": "%a %b {day} %H:%M:%S %Z %Y",
    "rubydate": "%a %b %d %H:%M:%S %z %Y",
    "rfc822": "%d %b %y %H:%M %Z",
    "rfc822z": "%d %b %y %H:%M %z",
    "rfc850": "%A, %d-%b-%y %H:%M:%S %Z",
    "rfc1123": "%a, %d %b %Y %H:%M:%S %Z",
    "rfc1123z": "%a, %d %b %Y %H:%M:%S %z",
    "rfc3339": _RFC3339 + "{zone}",
    "rfc3339nano": _RFC3339 + "{fraction}{zone}",
    "kitchen": "{hour}:%M%p",
    "stamp": _STAMP,
    "stampmilli": _STAMP + "{fraction}",
    "stampmicro": _STAMP + "{fraction}",
    "stampnano": _STAMP + "{fraction}",
}


def _digits(count: int) -> Callable[[int], str]:
    return lambda nanoseconds: f".{nanoseconds:09d}"[: count + 1]


def _trimmed(nanoseconds: int) -> str:
    return f".{nanoseconds:09d}".rstrip("0").rstrip(".")


_FRACTIONS = {"rfc3339nano": _trimmed, "stampmilli": _digits(3), "stampmicro": _digits(6), "stampnano": _digits(9)}


class TimeFormat:
    """One layout by its name (any case, trimmed). An unknown or empty name means: no timestamp."""

    def __init__(self, name: str) -> None:
        name = name.strip().lower()
        self._layout = LAYOUTS.get(name, "")
        self._fraction = _FRACTIONS.get(name)
        self._second = -1
        self._parts = ("", "")  # of the current second: before and after the fraction

    def stamp(self, nanoseconds: int) -> str:
        """The timestamp and a space for a time in nanoseconds since the epoch; empty without a layout."""
        if not self._layout:
            return ""
        second, rest = divmod(nanoseconds, 1_000_000_000)
        if second != self._second:
            self._parts = self._render(second)
            self._second = second
        before, after = self._parts
        return before + (self._fraction(rest) if self._fraction else "") + after

    def _render(self, second: int) -> tuple[str, str]:
        when = datetime.fromtimestamp(second).astimezone()
        layout = self._layout.replace("{day}", f"{when.day:2d}").replace("{hour}", str(when.hour % 12 or 12))
        layout = layout.replace("{zone}", "Z" if not when.utcoffset() else when.isoformat()[-6:])
        before, _, after = layout.partition("{fraction}")
        return when.strftime(before), after + " "
