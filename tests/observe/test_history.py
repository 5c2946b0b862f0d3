"""What became of the models."""

from __future__ import annotations

import pytest

from swapyard.observe.history import KEPT, LONGEST_CAUSE, TIMED, History


def note(history: History, at: float, **more: object) -> None:
    fields: dict[str, object] = {"model": "m", "run": 1, "state": "starting", "cause": "requested"}
    history.note(at=at, **(fields | more))  # type: ignore[arg-type]


def test_only_the_last_changes_are_kept() -> None:
    history = History()
    for at in range(KEPT + 10):
        note(history, float(at))
    page = history.page(limit=KEPT + 10)
    assert len(page) == KEPT
    assert (page[0].id, page[-1].id) == (KEPT + 10, 11)


def test_the_estimate_of_a_load_is_the_median_of_the_last_ones() -> None:
    history = History()
    assert history.loads("m").median is None
    assert history.loads("m").p95 is None
    history.remember([], {"m": [100.0, 1.0]})
    for took in (2.0, 3.0):
        note(history, 1.0, state="ready", seconds=took)
    loads = history.loads("m")
    assert (loads.count, loads.median) == (4, 2.5)
    assert loads.p95 == pytest.approx(85.45)
    for _ in range(TIMED):
        note(history, 2.0, state="ready", seconds=7.0)
    assert (loads.count, loads.median, loads.p95) == (104, 7.0, 7.0)
    assert history.loads("other").count == 0


def test_failures_are_remembered_and_wishes_are_not() -> None:
    history = History()
    note(history, 1.0, state="stopping", cause="unloaded", reason="unloaded")
    assert history.last_error("m") is None
    note(history, 2.0, state="stopped", cause="x" * 2 * LONGEST_CAUSE, reason="start_failed", failed=True)
    error = history.last_error("m")
    assert error is not None
    assert len(error.cause) == LONGEST_CAUSE
    assert history.loads("m").failed == 1


def test_a_cause_can_be_written_down_whatever_a_file_or_a_process_is_called() -> None:
    history = History()
    note(history, 1.0, state="stopping", cause="its port is in use by pid 7 (b\udcffd\u00e9)", reason="start_failed")
    assert [change.cause for change in history.page()] == ["its port is in use by pid 7 (b?d\u00e9)"]
