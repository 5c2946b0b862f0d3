"""`swapyard monitor`: which sources of GPU figures work here and why the others do not, and the samples that Swapyard would
take, in a terminal. It needs no configuration and no running Swapyard.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TextIO

from swapyard.observe.system.gpus import Attempts, Gpus, Report, Source, families_of
from swapyard.observe.system.host import HostSampler
from swapyard.observe.system.samples import Gpu, GpuProcess, Host, SourceProblem

FIRST = 0.5  # seconds that the first percentages are of
GIB = 2**30


def run(
    every: float | None,
    out: TextIO,
    *,
    families: Iterable[Sequence[Source]] | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> int:
    """Prints a sample, and with `every` one more every so many seconds until it is interrupted."""
    families = families_of(sys.platform) if families is None else list(families)
    gpus = Gpus(families)
    host = HostSampler()
    host.prepare()
    try:
        print("Sources of GPU figures", file=out)
        for report in probed(families):
            print(f"  {report.name:<12}{outcome(report)}", file=out)
        wait(FIRST)
        while True:
            print(file=out)
            for line in sample_lines(host.sample(), gpus.sample(time.monotonic()), gpus.processes()):
                print(line, file=out)
            out.flush()
            if every is None:
                return 0
            wait(every)
    finally:
        gpus.close()


def probed(families: Iterable[Sequence[Source]]) -> list[Report]:
    """Asks every source, also those that are not needed."""
    found = []
    for family in families:
        for attempts in map(Attempts, family):
            try:
                attempts.sample(0.0)
            except SourceProblem:
                pass  # the report says why
            found.append(attempts.report)
    return found


def outcome(report: Report) -> str:
    return report.problem or f"works: {report.gpus} GPU{'s' * (report.gpus != 1)}"


def sample_lines(host: Host, gpus: Sequence[Gpu], processes: Sequence[GpuProcess]) -> list[str]:
    cores = " ".join(f"{percent:.0f}" for percent in host.cpu)
    mean = sum(host.cpu) / len(host.cpu) if host.cpu else None
    load = " ".join(f"{value:.2f}" for value in host.load) if host.load else "?"
    memory, swap = of_total(host.memory_used, host.memory_total), of_total(host.swap_used, host.swap_total)
    lines = [
        f"{datetime.now():%H:%M:%S}  processors {shown(mean, '%')} ({cores})",
        f"          memory {memory}, swap {swap}",
        f"          load {load}",
    ]
    for interface in host.network or ():
        if interface.received or interface.sent:
            received, sent = (f"{count / GIB:.2f} GiB" for count in (interface.received, interface.sent))
            lines.append(f"          {interface.name} received {received}, sent {sent}")
    for gpu in gpus:
        lines += [f"GPU {gpu.id:<6}{gpu.name} ({gpu.source})", f"          {figures(gpu)}"]
        for process in processes:
            if process.uuid == gpu.uuid:
                memory = "?" if process.memory is None else f"{process.memory / GIB:.2f} GiB"
                lines.append(f"          process {process.pid} has {memory}")
    return lines


def figures(gpu: Gpu) -> str:
    parts = (
        f"in use {shown(gpu.utilization, '%')}",
        f"memory {of_total(gpu.memory_used, gpu.memory_total)}",
        f"{shown(gpu.temperature, '°C')} (memory {shown(gpu.memory_temperature, '°C')})",
        f"fan {shown(gpu.fan, '%')}",
        shown(gpu.power, "W"),
    )
    return ", ".join(parts)


def shown(value: float | None, unit: str) -> str:
    """What is unknown is a question mark."""
    return "?" if value is None else f"{value:.0f} {unit}"


def of_total(used: int | None, total: int | None) -> str:
    parts = ("?" if size is None else f"{size / GIB:.1f}" for size in (used, total))
    return " of ".join(parts) + " GiB"
