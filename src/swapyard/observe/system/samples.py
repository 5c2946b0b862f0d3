"""What is measured, as data. Units are bytes, percent, degrees Celsius and watts. None: the source does not tell."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interface:
    """Bytes of a network interface since it came up."""

    name: str
    received: int
    sent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """`cpu`: per core, since the sample before. `load`: over 1, 5 and 15 minutes. `memory_used` is what cannot be had for
    other things (total less available), which is more than total less free leaves."""

    cpu: tuple[float, ...]
    memory_total: int
    memory_used: int
    memory_free: int
    swap_total: int | None = None
    swap_used: int | None = None
    load: tuple[float, float, float] | None = None
    network: tuple[Interface, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """`id` is the source's own number until `gpus` has made it unique. `pci`: as `readings.pci_address` writes it."""

    id: int
    name: str
    source: str
    uuid: str = ""
    pci: str = ""
    temperature: float | None = None
    memory_temperature: float | None = None
    utilization: float | None = None
    memory_used: int | None = None
    memory_total: int | None = None
    fan: float | None = None
    power: float | None = None

    @property
    def memory_utilization(self) -> float | None:
        if self.memory_used is None or not self.memory_total:
            return None
        return 100.0 * self.memory_used / self.memory_total


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that holds memory of a GPU. `memory` is None where the driver does not tell, as it does in containers."""

    pid: int
    uuid: str
    memory: int | None


@dataclass(frozen=True, slots=True)
class GpuShare:
    """What some processes hold of a GPU's memory: bytes, None where only their presence is told."""

    id: int
    name: str
    memory: int | None


def shares(gpus: Iterable[Gpu], processes: Iterable[GpuProcess], pids: Container[int]) -> list[GpuShare]:
    """Of these processes, by GPU."""
    by_uuid = {gpu.uuid: gpu for gpu in gpus if gpu.uuid}
    held: dict[int, GpuShare] = {}
    for process in processes:
        gpu = by_uuid.get(process.uuid)
        if gpu is None or process.pid not in pids:
            continue
        known = [size for size in (process.memory, held[gpu.id].memory if gpu.id in held else None) if size is not None]
        held[gpu.id] = GpuShare(gpu.id, gpu.name, sum(known) if known else None)
    return sorted(held.values(), key=lambda share: share.id)


class SourceProblem(Exception):  # it is an outcome, not one of Swapyard's errors
    """Why a source gives nothing. The message is for the user and stands after "nvidia-smi: "."""
