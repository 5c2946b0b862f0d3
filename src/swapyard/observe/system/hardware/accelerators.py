"""GPUs of all sources as one list, and those that only Linux's drivers know (`/sys/class/kfd`, `/sys/class/drm`).

Two sources mean the same GPU when they tell the same PCI address, or, without one, the same serial number. The source that
comes first has its way, later ones fill the gaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

from swapyard.observe.system.hardware.host import read
from swapyard.observe.system.hardware.snapshot import Accelerator, AcceleratorMemory, Driver
from swapyard.observe.system.readings import pci_address, text, whole

VENDORS = {0x10DE: "NVIDIA", 0x1002: "AMD", 0x1022: "AMD", 0x8086: "Intel", 0x106B: "Apple"}
_AMD = frozenset({0x1002, 0x1022})


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A GPU as one source knows it. `identity`: PCI address, else a serial number, else empty; never told to anyone.
    Bytes and watts."""

    identity: str = ""
    vendor: str | None = None
    model: str | None = None
    architecture: str | None = None
    memory_kind: str = "unknown"
    capacity: int | None = None
    driver: str | None = None
    driver_version: str | None = None
    power_limit: float | None = None


def accelerators(found: Iterable[Found]) -> tuple[Accelerator, ...]:
    ordered = sorted(merged(found), key=lambda gpu: (gpu.identity, gpu.model or ""))
    return tuple(
        Accelerator(
            index=index,
            vendor=gpu.vendor,
            model=gpu.model,
            architecture=gpu.architecture,
            memory=AcceleratorMemory(gpu.memory_kind, gpu.capacity),
            driver=Driver(gpu.driver, gpu.driver_version) if gpu.driver or gpu.driver_version else None,
            power_limit_watts=gpu.power_limit,
        )
        for index, gpu in enumerate(ordered)
    )


def merged(found: Iterable[Found]) -> list[Found]:
    by_identity: dict[str, Found] = {}
    nameless = []
    for gpu in found:
        if not gpu.identity:
            nameless.append(gpu)
        elif gpu.identity in by_identity:
            by_identity[gpu.identity] = _filled(by_identity[gpu.identity], gpu)
        else:
            by_identity[gpu.identity] = gpu
    return [*by_identity.values(), *nameless]


def _filled(first: Found, second: Found) -> Found:
    gaps = {
        field.name: getattr(second, field.name)
        for field in fields(Found)
        if getattr(first, field.name) in (None, "", "unknown")
    }
    if first.memory_kind != "unknown" and second.memory_kind != first.memory_kind:
        gaps.pop("capacity", None)  # it is the size of another kind of memory
    return replace(first, **gaps)


# --- Linux: AMD's compute driver ---------------------------------------------------------------------------------------


def of_kfd(root: Path) -> Iterator[Found]:
    """What can compute by ROCm: the only place where its architecture stands when rocm-smi is not installed."""
    for node in sorted((root / "sys/class/kfd/kfd/topology/nodes").glob("*/properties")):
        properties = dict(line.split(None, 1) for line in read(node).splitlines() if len(line.split(None, 1)) == 2)
        minor, vendor = whole(properties.get("drm_render_minor")) or 0, whole(properties.get("vendor_id"))
        name = gfx_name(whole(properties.get("gfx_target_version")) or 0)
        if minor <= 0 or vendor not in _AMD or name is None or not (root / f"dev/dri/renderD{minor}").exists():
            continue
        address = _kfd_address(whole(properties.get("domain")) or 0, whole(properties.get("location_id")) or 0)
        yield Found(identity=address, vendor="AMD", architecture=name, driver="amdgpu")


def gfx_name(version: int) -> str | None:
    """`gfx1151` of 110501: major * 10000 + minor * 100 + stepping, of which the last is written in hexadecimal."""
    major, minor, stepping = version // 10000, version // 100 % 100, version % 100
    if version < 10000 or minor > 9 or stepping > 15:
        return None
    return f"gfx{major}{minor}{stepping:x}"


def _kfd_address(domain: int, location: int) -> str:
    """`location`: bus, device and function in the lowest 16 bits."""
    if not location:
        return ""
    return f"{domain:04x}:{location >> 8 & 0xFF:02x}:{location >> 3 & 0x1F:02x}.{location & 7}"


# --- Linux: every graphics driver --------------------------------------------------------------------------------------


def of_drm(root: Path) -> Iterator[Found]:
    for card in sorted((root / "sys/class/drm").glob("card*")):
        if card.name.removeprefix("card").isdecimal():
            device = card / "device"
            vendor = VENDORS.get(_hexadecimal(read(device / "vendor")))
            if vendor is not None and any((device / "drm").glob("renderD*")):
                yield _of_card(device, vendor)


def _of_card(device: Path, vendor: str) -> Found:
    address = pci_address(device.resolve().name)
    dedicated = whole(read(device / "mem_info_vram_total").strip()) or None
    module = (device / "driver").resolve().name if (device / "driver").exists() else None
    caps = (whole(read(path).strip()) for path in sorted(device.glob("hwmon/hwmon*/power1_cap")))
    power = next((cap for cap in caps if cap), None)
    return Found(
        identity=address,
        vendor=vendor,
        model=text(read(device / "product_name")) or None,
        memory_kind="dedicated" if dedicated else "unknown" if vendor == "NVIDIA" else "shared_system",
        capacity=dedicated,
        driver=module,
        driver_version=text(read(device / "driver/module/version")) or None,
        power_limit=power / 1e6 if power else None,
    )


def _hexadecimal(content: str) -> int:
    try:
        return int(content.strip(), 16)
    except ValueError:
        return 0
