"""/logs and /logs/stream."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from starlette.types import Message

from swapyard.config.schema import Config, Model, Peer
from swapyard.observe.lines import Asked
from swapyard.observe.logs import Logs
from swapyard.observe.monitor import QUEUE_BYTES
from swapyard.proxy.resolve import Names

if TYPE_CHECKING:
    from tests.api.conftest import Yard


async def test_logs_are_what_goes_to_stdout(yard: Yard) -> None:
    yard.logs.proxy_logger().info("hello")
    yard.logs.upstream_writer("m")(b"not shown")
    answer = await yard.get("/logs")
    assert (answer.text, answer.headers["content-type"]) == ("[INFO] hello\n", "text/plain; charset=utf-8")
    assert (await yard.ask("HEAD", "/logs")).status == 200


async def test_logs_hold_requests_that_were_answered_a_moment_ago(yard: Yard) -> None:
    yard.logs.access(Asked.by("::1", "GET", "/running", "HTTP/1.1", "curl"), 200, 1, 0.001)
    assert '"GET /running HTTP/1.1" 200 1 "curl" 1ms' in (await yard.get("/logs")).text
    yard.logs.close()


async def test_a_browser_is_sent_to_the_page(yard: Yard) -> None:
    answer = await yard.get("/logs", accept="text/html,*/*;q=0.8")
    assert (answer.status, answer.headers["location"]) == (302, "/ui/")


async def test_a_stream_sends_its_head_before_anything_is_logged(yard: Yard) -> None:
    stream = yard.open("/logs/stream")
    head = await stream.next()
    assert head["status"] == 200
    headers = dict(head["headers"])
    assert headers[b"content-type"] == b"text/plain; charset=utf-8"
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"x-accel-buffering"] == b"no"
    assert b"content-length" not in headers
    assert await stream.next() == {"type": "http.response.body", "body": b"", "more_body": True}
    await stream.leave()


async def test_a_stream_gives_the_history_then_what_comes(yard: Yard) -> None:
    logger = yard.logs.proxy_logger()
    logger.info("before")
    stream = yard.open("/logs/stream")
    await stream.next()
    await stream.next()
    assert (await stream.next())["body"] == b"[INFO] before\n"
    logger.info("after")
    assert (await stream.next())["body"] == b"[INFO] after\n"
    await stream.leave()


@pytest.mark.parametrize("query", ["no-history", "no-history=0", "a=b&no-history=true"])
async def test_a_stream_can_do_without_history(yard: Yard, query: str) -> None:
    yard.logs.proxy_logger().info("before")
    stream = yard.open(f"/logs/stream?{query}")
    await stream.next()
    await stream.next()
    yard.logs.proxy_logger().info("after")
    assert (await stream.next())["body"] == b"[INFO] after\n"
    await stream.leave()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("", b"combined"),
        ("/", b"combined"),
        ("/proxy", b"combined"),
        ("/upstream", b"<m> raw: \xff\n<a/b> raw of a/b\n"),
        ("/m", b"raw: \xff\n"),
        ("/al", b"raw: \xff\n"),
        ("/a/b", b"raw of a/b\n"),
        ("/a%2Fb", b"raw of a/b\n"),
        ("/a/b/and/more", b"raw of a/b\n"),
        ("/m%3Fno-history", b"raw: \xff\n"),
    ],
)
async def test_which_log_a_path_names(yard: Yard, path: str, text: bytes) -> None:
    yard.config = Config(models={"m": Model(aliases=("al",)), "a/b": Model()})
    yard.logs.proxy.write(b"combined")
    yard.logs.combined.write(b"combined")
    yard.logs.upstream_writer("m")(b"raw: \xff\n")
    yard.logs.upstream_writer("a/b")(b"raw of a/b\n")
    stream = yard.open("/logs/stream" + path)
    await stream.next()
    await stream.next()
    assert (await stream.next())["body"] == text
    await stream.leave()


@pytest.mark.parametrize("path", ["/nobody", "/p/x", "/a"])
async def test_a_log_that_does_not_exist_is_refused(yard: Yard, path: str) -> None:
    yard.config = Config(models={"a/b": Model()}, peers={"p": Peer(proxy="http://x", models=("x",))})
    answer = await yard.get("/logs/stream" + path)
    assert (answer.status, answer.json["error"]["code"]) == (400, "bad_request")


async def test_a_hostile_path_is_not_searched_to_its_end(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(Names, "resolve", lambda _names, name: asked.append(name))
    assert (await yard.get("/logs/stream/" + "x/" * 30_000)).status == 400
    assert len(asked) <= 1000


async def test_shutting_down_ends_the_streams(yard: Yard) -> None:
    stream = yard.open("/logs/stream")
    await stream.next()
    await stream.next()
    yard.logs.end_streams()
    assert await stream.next() == {"type": "http.response.body", "body": b"", "more_body": False}
    await asyncio.wait_for(stream.task, 20)


async def test_a_client_that_leaves_is_forgotten_also_while_nothing_is_logged(yard: Yard) -> None:
    stream = yard.open("/logs/stream")
    await stream.next()
    await stream.leave()
    yard.logs.proxy_logger().info("to nobody")
    assert stream.sent.qsize() == 2  # the empty first chunk and the end


async def test_a_connection_that_breaks_while_sending_ends_the_stream_quietly(yard: Yard) -> None:
    async def broken(message: object) -> None:
        raise ConnectionResetError

    stream = yard.open("/logs/stream", send=broken)
    await asyncio.wait_for(stream.task, 20)
    assert yard.logs.proxy.history() == b""


async def test_a_reader_that_never_reads_costs_the_child_nothing_and_bounded_memory(yard: Yard) -> None:
    """A stalled browser tab used to stall llama.cpp (llama-swap #875)."""
    stalled, received = asyncio.Event(), 0

    async def stall(message: Message) -> None:
        nonlocal received
        received += len(message.get("body", b""))
        await stalled.wait()

    yard.config = Config(models={"m": Model()})
    stream = yard.open("/logs/stream/m", send=stall)
    await asyncio.sleep(0)
    write = yard.logs.upstream_writer("m")
    for _ in range(800):
        write(b"x" * 65_536)  # 50 MiB, without once giving way to the reader
    assert yard.logs.model("m").history() == b"x" * 102_400
    stalled.set()
    yard.logs.end_streams()
    await asyncio.wait_for(stream.task, 20)
    assert QUEUE_BYTES - 65_536 <= received <= QUEUE_BYTES + 100  # what waited for it, and the marker


async def test_head_of_a_stream_is_a_head_only(yard: Yard) -> None:
    answer = await yard.ask("HEAD", "/logs/stream")
    assert (answer.status, answer.body) == (200, b"")


LINES = b"[INFO] <m> ready: after 1 s\n[WARN] careful\n<m> INFO: fine\n<m> ERROR: broken\n<a/b> W0101 odd\n<a/b> plain\n"


@pytest.mark.parametrize(
    ("query", "lines"),
    [
        ("", LINES),
        ("?level=debug", LINES),
        ("?source=proxy", b"[INFO] <m> ready: after 1 s\n[WARN] careful\n"),
        ("?source=upstream&level=info", b"<m> INFO: fine\n<m> ERROR: broken\n<a/b> W0101 odd\n<a/b> plain\n"),
        ("?level=warn", b"[WARN] careful\n<m> ERROR: broken\n<a/b> W0101 odd\n"),
        ("?level=error", b"<m> ERROR: broken\n"),
        ("?model=m", b"[INFO] <m> ready: after 1 s\n<m> INFO: fine\n<m> ERROR: broken\n"),
        ("?model=al&source=upstream&level=error", b"<m> ERROR: broken\n"),
        ("?model=a/b", b"<a/b> W0101 odd\n<a/b> plain\n"),
        ("/proxy?level=warn", b"[WARN] careful\n"),
        ("/upstream?model=a/b&level=warn", b"<a/b> W0101 odd\n"),
        ("/m?level=error", b"ERROR: broken\n"),
    ],
)
async def test_a_stream_can_be_narrowed(yard: Yard, query: str, lines: bytes) -> None:
    yard.logs = Logs(to_stdout="both")
    yard.__post_init__()
    yard.config = Config(models={"m": Model(aliases=("al",)), "a/b": Model()})
    log, m, a = yard.logs.proxy_logger(), yard.logs.upstream_writer("m"), yard.logs.upstream_writer("a/b")
    streams = [yard.open("/logs/stream" + query)]  # live, and as history

    def write() -> None:
        log.info("<%s> ready: after 1 s", "m")
        log.warning("careful")
        m(b"INFO: fi")
        m(b"ne\nERROR: broken\n")
        a(b"W0101 odd\nplain\n")

    await streams[0].next()
    await streams[0].next()
    write()
    streams.append(yard.open("/logs/stream" + query))
    await streams[1].next()
    await streams[1].next()
    for stream in streams:
        assert (await stream.next())["body"] == lines
        await stream.leave()


async def test_a_source_can_be_asked_for_that_does_not_go_to_standard_output(yard: Yard) -> None:
    yard.logs.upstream_writer("m")(b"hello\n")
    stream = yard.open("/logs/stream?source=upstream")
    await stream.next()
    await stream.next()
    assert (await stream.next())["body"] == b"<m> hello\n"
    await stream.leave()


@pytest.mark.parametrize(
    ("query", "status", "parameter"),
    [
        ("?source=stdout", 400, "source"),
        ("?level=loud", 400, "level"),
        ("?model=p/x", 400, "model"),
        ("?model=nobody", 404, "model"),
        ("/m?model=m", 400, "model"),
        ("/m?source=upstream", 400, "source"),
    ],
)
async def test_narrowing_to_what_there_is_not_is_refused(yard: Yard, query: str, status: int, parameter: str) -> None:
    yard.config = Config(models={"m": Model()}, peers={"p": Peer(proxy="http://x", models=("x",))})
    answer = await yard.get("/logs/stream" + query)
    assert (answer.status, answer.json["error"]["param"]) == (status, parameter)


async def test_how_much_was_dropped_is_told_to_a_narrowed_stream_too(yard: Yard) -> None:
    stream = yard.open("/logs/stream?level=error&source=upstream")
    await stream.next()
    await stream.next()
    write = yard.logs.upstream_writer("m")
    for _ in range(40):
        write(b"x" * 60_000 + b"\n")
    assert "bytes dropped" in (await stream.next())["body"].decode()
    await stream.leave()
