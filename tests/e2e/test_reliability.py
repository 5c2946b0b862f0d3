"""Requests, swaps, stops and time limits crossing each other: whatever happens at the same moment, every request gets its
answer. The numbers are those of llama-swap's issues in which the same went wrong."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest

Start = Callable[..., AbstractContextManager[Any]]
Scripted = Callable[..., str]
Until = Callable[..., Any]

HANG = 40.0  # seconds; nothing is asserted on speed


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as threads:
        yield threads


def test_requests_at_any_moment_of_a_stop_for_idleness_are_answered(
    swapyard: Start, scripted: Scripted, pool: ThreadPoolExecutor
) -> None:
    """#946, #949: the start was decided on the state before the stop."""
    names = [f"m{number}" for number in range(6)]
    models = {name: {"cmd": scripted(name, "--stop-seconds", "0.3"), "ttl": 1} for name in names}
    moments = random.Random(7)

    def visit(name: str) -> list[int]:
        statuses = []
        for _ in range(3):
            statuses.append(running.ask(name, max_tokens=1).status_code)
            time.sleep(0.95 + 0.6 * moments.random())  # across the end of the ttl and the whole stop
        statuses.append(running.ask(name, max_tokens=1).status_code)
        return statuses

    groups = {"all": {"swap": False, "members": names}}
    with swapyard({"models": models, "groups": groups}) as running:
        for statuses in pool.map(visit, names):
            assert statuses == [200] * 4
        assert running.output.text().count("idle for 1 s") > 4, "hardly any request came near a stop"


@pytest.mark.slow
def test_no_request_sees_an_error_while_two_models_swap_all_the_time(
    swapyard: Start, scripted: Scripted, pool: ThreadPoolExecutor
) -> None:
    """#277, #667: "ready" was looked up, and the model swapped out before the request was passed on."""
    models = {name: {"cmd": scripted(name)} for name in ("a", "b")}
    dice = random.Random(11)
    wishes = [(dice.choice("ab"), dice.random() < 0.5) for _ in range(300)]

    def visit(wish: tuple[str, bool]) -> str:
        model, stream = wish
        answer = running.ask(model, max_tokens=5, stream=stream)
        complete = not stream or answer.text.endswith("data: [DONE]\n\n")
        right = f'"model":"{model}"' in answer.text.replace(" ", "")
        return "answered" if answer.status_code == 200 and complete and right else f"{answer.status_code} {answer.text}"

    with swapyard({"models": models}) as running:
        assert set(pool.map(visit, wishes)) == {"answered"}
        assert running.output.text().count("evicted") > 4, "hardly anything was swapped"


def test_a_request_right_after_an_unload_during_the_load_gets_a_new_load(
    swapyard: Start, scripted: Scripted, pool: ThreadPoolExecutor, until: Until
) -> None:
    """The old load's end was taken for the new one's, because both had only the model's name."""
    models = {"a": {"cmd": scripted("a", "--load-seconds", "1")}}
    with swapyard({"models": models}) as running:
        for _ in range(3):
            first = pool.submit(running.ask, "a")
            until(lambda: running.states() == {"a": "starting"})
            unload = pool.submit(running.unload, "a")
            refused = first.result(HANG)
            assert refused.status_code == 503
            assert "unloaded" in refused.json()["error"]["message"]
            assert running.ask("a").status_code == 200
            assert unload.result(HANG).status_code == 200
            running.unload()


def test_a_model_that_will_not_stop_holds_up_nobody_else(
    swapyard: Start, scripted: Scripted, pool: ThreadPoolExecutor, until: Until
) -> None:
    """The stop was awaited in the one loop that decides everything."""
    models = {"stubborn": {"cmd": scripted("stubborn", "--ignore-sigterm"), "unloadTimeout": 3}, "b": {"cmd": scripted("b")}}
    groups = {"all": {"swap": False, "members": ["stubborn", "b"]}}
    with swapyard({"models": models, "groups": groups}) as running:
        for name in models:
            assert running.ask(name).status_code == 200
        unload = pool.submit(running.unload, "stubborn")
        until(lambda: running.states()["stubborn"] == "stopping")
        answered, longest = 0, 0.0
        while not unload.done():
            began = time.monotonic()
            assert running.ask("b", max_tokens=1).status_code == 200
            longest = max(longest, time.monotonic() - began)
            answered += 1
        assert unload.result().status_code == 200
        assert answered > 5
        assert longest < 2, "somebody waited for the stop"
        assert running.states() == {"b": "ready"}


@pytest.mark.slow
def test_constant_traffic_on_one_model_keeps_no_other_waiting_for_ever(
    swapyard: Start, scripted: Scripted, pool: ThreadPoolExecutor
) -> None:
    """#612: requests for the loaded model overtook the queue."""
    models = {name: {"cmd": scripted(name, "--tokens-per-second", "50")} for name in ("a", "b")}
    fifo = {"fifo": {"maxWait": 2}}
    enough = threading.Event()
    answered_after_b = threading.Semaphore(0)
    b_is_answered = threading.Event()

    def visit_all_the_time(number: int) -> set[int]:
        statuses = set()
        time.sleep(0.1 * number)  # the answers overlap, so the model is never idle by itself
        while not enough.is_set():
            statuses.add(running.ask("a", max_tokens=20).status_code)
            if b_is_answered.is_set():
                answered_after_b.release()
        return statuses

    with swapyard({"models": models, "routing": {"scheduler": {"settings": fifo}}}) as running:
        assert running.ask("a", max_tokens=1).status_code == 200
        visitors = [pool.submit(visit_all_the_time, number) for number in range(5)]
        try:
            for _ in range(2):
                b_is_answered.clear()
                assert running.ask("b", max_tokens=1).status_code == 200
                b_is_answered.set()
                for _ in range(10):
                    assert answered_after_b.acquire(timeout=HANG), "now the other model starves"
        finally:
            enough.set()
        assert {status for visitor in visitors for status in visitor.result(HANG)} == {200}


def test_a_load_that_nobody_waits_for_any_more_makes_room(swapyard: Start, scripted: Scripted, until: Until) -> None:
    """#727: it had to finish first."""
    models = {"slow": {"cmd": scripted("slow", "--load-seconds", "600")}, "b": {"cmd": scripted("b")}}
    with swapyard({"models": models, "healthCheckTimeout": 600}) as running:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(running.address + "/v1/chat/completions", json={"model": "slow", "messages": []}, timeout=0.5)
        until(lambda: running.states() == {"slow": "starting"})
        assert running.ask("b").status_code == 200
        running.output.wait_for(r"<slow> stopping: nobody waits for it any more, and b does")
        assert running.states() == {"b": "ready"}


def test_nothing_starts_before_what_it_replaces_is_gone(
    swapyard: Start, scripted: Scripted, free_port: Callable[[], int]
) -> None:
    """#38, #125. Both models use one port: whoever came too early could not listen."""
    port = str(free_port())
    proxy = f"http://127.0.0.1:{port}"
    models = {
        "stubborn": {"cmd": scripted("stubborn", "--ignore-sigterm", port=port), "proxy": proxy, "unloadTimeout": 1},
        "slow": {"cmd": scripted("slow", "--stop-seconds", "0.5", port=port), "proxy": proxy},
    }
    with swapyard({"models": models}) as running:
        for name in ("stubborn", "slow", "stubborn", "slow"):
            answer = running.ask(name)
            assert answer.status_code == 200, answer.text
            assert answer.json()["model"] == name
            assert len(running.descendants()) == 1
        assert running.output.text().count("<stubborn> did not end in time and is killed") == 2


def test_a_stop_command_that_returns_early_is_not_the_end(
    swapyard: Start, scripted: Scripted, free_port: Callable[[], int]
) -> None:
    """#130, #220: "container name in use". The server takes its time after `cmdStop` has returned."""
    port = str(free_port())
    proxy = f"http://127.0.0.1:{port}"
    models = {
        name: {
            "cmd": scripted(name, "--stop-seconds", "1", port=port),
            "proxy": proxy,
            "cmdStop": "sh -c 'kill -TERM $0' ${PID}",
        }
        for name in ("a", "b")
    }
    with swapyard({"models": models}) as running:
        for name in ("a", "b", "a"):
            answer = running.ask(name)
            assert answer.status_code == 200, answer.text
            assert answer.json()["model"] == name
        assert running.output.find("is killed") is None
