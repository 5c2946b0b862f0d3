"""What may stand where the configuration wants a URL or a path on a model's server."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def url_fault(url: str) -> str | None:
    """Why `url` cannot be read as a URL at all."""
    if any(character < " " or character == "\x7f" for character in url):
        return "contains a control character"
    if url.startswith(":") or (not SCHEME.match(url) and ":" in url.split("/", 1)[0]):
        return "has no scheme such as http://"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"is not a URL: {error}"
    if " " in parts.netloc:
        return "contains a blank in its host"
    if BAD_ESCAPE.search(parts.netloc + parts.path):
        return "contains a % that is not followed by two hexadecimal digits"
    if port is None and parts.netloc.rpartition("@")[2].count(":") == 1 and not parts.netloc.endswith(":"):
        return "has a port that is not a number"
    return None


def base_url_doubt(url: str) -> str | None:
    """Why nothing can be reached under `url`, though it can be read."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return "does not begin with http:// or https://; requests will fail"
    return None if parts.hostname else "has no host; requests will fail"


def check_path(endpoint: str) -> str:
    """`checkEndpoint` as path and query, or "none". A scheme and host are dropped: those of `proxy` count."""
    if endpoint.strip() == "none":
        return "none"
    parts = urlsplit(endpoint)
    path = parts.path if parts.path.startswith("/") else f"/{parts.path}"
    return f"{path}?{parts.query}" if parts.query else path
