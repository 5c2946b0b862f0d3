"""`swapyard demo` finds ports for all of its models, and tells what to try where it listens."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from swapyard.cli import DEMO_MODELS, demo_hint, free_ports
from swapyard.cli.arguments import Listen
from swapyard.config.load import loads
from swapyard.demo import demo_config


@pytest.fixture
def taken() -> Iterator[int]:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def test_a_port_is_looked_for_for_every_model() -> None:
    config = loads(demo_config("python", start_port=7000)).config
    assert [model.proxy for model in config.models.values()] == [f"http://localhost:{7000 + n}" for n in range(DEMO_MODELS)]


@pytest.mark.parametrize("place", range(DEMO_MODELS))
def test_a_row_of_ports_of_which_one_is_taken_is_passed_over(taken: int, place: int) -> None:
    first = taken - place
    assert free_ports(first, DEMO_MODELS) >= first + DEMO_MODELS


def test_the_hint_names_an_address_that_can_be_typed() -> None:
    assert "http://localhost:8080/" in demo_hint(None)
    assert "http://localhost:1234/" in demo_hint(Listen("0.0.0.0", 1234))
    assert "http://[fe80::1]:1234/" in demo_hint(Listen("fe80::1", 1234))
