"""The matrix router's language: which models may run together, as expressions over sets of models.

    sets:
      chat: "a & (b | c)"      a runs with b, or with c
      more: "+chat & d"        what chat allows, and d beside it

An expression denotes a family of combinations (sets of models): a model's id or var is the one combination with that
model, `|` unites families, `&` joins each combination of one with each of the other, `+name` is another set's family.
Every part of a combination is allowed too. Here are the parser and the sets; what the expressions amount to for one
decision, and how ties are broken, is `families`.

Pure: `config` parses and checks with it, `planners.matrix` decides with it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from swapyard.core.families import Evaluation, Graph, weights_of

VAR_NAME = re.compile(r"[A-Za-z0-9.-]{1,32}")
MAX_NESTING = 100  # parentheses; the parser recurses


# --- expressions -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    id: str


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class AnyOf:
    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, eq=False)
class AllOf:
    parts: tuple[Expression, ...]


Expression: TypeAlias = Model | Reference | AnyOf | AllOf


class MatrixError(ValueError):
    """`findings`: where below the matrix (`("sets", name)`, ...), and what is wrong."""

    def __init__(self, findings: Sequence[tuple[tuple[str, ...], str]]) -> None:
        super().__init__("; ".join(f"{'.'.join(place)}: {message}" for place, message in findings))
        self.findings = tuple(findings)


class ExpressionError(ValueError):
    """What is wrong with one expression; the message ends in the 0-based character position."""


# --- parsing ---------------------------------------------------------------------------------------------------------------


class Parser:
    """or := and ('|' and)*;  and := atom ('&' atom)*;  atom := identifier | '+'name | '(' or ')'"""

    def __init__(self, text: str, resolve: Mapping[str, str], sets: Collection[str]) -> None:
        self.text = text.strip()
        self.tokens = list(tokens(self.text))
        self.next = 0
        self.resolve = resolve
        self.sets = sets

    def parse(self) -> Expression:
        if not self.tokens:
            raise ExpressionError("is empty")
        expression = self.any_of(0)
        if self.next < len(self.tokens):
            column, token = self.tokens[self.next]
            raise ExpressionError(f'"{token}" is not expected here (column {column})')
        return expression

    def any_of(self, depth: int) -> Expression:
        parts = [self.all_of(depth)]
        while self.takes("|"):
            parts.append(self.all_of(depth))
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def all_of(self, depth: int) -> Expression:
        parts = [self.atom(depth)]
        while self.takes("&"):
            parts.append(self.atom(depth))
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def atom(self, depth: int) -> Expression:
        if self.next == len(self.tokens):
            raise ExpressionError(f"ends where a model is expected (column {len(self.text) + 1})")
        column, word = self.tokens[self.next]
        if word in ("&", "|", ")"):
            raise ExpressionError(f'"{word}" is not expected here (column {column})')
        self.next += 1
        if word == "(":
            return self.group(depth + 1, column)
        if word.startswith("+"):
            return self.reference(word[1:], column)
        model = self.resolve.get(word)
        if model is None:
            raise ExpressionError(f'unknown model or var "{word}" (column {column})')
        return Model(model)

    def group(self, depth: int, opened: int) -> Expression:
        if depth > MAX_NESTING:
            raise ExpressionError(f"more than {MAX_NESTING} parentheses inside each other (column {opened})")
        expression = self.any_of(depth)
        if not self.takes(")"):
            raise ExpressionError(f'the "(" of column {opened} is not closed')
        return expression

    def reference(self, name: str, column: int) -> Expression:
        if not name:
            raise ExpressionError(f'"+" must be followed by a set\'s name (column {column})')
        if name not in self.sets:
            raise ExpressionError(f'"+{name}" refers to a set that is not defined (column {column})')
        return Reference(name)

    def takes(self, token: str) -> bool:
        if self.next < len(self.tokens) and self.tokens[self.next][1] == token:
            self.next += 1
            return True
        return False


def tokens(text: str) -> Iterable[tuple[int, str]]:
    """(column from 1, token): operators, identifiers, and `+name` as one."""
    position = 0
    while position < len(text):
        character = text[position]
        start = position
        position += 1
        column = position
        if character.isspace():
            continue
        if character in "&|()":
            yield column, character
        elif character == "+" or is_name_character(character):
            while position < len(text) and is_name_character(text[position]):
                position += 1
            yield column, text[start:position]
        else:
            raise ExpressionError(f'"{character}" cannot stand in an expression (column {column}); give such a model a var')


def is_name_character(character: str) -> bool:
    return character in "_-." or character.isalpha() or character.isdecimal()


# --- the sets --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Choice:
    """What a model's start means: the set that allows it best, one of its combinations, and who has to go.

    `set_name` is None where the model is in no set (it runs alone) or already runs (nothing changes). `combination` may
    name models that do not run. `cost` is the sum over the evicted. `exact`: nothing cheaper exists (`families` bounds the
    work for inputs that explode).
    """

    set_name: str | None
    combination: frozenset[str]
    kept: tuple[str, ...]
    evicted: tuple[str, ...]
    cost: int
    exact: bool = True


@dataclass(frozen=True, slots=True)
class MatrixSets:
    """Parsed sets in evaluation order: a set that is referred to comes before the one that refers to it.

    `texts`: their expressions, by name. `roots`: each one's node in the graph. `named`: a node's sets, as positions in
    `roots`.
    """

    texts: dict[str, str]
    graph: Graph
    roots: tuple[tuple[str, int], ...]
    named: dict[int, list[int]]

    @classmethod
    def parse(cls, sets: Mapping[str, str], names: Mapping[str, str], models: Collection[str]) -> MatrixSets:
        """`sets`: name -> expression, in definition order. `names`: the vars. `models`: ids.

        Raises `MatrixError` with everything that is wrong.
        """
        findings: list[tuple[tuple[str, ...], str]] = []
        for name, model in names.items():
            if not VAR_NAME.fullmatch(name):
                findings.append((("vars", name), "a var's name has 1 to 32 letters, digits, . or -"))
            if model not in models:
                findings.append((("vars", name), f'unknown model "{model}"'))
        if not sets:
            findings.append((("sets",), "at least one set is needed"))
        resolve = {model: model for model in models} | dict(names)
        parsed: dict[str, Expression] = {}
        for name, text in sets.items():
            try:
                parsed[name] = Parser(text, resolve, sets).parse()
            except ExpressionError as error:
                findings.append((("sets", name), str(error)))
        order, cycles = dependency_order(parsed)
        findings.extend((("sets", name), "refers to itself, perhaps through other sets") for name in cycles)
        if findings:
            raise MatrixError(findings)
        graph = Graph()
        roots: dict[str, int] = {}
        named: dict[int, list[int]] = {}
        for position, name in enumerate(order):
            roots[name] = node_of(parsed[name], graph, roots)
            named.setdefault(roots[name], []).append(position)
        return cls({name: sets[name] for name in order}, graph, tuple(roots.items()), named)

    def best(self, target: str, running: Sequence[str], costs: Mapping[str, int]) -> Choice:
        """How `target` can start beside as much as possible of `running`.

        `costs`: what evicting a model costs, 1 if not given. The lowest sum wins, among equals the first found.
        """
        if target in running:
            return Choice(None, frozenset((target,)), tuple(running), (), 0)
        models = (target, *running)
        weights = weights_of(models, costs)
        total = sum(weights) - weights[0]
        evaluation = Evaluation(self.graph, models, weights)
        best: tuple[int, str, int, int] | None = None
        for name, root in self.roots_among(evaluation.above(target)):
            for entry in evaluation.entries(root):
                if entry & 1:
                    cost = total - evaluation.weight(entry & ~1)
                    if best is None or cost < best[0]:
                        best = (cost, name, root, entry)
        if best is None:
            return Choice(None, frozenset((target,)), (), tuple(running), total)
        cost, name, root, entry = best
        kept = tuple(model for index, model in enumerate(running, 1) if entry >> index & 1)
        evicted = tuple(model for index, model in enumerate(running, 1) if not entry >> index & 1)
        combination = evaluation.combination(root, entry)
        return Choice(name, combination, kept, evicted, cost, evaluation.exact)

    def allows(self, models: Collection[str]) -> bool:
        """Whether all of `models` are in one combination of one set. Also where that is too much to find out."""
        relevant = tuple(dict.fromkeys(models))
        everything = (1 << len(relevant)) - 1
        evaluation = Evaluation(self.graph, relevant, [1] * len(relevant))
        roots = self.roots_among(evaluation.above(relevant[0]) if relevant else ())
        return any(everything in evaluation.entries(root) for _, root in roots) or not (relevant and evaluation.exact)

    def holding(self, model: str) -> list[tuple[str, str]]:
        """The sets with a combination that has this model: name and expression, in evaluation order."""
        found = self.roots_among(Evaluation(self.graph, (model,), [1]).above(model))
        return [(name, self.texts[name]) for name, _ in found]

    def roots_among(self, nodes: Iterable[int]) -> list[tuple[str, int]]:
        """The sets that are one of these nodes, in evaluation order: name and node."""
        return [self.roots[at] for at in sorted(at for node in nodes for at in self.named.get(node, ()))]


def node_of(expression: Expression, graph: Graph, roots: Mapping[str, int]) -> int:
    """The expression's node; the sets that it refers to have theirs already."""
    match expression:
        case Model(id=model):
            return graph.model(model)
        case Reference(name=name):
            return roots[name]
        case AnyOf(parts=parts):
            return graph.any_of([node_of(part, graph, roots) for part in parts])
        case AllOf(parts=parts):
            return graph.all_of([node_of(part, graph, roots) for part in parts])


def references(expression: Expression) -> list[str]:
    """The sets that the expression refers to, left to right."""
    match expression:
        case Model():
            return []
        case Reference(name=name):
            return [name]
        case AnyOf(parts=parts) | AllOf(parts=parts):
            return [name for part in parts for name in references(part)]


def dependency_order(parsed: Mapping[str, Expression]) -> tuple[list[str], list[str]]:
    """Names, each after those that it refers to (depth-first from the first one), and one name of each cycle."""
    order: list[str] = []
    cycles: list[str] = []
    state: dict[str, bool] = {}  # False: being visited, True: done
    for first in parsed:
        stack = [(first, iter(references(parsed[first])))] if first not in state else []
        if stack:
            state[first] = False
        while stack:
            name, pending = stack[-1]
            for needed in pending:
                if needed not in state and needed in parsed:
                    state[needed] = False
                    stack.append((needed, iter(references(parsed[needed]))))
                    break
                if state.get(needed) is False:
                    cycles.append(needed)
            else:
                state[name] = True
                order.append(name)
                stack.pop()
    return order, list(dict.fromkeys(cycles))


# --- costs -----------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Costs:
    by_model: dict[str, int] = field(default_factory=dict)
    errors: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)


def resolve_costs(costs: Mapping[str, int], names: Mapping[str, str], models: Collection[str]) -> Costs:
    """Costs by model id. A key may be a var or an id; of two keys for one model the later one counts, with a warning."""
    found = Costs()
    origin: dict[str, str] = {}
    for key, cost in costs.items():
        model = names.get(key, key)
        if model not in models:
            found.errors.append((key, f'unknown model or var "{key}"'))
        elif cost <= 0:
            found.errors.append((key, f"must be 1 or more, got {cost}"))
        else:
            if model in origin:
                found.warnings.append((key, f'means the same model as "{origin[model]}"; this one counts'))
            origin[model] = key
            found.by_model[model] = cost
    return found
