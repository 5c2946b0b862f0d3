"""Which .gguf files lie below some folders: a bounded look at names and sizes; no file is opened.

`look` takes its time (a disk may be far away): call it in a thread. It goes at most `DEEPEST` levels down, looks at
`MOST_NAMES` names, lists `MOST_FILES` files and ends after `LONGEST` seconds; that it left something out is told. Links are
followed, but each folder and each file counts once, so a link to a folder above it leads nowhere. What begins with a dot is
left out: caches, and what macOS writes beside files on network disks.

A model that is split (llama.cpp's `-00001-of-00003.gguf`) is one file here. A file with "mmproj" in its name is a projector,
which a model needs in order to see or hear.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

MOST_FILES: Final = 1000
MOST_NAMES: Final = 100_000
DEEPEST: Final = 8  # levels below a folder
LONGEST: Final = 10.0  # seconds
SUFFIX: Final = ".gguf"
SPLIT: Final = re.compile(r"(.+)-(\d{5})-of-(\d{5})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """`path`: absolute, of the first part. `folder`: which of those that were looked at it lies in. `stem`: its name without
    suffix and part. `size`: bytes, of all parts. `problem`: why it cannot be used as it is; empty if it can."""

    path: Path
    folder: Path
    stem: str
    size: int
    parts: int = 1
    problem: str = ""

    @property
    def below(self) -> str:
        """Its path from the folder."""
        return self.path.relative_to(self.folder).as_posix()

    @property
    def is_projector(self) -> bool:
        return "mmproj" in self.stem.lower()


@dataclass(frozen=True, slots=True)
class Folder:
    """`path`: absolute, as text. `problem`: why not all of it could be read; empty if it could."""

    path: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """`left_out`: why there may be more files than these; empty if these are all."""

    folders: tuple[Folder, ...]
    files: tuple[ModelFile, ...]
    left_out: str = ""


def look(folders: Iterable[str]) -> Findings:
    """The files in each of the folders and below it, by path. `folders`: absolute, or from the working directory."""
    walk = _Walk(time.monotonic() + LONGEST, MOST_NAMES, MOST_FILES)
    told: list[Folder] = []
    files: list[ModelFile] = []
    for folder in dict.fromkeys(Path(folder).absolute() for folder in folders):
        try:
            os.scandir(folder).close()
        except OSError as error:
            told.append(Folder(_text(folder), _reason(error)))
            continue
        files += sorted(_together(folder, list(walk.files_below(folder))), key=lambda file: file.path)
        told.append(Folder(_text(folder), walk.problem()))
    return Findings(tuple(told), tuple(files), walk.left_out)


@dataclass(slots=True)
class _Walk:
    """Through all folders; the bounds are for all of them together."""

    deadline: float
    names: int
    files: int
    left_out: str = ""  # not empty: it is over
    seen: set[tuple[int, int]] = field(default_factory=set)  # device and inode of folders and files
    unreadable: list[str] = field(default_factory=list)  # folders below the present one
    nameless: int = 0

    def files_below(self, top: Path) -> Iterator[tuple[Path, int]]:
        """Path and size of each .gguf file; those of a folder before those below it."""
        self.unreadable, self.nameless = [], 0
        waiting = deque([(top, 0)])
        while waiting and not self.left_out:
            folder, depth = waiting.popleft()
            for path, found in self._inside(folder):
                if stat.S_ISDIR(found.st_mode):
                    if depth < DEEPEST:
                        waiting.append((path, depth + 1))
                elif not (stat.S_ISREG(found.st_mode) and path.suffix.lower() == SUFFIX and self._is_new(found)):
                    continue
                elif _text(path) != str(path):
                    self.nameless += 1  # neither JSON nor YAML can name it
                elif self.files == 0:
                    self.left_out = f"only the first {MOST_FILES:,} files are listed"
                    return
                else:
                    self.files -= 1
                    yield path, found.st_size

    def _inside(self, folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
        """Folders and .gguf files, by name. Nothing where the folder was met before."""
        try:
            if not self._is_new(folder.stat()):
                return
            with os.scandir(folder) as scan:
                entries = list(islice(scan, self.names + 1))
        except OSError:
            self.unreadable.append(_text(folder))
            return
        if len(entries) > self.names:
            self.left_out = f"the search ended after {MOST_NAMES:,} names"
        self.names = max(0, self.names - len(entries))
        for entry in sorted(entries, key=lambda entry: entry.name):
            if time.monotonic() > self.deadline:
                self.left_out = f"the search ended after {LONGEST:g} seconds"
                return
            try:
                if not entry.name.startswith(".") and (entry.name.lower().endswith(SUFFIX) or entry.is_dir()):
                    path = Path(entry.path)
                    yield path, path.stat()
            except OSError:  # it is gone by now, or a link that leads nowhere
                continue

    def _is_new(self, found: os.stat_result) -> bool:
        identity = found.st_dev, found.st_ino
        is_new = found.st_ino == 0 or identity not in self.seen  # 0: a file system without such numbers
        self.seen.add(identity)
        return is_new

    def problem(self) -> str:
        """What was wrong below the present folder."""
        problems = []
        if self.unreadable:
            others = f" and {len(self.unreadable) - 1} more" if len(self.unreadable) > 1 else ""
            problems.append(f"{self.unreadable[0]}{others} cannot be read")
        if self.nameless:
            problems.append(f"{self.nameless} left out because the name is no UTF-8 text")
        return "; ".join(problems)


def _together(folder: Path, found: Iterable[tuple[Path, int]]) -> Iterator[ModelFile]:
    """The parts of split models as one."""
    models: dict[tuple[Path, str, int], dict[int, tuple[Path, int]]] = {}  # folder, stem, parts -> number -> path, size
    for path, size in found:
        stem, number, of = path.stem, 1, 0
        if (split := SPLIT.fullmatch(stem)) and 1 <= int(split[2]) <= int(split[3]):
            stem, number, of = split[1], int(split[2]), int(split[3])
        models.setdefault((path.parent, stem, of), {})[number] = path, size
    for (_, stem, of), parts in models.items():
        path, _ = parts[min(parts)]
        problem = f"{len(parts)} of its {of} parts are here" if len(parts) < of else ""
        if not problem and not all(os.access(path, os.R_OK) for path, _ in parts.values()):
            problem = "Swapyard may not read it"
        size = sum(size for _, size in parts.values())
        yield ModelFile(path, folder, stem, size, max(of, 1), problem)


def _reason(error: OSError) -> str:
    match error:
        case FileNotFoundError():
            return "it does not exist"
        case NotADirectoryError():
            return "it is no folder"
        case _:
            return f"it cannot be read: {error.strerror or error}"


def _text(path: Path) -> str:
    """The path, where it is text; what is none is replaced."""
    return str(path).encode("utf-8", "replace").decode()
