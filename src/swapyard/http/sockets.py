"""What TCP sockets can do and asyncio does not offer itself, or not safely."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys

LONGEST_KEEPALIVE = 32767  # seconds; Linux refuses more


def enable_keepalive(transport: asyncio.BaseTransport, seconds: int) -> None:
    """TCP keep-alive probes after `seconds` of silence, never with 0."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, seconds > 0)
    if seconds <= 0:
        return
    seconds = min(seconds, LONGEST_KEEPALIVE)
    if hasattr(socket, "TCP_KEEPIDLE"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, seconds)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, seconds)


def half_close(transport: asyncio.WriteTransport) -> bool:
    """Nothing more is sent, once what is written has left; the other direction goes on. False where that is impossible (TLS,
    or it is closing already)."""
    possible = transport.can_write_eof() and not transport.is_closing()
    if possible:
        transport.write_eof()
    return possible


def reset(transport: asyncio.Transport) -> None:
    """Ends a connection with a RST: whatever is unsent is lost, and the other side can tell it from an orderly end."""
    sock = transport.get_extra_info("socket")
    if sock is not None and not transport.is_closing():
        on_windows = sys.platform == "win32"
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("hh" if on_windows else "ii", 1, 0))
    transport.abort()
