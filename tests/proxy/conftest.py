"""What the tests of exchanges share: `open_yard`, a whole data plane whose processes and upstreams the test plays."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from swapyard.config.schema import Config, Model, Peer
from swapyard.core.lifecycle import State
from swapyard.core.messages import BecameReady, Event, Exited, Failed, ModelPolicy, Policy, RunId, StartError, Ticket
from swapyard.core.planners.group import GroupPlanner
from swapyard.core.scheduler import Scheduler
from swapyard.http.server import ClientConnection, Server
from swapyard.http.upstream import Limits, Upstream
from swapyard.observe.activity import ActivityQuery, ActivityStore, store
from swapyard.observe.bus import Bus, Feed
from swapyard.observe.captures import Captures
from swapyard.observe.inflight import InFlight
from swapyard.observe.metrics import Metrics
from swapyard.proxy.gateway import Gateway
from swapyard.proxy.peers import Peers
from swapyard.proxy.recorder import Recorder
from swapyard.proxy.state import ProxyState
from swapyard.runtime.engine import Engine, Waiter
from swapyard.runtime.launchpad import peer_upstream


@pytest.fixture(scope="session")
def wire() -> ModuleType:
    """Both ends of a connection: tests/http/wire.py."""
    return load(Path(__file__).parent.parent / "http" / "wire.py")


@pytest.fixture(scope="session")
def stage() -> ModuleType:
    """Both sides of our HTTP without sockets: tests/http/http_stage.py."""
    return load(Path(__file__).parent.parent / "http" / "http_stage.py")


@pytest.fixture(scope="session")
def passage(stage: ModuleType) -> ModuleType:
    """A whole data plane without sockets: passage_stage.py."""
    return load(Path(__file__).parent / "passage_stage.py")


def load(path: Path) -> ModuleType:
    name = f"swapyard_tests_{path.stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


class PlayedProcess:
    """A process that is ready and exits when the test says so; it obeys `stop` at once."""

    pid = 1
    address = None
    epitaph = "has exited"
    exit_code = None

    def __init__(self, run: RunId, model: str, notify: Callable[[Event], None]) -> None:
        self.run = run
        self.model = model
        self.notify = notify
        self.over = asyncio.Event()

    def start(self) -> None: ...

    def become_ready(self) -> None:
        self.notify(BecameReady(self.run))

    def crash(self, epitaph: str) -> None:
        """Its first process dies; something of it is still there."""
        self.epitaph = epitaph
        self.notify(Failed(self.run, StartError(f'model "{self.model}" {epitaph}')))

    def exit(self, error: StartError | None = None) -> None:
        if not self.over.is_set():
            self.over.set()
            self.notify(Exited(self.run, error))

    def stop(self, grace: float) -> None:
        asyncio.get_running_loop().call_soon(self.exit)

    def kill(self) -> None:
        self.exit()

    async def wait_over(self) -> None:
        await self.over.wait()


class CountingEngine(Engine):
    """Knows how often each ticket arrived and ended."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.arrivals: list[Ticket] = []
        self.leavings: Counter[Ticket] = Counter()

    def arrive(self, ticket: Ticket, model: str, waiter: Waiter) -> None:
        self.arrivals.append(ticket)
        super().arrive(ticket, model, waiter)

    def leave(self, ticket: Ticket) -> None:
        self.leavings[ticket] += 1
        super().leave(ticket)


class StillClock:
    """The loop, but its time stands still until a test moves `now`. Timers ring when they would."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[..., object], *arguments: Any) -> asyncio.TimerHandle:
        return self._loop.call_later(max(when - self.now, 0), callback, *arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


class Books:
    """All that keeps account of a yard's requests. `rows` are the finished ones, oldest first; `look` begins to look at
    those under way, and `seen` tells what that viewer was told since."""

    def __init__(self, engine: Engine, loop: Any, budget: int) -> None:
        self.bus = Bus(loop)
        captures = Captures(budget, warn=print)
        self.store = ActivityStore(None, warn=print, has_capture=captures.has)
        metrics = Metrics(models={"m"}, routes=set())
        self.recorder = Recorder(engine, InFlight(self.bus, loop), self.store, captures, metrics)
        engine.observers.append(self.recorder.changed)

    def rows(self) -> Sequence[Any]:
        self.recorder.settle()
        assert self.store.flush()
        return self.store.listing(ActivityQuery(limit=999, descending=False)).data

    def row(self) -> Any:
        """The only one (`observe.activity.Row`)."""
        (row,) = self.rows()
        return row

    def capture(self) -> Any:
        """Of the only row."""
        return self.recorder.captures.payload(self.row().id)

    def look(self) -> Feed:
        return self.bus.subscribe()

    @staticmethod
    def seen(feed: Feed) -> list[Any]:
        told = [json.loads(json.loads(event.partition(b"data:")[2])["data"]) for event in feed._waiting]
        feed._waiting.clear()
        return told

    async def close(self) -> None:
        recorder = self.recorder
        assert len(recorder.inflight) == 0
        assert not recorder.waiting
        recorder.close()
        recorder.inflight.close()
        recorder.captures.close()
        self.store.close()
        async with asyncio.timeout(20):  # one may be being compressed
            while recorder.captures.used:
                await asyncio.sleep(0.001)


class Yard:
    """`ports` says where each model's upstream listens; `processes` are the runs so far, the newest last. `capture_bytes`:
    with it, account is kept in `books`, by a clock that stands still."""

    def __init__(
        self, ports: dict[str, int], config: Config, limits: Limits, policy: dict[str, Any], capture_bytes: int | None
    ) -> None:
        loop = asyncio.get_running_loop()
        self.ports = ports
        self.limits = limits
        self.loop = loop
        self.processes: list[PlayedProcess] = []
        self.upstreams: list[Upstream] = []
        self.ends: list[int] = []
        self.port = 0
        self._started: asyncio.Queue[PlayedProcess] = asyncio.Queue()
        models = {model: ModelPolicy(**policy) for model in config.models}
        self.clock = StillClock(loop)
        scheduler = Scheduler(Policy(models, GroupPlanner(config.routing.groups)))
        self.engine = CountingEngine(scheduler, self, loop if capture_bytes is None else self.clock)
        self.has_books = capture_bytes is not None
        if capture_bytes is not None:
            self.books = Books(self.engine, self.clock, capture_bytes)
        recorder = self.books.recorder if self.has_books else None
        self.peers = Peers(self.peer_pool)
        peers = self.peers.of(config)
        self.peers.use(peers)
        self.gateway = Gateway(ProxyState(config, self.engine, peers, recorder), control_plane, self.spawn)
        self.server = Server(loop=loop, accept=self.gateway.accept, refuse=self.gateway.refuse, log_end=self.log_end)
        self.tasks: set[asyncio.Task[Any]] = set()

    def log_end(self, client: ClientConnection, status: int) -> None:
        self.ends.append(status)

    def spawn(self, work: Any, name: str) -> None:
        task = self.loop.create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def peer_pool(self, peer: Peer) -> Upstream:
        self.upstreams.append(peer_upstream(peer, self.loop))
        return self.upstreams[-1]

    # --- runtime.engine.Launchpad ---

    def supervise(self, run: RunId, model: str, notify: Callable[[Event], None]) -> PlayedProcess:
        process = PlayedProcess(run, model, notify)
        self.processes.append(process)
        self._started.put_nowait(process)
        return process

    def upstream(self, model: str, process: Any) -> Upstream:
        upstream = Upstream("127.0.0.1", self.ports[model], loop=self.loop, limits=self.limits)
        self.upstreams.append(upstream)
        return upstream

    def grace(self, model: str) -> float:
        return 1.0

    # --- for tests ---

    def configure(self, **config: Any) -> None:
        """A reload to a configuration without local models."""
        new = Config(**config)
        peers = self.peers.of(new)
        self.gateway.state = ProxyState(new, self.engine, peers)
        self.peers.use(peers)

    async def started(self) -> PlayedProcess:
        """The next run that is started."""
        async with asyncio.timeout(10):
            return await self._started.get()

    async def load(self, model: str = "m") -> PlayedProcess:
        """Makes a model ready before the test begins."""
        load = self.loop.create_task(self.engine.load(model))
        process = await self.started()
        process.become_ready()
        await load
        await asyncio.sleep(0)
        self.engine.arrivals.clear()
        self.engine.leavings.clear()
        return process

    @property
    def served(self) -> int:
        """Leases that have not ended."""
        return sum(self.engine.scheduler.serving(model) for model in self.ports)

    @property
    def waiting(self) -> int:
        return sum(self.engine.scheduler.waiting(model) for model in self.ports)

    async def settled(self) -> None:
        """Returns when no lease is left, and checks that each ticket ended exactly once (or was refused: not at all)."""
        async with asyncio.timeout(10):
            while self.served or self.waiting or self.engine._waiters:
                await asyncio.sleep(0.001)
        assert max(self.engine.leavings.values(), default=0) <= 1
        assert set(self.engine.leavings) <= set(self.engine.arrivals)


async def control_plane(scope: Any, receive: Any, send: Any) -> None:
    """Stands for the API: says which path it was asked for."""
    body = b"control plane: " + scope["path"].encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


OpenYard = Callable[..., AbstractAsyncContextManager[Yard]]


@pytest.fixture
def open_yard(monkeypatch: pytest.MonkeyPatch) -> OpenYard:
    """`async with open_yard(m=port) as yard:` a gateway on `yard.port`, with model m served on that port once it is ready.

    `ready` models are ready at once. `models` replaces entries of the configuration, `policy` fields of `ModelPolicy`.
    `books`: account is kept; `capture_bytes` is for its captures.
    """
    monkeypatch.setattr(store, "BATCH_SECONDS", 0)

    @asynccontextmanager
    async def open_it(
        *,
        ready: str = "",
        limits: Limits | None = None,
        models: dict[str, Model] | None = None,
        policy: dict[str, Any] | None = None,
        config: dict[str, Any] | None = None,
        books: bool = False,
        capture_bytes: int = 1_000_000,
        **ports: int,
    ) -> AsyncIterator[Yard]:
        entries = {model: Model(cmd="x") for model in ports} | (models or {})
        bytes_or_none = capture_bytes if books else None
        yard = Yard(ports, Config(models=entries, **(config or {})), limits or Limits(), policy or {}, bytes_or_none)
        listener = await yard.loop.create_server(yard.server, "127.0.0.1", 0)
        yard.port = listener.sockets[0].getsockname()[1]
        for model in ready.split():
            await yard.load(model)
        try:
            yield yard
            await yard.settled()
        finally:
            listener.close()
            yard.server.abort()
            async with asyncio.timeout(20):
                while yard.server.connections:
                    await asyncio.sleep(0.001)
                yard.peers.finish_shutdown()
                await yard.engine.finish_shutdown(1.0)
                while any(upstream.connections for upstream in yard.upstreams):
                    await asyncio.sleep(0.001)
            if books:
                await yard.books.close()
            assert all(yard.engine.state(model) is State.STOPPED for model in ports)

    return open_it
