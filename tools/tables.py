"""`python -m tools.tables`: writes docs/endpoints.md and docs/keys.md from the tables in the code (`make docs`).

    endpoints.md   rows of `proxy.endpoints.TABLE`, and the routes of the control plane with their handlers' docstrings
    keys.md        the fields of `config.file`: key, type, default, meaning, and when a changed value counts

Nothing is said here that the code does not say. A test compares what `pages` gives with what lies in docs/.
"""

from __future__ import annotations

import inspect
import json
import sys
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints
from unittest.mock import MagicMock

import msgspec
from msgspec import NODEFAULT, Meta, Struct
from starlette.routing import Route

from swapyard.api.app import all_routes
from swapyard.config.file import NEW_RUN, FileConfig, FileModel
from swapyard.proxy.endpoints import COMFYUI_MODEL, TABLE, Endpoint, Where
from swapyard.proxy.gateway import is_public
from swapyard.runtime.policy import NOT_PART_OF_A_RUN

DOCS = Path(__file__).parents[1] / "docs"
MADE = "<!-- Made by `make docs` from the code. Change the code, not this file. -->"


def main() -> int:
    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")
    return 0


def pages() -> dict[str, str]:
    """File name -> text."""
    return {"endpoints.md": endpoints_page(), "keys.md": keys_page()}


def rows(header: Iterable[str], body: Iterable[Iterable[str]]) -> str:
    header = list(header)
    lines = [header, ["---"] * len(header), *body]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


# --- endpoints -------------------------------------------------------------------------------------------------------------

ENDPOINTS = f"""\
{MADE}
# Every endpoint

What stands behind the columns: [routes and errors](http.md). `OPTIONS` is answered on every path, as browsers ask before
they send something across origins. `key`: whether one of the configuration's `apiKeys` is needed, where it has any.

## Requests to models

`model`: where the request names it. `forwarded as`: the path that the model's server is asked for. `metered`: the request's
tokens are counted. A form goes where JSON goes and the other way round: the content type decides.

"""
CONTROL_PLANE = """
## Looking and steering

"""
MODEL_IS = {
    Where.BODY: "`model` in the body",
    Where.QUERY: "`?model=`",
    Where.PATH: "the path",
    Where.FIXED: f"`{COMFYUI_MODEL}`",
}


def endpoints_page() -> str:
    header = ("method", "path", "model", "forwarded as", "key", "metered", "for")
    proxied = rows(header, (proxied_row(path, found) for path, found in by_path(TABLE)))
    return ENDPOINTS + proxied + CONTROL_PLANE + rows(("method", "path", "key", "for"), map(steering_row, steering()))


def by_path(table: Iterable[Endpoint]) -> Iterator[tuple[str, list[Endpoint]]]:
    """Rows that differ in GET and HEAD alone are one row of the page."""
    found: dict[tuple[str, Where], list[Endpoint]] = {}
    for row in table:
        found.setdefault((row.path, row.where), []).append(row)
    return ((path, same) for (path, _), same in found.items())


def proxied_row(path: str, same: list[Endpoint]) -> tuple[str, ...]:
    row = same[0]
    methods = ", ".join(each.method for each in same).replace("*", "any")
    below, forwarded = "", row.forward_path
    if row.where is Where.PATH:
        below, forwarded = "{model}/{path}", "/{path}"
    elif row.where is Where.FIXED:
        below, forwarded = ("{path}", "/{path}") if path.endswith("/") else ("", "")
    metered = "as `/{path}`" if row.where is Where.PATH else yes_or_no(row.metered)
    return methods, f"`{path}{below}`", MODEL_IS[row.where], code(forwarded), "yes", metered, row.purpose


def steering() -> list[Route]:
    return all_routes(MagicMock())  # nobody asks these routes: they are only read


def steering_row(route: Route) -> tuple[str, ...]:
    methods = "any" if len(route.methods or ()) > 3 else ", ".join(sorted(route.methods or ()))
    purpose = (inspect.getdoc(route.endpoint) or "").partition("\n")[0]
    if not purpose:
        sys.exit(f"{route.endpoint.__module__}: the handler of {route.path} has no docstring; its first line is the purpose")
    return (
        methods,
        f"`{route.path.replace(':path}', '}')}`",
        yes_or_no(not is_public("GET", route.path)),
        purpose.rstrip("."),
    )


def yes_or_no(truth: bool) -> str:
    return "yes" if truth else "no"


def code(text: str) -> str:
    return f"`{text}`" if text else ""


# --- keys ------------------------------------------------------------------------------------------------------------------

KEYS = f"""\
{MADE}
# Every configuration key

How a file is read, and what belongs together: [configuration](configuration.md). `*` stands for a name that you choose.
All keys are optional unless their meaning says otherwise.

`reload` says when a changed value counts: `at once`; with a `new run`, for which a running model is replaced as soon as it
is idle; with the `next start` of Swapyard; `where it is used`, as the keys there; `never`:
the key has no effect.

"""


class Key(NamedTuple):
    path: str
    type: str
    default: str
    meaning: str
    reload: str


def keys_page() -> str:
    sections: dict[str, list[Key]] = {}
    for key in keys(FileConfig, "", {}):
        head, dot, _ = key.path.partition(".")
        sections.setdefault(head if dot else "", []).append(key)
    blocks = []
    for head, found in sections.items():
        title = f"## `{head}`\n\n" if head else ""
        blocks.append(title + rows(Key._fields, ((f"`{path}`", *rest) for path, *rest in found)))
    return KEYS + "\n".join(blocks)


def keys(kind: type[Struct], prefix: str, seen: dict[type, str]) -> Iterator[Key]:
    """The keys of a block, those of blocks below it included. `seen`: where each block was described already."""
    seen[kind] = prefix.removesuffix(".")
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        hint = hints[field.name]
        path = prefix + field.encode_name
        about = about_of(hint)
        block = block_of(hint)
        if block is None:
            reload = about["reload"] or reload_of(path)
            yield Key(path, type_of(hint), default_of(field), about["meaning"], reload)
        elif block in seen:
            meaning = f"{about['meaning']} Keys as below `{seen[block]}`."
            yield Key(path, type_of(hint), "", meaning, reload_of(path))
        else:
            yield from keys(block, path + (".*." if is_map(hint) else "."), seen)


def about_of(hint: Any) -> dict[str, str]:
    notes = [part for part in get_args(hint)[1:] if isinstance(part, Meta)] if get_origin(hint) is Annotated else []
    meaning = next((note.description for note in notes if note.description), "")
    reload = next((note.extra["reload"] for note in notes if note.extra), "")
    return {"meaning": meaning, "reload": reload}


def reload_of(path: str) -> str:
    """Below `models.*` it depends on the part of the definition: some parts, changed, make a new run."""
    if not path.startswith("models.*."):
        return "at once"
    part = path.split(".")[2]
    names = {info.encode_name: info.name for info in msgspec.structs.fields(FileModel)}
    return "at once" if names[part] in NOT_PART_OF_A_RUN else NEW_RUN


def bare(hint: Any) -> Any:
    """Without notes and without None."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) is types.UnionType and type(None) in get_args(hint):
        return bare(next(part for part in get_args(hint) if part is not type(None)))
    return hint


def is_map(hint: Any) -> bool:
    return get_origin(bare(hint)) is dict


def block_of(hint: Any) -> Any:
    """The struct that stands below a key, itself or once per name; None below a plain key."""
    hint = bare(hint)
    if get_origin(hint) is dict:
        hint = bare(get_args(hint)[1])
    return hint if isinstance(hint, type) and issubclass(hint, Struct) else None


def type_of(hint: Any) -> str:
    least = [part.ge for part in get_args(hint)[1:] if isinstance(part, Meta) and part.ge is not None]
    return plain_type(bare(hint)) + (f", {least[0]} or more" if least else "")


def plain_type(kind: Any) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in arguments if choice)
    if origin is tuple:
        return f"list of {plain_type(arguments[0])}"
    if origin is dict:
        return f"map to {plain_type(bare(arguments[1]))}"
    if origin is types.UnionType and any(get_origin(part) is tuple for part in arguments):
        return " or ".join(plain_type(part) for part in arguments)
    if origin is types.UnionType:
        return "text, number or true/false"
    if isinstance(kind, type) and issubclass(kind, Struct):
        return "block"
    return {str: "text", bool: "true/false", int: "whole number", float: "number", Any: "anything"}[kind]


def default_of(field: msgspec.structs.FieldInfo) -> str:
    value = field.default if field.default is not NODEFAULT else field.default_factory()
    if value is None or value == "":
        return ""
    return code(value if isinstance(value, str) else json.dumps(value))


if __name__ == "__main__":
    sys.exit(main())
