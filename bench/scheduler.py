"""How many events the scheduler takes in a second: `python -m bench.scheduler [--profile]`.

Three loads, each played against the scheduler alone, with the commands answered at once:

- hot:      arrivals and leases that end on a model that is ready; the way of nearly every request;
- three:    5,000 tickets queued over three models of one swap group, arriving and drained;
- thousands: 5,000 tickets queued over 5,000 models of one swap group, so 5,000 swaps;
- matrix:   the same over 50 models for a planner without kinship, the general case.

Rates are per second of processor time. The budget is 100,000 events a second; with thousands of tickets queued, an event
costs O(log n).
"""

from __future__ import annotations

import argparse
import cProfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from swapyard.core.messages import (
    Arrived,
    BecameReady,
    Event,
    Exited,
    Grant,
    Left,
    ModelPolicy,
    Planner,
    Policy,
    Start,
    Stop,
)
from swapyard.core.planners.group import GroupPlanner
from swapyard.core.scheduler import Scheduler

TICKETS = 5_000
ROUNDS = 5


@dataclass(frozen=True, slots=True)
class SwapGroup:
    members: Sequence[str]
    swap: bool = True
    exclusive: bool = True
    persistent: bool = False


class Exclusive:
    """Everybody evicts everybody, and no kinship is known."""

    def evict(self, model: str, running: Sequence[str]) -> Sequence[str]:
        return [x for x in running if x != model]


def policy_of(models: Sequence[str], planner: Planner) -> Policy:
    return Policy({model: ModelPolicy() for model in models}, planner, max_queue=TICKETS)


def hot(events: int) -> int:
    scheduler = Scheduler(policy_of(["a"], GroupPlanner({"g": SwapGroup(["a"])})))
    scheduler.handle(Arrived(0, "a"), 0)
    scheduler.handle(BecameReady(1), 0)
    for ticket in range(1, events // 2 + 1):
        scheduler.handle(Arrived(ticket, "a"), ticket)
        scheduler.handle(Left(ticket), ticket)
    return events // 2 * 2


def queued(models: Sequence[str], planner: Planner) -> int:
    """All tickets arrive, then everything asked for happens at once until nobody waits. Returns the number of events."""
    scheduler = Scheduler(policy_of(models, planner))
    due: deque[Event] = deque(Arrived(ticket, models[ticket % len(models)]) for ticket in range(TICKETS))
    events = granted = 0
    while due:
        events += 1
        for command in scheduler.handle(due.popleft(), events * 1e-5):
            match command:
                case Start(run):
                    due.append(BecameReady(run))
                case Stop(run):
                    due.append(Exited(run))
                case Grant(ticket):
                    granted += 1
                    due.append(Left(ticket))
    assert granted == TICKETS, f"{granted} of {TICKETS} tickets were served"
    return events


def over(models: int, grouped: bool = True) -> Callable[[], int]:
    names = [f"m{number}" for number in range(models)]
    return lambda: queued(names, GroupPlanner({"g": SwapGroup(names)}) if grouped else Exclusive())


LOADS: dict[str, Callable[[], int]] = {
    "hot": lambda: hot(400_000),
    "three": over(3),
    "thousands": over(5_000),
    "matrix": over(50, grouped=False),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", action="store_true", help="print where the time goes instead")
    profile = parser.parse_args().profile
    for name, load in LOADS.items():
        if profile:
            print(name)
            cProfile.runctx("load()", {"load": load}, {}, sort="tottime")
            continue
        rates = []
        for _ in range(ROUNDS):
            begin = time.process_time()
            events = load()
            rates.append(events / (time.process_time() - begin))
        print(f"{name:10} {max(rates):12,.0f} events/s at best, {min(rates):12,.0f} at worst of {ROUNDS} rounds")


if __name__ == "__main__":
    main()
