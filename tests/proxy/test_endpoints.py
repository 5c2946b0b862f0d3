"""The endpoint table: each route by name, and what is no route."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swapyard.proxy.endpoints import (
    COMFYUI,
    COMFYUI_ROOT,
    TABLE,
    UPSTREAM,
    Endpoint,
    ErrorShape,
    Where,
    allowed_methods,
    find,
    metered_below,
    shape_of,
    tidy,
)

# method, path, what the upstream is asked for, written out.
ROUTES = [
    ("POST", "/v1/chat/completions", "/v1/chat/completions"),
    ("POST", "/v1/responses", "/v1/responses"),
    ("POST", "/v1/completions", "/v1/completions"),
    ("POST", "/v1/messages", "/v1/messages"),
    ("POST", "/v1/messages/count_tokens", "/v1/messages/count_tokens"),
    ("POST", "/v1/embeddings", "/v1/embeddings"),
    ("POST", "/reranking", "/reranking"),
    ("POST", "/rerank", "/rerank"),
    ("POST", "/v1/rerank", "/v1/rerank"),
    ("POST", "/v1/reranking", "/v1/reranking"),
    ("POST", "/infill", "/infill"),
    ("POST", "/completion", "/completion"),
    ("POST", "/v1/audio/speech", "/v1/audio/speech"),
    ("POST", "/v1/audio/voices", "/v1/audio/voices"),
    ("POST", "/v1/images/generations", "/v1/images/generations"),
    ("POST", "/sdapi/v1/txt2img", "/sdapi/v1/txt2img"),
    ("POST", "/sdapi/v1/img2img", "/sdapi/v1/img2img"),
    ("POST", "/audioapi/v1/tasks/run", "/v1/tasks/run"),
    ("POST", "/v/chat/completions", "/chat/completions"),
    ("POST", "/v/responses", "/responses"),
    ("POST", "/v/completions", "/completions"),
    ("POST", "/v/messages", "/messages"),
    ("POST", "/v/messages/count_tokens", "/messages/count_tokens"),
    ("POST", "/v/embeddings", "/embeddings"),
    ("POST", "/v/rerank", "/rerank"),
    ("POST", "/v/reranking", "/reranking"),
    ("POST", "/v1/audio/transcriptions", "/v1/audio/transcriptions"),
    ("POST", "/v1/images/edits", "/v1/images/edits"),
    ("GET", "/v1/audio/voices", "/v1/audio/voices"),
    ("GET", "/sdapi/v1/loras", "/sdapi/v1/loras"),
    ("GET", "/props", "/props"),
    ("HEAD", "/v1/audio/voices", "/v1/audio/voices"),
    ("HEAD", "/sdapi/v1/loras", "/sdapi/v1/loras"),
    ("HEAD", "/props", "/props"),
]
FORMS = {"/v1/audio/transcriptions", "/v1/images/edits"}
ANTHROPIC = {"/v1/messages", "/v1/messages/count_tokens", "/v/messages", "/v/messages/count_tokens"}


@pytest.mark.parametrize(("method", "path", "forward_path"), ROUTES)
def test_route(method: str, path: str, forward_path: str) -> None:
    found = find(method, path)
    assert found is not None
    assert found.purpose
    assert replace(found, purpose="") == Endpoint(
        method,
        path,
        Where.BODY if method == "POST" else Where.QUERY,
        forward_path,
        ErrorShape.ANTHROPIC if path in ANTHROPIC else ErrorShape.OPENAI,
        metered=True,
        multipart=path in FORMS,
    )


def test_the_table_holds_these_routes_and_the_two_prefixes_and_no_others() -> None:
    assert {(row.method, row.path) for row in TABLE} == {
        *((method, path) for method, path, _ in ROUTES),
        ("*", "/upstream/"),
        ("*", "/comfyui/"),
        ("*", "/comfyui"),
    }
    assert len(TABLE) == len(ROUTES) + 3


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"])
def test_prefixes_take_any_method(method: str) -> None:
    assert find(method, "/upstream/m/v1/x") is UPSTREAM
    assert find(method, "/upstream/") is UPSTREAM
    assert find(method, "/comfyui/") is COMFYUI
    assert find(method, "/comfyui/api/queue") is COMFYUI
    assert find(method, "/comfyui") is COMFYUI_ROOT
    assert UPSTREAM.where is Where.PATH
    assert COMFYUI.where is Where.FIXED


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/upstream"),  # the control plane's
        ("GET", "/v1/models"),
        ("GET", "/v1/chat/completions"),
        ("DELETE", "/props"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "/V1/chat/completions"),
        ("post", "/v1/chat/completions"),
        ("POST", "/v1%2Fchat/completions"),  # an encoded slash separates nothing
        ("POST", "/v1/chat%2fcompletions"),
        ("POST", "/comfyuix"),
        ("POST", ""),
    ],
)
def test_not_a_route(method: str, path: str) -> None:
    assert find(method, path) is None


def test_needless_percent_encoding_is_seen_through() -> None:
    assert find("POST", "/v1/%63hat/completions") is find("POST", "/v1/chat/completions")
    assert allowed_methods("/%70rops") == ("GET", "HEAD")


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/chat/completions", ("POST",)),
        ("/props", ("GET", "HEAD")),
        ("/v1/audio/voices", ("GET", "HEAD", "POST")),
        ("/v1/models", ()),
        ("/upstream/m/", ()),
    ],
)
def test_methods_for_a_405(path: str, methods: tuple[str, ...]) -> None:
    assert allowed_methods(path) == methods


def test_what_counts_below_upstream() -> None:
    assert metered_below("POST", "/v1/chat/completions")
    assert metered_below("GET", "/props")
    assert not metered_below("GET", "/v1/chat/completions")
    assert not metered_below("GET", "/")


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/v1/messages", ErrorShape.ANTHROPIC),
        ("/v1/messages/batches", ErrorShape.ANTHROPIC),
        ("/v/messages/count_tokens", ErrorShape.ANTHROPIC),
        ("/upstream/m/v1/messages", ErrorShape.ANTHROPIC),
        ("/upstream/m/v1/chat/completions", ErrorShape.OPENAI),
        ("/v1/messagesx", ErrorShape.OPENAI),
        ("/", ErrorShape.OPENAI),
        ("", ErrorShape.OPENAI),
    ],
)
def test_shape_of_errors(path: str, shape: ErrorShape) -> None:
    assert shape_of(path) is shape


@pytest.mark.parametrize(
    ("path", "clean"),
    [
        ("/v1//chat/completions", "/v1/chat/completions"),
        ("//v1/models", "/v1/models"),
        ("/v1/./models", "/v1/models"),
        ("/v1/x/../models", "/v1/models"),
        ("/v1/models/.", "/v1/models/"),
        ("/v1/models/..", "/v1/"),
        ("/../../etc", "/etc"),
        ("/..", "/"),
        ("/upstream/m/../n/", "/upstream/n/"),
        ("/upstream/m/../../api/x", "/api/x"),
        ("/upstream/m/a/./b//c", "/upstream/m/a/b//c"),
        ("/upstream/..//evil.example", "/evil.example"),  # and not //evil.example, which is another site
        ("/./\\evil.example", "/evil.example"),
    ],
)
def test_untidy_paths_have_a_tidy_one(path: str, clean: str) -> None:
    assert tidy(path) == clean
    assert tidy(clean) is None


@pytest.mark.parametrize(
    "path", ["/", "", "*", "/v1/models", "/.well-known/x", "/a/..b", "/a/b.", "/upstream/m//x", "/comfyui//x", "/a/%2e%2e/b"]
)
def test_tidy_paths_stay(path: str) -> None:
    assert tidy(path) is None
