"""The two ends of a body of any length, in constant memory.

What a response tells of itself stands at its beginning or at its end: a JSON answer's `usage` before or after what it was
asked for, a stream's in its first or its last events. So nothing is searched while a body passes, which would cost more
than passing it on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_SLACK: Final = 2048  # bytes that gather before they are dropped at once


class Ends:
    """Keeps the first `head` and at least the last `tail` bytes; everything, while that is at most `head + tail`.

    They are copied into one buffer. Kept as they come, the pieces of a thousand streams would be a hundred thousand small
    objects among what lives on, and Python could not give their memory back when the streams are over.
    """

    __slots__ = ("_head", "_most", "_tail", "_tells", "_text", "begin")

    def __init__(self, head: int, tail: int, tells: Callable[[bytes], bool] | None = None) -> None:
        """`tells`: whether first bytes are worth keeping when the middle goes; None: they always are."""
        self._head = head
        self._tells = tells
        self._tail = tail
        self._most = head + tail + _SLACK
        self._text = bytearray()
        self.begin: bytes | None = None  # the first bytes that tell, once the middle is gone; None: `rest` is everything

    def add(self, data: bytes) -> None:
        text = self._text
        text += data
        if len(text) > self._most:
            self._shrink()

    def rest(self) -> bytes:
        """All that was added, or the end of it if `begin` is not None."""
        return bytes(self._text)

    def held(self) -> int:
        """Bytes that it takes."""
        return len(self.begin or b"") + self._text.__alloc__()

    def _shrink(self) -> None:
        if self.begin is None:
            begin = bytes(self._text[: self._head])
            self.begin = begin if self._tells is None or self._tells(begin) else b""
            self._most = self._tail + _SLACK
        del self._text[: -self._tail]
