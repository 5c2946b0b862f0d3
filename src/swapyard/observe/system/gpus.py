"""Which sources of GPU figures work here, and what they tell, put together.

A machine may hold GPUs of several vendors, so there are families: of each, the first source that works is used, and the
others are not asked. A source that does not work is left alone for a while, longer each time, and then tried again: a
daemon that comes up or a driver that is replaced needs no restart. What two sources tell of one GPU (the same PCI address)
becomes one GPU, the first source's figures first.

Not safe for several threads at once, but for `close`.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from swapyard.observe.system.apple import Ioreg, Mactop
from swapyard.observe.system.lact import Lact
from swapyard.observe.system.nvidia_smi import NvidiaSmi
from swapyard.observe.system.nvml import Nvml
from swapyard.observe.system.rocm_smi import RocmSmi
from swapyard.observe.system.samples import Gpu, GpuProcess, SourceProblem

FIRST_PAUSE: Final = 5.0  # seconds; doubled with every failure in a row
LONGEST_PAUSE: Final = 600.0


class Source(Protocol):
    """Where figures come from. `sample` and `processes` block, within a limit of their own, and raise SourceProblem."""

    @property
    def name(self) -> str: ...
    def sample(self) -> list[Gpu]:
        """At least one GPU."""
        ...

    def processes(self) -> list[GpuProcess]:
        """Who holds memory of the GPUs; empty where that cannot be told. May be called while another thread samples."""
        ...

    def close(self) -> None:
        """From any thread: what is asked just now ends, and nothing more is started."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """How a source does. `problem`: why it does not work; empty where it does, and where it was not needed (`gpus` 0)."""

    name: str
    gpus: int
    problem: str = ""


class Attempts:
    """A source, and how it went with it lately."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.report = Report(source.name, 0)
        self._failures = 0
        self._not_before = float("-inf")

    def is_due(self, now: float) -> bool:
        return now >= self._not_before

    def sample(self, now: float) -> list[Gpu]:
        """Raises SourceProblem, and pauses then."""
        try:
            gpus = self.source.sample()
        except SourceProblem as problem:
            self._pause(now, str(problem))
            raise
        except Exception as bug:  # figures that nobody has seen before must not end the sampling of the others
            self._pause(now, f"{type(bug).__name__}: {bug}")
            raise SourceProblem(self.report.problem) from bug
        self._failures = 0
        self.report = Report(self.source.name, len(gpus))
        return gpus

    def _pause(self, now: float, problem: str) -> None:
        self._not_before = now + min(FIRST_PAUSE * 2.0**self._failures, LONGEST_PAUSE)
        self._failures = min(self._failures + 1, 20)
        self.report = Report(self.source.name, 0, problem)

    def stand_by(self) -> None:
        """Another one works."""
        if not self.report.problem:
            self.report = Report(self.source.name, 0)


class Gpus:
    def __init__(self, families: Iterable[Sequence[Source]] | None = None) -> None:
        """`families`: of each, the sources in order of preference; None: those of this platform."""
        chosen = families_of(sys.platform) if families is None else families
        self._families = [[Attempts(source) for source in family] for family in chosen]
        self._ids: dict[tuple[str, str], int] = {}

    def sample(self, now: float) -> list[Gpu]:
        """What works, as one list ordered by id; empty where nothing does. `now`: seconds of a clock that only goes on."""
        return self._numbered(merged(self._of_family(family, now) for family in self._families))

    def reports(self) -> list[Report]:
        return [attempts.report for family in self._families for attempts in family]

    def processes(self) -> list[GpuProcess]:
        """Of the sources that work. From any thread."""
        found: list[GpuProcess] = []
        for family in self._families:
            for attempts in family:
                if attempts.report.gpus:
                    try:
                        found += attempts.source.processes()
                    except SourceProblem:
                        continue
        return found

    def close(self) -> None:
        for family in self._families:
            for attempts in family:
                attempts.source.close()

    def _of_family(self, family: list[Attempts], now: float) -> list[Gpu]:
        found: list[Gpu] = []
        for attempts in family:
            if found:
                attempts.stand_by()
            elif attempts.is_due(now):
                try:
                    found = attempts.sample(now)
                except SourceProblem:
                    continue
        return found

    def _numbered(self, gpus: list[Gpu]) -> list[Gpu]:
        """Numbers that are nobody else's: the source's own where it is free. A GPU keeps its number for good, also while
        its source is away."""
        for gpu in gpus:
            key = identity(gpu)
            if key not in self._ids:
                taken = set(self._ids.values())
                wanted = gpu.id
                while wanted in taken:
                    wanted += 1
                self._ids[key] = wanted
        return sorted((dataclasses.replace(gpu, id=self._ids[identity(gpu)]) for gpu in gpus), key=lambda gpu: gpu.id)


def families_of(platform: str) -> list[list[Source]]:
    """NVIDIA's comes first: LACT knows such GPUs too, but less of them."""
    if platform == "darwin":
        return [[Mactop(), Ioreg()]]
    if platform == "win32":
        return [[Nvml(), NvidiaSmi()]]
    return [[Nvml(), NvidiaSmi()], [Lact(), RocmSmi()]]


def identity(gpu: Gpu) -> tuple[str, str]:
    return ("pci", gpu.pci) if gpu.pci else (gpu.source, gpu.uuid or str(gpu.id))


def merged(families: Iterable[Sequence[Gpu]]) -> list[Gpu]:
    found: dict[tuple[str, str], Gpu] = {}
    for gpus in families:
        for gpu in gpus:
            key = identity(gpu)
            found[key] = filled(found[key], gpu) if key in found else gpu
    return list(found.values())


def filled(first: Gpu, second: Gpu) -> Gpu:
    """The first, and what it does not know from the second."""
    gaps = {
        field.name: getattr(second, field.name)
        for field in dataclasses.fields(Gpu)
        if getattr(first, field.name) in (None, "")
    }
    return dataclasses.replace(first, **gaps)
