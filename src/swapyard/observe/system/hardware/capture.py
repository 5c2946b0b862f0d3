"""Takes the snapshot: asks everything that knows something of this machine. Blocks for up to some seconds."""

from __future__ import annotations

import platform
import sys
import time
from pathlib import Path

from msgspec import UNSET

from swapyard.observe.system.hardware import accelerators, host, vendors
from swapyard.observe.system.hardware.environment import environment
from swapyard.observe.system.hardware.snapshot import Capture, Detector, Memory, Snapshot
from swapyard.observe.system.rows import timestamp


def capture(version: str, root: Path = Path("/"), system: str = sys.platform) -> Snapshot:
    """What this machine is. Blocks for up to some seconds."""
    memory = host.memory(root, system)
    return Snapshot(
        captured_at=timestamp(time.time_ns() // 1000),
        capture=Capture(detector=Detector("swapyard", version)),
        architecture=host.architecture(platform.machine()),
        operating_system=host.operating_system(root, system),
        environment=environment(root, system),
        cpu=host.cpu(root, system),
        memory=Memory(memory, host.usable_memory() or UNSET),
        accelerators=accelerators.accelerators(found(root, system, memory)),
    )


def found(root: Path, system: str, memory: int) -> list[accelerators.Found]:
    """The GPUs of every source. `memory`: of the machine, bytes."""
    if system == "darwin":
        return vendors.of_macos(memory)
    gpus = vendors.of_nvml(memory) or vendors.of_nvidia_smi(memory)
    if system == "win32":
        return [*gpus, *vendors.of_windows()]
    return [*gpus, *vendors.of_rocm_smi(), *accelerators.of_kfd(root), *accelerators.of_drm(root)]
