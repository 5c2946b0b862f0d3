"""Apple's GPUs: by mactop where it is installed, else by ioreg, which every Mac has but which knows neither power nor
temperature nor fans. Both share the machine's memory, which is what is told as the GPU's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import psutil

from swapyard.observe.system.readings import number, percent, text, whole
from swapyard.observe.system.samples import Gpu, GpuProcess, SourceProblem
from swapyard.observe.system.tool import Tool

IOREG_QUERY = ("-r", "-c", "IOGPU", "-d", "1", "-f")
IOREG_LIMIT = 5.0
MACTOP_QUERY = ("--headless", "--format", "json", "--count", "1", "--interval", "1000")
MACTOP_LIMIT = 10.0  # it measures for a second before it answers


class Ioreg:
    name = "ioreg"

    def __init__(self) -> None:
        self._tool = Tool("ioreg", limit=IOREG_LIMIT)

    def sample(self) -> list[Gpu]:
        gpu = parse_ioreg(self._tool.ask(IOREG_QUERY), psutil.virtual_memory().total)
        if gpu is None:
            raise SourceProblem("tells nothing of a GPU")
        return [gpu]

    def processes(self) -> list[GpuProcess]:
        return []

    def close(self) -> None:
        self._tool.close()


class Mactop:
    name = "mactop"

    def __init__(self) -> None:
        self._tool = Tool("mactop", limit=MACTOP_LIMIT)
        self._memory = Tool("ioreg", limit=IOREG_LIMIT)

    def sample(self) -> list[Gpu]:
        output = self._tool.ask(MACTOP_QUERY)
        total = psutil.virtual_memory().total
        try:  # the driver knows what the GPU holds of the memory, mactop does not
            beside = parse_ioreg(self._memory.ask(IOREG_QUERY), total)
        except SourceProblem:
            beside = None
        gpu = parse_mactop(output, None if beside is None else beside.memory_used, total)
        if gpu is None:
            raise SourceProblem("prints no sample")
        return [gpu]

    def processes(self) -> list[GpuProcess]:
        return []

    def close(self) -> None:
        self._tool.close()
        self._memory.close()


def parse_ioreg(output: str, memory_total: int) -> Gpu | None:
    """None when neither utilisation nor memory is told. `memory_total`: of the machine, bytes."""
    utilization = percent(_property(output, "Device Utilization %"))
    used = whole(_property(output, "In use system memory"))
    if utilization is None and used is None:
        return None
    cores = whole(_property(output, "gpu-core-count"))
    return Gpu(
        id=0,
        name=_with_cores(text(_property(output, "model")) or "Apple GPU", cores),
        source=Ioreg.name,
        utilization=utilization,
        memory_used=used,
        memory_total=memory_total,
    )


def _property(output: str, name: str) -> str | None:
    """A value of ioreg's tree: a number, or a text in quotes. The name must match to its closing quote."""
    match = re.search(rf'"{re.escape(name)}"\s*=\s*(?:<?"([^"]*)"|(-?\d+))', output)
    return None if match is None else match[1] if match[1] is not None else match[2]


def parse_mactop(output: str, memory_used: int | None, memory_total: int) -> Gpu | None:
    """One sample of `mactop --headless`, alone or in a list. None when there is none."""
    sample = _last_object(output)
    if sample is None:
        return None
    soc, system = _map(sample.get("soc_metrics")), _map(sample.get("system_info"))
    temperature = number(soc.get("gpu_temp"))
    return Gpu(
        id=0,
        name=_with_cores(text(system.get("name")) or "Apple GPU", whole(system.get("gpu_core_count"))),
        source=Mactop.name,
        temperature=temperature or None,  # 0 is what it writes for a sensor it cannot read
        memory_temperature=_memory_temperature(sample.get("temperatures")),
        utilization=percent(sample.get("gpu_usage")),
        memory_used=memory_used,
        memory_total=memory_total,
        fan=_fan(sample.get("fans")),
        power=percent(soc.get("gpu_power")),
    )


def _last_object(output: str) -> Mapping[str, Any] | None:
    candidates = [output, *reversed(output.splitlines())]
    for candidate in candidates:
        try:
            value = json.loads(candidate.strip().rstrip(","))
        except ValueError:
            continue
        if isinstance(value, list) and value:
            value = value[-1]
        if isinstance(value, Mapping):
            return value
    return None


def _memory_temperature(groups: Any) -> float | None:
    for group in _list(groups):
        if isinstance(group, Mapping) and group.get("group", group.get("name")) == "Memory":
            return number(group.get("average", group.get("avg"))) or None
    return None


def _fan(fans: Any) -> float | None:
    """The mean of where each fan stands between its slowest and its fastest, percent."""
    shares = []
    for fan in _list(fans):
        rpm, least, most = (number(_map(fan).get(key)) for key in ("rpm", "min_rpm", "max_rpm"))
        if rpm is not None and least is not None and most is not None and most > least:
            shares.append(max(0.0, 100.0 * (rpm - least) / (most - least)))
    return sum(shares) / len(shares) if shares else None


def _with_cores(name: str, cores: int | None) -> str:
    return f"{name} ({cores}-core GPU)" if cores else name


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []
