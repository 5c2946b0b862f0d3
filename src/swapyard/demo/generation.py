"""How an answer comes about: the prompt is read, tokens follow at a pace, one of a few slots is taken meanwhile.

`Engine` is the state of the process that the routes share. `Generation` is one answer: its tokens and its clock. Whoever
runs a generation is cancelled when its client leaves; that is counted and said in the log.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from swapyard.demo import words


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says. Paces are tokens per second, 0 = without a pause; times are seconds."""

    model: str
    kind: str = "chat"
    load_seconds: float = 0.0
    tokens_per_second: float = 50.0
    prompt_tokens_per_second: float = 2000.0
    parallel: int = 4
    ctx_size: int = 4096
    keep_alive: float = 5.0
    api_key: str = ""
    crash_after: int | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """`text` is all that the model reads; `question` is the part that it answers; `answer` replaces the usual one."""

    text: str
    question: str
    answer: str | None = None


class RefusedError(Exception):
    """The request cannot be served; `extra` joins the error object of the answer."""

    def __init__(self, status: int, kind: str, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message
        self.extra = extra


@dataclass(slots=True)
class Generation:
    """One answer. `cached` of the prompt's tokens were known from the prompt before it."""

    number: int
    model: str
    created: int
    prompt: list[str]
    cached: int
    answer: list[str]
    finish_reason: str
    produced: int = 0
    started: float = field(default_factory=time.monotonic)
    prompt_done: float = 0.0

    @property
    def text(self) -> str:
        return "".join(self.answer)

    def timings(self) -> dict[str, Any]:
        """llama.cpp's figures: counts of tokens, milliseconds and tokens per second. The prompt has cache_n + prompt_n."""
        prompt_n = len(self.prompt) - self.cached
        prompt_ms = max((self.prompt_done - self.started) * 1000, 0.001)
        predicted_ms = max((time.monotonic() - self.prompt_done) * 1000, 0.001)
        return {
            "cache_n": self.cached,
            "prompt_n": prompt_n,
            "prompt_ms": round(prompt_ms, 3),
            "prompt_per_token_ms": round(prompt_ms / max(prompt_n, 1), 3),
            "prompt_per_second": round(1000 * prompt_n / prompt_ms, 3),
            "predicted_n": self.produced,
            "predicted_ms": round(predicted_ms, 3),
            "predicted_per_token_ms": round(predicted_ms / max(self.produced, 1), 3),
            "predicted_per_second": round(1000 * self.produced / predicted_ms, 3),
        }


class Engine:
    """What the process knows: options, readiness, slots, counters."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.ready = False
        self.slots = asyncio.Semaphore(options.parallel)
        self.waiting = 0
        self.active = 0
        self.served = 0
        self.cancelled = 0
        self.produced = 0
        self.known_prompt: list[str] = []

    def state(self) -> dict[str, Any]:
        """The counters of `/demo/state`: generations that wait for a slot, run, were served and were cut short."""
        return {
            "model": self.options.model,
            "pid": os.getpid(),
            "ready": self.ready,
            "waiting": self.waiting,
            "active": self.active,
            "served": self.served,
            "cancelled": self.cancelled,
            "tokens_produced": self.produced,
        }

    def plan(self, prompt: Prompt, body: Mapping[str, Any]) -> Generation:
        """Decide what will be said. Raises `RefusedError` when the prompt exceeds the context."""
        read = words.tokens(prompt.text)
        size = self.options.ctx_size
        if len(read) > size:
            raise RefusedError(
                400,
                "exceed_context_size_error",
                f"request ({len(read)} tokens) exceeds the available context size ({size} tokens), try increasing it",
                n_prompt_tokens=len(read),
                n_ctx=size,
            )
        text = prompt.answer if prompt.answer is not None else words.answer(self.options.model, prompt.question)
        said = words.tokens(text)
        limit = token_limit(body)
        if body.get("ignore_eos") is True and limit is not None:
            said = (said * (limit // len(said) + 1))[:limit]
        cut = limit is not None and len(said) > limit
        return Generation(
            number=self.served + self.cancelled + self.active + self.waiting + 1,
            model=self.options.model,
            created=int(time.time()),
            prompt=read,
            cached=0,
            answer=said[:limit] if cut else said,
            finish_reason="length" if cut or (body.get("ignore_eos") is True and limit is not None) else "stop",
        )

    @asynccontextmanager
    async def slot(self, generation: Generation) -> AsyncIterator[None]:
        """Wait for a slot, silently, and count how the generation in it ends."""
        self.waiting += 1
        try:
            await self.slots.acquire()
        except asyncio.CancelledError:
            self.cancelled += 1
            log(f"srv  cancel_tasks: task {generation.number} left before it had a slot")
            raise
        finally:
            self.waiting -= 1
        self.active += 1
        try:
            yield
        except asyncio.CancelledError:
            self.cancelled += 1
            log(f"srv  cancel_tasks: client gone, task {generation.number} stopped after {generation.produced} tokens")
            raise
        else:
            self.served += 1
            log_timings(generation)
        finally:
            self.active -= 1
            self.slots.release()

    async def pieces(self, generation: Generation) -> AsyncGenerator[str, None]:
        """Read the prompt, then give the tokens of the answer one by one at the pace of this engine."""
        generation.started = time.monotonic()
        generation.cached = min(common_prefix(self.known_prompt, generation.prompt), max(len(generation.prompt) - 1, 0))
        self.known_prompt = generation.prompt
        speed = self.options.prompt_tokens_per_second
        unread = len(generation.prompt) - generation.cached
        await asyncio.sleep(unread / speed if speed else 0)
        generation.prompt_done = time.monotonic()
        pace = self.options.tokens_per_second
        for index, token in enumerate(generation.answer, 1):
            self.crash_if_due()
            due = generation.prompt_done + index / pace if pace else 0.0
            await asyncio.sleep(max(due - time.monotonic(), 0))
            generation.produced = index
            self.produced += 1
            yield token
        self.crash_if_due()

    def crash_if_due(self) -> None:
        if self.options.crash_after is not None and self.produced >= self.options.crash_after:
            log("demo: crashing, as --crash-after says")
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def token_limit(body: Mapping[str, Any]) -> int | None:
    """The most tokens that may be said, None = no limit. Every API has its own word for it; negative means no limit."""
    for key in ("max_completion_tokens", "max_tokens", "max_output_tokens", "n_predict"):
        value = body.get(key)
        if isinstance(value, int) and value >= 0:
            return value
    return None


def common_prefix(known: list[str], wanted: list[str]) -> int:
    count = 0
    for one, other in zip(known, wanted, strict=False):
        if one != other:
            break
        count += 1
    return count


def log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def log_timings(generation: Generation) -> None:
    figures = generation.timings()
    log(f"slot print_timing: id 0 | task {generation.number} |")
    log(f"prompt eval time = {figures['prompt_ms']:10.2f} ms / {figures['prompt_n']:5d} tokens")
    log(f"       eval time = {figures['predicted_ms']:10.2f} ms / {figures['predicted_n']:5d} tokens")
