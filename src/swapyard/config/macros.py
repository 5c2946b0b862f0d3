"""`${name}`: what macros stand for, and putting their values into the configuration's text.

The rules that look arbitrary are llama-swap's, and existing files lean on them. A scope is an ordered list of macros:
MODEL_ID, the global ones, the model's own (one that repeats a global name takes its place in the list). A text is expanded
from the last macro to the first, so a macro may refer to earlier ones only. A text that is exactly one reference takes the
macro's typed value, otherwise the value's text is inserted and the result is a string for good. PORT comes after all others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from yaml import ScalarNode

from swapyard.config.nodes import PLAIN, Mapping, Node, Value, is_date, kind_of, typed
from swapyard.config.problems import Path, Problems

NAME = re.compile(r"[A-Za-z0-9_-]+")
REFERENCE = re.compile(r"\$\{([A-Za-z0-9_-]+)\}")
LEFTOVER_ENV = re.compile(r"\$\{env\.([A-Za-z_][A-Za-z0-9_]*)\}")
RESERVED = frozenset({"PID", "PORT", "MODEL_ID"})
MAX_NAME = 63
MAX_TEXT = 1 << 20  # characters; macros that double each other would fill the memory otherwise

Macros = dict[str, Value]


def declared(node: Node | None, path: Path, problems: Problems) -> Macros:
    """The macros of a `macros` block in declaration order; wrong ones are reported and left out."""
    if node is None or (isinstance(node, ScalarNode) and typed(node) is None):
        return {}
    if not isinstance(node, Mapping):
        problems.error(path, f"must be a mapping of names to values, got {kind_of(node)}")
        return {}
    macros: Macros = {}
    for name, (_, value) in node.entries.items():
        fault = name_fault(name) or value_fault(name, value)
        if fault:
            problems.error((*path, name), fault)
        else:
            macros[name] = typed(value)  # type: ignore[arg-type]  # value_fault let scalars only pass
    return macros


def name_fault(name: str) -> str | None:
    if len(name) > MAX_NAME:
        return f"a macro's name has at most {MAX_NAME} characters, this one {len(name)}"
    if not NAME.fullmatch(name):
        return "a macro's name consists of letters, digits, _ and -"
    if name in RESERVED:
        return f"the name is reserved (also {', '.join(sorted(RESERVED - {name}))}); choose another"
    return None


def value_fault(name: str, node: Node) -> str | None:
    wanted = "a macro's value must be a string, a number or a boolean"
    if not isinstance(node, ScalarNode):
        return f"{wanted}, got {kind_of(node)}"
    value = typed(node)
    if value is None:
        return f"{wanted}, got nothing"
    if node.tag == PLAIN and is_date(node.value):
        return f"{wanted}, got a date; quote it"
    if isinstance(value, str) and f"${{{name}}}" in value:
        return f"the value contains the macro itself, ${{{name}}}"
    return None


def text_form(value: Value) -> str:
    """How a macro's value reads inside a longer text: `1e5` as 100000, `1.50` as 1.5, `1000000.0` as 1e+06."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return float_form(value)
        case _:
            return str(value)


def float_form(value: float) -> str:
    """The shortest exact digits, with an exponent where it is below -4 or at least 6 (Go's `%g`, which files lean on)."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0:
        return "-0" if str(value).startswith("-") else "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent_text = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).strip("0")
    exponent = int(exponent_text or 0) + leading_exponent(whole, fraction)
    if exponent < -4 or exponent >= 6:
        point = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{point}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    digits = digits.ljust(exponent + 1, "0")
    rest = digits[exponent + 1 :]
    return sign + digits[: exponent + 1] + (f".{rest}" if rest else "")


def leading_exponent(whole: str, fraction: str) -> int:
    """The decimal exponent of the first digit that is not 0."""
    if whole.strip("0"):
        return len(whole.lstrip("0")) - 1
    return -(len(fraction) - len(fraction.lstrip("0")) + 1)


@dataclass(slots=True)
class Scope:
    """What references mean in one place: the ordered macros, and inside a model its port once it has one.

    `model` is None for the global scope. `allowed` are the names that may stay (`PID` in `cmdStop`).
    """

    macros: Macros
    order: dict[str, int]  # name -> place; inside a model with MODEL_ID at 0
    problems: Problems
    model: str | None = None
    port: int | None = None

    def expand(self, text: str, path: Path) -> Value:
        """The value of a text with references. Text that would grow beyond 1 MiB is reported and cut off."""
        value = self.expand_macros(text, path)
        return self.with_port(value) if isinstance(value, str) else value

    def expand_macros(self, text: str, path: Path) -> Value:
        """Like `expand`, without PORT."""
        last = len(self.order)
        while "${" in text:
            name = self.latest(text, last)
            if name is None:
                break
            last = self.order[name]
            value = self.model if name == "MODEL_ID" else self.macros[name]
            reference = f"${{{name}}}"
            if text != reference:
                inserted = text_form(value)
                if len(text) + text.count(reference) * len(inserted) > MAX_TEXT:
                    self.problems.error(path, f"macro {reference} makes the text longer than {MAX_TEXT} characters")
                    return ""
                text = text.replace(reference, inserted)
            elif isinstance(value, str):
                text = value
            else:
                return value
        return text

    def latest(self, text: str, before: int) -> str | None:
        """The macro that stands last in the order, before position `before`, of those that `text` refers to."""
        found: str | None = None
        place = -1
        for name in REFERENCE.findall(text):
            index = self.order.get(name, -1)
            if place < index < before:
                found, place = name, index
        return found

    def with_port(self, text: str) -> Value:
        if self.port is None or "${PORT}" not in text:
            return text
        return self.port if text == "${PORT}" else text.replace("${PORT}", str(self.port))

    def leftovers(self, text: str, path: Path, allowed: Iterable[str] = ()) -> None:
        """Reports each reference that is left in an expanded text."""
        if "${" not in text:
            return
        for name in sorted(set(REFERENCE.findall(text)) - set(allowed)):
            if self.is_follow_up(name):
                self.problems.doubt(path)
            else:
                self.problems.error(path, self.leftover(name))
        for name in sorted(set(LEFTOVER_ENV.findall(text))):
            self.problems.error(path, f"${{env.{name}}}: environment variable not set")

    def is_follow_up(self, name: str) -> bool:
        """Whether the reference leads nowhere only because the macro, or the `cmd` that would use PORT, was refused."""
        places: list[Path] = [("macros",), ("macros", name)]
        if self.model is not None:
            own: Path = ("models", self.model)
            places += [(*own, "cmd")] if name == "PORT" else [(*own, "macros"), (*own, "macros", name)]
        return any(self.problems.is_doubtful(place) for place in places)

    def leftover(self, name: str) -> str:
        if name == "PID":
            return "${PID} can be used in a model's cmdStop only"
        if self.model is None and name in RESERVED:
            return f"${{{name}}} can be used inside a model only"
        if name == "PORT":
            return "uses ${PORT} but cmd does not"
        if name in self.order:
            return f"macro ${{{name}}} is declared after the macro that refers to it; declare it earlier"
        return f"macro ${{{name}}} is not defined"


def global_scope(macros: Macros, problems: Problems) -> Scope:
    return Scope(macros, {name: place for place, name in enumerate(macros)}, problems)


def model_order(macros: Macros) -> dict[str, int]:
    """The places of macros inside a model."""
    return {"MODEL_ID": 0} | {name: place for place, name in enumerate(macros, 1)}


def model_scope(model: str, everywhere: Scope, own: Macros, order: dict[str, int]) -> Scope:
    """`order`: `model_order` of the global macros, which all models without macros of their own share."""
    if not own:
        return Scope(everywhere.macros, order, everywhere.problems, model)
    macros = everywhere.macros | own  # a repeated name keeps its place
    return Scope(macros, model_order(macros), everywhere.problems, model)
