"""What exchanges need of the configuration, made once per configuration. A reload makes a new one; exchanges that have begun
keep theirs. The one thing in it that changes is which profile is active: none at first."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote

from swapyard.config.schema import Config, Http
from swapyard.errors import Conflict, RequestError
from swapyard.http.headers import RequestHead
from swapyard.http.server import ClientConnection, Limits
from swapyard.proxy import comfyui
from swapyard.proxy.auth import Keys
from swapyard.proxy.endpoints import TABLE, UPSTREAM_PREFIX, Endpoint, Where
from swapyard.proxy.peers import PeerServer
from swapyard.proxy.profiles import Pins
from swapyard.proxy.recorder import Recorder
from swapyard.proxy.replies import render
from swapyard.proxy.resolve import Kind, Names, Passage, Resolved, upstream_location
from swapyard.proxy.rewrite import Edits
from swapyard.proxy.selectors import Choice, choosers
from swapyard.runtime.engine import Engine

NO_PEERS: Final[Mapping[str, PeerServer]] = MappingProxyType({})


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
    def __init__(
        self,
        config: Config,
        engine: Engine,
        peers: Mapping[str, PeerServer] = NO_PEERS,
        recorder: Recorder | None = None,
    ) -> None:
        self.engine = engine
        self.recorder = recorder
        self.peers = peers
        self.names = Names(config)
        self.keys = Keys(config.api_keys) if config.api_keys else None
        models = config.models.items()
        self._edits = {name: edits for name, model in models if (edits := Edits.compile(model)) is not None}
        self._names_sent = {name: model.use_model_name for name, model in models if model.use_model_name}
        self._ignoring_websockets = {name for name, model in models if model.compat.ignore_websockets}
        self._profiles = config.profiles
        self._pins: Pins | None = None
        self._choosers = choosers(config, self.names, engine)
        self.has_choices = bool(self._choosers)  # whether a name may stand for another than its own
        priorities = config.routing.fifo.priority
        # What the activity notes of every request that a model's queue has granted, as llama-swap does.
        self.grant_notes = {name: {"fifo_priority": str(priorities.get(name, 0))} for name, _ in models}
        self._telling = {name for name, model in models if model.send_loading_state}
        self._forward_paths = {id(row): row.forward_path.encode("latin-1") for row in TABLE}

    def authorized(self, head: RequestHead) -> bool:
        keys = self.keys
        return keys is None or keys.check(head.known.get(b"authorization"), head.known.get(b"x-api-key"))

    def forward_path(self, endpoint: Endpoint) -> bytes:
        return self._forward_paths[id(endpoint)]

    # --- which name stands for which ---

    @property
    def profile(self) -> str | None:
        """The id of the active profile."""
        return None if self._pins is None else self._pins.profile_id

    def activate(self, profile: str | None) -> None:
        """From now on; None: no profile is active. Raises KeyError for an unknown one."""
        self._pins = None if profile is None else Pins(profile, self._profiles[profile])
        self.has_choices = bool(self._choosers) or profile is not None

    def choose(self, name: str) -> Choice | None:
        """What stands for a name that a client wrote: a pin's target first, then a selector's. None where the name stands
        for itself. Raises NotFound (a disabled pin) and Unavailable (no target). The caller releases the choice."""
        target = name if self._pins is None else self._pins.target(name)
        return self.select(target) or (Choice(target) if target != name else None)

    def select(self, name: str) -> Choice | None:
        """Like `choose`, but for selectors alone."""
        chooser = self._choosers.get(name)
        return None if chooser is None else chooser.choose()

    # --- paths that name the model ---

    def passage(self, endpoint: Endpoint, head: RequestHead) -> Passage | bytes:
        """A path taken apart, pins applied, or the Location to redirect to. Raises NotFound."""
        if endpoint.where is Where.FIXED:
            return comfyui.passage(head, self.names)
        raw = head.path[len(UPSTREAM_PREFIX) :]
        if self._pins is not None:
            raw = self._pins.rewrite_path(raw)
        passage = self.names.split_upstream(raw)
        if passage is None:
            raise self.names.unknown_in_path(raw)
        if not passage.rest:
            return upstream_location(passage.name, head.query)
        return passage

    def check_load(self, endpoint: Endpoint, wanted: Resolved, rest: bytes) -> None:
        """Raises Conflict for requests of the kind that loads no model, where the model is not ready."""
        if endpoint.where is Where.FIXED:
            may_load, hint = comfyui.may_load(rest), f"; {endpoint.path} does"
        else:
            may_load, hint = not self.names.ignored(unquote(rest.decode("latin-1"))), ""
        if not may_load and wanted.kind is Kind.LOCAL and self.engine.ready_upstream(wanted.model) is None:
            shown = rest[:200].decode("latin-1")
            raise Conflict(f'model "{wanted.model}" is not loaded, and {shown} does not load it{hint}')

    def ignores_websockets(self, model: str) -> bool:
        return model in self._ignoring_websockets

    def tells_of_waiting(self, model: str) -> bool:
        """Whether streaming requests for it hear something while they wait (`sendLoadingState`)."""
        return model in self._telling

    def edit(self, wanted: Resolved, body: bytes) -> bytes:
        """A JSON body as the server of the model is to get it: filters applied, and for a peer under its own name."""
        if wanted.peer is not None:
            return self.peers[wanted.peer].body(wanted, body)
        edits = self._edits.get(wanted.model)
        return body if edits is None else edits.apply(body, wanted.requested)

    def name_sent(self, wanted: Resolved) -> str:
        """The name by which the upstream is asked: what it is configured to know itself by, else what it was asked by."""
        if wanted.peer is not None:
            return wanted.model
        return self._names_sent.get(wanted.model, wanted.requested)

    @staticmethod
    def answer_error(client: ClientConnection, head: RequestHead, error: RequestError) -> None:
        """The whole answer, in the shape of the API that was called."""
        reply = render(error, accept=head.known.get(b"accept", b""), path=head.path.decode("latin-1"))
        client.reply(reply.status, reply.headers, reply.body)
