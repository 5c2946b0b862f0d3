"""The machine's figures from the real command: with scripted GPU tools, turned off and on by reloads."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

Start = Callable[..., AbstractContextManager[Any]]
Until = Callable[..., Any]

SMI = "0, NVIDIA H100 80GB HBM3, GPU-1a2b, 31, 40, 7, 4321, 81559, [N/A], 71.53, 00000000:1B:00.0"


@pytest.fixture
def tools(tmp_path: Path) -> Callable[[str, str], dict[str, str]]:
    """`tools("nvidia-smi", script)` gives the environment in which this program is found before any other."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def install(name: str, script: str) -> dict[str, str]:
        program = folder / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return {"PATH": f"{folder}:{os.environ['PATH']}"}

    return install


def performance(running: Any) -> httpx.Response:
    return httpx.get(running.address + "/api/performance", timeout=30)


def configure(running: Any, **settings: Any) -> None:
    content = json.loads(running.config.read_text())
    running.config.write_text(json.dumps({**content, "performance": settings}))
    running.process.send_signal(signal.SIGHUP)


def threads(running: Any) -> int:
    return int(psutil.Process(running.process.pid).num_threads())


def test_samples_come_by_themselves_and_prometheus_gets_the_newest(swapyard: Start, tools: Any, until: Until) -> None:
    with swapyard({"models": {"m": {"cmd": "none ${PORT}"}}}, env=tools("nvidia-smi", f"echo '{SMI}'")) as running:
        until(lambda: performance(running).json()["gpu_stats"])
        told = performance(running).json()
        gpu = told["gpu_stats"][0]
        assert (gpu["name"], gpu["mem_total_mb"], gpu["fan_speed_pct"]) == ("NVIDIA H100 80GB HBM3", 81559, 0)
        assert gpu["unknown"] == ["fan_speed_pct"]
        assert {"name": "nvidia-smi", "gpus": 1, "problem": ""} in told["sources"]
        until(lambda: performance(running).json()["sys_stats"])

        text = httpx.get(running.address + "/metrics").text
        for line in (
            'llamaswap_gpu_power_draw_watts{id="0",name="NVIDIA H100 80GB HBM3",uuid="GPU-1a2b"} 71.53',
            'llamaswap_gpu_memory_total_bytes{id="0",name="NVIDIA H100 80GB HBM3",uuid="GPU-1a2b"} 8.5520809984e+10',
            'swapyard_model_state{model="m",state="stopped"} 1.0',
        ):
            assert line in text
        assert "llamaswap_cpu_util_percent{" in text
        assert "llamaswap_gpu_fan_speed_percent{" not in text
        running.output.wait_for("GPUs: 1 by nvidia-smi")


def test_disabled_means_that_nothing_is_sampled_and_a_reload_turns_it_on_and_off(
    swapyard: Start, tools: Any, until: Until, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    env = tools("nvidia-smi", f"echo x >> {ran}; echo '{SMI}'")
    with swapyard({"performance": {"disabled": True}}, env=env) as running:
        answer = performance(running)
        assert (answer.status_code, answer.json()) == (503, {"enabled": False})
        assert httpx.get(running.address + "/metrics").status_code == 200
        assert not ran.exists()

        configure(running, every="5s")
        until(lambda: performance(running).status_code == 200 and performance(running).json()["gpu_stats"])
        assert ran.exists()

        configure(running, disabled=True)
        until(lambda: performance(running).status_code == 503)
        assert "llamaswap_gpu" not in httpx.get(running.address + "/metrics").text

        configure(running, every="7s")
        until(lambda: performance(running).status_code == 200)
        assert performance(running).json()["gpu_stats"] is None or len(performance(running).json()["gpu_stats"]) == 1


def test_a_tool_that_hangs_ends_with_swapyard(swapyard: Start, tools: Any, until: Until, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    with swapyard({}, env=tools("nvidia-smi", f"echo x >> {ran}; sleep 1000")) as running:
        until(ran.exists)
        until(lambda: performance(running).json()["sys_stats"])
        assert running.descendants() != []
    assert "Traceback" not in running.output.text()  # that nothing is left behind, the fixture checks


def test_a_reload_ends_a_tool_that_hangs(swapyard: Start, tools: Any, until: Until, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    with swapyard({}, env=tools("nvidia-smi", f"echo x >> {ran}; sleep 1000")) as running:
        until(ran.exists)
        configure(running, disabled=True)
        until(lambda: running.descendants() == [])
        assert performance(running).status_code == 503


def test_looking_at_the_figures_is_not_in_the_access_log(swapyard: Start) -> None:
    with swapyard({}) as running:
        for path in ("/api/performance", "/metrics", "/api/hardware"):
            httpx.get(running.address + path)
        log = running.log("proxy")
        assert "GET /api/hardware" in log
        assert "/api/performance" not in log
        assert "/metrics" not in log


def test_the_hardware_is_told(swapyard: Start) -> None:
    with swapyard({}) as running:
        told = httpx.get(running.address + "/api/hardware", timeout=30).json()
        assert told["memory"]["capacity_bytes"] > 0
        assert told["memory"]["usable_bytes"] > 0
        assert told["cpu"]["logical_thread_count"] >= 1
        assert told["capture"]["detector"]["name"] == "swapyard"
        again = httpx.get(running.address + "/api/hardware", timeout=30).json()
        assert again["captured_at"] == told["captured_at"]
