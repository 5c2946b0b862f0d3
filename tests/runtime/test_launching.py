"""Starting a command on this machine, and what is said when that fails."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import psutil
import pytest

from swapyard.runtime.launchers import LaunchError, LaunchSpec
from swapyard.runtime.launchers.local import LocalLauncher, child_environment


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


async def test_a_failed_launch_leaves_no_descriptor_behind(tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    odd.write_text("#!/no/such/interpreter\n")
    odd.chmod(0o755)
    await refusal(str(odd))
    before = psutil.Process().num_fds()
    for _ in range(5):
        await refusal(str(odd))
    assert psutil.Process().num_fds() <= before + 1


def test_the_environment_of_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "ours")
    environment = child_environment(["A=1", "B=x=y", "A=2", "=C", "D"], "id:1")
    assert (environment["A"], environment["B"], environment["SWAPYARD_RUN"]) == ("2", "x=y", "id:1")
    assert {"D", "", "C"}.isdisjoint(environment)
    assert environment["PATH"] == os.environ["PATH"]
