"""What the pure part of a request costs: reading it, resolving its model, checking its key, editing its body.

    python bench/rewrite.py

Prints microseconds (the best of several rounds) for a small chat request and for one of 11 MB with pictures in it.
"""

from __future__ import annotations

import base64
import random
import timeit
from collections.abc import Callable

import msgspec

from swapyard.config.schema import Config, Filters, Model
from swapyard.proxy.auth import Keys
from swapyard.proxy.body import read, read_json, read_query
from swapyard.proxy.endpoints import find
from swapyard.proxy.resolve import Names
from swapyard.proxy.rewrite import Edits, replace_model

CHAT = {"role": "user", "content": "Say hello to everybody who reads this, please."}
SMALL = msgspec.json.encode({"model": "llama", "messages": [CHAT], "stream": True, "max_tokens": 64, "temperature": 0.7})


def big_body(megabytes: int) -> bytes:
    picture = base64.b64encode(random.Random(1).randbytes(megabytes * 750_000)).decode()
    parts = [
        {"type": "text", "text": "größe"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + picture}},
    ]
    return msgspec.json.encode({"model": "llama", "messages": [{"role": "user", "content": parts}], "stream": True})


def edits(**filters: object) -> Edits:
    compiled = Edits.compile(Model(filters=Filters(**filters)))  # type: ignore[arg-type]
    assert compiled is not None
    return compiled


def cases(body: bytes) -> dict[str, Callable[[], object]]:
    renamed = Edits.compile(Model(use_model_name="org/llama"))
    assert renamed is not None
    flat = edits(strip_params=("temperature", "top_p"), set_params={"top_k": 20, "cache_prompt": True})
    nested = edits(set_params={"chat_template_kwargs.enable_thinking": False})
    deep = edits(set_params={"messages.0.name": "x"})
    missing = edits(strip_params=("top_p", "top_k"))
    return {
        "read: model and stream": lambda: read_json(body),
        "read: by content type": lambda: read(b"application/json", body, b""),
        "edit: useModelName": lambda: renamed.apply(body, "llama"),
        "edit: strip 2, set 2": lambda: flat.apply(body, "llama"),
        "edit: set a nested key": lambda: nested.apply(body, "llama"),
        "edit: set inside messages": lambda: deep.apply(body, "llama"),
        "edit: strip what is not there": lambda: missing.apply(body, "llama"),
        "replace the model in place": lambda: replace_model(body, "org/llama"),
    }


def others() -> dict[str, Callable[[], object]]:
    models = {f"author/model-{number}": Model(aliases=(f"alias-{number}",)) for number in range(10_000)}
    names = Names(Config(models=models))
    keys = Keys([f"sk-{number}" for number in range(10)])
    return {
        "endpoint: exact": lambda: find("POST", "/v1/chat/completions"),
        "endpoint: below /upstream/": lambda: find("GET", "/upstream/author/model-1/v1/models"),
        "query: model": lambda: read_query(b"model=author%2Fmodel-1&x=1"),
        "resolve: alias": lambda: names.resolve("alias-77"),
        "resolve: /upstream/ path": lambda: names.split_upstream(b"author%2Fmodel-77/v1/models"),
        "resolve: hints for an unknown name": lambda: names.nearest("model-77777"),
        "auth: a known key": lambda: keys.check(b"Bearer sk-7", None),
        "auth: a wrong key": lambda: keys.check(b"Bearer sk-wrong", None),
        "auth: whose is this header": lambda: keys.is_gateway_credential(b"Bearer sk-7"),
    }


def measure(title: str, functions: dict[str, Callable[[], object]]) -> None:
    print(title)
    for name, function in functions.items():
        timer = timeit.Timer(function)
        number, taken = timer.autorange()
        rounds = 2 if taken / number > 0.01 else 5
        number = max(1, number // 4)
        best = min(timer.repeat(rounds, number)) / number
        print(f"  {name:<36}{best * 1e6:>12.2f} us")


def main() -> None:
    big = big_body(11)
    measure(f"a body of {len(SMALL)} bytes", cases(SMALL))
    measure(f"a body of {len(big) / 1e6:.1f} MB", cases(big))
    measure("the rest", others())


if __name__ == "__main__":
    main()
