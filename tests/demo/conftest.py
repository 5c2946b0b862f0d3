"""How the tests of the scripted engine start it: a real process on a free port, read by its log lines."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import pytest

READY = "main: model loaded"


@dataclass(slots=True)
class Running:
    process: subprocess.Popen[str]
    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait_for(self, text: str) -> str:
        """Read the log up to the next line that contains `text`; pytest's time limit ends a wait in vain."""
        assert self.process.stderr is not None
        seen = []
        for line in self.process.stderr:
            if text in line:
                return line
            seen.append(line)
        raise AssertionError(f"the engine ended without saying {text!r}:\n{''.join(seen)}")


StartEngine = Callable[..., AbstractContextManager[Running]]


@pytest.fixture
def start_engine() -> StartEngine:
    """`with start_engine("--flag", ...) as engine:`: it listens, and unless `ready=False` it is ready too.

    Paces are off by default, so that no test waits for them; a later flag wins.
    """

    @contextmanager
    def start(*flags: str, ready: bool = True) -> Iterator[Running]:
        fast = ["--tokens-per-second", "0", "--prompt-tokens-per-second", "0"]
        command = [sys.executable, "-m", "swapyard.demo.engine", "--port", "0", "--model", "hare", *fast, *flags]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            engine = Running(process, 0)
            found = re.search(r"port: (\d+)", engine.wait_for("HTTP server is listening"))
            assert found
            engine.port = int(found[1])
            if ready:
                engine.wait_for(READY)
            yield engine
        finally:
            process.kill()
            process.wait()
            assert process.stderr is not None
            process.stderr.close()

    return start
