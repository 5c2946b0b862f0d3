"""Edits of a request on its way to an upstream: the filters of a model or peer, and the replacement of its model name.

`Edits` is compiled once per configuration from `useModelName`, `stripParams`, `setParams` and `setParamsByID`, and applied
in that order to JSON bodies. A body is opened level by level as `dict[str, msgspec.Raw]`, only along the edited path:
every value that nobody touches keeps its bytes, however big. A new key goes to the end of its object. What is not kept
is blank space between the members of an opened object, the spelling of its keys (`"\\u0061"` becomes `"a"`), a byte order
mark, and a key that occurs twice: its last value stays, which is the one that engines read. A body that no edit changes
is returned as it is.

A filter never fails a request. What cannot work is found when the configuration is read (`filter_problems`); an edit
that does not fit a body (a named key in an array) leaves that body alone. `proxy.paths` reads the paths.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, assert_never
from urllib.parse import quote, unquote_plus

import msgspec
from msgspec import Raw

from swapyard.config.schema import Config, Filters, Model, Peer
from swapyard.proxy.body import BYTE_ORDER_MARK, BodyKind, broken, is_urlencoded, pairs
from swapyard.proxy.forms import FormScanner, places_to_rename, replaced
from swapyard.proxy.paths import APPEND, Key, Path, check_path, parse_path

Members: TypeAlias = dict[str, Raw]

_open: Final[Callable[[bytes | Raw], Members]] = msgspec.json.Decoder(Members).decode
_open_list: Final[Callable[[bytes | Raw], list[Raw]]] = msgspec.json.Decoder(list[Raw]).decode
_close: Final = msgspec.json.Encoder().encode
_NULL: Final = Raw(b"null")
_MODEL_MEMBER: Final = re.compile(rb'"model"[ \t\r\n]*:[ \t\r\n]*')


class _Head(msgspec.Struct, gc=False):
    model: Raw = Raw(b"")


_model_of: Final = msgspec.json.Decoder(_Head).decode


@dataclass(frozen=True, slots=True)
class Put:
    path: Path
    value: Raw


@dataclass(frozen=True, slots=True)
class Strip:
    path: Path


Edit: TypeAlias = Put | Strip


class Edits:
    """The filters of one model or peer, ready to use. Edits of keys at the top are dict operations; deeper ones walk."""

    __slots__ = ("_always", "_by_name", "_model")

    def __init__(self, use_model_name: str, filters: Filters) -> None:
        self._model = _raw(use_model_name) if use_model_name else None
        self._always: tuple[Edit, ...] = (*_strips(filters.strip_params), *_puts(filters.set_params))
        self._by_name: dict[str, tuple[Edit, ...]] = {
            name: edits for name, params in filters.set_params_by_id.items() if (edits := (*_puts(params),))
        }

    @classmethod
    def compile(cls, entry: Model | Peer) -> Edits | None:
        """None where nothing is configured: the body then passes unread."""
        edits = cls(entry.use_model_name if isinstance(entry, Model) else "", entry.filters)
        return edits if edits._model is not None or edits._always or edits._by_name else None

    def apply(self, body: bytes, requested: str) -> bytes:
        """The body for the upstream. `requested` is the name that the client wrote (or a pin or selector put in its place):
        `setParamsByID` goes by it, not by the id it resolves to. Raises BadRequest where the body is no JSON object."""
        by_name = self._by_name.get(requested, ())
        if self._model is None and not self._always and not by_name:
            return body
        members = open_object(body)
        changed = False
        if self._model is not None:
            members["model"] = self._model
            changed = True
        for edits in (self._always, by_name):
            for edit in edits:
                changed = _edit_top(members, edit) or changed
        return _close(members) if changed else body


def replace_model(body: bytes, name: str) -> bytes:
    """The same JSON body asking for another model; every other byte stays. Adds the field where it is missing.

    Which of several places that look like it is the real one is not worked out but tried: the result is read again. Where
    that does not settle it (a key spelled with escapes) the body is put together anew, values untouched.
    """
    new = _close(name)
    try:
        old = bytes(_model_of(body).model)
    except (msgspec.MsgspecError, RecursionError):
        old = b""  # a byte order mark, or no JSON: `open_object` below knows
    if old == new:
        return body
    for place in _model_places(body, old) if old else ():
        replaced = body[:place] + new + body[place + len(old) :]
        try:
            if bytes(_model_of(replaced).model) == new:
                return replaced
        except msgspec.MsgspecError:
            continue  # the place began like the value and was longer
    members = open_object(body)
    members["model"] = Raw(new)
    return _close(members)


def _model_places(body: bytes, value: bytes) -> Iterator[int]:
    """Where a `model` with this value seems to stand: the first such place, and the last one. Top-level fields come before
    the long part of a body or after it; whoever nests more of them costs us no time."""
    places = (at.end() for at in _MODEL_MEMBER.finditer(body) if body.startswith(value, at.end()))
    first = next(places, None)
    if first is not None:
        yield first
    yield from deque(places, maxlen=1)


def rename(kind: BodyKind, name: str, *, content_type: bytes | None, body: bytes, raw_query: bytes) -> tuple[bytes, bytes]:
    """Body and query that ask for another model, wherever they name one; every other byte stays. The body was read before
    (`proxy.body.read`), so it is whole and names at most one model. Forms too large for memory: `Upload.rename`."""
    match kind:
        case BodyKind.JSON:
            return replace_model(body, name), raw_query
        case BodyKind.FORM:
            body = _rename_pairs(body, name) if is_urlencoded(content_type) else body
        case BodyKind.MULTIPART:
            scanner = FormScanner(content_type or b"")
            scanner.feed(body)
            value = name.encode()
            body = replaced(body, 0, places_to_rename(scanner.fields, value), value)
        case _:
            assert_never(kind)
    return body, rename_query(raw_query, name)


def rename_query(raw_query: bytes, name: str) -> bytes:
    """The query beside a body: it names the same model, if any."""
    return _rename_pairs(raw_query, name)


def _rename_pairs(encoded: bytes, name: str) -> bytes:
    """`replace_query_model` where there is a model to be replaced."""
    named = {unquote_plus(value.decode("latin-1")) for key, value in pairs(encoded) if key == b"model"}
    return replace_query_model(encoded, name) if named - {name} else encoded


def replace_query_model(raw_query: bytes, name: str) -> bytes:
    """The same query asking for another model. Order and spelling of everything else stay (llama-swap sorts the keys)."""
    value = b"model=" + quote(name, safe="").encode()
    kept: list[bytes] = []
    placed = False
    for pair, (key, _) in zip(raw_query.split(b"&"), pairs(raw_query), strict=True):
        if key != b"model":
            kept.append(pair)
        elif not placed:
            kept.append(value)
            placed = True
    if not placed:
        kept = [value] if kept == [b""] else [*kept, value]
    return b"&".join(kept)


def filter_problems(config: Config) -> list[str]:
    """Filters of this configuration that can have no effect, one line each: where, and why."""
    entries: list[tuple[str, Filters]] = [(f"models.{id_}", model.filters) for id_, model in config.models.items()]
    entries += [(f"peers.{id_}", peer.filters) for id_, peer in config.peers.items()]
    problems: list[str] = []
    for where, filters in entries:
        places: list[tuple[str, Iterable[str]]] = [("stripParams", filters.strip_params), ("setParams", filters.set_params)]
        places += [(f"setParamsByID.{name}", params) for name, params in filters.set_params_by_id.items()]
        for key, paths in places:
            found = ((path, check_path(path)) for path in paths)
            problems += [f'{where}.filters.{key}: "{path}" {problem}' for path, problem in found if problem]
    return problems


def open_object(body: bytes) -> Members:
    """The members of a JSON object by name, values as they are written. Raises BadRequest."""
    try:
        return _open(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        if body.startswith(BYTE_ORDER_MARK) and not body.startswith(BYTE_ORDER_MARK, len(BYTE_ORDER_MARK)):
            return open_object(body[len(BYTE_ORDER_MARK) :])
        raise broken(body, error) from None


# --- edits -------------------------------------------------------------------------------------------------------------


def _strips(paths: Iterable[str]) -> Iterator[Strip]:
    for path in sorted(set(paths)):
        if check_path(path) is None:
            yield Strip(parse_path(path))


def _puts(params: Mapping[str, Any]) -> Iterator[Put]:
    for path in sorted(params):
        if check_path(path) is None:
            yield Put(parse_path(path), _raw(params[path]))


def _raw(value: Any) -> Raw:
    return Raw(_close(_json_ready(value)))


def _json_ready(value: Any) -> Any:
    """YAML's maps as JSON has them: keys are text (`logit_bias: {15043: 1}`), and sorted."""
    if isinstance(value, Mapping):
        texts = {key if isinstance(key, str) else _close(key).decode().strip('"'): key for key in value}
        return {text: _json_ready(value[texts[text]]) for text in sorted(texts)}
    if isinstance(value, list | tuple):
        return [_json_ready(item) for item in value]
    return value


def _edit_top(members: Members, edit: Edit) -> bool:
    """Whether the edit changed anything. The top of a body is an object, so numbers are plain keys here."""
    key = edit.path[0]
    if len(edit.path) > 1:
        return _edit_below(members, key.name, edit)
    if isinstance(edit, Put):
        members[key.name] = edit.value
        return True
    return members.pop(key.name, None) is not None


def _edit_below(members: Members, name: str, edit: Edit) -> bool:
    value = _edited(members.get(name), edit, 1)
    if value is None:
        return False
    members[name] = value
    return True


def _edited(value: Raw | None, edit: Edit, depth: int) -> Raw | None:
    """A value with `edit.path[depth:]` edited in it, or None where that changes nothing.

    A missing value is made by a Put: an array where its first key is an index, else an object. A scalar gives way to an
    object.
    """
    key = edit.path[depth]
    first = b"" if value is None else bytes(memoryview(value)[:1])
    if first == b"[" and value is not None:
        return _edited_list(_open_list(value), key, edit, depth)
    if first == b"{" and value is not None:
        members = _open(value)
    elif isinstance(edit, Strip):
        return None
    elif value is None and key.index is not None:
        return _edited_list([], key, edit, depth)
    else:
        members = {}
    if depth + 1 < len(edit.path):
        child = _edited(members.get(key.name), edit, depth + 1)
        if child is None:
            return None
        members[key.name] = child
    elif isinstance(edit, Put):
        members[key.name] = edit.value
    elif members.pop(key.name, None) is None:
        return None
    return Raw(_close(members))


def _edited_list(items: list[Raw], key: Key, edit: Edit, depth: int) -> Raw | None:
    if key.index is None:
        return None  # a name has no place in an array
    is_last = depth + 1 == len(edit.path)
    if isinstance(edit, Strip):
        at = len(items) - 1 if key.index == APPEND else key.index
        if not 0 <= at < len(items):
            return None
        if is_last:
            del items[at]
            return Raw(_close(items))
        child = _edited(items[at], edit, depth + 1)
    else:
        at = len(items) if key.index == APPEND else key.index
        child = edit.value if is_last else _edited(items[at] if at < len(items) else None, edit, depth + 1)
        if child is not None:
            items += [_NULL] * (at + 1 - len(items))
    if child is None:
        return None
    items[at] = child
    return Raw(_close(items))
