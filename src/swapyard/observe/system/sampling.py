"""Sampling: two threads, one for the host and one for the GPUs, so that a slow GPU tool holds nothing else up.

    sampling.configure(settings)   starts, stops or restarts it; changed settings begin with empty rings
    sampling.history(after)        what is remembered of the last hour, as JSON, oldest first
    sampling.machine()             the newest samples
    sampling.gpu_memory(pids)      what these processes hold of the GPUs' memory
    sampling.stop() / join()       at the end: what runs is ended, and nothing of it is left

With sampling disabled there are no threads. `configure`, `history` and `machine` return at once. A sample is kept as
the JSON that is asked for, so that an hour of them costs the event loop one joining of bytes.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from swapyard.config.schema import Performance
from swapyard.observe.metrics import Machine
from swapyard.observe.system.gpus import Gpus, Report
from swapyard.observe.system.host import HostSampler
from swapyard.observe.system.rows import encode, gpu_metrics, gpu_row, system_metrics, system_row
from swapyard.observe.system.samples import Gpu, GpuProcess, GpuShare, Host, shares

REMEMBERED: Final = 3600.0  # seconds
PROCESSES_KEPT: Final = 2.0
FIRST_SAMPLE: Final = 1.0  # seconds after the start, or the interval if that is shorter: not while models are preloaded

T = TypeVar("T")


class Log(Protocol):
    def debug(self, text: str, *values: object) -> None: ...
    def info(self, text: str, *values: object) -> None: ...
    def warning(self, text: str, *values: object) -> None: ...


@dataclass(frozen=True, slots=True)
class History:
    """JSON arrays, oldest first. None: there is no sample yet, and nobody asked for those after a certain one."""

    system: bytes | None
    gpus: bytes | None


class Ring(Generic[T]):
    """Samples with the time they were taken at, in microseconds since the epoch; the newest one as it was taken. One thread
    adds, others read."""

    def __init__(self, length: int) -> None:
        self._lock = threading.Lock()
        self._kept: deque[tuple[int, bytes]] = deque(maxlen=length)
        self.newest: T | None = None

    def add(self, at: int, sample: T, json: bytes) -> None:
        """`json`: objects with commas between them, or nothing. A clock that was set back must not hide what comes now from
        those who ask for what is newer than something."""
        with self._lock:
            if self._kept and at <= self._kept[-1][0]:
                self._kept.clear()
            self._kept.append((at, json))
            self.newest = sample

    def json(self, after: int | None) -> bytes | None:
        with self._lock:
            kept = list(self._kept)
        if after is not None:
            kept = kept[bisect_right(kept, after, key=lambda entry: entry[0]) :]
        elif not any(json for _, json in kept):
            return None
        return b"[" + b",".join(json for _, json in kept if json) + b"]"


class Sampler:
    """A thread that calls `take` every so many seconds until it is stopped. `prepare` runs at its beginning."""

    def __init__(self, name: str, every: float, take: Callable[[], None], prepare: Callable[[], None] | None = None) -> None:
        self._every = every
        self._take = take
        self._prepare = prepare
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def _work(self) -> None:
        if self._prepare is not None:
            self._prepare()
        wait = min(FIRST_SAMPLE, self._every)
        while not self._stopping.wait(wait):
            started = time.monotonic()
            self._take()
            wait = max(self._every - (time.monotonic() - started), self._every / 10)


class Round:
    """Sampling with one setting, from its start to its end."""

    def __init__(self, settings: Performance, log: Log, gpus: Gpus) -> None:
        length = max(int(REMEMBERED / settings.every), 1)
        self.settings = settings
        self.system: Ring[Host] = Ring(length)
        self.gpus: Ring[list[Gpu]] = Ring(length)
        self.sources = gpus
        self._log = log
        self._host = HostSampler()
        self._system_problem = ""
        self._working: list[tuple[str, int]] | None = None  # the sources that worked last time, with the GPUs of each
        self._is_over = False
        self._asking = threading.Lock()
        self._processes: list[GpuProcess] = []
        self._processes_at = float("-inf")
        self._samplers = (
            Sampler("sample the system", settings.every, self._take_system, self._host.prepare),
            Sampler("sample the GPUs", settings.every, self._take_gpus),
        )

    def end(self) -> None:
        """Returns at once; a tool that runs is killed."""
        self._is_over = True
        for sampler in self._samplers:
            sampler.stop()
        self.sources.close()

    def join(self, seconds: float) -> None:
        for sampler in self._samplers:
            sampler.join(seconds)

    def processes(self) -> list[GpuProcess]:
        """Asked anew only every few seconds: some sources have to start a program for it."""
        with self._asking:
            if time.monotonic() - self._processes_at > PROCESSES_KEPT:
                self._processes = self.sources.processes()
                self._processes_at = time.monotonic()
            return self._processes

    def _take_system(self) -> None:
        try:
            host = self._host.sample()
        except Exception as error:  # the next one may do better
            problem = f"no sample of the system: {type(error).__name__}: {error}"
            if problem != self._system_problem and not self._is_over:
                self._log.warning("%s", problem)
            self._system_problem = problem
            return
        at = _now()
        self.system.add(at, host, encode(system_row(host, at)))

    def _take_gpus(self) -> None:
        gpus = self.sources.sample(time.monotonic())
        if self._is_over:
            return
        at = _now()
        self.gpus.add(at, gpus, b",".join(encode(gpu_row(gpu, at)) for gpu in gpus))
        self._tell_sources(self.sources.reports())

    def _tell_sources(self, reports: Sequence[Report]) -> None:
        """A line when another source works than before, or none does any more."""
        working = [(report.name, report.gpus) for report in reports if report.gpus]
        before, self._working = self._working, working
        if working == before:
            return
        why = "; ".join(f"{report.name}: {report.problem}" for report in reports if report.problem)
        if working:
            self._log.info("GPUs: %s", ", ".join(f"{gpus} by {name}" for name, gpus in working))
        elif before is None:
            self._log.debug("no GPU can be seen (%s)", why)
        else:
            self._log.warning("no GPU can be seen any more (%s)", why)


class Sampling:
    def __init__(self, log: Log, make_gpus: Callable[[], Gpus] = Gpus) -> None:
        self._log = log
        self._make_gpus = make_gpus
        self._round: Round | None = None
        self._before: list[Round] = []

    @property
    def is_enabled(self) -> bool:
        return self._round is not None

    def configure(self, settings: Performance) -> None:
        if self._round is not None and self._round.settings == settings:
            return
        self._end_round()
        if not settings.disabled:
            self._round = Round(settings, self._log, self._make_gpus())

    def history(self, after: int | None) -> History:
        """`after`: microseconds since the epoch; only what was taken later."""
        if self._round is None:
            return History(None, None) if after is None else History(b"[]", b"[]")
        return History(self._round.system.json(after), self._round.gpus.json(after))

    def machine(self) -> Machine:
        """For Prometheus."""
        if self._round is None:
            return Machine()
        host, gpus = self._round.system.newest, self._round.gpus.newest
        return Machine(None if host is None else system_metrics(host), [gpu_metrics(gpu) for gpu in gpus or ()])

    def sources(self) -> list[Report]:
        return [] if self._round is None else self._round.sources.reports()

    def gpu_memory(self, pids: Container[int]) -> list[GpuShare] | None:
        """What these processes hold of the memory of GPUs; None where no source tells of any process. Blocks, so it is not
        for the event loop."""
        round_ = self._round
        if round_ is None:
            return None
        processes = round_.processes()
        return shares(round_.gpus.newest or (), processes, pids) if processes else None

    def stop(self) -> None:
        """For good, until `configure`. Returns at once."""
        self._end_round()

    def join(self, seconds: float) -> None:
        """Waits for the threads of what was stopped, so many seconds each."""
        for each in self._before:
            each.join(seconds)
        self._before.clear()

    def _end_round(self) -> None:
        ended, self._round = self._round, None
        if ended is not None:
            ended.end()
            self._before = [*self._before[-1:], ended]


def _now() -> int:
    return time.time_ns() // 1000
