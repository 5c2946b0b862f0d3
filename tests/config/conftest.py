"""Loading texts in one line: `resolved` for what is accepted, `problems` for what is refused, `warnings`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from swapyard.config.load import loads
from swapyard.config.schema import Config, Model
from swapyard.errors import ConfigError


@dataclass(frozen=True)
class Loader:
    platform: str = "linux"

    def resolved(self, text: str, **environ: str) -> Config:
        return loads(text, environ=environ, platform=self.platform).config

    def model(self, body: str, **environ: str) -> Model:
        """The model `m` with these keys, given as one flow mapping or as lines."""
        return self.resolved(model_text(body), **environ).models["m"]

    def value(self, key: str, written: str, **environ: str) -> Any:
        """The field of model `m` named `key` (Python's name) when the file's value is `written`."""
        file_key = "".join(part if index == 0 else part.title() for index, part in enumerate(key.split("_")))
        return getattr(self.model(f"{file_key}: {written}", **environ), key)

    def warnings(self, text: str, **environ: str) -> list[str]:
        return loads(text, environ=environ, platform=self.platform).warnings

    def problems(self, text: str, **environ: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            loads(text, environ=environ, platform=self.platform)
        return list(caught.value.problems)

    def model_problems(self, body: str, **environ: str) -> list[str]:
        return self.problems(model_text(body), **environ)


def model_text(body: str) -> str:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    default = "" if "cmd:" in body else "    cmd: svr --port ${PORT}\n"
    return f"models:\n  m:\n{default}{lines}\n"


@pytest.fixture
def load() -> Loader:
    return Loader()


@pytest.fixture
def load_windows() -> Loader:
    return Loader(platform="win32")
