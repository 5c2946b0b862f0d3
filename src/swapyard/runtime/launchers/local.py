"""Starting commands on this machine: no shell, no stdin, one pipe for stdout and stderr, a session of its own.

Every launch carries its identity in its environment (`SWAPYARD_RUN=<instance>:<name>`), where all that it starts
inherits it: so what strayed can be found, by this process or by a later one. Whoever clears its environment is still told
by the pipe. Which processes belong to a launch and how they are ended is `runtime.process`'s knowledge; when, is the
supervisor's.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from swapyard.runtime.launchers import LaunchError, LaunchSpec
from swapyard.runtime.process import IDENTITY, Mark, ProcessTree, become_subreaper, disown, launching, tree_of

# What the system may have again in a moment: processes, memory, file descriptors.
PASSING = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY})


class LocalLauncher:
    """`instance` names this Swapyard process among all that ever ran on this machine."""

    def __init__(self, instance: str | None = None) -> None:
        self.instance = instance or uuid.uuid4().hex
        become_subreaper()

    async def launch(self, spec: LaunchSpec, output: Callable[[bytes], None]) -> LocalProcess:
        if not spec.argv:
            raise LaunchError("the command is empty")
        if "\0" in "".join(spec.argv + spec.env):  # uvloop would cut the text there and say nothing
            raise LaunchError(f'cannot start "{spec.argv[0]}": an argument or env entry contains a null byte')
        program = find_program(spec.argv[0])
        child = _Child(output)
        reading: asyncio.ReadTransport | None = None
        try:
            stdout, reading = await _open_pipe(child)
            mark = Mark(f"{self.instance}:{spec.name}", pipe_name(stdout))
            with launching(mark):
                transport, _ = await asyncio.get_running_loop().subprocess_exec(
                    lambda: child,
                    *spec.argv,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=asyncio.subprocess.STDOUT,
                    executable=program,
                    cwd=spec.cwd,
                    env=child_environment(spec.env, mark.identity),
                    **_apart_from_us(),
                )
                return LocalProcess(child, transport, reading, mark)
        except OSError as error:
            if reading:
                reading.close()
            passing = error.errno in PASSING
            raise LaunchError(f'cannot start "{spec.argv[0]}": {_cause(error)}', worth_retrying=passing) from error
        finally:
            if reading:
                os.close(stdout)  # the child has its own; with ours open, the output would never end


class LocalProcess:
    """A `Process` on this machine."""

    def __init__(
        self,
        child: _Child,
        transport: asyncio.SubprocessTransport,
        reading: asyncio.ReadTransport | None,
        mark: Mark,
    ) -> None:
        self.pid = transport.get_pid()
        self.exited = child.exited
        self.output_ended = child.output_ended
        self._transports = [transport, reading] if reading else [transport]
        # The transport knows of the reaping before `exited` tells it: from then on the pid may be someone else's.
        self._tree: ProcessTree = tree_of(self.pid, mark, lambda: transport.get_returncode() is None)

    def first_is_alive(self) -> bool:
        return self._tree.leader_is_alive()

    def is_over(self) -> bool:
        return self.exited.done() and self._tree.is_empty()

    def look(self) -> None:
        self._tree.look()

    def terminate(self) -> None:
        self._tree.terminate()

    def kill(self) -> None:
        self._tree.kill()

    def close(self) -> None:
        disown(self._tree)
        for transport in self._transports:
            transport.close()


class _Child(asyncio.SubprocessProtocol):
    """Hands bytes on and remembers the two ends: of the process, and of its output."""

    def __init__(self, output: Callable[[bytes], None]) -> None:
        loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[int] = loop.create_future()
        self.output_ended: asyncio.Future[None] = loop.create_future()
        self._output = output
        self._transport: asyncio.SubprocessTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)  # uvloop's is none by class

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._output(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if not self.output_ended.done():
            self.output_ended.set_result(None)

    def process_exited(self) -> None:
        assert self._transport is not None
        code = self._transport.get_returncode()
        assert code is not None
        self.exited.set_result(code)


class _Pipe(asyncio.Protocol):
    """The reading end, where the pipe is ours."""

    def __init__(self, child: _Child) -> None:
        self._child = child

    def data_received(self, data: bytes) -> None:
        self._child.pipe_data_received(1, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._child.pipe_connection_lost(1, exc)


async def _open_pipe(child: _Child) -> tuple[int, asyncio.ReadTransport | None]:
    """What to give the child as stdout, and the end that we read (None: the subprocess transport reads).

    A true pipe, because uvloop would take a socket: that cannot be opened by name, and scripts write to /dev/stderr.
    Windows' event loop reads only pipes of its own making."""
    if sys.platform == "win32":
        return asyncio.subprocess.PIPE, None
    read_end, write_end = os.pipe()
    try:
        loop = asyncio.get_running_loop()
        # uvloop closes the descriptor and then the file: a second time, when it may be what another thread has just opened.
        source = os.fdopen(read_end, "rb", 0, closefd=isinstance(loop, asyncio.SelectorEventLoop))
        transport, _ = await loop.connect_read_pipe(lambda: _Pipe(child), source)
    except BaseException:
        os.close(write_end)
        raise
    return write_end, transport


def pipe_name(descriptor: int) -> str | None:
    """What Linux calls this pipe wherever it names what a process has open."""
    return f"pipe:[{os.fstat(descriptor).st_ino}]" if sys.platform == "linux" else None


def child_environment(entries: Sequence[str], identity: str) -> dict[str, str]:
    """Our environment, extended (never replaced: llama-swap #168, #169, #171) by `entries`, the last of a name winning."""
    environment = dict(os.environ)
    for entry in entries:
        name, equals, value = entry.partition("=")
        if equals and name:
            environment[name] = value
    environment[IDENTITY] = identity
    return environment


def find_program(name: str) -> str:
    """The file that `name` means: looked up in Swapyard's own PATH (not one from `env`), or a path from where it runs.

    Raises LaunchError with what was looked for and where."""
    if os.sep not in name and not (os.altsep and os.altsep in name):
        found = shutil.which(name)
        if found is None:
            raise LaunchError(f'cannot start "{name}": not found in PATH ({os.environ.get("PATH", "")})')
        return found
    path = Path(name)
    if path.is_dir():
        raise LaunchError(f'cannot start "{name}": it is a directory')
    if not path.exists():
        if sys.platform == "win32" and (found := shutil.which(name)):  # "server" meaning "server.exe"
            return found
        raise LaunchError(f'cannot start "{name}": no such file (looked from {Path.cwd()})')
    if not os.access(path, os.X_OK):
        raise LaunchError(f'cannot start "{name}": it is not executable (chmod +x would make it so)')
    return name


def _apart_from_us() -> dict[str, Any]:
    """How a child is kept out of what happens to us: a terminal's Ctrl-C does not reach it, no window opens."""
    if sys.platform == "win32":
        import subprocess

        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _cause(error: OSError) -> str:
    if error.errno == errno.ENOEXEC:
        return "this system cannot run such a file (a script needs a first line like #!/bin/sh)"
    if isinstance(error, FileNotFoundError):
        return "no such file (or the interpreter that its first line names does not exist)"
    return error.strerror or str(error)
