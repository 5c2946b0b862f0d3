"""`swapyard check`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
import yaml

from swapyard.cli import check
from swapyard.errors import ConfigError


def run(path: Path) -> tuple[int, str]:
    out = io.StringIO()
    return check.run(path, None, out), out.getvalue()


def test_a_good_configuration_is_printed_as_yaml_without_secrets(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("apiKeys: [hush]\nlogLevl: info\nmodels: {m: {cmd: 'x ${PORT} --api-key hush'}}")
    status, text = run(path)
    assert status == 0
    assert text.startswith(f"# warning: {path}:2: logLevl: unknown key, ignored; did you mean logLevel?\n")
    assert yaml.safe_load(text)["models"]["m"]["cmd"] == "x 5800 --api-key ***"
    assert "hush" not in text


def test_every_problem_is_printed_and_then_the_warnings(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("startPort: 0\nglobalTTL: -1\nlogLevl: info\nmodels: {m: {cmd: 'x ${PORT}'}}\n")
    status, text = run(path)
    assert status == 1
    assert text.splitlines() == [
        f"{path}:1: startPort: must be 1 or more, got 0",
        f"{path}:2: globalTTL: must be 0 or more, got -1",
        f"warning: {path}:3: logLevl: unknown key, ignored; did you mean logLevel?",
    ]


def test_commands_that_cannot_be_started_here_are_warned_of_once_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "c.yaml"
    commands = {"a": "gone ${PORT}", "b": "gone -x ${PORT}", "c": f"{sys.executable} ${{PORT}}"}
    path.write_text(yaml.safe_dump({"models": {model: {"cmd": cmd} for model, cmd in commands.items()}}))
    status, text = run(path)
    assert status == 0
    warning = f'# warning: models.a.cmd, models.b.cmd: cannot start "gone": not found in PATH ({tmp_path})\n'
    assert text.startswith(warning)
    assert text.count("# warning") == 1


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    status, text = run(tmp_path / "gone.yaml")
    assert status == 1
    assert text == f"{tmp_path}/gone.yaml: cannot be read: No such file or directory\n"


def test_a_problem_and_its_warnings_stay_together() -> None:
    with pytest.raises(ConfigError, match="a\nb") as caught:
        raise ConfigError(["a", "b"], ["c"])
    assert (caught.value.problems, caught.value.warnings) == (("a", "b"), ("c",))
