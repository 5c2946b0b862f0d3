"""GPUs as tools and Linux's drivers tell them, and one list made of all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swapyard.observe.system.hardware.accelerators import Found, accelerators, gfx_name, merged, of_drm, of_kfd
from swapyard.observe.system.hardware.vendors import (
    nvidia,
    of_nvidia_smi,
    of_rocm_smi,
    parse_controllers,
    parse_profile,
    parse_rocm,
    parse_table,
)

Install = Callable[[str, str], Any]
MIB = 2**20


def write(root: Path, name: str, content: str = "") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_sources_fill_each_others_gaps_and_the_first_has_its_way() -> None:
    smi = Found(identity="0000:0a:00.0", vendor="AMD", model="RX 7900 XTX", capacity=24, memory_kind="dedicated")
    kfd = Found(identity="0000:0a:00.0", vendor="AMD", architecture="gfx1100", driver="amdgpu")
    drm = Found(identity="0000:0a:00.0", model="other", power_limit=300.0, memory_kind="shared_system", capacity=7)
    assert merged([smi, kfd, drm]) == [
        Found(
            identity="0000:0a:00.0",
            vendor="AMD",
            model="RX 7900 XTX",
            architecture="gfx1100",
            memory_kind="dedicated",
            capacity=24,
            driver="amdgpu",
            power_limit=300.0,
        )
    ]


def test_the_size_of_another_kind_of_memory_fills_no_gap() -> None:
    first = Found(identity="a", memory_kind="unified")
    assert merged([first, Found(identity="a", memory_kind="dedicated", capacity=5)])[0].capacity is None
    assert merged([first, Found(identity="a", memory_kind="unified", capacity=5)])[0].capacity == 5


def test_gpus_without_an_identity_are_never_the_same() -> None:
    assert len(merged([Found(model="A"), Found(model="A")])) == 2


def test_the_list_is_in_order_and_tells_no_identity() -> None:
    listed = accelerators([Found(identity="b", model="B"), Found(identity="a", model="A", driver="d"), Found(model="C")])
    assert [(each.index, each.model) for each in listed] == [(0, "C"), (1, "A"), (2, "B")]
    assert listed[2].driver is None
    assert not hasattr(listed[0], "identity")


# --- NVIDIA ------------------------------------------------------------------------------------------------------------

QUERY = """\
case "$1" in
  *index,name,uuid*) echo '0, NVIDIA H100 80GB HBM3, GPU-1, 00000000:1B:00.0, 81559, 550.54.15, 700.00'
                     echo '1, NVIDIA GB10, GPU-2, 0000000F:01:00.0, [N/A], 580.95.05, [N/A]' ;;
  *index,architecture*) {architecture} ;;
  *index,compute_cap*) printf '0, 9.0\\n1, 12.1\\n' ;;
esac"""


@pytest.mark.parametrize("answer", ["printf '0, Hopper\\n1, Blackwell\\n'", "echo 'Field is not a valid field'; exit 2"])
def test_nvidia_smi_tells_architecture_itself_or_by_capability(install: Install, answer: str) -> None:
    install("nvidia-smi", QUERY.format(architecture=answer))
    assert of_nvidia_smi(128 * 1024 * MIB) == [
        Found(
            identity="0000:1b:00.0",
            vendor="NVIDIA",
            model="NVIDIA H100 80GB HBM3",
            architecture="Hopper",
            memory_kind="dedicated",
            capacity=81559 * MIB,
            driver="NVIDIA",
            driver_version="550.54.15",
            power_limit=700.0,
        ),
        Found(
            identity="000f:01:00.0",
            vendor="NVIDIA",
            model="NVIDIA GB10",
            architecture="Blackwell",
            memory_kind="unified",
            capacity=128 * 1024 * MIB,
            driver="NVIDIA",
            driver_version="580.95.05",
        ),
    ]


def test_memory_that_is_unknown_is_not_called_dedicated() -> None:
    assert (nvidia("RTX", None, 7).memory_kind, nvidia("RTX", None, 7).capacity) == ("unknown", None)


def test_without_nvidia_smi_there_is_nothing(install: Install) -> None:
    assert of_nvidia_smi(0) == []
    assert of_rocm_smi() == []


def test_rows_with_other_columns_are_passed_over() -> None:
    assert parse_table('0, "a, b"\nx, y\n1\n2, c, d\n', 2) == {0: ["0", "a, b"]}


# --- AMD ---------------------------------------------------------------------------------------------------------------

ROCM = """\
device,GUID,VRAM Total Memory (B),VRAM Total Used Memory (B),Card Series,Card Model,GFX Version,PCI Bus,\
Max Graphics Package Power (W)
card0,47413,25753026560,27947008,Radeon RX 7900 XTX,0x744c,gfx1100,0000:03:00.0,327.0
card1,123,N/A,N/A,N/A,0x1900,N/A,N/A,N/A

system,6.10.5
"""


def test_rocm_smi_tells_its_cards() -> None:
    first, second = parse_rocm(ROCM)
    assert first == Found(
        identity="0000:03:00.0",
        vendor="AMD",
        model="Radeon RX 7900 XTX",
        architecture="gfx1100",
        memory_kind="dedicated",
        capacity=25753026560,
        driver="amdgpu",
        driver_version="6.10.5",
        power_limit=327.0,
    )
    assert (second.identity, second.model, second.memory_kind, second.capacity) == ("123", "0x1900", "unknown", None)


def test_an_old_rocm_smi_is_asked_with_fewer_words(install: Install) -> None:
    install("rocm-smi", f'case "$*" in *--showmaxpower*) exit 2;; esac; /bin/cat <<"END"\n{ROCM}END')
    assert len(of_rocm_smi()) == 2


@pytest.mark.parametrize(
    ("version", "name"),
    [
        (110501, "gfx1151"),
        (90010, "gfx90a"),
        (90402, "gfx942"),
        (120001, "gfx1201"),
        (9999, None),
        (111001, None),
        (90016, None),
    ],
)
def test_names_of_compute_targets(version: int, name: str | None) -> None:
    assert gfx_name(version) == name


def test_kfd_tells_what_can_compute(tmp_path: Path) -> None:
    nodes = "sys/class/kfd/kfd/topology/nodes"
    properties = (
        "gfx_target_version {gfx}\ndrm_render_minor {minor}\nvendor_id {vendor}\nlocation_id 2560\ndomain 0\nbroken\n"
    )
    write(tmp_path, f"{nodes}/0/properties", properties.format(gfx=0, minor=0, vendor=0))  # a processor
    write(tmp_path, f"{nodes}/1/properties", properties.format(gfx=110501, minor=128, vendor=4098))
    write(tmp_path, f"{nodes}/2/properties", properties.format(gfx=110501, minor=129, vendor=4098))  # not accessible
    write(tmp_path, "dev/dri/renderD128")
    assert list(of_kfd(tmp_path)) == [Found(identity="0000:0a:00.0", vendor="AMD", architecture="gfx1151", driver="amdgpu")]


def test_drm_tells_every_card_that_can_render(tmp_path: Path) -> None:
    def card(number: int, address: str, **files: str) -> None:
        device = tmp_path / "sys/devices/pci" / address
        for name, content in files.items():
            write(device, name.replace("__", "/"), content)
        (tmp_path / f"sys/class/drm/card{number}").mkdir(parents=True)
        (tmp_path / f"sys/class/drm/card{number}/device").symlink_to(device)

    amd = {"mem_info_vram_total": "25753026560\n", "hwmon__hwmon3__power1_cap": "327000000\n", "product_name": "RX\n"}
    card(0, "0000:03:00.0", vendor="0x1002\n", drm__renderD128="", **amd)
    card(1, "0000:00:02.0", vendor="0x8086\n", drm__renderD129="")
    card(2, "0000:05:00.0", vendor="0x1a03\n", drm__renderD130="")  # a server's display chip
    card(3, "0000:06:00.0", vendor="0x10de\n")  # cannot render
    card(4, "0000:07:00.0", vendor="0x10de\n", drm__renderD131="")
    (tmp_path / "sys/class/drm/card0-DP-1").mkdir()
    assert list(of_drm(tmp_path)) == [
        Found(
            identity="0000:03:00.0",
            vendor="AMD",
            model="RX",
            memory_kind="dedicated",
            capacity=25753026560,
            power_limit=327.0,
        ),
        Found(identity="0000:00:02.0", vendor="Intel", memory_kind="shared_system"),
        Found(identity="0000:07:00.0", vendor="NVIDIA"),
    ]


# --- macOS and Windows -------------------------------------------------------------------------------------------------


def test_macos_tells_its_gpu_with_the_memory_of_the_machine() -> None:
    gpu = {"sppci_model": "Apple M4 Max", "spdisplays_vendor": "sppci_vendor_Apple", "sppci_cores": "40"}
    assert parse_profile(json.dumps({"SPDisplaysDataType": [gpu, {}]}), 99) == [
        Found(
            vendor="Apple",
            model="Apple M4 Max",
            architecture="Apple M4",
            memory_kind="unified",
            capacity=99,
            driver="Metal",
        )
    ]
    assert parse_profile("no JSON", 99) == []


def test_windows_tells_real_adapters_only() -> None:
    amd = {"Name": "AMD Radeon(TM) 780M", "AdapterCompatibility": "Advanced Micro Devices, Inc.", "DriverVersion": "31.0"}
    basic = {"Name": "Microsoft Basic Display Adapter", "AdapterCompatibility": "(Standard display types)"}
    expected = [Found(vendor="AMD", model="AMD Radeon(TM) 780M", driver_version="31.0")]
    assert parse_controllers(json.dumps([amd, basic])) == expected
    assert parse_controllers(json.dumps(amd)) == expected
    assert parse_controllers("") == []
