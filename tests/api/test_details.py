"""Transitions, one model's details, and its plan."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import pytest

from swapyard.api.services import Facts, MatrixSet, Neighbours, RunFacts, Some
from swapyard.config.schema import Config, Group, Model, Peer, Routing
from swapyard.observe.system.samples import GpuShare

if TYPE_CHECKING:
    from tests.api.conftest import Yard

CONFIG = Config(
    models={
        "a/b": Model(cmd="run --api-key s3cret", proxy="http://127.0.0.1:1", ttl=60, aliases=("ab",)),
        "c": Model(cmd="x"),
    },
    peers={"p": Peer(proxy="http://p", models=("m",))},
)


def facts(**changes: Any) -> Facts:
    idle: dict[str, Any] = {"state": "stopped", "serving": 0, "limit": 10, "queued": 0, "stops": (), "busy": (), "run": None}
    return Facts(**(idle | changes))


def fill(yard: Yard) -> None:
    for at in range(1, 6):
        yard.history.note(
            at=1000.0 + at, model="c" if at % 2 else "a/b", run=at, state="ready", cause=f"after {at} s", seconds=at
        )


async def test_transitions_come_newest_first_and_in_pages(yard: Yard) -> None:
    fill(yard)
    page = (await yard.get("/api/transitions?limit=2")).json
    assert [change["id"] for change in page["transitions"]] == [5, 4]
    page = (await yard.get(f"/api/transitions?limit=2&before={page['next']}")).json
    assert [change["id"] for change in page["transitions"]] == [3, 2]
    page = (await yard.get(f"/api/transitions?limit=2&before={page['next']}")).json
    assert [change["id"] for change in page["transitions"]] == [1]
    assert page["next"] is None
    page = (await yard.get("/api/transitions?model=c&after=1970-01-01T00:16:41Z")).json
    assert [change["id"] for change in page["transitions"]] == [5, 3]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("before=soon", "before"),
        ("before=nan", "before"),
        ("after=2026-01-01", "after"),
    ],
)
async def test_wrong_parameters_are_named(yard: Yard, query: str, field: str) -> None:
    answer = await yard.get(f"/api/transitions?{query}")
    assert answer.status == 400
    assert answer.json["error"]["param"] == field


async def test_details_tell_the_run_the_loads_and_the_last_error(yard: Yard) -> None:
    yard.config = CONFIG
    fill(yard)
    yard.history.note(
        at=2000.0, model="a/b", run=9, state="stopped", cause="exit code 3", reason="start_failed", failed=True
    )
    run = RunFacts(id=9, pid=os.getpid(), address=("127.0.0.1", 5), uptime=100.0004, idle=20.0001)
    yard.facts["a/b"] = facts(state="ready", serving=1, queued=2, run=run)
    told = (await yard.get("/api/models/ab")).json
    assert told["id"] == "a/b"
    assert told["cmd"] == "run --api-key ***"
    assert (told["running"], told["limit"], told["queued"]) == (1, 10, 2)
    assert told["run"].pop("memory_bytes") > 1_000_000
    assert told["run"].pop("gpu_memory") is None
    assert told["run"] == {
        "id": 9,
        "pid": os.getpid(),
        "address": "127.0.0.1:5",
        "uptime": 100.0,
        "idle": 20.0,
        "ttl_left": 40.0,
    }
    assert told["loads"] == {"count": 2, "failed": 1, "median": 3.0, "p95": pytest.approx(3.9)}
    assert told["last_error"]["cause"] == "exit code 3"
    assert [change["id"] for change in told["transitions"]] == [6, 4, 2]


async def test_a_list_tells_of_what_is_loaded_or_failed_and_of_nothing_else(yard: Yard) -> None:
    yard.config = CONFIG
    yard.facts = {"a/b": facts(state="ready"), "c": facts()}
    assert (await yard.get("/api/models")).json == {"models": []}
    yard.states = {"a/b": "ready", "gone with a reload": "stopping"}
    assert [model["id"] for model in (await yard.get("/api/models")).json["models"]] == ["a/b"]
    yard.failures = {"c": "exit code 3"}
    assert [model["id"] for model in (await yard.get("/api/models")).json["models"]] == ["a/b", "c"]


async def test_a_stopped_model_has_no_run(yard: Yard) -> None:
    yard.config = CONFIG
    yard.facts["c"] = facts()
    told = (await yard.get("/api/models/c")).json
    assert (told["state"], told["run"], told["last_error"]) == ("stopped", None, None)
    assert told["loads"] == {"count": 0, "failed": 0, "median": None, "p95": None}


@pytest.mark.parametrize(
    ("known", "action", "estimate"),
    [
        (facts(), "start", 3.0),
        (facts(stops=("c",)), "start", 3.0),
        (facts(stops=("c",), busy=("c",)), "wait", 3.0),
        (facts(state="starting"), "wait", 3.0),
        (facts(stops=("c",), queued=2), "start", 3.0),
        (facts(state="stopping"), "wait", 3.0),
        (facts(state="ready"), "serve", 0.0),
        (facts(state="ready", stops=("c",)), "start", 3.0),
    ],
)
async def test_a_plan_tells_what_would_be_stopped(yard: Yard, known: Facts, action: str, estimate: float) -> None:
    yard.config = CONFIG
    fill(yard)
    yard.facts["a/b"] = known
    told = (await yard.get("/api/models/a/b/plan")).json
    assert told == {
        "model": "a/b",
        "state": known.state,
        "action": action,
        "stops": list(known.stops),
        "busy": list(known.busy),
        "queued": known.queued,
        "estimate_seconds": estimate,
    }


@pytest.mark.parametrize("path", ["/api/models/nobody", "/api/models/nobody/plan", "/api/models/p/m"])
async def test_unknown_models_and_those_of_peers_have_no_details(yard: Yard, path: str) -> None:
    yard.config = CONFIG
    answer = await yard.get(path)
    assert answer.status == 404


async def test_the_memory_that_a_run_holds_of_gpus(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    yard.config = CONFIG
    asked: list[Collection[int]] = []

    def gpu_memory(pids: Collection[int]) -> list[GpuShare]:
        asked.append(pids)
        return [GpuShare(0, "H100", 5), GpuShare(1, "H100", None)]

    monkeypatch.setattr(yard.sampling, "gpu_memory", gpu_memory)
    run = RunFacts(id=9, pid=os.getpid(), address=None, uptime=1.0, idle=None)
    yard.facts["c"] = facts(state="ready", run=run)
    assert (await yard.get("/api/models/c")).json["run"]["gpu_memory"] == [
        {"id": 0, "name": "H100", "memory_bytes": 5},
        {"id": 1, "name": "H100", "memory_bytes": None},
    ]
    assert os.getpid() in asked[0]


async def test_what_a_run_was_seen_to_hold_is_told_after_its_end_too(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    yard.config = CONFIG
    monkeypatch.setattr(yard.sampling, "gpu_memory", lambda _: [GpuShare(0, "H100", 5)])
    yard.facts["c"] = facts(state="ready", run=RunFacts(id=9, pid=os.getpid(), address=None, uptime=1.0, idle=None))
    yard.states = {"c": "ready"}
    seen = (await yard.get("/api/models/c")).json["memory"]
    assert (seen["run"], len(seen["samples"]), seen["samples"][0]["gpu_bytes"]) == (9, 1, 5)
    assert seen["peak_bytes"] >= seen["samples"][0]["memory_bytes"]
    assert seen["gpu_peaks"] == [{"id": 0, "name": "H100", "memory_bytes": 5}]
    listed = (await yard.get("/api/models")).json["models"][0]
    assert (listed["memory"]["peak_bytes"] > 0, listed["memory"]["samples"], listed["routing"]) == (True, [], None)
    yard.facts["c"] = facts()
    after = (await yard.get("/api/models/c")).json
    assert (after["run"], after["memory"]["run"]) == (None, 9)


async def test_the_group_of_a_model_and_whom_it_stops(yard: Yard) -> None:
    groups = {"g": Group(exclusive=False, members=("a/b", "c"))}
    yard.config = Config(models=CONFIG.models, routing=Routing(groups=groups))
    yard.facts["c"] = facts()
    nobody = Some(0, ())
    yard.neighbours = Neighbours(sets=(), stops=Some(1, ("a/b",)), stopped_by=nobody, beside=nobody)
    assert (await yard.get("/api/models/c")).json["routing"] == {
        "router": "group",
        "group": {
            "name": "g",
            "swap": True,
            "exclusive": False,
            "persistent": False,
            "members": {"count": 2, "first": ["a/b", "c"]},
        },
        "sets": [],
        "stops": {"count": 1, "first": ["a/b"]},
        "stopped_by": {"count": 0, "first": []},
        "beside": {"count": 0, "first": []},
    }


async def test_the_sets_of_a_matrix_and_what_only_a_planner_knows(yard: Yard) -> None:
    yard.config = Config(models=CONFIG.models, routing=Routing(router="matrix"))
    yard.facts["c"] = facts()
    yard.neighbours = Neighbours(sets=(MatrixSet("s", "c & d"),), stops=None, stopped_by=None, beside=None)
    told = (await yard.get("/api/models/c")).json["routing"]
    assert (told["group"], told["sets"], told["stops"]) == (None, [{"name": "s", "expression": "c & d"}], None)
    yard.neighbours = None
    told = (await yard.get("/api/models/c")).json["routing"]
    assert (told["sets"], told["beside"]) == ([], None)
