"""Several files as one: which entries are united, which must agree, and who wins.

Maps of named things (models, groups, ...) are united and a name may come from one file only. Other mappings merge
recursively, lists are joined in the files' order, scalars must agree in text and type. Nothing given (an empty value or
null) gives way to something. Every node keeps the mark of its own file.
"""

from __future__ import annotations

from yaml import ScalarNode

from swapyard.config.nodes import PLAIN, Mapping, Node, Sequence, is_null, kind_of, mark_of, typed
from swapyard.config.problems import Path, Problems, dotted, located

NAMED_THINGS: frozenset[Path] = frozenset(
    {
        ("models",),
        ("groups",),
        ("profiles",),
        ("selectors",),
        ("peers",),
        ("matrix",),
        ("routing", "router", "settings", "groups"),
        ("routing", "router", "settings", "matrix"),
    }
)


def merge(trees: list[Mapping], problems: Problems) -> Mapping:
    """One tree of all, the first one's keys first. At least one tree is needed."""
    merged = trees[0]
    for tree in trees[1:]:
        merged = Merge(problems).mappings((), merged, tree)
    return merged


class Merge:
    def __init__(self, problems: Problems) -> None:
        self.problems = problems

    def mappings(self, path: Path, left: Mapping, right: Mapping) -> Mapping:
        entries = dict(left.entries)
        named = path in NAMED_THINGS
        for name, (key, value) in right.entries.items():
            present = entries.get(name)
            if present is None:
                entries[name] = (key, value)
            elif named:
                self.conflict((*path, name), key, f"is already defined in {seen_at(present[0])}")
            else:
                winner = self.nodes((*path, name), present[1], value, key)
                entries[name] = (present[0] if winner is not value else key, winner)
        return Mapping(entries, left.mark, left.size + right.size)

    def nodes(self, path: Path, left: Node, right: Node, key: ScalarNode) -> Node:
        if is_null(right):
            return left
        if is_null(left):
            return right
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            return self.mappings(path, left, right)
        if isinstance(left, Sequence) and isinstance(right, Sequence):
            return Sequence(left.items + right.items, left.mark, left.size + right.size)
        if isinstance(left, ScalarNode) and isinstance(right, ScalarNode) and same(left, right):
            return left
        self.conflict(path, key, f"{kind_of(right)} disagrees with {kind_of(left)} in {seen_at(left)}")
        return left

    def conflict(self, path: Path, key: ScalarNode, message: str) -> None:
        mark = key.start_mark
        self.problems.error_at(mark.name, mark.line + 1, f"{dotted(path)}: {message}")


def same(left: ScalarNode, right: ScalarNode) -> bool:
    """Equal in text and type: `100` is neither `"100"` nor `0x64`."""
    plain = left.tag == PLAIN, right.tag == PLAIN
    return left.value == right.value and (plain[0] == plain[1] or type(typed(left)) is type(typed(right)))


def seen_at(node: Node) -> str:
    mark = mark_of(node)
    return located(mark.name, mark.line + 1).removesuffix(": ")
