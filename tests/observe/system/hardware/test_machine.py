"""Architecture, system, processors, memory and environment, from files and tools as they are on other machines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swapyard.observe.system.hardware import environment as module
from swapyard.observe.system.hardware import host
from swapyard.observe.system.hardware.environment import environment, of_detection, of_macos, of_windows
from swapyard.observe.system.hardware.snapshot import Architecture, Environment
from swapyard.observe.system.host import HostSampler

Install = Callable[[str, str], Any]
GIB = 2**30


def write(root: Path, name: str, content: str = "") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        ("x86_64", Architecture("x86_64", "amd64")),
        ("AMD64", Architecture("x86_64", "amd64")),
        ("aarch64", Architecture("arm64")),
        ("armv7l", Architecture("armv7", "arm")),
        ("loongarch64", Architecture("other", "loongarch64")),
        ("", Architecture("other", "unknown")),
    ],
)
def test_the_architecture(machine: str, expected: Architecture) -> None:
    assert host.architecture(machine) == expected


def test_linux_is_told_by_its_release_file(tmp_path: Path) -> None:
    write(tmp_path, "etc/os-release", '# x\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nPRETTY_NAME="x=y"\nLOGO=\n')
    found = host.operating_system(tmp_path, "linux")
    assert (found.family, found.name, found.version) == ("linux", "Debian GNU/Linux", "12")


@pytest.mark.parametrize(
    ("system", "family", "raw"), [("freebsd14", "freebsd", None), ("sunos5", "other", "sunos5"), ("win32", "windows", None)]
)
def test_other_systems(tmp_path: Path, system: str, family: str, raw: str | None) -> None:
    found = host.operating_system(tmp_path, system)
    assert found.family == family
    assert (found.raw_family or None) == raw


def test_processors_are_counted_by_socket() -> None:
    core = (
        "processor\t: {0}\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R)\nphysical id\t: {1}\nflags\t: fpu\n\n"
    )
    content = "".join(core.format(number, number // 2) for number in range(4))
    assert host.parse_cpuinfo(content) == ("GenuineIntel", "Intel(R) Xeon(R)", 2)
    assert host.parse_cpuinfo("processor\t: 0\nBogoMIPS\t: 50.00\nCPU implementer\t: 0x41\n") == (None, None, None)


ZONES = """\
Node 0, zone      DMA
  pages free     2816
        present  3998
        managed  3840
Node 0, zone   Normal
  per-node stats
      nr_inactive_anon 1
        present  8000
Node 0, zone   Device
        present  99999
Node 1, zone   Normal
        present  2
"""


def test_memory_is_what_is_present_but_for_that_of_devices() -> None:
    assert host.present_bytes(ZONES, 4096) == 12000 * 4096
    assert host.present_bytes("", 4096) == 0


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("sys/fs/cgroup/memory.max", "1073741824\n", GIB),
        ("sys/fs/cgroup/memory.max", "max\n", 8 * GIB),
        ("sys/fs/cgroup/memory.max", str(9 * GIB), 8 * GIB),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", str(2 * GIB), 2 * GIB),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712", 8 * GIB),
        ("elsewhere", "1", 8 * GIB),
    ],
)
def test_a_limit_of_the_control_group_counts_where_it_is_lower(
    tmp_path: Path, name: str, content: str, expected: int
) -> None:
    write(tmp_path, name, content)
    assert host.limited(8 * GIB, tmp_path) == expected


def test_this_machine_has_memory_and_processors() -> None:
    assert host.memory(Path("/")) > 0
    assert host.usable_memory() == HostSampler().sample().memory_total
    assert host.cpu(Path("/")).logical_thread_count


# --- environment -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "kernel", "expected"),
    [
        ({".dockerenv": ""}, "5.15.90.1-microsoft-standard-WSL2", Environment("wsl", "WSL")),
        ({".dockerenv": ""}, "6.1", Environment("container", "Docker")),
        ({"run/.containerenv": ""}, "6.1", Environment("container", "podman")),
        ({"run/systemd/container": "lxc\n"}, "6.1", Environment("container", "LXC")),
        ({"run/systemd/container": "strange\n"}, "6.1", Environment("container", "strange")),
        ({"var/run/secrets/kubernetes.io/x": ""}, "6.1", Environment("container", "Kubernetes")),
        ({}, "6.1", Environment("unknown")),
        ({"proc/cpuinfo": "flags\t: fpu vme\n"}, "6.1", Environment("native")),
        (
            {"proc/cpuinfo": "flags\t: fpu hypervisor\n", "sys/class/dmi/id/sys_vendor": "QEMU\n"},
            "6.1",
            Environment("virtual_machine", "QEMU"),
        ),
        ({"proc/cpuinfo": "flags\t: hypervisor\n"}, "6.1", Environment("virtual_machine", None)),
    ],
)
def test_where_linux_runs(
    tmp_path: Path, install: Install, files: dict[str, str], kernel: str, expected: Environment
) -> None:
    for name, content in files.items():
        write(tmp_path / "root", name, content)
    assert environment(tmp_path / "root", "linux", kernel=kernel) == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo none; exit 1", Environment("native")),
        ("echo kvm", Environment("virtual_machine", "KVM")),
        ("echo docker", Environment("container", "Docker")),
        ("echo broken >&2; exit 1", Environment("unknown")),
    ],
)
def test_systemd_is_asked(tmp_path: Path, install: Install, script: str, expected: Environment) -> None:
    install("systemd-detect-virt", script)
    assert environment(tmp_path, "linux", kernel="6.1") == expected


def test_words_of_systemd_that_nobody_knows_are_told_as_they_are() -> None:
    assert of_detection("bhyve") == Environment("virtual_machine", "bhyve")
    assert of_detection("wsl") == Environment("wsl", "WSL")
    assert of_detection("systemd-nspawn") == Environment("container", "systemd-nspawn")


def test_macos_and_windows(install: Install, tmp_path: Path) -> None:
    assert [of_macos(text).kind for text in ("1\n", "0\n", "")] == ["virtual_machine", "native", "unknown"]
    assert of_windows("Microsoft Corporation Virtual Machine") == Environment("virtual_machine", "Hyper-V")
    assert of_windows("innotek GmbH VirtualBox").name == "VirtualBox"
    assert of_windows("LENOVO 20XW") == Environment("unknown")
    install("sysctl", "[ \"$*\" = '-n kern.hv_vmm_present' ] && echo 1")
    assert environment(tmp_path, "darwin").kind == "virtual_machine"
    assert environment(tmp_path, "win32").kind == "unknown"
    assert environment(tmp_path, "plan9").kind == "unknown"
    assert module.environment is environment
