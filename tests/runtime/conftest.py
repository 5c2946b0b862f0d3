"""A stage for real child processes: scripts that say what they do, and supervisors whose reports are written down.

Children speak through their output (`say`), so a test waits for words and never for time. What a script finds ready to
use is SCENE.
"""

from __future__ import annotations

import asyncio
import importlib.util
import re
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import psutil
import pytest

from swapyard.core.messages import BecameReady, Event, Exited, Failed
from swapyard.runtime.launchers import Launcher
from swapyard.runtime.launchers.local import LocalLauncher
from swapyard.runtime.supervisor import RunSpec, Supervisor

HANG = 20.0  # seconds after which a test is taken to hang; nothing is asserted on speed

SCENE = '''
import os, signal, socket, subprocess, sys, time

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())  # in one go: others write here too

def ignore_term():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

def on_term(action):
    signal.signal(signal.SIGTERM, lambda *_: action())

def listen(port, host="127.0.0.1"):
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen()
    return listener

def serve(port, host="127.0.0.1", statuses=(200,)):
    """Answer each request with the next status, the last one for ever."""
    listener = listen(port, host)
    statuses = list(statuses)
    while True:
        connection, _ = listener.accept()
        request = connection.recv(65536)
        status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
        say("asked", request.decode().split("\\r\\n")[0], status)
        connection.sendall(b"HTTP/1.1 %d X\\r\\nLocation: /\\r\\nContent-Length: 0\\r\\n\\r\\n" % status)
        connection.close()

def rest():
    while True:
        signal.pause()

def stray(action):
    """Run `action` in a process that left us for good: double fork, session of its own."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            action()
        os._exit(0)
    os.wait()
'''

T = TypeVar("T")


class Play:
    """One supervised run: what it reported, said and logged."""

    def __init__(self, spec: RunSpec, launcher: Launcher) -> None:
        self.events: list[Event] = []
        self.lines: list[tuple[str, str]] = []
        self.output = b""
        self._news = asyncio.Event()
        self.supervisor = Supervisor(
            7,
            spec,
            launcher,
            notify=self._noted,
            output=self._heard,
            log=lambda level, text: self.lines.append((level, text)),
        )
        self.when_noted: Callable[[Event], None] = lambda event: None

    def _noted(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()
        self.when_noted(event)

    def _heard(self, data: bytes) -> None:
        self.output += data
        self._news.set()

    async def until(self, look: Callable[[], T | None]) -> T:
        async with asyncio.timeout(HANG):
            while not (found := look()):
                self._news.clear()
                await self._news.wait()
        return found

    async def until_said(self, pattern: str) -> re.Match[str]:
        return await self.until(lambda: re.search(pattern, self.output.decode()))

    async def until_pid_said(self, word: str) -> int:
        return int((await self.until_said(rf"\b{word} (\d+)\n"))[1])

    async def until_ready(self) -> None:
        await self.until(lambda: any(isinstance(event, BecameReady | Failed | Exited) for event in self.events))
        assert self.events == [BecameReady(7)], (self.events, self.output)

    async def until_over(self) -> None:
        async with asyncio.timeout(HANG):
            await self.supervisor.wait_over()

    async def failure(self) -> str:
        """Waits for the end, and gives the error that both `Failed` and `Exited` must carry."""
        await self.until_over()
        match self.events:
            case [Failed(7, error), Exited(7, last)] if error == last:
                return error.detail
        raise AssertionError(f"not a failure: {self.events}")


class Stage:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "scene.py").write_text(SCENE)
        self._count = 0

    def script(self, text: str) -> tuple[str, ...]:
        """The command line of a Python script that starts with everything of SCENE imported."""
        self._count += 1
        path = self.directory / f"script{self._count}.py"
        path.write_text("from scene import *\n" + text)
        return (sys.executable, "-S", "-B", str(path))

    def shell(self, text: str) -> tuple[str, ...]:
        return ("/bin/sh", "-c", text)

    def port(self, host: str = "127.0.0.1") -> int:
        """A port that nobody listens on."""
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.bind((host, 0))
            return int(probe.getsockname()[1])

    def spec(
        self, argv: tuple[str, ...] | str, port: int | None = None, port_assigned: bool = False, **more: Any
    ) -> RunSpec:
        """Without a port there is no check, so the run is ready at once."""
        if port_assigned:
            more["port"] = port
        more.setdefault("proxy", f"http://127.0.0.1:{port or 1}")
        more.setdefault("check_endpoint", "/health" if port else "none")
        more.setdefault("health_timeout", HANG)
        return RunSpec(model="m", argv=self.script(argv) if isinstance(argv, str) else argv, **more)

    @asynccontextmanager
    async def play(self, spec: RunSpec, launcher: Launcher | None = None) -> AsyncIterator[Play]:
        play = Play(spec, launcher or LocalLauncher())
        play.supervisor.start()
        try:
            yield play
        finally:
            play.supervisor.kill()
            await play.until_over()

    @staticmethod
    def lives(pid: int) -> bool:
        try:
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture(scope="session")
def play_engine() -> ModuleType:
    """The module engine_stage.py, which only its own folder can find."""
    spec = importlib.util.spec_from_file_location("engine_stage", Path(__file__).with_name("engine_stage.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look up the module that they are in
    spec.loader.exec_module(module)
    return module
