"""What became of the models: every change of a state with its cause, and how long loads take.

Kept in memory and bounded: the last `KEPT` changes, the last `TIMED` loads of each model. `LoadTimes` estimates the next
load by the median of the past ones. Fed on the event loop (`note`), read there too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from statistics import median, quantiles

from msgspec import Struct

KEPT = 2000
TIMED = 100
LONGEST_CAUSE = 4000  # characters; last words of servers can be long


class Change(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change of a model's state. `id` counts from 1, `at` is in seconds since the epoch. `cause` is in words; `reason`
    says why a run is stopped (`core.messages.StopReason`). `for_model`: whom it makes room for; `for_request`: who wants
    that, or its start, by its number among the requests under way (`request` of its row). `seconds`: what a load took, or
    how long a run lived."""

    id: int
    at: float
    model: str
    run: int
    state: str
    cause: str
    reason: str = ""
    for_model: str = ""
    for_request: str = ""
    seconds: float | None = None


def _written(text: str) -> str:
    """Fit for JSON and the store's file: names of files and of other processes may bring lone surrogates."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


class LoadTimes(Struct):
    """Of one model. `seconds`: of its last loads that succeeded, oldest first."""

    count: int = 0
    failed: int = 0
    seconds: deque[float] = deque()

    def note(self, took: float) -> None:
        self.count += 1
        self.seconds.append(took)
        if len(self.seconds) > TIMED:
            self.seconds.popleft()

    @property
    def median(self) -> float | None:
        """Seconds to the millisecond, None before the first load."""
        return round(median(self.seconds), 3) if self.seconds else None

    @property
    def p95(self) -> float | None:
        if len(self.seconds) < 2:
            return self.median
        return round(quantiles(self.seconds, n=20, method="inclusive")[-1], 3)


class History:
    def __init__(self) -> None:
        self._changes: deque[Change] = deque(maxlen=KEPT)
        self._last_id = 0
        self._loads: dict[str, LoadTimes] = {}
        self._last_errors: dict[str, Change] = {}

    def note(
        self,
        *,
        at: float,
        model: str,
        run: int,
        state: str,
        cause: str,
        reason: str = "",
        for_model: str = "",
        for_request: str = "",
        seconds: float | None = None,
        failed: bool = False,
    ) -> Change:
        """`failed`: the change is a server's failure, not somebody's wish."""
        self._last_id += 1
        change = Change(
            id=self._last_id,
            at=at,
            model=model,
            run=run,
            state=state,
            cause=_written(cause[:LONGEST_CAUSE]),
            reason=reason,
            for_model=for_model,
            for_request=for_request,
            seconds=seconds,
        )
        self._changes.append(change)
        if failed:
            self._last_errors[model] = change
        if state == "ready" and seconds is not None:
            self.loads(model).note(seconds)
        elif failed and reason == "start_failed":
            self.loads(model).failed += 1
        return change

    def loads(self, model: str) -> LoadTimes:
        return self._loads.setdefault(model, LoadTimes(seconds=deque()))

    def remember(self, changes: Iterable[Change], loads: Mapping[str, Iterable[float]]) -> None:
        """What was before this process, before anything is noted. `changes` and the seconds of `loads` come oldest first."""
        for change in changes:
            self._changes.append(change)
            self._last_id = change.id
        for model, seconds in loads.items():
            for took in seconds:
                self.loads(model).note(took)

    def last_error(self, model: str) -> Change | None:
        return self._last_errors.get(model)

    def page(
        self, *, before: float | None = None, after: float | None = None, model: str | None = None, limit: int = 100
    ) -> list[Change]:
        """The newest first. `before` and `after` are exclusive, in seconds since the epoch."""
        found: list[Change] = []
        for change in reversed(self._changes):
            if len(found) == limit or (after is not None and change.at <= after):
                break
            if (before is None or change.at < before) and (model is None or change.model == model):
                found.append(change)
        return found
