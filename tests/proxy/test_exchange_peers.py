"""Requests to models of peers: what the peer sees, what the client gets, and what is told when the peer fails."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.proxy.messages import chunk

from swapyard.config.schema import Filters, Model, Peer, PeerTimeouts, Selector
from swapyard.http.tls import Certificate
from swapyard.proxy.exchange import Exchange
from swapyard.runtime import launchpad

if TYPE_CHECKING:
    from tests.proxy.conftest import OpenYard, Yard

JSON = b"Content-Type: application/json"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
CHAT = b"/v1/chat/completions"


def post(path: bytes, body: bytes, *lines: bytes) -> bytes:
    fields = (b"Host: gate", b"Content-Length: %d" % len(body), *lines)
    return b"POST %s HTTP/1.1\r\n%s\r\n\r\n%s" % (path, b"\r\n".join(fields), body)


def chat(model: str, *lines: bytes, path: bytes = CHAT, more: str = "") -> bytes:
    return post(path, b'{"model":"%s"%s}' % (model.encode(), more.encode()), JSON, *lines)


def get(path: bytes, *lines: bytes) -> bytes:
    return b"GET %s HTTP/1.1\r\n%s\r\n\r\n" % (path, b"\r\n".join((b"Host: gate", *lines)))


@asynccontextmanager
async def with_peer(
    open_yard: OpenYard, wire: Any, *, port: int | None = None, path: str = "", api_keys: Any = (), **entry: Any
) -> AsyncIterator[tuple[Any, Yard, Any]]:
    """A gateway whose peer "box" (models "m" and "org/n") is played by the test: the peer, the gateway, and a client."""
    async with wire.scripted() as up:
        proxy = f"http://127.0.0.1:{port or up.port}{path}"
        config = {"peers": {"box": Peer(proxy=proxy, models=("m", "org/n"), **entry)}, "api_keys": api_keys}
        async with open_yard(config=config) as yard, wire.connect(yard.port) as client:
            yield up, yard, client


def error_of(answer: Any) -> tuple[int, str, str]:
    error = json.loads(answer.body)["error"]
    return answer.status, error["code"], error["message"]


# --- what reaches the peer ---


async def test_the_peer_sees_its_own_host_and_nothing_of_where_the_request_came_from(open_yard: OpenYard, wire: Any) -> None:
    async with with_peer(open_yard, wire) as (up, yard, client):
        origin = [
            b"X-Forwarded-For: 9.9.9.9",
            b"X-Forwarded-Proto: https",
            b"x-forwarded-host: h",
            b"Forwarded: for=1.1.1.1",
        ]
        client.send(chat("m", b"X-Custom: 1", b"TE: trailers", *origin))
        peer = await up.accept()
        request = await peer.request()
        via = request.one(b"via")
        assert request.headers == [
            (b"Host", b"127.0.0.1:%d" % up.port),
            (b"Content-Type", b"application/json"),
            (b"X-Custom", b"1"),
            (b"Via", via),
            (b"Connection", b"TE"),
            (b"TE", b"trailers"),
            (b"Content-Length", b"13"),
        ]
        assert via.startswith(b"1.1 swapyard-")
        assert (request.start, request.body) == (b"POST /v1/chat/completions HTTP/1.1", b'{"model":"m"}')
        peer.send(OK)
        answer = await client.response()
        assert (answer.status, answer.body) == (200, b"{}")
        assert not yard.engine.arrivals


@pytest.mark.parametrize(("asked", "own"), [("m", b"m"), ("box/m", b"m"), ("org/n", b"org/n"), ("box/org/n", b"org/n")])
async def test_the_peer_is_asked_under_the_name_that_it_knows(
    open_yard: OpenYard, wire: Any, asked: str, own: bytes
) -> None:
    async with with_peer(open_yard, wire) as (up, _, client):
        client.send(chat(asked, more=', "n":1.50,"model_":"box/m"'))
        peer = await up.accept()
        assert (await peer.request()).body == b'{"model":"%s", "n":1.50,"model_":"box/m"}' % own
        peer.send(OK)
        assert (await client.response()).status == 200


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        (b"/v/chat/completions", b"/base/chat/completions?key=1"),
        (b"/audioapi/v1/tasks/run", b"/base/v1/tasks/run?key=1"),
        (b"/v1/embeddings?a=%2F", b"/base/v1/embeddings?key=1&a=%2F"),
    ],
)
async def test_the_path_below_the_peers_base(open_yard: OpenYard, wire: Any, path: bytes, asked: bytes) -> None:
    async with with_peer(open_yard, wire, path="/base/?key=1") as (up, _, client):
        client.send(chat("box/m", path=path))
        peer = await up.accept()
        assert (await peer.request()).target == asked
        peer.send(OK)
        await client.response()


async def test_a_get_names_the_model_in_its_query(open_yard: OpenYard, wire: Any) -> None:
    async with with_peer(open_yard, wire) as (up, _, client):
        client.send(get(b"/props?x=%20&model=box%2Fm&y"))
        peer = await up.accept()
        assert (await peer.request()).target == b"/props?x=%20&model=m&y"
        peer.send(OK)
        assert (await client.response()).status == 200


FORM = b"Content-Type: application/x-www-form-urlencoded"
MULTIPART = b"Content-Type: multipart/form-data; boundary=b"
PARTS = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\nContent-Type: audio/wav\r\n\r\n%s\r\n'
    b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n%s\r\n--b--\r\n'
)


@pytest.mark.parametrize(
    ("kind", "sent", "seen"),
    [
        (FORM, b"a=1&model=box%2Fm&b", b"a=1&model=m&b"),
        (MULTIPART, PARTS % (b"RIFF", b"box/m"), PARTS % (b"RIFF", b"m")),
        (MULTIPART, PARTS % (b"x" * 3_000_000, b"box/m"), PARTS % (b"x" * 3_000_000, b"m")),
    ],
    ids=["url-encoded", "multipart", "multipart on disk"],
)
async def test_forms_ask_the_peer_under_its_own_name(
    open_yard: OpenYard, wire: Any, kind: bytes, sent: bytes, seen: bytes
) -> None:
    async with with_peer(open_yard, wire) as (up, _, client):
        client.send(post(b"/v1/audio/transcriptions?model=box/m", sent, kind))
        peer = await up.accept()
        request = await peer.request()
        assert (request.target, request.body) == (b"/v1/audio/transcriptions?model=m", seen)
        assert request.one(b"host") == b"127.0.0.1:%d" % up.port
        peer.send(OK)
        assert (await client.response()).status == 200


async def test_filters_of_the_name_that_was_asked_for(open_yard: OpenYard, wire: Any) -> None:
    filters = Filters(strip_params=("seed",), set_params={"top_k": 1}, set_params_by_id={"box/m": {"top_k": 2}})
    async with with_peer(open_yard, wire, filters=filters) as (up, _, client):
        client.send(chat("m", more=',"seed":1'))
        peer = await up.accept()
        assert (await peer.request()).body == b'{"model":"m","top_k":1}'
        peer.send(OK)
        await client.response()
        client.send(chat("box/m", more=',"seed":1'))
        assert (await peer.request()).body == b'{"model":"m","top_k":2}'
        peer.send(OK)
        await client.response()


KEYS = [b"Authorization: Bearer ours", b"x-api-key: theirs", b"api-key: ours", b"x-goog-api-key: theirs"]


async def test_the_peers_key_replaces_what_the_client_sent(open_yard: OpenYard, wire: Any) -> None:
    """Even where it is the gateway's own key as well."""
    async with with_peer(open_yard, wire, api_key="ours", api_keys=("ours",)) as (up, _, client):
        client.send(chat("m", *KEYS))
        peer = await up.accept()
        request = await peer.request()
        assert (request.one(b"authorization"), request.one(b"x-api-key")) == (b"Bearer ours", b"ours")
        assert (request.one(b"api-key"), request.one(b"x-goog-api-key")) == (None, b"theirs")
        peer.send(OK)
        await client.response()


async def test_a_peer_without_a_key_gets_the_clients_but_never_ours(open_yard: OpenYard, wire: Any) -> None:
    async with with_peer(open_yard, wire, api_keys=("ours",)) as (up, _, client):
        client.send(chat("m", *KEYS))
        peer = await up.accept()
        request = await peer.request()
        assert (request.one(b"authorization"), request.one(b"x-api-key")) == (None, b"theirs")
        assert (request.one(b"api-key"), request.one(b"x-goog-api-key")) == (None, b"theirs")
        peer.send(OK)
        await client.response()


async def test_below_upstream_only_the_full_name_is_edited(open_yard: OpenYard, wire: Any) -> None:
    filters = Filters(set_params={"top_k": 1})
    async with with_peer(open_yard, wire, filters=filters) as (up, _, client):
        bodies = [
            (b'{ "model": "box/m"}', b'{ "model": "m"}'),
            (b'{ "model": "m"}', b'{ "model": "m"}'),
            (b'{ "model": "box/other"}', b'{ "model": "box/other"}'),
            (b'["box/m"', b'["box/m"'),
        ]
        peer = None
        for sent, seen in bodies:
            client.send(post(b"/upstream/box/m/v1/x%2Fy?model=box/m", sent, JSON))
            peer = peer or await up.accept()
            request = await peer.request()
            assert (request.target, request.body) == (b"/v1/x%2Fy?model=box/m", seen)
            peer.send(OK)
            assert (await client.response()).status == 200


async def test_below_upstream_other_bodies_pass_as_they_come(open_yard: OpenYard, wire: Any) -> None:
    async with with_peer(open_yard, wire) as (up, _, client):
        client.send(
            b"PUT /upstream/box%2Forg%2Fn/f HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", chunk(b"part")
        )
        peer = await up.accept()
        assert (await peer.head()).start == b"PUT /f HTTP/1.1"
        assert await peer.exactly(9) == b"4\r\npart\r\n"
        client.send(b"0\r\n\r\n")
        assert await peer.exactly(5) == b"0\r\n\r\n"
        peer.send(OK)
        assert (await client.response()).status == 200


async def test_ignored_paths_are_about_models_that_would_be_loaded(open_yard: OpenYard, wire: Any) -> None:
    async with with_peer(open_yard, wire) as (up, _, client):
        client.send(get(b"/upstream/m/app.js"))
        peer = await up.accept()
        assert (await peer.request()).target == b"/app.js"
        peer.send(OK)
        assert (await client.response()).status == 200


# --- names ---


async def test_a_local_model_comes_before_a_peers_and_its_full_name_still_leads_there(
    open_yard: OpenYard, wire: Any
) -> None:
    async with wire.scripted() as here, wire.scripted() as there:
        config = {"peers": {"box": Peer(proxy=f"http://127.0.0.1:{there.port}", models=("m", "gpt"))}}
        models = {"m": Model(cmd="x", aliases=("gpt",))}
        async with (
            open_yard(m=here.port, ready="m", models=models, config=config) as yard,
            wire.connect(yard.port) as client,
        ):
            for up, name in ((here, "m"), (here, "gpt"), (there, "box/m"), (there, "box/gpt")):
                client.send(chat(name, b"Connection: close") if name == "box/gpt" else chat(name))
                peer = up.accepted[0] if up.accepted else await up.accept()
                assert json.loads((await peer.request()).body)["model"] == name.removeprefix("box/")
                peer.send(OK)
                assert (await client.response()).status == 200


async def test_a_name_that_two_peers_offer_is_nobodys(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up:
        peer = Peer(proxy=f"http://127.0.0.1:{up.port}", models=("m",))
        async with open_yard(config={"peers": {"a": peer, "b": peer}}) as yard, wire.connect(yard.port) as client:
            client.send(chat("m"))
            assert error_of(await client.response())[:2] == (404, "model_not_found")
            client.send(chat("b/m"))
            wire_to_b = await up.accept()
            await wire_to_b.request()
            wire_to_b.send(OK)
            assert (await client.response()).status == 200


@pytest.mark.parametrize(("target", "top_k"), [("m", 1), ("box/m", 2)])
async def test_a_selector_that_chooses_a_peers_model(open_yard: OpenYard, wire: Any, target: str, top_k: int) -> None:
    filters = Filters(set_params={"top_k": 1}, set_params_by_id={"box/m": {"top_k": 2}})
    selectors = {"best": Selector(strategy="pin", targets=(target,))}
    async with wire.scripted() as up:
        peers = {"box": Peer(proxy=f"http://127.0.0.1:{up.port}", models=("m",), filters=filters)}
        async with (
            open_yard(config={"peers": peers, "selectors": selectors}) as yard,
            wire.connect(yard.port) as client,
        ):
            client.send(chat("best"))
            peer = await up.accept()
            assert (await peer.request()).body == b'{"model":"m","top_k":%d}' % top_k
            peer.send(OK)
            assert (await client.response()).status == 200
            client.send(get(b"/props?model=best"))
            assert (await peer.request()).target == b"/props?model=m"
            peer.send(OK)
            assert (await client.response()).status == 200


# --- answers ---


async def test_a_stream_passes_as_it_comes(open_yard: OpenYard, wire: Any) -> None:
    async with with_peer(open_yard, wire) as (up, _, client):
        client.send(chat("m"))
        peer = await up.accept()
        await peer.request()
        peer.send(EVENTS, chunk(b"data: 1\n\n"))
        head = await client.head()
        assert (head.status, head.one(b"x-accel-buffering")) == (200, b"no")
        assert await client.exactly(14) == chunk(b"data: 1\n\n")
        peer.send(chunk(b"data: 2\n\n"), b"0\r\n\r\n")
        assert await client.exactly(19) == chunk(b"data: 2\n\n") + b"0\r\n\r\n"


async def test_a_refusal_of_the_peer_is_passed_on(open_yard: OpenYard, wire: Any) -> None:
    async with with_peer(open_yard, wire) as (up, _, client):
        client.send(chat("m"))
        peer = await up.accept()
        await peer.request()
        peer.send(b"HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer\r\nContent-Length: 4\r\n\r\nnope")
        answer = await client.response()
        assert (answer.status, answer.body, answer.one(b"www-authenticate")) == (401, b"nope", b"Bearer")


@pytest.mark.parametrize("framing", ["chunks", "length", "close"])
async def test_an_answer_that_breaks_off_never_looks_whole(open_yard: OpenYard, wire: Any, framing: str) -> None:
    head = {
        "chunks": b"Transfer-Encoding: chunked\r\n\r\n" + chunk(b"half"),
        "length": b"Content-Length: 8\r\n\r\nhalf",
        "close": b"\r\nhalf",
    }[framing]
    async with with_peer(open_yard, wire) as (up, yard, client):
        client.send(chat("m"))
        peer = await up.accept()
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n" + head)
        await client.until(b"half")
        peer.reset()
        assert await client.rest() == (b"" if framing == "length" else b"\r\n")  # and no last chunk
        await wire.until(lambda: yard.ends)


async def test_a_stream_that_breaks_off_is_told_why(open_yard: OpenYard, wire: Any) -> None:
    async with with_peer(open_yard, wire) as (up, _, client):
        client.send(chat("m"))
        peer = await up.accept()
        await peer.request()
        peer.send(EVENTS, chunk(b"data: 1\n\n"))
        await client.until(b"data: 1\n\n\r\n")
        peer.close()
        rest = await client.rest()
        assert b'peer \\"box\\" at 127.0.0.1:' in rest
        assert b"in the middle of its response" in rest
        assert not rest.endswith(b"0\r\n\r\n")


async def test_a_client_that_leaves_is_noticed_by_the_peer(open_yard: OpenYard, wire: Any) -> None:
    async with with_peer(open_yard, wire) as (up, yard, client):
        client.send(chat("m"))
        peer = await up.accept()
        await peer.request()
        client.close()
        await peer.gone()
        await wire.until(lambda: yard.ends)
        assert yard.ends == [499]


async def test_a_websocket_to_a_peer(open_yard: OpenYard, wire: Any) -> None:
    async with with_peer(open_yard, wire, api_key="key") as (up, _, client):
        client.send(get(b"/upstream/m/ws", b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: abc"))
        peer = await up.accept()
        request = await peer.head()
        assert (request.target, request.one(b"upgrade"), request.one(b"authorization")) == (
            b"/ws",
            b"websocket",
            b"Bearer key",
        )
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
        assert (await client.head()).status == 101
        assert await client.exactly(5) == b"hello"
        client.send(b"back")
        assert await peer.exactly(4) == b"back"
        peer.close()
        assert await client.rest() == b""


# --- what goes wrong ---


async def test_nobody_listens_there(open_yard: OpenYard, wire: Any, caplog: pytest.LogCaptureFixture) -> None:
    port = wire.free_port()
    async with with_peer(open_yard, wire, port=port) as (_, _, client):
        client.send(chat("m"))
        status, code, message = error_of(await client.response())
        assert (status, code) == (502, "bad_gateway")
        assert (
            message
            == f'peer "box" could not be reached at 127.0.0.1:{port}: the connection was refused (is it running there?)'
        )


@pytest.mark.parametrize(
    ("proxy", "cause"),
    [
        ("http://no-such-host.invalid:81", "no-such-host.invalid:81: its name cannot be resolved"),
        (f"http://{'x' * 70}.test", "its name is no host name"),
        ("ftp://127.0.0.1", "no http:// or https:// URL"),
        ("127.0.0.1", "no http:// or https:// URL"),
    ],
)
async def test_an_address_that_is_none(open_yard: OpenYard, wire: Any, proxy: str, cause: str) -> None:
    config = {"peers": {"box": Peer(proxy=proxy, models=("m",))}}
    async with open_yard(config=config) as yard, wire.connect(yard.port) as client:
        client.send(chat("m"))
        status, code, message = error_of(await client.response())
        assert (status, code) == (502, "bad_gateway")
        assert message.startswith('peer "box" ')
        assert cause in message


async def test_a_peer_that_does_not_answer_in_time(open_yard: OpenYard, wire: Any) -> None:
    async with with_peer(open_yard, wire, timeouts=PeerTimeouts(response_header=1)) as (up, _, client):
        client.send(chat("m"))
        peer = await up.accept()
        await peer.request()
        status, code, message = error_of(await client.response())
        assert (status, code) == (502, "bad_gateway")
        assert message == f'peer "box" at 127.0.0.1:{up.port} sent no response headers within 1 seconds'
        await peer.gone()


async def test_a_peer_that_closes_before_it_answers(open_yard: OpenYard, wire: Any) -> None:
    async with with_peer(open_yard, wire) as (up, _, client):
        client.send(chat("m"))
        peer = await up.accept()
        await peer.request()
        peer.close()
        status, _, message = error_of(await client.response())
        assert (status, message) == (
            502,
            f'peer "box" at 127.0.0.1:{up.port} closed the connection before it sent response headers',
        )
        assert len(up.accepted) == 1


async def test_a_kept_connection_that_was_dead_is_replaced_once(open_yard: OpenYard, wire: Any) -> None:
    async with with_peer(open_yard, wire) as (up, _, client):
        client.send(chat("m"))
        peer = await up.accept()
        await peer.request()
        peer.send(OK)
        await client.response()
        client.send(chat("box/m"))
        await peer.request()
        peer.reset()
        again = await up.accept()
        assert (await again.request()).body == b'{"model":"m"}'
        again.send(OK)
        assert (await client.response()).status == 200


async def test_a_peer_that_leads_back_here(open_yard: OpenYard, wire: Any) -> None:
    config = {"peers": {"me": Peer(proxy="http://127.0.0.1:1", models=("m",))}}
    async with open_yard(config=config) as yard, wire.connect(yard.port) as client:
        itself = {"me": Peer(proxy=f"http://127.0.0.1:{yard.port}", models=("m",))}
        yard.configure(peers=itself)
        client.send(chat("me/m", b"Via: 1.0 fred"))
        status, code, message = error_of(await client.response())
        assert (status, code) == (502, "peer_loop")
        assert "leads back here" in message
        assert yard.ends == [502, 502]


# --- TLS ---


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for `name`, signed by itself, and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-days", "2"]
    subprocess.run([*command, *names, "-out", cert, "-keyout", key], check=True, capture_output=True)
    return cert, key


@pytest.mark.parametrize(
    ("name", "trusted", "refusal"),
    [
        ("localhost", True, ""),
        (
            "other.test",
            True,
            "its TLS certificate is not accepted (Hostname mismatch, certificate is not valid for 'localhost')",
        ),
        ("localhost", False, "its TLS certificate is not accepted (self-signed certificate)"),
    ],
    ids=["trusted", "another name", "not trusted"],
)
async def test_a_peers_certificate_is_verified(
    open_yard: OpenYard,
    wire: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    trusted: bool,
    refusal: str,
) -> None:
    cert, key = certificate(tmp_path, name)
    context = ssl.create_default_context(cafile=str(cert) if trusted else None)
    monkeypatch.setattr(launchpad, "server_verification", lambda: context)
    async with wire.scripted(tls=Certificate(cert, key).context) as up:
        config = {"peers": {"box": Peer(proxy=f"https://localhost:{up.port}", models=("m",))}}
        async with open_yard(config=config) as yard, wire.connect(yard.port) as client:
            client.send(chat("m"))
            if refusal:
                at = f'peer "box" could not be reached at localhost:{up.port}'
                assert error_of(await client.response()) == (502, "bad_gateway", f"{at}: {refusal}")
                return
            peer = await up.accept()
            assert (await peer.request()).one(b"host") == b"localhost:%d" % up.port
            peer.send(OK)
            assert (await client.response()).status == 200


async def test_a_peer_that_speaks_no_tls(open_yard: OpenYard, wire: Any) -> None:
    async with wire.scripted() as up:
        config = {"peers": {"box": Peer(proxy=f"https://127.0.0.1:{up.port}", models=("m",))}}
        async with open_yard(config=config) as yard, wire.connect(yard.port) as client:
            client.send(chat("m"))
            (await up.accept()).send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            status, _, message = error_of(await client.response())
            assert (status, "it does not speak TLS there" in message) == (502, True)


# --- forward proxies ---


def proxied(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://me:pw@127.0.0.1:{port}")


async def test_http_is_asked_for_in_absolute_form(open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with wire.scripted() as forward:
        proxied(monkeypatch, forward.port)
        config = {"peers": {"box": Peer(proxy="http://peer.test:81/base", models=("m",))}}
        async with open_yard(config=config) as yard, wire.connect(yard.port) as client:
            client.send(chat("m", b"Proxy-Authorization: theirs"))
            hop = await forward.accept()
            request = await hop.request()
            assert request.target == b"http://peer.test:81/base/v1/chat/completions"
            assert (request.one(b"host"), request.one(b"proxy-authorization")) == (b"peer.test:81", b"Basic bWU6cHc=")
            hop.send(OK)
            assert (await client.response()).status == 200


async def pass_on(source: Any, to: Any) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.reader.read(65536):
            to.send(data)
    to.close()


async def test_https_goes_through_a_tunnel(
    open_yard: OpenYard, wire: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = certificate(tmp_path, "peer.test")
    context = ssl.create_default_context(cafile=str(cert))
    monkeypatch.setattr(launchpad, "server_verification", lambda: context)
    config = {"peers": {"box": Peer(proxy="https://peer.test", models=("m",))}}
    async with wire.scripted() as forward, wire.scripted(tls=Certificate(cert, key).context) as up:
        proxied(monkeypatch, forward.port)
        async with wire.connect(up.port) as onwards, open_yard(config=config) as yard, wire.connect(yard.port) as client:
            client.send(chat("m"))
            hop = await forward.accept()
            asked = await hop.request()
            assert (asked.start, asked.one(b"host")) == (b"CONNECT peer.test:443 HTTP/1.1", b"peer.test:443")
            assert asked.one(b"proxy-authorization") == b"Basic bWU6cHc="
            hop.send(b"HTTP/1.1 200 Go ahead\r\n\r\n")
            async with asyncio.TaskGroup() as both:
                both.create_task(pass_on(hop, onwards))
                both.create_task(pass_on(onwards, hop))
                peer = await up.accept()
                for again in (True, False):  # on one connection
                    request = await peer.request()
                    assert (request.target, request.one(b"host")) == (CHAT, b"peer.test")
                    assert request.one(b"proxy-authorization") is None
                    peer.send(OK)
                    assert (await client.response()).status == 200
                    if again:
                        client.send(chat("m"))
                peer.close()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 403 Not you\r\nContent-Length: 2\r\n\r\nno", "the proxy refused (403 Not you)"),
        (b"", "the proxy closed the connection"),
    ],
)
async def test_a_tunnel_that_is_refused(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch, answer: bytes, told: str
) -> None:
    async with wire.scripted() as forward:
        proxied(monkeypatch, forward.port)
        config = {"peers": {"box": Peer(proxy="https://peer.test", models=("m",))}}
        async with open_yard(config=config) as yard, wire.connect(yard.port) as client:
            client.send(chat("m"))
            hop = await forward.accept()
            await hop.request()
            hop.send(answer)
            hop.end()
            at = f'peer "box" could not be reached at peer.test:443 through the proxy 127.0.0.1:{forward.port}'
            assert error_of(await client.response()) == (502, "bad_gateway", f"{at}: {told}")
            await hop.gone()


async def test_a_client_leaves_while_a_tunnel_is_opened(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with wire.scripted() as forward:
        proxied(monkeypatch, forward.port)
        config = {"peers": {"box": Peer(proxy="https://peer.test", models=("m",))}}
        async with open_yard(config=config) as yard, wire.connect(yard.port) as client:
            client.send(chat("m"))
            hop = await forward.accept()
            await hop.request()
            client.close()
            await hop.gone()
            await wire.until(lambda: yard.ends)
            assert yard.ends == [499]


# --- reload and shutdown ---


async def test_a_reload_keeps_the_pool_of_an_unchanged_peer(open_yard: OpenYard, wire: Any) -> None:
    async with with_peer(open_yard, wire) as (up, yard, client):
        client.send(chat("m"))
        peer = await up.accept()
        await peer.request()
        peer.send(OK)
        await client.response()
        entry = Peer(proxy=f"http://127.0.0.1:{up.port}", models=("m", "org/n"))
        yard.configure(peers={"box": entry, "other": Peer(proxy="http://127.0.0.1:1", models=("z",))})
        client.send(chat("m"))
        await peer.request()
        peer.send(OK)
        assert (await client.response()).status == 200
        assert len(up.accepted) == 1


@pytest.mark.parametrize("change", ["gone", "changed"])
async def test_a_reload_lets_a_peer_finish_and_keeps_no_connection_to_it(
    open_yard: OpenYard, wire: Any, change: str
) -> None:
    async with with_peer(open_yard, wire) as (up, yard, client), wire.connect(yard.port) as other:
        client.send(chat("m"))
        busy = await up.accept()
        await busy.request()
        other.send(chat("m"))
        idle = await up.accept()
        await idle.request()
        idle.send(OK)
        await other.response()
        entry = Peer(proxy=f"http://127.0.0.1:{up.port}", models=("m", "more"))
        yard.configure(peers={} if change == "gone" else {"box": entry})
        await idle.gone()
        busy.send(OK)
        assert (await client.response()).status == 200
        await busy.gone()


async def test_shutdown_refuses_who_comes_and_ends_who_does_not_finish(open_yard: OpenYard, wire: Any) -> None:
    async with with_peer(open_yard, wire) as (up, yard, client), wire.connect(yard.port) as other:
        client.send(chat("m"))
        peer = await up.accept()
        await peer.request()
        other.send(chat("m")[:-4])
        await wire.settle()
        handlers = [connection.handler for connection in yard.server.connections]
        assert [handler.is_served for handler in handlers if isinstance(handler, Exchange)].count(True) == 1
        yard.peers.begin_shutdown()
        other.send(chat("m")[-4:])
        assert error_of(await other.response()) == (503, "service_unavailable", "the server is shutting down")
        yard.peers.finish_shutdown()
        assert error_of(await client.response()) == (503, "service_unavailable", "the server is shutting down")
        await peer.gone()
