"""AMD, Intel and NVIDIA GPUs by LACT's daemon, which answers questions on a Unix socket: one JSON object per line.

The connection is kept from sample to sample; a daemon that was restarted is connected to again at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from swapyard.observe.system.readings import number, pci_address, percent, text, whole
from swapyard.observe.system.samples import Gpu, GpuProcess, SourceProblem

CONNECT_LIMIT = 2.0  # seconds
ANSWER_LIMIT = 5.0
LONGEST_ANSWER = 4 * 1024 * 1024


class Lact:
    name = "LACT"

    def __init__(self) -> None:
        self._busy = threading.Lock()  # held by whoever asks
        self._lock = threading.Lock()  # of the connection's coming and going
        self._socket: socket.socket | None = None
        self._answers: BinaryIO | None = None
        self._closed = False

    def sample(self) -> list[Gpu]:
        with self._busy:
            try:
                return self._sample()
            finally:
                if self._closed:
                    self._disconnect()

    def _sample(self) -> list[Gpu]:
        path = socket_path()
        if path is None:
            raise SourceProblem("no socket of lactd")
        was_connected = self._socket is not None
        try:
            gpus = self._ask_all(path)
        except (OSError, ValueError) as error:
            self._disconnect()
            if not was_connected:
                raise SourceProblem(_reason(error)) from None
            try:  # the daemon was restarted since the last sample, perhaps
                gpus = self._ask_all(path)
            except (OSError, ValueError) as again:
                self._disconnect()
                raise SourceProblem(_reason(again)) from None
        if not gpus:
            raise SourceProblem("lists no GPU with memory of its own")
        return gpus

    def processes(self) -> list[GpuProcess]:
        return []

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)  # wakes who waits for an answer; that one closes it
        if self._busy.acquire(blocking=False):
            try:
                self._disconnect()
            finally:
                self._busy.release()

    def _ask_all(self, path: Path) -> list[Gpu]:
        """Raises OSError or ValueError."""
        if self._socket is None:
            self._connect(path)
        devices = self._ask({"command": "list_devices"})
        found = []
        for index, device in enumerate(devices if isinstance(devices, list) else []):
            stats = self._ask({"command": "device_stats", "args": {"id": device["id"]}})
            gpu = parse_stats(index, device, stats)
            if gpu is not None:
                found.append(gpu)
        return found

    def _connect(self, path: Path) -> None:
        if sys.platform == "win32":
            raise OSError("there are no such sockets here")
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(CONNECT_LIMIT)
            connection.connect(str(path))
            connection.settimeout(ANSWER_LIMIT)
        except OSError:
            connection.close()
            raise
        with self._lock:
            if self._closed:
                connection.close()
                raise OSError("sampling has ended")
            self._socket, self._answers = connection, connection.makefile("rb")

    def _ask(self, question: Mapping[str, Any]) -> Any:
        connection, answers = self._socket, self._answers
        if connection is None or answers is None:
            raise OSError("not connected")
        connection.sendall(json.dumps(question).encode() + b"\n")
        line = answers.readline(LONGEST_ANSWER)
        if not line.endswith(b"\n"):
            raise OSError("the connection has ended")
        return parse_answer(line)

    def _disconnect(self) -> None:
        with self._lock:
            connection, answers = self._socket, self._answers
            self._socket = self._answers = None
        for each in (answers, connection):
            if each is not None:
                with contextlib.suppress(OSError):
                    each.close()


def socket_path() -> Path | None:
    """Where the daemon listens: what LACT's own variable says, the system's place, or the user's."""
    places = [Path("/run/lactd.sock")]
    if named := os.environ.get("LACT_DAEMON_SOCKET_PATH"):
        places.insert(0, Path(named))
    if hasattr(os, "getuid"):
        places.append(Path(f"/run/user/{os.getuid()}/lactd.sock"))
    for place in places:
        with contextlib.suppress(OSError):
            if place.exists():
                return place
    return None


def parse_answer(line: bytes) -> Any:
    """The data of one answer. Raises ValueError for an error, told or malformed."""
    answer = json.loads(line)
    if not isinstance(answer, dict) or answer.get("status") != "ok":
        told = answer.get("data") if isinstance(answer, dict) else None
        raise ValueError(f"answers with an error: {told!s:.200}")
    return answer.get("data")


def parse_stats(index: int, device: Mapping[str, Any], stats: Any) -> Gpu | None:
    """None for a device without memory of its own: it only shows pictures."""
    stats = stats if isinstance(stats, Mapping) else {}
    vram, fan, power, temps = (_map(stats.get(name)) for name in ("vram", "fan", "power", "temps"))
    total = whole(vram.get("total"))
    if not total:
        return None
    pwm = percent(fan.get("pwm_current"))
    average = percent(power.get("average"))
    return Gpu(
        id=index,
        name=text(device.get("name")) or f"GPU {index}",
        source=Lact.name,
        uuid=text(device.get("id")),
        pci=pci_address(device.get("id")),
        temperature=_temperature(temps, "edge", "junction", *temps),
        memory_temperature=_temperature(temps, "mem", "VRAM"),
        utilization=percent(stats.get("busy_percent")),
        memory_used=whole(vram.get("used")),
        memory_total=total,
        fan=None if pwm is None else 100.0 * pwm / 255,
        power=average or percent(power.get("current")),
    )


def _temperature(temps: Mapping[str, Any], *names: str) -> float | None:
    readings = (number(_map(temps.get(name)).get("current")) for name in names)
    return next((reading for reading in readings if reading is not None), None)


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {ANSWER_LIMIT:g} s"
    return getattr(error, "strerror", None) or str(error)
