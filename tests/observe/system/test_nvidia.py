"""NVIDIA GPUs: what nvidia-smi prints, and what NVML answers."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from swapyard.observe.system import nvml
from swapyard.observe.system.nvidia_smi import FIELDS, NvidiaSmi, parse_gpus, parse_processes
from swapyard.observe.system.nvml import Nvml
from swapyard.observe.system.samples import Gpu, GpuProcess, SourceProblem

MIB = 1024 * 1024
H100 = "0, NVIDIA H100 80GB HBM3, GPU-1a2b, 31, 40, 7, 4321, 81559, [N/A], 71.53, 00000000:1B:00.0"
RTX = "1, NVIDIA GeForce RTX 3090, GPU-3c4d, 54, N/A, 98, 21007, 24576, 63, 342.10, 00000000:0A:00.0"
GB10 = "0, NVIDIA GB10, GPU-5e6f, 42, N/A, 0, [N/A], [N/A], [N/A], 4.51, 0000000F:01:00.0"
OLD = "2, Quadro K600, GPU-7a8b, 40, N/A, [Not Supported], 110, 1024, 25, [Not Supported], 00000000:02:00.0"

Install = Callable[[str, str], Any]


def test_every_field_of_a_line_is_read() -> None:
    assert parse_gpus(H100 + "\n" + RTX) == [
        Gpu(
            id=0,
            name="NVIDIA H100 80GB HBM3",
            source="nvidia-smi",
            uuid="GPU-1a2b",
            pci="0000:1b:00.0",
            temperature=31,
            memory_temperature=40,
            utilization=7,
            memory_used=4321 * MIB,
            memory_total=81559 * MIB,
            fan=None,
            power=71.53,
        ),
        Gpu(
            id=1,
            name="NVIDIA GeForce RTX 3090",
            source="nvidia-smi",
            uuid="GPU-3c4d",
            pci="0000:0a:00.0",
            temperature=54,
            memory_temperature=None,
            utilization=98,
            memory_used=21007 * MIB,
            memory_total=24576 * MIB,
            fan=63,
            power=342.1,
        ),
    ]


def test_what_is_not_available_is_unknown_and_not_zero() -> None:
    unified, old = parse_gpus(GB10 + "\n" + OLD)
    assert (unified.memory_used, unified.memory_total, unified.memory_utilization, unified.fan) == (None, None, None, None)
    assert unified.utilization == 0
    assert (old.utilization, old.power) == (None, None)


def test_a_comma_in_the_name_moves_nothing() -> None:
    (gpu,) = parse_gpus(H100.replace("H100 80GB HBM3", "H100, 80GB, HBM3"))
    assert (gpu.name, gpu.uuid, gpu.memory_total) == ("NVIDIA H100, 80GB, HBM3", "GPU-1a2b", 81559 * MIB)


@pytest.mark.parametrize(
    "output",
    ["", "\n\n", "No devices were found", "0, x, y", "Unable to determine the device handle for GPU0: 1B:00.0, a, b"],
)
def test_lines_of_no_gpu_are_passed_over(output: str) -> None:
    assert parse_gpus(output) == []
    assert parse_gpus(f"{output}\n{RTX}\n")[0].id == 1


def test_processes_with_and_without_their_memory() -> None:
    output = "4711, GPU-1a2b, 3024\n4711, GPU-3c4d, 18\n4712, GPU-1a2b, [N/A]\nNo running processes found\n"
    assert parse_processes(output) == [
        GpuProcess(4711, "GPU-1a2b", 3024 * MIB),
        GpuProcess(4711, "GPU-3c4d", 18 * MIB),
        GpuProcess(4712, "GPU-1a2b", None),
    ]


def test_the_tool_is_asked_for_the_fields_that_are_parsed(install: Install) -> None:
    wanted = f"--query-gpu={','.join(FIELDS)} --format=csv,noheader,nounits"
    install("nvidia-smi", f'[ "$*" = "{wanted}" ] && echo "{H100}" || echo "$*" >&2')
    assert [gpu.name for gpu in NvidiaSmi().sample()] == ["NVIDIA H100 80GB HBM3"]


def test_a_driver_that_does_not_answer_is_told_in_its_own_words(install: Install) -> None:
    install("nvidia-smi", 'echo "NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver."; exit 9')
    with pytest.raises(SourceProblem, match=r"^exited with code 9: NVIDIA-SMI has failed .* driver\.$"):
        NvidiaSmi().sample()


# --- NVML --------------------------------------------------------------------------------------------------------------


class NotThere(Exception):
    pass


class Driver:
    """The module `pynvml` with some GPUs. `missing`: functions that this driver or GPU does not support."""

    NVMLError = NotThere
    nvmlMemory_v2 = 2  # noqa: N815
    NVML_TEMPERATURE_GPU = 0
    NVML_FI_DEV_MEMORY_TEMP = 82

    def __init__(self, gpus: int = 1, missing: tuple[str, ...] = ()) -> None:
        self.gpus = gpus
        self.missing = missing
        self.open = 0
        self.lost: set[int] = set()
        self.broken = False

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("nvmlDeviceGet") and name in object.__getattribute__(self, "missing"):

            def refuse(*_: Any, **__: Any) -> Any:
                raise NotThere("Not Supported")

            return refuse
        return object.__getattribute__(self, name)

    def nvmlInit(self) -> None:  # noqa: N802 - the library's names
        self.open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        if self.broken:
            raise NotThere("Driver/library version mismatch")
        return self.gpus

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        if index in self.lost:
            raise NotThere("GPU is lost")
        return index

    def nvmlDeviceGetName(self, handle: int) -> bytes:  # noqa: N802
        return b"NVIDIA H100"

    def nvmlDeviceGetUUID(self, handle: int) -> str:  # noqa: N802
        return f"GPU-{handle}"

    def nvmlDeviceGetPciInfo(self, handle: int) -> Any:  # noqa: N802
        return SimpleNamespace(busId=f"00000000:0{handle}:00.0")

    def nvmlDeviceGetTemperature(self, handle: int, sensor: int) -> int:  # noqa: N802
        return 41

    def nvmlDeviceGetFieldValues(self, handle: int, fields: list[int]) -> list[Any]:  # noqa: N802
        return [SimpleNamespace(nvmlReturn=0, value=SimpleNamespace(uiVal=55))]

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:  # noqa: N802
        return SimpleNamespace(gpu=12, memory=3)

    def nvmlDeviceGetMemoryInfo(self, handle: int, version: int = 1) -> Any:  # noqa: N802
        return SimpleNamespace(used=version * 1000, total=5000)

    def nvmlDeviceGetFanSpeed(self, handle: int) -> int:  # noqa: N802
        return 30

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:  # noqa: N802
        return 71530

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[Any]:  # noqa: N802
        return [SimpleNamespace(pid=10, usedGpuMemory=100), SimpleNamespace(pid=11, usedGpuMemory=None)]

    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: int) -> list[Any]:  # noqa: N802
        return [SimpleNamespace(pid=10, usedGpuMemory=100), SimpleNamespace(pid=12, usedGpuMemory=7)]


def test_nvml_tells_everything() -> None:
    driver = Driver()
    source = Nvml(lambda: driver)
    assert source.sample() == [
        Gpu(
            id=0,
            name="NVIDIA H100",
            source="nvml",
            uuid="GPU-0",
            pci="0000:00:00.0",
            temperature=41,
            memory_temperature=55,
            utilization=12,
            memory_used=2000,
            memory_total=5000,
            fan=30,
            power=71.53,
        )
    ]
    assert source.sample()[0].power == 71.53
    assert driver.open == 1
    source.close()
    assert driver.open == 0
    with pytest.raises(SourceProblem, match="has ended"):
        source.sample()
    assert driver.open == 0


def test_closing_does_not_wait_for_a_driver_that_hangs_and_who_is_in_it_closes_it_afterwards() -> None:
    entered, go_on = threading.Event(), threading.Event()

    class Hanging(Driver):
        def nvmlDeviceGetCount(self) -> int:  # noqa: N802
            entered.set()
            go_on.wait(10)
            return 1

    driver = Hanging()
    source = Nvml(lambda: driver)
    thread = threading.Thread(target=source.sample)
    thread.start()
    assert entered.wait(10)
    source.close()
    assert driver.open == 1
    go_on.set()
    thread.join(10)
    assert driver.open == 0


def test_what_nvml_does_not_support_is_unknown() -> None:
    names = ("Temperature", "FieldValues", "UtilizationRates", "MemoryInfo", "FanSpeed", "PowerUsage", "PciInfo", "Name")
    source = Nvml(lambda: Driver(missing=tuple(f"nvmlDeviceGet{name}" for name in names)))
    assert source.sample() == [Gpu(id=0, name="GPU 0", source="nvml", uuid="GPU-0")]
    source.close()


def test_a_lost_gpu_does_not_hide_the_others_and_a_new_driver_is_opened_anew() -> None:
    driver = Driver(gpus=3)
    driver.lost = {1}
    source = Nvml(lambda: driver)
    assert [gpu.id for gpu in source.sample()] == [0, 2]
    driver.broken = True
    with pytest.raises(SourceProblem, match="version mismatch"):
        source.sample()
    assert driver.open == 0
    driver.broken = False
    assert len(source.sample()) == 2
    assert driver.open == 1
    source.close()


def test_nvml_tells_each_process_once_per_gpu() -> None:
    source = Nvml(lambda: Driver(gpus=2))
    assert source.processes() == [
        GpuProcess(pid, f"GPU-{gpu}", memory) for gpu in (0, 1) for pid, memory in ((10, 100), (11, None), (12, 7))
    ]
    source.close()


def test_without_gpus_nvml_is_no_source_and_keeps_nothing_open() -> None:
    driver = Driver(gpus=0)
    with pytest.raises(SourceProblem, match="no NVIDIA GPU"):
        Nvml(lambda: driver).sample()
    assert driver.open == 0


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "DRIVER_PLACES", ("/",))
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(SourceProblem, match="nvidia-ml-py is missing"):
        Nvml().sample()


def test_without_a_driver_the_package_is_not_even_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "DRIVER_PLACES", ("/nowhere/at/all",))
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    with pytest.raises(SourceProblem, match="no NVIDIA driver"):
        Nvml().sample()
    assert "pynvml" not in sys.modules


def test_the_package_has_what_is_asked_of_it() -> None:
    pynvml = importlib.import_module("pynvml")
    asked = (*vars(Driver), "nvmlDeviceGetCudaComputeCapability", "nvmlDeviceGetEnforcedPowerLimit")
    assert [name for name in asked if name.lower().startswith("nvml") and not hasattr(pynvml, name)] == []
