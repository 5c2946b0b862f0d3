"""How tests run: coroutine tests on uvloop in debug mode, and whatever a test leaves behind fails that test.

A test that is `async def` gets a fresh event loop (asyncio's debug mode on). When it ends, no task of its own may still
run and no child process may be left. Fixtures are synchronous; asynchronous resources are context managers in the test.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import uvloop
from hypothesis import HealthCheck, settings

# Machines are noisy: no property fails because it took long.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# A suite that runs in the background (`pytest &` in a script) ignores SIGINT, and so would every program that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    unhandled: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.slow_callback_duration = 5.0  # machines are noisy; this is not what debug mode is on for
        loop.set_exception_handler(lambda _loop, context: unhandled.append(describe(context)))
        async with asyncio.timeout(limit_of(pyfuncitem)):  # uvloop keeps pytest-timeout's signal from being heard
            await pyfuncitem.obj(**arguments)
        for _ in range(3):  # let callbacks that are already due run
            await asyncio.sleep(0)
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert not left, f"tasks left running: {left}"

    with asyncio.Runner(debug=True, loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    assert not unhandled, f"errors nobody handled: {unhandled}"
    return True


def limit_of(test: pytest.Function) -> float:
    """Seconds: the test's own `timeout` mark, or the one of pyproject.toml."""
    mark = test.get_closest_marker("timeout")
    return float(mark.args[0] if mark else test.config.getini("timeout"))


def describe(context: dict[str, object]) -> str:
    return f"{context.get('message')}: {context.get('exception')!r}"


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    before = children()
    yield
    if left := children() - before:
        gone, alive = psutil.wait_procs([psutil.Process(pid) for pid in left if psutil.pid_exists(pid)], timeout=10)
        for child in alive:
            child.kill()
        assert not alive, f"processes left running: {alive} (ended meanwhile: {gone})"


def children() -> set[int]:
    """Pids of this process's children. Asked twice per test, so Linux is asked for no more than that; a grandchild is a
    child here once its parent has gone, because a launcher in the test has made this process a subreaper."""
    tasks = Path("/proc/self/task")
    if not (tasks / str(os.getpid()) / "children").exists():
        return {child.pid for child in psutil.Process().children(recursive=True)}
    found: set[int] = set()
    for task in tasks.iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            found.update(map(int, (task / "children").read_text().split()))
    return found


@pytest.fixture
def without_collector() -> Iterator[None]:
    """What is gone in such a test was let go of, and not found by the collector of circles."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
