"""How fast the activity store answers when it is large: `python -m bench.activity [--rows N]`.

Fills a file with N rows (one million) through the store itself, opens it again, and measures each kind of question that the
API asks, after one unmeasured round. The budget for each is 50 ms. Also: what recording costs whoever records, and how long
it takes until the older half is deleted (`store.retention`), while rows come.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from swapyard.observe.activity import Activity, ActivityQuery, ActivityStore
from swapyard.observe.figures import Usage

BUDGET_MS = 50.0
FIRST = 1_760_000_000
MODELS = ("qwen3-30b-a3b", "llama-3.3-70b", "gemma-3-27b", "embed", "rerank", "rare")
WEIGHTS = (50, 25, 15, 8, 1.99, 0.01)
PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/messages")


def made(number: int, dice: random.Random) -> Activity:
    tokens = dice.randrange(20, 8000)
    usage = Usage(
        input_tokens=tokens,
        output_tokens=dice.randrange(1, 2000),
        cache_tokens=dice.choice((-1, 0, tokens // 2)),
        draft_tokens=dice.choice((-1, 30)),
        prompt_per_second=dice.lognormvariate(6, 1),
        tokens_per_second=dice.lognormvariate(3.5, 0.5),
    )
    return Activity(
        ended=FIRST + number * 3 + dice.random(),
        model=dice.choices(MODELS, WEIGHTS)[0],
        path=dice.choice(PATHS),
        status=200 if dice.random() < 0.98 else 502,
        duration_ms=dice.randrange(5, 60_000),
        usage=usage,
        content_type=dice.choice(("application/json", "text/event-stream")),
    )


def fill(store: ActivityStore, rows: int) -> None:
    dice = random.Random(1)
    spent = 0.0
    for begin in range(0, rows, 10_000):
        batch = [made(number, dice) for number in range(begin, min(begin + 10_000, rows))]
        started = time.thread_time_ns()
        for activity in batch:
            store.record(activity)
        spent += time.thread_time_ns() - started
        store.flush(120)
    print(f"record: {spent / rows:,.0f} ns a call, without the making of the row")


def questions(store: ActivityStore, rows: int) -> dict[str, Callable[[], object]]:
    def ask(**parameters: object) -> Callable[[], object]:
        query = ActivityQuery.parse([(name, str(value)) for name, value in parameters.items()])
        return lambda: store.listing(query)

    middle = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(FIRST + rows * 3 // 2))
    asked = {f"sort by {name}": ask(sort=name) for name in ("id", "time", "model", "req_path", "resp_status_code", "cached")}
    asked |= {f"sort by {name}": ask(sort=name) for name in ("prompt", "generated", "drafted", "prompt_speed", "gen_speed")}
    return asked | {
        "sort by duration, ascending": ask(sort="duration", order="asc"),
        "page in the middle": ask(page=rows // 50),
        "page in the middle, by speed": ask(page=rows // 50, sort="gen_speed"),
        "last page": ask(page=-(-rows // 25)),
        "one model": ask(model=MODELS[0]),
        "a rare model, by duration": ask(model="rare", sort="duration"),
        "one model, by duration": ask(model=MODELS[1], sort="duration"),
        "half the time": ask(start=middle),
        "half the time, one model": ask(start=middle, model=MODELS[1]),
        "half the time, by tokens": ask(end=middle, sort="generated"),
        "999 rows": ask(limit=999),
        "ids": ask(min_id=rows // 4, max_id=rows // 2),
        "statistics": store.statistics,
        "statistics of one model": lambda: store.statistics(ActivityQuery(models=(MODELS[0],))),
    }


def prune(path: Path, rows: int) -> None:
    seen = threading.Event()
    keep = time.time() - (FIRST + rows * 3 // 2)
    size = path.stat().st_size
    began = time.monotonic()
    store = ActivityStore(str(path), retention=keep, warn=print, stored=lambda _: seen.set())
    dice, delays, left = random.Random(2), [0.0], rows
    while left > rows // 2 + len(delays):
        seen.clear()
        started = time.monotonic()
        row = made(0, dice)
        row.ended = time.time()
        store.record(row)
        assert seen.wait(120), "the store has written nothing for two minutes"
        delays.append(time.monotonic() - started)
        left = store.listing(ActivityQuery()).total
    took = time.monotonic() - began
    store.flush(120)
    store.close(120)
    print(f"\n{rows - rows // 2:,} rows deleted in {took:.1f} s; rows recorded meanwhile came within {max(delays):.2f} s;")
    print(f"the file is {path.stat().st_size / size:.2f} of its size after {time.monotonic() - began:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "activity.db"
        started = time.monotonic()
        store = ActivityStore(str(path), warn=print)
        fill(store, rows)
        store.close(120)
        print(f"{rows:,} rows in {time.monotonic() - started:.1f} s, {path.stat().st_size / 2**20:,.0f} MiB")
        started = time.monotonic()
        store = ActivityStore(str(path), warn=print)
        print(f"opened in {(time.monotonic() - started) * 1000:.0f} ms; ", end="")
        store.statistics()
        print(f"counted in {time.monotonic() - started:.1f} s\n\n| question | ms | |\n|---|---|---|")
        for name, ask in questions(store, rows).items():
            ask()
            took = []
            for _ in range(5):
                started = time.perf_counter()
                ask()
                took.append((time.perf_counter() - started) * 1000)
            print(f"| {name} | {min(took):.1f} | {'' if min(took) <= BUDGET_MS else 'over'} |")
        store.close()
        prune(path, rows)


if __name__ == "__main__":
    main()
