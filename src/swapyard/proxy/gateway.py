"""The front door: looks at the head of each request and makes its handler.

The order: preflight, path clean-up, public paths, authentication, then the endpoint table; what the table does not know goes
to the control plane, an ASGI app. `Gateway` outlives reloads; its `state` does not.
"""

from __future__ import annotations

from collections.abc import Callable

from swapyard.errors import BadRequest, MethodNotAllowed, RequestError, Unauthorized
from swapyard.http.asgi import AsgiApp, AsgiHandler
from swapyard.http.headers import Headers, RequestHead
from swapyard.http.server import ClientConnection, Handler
from swapyard.proxy.body import value_of
from swapyard.proxy.endpoints import PLAIN, PROPS, Endpoint, allowed_methods, find, tidy
from swapyard.proxy.exchange import Exchange
from swapyard.proxy.replies import Reply, preflight, render, tidied
from swapyard.proxy.resolve import Kind
from swapyard.proxy.state import ProxyState

# Answered here, so that a probe neither waits for the control plane nor costs it anything.
HEALTH = frozenset({"/health", "/wol-health"})
ALIVE = Reply(200, [(b"Content-Type", b"text/plain; charset=utf-8")], b"OK")
PUBLIC = frozenset({"/", "/health", "/wol-health", "/favicon.ico", "/upstream", "/ui"})


def is_public(method: str, path: str) -> bool:
    """Needs no key. The page and its files tell nothing of this Swapyard: the page asks for a key, then for data."""
    return path in PUBLIC or (path.startswith("/ui/") and method in ("GET", "HEAD"))


class NeedsKey(Unauthorized):
    """`asks`: browsers shall ask for a password. Not for a script of a page, which says so (`X-Requested-With`, as they have
    for long): it asks by itself."""

    def __init__(self, asks: bool) -> None:
        super().__init__("a valid API key is needed: Authorization: Bearer KEY, or x-api-key")
        if not asks:
            self.headers = ()


class Gateway:
    def __init__(self, state: ProxyState, app: AsgiApp, spawn: Callable[..., object]) -> None:
        """`spawn(coroutine, name)` runs a control plane request as a task that somebody owns."""
        self.state = state
        self._app = app
        self._spawn = spawn

    def accept(self, head: RequestHead, client: ClientConnection) -> Handler:
        endpoint = PLAIN.get((head.method, head.path))
        if endpoint is not None and self.state.authorized(head):
            return Exchange(self.state, head, client, endpoint)
        return self._accept_any(head, client)

    def _accept_any(self, head: RequestHead, client: ClientConnection) -> Handler:
        state = self.state
        path = head.path.decode("latin-1")
        method = head.method.decode()
        if method == "OPTIONS":
            return Answer(client, preflight(head.known.get(b"access-control-request-headers")))
        if path in HEALTH and method in ("GET", "HEAD"):
            return Answer(client, ALIVE)
        endpoint = find(method, path)
        if "//" in path or "/." in path:
            clean = tidy(path)
            if clean is not None:
                location = clean.encode("latin-1") + (b"?" + head.query if head.query else b"")
                return Answer(client, tidied(location))
        if not is_public(method, path) and not state.authorized(head):
            return self.error(
                client, head, NeedsKey(asks=not any(name == b"x-requested-with" for name, _, _ in head.fields))
            )
        if endpoint is None:
            allowed = allowed_methods(path)
            if allowed and method not in allowed:
                return self.error(client, head, MethodNotAllowed(method, path, allowed))
            return AsgiHandler(self._app, head, client, self._spawn)
        if endpoint.path == PROPS:
            return self._accept_props(head, client, endpoint)
        return Exchange(state, head, client, endpoint)

    def _accept_props(self, head: RequestHead, client: ClientConnection, endpoint: Endpoint) -> Handler:
        """As llama.cpp's router has it: without a model they are its own, and with `autoload=false` none is loaded for
        them. Its page asks so, to look and not to swap."""
        name = value_of(head.query, b"model")
        if not name:
            return AsgiHandler(self._app, head, client, self._spawn)
        if value_of(head.query, b"autoload") not in (None, "", "true", "1"):
            try:
                self._require_loaded(name)
            except RequestError as error:
                return self.error(client, head, error)
        return Exchange(self.state, head, client, endpoint)

    def _require_loaded(self, name: str) -> None:
        state = self.state
        choice = state.choose(name) if state.has_choices else None
        if choice is not None:
            name = choice.name
            choice.release()
        found = state.names.require(name)
        if found.kind is Kind.LOCAL and state.engine.ready_upstream(found.model) is None:
            raise BadRequest(f'model "{found.model}" is not loaded, and autoload=false loads none', param="model")

    def refuse(self, client: ClientConnection, error: RequestError) -> None:
        """Answers a request that could not even be parsed."""
        self.state.answer_error(client, client.head, error)

    @staticmethod
    def error(client: ClientConnection, head: RequestHead, error: RequestError) -> Answer:
        return Answer(client, render(error, accept=head.known.get(b"accept", b""), path=head.path.decode("latin-1")))


class Answer:
    """A handler whose answer is known from the head alone; the body, if there is one, is dropped."""

    __slots__ = ("_client", "_reply")

    def __init__(self, client: ClientConnection, reply: Reply) -> None:
        self._client = client
        self._reply = reply

    def start(self) -> None:
        self._client.reply(self._reply.status, self._reply.headers, self._reply.body)

    def body(self, data: bytes) -> None: ...
    def end(self, trailers: Headers) -> None: ...
    def gone(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
