"""What two events carry. `modelStatus`: every local model with its state, then those of peers. `uiConfig`: what the page has
to know of the configuration.

Without Starlette, because news are told before the control plane has been loaded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import UNSET, Struct, UnsetType, field

from swapyard.config.schema import Capabilities, Config


class Origin(Struct, frozen=True):
    """Where a configuration comes from: the absolute paths of its files (what is not UTF-8 is replaced), and whether a
    change of them is noticed."""

    files: tuple[str, ...]
    watched: bool


def origin_of(files: Sequence[Path], *, watched: bool) -> Origin:
    return Origin(tuple(os.fsencode(path.absolute()).decode(errors="replace") for path in files), watched)


def ui_config(config: Config, origin: Origin) -> object:
    return {
        "activity": {"session_id": list(config.session_headers)},
        "profiles": sorted(config.profiles),
        "config": origin,
    }


class ModelStatus(Struct, frozen=True, kw_only=True):
    """`state` and `name` are empty for a peer's model: nobody here knows."""

    id: str
    name: str = ""
    description: str = ""
    state: str = ""
    unlisted: bool = False
    peer_id: str = field(default="", name="peerID")
    aliases: tuple[str, ...] | UnsetType = UNSET
    capabilities: dict[str, bool] | UnsetType = UNSET
    context_length: int | UnsetType = UNSET


def model_status(config: Config, states: Mapping[str, str]) -> list[ModelStatus]:
    """`states`: of the models that are not stopped."""
    return [*_local(config, states), *_of_peers(config)]


def _local(config: Config, states: Mapping[str, str]) -> Iterator[ModelStatus]:
    for model_id, model in sorted(config.models.items()):
        can = model.capabilities or Capabilities()
        yield ModelStatus(
            id=model_id,
            name=model.name,
            description=model.description,
            state=states.get(model_id, "stopped"),
            unlisted=model.unlisted,
            aliases=model.aliases or UNSET,
            capabilities=flags(can) or UNSET,
            context_length=can.context if can.context > 0 else UNSET,
        )


def _of_peers(config: Config) -> Iterator[ModelStatus]:
    for peer_id, peer in config.peers.items():
        for model_id in dict.fromkeys(peer.models):
            yield ModelStatus(id=f"{peer_id}/{model_id}", peer_id=peer_id)


def flags(can: Capabilities) -> dict[str, bool]:
    """What the model can do, the true ones only."""
    told = {
        "vision": "image" in can.in_,
        "audio_transcriptions": "audio" in can.in_ and "text" in can.out,
        "audio_speech": "text" in can.in_ and "audio" in can.out,
        "image_generation": "text" in can.in_ and "image" in can.out,
        "image_to_image": "image" in can.in_ and "image" in can.out,
        "function_calling": can.tools,
        "reranker": can.reranker,
    }
    return {flag: True for flag, holds in told.items() if holds}
