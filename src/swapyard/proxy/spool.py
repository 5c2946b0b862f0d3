"""Bytes of a body that wait on disk, written and read by threads so that nothing waits for the disk.

One job at a time: writes go before reads, and what comes while one is under way is written together. The file has no name
(where the system allows that): when the process dies, the space is free again. `TMPDIR` says where it lies.

After `close` nobody is called any more.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from typing import IO, Any, Protocol


class Owner(Protocol):
    """Who uses a spool."""

    def written(self) -> None:
        """`Spool.backlog` has shrunk."""

    def was_read(self, at: int, data: bytes) -> None:
        """What `Spool.read` asked for."""

    def failed(self, error: Exception) -> None:
        """The disk is full or broken (OSError), or one of the calls above raised. Close the spool."""


class Spool:
    """`size`: bytes that it was given. `backlog`: those of them that are not on disk yet."""

    __slots__ = ("_asked", "_busy", "_closed", "_file", "_loop", "_owner", "_pending", "backlog", "size")

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: Owner) -> None:
        self._loop = loop
        self._owner = owner
        self._file: IO[bytes] | None = None
        self._pending: list[bytes] = []
        self._asked: tuple[int, int] | None = None  # where to read, and how much
        self._busy = False
        self._closed = False
        self.size = 0
        self.backlog = 0

    def write(self, data: bytes) -> None:
        """Takes the data at once; whoever gives more than `backlog` may grow to has to wait for `Owner.written`."""
        self._pending.append(data)
        self.size += len(data)
        self.backlog += len(data)
        self._next()

    def read(self, at: int, size: int) -> None:
        """Reads up to `size` bytes for `Owner.was_read`, which is never called from in here. One reading at a time."""
        self._asked = (at, size)
        self._next()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._pending = []
            self._next()

    def _next(self) -> None:
        if self._busy:
            return
        if self._closed:
            file, self._file = self._file, None
            if file is not None:
                try:
                    self._loop.run_in_executor(None, file.close)  # freeing the blocks of a large file takes time
                except RuntimeError:  # the loop is closed, or about to be
                    file.close()
        elif self._pending:
            pieces, self._pending = self._pending, []
            self._run(lambda: self._write_all(pieces), self._has_written)
        elif self._asked is not None:
            (at, size), self._asked = self._asked, None
            self._run(lambda: self._read_at(at, size), lambda data: self._owner.was_read(at, data))

    def _run(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        self._busy = True
        self._loop.run_in_executor(None, work).add_done_callback(lambda job: self._over(job, done))

    def _over(self, job: asyncio.Future[Any], done: Callable[[Any], None]) -> None:
        self._busy = False
        if self._closed:
            job.exception()  # whatever it was, nobody asks any more
        else:
            try:
                done(job.result())
            except Exception as error:  # nobody else is there to hear of it
                self._owner.failed(error)
        self._next()

    def _has_written(self, size: int) -> None:
        self.backlog -= size
        self._owner.written()

    # --- in a thread, one at a time ---

    def _write_all(self, pieces: list[bytes]) -> int:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="swapyard-", buffering=0)  # noqa: SIM115 - `close` closes it
        file = self._file
        file.seek(0, 2)
        for piece in pieces:
            left = memoryview(piece)
            while left:
                left = left[file.write(left) :]
        return sum(map(len, pieces))

    def _read_at(self, at: int, size: int) -> bytes:
        file = self._file
        assert file is not None
        file.seek(at)
        data = file.read(size)
        if not data:
            raise OSError(f"the file ends before byte {at}")
        return data
