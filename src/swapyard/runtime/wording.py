"""Why a run is stopped and why a ticket is refused, in words for people and as errors for clients."""

from __future__ import annotations

from typing import assert_never

from swapyard.core.messages import RefusalReason, Refuse, StartError, Stop, StopReason
from swapyard.errors import ModelNotFound, RequestError, StartFailed, TooManyRequests, Unavailable


def stop_cause(stop: Stop, wanted: str = "") -> str:
    """`wanted`: for whom the model is loaded that it makes room for, as a waiter says it ("for request 7", "by hand")."""
    match stop.reason:
        case StopReason.EVICTED:
            who = f"for {stop.for_model}" + (f", {wanted.removeprefix('for ')}" if wanted else "")
            return f"evicted: {stop.rule}, {who}" if stop.rule else f"evicted {who}"
        case StopReason.IDLE:
            return f"idle for {stop.idle:g} s" if stop.idle else "idle for its ttl"
        case StopReason.UNLOADED:
            return "unloaded by hand"
        case StopReason.ABANDONED:
            return f"nobody waits for it any more, and {stop.for_model} does"
        case StopReason.START_FAILED:
            return "its start failed"
        case StopReason.CRASHED:
            return "it crashed"
        case StopReason.RELOADED:
            return "its configuration changed"
        case StopReason.SHUTDOWN:
            return "shutdown"
        case _:
            assert_never(stop.reason)


def refusal(command: Refuse, model: str) -> RequestError:
    """What a client is told."""
    match command.reason:
        case RefusalReason.UNKNOWN_MODEL:
            return ModelNotFound(model)
        case RefusalReason.LIMIT:
            return TooManyRequests(f'Too many requests: the concurrencyLimit of model "{model}" is reached')
        case RefusalReason.QUEUE_FULL:
            return TooManyRequests(f'Too many requests: the queue of model "{model}" is full', code="queue_full")
        case RefusalReason.START_FAILED:
            error = command.error or StartError(f'model "{model}" did not start')
            return StartFailed(error.detail, worth_retrying=error.worth_retrying)
        case RefusalReason.UNLOADED:
            return Unavailable(f'model "{model}" was unloaded while the request waited for it', retry_after=1)
        case RefusalReason.SHUTTING_DOWN:
            return Unavailable("the server is shutting down")
        case _:
            assert_never(command.reason)
