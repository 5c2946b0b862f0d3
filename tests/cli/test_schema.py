"""`swapyard schema`: JSON Schema of the file, made from the table that the loader reads by."""

from __future__ import annotations

import io
import json
from typing import Any

import msgspec
import pytest

from swapyard.cli import schema as command
from swapyard.config import file
from swapyard.config.decode import table

STRUCTS = [
    kind
    for kind in vars(file).values()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind is not msgspec.Struct
]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    out = io.StringIO()
    assert command.run(out) == 0
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def definition(schema: dict[str, Any], kind: type) -> dict[str, Any]:
    found: dict[str, Any] = schema["$defs"][kind.__name__.removeprefix("File")]
    return found


@pytest.mark.parametrize("kind", STRUCTS, ids=lambda kind: kind.__name__)
def test_every_key_that_is_read_is_described(schema: dict[str, Any], kind: type[msgspec.Struct]) -> None:
    properties = definition(schema, kind)["properties"]
    assert set(properties) == set(table(kind)) - {file.OTHERS}
    assert [key for key, about in properties.items() if not about.get("description")] == []


def test_every_reference_leads_somewhere(schema: dict[str, Any]) -> None:
    references = [line.split('"')[3] for line in json.dumps(schema, indent=1).splitlines() if '"$ref"' in line]
    assert references
    assert {reference.removeprefix("#/$defs/") for reference in references} <= set(schema["$defs"])


def test_values_may_be_macros_where_the_loader_allows_it(schema: dict[str, Any]) -> None:
    port = definition(schema, file.FileConfig)["properties"]["startPort"]
    assert port["default"] == 5800
    assert {"type": "integer", "minimum": 1} in port["anyOf"]
    assert command.REFERENCE in port["anyOf"]


def test_choices_are_listed(schema: dict[str, Any]) -> None:
    choices = definition(schema, file.FileConfig)["properties"]["logToStdout"]
    assert "both" in json.dumps(choices)


def test_settings_of_installed_strategies_are_not(schema: dict[str, Any]) -> None:
    for kind in (file.FileRouterSettings, file.FileSchedulerSettings):
        assert "package" in definition(schema, kind)["additionalProperties"]["description"]


def test_unknown_keys_are_marked_in_editors(schema: dict[str, Any]) -> None:
    assert definition(schema, file.FileModel)["additionalProperties"] is False
