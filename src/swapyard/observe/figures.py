"""What the engines' own numbers mean: `usage`, llama.cpp's `timings`, vLLM's `metrics` become one `Usage`.

Pure; called by `observe.usage`, which finds these objects in a response. The counts follow llama-swap's rules, because
clients read them in its activity rows: -1 is "not told", 0 in a rate is "told as nothing". Where an engine's count of a
prompt leaves out what came from its cache, `Usage.prompt_tokens` puts it back, so that figures of different engines can be
compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec

UNSET: Final = msgspec.UNSET
_LARGEST: Final = 2**53  # beyond it no count is one, and SQLite's integers end at 2**63

USAGE_KEYS: Final = frozenset(
    {
        "prompt_tokens",
        "input_tokens",
        "completion_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "input_tokens_details",
        "prompt_tokens_details",
        "total_tokens",
    }
)


class Usage(msgspec.Struct, kw_only=True, gc=False):
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
    """A finite number, as leniently as `integer`."""
    if type(value) is float and -_LARGEST < value < _LARGEST:
        return value
    if isinstance(value, (int, float, str)):
        try:
            found = float(value)
        except (ValueError, OverflowError):
            return 0.0
        return found if math.isfinite(found) else 0.0
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

    def add(self, usage: Mapping[str, Any]) -> None:
        told = usage.get
        output = told("completion_tokens", UNSET)
        if output is UNSET:
            output = told("output_tokens", UNSET)
        prompt = told("prompt_tokens", UNSET)
        if prompt is UNSET:
            prompt = told("input_tokens", UNSET)
        if prompt is UNSET and output is UNSET:
            prompt = told("total_tokens", 0)  # all that vLLM's /rerank and /score tell
        self.input = integer(prompt) or self.input
        self.output = integer(output) or self.output
        if "cache_read_input_tokens" in usage or "cache_creation_input_tokens" in usage:
            self.apart = (
                integer(told("cache_read_input_tokens")) + integer(told("cache_creation_input_tokens")) or self.apart
            )
        cached = _cached_of(usage)
        if cached >= 0:
            self.cached = cached


def _cached_of(usage: Mapping[str, Any]) -> int:
    if "cache_read_input_tokens" in usage:
        return integer(usage["cache_read_input_tokens"])
    for key in ("input_tokens_details", "prompt_tokens_details"):
        details = usage.get(key)
        if type(details) is dict and "cached_tokens" in details:
            return integer(details["cached_tokens"])
    return -1


def figures(counts: Counts, timings: object, metrics: object) -> Usage:
    """`timings` and `metrics` as they stood in the response, `UNSET` where there were none. vLLM's word comes last."""
    found = Usage(
        input_tokens=counts.input,
        output_tokens=counts.output,
        cache_tokens=counts.cached,
        draft_tokens=-1,
        draft_accepted_tokens=-1,
        prompt_per_second=-1.0,
        tokens_per_second=-1.0,
        prompt_tokens=counts.input + counts.apart,
    )
    if timings is not UNSET:
        _apply_timings(found, timings if isinstance(timings, dict) else {})
    if isinstance(metrics, dict):
        _apply_metrics(found, metrics)
    return found


def _apply_timings(found: Usage, timings: Mapping[str, Any]) -> None:
    found.input_tokens = integer(timings.get("prompt_n"))
    found.output_tokens = integer(timings.get("predicted_n"))
    found.prompt_per_second = number(timings.get("prompt_per_second"))
    found.tokens_per_second = number(timings.get("predicted_per_second"))
    found.prompt_tokens = max(found.prompt_tokens, found.input_tokens)
    if "cache_n" in timings:
        found.cache_tokens = integer(timings["cache_n"])
        found.prompt_tokens = found.input_tokens + max(found.cache_tokens, 0)
    if "draft_n" in timings and "draft_n_accepted" in timings:
        found.draft_tokens = integer(timings["draft_n"])
        found.draft_accepted_tokens = integer(timings["draft_n_accepted"])
    if "prompt_ms" in timings and "predicted_ms" in timings:
        found.prompt_ms = max(number(timings["prompt_ms"]), 0.0)
        found.generation_ms = max(number(timings["predicted_ms"]), 0.0)


def _apply_metrics(found: Usage, metrics: Mapping[str, Any]) -> None:
    drafts = metrics.get("speculative_decoding")
    if isinstance(drafts, dict) and "num_draft_tokens" in drafts and "num_accepted_draft_tokens" in drafts:
        found.draft_tokens = integer(drafts["num_draft_tokens"])
        found.draft_accepted_tokens = integer(drafts["num_accepted_draft_tokens"])
    first_ms = number(metrics.get("time_to_first_token_ms"))
    if first_ms > 0:
        found.prompt_per_second = (found.input_tokens - max(found.cache_tokens, 0)) / (first_ms / 1000)
    between_ms = number(metrics.get("mean_itl_ms"))
    if between_ms > 0:
        found.tokens_per_second = 1000 / between_ms


def summed(timings: list[dict[str, Any]]) -> dict[str, Any]:
    """The timings of several answers in one response (llama.cpp's `/completion` takes several prompts) as those of one."""
    total: dict[str, Any] = {}
    for one in timings:
        for key, value in one.items():
            total[key] = total.get(key, 0) + number(value)
    for count, ms, rate in (
        ("prompt_n", "prompt_ms", "prompt_per_second"),
        ("predicted_n", "predicted_ms", "predicted_per_second"),
    ):
        total[rate] = 1000 * total.get(count, 0) / total[ms] if total.get(ms, 0) > 0 else 0.0
    return total


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
