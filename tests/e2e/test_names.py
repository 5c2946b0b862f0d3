"""All ways to name a model, with the real command: profiles, a selector of each strategy, ComfyUI and its websockets."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import httpx
import pytest

Start = Callable[..., AbstractContextManager[Any]]
Scripted = Callable[..., str]
Until = Callable[..., Any]

TOGETHER = {"all": {"swap": False, "members": ["a", "b"]}}


@pytest.fixture
def models(scripted: Scripted) -> dict[str, Any]:
    return {name: {"cmd": scripted(name)} for name in ("a", "b")}


def switch(running: Any, profile: str | None) -> httpx.Response:
    return httpx.put(running.address + "/api/profiles/active", json={"name": profile}, timeout=30)


def who_answers(running: Any, name: str) -> str:
    answer = running.ask(name)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["model"])


def listed(running: Any) -> dict[str, str]:
    """Id to status, in the order of the listing."""
    records = httpx.get(running.address + "/v1/models", timeout=30).json()["data"]
    return {record["id"]: record["status"]["value"] for record in records}


def served_at(running: Any, path: str) -> str:
    """The model whose engine answers below a path."""
    return str(httpx.get(f"{running.address}{path}/demo/state", timeout=30).json()["model"])


# --- profiles ----------------------------------------------------------------------------------------------------------


def test_a_profile_is_switched_and_a_reload_ends_it(swapyard: Start, models: dict[str, Any], until: Until) -> None:
    profiles = {
        "home": {"pins": {"best": "a", "b": ""}, "description": "what fits at home"},
        "work": {"pins": {"best": "b", "a": "b"}},
    }
    with swapyard({"models": models, "profiles": profiles, "groups": TOGETHER}) as running:
        assert list(listed(running)) == ["a", "b"]
        assert running.ask("best").status_code == 404

        assert switch(running, "home").json() == {"active": "home"}
        assert list(listed(running)) == ["a", "b", "best"]
        assert who_answers(running, "best") == "a"
        disabled = running.ask("b")
        assert disabled.status_code == 404
        assert 'model "b" is disabled by profile "home"' in disabled.json()["error"]["message"]

        assert switch(running, "work").status_code == 200
        assert (who_answers(running, "best"), who_answers(running, "a"), who_answers(running, "b")) == ("b", "b", "b")
        bare = httpx.get(running.address + "/upstream/best")
        assert (bare.status_code, bare.headers["location"]) == (301, "/upstream/b/")
        assert served_at(running, "/upstream/a") == "b"

        running.process.send_signal(signal.SIGHUP)
        running.output.wait_for("profile work is no longer active")
        until(lambda: running.output.find("configuration reloaded"))
        assert httpx.get(running.address + "/api/profiles").json()["active"] is None
        assert who_answers(running, "a") == "a"
        assert running.ask("best").status_code == 404


# --- selectors ---------------------------------------------------------------------------------------------------------


def test_pin_and_warm(swapyard: Start, models: dict[str, Any]) -> None:
    """The two models swap with each other, so a wrong choice would be seen."""
    selectors = {
        "always": {"strategy": "pin", "targets": ["b", "a"]},
        "any": {"strategy": "warm", "targets": ["a", "b"]},
    }
    with swapyard({"models": models, "selectors": selectors}) as running:
        assert who_answers(running, "any") == "a"
        assert who_answers(running, "always") == "b"
        assert who_answers(running, "any") == "b"
        assert served_at(running, "/upstream/any") == "b"
        assert running.states() == {"b": "ready"}
        assert listed(running) == {"a": "unloaded", "always": "loaded", "any": "loaded", "b": "loaded"}


def test_spillover_uses_the_second_target_while_the_first_is_busy(
    swapyard: Start, models: dict[str, Any], until: Until
) -> None:
    selectors = {"pool": {"strategy": "spillover", "targets": ["a", "b"], "settings": {"spillover": 1}}}
    with swapyard({"models": models, "selectors": selectors, "groups": TOGETHER}) as running:
        assert who_answers(running, "pool") == "a"
        assert who_answers(running, "pool") == "a"
        with running.streaming("pool"):
            assert who_answers(running, "pool") == "b"
            assert running.states() == {"a": "ready", "b": "ready"}
        # The client has left in the middle of its answer: both are free, and those that run take turns.
        until(lambda: {who_answers(running, "pool") for _ in range(2)} == {"a", "b"})
        with running.streaming("a"):  # not through the selector, and yet it counts
            assert [who_answers(running, "pool") for _ in range(3)] == ["b"] * 3


# --- websockets --------------------------------------------------------------------------------------------------------


@contextmanager
def websocket(running: Any, path: str) -> Iterator[tuple[int, socket.socket]]:
    """The status of the handshake, and the connection behind it."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=30) as connection:
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(1)
        yield int(head.split()[1]), connection


def echoed(connection: socket.socket) -> bool:
    """A masked text frame comes back, unmasked (RFC 6455 5.7)."""
    connection.sendall(bytes.fromhex("818537fa213d7f9f4d5158"))
    received = b""
    while len(received) < 7 and (data := connection.recv(7 - len(received))):
        received += data
    return received == b"\x81\x05Hello"


@pytest.fixture
def comfyui(swapyard: Start, models: dict[str, Any], scripted: Scripted) -> Iterator[Any]:
    with swapyard({"models": {"comfyui_auto": {"cmd": scripted("comfyui")}, **models}}) as running:
        yield running


def test_comfyui_is_loaded_by_its_page_and_gives_way_in_spite_of_its_websocket(comfyui: Any) -> None:
    """llama-swap #829, #1001: a page that is left open must not keep the others out."""
    with httpx.Client(base_url=comfyui.address, timeout=30) as client:
        assert client.get("/comfyui?a=b").headers["location"] == "/comfyui/?a=b"
        assert client.get("/comfyui/api/queue").status_code == 409
        with websocket(comfyui, "/comfyui/ws") as (status, _):
            assert status == 409
        assert comfyui.states() == {}

        assert client.get("/comfyui/").status_code == 200
        assert served_at(comfyui, "/comfyui") == "comfyui"
        with websocket(comfyui, "/comfyui/ws?clientId=1") as (status, connection):
            assert status == 101
            assert echoed(connection)
            assert who_answers(comfyui, "a") == "a"
            assert comfyui.states() == {"a": "ready"}
            assert connection.recv(1) == b""
        assert client.get("/comfyui/demo/state").status_code == 409


def test_a_websocket_that_counts_is_waited_for(swapyard: Start, models: dict[str, Any], until: Until) -> None:
    with swapyard({"models": models, "sendLoadingState": True}) as running, ExitStack() as page:
        status, connection = page.enter_context(websocket(running, "/upstream/a/ws"))
        assert status == 101
        with running.streaming("b"):  # the first line has come, which says that it waits
            assert echoed(connection)
            assert running.states() == {"a": "ready"}
            page.close()
            until(lambda: running.states() == {"b": "ready"})


def test_a_websocket_that_is_ignored_reserves_no_target(swapyard: Start, models: dict[str, Any]) -> None:
    selectors = {"pool": {"strategy": "spillover", "targets": ["a", "b"]}}
    ignoring = {name: {**model, "compat": {"ignoreWebsockets": True}} for name, model in models.items()}
    with swapyard({"models": ignoring, "selectors": selectors, "groups": TOGETHER}) as running:
        with websocket(running, "/upstream/pool/ws") as (status, _):
            assert status == 409
        assert who_answers(running, "pool") == "a"
        with websocket(running, "/upstream/pool/ws") as (status, connection):
            assert status == 101
            assert [who_answers(running, "pool") for _ in range(3)] == ["a"] * 3
            assert echoed(connection)
            assert running.states() == {"a": "ready"}
