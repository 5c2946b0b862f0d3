"""Processors, memory, swap, load and network of this machine, by psutil."""

from __future__ import annotations

import sys

import psutil

from swapyard.observe.system.samples import Host, Interface


class HostSampler:
    """Percentages are of the time since the sample before, the first ones since `prepare`."""

    def prepare(self) -> None:
        psutil.cpu_percent(percpu=True)

    def sample(self) -> Host:
        """Raises OSError or psutil.Error where even the memory cannot be told."""
        memory = psutil.virtual_memory()
        swap_total, swap_used = _swap()
        return Host(
            cpu=tuple(psutil.cpu_percent(percpu=True)),
            memory_total=memory.total,
            memory_used=memory.total - memory.available,
            memory_free=memory.free,
            swap_total=swap_total,
            swap_used=swap_used,
            load=_load(),
            network=_network(),
        )


def _swap() -> tuple[int | None, int | None]:
    try:
        swap = psutil.swap_memory()
    except (OSError, RuntimeError, psutil.Error):  # where the kernel's files may not be read
        return None, None
    return swap.total, swap.used


def _load() -> tuple[float, float, float] | None:
    if sys.platform == "win32":
        return None  # psutil makes figures up there, from a thread of its own
    try:
        return psutil.getloadavg()
    except OSError:
        return None


def _network() -> tuple[Interface, ...] | None:
    try:
        counters = psutil.net_io_counters(pernic=True)
    except (OSError, RuntimeError, psutil.Error):
        return None
    return tuple(
        Interface(name, count.bytes_recv, count.bytes_sent)
        for name, count in sorted(counters.items())
        if name not in ("lo", "lo0")
    )
