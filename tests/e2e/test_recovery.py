"""Servers that crash, hang, leave or hide: the error says what happened, the next request starts the model again, and
nothing of it is left when it is stopped."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

Start = Callable[..., AbstractContextManager[Any]]
Scripted = Callable[..., str]
Until = Callable[..., Any]

STRAY = """
import os, signal, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open(sys.argv[1], "w").write(str(os.getpid()))
        while True:
            signal.pause()
    os._exit(0)
os.wait()
"""


@pytest.mark.parametrize("how_it_ends", ["wait", "exit"])
def test_the_whole_tree_is_gone_whoever_left_it_first(
    swapyard: Start, scripted: Scripted, tmp_path: Path, until: Until, how_it_ends: str
) -> None:
    """#804, #808: only the wrapper was watched. Shell, its child the server, and a stray that left both by a double fork."""
    (tmp_path / "stray.py").write_text(STRAY)
    wrapper = tmp_path / "wrapper.sh"
    stray = f"{sys.executable} {tmp_path}/stray.py {tmp_path}/pid"
    wrapper.write_text(f"#!/bin/sh\n{stray}\n{scripted('a', port='$1')} &\n{how_it_ends}\n")
    wrapper.chmod(0o755)
    with swapyard({"models": {"a": {"cmd": f"{wrapper} ${{PORT}}", "unloadTimeout": 2}}}) as running:
        for _ in range(2):
            assert running.ask("a").status_code == 200
            pid = int(until((tmp_path / "pid").read_text))
            assert pid in {process.pid for process in running.descendants()}
            assert running.unload("a").status_code == 200
            assert running.descendants() == []
            assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("flags", [(), ("--stop-seconds", "1")], ids=["quick", "slow"])
def test_when_a_wrapper_is_killed_its_server_goes_and_requests_get_a_new_one(
    swapyard: Start, scripted: Scripted, until: Until, flags: tuple[str, ...]
) -> None:
    """Until the old server is gone its port is taken, and it may still listen or not listen any more."""
    shell = f"sh -c '{scripted('a', *flags)} & wait'"
    with swapyard({"models": {"a": {"cmd": shell}}}) as running:
        assert running.ask("a").status_code == 200
        [wrapper] = [process for process in running.descendants() if process.name() == "sh"]
        before = set(running.descendants())
        wrapper.kill()

        def is_replaced_while_we_ask() -> bool:
            answer = running.ask("a")
            assert answer.status_code == 200, answer.text
            return before.isdisjoint(running.descendants())

        until(is_replaced_while_we_ask)
        assert running.ask("a").status_code == 200


def test_a_crash_in_mid_stream_never_looks_complete_and_is_repaired_by_the_next_request(
    swapyard: Start, scripted: Scripted, until: Until
) -> None:
    """#92, #155: a failed state needed a restart."""
    with swapyard({"models": {"a": {"cmd": scripted("a", "--crash-after", "20")}}}) as running:
        for _ in range(2):
            lines: list[str] = []
            with running.streaming("a") as stream, pytest.raises(httpx.RemoteProtocolError):
                lines.extend(stream)
            received = "\n".join(lines)
            assert "data: [DONE]" not in received
            assert '"error"' in received
            assert "was killed by SIGKILL" in received
            assert running.ask("a", max_tokens=3).status_code == 200


def test_a_crash_before_the_answer_is_a_502_that_says_so(swapyard: Start, scripted: Scripted) -> None:
    with swapyard({"models": {"a": {"cmd": scripted("a", "--crash-after", "0")}}}) as running:
        for _ in range(2):
            answer = running.ask("a")
            assert answer.status_code == 502
            assert 'the server of model "a"' in answer.json()["error"]["message"]


def test_a_crash_while_nobody_asks_is_noticed(swapyard: Start, scripted: Scripted, until: Until) -> None:
    with swapyard({"models": {"a": {"cmd": scripted("a")}}}) as running:
        for _ in range(3):
            assert running.ask("a").status_code == 200
            [server] = running.descendants()
            server.kill()
            assert running.ask("a").status_code == 200, "right after the crash"
        [server] = running.descendants()
        server.kill()
        until(lambda: running.states() == {})
        assert running.output.wait_for(r"<a> was killed by SIGKILL .* while it served")


def test_a_server_that_leaves_before_it_is_ready_is_started_again(
    swapyard: Start, scripted: Scripted, tmp_path: Path
) -> None:
    """#218: exit code 0 counted as ready, or for ever as starting."""
    note = tmp_path / "has been here"
    for code in (0, 3):
        note.unlink(missing_ok=True)
        shell = (
            f"""sh -c 'if [ -e "{note}" ]; then exec {scripted("a")}; fi; touch "{note}"; echo no luck today; exit {code}'"""
        )
        with swapyard({"models": {"a": {"cmd": shell}}}) as running:
            answer = running.ask("a")
            assert answer.status_code == 502
            error = answer.json()["error"]
            assert error["code"] == "model_start_failed"
            assert f"exited with code {code}" in error["message"]
            assert "no luck today" in error["message"]
            assert running.ask("a").status_code == 200


def test_a_server_that_hangs_can_be_unloaded_and_started_again(swapyard: Start, scripted: Scripted, until: Until) -> None:
    with swapyard({"models": {"a": {"cmd": scripted("a"), "unloadTimeout": 1}}}) as running:
        assert running.ask("a").status_code == 200
        [server] = running.descendants()
        server.suspend()
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(running.address + "/upstream/a/demo/state", timeout=0.5)
        assert running.unload("a").status_code == 200
        assert running.ask("a").status_code == 200


def test_a_request_in_a_hung_server_ends_with_its_unload(swapyard: Start, scripted: Scripted, until: Until) -> None:
    models = {"a": {"cmd": scripted("a", "--prompt-tokens-per-second", "1"), "unloadTimeout": 1}}
    with swapyard({"models": models}) as running, ThreadPoolExecutor() as pool:
        hanging = pool.submit(running.ask, "a", "very long " * 1000)
        until(lambda: running.states() == {"a": "ready"})
        until(lambda: httpx.get(running.address + "/upstream/a/demo/state").json()["active"] == 1)
        [server] = running.descendants()
        server.suspend()
        assert running.unload("a").status_code == 200
        answer = hanging.result(30)
        assert answer.status_code == 502
        assert "was stopped (unloaded by hand)" in answer.json()["error"]["message"], running.output.text()


def test_a_port_that_somebody_else_has_is_named(swapyard: Start, scripted: Scripted) -> None:
    """#57: the stranger's answer passed for the model's."""
    with swapyard({"models": {"a": {"cmd": scripted("a")}}}) as running:
        port = int(running.config.read_text().partition('"startPort": ')[2].partition(",")[0])
        with socket.create_server(("127.0.0.1", port)):
            answer = running.ask("a")
            assert answer.status_code == 502
            assert f"port {port} is in use by" in answer.json()["error"]["message"]
        assert running.ask("a").status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_model_may_listen_on_either_address_of_localhost(swapyard: Start, scripted: Scripted, host: str) -> None:
    """#84: and it may answer 503 for a while before it answers 200."""
    with swapyard({"models": {"a": {"cmd": scripted("a", "--host", host, "--load-seconds", "0.5")}}}) as running:
        answer = running.ask("a")
        assert answer.status_code == 200, answer.text
