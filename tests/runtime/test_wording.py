"""Why a run is stopped, in words: what `/api/transitions`, events, the log and the page tell."""

from __future__ import annotations

import pytest

from swapyard.core.messages import Stop, StopReason
from swapyard.runtime.wording import stop_cause

CAUSES = [
    (
        Stop(1, StopReason.EVICTED, "b", rule="group exclusive"),
        "for request 812",
        "evicted: group exclusive, for b, request 812",
    ),
    (Stop(1, StopReason.EVICTED, "b", rule="group swap"), "by hand", "evicted: group swap, for b, by hand"),
    (Stop(1, StopReason.EVICTED, "b"), "", "evicted for b"),  # by a planner that does not name its rules
    (Stop(1, StopReason.IDLE, idle=300.0), "", "idle for 300 s"),
    (Stop(1, StopReason.IDLE), "", "idle for its ttl"),  # by a scheduler that does not say for how long
    (Stop(1, StopReason.UNLOADED), "", "unloaded by hand"),
    (Stop(1, StopReason.ABANDONED, "b"), "", "nobody waits for it any more, and b does"),
    (Stop(1, StopReason.START_FAILED), "", "its start failed"),
    (Stop(1, StopReason.CRASHED), "", "it crashed"),
    (Stop(1, StopReason.RELOADED), "", "its configuration changed"),
    (Stop(1, StopReason.SHUTDOWN), "", "shutdown"),
]


@pytest.mark.parametrize(("stop", "wanted", "words"), CAUSES, ids=lambda value: str(getattr(value, "reason", "")))
def test_a_stop_is_told_with_its_cause(stop: Stop, wanted: str, words: str) -> None:
    assert stop_cause(stop, wanted) == words


def test_every_reason_has_its_words_above() -> None:
    assert {stop.reason for stop, _, _ in CAUSES} == set(StopReason)
