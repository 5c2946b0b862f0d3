"""The endpoint table: every path that leads to a model, one row each.

A row says where the model id is, what path the upstream gets, in which shape errors are told, and whether the exchange is
metered. The table drives routing, the documentation and the tests; a new route is a new row and nothing else.

The paths of the control plane (`/v1/models`, `/running`, `/api/...`, ...) are not here: whatever `find` does not know goes
to the ASGI app. `find` and `allowed_methods` take the path without its query, as text (latin-1 of the raw bytes).

Nothing here knows a configuration.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import unquote


class Where(StrEnum):
    """Where a request says which model it wants."""

    BODY = "body"  # `model` of the JSON object or of the form
    QUERY = "query"  # ?model=
    PATH = "path"  # the segments after /upstream/
    FIXED = "fixed"  # the route itself


class ErrorShape(StrEnum):
    OPENAI = "openai"
    ANTHROPIC = "anthropic"


class Step(StrEnum):
    """Which part of the data plane serves a row. `LATER` rows are known (so that they are no 404 and nobody else takes their
    path), but nothing serves them yet."""

    NOW = "now"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A row. `method` "*" is any. `path` ends in "/" where everything below it belongs to the row.

    `forward_path`: what the upstream is asked for; empty where each request says it (PATH) or a prefix is cut (FIXED).
    `metered`: tokens are counted and the request shows among those in flight.
    `multipart`: clients usually send a form here. The content type alone decides how a body is read, on every row.
    """

    method: str
    path: str
    where: Where
    forward_path: str
    shape: ErrorShape = ErrorShape.OPENAI
    metered: bool = True
    multipart: bool = False
    step: Step = Step.NOW


COMFYUI_MODEL: Final = "comfyui_auto"

JSON_PATHS: Final = (
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/completions",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/embeddings",
    "/reranking",
    "/rerank",
    "/v1/rerank",
    "/v1/reranking",
    "/infill",
    "/completion",
    "/v1/audio/speech",
    "/v1/audio/voices",
    "/v1/images/generations",
    "/sdapi/v1/txt2img",
    "/sdapi/v1/img2img",
    "/audioapi/v1/tasks/run",
    # Without a version, for engines that have none in their paths (llama-swap #728).
    "/v/chat/completions",
    "/v/responses",
    "/v/completions",
    "/v/messages",
    "/v/messages/count_tokens",
    "/v/embeddings",
    "/v/rerank",
    "/v/reranking",
)
FORM_PATHS: Final = ("/v1/audio/transcriptions", "/v1/images/edits")
QUERY_PATHS: Final = ("/v1/audio/voices", "/sdapi/v1/loras", "/props")

UPSTREAM_PREFIX: Final = "/upstream/"
COMFYUI_PREFIX: Final = "/comfyui/"


def forwarded(path: str) -> str:
    """The path that the upstream sees: `/v/` becomes `/` and `/audioapi` is cut; everything else stays."""
    if path.startswith("/v/"):
        return path[2:]
    return path.removeprefix("/audioapi")


def shape_of(path: str) -> ErrorShape:
    """In which API's words an error on this path is told. Below `/upstream/` the path behind the model decides, because an
    SDK that is pointed at `/upstream/<model>` still reads its own API's errors."""
    if path.startswith(UPSTREAM_PREFIX):
        return ErrorShape.ANTHROPIC if "/v1/messages" in path else ErrorShape.OPENAI
    for root in ("/v1/messages", "/v/messages"):
        if path == root or path.startswith(root + "/"):
            return ErrorShape.ANTHROPIC
    return ErrorShape.OPENAI


def _rows() -> Iterator[Endpoint]:
    for path in JSON_PATHS:
        yield Endpoint("POST", path, Where.BODY, forwarded(path), shape_of(path))
    for path in FORM_PATHS:
        yield Endpoint("POST", path, Where.BODY, forwarded(path), multipart=True, step=Step.LATER)
    for path in QUERY_PATHS:
        yield Endpoint("GET", path, Where.QUERY, forwarded(path))
        yield Endpoint("HEAD", path, Where.QUERY, forwarded(path))
    yield UPSTREAM
    yield COMFYUI
    yield COMFYUI_ROOT


# `metered` depends on the path behind the model: `metered_below`.
UPSTREAM: Final = Endpoint("*", UPSTREAM_PREFIX, Where.PATH, "", metered=False)
COMFYUI: Final = Endpoint("*", COMFYUI_PREFIX, Where.FIXED, "", metered=False, step=Step.LATER)
COMFYUI_ROOT: Final = Endpoint("*", "/comfyui", Where.FIXED, "", metered=False, step=Step.LATER)

TABLE: Final[tuple[Endpoint, ...]] = tuple(_rows())

_BY_PATH: Final[dict[str, dict[str, Endpoint]]] = {}
for _row in TABLE:
    if _row.method != "*":
        _BY_PATH.setdefault(_row.path, {})[_row.method] = _row
_NONE: Final[dict[str, Endpoint]] = {}

# The rows that are served as they stand here, by the raw method and path: nearly every request is one of these.
PLAIN: Final[dict[tuple[bytes, bytes], Endpoint]] = {
    (_row.method.encode(), _row.path.encode()): _row for _row in TABLE if _row.method != "*" and _row.step is Step.NOW
}


def find(method: str, path: str) -> Endpoint | None:
    """The row for a request, or None: then the path is unknown here, or known with other methods (`allowed_methods`)."""
    row = _BY_PATH.get(path, _NONE).get(method)
    if row is not None:
        return row
    if path.startswith(UPSTREAM_PREFIX):
        return UPSTREAM
    if path.startswith(COMFYUI_PREFIX):
        return COMFYUI
    if path == COMFYUI_ROOT.path:
        return COMFYUI_ROOT
    return _methods(path).get(method) if "%" in path else None


def allowed_methods(path: str) -> tuple[str, ...]:
    """The methods that a path of the table takes, sorted; empty where the table does not know it (or it takes any)."""
    return tuple(sorted(_methods(path)))


def metered_below(method: str, path: str) -> bool:
    """Whether a request to `/upstream/<model><path>` counts like one to `path` itself."""
    row = _BY_PATH.get(path, _NONE).get(method)
    return row is not None and row.metered


def _methods(path: str) -> dict[str, Endpoint]:
    """By method, for a path that may have been percent-encoded needlessly (`/v1/%63ompletions`). An encoded slash is a
    character of a segment and never a separator, so such a path matches nothing."""
    if "%" in path:
        path = "/".join(unquote(segment).replace("/", "\0") for segment in path.split("/"))
    return _BY_PATH.get(path, _NONE)


def tidy(path: str) -> str | None:
    """Where a path with `//`, `/./` or `/../` should have gone (a 307), or None where it is fine.

    Only what is written plainly counts: `%2e%2e` is the upstream's business. Empty segments below `/upstream/<model>/` and
    `/comfyui/` are passed on (llama-swap redirects them away); dot segments never are, so nobody climbs out of a prefix.
    """
    if "//" not in path and "/." not in path:
        return None
    keep_empty = path.startswith((UPSTREAM_PREFIX, COMFYUI_PREFIX))
    segments: list[str] = []
    *inner, last = path.split("/")[1:]
    for segment in inner:
        if segment == "..":
            del segments[-1:]
        elif segment != "." and (segment or keep_empty):
            segments.append(segment)
    if last == "..":
        del segments[-1:]
    tail = "" if last in {".", ".."} else last
    # One slash in front, whatever is left: "//host" in a Location would be another site.
    clean = "/" + "/".join([*segments, tail]).lstrip("/\\")
    return None if clean == path else clean
