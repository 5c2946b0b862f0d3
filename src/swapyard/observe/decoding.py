"""Undoing a response's Content-Encoding as it passes, for those who read along. What passes is not touched.

`decoder(encoding)` gives a `Decoder` whose `feed` yields pieces of bounded size, so that a few kilobytes that unpack to
gigabytes cost no memory; it raises `UndecodableError` when one read unpacks to more than `MOST_AT_ONCE`, or the data is
broken. Called by `observe.usage` on the loop and by `observe.captures` off it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import zstandard

READABLE: Final = frozenset({b"identity", b"gzip", b"x-gzip", b"deflate", b"zstd"})  # what `decoder` knows
PIECE: Final = 256 * 1024
MOST_AT_ONCE: Final = 32 * 1024 * 1024
_WINDOW: Final = 8 * 1024 * 1024  # RFC 9659: what a Content-Encoding of zstd may ask for
# A block of four bytes may unpack to 128 KiB, and the library unpacks all that it is given: so it is given little.
_ZSTD_SLICE: Final = 128


class UndecodableError(Exception):
    """The message says what is wrong with the encoded body."""


class Decoder(Protocol):
    def feed(self, data: bytes) -> Iterator[bytes]: ...


class _Zlib:
    """gzip, of one member or several, and deflate."""

    def __init__(self, open_member: Callable[[bytes], zlib._Decompress]) -> None:
        self._open = open_member
        self._member: zlib._Decompress | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        room = MOST_AT_ONCE
        while data:
            if self._member is None:
                self._member = self._open(data)
            try:
                piece = self._member.decompress(data, PIECE)
            except zlib.error as error:
                raise UndecodableError(str(error)) from None
            room = _checked(room - len(piece))
            if piece:
                yield piece
            data = self._member.unconsumed_tail
            if self._member.eof:
                data = self._member.unused_data.lstrip(b"\0")  # zeros: padding behind a gzip member
                self._member = None


class _Zstd:
    def __init__(self) -> None:
        self._open = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj
        self._frame = self._open(read_across_frames=True)

    def feed(self, data: bytes) -> Iterator[bytes]:
        room = MOST_AT_ONCE
        for start in range(0, len(data), _ZSTD_SLICE):
            try:
                piece = self._frame.decompress(data[start : start + _ZSTD_SLICE])
            except zstandard.ZstdError as error:
                raise UndecodableError(str(error)) from None
            room = _checked(room - len(piece))
            if piece:
                yield piece


def _checked(room: int) -> int:
    if room < 0:
        raise UndecodableError(f"a part of the body unpacks to more than {MOST_AT_ONCE} bytes")
    return room


def _open_gzip(_: bytes) -> zlib._Decompress:
    return zlib.decompressobj(16 + zlib.MAX_WBITS)


def _open_deflate(data: bytes) -> zlib._Decompress:
    """RFC 9110 8.4.1.2 means zlib's format; some servers send the bare stream. A zlib header is told by its first byte:
    8 in the low half, which would open a bare stream with a stored block that no encoder writes."""
    return zlib.decompressobj(zlib.MAX_WBITS if data[0] & 0x0F == 8 else -zlib.MAX_WBITS)


def decoder(encoding: str) -> Decoder | None:
    """None for `identity` and the empty string. Raises `UndecodableError` for an encoding that is not known here, and for
    more than one: nobody sends that."""
    match encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip":
            return _Zlib(_open_gzip)
        case "deflate":
            return _Zlib(_open_deflate)
        case "zstd":
            return _Zstd()
    raise UndecodableError(f"Content-Encoding {encoding[:40]} cannot be read here")
