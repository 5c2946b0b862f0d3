"""NVIDIA GPUs by NVML, the driver's own library: no program has to be started. Where its Python side (`nvidia-ml-py`) or
the library itself is missing, the source says so and nvidia-smi is asked instead.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from swapyard.observe.system.readings import pci_address
from swapyard.observe.system.samples import Gpu, GpuProcess, SourceProblem

# One of them is there where a driver is; the last is that of Windows' subsystem for Linux.
DRIVER_PLACES = ("/dev/nvidiactl", "/proc/driver/nvidia", "/dev/nvmap", "/dev/dxg")


class Nvml:
    name = "nvml"

    def __init__(self, load: Callable[[], Any] | None = None) -> None:
        """`load` gives the module `pynvml`."""
        self._load = load or load_library
        self._library: Any = None
        self._closed = False
        self._lock = threading.Lock()  # sampling and questions after processes come from different threads

    def sample(self) -> list[Gpu]:
        return self._each(_gpu)

    def processes(self) -> list[GpuProcess]:
        found: list[GpuProcess] = []
        for of_one in self._each(_processes):
            found += of_one
        return found

    def close(self) -> None:
        """Does not wait for a call that hangs in the driver: whoever is in it shuts down after it."""
        self._closed = True
        if self._lock.acquire(blocking=False):
            try:
                self._shut_down()
            finally:
                self._lock.release()

    def _each(self, look: Callable[[Any, int, Any], Any]) -> list[Any]:
        """`look(library, index, handle)` at each GPU that answers. Raises SourceProblem when none can be looked at."""
        with self._lock:
            try:
                return self._look(self._open(), look)
            finally:
                if self._closed:
                    self._shut_down()

    def _look(self, library: Any, look: Callable[[Any, int, Any], Any]) -> list[Any]:
        try:
            count = library.nvmlDeviceGetCount()
        except library.NVMLError as error:
            self._shut_down()  # a driver that was replaced needs a new start
            raise SourceProblem(str(error)) from None
        found = []
        for index in range(count):
            with contextlib.suppress(library.NVMLError):  # one that is lost does not hide the others
                found.append(look(library, index, library.nvmlDeviceGetHandleByIndex(index)))
        if not found:
            self._shut_down()
            raise SourceProblem("no NVIDIA GPU")
        return found

    def _open(self) -> Any:
        if self._closed:
            raise SourceProblem("sampling has ended")
        if self._library is None:
            library = self._load()
            try:
                library.nvmlInit()
            except library.NVMLError as error:
                raise SourceProblem(str(error)) from None
            self._library = library
        return self._library

    def _shut_down(self) -> None:
        library, self._library = self._library, None
        if library is not None:
            with contextlib.suppress(library.NVMLError):
                library.nvmlShutdown()


def load_library() -> Any:
    """The module `pynvml`. Raises SourceProblem where there is no driver, without importing anything: that would cost every
    machine two megabytes."""
    if sys.platform == "linux" and not any(Path(place).exists() for place in DRIVER_PLACES):
        raise SourceProblem("no NVIDIA driver")
    try:
        import pynvml
    except ImportError as error:
        raise SourceProblem(f"the package nvidia-ml-py is missing ({error})") from None
    return pynvml


def _gpu(nvml: Any, index: int, handle: Any) -> Gpu:
    def told(look: Callable[[], Any]) -> Any:
        """What this GPU or driver cannot tell is unknown."""
        try:
            return look()
        except (nvml.NVMLError, AttributeError):
            return None

    utilization = told(lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
    memory = told(lambda: nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2))  # without what is reserved
    memory = memory or told(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    power = told(lambda: nvml.nvmlDeviceGetPowerUsage(handle))  # milliwatts
    return Gpu(
        id=index,
        name=_string(told(lambda: nvml.nvmlDeviceGetName(handle))) or f"GPU {index}",
        source=Nvml.name,
        uuid=_string(told(lambda: nvml.nvmlDeviceGetUUID(handle))),
        pci=pci_address(_string(told(lambda: nvml.nvmlDeviceGetPciInfo(handle).busId))),
        temperature=told(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
        memory_temperature=told(lambda: _memory_temperature(nvml, handle)),
        utilization=None if utilization is None else float(utilization.gpu),
        memory_used=None if memory is None else memory.used,
        memory_total=None if memory is None else memory.total,
        fan=told(lambda: float(nvml.nvmlDeviceGetFanSpeed(handle))),
        power=None if power is None else power / 1000,
    )


def _memory_temperature(nvml: Any, handle: Any) -> float | None:
    (value,) = nvml.nvmlDeviceGetFieldValues(handle, [nvml.NVML_FI_DEV_MEMORY_TEMP])
    known = value.nvmlReturn == 0 and value.value.uiVal > 0
    return float(value.value.uiVal) if known else None


def _processes(nvml: Any, _index: int, handle: Any) -> list[GpuProcess]:
    uuid = _string(nvml.nvmlDeviceGetUUID(handle))
    found: dict[int, GpuProcess] = {}
    for ask in (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses):
        with contextlib.suppress(nvml.NVMLError):
            for process in ask(handle):  # one that computes and draws is in both lists, with the same memory
                found.setdefault(process.pid, GpuProcess(process.pid, uuid, process.usedGpuMemory))
    return list(found.values())


def _string(value: Any) -> str:
    """Older versions of the package give bytes."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return str(value or "").strip("\0 ")
