"""`python -m tools.fuzz [target ...]`: makes up inputs for the targets of tests/fuzz (`make fuzz`).

FUZZ_SECONDS (60) is shared by all targets. With atheris (the extra `fuzz`), coverage guides what is tried; without it
hypothesis changes what is in the corpus at random. Each target runs in a process of its own. What breaks one is written to
tests/fuzz/found/<target>-<hash> and told; once mended, it belongs into tests/fuzz/corpus/<target>/, which the suite replays.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[1]
CORPUS = ROOT / "tests" / "fuzz" / "corpus"
FOUND = ROOT / "tests" / "fuzz" / "found"
LONGEST = 4096  # bytes of an input
START_UP = 30.0  # seconds that a target may take beyond its share, to be loaded and to end


def load_targets() -> dict[str, Callable[[bytes], None]]:
    spec = importlib.util.spec_from_file_location("swapyard_tests_fuzz_targets", CORPUS.parent / "targets.py")
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    targets: dict[str, Callable[[bytes], None]] = module.TARGETS
    return targets


def main(names: list[str]) -> int:
    """Runs every target, or those that are named, in its own process; 1 if any of them broke."""
    known = sorted(path.name for path in CORPUS.iterdir())
    if unknown := set(names) - set(known):
        print(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
        return 2
    chosen = names or known
    share = max(float(os.environ.get("FUZZ_SECONDS", "60")) / len(chosen), 1.0)
    print(f"{len(chosen)} targets, {share:.0f} s each, {'with atheris' if has_atheris() else 'with hypothesis'}")
    broken = [name for name in chosen if not run_apart(name, share)]
    print(f"broken: {', '.join(broken)}; the inputs are in {FOUND.relative_to(ROOT)}/" if broken else "nothing is broken")
    return 1 if broken else 0


def run_apart(name: str, seconds: float) -> bool:
    began = time.monotonic()
    command = [sys.executable, "-m", "tools.fuzz", "--one", name, str(seconds)]
    try:
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=seconds + START_UP, check=False)
        code, said = ended.returncode, (ended.stdout + ended.stderr).decode(errors="replace")
    except subprocess.TimeoutExpired as hung:
        code, said = 1, f"an input takes longer than {START_UP:g} s\n{hung.stderr!r}"
    print(f"{name:15} {'fine' if code == 0 else 'BROKEN'}, {time.monotonic() - began:.0f} s", flush=True)
    if code:
        told = [line for line in said.splitlines() if not line.startswith(("INFO", "WARNING", "NEW_FUNC"))]
        print("\n".join("    " + line for line in told[-40:]), flush=True)
    return code == 0


def has_atheris() -> bool:
    return importlib.util.find_spec("atheris") is not None


def fuzz_one(name: str, seconds: float) -> None:
    """Ends the process where atheris is used."""
    if has_atheris():
        with_atheris(name, seconds)
    else:
        with_hypothesis(load_targets()[name], name, seconds)


def keep(name: str, data: bytes) -> None:
    FOUND.mkdir(exist_ok=True)
    path = FOUND / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    print(f"{path.relative_to(ROOT)}: {data[:200]!r}", file=sys.stderr)


def with_atheris(name: str, seconds: float) -> None:
    import atheris

    with atheris.instrument_imports(include=["swapyard"]):
        target = load_targets()[name]

    def noted(data: bytes) -> None:
        try:
            target(data)
        except BaseException:
            traceback.print_exc()
            keep(name, data)
            raise

    with tempfile.TemporaryDirectory() as grown:  # what libFuzzer finds worth keeping goes to the first directory
        limits = [f"-max_total_time={int(seconds)}", f"-max_len={LONGEST}", "-timeout=20", "-rss_limit_mb=2048"]
        prefix = f"-artifact_prefix={grown}/"
        atheris.Setup([sys.argv[0], *limits, prefix, "-verbosity=0", grown, str(CORPUS / name)], noted)
        atheris.Fuzz()


def with_hypothesis(target: Callable[[bytes], None], name: str, seconds: float) -> None:
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    seeds = [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
    changes = st.lists(st.tuples(st.integers(0, LONGEST), st.integers(0, 3), st.binary(max_size=4)), max_size=6)
    inputs = st.binary(max_size=200) | st.builds(changed, st.sampled_from(seeds), changes)
    end = time.monotonic() + seconds
    last = b""

    @settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(inputs)
    def try_some(data: bytes) -> None:
        nonlocal last
        last = data
        target(data)

    while time.monotonic() < end:
        try:
            try_some()
        except BaseException:
            keep(name, last)  # the smallest one: hypothesis ends with it
            raise


def changed(seed: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    """At each place bytes are put in, taken out, replaced, or the rest is repeated."""
    data: Any = bytearray(seed)
    for at, how, what in changes:
        at %= len(data) + 1
        match how:
            case 0:
                data[at:at] = what
            case 1:
                del data[at : at + len(what)]
            case 2:
                data[at : at + len(what)] = what
            case _:
                data += data[at:]
    return bytes(data[:LONGEST])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        fuzz_one(sys.argv[2], float(sys.argv[3]))
    else:
        raise SystemExit(main(sys.argv[1:]))
