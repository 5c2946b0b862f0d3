"""The text of log lines: escaping, durations, timestamps."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from swapyard.observe.lines import Access, Asked, Level, access_text, duration, in_lines, printable, quoted
from swapyard.observe.stamps import LAYOUTS, TimeFormat


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (-1, "0s"),
        (999e-9, "999ns"),
        (312.333e-6, "312.333µs"),
        (0.0021164, "2.1164ms"),
        (0.1, "100ms"),
        (0.100000001, "100.000001ms"),
        (59.123456789, "59.123456789s"),
        (60.000000001, "1m0.000000001s"),
        (1.2054, "1.2054s"),
        (60, "1m0s"),
        (123.5, "2m3.5s"),
        (3602, "1h0m2s"),
    ],
)
def test_durations_are_compact(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_does_not_print_is_escaped_and_the_rest_stays() -> None:
    assert printable("grüße, 世界 <m1>") == "grüße, 世界 <m1>"
    assert printable("a\nb\r\tc\x1b[31m\u2028\x00\udc80") == r"a\nb\r\tc\x1b[31m\u2028\x00\udc80"
    assert quoted('say "hi" \\ \n') == r"say \"hi\" \\ \n"


def test_an_access_line_has_llama_swaps_form() -> None:
    entry = Access(0, Asked.by("127.0.0.1", "POST", "/v1/chat/completions", "HTTP/1.1", "curl/8.1"), 200, 1234, 0.0021164)
    assert access_text(entry) == 'Request 127.0.0.1 "POST /v1/chat/completions HTTP/1.1" 200 1234 "curl/8.1" 2.1164ms'


def test_a_user_agent_cannot_forge_a_line_or_end_its_quotes() -> None:
    agent = 'x" 200 0 "y\n[INFO] Request 10.0.0.1 "GET / HTTP/1.1" 200 0 "fine" 1ms'
    text = access_text(Access(0, Asked.by("127.0.0.1", "GET", "/a\r\nb", "HTTP/1.1", agent), 404, 9, 0.001))
    assert "\n" not in text
    assert "\r" not in text
    assert text.replace('\\"', "").count('"') == 4


@pytest.mark.parametrize(
    ("name", "level"), [(" Debug ", Level.DEBUG), ("WARN", Level.WARN), ("error", Level.ERROR), ("loud", Level.INFO)]
)
def test_level_names_are_trimmed_and_of_any_case_and_unknown_ones_mean_info(name: str, level: Level) -> None:
    assert Level.named(name) is level


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    yield monkeypatch
    monkeypatch.undo()
    time.tzset()


SUNDAY = 1_015_801_384_012_345_600  # 2002-03-10 23:03:04.0123456 UTC


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ansic", "Sun Mar 10 23:03:04 2002 "),
        ("unixdate", "Sun Mar 10 23:03:04 UTC 2002 "),
        ("rubydate", "Sun Mar 10 23:03:04 +0000 2002 "),
        ("rfc822", "10 Mar 02 23:03 UTC "),
        ("rfc822z", "10 Mar 02 23:03 +0000 "),
        ("rfc850", "Sunday, 10-Mar-02 23:03:04 UTC "),
        ("rfc1123", "Sun, 10 Mar 2002 23:03:04 UTC "),
        ("rfc1123z", "Sun, 10 Mar 2002 23:03:04 +0000 "),
        (" RFC3339 ", "2002-03-10T23:03:04Z "),
        ("rfc3339nano", "2002-03-10T23:03:04.0123456Z "),
        ("kitchen", "11:03PM "),
        ("stamp", "Mar 10 23:03:04 "),
        ("stampmilli", "Mar 10 23:03:04.012 "),
        ("stampmicro", "Mar 10 23:03:04.012345 "),
        ("stampnano", "Mar 10 23:03:04.012345600 "),
        ("", ""),
        ("iso8601", ""),
    ],
)
def test_every_layout(name: str, text: str, zone: pytest.MonkeyPatch) -> None:
    zone.setenv("TZ", "UTC")
    time.tzset()
    assert TimeFormat(name).stamp(SUNDAY) == text
    assert not text or name.strip().lower() in LAYOUTS


def test_times_are_local_days_are_space_padded_and_a_whole_second_has_no_fraction(zone: pytest.MonkeyPatch) -> None:
    zone.setenv("TZ", "XYZ-5:30")
    time.tzset()
    moment = (SUNDAY // 10**9 - 8 * 86_400) * 10**9
    assert TimeFormat("rfc3339nano").stamp(moment) == "2002-03-03T04:33:04+05:30 "
    assert TimeFormat("ansic").stamp(moment) == "Sun Mar  3 04:33:04 2002 "
    assert TimeFormat("kitchen").stamp(moment) == "4:33AM "


def test_the_second_that_is_remembered_gives_way_to_the_next() -> None:
    times = TimeFormat("stampmilli")
    assert times.stamp(SUNDAY) != times.stamp(SUNDAY + 10**9)


def test_a_text_of_several_lines_becomes_lines_that_no_other_is_mistaken_for() -> None:
    told = "exited with code 3; its last output:\nboom\n[INFO] all is well\x1b[0m"
    assert in_lines(told) == ["exited with code 3; its last output:", "  | boom", "  | [INFO] all is well\x1b[0m"]
    assert in_lines("one") == ["one"]
