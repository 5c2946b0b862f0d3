"""Which source is asked, when one is tried again, and what several tell of the same machine."""

from __future__ import annotations

from typing import Any

import pytest

from swapyard.observe.system.gpus import FIRST_PAUSE, LONGEST_PAUSE, Gpus, Report, families_of
from swapyard.observe.system.samples import Gpu, GpuProcess, GpuShare, shares


def gpu(number: int, source: str = "s", **more: Any) -> Gpu:
    return Gpu(id=number, name=f"{source} {number}", source=source, **more)


def test_the_first_source_that_works_is_asked_and_no_other(played: Any) -> None:
    absent, works, spare = played("a", problem="not installed"), played("b", gpu(0, "b")), played("c", gpu(0, "c"))
    gpus = Gpus([[absent, works, spare]])
    for now in range(3):
        assert [each.source for each in gpus.sample(now)] == ["b"]
    assert (absent.asked, works.asked, spare.asked) == (1, 3, 0)
    assert gpus.reports() == [Report("a", 0, "not installed"), Report("b", 1), Report("c", 0)]


def test_a_source_that_dies_is_replaced_at_once_and_tried_again_after_a_pause(played: Any) -> None:
    first, second = played("a", gpu(0, "a")), played("b", gpu(0, "b"))
    gpus = Gpus([[first, second]])
    gpus.sample(0)
    first.problem = "exited with code 9"
    assert [each.source for each in gpus.sample(10)] == ["b"]
    first.problem = ""
    assert [each.source for each in gpus.sample(10 + FIRST_PAUSE - 1)] == ["b"]
    assert [each.source for each in gpus.sample(10 + FIRST_PAUSE)] == ["a"]
    assert gpus.reports() == [Report("a", 1), Report("b", 0)]


def test_pauses_grow_up_to_a_bound_and_start_anew_after_a_success(played: Any) -> None:
    source = played("a", gpu(0), problem="not installed")
    gpus = Gpus([[source]])

    def next_attempt(after: int) -> int:
        before = source.asked
        for now in range(after + 1, after + 2000):
            gpus.sample(now)
            if source.asked > before:
                return now
        raise AssertionError("never asked again")

    gpus.sample(0)
    now, pauses = 0, []
    for _ in range(9):
        then, now = now, next_attempt(now)
        pauses.append(now - then)
    assert pauses == [FIRST_PAUSE * 2**n for n in range(7)] + [LONGEST_PAUSE] * 2
    source.problem = ""
    now = next_attempt(now)
    source.problem = "gone"
    assert next_attempt(next_attempt(now)) == now + 1 + FIRST_PAUSE


def test_a_source_with_a_bug_does_not_keep_the_others_from_telling(played: Any) -> None:
    strange = played("a")
    strange.bug = KeyError("id")
    gpus = Gpus([[strange], [played("b", gpu(0, "b"))]])
    assert [each.source for each in gpus.sample(0)] == ["b"]
    assert gpus.reports()[0] == Report("a", 0, "KeyError: 'id'")


def test_gpus_of_several_vendors_get_numbers_of_their_own_and_keep_them(played: Any) -> None:
    nvidia, amd = played("n", gpu(0, "n", pci="1"), gpu(1, "n", pci="2")), played("a", gpu(0, "a", pci="3"))
    gpus = Gpus([[nvidia], [amd]])
    both = [(0, "n 0"), (1, "n 1"), (2, "a 0")]
    assert [(each.id, each.name) for each in gpus.sample(0)] == both
    nvidia.problem = "lost"
    assert [(each.id, each.name) for each in gpus.sample(1)] == [(2, "a 0")]
    nvidia.problem = ""
    assert [(each.id, each.name) for each in gpus.sample(1000)] == both


def test_numbers_that_nobody_else_has_stay_as_they_are(played: Any) -> None:
    gpus = Gpus([[played("a", gpu(4), gpu(2))]])
    assert [each.id for each in gpus.sample(0)] == [2, 4]


def test_what_two_sources_tell_of_one_gpu_is_one_gpu(played: Any) -> None:
    nvml = played("nvml", gpu(0, "nvml", pci="0000:0a:00.0", utilization=7, power=30))
    lact = played(
        "LACT",
        gpu(0, "LACT", pci="0000:0a:00.0", utilization=99, fan=20),
        gpu(1, "LACT", pci="0000:0b:00.0"),
    )
    first, second = Gpus([[nvml], [lact]]).sample(0)
    assert (first.name, first.source, first.utilization, first.power, first.fan) == ("nvml 0", "nvml", 7, 30, 20)
    assert (second.id, second.name) == (1, "LACT 1")


def test_processes_are_asked_of_the_sources_that_work(played: Any) -> None:
    works, broken = played("a", gpu(0, uuid="G")), played("b", gpu(1), problem="gone")
    gpus = Gpus([[works], [broken]])
    assert gpus.processes() == []
    gpus.sample(0)
    assert gpus.processes() == [GpuProcess(1000, "G", 5)]


def test_memory_is_summed_by_gpu_for_the_processes_of_a_tree() -> None:
    gpus = [gpu(3, uuid="A"), gpu(5, uuid="B"), gpu(6)]
    processes = [
        GpuProcess(1, "A", 10),
        GpuProcess(2, "A", 20),
        GpuProcess(1, "B", None),
        GpuProcess(9, "B", 99),  # somebody else's
        GpuProcess(1, "gone", 7),
        GpuProcess(1, "", 7),
    ]
    assert shares(gpus, processes, {1, 2}) == [GpuShare(3, "s 3", 30), GpuShare(5, "s 5", None)]
    assert shares(gpus, [*processes, GpuProcess(2, "B", 4)], {1, 2})[1] == GpuShare(5, "s 5", 4)
    assert shares(gpus, processes, {8}) == []


def test_closing_closes_every_source(played: Any) -> None:
    sources = [played("a"), played("b"), played("c")]
    Gpus([sources[:2], sources[2:]]).close()
    assert all(source.is_closed for source in sources)


@pytest.mark.parametrize(
    ("platform", "names"),
    [
        ("linux", [["nvml", "nvidia-smi"], ["LACT", "rocm-smi"]]),
        ("freebsd14", [["nvml", "nvidia-smi"], ["LACT", "rocm-smi"]]),
        ("darwin", [["mactop", "ioreg"]]),
        ("win32", [["nvml", "nvidia-smi"]]),
    ],
)
def test_the_sources_of_a_platform(platform: str, names: list[list[str]]) -> None:
    assert [[source.name for source in family] for family in families_of(platform)] == names
