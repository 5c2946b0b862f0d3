"""Swapyard without anybody who keeps account of requests: `python -m bench.unrecorded --config FILE ...`, as `swapyard`.

No user can have it so. It tells what stands between a request and its upstream from what is remembered of it afterwards:
no rows, no metrics, no captures, nothing of requests under way. The access log stays.
"""

from __future__ import annotations

import sys
from typing import Any

from swapyard import app
from swapyard.cli import main
from swapyard.proxy.state import ProxyState


def without_recorder(config: Any, engine: Any, peers: Any, _recorder: Any) -> ProxyState:
    return ProxyState(config, engine, peers)


if __name__ == "__main__":
    vars(app)["ProxyState"] = without_recorder
    sys.exit(main())
