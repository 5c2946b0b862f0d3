"""Header fields as they may be shown: secrets hidden, the first value of each name, names in canonical casing.

For captures and the in-flight table. Credentials that everybody knows are named; what else carries one is told by the words
of its name, because gateways and SDKs invent their own (`X-Goog-Api-Key`, `Ocp-Apim-Subscription-Key`, `Helicone-Auth`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

REDACTED: Final = "[REDACTED]"
_SECRET_WORDS: Final = frozenset(
    {"auth", "authorization", "cookie", "cookie2", "key", "apikey", "token", "secret", "password", "passwd"}
    | {"credential", "credentials", "signature", "jwt"}
)
_HARMLESS: Final = frozenset({"sec-websocket-key", "idempotency-key"})


@lru_cache(maxsize=1024)
def shown_name(name: bytes) -> tuple[str, bool]:
    """The name in canonical casing (`X-Api-Key`), and whether its value is a secret."""
    lowered = name.decode("latin-1").lower()
    words = re.split(r"[-_.]", lowered)
    secret = lowered not in _HARMLESS and not _SECRET_WORDS.isdisjoint(words)
    return "-".join(word[:1].upper() + word[1:] for word in lowered.split("-")), secret


def shown_headers(fields: Iterable[tuple[bytes, bytes]], *, without: frozenset[str] = frozenset()) -> dict[str, str]:
    """`fields`: name and value as they came. `without`: canonical names that are left out. Sorted by name."""
    found: dict[str, str] = {}
    for raw, value in fields:
        name, secret = shown_name(raw)
        if name not in found and name not in without:
            found[name] = REDACTED if secret else value.decode("utf-8", "replace")
    return dict(sorted(found.items()))
