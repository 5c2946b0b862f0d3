"""Changes of models, told to everybody who wants to know: the log, the history, and the viewers of the event stream."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from swapyard.core.lifecycle import State
from swapyard.core.messages import StopReason, Ticket
from swapyard.observe.bus import Bus
from swapyard.observe.history import Change, History
from swapyard.observe.logs import Logger
from swapyard.runtime.engine import Transition

STATUS_WITHIN = 0.05  # seconds: changes that come together are told as one list of models
FAILURES = {StopReason.START_FAILED, StopReason.CRASHED}  # reasons that are nobody's wish


class News:
    """`model_status` makes the list that the event `modelStatus` carries; `request_of` tells the id of the request under way
    that holds a ticket, empty where it is none. `keep` is for what must outlive the process."""

    def __init__(
        self,
        *,
        log: Logger,
        history: History,
        bus: Bus,
        model_status: Callable[[], Sequence[object]],
        request_of: Callable[[Ticket], str],
        keep: Callable[[Change], None],
    ) -> None:
        self._log = log
        self._history = history
        self._bus = bus
        self._model_status = model_status
        self._request_of = request_of
        self._keep = keep

    def changed(self, change: Transition) -> None:
        """An observer of the engine."""
        self._log_line(change)
        noted = self._history.note(
            at=time.time(),
            model=change.model,
            run=change.run,
            state=change.state.value,
            cause=change.cause,
            reason=change.reason.value if change.reason else "",
            for_model=change.for_model or "",
            for_request="" if change.for_ticket is None else self._request_of(change.for_ticket),
            seconds=None if change.seconds is None else round(change.seconds, 3),
            failed=change.reason in FAILURES,
        )
        self._keep(noted)
        self._bus.publish("transition", noted)
        self.status_changed()

    def profile_changed(self, active: str | None) -> None:
        self._bus.publish("profileChanged", {"active": active})
        self.status_changed()

    def config_changed(self, told: object) -> None:
        """After a reload. `told`: what viewers have to know of the configuration."""
        self._bus.publish("uiConfig", told)
        self.status_changed()

    def status_changed(self) -> None:
        self._bus.publish_within(STATUS_WITHIN, "modelStatus", self._model_status)

    def _log_line(self, change: Transition) -> None:
        """One line each. Of failures the supervisor has its own line, which says more."""
        if change.state is State.STOPPED:
            self._log.info("<%s> stopped", change.model)
        elif change.reason not in FAILURES:
            self._log.info("<%s> %s: %s", change.model, change.state.value, change.cause)
