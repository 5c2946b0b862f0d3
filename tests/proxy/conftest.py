"""What the tests of exchanges share: `open_yard`, a whole data plane whose processes and upstreams the test plays."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
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
from swapyard.proxy.gateway import Gateway
from swapyard.proxy.peers import Peers
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


class Yard:
    """`ports` says where each model's upstream listens; `processes` are the runs so far, the newest last."""

    def __init__(self, ports: dict[str, int], config: Config, limits: Limits, policy: dict[str, Any]) -> None:
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
        self.engine = CountingEngine(Scheduler(Policy(models, GroupPlanner(config.routing.groups))), self, loop)
        self.peers = Peers(self.peer_pool)
        peers = self.peers.of(config)
        self.peers.use(peers)
        self.gateway = Gateway(ProxyState(config, self.engine, peers), control_plane, self.spawn)
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
def open_yard() -> OpenYard:
    """`async with open_yard(m=port) as yard:` a gateway on `yard.port`, with model m served on that port once it is ready.

    `ready` models are ready at once. `models` replaces entries of the configuration, `policy` fields of `ModelPolicy`.
    """

    @asynccontextmanager
    async def open_it(
        *,
        ready: str = "",
        limits: Limits | None = None,
        models: dict[str, Model] | None = None,
        policy: dict[str, Any] | None = None,
        config: dict[str, Any] | None = None,
        **ports: int,
    ) -> AsyncIterator[Yard]:
        entries = {model: Model(cmd="x") for model in ports} | (models or {})
        yard = Yard(ports, Config(models=entries, **(config or {})), limits or Limits(), policy or {})
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
            async with asyncio.timeout(5):
                while yard.server.connections:
                    await asyncio.sleep(0.001)
                yard.peers.finish_shutdown()
                await yard.engine.finish_shutdown(1.0)
                while any(upstream.connections for upstream in yard.upstreams):
                    await asyncio.sleep(0.001)
            assert all(yard.engine.state(model) is State.STOPPED for model in ports)

    return open_it
