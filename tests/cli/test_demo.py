"""`swapyard demo` finds ports for all of its models, and tells what to try where it listens."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from swapyard.cli import DEMO_MODELS, claimed_ports, demo_hint
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


@pytest.mark.parametrize("place", range(DEMO_MODELS + 1))
def test_a_row_of_ports_of_which_one_is_taken_is_passed_over(taken: int, place: int) -> None:
    first = taken - place
    with claimed_ports(first, DEMO_MODELS) as start:
        assert start > taken


def test_two_demos_at_once_take_ports_of_their_own(taken: int) -> None:
    with claimed_ports(taken, DEMO_MODELS) as one, claimed_ports(taken, DEMO_MODELS) as other:
        assert not {*range(one, one + DEMO_MODELS)} & {*range(other, other + DEMO_MODELS)}
        for port in (one, other):  # the models can have them
            socket.create_server(("127.0.0.1", port)).close()
    with claimed_ports(taken, DEMO_MODELS) as again:
        assert again == one


def test_the_hint_names_an_address_that_can_be_typed() -> None:
    assert "http://localhost:8080/" in demo_hint(None)
    assert "http://localhost:1234/" in demo_hint(Listen("0.0.0.0", 1234))
    assert "http://[fe80::1]:1234/" in demo_hint(Listen("fe80::1", 1234))
