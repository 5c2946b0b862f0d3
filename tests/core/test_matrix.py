"""The matrix language, and what the matrix planner makes of it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest

from swapyard.core.matrix import MatrixError, MatrixSets, resolve_costs
from swapyard.core.planners.matrix import MatrixPlanner

MODELS = {"a", "b", "c", "d", "x", "y", "z", "model.1-b_2", "é9"}


def sets(**expressions: str) -> MatrixSets:
    return MatrixSets.parse(expressions, {}, MODELS)


B_OR_C = {"s": "a & (b | c)"}


@pytest.mark.parametrize(
    ("expressions", "running", "model", "costs", "evicted", "chosen"),
    [
        (B_OR_C, "b c", "a", {}, "c", "s"),
        (B_OR_C, "b c", "a", {"c": 2}, "b", "s"),
        ({"first": "a & b", "second": "a & c"}, "", "a", {}, "", "first"),
        ({"x": "a & c", "y": "a & b"}, "b c", "a", {"b": 10, "c": 1}, "c", "y"),
        ({"s": "a & b", "u": "a & b & c"}, "b c", "a", {}, "", "u"),
        ({"s": "a & b"}, "a b", "z", {}, "a b", None),
        ({"s": "a & b"}, "z", "a", {}, "z", "s"),
        ({"s": "a", "t": "b"}, "a b", "a", {}, "", None),
        ({"first": "+second & x", "second": "a"}, "", "a", {}, "", "second"),
    ],
)
def test_the_worked_examples(
    expressions: dict[str, str], running: str, model: str, costs: dict[str, int], evicted: str, chosen: str | None
) -> None:
    parsed = MatrixSets.parse(expressions, {}, MODELS)
    assert MatrixPlanner(parsed, costs).evict(model, running.split()) == tuple(evicted.split())
    assert parsed.best(model, running.split(), costs).set_name == chosen


def test_the_choice_tells_what_a_log_line_needs() -> None:
    choice = sets(s="a & (b | c) & d").best("a", ["b", "x", "y"], {"y": 5})
    assert (choice.set_name, choice.kept, choice.evicted, choice.cost) == ("s", ("b",), ("x", "y"), 6)
    assert choice.combination == {"a", "b", "d"}


def test_a_part_of_a_combination_is_allowed_too() -> None:
    assert MatrixPlanner(sets(s="a & b & c & d")).evict("a", ["d"]) == ()


def test_a_var_shadows_a_model_of_its_name() -> None:
    parsed = MatrixSets.parse({"s": "a & v"}, {"a": "x", "v": "org/model"}, MODELS | {"org/model"})
    assert parsed.best("x", ["org/model"], {}).evicted == ()
    assert parsed.best("a", ["x"], {}).evicted == ("x",)


@pytest.mark.parametrize(
    "text", ["a&b", " a  &\tb\n", "(a)&(b)", "((a & b))", "a & b & a", "(a | x) & b", "a & model.1-b_2 & b", "é9 & a & b"]
)
def test_ways_to_say_that_two_run_together(text: str) -> None:
    assert sets(s=text).allows(["a", "b"])


@pytest.mark.parametrize("text", ["a | b", "a & c | b", "c & (a | b)"])
def test_ways_to_say_that_they_do_not(text: str) -> None:
    assert not sets(s=text).allows(["a", "b"])


def test_and_binds_tighter_than_or() -> None:
    parsed = sets(s="a & b | c & d")
    assert parsed.allows(["c", "d"])
    assert not parsed.allows(["a", "d"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("a &", "ends where a model is expected (column 4)"),
        ("& a", '"&" is not expected here (column 1)'),
        ("a b", '"b" is not expected here (column 3)'),
        ("  a b", '"b" is not expected here (column 3)'),
        ("a | | b", '"|" is not expected here (column 5)'),
        ("()", '")" is not expected here (column 2)'),
        ("(a", 'the "(" of column 1 is not closed'),
        ("a & (b | (c)", 'the "(" of column 5 is not closed'),
        ("a)", '")" is not expected here (column 2)'),
        ("a & +", '"+" must be followed by a set\'s name (column 5)'),
        ("a & + t", '"+" must be followed by a set\'s name (column 5)'),
        ("a & +gone", '"+gone" refers to a set that is not defined (column 5)'),
        ("a & org/model", '"/" cannot stand in an expression (column 8)'),
        ("a, b", '"," cannot stand in an expression (column 2)'),
        ("a & nobody", 'unknown model or var "nobody" (column 5)'),
        ("(" * 200 + "a" + ")" * 200, "more than 100 parentheses"),
    ],
)
def test_wrong_expressions(text: str, message: str) -> None:
    with pytest.raises(MatrixError) as caught:
        sets(s=text, t="a")
    ((place, found),) = caught.value.findings
    assert place == ("sets", "s")
    assert message in found


def test_everything_that_is_wrong_is_told() -> None:
    with pytest.raises(MatrixError) as caught:
        MatrixSets.parse({"s": "a &", "t": "nobody"}, {"bad_name": "a", "v": "gone", "x" * 33: "a"}, MODELS)
    assert [place for place, _ in caught.value.findings] == [
        ("vars", "bad_name"),
        ("vars", "v"),
        ("vars", "x" * 33),
        ("sets", "s"),
        ("sets", "t"),
    ]


def test_no_sets_at_all() -> None:
    with pytest.raises(MatrixError, match="sets: at least one set is needed"):
        MatrixSets.parse({}, {}, MODELS)


@pytest.mark.parametrize(
    ("expressions", "named"),
    [({"s": "+s"}, "s"), ({"s": "a & +t", "t": "+u", "u": "+t | b"}, "t"), ({"a": "b", "s": "+a & +t", "t": "+s"}, "s")],
)
def test_cycles_name_a_set_on_them(expressions: dict[str, str], named: str) -> None:
    with pytest.raises(MatrixError) as caught:
        MatrixSets.parse(expressions, {}, MODELS)
    ((place, message),) = caught.value.findings
    assert place == ("sets", named)
    assert "refers to itself" in message


def test_sets_are_evaluated_in_the_order_of_their_references() -> None:
    parsed = sets(one="+three & a", two="b", three="+four", four="c")
    assert [name for name, _ in parsed.roots] == ["four", "three", "one", "two"]


def test_a_long_chain_of_references_is_fine() -> None:
    chain = {f"s{number}": f"+s{number + 1}" for number in range(5000)} | {"s5000": "a & b"}
    assert MatrixSets.parse(chain, {}, MODELS).allows(["a", "b"])


def test_many_alternatives_stay_cheap() -> None:
    pairs = [(f"l{number}", f"r{number}") for number in range(16)]
    models = [model for pair in pairs for model in pair]
    parsed = MatrixSets.parse({"s": "t & " + " & ".join(f"({left} | {right})" for left, right in pairs)}, {}, {*models, "t"})
    # Everything runs although no set allows it, so 2**16 combinations are equally good: the bound has to hold.
    choice = parsed.best("t", models, {})
    assert choice.cost == 16


def test_costs_are_by_model_and_the_later_of_two_counts() -> None:
    found = resolve_costs({"a": 3, "v": 5, "b": 2, "gone": 1, "c": 0}, {"v": "a"}, MODELS)
    assert found.by_model == {"a": 5, "b": 2}
    assert [key for key, _ in found.errors] == ["gone", "c"]
    assert [key for key, _ in found.warnings] == ["v"]


# --- against a plain enumeration of all combinations -----------------------------------------------------------------------


def all_combinations(text: str) -> list[frozenset[str]]:
    """The family in left-to-right order, for expressions without references, from a parser of its own."""
    python = text
    for model in "abcd":
        python = python.replace(model, f"F('{model}')")
    return list(eval(python, {"F": Family}).members)


class Family:
    def __init__(self, *members: str | frozenset[str]) -> None:
        self.members = [frozenset([member]) if isinstance(member, str) else member for member in members]

    def __or__(self, other: Family) -> Family:
        return Family(*self.members, *other.members)

    def __and__(self, other: Family) -> Family:
        return Family(*[left | right for left, right in itertools.product(self.members, other.members)])


def random_expression(choose: random.Random, depth: int) -> str:
    if depth == 0 or choose.random() < 0.3:
        return choose.choice("abcd")
    joined = f" {choose.choice('&|')} ".join(random_expression(choose, depth - 1) for _ in range(choose.randint(2, 3)))
    return f"({joined})"


def least_cost(text: str, target: str, running: Sequence[str], costs: dict[str, int]) -> int:
    total = sum(costs.get(model, 1) for model in running)
    fitting = [combination for combination in all_combinations(text) if target in combination]
    return min((sum(costs.get(model, 1) for model in running if model not in fit) for fit in fitting), default=total)


@pytest.mark.parametrize("seed", range(10))
def test_the_cost_is_the_least_of_all_combinations(seed: int) -> None:
    choose = random.Random(seed)
    for _ in range(100):
        check_one_choice(choose)


def check_one_choice(choose: random.Random) -> None:
    text = random_expression(choose, 3)
    running = sorted(choose.sample("abc", choose.randint(0, 3)))
    costs = {model: choose.randint(1, 4) for model in "abc"}
    choice = sets(s=text).best("d", running, costs)
    assert choice.cost == least_cost(text, "d", running, costs)
    assert sum(costs[model] for model in choice.evicted) == choice.cost
    assert sorted((*choice.kept, *choice.evicted)) == running
