"""Sampling on and off, what is remembered, and what the JSON says of what is unknown."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from swapyard.config.schema import Performance
from swapyard.observe.metrics import Machine, Metrics
from swapyard.observe.system import sampling as module
from swapyard.observe.system.gpus import Gpus
from swapyard.observe.system.host import HostSampler
from swapyard.observe.system.readings import MIB
from swapyard.observe.system.rows import encode, gpu_metrics, gpu_row, system_metrics, system_row, timestamp
from swapyard.observe.system.samples import Gpu, GpuShare, Host, Interface
from swapyard.observe.system.sampling import Ring, Sampling

FAST = Performance(every=0.01)
GPU = Gpu(id=0, name="G", source="played", uuid="u", temperature=40.6, memory_used=3 * MIB, memory_total=4 * MIB)


class Lines:
    def __init__(self) -> None:
        self.text: list[str] = []

    def debug(self, text: str, *values: object) -> None:
        self.text.append("debug: " + text % values)

    def info(self, text: str, *values: object) -> None:
        self.text.append("info: " + text % values)

    def warning(self, text: str, *values: object) -> None:
        self.text.append("warning: " + text % values)


def until(look: Callable[[], Any]) -> Any:
    end = time.monotonic() + 10
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(0.005)
    return found


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("sample the ")}


def test_samples_come_and_end_and_come_again(played: Any) -> None:
    log, sources = Lines(), []

    def make() -> Gpus:
        sources.append(played("played", GPU))
        return Gpus([[sources[-1]]])

    sampling = Sampling(log, make)
    sampling.configure(Performance(disabled=True))
    assert not sampling.is_enabled
    assert threads() == set()
    assert sampling.history(None) == module.History(None, None)
    assert sampling.history(0) == module.History(b"[]", b"[]")
    assert sources == []

    sampling.configure(FAST)
    history = until(lambda: (h := sampling.history(None)).system and h.gpus and h)
    assert json.loads(history.gpus)[0]["name"] == "G"
    assert json.loads(history.system)[0]["mem_total_mb"] > 0
    assert threads() == {"sample the system", "sample the GPUs"}

    sampling.configure(Performance(every=3600.0))
    assert len(json.loads(sampling.history(None).system or b"[]")) <= 1  # those before are forgotten
    assert sources[0].is_closed
    sampling.configure(Performance(disabled=True))
    sampling.join(10)
    assert threads() == set()
    assert all(source.is_closed for source in sources)

    sampling.configure(FAST)
    until(lambda: sampling.history(None).gpus)
    sampling.stop()
    sampling.join(10)
    assert threads() == set()
    assert log.text == ["info: GPUs: 1 by played"] * 2


def test_the_same_settings_change_nothing(played: Any) -> None:
    sampling = Sampling(Lines(), lambda: Gpus([[played("a", GPU)]]))
    sampling.configure(FAST)
    assert sampling.is_enabled
    before = until(lambda: sampling.history(None).gpus)
    sampling.configure(Performance(every=0.01))
    assert len(sampling.history(None).gpus or b"") >= len(before)
    sampling.stop()
    sampling.join(10)


def test_a_slow_source_holds_nothing_up(played: Any) -> None:
    hangs = threading.Event()

    class Hanging:
        name = "hangs"

        def sample(self) -> list[Gpu]:
            hangs.wait()
            return [GPU]

        def processes(self) -> list[Any]:
            return []

        def close(self) -> None: ...

    log = Lines()
    sampling = Sampling(log, lambda: Gpus([[Hanging()]]))
    sampling.configure(FAST)
    until(lambda: json.loads(sampling.history(None).system or b"[]")[2:])
    assert sampling.history(None).gpus is None
    sampling.stop()
    hangs.set()
    sampling.join(10)
    assert log.text == []  # it is over: nobody wants to know any more


def test_processes_are_asked_for_only_now_and_then(played: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = played("a", GPU)
    sampling = Sampling(Lines(), lambda: Gpus([[source]]))
    assert sampling.gpu_memory({1000}) is None
    sampling.configure(FAST)
    until(lambda: sampling.history(None).gpus)
    monkeypatch.setattr(module, "PROCESSES_KEPT", 1000.0)
    assert sampling.gpu_memory({1000}) == [GpuShare(0, "G", 5)]
    assert sampling.gpu_memory({1}) == []
    source.gpus = []
    assert sampling.gpu_memory({1000}) == [GpuShare(0, "G", 5)]
    monkeypatch.setattr(module, "PROCESSES_KEPT", -1.0)
    assert sampling.gpu_memory({1000}) is None
    sampling.stop()
    sampling.join(10)


def test_what_can_be_seen_is_told_once_and_when_it_changes(played: Any) -> None:
    source, log = played("a", GPU), Lines()
    sampling = Sampling(log, lambda: Gpus([[source]]))
    sampling.configure(FAST)
    until(lambda: log.text)
    source.problem = "the driver is gone"
    until(lambda: log.text[1:])
    sampling.stop()
    sampling.join(10)
    assert log.text == ["info: GPUs: 1 by a", "warning: no GPU can be seen any more (a: the driver is gone)"]


def test_a_machine_without_gpus_is_no_warning(played: Any) -> None:
    log = Lines()
    sampling = Sampling(log, lambda: Gpus([[played("a", problem="not installed")]]))
    sampling.configure(FAST)
    until(lambda: sampling.sources()[0].problem and log.text)
    assert sampling.history(None).gpus is None
    assert sampling.history(0).gpus == b"[]"
    assert sampling.machine().gpus == []
    sampling.stop()
    sampling.join(10)
    assert log.text == ["debug: no GPU can be seen (a: not installed)"]


def test_a_failed_sample_of_the_system_is_told_once_and_skipped(played: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def fail(_self: HostSampler) -> Host:
        calls.append(1)
        raise OSError("no /proc")

    monkeypatch.setattr(HostSampler, "sample", fail)
    log = Lines()
    sampling = Sampling(log, lambda: Gpus([]))
    sampling.configure(FAST)
    until(lambda: calls[2:])
    sampling.stop()
    sampling.join(10)
    assert [line for line in log.text if "system" in line] == ["warning: no sample of the system: OSError: no /proc"]
    assert sampling.history(None).system is None


@pytest.mark.parametrize(("every", "length"), [(5.0, 720), (7.0, 514), (3600.0, 1), (9999.0, 1)])
def test_an_hour_is_remembered(every: float, length: int) -> None:
    sampling = Sampling(Lines(), lambda: Gpus([]))
    sampling.configure(Performance(every=every))
    assert sampling._round is not None
    ring = sampling._round.system
    for at in range(length + 5):
        ring.add(at, HOST, b"%d" % at)
    sampling.stop()
    assert json.loads(ring.json(None) or b"") == list(range(5, length + 5))
    sampling.join(10)


HOST = Host(
    cpu=(12.5, 0.0),
    memory_total=1000 * MIB + 5,
    memory_used=600 * MIB,
    memory_free=300 * MIB,
    swap_total=10 * MIB,
    swap_used=MIB,
    load=(1.0, 0.5, 0.25),
    network=(Interface("eth0", 7, 8),),
)


def test_a_ring_gives_what_is_later_and_flattens_what_was_taken_together() -> None:
    ring: Ring[int] = Ring(3)
    assert ring.json(None) is None
    assert ring.json(0) == b"[]"
    ring.add(10, 1, b"")
    assert ring.json(None) is None
    ring.add(20, 2, b'"a","b"')
    ring.add(30, 3, b'"c"')
    assert ring.json(None) == b'["a","b","c"]'
    assert ring.json(20) == b'["c"]'
    assert ring.json(19) == b'["a","b","c"]'
    assert ring.json(30) == b"[]"
    ring.add(40, 4, b'"d"')
    ring.add(50, 5, b'"e"')
    assert ring.json(None) == b'["c","d","e"]'
    assert ring.newest == 5


def test_a_clock_that_was_set_back_begins_anew() -> None:
    ring: Ring[int] = Ring(10)
    ring.add(1000, 1, b"1")
    ring.add(500, 2, b"2")
    assert ring.json(400) == b"[2]"
    assert ring.json(None) == b"[2]"


def test_a_system_row_has_llama_swaps_fields() -> None:
    assert json.loads(encode(system_row(HOST, 1_700_000_000_123_456))) == {
        "timestamp": "2023-11-14T22:13:20.123456Z",
        "cpu_util_per_core": [12.5, 0.0],
        "mem_total_mb": 1000,
        "mem_used_mb": 600,
        "mem_free_mb": 300,
        "swap_total_mb": 10,
        "swap_used_mb": 1,
        "load_avg_1": 1.0,
        "load_avg_5": 0.5,
        "load_avg_15": 0.25,
        "net_io": [{"name": "eth0", "bytes_recv": 7, "bytes_sent": 8}],
    }


def test_what_is_unknown_is_a_zero_that_is_named() -> None:
    bare = Host(cpu=(), memory_total=MIB, memory_used=0, memory_free=0)
    row = json.loads(encode(system_row(bare, 0)))
    assert row["unknown"] == ["swap_total_mb", "swap_used_mb", "load_avg_1", "load_avg_5", "load_avg_15"]
    assert (row["swap_total_mb"], row["load_avg_1"], row["net_io"]) == (0, 0, None)
    row = json.loads(encode(gpu_row(GPU, 0)))
    assert row == {
        "timestamp": "1970-01-01T00:00:00.000000Z",
        "id": 0,
        "name": "G",
        "uuid": "u",
        "temp_c": 41,
        "vram_temp_c": 0,
        "gpu_util_pct": 0,
        "mem_util_pct": 75.0,
        "mem_used_mb": 3,
        "mem_total_mb": 4,
        "fan_speed_pct": 0,
        "power_draw_w": 0,
        "source": "played",
        "unknown": ["vram_temp_c", "gpu_util_pct", "fan_speed_pct", "power_draw_w"],
    }
    idle = json.loads(encode(gpu_row(Gpu(id=0, name="", source="", utilization=0.0, fan=0.0), 0)))
    assert "gpu_util_pct" not in idle["unknown"]
    assert "fan_speed_pct" not in idle["unknown"]


def test_prometheus_is_told_nothing_of_what_is_unknown() -> None:
    bare = system_metrics(Host(cpu=(1.0,), memory_total=MIB, memory_used=0, memory_free=0))
    text = Metrics(models=(), routes=(), machine=lambda: Machine(bare)).text().decode()
    assert "llamaswap_memory_total_bytes 1.048576e+06\n" in text
    assert "llamaswap_swap" not in text
    assert "llamaswap_load" not in text
    told = gpu_metrics(GPU)
    assert (told.util_percent, told.memory_used, told.temperature) == (None, 3, 40.6)
    assert gpu_metrics(Gpu(id=0, name="", source="")).memory_total is None


def test_a_sample_of_this_machine() -> None:
    sampler = HostSampler()
    sampler.prepare()
    host = sampler.sample()
    assert host.cpu
    assert all(0 <= percent <= 100 for percent in host.cpu)
    assert host.memory_total >= host.memory_used > 0
    assert host.network is not None
    assert "lo" not in {each.name for each in host.network}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", timestamp(time.time_ns() // 1000))
