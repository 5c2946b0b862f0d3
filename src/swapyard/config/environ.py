"""`${env.NAME}`: references to environment variables, put into scalars after parsing.

Before parsing, each reference in the text becomes a placeholder of the same length without the characters `${}`, which YAML
would take for a mapping inside `[...]`. After parsing, placeholders in scalars (keys too) are replaced by the values. So a
value can neither change the document's structure nor matter in a comment, and an unquoted reference still gets its type
from the value (`ttl: ${env.N}` is a number).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

OPEN = "\ue000\ue001"  # private use characters, as long as "${", so that columns stay right
CLOSE = "\ue002"
REFERENCE = re.compile(r"\$\{env\.([A-Za-z_][A-Za-z0-9_]*)\}")
PLACEHOLDER = re.compile(f"{OPEN}env\\.([A-Za-z_][A-Za-z0-9_]*){CLOSE}")
FORBIDDEN = (("\n", "a line break"), ("\r", "a carriage return"), ("\0", "a NUL"))


def hide(text: str) -> str:
    """The text with placeholders for its references. Other uses of `${...}` stay."""
    return REFERENCE.sub(rf"{OPEN}env.\1{CLOSE}", text)


def fill(text: str, environ: Mapping[str, str], problem: Callable[[str], None]) -> str:
    """A scalar's text with its placeholders replaced. Each unset or unusable variable is told to `problem`.

    A value may hold further references, which are replaced too, one level deep (as llama-swap does).
    """

    def value(found: re.Match[str]) -> str:
        return look_up(found[1], environ, problem)

    def value_with_references(found: re.Match[str]) -> str:
        return REFERENCE.sub(value, look_up(found[1], environ, problem))

    return PLACEHOLDER.sub(value_with_references, text)


def look_up(name: str, environ: Mapping[str, str], problem: Callable[[str], None]) -> str:
    value = environ.get(name)
    if value is None:
        problem(f"env {name} is not set")
        return ""
    for character, description in FORBIDDEN:
        if character in value:
            problem(f"env {name} contains {description}, which is not allowed here")
            return ""
    try:
        value.encode()
    except UnicodeEncodeError:  # listings could not be written
        problem(f"env {name} is not UTF-8 text, which is needed here")
        return ""
    return value
