"""`make fuzz` finds a bug, keeps the input that shows it, and tells when there is nothing of that name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tools import fuzz


def test_an_unknown_target_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main(["nobody"]) == 2
    assert "no such target: nobody; there are bodies, commands" in capsys.readouterr().out


def test_a_bug_is_found_without_atheris_and_its_input_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "ROOT", tmp_path)
    monkeypatch.setattr(fuzz, "FOUND", tmp_path / "found")

    def dislikes_two_slashes(data: bytes) -> None:
        assert b"//" not in data[:20]

    with pytest.raises(AssertionError):
        fuzz.with_hypothesis(dislikes_two_slashes, "paths", 30)
    [kept] = (tmp_path / "found").iterdir()
    assert kept.name.startswith("paths-")
    assert b"//" in kept.read_bytes()


def test_the_targets_pass_what_is_made_up_in_a_moment() -> None:
    for name, target in fuzz.load_targets().items():
        taken: list[bytes] = []

        def counted(data: bytes, target: Callable[[bytes], None] = target, taken: list[bytes] = taken) -> None:
            target(data)
            taken.append(data)

        fuzz.with_hypothesis(counted, name, 0.01)
        assert len(set(taken)) > 10, f"{name} has seen nothing"


def test_what_is_changed_stays_short() -> None:
    assert fuzz.changed(b"abc", [(0, 0, b"x"), (2, 1, b"yy"), (0, 2, b"zz"), (1, 3, b"")]) == b"zzz"
    assert len(fuzz.changed(b"a" * 4000, [(0, 3, b"")] * 6)) == fuzz.LONGEST
