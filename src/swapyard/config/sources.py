"""Which files make up the configuration, and their texts.

`config` comes first, then the *.yml and *.yaml files directly inside `config_dir` by name (dot-files too, no recursion).
"""

from __future__ import annotations

from pathlib import Path

from swapyard.config.problems import Problems
from swapyard.errors import ConfigError

SUFFIXES = (".yml", ".yaml")


def find_sources(config: Path | None, config_dir: Path | None) -> list[Path]:
    """The files in order. Raises ConfigError where there is none, or one would be read twice."""
    if config is None and config_dir is None:
        raise ConfigError(["no configuration: give --config FILE or --config-dir DIRECTORY"])
    found = [] if config_dir is None else directory_sources(config_dir)
    if config is None:
        if not found:
            raise ConfigError([f"{config_dir}: holds no .yml or .yaml file"])
        return found
    if config_dir is not None and config.absolute().parent.resolve() == config_dir.resolve():
        raise ConfigError([f"{config}: is inside --config-dir {config_dir} and would be read twice; give one of them"])
    return [config, *found]


def directory_sources(directory: Path) -> list[Path]:
    try:
        entries = [path for path in directory.iterdir() if path.name.endswith(SUFFIXES) and not path.is_dir()]
    except OSError as error:
        raise ConfigError([f"{directory}: cannot be read: {error.strerror or error}"]) from None
    return sorted(entries, key=lambda path: path.name)


def read_text(path: Path, problems: Problems) -> str | None:
    """The file's text; None after a problem."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        problems.cannot_read(str(path), 0, f"cannot be read: {error.strerror or error}")
    except UnicodeDecodeError as error:
        problems.cannot_read(str(path), 0, f"is not UTF-8 text (byte {error.start}: {error.reason})")
    return None
