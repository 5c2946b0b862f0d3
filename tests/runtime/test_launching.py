"""Starting a command on this machine, and what is said when that fails."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from swapyard.runtime import process
from swapyard.runtime.launchers import LaunchError, LaunchSpec, local
from swapyard.runtime.launchers.local import LocalLauncher, child_environment

if TYPE_CHECKING:
    from tests.runtime.conftest import Stage


async def refusal(*argv: str) -> str:
    with pytest.raises(LaunchError) as caught:
        await LocalLauncher().launch(LaunchSpec("1", argv), lambda data: None)
    return str(caught.value)


async def test_refusals_name_the_command_and_the_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    (tmp_path / "text").write_text("hello")
    (tmp_path / "odd").write_text("#!/no/such/interpreter\n")
    (tmp_path / "odd").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert await refusal() == "the command is empty"
    assert await refusal("server", "-x") == f'cannot start "server": not found in PATH ({tmp_path}/bin)'
    assert await refusal("./nothing") == f'cannot start "./nothing": no such file (looked from {tmp_path})'
    assert await refusal(str(tmp_path)) == f'cannot start "{tmp_path}": it is a directory'
    assert await refusal("./text") == 'cannot start "./text": it is not executable (chmod +x would make it so)'
    assert "the interpreter that its first line names" in await refusal("./odd")
    assert "null" in await refusal("./odd", "a\0b")


async def test_a_name_is_looked_up_in_our_own_path_and_a_path_from_where_we_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho $0 $1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    for name in ("program", "./program"):
        said: list[bytes] = []
        spec = LaunchSpec("1", (name, "a b; $HOME"), env=("PATH=/nowhere",))
        launched = await LocalLauncher().launch(spec, said.append)
        assert await launched.exited == 0
        await launched.output_ended
        assert b"".join(said).endswith(b"program a b; $HOME\n"), "no shell has had its hands on it"
        assert launched.is_over()
        launched.close()


async def test_what_passes_by_itself_is_worth_another_try(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_pipe() -> tuple[int, int]:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "pipe", no_pipe)
    with pytest.raises(LaunchError) as caught:
        await LocalLauncher().launch(LaunchSpec("1", ("true",)), lambda data: None)
    assert caught.value.worth_retrying
    assert "Too many open files" in str(caught.value)


@pytest.mark.parametrize("clear", ["", "env -i "], ids=["marked", "unmarked"])
async def test_killing_everything_reaches_what_is_just_being_launched(
    stage: Stage, clear: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second Ctrl-C may come when a process exists that its launcher has not been told of."""
    up = stage.directory / "up"
    server = " ".join(stage.script(f"ignore_term(); open({str(up)!r}, 'w').close(); rest()"))

    def killed_first(leader: int, mark: process.Mark, is_held: Callable[[], bool]) -> process.ProcessTree:
        while not up.exists():
            pass
        process.kill_everything_now()
        return process.tree_of(leader, mark, is_held)

    monkeypatch.setattr(local, "tree_of", killed_first)
    launched = await LocalLauncher().launch(LaunchSpec("1", stage.shell(f"exec {clear}{server}")), lambda data: None)
    try:
        async with asyncio.timeout(10):
            assert await launched.exited == -signal.SIGKILL
    finally:
        launched.kill()
        launched.close()


async def test_a_failed_launch_leaves_no_descriptor_behind(tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    odd.write_text("#!/no/such/interpreter\n")
    odd.chmod(0o755)
    await refusal(str(odd))
    before = psutil.Process().num_fds()
    for _ in range(5):
        await refusal(str(odd))
    assert psutil.Process().num_fds() <= before + 1


class Late(io.FileIO):
    """A file that, when it is closed, finds that another thread has just opened one."""

    opened: list[int]

    def close(self) -> None:
        self.opened.append(os.open(os.devnull, os.O_RDONLY))
        super().close()


async def test_the_end_of_an_output_closes_nothing_that_others_have_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    Late.opened = []
    monkeypatch.setattr("os.fdopen", lambda fd, _mode, _size, closefd=True: Late(fd, "rb", closefd=closefd))
    before = psutil.Process().num_fds()
    launched = await LocalLauncher().launch(LaunchSpec("1", ("true",)), lambda data: None)
    monkeypatch.undo()
    async with asyncio.timeout(10):
        assert await launched.exited == 0
        while not Late.opened:
            launched.close()
            await asyncio.sleep(0)
    for descriptor in Late.opened:
        os.close(descriptor)  # fails if it is closed
    assert psutil.Process().num_fds() <= before + 1


def test_the_environment_of_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "ours")
    environment = child_environment(["A=1", "B=x=y", "A=2", "=C", "D"], "id:1")
    assert (environment["A"], environment["B"], environment["SWAPYARD_RUN"]) == ("2", "x=y", "id:1")
    assert {"D", "", "C"}.isdisjoint(environment)
    assert environment["PATH"] == os.environ["PATH"]
