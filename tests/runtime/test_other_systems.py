"""Trees where the kernel tells less: process groups only, no lists of children, and Windows."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

import psutil
import pytest

from swapyard.core.messages import BecameReady, Exited
from swapyard.runtime import process, procfs, supervisor
from swapyard.runtime.launchers import local
from swapyard.runtime.windows import WindowsTree

if TYPE_CHECKING:
    from tests.runtime.conftest import Stage


@pytest.fixture
def groups_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As on a system without subreapers: orphans go to init."""
    monkeypatch.setattr(process, "become_subreaper", lambda: False)
    monkeypatch.setattr(local, "become_subreaper", lambda: False)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(process.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    yield
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(process.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@pytest.mark.usefixtures("groups_only")
async def test_a_process_group_is_stopped_as_a_whole(stage: Stage) -> None:
    server = " ".join(stage.script("say('server', os.getpid()); rest()"))
    async with stage.play(stage.spec(stage.shell(f"{server} & wait"))) as play:
        server_pid = await play.until_pid_said("server")
        play.supervisor.stop(30)
        await play.until_over()
        assert not stage.lives(server_pid)
    assert play.events == [BecameReady(7), Exited(7, None)]


@pytest.mark.usefixtures("groups_only")
async def test_the_rest_of_a_group_is_killed_when_its_leader_is_gone(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "REST_GRACE", 0.05)
    script = """
if os.fork() == 0:
    ignore_term(); say("child", os.getpid()); rest()
on_term(lambda: os._exit(0)); say("up"); rest()
"""
    async with stage.play(stage.spec(script)) as play:
        child = await play.until_pid_said("child")
        await play.until_said("up")
        play.supervisor.stop(3600)
        await play.until_over()
        assert not stage.lives(child)


@pytest.mark.usefixtures("groups_only")
async def test_a_group_that_was_seen_empty_gets_no_signal_any_more(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number may be another group's by then."""
    async with stage.play(stage.spec("pass")) as play:
        await play.until_over()
        sent: list[int] = []
        monkeypatch.setattr(os, "killpg", lambda group, number: sent.append(number))
        play.supervisor.kill()
        process.kill_everything_now()
    assert sent == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_kernel_without_lists_of_children_is_read_process_by_process(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(procfs, "_kernel_lists_children", lambda: False)
    inner = " ".join(stage.script("stray(lambda: (say('daemon', os.getpid()), rest())); say('inner up'); rest()"))
    async with stage.play(stage.spec(stage.shell(f"{inner}; :"))) as play:
        daemon = await play.until_pid_said("daemon")
        await play.until_said("inner up")
        play.supervisor.stop(30)
        await play.until_over()
        assert not psutil.pid_exists(daemon)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_is_told_from_a_later_one_with_its_pid() -> None:
    """No signal may reach a process whose start time is not the one that was seen."""
    me = procfs.stat_of(os.getpid())
    assert me is not None
    former = procfs.Stat(me.pid, me.state, me.parent, me.group, me.session, me.started - 1)
    process._signal(former, signal.SIGKILL)  # this very process would be gone


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_is_found_of_a_process_that_is_gone() -> None:
    nobody = 2**22 + 1  # beyond the largest pid that Linux gives
    process._signal(procfs.Stat(nobody, "S", 1, nobody, nobody, 1), signal.SIGKILL)
    assert procfs.stat_of(nobody) is None
    assert procfs.children_of(nobody) == []
    assert procfs.variable_of(nobody, "PATH") is None


class FakeProcess:
    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.alive = True

    def is_running(self) -> bool:
        return self.alive


class FakeWindows:
    """A leader (pid 1) with two descendants, and every command that was run."""

    def __init__(self) -> None:
        self.leader_lives = True
        self.children = [FakeProcess(2), FakeProcess(3)]
        self.commands: list[str] = []
        self.tree = WindowsTree(1, lambda: self.leader_lives, run=self._run, descendants=self._descendants)

    def _run(self, argv: Sequence[str]) -> None:
        self.commands.append(" ".join(argv))

    def _descendants(self, pid: int) -> list[psutil.Process]:
        return cast("list[psutil.Process]", self.children if pid == 1 and self.leader_lives else [])


def test_windows_asks_the_tree_once_and_then_forces_it() -> None:
    windows = FakeWindows()
    windows.tree.terminate()
    windows.tree.terminate()
    windows.tree.kill()
    assert windows.commands == ["taskkill /t /pid 1", "taskkill /f /t /pid 1"]
    assert not windows.tree.is_empty()


def test_windows_remembers_descendants_beyond_the_leaders_end() -> None:
    windows = FakeWindows()
    windows.tree.terminate()
    windows.leader_lives = False
    windows.children[0].alive = False
    assert not windows.tree.is_empty()
    windows.tree.kill()
    assert windows.commands[1:] == ["taskkill /f /t /pid 3"]


def test_windows_leaves_pids_alone_once_the_tree_is_empty() -> None:
    windows = FakeWindows()
    windows.tree.terminate()
    windows.leader_lives = False
    for child in windows.children:
        child.alive = False
    assert windows.tree.is_empty()
    windows.children[0].alive = True
    windows.tree.kill()
    assert windows.tree.is_empty()
    assert len(windows.commands) == 1
