"""GPUs that a vendor's library or tool knows: NVML, nvidia-smi, rocm-smi, macOS' system_profiler, Windows' own list."""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Callable, Sequence
from typing import Any

from swapyard.observe.system.hardware.accelerators import Found
from swapyard.observe.system.nvml import load_library
from swapyard.observe.system.readings import MIB, pci_address, percent, text, whole
from swapyard.observe.system.rocm_smi import cards
from swapyard.observe.system.samples import SourceProblem
from swapyard.observe.system.tool import Tool

LIMIT = 5.0

# Compute capability -> architecture, for drivers whose nvidia-smi does not know the name.
_CAPABILITIES = {
    **dict.fromkeys(("2.0", "2.1"), "Fermi"),
    **dict.fromkeys(("3.0", "3.2", "3.5", "3.7"), "Kepler"),
    **dict.fromkeys(("5.0", "5.2", "5.3"), "Maxwell"),
    **dict.fromkeys(("6.0", "6.1", "6.2"), "Pascal"),
    **dict.fromkeys(("7.0", "7.2"), "Volta"),
    "7.5": "Turing",
    **dict.fromkeys(("8.0", "8.6", "8.7"), "Ampere"),
    "8.9": "Ada Lovelace",
    "9.0": "Hopper",
    **dict.fromkeys(("10.0", "10.3", "11.0", "12.0", "12.1"), "Blackwell"),
}
# Parts whose GPU has no memory of its own but the machine's.
_UNIFIED = ("gb10", "thor", "orin", "xavier", "tegra")

NVIDIA_FIELDS = ("index", "name", "uuid", "pci.bus_id", "memory.total", "driver_version", "power.limit")


def capable(capability: str) -> str | None:
    """The architecture of a compute capability such as 8.9."""
    return _CAPABILITIES.get(capability)


def nvidia(model: str, memory: int | None, system_memory: int, **rest: Any) -> Found:
    """`memory`: of the GPU, None where the driver tells none."""
    kind, capacity = ("dedicated", memory) if memory else ("unknown", None)
    if any(name in model.lower() for name in _UNIFIED):
        kind, capacity = "unified", memory or system_memory or None
    return Found(vendor="NVIDIA", model=model or None, memory_kind=kind, capacity=capacity, driver="NVIDIA", **rest)


# --- NVML --------------------------------------------------------------------------------------------------------------


def of_nvml(system_memory: int, load: Callable[[], Any] = load_library) -> list[Found]:
    """Empty where NVML cannot be used. `load` gives the module `pynvml`."""
    try:
        nvml = load()
        nvml.nvmlInit()
    except Exception:  # missing package, library or driver
        return []
    try:
        return [
            _of_handle(nvml, nvml.nvmlDeviceGetHandleByIndex(at), system_memory) for at in range(nvml.nvmlDeviceGetCount())
        ]
    except nvml.NVMLError:
        return []
    finally:
        with contextlib.suppress(nvml.NVMLError):
            nvml.nvmlShutdown()


def _of_handle(nvml: Any, handle: Any, system_memory: int) -> Found:
    def told(look: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return look(*arguments)
        except nvml.NVMLError:
            return None

    def string(value: Any) -> str:
        return text(value.decode("utf-8", "replace") if isinstance(value, bytes) else value)

    pci, memory = told(nvml.nvmlDeviceGetPciInfo, handle), told(nvml.nvmlDeviceGetMemoryInfo, handle)
    capability = told(nvml.nvmlDeviceGetCudaComputeCapability, handle)
    milliwatts = told(nvml.nvmlDeviceGetEnforcedPowerLimit, handle)
    return nvidia(
        string(told(nvml.nvmlDeviceGetName, handle)),
        memory.total if memory else None,
        system_memory,
        identity=pci_address(string(pci.busId)) if pci else string(told(nvml.nvmlDeviceGetUUID, handle)),
        architecture=capable(f"{capability[0]}.{capability[1]}") if capability else None,
        driver_version=string(told(nvml.nvmlSystemGetDriverVersion)) or None,
        power_limit=milliwatts / 1000 if milliwatts else None,
    )


# --- tools -------------------------------------------------------------------------------------------------------------


def of_nvidia_smi(system_memory: int) -> list[Found]:
    tool = Tool("nvidia-smi", limit=LIMIT)

    def query(*fields: str) -> dict[int, list[str]]:
        return parse_table(_ask(tool, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"), len(fields))

    gpus = query(*NVIDIA_FIELDS)
    named = {index: text(row[1]) for index, row in query("index", "architecture").items()} if gpus else {}
    if any(not named.get(index) for index in gpus):
        for index, row in query("index", "compute_cap").items():
            named[index] = named.get(index) or capable(text(row[1])) or ""
    return [_of_row(row, named.get(index), system_memory) for index, row in gpus.items()]


def parse_table(output: str, columns: int) -> dict[int, list[str]]:
    """Rows of so many columns by the number in their first one; the others are passed over."""
    rows = [[field.strip() for field in row] for row in csv.reader(output.splitlines(), skipinitialspace=True)]
    return {int(row[0]): row for row in rows if len(row) == columns and row[0].isdecimal()}


def _of_row(row: Sequence[str], architecture: str | None, system_memory: int) -> Found:
    _, model, uuid, bus, memory, driver, power = row
    return nvidia(
        text(model),
        whole(memory, MIB) or None,
        system_memory,
        identity=pci_address(bus) or text(uuid),
        architecture=architecture or None,
        driver_version=text(driver) or None,
        power_limit=percent(power) or None,
    )


def of_rocm_smi() -> list[Found]:
    tool = Tool("rocm-smi", limit=LIMIT)
    always = ("-i", "--showmeminfo", "vram", "--showproductname", "--showbus", "--csv")
    output = _ask(tool, *always, "--showdriverversion", "--showmaxpower") or _ask(tool, *always)
    return parse_rocm(output)


def parse_rocm(output: str) -> list[Found]:
    version = next((line.split(",")[1] for line in output.splitlines() if line.lower().startswith("system,")), "")
    found = []
    for _, row in cards(output):
        memory = whole(row.get("vram total memory (b)")) or None
        found.append(
            Found(
                identity=pci_address(row.get("pci bus")) or row.get("guid") or row.get("unique id") or "",
                vendor="AMD",
                model=row.get("card series") or row.get("device name") or row.get("card model") or None,
                architecture=row.get("gfx version") or None,
                memory_kind="dedicated" if memory else "unknown",
                capacity=memory,
                driver="amdgpu",
                driver_version=row.get("driver version") or text(version) or None,
                power_limit=percent(row.get("max graphics package power (w)")) or None,
            )
        )
    return found


def of_macos(system_memory: int) -> list[Found]:
    tool = Tool("system_profiler", limit=8.0)
    return parse_profile(_ask(tool, "-json", "SPHardwareDataType", "SPDisplaysDataType"), system_memory)


def parse_profile(output: str, system_memory: int) -> list[Found]:
    found = []
    for display in _json(output, dict).get("SPDisplaysDataType") or ():
        model = text(display.get("sppci_model"))
        if not model:
            continue
        is_apple = "apple" in f"{model} {display.get('spdisplays_vendor', '')}".lower()
        found.append(
            Found(
                vendor="Apple" if is_apple else text(display.get("spdisplays_vendor")).partition(" ")[0] or None,
                model=model,
                architecture=" ".join(model.split()[:2]) if is_apple else None,
                memory_kind="unified" if is_apple else "unknown",
                capacity=system_memory or None if is_apple else None,
                driver="Metal",
            )
        )
    return found


def of_windows() -> list[Found]:
    """Windows keeps sizes of memory in 32 bits there, so they are not taken."""
    query = "Get-CimInstance Win32_VideoController | Select-Object Name,AdapterCompatibility,DriverVersion | ConvertTo-Json"
    tool = Tool("powershell", limit=LIMIT)
    return parse_controllers(_ask(tool, "-NoProfile", "-NonInteractive", "-Command", query))


def parse_controllers(output: str) -> list[Found]:
    """One object, or a list of them. What NVIDIA's library tells better is left out, and what is no hardware."""
    controllers = _json(output, list) or [_json(output, dict)]
    found = []
    for controller in controllers:
        model, maker = text(controller.get("Name")), text(controller.get("AdapterCompatibility"))
        skipped = ("nvidia", "microsoft", "remote", "virtual", "indirect")
        if model and not any(word in f"{model} {maker}".lower() for word in skipped):
            vendor = next((name for name in ("AMD", "Intel") if name.lower() in f"{maker} {model}".lower()), None)
            vendor = vendor or ("AMD" if "advanced micro" in maker.lower() else maker or None)
            found.append(Found(vendor=vendor, model=model, driver_version=text(controller.get("DriverVersion")) or None))
    return found


def _ask(tool: Tool, *arguments: str) -> str:
    """Empty when it does not answer."""
    try:
        return tool.ask(arguments)
    except SourceProblem:
        return ""


def _json(output: str, kind: type[Any]) -> Any:
    """What is printed, if it is of that kind; else an empty one."""
    try:
        value = json.loads(output)
    except ValueError:
        return kind()
    return value if isinstance(value, kind) else kind()
