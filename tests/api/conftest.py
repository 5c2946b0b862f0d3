"""A control plane with scripted surroundings, and a client that speaks ASGI to it, streams included."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import MagicMock
from urllib.parse import unquote

import pytest
from starlette.types import Message, Send

from swapyard.api.app import make_app
from swapyard.api.services import Build, Facts, Neighbours, Services
from swapyard.api.status import Origin
from swapyard.config.schema import Config
from swapyard.observe.bus import Bus
from swapyard.observe.history import History
from swapyard.observe.logs import Logs
from swapyard.observe.memory import MemoryLog
from swapyard.observe.system.gpus import Gpus
from swapyard.observe.system.hardware.snapshot import Snapshot
from swapyard.observe.system.sampling import Sampling
from swapyard.proxy.replies import render
from swapyard.proxy.resolve import Names


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Stream:
    """A request whose answer comes piece by piece. `leave` is the client going away."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[Message] = asyncio.Queue()
        self.left = asyncio.Event()
        self.task: asyncio.Task[None]

    async def next(self) -> Message:
        return await asyncio.wait_for(self.sent.get(), 20)

    async def leave(self) -> None:
        self.left.set()
        await asyncio.wait_for(self.task, 20)


class PlayedLoad:
    """Ends when the test says so."""

    place: int | None = None

    def __init__(self, model: str) -> None:
        self.model = model
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.done.add_done_callback(lambda done: None if done.cancelled() else done.exception())

    def give_up(self) -> None:
        self.done.cancel()


@dataclass
class Yard:
    """Change `config` and `states` at will; `unloaded` and `loads` note what the engine was asked. Nothing here can start a
    model."""

    config: Config = field(default_factory=Config)
    states: dict[str, str] = field(default_factory=dict)
    profile: str | None = None
    logs: Logs = field(default_factory=Logs)
    unloaded: list[Collection[str] | None] = field(default_factory=list)
    facts: dict[str, Facts] = field(default_factory=dict)
    neighbours: Neighbours | None = None
    memory: MemoryLog = field(default_factory=MemoryLog)
    history: History = field(default_factory=History)
    queue: Any = None
    loading: list[Any] = field(default_factory=list)
    activity: Any = field(default_factory=lambda: MagicMock(changes=lambda **_: []))
    captures: Any = None
    cancelled: list[str] = field(default_factory=list)
    gone: asyncio.Event | None = None  # what an unload waits for
    failures: dict[str, str] = field(default_factory=dict)
    exit_codes: dict[str, int] = field(default_factory=dict)
    loads: list[PlayedLoad] = field(default_factory=list)
    hardware: Snapshot | None = None
    metrics: bytes = b""
    begin_load: Callable[[PlayedLoad], None] = lambda load: None  # what becomes of a load at once

    def __post_init__(self) -> None:
        loop: Any = None  # no timers: nothing here publishes later
        self.bus = Bus(loop)
        self.sampling = Sampling(self.logs.proxy_logger(), lambda: Gpus([]))
        self.app = make_app(
            Services(
                build=Build("1.2.3", "c0ffee", "2026-11-22"),
                started=1_700_000_000,
                config=lambda: self.config,
                origin=lambda: Origin(("/etc/swapyard.yaml",), True),
                names=lambda: Names(self.config),
                logs=self.logs,
                states=lambda: self.states,
                facts=lambda model: self.facts[model],
                neighbours=lambda model: self.neighbours,
                bus=self.bus,
                history=self.history,
                inflight=lambda: {"operation": "snapshot"},
                queue=lambda: self.queue,
                loads=lambda: self.loading,
                cancel=self._cancel,
                activity=lambda: self.activity,
                captures=lambda: self.captures,
                failures=lambda: self.failures,
                exit_codes=lambda: self.exit_codes,
                load=self._load,
                unload=self._unload,
                active_profile=lambda: self.profile,
                activate_profile=self._activate,
                sampling=self.sampling,
                memory=self.memory,
                hardware=self._hardware,
                metrics=self._metrics,
                mask_command=lambda cmd: cmd.replace("s3cret", "***"),
                model_entry=lambda name, arguments: f"{name}: {' '.join(arguments)}",
                render_error=render,
                data_plane=("/v1/chat/completions", "/v1/messages"),
            )
        )

    def _cancel(self, entry: str) -> bool:
        self.cancelled.append(entry)
        return entry == "7"

    async def _hardware(self) -> Snapshot | None:
        return self.hardware

    async def _metrics(self) -> bytes:
        return self.metrics

    def _activate(self, profile: str | None) -> None:
        self.profile = profile

    def _load(self, model: str) -> PlayedLoad:
        load = PlayedLoad(model)
        self.loads.append(load)
        self.begin_load(load)
        return load

    async def _unload(self, models: Collection[str] | None) -> None:
        self.unloaded.append(models)
        if self.gone is not None:
            await self.gone.wait()

    async def get(self, target: str, **headers: str) -> Answer:
        return await self.ask("GET", target, headers=headers)

    async def post(self, target: str, body: bytes = b"") -> Answer:
        return await self.ask("POST", target, body=body)

    async def ask(self, method: str, target: str, *, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
        """The whole answer. `target` as on the wire, percent-encoded."""
        stream = self.open(target, method, headers=headers, body=body)
        await asyncio.wait_for(stream.task, 10)
        head = stream.sent.get_nowait()
        answer = b""
        while not stream.sent.empty():
            answer += stream.sent.get_nowait().get("body", b"")
        return Answer(head["status"], {k.decode(): v.decode() for k, v in head["headers"]}, answer)

    def open(
        self,
        target: str,
        method: str = "GET",
        *,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        send: Send | None = None,
    ) -> Stream:
        """Begins a request. `send`: what takes the answer instead of the stream's queue."""
        stream = Stream()
        request_is_read = False

        async def receive() -> Message:
            nonlocal request_is_read
            if not request_is_read:
                request_is_read = True
                return {"type": "http.request", "body": body, "more_body": False}
            await stream.left.wait()
            return {"type": "http.disconnect"}

        stream.task = asyncio.create_task(self.app(scope(method, target, headers or {}), receive, send or stream.sent.put))
        return stream


def scope(method: str, target: str, headers: dict[str, str]) -> dict[str, Any]:
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": None,
    }


@pytest.fixture
def yard() -> Yard:
    return Yard()
