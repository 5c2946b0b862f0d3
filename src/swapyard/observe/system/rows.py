"""Samples as others read them: the JSON of `/api/performance`, and what `/metrics` takes.

llama-swap's clients expect numbers in every field, so what is unknown is 0 there, as it always was; `unknown` names those
fields, and is left out where there are none. Memory is in MiB.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from swapyard.observe.metrics import GpuSample, SystemSample
from swapyard.observe.system.readings import MIB
from swapyard.observe.system.samples import Gpu, Host


class NetIo(Struct, frozen=True):
    name: str
    bytes_recv: int
    bytes_sent: int


class SystemRow(Struct, frozen=True, omit_defaults=True, kw_only=True):
    timestamp: str
    cpu_util_per_core: tuple[float, ...]
    mem_total_mb: int
    mem_used_mb: int
    mem_free_mb: int
    swap_total_mb: int
    swap_used_mb: int
    load_avg_1: float
    load_avg_5: float
    load_avg_15: float
    net_io: tuple[NetIo, ...] | None
    unknown: tuple[str, ...] = ()


class GpuRow(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`source` is ours: the tool or library that told."""

    timestamp: str
    id: int
    name: str
    uuid: str
    temp_c: int
    vram_temp_c: int
    gpu_util_pct: float
    mem_util_pct: float
    mem_used_mb: int
    mem_total_mb: int
    fan_speed_pct: float
    power_draw_w: float
    source: str
    unknown: tuple[str, ...] = ()


class Numbers:
    """Rounds values for JSON and notes which are unknown."""

    def __init__(self) -> None:
        self.unknown: list[str] = []

    def decimal(self, name: str, value: float | None) -> float:
        return round(self._known(name, value), 2)

    def whole(self, name: str, value: float | None) -> int:
        return round(self._known(name, value))

    def mib(self, name: str, value: int | None) -> int:
        return int(self._known(name, value)) // MIB

    def _known(self, name: str, value: float | None) -> float:
        if value is None:
            self.unknown.append(name)
            return 0
        return value


def timestamp(microseconds: int) -> str:
    """RFC 3339 in UTC, of microseconds since the epoch."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:06d}Z"


def system_row(host: Host, at: int) -> SystemRow:
    """`at`: microseconds since the epoch."""
    numbers = Numbers()
    load: tuple[float | None, ...] = host.load or (None, None, None)
    network = None if host.network is None else tuple(NetIo(each.name, each.received, each.sent) for each in host.network)
    return SystemRow(
        timestamp=timestamp(at),
        cpu_util_per_core=host.cpu,
        mem_total_mb=host.memory_total // MIB,
        mem_used_mb=host.memory_used // MIB,
        mem_free_mb=host.memory_free // MIB,
        swap_total_mb=numbers.mib("swap_total_mb", host.swap_total),
        swap_used_mb=numbers.mib("swap_used_mb", host.swap_used),
        load_avg_1=numbers.decimal("load_avg_1", load[0]),
        load_avg_5=numbers.decimal("load_avg_5", load[1]),
        load_avg_15=numbers.decimal("load_avg_15", load[2]),
        net_io=network,
        unknown=tuple(numbers.unknown),
    )


def gpu_row(gpu: Gpu, at: int) -> GpuRow:
    """`at`: microseconds since the epoch."""
    numbers = Numbers()
    return GpuRow(
        timestamp=timestamp(at),
        id=gpu.id,
        name=gpu.name,
        uuid=gpu.uuid,
        temp_c=numbers.whole("temp_c", gpu.temperature),
        vram_temp_c=numbers.whole("vram_temp_c", gpu.memory_temperature),
        gpu_util_pct=numbers.decimal("gpu_util_pct", gpu.utilization),
        mem_util_pct=numbers.decimal("mem_util_pct", gpu.memory_utilization),
        mem_used_mb=numbers.mib("mem_used_mb", gpu.memory_used),
        mem_total_mb=numbers.mib("mem_total_mb", gpu.memory_total),
        fan_speed_pct=numbers.decimal("fan_speed_pct", gpu.fan),
        power_draw_w=numbers.decimal("power_draw_w", gpu.power),
        source=gpu.source,
        unknown=tuple(numbers.unknown),
    )


encode = msgspec.json.Encoder().encode


def system_metrics(host: Host) -> SystemSample:
    return SystemSample(
        cpu_percent=host.cpu,
        memory_total=host.memory_total // MIB,
        memory_used=host.memory_used // MIB,
        memory_free=host.memory_free // MIB,
        swap_total=_mib(host.swap_total),
        swap_used=_mib(host.swap_used),
        load=host.load,
        network={each.name: (each.received, each.sent) for each in host.network or ()},
    )


def gpu_metrics(gpu: Gpu) -> GpuSample:
    return GpuSample(
        id=gpu.id,
        name=gpu.name,
        uuid=gpu.uuid,
        temperature=gpu.temperature,
        vram_temperature=gpu.memory_temperature,
        util_percent=gpu.utilization,
        memory_util_percent=gpu.memory_utilization,
        memory_used=_mib(gpu.memory_used),
        memory_total=_mib(gpu.memory_total),
        fan_percent=gpu.fan,
        power_watts=gpu.power,
    )


def _mib(size: int | None) -> int | None:
    return None if size is None else size // MIB
