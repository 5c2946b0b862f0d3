"""When a snapshot is taken, how long anyone waits for it, and which ones are not published."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import msgspec
import pytest

from swapyard.observe.system.hardware import lookup as module
from swapyard.observe.system.hardware.capture import capture
from swapyard.observe.system.hardware.lookup import Hardware
from swapyard.observe.system.hardware.snapshot import (
    Accelerator,
    AcceleratorMemory,
    Architecture,
    Cpu,
    Environment,
    Memory,
    OperatingSystem,
    Snapshot,
    faults,
)


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return capture("1.2.3")


def test_this_machine_has_a_valid_snapshot(snapshot: Snapshot) -> None:
    assert faults(snapshot) == []
    assert snapshot.capture.detector.version == "1.2.3"


def test_a_machine_of_which_nothing_is_known_has_one_too(tmp_path: Path) -> None:
    assert faults(capture("1", tmp_path)) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"architecture": Architecture("vax")}, "architecture is 'vax'"),
        ({"architecture": Architecture("other")}, "architecture is other, and nothing says what"),
        ({"operating_system": OperatingSystem("other")}, "operating_system.family is other"),
        ({"environment": Environment("cloud")}, "environment.kind is 'cloud'"),
        ({"cpu": Cpu(socket_count=0)}, "cpu.socket_count is 0"),
        ({"cpu": Cpu(physical_core_count=4, logical_thread_count=2)}, "fewer threads than cores"),
        ({"memory": Memory(0)}, "memory.capacity_bytes is unknown"),
        ({"accelerators": (Accelerator(index=1),)}, "accelerators[0].index is 1"),
        ({"accelerators": (Accelerator(index=0, kind="toy"),)}, "accelerators[0].kind is 'toy'"),
        ({"accelerators": (Accelerator(index=0, memory=AcceleratorMemory("x")),)}, "accelerators[0].memory.kind is 'x'"),
        ({"accelerators": (Accelerator(index=0, memory=AcceleratorMemory("unified", 0)),)}, "capacity_bytes is 0"),
        ({"accelerators": (Accelerator(index=0, power_limit_watts=float("inf")),)}, "power_limit_watts is inf"),
    ],
)
def test_what_cannot_be_published(snapshot: Snapshot, change: dict[str, object], told: str) -> None:
    (fault,) = faults(msgspec.structs.replace(snapshot, **change))
    assert told in fault


async def test_it_is_taken_once_for_all_who_ask_and_kept(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []

    def take() -> Snapshot:
        taken.append(threading.current_thread().name)
        return snapshot

    hardware = Hardware(take, pytest.fail)
    assert taken == []
    assert await asyncio.gather(*(hardware.snapshot() for _ in range(5))) == [snapshot] * 5
    assert await hardware.snapshot() is snapshot
    assert taken == ["look at the hardware"]
    monkeypatch.setattr(module, "FRESH", 0.0)
    await hardware.snapshot()
    assert len(taken) == 2


async def test_whoever_asks_waits_no_longer_than_the_budget(snapshot: Snapshot) -> None:
    go_on, taken = threading.Event(), threading.Event()

    def take() -> Snapshot:
        go_on.wait()
        taken.set()
        return snapshot

    hardware = Hardware(take, pytest.fail, budget=0.05)
    assert await hardware.snapshot() is None
    assert await hardware.snapshot() is None
    go_on.set()
    await asyncio.to_thread(taken.wait, 10)
    hardware._budget = 10.0
    assert await hardware.snapshot() is snapshot


async def test_a_failure_or_an_invalid_snapshot_is_told_and_tried_again(snapshot: Snapshot) -> None:
    told: list[str] = []
    outcomes: list[Exception | Snapshot] = [
        OSError("no /proc"),
        msgspec.structs.replace(snapshot, memory=Memory(0)),
        snapshot,
    ]

    def take() -> Snapshot:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    hardware = Hardware(take, told.append)
    assert await hardware.snapshot() is None
    assert await hardware.snapshot() is None
    assert await hardware.snapshot() is snapshot
    assert told == [
        "the hardware cannot be told: OSError: no /proc",
        "the hardware cannot be told: memory.capacity_bytes is unknown",
    ]
