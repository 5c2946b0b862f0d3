"""New configurations while it serves: what did not change goes on, what changed finishes first, the last one counts and a
bad one never does (llama-swap #180, #181, #281, #682)."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

Start = Callable[..., AbstractContextManager[Any]]
Scripted = Callable[..., str]
Until = Callable[..., Any]

TOGETHER = {"all": {"swap": False, "members": ["a", "b"]}}


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as threads:
        yield threads


def rewrite(running: Any, **changes: Any) -> None:
    """Top-level keys of the configuration file, which holds JSON; `models` are merged."""
    content = json.loads(running.config.read_text())
    models = {**content["models"], **changes.pop("models", {})}
    content.update(changes, models={name: model for name, model in models.items() if model is not None})
    running.config.write_text(json.dumps(content))


def reload(running: Any, until: Until, **changes: Any) -> str:
    """Changes the file, asks for a reload and returns the log's lines about it."""
    rewrite(running, **changes)
    before = len(running.output.lines)
    running.process.send_signal(signal.SIGHUP)
    text: str = until(
        lambda: "is not reloaded" in (text := "\n".join(running.output.lines[before:])) or "configuration reloaded" in text
    ) and "\n".join(running.output.lines[before:])
    return text


def pid_of(running: Any, model: str) -> int:
    return int(httpx.get(f"{running.address}/upstream/{model}/demo/state", timeout=30).json()["pid"])


def test_what_did_not_change_goes_on_and_what_changed_starts_anew(swapyard: Start, scripted: Scripted, until: Until) -> None:
    models = {name: {"cmd": scripted(name)} for name in ("a", "b")}
    with swapyard({"models": models, "groups": TOGETHER}) as running:
        a, b = pid_of(running, "a"), pid_of(running, "b")
        said = reload(running, until, models={"b": {"cmd": scripted("other")}})
        assert "changed or gone: b" in said
        assert pid_of(running, "a") == a
        assert running.ask("b").json()["model"] == "other"
        assert pid_of(running, "b") != b
        b = pid_of(running, "b")
        unseen_by_processes = {"a": {"cmd": scripted("a"), "ttl": 600, "aliases": ["alpha"], "name": "A"}}
        said = reload(running, until, models=unseen_by_processes, logLevel="debug")
        assert "no running model is affected" in said
        assert (pid_of(running, "a"), pid_of(running, "b")) == (a, b)
        assert running.ask("alpha").status_code == 200


def test_a_new_neighbour_costs_nobody_a_restart_or_a_port(swapyard: Start, scripted: Scripted, until: Until) -> None:
    """Its id comes first, so it would get the port that the running model has."""
    groups = {"all": {"swap": False, "members": ["0", "a", "b"]}}
    models = {"a": {"cmd": scripted("a", "--tokens-per-second", "50")}, "b": {"cmd": scripted("b")}}
    with swapyard({"models": models, "groups": {**TOGETHER}}) as running:
        a = pid_of(running, "a")
        with running.streaming("a", "count to 60") as lines:
            said = reload(running, until, models={"0": {"cmd": scripted("0")}}, groups=groups)
            assert "no running model is affected" in said
            assert running.ask("0").status_code == 200
            assert running.ask("b").status_code == 200
            assert "\n".join(lines).endswith("data: [DONE]\n")
        assert pid_of(running, "a") == a


def test_a_changed_model_finishes_what_it_serves(swapyard: Start, scripted: Scripted, until: Until) -> None:
    old, new = (scripted(name, "--tokens-per-second", "50") for name in ("old", "new"))
    with swapyard({"models": {"a": {"cmd": old}}}) as running, running.streaming("a", "count to 60") as lines:
        said = reload(running, until, models={"a": {"cmd": new}})
        assert "changed or gone: a" in said
        assert running.ask("a", max_tokens=1).json()["model"] == "new"
        rest = "\n".join(lines)
        assert " 60" in rest
        assert rest.endswith("data: [DONE]\n")


def test_a_removed_model_finishes_what_it_serves_and_is_not_known_any_more(
    swapyard: Start, scripted: Scripted, until: Until
) -> None:
    models = {"a": {"cmd": scripted("a")}, "gone": {"cmd": scripted("gone", "--tokens-per-second", "50")}}
    with swapyard({"models": models}) as running:
        with running.streaming("gone", "count to 60") as lines:
            reload(running, until, models={"gone": None})
            answer = running.ask("gone")
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
            assert running.states() == {"gone": "ready"}
            assert "\n".join(lines).endswith("data: [DONE]\n")
        until(lambda: running.states() == {})
        assert running.descendants() == []
        assert [row["id"] for row in httpx.get(running.address + "/v1/models").json()["data"]] == ["a"]


def test_new_limits_count_on_connections_that_are_open(swapyard: Start, scripted: Scripted, until: Until) -> None:
    body = {"model": "a", "messages": [{"role": "user", "content": "x" * 500}]}
    with swapyard({"models": {"a": {"cmd": scripted("a")}}}) as running, httpx.Client(timeout=30) as client:
        address = running.address + "/v1/chat/completions"
        assert client.post(address, json=body).status_code == 200
        reload(running, until, http={"maxBodyBytes": 400})
        refusal = client.post(address, json=body)
        assert (refusal.status_code, refusal.headers["connection"]) == (413, "close")
        told = refusal.json()
        assert (told["src"], told["error"]["code"]) == ("swapyard", "body_too_large")
        assert "400 bytes" in told["error"]["message"]
        assert client.post(address, json={**body, "messages": []}).status_code < 413
        refusal = client.post(address.replace("chat/completions", "messages"), json=body)
        assert (refusal.status_code, refusal.json()["error"]["type"]) == (413, "request_too_large")
        reload(running, until, http={})
        assert client.post(address, json=body).status_code == 200


def test_a_bad_configuration_changes_nothing_and_says_why(swapyard: Start, scripted: Scripted, until: Until) -> None:
    with swapyard({"models": {"a": {"cmd": scripted("a")}}}) as running:
        pid = pid_of(running, "a")
        said = reload(running, until, models={"b": {"cmd": "server", "ttl": "soon"}})
        assert "is not reloaded, the one before goes on" in said
        running.output.wait_for(rf"{running.config}:1: models.b.ttl")
        assert pid_of(running, "a") == pid
        running.config.unlink()
        running.process.send_signal(signal.SIGHUP)
        until(lambda: running.output.text().count("is not reloaded") == 2)
        assert running.ask("b").status_code == 404
        assert running.ask("a").status_code == 200


def test_of_a_burst_of_changes_the_last_one_counts(swapyard: Start, scripted: Scripted, until: Until) -> None:
    """A signal that came during a reload was dropped."""
    with swapyard({"models": {"a": {"cmd": scripted("a")}}}) as running:
        for number in range(40):
            rewrite(running, models={"a": {"cmd": scripted("a"), "name": f"number {number}"}})
            running.process.send_signal(signal.SIGHUP)

        def name() -> str:
            return str(httpx.get(running.address + "/v1/models").json()["data"][0].get("name"))

        until(lambda: name() == "number 39", what=name)
        assert running.ask("a").json()["model"] == "a"


def test_a_reload_in_the_middle_of_a_load(
    swapyard: Start, scripted: Scripted, until: Until, pool: ThreadPoolExecutor
) -> None:
    slow = scripted("a", "--load-seconds", "1.5")
    with swapyard({"models": {"a": {"cmd": slow}, "b": {"cmd": scripted("b")}}, "healthCheckTimeout": 60}) as running:
        waiting = pool.submit(running.ask, "a")
        until(lambda: running.states() == {"a": "starting"})
        reload(running, until, models={"b": {"cmd": scripted("other")}})
        assert waiting.result(30).json()["model"] == "a"
        assert running.log("a").count("listening") == 1  # the load went on

        running.unload()
        waiting = pool.submit(running.ask, "a")
        until(lambda: running.states() == {"a": "starting"})
        reload(running, until, models={"a": {"cmd": scripted("new")}})
        assert waiting.result(30).json()["model"] == "new"


def test_preloaded_models_are_there_without_a_request_and_never_twice(
    swapyard: Start, scripted: Scripted, until: Until
) -> None:
    """#281: the new one was preloaded before the old one was gone."""
    hooks = {"on_startup": {"preload": ["a", "b", "nobody"]}}
    models = {name: {"cmd": scripted(name, "--stop-seconds", "0.3")} for name in ("a", "b")}
    with swapyard({"models": models, "groups": TOGETHER, "hooks": hooks}) as running:
        until(lambda: running.states() == {"a": "ready", "b": "ready"})
        a, b = pid_of(running, "a"), pid_of(running, "b")
        loaded = httpx.get(f"{running.address}/api/transitions?model=a").json()["transitions"]
        assert [change["cause"].partition(" s ")[2] or change["cause"] for change in loaded] == ["as a preload"] * 2
        reload(running, until, models={"b": {"cmd": scripted("other")}})
        until(lambda: running.states() == {"a": "ready", "b": "ready"} and pid_of(running, "b") != b)
        assert pid_of(running, "a") == a
        assert len(running.descendants()) == 2
        running.unload("a")
        reload(running, until, logLevel="debug")  # what was swapped out since stays out
        assert running.states() == {"b": "ready"}


def test_preloading_a_broken_model_is_told_and_hurts_no_other(swapyard: Start, scripted: Scripted, until: Until) -> None:
    models = {"a": {"cmd": scripted("a", "--fail", "no luck")}, "b": {"cmd": scripted("b")}}
    hooks = {"on_startup": {"preload": ["a", "b"]}}
    with swapyard({"models": models, "groups": TOGETHER, "hooks": hooks}) as running:
        until(lambda: running.states() == {"b": "ready"})
        running.output.wait_for(r"preload of a failed: .*exited with code 1")
        running.output.wait_for("no luck")  # what it said itself
        assert running.ask("b").status_code == 200


def test_a_watched_file_may_be_replaced_by_another_file_or_link(
    swapyard: Start, scripted: Scripted, until: Until, tmp_path: Path
) -> None:
    """#180, #181, #682: editors rename, Kubernetes swaps symlinks."""

    def replace(number: int, *, by_link: bool) -> None:
        file, link = tmp_path / f"{number}.yaml", tmp_path / "link"
        file.write_text(json.dumps({"models": {f"model-{number}": {"cmd": scripted("b")}}}))
        if by_link:
            link.symlink_to(file)
        (link if by_link else file).replace(running.config)

    def listed() -> str:
        return ",".join(row["id"] for row in httpx.get(running.address + "/v1/models").json()["data"])

    with swapyard({"models": {"a": {"cmd": scripted("a")}}}, "--watch-config") as running:
        for number, by_link in enumerate([False, True]):
            replace(number, by_link=by_link)
            until(lambda number=number: listed() == f"model-{number}", what=listed)
        until(lambda: running.output.text().count("the configuration has changed on disk") == 2, what=running.output.text)
