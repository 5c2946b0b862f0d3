"""A machine that is made up: an hour of figures of eight cores and two GPUs, in the shape of `/api/performance`.

For the page's tests and pictures, which run where there is no GPU. The figures follow from their times alone, so that two
calls agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

EVERY = 5  # seconds
CORES = 8
GPU_MEMORY = 24 * 1024  # MiB
MEMORY = 64 * 1024
GPUS = (("NVIDIA GeForce RTX 4090", 430.0), ("NVIDIA GeForce RTX 3090", 330.0))  # name, watts at full use
MIB = 1024**2
Json = dict[str, Any]


Held = Callable[[float], Mapping[int, int]]


def performance(now: float, after: float = 0.0, seconds: int = 3600, held: Held | None = None, ahead: float = 0.0) -> Json:
    """What was sampled after a time. `held`: MiB of each GPU that models held at a time. `ahead`: it works as it will
    so many seconds later."""
    newest = int(now) // EVERY * EVERY
    times = [at for at in range(newest - seconds + EVERY, newest + 1, EVERY) if at > after]
    return {
        "enabled": True,
        "every": EVERY,
        "sys_stats": [{**system_row(at + int(ahead)), "timestamp": timestamp(at)} for at in times],
        "gpu_stats": [gpu_row(gpu, at, held, ahead) for at in times for gpu in range(len(GPUS))],
        "sources": [{"name": "nvml", "gpus": len(GPUS), "problem": ""}],
    }


def hardware() -> Json:
    """Of `/api/hardware`, what the figures are figures of."""
    driver = {"name": "NVIDIA", "version": "580.95"}
    memory = {"kind": "dedicated", "capacity_bytes": GPU_MEMORY * MIB}
    about = {"kind": "gpu", "vendor": "NVIDIA", "memory": memory, "driver": driver}
    generations = ("Ada Lovelace", "Ampere")
    return {
        "environment": {"kind": "native", "name": None, "version": None},
        "cpu": {
            "vendor": "AMD",
            "model": "AMD Ryzen 7 7700X",
            "socket_count": 1,
            "physical_core_count": CORES,
            "logical_thread_count": CORES,
        },
        "memory": {"capacity_bytes": MEMORY * MIB},
        "accelerators": [
            {"index": gpu, "model": name, "architecture": generations[gpu], "power_limit_watts": watts, **about}
            for gpu, (name, watts) in enumerate(GPUS)
        ],
    }


def without_gpu(answer: Json) -> Json:
    problems = {
        "nvml": "NVML Shared Library Not Found",
        "nvidia-smi": "it is not installed",
        "rocm-smi": "it is not installed",
    }
    sources = [{"name": name, "gpus": 0, "problem": problem} for name, problem in problems.items()]
    return {**answer, "gpu_stats": None, "sources": sources}


def system_row(at: int) -> Json:
    busy = use(at, 0)
    used = int(MEMORY * (0.3 + 0.25 * busy))
    load = CORES * (0.15 + 0.6 * busy)
    return {
        "timestamp": timestamp(at),
        "cpu_util_per_core": [core_use(at, core, busy) for core in range(CORES)],
        "mem_total_mb": MEMORY,
        "mem_used_mb": used,
        "mem_free_mb": MEMORY - used - 4096,
        "swap_total_mb": 8192,
        "swap_used_mb": 900,
        "load_avg_1": round(load, 2),
        "load_avg_5": round(CORES * (0.2 + 0.45 * use(at - 120, 0)), 2),
        "load_avg_15": round(CORES * (0.25 + 0.3 * use(at - 400, 0)), 2),
        "net_io": [
            {"name": "eth0", "bytes_recv": total(at, 60_000), "bytes_sent": total(at, 410_000)},
            {"name": "wlan0", "bytes_recv": total(at, 8_000), "bytes_sent": total(at, 2_000)},
        ],
    }


def core_use(at: int, core: int, busy: float) -> float:
    return round(100 * clipped(0.06 + busy * (0.85 if core < 4 else 0.3) + noise(at, core) * 0.1), 1)


def gpu_row(gpu: int, at: int, held: Held | None, ahead: float) -> Json:
    works = held is None or held(at).get(gpu, 0) > 0
    busy = use(at + ahead, gpu + 1) if works else 0.0
    name, watts = GPUS[gpu]
    used = 640 + (held(at).get(gpu, 0) if held is not None else int(GPU_MEMORY * (0.75 if block(at, gpu) else 0.35)))
    return {
        "timestamp": timestamp(at),
        "id": gpu,
        "name": name,
        "uuid": f"GPU-{gpu}",
        "temp_c": round(38 + 38 * use(at + ahead - 20, gpu + 1) * works),
        "vram_temp_c": 0,
        "gpu_util_pct": round(100 * clipped(busy + min(0.08, busy / 3) * noise(at, gpu + 20)), 1),
        "mem_util_pct": round(100 * used / GPU_MEMORY, 1),
        "mem_used_mb": used,
        "mem_total_mb": GPU_MEMORY,
        "fan_speed_pct": round(30 + 40 * busy),
        "power_draw_w": round(25 + (watts - 25) * busy, 1),
        "source": "nvml",
        "unknown": ["vram_temp_c"],
    }


def use(at: float, of: int) -> float:
    """From 0 to 1: work comes in stretches of some minutes."""
    wave = math.sin(at / 97 + 1.7 * of) + 0.6 * math.sin(at / 41 + of) + 0.3 * math.sin(at / 13)
    return clipped(0.35 + 0.4 * wave) if wave > -0.4 else 0.0


def block(at: int, of: int) -> bool:
    return (at // 700 + of) % 2 == 0


def total(at: int, per_second: int) -> int:
    """A counter whose rate goes up and down."""
    return int(per_second * ((at % 1_000_000) + 60 * math.sin(at / 90)))


def noise(at: int, of: int) -> float:
    """From -1 to 1."""
    return math.sin(at * 12.9898 + of * 78.233)


def clipped(value: float) -> float:
    return min(1.0, max(0.0, value))


def timestamp(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S}.000000Z"


def moment(text: str) -> float:
    """What `timestamp` makes, back to seconds."""
    return datetime.fromisoformat(text).timestamp()
