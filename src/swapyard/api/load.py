"""Loading models by hand, and the routes of llama.cpp's router for it.

`/api/models/load/{model}` answers when the model is ready. Who leaves waits no longer, nor does anybody after a DELETE; a
load that nobody waits for goes on until it is done or in another one's way. A start that fails is answered as a request
would be.

`/models/load` and `/models/unload` speak as llama.cpp's router does
(https://github.com/ggml-org/llama.cpp/tree/master/tools/server#post-modelsload-load-a-model): a load is only begun, and how
it goes is told by `status` in `/models`. What is loaded already, or not loaded, is no error here.
"""

from __future__ import annotations

import asyncio

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive

from swapyard.api.answers import allow_origin, json_answer
from swapyard.api.services import Load, Services
from swapyard.errors import BadRequest, Conflict, NotFound
from swapyard.proxy.resolve import Kind

_SAYS = {"true": True, "1": True, "yes": True, "": True, "false": False, "0": False, "no": False}
_WANTED = 'a JSON object {"model": ...} is needed, with the name of a model'


class LoadRecord(Struct, frozen=True):
    """`run` and `pid` are those of its run, None while there is none yet; `position`: in the queue, from 1, while it waits
    for others. `stops`: the models that are, or will be, stopped for it."""

    model: str
    state: str
    run: int | None
    pid: int | None
    position: int | None
    stops: list[str]


class Named(Struct, frozen=True):
    model: str


class Loads:
    """The loads that were asked for and are not over, so that they can be given up."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._open: dict[str, set[Load]] = {}

    def begin(self, model: str) -> Load:
        load = self._services.load(model)
        if not load.done.done():
            self._open.setdefault(model, set()).add(load)
            load.done.add_done_callback(lambda _: self._over(load))
        return load

    def give_up(self, model: str) -> int:
        """Returns how many waited."""
        loads = list(self._open.get(model, ()))
        for load in loads:
            load.give_up()
        return len(loads)

    def _over(self, load: Load) -> None:
        others = self._open[load.model]
        others.discard(load)
        if not others:
            del self._open[load.model]


def routes(services: Services) -> list[Route]:
    loads = Loads(services)

    def record(load: Load) -> LoadRecord:
        facts = services.facts(load.model)
        id_, pid = (None, None) if facts.run is None else (facts.run.id, facts.run.pid)
        return LoadRecord(load.model, facts.state, id_, pid, load.place, list(facts.stops))

    async def load(request: Request) -> Response:
        """Load a model; answers when it is ready, with `?wait=false` at once (202)."""
        wait = says(request.query_params.get("wait", ""))
        begun = loads.begin(local(services, request.path_params["model"]))
        if not wait and not begun.done.done():
            return json_answer(record(begun), 202)
        try:
            if not await over_or_left(begun, request.receive):
                return Response()  # to nobody
        finally:
            begun.give_up()
        if begun.done.cancelled():
            raise Conflict(f'the wait for model "{begun.model}" was given up, as DELETE {request.url.path} wanted')
        begun.done.result()  # raises what kept it from being ready
        return json_answer(record(begun))

    async def give_up(request: Request) -> Response:
        """Give up every wait for a model that POST here began; its load goes on while it is in nobody's way."""
        model = local(services, request.path_params["model"])
        return json_answer({"model": model, "given_up": loads.give_up(model)})

    async def router_load(request: Request) -> Response:
        """Load a model, as llama.cpp's router does: answers at once, `/models` tells how it goes."""
        begun = loads.begin(local(services, named(await request.body())))
        if begun.done.done():
            begun.done.result()  # raises what kept it from being begun
        return allow_origin(request, json_answer({"success": True}))

    async def router_unload(request: Request) -> Response:
        """Stop a model, as llama.cpp's router does; answers when its processes are gone."""
        model = local(services, named(await request.body()))
        await services.unload([model])
        return allow_origin(request, json_answer({"success": True}))

    return [
        Route("/api/models/load/{model:path}", load, methods=["POST"]),
        Route("/api/models/load/{model:path}", give_up, methods=["DELETE"]),
        Route("/models/load", router_load, methods=["POST"]),
        Route("/models/unload", router_unload, methods=["POST"]),
    ]


def local(services: Services, name: str) -> str:
    """The id of a model that is served here. Raises NotFound and, for a peer's, Conflict."""
    if not name:
        raise NotFound("which model? POST /api/models/load/{model} loads one")
    found = services.names().require(name)
    if found.kind is not Kind.LOCAL:
        raise Conflict(f'model "{name}" belongs to peer "{found.peer}", and peers load and unload their own')
    return found.model


def says(wait: str) -> bool:
    try:
        return _SAYS[wait.lower()]
    except KeyError:
        raise BadRequest(f'wait is "{wait[:40]}", and can be true or false', param="wait") from None


def named(body: bytes) -> str:
    """The `model` of a JSON object. Raises BadRequest."""
    try:
        name = msgspec.json.decode(body, type=Named).model
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"{_WANTED}: {error}", param="model") from None
    if not name:
        raise BadRequest(_WANTED, param="model")
    return name


async def over_or_left(load: Load, receive: Receive) -> bool:
    """Waits for the load's end, True, or for the client to leave, False."""
    watch = asyncio.create_task(left(receive), name=f"load {load.model}: client watch")
    try:
        await asyncio.wait({load.done, watch}, return_when=asyncio.FIRST_COMPLETED)
        return load.done.done()
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
