"""What a look at a tree may conclude while processes die, fork and exec beneath it: /proc is faked, moment by moment."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

import pytest

from swapyard.runtime import process, procfs
from swapyard.runtime.process import LinuxTree, Mark
from swapyard.runtime.procfs import PF_EXITING, Stat

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has it")

ME, LEADER, MIDDLE, SERVER = os.getpid(), 1001, 1002, 1003
OURS = Mark("us:7", "pipe:[7]")


class FakeProc:
    """Our children. `when_looked_at` runs once, between the listing and the first look at one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.children: dict[int, Stat] = {}
        self.identities: dict[int, str] = {}
        self.outputs: dict[int, list[str]] = {}
        self.signalled: list[int] = []
        self.when_looked_at: Callable[[], None] | None = None
        self.tree = LinuxTree(LEADER, OURS, lambda: False)
        monkeypatch.setattr(procfs, "children_of", lambda pid: list(self.children) if pid == ME else [])
        monkeypatch.setattr(procfs, "stat_of", self._stat_of)
        monkeypatch.setattr(procfs, "variable_of", lambda pid, name: self.identities.get(pid))
        monkeypatch.setattr(procfs, "outputs_of", lambda pid: self.outputs.get(pid, []))
        monkeypatch.setattr(process, "_reap", lambda pid: self.children.pop(pid, None) is not None)
        monkeypatch.setattr(process, "_signal", lambda member, number: self.signalled.append(member.pid))

    def _stat_of(self, pid: int) -> Stat | None:
        change, self.when_looked_at = self.when_looked_at, None
        if change:
            change()
        return self.children.get(pid)

    def has(self, pid: int, state: str = "S", flags: int = 0, identity: str | None = None) -> None:
        """A child of ours in a session of its own."""
        self.children[pid] = Stat(pid, state, ME, pid, pid, 100, flags)
        if identity:
            self.identities[pid] = identity


@pytest.fixture
def proc(monkeypatch: pytest.MonkeyPatch) -> FakeProc:
    return FakeProc(monkeypatch)


@pytest.mark.parametrize("leaves_a_zombie", [True, False])
def test_a_parent_that_dies_during_the_look_hands_its_child_to_it(proc: FakeProc, leaves_a_zombie: bool) -> None:
    """Double fork and setsid: the one in the middle was listed, and the server came to us only then."""

    def middle_dies() -> None:
        del proc.children[MIDDLE]
        if leaves_a_zombie:
            proc.has(MIDDLE, "Z")
        proc.has(SERVER, identity=OURS.identity)

    proc.has(MIDDLE, identity=OURS.identity)
    proc.when_looked_at = middle_dies
    assert not proc.tree.is_empty()
    proc.tree.kill()
    assert proc.signalled == [SERVER]


def test_one_that_is_exiting_may_be_about_to_hand_a_member_over(proc: FakeProc) -> None:
    proc.has(MIDDLE, "R", PF_EXITING)  # its environment is gone already, its child is not ours yet
    assert not proc.tree.is_empty()
    proc.has(MIDDLE, "Z")
    proc.has(SERVER, identity=OURS.identity)
    assert not proc.tree.is_empty()
    del proc.children[SERVER]
    assert proc.tree.is_empty()


def test_one_in_the_middle_of_exec_shows_its_mark_a_moment_later(proc: FakeProc) -> None:
    proc.has(SERVER)
    assert not proc.tree.is_empty()
    proc.has(SERVER, identity=OURS.identity)
    assert not proc.tree.is_empty()
    proc.tree.kill()
    assert proc.signalled == [SERVER]


def test_a_stranger_is_not_waited_for(proc: FakeProc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "UNMARKED_AGE", 0.0)
    proc.has(SERVER)
    assert proc.tree.is_empty()
    proc.tree.kill()
    assert proc.signalled == []


def test_another_runs_server_is_its_own_even_with_our_output(proc: FakeProc) -> None:
    proc.has(SERVER, identity="us:8")
    proc.outputs[SERVER] = ["/dev/null", "pipe:[7]"]
    assert proc.tree.is_empty()


def test_the_output_tells_where_the_environment_does_not(proc: FakeProc) -> None:
    proc.has(SERVER)
    proc.outputs[SERVER] = ["/dev/null", "pipe:[7]"]
    assert not proc.tree.is_empty()
    proc.tree.kill()
    assert proc.signalled == [SERVER]


def test_killing_everything_goes_on_until_nobody_new_is_found(proc: FakeProc, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(member: Stat, number: signal.Signals) -> None:
        proc.signalled.append(member.pid)
        if member.pid < SERVER + 3:  # it had forked just before
            proc.has(member.pid + 1, identity=OURS.identity)

    monkeypatch.setattr(process, "_signal", killed)
    monkeypatch.setattr(process, "_living", {proc.tree})
    proc.has(SERVER, identity=OURS.identity)
    process.kill_everything_now()
    assert set(proc.signalled) == {SERVER, SERVER + 1, SERVER + 2, SERVER + 3}
