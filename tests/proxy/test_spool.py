"""Bytes that wait on disk: they come back as they went, in whatever order it is asked for."""

from __future__ import annotations

import asyncio

from swapyard.proxy.spool import Spool


class Keeper:
    """Waits for what its spool says."""

    def __init__(self) -> None:
        self.spool = Spool(asyncio.get_running_loop(), self)
        self.heard: asyncio.Queue[tuple[int, bytes] | Exception] = asyncio.Queue()
        self.explode = False

    def written(self) -> None: ...

    def was_read(self, at: int, data: bytes) -> None:
        if self.explode:
            raise ValueError("a defect of whoever uses the spool")
        self.heard.put_nowait((at, data))

    def failed(self, error: Exception) -> None:
        self.heard.put_nowait(error)

    async def read(self, at: int, size: int) -> tuple[int, bytes] | Exception:
        self.spool.read(at, size)
        return await self.heard.get()


async def test_writes_and_reads_may_alternate() -> None:
    keeper = Keeper()
    keeper.spool.write(b"one ")
    keeper.spool.write(b"two ")
    assert keeper.spool.backlog == 8
    assert await keeper.read(0, 100) == (0, b"one two ")
    assert await keeper.read(2, 3) == (2, b"e t")
    keeper.spool.write(b"three")
    assert await keeper.read(4, 100) == (4, b"two three")
    assert (keeper.spool.size, keeper.spool.backlog) == (13, 0)
    keeper.spool.close()


async def test_a_defect_behind_a_reading_is_told_and_ends_nothing_else() -> None:
    keeper = Keeper()
    keeper.spool.write(b"one")
    keeper.explode = True
    assert isinstance(await keeper.read(0, 1), ValueError)
    keeper.explode = False
    assert await keeper.read(1, 2) == (1, b"ne")
    keeper.spool.close()


async def test_nobody_is_called_after_the_close() -> None:
    keeper = Keeper()
    keeper.spool.write(b"one")
    keeper.spool.read(0, 1)
    keeper.spool.close()
    keeper.spool.close()
    while keeper.spool._busy or keeper.spool._file is not None:
        await asyncio.sleep(0)
    assert keeper.heard.empty()
