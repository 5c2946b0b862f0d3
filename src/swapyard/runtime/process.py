"""Owning processes: who belongs to a run, how they are signalled, when none is left.

A run is over when its tree is empty, not when its first process is gone (llama-swap #804, #808). What belongs to a tree:

* POSIX: the process group of the first process (the leader), which leads a session of its own.
* Linux besides: all descendants, and orphans. Swapyard is a child subreaper, so whoever loses its parent becomes our own
  child, even after a double fork and setsid(); the identity in its environment tells which run it came from. Orphans are
  reaped pid by pid, never by waitpid(-1), which would take exits away from the event loop.
* Windows: descendants, ended by taskkill (`runtime.windows`).

Nothing here waits or polls: the supervisor asks when it has reason to. Pids are used again, so a signal goes only to a
pid that is held (an unreaped child of ours) or checked against its start time through a pidfd.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from functools import cache
from typing import Protocol

from swapyard.runtime import procfs
from swapyard.runtime.procfs import Identity, Stat

IDENTITY = "SWAPYARD_RUN"
PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
STRANGER_AGE = 1.0  # seconds; a child that someone here waits for is reaped long before

_living: set[ProcessTree] = set()
_strangers: dict[Identity, float] = {}


class ProcessTree(Protocol):
    """The processes of one launch."""

    leader: int

    def leader_is_alive(self) -> bool: ...
    def is_empty(self) -> bool:
        """Whether nothing lives any more. Once true, it stays true and no signal is sent again."""
        ...

    def terminate(self) -> None: ...
    def kill(self) -> None: ...


def tree_of(leader: int, identity: str, leader_is_held: Callable[[], bool]) -> ProcessTree:
    """The tree of a process that was just launched. `leader_is_held`: not reaped yet, so its pid is certainly its own."""
    tree: ProcessTree
    if sys.platform == "win32":
        from swapyard.runtime.windows import WindowsTree

        tree = WindowsTree(leader, leader_is_held)
    elif sys.platform == "linux" and become_subreaper():
        tree = LinuxTree(leader, identity, leader_is_held)
    else:
        tree = GroupTree(leader, leader_is_held)
    _living.add(tree)
    return tree


@cache
def become_subreaper() -> bool:
    """Have orphaned descendants become our children (Linux), from now on; asking again changes nothing.

    False where that does not exist; then only process groups are followed."""
    if sys.platform != "linux":
        return False
    result: int = ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    return result == 0


def disown(tree: ProcessTree) -> None:
    """`kill_everything_now` need not reach it any more."""
    _living.discard(tree)


def kill_everything_now() -> None:
    """SIGKILL to all trees, at once and without waiting: the second Ctrl-C. Works without a running loop."""
    for tree in list(_living):
        tree.kill()


def reap_strangers() -> int:
    """Reap dead orphans that no run knows (they came and went unseen), and say how many. Linux; to be called now and then.

    As pid 1 of a container Swapyard also gets orphans that it has nothing to do with; zombies would pile up. A child that
    someone in this process waits for is never taken: such a one is in our own session, or a leader, or reaped soon."""
    if sys.platform != "linux":
        return 0
    now, our_session = time.monotonic(), os.getsid(0)
    leaders = {tree.leader for tree in _living}
    dead = {
        stat.identity: stat
        for stat in _own_children()
        if stat.state == "Z" and stat.session != our_session and stat.pid not in leaders
    }
    for gone in _strangers.keys() - dead.keys():
        del _strangers[gone]
    reaped = 0
    for identity in dead:
        if now - _strangers.setdefault(identity, now) >= STRANGER_AGE:
            reaped += _reap(identity[0])
    return reaped


class GroupTree:
    """The process group of `leader`: all that POSIX offers."""

    def __init__(self, leader: int, leader_is_held: Callable[[], bool]) -> None:
        self.leader = leader
        self._leader_is_held = leader_is_held
        self._was_empty = False

    def leader_is_alive(self) -> bool:
        return self._leader_is_held()

    def is_empty(self) -> bool:
        if not self._was_empty and not self._leader_is_held() and not self._has_members():
            self._was_empty = True
        return self._was_empty

    def terminate(self) -> None:
        self._signal_group(signal.SIGTERM)

    def kill(self) -> None:
        self._signal_group(signal.SIGKILL)

    def _has_members(self) -> bool:
        try:
            os.killpg(self.leader, 0)
        except (ProcessLookupError, PermissionError):  # macOS: EPERM where only zombies are left
            return False
        return True

    def _signal_group(self, number: signal.Signals) -> None:
        # After the leader's reaping its group id stays taken as long as the group has members, so it still means them.
        if self.is_empty():
            return
        try:
            os.killpg(self.leader, number)
        except (ProcessLookupError, PermissionError):
            if self._leader_is_held():
                _kill(self.leader, number)


class LinuxTree:
    """The leader, its descendants, and orphans of theirs that came to us."""

    def __init__(self, leader: int, identity: str, leader_is_held: Callable[[], bool]) -> None:
        self.leader = leader
        self._identity = identity
        self._leader_is_held = leader_is_held
        self._known: set[Identity] = set()  # who was seen as a member: recognised even if its environment is unreadable
        self._asked: set[Identity] = set()  # who got SIGTERM: a second one makes many servers skip their clean-up
        self._was_empty = False

    def leader_is_alive(self) -> bool:
        if not self._leader_is_held():
            return False
        try:
            dead = os.waitid(os.P_PID, self.leader, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        return dead is None

    def is_empty(self) -> bool:
        if not self._was_empty and not self._leader_is_held() and not self._members():
            self._was_empty = True
        return self._was_empty

    def terminate(self) -> None:
        if self._was_empty:
            return
        members = self._members()
        if self._leader_is_held() and self.leader not in {pid for pid, _ in self._asked}:
            # The group in one go: no member sees another one die before it was asked itself.
            in_group = {member.identity for member in members if member.group == self.leader}
            _kill_group(self.leader, signal.SIGTERM)
            self._asked |= in_group
        for member in members:
            if member.identity not in self._asked:
                _signal(member, signal.SIGTERM)
                self._asked.add(member.identity)

    def kill(self) -> None:
        if self._was_empty:
            return
        if self._leader_is_held():
            _kill_group(self.leader, signal.SIGKILL)
        for member in self._members():
            _signal(member, signal.SIGKILL)

    def _members(self) -> list[Stat]:
        """Everyone alive who belongs here. Reaps dead orphans on the way.

        With the leader reaped this costs one look at our own children: whoever is left descends from one of them."""
        roots = [stat for stat in _own_children() if self._owns(stat) and not (stat.state == "Z" and _reap(stat.pid))]
        if self._leader_is_held() and (leader := procfs.stat_of(self.leader)):
            roots.append(leader)
        members: dict[int, Stat] = {}
        while roots:
            member = roots.pop()
            if member.pid not in members:
                members[member.pid] = member
                roots += filter(None, map(procfs.stat_of, procfs.children_of(member.pid)))
        self._known |= {member.identity for member in members.values()}
        return list(members.values())

    def _owns(self, child: Stat) -> bool:
        """Whether this child of ours, other than the leader, came from this tree.

        The word of the environment goes before that of session and group, whose numbers may meanwhile name another run's
        leader. Without it (a zombie, an unreadable or cleared environment) those have to do, and what was seen before."""
        if child.pid == self.leader:
            return False
        if child.identity in self._known:
            return True
        identity = procfs.variable_of(child.pid, IDENTITY) if child.state != "Z" else None
        if identity is not None:
            return identity == self._identity
        return self.leader in (child.session, child.group)


def _own_children() -> Iterable[Stat]:
    return filter(None, map(procfs.stat_of, procfs.children_of(os.getpid())))


def _reap(pid: int) -> bool:
    """Whether that child of ours is gone for good. (A zombie whose other threads still run is not.)"""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _signal(member: Stat, number: signal.Signals) -> None:
    """A signal to this very process, and to no later one with its pid."""
    try:
        handle = os.pidfd_open(member.pid)
    except OSError:  # gone, or no descriptors left: then the check without the handle must do
        handle = -1
    try:
        now = procfs.stat_of(member.pid)
        if now is None or now.identity != member.identity:
            return
        if handle >= 0:
            signal.pidfd_send_signal(handle, number)
        else:
            os.kill(member.pid, number)
    except (ProcessLookupError, PermissionError):
        pass
    finally:
        if handle >= 0:
            os.close(handle)


def _kill(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def _kill_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        _kill(group, number)
