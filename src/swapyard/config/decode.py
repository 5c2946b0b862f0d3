"""Nodes to the structs of `file`, by a table made from their type annotations.

A reader takes `(node, path, context)` and returns the value, or `UNSET` where the default is to stay: for null, and after it
has reported a problem. References are expanded on the way, one scalar at a time. Nothing here knows a key by name.

Conversions are llama-swap's: a string takes any scalar (as it is written), a whole number takes a float and cuts it, a
boolean takes yes, no, on, off too, and a quoted number is no number.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct
from yaml import ScalarNode

from swapyard.config.file import OTHERS
from swapyard.config.macros import Scope, text_form
from swapyard.config.nodes import NULL_WORDS, PLAIN, Mapping, Node, Sequence, Value, is_null, kind_of, kind_of_value, typed
from swapyard.config.problems import Path, Problems

UNSET: Any = msgspec.UNSET
YES = frozenset({"yes", "on", "y"})
NO = frozenset({"no", "off", "n"})
# What other tools call a key, and its name here, which is not spelt alike.
ELSEWHERE = {
    "command": "cmd",
    "environment": "env",
    "timetolive": "ttl",
    "idletimeout": "ttl",
    "parallel": "concurrencyLimit",
    "url": "proxy",
    "healthcheck": "checkEndpoint",
    "stop": "cmdStop",
}


@dataclass(slots=True)
class Context:
    """What reading needs besides the node: what references mean here, and where problems go.

    `quiet_keys`: top-level keys that may be unknown without a word (they hold anchors).
    """

    scope: Scope
    quiet_keys: frozenset[str] = frozenset()

    @property
    def problems(self) -> Problems:
        return self.scope.problems

    def value(self, node: ScalarNode, path: Path) -> Value:
        """The scalar's typed value, references expanded and leftovers reported."""
        text = node.value
        if "${" not in text:
            return typed(node)
        value = self.scope.expand(text, path)
        if isinstance(value, str):
            self.scope.leftovers(value, path)
        return value

    def refuse(self, path: Path, wanted: str, got: str) -> Any:
        self.problems.error(path, f"must be {wanted}, got {got}")
        return UNSET


Reader: TypeAlias = Callable[[Node, Path, Context], Any]


# --- scalars -----------------------------------------------------------------------------------------------------------


def read_text(node: Node, path: Path, context: Context) -> Any:
    if type(node) is not ScalarNode:
        return context.refuse(path, "a string", kind_of(node))
    text = node.value
    if "${" in text:
        return text_form(context.value(node, path))
    if text in NULL_WORDS and is_null(node):
        return UNSET
    return text


def read_bool(node: Node, path: Path, context: Context) -> Any:
    if type(node) is not ScalarNode:
        return context.refuse(path, "true or false", kind_of(node))
    value = context.value(node, path)
    match value:
        case None:
            return UNSET
        case bool():
            return value
        case str() if value.lower() in YES:
            return True
        case str() if value.lower() in NO:
            return False
        case "true" | "false":
            return context.refuse(path, "true or false without quotes", kind_of_value(value))
    return context.refuse(path, "true or false", kind_of_value(value))


def read_number(node: Node, path: Path, context: Context) -> Any:
    """An int or a float."""
    if type(node) is not ScalarNode:
        return context.refuse(path, "a number", kind_of(node))
    value = context.value(node, path)
    if value is None:
        return UNSET
    if isinstance(value, bool) or not isinstance(value, int | float):
        quoted = isinstance(value, str) and node.tag != PLAIN and value.strip("-+").isdecimal()
        return context.refuse(path, "a number without quotes" if quoted else "a number", kind_of_value(value))
    if value != value or value in (float("inf"), float("-inf")):
        return context.refuse(path, "a finite number", kind_of_value(value))
    return value


def read_int(node: Node, path: Path, context: Context) -> Any:
    value = read_number(node, path, context)
    if value is UNSET:
        return value
    whole = int(value)
    if not -(2**63) <= whole < 2**63:
        return context.refuse(path, "a number of at most 64 bits", str(value))
    if whole != value:
        context.problems.warn(path, f"is a whole number: {value} is read as {whole}")
    return whole


def read_float(node: Node, path: Path, context: Context) -> Any:
    value = read_number(node, path, context)
    return value if value is UNSET else float(value)


def read_any(node: Node, path: Path, context: Context) -> Any:
    """Free data: mappings, lists and typed scalars."""
    if type(node) is ScalarNode:
        return context.value(node, path)
    if isinstance(node, Sequence):
        return [read_any(item, (*path, index), context) for index, item in enumerate(node.items)]
    assert isinstance(node, Mapping)
    return {name: read_any(value, (*path, name), context) for name, (_, value) in node.entries.items()}


# --- what is made of other readers -------------------------------------------------------------------------------------


def bounded(read: Reader, least: float) -> Reader:
    def reader(node: Node, path: Path, context: Context) -> Any:
        value = read(node, path, context)
        if value is UNSET or value >= least:
            return value
        return context.refuse(path, f"{least} or more", str(value))

    return reader


def one_of(choices: tuple[str, ...]) -> Reader:
    words = ", ".join(choice for choice in choices if choice)

    def reader(node: Node, path: Path, context: Context) -> Any:
        value = read_text(node, path, context)
        if value is UNSET or value in choices:
            return value
        return context.refuse(path, f"one of {words}", f'"{value}"')

    return reader


def list_of(read: Reader) -> Reader:
    """Null is the empty list, and null elements are dropped."""

    def reader(node: Node, path: Path, context: Context) -> Any:
        if isinstance(node, Sequence):
            values = [read(item, (*path, index), context) for index, item in enumerate(node.items)]
            return tuple([value for value in values if value is not UNSET])
        return () if is_null(node) else context.refuse(path, "a list", kind_of(node))

    return reader


def one_or_list_of(read: Reader) -> Reader:
    """The value, or a tuple of such."""
    read_list = list_of(read)

    def reader(node: Node, path: Path, context: Context) -> Any:
        return (read if type(node) is ScalarNode and not is_null(node) else read_list)(node, path, context)

    return reader


def map_of(read: Reader, zero: Callable[[], Any]) -> Reader:
    """Null is the empty map; an entry that is null (or wrong) is `zero()`."""

    def reader(node: Node, path: Path, context: Context) -> Any:
        if not isinstance(node, Mapping):
            return {} if is_null(node) else context.refuse(path, "a mapping", kind_of(node))
        values = {}
        for name, (_, entry) in node.entries.items():
            value = read(entry, (*path, name), context)
            values[name] = zero() if value is UNSET else value
        return values

    return reader


# --- structs -----------------------------------------------------------------------------------------------------------


@cache
def table(kind: type[Struct]) -> dict[str, tuple[str, Reader]]:
    """File key -> field name and reader."""
    hints = get_type_hints(kind, include_extras=True)
    return {info.encode_name: (info.name, reader_of(hints[info.name])) for info in msgspec.structs.fields(kind)}


@cache
def reader_of(annotation: Any) -> Reader:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        read = reader_of(arguments[0])
        for extra in arguments[1:]:
            if isinstance(extra, Meta) and extra.ge is not None:
                read = bounded(read, extra.ge)
        return read
    if origin is types.UnionType:
        kind, *others = [kind for kind in arguments if kind is not types.NoneType]
        is_one_or_list = any(get_origin(other) is tuple for other in others)
        return one_or_list_of(reader_of(kind)) if is_one_or_list else reader_of(kind)
    if origin is Literal:
        return one_of(arguments)
    if origin is tuple:
        return list_of(reader_of(arguments[0]))
    if origin is dict:
        return map_of(reader_of(arguments[1]), zero_of(arguments[1]))
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return struct_reader(annotation)
    return {str: read_text, bool: read_bool, int: read_int, float: read_float, Any: read_any}[annotation]


def zero_of(annotation: Any) -> Callable[[], Any]:
    if annotation is Any:
        return lambda: None
    origin = get_origin(annotation)
    return origin if origin is not None else annotation  # type: ignore[no-any-return]


def struct_reader(kind: type[Struct]) -> Reader:
    wanted: str = getattr(kind, "wanted", "a mapping")

    def reader(node: Node, path: Path, context: Context) -> Any:
        if isinstance(node, Mapping):
            return read_struct(kind, node, path, context, {})
        return UNSET if is_null(node) else context.refuse(path, wanted, kind_of(node))

    return reader


def read_struct(kind: type[Struct], node: Mapping, path: Path, context: Context, given: dict[str, Any]) -> Any:
    """The struct with what the file says. `given`: values of fields, by file key, that are not to be read (`UNSET`: the
    default)."""
    keys = table(kind)
    values: dict[str, Any] = {}
    others = keys.get(OTHERS)
    for key, (_, value) in node.entries.items():
        entry = keys.get(key)
        if others is not None and (entry is None or entry is others):
            values.setdefault(others[0], {})[key] = read_any(value, (*path, key), context)
        elif entry is None:
            unknown(key, value, keys, path, context)
        elif key not in given:
            found = entry[1](value, (*path, key), context)
            if found is not UNSET:
                values[entry[0]] = found
    for key, found in given.items():
        if found is not UNSET:
            values[keys[key][0]] = found
    return kind(**values)


def unknown(key: str, value: Node, keys: dict[str, Any], path: Path, context: Context) -> None:
    if not path and (key in context.quiet_keys or key.startswith(("x-", "."))):
        return
    meant = ELSEWHERE.get(key.casefold())
    near = [meant] if meant in keys else get_close_matches(key, keys, n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]}?" if near else ""
    context.problems.warn((*path, key), f"unknown key, ignored{hint}")
    if path:  # a reference that leads nowhere is an error below known keys, even where its value is ignored
        read_any(value, (*path, key), context)
