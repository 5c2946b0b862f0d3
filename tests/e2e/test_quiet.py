"""What must have no effect, or hardly any: looking at Swapyard, and leaving it alone."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

Start = Callable[..., AbstractContextManager[Any]]
Scripted = Callable[..., str]
Until = Callable[..., Any]

LOOKS = [
    "/", "/health", "/wol-health", "/v1/models", "/v1/models/a", "/models", "/running", "/api/version", "/logs",
    "/upstream", "/upstream/a", "/upstream/s", "/v1/models/s", "/favicon.ico", "/no/such/path",
    "/api/performance", "/api/hardware", "/metrics", "/api/profiles", "/comfyui", "/comfyui/api/queue",
    "/api/models", "/api/models/a", "/api/models/a/plan", "/api/models/b/plan", "/api/models/found", "/api/catalog",
    "/api/transitions", "/api/metrics/activity", "/api/metrics/activity/export", "/api/metrics/stats", "/api/captures/1",
    "/props", "/ui/",
]  # fmt: skip
ICONS = ["/upstream/a/favicon.ico", "/upstream/a/style.css"]  # a loaded model answers these itself, and is used thereby


def look_around(address: str, also: Sequence[str] = ()) -> None:
    with httpx.Client(base_url=address, timeout=30) as client:
        for path in (*LOOKS, *also):
            assert client.get(path).status_code < 500, path
            assert client.head(path).status_code < 500, path
            client.options(path)
        for path in ("/logs/stream?no-history", "/logs/stream/a?no-history", "/api/events", "/models/sse"):
            with client.stream("GET", path) as response:
                assert response.status_code == 200
        assert client.get("/v1/chat/completions").status_code == 405


def test_looking_around_starts_nothing(swapyard: Start, scripted: Scripted) -> None:
    """llama-swap #868, #869: pages and monitors that poll loaded models."""
    models = {name: {"cmd": scripted(name)} for name in ("a", "b", "comfyui_auto")}
    selectors = {"s": {"strategy": "warm", "targets": ["a", "b"]}}
    with swapyard({"models": models, "selectors": selectors}) as running:
        look_around(running.address, ICONS)
        assert running.states() == {}
        assert running.descendants() == []
        assert running.output.find("starting") is None


def test_looking_around_swaps_nothing_and_keeps_nothing_loaded(swapyard: Start, scripted: Scripted, until: Until) -> None:
    models = {"a": {"cmd": scripted("a"), "ttl": 2}, "b": {"cmd": scripted("b")}}
    with swapyard({"models": models}) as running:
        assert running.ask("b").status_code == 200
        assert running.ask("a").status_code == 200

        def is_unloaded_while_we_look() -> bool:
            assert "b" not in running.states()
            look_around(running.address)
            return not running.states()

        until(is_unloaded_while_we_look)
        assert running.output.find("<a> stopping: idle for 2 s")


@pytest.mark.skipif(sys.platform != "linux", reason="counts context switches")
def test_an_idle_swapyard_sleeps(swapyard: Start, scripted: Scripted, tmp_path: Path) -> None:
    """#1035, #1154: polling of every kind. Everything is on: two models are loaded, one with a ttl, rows go to a file,
    requests are captured, the machine is measured, a log and the events are watched."""
    models = {"a": {"cmd": scripted("a"), "ttl": 600}, "b": {"cmd": scripted("b")}}
    groups = {"all": {"swap": False, "members": ["a", "b"]}}
    everything = {"store": {"path": str(tmp_path / "rows.db")}, "captureBuffer": 10, "performance": {"every": "5s"}}
    with (
        swapyard({"models": models, "groups": groups, **everything}, "--watch-config") as running,
        httpx.stream("GET", running.address + "/logs/stream", timeout=30) as log,
        httpx.stream("GET", running.address + "/api/events", timeout=30) as events,
    ):
        assert (log.status_code, events.status_code) == (200, 200)
        for name in models:
            assert running.ask(name).status_code == 200
        process = psutil.Process(running.process.pid)
        used_before, switched_before = process.cpu_times(), process.num_ctx_switches()
        time.sleep(2)
        used, switched = process.cpu_times(), process.num_ctx_switches()
        assert used.user + used.system - used_before.user - used_before.system < 0.2
        assert switched.voluntary - switched_before.voluntary < 60


def test_a_command_has_our_environment_and_its_own(swapyard: Start, scripted: Scripted) -> None:
    """#168, #169, #171, #189: it was replaced instead of extended."""
    shell = f"""sh -c 'echo "home=$HOME from_us=$FROM_US from_both=$FROM_BOTH own=$OWN"; exec {scripted("a")}'"""
    model = {"cmd": shell, "env": ["OWN=1", "FROM_BOTH=config"]}
    with swapyard({"models": {"a": model}}, env={"HOME": "/home/x", "FROM_US": "2", "FROM_BOTH": "us"}) as running:
        assert running.ask("a").status_code == 200
        assert "home=/home/x from_us=2 from_both=config own=1" in running.log("a")
