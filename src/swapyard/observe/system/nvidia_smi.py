"""NVIDIA GPUs by nvidia-smi, where NVML cannot be used."""

from __future__ import annotations

from swapyard.observe.system.readings import MIB, number, pci_address, percent, text, whole
from swapyard.observe.system.samples import Gpu, GpuProcess, SourceProblem
from swapyard.observe.system.tool import Tool

FIELDS = (
    "index",
    "name",
    "uuid",
    "temperature.gpu",
    "temperature.memory",
    "utilization.gpu",
    "memory.used",
    "memory.total",
    "fan.speed",
    "power.draw",
    "pci.bus_id",
)
FORMAT = "--format=csv,noheader,nounits"
LIMIT = 10.0  # seconds: without the persistence daemon the driver is loaded for every call


class NvidiaSmi:
    name = "nvidia-smi"

    def __init__(self) -> None:
        self._tool = Tool("nvidia-smi", limit=LIMIT)
        self._processes_tool = Tool("nvidia-smi", limit=LIMIT)  # asked by other threads than the one that samples

    def sample(self) -> list[Gpu]:
        gpus = parse_gpus(self._tool.ask([f"--query-gpu={','.join(FIELDS)}", FORMAT]))
        if not gpus:
            raise SourceProblem("lists no GPU")
        return gpus

    def processes(self) -> list[GpuProcess]:
        return parse_processes(self._processes_tool.ask(["--query-compute-apps=pid,gpu_uuid,used_gpu_memory", FORMAT]))

    def close(self) -> None:
        self._tool.close()
        self._processes_tool.close()


def parse_gpus(output: str) -> list[Gpu]:
    """Lines of `FIELDS`. Nothing is quoted there: a comma in the name makes more fields, so they are counted from both
    ends. Lines that are no GPU's are passed over."""
    found = []
    for line in output.splitlines():
        fields = [field.strip() for field in line.split(",")]
        index = whole(fields[0])
        if len(fields) < len(FIELDS) or index is None:
            continue
        after_name = len(FIELDS) - 2
        uuid, temperature, memory_temperature, utilization, used, total, fan, power, pci = fields[-after_name:]
        found.append(
            Gpu(
                id=index,
                name=text(", ".join(fields[1:-after_name])) or f"GPU {index}",
                source=NvidiaSmi.name,
                uuid=text(uuid),
                pci=pci_address(pci),
                temperature=number(temperature),
                memory_temperature=number(memory_temperature),
                utilization=percent(utilization),
                memory_used=whole(used, MIB),
                memory_total=whole(total, MIB) or None,
                fan=percent(fan),
                power=percent(power),
            )
        )
    return found


def parse_processes(output: str) -> list[GpuProcess]:
    """Lines of `pid, gpu_uuid, used_gpu_memory`; a process has a line per GPU."""
    found = []
    for line in output.splitlines():
        pid, _, rest = line.partition(",")
        uuid, _, used = rest.partition(",")
        number_of_process = whole(pid.strip())
        if number_of_process and text(uuid):
            found.append(GpuProcess(number_of_process, text(uuid), whole(used.strip(), MIB)))
    return found
