"""What counts as a change of the configuration's files."""

from __future__ import annotations

from pathlib import Path

from swapyard.config.watch import Watch


def settled(watch: Watch) -> bool:
    """Two polls, as a change has to stay the same for one."""
    return [watch.changed(), watch.changed()][1]


def test_an_untouched_file_is_no_change(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("a: 1")
    watch = Watch(path, None)
    assert not settled(watch)


def test_a_rewritten_file_is_a_change_once(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("a: 1")
    watch = Watch(path, None)
    path.write_text("a: 22")
    assert settled(watch)
    assert not settled(watch)


def test_a_file_that_is_still_being_written_is_not_reported_yet(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("a")
    watch = Watch(path, None)
    path.write_text("a: 1")
    assert not watch.changed()
    path.write_text("a: 1\nb: 2")
    assert not watch.changed()
    assert watch.changed()


def test_a_renamed_replacement_is_a_change(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("a: 1")
    watch = Watch(path, None)
    other = tmp_path / "new"
    other.write_text("a: 2")
    other.rename(path)
    assert settled(watch)


def test_a_swapped_symlink_is_a_change(tmp_path: Path) -> None:
    first, second, link = tmp_path / "1", tmp_path / "2", tmp_path / "c.yaml"
    first.write_text("a: 1")
    second.write_text("a: 2")
    link.symlink_to(first)
    watch = Watch(link, None)
    link.unlink()
    link.symlink_to(second)
    assert settled(watch)


def test_only_the_return_of_a_deleted_file_is_a_change(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("a: 1")
    watch = Watch(path, None)
    kept = path.rename(tmp_path / "kept")
    assert not settled(watch)
    kept.rename(path)
    assert settled(watch)


def test_a_directory_changes_with_its_yaml_files_only(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1")
    watch = Watch(None, tmp_path)
    (tmp_path / "b.yml").write_text("b: 1")
    assert settled(watch)
    (tmp_path / "b.yml").unlink()
    assert settled(watch)
    (tmp_path / "notes.txt").write_text("")
    assert not settled(watch)
    (tmp_path / "a.yaml").unlink()
    assert not settled(watch)
    (tmp_path / "a.yaml").write_text("a: 1")
    assert settled(watch)


def test_a_missing_directory_is_no_change(tmp_path: Path) -> None:
    place = tmp_path / "conf.d"
    place.mkdir()
    (place / "a.yaml").write_text("a: 1")
    watch = Watch(None, place)
    moved = place.rename(tmp_path / "away")
    assert not settled(watch)
    moved.rename(place)
    assert settled(watch)
