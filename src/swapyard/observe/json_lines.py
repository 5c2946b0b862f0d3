"""Log lines as JSON, one object each, for programs that collect logs (`logFormat: json`). Pure functions.

    time      RFC 3339 with milliseconds, in UTC
    level     debug, info, warn, error; of a server's output as far as it can be told (`observe.levels`)
    source    proxy: ours, upstream: a model's server
    model     where the line is about one
    message   without time, level and model

Access lines have `method`, `path`, `status`, `bytes`, `duration_ms`, `remote` and `user_agent` as well, and `request`, the
number by which the requests under way, their rows and the causes of changes mean it, where the line is about a model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from time import time_ns

import msgspec

from swapyard.observe.levels import level_of
from swapyard.observe.lines import Access, Level

_encode = msgspec.json.Encoder(order=None).encode
_ABOUT_A_MODEL = re.compile(r"<([^<>]+)> ")


class Line(msgspec.Struct, omit_defaults=True):
    time: str
    level: str
    source: str
    model: str = ""
    message: str = ""
    method: str = ""
    path: str = ""
    status: int | None = None
    bytes: int | None = None
    duration_ms: float | None = None
    remote: str = ""
    user_agent: str = ""
    request: int = 0


def own_line(at: int, level: Level, text: str) -> bytes:
    """`at`: nanoseconds since the epoch."""
    about = _ABOUT_A_MODEL.match(text)
    model, message = (about[1], text[about.end() :]) if about else ("", text)
    return _line(Line(_time(at), level.name.lower(), "proxy", model, message))


def access_line(entry: Access) -> bytes:
    asked = entry.asked
    model, request = entry.about or ("", 0)
    return _line(
        Line(
            _time(entry.at),
            "info",
            "proxy",
            model,
            f"{asked.method} {asked.path} {entry.status}",
            method=asked.method,
            path=asked.path,
            status=entry.status,
            bytes=entry.size,
            duration_ms=round(entry.seconds * 1000, 3),
            remote=asked.remote,
            user_agent=asked.agent,
            request=request,
        )
    )


def dropped_line(count: int) -> bytes:
    """For so many bytes that standard output was too slow for."""
    return _line(Line(_time(time_ns()), "warn", "proxy", message=f"{count} bytes of the log were dropped"))


def upstream_lines(at: int, model: str, tagged: bytes) -> bytes:
    """`tagged`: whole lines of this model's servers (`observe.tagging`)."""
    return b"".join(_upstream_lines(_time(at), model, tagged))


def _upstream_lines(time: str, model: str, tagged: bytes) -> Iterator[bytes]:
    tag = len(f"<{model}> ".encode("utf-8", "backslashreplace"))
    for line in tagged.split(b"\n")[:-1]:
        text = line[tag:].rstrip(b"\r")
        yield _line(Line(time, level_of(text).name.lower(), "upstream", model, text.decode(errors="replace")))


def _line(line: Line) -> bytes:
    try:
        return _encode(line) + b"\n"
    except UnicodeEncodeError:  # a lone surrogate, from a path or a file name
        for name in ("model", "message", "method", "path", "remote", "user_agent"):
            setattr(line, name, getattr(line, name).encode("utf-8", "backslashreplace").decode())
        return _encode(line) + b"\n"


def _time(at: int) -> str:
    return datetime.fromtimestamp(at // 1_000_000 / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
