"""What rocm-smi prints, as its users reported it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from swapyard.observe.system.rocm_smi import QUERY, RocmSmi, parse_gpus
from swapyard.observe.system.samples import Gpu, SourceProblem

# Two Radeon RX 7900 XTX with ROCm 7.2, which ends its lines with blanks.
RX7900 = """\
device,Device Name,Device ID,Device Rev,Subsystem ID,GUID,Temperature (Sensor edge) (C),Temperature (Sensor junction) (C),\
Temperature (Sensor memory) (C),Average Graphics Package Power (W),GPU use (%),GPU Memory Allocated (VRAM%),\
GPU Memory Read/Write Activity (%),Memory Activity,Avg. Memory Bandwidth,VRAM Total Memory (B),VRAM Total Used Memory (B),\
PCI Bus,Card Series,Card Model,Card Vendor,Card SKU,Node ID,GFX Version
card0,Radeon RX 7900 XTX,0x744c,0xc8,0x2422,47413,31.0,37.0,42.0,19.0,0,0,0,N/A,0,25753026560,27947008,0000:03:00.0,\
Radeon RX 7900 XTX,0x744c,Advanced Micro Devices Inc. [AMD/ATI],EXT95849,1,gfx1100
card1,Radeon RX 7900 XTX,0x744c,0xc8,0x5304,7360,27.0,35.0,58.0,18.0,88,0,0,N/A,0,25753026560,12876513280,0000:07:00.0,\
Radeon RX 7900 XTX,0x744c,Advanced Micro Devices Inc. [AMD/ATI],D70201,2,gfx1100
""".replace("\n", "  \n")
# A Radeon 780M: no fan, power under another name, no series.
PHOENIX = """\
WARNING: AMD GPU device(s) is/are in a low-power state. Check power control/runtime_status

device,Device Name,GUID,Temperature (Sensor edge) (C),Fan speed (%),Current Socket Graphics Package Power (W),GPU use (%),\
VRAM Total Memory (B),VRAM Total Used Memory (B),Card series,GFX version
card1,Phoenix3,45560,31.0,N/A,7.222,19,4294967296,3758096384,N/A,gfx1103
"""


def test_every_column_is_found_by_its_name() -> None:
    first, second = parse_gpus(RX7900)
    assert first == Gpu(
        id=0,
        name="Radeon RX 7900 XTX card0 (gfx1100)",
        source="rocm-smi",
        uuid="47413",
        pci="0000:03:00.0",
        temperature=31.0,
        memory_temperature=42.0,
        utilization=0.0,
        memory_used=27947008,
        memory_total=25753026560,
        fan=None,
        power=19.0,
    )
    assert (second.id, second.utilization, second.memory_utilization) == (1, 88.0, 50.0)


def test_other_names_for_the_same_and_what_is_not_available() -> None:
    (gpu,) = parse_gpus(PHOENIX)
    assert (gpu.id, gpu.name, gpu.power, gpu.fan, gpu.memory_temperature) == (
        1,
        "Phoenix3 card1 (gfx1103)",
        7.222,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("row", "name"),
    [("card2,N/A,N/A,N/A", "card2"), ("card2,N/A,Vega,N/A", "Vega card2"), ("card2,MI210,N/A,x", "MI210 card2 (x)")],
)
def test_the_name(row: str, name: str) -> None:
    (gpu,) = parse_gpus(f"device,Card Series,Device Name,GFX Version\n{row}\n")
    assert gpu.name == name


@pytest.mark.parametrize("row", ["system,7.2", "card0,1", "cardX,1,2", "gpu0,1,2", "card0,1,2,3"])
def test_rows_that_are_no_card_are_passed_over(row: str) -> None:
    assert parse_gpus(f"device,GPU use (%),GUID\n{row}\n") == []


def test_the_tool_is_asked_in_csv(install: Callable[[str, str], Any]) -> None:
    install("rocm-smi", f'[ "$*" = "{" ".join(QUERY)}" ] && printf "device,GPU use (%%)\\ncard0,7\\n"')
    assert [gpu.utilization for gpu in RocmSmi().sample()] == [7.0]
    install("rocm-smi", "echo 'ERROR: No AMD GPU'")
    with pytest.raises(SourceProblem, match="lists no GPU"):
        RocmSmi().sample()
