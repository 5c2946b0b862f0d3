"""Every endpoint by name, from socket to socket: where its model is named, what its server is asked for, who may ask, and
which methods it knows.

The routes of the control plane are in tests/e2e/test_every_route.py.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from swapyard.config.schema import Model
from swapyard.proxy.endpoints import TABLE

if TYPE_CHECKING:
    from tests.proxy.conftest import OpenYard

KEY = b"Authorization: Bearer k"
KEYS = {"api_keys": ("k",)}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Row(NamedTuple):
    """`forwarded`: the path that the model's server is asked for, where it is not the same."""

    method: str
    path: str
    forwarded: str = ""
    allowed: tuple[str, ...] = ("POST",)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def target(self) -> bytes:
        return (self.forwarded or self.path).encode()


GETS = ("GET", "HEAD")
BODY_ROWS = (
    Row("POST", "/v1/chat/completions"),
    Row("POST", "/v1/responses"),
    Row("POST", "/v1/completions"),
    Row("POST", "/v1/messages"),
    Row("POST", "/v1/messages/count_tokens"),
    Row("POST", "/v1/embeddings"),
    Row("POST", "/reranking"),
    Row("POST", "/rerank"),
    Row("POST", "/v1/rerank"),
    Row("POST", "/v1/reranking"),
    Row("POST", "/infill"),
    Row("POST", "/completion"),
    Row("POST", "/v1/audio/speech"),
    Row("POST", "/v1/audio/voices", allowed=("GET", "HEAD", "POST")),
    Row("POST", "/v1/images/generations"),
    Row("POST", "/sdapi/v1/txt2img"),
    Row("POST", "/sdapi/v1/img2img"),
    Row("POST", "/audioapi/v1/tasks/run", "/v1/tasks/run"),
    Row("POST", "/v/chat/completions", "/chat/completions"),
    Row("POST", "/v/responses", "/responses"),
    Row("POST", "/v/completions", "/completions"),
    Row("POST", "/v/messages", "/messages"),
    Row("POST", "/v/messages/count_tokens", "/messages/count_tokens"),
    Row("POST", "/v/embeddings", "/embeddings"),
    Row("POST", "/v/rerank", "/rerank"),
    Row("POST", "/v/reranking", "/reranking"),
    Row("POST", "/v1/audio/transcriptions"),
    Row("POST", "/v1/images/edits"),
)
QUERY_ROWS = (
    Row("GET", "/v1/audio/voices", allowed=("GET", "HEAD", "POST")),
    Row("GET", "/sdapi/v1/loras", allowed=GETS),
    Row("GET", "/props", allowed=GETS),
)
UPSTREAM_ROWS = tuple(Row(method, "/upstream/m/v/a%2Fb//c", "/v/a%2Fb//c", METHODS) for method in METHODS)
COMFYUI_ROWS = tuple(Row(method, "/comfyui/v/a%2Fb//c", "/v/a%2Fb//c", METHODS) for method in METHODS)
COMFYUI_ROOT_ROWS = tuple(Row(method, "/comfyui", allowed=METHODS) for method in METHODS)
ROWS = (*BODY_ROWS, *QUERY_ROWS, *UPSTREAM_ROWS, *COMFYUI_ROWS, *COMFYUI_ROOT_ROWS)

UPLOAD = b"""--B
Content-Disposition: form-data; name="file"; filename="a.wav"
Content-Type: audio/wav

RIFF
--B
Content-Disposition: form-data; name="model"

NAME
--B--
"""
BODIES = {
    "json": (b"application/json", b'{"model": "NAME", "x": 1.0}'),
    "form": (b"application/x-www-form-urlencoded", b"x=1&model=NAME"),
    "multipart": (b"multipart/form-data; boundary=B", UPLOAD.replace(b"\n", b"\r\n")),
}


def message(method: str, target: str, body: tuple[bytes, bytes] | None = None, *lines: bytes) -> bytes:
    fields = [b"Host: gate", *lines]
    if body is not None:
        fields += [b"Content-Type: " + body[0], b"Content-Length: %d" % len(body[1])]
    return b"%s %s HTTP/1.1\r\n%s\r\n\r\n%s" % (
        method.encode(),
        target.encode(),
        b"\r\n".join(fields),
        body[1] if body is not None else b"",
    )


def naming(name: str, kind: str = "json") -> tuple[bytes, bytes]:
    content_type, body = BODIES[kind]
    return content_type, body.replace(b"NAME", name.encode())


def well_formed(row: Row, name: str = "m", *lines: bytes) -> bytes:
    """A request of the row for the model `name`."""
    if row in QUERY_ROWS:
        return message(row.method, f"{row.path}?model={name}", None, *lines)
    body = naming(name) if row.method in ("POST", "PUT", "PATCH") else None
    return message(row.method, row.path, body, *lines)


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("row", BODY_ROWS, ids=str)
async def test_a_body_that_names_a_model_reaches_its_server_whatever_its_kind(
    open_yard: OpenYard, wire: Any, row: Row, kind: str
) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", config=KEYS, models={"m": Model(cmd="x", aliases=("nick",))}) as yard,
        wire.connect(yard.port) as client,
    ):
        body = naming("nick", kind)
        client.send(message(row.method, row.path + "?a=%2F&b", body, KEY))
        peer = await up.accept()
        request = await peer.request()
        assert (request.method, request.target) == (row.method.encode(), row.target + b"?a=%2F&b")
        assert (request.one(b"content-type"), request.body) == body
        peer.send(OK)
        answer = await client.response()
        assert (answer.status, answer.body) == (200, b"{}")


@pytest.mark.parametrize("method", GETS)
@pytest.mark.parametrize("row", QUERY_ROWS, ids=str)
async def test_a_query_that_names_a_model_reaches_its_server(open_yard: OpenYard, wire: Any, row: Row, method: str) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", config=KEYS) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(message(method, row.path + "?a=%2F&model=m", None, KEY))
        peer = await up.accept()
        request = await peer.request()
        assert (request.method, request.target) == (method.encode(), row.target + b"?a=%2F&model=m")
        peer.send(OK if method == "GET" else OK.removesuffix(b"{}"))
        answer = await client.response(to=method.encode())
        assert (answer.status, answer.body) == (200, b"{}" if method == "GET" else b"")
        assert answer.one(b"content-length") == b"2"


@pytest.mark.parametrize("row", [*UPSTREAM_ROWS, *COMFYUI_ROWS], ids=str)
async def test_what_stands_behind_the_model_reaches_its_server_untouched(open_yard: OpenYard, wire: Any, row: Row) -> None:
    model = "m" if row in UPSTREAM_ROWS else "comfyui_auto"
    async with (
        wire.scripted() as up,
        open_yard(**{model: up.port}, ready=model, config=KEYS) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(message(row.method, row.path + "?a=%2F", (b"text/x", b"anything"), KEY))
        peer = await up.accept()
        request = await peer.request()
        assert (request.method, request.target, request.body) == (row.method.encode(), row.target + b"?a=%2F", b"anything")
        peer.send(OK if row.method != "HEAD" else OK.removesuffix(b"{}"))
        assert (await client.response(to=row.method.encode())).status == 200


@pytest.mark.parametrize("row", COMFYUI_ROOT_ROWS, ids=str)
async def test_the_way_to_comfyui(open_yard: OpenYard, wire: Any, row: Row) -> None:
    async with open_yard(comfyui_auto=1, config=KEYS) as yard, wire.connect(yard.port) as client:
        client.send(message(row.method, row.path + "?a=%2F", None, KEY))
        answer = await client.response(to=row.method.encode())
        assert answer.status == (301 if row.method in GETS else 308)
        assert answer.one(b"location") == b"/comfyui/?a=%2F"
        assert yard.processes == []


@pytest.mark.parametrize("row", [row for row in ROWS if row not in COMFYUI_ROOT_ROWS], ids=str)
async def test_an_unknown_model_is_not_found_and_nothing_is_started(open_yard: OpenYard, wire: Any, row: Row) -> None:
    unknown = row._replace(path=row.path.replace("/upstream/m/", "/upstream/nobody/"))
    async with open_yard(m=1, config=KEYS) as yard, wire.connect(yard.port) as client:
        request = well_formed(row, "nobody", KEY).replace(row.path.encode(), unknown.path.encode())
        client.send(request)
        answer = await client.response(to=row.method.encode())
        assert answer.status == 404
        if row.method != "HEAD":
            assert ("comfyui_auto" if row in COMFYUI_ROWS else "nobody") in json.loads(answer.body)["error"]["message"]
        assert yard.processes == []


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_a_key_is_needed(open_yard: OpenYard, wire: Any, row: Row) -> None:
    async with open_yard(m=1, config=KEYS) as yard:
        for lines in ((), (b"Authorization: Bearer wrong",), (b"x-api-key: wrong",)):
            async with wire.connect(yard.port) as client:
                client.send(well_formed(row, "m", *lines))
                answer = await client.response(to=row.method.encode())
                assert answer.status == 401
                assert answer.one(b"www-authenticate") == b'Basic realm="swapyard"'
        assert yard.processes == []


@pytest.mark.parametrize("row", [*BODY_ROWS, *QUERY_ROWS], ids=str)
async def test_other_methods_are_refused_and_the_right_ones_named(open_yard: OpenYard, wire: Any, row: Row) -> None:
    async with open_yard(m=1, config=KEYS) as yard:
        for method in sorted({*METHODS, "PROPFIND"} - set(row.allowed)):
            async with wire.connect(yard.port) as client:
                client.send(message(method, row.path, naming("m"), KEY))
                answer = await client.response(to=method.encode())
                assert (answer.status, answer.one(b"allow")) == (405, ", ".join(row.allowed).encode())


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_a_preflight_is_answered_without_a_key(open_yard: OpenYard, wire: Any, row: Row) -> None:
    async with open_yard(m=1, config=KEYS) as yard, wire.connect(yard.port) as client:
        client.send(message("OPTIONS", row.path, None, b"Origin: http://page", b"Access-Control-Request-Method: POST"))
        answer = await client.response()
        assert (answer.status, answer.one(b"access-control-allow-origin")) == (204, b"*")
        assert yard.processes == []


def test_the_tables_above_have_every_endpoint() -> None:
    named = {(row.method, row.path) for row in (*BODY_ROWS, *QUERY_ROWS)} | {("HEAD", row.path) for row in QUERY_ROWS}
    assert {(row.method, row.path) for row in TABLE} == named | {("*", "/upstream/"), ("*", "/comfyui/"), ("*", "/comfyui")}
