"""The life of a run, as one table: state x step -> state. What is not in the table is a bug and raises.

              START              BECOME_READY          STOP
    stopped ---------> starting --------------> ready ------> stopping
       ^                  | STOP, FAIL            |               |
       |                  +-------------------------------------->+
       +---- EXIT: from each of the three, when nothing is left --+

A model without a run is *stopped*. A run that failed to come up is *stopping* until the last of its processes is gone, so
no successor can share memory or a port with what is left of it. There is no failed state: the next ticket tries again.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """The strings appear in the HTTP API."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


class Step(StrEnum):
    START = "start"
    BECOME_READY = "become_ready"
    FAIL = "fail"
    STOP = "stop"
    EXIT = "exit"


TABLE: Mapping[tuple[State, Step], State] = {
    (State.STOPPED, Step.START): State.STARTING,
    (State.STARTING, Step.BECOME_READY): State.READY,
    (State.STARTING, Step.FAIL): State.STOPPING,
    (State.STARTING, Step.STOP): State.STOPPING,
    (State.STARTING, Step.EXIT): State.STOPPED,
    (State.READY, Step.STOP): State.STOPPING,
    (State.READY, Step.EXIT): State.STOPPED,
    # Reported by a run that had not yet heard of its stop: too late to matter.
    (State.STOPPING, Step.BECOME_READY): State.STOPPING,
    (State.STOPPING, Step.FAIL): State.STOPPING,
    (State.STOPPING, Step.EXIT): State.STOPPED,
}


class LifecycleError(RuntimeError):
    """A step that a run in this state cannot take: a bug of the caller or of the scheduler."""


def next_state(state: State, step: Step) -> State:
    try:
        return TABLE[state, step]
    except KeyError:
        raise LifecycleError(f"a run that is {state} cannot take the step {step}") from None
