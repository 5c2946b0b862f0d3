"""What mactop and ioreg print on a Mac."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from swapyard.observe.system.apple import Ioreg, Mactop, parse_ioreg, parse_mactop
from swapyard.observe.system.samples import Gpu, SourceProblem

IOREG = """\
+-o AGXAcceleratorG14X  <class AGXAcceleratorG14X, id 0x1000003e4, registered, matched, active, busy 0 (1 ms), retain 152>
    {
      "gpu-core-count" = 40
      "model" = "Apple M4 Max"
      "IOReportLegend" = ({"IOReportChannels"=((1,2,"Alloc system memory"),(3,4,"In use system memory"))})
      "PerformanceStatistics" = {"In use system memory (driver)"=0,"Alloc system memory"=52967440384,\
"Tiler Utilization %"=10,"recoveryCount"=0,"Device Utilization %"=16,"In use system memory"=2363801600}
    }
"""
# Of mactop's own documentation, shortened.
MACTOP = {
    "soc_metrics": {"cpu_power": 2.19, "gpu_power": 5.38552801, "gpu_freq_mhz": 643, "gpu_temp": 58.38886},
    "memory": {"total": 137438953472, "used": 74062512128},
    "gpu_usage": 53.51970510465884,
    "system_info": {"name": "Apple M1 Ultra", "core_count": 20, "gpu_core_count": 64},
    "thermal_state": "Normal",
}


def test_ioreg_tells_use_and_memory_and_nothing_else() -> None:
    assert parse_ioreg(IOREG, 64_000) == Gpu(
        id=0,
        name="Apple M4 Max (40-core GPU)",
        source="ioreg",
        utilization=16,
        memory_used=2363801600,
        memory_total=64_000,
    )


def test_ioreg_without_figures_is_no_gpu() -> None:
    assert parse_ioreg('"model" = "Apple M4"\n"In use system memory (driver)"=7', 1) is None
    assert parse_ioreg("", 1) is None
    gpu = parse_ioreg('"Device Utilization %"=0', 1)
    assert gpu is not None
    assert (gpu.name, gpu.utilization, gpu.memory_used) == ("Apple GPU", 0, None)


@pytest.mark.parametrize("output", [json.dumps([MACTOP], indent=2), json.dumps(MACTOP), "warming up\n" + json.dumps(MACTOP)])
def test_mactop_tells_a_sample_alone_or_in_a_list(output: str) -> None:
    gpu = parse_mactop(output, 5, 10)
    assert gpu == Gpu(
        id=0,
        name="Apple M1 Ultra (64-core GPU)",
        source="mactop",
        temperature=58.38886,
        utilization=53.51970510465884,
        memory_used=5,
        memory_total=10,
        power=5.38552801,
    )


def test_fans_and_memory_temperature_of_mactop() -> None:
    more = {
        "fans": [
            {"rpm": 2000, "min_rpm": 1000, "max_rpm": 5000},
            {"rpm": 900, "min_rpm": 1000, "max_rpm": 5000},
            {"rpm": 7},
        ],
        "temperatures": [{"group": "CPU", "average": 60.0}, {"group": "Memory", "average": 47.5}],
    }
    gpu = parse_mactop(json.dumps({**MACTOP, **more}), None, 10)
    assert gpu is not None
    assert (gpu.fan, gpu.memory_temperature, gpu.memory_used) == (12.5, 47.5, None)


@pytest.mark.parametrize("output", ["", "[]", "no GPU", "7", "[1]"])
def test_mactop_without_a_sample_is_no_gpu(output: str) -> None:
    assert parse_mactop(output, None, 1) is None


def test_mactop_gets_its_memory_from_ioreg(install: Callable[[str, str], Any]) -> None:
    install("mactop", f"echo '{json.dumps(MACTOP)}'")
    assert Mactop().sample()[0].memory_used is None
    install("ioreg", f"/bin/cat <<'END'\n{IOREG}END")
    assert Mactop().sample()[0].memory_used == 2363801600
    assert Ioreg().sample()[0].source == "ioreg"
    install("ioreg", "echo nothing")
    with pytest.raises(SourceProblem, match="tells nothing"):
        Ioreg().sample()
