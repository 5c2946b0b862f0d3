"""Leaving at every phase on either side, dead connections, and runs that die: leases end once, and nothing hangs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from swapyard.http.upstream import Limits
from swapyard.proxy import second_chances

if TYPE_CHECKING:
    from tests.proxy.conftest import OpenYard

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = b'{"model":"m"}'
CHAT = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\n" + BODY
PUT = b"PUT /upstream/m/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
LEAVING = ["close", "reset", "end"]


# --- the client leaves ---


@pytest.mark.parametrize("how", LEAVING)
@pytest.mark.parametrize("message", [CHAT, CHAT + CHAT, PUT, PUT + b"hello"])
async def test_a_client_leaves_while_its_model_loads(open_yard: OpenYard, wire: Any, how: str, message: bytes) -> None:
    async with open_yard(m=1) as yard, wire.connect(yard.port) as client:
        client.send(message)
        process = await yard.started()
        getattr(client, how)()
        await yard.settled()
        assert yard.ends == [499]
        process.become_ready()
        await wire.settle()
        assert yard.engine.leavings.total() == 1


@pytest.mark.parametrize("how", LEAVING)
async def test_a_client_leaves_the_queue(open_yard: OpenYard, wire: Any, how: str) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", policy={"parallel": 1}) as yard,
        wire.connect(yard.port) as first,
        wire.connect(yard.port) as second,
        wire.connect(yard.port) as third,
    ):
        first.send(CHAT)
        peer = await up.accept()
        await peer.request()
        second.send(CHAT)
        await wire.until(lambda: yard.waiting == 1)
        third.send(CHAT)
        await wire.until(lambda: yard.waiting == 2)
        getattr(second, how)()
        await wire.until(lambda: yard.waiting == 1)
        peer.send(OK)
        await first.response()
        await peer.request()  # the third one's, over the same connection
        peer.send(OK)
        assert (await third.response()).status == 200


@pytest.mark.parametrize("how", LEAVING)
async def test_a_client_leaves_while_a_connection_is_opened(
    open_yard: OpenYard, wire: Any, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        opening = asyncio.Event()

        async def never(*_: Any, **__: Any) -> None:
            opening.set()
            await asyncio.Event().wait()

        upstream = yard.upstreams[0]
        upstream.loop = Slow(upstream.loop, never)  # type: ignore[assignment]
        client.send(CHAT)
        await opening.wait()
        getattr(client, how)()
        await yard.settled()
        assert yard.ends == [499]
        await wire.settle()
        assert not upstream._connecting


class Slow:
    """A loop whose connections never open."""

    def __init__(self, loop: asyncio.AbstractEventLoop, create_connection: Any) -> None:
        self._loop = loop
        self.create_connection = create_connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


@pytest.mark.parametrize("how", LEAVING)
@pytest.mark.parametrize("phase", ["request", "headers", "early hints", "body", "stream"])
async def test_a_client_leaves_and_the_upstream_notices_at_once(
    open_yard: OpenYard, wire: Any, how: str, phase: str
) -> None:
    """So that it stops generating."""
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(PUT if phase == "request" else CHAT)
        peer = await up.accept()
        if phase == "request":
            await peer.head()
        else:
            await peer.request()
        if phase == "early hints":
            peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            await client.head()
        elif phase == "body":
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
            await client.until(b"abc")
        elif phase == "stream":
            peer.send(CHUNKED, b"3\r\nabc\r\n")
            await client.until(b"abc\r\n")
        getattr(client, how)()
        with pytest.raises(ConnectionResetError):  # at once, whatever is still unsent
            await peer.rest()
        await yard.settled()
        assert yard.ends == [499]
        assert not yard.upstreams[0].connections


async def test_a_client_leaves_between_pipelined_requests(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(CHAT, CHAT, CHAT[:-3])
        peer = await up.accept()
        await peer.request()
        peer.send(OK)
        assert (await client.response()).status == 200
        await peer.request()
        client.close()
        await peer.gone()
        await yard.settled()
        assert yard.ends == [200, 499]


async def test_a_client_leaves_while_it_waits_for_a_new_place(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_chances, "REQUEUE_AFTER", (0.05,))
    async with open_yard(m=wire.free_port(), ready="m") as yard, wire.connect(yard.port) as client:
        client.send(CHAT)
        await wire.until(lambda: yard.engine.leavings.total() == 1)
        client.close()
        await asyncio.sleep(0.1)
        assert len(yard.engine.arrivals) == 1


# --- connections that are reused ---


async def test_a_connection_is_reused(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(CHAT)
        peer = await up.accept()
        for n in range(5):
            await peer.request()
            peer.send(OK)
            assert (await client.response()).status == 200
            if n < 4:
                client.send(CHAT)
        assert len(up.accepted) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        OK + OK,
        OK + b"HTTP/1.1 204 No Content\r\n\r\n",
        OK + b"junk",
        b"HTTP/1.1 204 No Content\r\n\r\nno body belongs here",
    ],
)
async def test_a_connection_is_not_reused_after(open_yard: OpenYard, wire: Any, answer: bytes) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        for n in range(2):
            client.send(CHAT)
            peer = await up.accept()
            await peer.request()
            peer.send(answer)
            assert (await client.response()).status in (200, 204)
            await wire.settle()
            assert len(up.accepted) == n + 1
            assert not yard.upstreams[0].connections


async def test_bytes_that_nobody_asked_for_end_an_idle_connection(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(CHAT)
        peer = await up.accept()
        await peer.request()
        peer.send(OK)
        await client.response()
        peer.send(OK)
        await peer.gone()
        assert not yard.upstreams[0]._idle


async def test_an_upstream_that_closes_although_it_says_keep_alive(open_yard: OpenYard, wire: Any) -> None:
    """llama.cpp does so after each streamed answer."""
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        for _ in range(3):
            client.send(CHAT)
            peer = await up.accept()
            await peer.request()
            peer.send(OK)
            assert (await client.response()).status == 200
            peer.close()
            await wire.until(lambda: not yard.upstreams[0].connections)
        assert yard.ends == [200] * 3


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("message", [CHAT, PUT + b"hello"])
async def test_an_upstream_that_closes_just_when_the_next_request_comes(
    open_yard: OpenYard, wire: Any, how: str, message: bytes
) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(message)
        peer = await up.accept()
        await peer.request()
        peer.send(OK)
        await client.response()
        client.send(message)
        again = await peer.request()
        getattr(peer, how)()  # without a byte of an answer: it goes out once more, elsewhere
        fresh = await up.accept()
        resent = await fresh.request()
        assert (resent.headers, resent.body) == (again.headers, again.body)
        fresh.send(OK)
        assert (await client.response()).status == 200
        assert yard.engine.leavings.total() == 2


@pytest.mark.parametrize("rest_comes", ["before", "after"])
async def test_a_body_that_is_still_coming_when_a_kept_connection_turns_out_to_be_closed(
    open_yard: OpenYard, wire: Any, rest_comes: str
) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(PUT + b"hello")
        peer = await up.accept()
        await peer.request()
        peer.send(OK)
        await client.response()
        client.send(PUT + b"hel")
        await peer.until(b"hel")
        peer.close()
        if rest_comes == "before":
            client.send(b"lo")
        fresh = await up.accept()
        assert (await fresh.head()).one(b"Content-Length") == b"5"
        assert await fresh.exactly(3) == b"hel"  # half a request has had no effect, and the rest follows
        if rest_comes == "after":
            client.send(b"lo")
        assert await fresh.exactly(2) == b"lo"
        fresh.send(OK)
        assert (await client.response()).status == 200
        assert yard.ends == [200] * 2


async def test_a_request_is_not_sent_a_third_time(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(CHAT)
        peer = await up.accept()
        await peer.request()
        peer.send(OK)
        await client.response()
        client.send(CHAT)
        await peer.request()
        peer.close()
        peer = await up.accept()
        await peer.request()
        peer.close()
        assert (await client.response()).status == 502
        assert len(up.accepted) == 2


async def test_a_request_is_not_sent_again_once_a_byte_of_an_answer_came(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(CHAT)
        peer = await up.accept()
        await peer.request()
        peer.send(OK)
        await client.response()
        client.send(CHAT)
        await peer.request()
        peer.send(b"H")
        await peer.drained()
        peer.close()
        assert (await client.response()).status == 502
        assert len(up.accepted) == 1


async def test_a_body_that_is_half_sent_is_not_sent_a_third_time(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(CHAT)
        peer = await up.accept()
        await peer.request()
        peer.send(OK)
        await client.response()
        client.send(PUT, b"he")
        await peer.until(b"he")
        peer.close()
        fresh = await up.accept()
        await fresh.until(b"he")
        fresh.close()
        assert (await client.response()).status == 502
        assert len(up.accepted) == 2
        client.send(b"llo", CHAT)  # and the client's connection goes on
        peer = await up.accept()
        await peer.request()
        peer.send(OK)
        assert (await client.response()).status == 200


async def test_a_body_too_large_to_be_kept_is_not_sent_again(open_yard: OpenYard, wire: Any) -> None:
    size = 3_000_000
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(CHAT)
        peer = await up.accept()
        await peer.request()
        peer.send(OK)
        await client.response()
        client.send(b"PUT /upstream/m/x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size, b"x" * size)
        assert len((await peer.request()).body) == size
        peer.close()
        assert (await client.response()).status == 502
        assert len(up.accepted) == 1


async def test_idle_connections_are_closed_in_time(open_yard: OpenYard, wire: Any) -> None:
    limits = Limits(idle=1)
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", limits=limits) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(CHAT)
        peer = await up.accept()
        await peer.request()
        peer.send(OK)
        await client.response()
        upstream = yard.upstreams[0]
        upstream._idle[0].idle_since -= 2
        upstream._sweep()
        await peer.gone()
        assert upstream._sweeper is None


async def test_the_pool_keeps_no_more_than_it_may(open_yard: OpenYard, wire: Any) -> None:
    limits = Limits(idle_connections=1)
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", limits=limits) as yard,
        wire.connect(yard.port) as one,
        wire.connect(yard.port) as two,
    ):
        one.send(CHAT)
        two.send(CHAT)
        peers = [await up.accept(), await up.accept()]
        for peer in peers:
            await peer.request()
        for peer in peers:
            peer.send(OK)
        await one.response()
        await two.response()
        await wire.until(lambda: len(yard.upstreams[0].connections) == 1)
        assert len(yard.upstreams[0]._idle) == 1


async def test_no_more_connections_than_requests_at_a_time(open_yard: OpenYard, wire: Any) -> None:
    """Whatever is answered in which order: a connection serves one exchange, and `parallel` bounds those."""
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", policy={"parallel": 2}) as yard,
        wire.connect(yard.port) as a,
        wire.connect(yard.port) as b,
        wire.connect(yard.port) as c,
    ):
        clients = [a, b, c]
        most = 0

        async def answer_all() -> None:
            peer = await up.accept()
            while True:
                await peer.request()
                nonlocal most
                most = max(most, len(yard.upstreams[0].connections))
                peer.send(OK)

        players = [asyncio.create_task(answer_all()) for _ in range(3)]
        for client in clients:
            client.send(CHAT * 20)
        for client in clients:
            for _ in range(20):
                assert (await client.response()).status == 200
        for player in players:
            player.cancel()
        await asyncio.gather(*players, return_exceptions=True)
        assert (most, len(up.accepted)) == (2, 2)


# --- runs that die or are stopped ---


async def test_nobody_listens(open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_chances, "REQUEUE_AFTER", (0.01, 0.01))
    async with open_yard(m=wire.free_port(), ready="m") as yard, wire.connect(yard.port) as client:
        client.send(CHAT)
        answer = await client.response()
        assert (answer.status, b"could not be reached" in answer.body) == (502, True)
        assert len(yard.engine.arrivals) == 3


@pytest.mark.parametrize("message", [CHAT, PUT + b"hello", PUT])
async def test_a_run_that_crashed_between_requests_is_started_again(
    open_yard: OpenYard, wire: Any, message: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_chances, "REQUEUE_AFTER", (0.01,) * 100)
    async with wire.scripted() as other:
        port = wire.free_port()
        async with open_yard(m=port, ready="m") as yard, wire.connect(yard.port) as client:
            client.send(message)
            await wire.until(lambda: len(yard.engine.arrivals) > 3)  # refused some times, before the exit is known
            yard.processes[0].exit()
            process = await yard.started()
            yard.ports["m"] = other.port
            process.become_ready()
            peer = await other.accept()
            await peer.head()
            client.send(b"hello" if message == PUT else b"")
            peer.send(OK)
            assert (await client.response()).status == 200


@pytest.mark.parametrize("first", ["exit", "close"])
async def test_a_crash_is_no_502_whatever_is_noticed_first(
    open_yard: OpenYard, wire: Any, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request went out on a pooled connection, and the run was dead already."""
    monkeypatch.setattr(second_chances, "REQUEUE_AFTER", (0.01,) * 100)
    async with (
        wire.scripted() as other,
        wire.scripted() as up,
        open_yard(m=up.port, ready="m") as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(CHAT)
        peer = await up.accept()
        await peer.request()
        peer.send(OK)
        await client.response()
        client.send(CHAT)
        await peer.request()
        if first == "close":
            up.refuse()
            peer.close()
            await wire.until(lambda: len(yard.engine.arrivals) > 2)
        yard.processes[0].exit()
        process = await yard.started()
        yard.ports["m"] = other.port
        process.become_ready()
        peer = await other.accept()
        await peer.request()
        peer.send(OK)
        assert (await client.response()).status == 200


async def test_an_exit_while_an_answer_is_awaited_is_a_502(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(CHAT)
        peer = await up.accept()
        await peer.request()
        yard.processes[0].exit()
        answer = await client.response()
        assert (answer.status, b"has exited" in answer.body) == (502, True)
        assert len(yard.processes) == 1


@pytest.mark.parametrize("first", ["the exit", "the connection"])
async def test_a_crash_while_an_answer_is_awaited_is_told_with_its_cause(open_yard: OpenYard, wire: Any, first: str) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(CHAT)
        peer = await up.accept()
        await peer.request()
        if first == "the connection":
            peer.close()
            await wire.until(lambda: not yard.upstreams[0].connections)
        yard.processes[0].crash("was killed by SIGSEGV; its last output:\nboom")
        answer = await client.response()
        assert answer.status == 502
        assert b"was killed by SIGSEGV; its last output:\\nboom" in answer.body


async def test_a_crash_inside_an_event_stream_is_told_with_its_cause(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(CHAT)
        peer = await up.accept()
        await peer.request()
        peer.send(CHUNKED.replace(b"\r\n", b"\r\nContent-Type: text/event-stream\r\n", 1), b"8\r\ndata: x\n\r\n")
        await client.until(b"data: x")
        peer.close()
        await wire.until(lambda: not yard.upstreams[0].connections)
        yard.processes[0].crash("was killed by SIGSEGV; its last output:\nboom")
        assert b"was killed by SIGSEGV; its last output:\\nboom" in await client.rest()
        assert yard.engine.leavings.total() == 1


async def test_a_model_whose_runs_die_before_they_answer_is_given_up_after_the_second(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_chances, "REQUEUE_AFTER", (0.01,) * 100)
    async with open_yard(m=wire.free_port(), ready="m") as yard, wire.connect(yard.port) as client:
        client.send(CHAT)
        await wire.until(lambda: len(yard.engine.arrivals) > 1)
        yard.processes[0].crash("exited with code 3; its last output:\nfirst")
        yard.processes[0].exit()
        second = await yard.started()
        second.become_ready()
        await wire.until(lambda: len(yard.engine.arrivals) > 3)
        second.crash("exited with code 3; its last output:\nsecond")
        second.exit()
        answer = await client.response()
        assert (answer.status, b"exited with code 3; its last output:\\nsecond" in answer.body) == (502, True)
        assert len(yard.processes) == 2
        await yard.settled()


async def test_an_unload_ends_what_is_under_way(open_yard: OpenYard, wire: Any) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m") as yard,
        wire.connect(yard.port) as waiting,
        wire.connect(yard.port) as streaming,
    ):
        streaming.send(CHAT)
        peer = await up.accept()
        await peer.request()
        peer.send(CHUNKED, b"3\r\nabc\r\n")
        await streaming.until(b"abc\r\n")
        waiting.send(CHAT)
        other = await up.accept()
        await other.request()
        await yard.engine.unload()
        answer = await waiting.response()
        assert (answer.status, b"was stopped (unloaded by hand)" in answer.body) == (502, True)
        assert await streaming.rest() == b""
        await peer.gone()
        await other.gone()
        assert len(yard.processes) == 1


async def test_an_unload_is_not_undone_by_a_second_chance(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(CHAT)
        peer = await up.accept()
        await peer.request()
        peer.send(OK)
        await client.response()
        client.send(CHAT)
        await peer.request()  # on a pooled connection, without an answer: and yet not stale
        await yard.engine.unload()
        assert (await client.response()).status == 502
        assert len(yard.processes) == 1
