"""The rules of `/comfyui/` (llama-swap #1001): a web interface with websockets and many files, served by one local model.

Its pages stay open in browsers and poll, so only `/comfyui/` itself loads the model: whatever else is asked for while the
model is not ready is refused. Neither profiles nor selectors nor filters apply. Pure functions of the head and the names.
"""

from __future__ import annotations

from swapyard.errors import NotFound
from swapyard.http.headers import RequestHead
from swapyard.proxy.endpoints import COMFYUI_MODEL, COMFYUI_PREFIX
from swapyard.proxy.resolve import Kind, Names, Passage

ROOT = COMFYUI_PREFIX.encode()


def passage(head: RequestHead, names: Names) -> Passage | bytes:
    """What the model is asked for, or the Location to redirect to. Raises NotFound without a model of that very id."""
    if not head.path.startswith(ROOT):
        return ROOT + b"?" + head.query if head.query else ROOT
    found = names.resolve(COMFYUI_MODEL)
    if found is None or found.kind is not Kind.LOCAL or found.model != COMFYUI_MODEL:
        raise NotFound(f'{COMFYUI_PREFIX} is served by a model with the id "{COMFYUI_MODEL}", and none is configured')
    return Passage(COMFYUI_MODEL, head.path[len(ROOT) - 1 :])


def may_load(rest: bytes) -> bool:
    return rest == b"/"
