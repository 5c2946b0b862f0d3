"""What models were seen to hold."""

from __future__ import annotations

import os

from swapyard.observe.memory import SAMPLES, MemoryLog, TreeMemory, tree_memory
from swapyard.observe.system.samples import GpuShare


def tree(resident: int | None, highest: int | None = None) -> TreeMemory:
    return TreeMemory(frozenset({1}), resident, highest)


def test_a_tree_tells_the_most_that_a_process_of_it_has_held() -> None:
    seen = tree_memory(os.getpid())
    assert seen.highest is not None
    assert seen.resident is not None
    assert seen.highest >= seen.resident // 2


def test_peaks_stay_and_each_gpu_has_its_own() -> None:
    log = MemoryLog()
    log.note("a", 1, 0.0, tree(100), [GpuShare(0, "H100", 7), GpuShare(1, "H100", None)])
    log.note("a", 1, 5.0, tree(40, highest=120), [GpuShare(0, "H100", 3), GpuShare(1, "H100", 9)])
    held = log.of("a")
    assert held is not None
    assert held.peak == 120
    assert [share.memory for share in held.gpu_peaks.values()] == [7, 9]
    assert [(sample.resident, sample.gpus) for sample in held.samples] == [(100, 7), (40, 12)]


def test_a_new_run_begins_anew_and_the_last_one_stays_after_its_end() -> None:
    log = MemoryLog()
    log.note("a", 1, 0.0, tree(100), None)
    log.note("a", 2, 1.0, tree(None), None)
    held = log.of("a")
    assert held is not None
    assert held.run == 1
    log.note("a", 2, 2.0, tree(10), None)
    held = log.of("a")
    assert held is not None
    assert (held.run, held.peak, len(held.samples)) == (2, 10, 1)


def test_samples_are_bounded_and_cover_the_whole_run() -> None:
    log = MemoryLog()
    for at in range(0, 100_000, 2):
        log.note("a", 1, float(at), tree(at + 1), None)
    held = log.of("a")
    assert held is not None
    assert SAMPLES // 2 <= len(held.samples) <= SAMPLES
    assert held.samples[0].at == 0.0
    assert held.samples[-1].at > 95_000


def test_viewers_who_ask_often_add_no_samples() -> None:
    log = MemoryLog()
    for at in (0.0, 0.5, 1.0):
        log.note("a", 1, at, tree(int(at * 10) + 1), None)
    held = log.of("a")
    assert held is not None
    assert (len(held.samples), held.peak) == (1, 11)


def test_models_that_a_reload_took_away_are_forgotten() -> None:
    log = MemoryLog()
    log.note("a", 1, 0.0, tree(1), None)
    log.note("b", 2, 0.0, tree(1), None)
    log.keep({"b"})
    assert log.of("a") is None
    assert log.of("b") is not None
