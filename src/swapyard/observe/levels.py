"""Levels and sources of lines of the log, told from their text: ours say so, what a model's server prints has to be guessed.

`Wanted` narrows a log to lines of one model, of one source, from one level on. All that it needs stands in the line, so
that history and live lines are narrowed alike: `<model> ` begins a line of a model's server (`observe.tagging`), and
whatever comes before `[LEVEL] ` in one of ours is its time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from swapyard.observe.lines import Level

Source = Literal["proxy", "upstream"]

_LOOKED_AT = 200  # bytes of a line in which its level is looked for
_OURS = re.compile(rb"[^\[<]{0,60}\[(DEBUG|INFO|WARN|ERROR)\] ")
# As Python's logging, vLLM and most others write it, llama.cpp ("0.00.123.456 W "), glog ("W0101 "), uvicorn ("INFO:").
_WORDS = re.compile(
    rb"\b(?:(DEBUG|TRACE|VERBOSE)|(INFO|NOTICE)|(WARN|WARNING)|(ERROR|FATAL|CRITICAL|PANIC))\b"
    rb"|^\d[\d.]* (?:(D)|(I)|(W)|(E)) |^(?:(D)|(I)|(W)|([EF]))\d{4} "
    rb"|^(?:\w+: )?(?:(debug)|(info)|(warn|warning)|(error|fatal)):"
)
_LEVELS = (Level.DEBUG, Level.INFO, Level.WARN, Level.ERROR)
_COLOUR = re.compile(rb"\x1b\[[0-9;]*m")


def level_of(text: bytes) -> Level:
    """Of a line of a model's server, without its tag. INFO where nothing tells."""
    text = text[:_LOOKED_AT]
    if b"\x1b" in text:
        text = _COLOUR.sub(b"", text)
    found = _WORDS.search(text)
    return _LEVELS[(found.lastindex - 1) % 4] if found and found.lastindex else Level.INFO


@dataclass(frozen=True, slots=True)
class Wanted:
    """`model` and `source` "": of any. `is_tagged`: in this log lines say whose they are; else it is one model's."""

    model: str = ""
    source: Source | Literal[""] = ""
    level: Level = Level.DEBUG
    is_tagged: bool = True

    @property
    def is_everything(self) -> bool:
        return not self.model and not self.source and self.level is Level.DEBUG

    def takes(self, line: bytes) -> bool:
        """Whether this line of the log is wanted. A line that says how many bytes were dropped always is."""
        if line.startswith("— ".encode()):
            return True
        if self.is_tagged and not line:
            return False
        ours = _OURS.match(line) if self.is_tagged else None
        if self.source and (self.source == "proxy") is not (ours is not None):
            return False
        tag = f"<{self.model}> ".encode() if self.model else b""
        if ours is not None:
            return Level[ours[1].decode()] >= self.level and line.startswith(tag, ours.end())
        if tag and not line.startswith(tag):
            return False
        text = line.partition(b"> ")[2] if self.is_tagged and line.startswith(b"<") else line
        return self.level is Level.DEBUG or level_of(text) >= self.level
