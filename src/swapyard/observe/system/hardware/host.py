"""Architecture, operating system, processors and memory of this machine. `root` is where the system's files are: `/`."""

from __future__ import annotations

import contextlib
import platform
import re
import sys
from pathlib import Path

import psutil

from swapyard.observe.system.hardware.snapshot import Architecture, Cpu, OperatingSystem
from swapyard.observe.system.readings import text

_MACHINES = {
    "x86_64": Architecture("x86_64", "amd64"),
    "amd64": Architecture("x86_64", "amd64"),
    "aarch64": Architecture("arm64"),
    "arm64": Architecture("arm64"),
    "armv7l": Architecture("armv7", "arm"),
    "armv6l": Architecture("armv7", "arm"),
    "ppc64le": Architecture("ppc64le"),
    "riscv64": Architecture("riscv64"),
    "s390x": Architecture("s390x"),
}
_FAMILIES = {"linux": "linux", "darwin": "macos", "win32": "windows"}


def architecture(machine: str) -> Architecture:
    """`machine`: what the system calls its processors (`platform.machine()`)."""
    return _MACHINES.get(machine.lower()) or Architecture("other", machine or "unknown")


def operating_system(root: Path, system: str = sys.platform) -> OperatingSystem:
    kernel = text(platform.release()) or None
    if system.startswith("freebsd"):
        return OperatingSystem("freebsd", "FreeBSD", kernel, kernel)
    match _FAMILIES.get(system):
        case "linux":
            release = os_release(read(root / "etc/os-release") or read(root / "usr/lib/os-release"))
            return OperatingSystem("linux", release.get("NAME"), release.get("VERSION_ID"), kernel)
        case "macos":
            return OperatingSystem("macos", "macOS", text(platform.mac_ver()[0]) or None, kernel)
        case "windows":
            return OperatingSystem("windows", "Windows", text(platform.version()) or None, kernel)
        case _:
            return OperatingSystem("other", None, None, kernel, raw_family=system)


def os_release(content: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in content.splitlines() if "=" in line and not line.startswith("#"))
    values = {name.strip(): text(value.strip().strip("\"'")) for name, _, value in pairs}
    return {name: value for name, value in values.items() if value}


def cpu(root: Path, system: str = sys.platform) -> Cpu:
    logical, physical = psutil.cpu_count(), psutil.cpu_count(logical=False)
    if logical and physical and physical > logical:
        physical = None  # a container sees the cores of the whole machine
    vendor = model = sockets = None
    if system == "linux":
        vendor, model, sockets = parse_cpuinfo(read(root / "proc/cpuinfo"))
    else:
        model = text(platform.processor()) or None
    return Cpu(vendor, model, sockets, physical or None, logical or None)


def parse_cpuinfo(content: str) -> tuple[str | None, str | None, int | None]:
    """Vendor, model and number of sockets of /proc/cpuinfo. ARM's kernels tell none of them, POWER's call the model cpu."""
    values: dict[str, list[str]] = {}
    for line in content.splitlines():
        name, _, value = line.partition(":")
        if text(value):
            values.setdefault(name.strip().lower(), []).append(text(value))

    def first(*names: str) -> str | None:
        return next((values[name][0] for name in names if name in values), None)

    sockets = len(set(values.get("physical id", ()))) or None
    return first("vendor_id", "vendor"), first("model name", "cpu", "uarch", "hardware"), sockets


def memory(root: Path, system: str = sys.platform) -> int:
    """Bytes; 0 if even that is unknown. On Linux what firmware and kernel keep for themselves counts, and the limit of the
    control group when it is lower."""
    total = usable_memory()
    if system != "linux":
        return total
    return limited(max(total, present_bytes(read(root / "proc/zoneinfo"), _page_size())), root)


def usable_memory() -> int:
    """Bytes, as every sample of the memory counts them; 0 where they are unknown."""
    try:
        return psutil.virtual_memory().total
    except (OSError, psutil.Error):
        return 0


def present_bytes(zoneinfo: str, page_size: int) -> int:
    """Of all zones of /proc/zoneinfo but `Device`, where the memory of GPUs may be mapped."""
    pages, counts = 0, False
    for line in zoneinfo.splitlines():
        if line.startswith("Node "):
            counts = not line.rstrip().endswith("Device")
        elif counts and (match := re.fullmatch(r"\s+present\s+(\d+)", line)):
            pages += int(match[1])
    return pages * page_size


def limited(total: int, root: Path) -> int:
    for name in ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"):
        limit = read(root / name).strip()
        if limit.isdecimal() and 0 < int(limit) < total:
            return int(limit)
    return total


def _page_size() -> int:
    with contextlib.suppress(ImportError):
        import resource

        return resource.getpagesize()
    return 4096


def read(path: Path) -> str:
    """Empty when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
