"""Memory of a process and all its descendants, by psutil."""

from __future__ import annotations

from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class TreeMemory:
    """`resident`: bytes, pages that are shared count in each process; None where it is gone or may not be looked at."""

    pids: frozenset[int]
    resident: int | None


def tree_memory(pid: int) -> TreeMemory:
    """Reads /proc for every process of the tree: not for the event loop."""
    try:
        first = psutil.Process(pid)
        processes = [first, *first.children(recursive=True)]
    except psutil.Error:
        return TreeMemory(frozenset(), None)
    total = 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue  # it has ended meanwhile
    return TreeMemory(frozenset(process.pid for process in processes), total or None)
