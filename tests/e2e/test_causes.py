"""Why models come and go, as the real command tells it: every cause in `/api/transitions`."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
from tests.ports import start_port

Start = Callable[..., AbstractContextManager[Any]]


def test_every_cause_is_told(
    swapyard: Start, scripted: Callable[..., str], until: Callable[..., Any], tmp_path: Path
) -> None:
    models: dict[str, Any] = {
        "first": {"cmd": scripted("first")},
        "idler": {"cmd": scripted("idler"), "ttl": 1},
        "evicted": {"cmd": scripted("evicted")},
        "evictor": {"cmd": scripted("evictor")},
        "changed": {"cmd": scripted("changed")},
        "frail": {"cmd": scripted("frail", "--crash-after", "0")},
        "broken": {"cmd": scripted("broken", "--fail", "no such file: model.gguf", "--exit-code", "3")},
    }
    swapping = ["evicted", "evictor"]
    config = {
        "startPort": start_port(),
        "store": {"path": str(tmp_path / "activity.db")},
        "models": models,
        "hooks": {"on_startup": {"preload": ["first"]}},
        "groups": {
            "swapping": {"exclusive": False, "members": swapping},
            "others": {"swap": False, "exclusive": False, "members": [name for name in models if name not in swapping]},
        },
    }
    with swapyard(config) as running:

        def cause(model: str, state: str) -> str:
            """Of the newest change to this state; "" while there is none."""
            changes = httpx.get(f"{running.address}/api/transitions", params={"model": model}).json()["transitions"]
            return next((str(change["cause"]) for change in changes if change["state"] == state), "")

        until(lambda: cause("first", "ready"))
        assert cause("first", "starting") == "as a preload"
        for name in ("idler", "evicted", "changed"):
            httpx.post(f"{running.address}/api/models/load/{name}", timeout=30).raise_for_status()
        assert cause("evicted", "starting") == "by hand"
        assert running.ask("evictor").status_code == 200
        number = cause("evictor", "starting").removeprefix("for request ")
        assert cause("evicted", "stopping") == f"evicted: group swap, for evictor, request {number}"
        assert running.ask("frail").status_code == 502
        assert "was killed by SIGKILL" in cause("frail", "stopping")
        assert running.ask("broken").status_code == 502
        assert re.search(r"exited with code 3 .*no such file: model\.gguf", cause("broken", "stopping"), re.DOTALL)
        until(lambda: cause("idler", "stopping") == "idle for 1 s")
        running.unload("evictor")
        assert cause("evictor", "stopping") == "unloaded by hand"
        models["changed"]["cmd"] = scripted("changed", "--ctx-size", "8192")
        running.config.write_text(json.dumps(config))
        running.process.send_signal(signal.SIGHUP)
        until(lambda: cause("changed", "stopping") == "its configuration changed")
    with swapyard({**config, "hooks": {}}) as running:
        assert cause("first", "stopping") == "shutdown"  # looked up in the file, as its load is
        assert httpx.get(running.address + "/api/models/first").json()["loads"]["count"] == 1
        assert httpx.get(running.address + "/api/models/first/plan").json()["estimate_seconds"] > 0
