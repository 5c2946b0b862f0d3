"""What the end-to-end tests share: the real command in front of real servers, and a real engine with tiny models.

`swapyard(config, *flags)` starts `python -m swapyard` on a free port, gives a `Running`, and stops it at the end of the
`with` block; then nothing that it ever started may be left, whoever its parent is by then (a mark in the environment
finds them). The models are made by tiny_gguf.py; where the engine is not installed these fixtures fail, as a skipped
test would only look like a passed one.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import logging
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import pytest
from tests.ports import start_port

LISTENING = re.compile(r"listening on (https?://[^\s\"]+)")
MARK = "SWAPYARD_TEST_RUN"
START_TIMEOUT = 20.0
STOP_TIMEOUT = 30.0
HANG = 30.0  # seconds after which something that does not happen is taken for something that never will

T = TypeVar("T")


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

    def ask(self, model: str, question: str = "Who are you?", **more: Any) -> httpx.Response:
        """A chat completion; `more` goes into the body."""
        body = {"model": model, "messages": [{"role": "user", "content": question}], **more}
        return httpx.post(self.address + "/v1/chat/completions", json=body, timeout=HANG)

    @contextmanager
    def streaming(self, model: str, question: str = "count to 100000") -> Iterator[Iterator[str]]:
        """The lines of a streamed answer, of which the first has come; by default it goes on until the block ends."""
        body = {"model": model, "stream": True, "messages": [{"role": "user", "content": question}]}
        with httpx.stream("POST", self.address + "/v1/chat/completions", json=body, timeout=HANG) as response:
            assert response.status_code == 200, response.read()
            lines = response.iter_lines()
            next(lines)
            yield lines

    def unload(self, model: str = "") -> httpx.Response:
        """One model, or all; returns when it is gone."""
        return httpx.post(f"{self.address}/api/models/unload{'/' if model else ''}{model}", timeout=HANG)

    def states(self) -> dict[str, str]:
        """Of the models that are not stopped: `starting`, `ready` or `stopping`."""
        answer = httpx.get(f"{self.address}/running", timeout=HANG)
        return {row["model"]: row["state"] for row in answer.json()["running"]}

    def log(self, name: str) -> str:
        """What `proxy`, `upstream` or a model has logged so far; waits for its first line."""
        with httpx.stream("GET", f"{self.address}/logs/stream/{name}", timeout=HANG) as response:
            return next(response.iter_text())  # the history comes in one piece

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
    """`with swapyard(config, "--flag", ...) as running:`; `env` adds to the environment. `config` is the file's text, or
    its content: then `startPort` is added."""
    return starter(tmp_path)


@pytest.fixture(scope="module")
def shared_swapyard(tmp_path_factory: pytest.TempPathFactory) -> Swapyard:
    """The same for fixtures that serve all tests of a module."""
    return starter(tmp_path_factory.mktemp("swapyard"))


def starter(folder: Path) -> Swapyard:
    """Configurations are written to `folder`."""
    numbers = itertools.count(1)

    @contextmanager
    def start(content: str | Mapping[str, Any], *flags: str, env: dict[str, str] | None = None) -> Iterator[Running]:
        config = folder / f"config-{next(numbers)}.yaml"
        if not isinstance(content, str):
            content = json.dumps({"startPort": start_port(), **content})  # JSON is YAML
        config.write_text(content, encoding="utf-8")
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


@pytest.fixture
def process_as_it_was() -> Iterator[None]:
    """For tests that run the whole app in their own process: it logs and takes signals its own way."""
    before = logging.root.handlers[:], logging.root.level
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    logging.root.handlers[:], logging.root.level = before
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def until() -> Callable[..., Any]:
    """`until(look)` asks `look` again and again until it returns something true, and returns that. Fails after `HANG`
    seconds; `what` is for the message."""

    def wait(look: Callable[[], T], what: object = "", timeout: float = HANG) -> T:
        give_up_at = time.monotonic() + timeout
        while not (found := look()):
            assert time.monotonic() < give_up_at, f"never became true within {timeout} s: {what or look}"
            time.sleep(0.02)
        return found

    return wait


@pytest.fixture(scope="session")
def scripted() -> Callable[..., str]:
    """The `cmd` of the package's scripted engine, talking fast: `scripted("name", "--load-seconds", "3")`."""

    def command(model: str, *flags: str, port: str = "${PORT}") -> str:
        program = [sys.executable, "-m", "swapyard.demo.engine", "--model", model, "--tokens-per-second", "2000"]
        return shlex.join([*program, *flags]) + f" --port {port}"

    return command


@pytest.fixture(scope="module")
def zoo(shared_swapyard: Swapyard, scripted: Callable[..., str]) -> Iterator[Running]:
    """What the tests of real clients talk to: a model of each kind, and some that misbehave. Its key is `sk-gateway`."""
    models: dict[str, Any] = {
        "hare": {"cmd": scripted("hare"), "aliases": ["gpt-4o-mini", "claude-haiku"]},
        "tortoise": {"cmd": scripted("tortoise", "--load-seconds", "0.3")},
        "squirrel": {"cmd": scripted("squirrel", "--kind", "embedding")},
        "owl": {"cmd": scripted("owl", "--kind", "rerank")},
        "parrot": {"cmd": scripted("parrot", "--kind", "audio")},
        "chameleon": {"cmd": scripted("chameleon", "--kind", "image")},
        "small": {"cmd": scripted("small", "--ctx-size", "16")},
        "shy": {"cmd": scripted("shy"), "concurrencyLimit": 1},
        "frail": {"cmd": scripted("frail", "--crash-after", "3")},
        "broken": {"cmd": scripted("broken", "--load-seconds", "30", "--exit-code", "3", "--exit-after", "0.1")},
    }
    with shared_swapyard({"apiKeys": ["sk-gateway"], "models": models}) as running:
        yield running


@pytest.fixture(scope="session")
def gguf_models(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Path]:
    """Two tiny models that say different things."""
    missing = [name for name in ("gguf", "xllamacpp") if importlib.util.find_spec(name) is None]
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
    """The `cmd` that serves a model file with llama.cpp's server: `engine_command(path, "--embeddings", alias="name")`."""

    def command(model: Path, *flags: str, alias: str = "tiny", port: str = "${PORT}") -> str:
        program = [sys.executable, str(Path(__file__).with_name("llama_server.py")), "--model", str(model), "--alias", alias]
        # One thread: more of them wait for each other by spinning, which takes for ever on a busy machine.
        return shlex.join([*program, "--ctx-size", "512", "--threads", "1", *flags]) + f" --port {port}"

    return command
