"""What a model's server tells of the model it serves: `/props` of llama.cpp, or what `/v1/models` adds to an entry.

Asked of the server itself, past the engine: no request is counted, no TTL begins anew, and nothing is loaded for it. Once
a run, since neither changes while it lives; a server that did not answer is asked again after `AGAIN` seconds. The calls
block, so they are made in a thread. `details` is the caller.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from msgspec import Struct

TIMEOUT = 2.0  # seconds for each of at most two calls
AGAIN = 30.0  # seconds
LONGEST = 1 << 20  # bytes; templates are long
LONGEST_VALUE = 200  # characters
MOST = 60
# Texts for programs, what is said of the model already, and names that are no parameter.
LEFT_OUT = frozenset(
    {"id", "object", "created", "owned_by", "permission", "parent", "aliases", "tags", "model_alias", "lora", "stop"}
    | {"chat_template", "chat_template_tool_use", "bos_token", "eos_token", "grammar", "grammar_triggers"}
    | {"preserved_tokens", "prompt", "next_token", "is_processing", "id_task"}
)


class Parameter(Struct, frozen=True):
    """As its server calls it; the value as a text."""

    name: str
    value: str


class Parameters:
    def __init__(self) -> None:
        self._told: dict[str, tuple[int, float, list[Parameter]]] = {}  # of each model: the run, when, what

    async def of(self, model: str, run: int, address: str) -> list[Parameter]:
        """Of a run that is ready. `address`: a URL. Empty where its server tells nothing."""
        known = self._told.get(model)
        if known is not None and known[0] == run and (known[2] or time.monotonic() - known[1] < AGAIN):
            return known[2]
        told = await asyncio.to_thread(_ask, address.rstrip("/"))
        self._told[model] = (run, time.monotonic(), told)
        return told


def _ask(address: str) -> list[Parameter]:
    props = _fetch(f"{address}/props")
    if isinstance(props, dict) and (told := [*_flat(props)]):
        return told[:MOST]
    listing = _fetch(f"{address}/v1/models")
    entries = listing.get("data") if isinstance(listing, dict) else None
    entry = entries[0] if isinstance(entries, list) and entries else None
    return [*_flat(entry)][:MOST] if isinstance(entry, dict) else []


def _flat(told: dict[str, Any]) -> Iterator[Parameter]:
    """Scalars, those of inner objects by their last name. llama.cpp's sampling stands two levels down."""
    for name, value in told.items():
        match value:
            case dict() if name in ("meta", "params", "default_generation_settings"):
                yield from _flat(value)
            case dict() if name == "modalities":
                yield Parameter(name, ", ".join(key for key, has in value.items() if has) or "text")
            case bool() | int() | str() if name not in LEFT_OUT and value != "":
                yield Parameter(name, (str(value).lower() if isinstance(value, bool) else str(value))[:LONGEST_VALUE])
            case float() if name not in LEFT_OUT:
                yield Parameter(name, f"{value:.4g}")


def _fetch(url: str) -> Any:
    """The JSON of the answer; None where there is none."""
    from http.client import HTTPException
    from urllib.request import ProxyHandler, build_opener  # takes a while to load

    if not url.startswith(("http://", "https://")):
        return None
    # ValueError: what is no JSON; OSError: everything that a connection, and a refusal, can be.
    with suppress(OSError, HTTPException, ValueError), build_opener(ProxyHandler({})).open(url, timeout=TIMEOUT) as answer:
        return json.loads(answer.read(LONGEST))
    return None
