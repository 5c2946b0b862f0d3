"""Owning processes: who belongs to a run, how they are signalled, when none is left.

A run is over when its tree is empty, not when its first process is gone (llama-swap #804, #808). What belongs to a tree:

* POSIX: the process group of the first process (the leader), which leads a session of its own.
* Linux besides: all descendants, and orphans. Swapyard is a child subreaper, so whoever loses its parent becomes our own
  child, even after a double fork and setsid(). Which run it came from is told by its `Mark`: the identity in its
  environment or, where that was cleared, the run's pipe as its output. Orphans are reaped pid by pid, never by
  waitpid(-1), which would take exits away from the event loop.
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
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from swapyard.runtime import procfs
from swapyard.runtime.procfs import Identity, Stat

IDENTITY = "SWAPYARD_RUN"
PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
STRANGER_AGE = 1.0  # seconds; a child that someone here waits for is reaped long before
# How long a child of ours that carries no mark keeps a tree from being taken for empty. One that is just being replaced by
# exec shows its mark a moment later; one that is exiting may be a parent whose children are not ours yet.
UNMARKED_AGE = 0.01
EXITING_AGE = 1.0
LISTINGS = 20  # of our children in one look, at most: others may fork faster than we can read
KILLING_LIMIT = 0.5  # seconds
KILLING_PAUSE = 0.005
NOBODY = -1  # as a leader: not known yet

_living: set[ProcessTree] = set()
_launching: set[Mark] = set()
_strangers: dict[Identity, float] = {}


@dataclass(frozen=True, slots=True)
class Mark:
    """What a launch hands on to all that it starts: `identity` in the environment (the variable IDENTITY), and `output`, the
    pipe that is its stdout and stderr, as Linux names it ("pipe:[4711]"; None: not known)."""

    identity: str
    output: str | None = None


class ProcessTree(Protocol):
    """The processes of one launch."""

    leader: int

    def leader_is_alive(self) -> bool: ...
    def is_empty(self) -> bool:
        """Whether nothing lives any more. Once true, it stays true and no signal is sent again."""
        ...

    def look(self) -> None:
        """Get to know the members of now, so that they are recognised later, whatever becomes of them."""
        ...

    def terminate(self) -> None: ...
    def kill(self) -> set[Identity]:
        """Who was found, where whoever is found may meanwhile have forked (Linux)."""
        ...


@contextmanager
def launching(mark: Mark) -> Iterator[None]:
    """While a process may exist that no tree stands for yet. `tree_of` is to be called before this ends."""
    _launching.add(mark)
    try:
        yield
    finally:
        _launching.discard(mark)


def tree_of(leader: int, mark: Mark, leader_is_held: Callable[[], bool]) -> ProcessTree:
    """The tree of a process that was just launched. `leader_is_held`: not reaped yet, so its pid is certainly its own."""
    tree: ProcessTree
    if sys.platform == "win32":
        from swapyard.runtime.windows import WindowsTree

        tree = WindowsTree(leader, leader_is_held)
    elif sys.platform == "linux" and become_subreaper():
        tree = LinuxTree(leader, mark, leader_is_held)
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
    """SIGKILL to all trees and to what is just being launched, until nobody new is found: the second Ctrl-C.

    Does not wait for anybody's end, and works without a running loop and from any thread."""
    ends = time.monotonic() + KILLING_LIMIT
    killed: set[Identity] = set()
    quiet_rounds = 0
    while quiet_rounds < 2 and time.monotonic() < ends:
        found = set().union(*[tree.kill() for tree in list(_living)], _kill_launching())
        quiet_rounds = 0 if found - killed else quiet_rounds + 1
        killed |= found
        time.sleep(KILLING_PAUSE)


def _kill_launching() -> set[Identity]:
    """Those whose launch has not come back yet, so that no tree stands for them. Who was found, as by a tree."""
    marks = list(_launching)
    if sys.platform != "linux":
        _kill_by_environment({mark.identity for mark in marks})
        return set()
    return set().union(*[LinuxTree(NOBODY, mark, lambda: False).kill() for mark in marks])


def _kill_by_environment(identities: set[str]) -> None:
    import psutil  # slow to import, and needed where there is no /proc

    for child in psutil.Process().children(recursive=True) if identities else ():
        try:
            if child.environ().get(IDENTITY) in identities:
                child.kill()
        except psutil.Error:
            continue


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

    def look(self) -> None:
        """Nothing: a process group knows its members."""

    def terminate(self) -> None:
        self._signal_group(signal.SIGTERM)

    def kill(self) -> set[Identity]:
        self._signal_group(signal.SIGKILL)
        return set()

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

    def __init__(self, leader: int, mark: Mark, leader_is_held: Callable[[], bool]) -> None:
        self.leader = leader
        self._mark = mark
        self._leader_is_held = leader_is_held
        self._known: set[Identity] = set()  # who was seen as a member: recognised even if it carries no mark
        self._asked: set[Identity] = set()  # who got SIGTERM: a second one makes many servers skip their clean-up
        self._unmarked: dict[Identity, float] = {}  # who may yet turn out to be a member, and since when
        self._in_doubt = False  # whether the latest look cannot have the last word
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
        if not self._was_empty and not self._leader_is_held():
            self._was_empty = not self._members() and not self._in_doubt
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

    def kill(self) -> set[Identity]:
        if self._was_empty:
            return set()
        if self._leader_is_held():
            _kill_group(self.leader, signal.SIGKILL)
        members = self._members()
        for member in members:
            _signal(member, signal.SIGKILL)
        return {member.identity for member in members}

    def look(self) -> None:
        self._members()

    def _members(self) -> list[Stat]:
        """Everyone alive who belongs here. Reaps dead orphans on the way, and sets `_in_doubt`.

        With the leader reaped this costs a look at our own children: whoever is left descends from one of them. They are
        listed until nobody new is among them, because a parent that dies meanwhile hands its children over to us."""
        members: dict[int, Stat] = {}
        unmarked: list[Stat] = []
        looked_at: set[int] = set()
        if self._leader_is_held() and (leader := procfs.stat_of(self.leader)):
            _add_with_descendants(leader, members)
        for _ in range(LISTINGS):
            new = set(procfs.children_of(os.getpid())) - looked_at
            if not new:
                break
            looked_at |= new
            for child in filter(None, map(procfs.stat_of, new)):
                match self._owns(child):
                    case True if not (child.state == "Z" and _reap(child.pid)):
                        _add_with_descendants(child, members)
                    case None:
                        unmarked.append(child)
        self._known |= {member.identity for member in members.values()}
        self._in_doubt = bool(new) or self._may_change_their_minds(unmarked)
        return list(members.values())

    def _may_change_their_minds(self, unmarked: list[Stat]) -> bool:
        """Whether one of these children of ours may, a moment later, be recognised as a member or hand one over."""
        now = time.monotonic()
        self._unmarked = {child.identity: self._unmarked.get(child.identity, now) for child in unmarked}
        return any(
            now - self._unmarked[child.identity] < (EXITING_AGE if child.is_exiting else UNMARKED_AGE) for child in unmarked
        )

    def _owns(self, child: Stat) -> bool | None:
        """Whether this child of ours, other than the leader, came from this tree. None: nothing tells, not now at least.

        The word of the environment goes before that of session and group, whose numbers may meanwhile name another run's
        leader. Without it (a zombie, an unreadable or cleared environment) those have to do, what was seen before, and the
        output. (A zombie's children are ours already, so of it no more is to be known.)"""
        if child.pid == self.leader:
            return False
        if child.identity in self._known:
            return True
        lives = child.state != "Z"
        identity = procfs.variable_of(child.pid, IDENTITY) if lives else None
        if identity is not None:
            return identity == self._mark.identity
        if self.leader in (child.session, child.group):
            return True
        if not lives or child.session == os.getsid(0):  # every launch leads a session, and none can be joined
            return False
        return True if self._mark.output in procfs.outputs_of(child.pid) else None


def _add_with_descendants(root: Stat, members: dict[int, Stat]) -> None:
    """Adds `root` and whoever descends from it to `members`, which are by pid."""
    found = [root]
    while found:
        member = found.pop()
        if member.pid not in members:
            members[member.pid] = member
            found += filter(None, map(procfs.stat_of, procfs.children_of(member.pid)))


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
