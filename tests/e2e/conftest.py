"""What the end-to-end tests share: the real command in front of real servers, and a real engine with tiny models.

`swapyard(config_text, *flags)` starts `python -m swapyard` on a free port, gives a `Running`, and stops it at the end of
the `with` block; then nothing that it ever started may be left, whoever its parent is by then (a mark in the environment
finds them). The models are made by tiny_gguf.py; where the engine is not installed these fixtures fail, as a skipped
test would only look like a passed one.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

LISTENING = re.compile(r"listening on (https?://\S+)")
MARK = "SWAPYARD_TEST_RUN"
START_TIMEOUT = 20.0
STOP_TIMEOUT = 30.0


class Output:
    """The lines that a process prints, collected by a thread; `wait_for` blocks until one matches."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.lines: list[str] = []
        self.ended = False
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self.collect, args=(process,), daemon=True)
        self.thread.start()

    def collect(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as stream:
            for line in stream:
                with self.changed:
                    self.lines.append(line.rstrip("\n"))
                    self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait_for(self, pattern: str | re.Pattern[str], timeout: float = START_TIMEOUT) -> re.Match[str]:
        """The first match of `pattern` in any line, printed already or yet to come. Fails after `timeout` seconds."""
        with self.changed:
            self.changed.wait_for(lambda: self.ended or self.find(pattern), timeout)
            found = self.find(pattern)
        assert found, f"no line matches {pattern!r} in:\n{self.text()}"
        return found

    def find(self, pattern: str | re.Pattern[str]) -> re.Match[str] | None:
        return next((match for line in self.lines if (match := re.search(pattern, line))), None)

    def text(self) -> str:
        return "\n".join(self.lines)


@dataclass(slots=True)
class Running:
    """A Swapyard that serves. `address` has no slash at its end; `config` may be rewritten and reloaded."""

    address: str
    process: subprocess.Popen[str]
    output: Output
    config: Path
    mark: str

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def descendants(self) -> list[psutil.Process]:
        """Every process that it started and that is alive, itself not included."""
        return [process for process in marked(self.mark) if process.pid != self.process.pid]


Swapyard = Callable[..., AbstractContextManager[Running]]


def marked(mark: str) -> list[psutil.Process]:
    """The living processes whose environment holds `mark`: what a process inherits it cannot lose by forking twice."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


@pytest.fixture
def swapyard(tmp_path: Path) -> Swapyard:
    """`with swapyard(config_text, "--flag", ...) as running:`; `env` adds to the environment."""
    numbers = itertools.count(1)

    @contextmanager
    def start(config_text: str, *flags: str, env: dict[str, str] | None = None) -> Iterator[Running]:
        config = tmp_path / f"config-{next(numbers)}.yaml"
        config.write_text(config_text, encoding="utf-8")
        mark = uuid.uuid4().hex
        process = subprocess.Popen(
            [sys.executable, "-m", "swapyard", "--config", str(config), "--listen", "127.0.0.1:0", *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {}), MARK: mark},
        )
        output = Output(process)
        try:
            address = output.wait_for(LISTENING)[1].rstrip("/")
            yield Running(address, process, output, config, mark)
        finally:
            end(process, output, mark)

    return start


def end(process: subprocess.Popen[str], output: Output, mark: str) -> None:
    """Stop it as a user does. Fails when it does not end in time, or when anything that it started is left."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_TIMEOUT)
        stopped_in_time = True
    except subprocess.TimeoutExpired:
        stopped_in_time = False
    left = marked(mark)
    for survivor in left:
        survivor.kill()
    psutil.wait_procs(left, timeout=5)
    process.wait()
    output.thread.join(5)
    assert stopped_in_time, f"did not stop within {STOP_TIMEOUT} s of SIGTERM:\n{output.text()}"
    assert not left, f"processes left behind: {left}\n{output.text()}"


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Ports that nobody listens on at the moment of the call."""

    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return find


@pytest.fixture(scope="session")
def gguf_models(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Path]:
    """Two tiny models that say different things."""
    missing = [name for name in ("gguf", "llama_cpp") if importlib.util.find_spec(name) is None]
    if missing:
        pytest.fail(f"the real engine is not installed ({', '.join(missing)} missing): `make test` installs it")
    folder = tmp_path_factory.mktemp("models")
    script = Path(__file__).with_name("tiny_gguf.py")
    paths = [folder / f"tiny-{seed}.gguf" for seed in (1, 2)]
    for seed, path in enumerate(paths, 1):
        subprocess.run([sys.executable, script, path, "--seed", str(seed)], check=True, capture_output=True)
    return paths


@pytest.fixture(scope="session")
def gguf_model(gguf_models: Sequence[Path]) -> Path:
    return gguf_models[0]


@pytest.fixture(scope="session")
def engine_command() -> Callable[..., str]:
    """The `cmd` that serves a model file with the real engine. It has no /health: its checkEndpoint is /v1/models."""

    def command(model: Path, *, alias: str = "tiny", port: str = "${PORT}") -> str:
        arguments = ["--model", str(model), "--model_alias", alias, "--n_ctx", "512", "--host", "127.0.0.1"]
        return shlex.join([sys.executable, "-m", "llama_cpp.server", *arguments]) + f" --port {port}"

    return command
