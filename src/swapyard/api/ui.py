"""The page under /ui/, and the ways to it.

Its files are built from `ui/` into `swapyard/page`. Whatever below /ui/ is no file, and has no dot in its last segment, is
the page itself: its own router knows what to show. Files whose names carry a digest of their content never change, so that
browsers keep them for ever; all others have an ETag. Compressed forms lie beside the files, made when the page was built.

The start page carries what it shows at first (`api.snapshot`), and is therefore never kept by anybody. Where keys are wanted
it carries nothing: its files are public.

The page refers to everything relative to itself: a reverse proxy may serve Swapyard below a prefix that nobody here knows.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swapyard.api.answers import redirect
from swapyard.api.services import Services
from swapyard.api.snapshot import snapshot
from swapyard.errors import NotFound, Unavailable

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "json": "application/json",
    "webmanifest": "application/manifest+json",
    "woff2": "font/woff2",
    "wasm": "application/wasm",
}
# What models and configurations say is shown as text; even if something slipped through as markup, no script of it would
# run. Styles may stand in elements, for charts, bars and formulas. Pictures and sounds come from answers (blob:, data:).
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "media-src 'self' data: blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
_TO_FOLDER = b'="./'  # how the page refers to /ui/, to which there may be some steps up
_DIGEST_IN_NAME = re.compile(r"^assets/.+-[\w-]{8}\.\w+$")
_CODINGS = {"br": ".br", "gzip": ".gz"}  # the best first


@dataclass(slots=True)
class File:
    """`forms`: its content by coding, "" for the plain one."""

    media_type: str
    forms: dict[str, bytes]
    immutable: bool = False
    etag: str = field(default="")

    def __post_init__(self) -> None:
        self.etag = hashlib.sha256(self.forms[""]).hexdigest()[:20]


FOLDER: Traversable = resources.files("swapyard") / "page"


def routes(services: Services) -> list[Route]:
    files = read_files(FOLDER)

    async def page(request: Request) -> Response:
        """The web page and its files."""
        name = request.path_params["file"]
        if name in files and name != "index.html":
            return file_answer(request, files[name])
        if "." in name.rpartition("/")[2] and name != "index.html":
            raise NotFound(f"there is no file /ui/{name[:200]}")
        if "index.html" not in files:
            raise Unavailable("this Swapyard was installed without its web page; `make page` in its sources builds it")
        html = files["index.html"].forms[""].replace(_TO_FOLDER, b'="' + (b"../" * name.count("/") or b"./"))
        is_start = name in ("", "index.html") and not services.config().api_keys
        if is_start and (state := await snapshot(services)):
            return await fresh_page(request, html, state)
        return file_answer(request, File(_TYPES["html"], {"": html}))

    async def icon(request: Request) -> Response:
        """The page's icon."""
        if "favicon.svg" not in files:
            raise NotFound("this Swapyard was installed without its web page")
        return file_answer(request, files["favicon.svg"])

    async def root(_request: Request) -> Response:
        """Leads to /ui."""
        return redirect("/ui")

    async def add_slash(request: Request) -> Response:
        """Leads to /ui/."""
        query = request.scope["query_string"].decode("latin-1")
        return redirect(f"/ui/?{query}" if query else "/ui/", 307)

    async def upstream(request: Request) -> Response:
        """Leads to the models on the page."""
        return redirect("/ui/models") if request.method in {"GET", "HEAD"} else redirect("/upstream/", 307)

    return [
        Route("/", root),
        Route("/ui", add_slash),
        Route("/ui/{file:path}", page),
        Route("/favicon.ico", icon),
        Route("/upstream", upstream, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ]


def read_files(folder: Traversable, below: str = "") -> dict[str, File]:
    """Every file of the page by its path below /ui/; empty where the page has not been built."""
    found: dict[str, File] = {}
    if not folder.is_dir():
        return found
    here = {entry.name: entry for entry in folder.iterdir()}
    for name, entry in here.items():
        ending = name.rpartition(".")[2]
        if entry.is_dir():
            found |= read_files(entry, f"{below}{name}/")
        elif ending in _TYPES:
            forms = {coding: here[name + tail].read_bytes() for coding, tail in _CODINGS.items() if name + tail in here}
            immutable = _DIGEST_IN_NAME.match(below + name) is not None
            found[below + name] = File(_TYPES[ending], {"": entry.read_bytes()} | forms, immutable)
    return found


def file_answer(request: Request, file: File) -> Response:
    accepted = request.headers.get("accept-encoding", "")
    coding = next((name for name in _CODINGS if name in file.forms and accepts(accepted, name)), "")
    etag = f'"{file.etag}{"-" + coding if coding else ""}"'
    headers = {
        **_HEADERS,
        "ETag": etag,
        "Cache-Control": "public, max-age=31536000, immutable" if file.immutable else "no-cache",
        "Vary": "Accept-Encoding",
    }
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if etag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    if coding:
        headers["Content-Encoding"] = coding
    return Response(file.forms[coding], headers=headers | {"Content-Type": file.media_type})


async def fresh_page(request: Request, html: bytes, state: bytes) -> Response:
    """The page with `state` (JSON that is safe in HTML) in an element that is data, and no script."""
    element = b'<script type="application/json" id="snapshot">' + state + b"</script>"
    place = html.rfind(b"</body>")
    body = html[:place] + element + html[place:]
    headers = {**_HEADERS, "Cache-Control": "no-store", "Vary": "Accept-Encoding", "Content-Type": _TYPES["html"]}
    if accepts(request.headers.get("accept-encoding", ""), "gzip"):
        body = await asyncio.to_thread(_gzip, body)
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers)


def _gzip(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush()


def accepts(header: str, coding: str) -> bool:
    """Whether an Accept-Encoding names this coding, and not with a weight of 0."""
    weights: Mapping[str, str] = dict(_weight(item) for item in header.lower().split(","))
    try:
        return float(weights.get(coding, "0")) > 0
    except ValueError:
        return False


def _weight(item: str) -> tuple[str, str]:
    name, _, parameters = item.partition(";")
    return name.strip(), parameters.strip().removeprefix("q=") or "1"
