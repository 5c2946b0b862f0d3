"""The snapshot's shape, version 1. A key is absent only where the shape says UNSET; whatever is unknown is null."""

from __future__ import annotations

import math
from typing import Final

from msgspec import UNSET, Struct, UnsetType

ARCHITECTURES: Final = frozenset({"x86_64", "arm64", "armv7", "ppc64le", "riscv64", "s390x", "other"})
FAMILIES: Final = frozenset({"linux", "macos", "windows", "freebsd", "other"})
ENVIRONMENTS: Final = frozenset({"native", "container", "virtual_machine", "wsl", "other", "unknown"})
KINDS: Final = frozenset({"gpu", "npu", "other"})
MEMORIES: Final = frozenset({"dedicated", "unified", "shared_system", "unknown"})


class Detector(Struct, frozen=True):
    name: str
    version: str


class Capture(Struct, frozen=True, kw_only=True):
    scope: str = "inference_host"
    method: str = "detected"
    detector: Detector


class Architecture(Struct, frozen=True):
    name: str
    raw_name: str | None = None


class OperatingSystem(Struct, frozen=True):
    family: str
    name: str | None = None
    version: str | None = None
    kernel: str | None = None
    raw_family: str | UnsetType = UNSET


class Environment(Struct, frozen=True):
    kind: str
    name: str | None = None
    version: str | None = None
    raw_kind: str | UnsetType = UNSET


class Cpu(Struct, frozen=True):
    vendor: str | None = None
    model: str | None = None
    socket_count: int | None = None
    physical_core_count: int | None = None
    logical_thread_count: int | None = None


class Memory(Struct, frozen=True):
    """`capacity_bytes`: what is built in, or the limit of the control group where that is lower. `usable_bytes`: the total
    that samples of the memory count from: without what firmware and kernel keep for themselves."""

    capacity_bytes: int
    usable_bytes: int | UnsetType = UNSET


class AcceleratorMemory(Struct, frozen=True):
    kind: str = "unknown"
    capacity_bytes: int | None = None


class Driver(Struct, frozen=True):
    name: str | None = None
    version: str | None = None


class Accelerator(Struct, frozen=True, kw_only=True):
    index: int
    kind: str = "gpu"
    vendor: str | None = None
    model: str | None = None
    architecture: str | None = None
    memory: AcceleratorMemory = AcceleratorMemory()
    driver: Driver | None = None
    power_limit_watts: float | None = None
    raw_kind: str | UnsetType = UNSET


class Snapshot(Struct, frozen=True, kw_only=True):
    schema_version: int = 1
    captured_at: str
    capture: Capture
    architecture: Architecture
    operating_system: OperatingSystem
    environment: Environment
    cpu: Cpu
    memory: Memory
    accelerators: tuple[Accelerator, ...] = ()


def faults(snapshot: Snapshot) -> list[str]:
    """Why the snapshot may not be published; empty when it may."""
    found = []
    system, environment, cpu = snapshot.operating_system, snapshot.environment, snapshot.cpu
    found += _choice("architecture", snapshot.architecture.name, ARCHITECTURES, snapshot.architecture.raw_name)
    found += _choice("operating_system.family", system.family, FAMILIES, system.raw_family)
    found += _choice("environment.kind", environment.kind, ENVIRONMENTS, environment.raw_kind)
    for name in ("socket_count", "physical_core_count", "logical_thread_count"):
        count = getattr(cpu, name)
        if count is not None and count <= 0:
            found.append(f"cpu.{name} is {count}")
    if cpu.physical_core_count and cpu.logical_thread_count and cpu.logical_thread_count < cpu.physical_core_count:
        found.append("cpu has fewer threads than cores")
    if snapshot.memory.capacity_bytes <= 0:
        found.append("memory.capacity_bytes is unknown")
    if not snapshot.capture.detector.version.strip():
        found.append("the version of the detector is unknown")
    for position, accelerator in enumerate(snapshot.accelerators):
        found += _faults_of(accelerator, position)
    return found


def _faults_of(accelerator: Accelerator, position: int) -> list[str]:
    place = f"accelerators[{position}]"
    found = _choice(f"{place}.kind", accelerator.kind, KINDS, accelerator.raw_kind)
    found += _choice(f"{place}.memory.kind", accelerator.memory.kind, MEMORIES, "")
    if accelerator.index != position:
        found.append(f"{place}.index is {accelerator.index}")
    capacity, power = accelerator.memory.capacity_bytes, accelerator.power_limit_watts
    if capacity is not None and capacity <= 0:
        found.append(f"{place}.memory.capacity_bytes is {capacity}")
    if power is not None and not (power > 0 and math.isfinite(power)):
        found.append(f"{place}.power_limit_watts is {power}")
    return found


def _choice(place: str, value: str, known: frozenset[str], raw: str | UnsetType | None) -> list[str]:
    if value not in known:
        return [f"{place} is {value!r}"]
    return [f"{place} is other, and nothing says what"] if value == "other" and not raw else []
