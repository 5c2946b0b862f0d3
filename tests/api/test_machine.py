"""The machine's figures, its hardware, and Prometheus' text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from swapyard.config.schema import Config, Performance
from swapyard.observe.system import sampling
from swapyard.observe.system.hardware.snapshot import (
    Accelerator,
    AcceleratorMemory,
    Architecture,
    Capture,
    Cpu,
    Detector,
    Driver,
    Environment,
    Memory,
    OperatingSystem,
    Snapshot,
)
from swapyard.observe.system.samples import Gpu, Host

if TYPE_CHECKING:
    from tests.api.conftest import Yard

QUIET = Performance(every=1000.0)
HOST = Host(cpu=(1.0,), memory_total=2**30, memory_used=2**29, memory_free=2**28)
NOON = 1_767_268_800_000_000  # 2026-01-01T12:00:00Z


def sample(yard: Yard, at: int, *gpus: Gpu) -> None:
    """As the sampling threads would."""
    from swapyard.observe.system.rows import encode, gpu_row, system_row

    round_ = yard.sampling._round
    assert round_ is not None
    round_.system.add(at, HOST, encode(system_row(HOST, at)))
    round_.gpus.add(at, list(gpus), b",".join(encode(gpu_row(gpu, at)) for gpu in gpus))


@pytest.fixture
def sampled(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sampling, "FIRST_SAMPLE", 1000.0)  # no sample comes by itself
    yard.config = Config(performance=QUIET)
    yard.sampling.configure(QUIET)
    yield yard
    yard.sampling.stop()
    yard.sampling.join(10)


async def test_with_sampling_off_the_answer_says_so(yard: Yard) -> None:
    for query in ("", "?after=2026-01-01T00:00:00Z"):
        answer = await yard.get("/api/performance" + query)
        assert (answer.status, answer.json) == (503, {"enabled": False})


async def test_before_the_first_sample_there_is_null(sampled: Yard) -> None:
    answer = await sampled.get("/api/performance")
    assert answer.status == 200
    assert answer.json == {"enabled": True, "gpu_stats": None, "sys_stats": None, "every": 1000.0, "sources": []}
    answer = await sampled.get("/api/performance?after=2026-01-01T00:00:00Z")
    assert (answer.json["gpu_stats"], answer.json["sys_stats"]) == ([], [])


async def test_samples_come_oldest_first_and_after_a_time(sampled: Yard) -> None:
    gpu = Gpu(id=0, name="G", source="nvml")
    sample(sampled, NOON, gpu, gpu)
    sample(sampled, NOON + 5_000_001, gpu)
    answer = (await sampled.get("/api/performance")).json
    times = [row["timestamp"] for row in answer["sys_stats"]]
    assert times == ["2026-01-01T12:00:00.000000Z", "2026-01-01T12:00:05.000001Z"]
    assert [row["timestamp"] for row in answer["gpu_stats"]] == [times[0], *times]
    for after, count in ((times[0], 1), (times[1], 0), ("2026-01-01T11:59:59Z", 2), ("2026-01-01T13:00:00%2B01:00", 1)):
        answer = (await sampled.get(f"/api/performance?after={after}")).json
        assert len(answer["sys_stats"]) == count, after


@pytest.mark.parametrize("after", ["yesterday", "2026-01-01", "nan", "-inf", "1e307"])
async def test_a_wrong_time_is_refused(sampled: Yard, after: str) -> None:
    answer = await sampled.get(f"/api/performance?after={after}")
    assert answer.status == 400
    assert "after" in answer.text


SNAPSHOT = Snapshot(
    captured_at="2026-01-01T12:00:00.000000Z",
    capture=Capture(detector=Detector("swapyard", "1.2.3")),
    architecture=Architecture("arm64"),
    operating_system=OperatingSystem("linux", "Debian GNU/Linux", "12", "6.1"),
    environment=Environment("native"),
    cpu=Cpu("ARM", "Neoverse", 1, 4, 8),
    memory=Memory(2**34),
    accelerators=(
        Accelerator(
            index=0,
            vendor="NVIDIA",
            model="H100",
            memory=AcceleratorMemory("dedicated", 2**36),
            driver=Driver("NVIDIA", None),
        ),
    ),
)


async def test_the_hardware_has_every_key_of_its_schema(yard: Yard) -> None:
    yard.hardware = SNAPSHOT
    assert (await yard.get("/api/hardware")).json == {
        "schema_version": 1,
        "captured_at": "2026-01-01T12:00:00.000000Z",
        "capture": {
            "scope": "inference_host",
            "method": "detected",
            "detector": {"name": "swapyard", "version": "1.2.3"},
        },
        "architecture": {"name": "arm64", "raw_name": None},
        "operating_system": {"family": "linux", "name": "Debian GNU/Linux", "version": "12", "kernel": "6.1"},
        "environment": {"kind": "native", "name": None, "version": None},
        "cpu": {
            "vendor": "ARM",
            "model": "Neoverse",
            "socket_count": 1,
            "physical_core_count": 4,
            "logical_thread_count": 8,
        },
        "memory": {"capacity_bytes": 17179869184},
        "accelerators": [
            {
                "index": 0,
                "kind": "gpu",
                "vendor": "NVIDIA",
                "model": "H100",
                "architecture": None,
                "memory": {"kind": "dedicated", "capacity_bytes": 68719476736},
                "driver": {"name": "NVIDIA", "version": None},
                "power_limit_watts": None,
            }
        ],
    }


async def test_hardware_that_cannot_be_told_is_503(yard: Yard) -> None:
    assert (await yard.get("/api/hardware")).status == 503


async def test_prometheus_gets_its_text(yard: Yard) -> None:
    yard.metrics = b"# HELP x y\n"
    answer = await yard.get("/metrics")
    assert (answer.status, answer.body) == (200, b"# HELP x y\n")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
