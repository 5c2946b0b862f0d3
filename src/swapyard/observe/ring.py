"""The newest bytes of a stream, in constant memory."""

from __future__ import annotations


class ByteRing:
    """Keeps the last `capacity` bytes written, not aligned to lines. Nothing is allocated before the first write."""

    __slots__ = ("_buffer", "_end", "_full", "capacity")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._buffer: bytearray | None = None
        self._end = 0  # where the next byte goes
        self._full = False

    def write(self, data: bytes) -> None:
        if len(data) > self.capacity:
            data = data[-self.capacity :]
        if self._buffer is None:
            self._buffer = bytearray(self.capacity)
        first = min(len(data), self.capacity - self._end)
        self._buffer[self._end : self._end + first] = data[:first]
        rest = len(data) - first
        if rest:
            self._buffer[:rest] = data[first:]
        self._full = self._full or self._end + len(data) >= self.capacity
        self._end = (self._end + len(data)) % self.capacity

    def snapshot(self) -> bytes:
        """All that is kept, oldest byte first."""
        if self._buffer is None:
            return b""
        if not self._full:
            return bytes(self._buffer[: self._end])
        return bytes(self._buffer[self._end :] + self._buffer[: self._end])
