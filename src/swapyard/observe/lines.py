"""The text of log lines. Pure functions.

What comes from outside (paths, user agents, names) is escaped, so that nobody can write a line of their own into the log:
no control character, no line separator and no lone surrogate survives.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import Final

from msgspec import Struct

_LONG: Final = 500  # characters of a path and an agent that are not worth remembering


class Level(IntEnum):
    DEBUG = 10
    INFO = 20
    WARN = 30
    ERROR = 40

    @classmethod
    def named(cls, name: str) -> Level:
        """The level of a config value (any case, trimmed); INFO for a name that is none."""
        return cls.__members__.get(name.strip().upper(), cls.INFO)


class Asked(Struct, gc=False, frozen=True):
    """Who asked for what: what the lines of many requests have in common. `path`: without query. `before`, `after`: as text,
    what stands on either side of the answer's figures."""

    remote: str
    method: str
    path: str
    proto: str
    agent: str
    before: str
    after: str

    @classmethod
    def by(cls, remote: str, method: str, path: str, proto: str, agent: str) -> Asked:
        return (
            _asked_again(remote, method, path, proto, agent)
            if len(path) + len(agent) < _LONG
            else _asked(remote, method, path, proto, agent)
        )


class Access(Struct, gc=False):
    """One answered request. `at`: nanoseconds since the epoch. `size`: body bytes sent. `seconds`: how long it took.
    `about`: its model and its number among the requests under way; None where it is for no model."""

    at: int
    asked: Asked
    status: int
    size: int
    seconds: float
    about: tuple[str, int] | None = None


def access_text(entry: Access) -> str:
    """`Request <ip> "<METHOD> <path> <proto>" <status> <bytes> "<user agent>" <duration>`, as llama-swap has it."""
    asked = entry.asked
    return f"{asked.before} {entry.status} {entry.size} {asked.after} {duration(entry.seconds)}"


def _asked(remote: str, method: str, path: str, proto: str, agent: str) -> Asked:
    before = f'Request {quoted(remote)} "{quoted(method)} {quoted(path)} {quoted(proto)}"'
    return Asked(remote, method, path, proto, agent, before, f'"{quoted(agent)}"')


_asked_again = lru_cache(maxsize=256)(_asked)  # clients that say the same each time need not share a connection


def in_lines(text: str) -> list[str]:
    """What runs over several lines (a cause, and a server's last output), each fit for a log line of its own; those after
    the first are set off, so that none can pass for another one of ours."""
    first, *others = text.split("\n")
    return [first, *(f"  | {other}" for other in others)]


def printable(text: str) -> str:
    """`text` with whatever does not print written as an escape (`\\n`, `\\x1b`, `\\u2028`)."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def quoted(text: str) -> str:
    """`printable`, fit to stand between double quotes."""
    if _is_plain(text):
        return text
    return printable(text.replace("\\", "\\\\").replace('"', '\\"'))


def _is_plain(text: str) -> bool:
    return text.isprintable() and '"' not in text and "\\" not in text


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def duration(seconds: float) -> str:
    """Compact, as Go prints one: `312.333µs`, `2.1164ms`, `1.2054s`, `2m3.5s`, `1h0m2s`."""
    nanoseconds = round(seconds * 1e9)
    if nanoseconds < 1_000:
        return f"{nanoseconds}ns" if nanoseconds > 0 else "0s"
    # `g` cuts trailing zeros; the digits it is given are as many as a whole number of nanoseconds can need.
    if nanoseconds < 1_000_000:
        return f"{nanoseconds / 1e3:.6g}µs"
    if nanoseconds < 1_000_000_000:
        return f"{nanoseconds / 1e6:.9g}ms"
    minutes, rest = divmod(nanoseconds, 60_000_000_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest / 1e9:.9f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text
