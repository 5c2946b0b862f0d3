"""What `observe.metrics` has counted, in Prometheus' text format, by prometheus-client. Imported with the first scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from swapyard.observe.histogram import Histogram
from swapyard.observe.metrics import GpuSample, Metrics, ModelCounts, ModelNow, SystemSample

_MIB: Final = 1024 * 1024
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


class _Scrape(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        machine = self._metrics.machine()
        if machine.system is not None:
            yield from _of_system(machine.system)
        if machine.gpus:
            yield from _of_gpus(machine.gpus)
        models = self._metrics.models()
        yield from _of_requests(models)
        yield from _of_loads(models)
        yield from _of_now(list(self._metrics.now()))


def text_of(metrics: Metrics) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Scrape(metrics))
    return generate_latest(registry)


def _of_requests(models: Sequence[tuple[str, ModelCounts]]) -> Iterator[Metric]:
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


def _of_loads(models: Sequence[tuple[str, ModelCounts]]) -> Iterator[Metric]:
    loads = {
        "load_duration_seconds": "Loads that ended well, from the start of the server to its readiness",
        "swap_duration_seconds": "Loads that others had to make room for, from the first one's stop to readiness",
    }
    yield from _histograms(loads, [(name, [model.load_seconds, model.swap_seconds]) for name, model in models])
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
        if mib is not None:
            yield _gauge(f"llamaswap_{name}_bytes", name.replace("_", " ").capitalize(), mib * _MIB)
    if sample.load is not None:
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
