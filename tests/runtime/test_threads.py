"""Work off the event loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from swapyard.runtime.threads import in_daemon_thread


async def test_results_and_errors_come_back() -> None:
    assert await in_daemon_thread(lambda: 6 * 7, "multiply") == 42
    with pytest.raises(ZeroDivisionError):
        await in_daemon_thread(lambda: 1 // 0, "divide")


async def test_work_that_hangs_does_not_hold_up_a_cancelled_caller_and_is_told_to_nobody() -> None:
    release, ended = threading.Event(), threading.Event()

    def hang() -> None:
        release.wait()
        ended.set()

    caller = asyncio.create_task(in_daemon_thread(hang, "hang"))
    await asyncio.sleep(0)
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "hang")
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    release.set()
    await asyncio.get_running_loop().run_in_executor(None, ended.wait)
