"""What clients of llama.cpp's router send, with the real command: its own page, and Open WebUI with the provider llama.cpp.

The requests are those that Open WebUI 0.12.4 was seen to send (docs/clients.md), and those that llama.cpp's page sends to a
router.
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
import pytest

Start = Callable[..., AbstractContextManager[Any]]
Until = Callable[..., Any]


@pytest.fixture
def config(scripted: Callable[..., str]) -> dict[str, Any]:
    dying = ("--load-seconds", "30", "--exit-code", "3", "--exit-after", "0.1")
    return {"models": {"quick": {"cmd": scripted("quick")}, "broken": {"cmd": scripted("broken", *dying)}}}


@pytest.fixture
def running(swapyard: Start, config: dict[str, Any]) -> Iterator[Any]:
    with swapyard(config) as started:
        yield started


@contextmanager
def news(address: str) -> Iterator[list[dict[str, Any]]]:
    """What `/models/sse` tells, as it comes."""
    told: list[dict[str, Any]] = []
    with httpx.Client(timeout=30) as client, client.stream("GET", address + "/models/sse") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")

        def read() -> None:
            try:
                told.extend(
                    json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line.startswith("data: ")
                )
            except (httpx.HTTPError, httpx.StreamError):
                return  # closed below

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield told
        finally:
            stream.extensions["network_stream"].get_extra_info("socket").shutdown(2)
            reader.join()


def statuses(address: str) -> dict[str, dict[str, Any]]:
    return {entry["id"]: entry["status"] for entry in httpx.get(address + "/models", timeout=30).json()["data"]}


def test_llama_cpps_page_looks_without_loading_then_loads_and_unloads(running: Any, until: Until) -> None:
    address = running.address
    assert httpx.get(address + "/props?autoload=false", timeout=30).json()["role"] == "router"
    assert {entry["id"] for entry in httpx.get(address + "/v1/models", timeout=30).json()["data"]} == {"quick", "broken"}
    looked = httpx.get(address + "/props", params={"model": "quick", "autoload": "false"}, timeout=30)
    assert (looked.status_code, running.states()) == (400, {})
    loading = httpx.post(address + "/models/load", json={"model": "quick", "extra_args": ["-c", "1"]}, timeout=30)
    assert loading.json() == {"success": True}
    until(lambda: statuses(address)["quick"]["value"] == "loaded")
    props = httpx.get(address + "/props", params={"model": "quick", "autoload": "false"}, timeout=30).json()
    assert props["default_generation_settings"]["n_ctx"] > 0
    assert running.ask("quick").status_code == 200
    assert httpx.post(address + "/models/unload", json={"model": "quick"}, timeout=30).json() == {"success": True}
    until(lambda: statuses(address)["quick"]["value"] == "unloaded")


def test_open_webui_hears_of_every_change(running: Any, until: Until) -> None:
    with news(running.address) as told:
        httpx.post(running.address + "/models/load", json={"model": "quick"}, timeout=30)
        until(lambda: {"model": "quick", "event": "status_change", "data": {"status": "loaded"}} in told)
        httpx.post(running.address + "/models/unload", json={"model": "quick"}, timeout=30)
        gone = {"model": "quick", "event": "status_change", "data": {"status": "unloaded", "exit_code": 0}}
        until(lambda: gone in told)
        assert [event["data"]["status"] for event in told] == ["loading", "loaded", "unloaded"]
        httpx.post(running.address + "/models/load", json={"model": "broken"}, timeout=30)
        until(lambda: {"model": "broken", "event": "status_change", "data": {"status": "unloaded", "exit_code": 3}} in told)
    assert statuses(running.address)["broken"] == {"value": "unloaded", "failed": True, "exit_code": 3}


def test_a_reload_tells_every_viewer_to_list_again(running: Any, config: dict[str, Any], until: Until) -> None:
    events = running.address + "/api/events"
    with news(running.address) as told, httpx.Client(timeout=30) as client, client.stream("GET", events) as stream:
        lines = (line for line in stream.iter_lines() if line.startswith("data:"))
        while json.loads(next(lines).removeprefix("data:"))["type"] != "queue":
            pass  # the present state
        config["models"]["another"] = config["models"]["quick"]
        running.config.write_text(json.dumps(config))
        running.process.send_signal(signal.SIGHUP)
        until(lambda: {"model": "*", "event": "models_reload"} in told)
        while (event := json.loads(next(lines).removeprefix("data:")))["type"] != "modelStatus":
            pass
        assert [model["id"] for model in json.loads(event["data"])] == ["another", "broken", "quick"]
    assert "another" in statuses(running.address)
