"""What the list of models is sorted and grouped by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from swapyard.api.catalog import LONGEST_TAG, MOST_TAGS, tags
from swapyard.config.schema import Config, Group, Model, Routing
from swapyard.observe.memory import TreeMemory

if TYPE_CHECKING:
    from tests.api.conftest import Yard


async def test_every_model_tells_its_group_tags_use_and_peak(yard: Yard) -> None:
    models = {"b": Model(metadata={"family": " qwen ", "tags": ["code", "small"]}), "a": Model()}
    yard.config = Config(models=models, routing=Routing(groups={"g": Group(members=("b",))}))
    yard.activity.uses = lambda: [("b", 3, 1000), ("gone", 9, 2000)]
    yard.memory.note("b", 1, 0.0, TreeMemory(frozenset(), 70), None)
    told = (await yard.get("/api/catalog")).json
    full = {"id": "b", "group": "g", "family": "qwen", "tags": ["code", "small"]}
    assert told == {"models": [{"id": "a"}, full | {"requests": 3, "last_used": 1000, "peak_bytes": 70}]}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (None, ()),
        (7, ()),
        ("code, small ,,code", ("code", "small")),
        (["a", 1, "", {"b": 2}, "a"], ("a",)),
        (["x" * 100], ("x" * LONGEST_TAG,)),
        ([str(number) for number in range(50)], tuple(map(str, range(MOST_TAGS)))),
    ],
)
def test_tags_are_a_list_or_a_text(told: Any, expected: tuple[str, ...]) -> None:
    assert tags(told) == expected
