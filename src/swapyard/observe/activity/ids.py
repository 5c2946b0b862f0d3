"""Which row is whose: the numbers that `ActivityStore.record` gives out, and the ids that the rows have.

They are the same, as long as nobody else adds rows. Another program may write to the file, too, and a file that could not be
opened at the start may turn out to hold rows when it can: then the rows from some number on have higher ids. A row cannot
have its number changed any more, since captures are kept by it.

Where both go on writing, every batch may be moved once more. The last `MOST_MOVES` are remembered; rows before them are told
apart no longer, and their captures not found.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

MOST_MOVES: Final = 1000


class RowIds:
    """The writer moves; any thread may ask."""

    def __init__(self) -> None:
        # (from this number on, so much higher), in their order. Ids are in the same order as numbers.
        self._moves: tuple[tuple[int, int], ...] = ((0, 0),)

    def id_of(self, number: int) -> int:
        """0, which no row has, where it is not known any more."""
        moves = self._moves
        found = bisect_right(moves, number, key=_first_number)
        return number + moves[found - 1][1] if found else 0

    def number_of(self, row_id: int) -> int | None:
        """None: the row is none of ours, or not known to be."""
        moves = self._moves
        found = bisect_right(moves, row_id, key=_first_id)
        if not found:
            return None
        number = row_id - moves[found - 1][1]
        return number if found == len(moves) or number < moves[found][0] else None

    def move(self, first_id: int, by: int) -> None:
        """From the row on that has, or was to have, this id, all have a higher one. There is no later move before it."""
        if not by:
            return
        number = self.number_of(first_id)
        assert number is not None, "only rows of ours are moved"
        self._moves = (*self._moves, (number, self.id_of(number) - number + by))[-MOST_MOVES:]


def _first_number(move: tuple[int, int]) -> int:
    return move[0]


def _first_id(move: tuple[int, int]) -> int:
    return move[0] + move[1]
