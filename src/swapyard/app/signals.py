"""What the process does when it is signalled. Signals are taken here and nowhere else; what they mean is the app's business.

`loop.add_signal_handler` is not used for what must not be told twice: uvloop hears of a signal both from the byte that
CPython writes into its pipe and from the handler that CPython calls, and where another signal comes at the same moment, it
takes them for two. So a SIGTERM right behind a SIGHUP was a second SIGTERM, which kills everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable


def take_signals(loop: asyncio.AbstractEventLoop, *, stop: Callable[[], None], reload: Callable[[], None]) -> None:
    """From now on `stop` is called on the loop once for every SIGINT and SIGTERM, and `reload` for a SIGHUP, at least once.
    A signal to stop that comes when the loop is closed is nothing any more: the end is there."""

    def told(*_: object) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stop)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, told)
    if hasattr(signal, "SIGHUP"):  # also what makes asyncio's own loop wake up for signals that other threads take
        loop.add_signal_handler(signal.SIGHUP, reload)
