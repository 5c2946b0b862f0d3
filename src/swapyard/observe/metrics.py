"""Prometheus metrics: what has been counted, and what is so now.

    metrics.finished(activity)             for every row of the activity
    metrics.loaded(model, seconds)         a load ended well; `load_failed(model)`, `stopped(model, reason)`
    metrics.text()                         the answer to GET /metrics; wakes nothing, asks what `now` and `machine` tell

`llamaswap_...` are the names that llama-swap's dashboards use, from the newest sample of the machine; `swapyard_...` are
ours. Labels are bounded: models are those that are configured (others are counted as "other"), routes those of the endpoint
table, statuses those of HTTP.

Counting happens on the loop, `text` anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from swapyard.observe.activity.rows import Activity
from swapyard.observe.histogram import Histogram

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OTHER: Final = "other"
_MIB: Final = 1024 * 1024

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
_RATES: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 75.0, 100.0, 150.0, 200.0, 500.0, 1000.0, 5000.0, 20000.0)
_TIMES: Final = {
    "request_duration_seconds": "From the request's beginning to the end of its answer, queue and load included",
    "queue_seconds": "Wait for a place",
    "load_wait_seconds": "Wait for the model to load",
    "first_token_seconds": "From the request's beginning to the first part of the answer",
    "prefill_seconds": "Processing of the prompt, as the engine tells",
    "decode_seconds": "Generation, as the engine tells",
}
_SPEEDS: Final = {
    "prompt_tokens_per_second": "Speed of the prompt's processing, as the engine tells",
    "generated_tokens_per_second": "Speed of the generation, as the engine tells",
}
_TOKENS: Final = {
    "prompt_tokens": "Tokens of prompts, cached ones included",
    "cached_tokens": "Tokens of prompts that came from the engine's cache",
    "generated_tokens": "Tokens that were generated",
}


@dataclass(frozen=True, slots=True)
class ModelNow:
    """How a model stands at this moment. `state`: a word of the model listing."""

    model: str
    state: str
    running: int = 0
    queued: int = 0


@dataclass(frozen=True, slots=True)
class SystemSample:
    """Memory in MiB; `load`: over 1, 5 and 15 minutes; `network`: bytes received and sent by interface."""

    cpu_percent: Sequence[float]
    memory_total: int
    memory_used: int
    memory_free: int
    swap_total: int
    swap_used: int
    load: tuple[float, float, float]
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


class _Model:
    __slots__ = ("failed_loads", "load_seconds", "requests", "speeds", "stops", "times", "tokens")

    def __init__(self) -> None:
        self.requests: dict[tuple[str, int, str], int] = {}  # by route, status and outcome
        self.tokens = [0, 0, 0]
        self.times = [Histogram(_SECONDS) for _ in _TIMES]
        self.speeds = [Histogram(_RATES) for _ in _SPEEDS]
        self.load_seconds = Histogram(_SECONDS)
        self.failed_loads = 0
        self.stops: dict[str, int] = {}


class Metrics(Collector):
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
        self._now = now
        self._machine = machine
        self._models: dict[str, _Model] = {}
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    # --- counting ---

    def finished(self, activity: Activity) -> None:
        model = self._model(activity.model)
        route = activity.path if activity.path in self._known_routes else OTHER
        key = (route, activity.status, activity.outcome.value)
        model.requests[key] = model.requests.get(key, 0) + 1
        usage = activity.usage
        for at, count in enumerate((usage.prompt_tokens, usage.cache_tokens, usage.output_tokens)):
            if count > 0:
                model.tokens[at] += count
        times = (activity.duration_ms, activity.queue_ms, activity.load_ms, activity.first_token_ms)
        for histogram, ms in zip(model.times, times, strict=False):
            if ms >= 0:
                histogram.observe(ms / 1000)
        if usage.engine_ms:
            model.times[4].observe(usage.prompt_ms / 1000)
            model.times[5].observe(usage.generation_ms / 1000)
        for histogram, rate in zip(model.speeds, (usage.prompt_per_second, usage.tokens_per_second), strict=True):
            if rate > 0:
                histogram.observe(rate)

    def loaded(self, model: str, seconds: float) -> None:
        self._model(model).load_seconds.observe(seconds)

    def load_failed(self, model: str) -> None:
        self._model(model).failed_loads += 1

    def stopped(self, model: str, reason: str) -> None:
        """`reason`: one word of a fixed set."""
        stops = self._model(model).stops
        stops[reason] = stops.get(reason, 0) + 1

    def _model(self, name: str) -> _Model:
        found = self._models.get(name)
        if found is None:
            name = name if name in self._known_models else OTHER
            found = self._models.setdefault(name, _Model())
        return found

    # --- telling ---

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        machine = self._machine()
        if machine.system is not None:
            yield from _of_system(machine.system)
        if machine.gpus:
            yield from _of_gpus(machine.gpus)
        models = list(self._models.items())
        yield from _of_requests(models)
        yield from _of_loads(models)
        yield from _of_now(list(self._now()))


def _of_requests(models: Sequence[tuple[str, _Model]]) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "swapyard_requests", "Metered requests that are over", labels=("model", "route", "status", "outcome")
    )
    for name, model in models:
        for (route, status, outcome), count in list(model.requests.items()):
            requests.add_metric((name, route, str(status), outcome), count)
    yield requests
    for at, (key, words) in enumerate(_TOKENS.items()):
        tokens = CounterMetricFamily(f"swapyard_{key}", words, labels=("model",))
        for name, model in models:
            tokens.add_metric((name,), model.tokens[at])
        yield tokens
    yield from _histograms(_TIMES, [(name, model.times) for name, model in models])
    yield from _histograms(_SPEEDS, [(name, model.speeds) for name, model in models])


def _of_loads(models: Sequence[tuple[str, _Model]]) -> Iterator[Metric]:
    loads = {"load_duration_seconds": "Loads that ended well, from the start of the server to its readiness"}
    yield from _histograms(loads, [(name, [model.load_seconds]) for name, model in models])
    failed = CounterMetricFamily("swapyard_failed_loads", "Loads that ended with an error", labels=("model",))
    stops = CounterMetricFamily("swapyard_stops", "Servers stopped or ended, by reason", labels=("model", "reason"))
    for name, model in models:
        failed.add_metric((name,), model.failed_loads)
        for reason, count in list(model.stops.items()):
            stops.add_metric((name, reason), count)
    yield failed
    yield stops


def _histograms(families: Mapping[str, str], models: Sequence[tuple[str, Sequence[Histogram]]]) -> Iterator[Metric]:
    for at, (key, words) in enumerate(families.items()):
        family = HistogramMetricFamily(f"swapyard_{key}", words, labels=("model",))
        for name, histograms in models:
            family.add_metric((name,), histograms[at].buckets(), histograms[at].sum)
        yield family


def _of_now(models: Sequence[ModelNow]) -> Iterator[Metric]:
    running = GaugeMetricFamily("swapyard_requests_running", "Requests that are served now", labels=("model",))
    queued = GaugeMetricFamily("swapyard_requests_queued", "Requests that wait now", labels=("model",))
    state = GaugeMetricFamily("swapyard_model_state", "1 for the state the model is in", labels=("model", "state"))
    for model in models:
        running.add_metric((model.model,), model.running)
        queued.add_metric((model.model,), model.queued)
        state.add_metric((model.model, model.state), 1)
    yield from (running, queued, state)


def _gauge(name: str, words: str, value: float) -> Metric:
    family = GaugeMetricFamily(name, words)
    family.add_metric((), value)
    return family


def _of_system(sample: SystemSample) -> Iterator[Metric]:
    cpu = GaugeMetricFamily("llamaswap_cpu_util_percent", "Use of each core", labels=("core",))
    for core, percent in enumerate(sample.cpu_percent):
        cpu.add_metric((str(core),), percent)
    yield cpu
    for name, mib in (
        ("memory_total", sample.memory_total),
        ("memory_used", sample.memory_used),
        ("memory_free", sample.memory_free),
        ("swap_total", sample.swap_total),
        ("swap_used", sample.swap_used),
    ):
        yield _gauge(f"llamaswap_{name}_bytes", name.replace("_", " ").capitalize(), mib * _MIB)
    load = GaugeMetricFamily("llamaswap_load_average", "Load average", labels=("interval",))
    for interval, value in zip(("1m", "5m", "15m"), sample.load, strict=True):
        load.add_metric((interval,), value)
    yield load
    if sample.network:
        network = CounterMetricFamily(
            "llamaswap_network_bytes", "Bytes over each interface", labels=("interface", "direction")
        )
        for interface, (received, sent) in sample.network.items():
            network.add_metric((interface, "recv"), received)
            network.add_metric((interface, "sent"), sent)
        yield network


_GPU_GAUGES: Final[tuple[tuple[str, str, Callable[[GpuSample], float | None]], ...]] = (
    ("temperature_celsius", "Temperature", lambda gpu: gpu.temperature),
    ("vram_temperature_celsius", "Temperature of the memory", lambda gpu: gpu.vram_temperature),
    ("util_percent", "Use of the GPU", lambda gpu: gpu.util_percent),
    ("memory_util_percent", "Use of the memory", lambda gpu: gpu.memory_util_percent),
    ("memory_used_bytes", "Memory in use", lambda gpu: None if gpu.memory_used is None else gpu.memory_used * _MIB),
    ("memory_total_bytes", "Memory", lambda gpu: None if gpu.memory_total is None else gpu.memory_total * _MIB),
    ("fan_speed_percent", "Speed of the fan", lambda gpu: gpu.fan_percent),
    ("power_draw_watts", "Power draw", lambda gpu: gpu.power_watts),
)


def _of_gpus(gpus: Sequence[GpuSample]) -> Iterator[Metric]:
    for key, words, value_of in _GPU_GAUGES:
        family = GaugeMetricFamily(f"llamaswap_gpu_{key}", words)
        for gpu in sorted(gpus, key=lambda gpu: gpu.id):
            value = value_of(gpu)
            if value is not None:
                labels = {"id": str(gpu.id), "name": gpu.name, "uuid": gpu.uuid}
                family.add_sample(family.name, {label: text for label, text in labels.items() if text}, value)
        yield family
