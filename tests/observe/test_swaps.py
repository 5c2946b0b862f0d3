"""How long swaps take."""

from __future__ import annotations

from swapyard.observe.swaps import Swaps


def test_a_swap_lasts_from_the_first_stop_until_the_model_is_ready() -> None:
    swaps = Swaps()
    swaps.stopping("a", "c", 10.0)
    swaps.stopping("b", "c", 10.0)
    swaps.stopped("a", 10.5)
    swaps.stopped("b", 12.0)
    swaps.starting("c", 12.0)
    assert swaps.ready("c", 15.0) == 5.0
    assert swaps.ready("c", 16.0) is None


def test_a_load_into_free_room_is_no_swap() -> None:
    swaps = Swaps()
    swaps.starting("a", 1.0)
    assert swaps.ready("a", 2.0) is None


def test_a_swap_that_was_given_up_counts_for_no_later_load() -> None:
    swaps = Swaps()
    swaps.stopping("a", "b", 10.0)
    swaps.stopped("a", 11.0)  # nobody waits for b any more
    swaps.starting("b", 60.0)
    assert swaps.ready("b", 61.0) is None


def test_a_swap_that_was_given_up_counts_for_no_later_swap() -> None:
    swaps = Swaps()
    swaps.stopping("a", "b", 10.0)
    swaps.stopped("a", 11.0)
    swaps.stopping("c", "b", 60.0)
    swaps.stopped("c", 61.0)
    swaps.starting("b", 61.0)
    assert swaps.ready("b", 62.0) == 2.0


def test_a_start_that_fails_ends_the_swap() -> None:
    swaps = Swaps()
    swaps.stopping("a", "b", 10.0)
    swaps.stopped("a", 11.0)
    swaps.starting("b", 11.0)
    swaps.stopped("b", 11.5)
    swaps.starting("b", 11.6)
    assert swaps.ready("b", 12.0) is None


def test_a_model_that_had_to_end_first_itself_is_waited_for() -> None:
    swaps = Swaps()
    swaps.stopping("a", "b", 10.0)
    swaps.stopped("a", 10.1)
    swaps.stopped("b", 14.0)
    swaps.starting("b", 14.0)
    assert swaps.ready("b", 15.0) == 5.0
