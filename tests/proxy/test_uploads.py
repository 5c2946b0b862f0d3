"""Forms on real sockets: small and large ones pass byte for byte but for the model, and leave nothing behind."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from swapyard.config.schema import Model

if TYPE_CHECKING:
    from tests.proxy.conftest import OpenYard

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
TYPE = b"multipart/form-data; boundary=BoRd"
NOISE = os.urandom(3_000_000).replace(b"\r\n--BoRd", b"")
LARGE = pytest.mark.parametrize("file", [b"RIFF\0\r\n--Bo", NOISE], ids=["small", "large"])


def part(name: str, value: bytes, *lines: bytes) -> bytes:
    fields = (b'Content-Disposition: form-data; name="%s"' % name.encode(), *lines)
    return b"--BoRd\r\n" + b"\r\n".join(fields) + b"\r\n\r\n" + value + b"\r\n"


def recording(file: bytes) -> bytes:
    """A file as form fields have it."""
    lines = b'Content-Disposition: form-data; name="file"; filename="a \\"b\\".wav"\r\nContent-Type: audio/wav\r\nX-Mine: 1'
    return b"--BoRd\r\n" + lines + b"\r\n\r\n" + file + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--BoRd--\r\n"


def post(body: bytes, *lines: bytes, target: bytes = b"/v1/audio/transcriptions", kind: bytes = TYPE) -> bytes:
    head = (
        b"POST " + target + b" HTTP/1.1",
        b"Host: x",
        b"Content-Type: " + kind,
        b"Content-Length: %d" % len(body),
        *lines,
    )
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def chunked(body: bytes, *, size: int = 100_000) -> bytes:
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    head = b"POST /v1/images/edits HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: " + TYPE
    return head + b"\r\n\r\n" + framed + b"0\r\n\r\n"


def spools() -> list[str]:
    """The files without a name that this process holds open."""
    if sys.platform != "linux":
        pytest.skip("needs /proc")
    found = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if target.endswith("(deleted)"):
            found.append(target)
    return found


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test leaves a file behind, open or named."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = len(spools())
    yield
    assert len(spools()) == before
    assert list(tmp_path.iterdir()) == []


@LARGE
@pytest.mark.parametrize("last", [False, True], ids=["model first", "model last"])
async def test_a_form_arrives_as_it_was_sent(open_yard: OpenYard, wire: Any, file: bytes, last: bool) -> None:
    parts = [part("model", b"m"), recording(file)]
    body = form(*(reversed(parts) if last else parts))
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(post(body))
        peer = await up.accept()
        request = await peer.request()
        assert request.one(b"content-type") == TYPE
        assert request.one(b"content-length") == b"%d" % len(body)
        assert request.body == body
        peer.send(OK)
        assert (await client.response()).status == 200


@LARGE
async def test_only_the_name_changes_when_the_server_knows_its_model_by_another(
    open_yard: OpenYard, wire: Any, file: bytes
) -> None:
    def body(name: bytes) -> bytes:
        return form(part("model", name), recording(file), part("model", name), part("prompt", b"model=m"))

    models = {"m": Model(cmd="x", use_model_name="whisper-large-v3 \u00fc")}
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", models=models) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(post(body(b"m")), chunked(body(b"m")))
        peer = await up.accept()
        for _ in range(2):
            request = await peer.request()
            assert request.body == body("whisper-large-v3 \u00fc".encode())
            assert request.one(b"transfer-encoding") is None
            peer.send(OK)
            assert (await client.response()).status == 200
