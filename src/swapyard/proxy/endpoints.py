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


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A row. `method` "*" is any. `path` ends in "/" where everything below it belongs to the row.

    `forward_path`: what the upstream is asked for; empty where each request says it (PATH) or a prefix is cut (FIXED).
    `metered`: tokens are counted and the request shows among those in flight.
    `multipart`: clients usually send a form here. The content type alone decides how a body is read, on every row.
    `purpose`: a few words for the documentation.
    """

    method: str
    path: str
    where: Where
    forward_path: str
    shape: ErrorShape = ErrorShape.OPENAI
    metered: bool = True
    multipart: bool = False
    purpose: str = ""


COMFYUI_MODEL: Final = "comfyui_auto"

# Path -> what it is for.
JSON_PATHS: Final = {
    "/v1/chat/completions": "Chat completion (OpenAI)",
    "/v1/responses": "Response (OpenAI)",
    "/v1/completions": "Text completion (OpenAI)",
    "/v1/messages": "Message (Anthropic)",
    "/v1/messages/count_tokens": "Tokens of a message (Anthropic)",
    "/v1/embeddings": "Embeddings",
    "/reranking": "Rerank documents",
    "/rerank": "Rerank documents",
    "/v1/rerank": "Rerank documents",
    "/v1/reranking": "Rerank documents",
    "/infill": "Fill in code (llama.cpp)",
    "/completion": "Text completion (llama.cpp)",
    "/v1/audio/speech": "Text to speech",
    "/v1/audio/voices": "A voice to speak with",
    "/v1/images/generations": "Text to image (OpenAI)",
    "/sdapi/v1/txt2img": "Text to image (Stable Diffusion web UI)",
    "/sdapi/v1/img2img": "Image to image (Stable Diffusion web UI)",
    "/audioapi/v1/tasks/run": "Audio task (audio.cpp)",
    # Without a version, for engines that have none in their paths (llama-swap #728).
    "/v/chat/completions": "Chat completion",
    "/v/responses": "Response",
    "/v/completions": "Text completion",
    "/v/messages": "Message",
    "/v/messages/count_tokens": "Tokens of a message",
    "/v/embeddings": "Embeddings",
    "/v/rerank": "Rerank documents",
    "/v/reranking": "Rerank documents",
}
FORM_PATHS: Final = {"/v1/audio/transcriptions": "Speech to text", "/v1/images/edits": "Edit an image"}
QUERY_PATHS: Final = {
    "/v1/audio/voices": "The voices to speak with",
    "/sdapi/v1/loras": "The LoRAs of an image model",
    "/props": "Properties of a model's server (llama.cpp)",
}

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
    for path, purpose in JSON_PATHS.items():
        yield Endpoint("POST", path, Where.BODY, forwarded(path), shape_of(path), purpose=purpose)
    for path, purpose in FORM_PATHS.items():
        yield Endpoint("POST", path, Where.BODY, forwarded(path), multipart=True, purpose=purpose)
    for path, purpose in QUERY_PATHS.items():
        yield Endpoint("GET", path, Where.QUERY, forwarded(path), purpose=purpose)
        yield Endpoint("HEAD", path, Where.QUERY, forwarded(path), purpose=purpose)
    yield UPSTREAM
    yield COMFYUI
    yield COMFYUI_ROOT


# `metered` depends on the path behind the model: `metered_below`.
UPSTREAM: Final = Endpoint("*", UPSTREAM_PREFIX, Where.PATH, "", metered=False, purpose="Anything a model's server serves")
COMFYUI: Final = Endpoint(
    "*", COMFYUI_PREFIX, Where.FIXED, "", metered=False, purpose="ComfyUI: its page, API and websocket"
)
COMFYUI_ROOT: Final = Endpoint("*", "/comfyui", Where.FIXED, "", metered=False, purpose="Leads to /comfyui/")

TABLE: Final[tuple[Endpoint, ...]] = tuple(_rows())

_BY_PATH: Final[dict[str, dict[str, Endpoint]]] = {}
for _row in TABLE:
    if _row.method != "*":
        _BY_PATH.setdefault(_row.path, {})[_row.method] = _row
_NONE: Final[dict[str, Endpoint]] = {}

# Only with a model it leads to one; without, the control plane answers.
PROPS: Final = "/props"

# The rows that are served as they stand here, by the raw method and path: nearly every request is one of these.
PLAIN: Final[dict[tuple[bytes, bytes], Endpoint]] = {
    (_row.method.encode(), _row.path.encode()): _row for _row in TABLE if _row.method != "*" and _row.path != PROPS
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


KEEP_EMPTY: Final = (["upstream"], ["comfyui"])  # first segments below which empty ones are passed on


def tidy(path: str) -> str | None:
    """Where a path with `//`, `/./` or `/../` should have gone (a 307), or None where it is fine.

    Only what is written plainly counts: `%2e%2e` is the upstream's business. Empty segments below `/upstream/<model>/` and
    `/comfyui/` are passed on (llama-swap redirects them away); dot segments never are, so nobody climbs out of a prefix.
    """
    if "//" not in path and "/." not in path:
        return None
    segments: list[str] = []
    *inner, last = path.split("/")[1:]
    for segment in inner:
        # Nothing but one slash in front, whatever is left: "//host" or "/\\host" in a Location would be another site.
        segment = segment if segments else segment.lstrip("\\")
        if segment == "..":
            del segments[-1:]
        elif segment != "." and (segment or segments[:1] in KEEP_EMPTY):
            segments.append(segment)
    last = last if segments else last.lstrip("\\")
    if last == "..":
        del segments[-1:]
    tail = "" if last in {".", ".."} else last
    clean = "/" + "/".join([*segments, tail])
    return None if clean == path else clean
