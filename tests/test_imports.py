"""Who may import whom. The table below is the rule; `docs/architecture.md` explains it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "swapyard"

# package -> what it may import of ours, as prefixes below `swapyard.`; its own package always
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "errors": (),
    "core": ("errors",),
    "config": ("core.matrix", "errors"),
    "observe": ("errors", "config.schema"),
    "http": ("errors",),
    "runtime": ("core", "config.schema", "observe", "errors", "http"),
    "proxy": ("http", "runtime.engine", "core.messages", "core.lifecycle", "config.schema", "observe", "errors"),
    "api": ("runtime.engine", "runtime.threads", "proxy.resolve", "config.schema", "observe", "errors"),
    "demo": ("errors",),
    "app": ("",),
    "cli": ("",),
    "__main__": ("cli",),
}
# What the core may not use of the standard library: it decides, others act.
NOT_IN_CORE = {"asyncio", "os", "time", "socket", "subprocess", "logging", "threading", "signal", "pathlib", "io"}


def imports(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            module = node.module or ""
            yield from ((f"{module}.{alias.name}", node.lineno) for alias in node.names)


def breaches(name: str, path: Path) -> Iterator[str]:
    package = name.split(".")[0]
    for imported, line in imports(path):
        top, _, below = imported.partition(".")
        if package == "core" and top in NOT_IN_CORE:
            yield f"{path.name}:{line}: the core may not import {imported}"
        if top != "swapyard" or below.startswith("__version__"):
            continue
        allowed = (package, *MAY_IMPORT[package])
        if not any(prefix == "" or below == prefix or below.startswith(prefix + ".") for prefix in allowed):
            yield f"{path.name}:{line}: {package} may not import {imported}"
        if below.split(".")[0] == "app" and package not in ("cli", "app"):
            yield f"{path.name}:{line}: only cli may import app"


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        if name != "__init__":
            found[name] = path
    return found


@pytest.mark.parametrize("name", modules())
def test_module_imports_only_what_its_package_may(name: str) -> None:
    assert name.split(".")[0] in MAY_IMPORT, f"{name} has no row in the table"
    assert list(breaches(name, modules()[name])) == []


def test_a_breach_is_found(tmp_path: Path) -> None:
    path = tmp_path / "scheduler.py"
    path.write_text("import asyncio\nfrom swapyard.http import server\nfrom swapyard.app import App\n")
    found = list(breaches("core.scheduler", path))
    assert len(found) == 4, found


def test_every_import_is_of_the_standard_library_ours_or_a_dependency() -> None:
    known = {
        "httptools",
        "msgspec",
        "opentelemetry",  # the extra `otel`
        "prometheus_client",
        "psutil",
        "pynvml",
        "starlette",
        "uvloop",
        "winloop",
        "yaml",
        "zstandard",
        "swapyard",
    } | sys.stdlib_module_names
    foreign = {imported.split(".")[0] for path in modules().values() for imported, _ in imports(path)} - known
    assert not foreign
