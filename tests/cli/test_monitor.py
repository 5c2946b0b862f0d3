"""`swapyard monitor`: sources and samples in a terminal."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from swapyard.cli import monitor
from swapyard.observe.system.samples import Gpu, GpuProcess, SourceProblem

GIB = 2**30


class Played:
    def __init__(self, name: str, *gpus: Gpu, problem: str = "") -> None:
        self.name = name
        self.gpus = list(gpus)
        self.problem = problem
        self.is_closed = False

    def sample(self) -> list[Gpu]:
        if self.problem:
            raise SourceProblem(self.problem)
        return self.gpus

    def processes(self) -> list[GpuProcess]:
        return [GpuProcess(4711, "u", 3 * GIB), GpuProcess(4712, "u", None), GpuProcess(4713, "other", 1)]

    def close(self) -> None:
        self.is_closed = True


H100 = Gpu(
    id=0,
    name="H100",
    source="nvml",
    uuid="u",
    temperature=31,
    utilization=7,
    memory_used=4 * GIB,
    memory_total=80 * GIB,
    power=71.5,
)


def test_every_source_is_told_and_what_is_unknown_is_a_question_mark() -> None:
    sources = [Played("nvml", H100), Played("nvidia-smi", H100), Played("LACT", problem="no socket of lactd")]
    out = io.StringIO()
    assert monitor.run(None, out, families=[sources[:2], sources[2:]], wait=lambda _: None) == 0
    text = out.getvalue()
    assert "  nvml        works: 1 GPU\n  nvidia-smi  works: 1 GPU\n  LACT        no socket of lactd\n" in text
    assert "GPU 0     H100 (nvml)\n" in text
    assert "in use 7 %, memory 4.0 of 80.0 GiB, 31 °C (memory ?), fan ?, 72 W\n" in text
    assert "process 4711 has 3.00 GiB\n" in text
    assert "process 4712 has ?\n" in text
    assert "4713" not in text
    assert text.count("processors") == 1
    assert all(source.is_closed for source in sources)


def test_with_every_it_goes_on_until_it_is_interrupted() -> None:
    source, waits, out = Played("nvml", H100), [], io.StringIO()

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        monitor.run(2.0, out, families=[[source]], wait=wait)
    assert waits == [monitor.FIRST, 2.0, 2.0, 2.0]
    assert out.getvalue().count("processors") == 3
    assert source.is_closed


def test_the_command_shows_a_scripted_gpu_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '0, NVIDIA X, GPU-1, 31, N/A, 7, 1, 2, [N/A], 3, 00000000:1B:00.0'\n")
    program.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-m", "swapyard", "monitor", "--every", "100"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    assert process.stdout is not None
    with process.stdout as lines:
        text = ""
        while "fan ?" not in text:
            line = lines.readline()
            assert line, text
            text += line
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert "nvidia-smi  works: 1 GPU" in text
