"""Captures: what requests and their answers were, for as long as memory allows.

    capture = captures.begin(path, fields, body)      when a metered request is about to be sent; None while turned off
    capture.answered(status, headers)                 at the head of its answer
    capture.feed(data)                                every piece of the answer's body, as it came
    captures.keep(capture, number)                    when its row is recorded, or
    captures.drop(capture)                            when there is none
    captures.payload(number)                          blocks (decompresses): in a thread

The budget bounds everything: captures under way, finished, and while they are compressed. Room is reserved before it is
used; the oldest finished captures make it, and where that is not enough, or a single one wants more than half of the
budget, the capture under way is given up and the request goes on. Finished ones are compressed by one thread, somewhat
later, so that under heavy load those that are evicted at once cost nothing.

Rows go by the numbers that the activity store gives them (`observe.activity.ids`).

The loop calls `begin`, `answered`, `feed`, `keep`, `drop`; `has`, `numbers` and `payload` are for any thread.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import zstandard

from swapyard.observe.decoding import UndecodableError, decoder
from swapyard.observe.redaction import shown_headers

COMPRESS_AFTER: Final = 10.0  # seconds: longer than captures live under a flood
WORTHWHILE: Final = 5.0  # seconds; under a flood that would leave captures less than that, some are not begun
MANY: Final = 256  # captures; fewer are no flood, however large
WARN_EVERY: Final = 60.0  # seconds
_LEVEL: Final = 6
_FIELD: Final = 160  # bytes that a header field takes beside its text
_CAPTURE: Final = 1024  # bytes that a capture takes beside its parts
_SMALL: Final = 2048  # bytes of an answer for which there is room from the beginning
_MOST_DECODED: Final = 32 * 1024 * 1024

Headers = Sequence[tuple[bytes, bytes]]
Fields = Sequence[tuple[bytes, bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Parts:
    """Which bodies are kept on a path; headers always are."""

    request: bool = True
    response: bool = True


_ALL: Final = Parts()
_RULES: Final = {  # binary answers and uploads are left out
    "/v1/audio/speech": Parts(response=False),
    "/v1/images/generations": Parts(response=False),
    "/sdapi/v1/txt2img": Parts(response=False),
    "/v1/audio/voices": Parts(request=False),
    "/v1/audio/transcriptions": Parts(request=False),
    "/v1/images/edits": Parts(request=False, response=False),
    "/sdapi/v1/img2img": Parts(request=False, response=False),
}


def parts_of(path: str) -> Parts:
    """`path`: as the client asked, or what is left of it below `/upstream/<model>`."""
    return _RULES.get(path, _ALL)


class Payload(msgspec.Struct, kw_only=True):
    """The JSON shape of `/api/captures/{id}`; bodies become base64. None: not kept for this path, or this status."""

    id: int
    req_path: str
    req_headers: dict[str, str] | None
    req_body: bytes | None
    resp_headers: dict[str, str] | None
    resp_body: bytes | None


class Capture:
    """One capture, under way or finished; empty once it was given up. In bytes of the budget: `base` is for all but the
    answer's body, `held` is what it has, `room` how long the answer may become without asking for more."""

    __slots__ = (
        "answer",
        "base",
        "body",
        "fields",
        "finished",
        "given_up",
        "has_body",
        "headers",
        "held",
        "owner",
        "packed",
        "path",
        "room",
        "status",
        "wants_answer",
    )

    def __init__(self, captures: Captures, path: str, fields: Fields, body: bytes | None, *, wants_answer: bool) -> None:
        self.owner = captures
        self.has_body = body is not None
        self.path = path
        self.fields = fields
        self.body = body
        self.headers: Headers = ()
        self.status = 0
        self.answer = bytearray()
        self.wants_answer = wants_answer
        self.base = self.held = self.room = 0
        self.given_up = False
        self.finished = 0.0  # when, by the captures' clock
        self.packed: bytes | None = None  # the bodies, compressed: the request's, then the answer's

    def answered(self, status: int, headers: Headers) -> None:
        self.status = status
        self.headers = headers
        if not 200 <= status < 300:  # the row has its message
            self.wants_answer = False

    def feed(self, data: bytes) -> None:
        if self.wants_answer:
            if len(self.answer) + len(data) > self.room and not self.owner.grow(self, len(data)):
                return
            self.answer += data


class Captures:
    def __init__(self, budget: int, *, warn: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        """`budget` in bytes; 0 or less turns captures off. `warn` takes one line for the log, from any thread."""
        self._budget = budget
        self._warn = warn
        self._clock = clock
        self._warned_at = -WARN_EVERY
        self._flooded_until = 0.0
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, Capture] = OrderedDict()
        self._raw: OrderedDict[int, Capture] = OrderedDict()  # of the kept ones, those not compressed yet
        self.used = 0  # bytes of the budget
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    # --- on the loop ------------------------------------------------------------------------------------------------

    def begin(self, path: str, fields: Fields, body: bytes | None) -> Capture | None:
        """`fields`: (lower-case name, name, value). `path` as for `parts_of`. `body`: None where it is not at hand. The
        bytes are kept, not copied."""
        if self._budget <= 0 or self._is_flooded():
            return None
        parts = parts_of(path)
        capture = Capture(self, path, fields, body if parts.request else None, wants_answer=parts.response)
        capture.base = (
            _CAPTURE + _FIELD * len(fields) + sum([len(value) for _, _, value in fields]) + len(capture.body or b"")
        )
        self._hold(capture, capture.base + _SMALL + _SMALL // 8)
        capture.room = _SMALL
        return capture

    def _is_flooded(self) -> bool:
        """Whether a capture would be gone before anybody could look: the oldest, whose place it would take, is as young."""
        if 4 * self.used < 3 * self._budget or len(self._kept) < MANY:
            return False
        now = self._clock()
        if now >= self._flooded_until:
            self._flooded_until = next(iter(self._kept.values())).finished + WORTHWHILE
        return now < self._flooded_until

    def grow(self, capture: Capture, more: int) -> bool:
        """Make room for `more` bytes of the answer (called by `Capture.feed`). False: the capture was given up."""
        room = len(capture.answer) + more
        room += room // 2 + 1024
        self._hold(capture, capture.base + room + room // 8)  # a bytearray takes an eighth more than it needs
        capture.room = room
        return not capture.given_up

    def keep(self, capture: Capture, number: int) -> None:
        """The request is over, and this is its row. An answer without the body that it should have is not kept, and none
        whose request began with other captures, which a reload has closed."""
        if capture.owner is not self:
            capture.owner.drop(capture)
            return
        size = capture.base + capture.answer.__alloc__()
        size += _FIELD * len(capture.headers) + sum([len(value) for _, value in capture.headers])
        if not capture.given_up:
            self._hold(capture, size)
        if capture.given_up or (capture.wants_answer and not capture.answer):
            self.drop(capture)
            return
        capture.finished = self._clock()
        with self._lock:
            self.used += size - capture.held
            capture.held = size
            if number in self._kept:
                self._forget(number)
            self._kept[number] = self._raw[number] = capture
            if self._thread is None:
                self._thread = threading.Thread(target=self._compress_all, name="swapyard-captures", daemon=True)
                self._thread.start()
        if not self._wake.is_set():
            self._wake.set()

    def drop(self, capture: Capture) -> None:
        """Not needed, or no longer. Calling it again does nothing."""
        with self._lock:
            self.used -= capture.held
            capture.held = 0
        capture.given_up = True
        capture.wants_answer = False
        capture.body, capture.answer, capture.fields, capture.headers = None, bytearray(), (), ()

    def _hold(self, capture: Capture, size: int) -> None:
        """Make the capture hold at least `size` bytes, or give it up."""
        with self._lock:
            more = size - capture.held
            if size <= self._budget // 2 and self._make_room(more):
                if more > 0:
                    self.used += more
                    capture.held = size
                return
        self.drop(capture)
        now = self._clock()
        if now - self._warned_at >= WARN_EVERY:
            self._warned_at = now
            self._warn(f"no room to capture a request to {capture.path}: captureBuffer is {self._budget} bytes")

    def _make_room(self, size: int) -> bool:
        while self.used + size > self._budget and self._kept:
            self._forget(next(iter(self._kept)))
        return self.used + size <= self._budget

    def _forget(self, number: int) -> None:
        capture = self._kept.pop(number)
        self._raw.pop(number, None)
        self.used -= capture.held
        capture.held = 0

    # --- for any thread ---------------------------------------------------------------------------------------------

    def has(self, number: int) -> bool:
        return number in self._kept

    def numbers(self) -> list[int]:
        """Of the rows whose captures are kept, the newest first."""
        with self._lock:
            return list(reversed(self._kept))

    def payload(self, number: int) -> Payload | None:
        """None: not there (any more)."""
        with self._lock:
            capture = self._kept.get(number)
            if capture is None:
                return None
            body, answer, packed = capture.body, bytes(capture.answer), capture.packed
        if packed is not None:
            body, answer = _unpacked(packed)
        shown = parts_of(capture.path).response and 200 <= capture.status < 300
        return Payload(
            id=number,
            req_path=capture.path,
            req_headers=shown_headers((name, value) for _, name, value in capture.fields),
            req_body=body if capture.has_body else None,
            resp_headers=shown_headers(capture.headers, without=frozenset({"Content-Encoding"})),
            resp_body=_decoded(answer, capture.headers) if shown else None,
        )

    def close(self) -> None:
        """Forget everything. What is still under way may go on and leads nowhere."""
        with self._lock:
            self._budget = 0
            for number in list(self._kept):
                self._forget(number)
        self._closed.set()
        self._wake.set()

    # --- the compressing thread -------------------------------------------------------------------------------------

    def _compress_all(self) -> None:
        while not self._closed.is_set():
            self._wake.wait()
            self._closed.wait(COMPRESS_AFTER)
            self._wake.clear()
            while self.compress_next(self._clock() - COMPRESS_AFTER):
                pass
            if self._raw:
                self._wake.set()

    def compress_next(self, until: float = float("inf")) -> bool:
        """Compress the oldest finished capture that is not yet. False: there is none that was finished by then."""
        with self._lock:
            if not self._raw:
                return False
            number, capture = next(iter(self._raw.items()))
            if capture.finished > until:
                return False
            del self._raw[number]
            size = len(capture.body or b"") + len(capture.answer)
            if self.used + size > self._budget:  # no room to work in, until those before it are evicted
                return bool(self._raw)
            self.used += size
            body, answer = capture.body, capture.answer
        packed = _packed(body, answer)
        with self._lock:
            self.used -= size
            if self._kept.get(number) is capture and len(packed) < size:
                self.used += len(packed) - size
                capture.held += len(packed) - size
                capture.packed, capture.body, capture.answer = packed, None, bytearray()
            return bool(self._raw)


def _packed(body: bytes | None, answer: bytes | bytearray) -> bytes:
    """The length of the request's body in eight bytes, then both, as one zstd frame."""
    compressor = zstandard.ZstdCompressor(level=_LEVEL).compressobj(size=8 + len(body or b"") + len(answer))
    parts = (len(body or b"").to_bytes(8, "big"), body or b"", bytes(answer))
    return b"".join([*(compressor.compress(part) for part in parts), compressor.flush()])


def _unpacked(packed: bytes) -> tuple[bytes, bytes]:
    whole = zstandard.ZstdDecompressor().decompress(packed)
    middle = 8 + int.from_bytes(whole[:8], "big")
    return whole[8:middle], whole[middle:]


def _decoded(answer: bytes, headers: Headers) -> bytes:
    """The body with its Content-Encoding undone, as far as that is possible; else as it came."""
    encoding = next((value.decode("latin-1") for name, value in headers if name.lower() == b"content-encoding"), "")
    found = bytearray()
    try:
        undo = decoder(encoding)
        if undo is None:
            return answer
        for piece in undo.feed(answer):
            found += piece
            if len(found) > _MOST_DECODED:
                break
    except UndecodableError:
        return bytes(found) or answer
    return bytes(found)
