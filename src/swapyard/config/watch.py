"""Has the configuration changed on disk? Answered by polling, which also sees bind mounts and swapped symlinks.

A change is reported once it is settled: the same at two polls in a row, so that a file that is being written is not read
half. A source that is missing or empty of YAML files is no change; its return is one, even if it returns as it was.
"""

from __future__ import annotations

import os
from pathlib import Path

# What identifies a state of a source: per file its name, inode, time (ns) and size.
State = tuple[tuple[str, int, int, int], ...]


class Watch:
    def __init__(self, config: Path | None, config_dir: Path | None) -> None:
        self._config = config
        self._config_dir = config_dir
        self._loaded = self._look()
        self._seen = self._loaded

    def changed(self) -> bool:
        """Whether there is something new since the last time this returned True (or since the beginning). Reads metadata
        only; blocks for as long as a stat does."""
        now = self._look()
        settled, self._seen = now == self._seen, now
        if not settled or now is None or now == self._loaded:
            if now is None:
                self._loaded = None  # when it is back, it is news
            return False
        self._loaded = now
        return True

    def _look(self) -> State | None:
        """None while a source is missing, or the directory holds no YAML file."""
        files: list[Path] = [] if self._config is None else [self._config]
        if self._config_dir is not None:
            try:
                found = sorted(
                    p for p in self._config_dir.iterdir() if p.name.endswith((".yml", ".yaml")) and not p.is_dir()
                )
            except OSError:
                return None
            if not found:
                return None
            files += found
        rows = []
        for path in files:
            try:
                stat = os.stat(path)  # noqa: PTH116 - follows symlinks, like the reader will
            except OSError:
                return None
            rows.append((str(path), stat.st_ino, stat.st_mtime_ns, stat.st_size))
        return tuple(rows)
