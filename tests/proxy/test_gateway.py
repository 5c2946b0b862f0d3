"""The front door: who is let in, and where a request goes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from swapyard.config.schema import Model, Profile
from swapyard.core.messages import StartError

if TYPE_CHECKING:
    from tests.proxy.conftest import OpenYard

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def ask(method: bytes, path: bytes, *lines: bytes) -> bytes:
    return b"%s %s HTTP/1.1\r\n%s\r\n\r\n" % (method, path, b"\r\n".join((b"Host: x", *lines)))


async def test_what_the_table_does_not_know_goes_to_the_control_plane(open_yard: OpenYard, wire: Any) -> None:
    async with open_yard(m=1) as yard, wire.connect(yard.port) as client:
        for path in (b"/", b"/v1/models", b"/running", b"/nowhere/at/all", b"/%2e%2e/x"):
            client.send(ask(b"GET", path))
            assert (await client.response()).body.startswith(b"control plane: /")
        assert yard.processes == []


@pytest.mark.parametrize("path", [b"/v1/chat/completions", b"/nowhere", b"/health", b"/upstream/m/x", b"*"])
async def test_a_preflight_is_answered_anywhere_and_without_a_key(open_yard: OpenYard, wire: Any, path: bytes) -> None:
    async with open_yard(m=1, config={"api_keys": ("k",)}) as yard, wire.connect(yard.port) as client:
        client.send(ask(b"OPTIONS", path, b"Access-Control-Request-Headers: x-a, b@d"))
        answer = await client.response()
        assert answer.status == 204
        assert answer.one(b"access-control-allow-origin") == b"*"
        assert answer.one(b"access-control-allow-headers") == b"x-a"
        assert answer.one(b"content-length") is None


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        (b"GET", b"/v1/chat/completions", b"POST"),
        (b"PUT", b"/v1/audio/voices", b"GET, HEAD, POST"),
        (b"POST", b"/props", b"GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_in_json(
    open_yard: OpenYard, wire: Any, method: bytes, path: bytes, allowed: bytes
) -> None:
    async with open_yard(m=1) as yard, wire.connect(yard.port) as client:
        client.send(ask(method, path))
        answer = await client.response()
        assert (answer.status, answer.one(b"allow")) == (405, allowed)
        assert json.loads(answer.body)["error"]["code"] == "method_not_allowed"
        assert answer.one(b"access-control-allow-origin") == b"*"
        assert answer.one(b"content-length") == b"%d" % len(answer.body)


async def test_an_error_on_head_has_no_body(open_yard: OpenYard, wire: Any) -> None:
    async with open_yard(m=1) as yard, wire.connect(yard.port) as client:
        client.send(ask(b"HEAD", b"/v1/chat/completions"), ask(b"HEAD", b"/upstream/nobody/x"), ask(b"GET", b"/running"))
        answer = await client.response(to=b"HEAD")
        assert (answer.status, int(answer.one(b"content-length") or 0) > 0) == (405, True)
        assert (await client.response(to=b"HEAD")).status == 404
        assert (await client.response()).body == b"control plane: /running"


@pytest.mark.parametrize(
    ("path", "location"),
    [
        (b"//v1//models?a=b", b"/v1/models?a=b"),
        (b"/v1/./models", b"/v1/models"),
        (b"/upstream/m/../../health", b"/health"),
        (b"//evil.example/x", b"/evil.example/x"),
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"POST"])
async def test_untidy_paths_are_redirected(
    open_yard: OpenYard, wire: Any, path: bytes, location: bytes, method: bytes
) -> None:
    async with open_yard(m=1, config={"api_keys": ("k",)}) as yard, wire.connect(yard.port) as client:
        client.send(ask(method, path))
        answer = await client.response()
        assert (answer.status, answer.one(b"location"), answer.body) == (307, location, b"")
        assert answer.one(b"access-control-allow-origin") == b"*"


@pytest.mark.parametrize(("method", "status"), [(b"GET", 301), (b"HEAD", 301), (b"POST", 308)])
async def test_a_model_without_a_path_is_redirected(open_yard: OpenYard, wire: Any, method: bytes, status: int) -> None:
    async with open_yard(m=1) as yard, wire.connect(yard.port) as client:
        client.send(ask(method, b"/upstream/m?x=1"))
        answer = await client.response(to=method)
        assert (answer.status, answer.one(b"location")) == (status, b"/upstream/m/?x=1")
        assert answer.one(b"access-control-allow-origin") == b"*"
        assert answer.one(b"content-length") == b"0"
        assert yard.processes == []


@pytest.mark.parametrize(
    "path",
    [b"/", b"/health", b"/wol-health", b"/favicon.ico", b"/upstream", b"/ui", b"/ui/", b"/ui/assets/a.js", b"/ui/logs"],
)
async def test_public_paths_need_no_key(open_yard: OpenYard, wire: Any, path: bytes) -> None:
    async with open_yard(m=1, config={"api_keys": ("k",)}) as yard, wire.connect(yard.port) as client:
        client.send(ask(b"GET", path))
        assert (await client.response()).status == 200


@pytest.mark.parametrize(
    "path",
    [b"/v1/models", b"/v1/chat/completions", b"/upstream/m/x", b"/running", b"/uix", b"/nowhere", b"/health/", b"/%68ealth"],
)
@pytest.mark.parametrize("method", [b"GET", b"POST", b"HEAD", b"DELETE"])
async def test_all_others_need_one(open_yard: OpenYard, wire: Any, path: bytes, method: bytes) -> None:
    async with open_yard(m=1, config={"api_keys": ("k",)}) as yard, wire.connect(yard.port) as client:
        client.send(ask(method, path), ask(method, path, b"Authorization: Bearer wrong"))
        for _ in range(2):
            answer = await client.response(to=method)
            assert (answer.status, answer.one(b"www-authenticate")) == (401, b'Basic realm="swapyard"')
            assert answer.one(b"access-control-allow-origin") == b"*"
        assert yard.processes == []


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE"])
async def test_the_page_is_public_for_looking_only(open_yard: OpenYard, wire: Any, method: bytes) -> None:
    async with open_yard(m=1, config={"api_keys": ("k",)}) as yard, wire.connect(yard.port) as client:
        client.send(ask(method, b"/ui/"))
        assert (await client.response()).status == 401


async def test_a_page_that_asks_for_the_key_itself_does_not_make_the_browser_ask(open_yard: OpenYard, wire: Any) -> None:
    async with open_yard(m=1, config={"api_keys": ("k",)}) as yard, wire.connect(yard.port) as client:
        client.send(ask(b"GET", b"/running", b"X-Requested-With: swapyard"))
        answer = await client.response()
        assert answer.status == 401
        assert answer.all(b"www-authenticate") == []


async def test_a_key_opens(open_yard: OpenYard, wire: Any) -> None:
    async with open_yard(m=1, config={"api_keys": ("k",)}) as yard, wire.connect(yard.port) as client:
        for line in (b"Authorization: Bearer k", b"x-api-key: k"):
            client.send(ask(b"GET", b"/v1/models", line))
            assert (await client.response()).status == 200


async def test_an_error_of_the_message_itself_is_json_too(open_yard: OpenYard, wire: Any) -> None:
    async with open_yard(m=1) as yard, wire.connect(yard.port) as client:
        client.send(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n")
        answer = await client.response()
        assert answer.status == 400
        assert json.loads(answer.body)["error"]["type"] == "invalid_request_error"
        assert answer.one(b"access-control-allow-origin") == b"*"


@pytest.mark.parametrize(("said", "heard"), [(b"", b"*"), (b"https://a", b"https://a")])
async def test_answers_can_be_read_across_origins(open_yard: OpenYard, wire: Any, said: bytes, heard: bytes) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(ask(b"GET", b"/upstream/m/x"))
        peer = await up.accept()
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: ", said, b"\r\nContent-Length: 0\r\n\r\n")
        assert (await client.response()).one(b"access-control-allow-origin") == heard


@pytest.mark.parametrize(("said", "heard"), [(b"", b"no"), (b"X-Accel-Buffering: yes\r\n", b"yes")])
async def test_event_streams_are_not_to_be_buffered(open_yard: OpenYard, wire: Any, said: bytes, heard: bytes) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, ready="m") as yard, wire.connect(yard.port) as client:
        client.send(ask(b"GET", b"/upstream/m/x"))
        peer = await up.accept()
        await peer.request()
        peer.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\n", said, b"Content-Length: 0\r\n\r\n"
        )
        assert (await client.response()).one(b"x-accel-buffering") == heard


async def test_looking_at_things_starts_nothing(open_yard: OpenYard, wire: Any) -> None:
    """UIs and monitors poll these."""
    async with open_yard(m=1) as yard, wire.connect(yard.port) as client:
        paths = [
            b"/",
            b"/v1/models",
            b"/running",
            b"/health",
            b"/metrics",
            b"/ui/",
            b"/upstream/m/favicon.ico",
            b"/upstream/m",
        ]
        for path in paths:
            for method in (b"GET", b"HEAD", b"OPTIONS"):
                client.send(ask(method, path))
                await client.response(to=b"HEAD" if method != b"GET" else method)
        assert yard.processes == []
        assert yard.engine.arrivals == []


async def test_health_is_answered_without_the_control_plane_and_without_a_key(open_yard: OpenYard, wire: Any) -> None:
    async with open_yard(m=1, config={"api_keys": ("k",)}) as yard, wire.connect(yard.port) as client:
        client.send(ask(b"GET", b"/health"), ask(b"HEAD", b"/wol-health"), ask(b"POST", b"/health"))
        assert (await client.response()).body == b"OK"
        assert (await client.response(to=b"HEAD")).status == 200
        assert (await client.response()).body == b"control plane: /health"


# --- /props ---

NAMES = {"m": Model(cmd="x", aliases=("al",)), "n": Model(cmd="x")}
PINS = {"profiles": {"p": Profile(pins={"n": "m"})}}


@pytest.mark.parametrize("query", [b"", b"?model=", b"?autoload=false", b"?x=1"])
async def test_props_without_a_model_are_the_control_planes(open_yard: OpenYard, wire: Any, query: bytes) -> None:
    async with open_yard(m=1) as yard, wire.connect(yard.port) as client:
        client.send(ask(b"GET", b"/props" + query))
        assert (await client.response()).body.startswith(b"control plane: /props")


@pytest.mark.parametrize("query", [b"model=m&autoload=false", b"autoload=0&model=al", b"model=n&autoload=no"])
async def test_props_that_shall_load_nothing_are_asked_of_a_loaded_model(
    open_yard: OpenYard, wire: Any, query: bytes
) -> None:
    async with wire.scripted() as up, open_yard(m=up.port, n=up.port, models=NAMES, config=PINS) as yard:
        yard.gateway.state.activate("p")  # "n" means "m"
        async with wire.connect(yard.port) as client:
            client.send(ask(b"GET", b"/props?" + query))
            answer = await client.response()
            assert answer.status == 400
            assert json.loads(answer.body)["error"]["message"].startswith('model "m" is not loaded')
            assert yard.processes == []
            await yard.load("m")
            client.send(ask(b"GET", b"/props?" + query))
            peer = await up.accept()
            await peer.request()
            peer.send(OK)
            assert (await client.response()).body == b"{}"


@pytest.mark.parametrize("autoload", [b"", b"&autoload=true", b"&autoload=1", b"&autoload="])
async def test_other_props_load_their_model(open_yard: OpenYard, wire: Any, autoload: bytes) -> None:
    async with open_yard(m=1) as yard, wire.connect(yard.port) as client:
        client.send(ask(b"GET", b"/props?model=m" + autoload))
        (await yard.started()).exit(StartError("no"))
        assert (await client.response()).status == 502


async def test_props_of_an_unknown_model_are_refused_as_ever(open_yard: OpenYard, wire: Any) -> None:
    async with open_yard(m=1) as yard, wire.connect(yard.port) as client:
        client.send(ask(b"GET", b"/props?model=nobody&autoload=false"))
        assert (await client.response()).status == 404
