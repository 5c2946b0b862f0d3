"""Which models can run beside which, by the configuration alone."""

from __future__ import annotations

from swapyard.api.services import MatrixSet, Some
from swapyard.app.neighbours import COMPARED, NAMED, Neighbourhood, neighbours
from swapyard.config.schema import Config, Group, Matrix, Model, Routing


def configuration(routing: Routing, *models: str) -> Config:
    return Config(models={model: Model() for model in models}, routing=routing)


GROUPS = Routing(
    groups={
        "chat": Group(members=("a", "b")),
        "small": Group(swap=False, exclusive=False, members=("c", "d")),
        "kept": Group(swap=False, exclusive=True, persistent=True, members=("e",)),
    }
)
MATRIX = Routing(router="matrix", matrix=Matrix(vars={"x": "c"}, sets={"pair": "a & x", "more": "+pair & b | d"}))


def test_a_swapping_exclusive_group_stops_its_own_and_others_but_no_persistent_ones() -> None:
    told = neighbours(configuration(GROUPS, "a", "b", "c", "d", "e"), "a")
    assert told is not None
    assert told.sets == []
    assert told.stops == Some(3, ("b", "c", "d"))
    assert told.stopped_by == Some(2, ("b", "e"))
    assert told.beside == Some(0, ())


def test_who_stops_nobody_may_still_be_stopped() -> None:
    told = neighbours(configuration(GROUPS, "a", "b", "c", "d", "e"), "c")
    assert told is not None
    assert told.stops == Some(0, ())
    assert told.stopped_by == Some(3, ("a", "b", "e"))
    assert told.beside == Some(1, ("d",))


def test_a_matrix_tells_the_sets_of_a_model_and_who_shares_none_with_it() -> None:
    told = neighbours(configuration(MATRIX, "a", "b", "c", "d"), "a")
    assert told is not None
    assert told.sets == [MatrixSet("pair", "a & x"), MatrixSet("more", "+pair & b | d")]
    assert told.beside == Some(2, ("b", "c"))
    assert told.stops == told.stopped_by == Some(1, ("d",))


def test_in_no_set_a_model_runs_alone() -> None:
    told = neighbours(configuration(MATRIX, "a", "b", "c", "d", "e"), "e")
    assert told is not None
    assert told.sets == []
    assert told.stops == Some(4, ("a", "b", "c", "d"))


def test_too_large_a_matrix_is_not_compared() -> None:
    told = neighbours(configuration(MATRIX, "a", "b", "c", "d", *map(str, range(COMPARED))), "a")
    assert told is not None
    assert [each.name for each in told.sets] == ["pair", "more"]
    assert (told.stops, told.stopped_by, told.beside) == (None, None, None)


def test_of_many_models_the_first_are_named() -> None:
    many = tuple(map(str, range(NAMED + 2)))
    told = neighbours(configuration(Routing(groups={"all": Group(members=many)}), *many), "0")
    assert told is not None
    assert told.stops == Some(NAMED + 1, many[1 : NAMED + 1])


def test_what_a_packages_planner_would_do_is_not_guessed() -> None:
    assert neighbours(configuration(Routing(router="lru"), "a", "b"), "a") is None


def test_another_configuration_is_looked_at_anew() -> None:
    known = Neighbourhood()
    first, second = configuration(GROUPS, "a", "b", "c", "d", "e"), configuration(MATRIX, "a", "b", "c", "d")
    before = known.of(first, "a")
    assert known.of(first, "a") is before
    assert known.of(second, "a") != before
