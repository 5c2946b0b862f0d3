"""GET /api/models/found: the .gguf files in the folders of `modelsDir`, and for each what to write into the configuration.

Asked for when the page shows it. The folders are read in a thread, once for all who ask meanwhile. A disk that does not
answer holds up neither the page (after `PATIENCE` seconds it is told so) nor the end of Swapyard.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from swapyard.api.answers import json_answer
from swapyard.api.services import Services
from swapyard.config.schema import Config
from swapyard.observe.model_files import SUFFIX, Findings, ModelFile, look
from swapyard.proxy.resolve import Names
from swapyard.runtime.threads import in_daemon_thread

HOW: Final = (
    "Set modelsDir in the configuration to a folder with .gguf files, and those that no model uses are offered here."
)
PATIENCE: Final = 15.0  # seconds; `look` ends by itself before, as long as disks answer
_NOT_IN_AN_ID: Final = re.compile(r"[^\w.+-]+")
_BETWEEN_WORDS: Final = re.compile(r"[\s'\"=,:]+")


class FoundFolder(Struct, frozen=True, omit_defaults=True):
    """`problem`: why not all of it could be read."""

    path: str
    problem: str = ""


class FoundFile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`name`: a free id for a model of it. `size`: bytes, of all parts; `path`: of the first. `problem`: why it cannot be
    used. `used_by`: the model whose command names it. `yaml`: a configuration with this one model, for one that is not used
    yet. A projector is what a model needs to see or hear; it is no model."""

    name: str
    path: str
    folder: str
    size: int
    kind: Literal["model", "projector"] = "model"
    parts: int = 1
    problem: str = ""
    used_by: str = ""
    yaml: str = ""


class Found(Struct, frozen=True):
    """`enabled`: whether the configuration names folders. `message`: how to enable it, or why there may be more files."""

    enabled: bool
    message: str
    folders: list[FoundFolder]
    files: list[FoundFile]


def routes(services: Services) -> list[Route]:
    looking: dict[int, asyncio.Task[Found]] = {}  # by the id of the configuration, which the work holds

    class UnlessAModelIsCalledSo(Route):
        def matches(self, scope: Scope) -> tuple[Match, Scope]:
            return super().matches(scope) if services.names().resolve("found") is None else (Match.NONE, {})

    def begin(config: Config) -> asyncio.Task[Found]:
        work = partial(_found, services, config, services.names())
        task = asyncio.create_task(in_daemon_thread(work, "look for model files"), name="look for model files")
        task.add_done_callback(lambda _: looking.pop(id(config)))
        return task

    async def found(_request: Request) -> Response:
        """The `.gguf` files in `modelsDir`, each with what to write into the configuration (unless a model is called so)."""
        config = services.config()
        folders = config.models_dir
        if not folders:
            return json_answer(Found(False, HOW, [], []))
        if (task := looking.get(id(config))) is None:
            task = looking[id(config)] = begin(config)
        try:
            return json_answer(await asyncio.wait_for(asyncio.shield(task), PATIENCE))
        except TimeoutError:
            late = f"a disk has not answered for {PATIENCE:g} seconds"
            return json_answer(Found(True, late, [FoundFolder(folder) for folder in folders], []))

    return [UnlessAModelIsCalledSo("/api/models/found", found)]


def _found(services: Services, config: Config, names: Names) -> Found:
    seen = look(config.models_dir)
    users = _Users(config)
    taken = set(config.selectors)
    projectors = _projectors(seen)

    def told(file: ModelFile) -> FoundFile:
        user, name, yaml = users.of(file), file.stem, ""
        if not (user or file.problem or file.is_projector):
            name = next(name for name in _names(file) if name not in taken and names.resolve(name) is None)
            taken.add(name)
            projector = projectors.get(file.path.parent)
            arguments = ["-m", str(file.path)] + (["--mmproj", str(projector)] if projector else [])
            yaml = services.model_entry(name, arguments)
        return FoundFile(
            name=name,
            path=str(file.path),
            folder=str(file.folder),
            size=file.size,
            kind="projector" if file.is_projector else "model",
            parts=file.parts,
            problem=file.problem,
            used_by=user,
            yaml=yaml,
        )

    folders = [FoundFolder(each.path, each.problem) for each in seen.folders]
    return Found(True, seen.left_out, folders, [told(file) for file in seen.files])


def _names(file: ModelFile) -> Iterator[str]:
    """Ids for a model of the file, the best first: its name, that with its folder's, and then with numbers."""
    name = _id(file.stem)
    yield name
    yield f"{_id(file.path.parent.name)}/{name}"
    yield from (f"{name}-{number}" for number in itertools.count(2))


def _id(text: str) -> str:
    """Easy to type and to put into a URL."""
    return _NOT_IN_AN_ID.sub("-", text).strip("-.") or "model"


def _projectors(seen: Findings) -> dict[Path, Path]:
    """Folder -> the projector in it, where it is clear whose it is: the folder has one model."""
    models = Counter(file.path.parent for file in seen.files if not file.is_projector)
    found: dict[Path, Path] = {}
    for file in seen.files:
        if file.is_projector and not file.problem and models[file.path.parent] == 1:
            found.setdefault(file.path.parent, file.path)
    return found


class _Users:
    """Which model's command or environment names a file.

    A path that is not on this machine is one inside a container: there, what comes behind the folder's own name counts.
    """

    def __init__(self, config: Config) -> None:
        self._by_file: dict[Path, str] = {}
        self._elsewhere: dict[str, list[tuple[str, str]]] = {}  # a file's name -> paths that end with it, and models
        for model_id, model in config.models.items():
            for text in (*model.argv, *model.env):
                if SUFFIX in text.lower():
                    for path in {text, text.partition("=")[2], *_BETWEEN_WORDS.split(text)}:
                        self._add(Path(path), model_id)

    def _add(self, path: Path, model: str) -> None:
        if path.suffix.lower() != SUFFIX:
            return
        if os.path.exists(path):  # noqa: PTH110 - False for whatever cannot be looked at
            self._by_file.setdefault(path.resolve(), model)
        else:
            self._elsewhere.setdefault(path.name, []).append((path.as_posix(), model))

    def of(self, file: ModelFile) -> str:
        """The model's id; empty if there is none."""
        model = self._by_file.get(file.path.resolve(), "")
        elsewhere = self._elsewhere.get(file.path.name, ())
        return model or next((model for path, model in elsewhere if path.endswith("/" + file.below)), "")
