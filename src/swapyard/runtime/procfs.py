"""Reading Linux's /proc: who a process is, who its children are, which environment and output it was started with.

Every function may meet a process that just went: the answer then is None or empty, never an error. A process is
identified by pid and start time together (`Stat.identity`), because pids are used again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PROC = Path("/proc")
PF_EXITING = 0x4  # include/linux/sched.h
Identity = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Stat:
    """`started` is in clock ticks since boot; `state` is the letter of proc(5), Z for a zombie."""

    pid: int
    state: str
    parent: int
    group: int
    session: int
    started: int
    flags: int = 0

    @property
    def is_exiting(self) -> bool:
        """On its way to being a zombie: its environment is gone, its children are not handed over yet."""
        return self.state != "Z" and bool(self.flags & PF_EXITING)

    @property
    def identity(self) -> Identity:
        return (self.pid, self.started)


def stat_of(pid: int) -> Stat | None:
    try:
        text = (PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The second field is the program's name in parentheses, which may itself hold spaces and parentheses.
    fields = text[text.rindex(b")") + 2 :].split()
    parent, group, session, flags, started = (int(fields[index]) for index in (1, 2, 3, 6, 19))
    return Stat(pid, fields[0].decode(), parent, group, session, started, flags)


def children_of(pid: int) -> list[int]:
    """The pids of the direct children, zombies included."""
    if not _kernel_lists_children():
        return [stat.pid for stat in _everything() if stat.parent == pid]
    children: list[int] = []
    for task in _listing(PROC / str(pid) / "task"):
        try:
            children += map(int, (PROC / str(pid) / "task" / task / "children").read_bytes().split())
        except OSError:
            continue
    return children


def variable_of(pid: int, name: str) -> str | None:
    """The value of `name` in the environment that the process was started with.

    None where it has none, and where that cannot be read: zombies, other users' processes, processes that forbid it or
    have written over it (setproctitle)."""
    try:
        block = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return None
    start = name.encode() + b"="
    for entry in block.split(b"\0"):
        if entry.startswith(start):
            return entry[len(start) :].decode(errors="replace")
    return None


def outputs_of(pid: int) -> list[str]:
    """What its stdout and stderr are, as Linux names it ("/dev/null", "pipe:[4711]"); without closed and unreadable ones."""
    outputs = []
    for descriptor in ("1", "2"):
        try:
            outputs.append(str((PROC / str(pid) / "fd" / descriptor).readlink()))
        except OSError:
            continue
    return outputs


@cache
def _kernel_lists_children() -> bool:
    """Kernels built without CONFIG_PROC_CHILDREN (rare) lack the lists; all processes have to be read then."""
    me = os.getpid()
    return (PROC / str(me) / "task" / str(me) / "children").exists()


def _everything() -> list[Stat]:
    return [stat for name in _listing(PROC) if name.isdigit() and (stat := stat_of(int(name)))]


def _listing(directory: Path) -> list[str]:
    try:
        return [entry.name for entry in directory.iterdir()]
    except OSError:
        return []
