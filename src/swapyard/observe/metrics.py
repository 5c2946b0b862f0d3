"""Prometheus metrics: what has been counted, and what is so now.

    metrics.finished(activities)           for every row of the activity, many at a time, which costs far less
    metrics.loaded(model, seconds)         a load ended well; `load_failed(model)`, `stopped(model, reason)`
    metrics.text()                         the answer to GET /metrics; wakes nothing, asks what `now` and `machine` tell

`llamaswap_...` are the names that llama-swap's dashboards use, from the newest sample of the machine; `swapyard_...` are
ours. Labels are bounded: models are those that are configured (others are counted as "other"), routes those of the endpoint
table, statuses those of HTTP.

Counting happens on the loop, `text` anywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from swapyard.observe.activity.rows import Activity
from swapyard.observe.figures import Usage
from swapyard.observe.histogram import Histogram

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OTHER: Final = "other"
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
_RATES: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 75.0, 100.0, 150.0, 200.0, 500.0, 1000.0, 5000.0, 20000.0)


@dataclass(frozen=True, slots=True)
class ModelNow:
    """How a model stands at this moment. `state`: a word of the model listing."""

    model: str
    state: str
    running: int = 0
    queued: int = 0


@dataclass(frozen=True, slots=True)
class SystemSample:
    """Memory in MiB; `load`: over 1, 5 and 15 minutes; `network`: bytes received and sent by interface. None is unknown, and
    shows no series."""

    cpu_percent: Sequence[float]
    memory_total: int
    memory_used: int
    memory_free: int
    swap_total: int | None
    swap_used: int | None
    load: tuple[float, float, float] | None
    network: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GpuSample:
    """Memory in MiB. None is unknown, and shows no series."""

    id: int
    name: str = ""
    uuid: str = ""
    temperature: float | None = None
    vram_temperature: float | None = None
    util_percent: float | None = None
    memory_util_percent: float | None = None
    memory_used: int | None = None
    memory_total: int | None = None
    fan_percent: float | None = None
    power_watts: float | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """The newest samples; None and empty before the first."""

    system: SystemSample | None = None
    gpus: Sequence[GpuSample] = ()


class ModelCounts:
    """What was counted of one model. `times`: request, queue, load, first token, prefill, decode; `speeds`: prompt,
    generation; `tokens`: prompt, cached, generated."""

    __slots__ = ("failed_loads", "load_seconds", "requests", "speeds", "stops", "swap_seconds", "times", "tokens")

    def __init__(self) -> None:
        self.requests: dict[tuple[str, int, str], int] = {}  # by route, status and outcome
        self.tokens = [0, 0, 0]
        self.times = [Histogram(_SECONDS) for _ in range(6)]
        self.speeds = [Histogram(_RATES) for _ in range(2)]
        self.load_seconds = Histogram(_SECONDS)
        self.swap_seconds = Histogram(_SECONDS)
        self.failed_loads = 0
        self.stops: dict[str, int] = {}


class Metrics:
    def __init__(
        self,
        *,
        models: Container[str],
        routes: Container[str],
        now: Callable[[], Iterable[ModelNow]] = tuple,
        machine: Callable[[], Machine] = Machine,
    ) -> None:
        """`models` and `routes`: what may be a label; asked for every new one, so they may change (reload)."""
        self._known_models = models
        self._known_routes = routes
        self.now = now
        self.machine = machine
        self._models: dict[str, ModelCounts] = {}

    # --- counting ---

    def finished(self, activities: Sequence[Activity]) -> None:
        by_model: dict[str, list[Activity]] = {}
        for activity in activities:
            by_model.setdefault(activity.model, []).append(activity)
        for name, requests in by_model.items():
            model = self._model(name)
            self._count_requests(model, requests)
            self._count_figures(model, [request.usage for request in requests])

    def _count_requests(self, model: ModelCounts, requests: Sequence[Activity]) -> None:
        for (path, status, outcome), count in Counter([(one.path, one.status, one.outcome) for one in requests]).items():
            key = (path if path in self._known_routes else OTHER, status, outcome)
            model.requests[key] = model.requests.get(key, 0) + count
        total, queue, load, first_token, *_ = model.times
        total.observe([one.duration_ms / 1000 for one in requests])
        queue.observe([one.queue_ms / 1000 for one in requests if one.queue_ms >= 0])
        load.observe([one.load_ms / 1000 for one in requests if one.load_ms >= 0])
        first_token.observe([one.first_token_ms / 1000 for one in requests if one.first_token_ms >= 0])

    def _count_figures(self, model: ModelCounts, usages: Sequence[Usage]) -> None:
        prompt, cached, generated = model.tokens
        model.tokens = [
            prompt + sum([usage.prompt_tokens for usage in usages if usage.prompt_tokens > 0]),
            cached + sum([usage.cache_tokens for usage in usages if usage.cache_tokens > 0]),
            generated + sum([usage.output_tokens for usage in usages if usage.output_tokens > 0]),
        ]
        worked = [usage for usage in usages if usage.prompt_ms or usage.generation_ms]
        *_, prefill, decode = model.times
        prefill.observe([usage.prompt_ms / 1000 for usage in worked])
        decode.observe([usage.generation_ms / 1000 for usage in worked])
        prompt_speed, speed = model.speeds
        prompt_speed.observe([usage.prompt_per_second for usage in usages if usage.prompt_per_second > 0])
        speed.observe([usage.tokens_per_second for usage in usages if usage.tokens_per_second > 0])

    def loaded(self, model: str, seconds: float) -> None:
        self._model(model).load_seconds.observe([seconds])

    def swapped(self, model: str, seconds: float) -> None:
        self._model(model).swap_seconds.observe([seconds])

    def load_failed(self, model: str) -> None:
        self._model(model).failed_loads += 1

    def stopped(self, model: str, reason: str) -> None:
        """`reason`: one word of a fixed set."""
        stops = self._model(model).stops
        stops[reason] = stops.get(reason, 0) + 1

    def _model(self, name: str) -> ModelCounts:
        found = self._models.get(name)
        if found is None:
            name = name if name in self._known_models else OTHER
            found = self._models.setdefault(name, ModelCounts())
        return found

    # --- telling ---

    def models(self) -> list[tuple[str, ModelCounts]]:
        return list(self._models.items())

    def text(self) -> bytes:
        # The library costs 30 ms and 5 MB, which a process that nobody scrapes can do without.
        from swapyard.observe.exposition import text_of

        return text_of(self)
