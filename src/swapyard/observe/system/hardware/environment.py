"""On the metal, in a container, in a virtual machine, or in Windows' subsystem for Linux."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from pathlib import Path

from swapyard.observe.system.hardware.host import read
from swapyard.observe.system.hardware.snapshot import Environment
from swapyard.observe.system.samples import SourceProblem
from swapyard.observe.system.tool import Tool

Ask = Callable[..., str]

_CONTAINERS = {"docker": "Docker", "lxc": "LXC", "lxc-libvirt": "LXC", "rkt": "rkt", "podman": "podman"}
_CONTAINERS |= {"containerd": "containerd", "systemd-nspawn": "systemd-nspawn"}
_MACHINES = {"kvm": "KVM", "vmware": "VMware", "oracle": "VirtualBox", "microsoft": "Hyper-V", "qemu": "QEMU", "xen": "Xen"}
_MAKERS = ("Hyper-V", "VMware", "VirtualBox", "KVM", "QEMU")  # as they write their names into a machine's firmware


def environment(root: Path, system: str = sys.platform, *, kernel: str | None = None) -> Environment:
    match system:
        case "linux":
            return _linux(root, kernel if kernel is not None else platform.release())
        case "darwin":
            return of_macos(_ask("sysctl", "-n", "kern.hv_vmm_present"))
        case "win32":
            query = "Get-CimInstance Win32_ComputerSystem | ForEach-Object { $_.Manufacturer + ' ' + $_.Model }"
            return of_windows(_ask("powershell", "-NoProfile", "-NonInteractive", "-Command", query))
        case _:
            return Environment("unknown")


def _linux(root: Path, kernel: str) -> Environment:
    if "microsoft" in kernel.lower() or "wsl" in kernel.lower():
        return Environment("wsl", "WSL")
    if (root / ".dockerenv").exists():
        return Environment("container", "Docker")
    if (root / "run/.containerenv").exists():
        return Environment("container", "podman")
    told = parse_container_variable(read(root / "run/systemd/container"))
    return told or of_detection(*_detect())


def parse_container_variable(content: str) -> Environment | None:
    """What a container's manager leaves in /run/systemd/container, one word."""
    word = content.strip()
    return Environment("container", _CONTAINERS.get(word, word)) if word else None


def _detect() -> tuple[bool, str]:
    tool = Tool("systemd-detect-virt", limit=2.0)
    try:
        return True, tool.ask([]).strip()
    except SourceProblem as problem:  # it ends with 1 and says "none" where nothing is virtual
        return "none" in str(problem), "none"


def of_detection(is_known: bool, word: str) -> Environment:
    """`word`: what systemd-detect-virt says."""
    if not is_known:
        return Environment("unknown")
    if word in ("none", ""):
        return Environment("native")
    if word in _CONTAINERS:
        return Environment("container", _CONTAINERS[word])
    if word == "wsl":
        return Environment("wsl", "WSL")
    return Environment("virtual_machine", _MACHINES.get(word, word))


def of_macos(present: str) -> Environment:
    return {"1": Environment("virtual_machine"), "0": Environment("native")}.get(present.strip(), Environment("unknown"))


def of_windows(maker: str) -> Environment:
    """`maker`: manufacturer and model of the computer."""
    if "microsoft corporation virtual machine" in maker.lower():
        return Environment("virtual_machine", "Hyper-V")
    name = next((name for name in _MAKERS if name.lower() in maker.lower()), None)
    return Environment("virtual_machine", name) if name else Environment("unknown")


def _ask(program: str, *arguments: str) -> str:
    """Empty when it does not answer."""
    try:
        return Tool(program, limit=5.0).ask(arguments)
    except SourceProblem:
        return ""
