"""The page under /ui/, and the ways to it.

A placeholder until the real UI is built: one page that lists the models, their states and how to call them. Whatever is no
file of it is the page itself, so that links into the later UI (/ui/models) work already.

The page refers to everything relative to itself: a reverse proxy may serve Swapyard below a prefix that nobody here knows.
"""

from __future__ import annotations

from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swapyard.api.answers import redirect
from swapyard.api.services import Services
from swapyard.errors import NotFound

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
# Names and descriptions come from a configuration; even if one slipped through as markup, no script of it would run.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_TO_FOLDER = b'="./'  # how the page refers to /ui/, to which there may be some steps up
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def routes(services: Services) -> list[Route]:
    folder = resources.files("swapyard.api") / "page"
    files = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}

    def file_answer(name: str) -> Response:
        return Response(files[name], headers=_HEADERS, media_type=_TYPES[name.rpartition(".")[2]])

    async def page(request: Request) -> Response:
        """The status page and its files."""
        name = request.path_params["file"]
        if name in files:
            return file_answer(name)
        if "." in name.rpartition("/")[2]:
            raise NotFound(f"there is no file /ui/{name[:200]}")
        html = files["index.html"].replace(_TO_FOLDER, b'="' + b"../" * name.count("/"))
        if services.config().api_keys:
            html = html.replace(b"<body>", b'<body class="wants-key">')  # the example shows where the key goes
        return Response(html, headers=_HEADERS, media_type="text/html")

    async def icon(_request: Request) -> Response:
        """The page's icon."""
        return file_answer("favicon.svg")

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
