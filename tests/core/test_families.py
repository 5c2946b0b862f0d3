"""The evaluation of matrix expressions against a plain one, and what bounds it.

The plain one writes the rule of `swapyard.core.families` down word by word, with sets of names: slow, and obviously right.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swapyard.core.matrix import MatrixSets

MODELS = "abcdef"
Names = frozenset[str]
Tree = tuple[Any, ...]
Entry = tuple[Names, Names]  # relevant models, and a combination that has them


# --- the plain evaluation --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Text:
    """An expression as text, and as nested tuples: ("a",), ("|", part, ...), ("&", part, ...), ("+", set)."""

    text: str
    tree: Tree


def insert(entries: list[Entry], candidate: Entry) -> list[Entry]:
    if any(candidate[0] <= present[0] for present in entries):
        return entries
    return [present for present in entries if not present[0] <= candidate[0]] + [candidate]


def plain(tree: Tree, relevant: Names, trees: Mapping[str, Tree]) -> list[Entry]:
    head, *rest = tree
    if head == "+":
        return plain(trees[rest[0]], relevant, trees)
    if head == "|":
        entries: list[Entry] = []
        for part in rest:
            for entry in plain(part, relevant, trees):
                entries = insert(entries, entry)
        return entries
    if head == "&":
        joined: list[Entry] = [(frozenset(), frozenset())]
        for part in rest:
            added = plain(part, relevant, trees)
            following: list[Entry] = []
            for (left, one), (right, other) in itertools.product(joined, added):
                following = insert(following, (left | right, one | other))
            joined = following
        return joined
    return [(relevant & {head}, frozenset({head}))]


def order_of(trees: Mapping[str, Tree]) -> list[str]:
    """Depth first from the first set on, references first."""
    order: list[str] = []

    def visit(name: str) -> None:
        for needed in needs(trees[name]):
            visit(needed)
        if name not in order:
            order.append(name)

    def needs(tree: Tree) -> Iterable[str]:
        if tree[0] == "+":
            yield tree[1]
        elif tree[0] in "&|":
            for part in tree[1:]:
                yield from needs(part)

    for name in trees:
        visit(name)
    return order


def plain_best(
    trees: Mapping[str, Tree], target: str, running: Sequence[str], costs: Mapping[str, int]
) -> tuple[str | None, Names, tuple[str, ...], int]:
    """Set, combination, evicted and cost."""
    if target in running:
        return None, frozenset({target}), (), 0
    found = []
    for name in order_of(trees):
        for subset, witness in plain(trees[name], frozenset({target, *running}), trees):
            if target in subset:
                evicted = tuple(model for model in running if model not in subset)
                found.append((name, witness, evicted, sum(costs.get(model, 1) for model in evicted)))
    if not found:
        return None, frozenset({target}), tuple(running), sum(costs.get(model, 1) for model in running)
    return min(found, key=lambda choice: choice[3])  # the first of the cheapest


# --- expressions -----------------------------------------------------------------------------------------------------------


def expressions(references: Sequence[str]) -> st.SearchStrategy[Text]:
    leaves = st.sampled_from([Text(model, (model,)) for model in MODELS])
    if references:
        leaves |= st.sampled_from([Text(f"+{name}", ("+", name)) for name in references])

    def wider(parts: st.SearchStrategy[Text]) -> st.SearchStrategy[Text]:
        return st.builds(joined, st.sampled_from("&|"), st.lists(parts, min_size=2, max_size=4))

    return st.recursive(leaves, wider, max_leaves=12)


def joined(operator: str, parts: list[Text]) -> Text:
    return Text(f"({f' {operator} '.join(part.text for part in parts)})", (operator, *(part.tree for part in parts)))


@st.composite
def matrices(draw: st.DrawFn) -> dict[str, Text]:
    """Some sets in any order; each may refer to those that were drawn before it."""
    drawn: dict[str, Text] = {}
    for name in ["s", "t", "u"][: draw(st.integers(1, 3))]:
        drawn[name] = draw(expressions(list(drawn)))
    return {name: drawn[name] for name in draw(st.permutations(list(drawn)))}


@settings(max_examples=120)
@given(
    matrices(),
    st.permutations(MODELS),
    st.integers(0, 5),
    st.dictionaries(st.sampled_from(MODELS), st.integers(1, 3)),
)
def test_the_choice_is_that_of_the_plain_evaluation_ties_included(
    matrix: dict[str, Text], models: list[str], many: int, costs: dict[str, int]
) -> None:
    target, *running = models[: many + 1]
    parsed = MatrixSets.parse({name: made.text for name, made in matrix.items()}, {}, MODELS)
    choice = parsed.best(target, running, costs)
    expected = plain_best({name: made.tree for name, made in matrix.items()}, target, running, costs)
    assert (choice.set_name, choice.combination, choice.evicted, choice.cost) == expected
    assert choice.exact


@settings(max_examples=50)
@given(matrices(), st.sets(st.sampled_from(MODELS), min_size=1))
def test_what_may_run_together_is_what_is_in_one_combination(matrix: dict[str, Text], models: set[str]) -> None:
    parsed = MatrixSets.parse({name: made.text for name, made in matrix.items()}, {}, MODELS)
    trees = {name: made.tree for name, made in matrix.items()}
    entries = [entry for tree in trees.values() for entry in plain(tree, frozenset(models), trees)]
    assert parsed.allows(sorted(models)) == any(subset == models for subset, _ in entries)


@pytest.mark.parametrize(
    ("sets", "target", "running", "costs", "set_name", "evicted"),
    [
        # Of equally cheap combinations the one that is written first; never the one with the first names.
        ({"s": "a & (c | b)"}, "a", "b c", {}, "s", "b"),
        ({"s": "a & (b | c)"}, "a", "c b", {}, "s", "c"),
        # Of equally cheap sets the one that is defined first, whatever it is called.
        ({"z": "a & c", "y": "a & b"}, "a", "b c", {}, "z", "b"),
        # But a set that another refers to comes before that one.
        ({"first": "+last & c", "last": "a & b"}, "a", "b", {}, "last", ""),
        # A later entry that includes an earlier one comes last: (b), (c), then (b d) leaves c in front.
        ({"s": "a & (b | c | b & d)"}, "a", "b c d", {"b": 1, "c": 2, "d": 1}, "s", "b d"),
        ({"s": "a & (b | c | b & d)"}, "a", "b c", {}, "s", "c"),
        ({"s": "a & (b & e | c | b & d)"}, "a", "b c", {}, "s", "c"),
        # Joining goes through the left side first; an entry that a later one includes loses its place.
        ({"s": "a & ((d | b) & (c & (d | e)))"}, "a", "d c e b", {"d": 2}, "s", "b"),
        ({"s": "a & (c & ((d | b) | (d & c)))"}, "a", "c d b", {"d": 2, "b": 2}, "s", "d"),
    ],
)
def test_ties(sets: dict[str, str], target: str, running: str, costs: dict[str, int], set_name: str, evicted: str) -> None:
    choice = MatrixSets.parse(sets, {}, MODELS).best(target, running.split(), costs)
    assert (choice.set_name, " ".join(choice.evicted)) == (set_name, evicted)


# --- bounds ----------------------------------------------------------------------------------------------------------------


def test_a_million_combinations_cost_what_their_text_costs() -> None:
    """Six choices of ten: only the parts with a relevant model are looked at."""
    clauses = [[f"m{clause}-{number}" for number in range(10)] for clause in range(6)]
    models = [model for clause in clauses for model in clause]
    text = "t & " + " & ".join(f"({' | '.join(clause)})" for clause in clauses)
    parsed = MatrixSets.parse({"s": text}, {}, [*models, "t"])
    choice = parsed.best("t", [clause[3] for clause in clauses] + ["m0-4"], {})
    assert (choice.evicted, choice.exact) == (("m0-4",), True)
    assert choice.combination == {"t", *(clause[3] for clause in clauses)}


def exploding(parts: int, width: int, repeat: int = 1) -> tuple[MatrixSets, list[str]]:
    """A set of `width ** parts` combinations, all of whose models run: none includes another."""
    models = [f"m{part}-{number}" for part in range(parts) for number in range(width)]
    clauses = [f"({' | '.join(models[part * width : (part + 1) * width])})" for part in range(parts)]
    sets = {f"s{number}": "t & " + " & ".join(clauses) for number in range(repeat)}
    return MatrixSets.parse(sets, {}, [*models, "t"]), models


@pytest.mark.parametrize(("parts", "width", "repeat"), [(20, 2, 1), (6, 10, 1), (40, 25, 1), (30, 4, 20)])
def test_what_explodes_is_bounded_and_said_to_be_inexact(parts: int, width: int, repeat: int) -> None:
    parsed, models = exploding(parts, width, repeat)
    choice = parsed.best("t", models, {})
    assert not choice.exact
    assert choice.cost == len(models) - parts  # one of each part stays: here any beam finds the optimum
    assert choice.combination == {"t", *choice.kept}


def test_dear_models_survive_the_bound() -> None:
    parsed, models = exploding(20, 3)
    dear = [model for model in models if model.endswith("-2")]
    choice = parsed.best("t", models, dict.fromkeys(dear, 10))
    assert set(choice.kept) == set(dear)


def test_too_much_to_find_out_is_not_held_against_the_user() -> None:
    parsed, models = exploding(20, 2)
    assert parsed.allows(["t", *models])  # wrong, but an error would stop a configuration that may be right
    assert not parsed.allows(["t", *models[:2]])


def test_a_deep_chain_of_references_is_no_deep_recursion() -> None:
    chain = {f"s{number}": f"+s{number + 1} | a & b" for number in range(5000)} | {"s5000": "a & b & c"}
    choice = MatrixSets.parse(chain, {}, MODELS).best("a", ["b", "c"], {})
    assert (choice.set_name, choice.evicted) == ("s5000", ())
