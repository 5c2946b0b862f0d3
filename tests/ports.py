"""Ports for the servers of one configuration, which count up from its `startPort`.

Each of the processes that run tests side by side has a range of its own, and no two of its configurations share a port.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import socket
from collections.abc import Iterator

COUNT = 20  # of ports per configuration
RANGE = range(10_000, 32_000)  # below those that systems give to clients


def share() -> range:
    """This process's part of the range."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    length = len(RANGE) // processes
    return RANGE[number * length : (number + 1) * length]


FIRSTS = share()[: -COUNT + 1 : COUNT]
BEGIN = random.randrange(len(FIRSTS))  # another run of the tests may be under way
AFTER: Iterator[int] = itertools.cycle([*FIRSTS[BEGIN:], *FIRSTS[:BEGIN]])


def start_port() -> int:
    """The first of `COUNT` ports that nobody listens on."""
    for first in AFTER:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + COUNT):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
    raise AssertionError("there are always more")
