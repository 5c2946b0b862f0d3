"""What llama.cpp's router tells beside its listing: changes of models as they happen, and what kind of server this is.

`/models/sse` is a stream of `{"model", "event", "data"}`, `/props` without a model is the router's own
(https://github.com/ggml-org/llama.cpp/tree/master/tools/server#using-multiple-models); with a model it goes to that model's
server, and does not come here. Loading and unloading are in `api.load`, the listing in `api.models`.

A stream of ours begins with what is loaded and loading, so that a client that comes again has missed nothing.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swapyard.api.answers import LiveAnswer, allow_origin, encode, json_answer
from swapyard.api.services import Services
from swapyard.observe.history import Change

HEARTBEAT = 15.0  # seconds of silence before a comment is sent: proxies cut what is silent for long
_COMMENT = b":\n\n"
# A model that is stopping is told of when it is gone, with its exit code.
_TOLD_AS = {"starting": "loading", "ready": "loaded", "stopped": "unloaded"}
_STAGE = "text_model"  # the router names the part that is being loaded; here a load is one


class LoadNow(Protocol):
    """What the event `load` carries; seconds."""

    @property
    def model(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def elapsed(self) -> float: ...
    @property
    def estimate(self) -> float | None: ...


class EventAnswer(LiveAnswer):
    media_type = "text/event-stream"


class RouterNews:
    """The news in the router's words (`api.answers.Source`)."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._feed = services.bus.subscribe(wording=self._wording)
        self._first = b"".join(
            [_status(model, _TOLD_AS[state]) for model, state in services.states().items() if state in _TOLD_AS]
        )

    async def next(self) -> bytes | None:
        if self._first:
            first, self._first = self._first, b""
            return first
        try:
            async with asyncio.timeout(HEARTBEAT):
                return await self._feed.next()
        except TimeoutError:
            return _COMMENT

    def close(self) -> None:
        self._feed.close()

    def _wording(self, kind: str, data: object) -> bytes:
        match kind:
            case "transition":
                return self._changed(cast("Change", data))
            case "load":
                return _progress(cast("LoadNow", data))
            case "uiConfig" | "profileChanged":  # the listing may be another one
                return _event("*", "models_reload")
            case _:
                return b""

    def _changed(self, change: Change) -> bytes:
        told = _TOLD_AS.get(change.state)
        if told is None:
            return b""
        if told != "unloaded":
            return _status(change.model, told)
        failed = change.model in self._services.failures()
        # An exit that was asked for is none to tell of, whatever signal it took.
        return _status(change.model, told, exit_code=self._services.exit_codes().get(change.model, 1) if failed else 0)


def _progress(load: LoadNow) -> bytes:
    """Nothing where past loads give no estimate."""
    if load.state != "starting" or not load.estimate:
        return b""
    done = min(round(load.elapsed / load.estimate, 3), 0.99)
    return _status(load.model, "loading", progress={"stages": [_STAGE], "current": _STAGE, "value": done})


def _status(model: str, status: str, **more: object) -> bytes:
    return _event(model, "status_change", {"status": status} | more)


def _event(model: str, event: str, data: object = None) -> bytes:
    told = {"model": model, "event": event}
    return b"data: " + encode(told if data is None else told | {"data": data}) + b"\n\n"


def routes(services: Services) -> list[Route]:
    async def news(request: Request) -> Response:
        """Server-sent events: models that load, are loaded or unloaded, as llama.cpp's router tells them."""
        return allow_origin(request, EventAnswer(RouterNews(services)))

    async def props(request: Request) -> Response:
        """What kind of server this is, as llama.cpp's router tells it (with `?model=` the model's server is asked)."""
        told = {
            "role": "router",
            "max_instances": 0,  # no such limit
            "models_autoload": True,
            "model_alias": "swapyard",
            "model_path": "none",
            "default_generation_settings": {"params": {}, "n_ctx": 0},
            "ui_settings": {},
            "webui_settings": {},
            "build_info": f"swapyard {services.build.version}",
            "cors_proxy_enabled": False,
        }
        return allow_origin(request, json_answer(told))

    return [Route("/models/sse", news), Route("/props", props)]
