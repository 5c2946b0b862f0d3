"""Strategies of other packages, with the real command: the example package, installed as a user installs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

Start = Callable[..., AbstractContextManager[Any]]
Scripted = Callable[..., str]
Until = Callable[..., Any]

EXAMPLE = Path(__file__).parents[2] / "examples" / "swapyard-lru"


@pytest.fixture(scope="module")
def with_example(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a Python in which the example package is installed."""
    target = tmp_path_factory.mktemp("site")
    install = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]
    done = subprocess.run([*install, "--no-index", "--target", str(target), str(EXAMPLE)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {"PYTHONPATH": os.pathsep.join([str(target), *filter(None, [os.environ.get("PYTHONPATH")])])}


def lru(settings: Any) -> dict[str, Any]:
    return {"router": {"use": "lru", "settings": {"lru": settings}}}


def check(path: Path, env: dict[str, str]) -> tuple[int, str]:
    command = [sys.executable, "-m", "swapyard", "check", "--config", str(path)]
    done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout


def test_the_least_recently_used_model_makes_room(swapyard: Start, scripted: Scripted, with_example: dict[str, str]) -> None:
    models = {name: {"cmd": scripted(name)} for name in "abc"}
    with swapyard({"models": models, "routing": lru({"models": 2})}, env=with_example) as running:
        running.output.wait_for(r'planner "lru" of the package swapyard-lru 0\.1\.0')
        for model in "aba":  # b is the least recently used one now, though it came last
            assert running.ask(model).status_code == 200
        assert running.states() == {"a": "ready", "b": "ready"}
        assert running.ask("c").status_code == 200
        assert running.states() == {"a": "ready", "c": "ready"}


def test_a_reload_changes_the_planner_and_its_settings(
    swapyard: Start, scripted: Scripted, until: Until, with_example: dict[str, str]
) -> None:
    content = {"models": {name: {"cmd": scripted(name)} for name in "abc"}}
    with swapyard(content, env=with_example) as running:

        def reload(routing: dict[str, Any], says: str) -> None:
            before = len(running.output.lines)
            running.config.write_text(json.dumps({**json.loads(running.config.read_text()), "routing": routing}))
            running.process.send_signal(signal.SIGHUP)
            until(lambda: says in "\n".join(running.output.lines[before:]))

        assert [running.ask(model).status_code for model in "ab"] == [200, 200]
        assert running.states() == {"b": "ready"}
        reload(lru({"models": 3}), "configuration reloaded")
        assert [running.ask(model).status_code for model in "ac"] == [200, 200]
        assert running.states() == {"a": "ready", "b": "ready", "c": "ready"}
        reload(lru({"models": 0}), "routing.router.settings.lru.models: Expected `int` >= 1")
        assert running.states() == {"a": "ready", "b": "ready", "c": "ready"}
        reload({"router": {"use": "group"}}, "configuration reloaded")
        assert running.ask("c").status_code == 200
        assert running.states() == {"c": "ready"}


def test_check_says_whose_planner_it_is_and_what_is_wrong_with_its_settings(
    tmp_path: Path, with_example: dict[str, str]
) -> None:
    path = tmp_path / "c.yaml"
    good = (
        "models: {a: {cmd: 'x ${PORT}'}}\nrouting:\n  router:\n    use: lru\n    settings:\n      lru:\n        models: 2\n"
    )
    path.write_text(good)
    status, text = check(path, with_example)
    assert status == 0
    assert '# planner "lru" of the package swapyard-lru 0.1.0\n' in text
    assert "use: lru" in text
    path.write_text(good + "        keep: [a, b]\n")
    assert check(path, with_example) == (1, f'{path}:8: routing.router.settings.lru.keep[1]: unknown model "b"\n')
    path.write_text(good.replace("lru", "lur"))
    status, text = check(path, with_example)
    assert status == 1
    installed = "group, matrix, lru (swapyard-lru 0.1.0)"
    assert (
        text == f'{path}:4: routing.router.use: no planner "lur" is installed (installed: {installed}); did you mean lru?\n'
    )


def installed_by_hand(site: Path, group: str, entry: str, code: str) -> dict[str, str]:
    """The environment of a Python in which a package `pack` 1.0 offers that entry point."""
    info = site / "pack-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "pack.py").write_text(code)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pack\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{entry}\n")
    return {"PYTHONPATH": os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])}


ONE_AT_A_TIME = """
from dataclasses import replace
from swapyard.core.scheduler import Scheduler

def make(policy):
    limit = policy.settings["limit"]
    models = {name: replace(model, limit=limit) for name, model in policy.models.items()}
    return Scheduler(replace(policy, models=models))
"""


def test_a_reload_to_another_scheduler_lets_everybody_finish(
    swapyard: Start, scripted: Scripted, until: Until, tmp_path: Path
) -> None:
    env = installed_by_hand(tmp_path / "site", "swapyard.schedulers", "strict = pack:make", ONE_AT_A_TIME)
    models = {"a": {"cmd": scripted("a", "--tokens-per-second", "50")}}
    with swapyard({"models": models}, env=env) as running:
        with running.streaming("a", "count to 60") as lines:
            routing = {"scheduler": {"use": "strict", "settings": {"strict": {"limit": 1}}}}
            running.config.write_text(json.dumps({**json.loads(running.config.read_text()), "routing": routing}))
            running.process.send_signal(signal.SIGHUP)
            running.output.wait_for("the scheduler changes when")
            assert "\n".join(lines).endswith("data: [DONE]\n")
        assert running.ask("a", "count to 2").status_code == 200  # it waits for the change
        with running.streaming("a"):
            assert running.ask("a").status_code == 429
        assert re.findall("<a> starting|<a> stopped", running.output.text()) == [
            "<a> starting",
            "<a> stopped",
            "<a> starting",
        ]


def test_a_broken_package_is_a_clear_error_at_the_start(tmp_path: Path) -> None:
    env = installed_by_hand(tmp_path / "site", "swapyard.planners", "mine = pack:make", "import nothing_of_that_name")
    path = tmp_path / "c.yaml"
    path.write_text("models: {a: {cmd: 'x ${PORT}'}}\nrouting: {router: {use: mine}}\n")
    command = [sys.executable, "-m", "swapyard", "--config", str(path), "--listen", "127.0.0.1:0"]
    done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, timeout=30)
    expected = (
        f'{path}:2: routing.router.use: "mine" of the package pack 1.0 cannot be loaded from pack:make:'
        " ModuleNotFoundError: No module named 'nothing_of_that_name'\n"
    )
    assert (done.returncode, done.stderr) == (1, expected)
