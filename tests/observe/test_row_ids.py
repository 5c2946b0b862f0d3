"""Numbers and ids of rows, wherever others add theirs."""

from __future__ import annotations

import random

from swapyard.observe.activity.ids import MOST_MOVES, RowIds


def test_a_number_is_an_id_as_long_as_nobody_adds_rows() -> None:
    ids = RowIds()
    ids.move(5, 0)
    assert [(ids.id_of(n), ids.number_of(n)) for n in (1, 5, 9)] == [(1, 1), (5, 5), (9, 9)]


def test_every_row_keeps_its_id_and_no_other_row_is_taken_for_it() -> None:
    for seed in range(200):
        dice = random.Random(seed)
        ids, others, owners, newest = RowIds(), 0, dict[int, int](), 0
        for number in range(1, 40):
            if dice.random() < 0.2:  # somebody adds rows where ours would go
                others = dice.randint(1, 4)
                ids.move(ids.id_of(number), others)
            newest = ids.id_of(number)
            assert newest not in owners
            owners[newest] = number
        assert [ids.number_of(row_id) for row_id in range(1, newest + 1)] == [owners.get(n) for n in range(1, newest + 1)]
        assert [ids.id_of(number) for number in owners.values()] == list(owners)


def test_moves_without_end_take_no_more_memory_and_mistake_no_row() -> None:
    ids, last = RowIds(), 3 * MOST_MOVES
    for number in range(1, last + 1):
        ids.move(ids.id_of(number), 1)
    assert len(ids._moves) == MOST_MOVES
    assert (ids.id_of(last), ids.number_of(2 * last)) == (2 * last, last)
    assert (ids.id_of(1), ids.number_of(2), ids.number_of(2 * last - 1)) == (0, None, None)
