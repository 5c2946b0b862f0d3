"""Multipart forms (RFC 7578) as they come: where the fields stand that say which model is asked for.

`FormScanner.feed` takes the body in pieces of any size and keeps next to nothing of it: the headers of the part at hand,
the values of `model` and `stream`, and their places. `replaced` writes a name into those places. It is own code, because
a renamed model is to be all that changes in a form: the place of a value has to be known to the byte, an empty one's too,
and parsers give values.

It is strict, because the upstream reads the same bytes with another parser: what two of them could read in different
ways is refused (`BadRequest`, with the part and the byte). A part with a file name is a file, whatever its name.

Nothing here does I/O, or knows what the fields mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from typing import Final, NamedTuple

from swapyard.errors import BadRequest

LONGEST_HEADERS: Final = 16 * 1024  # bytes of one part's headers
LONGEST_VALUE: Final = 4 * 1024  # bytes of a value that is read here
MOST_PARTS: Final = 2_000  # each one takes up to 30 us, for which all others wait
LONGEST_SHOWN: Final = 60  # bytes of a broken line that an error repeats

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_HEADER: Final = re.compile(rb"(" + _TOKEN + rb"):[ \t]*([^\x00\r\n]*)").fullmatch
_PARAMETER: Final = re.compile(
    rb"[ \t]*;[ \t]*(?P<key>" + _TOKEN + rb')[ \t]*=[ \t]*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s;"]+))'
)
# RFC 2046 5.1.1 allows 70 characters, and not all of these; clients are known to go beyond.
_BOUNDARY: Final = re.compile(rb"[\x20-\x7e]{0,199}[\x21-\x7e]").fullmatch
_EMPTY_LINES: Final = re.compile(rb"(?:\r\n)+")
_LINE_END: Final = re.compile(rb"[ \t]*\r\n")  # blanks behind a boundary are "transport padding"
_LINE_END_BEGUN: Final = re.compile(rb"[ \t]{0,200}\r?").fullmatch
_PLAIN_ENCODINGS: Final = frozenset({b"7bit", b"8bit", b"binary"})


class Field(NamedTuple):
    """A field that was read. `start` and `end`: where its value stands, in bytes from the beginning of the body."""

    name: bytes
    value: bytes
    start: int
    end: int


class At(Enum):
    """What comes next."""

    BEGINNING = "the first boundary"
    BOUNDARY = "the rest of a boundary's line"
    HEADERS = "a part's headers"
    CONTENT = "a part's content"
    EPILOGUE = "nothing that means anything"


class FormScanner:
    """Reads one form. `fields` are those asked for that have come so far, in their order."""

    __slots__ = (
        "_at",
        "_cursor",
        "_data",
        "_delimiter",
        "_name",
        "_parts",
        "_seen",
        "_start",
        "_value",
        "_wanted",
        "fields",
    )

    def __init__(self, content_type: bytes, wanted: Iterable[bytes] = (b"model", b"stream")) -> None:
        """`wanted`: the names of the fields to read. Raises BadRequest for a content type without a usable boundary."""
        self._delimiter = b"\r\n--" + boundary_of(content_type)
        self._wanted = frozenset(wanted)
        self._at = At.BEGINNING
        self._data = b""  # what has come, without most of what was passed
        self._cursor = 0  # what lies before it in `_data` was passed
        self._seen = 0  # bytes of the body in front of `_data`
        self._parts = 0
        self._name: bytes | None = None  # of the part at hand, where it is to be read
        self._value = bytearray()
        self._start = 0  # of that part's value
        self.fields: list[Field] = []

    def feed(self, data: bytes) -> None:
        """Raises BadRequest where this is no form any more; nothing may be fed after that."""
        rest = self._data[self._cursor :]
        self._seen += self._cursor
        self._cursor = 0
        self._data = rest + data if rest else data
        while self._step():
            pass

    def finish(self) -> None:
        """All has come. Raises BadRequest where that is not a whole form."""
        if self._at is not At.EPILOGUE:
            size = self._seen + len(self._data)
            where = f"in part {self._parts}" if self._parts else "before its first part"
            end = _shown(self._delimiter[2:] + b"--")
            raise BadRequest(f"the form ends {where}, after {size} bytes: its last boundary, {end}, is missing")

    def _step(self) -> bool:
        """Passes one thing. False where more bytes are needed to tell."""
        match self._at:
            case At.BEGINNING:
                return self._begin()
            case At.BOUNDARY:
                return self._end_boundary()
            case At.HEADERS:
                return self._read_headers()
            case At.CONTENT:
                return self._pass_content()
            case At.EPILOGUE:
                self._cursor = len(self._data)
                return False

    def _begin(self) -> bool:
        first = self._delimiter[2:]
        begun = self._data[self._cursor : self._cursor + len(first)]
        if begun == first:
            self._cursor += len(first)
            self._at = At.BOUNDARY
            return True
        if first.startswith(begun) or begun == b"\r":
            return False
        if empty := _EMPTY_LINES.match(self._data, self._cursor):
            self._cursor = empty.end()
            return True
        raise self._broken(f"it does not begin with its boundary, {_shown(first)}")

    def _end_boundary(self) -> bool:
        data, at = self._data, self._cursor
        if data.startswith(b"--", at):
            self._at = At.EPILOGUE
            return True
        line_end = _LINE_END.match(data, at)
        if line_end is None:
            if data[at:] == b"-" or _LINE_END_BEGUN(data, at):
                return False
            raise self._broken("a line begins with the boundary and goes on with something else")
        self._cursor = line_end.end()
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise self._broken(f"it has more than {MOST_PARTS} parts")
        self._at = At.HEADERS
        return True

    def _read_headers(self) -> bool:
        data, at = self._data, self._cursor
        end = at if data.startswith(b"\r\n", at) else data.find(b"\r\n\r\n", at, at + LONGEST_HEADERS + 4)
        if end < 0:
            if len(data) - at > LONGEST_HEADERS:
                raise self._broken(f"the headers of part {self._parts} are larger than {LONGEST_HEADERS} bytes")
            return False
        name = self._name_of_part(data[at:end])
        start = end + (2 if end == at else 4)
        boundary = self._delimiter[2:]
        begun = data[start : start + len(boundary)]
        if begun == boundary:  # to some parsers the line end before it belongs to it, and the part is empty
            raise self._broken(f"the content of part {self._parts} begins with the boundary")
        if boundary.startswith(begun):
            return False
        self._name = name
        self._cursor = start
        self._start = self._seen + self._cursor
        self._value.clear()
        self._at = At.CONTENT
        return True

    def _pass_content(self) -> bool:
        data, at, delimiter = self._data, self._cursor, self._delimiter
        end = found = data.find(delimiter, at)
        if found < 0:
            # A delimiter holds one CR, at its beginning: only the last CR can be where one begins.
            last = data.rfind(b"\r", max(at, len(data) - len(delimiter) + 1))
            end = last if last >= 0 and delimiter.startswith(data[last:]) else len(data)
        if self._name is not None:
            self._value += data[at:end]
            if len(self._value) > LONGEST_VALUE:
                raise self._broken(f'the value of "{self._name.decode()}" is longer than {LONGEST_VALUE} bytes')
        self._cursor = end
        if found < 0:
            return False
        if self._name is not None:
            self.fields.append(Field(self._name, bytes(self._value), self._start, self._seen + end))
        self._cursor += len(delimiter)
        self._at = At.BOUNDARY
        return True

    def _name_of_part(self, block: bytes) -> bytes | None:
        """The name of the field that a part's headers announce, if it is one to be read."""
        disposition: bytes | None = None
        encoding = b""
        for line in block.split(b"\r\n") if block else ():
            header = _HEADER(line)
            if header is None:
                raise self._broken(f"part {self._parts} has a header line that is none: {_shown(line)}")
            name, value = header[1].lower(), header[2]
            if name == b"content-disposition":
                if disposition is not None:
                    raise self._broken(f"part {self._parts} has two Content-Disposition headers")
                disposition = value
            elif name == b"content-transfer-encoding":
                encoding = value.strip().lower()
        name, is_file = self._disposition(disposition)
        if name not in self._wanted or is_file:
            return None
        if encoding and encoding not in _PLAIN_ENCODINGS:
            shown = _shown(encoding)
            raise self._broken(f'"{name.decode()}" has a Content-Transfer-Encoding, {shown}; send it plain (RFC 7578 4.7)')
        return name

    def _disposition(self, value: bytes | None) -> tuple[bytes, bool]:
        """The name of the part, and whether it is a file."""
        if value is None or value.partition(b";")[0].strip().lower() != b"form-data":
            raise self._broken(f"part {self._parts} has no Content-Disposition: form-data")
        found, rest = _parameters(value)
        parameters = dict(found)
        if rest or len(parameters) < len(found) or b"name" not in parameters or b"name*" in parameters:
            raise self._broken(f'the Content-Disposition of part {self._parts} has no clear name="...": {_shown(value)}')
        return parameters[b"name"], b"filename" in parameters or b"filename*" in parameters

    def _broken(self, what: str) -> BadRequest:
        return BadRequest(f"the form cannot be read at byte {self._seen + self._cursor}: {what}")


def boundary_of(content_type: bytes) -> bytes:
    """The boundary that a content type names. Raises BadRequest."""
    found = [value for key, value in _parameters(content_type)[0] if key == b"boundary"]
    if len(found) != 1:
        wrong = "names no boundary" if not found else "names more than one boundary"
        raise BadRequest(
            f"the form's content type {wrong}: {_shown(content_type)}; it should read multipart/form-data; boundary=... "
            "(clients add it themselves when no content type is set by hand)"
        )
    boundary = found[0]
    if not _BOUNDARY(boundary):
        raise BadRequest(f"the boundary of the form is not 1 to 200 printable characters: {_shown(boundary)}")
    return boundary


def places_to_rename(fields: Iterable[Field], value: bytes) -> list[tuple[int, int]]:
    """Where the form's `model` stands and is another one than `value`."""
    return [(field.start, field.end) for field in fields if field.name == b"model" and field.value != value]


def replaced(data: bytes, at: int, places: list[tuple[int, int]], value: bytes) -> bytes:
    """`data`, which stands at byte `at` of a body, as it is when the bytes of each place (start, end; in order, apart) are
    `value` instead. A place may begin before the data or end behind it; its new value comes where it begins."""
    kept: list[bytes] = []
    done = at
    end = at + len(data)
    for place_start, place_end in places:
        if place_end < done or place_start >= end:
            continue
        if place_start >= at:
            kept += (data[done - at : place_start - at], value)
        done = max(done, min(place_end, end))
    if not kept and done == at:
        return data
    return b"".join((*kept, data[done - at :]))


def _parameters(value: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The parameters of a header's value, keys in lower case, and what is left where they cannot be read on."""
    found: list[tuple[bytes, bytes]] = []
    at = len(value.partition(b";")[0])
    while parameter := _PARAMETER.match(value, at):
        quoted = parameter["quoted"]
        text = parameter["plain"] if quoted is None else re.sub(rb"\\(.)", rb"\1", quoted)
        found.append((parameter["key"].lower(), text))
        at = parameter.end()
    return found, value[at:].strip(b" \t;")


def _shown(text: bytes) -> str:
    return repr(text[:LONGEST_SHOWN].decode("latin-1")) + ("..." if len(text) > LONGEST_SHOWN else "")
