"""What fuzzing has found, and seeds to go on from: corpus/<target>/ is replayed with every run of the suite."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

CORPUS = Path(__file__).parent / "corpus"


@pytest.fixture(scope="module")
def targets() -> ModuleType:
    name = "swapyard_tests_fuzz_targets"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / "targets.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_is_kept_holds(targets: ModuleType, path: Path) -> None:
    targets.TARGETS[path.parent.name](path.read_bytes())  # the assertions are the target's own


def test_every_target_has_a_corpus_and_takes_nothing_at_all(targets: ModuleType) -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(targets.TARGETS)
    for target in targets.TARGETS.values():
        target(b"")


def test_a_target_can_fail(targets: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """One per oracle that compares: a reader that forgets a byte is noticed."""
    monkeypatch.setattr(targets, "split_command", lambda text, platform: text.split())
    with pytest.raises(AssertionError):
        targets.commands(b"a b")
    monkeypatch.setattr(targets, "tidy", lambda path: path + "//")
    with pytest.raises(AssertionError):
        targets.paths(b"/a")
    monkeypatch.setattr(targets, "replaced", lambda data, at, places, value: data)
    with pytest.raises(AssertionError):
        targets.forms((CORPUS / "forms" / "00").read_bytes())
