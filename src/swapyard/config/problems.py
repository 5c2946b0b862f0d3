"""Every finding about the configuration, collected: errors and warnings with file, line and key path.

Who finds something names the key's path; the place is looked up in the tree only then, so that a file without problems pays
nothing. A missing key is reported at its nearest existing parent, or else at the file as a whole if there is only one.
"""

from __future__ import annotations

from collections.abc import Sequence as Seq
from dataclasses import dataclass, field
from typing import TypeAlias

from swapyard.config.nodes import Mapping, Mark, Node, Sequence, mark_of

Path: TypeAlias = tuple[str | int, ...]
Finding: TypeAlias = tuple[str, int, str]  # file, line (0: the file as a whole), text


@dataclass(slots=True)
class Problems:
    """`tree` is the merged configuration once there is one; `sources` the files' names in the order they were read.

    `unreadable`: a file is no proper YAML, so that further checks would only complain of the consequences. For the same
    reason nothing more is said about keys that were wrong when `settle` was called, nor about what is below them.
    """

    sources: list[str] = field(default_factory=list)
    tree: Mapping | None = None
    unreadable: bool = False
    reported: set[Path] = field(default_factory=set)
    settled: set[Path] = field(default_factory=set)
    errors: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)

    def error(self, path: Path, message: str) -> None:
        if self.settled and any(path[:length] in self.settled for length in range(1, len(path) + 1)):
            return
        self.reported.add(path)
        self.errors.append(self._finding(path, message))

    def doubt(self, path: Path) -> None:
        """The value at `path` is unknown because of a problem that is told elsewhere; `is_doubtful` from now on."""
        self.reported.add(path)

    def is_doubtful(self, path: Path) -> bool:
        """Whether what is read at `path` is a mere substitute, of which nothing more should be said."""
        return path in self.reported

    def settle(self) -> None:
        """Everything has been read; from now on checks look at values that may be mere substitutes for wrong ones."""
        self.settled |= self.reported

    def warn(self, path: Path, message: str) -> None:
        self.warnings.append(self._finding(path, message))

    def error_at(self, file: str, line: int, message: str) -> None:
        """For what has no key path: `line` counts from 1, 0 stands for the file as a whole."""
        self.errors.append((file, line, message))

    def cannot_read(self, file: str, line: int, message: str) -> None:
        self.unreadable = True
        self.error_at(file, line, message)

    def error_lines(self) -> list[str]:
        return self._lines(self.errors)

    def warning_lines(self) -> list[str]:
        return self._lines(self.warnings)

    def _finding(self, path: Path, message: str) -> Finding:
        text = f"{dotted(path)}: {message}" if path else message
        mark = None if self.tree is None else place(self.tree, path)
        if mark is None:
            return (self.sources[0] if len(self.sources) == 1 else "", 0, text)
        return (mark.name, mark.line + 1, text)

    def _lines(self, findings: list[Finding]) -> list[str]:
        order = {name: index for index, name in enumerate(self.sources)}
        ranked = sorted(set(findings), key=lambda found: (order.get(found[0], -1), *found))
        return [f"{located(file, line)}{text}" for file, line, text in ranked]


def located(file: str, line: int) -> str:
    if not file:
        return ""
    return f"{file}:{line}: " if line else f"{file}: "


def place(tree: Mapping, path: Seq[str | int]) -> Mark | None:
    """Where the last existing part of `path` stands: a key's own line, or a list element's."""
    node: Node = tree
    mark: Mark | None = None
    for part in path:
        if isinstance(node, Mapping) and isinstance(part, str) and part in node.entries:
            key, node = node.entries[part]
            mark = key.start_mark
        elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
            mark = mark_of(node)
        else:
            break
    return mark


def dotted(path: Path) -> str:
    """`("selectors", "s", "targets", 1)` is `selectors.s.targets[1]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text
