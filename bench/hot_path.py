"""`python -m bench.hot_path`: what our own Python costs per small request, without sockets, kernel and noise.

Real protocols, exchange, engine and scheduler on transports that swallow what is written; a round is 5,000 requests on one
keep-alive client and one pooled upstream connection. The minimum of 40 rounds is printed, because noise only adds. Heads
repeat themselves but for their lengths, as on any kept connection; the last line is for those that do not. Account is kept
as by default: rows in memory, captures, metrics. What their threads do is in the figure as far as it disturbs the loop.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import uvloop

from swapyard.app import App
from swapyard.app.accounts import Accounts
from swapyard.config.schema import Config, Model
from swapyard.core.messages import BecameReady, ModelPolicy, Policy
from swapyard.core.planners.group import GroupPlanner
from swapyard.core.scheduler import Scheduler
from swapyard.http.server import Server
from swapyard.http.upstream import Upstream, UpstreamConnection
from swapyard.observe.bus import Bus
from swapyard.observe.logs import Logs
from swapyard.proxy.gateway import Gateway
from swapyard.proxy.state import ProxyState
from swapyard.runtime.engine import Engine

ROUNDS, REQUESTS = 40, 5_000
A_PASS = 8  # requests between two passes of the loop
QUESTION = b'{"model":"m","messages":[{"role":"user","content":"Hello, how are you today?"}],"temperature":0.7}'
REQUEST = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Type: application/json\r\n"
    b"Authorization: Bearer abc\r\nUser-Agent: OpenAI/Python\r\nAccept: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b"
) % (len(QUESTION), QUESTION)
ANSWER = (
    b'{"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"}}],'
    b'"usage":{"prompt_tokens":12,"completion_tokens":100,"total_tokens":112},"timings":{"cache_n":0,"prompt_n":12,'
    b'"prompt_ms":10.0,"prompt_per_token_ms":0.83,"prompt_per_second":1200.0,"predicted_n":100,"predicted_ms":1000.0,'
    b'"predicted_per_token_ms":10.0,"predicted_per_second":100.0}}'
)
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: llama.cpp\r\nContent-Type: application/json; charset=utf-8\r\n"
    b"Keep-Alive: timeout=5\r\nAccess-Control-Allow-Origin: \r\nContent-Length: %d\r\n\r\n%b"
) % (len(ANSWER), ANSWER)


class Nowhere:
    """A transport, a process and a launchpad that do nothing."""

    pid, address, epitaph = 1, None, "has exited"

    def __init__(self, upstream: Upstream | None = None) -> None:
        self._upstream = upstream

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else None

    def is_closing(self) -> bool:
        return False

    def supervise(self, *_: Any) -> Nowhere:
        return self

    def upstream(self, *_: Any) -> Any:
        return self._upstream

    def grace(self, _: str) -> float:
        return 1.0

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


async def main() -> None:
    loop = asyncio.get_running_loop()
    upstream = Upstream("127.0.0.1", 1, loop=loop)
    pad: Any = Nowhere(upstream)
    engine = Engine(Scheduler(Policy({"m": ModelPolicy()}, GroupPlanner({}))), pad, loop)
    app: Any = type("Logging", (), {"logs": Logs(to_stdout="none"), "loop": loop})
    logged: Any = lambda *end: App._log_end(app, *end)  # noqa: E731
    config = Config(models={"m": Model(cmd="x")})
    log: Any = Nowhere()
    accounts = Accounts(config, engine=engine, bus=Bus(loop), log=log, loop=loop)
    recorder = accounts.recorder
    for name, log_end, patient, kept in (
        ("alone", lambda *_: None, True, None),
        ("with the access log", logged, True, None),
        ("and with account kept of all", logged, True, recorder),
        ("and other heads each time", logged, False, recorder),
    ):
        gateway = Gateway(ProxyState(config, engine, recorder=kept), pad, loop.create_task)
        listener = Server(loop=loop, accept=gateway.accept, refuse=gateway.refuse, log_end=log_end)
        client = listener()
        client.connection_made(pad)
        server = UpstreamConnection(upstream)
        server.connection_made(pad)
        if not patient:
            client._reader._patience = server._patience = 0
        upstream._idle[:] = [server]
        if not engine.runs:
            loading = asyncio.ensure_future(engine.load("m"))
            await asyncio.sleep(0)
            engine.feed(BecameReady(1))
            await loading
            await asyncio.sleep(0)
        best = float("inf")
        for _ in range(ROUNDS):
            spent = 0.0
            for _ in range(REQUESTS // A_PASS):
                began = time.perf_counter()
                for _ in range(A_PASS):
                    client.data_received(REQUEST)
                    upstream.batch.end()
                    server.data_received(RESPONSE)
                    listener.batch.end()
                spent += time.perf_counter() - began
                await asyncio.sleep(0)  # what was put off until the pass is over would pile up
            best = min(best, spent / REQUESTS)
            recorder.store.flush()
        print(f"our own Python per request, {name:28} {best * 1e6:6.2f} us")


if __name__ == "__main__":
    uvloop.run(main())
