"""What is told from a line of the log."""

from __future__ import annotations

import pytest

from swapyard.observe.levels import Wanted, level_of
from swapyard.observe.lines import Level


@pytest.mark.parametrize(
    ("text", "level"),
    [
        (b"", Level.INFO),
        (b"llama_model_loader: loaded meta data", Level.INFO),
        (b"0.00.123.456 W llama_context: n_ctx", Level.WARN),
        (b"0.00.123.456 E llama_context: n_ctx", Level.ERROR),
        (b"0.00.123.456 I llama_context: n_ctx", Level.INFO),
        (b"0.00.123.456 D llama_context: n_ctx", Level.DEBUG),
        (b"W0101 12:00:00.000 odd", Level.WARN),
        (b"F0101 12:00:00.000 the end", Level.ERROR),
        (b"INFO 11-22 12:00:00 [core.py:1] ERROR is only a word here", Level.INFO),
        (b"(EngineCore pid=1) WARNING 11-22 12:00:00 [core.py:1]", Level.WARN),
        (b"INFO:     127.0.0.1:5 - GET", Level.INFO),
        (b"[2026-11-22 12:00:00] CRITICAL - x", Level.ERROR),
        (b"2026/11/22 [debug] x", Level.INFO),
        (b"error: failed to load", Level.ERROR),
        (b"main: error: failed to load", Level.ERROR),
        (b"\x1b[1;33mWARNING\x1b[0m: x", Level.WARN),
        (b"TERRORS", Level.INFO),
        (b"x" * 300 + b" ERROR", Level.INFO),
    ],
)
def test_the_level_of_what_a_server_prints(text: bytes, level: Level) -> None:
    assert level_of(text) is level


@pytest.mark.parametrize(
    "stamp", ["", "2026-11-22T12:00:00Z ", "Sun Nov 22 12:00:00 2026 ", "3:04PM ", "Nov 22 12:00:00.123456789 "]
)
def test_our_lines_are_known_whatever_their_time_looks_like(stamp: str) -> None:
    line = f"{stamp}[WARN] <m> odd".encode()
    assert Wanted(source="proxy").takes(line)
    assert not Wanted(source="upstream").takes(line)
    assert Wanted(model="m", level=Level.WARN).takes(line)
    assert not Wanted(level=Level.ERROR).takes(line)
    assert not Wanted(model="other").takes(line)


def test_a_server_cannot_write_a_line_of_ours() -> None:
    assert not Wanted(source="proxy").takes(b"<m> [ERROR] forged")
    assert not Wanted(model="other").takes(b"<m> <other> forged")
