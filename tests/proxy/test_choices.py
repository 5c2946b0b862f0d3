"""Pins and selectors on the data plane: where the other name is written, and when a reservation ends."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from swapyard.config.schema import Compat, Filters, Group, Model, Profile, Routing, Selector
from swapyard.core.messages import StartError
from swapyard.proxy import exchange, second_chances

if TYPE_CHECKING:
    from tests.proxy.conftest import OpenYard, Yard

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
UNFINISHED = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfour"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
UPGRADE = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: k", b"Sec-WebSocket-Version: 13")

# `pinned` and `off` are pins; `sel` and `spill` selectors, of which `spill` fills m up to two requests.
NAMES: dict[str, Any] = {
    "profiles": {
        "work": Profile(pins={"pinned": "alias", "off": "", "m": "n", "n": "m", "by-sel": "sel", "deep/pin": "m"}),
    },
    "selectors": {
        "sel": Selector(strategy="pin", targets=("alias",)),
        "spill": Selector(strategy="spillover", targets=("m", "n"), spillover=2),
        "only": Selector(strategy="spillover", targets=("m",)),
    },
    "routing": Routing(groups={"both": Group(swap=False, members=("m", "n"))}),
}
ONLY = {"only": Selector(strategy="spillover", targets=("m",))}
MODELS = {"m": Model(cmd="x", aliases=("alias",)), "n": Model(cmd="x")}


def ask(method: bytes, target: bytes, *lines: bytes, body: bytes = b"") -> bytes:
    length = (b"Content-Length: %d" % len(body),) if body else ()
    fields = (b"Host: gate", *lines, *length)
    return b"%s %s HTTP/1.1\r\n%s\r\n\r\n%s" % (method, target, b"\r\n".join(fields), body)


def chat(model: str) -> bytes:
    return ask(b"POST", b"/v1/chat/completions", b"Content-Type: application/json", body=b'{"model":"%s"}' % model.encode())


def reserved(yard: Yard, selector: str) -> list[int]:
    """Of each target."""
    return [target.reserved for target in yard.gateway.state._choosers[selector]._targets]


# --- where the name is written ---


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("pinned", b"alias"),  # as the pin writes it
        ("sel", b"alias"),
        ("by-sel", b"alias"),  # a pin may lead to a selector
        ("n", b"m"),  # a pin stands before a model, and pins do not chain
        ("alias", b"alias"),
    ],
)
async def test_a_json_body_has_its_model_exchanged_and_nothing_else(
    open_yard: OpenYard, wire: Any, name: str, told: bytes
) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, n=1, ready="m", models=MODELS, config=NAMES) as yard,
        wire.connect(yard.port) as client,
    ):
        yard.gateway.state.activate("work")
        body = b' {"messages" : [{"model":"%s"}],\n "model" : "%s" , "n":1.50}'
        client.send(ask(b"POST", b"/v1/chat/completions", body=body % (name.encode(), name.encode())))
        peer = await up.accept()
        assert (await peer.request()).body == body % (name.encode(), told)
        peer.send(OK)
        assert (await client.response()).status == 200


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
async def test_a_query_has_its_model_exchanged(open_yard: OpenYard, wire: Any, method: bytes) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", models=MODELS, config=NAMES | {"selectors": {}}) as yard,
        wire.connect(yard.port) as client,
    ):
        yard.gateway.state.activate("work")
        client.send(ask(method, b"/props?z=1&model=pinned&a=%20"))
        peer = await up.accept()
        assert (await peer.request()).start == method + b" /props?z=1&model=alias&a=%20 HTTP/1.1"
        peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert (await client.response(to=method)).status == 204


@pytest.mark.parametrize(
    ("target", "body", "target_told", "body_told"),
    [
        (b"/v1/completions?x=1", b"prompt=a+b&model=sel&n=1", b"/v1/completions?x=1", b"prompt=a+b&model=alias&n=1"),
        (b"/v1/completions?model=n", b"prompt=x&model=sel", b"/v1/completions?model=alias", b"prompt=x&model=alias"),
        (b"/v1/completions?model=sel&x", b"prompt=x", b"/v1/completions?model=alias&x", b"prompt=x"),
    ],
)
async def test_a_form_has_its_model_exchanged_where_it_stands(
    open_yard: OpenYard, wire: Any, target: bytes, body: bytes, target_told: bytes, body_told: bytes
) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, n=1, ready="m", models=MODELS, config=NAMES) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(ask(b"POST", target, b"Content-Type: application/x-www-form-urlencoded", body=body))
        peer = await up.accept()
        request = await peer.request()
        assert (request.target, request.body) == (target_told, body_told)
        peer.send(OK)
        assert (await client.response()).status == 200


@pytest.mark.parametrize("size", [10, 3_000_000], ids=["in memory", "on disk"])
async def test_a_multipart_form_has_its_model_exchanged_and_nothing_else(open_yard: OpenYard, wire: Any, size: int) -> None:
    form = (
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="model"\r\nContent-Type: audio/wav\r\n\r\n%s\r\n'
        b'--B\r\nContent-Disposition: form-data; name="model"\r\n\r\n%s\r\n--B--\r\n'
    )
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, n=1, ready="m", models=MODELS, config=NAMES) as yard,
        wire.connect(yard.port) as client,
    ):
        yard.gateway.state.activate("work")
        peer: Any = None
        for name in (b"pinned", b"by-sel", b"sel"):
            body = form % (b"x" * size, name)
            client.send(
                ask(b"POST", b"/v1/audio/transcriptions", b"Content-Type: multipart/form-data; boundary=B", body=body)
            )
            peer = peer or await up.accept()
            assert (await peer.request()).body == form % (b"x" * size, b"alias")
            peer.send(OK)
            assert (await client.response()).status == 200
        assert reserved(yard, "sel") == [0]


@pytest.mark.parametrize(
    ("path", "again"),
    [
        (b"/props", ask(b"GET", b"/props?model=spill", b"Content-Length: 0")),
        (b"/v1/completions", ask(b"POST", b"/v1/completions?model=spill", b"Content-Type: text/plain", body=b"x")),
    ],
)
async def test_a_query_that_a_connection_repeats_is_chosen_for_anew(
    open_yard: OpenYard, wire: Any, path: bytes, again: bytes
) -> None:
    """Heads that repeat are parsed once, and one that has been chosen for must not pass for the client's own."""
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, n=up.port, ready="m n", models=MODELS, config=NAMES) as yard,
        wire.connect(yard.port) as client,
    ):
        peers: list[Any] = []
        for model in (b"m", b"n", b"m", b"n"):  # equally busy, so they take turns
            client.send(again)
            if len(peers) < 2:
                peers.append(await up.accept())
            peer = peers[0 if model == b"m" else 1]
            assert (await peer.request()).target == path + b"?model=" + model
            peer.send(OK)
            assert (await client.response()).status == 200
            assert reserved(yard, "spill") == [0, 0]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (b"/upstream/pinned/a%2Fb?x=/", b"/a%2Fb?x=/"),
        (b"/upstream/by-sel//v1", b"//v1"),
        (b"/upstream/sel/v1/models", b"/v1/models"),
        (b"/upstream/deep%2Fpin/v1", b"/v1"),
        (b"/upstream/n/v1", b"/v1"),
    ],
)
async def test_a_path_leads_to_the_other_model_and_the_body_stays(
    open_yard: OpenYard, wire: Any, path: bytes, told: bytes
) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, n=1, ready="m", models=MODELS, config=NAMES) as yard,
        wire.connect(yard.port) as client,
    ):
        yard.gateway.state.activate("work")
        client.send(ask(b"POST", path, body=b'{"model":"sel"}'))
        peer = await up.accept()
        request = await peer.request()
        assert (request.target, request.body) == (told, b'{"model":"sel"}')
        peer.send(OK)
        assert (await client.response()).status == 200


async def test_a_bare_name_is_redirected_to_what_stands_for_it_without_choosing(open_yard: OpenYard, wire: Any) -> None:
    async with open_yard(m=1, n=1, models=MODELS, config=NAMES) as yard, wire.connect(yard.port) as client:
        yard.gateway.state.activate("work")
        for bare, location in ((b"pinned?a=b", b"/upstream/alias/?a=b"), (b"spill", b"/upstream/spill/")):
            client.send(ask(b"GET", b"/upstream/" + bare))
            assert (await client.response()).one(b"location") == location
        assert reserved(yard, "spill") == [0, 0]
        assert yard.processes == []


async def test_parameters_go_by_the_name_that_a_pin_or_selector_wrote(open_yard: OpenYard, wire: Any) -> None:
    filters = Filters(set_params_by_id={"alias": {"effort": "low"}, "sel": {"effort": "wrong"}})
    models = {"m": Model(cmd="x", aliases=("alias",), use_model_name="theirs", filters=filters), "n": MODELS["n"]}
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, n=1, ready="m", models=models, config=NAMES) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(chat("sel"))
        peer = await up.accept()
        assert json.loads((await peer.request()).body) == {"model": "theirs", "effort": "low"}
        peer.send(OK)
        assert (await client.response()).status == 200


@pytest.mark.parametrize(
    "request_of_a_disabled_model",
    [chat("off"), ask(b"GET", b"/props?model=off"), ask(b"GET", b"/upstream/off/v1"), ask(b"GET", b"/upstream/off")],
)
async def test_a_disabled_model_is_a_404_that_says_why(
    open_yard: OpenYard, wire: Any, request_of_a_disabled_model: bytes
) -> None:
    async with open_yard(m=1, n=1, models=MODELS, config=NAMES) as yard, wire.connect(yard.port) as client:
        yard.gateway.state.activate("work")
        client.send(request_of_a_disabled_model)
        answer = await client.response()
        error = json.loads(answer.body)["error"]
        assert (answer.status, error["code"]) == (404, "model_not_found")
        assert '"off" is disabled by profile "work"' in error["message"]


async def test_without_a_profile_pins_mean_nothing(open_yard: OpenYard, wire: Any) -> None:
    async with open_yard(m=1, n=1, models=MODELS, config=NAMES) as yard, wire.connect(yard.port) as client:
        for profile in (None, "work", None):
            yard.gateway.state.activate(profile)
            assert yard.gateway.state.profile == profile
        client.send(chat("pinned"), ask(b"GET", b"/upstream/pinned/x"))
        assert (await client.response()).status == 404
        assert (await client.response()).status == 404


async def test_what_is_no_choice_costs_one_look(open_yard: OpenYard) -> None:
    async with open_yard(m=1) as yard:
        assert not yard.gateway.state.has_choices
    async with open_yard(m=1, n=1, models=MODELS, config=NAMES | {"selectors": {}}) as yard:
        seen = []
        for profile in (None, "work", None):
            yard.gateway.state.activate(profile)
            seen.append(yard.gateway.state.has_choices)
        assert seen == [False, True, False]


async def test_an_unknown_name_is_compared_with_selectors_too(open_yard: OpenYard, wire: Any) -> None:
    async with open_yard(m=1, n=1, models=MODELS, config=NAMES) as yard, wire.connect(yard.port) as client:
        client.send(chat("spil"))
        assert 'did you mean "spill"' in json.loads((await client.response()).body)["error"]["message"]


# --- how long a reservation lasts ---


async def test_a_reservation_lasts_until_the_answer_is_whole(open_yard: OpenYard, wire: Any) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, n=up.port, ready="m n", models=MODELS, config=NAMES) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(chat("spill"))
        peer = await up.accept()
        await peer.request()
        handler = next(iter(yard.server.connections)).handler
        assert isinstance(handler, exchange.Exchange)
        assert (handler.selector, reserved(yard, "spill")) == ("spill", [1, 0])
        peer.send(UNFINISHED)
        await client.until(b"four")
        assert reserved(yard, "spill") == [1, 0]
        peer.send(b"-more")
        assert await client.exactly(5) == b"-more"
        assert reserved(yard, "spill") == [0, 0]
        assert handler.selector == "spill"  # for whoever records the request afterwards


@pytest.mark.parametrize("when", ["waiting", "sent", "answering"])
async def test_a_client_that_leaves_gives_its_reservation_back(open_yard: OpenYard, wire: Any, when: str) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, n=1, models=MODELS, config=NAMES) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(chat("spill"))
        process = await yard.started()
        assert reserved(yard, "spill") == [1, 0]
        if when != "waiting":
            process.become_ready()
            peer = await up.accept()
            await peer.request()
        if when == "answering":
            peer.send(UNFINISHED)
            await client.until(b"four")
        client.reset()
        await yard.settled()
        assert reserved(yard, "spill") == [0, 0]


async def test_errors_and_refusals_give_reservations_back(open_yard: OpenYard, wire: Any) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, n=1, models=MODELS, config=NAMES, policy={"limit": 1}) as yard,
        wire.connect(yard.port) as client,
        wire.connect(yard.port) as other,
    ):
        client.send(chat("only"))
        process = await yard.started()
        other.send(chat("only"))  # more than the limit, and no other target
        assert (await other.response()).status == 429
        assert reserved(yard, "only") == [1]
        process.exit(StartError("it died"))
        assert (await client.response()).status == 502
        assert reserved(yard, "only") == [0]

        await yard.load("m")
        client.send(chat("only"))
        peer = await up.accept()
        await peer.request()
        peer.send(UNFINISHED)
        await client.until(b"four")
        peer.close()
        await client.gone()
        assert reserved(yard, "only") == [0]


async def test_a_path_that_loads_nothing_gives_the_reservation_back(open_yard: OpenYard, wire: Any) -> None:
    async with open_yard(m=1, n=1, models=MODELS, config=NAMES) as yard, wire.connect(yard.port) as client:
        client.send(ask(b"GET", b"/upstream/only/app.js"))  # never loads a model
        assert (await client.response()).status == 409
        assert reserved(yard, "only") == [0]


async def test_a_full_target_spills_over_to_one_that_is_free(open_yard: OpenYard, wire: Any) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=1, n=up.port, ready="n", models=MODELS, config=NAMES, policy={"limit": 1}) as yard,
        wire.connect(yard.port) as direct,
        wire.connect(yard.port) as client,
    ):
        direct.send(chat("m"))  # not through the selector, and yet it counts
        await yard.started()
        client.send(chat("spill"))
        peer = await up.accept()
        assert (await peer.request()).body == b'{"model":"n"}'
        peer.send(OK)
        assert (await client.response()).status == 200
        direct.reset()


async def test_after_a_failed_start_the_next_request_goes_elsewhere(open_yard: OpenYard, wire: Any) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=1, n=up.port, models=MODELS, config=NAMES) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(chat("spill"))
        (await yard.started()).exit(StartError("it died"))
        assert (await client.response()).status == 502
        client.send(chat("spill"))
        process = await yard.started()
        assert process.model == "n"
        process.become_ready()
        peer = await up.accept()
        await peer.request()
        peer.send(OK)
        assert (await client.response()).status == 200


async def test_a_run_that_takes_no_connections_keeps_the_reservation_while_it_is_tried_again(
    open_yard: OpenYard, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_chances, "REQUEUE_AFTER", (0.01,) * 200)
    port = wire.free_port()
    async with (
        open_yard(m=port, n=1, ready="m", models=MODELS, config=NAMES) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(chat("only"))
        async with asyncio.timeout(10):
            while len(yard.engine.arrivals) < 3:
                assert reserved(yard, "only")[0] <= 1
                await asyncio.sleep(0.001)
        assert reserved(yard, "only") == [1]
        async with wire.scripted(port) as up:
            peer = await up.accept()
            await peer.request()
            peer.send(OK)
            assert (await client.response()).status == 200
        assert reserved(yard, "only") == [0]


# --- websockets ---


@pytest.mark.parametrize("ignored", [True, False])
async def test_a_websocket_holds_its_reservation_unless_it_is_ignored(open_yard: OpenYard, wire: Any, ignored: bool) -> None:
    models = MODELS | {"m": Model(cmd="x", compat=Compat(ignore_websockets=ignored))}
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, n=1, ready="m", models=models, config={"selectors": ONLY}) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(ask(b"GET", b"/upstream/only/ws", *UPGRADE))
        peer = await up.accept()
        await peer.head()
        peer.send(SWITCH)
        await client.head()
        assert (reserved(yard, "only"), yard.served) == (([0], 0) if ignored else ([1], 1))
        client.close()
        await peer.gone()
        peer.close()
        async with asyncio.timeout(10):
            while reserved(yard, "only") != [0]:
                await asyncio.sleep(0.001)


async def test_an_ignored_websocket_to_a_cold_target_is_a_409_and_leaves_nothing_reserved(
    open_yard: OpenYard, wire: Any
) -> None:
    models = MODELS | {"m": Model(cmd="x", compat=Compat(ignore_websockets=True))}
    async with (
        open_yard(m=1, models=models, n=1, config={"selectors": ONLY}) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(ask(b"GET", b"/upstream/only/ws", *UPGRADE))
        assert (await client.response()).status == 409
        assert reserved(yard, "only") == [0]
        assert yard.processes == []
