"""What is found in folders of models, however they are filled."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from swapyard.observe import model_files
from swapyard.observe.model_files import Findings, look

HOSTILE = [
    "a b.gguf",
    "it's.gguf",
    '"q".gguf',
    "#1.gguf",
    "line\nend.gguf",
    "Größe 🦔.gguf",
    "-m.gguf",
    "UP.GGUF",
    "${x}.gguf",
]


def put(folder: Path, *names: str, size: int = 3) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"g" * size)


def found(folder: Path, findings: Findings | None = None) -> list[str]:
    return [file.below for file in (findings or look([str(folder)])).files]


def test_files_are_found_at_every_level_and_whatever_they_are_called(tmp_path: Path) -> None:
    put(tmp_path, *HOSTILE, "org/repo/q4.gguf", "notes.txt", "gguf", "model.gguf.part")
    assert sorted(found(tmp_path)) == sorted([*HOSTILE, "org/repo/q4.gguf"])


def test_hidden_ones_and_what_is_no_file_are_left_out(tmp_path: Path) -> None:
    put(tmp_path, ".cache/a.gguf", "._b.gguf", "c.gguf")
    (tmp_path / "folder.gguf").mkdir()
    os.mkfifo(tmp_path / "pipe.gguf")
    (tmp_path / "nowhere.gguf").symlink_to(tmp_path / "gone")
    (tmp_path / "itself.gguf").symlink_to(tmp_path / "itself.gguf")
    assert found(tmp_path) == ["c.gguf"]


def test_links_are_followed_but_not_in_circles_and_nothing_counts_twice(tmp_path: Path) -> None:
    elsewhere, folder = tmp_path / "disk", tmp_path / "models"
    put(elsewhere, "blobs/5f1a", "more/b.gguf", size=7)
    put(folder, "own.gguf")
    (folder / "deep").mkdir()
    (folder / "deep" / "up").symlink_to(folder)
    (folder / "snapshot.gguf").symlink_to(elsewhere / "blobs" / "5f1a")
    (folder / "snapshot-again.gguf").symlink_to(elsewhere / "blobs" / "5f1a")
    (folder / "linked").symlink_to(elsewhere / "more")
    os.link(folder / "own.gguf", folder / "own-twin.gguf")
    findings = look([str(folder), str(elsewhere), str(folder)])
    assert found(folder, findings) == ["linked/b.gguf", "own-twin.gguf", "snapshot-again.gguf"]
    assert [file.size for file in findings.files] == [7, 3, 7]
    assert [each.path for each in findings.folders] == [str(folder), str(elsewhere)]


def test_the_parts_of_a_model_are_one_file(tmp_path: Path) -> None:
    put(tmp_path, *(f"big-{number:05}-of-00003.gguf" for number in (1, 2, 3)), "other/big-00002-of-00003.gguf", size=5)
    put(tmp_path, "odd-00004-of-00003.gguf", "mmproj-F16.gguf")
    big, projector, odd, rest = look([str(tmp_path)]).files
    assert (big.below, big.stem, big.size, big.parts, big.problem) == ("big-00001-of-00003.gguf", "big", 15, 3, "")
    assert (rest.below, rest.problem) == ("other/big-00002-of-00003.gguf", "1 of its 3 parts are here")
    assert (odd.stem, odd.parts) == ("odd-00004-of-00003", 1)
    assert [file.is_projector for file in (big, projector, odd)] == [False, True, False]


def test_why_a_folder_cannot_be_read_is_told(tmp_path: Path) -> None:
    put(tmp_path, "a.gguf")
    told = look([str(tmp_path / "gone"), str(tmp_path / "a.gguf"), str(tmp_path)])
    assert [each.problem for each in told.folders] == ["it does not exist", "it is no folder", ""]
    assert found(tmp_path, told) == ["a.gguf"]


def test_what_may_not_be_read_is_told_and_the_rest_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a.gguf", "locked/b.gguf", "mine/c.gguf", "mine/d.gguf")
    scan = os.scandir

    def guarded(path: Any) -> Any:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", guarded)
    monkeypatch.setattr(os, "access", lambda path, mode: path.name != "d.gguf")
    told = look([str(tmp_path), str(tmp_path / "locked")])
    assert [each.problem for each in told.folders] == [
        f"{tmp_path}/locked cannot be read",
        "it cannot be read: Permission denied",
    ]
    assert [(file.below, file.problem) for file in told.files] == [
        ("a.gguf", ""),
        ("mine/c.gguf", ""),
        ("mine/d.gguf", "Swapyard may not read it"),
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_no_text_is_counted(tmp_path: Path) -> None:
    put(tmp_path, "a.gguf")
    Path(os.fsdecode(bytes(tmp_path) + b"/\xff.gguf")).touch()
    told = look([str(tmp_path)])
    assert found(tmp_path, told) == ["a.gguf"]
    assert told.folders[0].problem == "1 left out because the name is no UTF-8 text"


def test_the_search_has_bounds_and_says_which_one_it_met(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "1.gguf", "2.gguf", "deep/3.gguf", "deep/er/4.gguf")
    assert look([str(tmp_path)]).left_out == ""
    for bound, value, left, why in (
        ("DEEPEST", 1, ["1.gguf", "2.gguf", "deep/3.gguf"], ""),
        ("MOST_FILES", 2, ["1.gguf", "2.gguf"], "only the first 2 files are listed"),
        ("MOST_NAMES", 4, ["1.gguf", "2.gguf", "deep/3.gguf"], "the search ended after 4 names"),
        ("LONGEST", -1.0, [], "the search ended after -1 seconds"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(model_files, bound, value)
            told = look([str(tmp_path)])
        assert (bound, found(tmp_path, told), told.left_out) == (bound, left, why)
