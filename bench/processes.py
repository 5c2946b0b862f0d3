"""Starting processes, awaiting that they serve, and stopping them with everything that they started."""

from __future__ import annotations

import http.client
import os
import random
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

START_TIMEOUT = 30.0
STOP_TIMEOUT = 15.0
PROBE = 0.001


class FailedToStart(Exception):
    pass


def free_ports(count: int = 1) -> int:
    """The first of `count` consecutive ports that a server can listen on now. They lie above those that Linux gives to
    clients, of which a load leaves thousands behind that cannot be had for a minute (TIME_WAIT)."""
    for first in random.sample(range(61_000, 65_500 - count), 100):
        if all(is_free(port) for port in range(first, first + count)):
            return first
    raise FailedToStart("no free ports")


def is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        # What closed connections to a former server still remember does not keep a new one from it.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return True
    return False


class Served:
    """A process that serves HTTP on a port. Leaving the block stops it and all of its descendants."""

    def __init__(self, command: Sequence[str], port: int, log: Path) -> None:
        self.command = [str(part) for part in command]
        self.port = port
        self.log = log
        self.seconds_to_serve = 0.0

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            began = time.monotonic()
            # As a user has it: with the compiled modules that an installation leaves behind.
            environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environment
            )
        try:
            self.wait_until_it_serves()
        except BaseException:
            self.stop()
            raise
        self.seconds_to_serve = time.monotonic() - began
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def wait_until_it_serves(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not answers_health(self.port):
            if self.process.poll() is not None:
                raise FailedToStart(f"{self.command} ended with {self.process.returncode}:\n{self.last_words()}")
            if time.monotonic() > deadline:
                raise FailedToStart(f"{self.command} does not serve after {START_TIMEOUT} s:\n{self.last_words()}")
            time.sleep(PROBE)

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def stop(self) -> float:
        """Stop it; seconds that its own process took to end after SIGTERM."""
        if self.process.poll() is not None:
            return 0.0
        family = psutil.Process(self.process.pid).children(recursive=True)
        began = time.monotonic()
        # Not wait(timeout): it asks ever more rarely, up to every 50 ms, and this time is part of what a swap is judged by.
        killer = threading.Timer(STOP_TIMEOUT, self.process.kill)
        killer.start()
        self.process.terminate()
        self.process.wait()
        took = time.monotonic() - began
        killer.cancel()
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        return took

    def resident_mb(self) -> float:
        """Megabytes (2**20) resident in the process itself; its children, the engines, are not counted."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / (1 << 20)


def answers_health(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
