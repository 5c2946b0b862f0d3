"""Where version, commit and build date come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from swapyard import __version__
from swapyard.api.services import Build
from swapyard.cli import version

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "src" / "swapyard").mkdir(parents=True)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / ".git" / "refs" / "heads").mkdir(parents=True)
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    return tmp_path


def test_the_commit_of_a_checkout_is_that_of_its_branch(checkout: Path) -> None:
    (checkout / ".git" / "refs" / "heads" / "main").write_text(f"{COMMIT}\n")
    assert version.commit_of_checkout(checkout) == COMMIT


def test_it_may_be_packed_or_detached(checkout: Path) -> None:
    packed = f"# pack-refs with: peeled\n{'f' * 40} refs/heads/maintenance\n{COMMIT} refs/heads/main\n"
    (checkout / ".git" / "packed-refs").write_text(packed)
    assert version.commit_of_checkout(checkout) == COMMIT
    (checkout / ".git" / "HEAD").write_text("a" * 40)
    assert version.commit_of_checkout(checkout) == "a" * 40


def test_a_repository_that_only_holds_an_installation_tells_nothing(checkout: Path) -> None:
    (checkout / ".git" / "refs" / "heads" / "main").write_text(COMMIT)
    (checkout / "pyproject.toml").unlink()
    assert version.commit_of_checkout(checkout) is None


def test_a_checkout_without_commits_is_of_an_unknown_one(checkout: Path) -> None:
    assert version.commit_of_checkout(checkout) is None


def test_a_packaged_build_says_it_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "PACKAGE", tmp_path)
    (tmp_path / "build.json").write_text(f'{{"commit": "{COMMIT}", "build_date": "2026-01-02"}}')
    build = version.this_build()
    assert build == Build(__version__, COMMIT, "2026-01-02")
    assert version.shown(build) == f"swapyard {__version__} (commit 0123456789ab, build date 2026-01-02)"


@pytest.mark.parametrize("text", ["", "[1]", "{", "\xff"])
def test_a_broken_note_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "build.json").write_text(text, encoding="latin-1")
    assert version.packaged(tmp_path) == {}
