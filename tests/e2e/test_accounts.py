"""What the real command keeps account of: rows, figures, exports, captures, events,
and what outlives a restart or a reload."""

from __future__ import annotations

import base64
import contextlib
import csv
import io
import json
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.ports import start_port

Start = Callable[..., AbstractContextManager[Any]]
Until = Callable[..., Any]
CHAT = "/v1/chat/completions"


class Viewer:
    """Somebody who follows /api/events: `events` are (type, data), as far as they have come."""

    def __init__(self, address: str) -> None:
        self.events: list[tuple[str, Any]] = []
        self.began = threading.Event()
        self.thread = threading.Thread(target=self.follow, args=(address,), daemon=True)
        self.thread.start()

    def follow(self, address: str) -> None:
        try:
            with httpx.stream("GET", address + "/api/events", timeout=None) as response:
                for line in response.iter_lines():
                    if line.startswith("data:"):
                        event = json.loads(line[5:])
                        self.events.append((event["type"], json.loads(event["data"])))
                        self.began.set()
        except httpx.HTTPError:
            return

    def of(self, kind: str) -> list[Any]:
        return [data for name, data in self.events if name == kind]


def rows(running: Any, query: str = "order=asc&limit=999") -> list[Any]:
    return list(httpx.get(f"{running.address}/api/metrics/activity?{query}", timeout=30).json()["data"])


@contextmanager
def slow_request(running: Any, model: str, until: Until) -> Iterator[dict[str, Any]]:
    """A request that somebody else waits for. `answer` is there when it is over."""
    found: dict[str, Any] = {}

    def ask() -> None:
        found["answer"] = running.ask(model)

    thread = threading.Thread(target=ask)
    thread.start()
    yield found
    thread.join(30)
    assert not thread.is_alive()


@pytest.fixture
def config(scripted: Callable[..., str]) -> dict[str, Any]:
    return {
        "models": {
            "hare": {"cmd": scripted("hare")},
            "tortoise": {"cmd": scripted("tortoise", "--load-seconds", "600")},
        }
    }


def test_requests_are_listed_summed_up_and_exported(swapyard: Start, config: Any, until: Until) -> None:
    with swapyard(config) as running:
        whole = running.ask("hare", max_tokens=5).json()
        with running.streaming("hare", "hello") as lines:
            streamed = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
        assert running.ask("nobody").status_code == 404
        until(lambda: len(rows(running)) == 3)
        first, second, third = rows(running)
        assert (first["model"], first["req_path"], first["resp_status_code"]) == ("hare", CHAT, 200)
        assert first["tokens"]["output_tokens"] == whole["timings"]["predicted_n"] == 5
        assert first["tokens"]["input_tokens"] == whole["timings"]["prompt_n"]
        assert first["timing"]["load_ms"] > 0
        assert first["metadata"] == {"fifo_priority": "0"}
        figures = next(one["timings"] for one in reversed(streamed) if "timings" in one)
        assert second["tokens"]["output_tokens"] == figures["predicted_n"]
        assert second["resp_content_type"].startswith("text/event-stream")
        assert (second["timing"]["load_ms"], second["timing"]["outcome"]) == (-1, "complete")
        assert (third["model"], third["resp_status_code"]) == ("nobody", 404)

        stats = httpx.get(running.address + "/api/metrics/stats").json()
        assert stats["total_requests"] == 3
        assert stats["total_output_tokens"] == 5 + figures["predicted_n"]
        exported = httpx.get(running.address + "/api/metrics/activity/export")
        assert [row["model"] for row in csv.DictReader(io.StringIO(exported.text))] == ["hare", "hare", "nobody"]
        exported = httpx.get(running.address + "/api/metrics/activity/export?format=jsonl&model=hare")
        assert [json.loads(line) for line in exported.text.splitlines()] == [first, second]

        capture = httpx.get(f"{running.address}/api/captures/{first['id']}").json()
        assert json.loads(base64.b64decode(capture["req_body"]))["max_tokens"] == 5
        assert json.loads(base64.b64decode(capture["resp_body"])) == whole
        assert httpx.get(f"{running.address}/api/captures/99").status_code == 404


def test_a_viewer_hears_of_models_requests_and_rows_and_can_end_a_request(
    swapyard: Start, config: Any, until: Until
) -> None:
    with swapyard(config) as running:
        viewer = Viewer(running.address)
        until(viewer.began.is_set)
        with slow_request(running, "tortoise", until) as found:
            until(lambda: [one for one in viewer.of("inflight") if one.get("request", {}).get("phase") == "loading"])
            entry = viewer.of("inflight")[-1]["request"]
            assert (entry["model"], entry["req_path"], entry["method"]) == ("tortoise", CHAT, "POST")
            answer = httpx.post(f"{running.address}/api/inflight/{entry['id']}/cancel")
            assert (answer.status_code, answer.json()) == (200, {"msg": "ok"})
        assert found["answer"].status_code == 499
        until(lambda: viewer.of("activity") == [{"id": 1}])
        assert viewer.of("inflight")[-1] == {"operation": "remove", "id": entry["id"]}
        (row,) = rows(running)
        assert (row["resp_status_code"], row["timing"]["outcome"]) == (499, "cancelled")
        assert row["timing"]["load_ms"] >= 0
        assert httpx.post(f"{running.address}/api/inflight/{entry['id']}/cancel").status_code == 404
        states = [(one["model"], one["state"]) for one in viewer.of("transition")]
        assert states[0] == ("tortoise", "starting")


def test_every_type_of_event_reaches_a_viewer(swapyard: Start, config: Any, scripted: Any, until: Until) -> None:
    config["models"]["snail"] = {"cmd": scripted("snail", "--load-seconds", "1.5")}
    config["profiles"] = {"night": {"pins": {"dog": "snail"}}}
    with swapyard(config) as running:
        viewer = Viewer(running.address)
        until(viewer.began.is_set)
        with ExitStack() as busy:
            busy.enter_context(running.streaming("hare"))
            with slow_request(running, "snail", until):
                waiting = until(
                    lambda: [one for queue in viewer.of("queue") for one in queue["waiting"] if "position" in one]
                )
                requests = [one["request"] for one in viewer.of("inflight") if "request" in one]
                snail = next(request["id"] for request in requests if request["model"] == "snail")
                row = {"id": snail, "model": "snail", "position": 1, "waiting_for": "hare must finish first"}
                assert waiting == [row]
                busy.close()
        until(lambda: viewer.of("queue")[-1] == {"count": 0, "waiting": []})
        loads = [load for load in viewer.of("load") if load["model"] == "snail"]
        *starting, ready = loads  # told every second, so twice or, on a busy machine, more often
        assert len(starting) >= 2
        assert [load["state"] for load in loads] == ["starting"] * len(starting) + ["ready"]
        assert all(earlier["elapsed"] < later["elapsed"] for earlier, later in pairwise(loads))
        assert loads[0]["estimate"] is None
        running.ask("hare")
        httpx.put(f"{running.address}/api/profiles/active", json={"name": "night"}).raise_for_status()
        until(lambda: {"active": "night"} in viewer.of("profileChanged"))
        until(lambda: len(viewer.of("activity")) == 3)
        running.ask("snail")
        again = [load for load in viewer.of("load") if load["model"] == "snail"][len(loads) :]
        assert again[0]["estimate"] == pytest.approx(ready["elapsed"], abs=0.1)
        assert {kind for kind, _ in viewer.events} == {
            *("logData", "modelStatus", "uiConfig", "profileChanged", "activity", "inflight"),
            *("transition", "queue", "load"),
        }


def test_evictions_and_loads_name_the_request_for_which_they_are(
    swapyard: Start, config: Any, scripted: Callable[..., str], until: Until
) -> None:
    config["models"]["cat"] = {"cmd": scripted("cat")}
    with swapyard(config) as running:
        viewer = Viewer(running.address)
        until(viewer.began.is_set)
        running.ask("hare")
        running.ask("cat")
        until(lambda: [one for one in viewer.of("transition") if one.get("reason") == "evicted"])
        (eviction,) = [one for one in viewer.of("transition") if one.get("reason") == "evicted"]
        asked = [one["request"] for one in viewer.of("inflight") if "request" in one]
        (cats,) = {one["id"] for one in asked if one["model"] == "cat"}
        assert (eviction["model"], eviction["for_model"], eviction["for_request"]) == ("hare", "cat", cats)
        assert eviction["cause"] == f"evicted: group swap, for cat, request {cats}"
        listed = httpx.get(running.address + "/api/transitions?model=hare").json()["transitions"]
        assert eviction in listed
        until(lambda: viewer.of("activity")[1:])
        (row,) = httpx.get(f"{running.address}/api/metrics/activity?request={cats}").json()["data"]
        assert (row["model"], row["timing"]["request"]) == ("cat", int(cats))
        running.ask("cat")  # ready by now, so that nothing is for this one
        until(lambda: viewer.of("activity")[2:])
        newest = httpx.get(f"{running.address}/api/metrics/activity?limit=1").json()["data"][0]
        assert (newest["model"], newest["timing"]["request"]) == ("cat", 0)
        ready, starting = httpx.get(running.address + "/api/transitions?model=cat").json()["transitions"]
        assert (starting["cause"], starting["for_request"]) == (f"for request {cats}", cats)
        assert ready["cause"] == f"loaded in {ready['seconds']:.1f} s for request {cats}"
        httpx.post(running.address + "/api/models/load/hare", timeout=30).raise_for_status()
        newest = httpx.get(running.address + "/api/transitions?model=hare").json()["transitions"][1]
        assert (newest["state"], newest["cause"], newest.get("for_request")) == ("starting", "by hand", None)
        evicted = httpx.get(running.address + "/api/transitions?model=cat").json()["transitions"][1]
        assert (evicted["cause"], evicted.get("for_request")) == ("evicted: group swap, for hare, by hand", None)


def test_rows_in_a_file_outlive_a_restart(swapyard: Start, config: Any, until: Until, tmp_path: Path) -> None:
    config["store"] = {"path": str(tmp_path / "activity.db")}
    with swapyard(config) as running:
        running.ask("hare")
        with running.streaming("hare"):
            running.unload("hare")
    with swapyard(config) as running:
        first, second = rows(running)
        assert (first["id"], first["resp_status_code"], first["timing"]["outcome"]) == (1, 200, "complete")
        assert (second["id"], second["timing"]["outcome"]) == (2, "broken")
        assert not first["has_capture"]
        assert httpx.get(running.address + "/api/captures/1").status_code == 404
        running.ask("hare")
        until(lambda: [row["id"] for row in rows(running)] == [1, 2, 3])
    with sqlite3.connect(tmp_path / "activity.db") as file:
        assert file.execute("SELECT count(*) FROM activity").fetchone() == (3,)
    file.close()


def reload(running: Any, config: Any, until: Until) -> None:
    before = len(running.output.lines)
    running.config.write_text(json.dumps(config))
    running.process.send_signal(signal.SIGHUP)
    until(lambda: any("configuration" in line and "reloaded" in line for line in running.output.lines[before:]))


def test_a_swap_is_timed_and_a_first_load_is_none(swapyard: Start, scripted: Callable[..., str], until: Until) -> None:
    with swapyard({"models": {"hare": {"cmd": scripted("hare")}, "snail": {"cmd": scripted("snail")}}}) as running:
        for model in ("hare", "snail", "snail"):
            assert running.ask(model).status_code == 200

        def counts(metric: str) -> list[str]:
            lines = httpx.get(running.address + "/metrics", timeout=30).text.splitlines()
            return [line.removeprefix(f"{metric}_count") for line in lines if line.startswith(f"{metric}_count")]

        assert counts("swapyard_load_duration_seconds") == ['{model="hare"} 1.0', '{model="snail"} 1.0']
        assert counts("swapyard_swap_duration_seconds") == ['{model="hare"} 0.0', '{model="snail"} 1.0']


def test_json_access_lines_name_the_model_and_the_request(swapyard: Start, config: Any, until: Until) -> None:
    with swapyard({"logFormat": "json", **config}) as running, httpx.Client(base_url=running.address, timeout=30) as client:
        body = {"model": "hare", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 1}
        for asked in (body, body, {"model": "nobody"}):
            client.post(CHAT, json=asked)
            client.get("/v1/models")
        running.ask("hare")

        def lines() -> list[tuple[str, str | None, int | None]]:
            found = (json.loads(line) for line in running.output.lines if line.startswith("{"))
            return [(line["path"], line.get("model"), line.get("request")) for line in found if "path" in line]

        until(lambda: len(lines()) >= 7)
        assert lines() == [
            (CHAT, "hare", 1), ("/v1/models", None, None), (CHAT, "hare", 2), ("/v1/models", None, None),
            (CHAT, "nobody", 3), ("/v1/models", None, None), (CHAT, "hare", 4),
        ]  # fmt: skip
        assert rows(running)[0]["timing"]["request"] == 1  # which had to wait for its model


def test_a_reload_moves_to_another_store_and_another_size_of_captures(
    swapyard: Start, config: Any, until: Until, tmp_path: Path
) -> None:
    config = {"startPort": start_port(), **config}
    with swapyard(config) as running:
        running.ask("hare")
        until(lambda: [row["has_capture"] for row in rows(running)] == [True])

        config["metricsMaxInMemory"] = 2
        reload(running, config, until)
        assert [row["has_capture"] for row in rows(running)] == [True]  # in memory rows outlive a reload
        for _ in range(2):
            running.ask("hare")
        until(lambda: [row["id"] for row in rows(running)] == [2, 3])

        config["captureBuffer"] = 0
        reload(running, config, until)
        assert [row["has_capture"] for row in rows(running)] == [False, False]
        running.ask("hare")
        until(lambda: [row["has_capture"] for row in rows(running)] == [False, False])

        config["captureBuffer"] = 1
        config["store"] = {"path": str(tmp_path / "one.db")}
        reload(running, config, until)
        assert rows(running) == []
        running.ask("hare")
        until(lambda: [(row["id"], row["has_capture"]) for row in rows(running)] == [(1, True)])

        with contextlib.closing(sqlite3.connect(tmp_path / "one.db")) as file, file:
            file.execute("INSERT INTO activity (ts_created, model_id) VALUES (1760000000, 'long ago')")
        assert [row["id"] for row in rows(running)] == [1, 2]
        config["store"]["retention"] = "1d"
        reload(running, config, until)
        until(lambda: [(row["id"], row["has_capture"]) for row in rows(running)] == [(1, True)])

        config["store"] = {"path": str(tmp_path / "other.db")}
        reload(running, config, until)
        assert rows(running) == []
        running.ask("nobody")
        until(lambda: [(row["id"], row["model"], row["has_capture"]) for row in rows(running)] == [(1, "nobody", True)])

        config["store"] = {"path": str(tmp_path / "no" / "such" / "folder.db")}
        reload(running, config, until)
        assert "store.path" in running.output.text()
        assert [row["model"] for row in rows(running)] == ["nobody"]
