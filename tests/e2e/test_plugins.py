"""Strategies of other packages, with the real command: the example package, installed as a user installs it."""

from __future__ import annotations

import json
import os
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
