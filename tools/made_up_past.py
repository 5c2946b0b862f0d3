"""What a Swapyard at work (made_up_yard) does in a minute, told as what it did in the last quarter of an hour.

`Past.follow(page)` answers in the server's place: the times of changes and requests are spread over it, and a machine that
is made up (made_up_machine) fits them: its GPUs hold what the models held at each time, and the first is busy now. Loads
take as long as they took. Only logs tell the real times.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
from playwright.sync_api import Page, Route

from tools import made_up_machine
from tools.made_up_yard import HELD, HELD_RAM

STRETCH = 20  # times as long as it really took
LAST = 15.0  # seconds since the last change
MIB = 1024**2
SNAPSHOT = re.compile(r'<script type="application/json" id="snapshot">.*?</script>', re.DOTALL)
Json = dict[str, Any]


class Past:
    """As it is when it is made. Times in seconds since the epoch."""

    def __init__(self, address: str) -> None:
        changes: list[Json] = httpx.get(f"{address}/api/transitions?limit=1000").json()["transitions"]
        self._newest = float(changes[0]["at"])
        self._began: dict[int, float] = {change["run"]: change["at"] for change in changes if change["state"] == "starting"}
        self._ready = {change["run"] for change in changes if change["state"] == "ready"}
        self._shift = time.time() - LAST - self._newest
        self._spans = [self._span(run, changes) for run in self._began]
        self._ahead = next(ahead for ahead in range(0, 100_000, 5) if self._fits(ahead))

    def follow(self, page: Page) -> None:
        page.route("**/api/performance*", self._performance)
        page.route("**/api/hardware", self._hardware)
        page.route("**/api/transitions*", self._transitions)
        page.route("**/api/models", self._models)
        page.route("**/api/models/*", self._model)
        page.route(re.compile(r"/api/metrics/activity(\?|$)"), self._activity)
        page.route(re.compile(r"/ui/$"), self._without_snapshot)

    def told(self, at: float) -> float:
        """When it is said to have happened."""
        now = time.time()
        if at > self._newest:
            return now - (now - at) * (now - self._newest - self._shift) / max(1.0, now - self._newest)
        return self._newest + self._shift - (self._newest - at) * STRETCH

    # --- answers ---

    def _performance(self, route: Route) -> None:
        found = re.search(r"after=([^&]+)", route.request.url)
        after = made_up_machine.moment(httpx.QueryParams(f"at={found[1]}")["at"]) if found else 0.0
        route.fulfill(json=made_up_machine.performance(time.time(), after, held=self._held, ahead=self._ahead))

    def _hardware(self, route: Route) -> None:
        route.fulfill(json={**route.fetch().json(), **made_up_machine.hardware()})

    def _transitions(self, route: Route) -> None:
        answer = route.fetch().json()
        answer["transitions"] = [self._changed(change) for change in answer["transitions"]]
        route.fulfill(json=answer)

    def _models(self, route: Route) -> None:
        answer = route.fetch().json()
        answer["models"] = [self._detailed(model) for model in answer["models"]]
        route.fulfill(json=answer)

    def _model(self, route: Route) -> None:
        if route.request.method != "GET":
            return route.fallback()
        answer = route.fetch()
        return route.fulfill(response=answer, json=self._detailed(answer.json()))

    def _activity(self, route: Route) -> None:
        answer = route.fetch().json()
        for row in answer.get("data") or []:
            at = self.told(datetime.fromisoformat(row["timestamp"]).timestamp())
            row["timestamp"] = datetime.fromtimestamp(at, UTC).isoformat()
            if row.get("timing"):
                row["timing"]["ended_ms"] = at * 1000
        route.fulfill(json=answer)

    def _without_snapshot(self, route: Route) -> None:
        """What the start page carries is not made up."""
        answer = route.fetch()
        route.fulfill(response=answer, body=SNAPSHOT.sub("", answer.text()))

    # --- what they tell ---

    def _changed(self, change: Json) -> Json:
        """A load takes as long as it took, well or ill."""
        run: int = change["run"]
        began = self._began.get(run)
        is_load = change["state"] in ("starting", "ready") or run not in self._ready
        return {
            **change,
            "at": self.told(change["at"]) if began is None or not is_load else self.told(began) + change["at"] - began,
        }

    def _detailed(self, model: Json) -> Json:
        model = {**model, "transitions": [self._changed(change) for change in model.get("transitions", [])]}
        if model.get("last_error"):
            model["last_error"] = self._changed(model["last_error"])
        if (run := model.get("run")) and model["id"] in HELD_RAM:
            now = time.time()
            run["uptime"] = now - self.told(now - run["uptime"])
            if run["idle"] is not None:
                run["idle"] = now - self.told(now - run["idle"])
                run["ttl_left"] = max(0.0, model["ttl"] - run["idle"]) if model["ttl"] else None
            run["memory_bytes"] = HELD_RAM[model["id"]] * MIB
            if memory := model.get("memory"):
                memory["peak_bytes"] = run["memory_bytes"]
                memory["samples"] = [{**sample, "memory_bytes": run["memory_bytes"]} for sample in memory["samples"]]
        return model

    def _span(self, run: int, changes: list[Json]) -> tuple[str, float, float]:
        """The model, and from when to when it was there."""
        own = [self._changed(change) for change in changes if change["run"] == run]
        ends = [change["at"] for change in own if change["state"] == "stopped"]
        return own[0]["model"], min(change["at"] for change in own), ends[0] if ends else float("inf")

    def _held(self, at: float) -> Mapping[int, int]:
        held: dict[int, int] = {}
        for model, began, ended in self._spans:
            for gpu, size in HELD.get(model, {}).items() if began <= at < ended else ():
                held[gpu] = held.get(gpu, 0) + size
        return held

    def _fits(self, ahead: int) -> bool:
        """The first GPU is busy now and for the next minutes."""
        return all(made_up_machine.use(time.time() + ahead + later, 1) > 0.55 for later in range(-30, 120, 10))
