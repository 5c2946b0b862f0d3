import ctypes
import sys

import pytest

from swapyard.app.leftovers import WORTHWHILE, Leftovers, leftovers, resident

START = 40 << 20


class Machine:
    """A process of which `free` bytes are not needed."""

    def __init__(self) -> None:
        self.size = START
        self.free = 0
        self.is_quiet = True
        self.given_back = 0
        self.leftovers = Leftovers(lambda: self.size, lambda: self.is_quiet, self.give_back)

    def give_back(self) -> None:
        self.given_back += 1
        self.size, self.free = self.size - self.free, 0

    def grows(self, size: int, *, free: int = 0) -> None:
        self.size += size
        self.free += free

    def look(self) -> int:
        """How often it was given back by then."""
        self.leftovers.look()
        return self.given_back


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_what_a_peak_left_is_given_back_once(machine: Machine) -> None:
    machine.grows(WORTHWHILE, free=WORTHWHILE)
    assert [machine.look() for _ in range(3)] == [1, 1, 1]
    assert machine.size == START
    machine.grows(WORTHWHILE, free=WORTHWHILE)
    assert machine.look() == 2


def test_it_waits_for_a_quiet_moment(machine: Machine) -> None:
    machine.grows(WORTHWHILE, free=WORTHWHILE)
    machine.is_quiet = False
    assert machine.look() == 0
    machine.is_quiet = True
    assert machine.look() == 1


def test_little_is_not_worth_it(machine: Machine) -> None:
    machine.grows(WORTHWHILE - 1, free=WORTHWHILE - 1)
    assert machine.look() == 0


def test_memory_that_is_in_use_is_not_asked_for_again_and_again(machine: Machine) -> None:
    machine.grows(3 * WORTHWHILE)
    assert [machine.look() for _ in range(3)] == [1, 1, 1]


def test_growth_counts_from_where_memory_has_shrunk_to(machine: Machine) -> None:
    machine.grows(3 * WORTHWHILE)
    machine.look()
    machine.grows(-3 * WORTHWHILE)
    machine.look()
    machine.grows(WORTHWHILE)
    assert machine.look() == 2


@pytest.mark.skipif(sys.platform != "linux", reason="malloc_trim is glibc's")
def test_free_memory_of_this_very_process_goes_back() -> None:
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "malloc_trim"):
        pytest.skip("another C library")
    libc.malloc_trim(0)  # what other tests have left
    own = leftovers(lambda: True)
    assert own is not None
    pieces = [bytearray(10_000) for _ in range(4_000)]
    above = bytearray(10_000)  # keeps the end of the heap in use
    held = resident()
    pieces.clear()
    own.look()
    assert resident() < held - (20 << 20)
    assert above


def test_where_nothing_can_be_done_nothing_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert leftovers(lambda: True) is None
