"""Token figures of a response, picked out as it passes.

    tap = tap_response(path, status, content_type, content_encoding)     once the head of the response is known
    tap.feed(data)                                                        every piece of its body, as it came
    usage = tap.end()                                                     once, at its end or wherever it broke off
    usage = whole_answer(path, body)                                      instead, where it `is_document`, in one piece

For every API family: OpenAI (chat, completions, responses, embeddings, audio, images), Anthropic's messages, llama.cpp's own
routes, rerankers, vLLM. A tap never raises and holds little (13 KiB of a stream, 50 KiB of a JSON answer): the two ends of
the body, which are read when it is over. Until then a piece costs about 0.1 us. What a figure means: `observe.figures`.

`first_token_at` is the reading of `clock` when the first piece came that carries a part of the answer: pings, and the events
that open an Anthropic or a Responses stream before a token is there, are none. 0.0 while there is none.

Not thread-safe: a tap belongs to whoever passes the response on.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from enum import Enum, auto
from functools import lru_cache
from typing import Final

from swapyard.observe.decoding import Decoder, UndecodableError, decoder
from swapyard.observe.ends import Ends
from swapyard.observe.figures import Usage
from swapyard.observe.findings import Findings, may_tell, plainly_told

_LINE_END: Final = re.compile(rb"[\r\n]+")
# What the first event with a part of the answer has in it, where a stream opens with events that have none.
_FIRST_TOKEN: Final = {"messages": b"content_block_delta", "responses": b".delta"}
_ARRAY: Final = "/infill"  # answers with an array, of which the last element tells
_BINARY: Final = ("audio/", "image/", "video/", "font/", "application/octet-stream", "text/html")

SHORT: Final = 16 * 1024  # bytes of a JSON answer, or of either end of one, that are kept

Clock = Callable[[], float]


class UsageTap:
    """One response that tells nothing; the base of those that may."""

    __slots__ = ("_clock", "first_token_at", "unreadable")

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self.first_token_at = 0.0
        self.unreadable = ""  # why the body could not be read to its end

    def feed(self, data: bytes) -> None:
        if self.first_token_at == 0.0:
            self.first_token_at = self._clock()

    def end(self) -> Usage:
        return Usage(error=self.unreadable)


class DocumentTap(UsageTap):
    """One JSON answer. Kept whole while it is short; of a long one (embeddings, images) the two ends."""

    __slots__ = ("_ends", "_failed", "_last_only", "_whole")

    def __init__(self, clock: Clock = time.monotonic, *, last_only: bool = False, failed: bool = False) -> None:
        """`last_only`: of an array only the last element counts. `failed`: the answer tells what went wrong."""
        super().__init__(clock)
        self._last_only = last_only
        self._failed = failed
        self._whole = b""  # while it is a single short piece, as most answers are
        self._ends: Ends | None = None

    def feed(self, data: bytes) -> None:
        if self.first_token_at == 0.0:
            self.first_token_at = self._clock()
            if len(data) <= SHORT:
                self._whole = data
                return
        if self._ends is None:
            self._ends = Ends(SHORT, 2 * SHORT)
            self._ends.add(self._whole)
            self._whole = b""
        self._ends.add(data)

    def end(self) -> Usage:
        begin, text = None, self._whole
        if self._ends is not None:
            begin, text = self._ends.begin, self._ends.rest()
        if begin is None and not self._failed:
            return _read_whole(text, self._last_only, self.unreadable)
        findings = Findings(self.unreadable)
        if begin is None:
            findings.failure(text)
        elif not self._failed:
            findings.skim(begin)
            findings.skim(text)
        return findings.usage()


class StreamTap(UsageTap):
    """A stream of server-sent events, cut anywhere, with any of the line ends that the format knows.

    Anthropic tells the input in the first event; everything else is told at the end, or again and again with the last word
    being the right one, and so are errors. The ends are kept small: thousands of streams may be open.
    """

    __slots__ = ("_add", "_before", "_ends", "_first_token")

    def __init__(self, first_token: bytes = b"data:", clock: Clock = time.monotonic) -> None:
        """`first_token`: what the first event with a part of the answer has in it."""
        super().__init__(clock)
        self._first_token = first_token
        self._before = b""  # the end of what came before, as pieces may be cut within `first_token`
        self._ends = Ends(2 * 1024, 8 * 1024, may_tell)
        self._add = self._ends.add

    def feed(self, data: bytes) -> None:
        self._add(data)
        if self.first_token_at == 0.0:
            data = self._before + data
            if self._first_token in data:
                self.first_token_at = self._clock()
            else:
                self._before = data[1 - len(self._first_token) :]

    def end(self) -> Usage:
        findings, begin, text = Findings(self.unreadable), self._ends.begin, self._ends.rest()
        if begin is not None:
            read_events(begin, findings)
            # The end most likely begins inside an event, perhaps one of megabytes with all of the answer in it.
            line_end = _LINE_END.search(text)
            cut = line_end.end() if line_end else len(text)
            findings.skim(text[:cut])
            text = text[cut:]
        read_events(text, findings)
        return findings.usage()


def read_events(text: bytes, findings: Findings) -> None:
    """Server-sent events. A `data` line that is JSON counts by itself, as some engines leave the blank lines out; else it
    is a part of its event (WHATWG SSE, 9.2.6)."""
    if not may_tell(text):
        return
    parts: list[bytes] = []
    for line in (*text.splitlines(), b""):
        line = line.strip()
        if line.startswith(b"data:"):
            data = line[5:].strip()
            told = (parts or may_tell(data)) and findings.event(data)
            if not told and (parts or data[-1:] != b"}"):
                parts.append(data)
        elif not line and parts:
            findings.event(b"\n".join(parts))
            parts = []


class EncodedTap(UsageTap):
    """A response with a Content-Encoding, decoded for another tap. What cannot be decoded ends the reading, not the
    response."""

    __slots__ = ("_decoder", "_inner")

    def __init__(self, decoder: Decoder, inner: UsageTap) -> None:
        super().__init__()
        self._decoder = decoder
        self._inner = inner

    def feed(self, data: bytes) -> None:
        if self.unreadable:
            return
        try:
            for piece in self._decoder.feed(data):
                self._inner.feed(piece)
        except UndecodableError as error:
            self.unreadable = self._inner.unreadable = f"the response cannot be decoded: {error}"
        self.first_token_at = self._inner.first_token_at

    def end(self) -> Usage:
        return self._inner.end()


class _Kind(Enum):
    STREAM = auto()
    DOCUMENT = auto()
    BINARY = auto()


# Members as plain names, because the attribute of an Enum costs as much as a method call.
STREAM: Final = _Kind.STREAM
DOCUMENT: Final = _Kind.DOCUMENT


@lru_cache(maxsize=256)
def _kind(content_type: str) -> _Kind:
    lowered = content_type.lower()
    if "text/event-stream" in lowered:
        return _Kind.STREAM
    return _Kind.BINARY if lowered.startswith(_BINARY) else _Kind.DOCUMENT


def tap_response(
    path: str, status: int, content_type: str = "", content_encoding: str = "", *, clock: Clock = time.monotonic
) -> UsageTap:
    """The tap for a response. `path`: as it is metered (`/v1/messages`), also behind `/upstream/<model>`; the two header
    fields as text, "" where they are absent."""
    tap = _plain_tap(path, status, content_type, clock)
    if not content_encoding:
        return tap
    try:
        undo = decoder(content_encoding)
    except UndecodableError as error:
        blind = UsageTap(clock)
        blind.unreadable = f"the response cannot be decoded: {error}"
        return blind
    return tap if undo is None else EncodedTap(undo, tap)


@lru_cache(maxsize=256)
def is_document(status: int, content_type: str, content_encoding: str) -> bool:
    """Whether such an answer needs no tap where it comes whole in one short piece: its figures can be asked for at the end
    (`whole_answer`)."""
    return 200 <= status < 300 and not content_encoding and _kind(content_type) is DOCUMENT


def whole_answer(path: str, text: bytes) -> Usage:
    """The figures of an answer for which `is_document` is true. `path` as for `tap_response`."""
    return _read_whole(text, path.startswith(_ARRAY))


def _read_whole(text: bytes, last_only: bool, unreadable: str = "") -> Usage:
    """`unreadable`: why no more of it could be read, if so."""
    if not unreadable and (found := plainly_told(text)) is not None:
        return found
    findings = Findings(unreadable)
    findings.document(text, last_only=last_only)
    return findings.usage()


def _plain_tap(path: str, status: int, content_type: str, clock: Clock) -> UsageTap:
    if not 200 <= status < 300:
        return DocumentTap(clock, failed=True)
    kind = _kind(content_type)
    if kind is DOCUMENT:
        return DocumentTap(clock, last_only=path.startswith(_ARRAY))
    if kind is STREAM:
        return StreamTap(_FIRST_TOKEN.get(path.rpartition("/")[2], b"data:"), clock)
    return UsageTap(clock)
