"""Forms on real sockets: small and large ones pass byte for byte but for the model, and leave nothing behind."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from swapyard.config.schema import Model
from swapyard.proxy.forms import FormScanner
from swapyard.proxy.spool import Spool

if TYPE_CHECKING:
    from tests.proxy.conftest import OpenYard, Yard

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
    """The temporary files that this process holds open."""
    if sys.platform != "linux":
        pytest.skip("needs /proc")
    found = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if target.startswith(tempfile.gettempdir()):
            found.append(target)
    return found


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test leaves a file behind, open or named."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield
    assert spools() == []
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


LARGE_FORM = form(recording(NOISE), part("model", b"m"))


@LARGE
@pytest.mark.parametrize(("known_as", "field", "query"), [("", b"m", b"m"), ("real one", b"real one", b"real%20one")])
async def test_the_query_goes_before_the_form_and_is_written_into_it(
    open_yard: OpenYard, wire: Any, file: bytes, known_as: str, field: bytes, query: bytes
) -> None:
    models = {"m": Model(cmd="x", use_model_name=known_as)}
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", models=models) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(post(form(part("model", b"whisper-1"), recording(file)), target=b"/v1/images/edits?a=%31&model=m"))
        peer = await up.accept()
        request = await peer.request()
        assert request.target == b"/v1/images/edits?a=%31&model=" + query
        assert request.body == form(part("model", field), recording(file))
        peer.send(OK)
        assert (await client.response()).status == 200


async def test_a_url_encoded_form_keeps_all_but_the_name(open_yard: OpenYard, wire: Any) -> None:
    models = {"m": Model(cmd="x", aliases=("alias",), use_model_name="the real one")}
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", models=models) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(
            post(b"z=%31&model=alias&a=b+c", kind=b"application/x-www-form-urlencoded", target=b"/completion?model=q")
        )
        peer = await up.accept()
        request = await peer.request()
        assert request.body == b"z=%31&model=the%20real%20one&a=b+c"
        assert request.one(b"content-length") == b"%d" % len(request.body)
        assert request.target == b"/completion?model=the%20real%20one"
        peer.send(OK)
        assert (await client.response()).status == 200


async def test_a_large_form_goes_out_again_when_the_pooled_connection_was_dead(open_yard: OpenYard, wire: Any) -> None:
    models = {"m": Model(cmd="x", use_model_name="longer")}
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", models=models) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(post(form(part("model", b"m"))))
        first = await up.accept()
        await first.request()
        first.send(OK)
        await client.response()
        client.send(post(LARGE_FORM))
        await first.head()
        await first.exactly(1_500_000)
        first.reset()
        second = await up.accept()
        assert (await second.request()).body == form(recording(NOISE), part("model", b"longer"))
        second.send(OK)
        assert (await client.response()).status == 200


async def test_what_was_read_for_a_dead_connection_is_not_sent_on_the_next_one(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on, is_read = threading.Event(), threading.Event()
    read = Spool._read_at

    def wait_in_the_second(spool: Spool, at: int, size: int) -> bytes:
        if at and not goes_on.is_set():
            is_read.set()
            goes_on.wait(20)
        return read(spool, at, size)

    monkeypatch.setattr(Spool, "_read_at", wait_in_the_second)
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(post(form(part("model", b"m"))))
        first = await up.accept()
        await first.request()
        first.send(OK)
        await client.response()
        client.send(post(LARGE_FORM))
        await wire.until(is_read.is_set)
        first.reset()
        second = await up.accept()
        await second.head()
        goes_on.set()
        assert await second.exactly(len(LARGE_FORM)) == LARGE_FORM
        second.send(OK)
        assert (await client.response()).status == 200


async def test_a_large_form_waits_on_disk_for_its_model(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port) as yard, wire.connect(yard.port) as client:
        client.send(chunked(LARGE_FORM))
        process = await yard.started()
        await wire.until(lambda: len(spools()) == 1)
        process.become_ready()
        peer = await up.accept()
        assert (await peer.request()).body == LARGE_FORM
        peer.send(OK)
        assert (await client.response()).status == 200


# --- leaving ---


async def test_a_client_that_leaves_while_it_sends(open_yard: OpenYard, wire: Any) -> None:
    async with open_yard(m=1) as yard, wire.connect(yard.port) as client:
        client.send(post(LARGE_FORM)[:2_000_000])
        await wire.until(lambda: len(spools()) == 1)
        client.reset()
        await wire.until(lambda: not spools())
        assert yard.engine.arrivals == []


async def test_a_client_that_leaves_while_its_model_loads(open_yard: OpenYard, wire: Any) -> None:
    async with open_yard(m=1) as yard, wire.connect(yard.port) as client:
        client.send(post(LARGE_FORM))
        await yard.started()
        assert yard.waiting == 1
        client.close()
        await wire.until(lambda: not spools() and not yard.waiting)


async def test_a_client_that_leaves_while_its_form_is_sent_on(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(post(form(part("model", b"m"), recording(8 * NOISE))))
        peer = await up.accept()
        await peer.exactly(100_000)
        assert yard.served == 1
        client.reset()
        await wire.until(lambda: not spools() and not yard.served)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await peer.exactly(24_000_000)


async def test_a_client_that_leaves_before_or_in_the_answer(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard:
        for answer in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"):
            async with wire.connect(yard.port) as client:
                client.send(post(LARGE_FORM))
                peer = await up.accept()
                await peer.request()
                peer.send(answer)
                if answer:
                    await client.until(b"he")
                client.close()
                await wire.until(lambda: not spools() and not yard.served)
                await peer.gone()
        assert yard.ends == [499, 499]


async def test_a_server_that_answers_before_it_has_read_all(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(post(form(part("model", b"m"), recording(8 * NOISE))))
        peer = await up.accept()
        await peer.head()
        peer.send(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n")
        assert (await client.response()).status == 413
        await wire.until(lambda: not spools())


async def test_a_server_that_breaks_off_in_the_middle_of_a_form(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(post(form(part("model", b"m"), recording(8 * NOISE))))
        peer = await up.accept()
        await peer.exactly(100_000)
        peer.reset()
        answer = await client.response()
        assert (answer.status, json.loads(answer.body)["error"]["code"]) == (502, "bad_gateway")
        await wire.until(lambda: not spools())


async def test_a_broken_large_form_is_refused_where_it_breaks(open_yard: OpenYard, wire: Any) -> None:
    async with open_yard(m=1) as yard, wire.connect(yard.port) as client:
        body = form(recording(NOISE), b"--BoRd\r\ngarbage\r\n\r\n", recording(NOISE))
        client.send(post(body)[:-100_000])  # the rest never comes
        answer = await client.response()
        assert answer.status == 400
        assert "part 2 has a header line that is none: 'garbage'" in json.loads(answer.body)["error"]["message"]
        await wire.until(lambda: not spools())


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (post(LARGE_FORM, kind=b"multipart/form-data"), 400),
        (post(LARGE_FORM, b"Content-Encoding: gzip"), 415),
        (post(form(recording(NOISE))), 400),
        (post(form(recording(NOISE), part("model", b"nobody"))), 404),
        (post(LARGE_FORM[:-4]), 400),
    ],
)
async def test_a_large_form_that_cannot_be_served(open_yard: OpenYard, wire: Any, message: bytes, status: int) -> None:
    async with open_yard(m=1) as yard, wire.connect(yard.port) as client:
        client.send(message)
        assert (await client.response()).status == status
        await wire.until(lambda: not spools())
        assert yard.engine.arrivals == []


async def test_a_defect_while_a_form_is_read_leaves_nothing_behind(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("a defect")

    async with open_yard(m=1) as yard, wire.connect(yard.port) as client:
        client.send(post(LARGE_FORM)[:2_000_000])
        await wire.until(lambda: len(spools()) == 1)
        monkeypatch.setattr(FormScanner, "feed", fail)
        client.send(LARGE_FORM[2_000_000:])
        assert (await client.response()).status == 500
        await wire.until(lambda: not spools())


# --- the disk ---


async def test_a_slow_disk_holds_the_client_back_and_nobody_else(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    works = threading.Event()
    write = Spool._write_all
    monkeypatch.setattr(Spool, "_write_all", lambda self, pieces: (works.wait(20), write(self, pieces))[1])
    body = form(recording(10 * NOISE), part("model", b"m"))
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m") as yard,
        wire.connect(yard.port) as client,
        wire.connect(yard.port) as other,
    ):
        client.send(post(body))
        connection = await wire_of(yard, wire)
        await wire.until(lambda: not connection.is_reading)
        assert connection.handler._upload._spool.size < 3_000_000
        other.send(post(form(part("model", b"m"))))
        peer = await up.accept()
        await peer.request()
        peer.send(OK)
        assert (await other.response()).status == 200
        works.set()
        assert (await peer.request()).body == body
        peer.send(OK)
        assert (await client.response()).status == 200


async def wire_of(yard: Yard, wire: Any) -> Any:
    """The connection whose form goes to disk."""

    def uploading() -> list[Any]:
        return [each for each in yard.server.connections if getattr(each.handler, "_upload", None)]

    await wire.until(uploading)
    return uploading()[0]


async def test_a_full_disk_is_told(open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard:
        for moment in ("_write_all", "_read_at"):
            with monkeypatch.context() as patch:
                patch.setattr(Spool, moment, fail)
                async with wire.connect(yard.port) as client:
                    client.send(post(LARGE_FORM))
                    answer = await client.response()
            error = json.loads(answer.body)["error"]
            assert (answer.status, error["code"]) == (507, "insufficient_storage")
            assert "No space left on device" in error["message"]
            await wire.until(lambda: not spools() and not yard.served)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await (await up.accept()).request()


# --- slow servers ---


@pytest.mark.slow
async def test_200_megabytes_pass_a_slow_server_without_being_held_in_memory(open_yard: OpenYard, wire: Any) -> None:
    before, after = recording(b"").removesuffix(b"\r\n"), b"\r\n" + form(part("model", b"m"))
    size, rounds = len(before) + len(after) + 200 * 1_000_000, 200
    piece = NOISE[:1_000_000]
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        memory = psutil.Process().memory_info().rss
        client.send(post(b"").replace(b"Length: 0", b"Length: %d" % size), before)
        for _ in range(rounds):
            client.send(piece)
            await client.drained()
        client.send(after)
        peer = await up.accept()
        await peer.head()
        upload = (await wire_of(yard, wire)).handler._upload
        await wire.until(lambda: upload._paused)
        sent_on = -1
        while sent_on != upload._at:
            sent_on = upload._at
            await asyncio.sleep(0.1)
        assert sent_on < 20_000_000  # what the sockets take, and nothing ahead of that
        arrived = hashlib.blake2b(await peer.exactly(len(before)))
        for _ in range(rounds):
            arrived.update(await peer.exactly(len(piece)))
        arrived.update(await peer.exactly(len(after)))
        sent = hashlib.blake2b(before)
        for _ in range(rounds):
            sent.update(piece)
        sent.update(after)
        assert arrived.digest() == sent.digest()
        assert psutil.Process().memory_info().rss - memory < 50_000_000
        peer.send(OK)
        assert (await client.response()).status == 200
