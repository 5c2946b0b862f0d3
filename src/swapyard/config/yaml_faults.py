"""Why a text is no YAML, told to whoever wrote it: the parser's own words, and how such a mistake usually comes about.

A hint goes by the parser's words and by what stands at the place that it names. There is one for each mistake that people
make with commands, paths and patterns; without one the parser's words have to do.
"""

from __future__ import annotations

from typing import Any

import yaml

IN_BRACES = '; in {} and [] a value with ${...} needs quotes, as in {cmd: "server --port ${PORT}"}'
COLON_INSIDE = '; a value with ": " in it is quoted as a whole, or stands on a line of its own below "|"'
COLON_MISSING = "; is the colon of the line before missing, or this line indented too far?"
QUOTED_IN_PART = '; a value that begins with a quote ends with it: write this one on a line of its own below "|"'
INDENTED = "; this line is not indented like those it belongs to"
TAB = "; indent with blanks, not with tabs"
BACKSLASH = """; between "..." a backslash is written twice, between '...' once"""


class TooDeep(yaml.MarkedYAMLError):
    """Ours, not the parser's: nested deeper than is read."""


def explain(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """Line (from 1) and message, with the column (from 1), of a syntax error."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        if isinstance(error, TooDeep):
            return line, str(error.problem)
        column = f" (column {mark.column + 1})" if mark is not None else ""
        context = f" {error.context}" if error.context else ""
        hint = "" if mark is None else hint_at(mark, error, text)
        return line, f"not valid YAML: {error.problem}{context}{column}{hint}"
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position] if isinstance(error.position, int) else ""
        return before.count("\n") + 1, f"not valid YAML: {error.reason}"
    return 1, f"not valid YAML: {error}"


def hint_at(mark: Any, error: yaml.MarkedYAMLError, text: str) -> str:
    """What was probably meant; empty where nobody can tell."""
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    before, rest = line[: mark.column], line[mark.column :]
    problem = str(error.problem)
    if before.endswith("$") and rest.startswith("{"):  # in flow style that brace begins a mapping
        return IN_BRACES
    if problem.startswith("mapping values are not allowed"):
        return COLON_INSIDE if ": " in before else COLON_MISSING
    if problem == "did not find expected key":
        if not before.strip():
            return INDENTED
        return QUOTED_IN_PART if before.rstrip().endswith(("'", '"')) else ""
    if "cannot start any token" in problem or "tab character" in problem:
        return TAB if rest.startswith("\t") else f"; a value that begins with {rest[:1]} needs quotes"
    if "alias" in f"{problem} {error.context}":
        return "; a value that begins with * needs quotes"
    if "unknown escape character" in problem:
        return BACKSLASH
    return where_it_began(error.context_mark, mark, problem)


def where_it_began(begun: Any, mark: Any, problem: str) -> str:
    """Where what is never closed was opened, for that is where the mistake is."""
    if begun is None or begun.line == mark.line:
        return ""
    if problem == "could not find expected ':'":
        return f"; line {begun.line + 1} is no key, and not indented enough to be part of the value before it"
    return f"; it began in line {begun.line + 1}"
