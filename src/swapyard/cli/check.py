"""`swapyard check`: what is wrong with a configuration, or what it means, secrets masked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TextIO

from swapyard.config.load import load
from swapyard.config.mask import masked
from swapyard.config.render import to_yaml
from swapyard.config.schema import Config
from swapyard.errors import ConfigError
from swapyard.proxy.rewrite import filter_problems
from swapyard.runtime.launchers import LaunchError
from swapyard.runtime.launchers.local import find_program
from swapyard.runtime.strategies import Installed, origins


def run(config: Path | None, config_dir: Path | None, out: TextIO) -> int:
    """Prints every problem (exit status 1), or the resolved configuration as YAML with the warnings as comments on top (0).

    The YAML can be loaded again, apart from the masked secrets.
    """
    try:
        loaded = load(config, config_dir, environ=os.environ, strategies=Installed())
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=out)
        for warning in error.warnings:
            print(f"warning: {warning}", file=out)
        return 1
    for warning in (*loaded.warnings, *filter_problems(loaded.config), *missing_programs(loaded.config)):
        print(f"# warning: {warning}", file=out)
    for strategy in origins(loaded.config):
        print(f"# {strategy}", file=out)
    out.write(to_yaml(masked(loaded.config)))
    return 0


def missing_programs(config: Config) -> list[str]:
    """Programs that this machine could not start, with the models that name them. No errors: the file may be for another."""
    users: dict[str, list[str]] = {}
    for model_id, model in config.models.items():
        if not model.argv:
            continue
        try:
            find_program(model.argv[0])
        except LaunchError as error:
            users.setdefault(str(error), []).append(f"models.{model_id}.cmd")
    return [f"{', '.join(keys)}: {problem}" for problem, keys in users.items()]
