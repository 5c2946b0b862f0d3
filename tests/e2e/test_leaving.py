"""Clients that leave, at every phase of a request: nobody else notices, and no engine goes on working for them (llama-swap
#43, #362, #378, #804)."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import httpx
import pytest

Start = Callable[..., AbstractContextManager[Any]]
Scripted = Callable[..., str]
Until = Callable[..., Any]


@pytest.fixture
def yard(swapyard: Start, scripted: Scripted) -> Iterator[Any]:
    """`hare` answers one request at a time and reads slowly; `tortoise` takes for ever to load and excludes nobody."""
    models = {
        "hare": {
            "cmd": scripted("hare", "--parallel", "1", "--prompt-tokens-per-second", "50", "--tokens-per-second", "50")
        },
        "hen": {"cmd": scripted("hen")},
        "tortoise": {"cmd": scripted("tortoise", "--load-seconds", "600")},
    }
    groups = {
        "one at a time": {"members": ["hare", "hen"], "exclusive": False},
        "apart": {"members": ["tortoise"], "exclusive": False},
    }
    with swapyard({"models": models, "groups": groups, "healthCheckTimeout": 600}) as running:
        yield running


def begin(running: Any, model: str, *, stream: bool, question: str = "count to 100000") -> socket.socket:
    """Sends a request and does not wait for its answer. Closing the socket is leaving."""
    body = json.dumps({"model": model, "stream": stream, "messages": [{"role": "user", "content": question}]}).encode()
    client = socket.create_connection(("127.0.0.1", running.port), timeout=30)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: yard\r\nContent-Length: {len(body)}\r\n\r\n"
    client.sendall(head.encode() + body)
    return client


def counters(running: Any, model: str) -> dict[str, int]:
    found: dict[str, int] = httpx.get(f"{running.address}/upstream/{model}/demo/state", timeout=30).json()
    return found


def rest(running: Any, until: Until) -> dict[str, int]:
    """The counters of `hare` once it has nothing to do."""

    def idle_counters() -> dict[str, int]:
        now = counters(running, "hare")
        return {} if now["active"] or now["waiting"] else now

    found: dict[str, int] = until(idle_counters)
    return found


LONG = "a very long question " * 1000  # tokens to read, at 50 a second


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_the_engine_stops_when_its_client_leaves(yard: Any, until: Until, stream: bool) -> None:
    assert yard.ask("hare", "Hm?", max_tokens=1).status_code == 200
    served = counters(yard, "hare")["served"]

    with begin(yard, "hare", stream=stream, question=LONG):  # before a header
        until(lambda: counters(yard, "hare")["active"] == 1)
    assert rest(yard, until)["cancelled"] == 1

    with begin(yard, "hare", stream=stream) as client:  # while it generates
        until(lambda: counters(yard, "hare")["active"] == 1)
        if stream:
            assert b" 200 " in client.recv(1000)
    assert rest(yard, until)["cancelled"] == 2

    with begin(yard, "hare", stream=stream), begin(yard, "hare", stream=stream):  # in the engine's own queue
        until(lambda: counters(yard, "hare")["waiting"] == 1)
    assert rest(yard, until)["cancelled"] == 4

    assert counters(yard, "hare")["served"] == served
    assert yard.ask("hare", "Hm?", max_tokens=1).status_code == 200


def test_who_leaves_the_queue_costs_nothing(yard: Any, until: Until) -> None:
    with yard.streaming("hare") as lines:
        with ExitStack() as clients:
            for _ in range(3):
                clients.enter_context(begin(yard, "hen", stream=False))
        next(lines)
        assert yard.states() == {"hare": "ready"}
    # Nobody wants the hen any more, so nothing is swapped for it.
    assert yard.ask("hare", "Hm?", max_tokens=1).status_code == 200
    assert yard.states() == {"hare": "ready"}
    assert yard.ask("hen").status_code == 200


def test_who_leaves_during_the_load_is_forgotten_and_the_load_goes_on(yard: Any, until: Until) -> None:
    with begin(yard, "tortoise", stream=False), begin(yard, "tortoise", stream=True):
        until(lambda: yard.states() == {"tortoise": "starting"})
    assert yard.ask("hare", "Hm?", max_tokens=1).status_code == 200
    assert yard.states() == {"hare": "ready", "tortoise": "starting"}  # it is in nobody's way, and may be wanted yet
    until(lambda: yard.output.text().count('"POST /v1/chat/completions HTTP/1.1" 499') == 2)


def test_half_a_request_and_a_pipelined_one_leave_nothing_behind(yard: Any, until: Until) -> None:
    assert yard.ask("hare", "Hm?", max_tokens=1).status_code == 200
    half = b"POST /v1/chat/completions HTTP/1.1\r\nHost: yard\r\nContent-Length: 1000\r\n\r\n{"
    for beginning in (half[:20], half):
        with socket.create_connection(("127.0.0.1", yard.port)) as client:
            client.sendall(beginning)
    with begin(yard, "hare", stream=True) as client:
        client.sendall(half)
        assert b" 200 " in client.recv(1000)
    assert rest(yard, until)["cancelled"] == 1
    assert yard.ask("hen").status_code == 200


def test_a_reset_in_mid_answer_is_no_more_than_a_client_that_left(yard: Any, until: Until) -> None:
    client = begin(yard, "hare", stream=True)
    assert b" 200 " in client.recv(1000)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # closing resets the connection
    client.close()
    assert rest(yard, until)["cancelled"] == 1
    assert "Traceback" not in yard.output.text()
