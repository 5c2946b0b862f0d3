"""What the engines' own numbers mean: `usage`, llama.cpp's `timings`, vLLM's `metrics` become one `Usage`.

Pure; called by `observe.usage`, which finds these objects in a response. The counts follow llama-swap's rules, because
clients read them in its activity rows: -1 is "not told", 0 in a rate is "told as nothing". Where an engine's count of a
prompt leaves out what came from its cache, `Usage.prompt_tokens` puts it back, so that figures of different engines can be
compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, UnsetType

_LARGEST: Final = 2**53  # beyond it no count is one, and SQLite's integers end at 2**63

_SHORTEST: Final = 1e-6  # milliseconds; of a shorter time no rate is told

Count = Annotated[int, msgspec.Meta(ge=-_LARGEST, le=_LARGEST)]
Number = Annotated[float, msgspec.Meta(ge=-_LARGEST, le=_LARGEST)]


class Details(msgspec.Struct, gc=False):
    """`input_tokens_details`, `prompt_tokens_details`."""

    cached_tokens: Count | UnsetType | None = UNSET


class ToldUsage(msgspec.Struct, gc=False):
    """The `usage` of an answer, as engines that keep to the rules tell it; of others `usage_of` makes one."""

    prompt_tokens: Count | UnsetType | None = UNSET
    completion_tokens: Count | UnsetType | None = UNSET
    input_tokens: Count | UnsetType | None = UNSET
    output_tokens: Count | UnsetType | None = UNSET
    total_tokens: Count | UnsetType | None = UNSET
    cache_read_input_tokens: Count | UnsetType | None = UNSET
    cache_creation_input_tokens: Count | UnsetType | None = UNSET
    input_tokens_details: Details | UnsetType | None = UNSET
    prompt_tokens_details: Details | UnsetType | None = UNSET


class ToldTimings(msgspec.Struct, gc=False):
    """llama.cpp's `timings`, likewise; `timings_of`."""

    prompt_n: Count = 0
    predicted_n: Count = 0
    prompt_per_second: Number = 0.0
    predicted_per_second: Number = 0.0
    cache_n: Count | UnsetType = UNSET
    draft_n: Count | UnsetType = UNSET
    draft_n_accepted: Count | UnsetType = UNSET
    prompt_ms: Number | UnsetType = UNSET
    predicted_ms: Number | UnsetType = UNSET


NO_USAGE: Final = ToldUsage()
_COUNTS: Final = ("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "total_tokens")
_CACHE_COUNTS: Final = ("cache_read_input_tokens", "cache_creation_input_tokens")
_DETAILS: Final = ("input_tokens_details", "prompt_tokens_details")


def usage_of(told: object) -> ToldUsage:
    """Of whatever an engine put there; equal to `NO_USAGE` if there is no figure in it."""
    found = ToldUsage()
    if isinstance(told, dict):
        for key in (*_COUNTS, *_CACHE_COUNTS):
            if key in told:
                setattr(found, key, integer(told[key]))
        for key in _DETAILS:
            if key in told:
                details = told[key] if isinstance(told[key], dict) else {}
                setattr(found, key, Details(integer(details["cached_tokens"])) if "cached_tokens" in details else None)
    return found


def timings_of(told: object) -> ToldTimings:
    """As `usage_of`."""
    found = ToldTimings()
    if isinstance(told, dict):
        for key in ("prompt_n", "predicted_n", "cache_n", "draft_n", "draft_n_accepted"):
            if key in told:
                setattr(found, key, integer(told[key]))
        for key in ("prompt_per_second", "predicted_per_second", "prompt_ms", "predicted_ms"):
            if key in told:
                setattr(found, key, number(told[key]))
    return found


class Usage(msgspec.Struct, gc=False):
    """What one response cost, as far as its engine told.

    Counts are tokens, rates tokens per second, times milliseconds. `input_tokens` is what the engine calls so: with
    llama.cpp and Anthropic without the cached part, with OpenAI and vLLM with it; `prompt_tokens` is the whole prompt with
    all of them. `error` is what the response says went wrong, "" if nothing.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_tokens: int = 0
    draft_tokens: int = 0
    draft_accepted_tokens: int = 0
    prompt_per_second: float = 0.0
    tokens_per_second: float = 0.0
    prompt_ms: float = 0.0
    generation_ms: float = 0.0
    prompt_tokens: int = 0
    error: str = ""

    @property
    def engine_ms(self) -> int:
        """What the engine says it worked, whole milliseconds. It may exceed the wall time (llama-swap #602)."""
        return int(self.prompt_ms + self.generation_ms)


def integer(value: object) -> int:
    """A count, leniently: floats are truncated, numeric strings are read, anything else is 0."""
    if type(value) is int and -_LARGEST < value < _LARGEST:
        return value
    return int(max(-_LARGEST, min(number(value), _LARGEST)))


def number(value: object) -> float:
    """A finite number no larger than a count may be, as leniently as `integer`."""
    if type(value) is float and -_LARGEST < value < _LARGEST:
        return value
    if isinstance(value, (int, float, str)):
        try:
            found = float(value)
        except (ValueError, OverflowError):
            return 0.0
        return max(-float(_LARGEST), min(found, float(_LARGEST))) if math.isfinite(found) else 0.0
    return 0.0


class Counts:
    """The counts of a `usage` object, or of several in one stream (Anthropic tells the input first, the output last).

    `cached` is -1 while nobody told it. Told again, positive counts replace, 0 never does: the last word of a stream often
    repeats only what changed.
    """

    __slots__ = ("apart", "cached", "input", "output")

    def __init__(self) -> None:
        self.input = 0
        self.output = 0
        self.cached = -1
        self.apart = 0  # tokens of the prompt that `input` leaves out, as Anthropic's API has it

    def add(self, usage: ToldUsage) -> None:
        output, prompt = usage.completion_tokens, usage.prompt_tokens
        if output is UNSET:
            output = usage.output_tokens
        if prompt is UNSET:
            prompt = usage.input_tokens
            if prompt is UNSET and output is UNSET:
                prompt = usage.total_tokens  # all that vLLM's /rerank and /score tell
        if prompt:  # neither 0 nor null nor absent
            self.input = prompt
        if output:
            self.output = output
        read, created = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
        if read is not UNSET or created is not UNSET:
            self.apart = (read or 0) + (created or 0) or self.apart
        cached = read
        if read is UNSET:
            for details in (usage.input_tokens_details, usage.prompt_tokens_details):
                if details and details.cached_tokens is not UNSET:
                    cached = details.cached_tokens
                    break
        if cached is not UNSET and (cached or 0) >= 0:
            self.cached = cached or 0


def figures(counts: Counts, timings: ToldTimings | UnsetType, metrics: object) -> Usage:
    """`timings` and `metrics` as they stood in the response, `UNSET` where there were none. vLLM's word comes last."""
    whole = counts.input + counts.apart
    if timings is not UNSET:
        found = _with_timings(counts.cached, whole, timings)
    else:
        # In order: input, output, cached, drafted and accepted tokens, rates, times, the whole prompt.
        found = Usage(counts.input, counts.output, counts.cached, -1, -1, -1.0, -1.0, 0.0, 0.0, whole)
    if isinstance(metrics, dict):
        _apply_metrics(found, metrics)
    return found


def _with_timings(cached: int, whole: int, timings: ToldTimings) -> Usage:
    """`cached`, `whole`: as the counts have it, where the timings do not tell."""
    fresh = timings.prompt_n
    if timings.cache_n is not UNSET:
        cached = timings.cache_n
        whole = fresh + cached if cached > 0 else fresh
    elif fresh > whole:
        whole = fresh
    drafted, accepted = timings.draft_n, timings.draft_n_accepted
    if drafted is UNSET or accepted is UNSET:
        drafted = accepted = -1
    prompt_ms, generation_ms = timings.prompt_ms, timings.predicted_ms
    if prompt_ms is UNSET or generation_ms is UNSET:
        prompt_ms = generation_ms = 0.0
    return Usage(
        fresh,
        timings.predicted_n,
        cached,
        drafted,
        accepted,
        timings.prompt_per_second,
        timings.predicted_per_second,
        prompt_ms if prompt_ms > 0.0 else 0.0,
        generation_ms if generation_ms > 0.0 else 0.0,
        whole,
    )


def _apply_metrics(found: Usage, metrics: Mapping[str, Any]) -> None:
    drafts = metrics.get("speculative_decoding")
    if isinstance(drafts, dict) and "num_draft_tokens" in drafts and "num_accepted_draft_tokens" in drafts:
        found.draft_tokens = integer(drafts["num_draft_tokens"])
        found.draft_accepted_tokens = integer(drafts["num_accepted_draft_tokens"])
    first_ms = number(metrics.get("time_to_first_token_ms"))
    if first_ms > _SHORTEST:
        found.prompt_per_second = (found.input_tokens - max(found.cache_tokens, 0)) / (first_ms / 1000)
    between_ms = number(metrics.get("mean_itl_ms"))
    if between_ms > _SHORTEST:
        found.tokens_per_second = 1000 / between_ms


def summed(timings: Sequence[ToldTimings]) -> ToldTimings:
    """The timings of several answers in one response (llama.cpp's `/completion` takes several prompts) as those of one."""

    def total(key: str) -> Any:
        told = [value for one in timings if (value := getattr(one, key)) is not UNSET]
        return max(-_LARGEST, min(sum(told), _LARGEST)) if told else UNSET

    found = ToldTimings(*map(total, ToldTimings.__struct_fields__))
    found.prompt_per_second = _rate(found.prompt_n, found.prompt_ms)
    found.predicted_per_second = _rate(found.predicted_n, found.predicted_ms)
    return found


def _rate(count: float, milliseconds: float | UnsetType) -> float:
    return 1000 * count / milliseconds if milliseconds is not UNSET and milliseconds > _SHORTEST else 0.0


def error_text(answer: object, *, limit: int = 500) -> str:
    """What an error answer says: the first non-blank string among `error.message`, `error`, `message` and `detail`.
    At most `limit` bytes of UTF-8, cut between characters, then "..."; "" where nothing is said."""
    if not isinstance(answer, dict):
        return ""
    error = answer.get("error")
    nested = error.get("message") if isinstance(error, dict) else None
    for said in (nested, error, answer.get("message"), answer.get("detail")):
        if isinstance(said, str) and said.strip():
            encoded = said.encode("utf-8", "replace")
            return said if len(encoded) <= limit else encoded[:limit].decode("utf-8", "ignore") + "..."
    return ""
