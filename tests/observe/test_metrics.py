"""The Prometheus text: every name of llama-swap's, ours beside them, and labels that cannot run away."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from swapyard.observe.activity import Activity, Outcome
from swapyard.observe.figures import Usage
from swapyard.observe.metrics import GpuSample, Machine, Metrics, ModelNow, SystemSample

DOCS = Path(__file__).parents[2] / "docs" / "observability.md"
SYSTEM = SystemSample(
    cpu_percent=(12.5, 99.0),
    memory_total=8192,
    memory_used=4096,
    memory_free=100,
    swap_total=10,
    swap_used=1,
    load=(0.5, 1.5, 2.5),
    network={"eth0": (1000, 2000)},
)
GPUS = (
    GpuSample(id=1, name='G "x"\\\n', temperature=50, memory_used=1, memory_total=2, util_percent=0.0, power_watts=31.5),
    GpuSample(id=0, name="A", uuid="u0", vram_temperature=60, memory_util_percent=50, fan_percent=30, temperature=41),
)
LLAMASWAP = {
    "llamaswap_cpu_util_percent": "gauge",
    "llamaswap_memory_total_bytes": "gauge",
    "llamaswap_memory_used_bytes": "gauge",
    "llamaswap_memory_free_bytes": "gauge",
    "llamaswap_swap_total_bytes": "gauge",
    "llamaswap_swap_used_bytes": "gauge",
    "llamaswap_load_average": "gauge",
    "llamaswap_network_bytes_total": "counter",
    "llamaswap_gpu_temperature_celsius": "gauge",
    "llamaswap_gpu_vram_temperature_celsius": "gauge",
    "llamaswap_gpu_util_percent": "gauge",
    "llamaswap_gpu_memory_util_percent": "gauge",
    "llamaswap_gpu_memory_used_bytes": "gauge",
    "llamaswap_gpu_memory_total_bytes": "gauge",
    "llamaswap_gpu_fan_speed_percent": "gauge",
    "llamaswap_gpu_power_draw_watts": "gauge",
}


def metrics(**more: Any) -> Metrics:
    return Metrics(models={"a", "b"}, routes={"/v1/chat/completions"}, **more)


class Found:
    """Samples by name and the values of the labels, in any order."""

    def __init__(self, made: Metrics) -> None:
        self.values = {
            (sample.name, frozenset(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(made.text().decode())
            for sample in family.samples
        }

    def __getitem__(self, key: tuple[str, tuple[str, ...]]) -> float:
        return self.values[key[0], frozenset(key[1])]

    def __contains__(self, key: tuple[str, tuple[str, ...]]) -> bool:
        return (key[0], frozenset(key[1])) in self.values


def request(model: str = "a", **more: Any) -> Activity:
    given: dict[str, Any] = {"path": "/v1/chat/completions", "status": 200, "duration_ms": 1500, "usage": Usage()}
    return Activity(ended=0.0, model=model, **(given | more))


@pytest.mark.parametrize("name", LLAMASWAP)
def test_the_names_and_types_that_dashboards_know(name: str) -> None:
    lines = metrics(machine=lambda: Machine(SYSTEM, GPUS)).text().decode().splitlines()
    assert f"# TYPE {name} {LLAMASWAP[name]}" in lines
    assert any(line.startswith(f"# HELP {name} ") for line in lines)
    assert any(line.startswith(name) for line in lines)


def test_the_figures_of_the_machine() -> None:
    found = Found(metrics(machine=lambda: Machine(SYSTEM, GPUS)))
    assert found["llamaswap_cpu_util_percent", ("1",)] == 99.0
    assert found["llamaswap_memory_total_bytes", ()] == 8192 * 2**20
    assert found["llamaswap_load_average", ("15m",)] == 2.5
    assert found["llamaswap_network_bytes_total", ("eth0", "sent")] == 2000
    assert found["llamaswap_gpu_temperature_celsius", ("0", "A", "u0")] == 41
    assert found["llamaswap_gpu_memory_used_bytes", ("1", 'G "x"\\\n')] == 2**20


def test_what_a_gpu_does_not_tell_has_no_series() -> None:
    found = Found(metrics(machine=lambda: Machine(None, GPUS)))
    assert ("llamaswap_gpu_util_percent", ("0", "A", "u0")) not in found
    assert found["llamaswap_gpu_util_percent", ("1", 'G "x"\\\n')] == 0.0
    assert not any(name.startswith("llamaswap_cpu") for name, _ in found.values)


def test_gpus_are_sorted_by_id() -> None:
    text = metrics(machine=lambda: Machine(None, GPUS)).text().decode()
    assert text.index('llamaswap_gpu_temperature_celsius{id="0"') < text.index('llamaswap_gpu_temperature_celsius{id="1"')


def test_a_request_is_counted_in_everything_it_tells() -> None:
    made = metrics()
    usage = Usage(
        prompt_tokens=30, cache_tokens=10, output_tokens=5, prompt_per_second=400.0, tokens_per_second=45.0,
        prompt_ms=50, generation_ms=200,
    )  # fmt: skip
    made.finished([request(usage=usage, queue_ms=20, first_token_ms=300)])
    made.finished([request(status=502, outcome=Outcome.BROKEN)])
    found = Found(made)
    route = "/v1/chat/completions"
    assert found["swapyard_requests_total", ("a", route, "200", "complete")] == 1
    assert found["swapyard_requests_total", ("a", route, "502", "broken")] == 1
    assert found["swapyard_prompt_tokens_total", ("a",)] == 30
    assert found["swapyard_cached_tokens_total", ("a",)] == 10
    assert found["swapyard_generated_tokens_total", ("a",)] == 5
    assert found["swapyard_request_duration_seconds_sum", ("a",)] == 3.0
    assert found["swapyard_request_duration_seconds_bucket", ("a", "1.0")] == 0
    assert found["swapyard_request_duration_seconds_bucket", ("a", "2.5")] == 2
    assert found["swapyard_queue_seconds_count", ("a",)] == 1
    assert found["swapyard_load_wait_seconds_count", ("a",)] == 0
    assert found["swapyard_first_token_seconds_sum", ("a",)] == 0.3
    assert found["swapyard_prefill_seconds_sum", ("a",)] == 0.05
    assert found["swapyard_decode_seconds_bucket", ("a", "0.25")] == 1
    assert found["swapyard_prompt_tokens_per_second_sum", ("a",)] == 400.0
    assert found["swapyard_generated_tokens_per_second_bucket", ("a", "50.0")] == 1


def test_no_wait_is_a_wait_of_no_time_and_a_bound_belongs_to_its_bucket() -> None:
    made = metrics()
    made.finished([request(queue_ms=0, load_ms=0, first_token_ms=0, duration_ms=500), request(duration_ms=501)])
    found = {
        (sample.name, sample.labels.get("le")): sample.value
        for family in text_string_to_metric_families(made.text().decode())
        for sample in family.samples
    }
    for kind in ("queue", "load_wait", "first_token"):
        assert found[f"swapyard_{kind}_seconds_count", None] == 1
    assert [found["swapyard_request_duration_seconds_bucket", le] for le in ("0.25", "0.5", "1.0")] == [0, 1, 2]


def test_the_life_of_models_is_counted() -> None:
    made = metrics(now=lambda: [ModelNow("a", "ready", running=2, queued=1), ModelNow("b", "stopped")])
    made.loaded("a", 4.0)
    made.swapped("a", 5.0)
    made.load_failed("b")
    made.stopped("a", "evicted")
    found = Found(made)
    assert found["swapyard_load_duration_seconds_count", ("a",)] == 1
    assert found["swapyard_swap_duration_seconds_sum", ("a",)] == 5.0
    assert found["swapyard_failed_loads_total", ("b",)] == 1
    assert found["swapyard_stops_total", ("a", "evicted")] == 1
    assert found["swapyard_requests_running", ("a",)] == 2
    assert found["swapyard_requests_queued", ("a",)] == 1
    assert found["swapyard_model_state", ("b", "stopped")] == 1


def test_names_that_clients_make_up_add_no_series() -> None:
    made = metrics()
    for n in range(1000):
        made.finished([request(f"made up {n}", path=f"/v1/{n}", status=404)])
    found = Found(made)
    assert found["swapyard_requests_total", ("other", "other", "404", "complete")] == 1000
    assert len(made._models) == 1


def test_the_documentation_names_every_metric() -> None:
    made = metrics(now=lambda: [ModelNow("a", "ready")])
    made.finished([request()])
    made.stopped("a", "evicted")
    names = set(re.findall(r"^# TYPE (\S+)", made.text().decode(), re.MULTILINE))
    documented = set(re.findall(r"`(swapyard_\w+)`", DOCS.read_text())) - {"swapyard_activity"}
    assert names == documented
