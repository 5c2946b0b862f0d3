"""Tools as real programs in a PATH of their own, sources that are played, and threads that must be gone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from swapyard.observe.system.samples import Gpu, GpuProcess, SourceProblem

Install = Callable[[str, str], Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """`install("nvidia-smi", script)`: a program of that name, a shell script. Nothing else is in PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def write(name: str, script: str) -> Path:
        program = folder / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return program

    return write


class PlayedSource:
    """Gives `gpus`, or the problem that stands there instead; counts how often it was asked."""

    def __init__(self, name: str, *gpus: Gpu, problem: str = "") -> None:
        self.name = name
        self.gpus = list(gpus)
        self.problem = problem
        self.bug: Exception | None = None
        self.asked = 0
        self.is_closed = False

    def sample(self) -> list[Gpu]:
        self.asked += 1
        if self.bug is not None:
            raise self.bug
        if self.problem:
            raise SourceProblem(self.problem)
        return self.gpus

    def processes(self) -> list[GpuProcess]:
        return [GpuProcess(1000 + gpu.id, gpu.uuid, 5) for gpu in self.gpus]

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def played() -> type[PlayedSource]:
    return PlayedSource


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive(), f"{thread.name} still runs"
