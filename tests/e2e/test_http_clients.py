"""Clients that speak plain HTTP: httpx in all its ways, and curl with HTTP/1.0, with chunks and with `Expect`."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

KEY = {"Authorization": "Bearer sk-gateway"}
PATH = "/v1/chat/completions"
HANG = 30.0


def question(model: str = "hare", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Who are you?"}], **more}


def said(answer: Any) -> str:
    text: str = answer["choices"][0]["message"]["content"]
    return text


# --- httpx -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def client(zoo: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=zoo.address, headers=KEY, timeout=HANG) as made:
        yield made


def test_httpx_reuses_one_connection_for_models_errors_and_the_control_plane(client: httpx.Client) -> None:
    used = set()
    for path in ("/health", "/v1/models", PATH, "/nowhere", "/upstream/hare/health", PATH):
        body = question() if path == PATH else None
        answer = client.request("POST" if body else "GET", path, json=body)
        assert answer.http_version == "HTTP/1.1"
        used.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
    assert len(used) == 1
    assert None not in used


def test_httpx_reads_a_stream_line_by_line(client: httpx.Client) -> None:
    with client.stream("POST", PATH, json=question(stream=True)) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [line.removeprefix("data: ") for line in answer.iter_lines() if line]
    assert events[-1] == "[DONE]"
    deltas = [json.loads(event)["choices"][0]["delta"] for event in events[:-1]]
    assert "Who are you?" in "".join(delta.get("content") or "" for delta in deltas)


def test_httpx_uploads_a_body_of_unknown_length(client: httpx.Client) -> None:
    body = json.dumps(question()).encode()

    def byte_by_byte() -> Iterator[bytes]:
        yield from (body[at : at + 1] for at in range(len(body)))

    answer = client.post(PATH, content=byte_by_byte(), headers={"Content-Type": "application/json"})
    assert answer.request.headers["transfer-encoding"] == "chunked"
    assert "Who are you?" in said(answer.json())


def test_httpx_uploads_megabytes_in_pieces(client: httpx.Client) -> None:
    piece = b" " * 65_536

    def pieces() -> Iterator[bytes]:
        yield b'{"model": "hare",'
        yield from (piece for _ in range(100))
        yield json.dumps(question()).encode()[1:].replace(b'"model": "hare",', b"")

    assert "Who are you?" in said(client.post(PATH, content=pieces()).json())


async def test_httpx_asks_many_models_at_once(zoo: Any) -> None:
    async def body(model: str) -> AsyncIterator[bytes]:
        yield json.dumps(question(model)).encode()

    async with httpx.AsyncClient(base_url=zoo.address, headers=KEY, timeout=HANG) as client:
        names = ["hare", "tortoise", "gpt-4o-mini"] * 4
        answers = await asyncio.gather(*(client.post(PATH, content=body(name)) for name in names))
    assert [answer.status_code for answer in answers] == [200] * len(names)
    assert all("Who are you?" in said(answer.json()) for answer in answers)


def test_httpx_without_a_json_content_type(client: httpx.Client) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.post(PATH, content=json.dumps(question()), headers=form).status_code == 200


def test_httpx_uploads_a_form_with_the_model_behind_its_file(client: httpx.Client) -> None:
    form: Any = [("file", ("a.wav", b"x" * 2_000_000, "audio/wav")), ("model", (None, "parrot"))]
    answer = client.post("/v1/audio/transcriptions", files=form)
    assert (answer.status_code, answer.json()["text"]) == (200, "This is parrot. I have heard 2000000 bytes of a.wav.")


# --- curl ------------------------------------------------------------------------------------------------------------------


def curl(zoo: Any, path: str, *flags: str, stdin: bytes = b"") -> tuple[str, list[str]]:
    """What curl printed as the body, and its notes about what went over the wire."""
    program = shutil.which("curl")
    if program is None:
        pytest.skip("no curl here; Debian: apt-get install curl")
    command = [program, "--silent", "--show-error", "--verbose", "--max-time", "30", "-H", "x-api-key: sk-gateway"]
    done = subprocess.run([*command, *flags, zoo.address + path], input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode(), done.stderr.decode().splitlines()


def test_curl_posts_without_saying_that_it_is_json(zoo: Any) -> None:
    body, notes = curl(zoo, PATH, "-d", json.dumps(question()))
    assert "> Content-Type: application/x-www-form-urlencoded" in notes
    assert "Who are you?" in said(json.loads(body))


def test_curl_with_http_1_0_gets_a_whole_answer_and_the_end_of_the_connection(zoo: Any) -> None:
    body, notes = curl(zoo, PATH, "-0", "-d", json.dumps(question()))
    assert f"> POST {PATH} HTTP/1.0" in notes
    assert "Who are you?" in said(json.loads(body))
    assert not any(note.lower().startswith("< transfer-encoding") for note in notes)


def test_curl_with_http_1_0_gets_a_stream_that_ends_with_the_connection(zoo: Any) -> None:
    body, notes = curl(zoo, PATH, "-0", "-N", "-d", json.dumps(question(stream=True)))
    assert body.rstrip().endswith("data: [DONE]")
    assert not any(note.lower().startswith("< transfer-encoding") for note in notes)
    assert any("Closing connection" in note for note in notes)


def test_curl_with_http_1_0_gets_lists_and_errors(zoo: Any) -> None:
    assert "hare" in [model["id"] for model in json.loads(curl(zoo, "/v1/models", "-0")[0])["data"]]
    body, notes = curl(zoo, PATH, "-0", "-d", json.dumps(question("hair")))
    assert json.loads(body)["error"]["code"] == "model_not_found"
    assert any(note.startswith("< HTTP/1.1 404") for note in notes)


def test_curl_is_told_to_go_on_before_it_sends_its_body(zoo: Any) -> None:
    body, notes = curl(zoo, PATH, "-H", "Expect: 100-continue", "--expect100-timeout", "25", "-d", json.dumps(question()))
    assert "> Expect: 100-continue" in notes
    told = notes.index("< HTTP/1.1 100 Continue")
    assert told < next(at for at, note in enumerate(notes) if note.startswith("< HTTP/1.1 200"))
    assert "Who are you?" in said(json.loads(body))


def test_curl_uploads_in_chunks_from_a_pipe(zoo: Any) -> None:
    flags = ("-X", "POST", "-T", "-", "-H", "Content-Type: application/json")
    body, notes = curl(zoo, PATH, *flags, stdin=json.dumps(question()).encode())
    assert "> Transfer-Encoding: chunked" in notes
    assert "Who are you?" in said(json.loads(body))


def test_curl_uploads_a_form_with_a_large_file(zoo: Any, tmp_path: Path) -> None:
    recording = tmp_path / "a.wav"
    recording.write_bytes(b"x" * 3_000_000)
    flags = ("-F", f"file=@{recording}", "-F", "model=parrot", "--expect100-timeout", "25")
    body, notes = curl(zoo, "/v1/audio/transcriptions", *flags)
    assert "< HTTP/1.1 100 Continue" in notes  # curl asks before it sends a megabyte or more
    assert json.loads(body)["text"] == "This is parrot. I have heard 3000000 bytes of a.wav."


def test_curl_looks_at_the_head_alone(zoo: Any) -> None:
    body, _ = curl(zoo, "/v1/models", "--head")
    assert body.startswith("HTTP/1.1 200")
    assert "content-length" in body.lower()
