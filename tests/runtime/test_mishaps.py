"""Bugs below the supervisor: whatever raises, the run's end is reported, so that nobody waits for it for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from swapyard.core.messages import BecameReady, Exited
from swapyard.runtime.launchers import LaunchSpec, Process
from swapyard.runtime.launchers.local import LocalLauncher

if TYPE_CHECKING:
    from tests.runtime.conftest import Stage


def expect_bugs() -> list[str]:
    """What reaches the loop's exception handler from now on; elsewhere that fails a test."""
    bugs: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: bugs.append(str(context["exception"])))
    return bugs


class BrokenLauncher(LocalLauncher):
    async def launch(self, spec: LaunchSpec, output: Callable[[bytes], None]) -> Any:
        raise ZeroDivisionError("no launch today")


class LauncherOfBroken(LocalLauncher):
    """Of its processes one method fails."""

    def __init__(self, method: str) -> None:
        super().__init__()
        self.method = method
        self.launched: list[Process] = []

    async def launch(self, spec: LaunchSpec, output: Callable[[bytes], None]) -> Any:
        def fails(*_: Any) -> Any:
            raise ZeroDivisionError(f"no {self.method} today")

        process = await super().launch(spec, output)
        self.launched.append(process)
        setattr(process, self.method, fails)
        return process


async def test_a_launcher_with_a_bug_is_a_failed_start(stage: Stage) -> None:
    bugs = expect_bugs()
    async with stage.play(stage.spec("rest()"), BrokenLauncher()) as play:
        await play.until_over()
    [exited] = play.events
    assert isinstance(exited, Exited)
    assert exited.error is not None
    assert exited.error.detail == 'model "m" cannot be supervised: no launch today'
    assert bugs == ["no launch today"]


@pytest.mark.parametrize("method", ["terminate", "close"])
async def test_a_process_that_cannot_be_stopped_in_order_is_over_all_the_same(stage: Stage, method: str) -> None:
    bugs = expect_bugs()
    launcher = LauncherOfBroken(method)
    async with stage.play(stage.spec("say('up'); rest()"), launcher) as play:
        await play.until_ready()
        await play.until_said("up")
        play.supervisor.stop(10)
        await play.until_over()
        await play.supervisor.wait_over()
    assert play.events[0] == BecameReady(7)
    assert isinstance(play.events[-1], Exited)
    assert bugs == [f"no {method} today"]
    [process] = launcher.launched
    await asyncio.wait_for(asyncio.shield(process.exited), 20)
    type(process).close(process)
