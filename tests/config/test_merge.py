"""Files and directories, and how several files become one configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from swapyard.config.load import Loaded, load
from swapyard.errors import ConfigError

MODEL = "{cmd: 'x ${PORT}'}"


def write(directory: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (directory / f"{name}.yaml").write_text(text)
    return directory


def merged(directory: Path, **texts: str) -> Loaded:
    return load(None, write(directory, **texts), environ={}, platform="linux")


def problems(directory: Path, **texts: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        merged(directory, **texts)
    return [line.replace(f"{directory}/", "") for line in caught.value.problems]


def test_maps_of_named_things_are_united(tmp_path: Path) -> None:
    loaded = merged(tmp_path, a=f"models: {{a: {MODEL}}}\ngroups: {{g: {{members: [a]}}}}", b=f"models: {{b: {MODEL}}}")
    assert list(loaded.config.models) == ["a", "b"]
    assert loaded.sources == [tmp_path / "a.yaml", tmp_path / "b.yaml"]


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("models", MODEL),
        ("groups", "{}"),
        ("profiles", "{pins: {a: ''}}"),
        ("selectors", "{}"),
        ("peers", "{}"),
    ],
)
def test_a_name_may_come_from_one_file_only(tmp_path: Path, name: str, entry: str) -> None:
    found = problems(tmp_path, a=f"{name}:\n  k: {entry}", b=f"\n{name}:\n  k: {entry}")
    assert f"b.yaml:3: {name}.k: is already defined in {tmp_path}/a.yaml:2".replace(f"{tmp_path}/", "") in found


def test_blocks_of_the_matrix_come_from_one_file_each(tmp_path: Path) -> None:
    found = problems(tmp_path, a="matrix: {sets: {s: m}}", b=f"matrix: {{sets: {{t: m}}}}\nmodels: {{m: {MODEL}}}")
    assert found == ["b.yaml:1: matrix.sets: is already defined in a.yaml:1"]
    new = "routing: {router: {settings: {groups: {g: {}}}}}"
    assert "groups.g: is already defined in a.yaml" in problems(tmp_path, a=new, b=new)[0]


def test_other_mappings_merge_and_macros_keep_the_files_order(tmp_path: Path) -> None:
    loaded = merged(
        tmp_path,
        a="macros: {first: 1}\nhooks: {on_startup: {preload: [m]}}",
        b=f'macros: {{second: "${{first}}0"}}\nlogLevel: debug\nmodels: {{m: {MODEL}}}\nx-name: 1',
        c="captureBuffer: ${first}\nlogTimeFormat: ${second}",
    )
    assert (loaded.config.log_level, loaded.config.capture_buffer, loaded.config.preload) == ("debug", 1, ("m",))
    assert 'logTimeFormat: "10" is not a layout' in loaded.warnings[0]


def test_lists_are_joined_in_the_files_order(tmp_path: Path) -> None:
    assert merged(tmp_path, a="apiKeys: [a1]", b="apiKeys: [b1, b2]", c="apiKeys: ~").config.api_keys == ("a1", "b1", "b2")


@pytest.mark.parametrize(("left", "right"), [("7", "7"), ("", "7"), ("7", ""), ("~", "7"), ("7", "null")])
def test_scalars_that_agree_or_say_nothing_merge(tmp_path: Path, left: str, right: str) -> None:
    loaded = merged(tmp_path, a=f"captureBuffer: {left}", b=f"captureBuffer: {right}")
    assert loaded.config.capture_buffer == 7


def test_a_text_agrees_however_it_is_quoted(tmp_path: Path) -> None:
    assert merged(tmp_path, a="logLevel: 'warn'", b="logLevel: warn").config.log_level == "warn"


@pytest.mark.parametrize(("left", "right"), [("100", "'100'"), ("100", "0x64"), ("a", "b"), ("[a]", "a"), ("{a: 1}", "[a]")])
def test_scalars_and_kinds_that_disagree_are_refused(tmp_path: Path, left: str, right: str) -> None:
    (problem,) = problems(tmp_path, a=f"k: {{deep: {left}}}", b=f"\nk: {{deep: {right}}}")
    assert problem.startswith("b.yaml:2: k.deep: ")
    assert "disagrees with" in problem
    assert problem.endswith("in a.yaml:1")


def test_anchors_are_each_files_own(tmp_path: Path) -> None:
    body = "x-c: &c {cmd: 'NAME ${PORT}'}\nmodels: {NAME: *c}"
    loaded = merged(
        tmp_path, a=body.replace("NAME", "one").replace("x-c", "x-1"), b=body.replace("NAME", "two").replace("x-c", "x-2")
    )
    assert {name: model.argv[0] for name, model in loaded.config.models.items()} == {"one": "one", "two": "two"}
    assert "undefined alias" in problems(tmp_path, a="x: &here 1", b="y: *here")[0]


def test_merge_keys_in_two_files_do_not_clash(tmp_path: Path) -> None:
    loaded = merged(
        tmp_path, a="x-1: &x {disabled: true}\nperformance: {<<: *x}", b="x-2: &x {every: 7s}\nperformance: {<<: *x}"
    )
    assert (loaded.config.performance.disabled, loaded.config.performance.every) == (True, 7.0)


def test_old_and_new_routing_exclude_each_other_across_files(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, a="groups: {g: {}}", b="routing: {router: {use: group}}")
    assert problem == "a.yaml:1: groups: cannot stand beside routing.router; move it to routing.router.settings.groups"


def test_findings_of_all_files_come_sorted_by_file_and_line(tmp_path: Path) -> None:
    found = problems(
        tmp_path, a="startPort: 0\ncaptureBuffer: x\n", b="startPort: ~\nperformance: {every: 1s}\nglobalTTL: -1\n"
    )
    assert [line.split(": ")[0] for line in found] == ["a.yaml:1", "a.yaml:2", "b.yaml:2", "b.yaml:3"]


def test_problems_in_several_files_are_all_told_when_one_is_no_yaml(tmp_path: Path) -> None:
    found = problems(tmp_path, a="a: [", b="b: ]", c="c: 1")
    assert [line.split(":")[0] for line in found] == ["a.yaml", "b.yaml"]


# --- which files -----------------------------------------------------------------------------------------------------------


def test_a_directory_gives_its_yaml_files_by_name(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", ".hidden.yaml", "c.YAML", "d.json", "e.yaml.bak"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "sub.yaml").mkdir()
    (tmp_path / "sub.yaml" / "z.yaml").write_text("[")
    loaded = load(None, tmp_path, environ={})
    assert [path.name for path in loaded.sources] == [".hidden.yaml", "a.yaml", "b.yml"]


def test_the_file_comes_before_the_directory(tmp_path: Path) -> None:
    (tmp_path / "z.yaml").write_text("apiKeys: [z]")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.yaml").write_text("apiKeys: [a]")
    assert load(tmp_path / "z.yaml", tmp_path / "d", environ={}).config.api_keys == ("z", "a")


@pytest.mark.parametrize(
    ("config", "directory", "part"),
    [
        (None, None, "give --config FILE or --config-dir DIRECTORY"),
        (None, "empty", "holds no .yml or .yaml file"),
        (None, "gone", "cannot be read"),
        ("gone.yaml", None, "gone.yaml: cannot be read"),
        ("full/a.yaml", "full", "would be read twice"),
        ("full/../full/a.yaml", "full", "would be read twice"),
        ("full", None, "full: cannot be read"),
        ("latin.yaml", None, "is not UTF-8 text (byte 3"),
    ],
)
def test_sources_that_cannot_be(tmp_path: Path, config: str | None, directory: str | None, part: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.yaml").write_text("{}")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe4")
    with pytest.raises(ConfigError) as caught:
        load(config and tmp_path / config, directory and tmp_path / directory, environ={})  # type: ignore[arg-type]
    (problem,) = caught.value.problems
    assert part in problem


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfstartPort: 7000\r\nlogLevel: debug\r\n")
    config = load(tmp_path / "a.yaml", None, environ={}).config
    assert (config.start_port, config.log_level) == (7000, "debug")


def test_empty_files_are_skipped(tmp_path: Path) -> None:
    assert merged(tmp_path, a="", b="# no", c="startPort: 1").config.start_port == 1
