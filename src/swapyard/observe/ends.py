"""The two ends of a body of any length, in constant memory.

What a response tells of itself stands at its beginning or at its end: a JSON answer's `usage` before or after what it was
asked for, a stream's in its first or its last events. So nothing is searched while a body passes, which would cost more
than passing it on.
"""

from __future__ import annotations


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
        self._size = 0  # of the pieces
        self.begin: bytes | None = None  # the first bytes, once the middle is gone; None: `rest` is everything

    def add(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data)
        if self._size > self._most:
            self._drop_middle()

    def rest(self) -> bytes:
        """All that was added, or the end of it if `begin` is not None."""
        return b"".join(self._pieces)

    def _drop_middle(self) -> None:
        text = b"".join(self._pieces)
        if self.begin is None:
            self.begin = text[: self._head]
            self._most = 2 * self._tail
        end = text[-self._tail :]
        self._pieces = [end]
        self._size = len(end)
