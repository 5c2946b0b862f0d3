"""A forward proxy on the way to an upstream, as the environment names it: `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY` (or in
lower case). Nothing on this machine is ever reached through one.

https goes through a tunnel (CONNECT, RFC 9110 9.3.6): the proxy learns the address and nothing else. http is asked for in
absolute form (RFC 9112 3.2.2).
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import os
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

LONGEST_ANSWER = 16 * 1024  # bytes of the answer to a CONNECT


@dataclass(frozen=True, slots=True)
class ForwardProxy:
    """`authorization`: the value of Proxy-Authorization; empty for none. `fault`: why nothing can go through it."""

    host: str
    port: int
    authorization: bytes = b""
    fault: str = ""

    @classmethod
    def for_url(cls, url: str) -> ForwardProxy | None:
        """The proxy through which a URL is reached, None for the direct way."""
        if not any(name.lower().endswith("_proxy") for name in os.environ):
            return None
        from urllib import request  # not at the top: it takes 20 ms, and most have no proxies

        proxies = request.getproxies_environment()
        target = urlsplit(url)
        proxy = proxies.get(target.scheme)
        if not proxy or not target.hostname or is_here(target.hostname):
            return None
        if request.proxy_bypass_environment(target.netloc.rpartition("@")[2], proxies):  # type: ignore[attr-defined] # typeshed lacks it
            return None
        if is_in_a_range(target.hostname, proxies.get("no", "")):
            return None
        return cls._read(proxy)

    @classmethod
    def _read(cls, text: str) -> ForwardProxy:
        try:
            parts = urlsplit(text if "://" in text else f"http://{text}")
            host, port = parts.hostname or "", parts.port or 80
        except ValueError:
            return cls("", 0, fault="the proxy that the environment names is no URL")
        if parts.scheme != "http" or not host:
            return cls(
                host, port, fault=f"the environment names a {parts.scheme}:// proxy, and only http:// ones are spoken to"
            )
        credentials = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}".encode()
        return cls(host, port, b"Basic " + base64.b64encode(credentials) if parts.username else b"")

    def __str__(self) -> str:
        return f"the proxy {self.host}:{self.port}" if self.host else "the proxy"

    def address(self) -> tuple[str, int]:
        """Where to connect to. Raises OSError where nothing can."""
        if self.fault:
            raise ConnectionError(self.fault)
        return self.host, self.port

    @property
    def fields(self) -> bytes:
        """What a request says to the proxy alone."""
        return b"Proxy-Authorization: " + self.authorization + b"\r\n" if self.authorization else b""

    async def tunnel(self, loop: asyncio.AbstractEventLoop, authority: bytes) -> asyncio.Transport:
        """A connection to `authority` (host:port). Raises OSError."""
        answer = Answer(loop)
        transport, _ = await loop.create_connection(lambda: answer, *self.address())
        try:
            transport.write(b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (authority, authority, self.fields))
            status, _, reason = (await answer.head).partition(b" ")[2].partition(b" ")
            if not status.startswith(b"2"):
                shown = (status + b" " + reason.partition(b"\r")[0])[:200].decode("latin-1")
                raise ConnectionError(f"the proxy refused ({shown})")
        except BaseException:
            transport.abort()
            raise
        return transport


class Answer(asyncio.Protocol):
    """Waits for the answer to a CONNECT. Nothing comes behind it before the client of the tunnel has spoken."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.head: asyncio.Future[bytes] = loop.create_future()
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        if self.head.done():
            return
        if b"\r\n\r\n" in self._data:
            self.head.set_result(self._data)
        elif len(self._data) > LONGEST_ANSWER:
            self.head.set_exception(ConnectionError("the proxy does not speak HTTP"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.head.done():
            self.head.set_exception(ConnectionError("the proxy closed the connection"))


def is_in_a_range(host: str, ranges: str) -> bool:
    """Whether the host is an address in one of the ranges (`10.0.0.0/8`), which urllib does not know. Names are not looked
    up. `ranges`: separated by commas, among other things."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    for entry in ranges.split(","):
        if "/" in entry:
            try:
                if address in ipaddress.ip_network(entry.strip(), strict=False):
                    return True
            except ValueError:  # something else with a slash
                continue
    return False


def is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost"
