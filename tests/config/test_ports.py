"""The numbers of ${PORT}, from one configuration to the next."""

from __future__ import annotations

import json

from swapyard.config.load import loads
from swapyard.config.schema import Config


def config(names: str, previous: Config | None = None, start: int = 5800) -> Config:
    """Models of one letter each; a capital letter uses no port."""
    models = {
        name: {"cmd": "server" if name.isupper() else "server --port ${PORT}", "proxy": "http://x:1"} for name in names
    }
    return loads(json.dumps({"startPort": start, "models": models}), previous=previous).config


def ports(config: Config) -> dict[str, int | None]:
    return {name: model.port for name, model in config.models.items()}


def test_they_count_up_in_the_order_of_ids() -> None:
    assert ports(config("cXa")) == {"X": None, "a": 5800, "c": 5801}


def test_a_model_keeps_its_number_and_a_new_one_gets_a_fresh_one() -> None:
    before = config("bd")
    assert ports(config("abcd", before)) == {"a": 5802, "b": 5800, "c": 5803, "d": 5801}
    assert config("abcd", before).models["b"].argv == ("server", "--port", "5800")


def test_the_number_of_a_model_that_went_is_not_given_at_once() -> None:
    assert ports(config("bc", config("ab"))) == {"b": 5801, "c": 5802}


def test_a_free_number_below_is_used() -> None:
    without_a = config("b", config("ab"))
    assert ports(without_a) == {"b": 5801}
    assert ports(config("bc", without_a)) == {"b": 5801, "c": 5800}


def test_another_start_port_renumbers_all() -> None:
    assert ports(config("ab", config("b"), start=6000)) == {"a": 6000, "b": 6001}
