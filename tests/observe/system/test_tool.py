"""Tools are real programs here, some of which misbehave."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from swapyard.observe.system.samples import SourceProblem
from swapyard.observe.system.tool import Tool

Install = Callable[[str, str], Path]
# Starts a child, tells its number, and then neither ends nor answers.
STUBBORN = "/bin/sleep 1000 & echo $! > {file}; wait"


def pid_in(file: Path) -> int:
    until = time.monotonic() + 10
    while not (file.exists() and file.read_text().strip()):
        assert time.monotonic() < until
        time.sleep(0.01)
    return int(file.read_text())


def is_gone(pid: int) -> bool:
    until = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def test_the_answer_is_what_the_tool_prints_in_plain_english(install: Install) -> None:
    install("teller", 'echo "$LC_ALL $1 $2"')
    assert Tool("teller", limit=10).ask(["a", "b c"]) == "C a b c\n"


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("exit 3", "exited with code 3"),
        ("echo first; echo last >&2; exit 1", "exited with code 1: last"),
        ("echo why; exit 2", "exited with code 2: why"),
        ("kill -11 $$", "was ended by signal 11"),
    ],
)
def test_a_failure_is_told(install: Install, script: str, told: str) -> None:
    install("teller", script)
    with pytest.raises(SourceProblem) as problem:
        Tool("teller", limit=10).ask([])
    assert str(problem.value) == told


def test_what_is_not_there_or_cannot_be_started_is_told(install: Install) -> None:
    tool = Tool("teller", limit=10)
    with pytest.raises(SourceProblem, match=r"^not installed$"):
        tool.ask([])
    install("teller", "").write_text("#!/nowhere/at/all\n")
    with pytest.raises(SourceProblem, match=r"^cannot be started: No such file"):
        tool.ask([])


def test_a_tool_that_does_not_end_is_killed_with_its_children(install: Install, tmp_path: Path) -> None:
    install("teller", STUBBORN.format(file=tmp_path / "pid"))
    with pytest.raises(SourceProblem, match=r"^no answer within 0\.5 s$"):
        Tool("teller", limit=0.5).ask([])
    assert is_gone(pid_in(tmp_path / "pid"))


def test_closing_ends_a_tool_at_once_and_lets_none_start(install: Install, tmp_path: Path) -> None:
    install("teller", STUBBORN.format(file=tmp_path / "pid"))
    tool = Tool("teller", limit=1000)
    problems: list[str] = []

    def ask() -> None:
        try:
            tool.ask([])
        except SourceProblem as problem:
            problems.append(str(problem))

    thread = threading.Thread(target=ask)
    thread.start()
    child = pid_in(tmp_path / "pid")
    tool.close()
    thread.join(10)
    assert not thread.is_alive()
    assert problems == ["was ended by signal 9"]
    assert is_gone(child)
    (tmp_path / "pid").unlink()
    with pytest.raises(SourceProblem, match="has ended"):
        tool.ask([])
    assert not (tmp_path / "pid").exists()


def test_what_a_tool_prints_need_not_be_text(install: Install) -> None:
    install("teller", r"printf 'a\377b'")
    answer: Any = Tool("teller", limit=10).ask([])
    assert answer == "a�b"
