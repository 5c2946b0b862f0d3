"""The tables in docs/ say what the code says."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import msgspec
import pytest

from swapyard.api.app import all_routes
from swapyard.config import file
from swapyard.config.decode import table
from swapyard.proxy.endpoints import TABLE
from tools import tables


@pytest.mark.parametrize("page", ["endpoints.md", "keys.md"])
def test_a_page_is_as_the_code_makes_it(page: str) -> None:
    text = (tables.DOCS / page).read_text(encoding="utf-8")
    assert text == tables.pages()[page], f"docs/{page} differs from the code: run `make docs`"


def test_every_endpoint_and_every_route_of_the_control_plane_has_a_row_with_a_purpose() -> None:
    rows = [line.split(" | ") for line in tables.pages()["endpoints.md"].splitlines() if "`/" in line and line[0] == "|"]
    paths = [cells[1].strip("`") for cells in rows]
    assert {row.path for row in TABLE} <= {path.replace("{model}/{path}", "").replace("{path}", "") for path in paths}
    routes = all_routes(MagicMock())
    assert {route.path.replace(":path", "") for route in routes} <= set(paths)
    assert [cells for cells in rows if not cells[-1].strip(" |")] == []


def test_every_key_of_every_block_has_a_row_with_a_meaning() -> None:
    found = list(tables.keys(file.FileConfig, "", {}))
    keys = {key.path.rpartition(".")[2] for key in found}
    blocks: list[Any] = [kind for kind in vars(file).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
    for block in blocks:
        for name in table(block) if block is not msgspec.Struct else ():
            assert name in keys or any(f".{name}." in f".{key.path}." for key in found), f"{block.__name__}: {name}"
    assert [key.path for key in found if not key.meaning] == []


@pytest.mark.parametrize(
    ("path", "type_", "default", "reload"),
    [
        ("models.*.ttl", "whole number, -1 or more", "`-1`", "at once"),
        ("models.*.cmd", "text", "", "new run"),
        ("models.*.timeouts.connect", "whole number, 0 or more", "`30`", "new run"),
        ("models.*.compat.ignoreWebsockets", "true/false", "`false`", "at once"),
        ("models.*.capabilities.in", "list of `text`, `audio`, `image`", "`[]`", "at once"),
        ("peers.*.timeouts.responseHeader", "whole number, 0 or more", "`60`", "at once"),
        ("peers.*.filters", "block", "", "at once"),
        ("logToStdout", "`proxy`, `upstream`, `both`, `none`", "`proxy`", "next start"),
        ("macros", "map to text, number or true/false", "`{}`", "where it is used"),
    ],
)
def test_what_a_row_says(path: str, type_: str, default: str, reload: str) -> None:
    (key,) = [key for key in tables.keys(file.FileConfig, "", {}) if key.path == path]
    assert (key.type, key.default, key.reload) == (type_, default, reload)
