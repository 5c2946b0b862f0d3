"""Which row is whose: the numbers that `ActivityStore.record` gives out, and the ids that the rows have.

They are the same, as long as nobody else adds rows. Another program may write to the file, too, and a file that could not be
opened at the start may turn out to hold rows when it can: then the rows from some number on have higher ids. A row cannot
have its number changed any more, since captures are kept by it.
"""

from __future__ import annotations


class RowIds:
    """The writer moves; any thread may ask."""

    def __init__(self) -> None:
        self._moves: tuple[tuple[int, int], ...] = ()  # (from this number on, so much higher), in their order

    def id_of(self, number: int) -> int:
        return number + next((by for first, by in reversed(self._moves) if number >= first), 0)

    def number_of(self, row_id: int) -> int | None:
        """None: the row is none of ours."""
        end: int | None = None  # where the next move begins
        for first, by in reversed(self._moves):
            if (number := row_id - by) >= first:
                return number if end is None or number < end else None
            end = first
        return row_id if end is None or row_id < end else None

    def move(self, first_id: int, by: int) -> None:
        """From the row on that has, or was to have, this id, all have a higher one. There is no later move before it."""
        if not by:
            return
        number = self.number_of(first_id)
        assert number is not None, "only rows of ours are moved"
        self._moves = (*self._moves, (number, self.id_of(number) - number + by))
