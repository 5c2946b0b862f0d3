"""The page's types of the API's payloads say what the structs say."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import UNSET, Struct, UnsetType, field

from tools import api_types


def test_the_types_are_as_the_structs_make_them() -> None:
    assert api_types.FILE.read_text(encoding="utf-8") == api_types.text(), "ui/src/lib/api.gen.ts differs: run `make types`"


class Sparse(Struct, omit_defaults=True):
    always: int
    sometimes: str = ""


class Full(Struct):
    a: int | None
    b: list[str | int]
    c: dict[str, float]
    d: tuple[bool, ...] = ()
    e: Any = None
    f: str | UnsetType = UNSET
    g: str = field(default="", name="gName")


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        (Sparse, ["always: number;", "sometimes?: string;"]),
        (
            Full,
            [
                "a: number | null;",
                "b: (string | number)[];",
                "c: Record<string, number>;",
                "d: boolean[];",
                "e: unknown;",
                "f?: string;",
                "gName: string;",
            ],
        ),
    ],
)
def test_a_field_is_optional_where_it_may_be_missing(kind: type[Struct], lines: list[str]) -> None:
    assert [line.strip() for line in api_types.fields(kind)] == lines


def test_every_struct_below_a_payload_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    below = msgspec.defstruct("Below", [("inside", Sparse)])
    with pytest.raises(StopIteration):
        api_types.typed(Sparse)
    monkeypatch.setitem(api_types.PAYLOADS, "Sparse", Sparse)
    assert [line.strip() for line in api_types.fields(below)] == ["inside: Sparse;"]
