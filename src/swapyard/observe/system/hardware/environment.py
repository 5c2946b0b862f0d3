"""On the metal, in a container, in a virtual machine, or in Windows' subsystem for Linux."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

from swapyard.observe.system.hardware.host import read
from swapyard.observe.system.hardware.snapshot import Environment
from swapyard.observe.system.samples import SourceProblem
from swapyard.observe.system.tool import Tool

_CONTAINERS = {"docker": "Docker", "lxc": "LXC", "lxc-libvirt": "LXC", "rkt": "rkt", "podman": "podman"}
_CONTAINERS |= {"containerd": "containerd", "systemd-nspawn": "systemd-nspawn"}
_MACHINES = {"kvm": "KVM", "vmware": "VMware", "oracle": "VirtualBox", "microsoft": "Hyper-V", "qemu": "QEMU", "xen": "Xen"}
# What stands in the firmware of a virtual machine.
_SIGNS = {
    "hyper-v": "Hyper-V",
    "microsoft corporation virtual machine": "Hyper-V",
    "vmware": "VMware",
    "virtualbox": "VirtualBox",
    "kvm": "KVM",
    "qemu": "QEMU",
    "amazon ec2": "KVM",
    "google compute engine": "KVM",
}


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
    if word := read(root / "run/systemd/container").strip():  # what a container's manager leaves there
        return Environment("container", _CONTAINERS.get(word, word))
    if (root / "var/run/secrets/kubernetes.io").exists():
        return Environment("container", "Kubernetes")
    detected = _detected()
    return of_firmware(root) if detected is None else of_detection(detected)


def _detected() -> str | None:
    """What systemd-detect-virt says; None where it cannot be asked."""
    try:
        return Tool("systemd-detect-virt", limit=2.0).ask([]).strip()
    except SourceProblem as problem:  # it ends with 1 where nothing is virtual
        return "none" if str(problem).endswith(": none") else None


def of_firmware(root: Path) -> Environment:
    """What the processor and the firmware say: on x86 a guest sees the flag `hypervisor`."""
    flags = next((line for line in read(root / "proc/cpuinfo").splitlines() if line.startswith("flags")), "")
    if not flags:
        return Environment("unknown")
    if "hypervisor" not in flags.split():
        return Environment("native")
    maker = " ".join(read(root / "sys/class/dmi/id" / name).strip() for name in ("sys_vendor", "product_name"))
    return Environment("virtual_machine", _maker(maker))


def of_detection(word: str) -> Environment:
    """`word`: what systemd-detect-virt says."""
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
    name = _maker(maker)
    return Environment("virtual_machine", name) if name else Environment("unknown")


def _maker(text: str) -> str | None:
    """Of a virtual machine, by what stands in its firmware."""
    lower = text.lower()
    return next((name for sign, name in _SIGNS.items() if sign in lower), None)


def _ask(program: str, *arguments: str) -> str:
    """Empty when it does not answer."""
    try:
        return Tool(program, limit=5.0).ask(arguments)
    except SourceProblem:
        return ""
