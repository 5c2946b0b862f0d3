"""Memory of a process and all its descendants, by psutil."""

from __future__ import annotations

import psutil


def tree_memory(pid: int) -> int | None:
    """Resident bytes; pages that are shared count in each process. None where the process is gone or may not be looked at.

    Reads /proc for every process of the tree: not for the event loop."""
    try:
        first = psutil.Process(pid)
        processes = [first, *first.children(recursive=True)]
    except psutil.Error:
        return None
    total = 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue  # it has ended meanwhile
    return total or None
