"""A whole data plane without sockets, clock or event loop: what a client sends, what an upstream gets, and back.

`PassageStage` has one client connection and a ready model `m` (with alias `org/m`). `ask` feeds request bytes and returns
what reached the upstream, `answer` feeds response bytes and returns what reached the client. Made of the real gateway,
exchange, engine, scheduler and recorder; only transports, processes and the store of the rows are played
(tests/http/http_stage.py, loaded before this).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from swapyard.config.schema import Config, Model
from swapyard.core.messages import BecameReady, ModelPolicy, Policy
from swapyard.core.planners.group import GroupPlanner
from swapyard.core.scheduler import Scheduler
from swapyard.http.server import Limits, Server
from swapyard.http.upstream import Sink, Upstream, UpstreamConnection
from swapyard.observe.activity import Activity
from swapyard.observe.bus import Bus
from swapyard.observe.captures import Captures
from swapyard.observe.inflight import InFlight
from swapyard.observe.metrics import Metrics
from swapyard.proxy.gateway import Gateway
from swapyard.proxy.recorder import Recorder
from swapyard.proxy.state import ProxyState
from swapyard.runtime.engine import Engine

stage: Any = sys.modules["swapyard_tests_http_stage"]


class PaperUpstream(Upstream):
    """Opens connections at once, on transports that keep what is written; the one that was used last is `paper`."""

    used: UpstreamConnection
    paper: Any

    def __init__(self, *address: Any, **more: Any) -> None:
        super().__init__(*address, **more)
        self._papers: dict[UpstreamConnection, Any] = {}

    def acquire(self, sink: Sink, *, fresh: bool = False) -> None:
        idle = [connection for connection in self._idle if not connection._transport.is_closing()]
        if idle and not fresh:
            self._idle.remove(idle[-1])
            self.used = idle[-1]
        else:
            self.used = UpstreamConnection(self)
            self._papers[self.used] = stage.Paper()
            self.used.connection_made(self._papers[self.used])
        self.paper = self._papers[self.used]
        self._hand_over(self.used, sink)


class Pad:
    """Launches nothing: a launchpad, and the only process it ever supervises."""

    pid, address, epitaph, exit_code = 1, None, "has exited", None

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    def supervise(self, *_: Any) -> Pad:
        return self

    def upstream(self, *_: Any) -> Upstream:
        return self._upstream

    def grace(self, _: str) -> float:
        return 1.0

    def start(self) -> None: ...


class Rows(list[Activity]):
    """Stands for the store."""

    def record_all(self, rows: Sequence[Activity]) -> int:
        self.extend(rows)
        return len(self) - len(rows) + 1


class PassageStage:
    """`ends`: the statuses of the answers so far. `rows`: what was recorded. `served`: leases that have not ended."""

    def __init__(self, *, limits: Limits | None = None, model: Model | None = None, **config: Any) -> None:
        self.loop = stage.StillLoop()
        loop: Any = self.loop
        self.upstream = PaperUpstream("127.0.0.1", 9000, loop=loop)
        policy = Policy({"m": ModelPolicy()}, GroupPlanner({}))
        pad: Any = Pad(self.upstream)
        self.engine = Engine(Scheduler(policy), pad, loop)
        self.ready = False
        models = {"m": model or Model(cmd="x", aliases=("org/m",))}
        self._rows = Rows()
        store: Any = self._rows
        # The captures are never compressed: their thread would outlive the stage.
        captures = Captures(0, warn=print)
        inflight, metrics = InFlight(Bus(loop), loop), Metrics(models={"m"}, routes=set())
        self._recorder = Recorder(self.engine, inflight, store, captures, metrics)
        state = ProxyState(Config(models=models, **config), self.engine, recorder=self._recorder)
        self.gateway = Gateway(state, control_plane, self._spawn)
        self.ends: list[int] = []
        self.reached: list[bytes] = []  # paths that reached the control plane
        self.server = Server(
            loop=loop,
            accept=self.gateway.accept,
            refuse=self.gateway.refuse,
            log_end=lambda client, status: self.ends.append(status),
            limits=limits,
        )
        self.connect()

    def connect(self) -> None:
        """A new client."""
        self.paper = stage.Paper()
        self.client = self.server()
        self.client.connection_made(self.paper)

    def _spawn(self, work: Any, name: str) -> None:
        """Runs a control plane request, which never waits for anything here, to its end."""
        try:
            while True:
                work.send(None)
        except StopIteration:
            pass

    @property
    def rows(self) -> Rows:
        self._recorder.settle()
        return self._rows

    @property
    def served(self) -> int:
        return self.engine.scheduler.serving("m")

    def ask(self, *pieces: bytes) -> bytes:
        """What has been written to upstreams because of these bytes of the client."""
        before, paper = self._sent()
        for piece in pieces:
            if piece and not self.paper.is_closed:
                self.client.data_received(piece)
                self._settle()
        after, now = self._sent()
        return after[len(before) :] if now is paper else after

    def _sent(self) -> tuple[bytes, Any]:
        self.upstream.batch.end()
        paper = getattr(self.upstream, "paper", None)
        return (paper.written if paper else b""), paper

    def _settle(self) -> None:
        self.loop.turn()
        if not self.ready and self.engine.runs:
            self.ready = True
            self.engine.feed(BecameReady(next(iter(self.engine.runs))))
            self.loop.turn()

    def answer(self, *pieces: bytes, end: bool = False) -> bytes:
        """What has been written to the client because of these bytes of the upstream. `end`: it closes behind them."""
        before = len(self.paper.written)
        connection, paper = self.upstream.used, self.upstream.paper
        for piece in pieces:
            if piece and not paper.is_closed:
                connection.data_received(piece)
                self._settle()
        if end and not paper.is_closed:
            paper.close()
            connection.connection_lost(None)
            self._settle()
        written: bytes = self.paper.written[before:]
        return written


async def control_plane(scope: Any, receive: Any, send: Any) -> None:
    """Stands for the API: says which path it was asked for."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"control plane: " + scope["path"].encode("utf-8", "surrogateescape")})
