"""The end: in order while the budget lasts, at once for a second signal, by a watchdog when something hangs.

Waiting requests are refused at once, running ones may finish, and a part of the budget is kept for stopping processes. Rows
of the activity are written last, when no request can end any more.
"""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING

from swapyard.observe.logs import Logs
from swapyard.proxy.exchange import Exchange
from swapyard.runtime.process import kill_everything_now

if TYPE_CHECKING:
    from swapyard.app import App
    from swapyard.http.server import Server

SHUTDOWN_BUDGET = 30.0  # seconds for everything
KEPT_FOR_PROCESSES = 10.0  # of it, at most, for stopping processes in order
KEPT_FOR_KILLING = 1.0
WATCHDOG = 35.0  # after which the process ends whatever hangs
LAST_WORDS = 0.5  # seconds for answers that are written to leave


def end_at_once(logs: Logs) -> None:
    """Without order, but leaving no process behind. Works without a running loop, from any thread."""
    kill_everything_now()
    logs.close(0.2)
    os._exit(1)


async def shut_down(app: App, listener: asyncio.Server) -> None:
    """Returns when nothing is left but the loop. What keeps house has ended: no reload changes what is being shut down."""
    loop, log, server = app.loop, app.log, app.server
    ends = loop.time() + SHUTDOWN_BUDGET
    watchdog = threading.Timer(WATCHDOG, end_at_once, (app.logs,))
    watchdog.daemon = True
    watchdog.start()
    listener.close()
    log.info("shutting down; a second signal stops everything at once")
    await app.end_housekeeping()
    if app.monitoring is not None:
        app.monitoring.stop()
    app.logs.end_streams()
    app.bus.close()
    app.progress.close()
    app.engine.begin_shutdown()
    app.peers.begin_shutdown()
    server.drain()
    if busy := unfinished(server):
        log.info("waiting for %d request%s to finish", busy, "s" * (busy > 1))
    while unfinished(server) and loop.time() < ends - KEPT_FOR_PROCESSES:  # noqa: ASYNC110 - they end in many ways
        await asyncio.sleep(0.02)
    app.peers.finish_shutdown()
    await app.engine.finish_shutdown(max(ends - KEPT_FOR_KILLING - loop.time(), 1.0))
    await wait_for_connections(server, LAST_WORDS)
    server.abort()
    if app.monitoring is not None:
        await app.monitoring.join()
    await app.end_tasks()
    await wait_for_connections(server, LAST_WORDS)  # their requests are accounted for as they end
    await app.accounts.close()
    watchdog.cancel()
    log.info("stopped")
    app.logs.close()


async def wait_for_connections(server: Server, seconds: float) -> None:
    """What is written may still have to leave."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while server.connections and loop.time() < end:  # noqa: ASYNC110 - they end in many ways
        await asyncio.sleep(0.02)


def unfinished(server: Server) -> int:
    """Requests that a model is at work on."""
    handlers = (connection.handler for connection in server.connections)
    return sum(isinstance(handler, Exchange) and handler.is_served for handler in handlers)
