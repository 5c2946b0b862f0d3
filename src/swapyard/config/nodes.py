"""The parsed file as a tree that remembers where everything stands, and what a scalar's text means.

Scalars stay PyYAML's own `ScalarNode` (a large file has hundreds of thousands; copying them would double the time to load).
Mappings become `Mapping`, with their keys as written text, and lists `Sequence`. `mark.name` is the file, `mark.line` the
line from 0.

The rules for plain scalars are ours, because PyYAML's are YAML 1.1: only true and false are booleans, `1:30` is a string,
a leading 0 means octal. That is YAML 1.2 with the habits of Go's yaml.v3, which llama-swap's files are written for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from yaml import ScalarNode

PLAIN = "?"  # our tag of an unquoted scalar without an explicit tag: its text decides the type
STR = "tag:yaml.org,2002:str"
INT = "tag:yaml.org,2002:int"
FLOAT = "tag:yaml.org,2002:float"
BOOL = "tag:yaml.org,2002:bool"
NULL = "tag:yaml.org,2002:null"
UNKNOWN = "!"  # our tag of a scalar without a value because of a problem that has been told; acts as null

NULL_WORDS = frozenset({"", "~", "null", "Null", "NULL"})
TRUE_WORDS = frozenset({"true", "True", "TRUE"})
FALSE_WORDS = frozenset({"false", "False", "FALSE"})

Mark: TypeAlias = Any  # yaml's Mark: name, line (from 0), column (from 0)


@dataclass(slots=True, eq=False)
class Mapping:
    """`entries`: key text -> (key node, value), in the file's order. `size`: nodes below, aliases counted each time."""

    entries: dict[str, tuple[ScalarNode, Node]]
    mark: Mark
    size: int = 1


@dataclass(slots=True, eq=False)
class Sequence:
    items: list[Node]
    mark: Mark
    size: int = 1


Node: TypeAlias = ScalarNode | Mapping | Sequence
Value: TypeAlias = bool | int | float | str | None


def is_null(node: Node) -> bool:
    if type(node) is not ScalarNode:
        return False
    return (node.tag == PLAIN and node.value in NULL_WORDS) or node.tag in (NULL, UNKNOWN)


def is_empty(node: Node) -> bool:
    """Null, or a mapping or list without anything in it."""
    match node:
        case Mapping():
            return not node.entries
        case Sequence():
            return not node.items
        case _:
            return is_null(node)


def mark_of(node: Node) -> Mark:
    return node.start_mark if type(node) is ScalarNode else node.mark  # type: ignore[union-attr]


def typed(node: ScalarNode) -> Value:
    """What the scalar stands for. Dates and unknown tags are strings; a bad explicit tag (`!!int x`) is one too."""
    tag = node.tag
    if tag == PLAIN:
        return plain_value(node.value)
    if tag in (INT, FLOAT, BOOL):
        return plain_value(node.value)
    return None if tag in (NULL, UNKNOWN) else str(node.value)


NUMBER_START = frozenset("+-.0123456789")
FLOAT_FORM = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
INT_FORMS = (
    (re.compile(r"([-+]?)(0|[1-9][0-9]*)"), 10),
    (re.compile(r"([-+]?)0[xX]([0-9a-fA-F]+)"), 16),
    (re.compile(r"([-+]?)0[oO]?([0-7]+)"), 8),
    (re.compile(r"([-+]?)0[bB]([01]+)"), 2),
)
SPECIAL_FLOATS = {sign + word: float(sign + word[1:]) for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")} | {
    word: float("nan") for word in (".nan", ".NaN", ".NAN")
}
DATE = re.compile(r"\d{4}-\d\d?-\d\d?([Tt\s]\s*\d\d?:\d\d:\d\d.*)?")


def plain_value(text: str) -> Value:
    """The value of an unquoted scalar."""
    if text in NULL_WORDS:
        return None
    if text[0] in NUMBER_START:
        return number(text)
    if text in TRUE_WORDS:
        return True
    if text in FALSE_WORDS:
        return False
    return text


def number(text: str) -> int | float | str:
    if text in SPECIAL_FLOATS:
        return SPECIAL_FLOATS[text]
    digits = text.replace("_", "")
    for form, base in INT_FORMS:
        found = form.fullmatch(digits)
        # Beyond 64 bits a number is a float, which also keeps absurdly long ones from costing quadratic time.
        if found and len(digits) < 70:
            value = int(found[1] + found[2], base)
            if -(2**63) <= value < 2**64:
                return value
    if FLOAT_FORM.fullmatch(digits):
        return float(digits)
    return text


def is_date(text: str) -> bool:
    """A plain date or time stamp, which is text everywhere but may not be the value of a macro."""
    return DATE.fullmatch(text) is not None


def kind_of(node: Node) -> str:
    """For messages: what the user wrote."""
    match node:
        case Mapping():
            return "a mapping"
        case Sequence():
            return "a list"
    return kind_of_value(typed(node))


def kind_of_value(value: Value) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return f"the boolean {str(value).lower()}"
        case int() | float():
            return f"the number {value}"
        case _:
            return f'the string "{shorten(value)}"'


def shorten(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."
