"""Finding out when a server is ready, and that it is ours."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from swapyard.core.messages import BecameReady
from swapyard.runtime import readiness, supervisor
from swapyard.runtime.launchers import LaunchSpec
from swapyard.runtime.listeners import owner_of, somebody_accepts
from swapyard.runtime.readiness import REFUSED, Check, ReadinessWatch, check_for, parse_status

if TYPE_CHECKING:
    from tests.runtime.conftest import Stage


@pytest.mark.parametrize(
    ("proxy", "endpoint", "url"),
    [
        ("http://localhost:9", "/health", "http://localhost:9/health"),
        ("http://localhost:9", "health", "http://localhost:9/health"),
        ("http://localhost:9/", "", "http://localhost:9/"),
        ("http://localhost:9/a/b/", "/c", "http://localhost:9/a/b/c"),
        ("http://h:9/a?k=1", "/c?d=2", "http://h:9/a/c?k=1&d=2"),
        ("http://h:9", "https://other:1/v1/models?x", "http://h:9/v1/models?x"),
        ("http://u:p@h:9", "/", "http://h:9/"),
        ("https://h", "/ü x%20y", "https://h/%C3%BC%20x%20y"),
        ("http://[::1]:9", " /health ", "http://[::1]:9/health"),
    ],
)
def test_what_is_asked_comes_from_the_proxy_and_only_the_path_from_the_endpoint(proxy: str, endpoint: str, url: str) -> None:
    assert check_for(proxy, endpoint).url == url


def test_default_ports_and_plain_hosts() -> None:
    assert check_for("http://[::1]", "/") == Check("::1", 80, False, "[::1]", "/")
    assert check_for("https://h", "/") == Check("h", 443, True, "h", "/")


@pytest.mark.parametrize("proxy", ["localhost:9", "ftp://h/", "http://", "http://h:x", "http://h:70000", "http://[::1"])
def test_a_proxy_that_is_no_url_is_refused(proxy: str) -> None:
    with pytest.raises(ValueError):
        check_for(proxy, "/health")


@pytest.mark.parametrize(
    ("line", "status"),
    [(b"HTTP/1.1 200 OK\r\n", 200), (b"HTTP/1.0 503\r\n", 503), (b"HTTP/1.1  204 No Content\n", 204)],
)
def test_status_lines(line: bytes, status: int) -> None:
    assert parse_status(line) == status


@pytest.mark.parametrize(
    "line", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1\r\n", b"HTTP/1.1 20\r\n", b"HTTP/1.1 abc\r\n", b"200\n"]
)
def test_what_is_no_status_line(line: bytes) -> None:
    with pytest.raises(ValueError, match="not HTTP"):
        parse_status(line)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_localhost_is_found_on_ipv4_only_and_on_ipv6_only_and_remembered(stage: Stage, host: str) -> None:
    port = stage.port(host)
    spec = stage.spec(f"serve({port}, {host!r})", port, proxy=f"http://localhost:{port}")
    async with stage.play(spec) as play:
        await play.until_ready()
        assert play.supervisor.address == (host, port)


async def test_an_address_that_hangs_does_not_hold_up_the_one_that_answers(stage: Stage) -> None:
    port = stage.port()
    script = f"hanging = listen({port}, '::1'); serve({port}, statuses=(503, 503, 200))"
    async with stage.play(stage.spec(script, port, proxy=f"http://localhost:{port}")) as play:
        await play.until_ready()
        assert play.supervisor.address == ("127.0.0.1", port)


async def test_an_attempt_without_answer_ends_and_the_next_one_may_pass(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "FIRST_ATTEMPT_LIMIT", 0.2)
    port = stage.port()
    script = f"l = listen({port}); swallowed = l.accept(); say('swallowed'); l.close(); serve({port})"
    async with stage.play(stage.spec(script, port)) as play:
        await play.until_said("swallowed")
        await play.until_ready()


@asynccontextmanager
async def answering(data: bytes, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """A server in this process that sends `data` to whoever connects, and closes; yields its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        writer.close()

    server = await asyncio.start_server(answer, host, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("data", "finding"),
    [
        (b"", "the connection was closed without an answer"),
        (b"HTTP/1.1 ", "the connection was closed without an answer"),
        (b"HTTP/1.1 503 Loading\r\n\r\n", "HTTP 503"),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", "HTTP 302"),
        (b"\x00\x01hello\r\n", "the answer is not HTTP"),
        (b"x" * 20000, "the answer is not HTTP"),
    ],
)
async def test_what_is_no_200_is_put_into_words(data: bytes, finding: str) -> None:
    async with answering(data) as port:
        watch = ReadinessWatch(check_for(f"http://127.0.0.1:{port}", "/"))
        task = asyncio.create_task(watch.until_ready())
        async with asyncio.timeout(20):
            while watch.last_finding != finding:
                await asyncio.sleep(0.01)
        assert not task.done()
        task.cancel()
        await asyncio.wait({task})


@pytest.mark.parametrize(
    ("proxy", "finding"),
    [
        ("http://no-such-host.invalid:1", "the host no-such-host.invalid is not known"),
        ("https://127.0.0.1:{port}", "TLS failed"),
    ],
)
async def test_a_host_nobody_knows_and_a_server_without_tls_are_put_into_words(proxy: str, finding: str) -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n") as port:
        watch = ReadinessWatch(check_for(proxy.format(port=port), "/"))
        task = asyncio.create_task(watch.until_ready())
        async with asyncio.timeout(20):
            while finding not in watch.last_finding:
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait({task})


# --- strangers -------------------------------------------------------------------------------------------------------


async def test_a_stranger_on_the_assigned_port_fails_the_start_and_is_named(stage: Stage) -> None:
    port = stage.port()
    async with stage.play(stage.spec(f"serve({port})", port)) as stranger:
        await stranger.until_ready()
        async with stage.play(stage.spec("say('never')", port, port_assigned=True)) as play:
            detail = await play.failure()
        assert f"its port {port} is in use by pid {stranger.supervisor.pid} (python" in detail
        assert detail.endswith("; end that, or set another startPort")
        assert play.supervisor.pid is None


async def test_a_stranger_on_the_other_loopback_address_counts_too(stage: Stage) -> None:
    port = stage.port("::1")
    async with stage.play(stage.spec(f"serve({port}, '::1')", port, proxy=f"http://[::1]:{port}")) as stranger:
        await stranger.until_ready()
        spec = stage.spec("say('never')", port, port_assigned=True, proxy=f"http://localhost:{port}/v1")
        async with stage.play(spec) as play:
            assert "is in use by" in await play.failure()


async def test_a_strangers_200_on_a_port_of_the_users_choice_is_not_believed_when_ours_dies(stage: Stage) -> None:
    port = stage.port()
    async with stage.play(stage.spec(f"serve({port})", port)) as stranger:
        await stranger.until_ready()
        script = f"time.sleep(0.2)\nlisten({port})"  # raises: the address is in use
        async with stage.play(stage.spec(script, port)) as play:
            detail = await play.failure()
    assert "exited with code 1" in detail
    assert "in use" in detail.splitlines()[-1]


async def test_a_command_may_serve_through_what_listens_already(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "SUSPICION", 0.1)
    port = stage.port()
    async with stage.play(stage.spec(f"serve({port})", port)) as other:
        await other.until_ready()
        async with stage.play(stage.spec("rest()", port)) as play:
            await play.until_ready()
            assert any("something listens on" in text for level, text in play.lines if level == "warn")
        assert other.events == [BecameReady(7)]


class DyingProcess:
    """Dead, which the loop is about to tell; what it wrote last comes later still."""

    def __init__(self, output: Callable[[bytes], None]) -> None:
        loop = asyncio.get_running_loop()
        self.pid = 2**22 + 1
        self.exited: asyncio.Future[int] = loop.create_future()
        self.output_ended: asyncio.Future[None] = loop.create_future()
        self._output = output

    def first_is_alive(self) -> bool:
        asyncio.get_running_loop().call_soon(self._die)
        return False

    def _die(self) -> None:
        if not self.exited.done():
            self.exited.set_result(7)
            asyncio.get_running_loop().call_later(0.01, self._speak)

    def _speak(self) -> None:
        self._output(b"address in use")
        self.output_ended.set_result(None)

    def is_over(self) -> bool:
        return self.exited.done()

    def look(self) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...
    def close(self) -> None: ...


class DyingLauncher:
    async def launch(self, spec: LaunchSpec, output: Callable[[bytes], None]) -> DyingProcess:
        return DyingProcess(output)


async def test_a_200_is_not_believed_once_our_process_is_dead(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "SUSPICION", 0.0)
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n") as port, stage.play(stage.spec("", port), DyingLauncher()) as play:
        detail = await play.failure()
    assert "exited with code 7" in detail
    assert detail.endswith("its last output:\naddress in use")


async def test_a_free_port_has_no_listener(stage: Stage) -> None:
    assert not await somebody_accepts("localhost", stage.port())
    assert not await somebody_accepts("no-such-host.invalid", 1)


async def test_the_owner_of_a_port_is_named_where_it_can_be_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert (await owner_of(port)).startswith("pid ")
    assert await owner_of(port) == "another process"


async def test_an_address_that_nobody_listens_on_does_not_hide_what_another_one_answers() -> None:
    watch = ReadinessWatch(check_for("http://localhost:1", "/health"))
    watch._findings = {("127.0.0.1", 1): "HTTP 503", ("::1", 1): REFUSED}
    assert watch.last_finding == "HTTP 503"
    watch._findings = {("127.0.0.1", 1): REFUSED, ("::1", 1): REFUSED}
    assert watch.last_finding == REFUSED
