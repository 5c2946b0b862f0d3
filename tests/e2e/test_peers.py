"""Two Swapyards, one the other's peer, and the clients in front of the first."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from swapyard.api.services import Build
from swapyard.app import App, Options
from swapyard.config.load import loads

Start = Callable[..., AbstractContextManager[Any]]
Scripted = Callable[..., str]

QUESTION: Any = [{"role": "user", "content": "Who are you?"}]
ENDLESS: Any = [{"role": "user", "content": "count to 100000"}]
BACK_KEY = {"Authorization": "Bearer sk-back"}


def config_of(back: Any) -> dict[str, Any]:
    return {
        "apiKeys": ["sk-front"],
        "peers": {"back": {"proxy": back.address, "apiKey": "sk-back", "models": ["hare", "tortoise"]}},
    }


@pytest.fixture
def back(swapyard: Start, scripted: Scripted) -> Iterator[Any]:
    models = {name: {"cmd": scripted(name)} for name in ("hare", "tortoise")}
    with swapyard({"apiKeys": ["sk-back"], "models": models}) as running:
        yield running


@pytest.fixture
def front(swapyard: Start, scripted: Scripted, back: Any) -> Iterator[Any]:
    """Has a model of its own that is called as one of the peer's."""
    with swapyard(config_of(back) | {"models": {"hare": {"cmd": scripted("hare")}}}) as running:
        yield running


@pytest.fixture
def gpt(front: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=front.address + "/v1", api_key="sk-front", max_retries=0) as client:
        yield client


def running_models(server: Any, key: str) -> list[str]:
    answer = httpx.get(server.address + "/running", headers={"Authorization": f"Bearer {key}"})
    return [row["model"] for row in answer.json()["running"]]


def test_a_stream_through_a_peer_that_loads_its_model(gpt: openai.OpenAI, front: Any, back: Any) -> None:
    for name in ("tortoise", "back/tortoise", "back/hare"):
        chunks = list(gpt.chat.completions.create(model=name, messages=QUESTION, stream=True))
        assert "Who are you?" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert chunks[-1].choices[0].finish_reason == "stop"
    assert running_models(front, "sk-front") == []
    assert running_models(back, "sk-back") == ["hare"]


def test_a_model_here_comes_first(gpt: openai.OpenAI, front: Any, back: Any) -> None:
    assert gpt.chat.completions.create(model="hare", messages=QUESTION).choices
    assert running_models(front, "sk-front") == ["hare"]
    assert running_models(back, "sk-back") == []


def test_the_listing_names_the_peers_models_in_full(gpt: openai.OpenAI) -> None:
    assert [model.id for model in gpt.models.list()] == ["back/hare", "back/tortoise", "hare"]


def test_the_peers_own_errors_are_passed_on(front: Any, swapyard: Start, back: Any) -> None:
    config = config_of(back)
    config["peers"]["back"] |= {"apiKey": "sk-wrong", "models": ["tortoise"]}
    with swapyard(config | {"apiKeys": []}) as wrong:
        answer = wrong.ask("back/tortoise")
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")


def test_a_peer_that_dies_in_the_middle_and_is_gone_then(gpt: openai.OpenAI, front: Any, back: Any) -> None:
    stream = iter(gpt.chat.completions.create(model="tortoise", messages=ENDLESS, stream=True))
    next(stream)
    for _ in range(2):  # the second one ends it at once
        back.process.send_signal(signal.SIGTERM)
        back.output.wait_for("shutting down")
    with pytest.raises((openai.APIError, httpx.RemoteProtocolError)):
        for _ in stream:
            pass
    back.process.wait(20)
    with pytest.raises(openai.InternalServerError, match=r"could not be reached at .*: the connection was refused") as gone:
        gpt.chat.completions.create(model="tortoise", messages=QUESTION)
    assert gone.value.status_code == 502


def test_a_client_that_leaves_stops_the_peers_engine(gpt: openai.OpenAI, back: Any, until: Any) -> None:
    with gpt.chat.completions.create(model="tortoise", messages=ENDLESS, stream=True) as stream:
        next(iter(stream))
    ended = until(lambda: re.findall(r'"POST (\S+) HTTP/1\.1" (\d+) ', back.output.text()))
    assert ended == [("/v1/chat/completions", "499")]


def test_a_stream_from_a_peer_is_finished_at_shutdown(swapyard: Start, scripted: Scripted) -> None:
    with swapyard({"models": {"a": {"cmd": scripted("a", "--tokens-per-second", "50")}}}) as back:
        peers = {"back": {"proxy": back.address, "models": ["a"]}}
        with swapyard({"peers": peers}) as front, front.streaming("a", "count to 60") as lines:
            front.process.send_signal(signal.SIGTERM)
            front.output.wait_for("waiting for 1 request to finish")
            assert list(filter(None, lines))[-1] == "data: [DONE]"
            assert front.process.wait(20) == 0


@pytest.mark.usefixtures("process_as_it_was")
async def test_a_stream_without_end_from_a_peer_is_ended_with_the_budget_of_the_shutdown(
    free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole app in this process, so that its budget can be made shorter than 30 s."""
    monkeypatch.setattr("swapyard.app.shutdown.SHUTDOWN_BUDGET", 3.0)
    monkeypatch.setattr("swapyard.app.shutdown.KEPT_FOR_PROCESSES", 2.0)
    left = asyncio.Event()

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        with contextlib.suppress(ConnectionError):
            await reader.read()
        left.set()
        writer.close()

    peer = await asyncio.start_server(stream, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{peer.sockets[0].getsockname()[1]}"
    text = json.dumps({"peers": {"p": {"proxy": address, "models": ["m"]}}, "logToStdout": "none"})
    listen = ("127.0.0.1", free_port())
    options = Options(load=lambda previous: loads(text), listen=listen, build=lambda: Build("0"))
    app = App(options, loads(text), asyncio.get_running_loop())
    serving = asyncio.create_task(app.run())
    while not app.server.connections and not serving.done():
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(*listen)
        await asyncio.sleep(0.01)
    writer.write(b'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\n{"model":"m"}')
    await asyncio.wait_for(reader.readuntil(b"data: 1"), 30)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(serving, 20) == 0
    rest = await reader.read()
    await asyncio.wait_for(left.wait(), 10)
    writer.close()
    peer.close()
    assert b"the server is shutting down" in rest  # the stream is told why it ends
    assert not rest.endswith(b"0\r\n\r\n"), "what is not whole must not look whole"


def test_a_reload_moves_a_peer_and_cuts_nobody(swapyard: Start, scripted: Scripted, back: Any) -> None:
    with swapyard({"models": {"a": {"cmd": scripted("a", "--tokens-per-second", "50")}}}) as first:
        peers = {"p": {"proxy": first.address, "models": ["a"]}}
        with swapyard({"peers": peers}) as front, front.streaming("a", "count to 60") as lines:
            moved = {"p": {"proxy": back.address, "apiKey": "sk-back", "models": ["hare"]}}
            front.config.write_text(json.dumps({"peers": moved}))
            front.process.send_signal(signal.SIGHUP)
            front.output.wait_for("configuration reloaded")
            assert front.ask("p/a").status_code == 404
            assert front.ask("p/hare").status_code == 200
            assert list(filter(None, lines))[-1] == "data: [DONE]"


def test_a_peer_over_tls(swapyard: Start, scripted: Scripted, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-subj", "/CN=back", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, *names, "-out", cert, "-keyout", key], check=True, capture_output=True)
    models = {"a": {"cmd": scripted("a")}}
    with swapyard({"models": models}, "--tls-cert-file", str(cert), "--tls-key-file", str(key)) as back:
        peers = {"peers": {"back": {"proxy": back.address, "models": ["a"]}}}
        with swapyard(peers, env={"SSL_CERT_FILE": str(cert)}) as front:
            assert front.ask("a").status_code == 200
            with front.streaming("a", "count to 20") as lines:
                assert list(filter(None, lines))[-1] == "data: [DONE]"
        with swapyard(peers) as front:
            refused = front.ask("a")
            assert refused.status_code == 502
            assert "certificate is not accepted (self-signed certificate)" in refused.json()["error"]["message"]
