"""Memory of a process and all its descendants (by psutil), and what the models' runs were seen to hold.

`tree_memory` looks once. `MemoryLog` remembers what was looked at: of each model the newest run's samples and peaks. Nobody
looks for its sake: it fills while a page asks for details.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from swapyard.observe.system.samples import GpuShare

SAMPLES: Final = 120  # of one run; beyond that every other one goes, so that the rest still covers the whole run
CLOSEST: Final = 2.0  # seconds between two samples at first
_HIGH_WATER: Final = re.compile(r"^VmHWM:\s*(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TreeMemory:
    """`resident`: bytes, pages that are shared count in each process; None where it is gone or may not be looked at.
    `highest`: the most that one process of the tree has ever held, as far as the system remembers."""

    pids: frozenset[int]
    resident: int | None
    highest: int | None = None


def tree_memory(pid: int) -> TreeMemory:
    """Reads /proc for every process of the tree: not for the event loop."""
    try:
        first = psutil.Process(pid)
        processes = [first, *first.children(recursive=True)]
    except psutil.Error:
        return TreeMemory(frozenset(), None)
    total = highest = 0
    for process in processes:
        try:
            info = process.memory_info()
        except psutil.Error:
            continue  # it has ended meanwhile
        total += info.rss
        highest = max(highest, getattr(info, "peak_wset", 0) or _high_water(process.pid))
    return TreeMemory(frozenset(process.pid for process in processes), total or None, highest or None)


def _high_water(pid: int) -> int:
    """proc_pid_status(5); 0 where there is no such file."""
    try:
        found = _HIGH_WATER.search(Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace"))
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


@dataclass(frozen=True, slots=True)
class Sample:
    """`at`: seconds since the epoch. `gpus`: bytes on all GPUs together; None where no source tells."""

    at: float
    resident: int
    gpus: int | None


@dataclass(slots=True)
class Held:
    """What one run was seen to hold. `peak`: bytes, at least; exact where the run is one process. `gpu_peaks`: by GPU, each
    at its own highest."""

    run: int
    peak: int = 0
    gpu_peaks: dict[int, GpuShare] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    spacing: float = CLOSEST


class MemoryLog:
    """By model, its newest run that was looked at: also after that run's end, for what the next one may need."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}

    def of(self, model: str) -> Held | None:
        return self._held.get(model)

    def note(self, model: str, run: int, at: float, memory: TreeMemory, shares: Sequence[GpuShare] | None) -> None:
        """Nothing where its memory cannot be told."""
        if memory.resident is None:
            return
        held = self._held.get(model)
        if held is None or held.run != run:
            held = self._held[model] = Held(run)
        held.peak = max(held.peak, memory.resident, memory.highest or 0)
        for share in shares or ():
            known = held.gpu_peaks.get(share.id)
            if share.memory is not None and (known is None or (known.memory or 0) < share.memory):
                held.gpu_peaks[share.id] = share
        known_shares = [share.memory for share in shares or () if share.memory is not None]
        if held.samples and at - held.samples[-1].at < held.spacing:
            return
        held.samples.append(Sample(at, memory.resident, sum(known_shares) if known_shares else None))
        if len(held.samples) > SAMPLES:
            held.samples = held.samples[::2]
            held.spacing *= 2

    def keep(self, models: Container[str]) -> None:
        """Forgets all others."""
        self._held = {model: held for model, held in self._held.items() if model in models}
