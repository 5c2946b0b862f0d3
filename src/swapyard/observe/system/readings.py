"""Readings of other programs' output. Whatever is no number there is unknown here, and never 0."""

from __future__ import annotations

import math
import re

MIB = 1024 * 1024

_PCI = re.compile(r"(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])", re.IGNORECASE)
_NOTHING = frozenset(
    {"", "n/a", "[n/a]", "na", "unknown", "[unknown error]", "[not supported]", "not supported", "none", "null"}
)


def number(value: object) -> float | None:
    """A finite number, or a text that is one; None for everything else ("N/A", "[Not Supported]", "40 W")."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def whole(value: object, unit: int = 1) -> int | None:
    """A size that is not negative, times `unit`."""
    found = number(value)
    return None if found is None or found < 0 else int(found * unit)


def percent(value: object) -> float | None:
    """0 and more; what is negative says that there is none."""
    found = number(value)
    return None if found is None or found < 0 else found


def text(value: object) -> str:
    """Trimmed; empty for what programs write where they know nothing."""
    found = value.strip() if isinstance(value, str) else ""
    return "" if found.lower() in _NOTHING else found


def pci_address(value: object) -> str:
    """`0000:0a:00.0` of any spelling ("00000000:0A:00.0", "0a:00.0"); empty where there is none in the text."""
    match = _PCI.search(value) if isinstance(value, str) else None
    if match is None:
        return ""
    domain, bus, device, function = match.groups()
    return f"{int(domain or '0', 16):04x}:{bus}:{device}.{function}".lower()
