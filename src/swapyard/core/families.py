"""What the matrix's expressions amount to, for the few models that matter for one decision; families are never written out.

The expressions of all sets become one `Graph`: a node per `&`, per `|` and per model, and a reference is simply the other
set's node. For one decision only those nodes are looked at that have a relevant model (the target, or a running one) below
them; so the cost goes with the number of places where relevant models are written, and not with the number of combinations.

A node's *entries* are the combinations that it allows, each as the bits of its relevant models, in order of their coming
and without those that are part of another (which loses nothing: every part of a combination is allowed). Ties between
combinations are decided by that order, so it is exactly defined:

- a model has one entry;
- `|` inserts the entries of its parts, from left to right;
- `&` joins, part by part from left to right, each entry so far (outer loop) with each of the part (inner loop);
- inserting: an entry that is part of a present one is skipped, else those that are part of it go, and it comes last.

How many entries there are can grow exponentially where many models run that no set allows together. The three limits below
bound the work: beyond, only the entries that are dearest to evict are kept, and the outcome is marked as not exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

MOST_ENTRIES = 64  # per node
MOST_WORK = 2_000  # candidates for insertion in one decision, before the beam gets narrow
NARROW = 8  # entries per node from then on


@dataclass(frozen=True, slots=True)
class Node:
    """`joins`: it is an `&`, otherwise a `|` (or a model, which has no parts)."""

    parts: tuple[int, ...] = ()
    joins: bool = False
    model: str | None = None


@dataclass(slots=True)
class Graph:
    """`nodes`: parts before what they are part of. `places`: for each node (whole, position) wherever it is a part."""

    nodes: list[Node] = field(default_factory=list)
    places: list[list[tuple[int, int]]] = field(default_factory=list)
    models: dict[str, int] = field(default_factory=dict)

    def model(self, name: str) -> int:
        """The one node of this model."""
        found = self.models.get(name)
        if found is None:
            found = self.models[name] = self._add(Node(model=name))
        return found

    def any_of(self, parts: Sequence[int]) -> int:
        return self._add(Node(tuple(parts)))

    def all_of(self, parts: Sequence[int]) -> int:
        return self._add(Node(tuple(parts), joins=True))

    def _add(self, node: Node) -> int:
        number = len(self.nodes)
        self.nodes.append(node)
        self.places.append([])
        for position, part in enumerate(node.parts):
            self.places[part].append((number, position))
        return number


class Evaluation:
    """One decision's look at a graph. `models`: the relevant ones, of which the first has bit 0; `weights`: theirs.

    `exact`: no entry had to be dropped so far.
    """

    def __init__(self, graph: Graph, models: Sequence[str], weights: Sequence[int]) -> None:
        self.exact = True
        self._graph = graph
        self._masks: dict[int, int] = {}  # weight -> the bits of the models of that weight
        for index, weight in enumerate(weights):
            self._masks[weight] = self._masks.get(weight, 0) | 1 << index
        self._work = 0
        self._below: dict[int, list[tuple[int, int]]] = {}  # of relevant nodes: (position, part) of the relevant parts
        self._entries: dict[int, list[int]] = {}
        self._joined: dict[int, list[list[int]]] = {}  # of `&`: the entries so far, part by part
        for index, model in enumerate(models):
            leaf = graph.models.get(model)
            if leaf is not None:
                self._entries[leaf] = [1 << index]
                self._mark(leaf)

    def above(self, model: str) -> set[int]:
        """Every node that mentions the model, which is a relevant one."""
        leaf = self._graph.models.get(model)
        if leaf is None:
            return set()
        found, stack = {leaf}, [leaf]
        while stack:
            for whole, _ in self._graph.places[stack.pop()]:
                if whole not in found:
                    found.add(whole)
                    stack.append(whole)
        return found

    def entries(self, node: int) -> list[int]:
        """The node's entries, if it mentions a relevant model; else none."""
        needed, stack = set(), [node]
        while stack:
            number = stack.pop()
            if number not in needed and number not in self._entries and number in self._below:
                needed.add(number)
                stack.extend(part for _, part in self._below[number])
        for number in sorted(needed):  # parts come first
            self._entries[number] = self._evaluate(number)
        return self._entries.get(node, [])

    def combination(self, node: int, entry: int) -> frozenset[str]:
        """The first combination behind one of the node's entries, other models included."""
        found: set[str] = set()
        stack = [(node, entry)]
        while stack:
            number, wanted = stack.pop()
            what = self._graph.nodes[number]
            if what.model is not None:
                found.add(what.model)
            elif number not in self._below:
                stack.extend((part, 0) for part in (what.parts if what.joins else what.parts[:1]))
            elif what.joins:
                stack.extend((part, 0) for part in what.parts if part not in self._entries)
                stack.extend(self._unjoin(number, wanted))
            else:
                stack.append(next((part, wanted) for _, part in self._below[number] if wanted in self._entries[part]))
        return frozenset(found)

    def weight(self, entry: int) -> int:
        return sum(weight * (entry & mask).bit_count() for weight, mask in self._masks.items())

    def _mark(self, leaf: int) -> None:
        places, below = self._graph.places, self._below
        stack = [leaf]
        while stack:
            part = stack.pop()
            for whole, position in places[part]:
                if whole in below:
                    below[whole].append((position, part))
                else:
                    below[whole] = [(position, part)]
                    stack.append(whole)

    def _evaluate(self, number: int) -> list[int]:
        below = self._below[number]
        if len(below) == 1:
            found = self._entries[below[0][1]]
            if self._graph.nodes[number].joins:
                self._joined[number] = [found]
            return found
        below.sort()
        if not self._graph.nodes[number].joins:
            return self._kept(entry for _, part in below for entry in self._entries[part])
        joined = self._joined[number] = [self._entries[below[0][1]]]
        for _, part in below[1:]:
            joined.append(self._join(joined[-1], self._entries[part]))
        return joined[-1]

    def _join(self, left: list[int], right: list[int]) -> list[int]:
        most = NARROW if self._work > MOST_WORK else MOST_ENTRIES
        if len(left) * len(right) > MOST_ENTRIES * NARROW:
            left, right = self._heaviest(left, most), self._heaviest(right, NARROW)
        return self._kept(one | other for one in left for other in right)

    def _kept(self, candidates: Iterable[int]) -> list[int]:
        """The candidates without those that are part of another, in order of their coming."""
        found: list[int] = []
        seen: set[int] = set()
        for candidate in candidates:
            if candidate in seen:
                continue
            seen.add(candidate)
            for other in found:
                if candidate & other == candidate:
                    break
            else:
                found = [other for other in found if other & candidate != other]
                found.append(candidate)
                if len(found) > MOST_ENTRIES:
                    found = self._heaviest(found, MOST_ENTRIES // 2)
        self._work += len(seen)
        return self._heaviest(found, NARROW) if self._work > MOST_WORK else found

    def _heaviest(self, entries: list[int], most: int) -> list[int]:
        """So many of the entries: those with bit 0, then those that weigh most, then those that came first."""
        if len(entries) <= most:
            return entries
        self.exact = False
        ranked = sorted(entries, key=lambda entry: (entry & 1, self.weight(entry)), reverse=True)
        chosen = set(ranked[:most])
        return [entry for entry in entries if entry in chosen]

    def _unjoin(self, number: int, wanted: int) -> Iterable[tuple[int, int]]:
        """Which entries of the relevant parts of an `&` were joined to this one."""
        parts = [part for _, part in self._below[number]]
        joined = self._joined[number]
        for index in range(len(parts) - 1, 0, -1):
            wanted, right = next(
                (left, right)
                for left in joined[index - 1]
                for right in self._entries[parts[index]]
                if left | right == wanted
            )
            yield parts[index], right
        yield parts[0], wanted


def weights_of(models: Iterable[str], costs: Mapping[str, int]) -> list[int]:
    return [costs.get(model, 1) for model in models]
