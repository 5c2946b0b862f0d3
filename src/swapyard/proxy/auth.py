"""Who may ask: the gateway's own keys (`apiKeys`), and what carries them.

A key comes as `Authorization: Bearer KEY`, as the password of `Authorization: Basic` (so that a browser can log in), or as
`x-api-key: KEY`, in this order of preference: a wrong Bearer is not rescued by a right `x-api-key`, while an `Authorization`
that holds no key (unknown scheme, broken base64, empty) leaves the word to `x-api-key`.

Keys are compared as digests and in constant time. A header value that was good is remembered, so that the next request
with it costs one set look-up (whose hash is keyed and random per process). Values are raw bytes, as they stood in the
request.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from typing import Final

from swapyard.errors import Unauthorized

REMEMBERED: Final = 256  # good values per header; then it begins anew
MOST_WORDS: Final = 16  # of a header value that are looked at for a key of ours
_WORDS: Final = re.compile(rb"[^\s,;]+").findall
_PARTS: Final = re.compile(rb'[^="]+').findall


class Keys:
    """The keys of one configuration. Without any, everybody may ask."""

    __slots__ = ("_digests", "_good_authorizations", "_good_keys")

    def __init__(self, api_keys: Iterable[str]) -> None:
        self._digests = tuple(dict.fromkeys(_digest(key.encode()) for key in api_keys))
        self._good_authorizations: set[bytes] = set()
        self._good_keys: set[bytes] = set()

    def __bool__(self) -> bool:
        """Whether keys are asked for at all."""
        return bool(self._digests)

    def check(self, authorization: bytes | None, x_api_key: bytes | None) -> bool:
        if not self._digests:
            return True
        if authorization is not None:
            if authorization in self._good_authorizations:
                return True
            if key := credential(authorization):
                return self._is_known(key) and _remember(self._good_authorizations, authorization)
        if not x_api_key:
            return False
        return x_api_key in self._good_keys or (self._is_known(x_api_key) and _remember(self._good_keys, x_api_key))

    def require(self, authorization: bytes | None, x_api_key: bytes | None) -> None:
        """Raises Unauthorized."""
        if not self.check(authorization, x_api_key):
            given = authorization is not None or x_api_key is not None
            raise Unauthorized("this API key is not known here" if given else "an API key is needed")

    def is_gateway_credential(self, value: bytes) -> bool:
        """Whether a request header carries one of our keys, which no upstream must see.

        Other credentials pass: they are meant for the upstream. Wider than `check`: a key is ours under any scheme or none.
        """
        if value in self._good_authorizations or value in self._good_keys:
            return True
        return any(self._is_known(key) for key in _candidates(value))

    def _is_known(self, key: bytes) -> bool:
        digest = _digest(key)
        known = False
        for ours in self._digests:
            known |= hmac.compare_digest(digest, ours)
        return known


def credential(authorization: bytes) -> bytes:
    """The key in an `Authorization` value; empty where there is none."""
    scheme, _, rest = authorization.partition(b" ")
    match scheme.lower():
        case b"basic":
            return _password(rest)
        case b"bearer":
            return rest
        case _:
            return b""


def _candidates(value: bytes) -> Iterator[bytes]:
    """Whatever in a header value may be a key: all of it, its words, and both halves of what Basic hides."""
    yield value.strip()
    for word in _WORDS(value)[:MOST_WORDS]:
        yield word
        yield from _PARTS(word)
        user, _, password = _decoded(word).partition(b":")
        yield from (user, password)


def _password(encoded: bytes) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True).partition(b":")[2]
    except binascii.Error:
        return b""


def _decoded(word: bytes) -> bytes:
    """What the word says in base64, with or without its padding; empty where it is none."""
    try:
        return base64.b64decode(word + b"=" * (-len(word) % 4), validate=True)
    except binascii.Error:
        return b""


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def _remember(good: set[bytes], value: bytes) -> bool:
    if len(good) >= REMEMBERED:
        good.clear()
    good.add(value)
    return True
