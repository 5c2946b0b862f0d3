"""What is a number in other programs' output, and what is not."""

from __future__ import annotations

import pytest

from swapyard.observe.system.readings import number, pci_address, percent, text, whole


@pytest.mark.parametrize(
    "value", ["N/A", "[N/A]", "[Not Supported]", "", " ", "40 W", "nan", "inf", "-inf", "1e999", None, True, [], {}, "0x10"]
)
def test_what_is_no_number_is_unknown_and_never_zero(value: object) -> None:
    assert (number(value), whole(value), percent(value)) == (None, None, None)


@pytest.mark.parametrize(("value", "expected"), [("0", 0.0), (" 7 ", 7.0), ("-3.5", -3.5), (4, 4.0), (0.25, 0.25)])
def test_numbers_and_texts_that_are_some(value: object, expected: float) -> None:
    assert number(value) == expected


def test_sizes_and_percentages_are_not_negative() -> None:
    assert (whole("-1"), percent(-1)) == (None, None)
    assert whole("1.5", 1024) == 1536
    assert percent("103") == 103


@pytest.mark.parametrize("value", ["N/A", "unknown", " [Not Supported] ", "None", "", 7, None])
def test_texts_that_say_nothing(value: object) -> None:
    assert text(value) == ""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("00000000:1B:00.0", "0000:1b:00.0"),
        ("0000000F:01:00.0", "000f:01:00.0"),
        ("0000:C4:00.0", "0000:c4:00.0"),
        ("0a:00.1", "0000:0a:00.1"),
        ("10DE:2704-1462:5110-0000:09:00.0", "0000:09:00.0"),
        ("N/A", ""),
        ("00:02", ""),
        (None, ""),
    ],
)
def test_addresses_of_the_same_slot_are_spelled_alike(value: object, expected: str) -> None:
    assert pci_address(value) == expected
