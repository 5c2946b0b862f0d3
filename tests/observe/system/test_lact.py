"""LACT's daemon, played on a real Unix socket."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from swapyard.observe.system import lact
from swapyard.observe.system.lact import Lact, parse_stats
from swapyard.observe.system.samples import Gpu, SourceProblem

VEGA = {"id": "1002:687F-1043:0555-0000:0b:00.0", "name": "Vega 10 XL/XT [Radeon RX Vega 56/64]"}
INTEGRATED = {"id": "8086:A780-1043:8882-0000:00:02.0", "name": "Raptor Lake-S GT1"}
STATS: dict[str, Any] = {
    "fan": {"control_enabled": False, "pwm_current": 51, "speed_current": 700},
    "power": {"average": 31.0, "current": 30.0, "cap_current": 165.0},
    "temps": {"edge": {"current": 41.0, "crit": 85.0}, "junction": {"current": 43.0}, "mem": {"current": 44.0}},
    "vram": {"total": 8573157376, "used": 1208487936},
    "busy_percent": 3,
}
Answer = Callable[[dict[str, Any]], Any]


def answer(question: dict[str, Any]) -> Any:
    if question["command"] == "list_devices":
        return {"status": "ok", "data": [VEGA, INTEGRATED]}
    stats = STATS if question["args"]["id"] == VEGA["id"] else {"vram": {"total": 0, "used": None}, "busy_percent": None}
    return {"status": "ok", "data": stats}


@contextmanager
def daemon(path: Path, reply: Answer = answer) -> Iterator[list[str]]:
    """Answers one JSON object per line; the list holds a word per connection. What `reply` returns as bytes is sent as it
    is, None ends the connection."""
    connections: list[str] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    open_ones: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
            for line in lines:
                said = reply(json.loads(line))
                if said is None:
                    return
                connection.sendall(said if isinstance(said, bytes) else json.dumps(said).encode() + b"\n")

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append("connected")
            open_ones.append(connection)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield connections
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for each in open_ones:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        path.unlink()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "lactd.sock"
    monkeypatch.setenv("LACT_DAEMON_SOCKET_PATH", str(path))
    return path


def test_what_the_daemon_knows_of_its_gpus(path: Path) -> None:
    source = Lact()
    with daemon(path) as connections:
        (gpu,) = source.sample()
        assert gpu == Gpu(
            id=0,
            name="Vega 10 XL/XT [Radeon RX Vega 56/64]",
            source="LACT",
            uuid="1002:687F-1043:0555-0000:0b:00.0",
            pci="0000:0b:00.0",
            temperature=41.0,
            memory_temperature=44.0,
            utilization=3,
            memory_used=1208487936,
            memory_total=8573157376,
            fan=20.0,
            power=31.0,
        )
        assert source.sample() == [gpu]
        assert connections == ["connected"]
        source.close()


def test_a_daemon_that_was_restarted_is_connected_to_again_at_once(path: Path) -> None:
    source = Lact()
    with daemon(path):
        source.sample()
    with pytest.raises(SourceProblem, match="no socket of lactd"):
        source.sample()
    with daemon(path):
        assert len(source.sample()) == 1
    with daemon(path):
        assert len(source.sample()) == 1
        source.close()


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ({"status": "error", "data": "no permission"}, "answers with an error: no permission"),
        (b"garbage\n", "Expecting value"),
        (b"[]\n", "answers with an error"),
        (None, "the connection has ended"),
        ({"status": "ok", "data": []}, "lists no GPU"),
        ({"status": "ok", "data": [INTEGRATED]}, "lists no GPU"),
    ],
)
def test_what_the_daemon_answers_wrongly_is_told(path: Path, reply: Any, told: str) -> None:
    source = Lact()
    with daemon(path, lambda _question: reply), pytest.raises(SourceProblem, match=told):
        source.sample()
    source.close()


def test_a_daemon_that_does_not_answer_costs_a_bounded_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lact, "ANSWER_LIMIT", 0.05)
    source = Lact()
    with daemon(path, lambda _question: b""), pytest.raises(SourceProblem, match=r"no answer within 0\.05 s"):
        source.sample()
    source.close()


def test_closing_ends_a_wait_for_an_answer(path: Path) -> None:
    asked = threading.Event()

    def say_nothing(_question: dict[str, Any]) -> bytes:
        asked.set()
        return b""

    source = Lact()
    problems: list[str] = []

    def sample() -> None:
        try:
            source.sample()
        except SourceProblem as problem:
            problems.append(str(problem))

    with daemon(path, say_nothing):
        thread = threading.Thread(target=sample)
        thread.start()
        assert asked.wait(10)
        source.close()
        thread.join(4)  # less than the limit of an answer
        assert not thread.is_alive()
    assert len(problems) == 1


def test_other_sensors_stand_in_and_missing_ones_are_unknown() -> None:
    def gpu(**stats: Any) -> Gpu:
        found = parse_stats(3, VEGA, {"vram": {"total": 10, "used": 5}, **stats})
        assert found is not None
        return found

    assert gpu(temps={"VRAM": {"current": 50}, "hot": {"current": 60}}).memory_temperature == 50
    assert gpu(temps={"junction": {"current": 61}, "x": {"current": 1}}).temperature == 61
    assert gpu(power={"average": 0, "current": 12.5}).power == 12.5
    bare = gpu(temps=None, fan=None, busy_percent=None)
    assert (bare.temperature, bare.fan, bare.power, bare.utilization) == (None, None, None, None)
