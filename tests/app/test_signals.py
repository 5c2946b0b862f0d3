"""Signals are told once, whatever else comes at the same moment, and those that come too late do no harm."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from swapyard.app.signals import take_signals

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs POSIX signals")

TOO_LATE = """
import asyncio, os, signal
from swapyard.app.listening import new_event_loop
from swapyard.app.signals import take_signals

async def main():
    take_signals(asyncio.get_running_loop(), stop=lambda: None, reload=lambda: None)

with asyncio.Runner(loop_factory=new_event_loop) as runner:
    runner.run(main())
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    os.kill(os.getpid(), number)
print("ended in order")
"""


@pytest.fixture(autouse=True)
def signals_as_they_were() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def test_a_stop_right_behind_another_signal_is_told_once() -> None:
    """uvloop's own way tells it twice where it comes between the reading of its pipe and the calling of the handlers."""
    stops: list[int] = []
    take_signals(asyncio.get_running_loop(), stop=lambda: stops.append(1), reload=lambda: None)
    signal.signal(signal.SIGUSR1, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    # From another process, a little later, so that the loop is asleep when it comes.
    for number in range(1, 6):
        kill = await asyncio.create_subprocess_exec("sh", "-c", f"sleep 0.02; kill -USR1 {os.getpid()}")
        assert await kill.wait() == 0
        async with asyncio.timeout(20):
            while len(stops) < number:
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)  # for one that is told late
        assert len(stops) == number


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_both_signals_that_stop_are_taken(number: signal.Signals) -> None:
    stopped = asyncio.Event()
    take_signals(asyncio.get_running_loop(), stop=stopped.set, reload=lambda: None)
    await asyncio.to_thread(os.kill, os.getpid(), number)
    await asyncio.wait_for(stopped.wait(), 20)


async def test_a_hang_up_reloads() -> None:
    asked = asyncio.Event()
    take_signals(asyncio.get_running_loop(), stop=lambda: None, reload=asked.set)
    await asyncio.to_thread(os.kill, os.getpid(), signal.SIGHUP)
    await asyncio.wait_for(asked.wait(), 20)


def test_signals_that_come_when_all_is_over_change_nothing() -> None:
    ended = subprocess.run([sys.executable, "-c", TOO_LATE], capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "ended in order\n", "")
