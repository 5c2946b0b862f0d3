"""Log monitors: exact history, live readers that cost the writer nothing."""

from __future__ import annotations

import asyncio
import random
import threading
from types import SimpleNamespace

import pytest

from swapyard.observe.monitor import HISTORY_BYTES, QUEUE_BYTES, LogMonitor, dropped_marker
from swapyard.observe.ring import ByteRing


def test_the_ring_keeps_exactly_the_newest_bytes_however_they_were_cut() -> None:
    cut = random.Random(7)
    for capacity in (1, 7, 64):
        ring, everything = ByteRing(capacity), b""
        for _ in range(300):
            piece = cut.randbytes(cut.choice((0, 1, 3, capacity - 1, capacity, capacity + 1, 3 * capacity)))
            ring.write(piece)
            everything += piece
            assert ring.snapshot() == everything[-capacity:]


def test_history_is_100_kib_to_the_byte_and_a_larger_write_keeps_its_tail() -> None:
    monitor = LogMonitor()
    monitor.write(b"x" * 50 + b"a" * HISTORY_BYTES)
    assert HISTORY_BYTES == 102_400
    assert monitor.history() == b"a" * 102_400
    monitor.write(b"end")
    assert monitor.history() == b"a" * 102_397 + b"end"


async def test_a_history_whose_beginning_is_lost_begins_with_a_whole_line() -> None:
    monitor = LogMonitor(10, has_times=True)
    monitor.write(b"one\ntwo\nsix\n")  # 12 bytes
    assert monitor.history() == b"two\nsix\n"
    past, [(line, _)] = monitor.timed_history()
    assert (past, line) == (b"two\nsix\n", 0)
    reader = monitor.subscribe()
    assert await reader.next() == b"two\nsix\n"
    monitor.write(b"t\n")  # the tenth byte from the end begins a line
    assert monitor.history() == b"two\nsix\nt\n"
    assert await reader.next() == b"t\n"
    reader.close()
    monitor.write(b"a line of more than ten\n")
    assert monitor.history() == b"than ten\n".rjust(10, b" ")


async def test_history_and_live_bytes_join_without_gap_or_duplicate() -> None:
    monitor = LogMonitor()
    monitor.write(b"one ")
    reader = monitor.subscribe()
    monitor.write(b"two ")
    assert await reader.next() == b"one two "
    monitor.write(b"three")
    assert await reader.next() == b"three"
    reader.close()
    assert await reader.next() is None


async def test_a_reader_without_history_gets_only_what_comes_later() -> None:
    monitor = LogMonitor()
    monitor.write(b"past")
    reader = monitor.subscribe(history=False)
    monitor.write(b"present")
    assert await reader.next() == b"present"
    reader.close()


async def test_a_waiting_reader_is_woken_by_a_writer_on_another_thread() -> None:
    monitor = LogMonitor()
    reader = monitor.subscribe()
    pending = asyncio.create_task(reader.next())
    await asyncio.sleep(0)
    writer = threading.Thread(target=monitor.write, args=(b"from afar",))
    writer.start()
    assert await asyncio.wait_for(pending, 20) == b"from afar"
    writer.join()
    reader.close()


async def test_a_reader_that_never_reads_holds_a_bounded_queue_while_another_misses_nothing() -> None:
    monitor = LogMonitor()
    stalled = monitor.subscribe()
    chunk, seen = b"x" * 65_536, 0
    attentive = monitor.subscribe()
    for _ in range(800):  # 50 MiB
        monitor.write(chunk)
        seen += len(await attentive.next() or b"")
    assert seen == 800 * len(chunk)

    kept = QUEUE_BYTES // len(chunk) * len(chunk)
    assert await stalled.next() == b"x" * kept + dropped_marker(800 * len(chunk) - kept)
    attentive.close()
    stalled.close()


async def test_a_gap_is_marked_where_it_is_and_reading_goes_on_after_it() -> None:
    monitor = LogMonitor()
    reader = monitor.subscribe(limit=4)
    for piece in (b"abc", b"defgh", b"i"):  # the last would fit, but belongs after the gap
        monitor.write(piece)
    assert await reader.next() == b"abc" + "\n— 6 bytes dropped —\n".encode()
    monitor.write(b"jk")
    assert await reader.next() == b"jk"
    assert monitor.history() == b"abcdefghijk"
    reader.close()


async def test_writers_on_many_threads_and_a_reader_agree_on_every_byte() -> None:
    monitor = LogMonitor(capacity=1_000_000)
    reader = monitor.subscribe(limit=10_000_000)

    def write(piece: bytes) -> None:
        for _ in range(2000):
            monitor.write(piece)

    pieces = [b"a" * 10, b"b" * 10, b"c" * 10]
    writers = [threading.Thread(target=write, args=(piece,)) for piece in pieces]
    for writer in writers:
        writer.start()
    seen = b""
    while len(seen) < 60_000:
        seen += await reader.next() or b""
    for writer in writers:
        writer.join()
    assert seen == monitor.history()
    assert {seen[at : at + 10] for at in range(0, 60_000, 10)} == set(pieces)
    reader.close()


async def test_ending_the_streams_lets_readers_finish_and_later_ones_see_only_the_history() -> None:
    monitor = LogMonitor()
    reader = monitor.subscribe()
    pending = asyncio.create_task(reader.next())
    await asyncio.sleep(0)
    monitor.end_streams()
    assert await asyncio.wait_for(pending, 20) is None
    monitor.write(b"last words")
    late = monitor.subscribe()
    assert await asyncio.wait_for(late.next(), 20) == b"last words"
    assert await asyncio.wait_for(late.next(), 20) is None


async def test_a_closed_reader_is_forgotten() -> None:
    monitor = LogMonitor()
    reader = monitor.subscribe()
    reader.close()
    reader.close()
    monitor.write(b"nobody hears this")
    assert await reader.next() is None


def test_the_times_of_lines_go_with_the_lines_that_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((1, 2, 3, 3))
    monkeypatch.setattr("swapyard.observe.monitor.time", SimpleNamespace(time_ns=lambda: next(clock) * 1_000_000))
    log = LogMonitor(capacity=16, has_times=True)
    for lines in (b"one\ntwo\n", b"three\n", b"four\nfive\n"):
        log.write(lines)
    assert log.timed_history() == (b"three\nfour\nfive\n", [(0, 2), (1, 3)])
    log.write(b"six\n")  # in the same millisecond as the lines before
    assert log.timed_history() == (b"four\nfive\nsix\n", [(0, 3)])


async def test_what_waits_for_a_reader_keeps_its_times(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(9))
    monkeypatch.setattr("swapyard.observe.monitor.time", SimpleNamespace(time_ns=lambda: next(clock) * 1_000_000))
    log = LogMonitor(has_times=True)
    log.write(b"past\n")
    reader = log.subscribe(history=False, limit=12)
    for _ in range(3):
        log.write(b"again\n")
    assert await reader.next() == b"again\nagain\n" + dropped_marker(6)
    assert reader.marks == [(0, 1), (1, 2)]
    log.write(b"later\n")
    assert (await reader.next(), reader.marks) == (b"later\n", [(0, 4)])
    reader.close()
