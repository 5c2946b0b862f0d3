"""How long a large configuration takes to load: `python bench/config_load.py [--models 10000] [--rounds 5]`.

Each round is a fresh process that imports Swapyard, then loads a file of that many models (eight keys each, a port, two
global macros, a group), because that is what a start does. Prints the wall and CPU time of `load` alone, best and median,
and what parsing takes of it. The budget is 1 s for 10,000 models.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BUDGET = 1.0  # seconds for 10,000 models


def example(models: int) -> str:
    """A configuration as people write them."""
    lines = ["macros:", "  server: /usr/bin/llama-server --host 127.0.0.1", "  context: 8192", "models:"]
    for number in range(models):
        lines += [
            f"  model-{number:05d}:",
            f"    cmd: ${{server}} --port ${{PORT}} -m /models/m{number}.gguf --ctx-size ${{context}}",
            f"    name: Model {number}",
            '    description: "some words about it"',
            "    ttl: 300",
            f"    aliases: [alias-{number}, other-{number}]",
            "    env: [CUDA_VISIBLE_DEVICES=0]",
            "    concurrencyLimit: 4",
            "    filters:",
            "      stripParams: temperature, top_p",
        ]
    lines += ["groups:", "  small:", "    swap: false", "    members: [model-00000, model-00001]"]
    return "\n".join(lines) + "\n"


def measure(path: Path) -> dict[str, float]:
    """One load in this process: seconds of wall and CPU time, and CPU seconds of parsing alone."""
    from swapyard.config.load import load, no_garbage_collection
    from swapyard.config.problems import Problems
    from swapyard.config.yaml_source import parse

    wall, cpu = time.perf_counter(), time.process_time()
    loaded = load(path, None, environ={})
    result = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "models": len(loaded.config.models)}
    with no_garbage_collection():
        cpu = time.process_time()
        parse(path.read_text(), str(path), {}, Problems())
        result["parse"] = time.process_time() - cpu
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one)))
        return 0
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "config.yaml"
        path.write_text(example(options.models))
        command = [sys.executable, __file__, "--one", str(path)]
        rounds = [json.loads(subprocess.check_output(command)) for _ in range(options.rounds)]
        size = path.stat().st_size
    print(f"{options.models} models, {size / 1e6:.1f} MB of YAML, {options.rounds} rounds")
    for name, meaning in (("wall", "load, wall time"), ("cpu", "load, CPU time"), ("parse", "of it parsing, CPU time")):
        times = [found[name] for found in rounds]
        print(f"{meaning:24} best {min(times):.3f} s   median {statistics.median(times):.3f} s")
    print(f"budget {BUDGET * options.models / 10_000:.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
