"""GET /v1/models, /models and /v1/models/{id}: what can be asked for, and whether it is loaded.

A record never changes while its configuration stands, but for its status. So records are encoded once per configuration and
a listing only joins them: 10,000 models cost a few milliseconds a request, not a few hundred.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType, field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swapyard.api.answers import allow_origin, encode, raw_json_answer
from swapyard.api.services import Services
from swapyard.api.status import flags
from swapyard.config.schema import Capabilities, Config, Model, Selector
from swapyard.errors import NotFound
from swapyard.proxy.resolve import Kind, Names

# Fields of the record itself; a capabilities block takes them out of the metadata, so that they are told once.
_TOLD_BY_CAPABILITIES = {"architecture", "capabilities", "supported_parameters", "context_length"}

UNLOADED = b'{"value":"unloaded"}'
_TOLD_AS = {"starting": "loading", "ready": "loaded"}
# Of the targets of a selector the best one counts.
_BY_RANK = (b'{"value":"unloaded"', b'{"value":"loading"', b'{"value":"loaded"')

Statuses = Mapping[str, bytes]  # JSON, by model id


class Architecture(Struct, frozen=True, omit_defaults=True):
    input_modalities: tuple[str, ...] = ()
    output_modalities: tuple[str, ...] = ()
    modality: str = ""


class Record(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry of the listing, without its `status`, which is appended to the encoded text."""

    id: str
    object: str
    created: int
    owned_by: str
    name: str = ""
    description: str = ""
    architecture: Architecture | UnsetType = UNSET
    capabilities: dict[str, bool] = field(default_factory=dict)
    supported_parameters: tuple[str, ...] = ()
    context_length: int = 0
    meta: dict[str, Any]


class Entry(NamedTuple):
    """`head`: the record's JSON without its closing brace. `watched`: the model ids whose status this entry has: the best
    one of them; none for what is served elsewhere."""

    id: str
    head: bytes
    watched: tuple[str, ...]

    def render(self, statuses: Statuses) -> bytes:
        told = [statuses[model] for model in self.watched if model in statuses]
        status = max(told, key=_rank) if told else UNLOADED
        return b'%b,"status":%b}' % (self.head, status)


class Listing:
    """The records of one configuration. `created`: what they all say, in seconds since the epoch."""

    def __init__(self, config: Config, names: Names, created: int) -> None:
        self.config = config
        self._names = names
        self._created = created
        # The order of ids as bytes is the order of their code points.
        self._listed = sorted(self._all_listed(), key=lambda entry: entry.id)
        self._by_id = {entry.id: entry for entry in self._listed}
        # None stands for no profile; a reload may bring profiles that this configuration does not know.
        self._pins: dict[str | None, dict[str, Entry]] = {profile: self._pins_of(profile) for profile in config.profiles}

    def render(self, statuses: Statuses, profile: str | None) -> bytes:
        """`profile`: the active one, whose pins are listed too."""
        entries = self._listed
        if pins := self._pins.get(profile):
            entries = sorted([*entries, *pins.values()], key=lambda entry: entry.id)
        return b'{"object":"list","data":[' + b",".join([entry.render(statuses) for entry in entries]) + b"]}"

    def render_one(self, name: str, statuses: Statuses, profile: str | None) -> bytes:
        """The record of any name that can be asked for, unlisted ones included. Raises ModelNotFound."""
        entry = self._by_id.get(name)
        if entry is None:
            entry = self._pins.get(profile, {}).get(name)
        if entry is None and (selector := self.config.selectors.get(name)) is not None:
            entry = self._selector(name, selector)
        if entry is None:
            found = self._names.require(name)
            if found.kind is Kind.LOCAL:
                model = self.config.models[found.model]
                entry = self._model(name, model) if name == found.model else self._alias(name, found.model, model)
            else:
                assert found.peer is not None
                entry = self._peer_model(found.peer, found.model)
        return entry.render(statuses)

    def _all_listed(self) -> Iterator[Entry]:
        for model_id, model in self.config.models.items():
            if not model.unlisted:
                yield self._model(model_id, model)
                if self.config.include_aliases_in_list:
                    yield from (self._alias(alias.strip(), model_id, model) for alias in model.aliases if alias.strip())
        for peer_id, peer in self.config.peers.items():
            yield from (self._peer_model(peer_id, model_id) for model_id in dict.fromkeys(peer.models))
        for selector_id, selector in self.config.selectors.items():
            if not selector.unlisted:
                yield self._selector(selector_id, selector)

    def _pins_of(self, profile: str) -> dict[str, Entry]:
        """By name, those pins of a profile that add a name: what is disabled or known without it is left out."""
        meta = {"llamaswap": {"type": "profile"}}
        return {
            pin: self._entry(pin, "", "", meta, ())
            for pin, target in self.config.profiles[profile].pins.items()
            if target and pin not in self.config.selectors and self._names.resolve(pin) is None
        }

    def _model(self, model_id: str, model: Model) -> Entry:
        told: dict[str, Any] = {"type": "model"}
        if model.aliases:
            told["aliases"] = model.aliases
        return self._local(model_id, model_id, model, told)

    def _alias(self, alias: str, model_id: str, model: Model) -> Entry:
        return self._local(alias, model_id, model, {"type": "alias", "modelID": model_id})

    def _local(self, shown_id: str, model_id: str, model: Model, told: dict[str, Any]) -> Entry:
        can = model.capabilities
        metadata = dict(model.metadata)
        if can is not None:
            metadata = {key: value for key, value in metadata.items() if key not in _TOLD_BY_CAPABILITIES}
        meta: dict[str, Any] = {"llamaswap": metadata | told}
        if can is not None and can.context > 0:
            meta["n_ctx"] = can.context
        return self._entry(shown_id, model.name, model.description, meta, (model_id,), can)

    def _peer_model(self, peer_id: str, model_id: str) -> Entry:
        meta = {"llamaswap": {"type": "peer", "peerID": peer_id}}
        return self._entry(f"{peer_id}/{model_id}", f"{peer_id}: {model_id}", "", meta, ())

    def _selector(self, selector_id: str, selector: Selector) -> Entry:
        told: dict[str, Any] = {"type": "selector", "strategy": selector.strategy, "targets": selector.targets}
        if selector.strategy == "spillover":
            told["spillover"] = selector.spillover
        targets = selector.targets[:1] if selector.strategy == "pin" else selector.targets
        resolved = [self._names.resolve(target) for target in targets]
        watched = tuple(found.model for found in resolved if found is not None and found.kind is Kind.LOCAL)
        meta = {"llamaswap": selector.metadata | told}
        return self._entry(selector_id, selector.name, selector.description, meta, watched)

    def _entry(
        self,
        shown_id: str,
        name: str,
        description: str,
        meta: dict[str, Any],
        watched: tuple[str, ...],
        can: Capabilities | None = None,
    ) -> Entry:
        can = can or Capabilities()
        record = Record(
            id=shown_id,
            object="model",
            created=self._created,
            owned_by="swapyard",
            name=name.strip(),
            description=description.strip(),
            architecture=architecture(can),
            capabilities=flags(can),
            supported_parameters=("tools", "tool_choice") if can.tools else (),
            context_length=max(0, can.context),
            meta=meta,
        )
        return Entry(shown_id, encode(record).removesuffix(b"}"), watched)


def architecture(can: Capabilities) -> Architecture | UnsetType:
    if not can.in_ and not can.out:
        return UNSET
    modality = f"{'+'.join(can.in_)}->{'+'.join(can.out)}" if can.in_ and can.out else ""
    return Architecture(can.in_, can.out, modality)


def statuses(services: Services) -> Statuses:
    """How llama.cpp's router tells it (https://github.com/ggml-org/llama.cpp/tree/master/tools/server#get-models-list-available-models),
    by model id; what is not here is unloaded, without more to say. A model that is stopping serves nobody any more, so
    it is unloaded (llama-swap calls it loaded). `args`: its command, with what looks like a secret masked."""
    codes = services.exit_codes()
    told = {model_id: failed_status(codes.get(model_id)) for model_id in services.failures()}
    models = services.config().models
    for model_id, state in services.states().items():
        if state in _TOLD_AS and model_id in models:
            status = {"value": _TOLD_AS[state]} | args_of(services.mask_command(models[model_id].cmd))
            told[model_id] = msgspec.json.encode(status)
    return told


def failed_status(exit_code: int | None) -> bytes:
    told = {"value": "unloaded", "failed": True}
    return msgspec.json.encode(told if exit_code is None else told | {"exit_code": exit_code})


def args_of(cmd: str) -> dict[str, list[str]]:
    """Nothing where the command is not written for a POSIX shell."""
    try:
        return {"args": shlex.split(cmd, comments=False)}
    except ValueError:
        return {}


def _rank(status: bytes) -> int:
    return next(rank for rank, value in enumerate(_BY_RANK) if status.startswith(value))


def routes(services: Services) -> list[Route]:
    cached: Listing | None = None

    async def current() -> Listing:
        nonlocal cached
        config = services.config()
        if cached is None or cached.config is not config:
            cached = await asyncio.to_thread(Listing, config, services.names(), services.started)
        return cached

    async def list_models(request: Request) -> Response:
        """Every model that can be asked for, and whether it is loaded."""
        listing = await current()
        return allow_origin(request, raw_json_answer(listing.render(statuses(services), services.active_profile())))

    async def show_model(request: Request) -> Response:
        """One model, by id or any other name."""
        name = request.path_params["id"]
        if not name:
            raise NotFound("which model? /v1/models lists all, /v1/models/{id} shows one")
        record = (await current()).render_one(name, statuses(services), services.active_profile())
        return allow_origin(request, raw_json_answer(record))

    return [
        Route("/v1/models", list_models),
        Route("/models", list_models),
        Route("/v1/models/{id:path}", show_model),
    ]
