"""What a model's server prints, as whole lines that name the model: `<model> text`.

Output comes in pieces of any size. Only whole lines go where several models write, so that no line of one stands in the
middle of another's. What is no line yet is kept back: `rest` makes one of it, for who cannot wait any longer (progress bars,
last words). Bytes pass as they are but for the tag.
"""

from __future__ import annotations

LONGEST_LINE = 16 * 1024  # bytes; what is longer goes in parts


class Tagged:
    """The output of one run."""

    def __init__(self, model: str) -> None:
        self.model = model
        self._tag = f"<{model}> ".encode("utf-8", "backslashreplace")
        self._rest = b""

    @property
    def is_waiting(self) -> bool:
        """Whether something is kept back."""
        return bool(self._rest)

    def feed(self, data: bytes) -> bytes:
        """The lines that are whole now, or nothing."""
        end = data.rfind(b"\n")
        if end < 0:
            self._rest += data
            return self.rest() if len(self._rest) >= LONGEST_LINE else b""
        lines = self._rest + data[:end]
        self._rest = data[end + 1 :]
        told = self._tag + lines.replace(b"\n", b"\n" + self._tag) + b"\n"
        return told + self.rest() if len(self._rest) >= LONGEST_LINE else told

    def rest(self) -> bytes:
        """What is kept back, as a line; or nothing."""
        rest, self._rest = self._rest, b""
        return self._tag + rest + b"\n" if rest else b""
