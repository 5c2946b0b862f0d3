"""The one seam to where runs live: a `Launcher` starts a command and hands back a `Process`.

`local` starts it on this machine and is the default. Placing runs elsewhere means another launcher on an existing
engine; the supervisor sees only what is declared here. Nothing in here knows models' states, graces or health checks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from swapyard.errors import SwapyardError


class LaunchError(SwapyardError):
    """The command could not be started. The message names the command and the cause."""

    def __init__(self, message: str, *, worth_retrying: bool = False) -> None:
        super().__init__(message)
        self.worth_retrying = worth_retrying


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """What to start. `name` tells launches apart ("7", "7:stop") and is never used twice; `env` holds NAME=value entries
    that extend the launcher's own environment, the last of a name wins; `cwd` None is the launcher's own directory."""

    name: str
    argv: tuple[str, ...]
    env: tuple[str, ...] = ()
    cwd: str | None = None


class Process(Protocol):
    """A launched command with everything that it started in turn (its tree).

    `exited` resolves to the first process's exit code (negative: killed by that signal) once that process is reaped;
    `output_ended` resolves when nobody can write to the output any more. Neither must be cancelled by who waits for it.
    """

    pid: int
    exited: asyncio.Future[int]
    output_ended: asyncio.Future[None]

    def first_is_alive(self) -> bool:
        """Whether the first process lives; sees a death that `exited` does not tell yet."""
        ...

    def is_over(self) -> bool:
        """Whether the first process is reaped and nothing of its tree is left. Cheap; may be asked at any time."""
        ...

    def look(self) -> None:
        """Get to know who belongs to it, for when that can no longer be told. Cheap; to be done now and then."""
        ...

    def terminate(self) -> None:
        """Ask every member to end that was not asked before."""
        ...

    def kill(self) -> None:
        """End every member that can be found, at once. May have to be repeated: members may be forking."""
        ...

    def close(self) -> None:
        """Stop listening to its output, whoever still holds it, and let go of everything. The last call."""
        ...


class Launcher(Protocol):
    async def launch(self, spec: LaunchSpec, output: Callable[[bytes], None]) -> Process:
        """Start it. `output` gets the raw bytes of stdout and stderr, in the order of writing; it must not raise.

        Raises LaunchError."""
        ...
