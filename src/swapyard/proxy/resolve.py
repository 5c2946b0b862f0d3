"""From a name to what serves it: a model here, or a model of a peer.

`Names` is built once per configuration and is then a dict look-up per request. The order: model id, alias,
a peer's full name `<peer>/<model>`, a bare peer name that exactly one peer offers. Profiles and selectors stand before
this and replace one name by another; of selectors only the names are known here.

What `/upstream/` paths say is read here too, because only the known names tell where the name ends. Paths are the raw
bytes of the request target, without the query.

No I/O and no state: whether a model runs is the engine's knowledge.
"""

from __future__ import annotations

import difflib
import heapq
import re
from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import quote, unquote, unquote_to_bytes

from swapyard.config.schema import Config
from swapyard.errors import ModelNotFound, NotFound

# Longer names are neither compared nor repeated whole in an answer.
LONGEST_SHOWN = 200
# How many names are compared letter by letter (about 20 us each) when somebody asks for an unknown one.
COMPARED = 32
CLOSE = 0.5  # share of letters in common, from which on a name is worth suggesting
_SEPARATOR = re.compile(rb"/|%2[Ff]")


class Kind(StrEnum):
    LOCAL = "local"
    PEER = "peer"


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a name stands for.

    `requested` is the name as the client wrote it (filters are looked up by it), `model` the id that its server knows: the
    configured id, or the peer's own. `peer` is the peer's id, None for a local model.
    """

    kind: Kind
    model: str
    requested: str
    peer: str | None = None

    @property
    def full_name(self) -> str:
        """How logs and metrics call it: the model id, or `<peer>/<model>`."""
        return self.model if self.peer is None else f"{self.peer}/{self.model}"


class Passage(NamedTuple):
    """An `/upstream/` path, taken apart: a known name or a selector, and `rest`, what the upstream is asked for, byte for
    byte. It is empty where nothing follows the name, not even a slash: then the client is redirected."""

    name: str
    rest: bytes


class NameInPath(NamedTuple):
    """A name that begins a raw path: where it ends there, and where what follows it begins, behind the separator."""

    name: str
    end: int
    following: int


class Names:
    """Every name that can be asked for."""

    def __init__(self, config: Config) -> None:
        known = {name: Resolved(Kind.LOCAL, name, name) for name in config.models}
        for model_id, model in config.models.items():
            for alias in model.aliases:
                known.setdefault(alias, Resolved(Kind.LOCAL, model_id, alias))
        offers = [(peer_id, offer) for peer_id, peer in config.peers.items() for offer in dict.fromkeys(peer.models)]
        for peer_id, offer in offers:
            full = f"{peer_id}/{offer}"
            known.setdefault(full, Resolved(Kind.PEER, offer, full, peer_id))
        offered_by = Counter(offer for _, offer in offers)
        for peer_id, offer in offers:
            if offered_by[offer] == 1:
                known.setdefault(offer, Resolved(Kind.PEER, offer, offer, peer_id))
        self._known = known
        # `unlisted` hides a model from listings; a hint must not give it away.
        unlisted = {model_id for model_id, model in config.models.items() if model.unlisted}
        self._shown = [name for name, to in known.items() if to.kind is Kind.PEER or to.model not in unlisted]
        self._selectors = config.selectors
        self._profiles = config.profiles
        self._shown += [name for name, to in self._selectors.items() if not to.unlisted and name not in known]
        # A selector stands before what else its name may mean (a peer's bare name).
        self._in_paths = known.keys() | self._selectors.keys()
        self._most_segments = most_segments(self._in_paths)
        self._ignored = [re.compile(pattern).search for pattern in config.ignore_paths]

    def resolve(self, name: str) -> Resolved | None:
        return self._known.get(name)

    def require(self, name: str) -> Resolved:
        """Raises ModelNotFound, which tells the profiles that know the name, or the nearest known names, and NotFound for a
        selector: its targets."""
        found = self._known.get(name)
        if found is None and name in self._selectors:
            targets = ", ".join(self._selectors[name].targets)
            raise NotFound(
                f'"{name}" is a selector; name one of its models: {targets}', code=ModelNotFound.code, param="model"
            )
        if found is None:
            shown = name if len(name) <= LONGEST_SHOWN else name[:LONGEST_SHOWN] + "..."
            profiles = [profile_id for profile_id, profile in self._profiles.items() if profile.pins.get(name)]
            raise ModelNotFound(shown, self.nearest(name), profiles)
        return found

    def nearest(self, name: str) -> list[str]:
        """Up to three known names that look like this one, the likeliest first. Bounded: about 2 ms for 10,000 names."""
        wanted = name[:LONGEST_SHOWN].casefold()
        pool = self._shown
        if len(pool) > COMPARED:
            likeness = _likeness(_mark(wanted), self._marks)
            pool = [pool[i] for i in heapq.nlargest(COMPARED, range(len(pool)), key=likeness.__getitem__)]
        matcher = difflib.SequenceMatcher(autojunk=False)
        matcher.set_seq2(wanted)
        close: list[tuple[float, str]] = []
        for known in pool:
            matcher.set_seq1(known[:LONGEST_SHOWN].casefold())
            if matcher.quick_ratio() >= CLOSE and (ratio := matcher.ratio()) >= CLOSE:
                close.append((ratio, known))
        close.sort(key=lambda match: -match[0])  # equally close ones stay in the order of the configuration
        return [known for _, known in close[:3]]

    @cached_property
    def _marks(self) -> list[int]:
        # Made at the first unknown name of a large configuration, not when it loads.
        return [_mark(name[:LONGEST_SHOWN].casefold()) for name in self._shown]

    def split_upstream(self, raw: bytes) -> Passage | None:
        """Takes the path after `/upstream/` apart: the longest known name that begins it, segment by segment, and the rest,
        which keeps the client's own percent-escapes (llama-swap #986). None where no known name begins the path."""
        found = longest_name(raw, self._in_paths, self._most_segments)
        if found is None:
            return None
        return Passage(found.name, b"" if found.end == len(raw) else b"/" + raw[found.following :])

    def unknown_in_path(self, raw: bytes) -> NotFound:
        """The error for a path that `split_upstream` cannot take apart. Where its name would end nobody knows: the first
        segments are tried, then one more, ..."""
        path = unquote(raw.decode("latin-1")).strip("/")[: 2 * LONGEST_SHOWN]
        if not path:
            return NotFound("the path names no model: it has to be /upstream/<model>/<path>", param="model")
        segments = path.split("/")
        for count in range(1, min(len(segments), self._most_segments) + 1):
            name = "/".join(segments[:count])[:LONGEST_SHOWN]
            if nearest := self.nearest(name):
                return ModelNotFound(name, nearest)
        return ModelNotFound(path[:LONGEST_SHOWN])

    def ignored(self, rest: str) -> bool:
        """Whether `upstream.ignorePaths` matches this rest (decoded): such a request never starts a model."""
        return any(search(rest) for search in self._ignored)


def upstream_location(name: str, raw_query: bytes = b"") -> bytes:
    """Where `/upstream/<name>` redirects to, with the query that came along."""
    location = b"/upstream/" + quote(name, safe="/:@!$&'()*+,;=~").encode() + b"/"
    return location + b"?" + raw_query if raw_query else location


def longest_name(raw: bytes, known: Container[str], most: int) -> NameInPath | None:
    """The longest of the known names that begins a raw path. Names are compared decoded (`author%2Fmodel` is
    `author/model`), with empty segments left out. `most`: segments that the longest of them has."""
    name, found = b"", None
    for start, end, following in _segments(raw, most):
        name = name + b"/" + raw[start:end] if name else raw[start:end]
        text = unquote_to_bytes(name).decode(errors="replace")
        if text in known:
            found = NameInPath(text, end, following)
    return found


def most_segments(names: Iterable[str]) -> int:
    return max((name.count("/") + 1 for name in names), default=0)


def _segments(raw: bytes, most: int) -> list[tuple[int, int, int]]:
    """The first `most` segments of a raw path that are not empty: start, end, and where the next one begins."""
    found: list[tuple[int, int, int]] = []
    start = 0
    while start < len(raw) and len(found) < most:
        separator = _SEPARATOR.search(raw, start)
        end, following = separator.span() if separator else (len(raw), len(raw))
        if end > start:
            found.append((start, end, following))
        start = following
    return found


def _mark(text: str) -> int:
    """A fingerprint of the pairs of letters in a text: 256 bits, so that likeness is an `&` and a count."""
    mark = 0
    for first, second in pairwise(text):
        mark |= 1 << ((ord(first) * 31 + ord(second)) & 255)
    return mark


def _likeness(wanted: int, marks: list[int]) -> list[float]:
    """For each mark, how much of its pairs it shares with the wanted one, 0 to 1 (Dice's coefficient)."""
    size = wanted.bit_count()
    return [2 * (wanted & mark).bit_count() / ((size + mark.bit_count()) or 1) for mark in marks]
