"""What exchanges need of the configuration, made once per configuration. A reload makes a new one; exchanges that have begun
keep theirs."""

from __future__ import annotations

from urllib.parse import unquote

from swapyard.config.schema import Config, Http
from swapyard.errors import ModelNotFound, RequestError
from swapyard.http.headers import RequestHead
from swapyard.http.server import ClientConnection, Limits
from swapyard.proxy.auth import Keys
from swapyard.proxy.endpoints import TABLE, UPSTREAM_PREFIX, Endpoint
from swapyard.proxy.replies import render
from swapyard.proxy.resolve import Kind, Names, Passage, Resolved, upstream_location
from swapyard.proxy.rewrite import Edits
from swapyard.runtime.engine import Engine


def client_limits(http: Http) -> Limits:
    """What the server of the clients is told of the block `http`."""
    return Limits(
        head=http.max_head_bytes,
        fields=http.max_header_fields,
        head_timeout=http.head_timeout,
        body=http.max_body_bytes,
        body_timeout=http.body_timeout,
        stall=http.stall_timeout,
        keepalive=http.keepalive,
    )


class ProxyState:
    def __init__(self, config: Config, engine: Engine) -> None:
        self.engine = engine
        self.names = Names(config)
        self.keys = Keys(config.api_keys) if config.api_keys else None
        models = config.models.items()
        self._edits = {name: edits for name, model in models if (edits := Edits.compile(model)) is not None}
        self._names_sent = {name: model.use_model_name for name, model in models if model.use_model_name}
        self._ignoring_websockets = {name for name, model in models if model.compat.ignore_websockets}
        self._forward_paths = {id(row): row.forward_path.encode("latin-1") for row in TABLE}

    def authorized(self, head: RequestHead) -> bool:
        keys = self.keys
        return keys is None or keys.check(head.known.get(b"authorization"), head.known.get(b"x-api-key"))

    def forward_path(self, endpoint: Endpoint) -> bytes:
        return self._forward_paths[id(endpoint)]

    def passage(self, head: RequestHead) -> Passage | bytes:
        """An `/upstream/` path taken apart, or the Location to redirect to. Raises ModelNotFound."""
        raw = head.path[len(UPSTREAM_PREFIX) :]
        passage = self.names.split_upstream(raw)
        if passage is None:
            name = unquote(raw.decode("latin-1")).strip("/")
            raise ModelNotFound(name[:200], self.names.nearest(name))
        if not passage.rest:
            return upstream_location(passage.name, head.query)
        return passage

    def must_not_start(self, passage: Passage) -> bool:
        """Whether the request is of a kind that starts no model (`upstream.ignorePaths`), and the model is not ready."""
        if not self.names.ignored(unquote(passage.rest.decode("latin-1"))):
            return False
        return self.engine.ready_upstream(passage.resolved.model) is None

    def ignores_websockets(self, model: str) -> bool:
        return model in self._ignoring_websockets

    def edit(self, wanted: Resolved, body: bytes) -> bytes:
        """The body with the filters of a local model applied."""
        if wanted.kind is Kind.PEER:
            return body
        edits = self._edits.get(wanted.model)
        return body if edits is None else edits.apply(body, wanted.requested)

    def name_sent(self, wanted: Resolved) -> str:
        """The name by which the upstream is asked: what it is configured to know itself by, else what it was asked by."""
        if wanted.kind is Kind.PEER:
            return wanted.model
        return self._names_sent.get(wanted.model, wanted.requested)

    @staticmethod
    def answer_error(client: ClientConnection, head: RequestHead, error: RequestError) -> None:
        """The whole answer, in the shape of the API that was called."""
        reply = render(error, accept=head.known.get(b"accept", b""), path=head.path.decode("latin-1"))
        client.reply(reply.status, reply.headers, reply.body)
