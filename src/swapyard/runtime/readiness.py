"""Watching for the moment a server is ready: `GET <proxy's path>/<check endpoint>` until it answers 200.

From the spawn on every address of the proxy's host is asked by a watcher of its own, so that neither an address that
swallows connections nor one that belongs to somebody else holds up the one that works; the one that answered is where
the data plane will connect. The wait between two attempts is 1/64 of the time that has passed, between 5 and 100 ms: the
check delays a load by 1.6 % at most, and a slow load is not bothered. (llama-swap waits 250 ms, then a second each time.)

The process's own fate is the supervisor's business: it cancels the watch.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

Address = tuple[str, int]

SHORTEST_WAIT = 0.005
LONGEST_WAIT = 0.1
WAIT_PER_ELAPSED = 1 / 64
# A server may accept and then be too busy loading to answer, or never answer that connection. So an attempt ends, but
# each next one may take twice as long: a server that needs 8 s for its answer gets them.
FIRST_ATTEMPT_LIMIT = 5.0
NAMES_ARE_GOOD_FOR = 1.0  # seconds; a container's name may resolve only once the container is up
STATUS_LINE_LIMIT = 8192  # bytes
REFUSED = "connection refused"


@dataclass(frozen=True, slots=True)
class Check:
    """What to ask, and whom. `target` is path and query as they go on the wire, `authority` the Host header."""

    host: str
    port: int
    tls: bool
    authority: str
    target: str

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.target}"


def check_for(proxy: str, endpoint: str) -> Check:
    """The check that `proxy` and `checkEndpoint` of the configuration mean.

    Only path and query of `endpoint` are used, even if it is a full URL; the proxy's path comes before it, the proxy's
    query before its query. Raises ValueError with a sentence for the user."""
    base, wanted = urlsplit(proxy), urlsplit(endpoint.strip())
    if base.scheme not in ("http", "https") or not base.hostname:
        raise ValueError(f'proxy "{proxy}" is not a URL like http://localhost:8080')
    try:
        port = base.port or (443 if base.scheme == "https" else 80)
    except ValueError:
        raise ValueError(f'proxy "{proxy}" has no valid port') from None
    path = base.path.rstrip("/") + "/" + wanted.path.lstrip("/")
    query = "&".join(filter(None, (base.query, wanted.query)))
    target = quote(path, safe="/%:@!$&'()*+,;=~-._") + ("?" + quote(query, safe="/%:@!$&'()*+,;=~-._?") if query else "")
    authority = base.netloc.rpartition("@")[2]
    return Check(host=base.hostname, port=port, tls=base.scheme == "https", authority=authority, target=target)


async def addresses_of(host: str, port: int) -> list[Address]:
    """Every address of the host, without duplicates, in the resolver's order. Raises OSError.

    `localhost` is both loopback addresses, whatever a hosts file lists (RFC 6761 section 6.3), without asking anybody."""
    if host == "localhost":
        return [("127.0.0.1", port), ("::1", port)]
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((str(sockaddr[0]), int(sockaddr[1])) for *_, sockaddr in found))


class ReadinessWatch:
    """One wait for one run."""

    def __init__(self, check: Check) -> None:
        self._findings: dict[Address | None, str] = {}  # of the latest attempt at each address, None: the look-up itself
        self._check = check
        self._tls = ssl.create_default_context() if check.tls else None
        self._began = asyncio.get_running_loop().time()

    @property
    def last_finding(self) -> str:
        """What the latest attempts met, for the error message. An address that nobody listens on is only worth a word if no
        other tells more: most servers listen on one of localhost's two."""
        telling = [finding for finding in self._findings.values() if finding != REFUSED]
        return (telling or list(self._findings.values()) or ["nothing was tried yet"])[-1]

    async def until_ready(self) -> Address:
        """The address that answered 200. Never gives up; the caller cancels it."""
        watchers: dict[Address, asyncio.Task[None]] = {}
        try:
            while True:
                for address in await self._resolve():
                    if address not in watchers:
                        name = f"readiness of {address[0]} port {address[1]}"
                        watchers[address] = asyncio.create_task(self._watch(address), name=name)
                if not watchers:
                    await asyncio.sleep(self._wait())
                    continue
                await asyncio.wait(watchers.values(), timeout=NAMES_ARE_GOOD_FOR, return_when=asyncio.FIRST_COMPLETED)
                for address, watcher in watchers.items():
                    if watcher.done():
                        watcher.result()  # an error in the watcher is a bug and must show
                        return address
        finally:
            for watcher in watchers.values():
                watcher.cancel()
            await asyncio.gather(*watchers.values(), return_exceptions=True)

    async def _resolve(self) -> Sequence[Address]:
        try:
            return await addresses_of(self._check.host, self._check.port)
        except OSError as error:
            self._findings[None] = f"the host {self._check.host} is not known ({error.strerror or error})"
            return ()

    async def _watch(self, address: Address) -> None:
        limit = FIRST_ATTEMPT_LIMIT
        while True:
            try:
                async with asyncio.timeout(limit):
                    status = await self._ask(address)
            except TimeoutError:
                self._findings[address] = f"no answer within {limit:g} s"
                limit *= 2
            except ssl.SSLError as error:
                self._findings[address] = f"TLS failed: {error.reason or error}"
            except (OSError, EOFError) as error:
                self._findings[address] = _in_words(error)
            except ValueError as error:
                self._findings[address] = str(error)
            else:
                if status == 200:  # only this: no other 2xx, and no redirect is followed
                    return
                self._findings[address] = f"HTTP {status}"
            await asyncio.sleep(self._wait())

    async def _ask(self, address: Address) -> int:
        """One attempt's status. Raises OSError, EOFError (closed without an answer), ValueError (no HTTP)."""
        check = self._check
        reader, writer = await asyncio.open_connection(
            *address, ssl=self._tls, server_hostname=check.host if check.tls else None, limit=STATUS_LINE_LIMIT
        )
        try:
            request = f"GET {check.target} HTTP/1.1\r\nHost: {check.authority}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
            writer.write(request.encode())
            return parse_status(await reader.readuntil(b"\n"))
        except asyncio.LimitOverrunError:
            raise ValueError("the answer is not HTTP") from None
        finally:
            writer.transport.abort()  # the body is of no interest
            with suppress(OSError, EOFError):
                await writer.wait_closed()

    def _wait(self) -> float:
        elapsed = asyncio.get_running_loop().time() - self._began
        return min(max(SHORTEST_WAIT, elapsed * WAIT_PER_ELAPSED), LONGEST_WAIT)


def parse_status(line: bytes) -> int:
    """The code of a status line (RFC 9112 section 4). Raises ValueError."""
    version, _, rest = line.partition(b" ")
    code = rest.strip()[:3]
    if not version.startswith(b"HTTP/") or len(code) != 3 or not code.isdigit():
        raise ValueError("the answer is not HTTP")
    return int(code)


def _in_words(error: OSError | EOFError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return REFUSED
    if isinstance(error, EOFError | ConnectionResetError | BrokenPipeError):
        return "the connection was closed without an answer"
    return error.strerror or str(error)
