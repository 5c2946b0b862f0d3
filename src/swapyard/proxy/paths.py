"""The little language that names a place in a JSON body, as filters write it.

    a.b.c       nested keys            list.2     an index where the parent is an array (or missing), else the key "2"
    :7          a key, never an index  list.-1    append (set), the last element (strip)
    esc\\.key    a literal dot

A component with `*`, `?`, `#`, `@` or `|` is a pattern of the Go library that llama-swap uses. There it does nothing when
set and fails the request when stripped; here it does nothing, and `check_path` says so when the configuration is read.
The same goes for every spelling of `model` (`:model`, `model.x`, `mo\\del`): no filter may change what a request is routed
by. (llama-swap compares the text only, and lets those through.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

APPEND: Final = -1
# An array is padded with nulls up to the index that is set; a slip of the pen must not cost gigabytes.
HIGHEST_INDEX: Final = 9999
_PATTERN: Final = frozenset("*?#@|")


@dataclass(frozen=True, slots=True)
class Key:
    """One component. `index` is its meaning in an array (APPEND for "-1"), None where it has none."""

    name: str
    index: int | None = None


Path: TypeAlias = tuple[Key, ...]


def parse_path(path: str) -> Path:
    """At least one key, whatever the text. Whether it makes sense says `check_path`."""
    return tuple(_key(name, is_literal) for name, is_literal, _ in _components(path))


def check_path(path: str) -> str | None:
    """What is wrong with a path, as the end of a sentence that begins with it; None where it is fine."""
    if not path:
        return "is empty"
    components = list(_components(path))
    for _, _, pattern in components:
        if pattern:
            return f'has no effect: "{pattern}" makes it a pattern; write "\\{pattern}" for the character itself'
    keys = parse_path(path)
    if keys[0].name == "model":
        return "has no effect: no filter may change the model (useModelName does)"
    for key in keys[1:]:
        if key.index is not None and key.index > HIGHEST_INDEX:
            return f"has no effect: an index may be {HIGHEST_INDEX} at most"
    return None


def _key(name: str, is_literal: bool) -> Key:
    if is_literal:
        return Key(name)
    if name == "-1":
        return Key(name, APPEND)
    # No more digits than an int is made of at once; what is longer is beyond HIGHEST_INDEX anyway.
    return Key(name, int(name[:20])) if name.isascii() and name.isdigit() else Key(name)


def _components(path: str) -> Iterator[tuple[str, bool, str]]:
    """Of each component: its name, whether it is a key for certain (a colon in front), and the first pattern character."""
    name, is_literal, pattern, begins = "", False, "", True
    characters = iter(path)
    for character in characters:
        if character == ".":
            yield name, is_literal, pattern
            name, is_literal, pattern, begins = "", False, "", True
            continue
        if character == ":" and begins:
            is_literal = True
        elif character == "\\":
            name += next(characters, "")
        else:
            if character in _PATTERN:
                pattern = pattern or character
            name += character
        begins = False
    yield name, is_literal, pattern
