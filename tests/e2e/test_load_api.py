"""Loading by hand, and a client of llama.cpp's router, with the real command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import httpx
import psutil
import pytest

Start = Callable[..., AbstractContextManager[Any]]


@pytest.fixture
def running(swapyard: Start, scripted: Callable[..., str]) -> Iterator[Any]:
    dying = ("--load-seconds", "30", "--exit-code", "3", "--exit-after", "0.1")
    models = {
        "quick": {"cmd": scripted("quick"), "aliases": ["q"]},
        "slow": {"cmd": scripted("slow", "--load-seconds", "60")},
        "broken": {"cmd": scripted("broken", *dying)},
    }
    with swapyard({"models": models}) as started:
        yield started


def statuses(running: Any) -> dict[str, dict[str, Any]]:
    data = httpx.get(running.address + "/models", timeout=30).json()["data"]
    return {entry["id"]: entry["status"] for entry in data}


def test_a_load_is_answered_when_the_model_is_ready_with_its_process(running: Any) -> None:
    answer = httpx.post(running.address + "/api/models/load/q", timeout=30)
    assert answer.status_code == 200
    facts = answer.json()
    assert (facts["model"], facts["state"]) == ("quick", "ready")
    assert "swapyard.demo.engine" in psutil.Process(facts["pid"]).cmdline()
    assert running.states() == {"quick": "ready"}


def test_a_load_that_fails_is_answered_as_a_request_is(running: Any) -> None:
    loaded = httpx.post(running.address + "/api/models/load/broken", timeout=30)
    asked = running.ask("broken")
    assert loaded.status_code == asked.status_code == 502
    told = [answer.json()["error"] for answer in (loaded, asked)]
    for error in told:  # how long it took, and how often it was asked for its health, may differ
        assert error.pop("message").startswith('model "broken" exited with code 3')
    assert told[0] == told[1]
    assert statuses(running)["broken"] == {"value": "unloaded", "failed": True, "exit_code": 3}


def test_a_load_that_nobody_waits_for_gives_way(running: Any, until: Callable[..., Any]) -> None:
    answer = httpx.post(running.address + "/api/models/load/slow?wait=false", timeout=30)
    assert (answer.status_code, answer.json()["state"]) == (202, "starting")
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(httpx.post, running.address + "/api/models/load/quick", timeout=30)
        until(lambda: not waiting.done() and running.states() == {"slow": "starting"})
        given_up = httpx.delete(running.address + "/api/models/load/slow", timeout=30)
        assert given_up.json() == {"model": "slow", "given_up": 1}
        assert waiting.result().json()["state"] == "ready"
    assert running.states() == {"quick": "ready"}


def test_a_client_that_leaves_gives_its_load_up(running: Any) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(running.address + "/api/models/load/slow", timeout=0.5)
    assert httpx.post(running.address + "/api/models/load/quick", timeout=30).status_code == 200
    assert running.states() == {"quick": "ready"}


def test_a_client_of_llama_cpps_router_loads_waits_and_unloads(running: Any, until: Callable[..., Any]) -> None:
    assert statuses(running)["quick"] == {"value": "unloaded"}
    loading = httpx.post(running.address + "/models/load", json={"model": "slow"}, timeout=30)
    assert loading.json() == {"success": True}
    assert statuses(running)["slow"]["value"] == "loading"
    assert "swapyard.demo.engine" in statuses(running)["slow"]["args"]
    assert httpx.post(running.address + "/models/unload", json={"model": "slow"}, timeout=30).json() == {"success": True}
    assert statuses(running)["slow"] == {"value": "unloaded"}
    httpx.post(running.address + "/models/load", json={"model": "quick"}, timeout=30)
    until(lambda: statuses(running)["quick"]["value"] == "loaded")
    assert running.ask("quick").status_code == 200
