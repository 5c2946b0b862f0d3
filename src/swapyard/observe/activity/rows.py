"""What is recorded of a request, and how it is listed.

`Activity` is made on the loop when a request is over. `Row` is its JSON shape in `/api/metrics/activity`: llama-swap's keys
in its order, then ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from swapyard.observe.figures import Usage


class Outcome(StrEnum):
    """How an exchange ended, as far as the status cannot tell."""

    COMPLETE = "complete"
    CLIENT_LEFT = "client_left"
    CANCELLED = "cancelled"  # by an operator
    BROKEN = "broken"  # the upstream broke off


class Activity(msgspec.Struct, gc=False):
    """One request, over. `ended`: Unix time, seconds. Durations in milliseconds; -1 is unknown or did not happen.

    `path`: as forwarded. `duration_ms`: from the end of the request's checks to the end of the answer, queue and load
    included. `first_token_ms`: from the same beginning. `error`: "" where the answer itself (`usage.error`) or its
    status says it. `session`: what the client calls its session, "" where it names none. `request`: its number among the
    requests under way, which changes of models name; 0 where it waited for no model, so that none can.
    """

    ended: float
    model: str
    path: str
    status: int
    duration_ms: int
    usage: Usage
    content_type: str = ""
    error: str = ""
    metadata: Mapping[str, str] | None = None  # may be shared: nobody changes it
    outcome: Outcome = Outcome.COMPLETE
    queue_ms: int = -1
    load_ms: int = -1
    first_token_ms: int = -1
    client: str = ""
    session: str = ""
    request: int = 0


class Tokens(msgspec.Struct, kw_only=True):
    cache_tokens: int
    draft_tokens: int
    draft_acc_tokens: int
    input_tokens: int
    output_tokens: int
    prompt_per_second: float
    tokens_per_second: float


class Timing(msgspec.Struct, kw_only=True):
    """Ours: what llama-swap does not record. Milliseconds, -1 = unknown. `request`: while it was under way, the number by
    which `for_request` of a transition means it; 0 where it waited for no model. Every process counts from 1."""

    outcome: str
    ended_ms: int
    queue_ms: int
    load_ms: int
    first_token_ms: int
    prefill_ms: float
    decode_ms: float
    prompt_tokens: int
    client: str
    session: str
    request: int


class Row(msgspec.Struct, kw_only=True):
    id: int
    timestamp: str
    model: str
    req_path: str
    resp_content_type: str
    resp_status_code: int
    tokens: Tokens
    duration_ms: int
    has_capture: bool
    error_msg: str | UnsetType = UNSET
    metadata: dict[str, str] | UnsetType = UNSET
    timing: Timing | UnsetType = UNSET


class Search(msgspec.Struct, frozen=True):
    """How far a search in captures came: `searched` of `kept`."""

    searched: int
    kept: int


class Listing(msgspec.Struct, kw_only=True, omit_defaults=True):
    data: list[Row]
    page: int
    limit: int
    total: int
    total_pages: int
    search: Search | None = None


MAIN_COLUMNS: Final = (
    "id",
    "ts_created",
    "model_id",
    "req_path",
    "resp_content_type",
    "resp_status_code",
    "cache_tokens",
    "draft_tokens",
    "draft_acc_tokens",
    "input_tokens",
    "output_tokens",
    "prompt_per_second",
    "tokens_per_second",
    "duration_ms",
    "error_msg",
    "metadata_json",
)
OUR_COLUMNS: Final = (
    "outcome",
    "ended_ms",
    "queue_ms",
    "load_ms",
    "first_token_ms",
    "prefill_ms",
    "decode_ms",
    "prompt_tokens",
    "client",
    "session",
    "request",
)

HasCapture = Callable[[int], bool]
Values = tuple[Any, ...]


def main_values(row_id: int, one: Activity) -> Values:
    """In the order of `MAIN_COLUMNS`."""
    usage = one.usage
    return (
        row_id,
        int(one.ended),
        storable(one.model),
        storable(one.path),
        storable(one.content_type),
        one.status,
        usage.cache_tokens,
        usage.draft_tokens,
        usage.draft_accepted_tokens,
        usage.input_tokens,
        usage.output_tokens,
        usage.prompt_per_second,
        usage.tokens_per_second,
        max(one.duration_ms, usage.engine_ms),
        storable(one.error or usage.error or _status_text(one.status)),
        msgspec.json.encode(one.metadata).decode() if one.metadata else "",
    )


def our_values(row_id: int, one: Activity) -> Values:
    """The id, then in the order of `OUR_COLUMNS`."""
    usage = one.usage
    prefill = usage.prompt_ms if usage.engine_ms else -1.0
    decode = usage.generation_ms if usage.engine_ms else -1.0
    return (
        row_id,
        one.outcome.value,
        int(one.ended * 1000),
        one.queue_ms,
        one.load_ms,
        one.first_token_ms,
        prefill,
        decode,
        usage.prompt_tokens,
        storable(one.client),
        storable(one.session),
        one.request,
    )


def storable(text: str) -> str:
    """Neither SQLite nor protobuf takes lone surrogates, which a header may bring."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _status_text(status: int) -> str:
    if 200 <= status < 300:
        return ""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def row_of(values: Values, has_capture: HasCapture) -> Row:
    """`values`: in the order of `MAIN_COLUMNS`, then of `OUR_COLUMNS`, which are NULL in another program's row."""
    main, ours = values[: len(MAIN_COLUMNS)], values[len(MAIN_COLUMNS) :]
    row_id, created, model, path, content_type, status, *tokens, duration, error, metadata = main
    cached, drafted, accepted, tokens_in, tokens_out, prompt_rate, rate = tokens
    return Row(
        id=row_id,
        timestamp=local_time(created),
        model=model,
        req_path=path,
        resp_content_type=content_type,
        resp_status_code=status,
        tokens=Tokens(
            cache_tokens=cached,
            draft_tokens=drafted,
            draft_acc_tokens=accepted,
            input_tokens=tokens_in,
            output_tokens=tokens_out,
            prompt_per_second=prompt_rate,
            tokens_per_second=rate,
        ),
        duration_ms=duration,
        has_capture=has_capture(row_id),
        error_msg=error or UNSET,
        metadata=_metadata(metadata) or UNSET,
        timing=UNSET if ours[0] is None else Timing(**dict(zip(OUR_COLUMNS, ours, strict=True))),
    )


def _metadata(text: str) -> dict[str, str]:
    try:
        return msgspec.json.decode(text, type=dict[str, str]) if text else {}
    except (msgspec.MsgspecError, ValueError, RecursionError):  # another program's row
        return {}


def local_time(seconds: int) -> str:
    """RFC 3339 in this machine's zone, `Z` where that is UTC. Of what is no time (another program's row) that of 0."""
    try:
        found = datetime.fromtimestamp(seconds).astimezone()
    except (ValueError, OverflowError, OSError, TypeError):
        found = datetime.fromtimestamp(0).astimezone()
    return found.isoformat(timespec="seconds").replace("+00:00", "Z")
