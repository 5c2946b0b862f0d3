"""Multipart forms for the scripted engine, read the short way: it trusts its clients, and holds everything in memory."""

from __future__ import annotations

import re
from typing import NamedTuple

NAME = re.compile(rb'[; ]name="?([^";\r\n]*)')
FILE_NAME = re.compile(rb'filename="?([^";\r\n]*)')


class Part(NamedTuple):
    """`file_name` is empty where the part is a plain field."""

    content: bytes
    file_name: str

    @property
    def text(self) -> str:
        return self.content.decode(errors="replace")


def parts(content_type: str, body: bytes) -> dict[str, Part]:
    """By name; of parts with the same one the last. Empty where the body is no multipart form."""
    boundary = re.search(r'boundary="?([^";]+)', content_type)
    found: dict[str, Part] = {}
    if boundary is None:
        return found
    for piece in body.split(b"--" + boundary[1].encode())[1:-1]:
        head, _, content = piece.partition(b"\r\n\r\n")
        if name := NAME.search(head):
            file_name = FILE_NAME.search(head)
            found[name[1].decode()] = Part(content[:-2], file_name[1].decode(errors="replace") if file_name else "")
    return found
