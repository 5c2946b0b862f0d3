"""Peers: models that another server offers, which are asked for there under their own names.

A `PeerServer` is one peer of one configuration: its connection pool, what a request looks like by the time that it gets
there, and how its failures are told. `Peers` knows all of them for the life of the process: a reload keeps the pool of every
peer whose entry did not change, shutdown ends them all.

The exchange treats their models as it treats ours, but for the scheduling: no place is claimed, nothing waits, nothing is
limited.

A peer may lead back here (an address mistaken for another one, two servers that are peers of each other). Requests to peers
therefore carry a `Via` with this process's own pseudonym (RFC 9110 7.6.3), and one that comes back with it is refused.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit
from weakref import WeakSet

from swapyard.config.schema import Config, Peer
from swapyard.errors import BadRequest, RequestError, Unavailable, UpstreamFailed
from swapyard.http.headers import RequestHead
from swapyard.http.upstream import Cause, Upstream, UpstreamError
from swapyard.proxy.auth import Keys
from swapyard.proxy.body import BodyKind, kind_of, read_json
from swapyard.proxy.heads import CREDENTIALS
from swapyard.proxy.resolve import Resolved
from swapyard.proxy.rewrite import Edits, replace_model

# Who the client is, and which way it came, is not the peer's business; `host` and `via` are written anew.
NOT_TOLD: Final = frozenset({b"host", b"forwarded", b"via"})
NOT_TOLD_PREFIX: Final = b"x-forwarded-"
REPLACED_BY_KEY: Final = frozenset({b"authorization", b"x-api-key"})
SHUTTING_DOWN: Final = "the server is shutting down"

log = logging.getLogger("swapyard.proxy")


class PeerServer:
    """`upstream` is its pool. `draining`: who comes now is refused. `pseudonym` is this process's name in `Via`."""

    __slots__ = (
        "__weakref__",
        "_edits",
        "_host",
        "_key_fields",
        "_not_told",
        "_pseudonym",
        "draining",
        "entry",
        "name",
        "upstream",
    )

    def __init__(self, name: str, entry: Peer, upstream: Upstream, pseudonym: bytes) -> None:
        self.name = name
        self.entry = entry
        self.upstream = upstream
        self.draining = False
        self._pseudonym = pseudonym
        self._edits = Edits.compile(entry)
        self._host = host_of(entry.proxy)
        self._not_told = NOT_TOLD
        self._key_fields: list[tuple[bytes, bytes, bytes]] = []
        if entry.api_key:
            key = entry.api_key.encode()
            self._not_told |= REPLACED_BY_KEY
            self._key_fields = [(b"authorization", b"Authorization", b"Bearer " + key), (b"x-api-key", b"x-api-key", key)]

    def admit(self) -> None:
        """Raises RequestError where no request may or can go there."""
        if self.draining:
            raise Unavailable(SHUTTING_DOWN)
        if not self._host:
            raise UpstreamFailed(f'peer "{self.name}" cannot be reached: its "proxy" is no http:// or https:// URL')

    def head(self, head: RequestHead, keys: Keys | None) -> RequestHead:
        """A copy of the client's head that says what the peer is told. `keys`: the gateway's own, which are left out. Raises
        UpstreamFailed where the request has been here before."""
        via: list[bytes] = []
        fields = [(b"host", b"Host", self._host)]
        for field in head.fields:
            key, _, value = field
            if key == b"via":
                via.append(value)
            elif not (
                key in self._not_told
                or key.startswith(NOT_TOLD_PREFIX)
                or (keys is not None and key in CREDENTIALS and keys.is_gateway_credential(value))
            ):
                fields.append(field)
        if any(self._pseudonym in value for value in via):
            raise UpstreamFailed(
                f'peer "{self.name}" at {self.address} leads back here: this request was here before', code="peer_loop"
            )
        via.append(head.version.encode() + b" " + self._pseudonym)
        told = head.with_fields([*fields, (b"via", b"Via", b", ".join(via)), *self._key_fields])
        told.known = {name: value for name, value in head.known.items() if name != b"x-forwarded-for"}
        told.known[b"host"] = self._host
        return told

    def body(self, wanted: Resolved, body: bytes) -> bytes:
        """A JSON body with the peer's filters applied, asking for the name that the peer knows. Raises BadRequest."""
        if self._edits is not None:
            body = self._edits.apply(body, wanted.requested)
        return replace_model(body, wanted.model)

    @property
    def address(self) -> str:
        return self.upstream.authority.decode()

    def failure(self, error: UpstreamError) -> RequestError:
        """What the client is told. A peer's timeouts are 502 as well, as llama-swap's are."""
        if error.cause is Cause.STOPPED:
            return Unavailable(SHUTTING_DOWN)
        at = "" if error.cause is Cause.UNREACHABLE else f" at {self.address}"  # that detail names the address itself
        message = f'peer "{self.name}"{at} {error.detail}'
        log.warning("%s", message)
        return RequestError(message) if error.cause is Cause.INTERNAL else UpstreamFailed(message)


def host_of(url: str) -> bytes:
    """What `Host` says at this URL: the port only where the URL has one. Empty where no request can go there."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return b""
    try:
        return parts.netloc.rpartition("@")[2].encode("ascii" if parts.netloc.isascii() else "idna")
    except UnicodeError:  # no host name in any language
        return b""


def names_model(head: RequestHead) -> bool:
    """Whether the body of a request below `/upstream/` may name a model in JSON that can be read."""
    known = head.known
    return head.has_body and b"content-encoding" not in known and kind_of(known.get(b"content-type"), b"") is BodyKind.JSON


def without_full_name(wanted: Resolved, body: bytes) -> bytes:
    """A body below `/upstream/`, where nothing is edited, but for one thing: the full name, which only we know, becomes the
    peer's own. Whatever else the body is or names, it stays."""
    try:
        asked = read_json(body)
    except BadRequest:
        return body
    return replace_model(body, wanted.model) if asked.model == wanted.full_name else body


class Peers:
    """All peers of this process. `make_pool` makes the connection pool for an entry."""

    def __init__(self, make_pool: Callable[[Peer], Upstream]) -> None:
        self._make_pool = make_pool
        self._pseudonym = b"swapyard-" + secrets.token_hex(8).encode()
        self._current: Mapping[str, PeerServer] = {}
        self._all: WeakSet[PeerServer] = WeakSet()  # those of former configurations live as long as requests hold them

    def of(self, config: Config) -> Mapping[str, PeerServer]:
        """The peers of a configuration, not in use yet (`use`). Who has not changed is who was there before."""
        return {name: self._same(name, entry) or self._new(name, entry) for name, entry in config.peers.items()}

    def use(self, servers: Mapping[str, PeerServer]) -> None:
        """From now on these are the peers. Requests that others are at work on go on."""
        kept = set(servers.values())
        for server in self._current.values():
            if server not in kept:
                server.upstream.retire()
        self._current = servers
        self._all.update(kept)

    def begin_shutdown(self) -> None:
        """Refuses who still comes."""
        for server in self._all:
            server.draining = True

    def finish_shutdown(self) -> None:
        """Ends what is still going on."""
        for server in list(self._all):
            server.upstream.close()

    def _same(self, name: str, entry: Peer) -> PeerServer | None:
        server = self._current.get(name)
        return server if server is not None and server.entry == entry else None

    def _new(self, name: str, entry: Peer) -> PeerServer:
        return PeerServer(name, entry, self._make_pool(entry), self._pseudonym)
