"""The maps that newcomers read say where things are: nothing is missing on them, and nothing that is gone."""

from __future__ import annotations

import ast
import pkgutil
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "swapyard"
# Those whose docstring is a map of their modules. The others are small, or have one module per command.
MAPPED = ["api", "app", "config", "core", "demo", "http", "observe", "proxy", "runtime"]
NAMES = "|".join(path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists())


def map_of(package: str) -> str:
    return ast.get_docstring(ast.parse((SOURCE / package / "__init__.py").read_text())) or ""


@pytest.mark.parametrize("package", MAPPED)
def test_every_module_stands_in_the_map_of_its_package(package: str) -> None:
    modules = {path.stem for path in (SOURCE / package).iterdir() if not path.name.startswith(("_", "."))}
    words = set(re.findall(r"\w+", map_of(package)))
    assert modules - words == set()


@pytest.mark.parametrize("package", MAPPED)
def test_a_map_is_at_most_twenty_lines(package: str) -> None:
    assert len(map_of(package).splitlines()) <= 20


def places(text: str) -> set[str]:
    """What is written as `package.module` or `package.module.Name`."""
    return set(re.findall(rf"`((?:{NAMES})(?:\.\w+)+)", text))


def exists(place: str) -> bool:
    """Whether it is a module, or a name in one."""
    try:
        pkgutil.resolve_name(f"swapyard.{place}")
    except (ImportError, AttributeError):
        return False
    return True


@pytest.mark.parametrize("place", sorted(places((ROOT / "docs" / "architecture.md").read_text())))
def test_what_the_architecture_names_is_there(place: str) -> None:
    assert exists(place)


def test_a_place_that_is_gone_is_found() -> None:
    assert places("see `proxy.exchange` and `http.server.Handler`") == {"proxy.exchange", "http.server.Handler"}
    assert exists("proxy.exchange.Exchange.data")
    assert not exists("proxy.exchanges")
    assert not exists("http.server.NoHandler")
