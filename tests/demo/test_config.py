"""The built-in configuration is valid YAML, whatever the interpreter's path, and describes models that can be tried."""

from __future__ import annotations

import shlex

import yaml

from swapyard.demo import demo_config


def test_the_interpreter_may_have_blanks_and_quotes_in_its_path() -> None:
    path = """/opt/my "best" python's/bin/python"""

    engine = yaml.safe_load(demo_config(path))["macros"]["engine"]

    assert shlex.split(engine)[:3] == [path, "-m", "swapyard.demo.engine"]


def test_every_model_has_a_description_and_a_place_in_one_group() -> None:
    config = yaml.safe_load(demo_config("python", start_port=7000))

    members = [member for group in config["groups"].values() for member in group["members"]]
    assert sorted(members) == sorted(config["models"])
    assert all(model["description"] and model["cmd"].startswith("${engine} ") for model in config["models"].values())
    assert config["startPort"] == 7000
    assert "@" not in str(config)
