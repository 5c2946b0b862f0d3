"""The two ends of a body of any length, in constant memory.

What a response tells of itself stands at its beginning or at its end: a JSON answer's `usage` before or after what it was
asked for, a stream's in its first or its last events. So nothing is searched while a body passes, which would cost more
than passing it on.
"""

from __future__ import annotations

from typing import Final

_PIECE: Final = 40  # bytes that an object and its place in a list take


class Ends:
    """Keeps the first `head` and at least the last `tail` bytes; everything, while that is at most `head + 2 * tail`.

    Pieces are kept as they come, without copying, until something has to go.
    """

    __slots__ = ("_head", "_most", "_pieces", "_size", "_tail", "begin")

    def __init__(self, head: int, tail: int) -> None:
        self._head = head
        self._tail = tail
        self._most = head + 2 * tail
        self._pieces: list[bytes] = []
        self._size = 0  # of the pieces, with what Python takes for each
        self.begin: bytes | None = None  # the first bytes, once the middle is gone; None: `rest` is everything

    def add(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data) + _PIECE
        if self._size > self._most:
            self._shrink()

    def rest(self) -> bytes:
        """All that was added, or the end of it if `begin` is not None."""
        return b"".join(self._pieces)

    def _shrink(self) -> None:
        """Makes one piece of many small ones; drops the middle where that is not enough."""
        text = b"".join(self._pieces)
        if len(text) > self._most:
            if self.begin is None:
                self.begin = text[: self._head]
                self._most = 2 * self._tail
            text = text[-self._tail :]
        self._pieces = [text]
        self._size = len(text)
