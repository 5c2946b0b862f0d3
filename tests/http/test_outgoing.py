"""Small writes of one pass of the loop are made at its end; nothing overtakes anything."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from swapyard.http.outgoing import LARGE, Batch, Outgoing

BIG = b"x" * LARGE


class Paper:
    """A transport that notes what is done to it, in order."""

    def __init__(self, *, fails: bool = False) -> None:
        self.done: list[Any] = []
        self.fails = fails
        self.is_over = False

    def is_closing(self) -> bool:
        return self.is_over

    def write(self, data: bytes) -> None:
        if self.fails:
            raise RuntimeError("no paper left")
        self.done.append(bytes(data))

    def writelines(self, parts: list[bytes]) -> None:
        self.write(b"".join(parts))

    def get_write_buffer_size(self) -> int:
        return 5

    def write_eof(self) -> None:
        self.done.append("eof")

    def close(self) -> None:
        self.done.append("close")
        self.is_over = True

    def abort(self) -> None:
        self.done.append("abort")
        self.is_over = True


def outgoing(paper: Paper, batch: Batch | None = None) -> Outgoing:
    transport: Any = paper
    return Outgoing(transport, batch or Batch(asyncio.get_running_loop()))


async def test_small_writes_wait_for_the_end_of_the_pass_and_leave_as_one() -> None:
    paper = Paper()
    one = outgoing(paper)
    for piece in (b"a", b"", bytearray(b"b"), memoryview(b"c")):
        one.write(piece)
    assert paper.done == []
    assert one.get_write_buffer_size() == 5 + 3
    await asyncio.sleep(0)
    assert paper.done == [b"abc"]
    assert one.get_write_buffer_size() == 5
    one.write(b"d")
    await asyncio.sleep(0)
    assert paper.done == [b"abc", b"d"]


@pytest.mark.parametrize(
    ("then", "noted"),
    [
        (lambda one: one.write(BIG), [BIG]),
        (lambda one: one.writelines([b"b", b"c"]), [b"bc"]),
        (lambda one: one.write_eof(), ["eof"]),
        (lambda one: one.close(), ["close"]),
        (lambda one: one.abort(), ["abort"]),
    ],
)
async def test_nothing_overtakes_what_waits(then: Any, noted: list[Any]) -> None:
    paper = Paper()
    one = outgoing(paper)
    one.write(b"a")
    then(one)
    assert paper.done == [b"a", *noted]
    await asyncio.sleep(0)
    assert paper.done == [b"a", *noted]


async def test_what_gathers_to_much_does_not_wait() -> None:
    paper = Paper()
    one = outgoing(paper)
    one.write(b"a")
    one.write(BIG[1:])
    assert [len(each) for each in paper.done] == [LARGE]
    one.write(b"b")
    await asyncio.sleep(0)
    assert paper.done[1:] == [b"b"]


async def test_a_connection_that_cannot_be_written_to_keeps_no_other_waiting(caplog: pytest.LogCaptureFixture) -> None:
    batch = Batch(asyncio.get_running_loop())
    papers = [Paper(fails=True), Paper()]
    for paper in papers:
        outgoing(paper, batch).write(b"a")
    await asyncio.sleep(0)
    assert papers[1].done == [b"a"]
    assert "no paper left" in caplog.text


async def test_a_connection_that_is_closing_is_not_written_to() -> None:
    paper = Paper()
    one = outgoing(paper)
    one.write(b"a")
    paper.is_over = True  # by the other side
    await asyncio.sleep(0)
    assert paper.done == []


async def test_a_real_socket_gets_it_all_in_order() -> None:
    ours, theirs = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
    one = Outgoing(transport, Batch(asyncio.get_running_loop()))
    for piece in (b"head ", BIG, b" tail", b"!"):
        one.write(piece)
    one.close()
    with theirs:
        theirs.setblocking(False)
        received = b""
        while piece := await asyncio.get_running_loop().sock_recv(theirs, 65536):
            received += piece
    assert received == b"head " + BIG + b" tail!"
