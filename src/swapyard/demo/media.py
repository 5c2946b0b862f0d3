"""Sounds and pictures out of text: real WAV and PNG files, small and always the same for the same text. Pure."""

from __future__ import annotations

import math
import struct
import zlib

RATE = 16_000  # samples per second
SECONDS_PER_WORD = 0.05
LONGEST = 2.0  # seconds
SIDE = 64  # pixels; pictures are squares of this size whatever was asked for
VOICES = ("alto", "basso")


def wav(text: str, voice: str = VOICES[0]) -> bytes:
    """Mono, 16 bits: a tone per word, high or low by the word, an octave deeper for the second voice."""
    lowest = 220 if voice == VOICES[1] else 440
    samples: list[int] = []
    for word in (text.split() or [""])[: int(LONGEST / SECONDS_PER_WORD)]:
        step = 2 * math.pi * lowest * 2 ** (zlib.crc32(word.encode()) % 12 / 12) / RATE
        samples += [round(8000 * math.sin(step * at)) for at in range(round(RATE * SECONDS_PER_WORD))]
    data = struct.pack(f"<{len(samples)}h", *samples)
    form = struct.pack("<HHIIHH", 1, 1, RATE, RATE * 2, 2, 16)  # PCM, channels, rate, bytes per second and sample, bits
    return b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVE" + riff(b"fmt ", form) + riff(b"data", data)


def riff(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data


def png(text: str) -> bytes:
    """Stripes in two colours that the text decides."""
    mark = zlib.crc32(text.encode())
    colours = (mark & 0xFFFFFF).to_bytes(3), (~mark & 0xFFFFFF).to_bytes(3)
    width = 4 + (mark >> 24) % 12
    rows = [b"\0" + b"".join(colours[(x + y) // width % 2] for x in range(SIDE)) for y in range(SIDE)]
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)  # 8 bits per channel, RGB
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b"")


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
