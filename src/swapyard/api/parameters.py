"""What a model's server tells of the model it serves: `/props` of llama.cpp, or what `/v1/models` adds to an entry.

Asked of the server itself, past the engine: no request is counted, no TTL begins anew, and nothing is loaded for it. Once
a run, since neither changes while it lives; a server that did not answer is asked again after `AGAIN` seconds. It may do
what it likes: it has `TIMEOUT` seconds for everything, and is not followed elsewhere. `details` is the caller.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from httptools import HttpParserError, HttpResponseParser
from msgspec import Struct

TIMEOUT = 2.0  # seconds for all of each of at most two calls
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
        self._asking: dict[tuple[str, int], asyncio.Task[list[Parameter]]] = {}

    async def of(self, model: str, run: int, address: str) -> list[Parameter]:
        """Of a run that is ready. `address`: a URL. Empty where its server tells nothing. However many ask, its server is
        asked once."""
        known = self._told.get(model)
        if known is not None and known[0] == run and (known[2] or time.monotonic() - known[1] < AGAIN):
            return known[2]
        task = self._asking.get((model, run))
        if task is None:
            task = self._asking[model, run] = asyncio.create_task(_ask(address.rstrip("/")))
            task.add_done_callback(lambda done: self._answered(model, run, done))
        return await asyncio.shield(task)

    def _answered(self, model: str, run: int, task: asyncio.Task[list[Parameter]]) -> None:
        del self._asking[model, run]
        if not task.cancelled() and task.exception() is None:
            self._told[model] = (run, time.monotonic(), task.result())


async def _ask(address: str) -> list[Parameter]:
    props = await _fetch(f"{address}/props")
    if isinstance(props, dict) and (told := _listed(props)):
        return told
    listing = await _fetch(f"{address}/v1/models")
    entries = listing.get("data") if isinstance(listing, dict) else None
    entry = entries[0] if isinstance(entries, list) and entries else None
    return _listed(entry) if isinstance(entry, dict) else []


def _listed(told: dict[str, Any]) -> list[Parameter]:
    try:
        return [Parameter(_text(one.name), _text(one.value)) for one in islice(_flat(told), MOST)]
    except RecursionError:
        return []


def _text(text: str) -> str:
    return text[:LONGEST_VALUE].encode("utf-8", "replace").decode()


def _flat(told: dict[str, Any]) -> Iterator[Parameter]:
    """Scalars, those of inner objects by their last name. llama.cpp's sampling stands two levels down."""
    for name, value in told.items():
        match value:
            case dict() if name in ("meta", "params", "default_generation_settings"):
                yield from _flat(value)
            case dict() if name == "modalities":
                yield Parameter(name, ", ".join(key for key, has in value.items() if has) or "text")
            case bool() | int() | str() if name not in LEFT_OUT and value != "":
                yield Parameter(name, (str(value).lower() if isinstance(value, bool) else str(value)))
            case float() if name not in LEFT_OUT:
                yield Parameter(name, f"{value:.4g}")


async def _fetch(url: str) -> Any:
    """The JSON of the answer; None where there is none, none in time, or where the server sends elsewhere."""
    # ValueError: what is no address, or no JSON; OSError: everything that a connection can be, and being late.
    with suppress(OSError, ValueError, RecursionError, HttpParserError):
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname:
            tls = parts.scheme == "https"
            async with asyncio.timeout(TIMEOUT):
                reader, writer = await asyncio.open_connection(
                    parts.hostname, parts.port or (443 if tls else 80), ssl=tls or None
                )
                try:
                    place = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
                    host = f"{place}:{parts.port}" if parts.port else place
                    writer.write(f"GET {parts.path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("ascii"))
                    return json.loads(await _body(reader))
                finally:
                    writer.transport.abort()
    return None


class _Answer:
    """What httptools tells of one answer."""

    def __init__(self) -> None:
        self.parser = HttpResponseParser(self)
        self.body = bytearray()
        self.is_over = False

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.is_over = self.parser.get_status_code() >= 200


async def _body(reader: asyncio.StreamReader) -> bytes:
    """Of an answer with status 200, else nothing; at most `LONGEST` bytes."""
    answer, size = _Answer(), 0
    while not answer.is_over and (data := await reader.read(1 << 16)):
        size += len(data)
        if size > LONGEST:
            return b""
        answer.parser.feed_data(data)
    return bytes(answer.body) if answer.parser.get_status_code() == 200 else b""
