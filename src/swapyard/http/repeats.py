"""Heads that repeat: clients and engines that keep a connection send the same head again and again, with another length.

A `Mold` is a head that llhttp has parsed and we have checked, cut at the digits of its Content-Length. A read that holds
exactly one message with that head, byte for byte but for those digits, needs no parser: what it means is known. Everything
else (the first head, a changed byte, chunks, a message in pieces or two at once) goes the ordinary way.

Molds belong to one connection, as HPACK's tables do, so nobody's bytes decide what somebody else's mean.
"""

from __future__ import annotations

import re
from typing import Any, Final

LONGEST = 16 * 1024  # bytes of a head that is worth being remembered
MOST_DIGITS = 15
PATIENCE = 8  # molds made in vain before a connection is believed not to repeat itself

_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,15})(?=\r\n)", re.IGNORECASE)


class Mold:
    __slots__ = ("_after", "_at", "_before")

    def __init__(self, before: bytes, after: bytes) -> None:
        self._before = before
        self._after = after
        self._at = len(before)

    @classmethod
    def of(cls, message: bytes) -> Mold | None:
        """A mold of the head that `message` begins with, or None where it is no single message of known length."""
        end = message.find(b"\r\n\r\n", 0, LONGEST)
        found = _LENGTH.search(message, 0, end + 2) if end > 0 else None
        if found is None or end + 4 + int(found[1]) != len(message):
            return None
        return cls(message[: found.start(1)], message[found.end(1) : end + 4])

    def digits_in(self, data: bytes) -> bytes | None:
        """The Content-Length of `data`, as written, if it is exactly one message with this head. Else None."""
        at = self._at
        if not data.startswith(self._before):
            return None
        end = data.find(b"\r", at, at + MOST_DIGITS + 1)
        digits = data[at:end]
        # Of bytes, isdigit takes ASCII digits only, and it is False of none. Where no "\r" was found (-1), the rest of the
        # head cannot stand at the last byte.
        if digits.isdigit() and data.startswith(self._after, end) and len(data) == end + len(self._after) + int(digits):
            return digits
        return None


class Kept:
    """What was made of one head, for the heads that repeat it: `made` from `source`. `asked`, `who`: what the access log and
    the activity read out of it, each its own. Empty at first."""

    __slots__ = ("asked", "made", "source", "who")

    def __init__(self) -> None:
        self.source: object = None
        self.made = b""
        self.asked: Any = None
        self.who: Any = None
