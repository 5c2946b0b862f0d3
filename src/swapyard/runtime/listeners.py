"""Who listens on a port before we start something there: a foreign server would pass for ours (llama-swap #57)."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from swapyard.runtime.readiness import addresses_of

LONGEST_CONNECT = 0.25  # seconds; loopback answers at once, and nothing else is worth a delayed start


async def somebody_accepts(host: str, port: int) -> bool:
    """Whether a connection to any address of `host` is accepted."""
    try:
        addresses = await addresses_of(host, port)
    except OSError:
        return False
    answers = await asyncio.gather(*(_accepts(address, port) for address, _ in addresses))
    return any(answers)


async def owner_of(port: int) -> str:
    """Who listens there, as words for a message: "pid 7 (llama-server)", or "another process" where that stays hidden."""
    return await asyncio.to_thread(_owner_of, port)


async def _accepts(address: str, port: int) -> bool:
    try:
        async with asyncio.timeout(LONGEST_CONNECT):
            _, writer = await asyncio.open_connection(address, port)
    except OSError:  # TimeoutError is one
        return False
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()
    return True


def _owner_of(port: int) -> str:
    import psutil  # slow to import, and seldom needed

    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status != psutil.CONN_LISTEN or not connection.laddr or not connection.pid:
                continue
            if connection.laddr.port == port:
                return f"pid {connection.pid} ({psutil.Process(connection.pid).name()})"
    except (psutil.Error, OSError):
        pass
    return "another process"
