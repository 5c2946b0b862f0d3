"""One command line tool, asked now and then. Nothing of it outlives an answer, its time limit or `close`."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

from swapyard.observe.system.samples import SourceProblem

KILL_GRACE = 2.0  # seconds for a killed tool to be gone; one in an uninterruptible driver call takes longer


class Tool:
    """`ask` blocks, one caller at a time; `close` may come from any thread."""

    def __init__(self, program: str, *, limit: float) -> None:
        """`limit`: seconds that an answer may take."""
        self.program = program
        self._limit = limit
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._closed = False

    def ask(self, arguments: Sequence[str]) -> str:
        """What it prints. Raises SourceProblem when it is not installed, fails, or does not end in time."""
        path = shutil.which(self.program)
        if path is None:
            raise SourceProblem("not installed")
        process = self._start([path, *arguments])
        try:
            out, err = process.communicate(timeout=self._limit)
        except subprocess.TimeoutExpired:
            raise SourceProblem(f"no answer within {self._limit:g} s") from None
        finally:
            self._end(process)
        if process.returncode != 0:
            raise SourceProblem(_failure(process.returncode, err or out))
        return out

    def close(self) -> None:
        """Ends what runs, and lets nothing more be started."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                _kill(self._process)

    def _start(self, command: list[str]) -> subprocess.Popen[str]:
        with self._lock:  # so that `close` sees every process
            if self._closed:
                raise SourceProblem("sampling has ended")
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    errors="replace",
                    env={**os.environ, "LC_ALL": "C"},  # decimal points
                    **_APART,
                )
            except OSError as error:
                raise SourceProblem(f"cannot be started: {error.strerror or error}") from None
            return self._process

    def _end(self, process: subprocess.Popen[str]) -> None:
        with self._lock:
            if process.poll() is None:
                _kill(process)
            self._process = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(KILL_GRACE)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


# A process group of its own: Ctrl-C in a terminal is not for it, and its children can be ended with it.
_APART: dict[str, Any] = (
    {"creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0)} if sys.platform == "win32" else {"process_group": 0}
)


def _kill(process: subprocess.Popen[str]) -> None:
    if sys.platform == "win32":
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _failure(code: int, output: str) -> str:
    """nvidia-smi tells on standard output why it fails."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    ended = f"exited with code {code}" if code >= 0 else f"was ended by signal {-code}"
    return f"{ended}: {lines[-1][:200]}" if lines else ended
