"""The end: who waits is refused, who is served may finish, nothing stays behind, and there is a limit to all of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import httpx
import psutil
import pytest

from swapyard.api.services import Build
from swapyard.app import App, Options
from swapyard.config.load import loads
from swapyard.runtime.engine import Transition

Start = Callable[..., AbstractContextManager[Any]]
Scripted = Callable[..., str]
Until = Callable[..., Any]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as threads:
        yield threads


def stop(running: Any, number: signal.Signals = signal.SIGTERM) -> None:
    running.process.send_signal(number)
    running.output.wait_for("shutting down")


def test_a_running_stream_finishes_and_whoever_waits_or_comes_is_refused(
    swapyard: Start, scripted: Scripted, pool: ThreadPoolExecutor, until: Until
) -> None:
    models = {name: {"cmd": scripted(name, "--tokens-per-second", "50")} for name in ("a", "b")}
    with swapyard({"models": models}) as running, httpx.Client(base_url=running.address) as kept_alive:
        with running.streaming("a", "count to 60") as lines:
            assert kept_alive.get("/health").text == "OK"
            with socket.create_connection(("127.0.0.1", running.port)) as halfway:
                body = b'{"model": "a"}'
                halfway.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body))
                waiting = pool.submit(running.ask, "b")
                until(lambda: len(psutil.Process(running.process.pid).net_connections("inet")) >= 6)
                stop(running)
                refused = waiting.result(30)
                assert (refused.status_code, refused.json()["error"]["message"]) == (503, "the server is shutting down")
                halfway.sendall(body)
                assert b" 503 " in halfway.recv(10_000)
            with pytest.raises(httpx.ConnectError):
                httpx.get(running.address + "/health")
            assert "\n".join(lines).endswith("data: [DONE]\n")
        assert running.process.wait(30) == 0
        assert running.descendants() == []
        assert running.output.lines[-1].endswith("stopped")


def test_a_load_under_way_is_ended_and_its_waiter_told(
    swapyard: Start, scripted: Scripted, pool: ThreadPoolExecutor, until: Until
) -> None:
    models = {"slow": {"cmd": scripted("slow", "--load-seconds", "600")}}
    with swapyard({"models": models, "healthCheckTimeout": 600}) as running:
        waiting = pool.submit(running.ask, "slow")
        until(lambda: running.states() == {"slow": "starting"})
        stop(running, signal.SIGINT)
        assert running.process.wait(30) == 0
        assert waiting.result(30).status_code == 503


def test_open_websockets_and_log_streams_hold_nothing_up(swapyard: Start, scripted: Scripted) -> None:
    """They could last for ever."""
    with swapyard({"models": {"a": {"cmd": scripted("a")}}}) as running:
        assert running.ask("a").status_code == 200
        with (
            socket.create_connection(("127.0.0.1", running.port)) as websocket,
            httpx.stream("GET", running.address + "/logs/stream", timeout=30) as log,
            httpx.stream("GET", running.address + "/logs/stream/a", timeout=30) as model_log,
        ):
            websocket.sendall(
                b"GET /upstream/a/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            assert b" 101 " in websocket.recv(10_000)
            running.process.send_signal(signal.SIGTERM)
            assert "shutting down" in log.read().decode()  # both streams end in order
            assert "listening" in model_log.read().decode()
            assert running.process.wait(10) == 0  # well before the 20 s that unfinished requests get


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_kills_everything_at_once(swapyard: Start, scripted: Scripted, first: signal.Signals) -> None:
    """A stream without end and a stubborn model would take the whole budget."""
    models = {"stubborn": {"cmd": scripted("stubborn", "--ignore-sigterm", "--tokens-per-second", "50")}}
    with swapyard({"models": models}) as running, running.streaming("stubborn") as lines:
        stop(running, first)
        next(lines)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(10) == 1
        assert psutil.wait_procs(running.descendants(), timeout=10)[1] == []
        assert running.output.find("everything is killed")


def test_a_reload_at_the_same_time_starts_nothing_that_stays(swapyard: Start, scripted: Scripted, until: Until) -> None:
    for delay in range(4):
        hooks = {"on_startup": {"preload": ["a"]}}
        with swapyard({"models": {"a": {"cmd": scripted("a")}}, "hooks": hooks}) as running:
            until(lambda running=running: running.states() == {"a": "ready"})
            content = json.loads(running.config.read_text())
            content["models"]["a"]["cmd"] = scripted("other")
            running.config.write_text(json.dumps(content))
            os.kill(running.process.pid, signal.SIGHUP)
            if delay % 2:
                httpx.get(running.address + "/health")  # some time passes
            os.kill(running.process.pid, signal.SIGTERM)
            assert running.process.wait(30) == 0
            assert running.descendants() == []


def test_a_command_that_cannot_listen_starts_nothing(swapyard: Start, scripted: Scripted) -> None:
    """Else what is preloaded would stay behind."""
    config = {"models": {"a": {"cmd": scripted("a")}}, "hooks": {"on_startup": {"preload": ["a"]}}}
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = pytest.raises(AssertionError, match=re.escape(f"cannot listen on 127.0.0.1:{port}"))
        with refused, swapyard(config, "--listen", f"127.0.0.1:{port}"):
            pass


@pytest.mark.usefixtures("process_as_it_was")
async def test_the_budget_holds_for_a_stream_without_end_and_a_model_that_will_not_stop(
    scripted: Scripted, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole app in this process, so that its budget can be made shorter than 30 s."""
    monkeypatch.setattr("swapyard.app.shutdown.SHUTDOWN_BUDGET", 3.0)
    monkeypatch.setattr("swapyard.app.shutdown.KEPT_FOR_PROCESSES", 2.0)
    cmd = scripted("a", "--ignore-sigterm", "--tokens-per-second", "50")
    model = {"cmd": cmd, "unloadTimeout": 600}
    text = json.dumps({"startPort": free_port(), "models": {"a": model}, "logToStdout": "none"})
    listen = ("127.0.0.1", free_port())
    options = Options(load=lambda previous: loads(text), listen=listen, build=lambda: Build("0"))
    app = App(options, loads(text), asyncio.get_running_loop())
    transitions: list[Transition] = []
    app.engine.observers.append(transitions.append)
    serving = asyncio.create_task(app.run())
    while not app.server.connections and not serving.done():
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(*listen)
        await asyncio.sleep(0.01)
    question = [{"role": "user", "content": "count to 100000"}]
    body = json.dumps({"model": "a", "stream": True, "messages": question}).encode()
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    received = await asyncio.wait_for(reader.readuntil(b"data: "), 30)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(serving, 20) == 0
    received += await reader.read()
    writer.close()
    assert b'"error"' in received  # the stream is told why it ends
    assert not received.endswith(b"0\r\n\r\n"), "what is not whole must not look whole"
    assert [change.state.value for change in transitions] == ["starting", "ready", "stopping", "stopped"]


def test_clients_that_read_nothing_or_send_no_end_do_not_hold_up_a_shutdown(swapyard: Start, scripted: Scripted) -> None:
    with swapyard({"models": {"a": {"cmd": scripted("a")}}}) as running:
        assert running.ask("a").status_code == 200
        with (
            socket.create_connection(("127.0.0.1", running.port)) as unread,
            socket.create_connection(("127.0.0.1", running.port)) as unended,
        ):
            unread.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
            unended.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
            assert httpx.get(running.address + "/health").text == "OK"
            stop(running)
            assert running.process.wait(10) == 0  # well before the 20 s that requests in work get


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_configuration_that_cannot_be_read_does_not_hold_up_the_end(swapyard: Start, scripted: Scripted) -> None:
    with swapyard({"models": {"a": {"cmd": scripted("a")}}}) as running:
        running.config.unlink()
        os.mkfifo(running.config)  # opening it hangs, like a file on a dead mount
        os.kill(running.process.pid, signal.SIGHUP)
        assert running.ask("a").status_code == 200
        stop(running)
        assert running.process.wait(20) == 0
