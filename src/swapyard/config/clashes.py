"""Models whose servers would listen at one address: legal, since they may be meant to swap, but worth a warning.

Two servers cannot listen at one port at the same time; the second one fails to start, or requests reach the wrong server.
Looked at are the address in `proxy` and the number that a model has for `${PORT}`.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from swapyard.config.problems import Problems
from swapyard.config.schema import Model
from swapyard.config.urls import url_fault

HERE = frozenset({"localhost", "127.0.0.1", "0.0.0.0", "::1", "::"})  # noqa: S104 - compared, not bound
DEFAULT_PORTS = {"http": 80, "https": 443}
SHOWN = 5  # names in one warning


def warn_of_shared_addresses(models: dict[str, Model], problems: Problems) -> None:
    """One warning per address, at the `proxy` of a model that gives it as a fixed number."""
    owners: dict[str, list[str]] = {}
    for name, model in models.items():
        if not model.cmd:
            continue
        address = None if model.proxy == f"http://localhost:{model.port}" else address_of(model.proxy)
        given = None if model.port is None else f"localhost:{model.port}"
        for place in {address, given} - {None}:
            owners.setdefault(str(place), []).append(name)
    for address, names in owners.items():
        if len(names) > 1:
            tell(address, names, models, problems)


def address_of(proxy: str) -> str | None:
    """`host:port`, every name of this machine as localhost. None where `proxy` has no address (reported elsewhere)."""
    if url_fault(proxy):
        return None
    parts = urlsplit(proxy)
    port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    if not parts.hostname or port is None:
        return None
    host = "localhost" if parts.hostname in HERE else parts.hostname
    return f"{host}:{port}"


def tell(address: str, names: list[str], models: dict[str, Model], problems: Problems) -> None:
    """`names`: two or more. Numbers for ${PORT} differ, so at most one of the models has the address from there."""
    by_number = [name for name in names if address != f"localhost:{models[name].port}"]
    told = by_number[-1]
    others = [name for name in names if name != told]
    listed = ", ".join(f'"{name}"' for name in others[:SHOWN])
    more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
    from_port = " (its ${PORT})" if others[0] not in by_number and len(others) == 1 else ""
    message = f"{address} is also the address of {listed}{more}{from_port}; they can only run one at a time"
    problems.warn(("models", told, "proxy"), message)
