"""The end of a run's output, kept for the error message: the first thing users need when a server does not come up."""

from __future__ import annotations

import re

KEPT = 8192  # bytes; colours and progress bars take room and are dropped
LINES = 10
LENGTH = 2048  # bytes of UTF-8

# ECMA-48: control sequences (colours, cursor), operating system commands (titles, links), shorter escapes.
ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]")
# Servers log that they are asked whether they are ready, ten times a second, which would drive out what they died of.
LOOKS = re.compile(r"\bGET /")
# How llama-server takes its leave when a load failed: that it did, and not why, which stands above. Where there is room for
# one line only, the last is shown.
FAREWELLS = re.compile(
    r"\b(?:llama|common|cmn|srv)\w*\b.*: failed to load model(?:,? '.*')?$|: exiting due to model loading error$"
    r"|: cleaning up before exit\.\.\.$"
)
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class LastWords:
    def __init__(self) -> None:
        self._kept = b""

    def hear(self, data: bytes) -> None:
        self._kept = data[-KEPT:] if len(data) >= KEPT else (self._kept + data)[-KEPT:]

    def text(self) -> str:
        """The last lines that say something: at most LINES and LENGTH, plain text, no newline at the end. Looks at the
        server and farewells are among them only where it wrote of nothing else."""
        plain = ESCAPES.sub("", self._kept.decode(errors="replace"))
        # A carriage return overwrites its line, as progress bars do: what was written last is what a terminal shows.
        shown = (line.rstrip("\r").rpartition("\r")[2] for line in plain.split("\n"))
        lines = [line for line in (CONTROLS.sub("", line).rstrip() for line in shown) if line.strip()]
        for untelling in (LOOKS, FAREWELLS):
            lines = [line for line in lines if not untelling.search(line)] or lines
        return "\n".join(lines[-LINES:]).encode()[-LENGTH:].decode(errors="ignore")
