"""One file's text to a tree of nodes (`nodes.py`): YAML syntax, anchors, merge keys, environment references.

PyYAML's C parser scans and composes; everything about types, duplicates and limits is ours. Only the first document of a
stream is read. Hostile input is bounded: nesting (the C composer recurses and would crash), and what aliases expand to.
"""

from __future__ import annotations

import io
from collections.abc import Mapping as StrMapping
from dataclasses import dataclass
from typing import Any

import yaml
from yaml import MappingNode, ScalarNode, SequenceNode
from yaml.cyaml import CParser  # type: ignore[attr-defined]  # types-PyYAML leaves it out

from swapyard.config import environ as env
from swapyard.config.nodes import PLAIN, STR, UNKNOWN, Mapping, Node, Sequence, is_empty
from swapyard.config.problems import Problems
from swapyard.config.yaml_faults import TooDeep, explain

MAX_DEPTH = 100
MAX_EXPANDED = 3_000_000  # nodes, aliases counted each time they are used


class NamedText(io.StringIO):
    """A text whose marks carry the file's name."""

    name = ""


class Composer(CParser):
    """Composes nodes without resolving tags: unquoted scalars get `PLAIN`, quoted ones `STR`."""

    def __init__(self, stream: NamedText) -> None:
        super().__init__(stream)
        self.depth = 0

    def resolve(self, kind: type, _text: str, implicit: Any) -> str:
        if kind is ScalarNode:
            return PLAIN if implicit[0] else STR
        return ""

    def descend_resolver(self, parent: Any, _index: Any) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            mark = None if parent is None else parent.start_mark
            raise TooDeep(problem=f"nested deeper than {MAX_DEPTH} levels", problem_mark=mark)

    def ascend_resolver(self) -> None:
        self.depth -= 1


@dataclass(frozen=True, slots=True)
class Source:
    """A file's tree. `anchored`: its top-level keys below which there is an anchor."""

    tree: Mapping
    anchored: frozenset[str]


def parse(text: str, name: str, environ: StrMapping[str, str], problems: Problems) -> Source | None:
    """The file called `name`. None where it has no settings (empty, comments only, a bare scalar, `[]`, `{}`) or where it
    cannot be read, which `problems` then says."""
    stream = NamedText(env.hide(text))
    stream.name = name
    try:
        composer = Composer(stream)
        document = composer.get_node() if composer.check_node() else None
    except yaml.YAMLError as error:
        problems.cannot_read(name, *explain(error, text))
        return None
    if document is None or type(document) is ScalarNode:
        return None
    builder = Builder(name, environ, problems, has_env=env.OPEN in stream.getvalue())
    tree = builder.build(document)
    if isinstance(tree, Sequence) and tree.items:
        problems.cannot_read(name, 1, "the top level must be a mapping, got a list")
    if not isinstance(tree, Mapping) or is_empty(tree):
        return None
    return Source(tree, anchored_keys(document, text))


def anchored_keys(document: Any, text: str) -> frozenset[str]:
    """PyYAML does not keep anchors, so this looks for their sign; it serves to keep a warning back, no more."""
    pairs = [pair for pair in document.value if type(pair[0]) is ScalarNode]
    spans = ((key.value, key.start_mark.index, value.end_mark.index) for key, value in pairs)
    return frozenset(name for name, start, end in spans if text.find("&", start, end) >= 0)


class Builder:
    """Turns composed nodes into the tree. Shared nodes (aliases) stay shared, so this is linear in the file's size."""

    def __init__(self, name: str, environ: StrMapping[str, str], problems: Problems, *, has_env: bool) -> None:
        self.name = name
        self.environ = environ
        self.problems = problems
        self.has_env = has_env
        self.built: dict[int, Node | None] = {}  # id of a composed collection -> ours; None: still at it
        self.merged = 0
        self.failed = False

    def build(self, node: Any) -> Node:
        if type(node) is ScalarNode:
            return self.scalar(node)
        known = self.built.get(id(node), self)
        if known is None:
            self.refuse(node, "an alias refers to a block that contains it")
            return Sequence([], node.start_mark)
        if known is not self:
            return known  # type: ignore[return-value]
        self.built[id(node)] = None
        tree = self.sequence(node) if type(node) is SequenceNode else self.mapping(node)
        self.built[id(node)] = tree
        if tree.size > MAX_EXPANDED and not self.failed:
            self.refuse(node, f"aliases expand to more than {MAX_EXPANDED} entries")
        return tree

    def scalar(self, node: ScalarNode) -> ScalarNode:
        if not self.has_env or env.OPEN not in node.value:
            return node
        text = self.fill(node)
        if text is None:  # reported; without a value nothing else will complain of it
            return ScalarNode(UNKNOWN, "", node.start_mark)
        return ScalarNode(node.tag, text.strip(" \t") if node.tag == PLAIN else text, node.start_mark)

    def fill(self, node: ScalarNode) -> str | None:
        """The text with the variables' values; None where it has nothing but unset ones."""
        faults: list[str] = []
        text = env.fill(node.value, self.environ, faults.append)
        for fault in faults:
            self.problems.error_at(self.name, node.start_mark.line + 1, fault)
        return None if faults and not text else text

    def sequence(self, node: SequenceNode) -> Sequence:
        items = [item if type(item) is ScalarNode and not self.has_env else self.build(item) for item in node.value]
        size = 1 + len(items)
        for item in items:
            if type(item) is not ScalarNode:
                size += item.size  # type: ignore[union-attr]
        return Sequence(items, node.start_mark, size)

    def mapping(self, node: MappingNode) -> Mapping:
        entries: dict[str, tuple[ScalarNode, Node]] = {}
        inherited: dict[str, tuple[ScalarNode, Node]] = {}
        size = 1
        for pair in node.value:
            key, value = pair
            if type(key) is not ScalarNode:
                self.refuse(key, "a key must be a scalar")
                continue
            name = key.value
            if self.has_env:
                if env.OPEN in name:
                    name = self.fill(key) or ""
                value = self.build(value)
                pair = (key, value)
            elif type(value) is not ScalarNode:
                value = self.build(value)
                pair = (key, value)
            size += 1 if type(value) is ScalarNode else value.size
            if name == "<<" and key.tag == PLAIN:
                self.inherit(key, value, inherited)
            elif name in entries:
                self.repeated(name, key, entries[name][0])
            else:
                entries[name] = pair
        if inherited:
            entries = entries | {name: pair for name, pair in inherited.items() if name not in entries}
            size += len(inherited)
        return Mapping(entries, node.start_mark, size)

    def repeated(self, name: str, key: ScalarNode, first: ScalarNode) -> None:
        """The first of the two counts for all further checks, so that this problem does not hide others."""
        message = f'key "{name}" appears twice in one mapping (first in line {first.start_mark.line + 1})'
        self.problems.error_at(self.name, key.start_mark.line + 1, message)

    def inherit(self, key: ScalarNode, value: Node, inherited: dict[str, tuple[ScalarNode, Node]]) -> None:
        """`<<`: a mapping or a list of mappings whose keys count where the own ones and the earlier ones say nothing."""
        for parent in value.items if isinstance(value, Sequence) else [value]:
            if not isinstance(parent, Mapping):
                self.refuse(key, "<< needs a mapping or a list of mappings")
                return
            self.merged += len(parent.entries)
            if self.merged > MAX_EXPANDED:
                self.refuse(key, f"merge keys bring more than {MAX_EXPANDED} entries")
                return
            for name, pair in parent.entries.items():
                inherited.setdefault(name, pair)

    def refuse(self, node: Any, message: str) -> None:
        self.failed = True
        self.problems.cannot_read(self.name, node.start_mark.line + 1, message)
