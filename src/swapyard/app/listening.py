"""The event loop, and what is said when an address cannot be listened on."""

from __future__ import annotations

import asyncio
import errno
import sys


def listen_problem(error: OSError | UnicodeError, port: int) -> str:
    """What is wrong, and what would help."""
    if not isinstance(error, OSError):
        return str(error)
    hint = ""
    if error.errno == errno.EADDRINUSE:
        hint = f"; another program uses port {port}, perhaps another Swapyard: choose a free one with --listen"
    elif error.errno == errno.EACCES:
        hint = f"; port {port} needs privileges: choose one above 1023 with --listen"
    return (error.strerror or str(error)) + hint


def new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop (winloop on Windows) where it exists."""
    try:
        if sys.platform == "win32":
            import winloop as fast
        else:
            import uvloop as fast
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = fast.new_event_loop()
    return loop
