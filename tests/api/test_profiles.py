"""/api/profiles, and what an active profile adds to the listing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from swapyard.config.schema import Config, Model, Peer, Profile, Selector

if TYPE_CHECKING:
    from tests.api.conftest import Yard

PROFILES = {"work": Profile(description="d", pins={"z": "m", "a": ""}), "Home": Profile(pins={"z": "m"})}


@pytest.fixture
def yard(yard: Yard) -> Yard:
    yard.config = Config(models={"m": Model()}, profiles=PROFILES)
    return yard


async def test_profiles_are_listed_by_id_with_their_pins(yard: Yard) -> None:
    answer = await yard.get("/api/profiles")
    assert answer.body == (
        b'{"active":null,"profiles":[{"id":"Home","description":"","pins":{"z":"m"}},'
        b'{"id":"work","description":"d","pins":{"a":"","z":"m"}}]}\n'
    )


async def test_without_profiles_the_list_is_empty(yard: Yard) -> None:
    yard.config = Config()
    assert (await yard.get("/api/profiles")).json == {"active": None, "profiles": []}


@pytest.mark.parametrize("none", ["null", '""'])
async def test_a_profile_is_switched_on_and_off(yard: Yard, none: str) -> None:
    on = await yard.ask("PUT", "/api/profiles/active", body=b'{"name":"work"}')
    assert (on.status, on.body) == (200, b'{"active":"work"}\n')
    assert (await yard.get("/api/profiles")).json["active"] == "work"
    off = await yard.ask("PUT", "/api/profiles/active", body=b'{"name":%s}' % none.encode())
    assert (off.status, off.body) == (200, b'{"active":null}\n')
    assert yard.profile is None


@pytest.mark.parametrize(
    "body", [b' \n{"name":"work","more":1}', b'{"name":"work"} and more', b'\xef\xbb\xbf{"name":"work"}']
)
async def test_what_counts_is_the_first_json_value(yard: Yard, body: bytes) -> None:
    assert (await yard.ask("PUT", "/api/profiles/active", body=body)).status == 200
    assert yard.profile == "work"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no object"),
        (b'"work"', "no object"),
        (b"{}", '"name" is missing'),
        (b'{"Name":"work"}', '"name" is missing'),
        (b"null", '"name" is missing'),
        (b'{"name":1}', "neither text nor null"),
        (b'{"name":["work"]}', "neither text nor null"),
        (b'{"name":false}', "neither text nor null"),
    ],
)
async def test_what_cannot_be_read_is_a_400_and_changes_nothing(yard: Yard, body: bytes, told: str) -> None:
    yard.profile = "Home"
    answer = await yard.ask("PUT", "/api/profiles/active", body=body)
    assert answer.status == 400
    assert told in answer.json["error"]["message"]
    assert yard.profile == "Home"


async def test_an_unknown_profile_is_a_404_and_changes_nothing(yard: Yard) -> None:
    yard.profile = "Home"
    answer = await yard.ask("PUT", "/api/profiles/active", body=json.dumps({"name": "wrok"}).encode())
    assert answer.status == 404
    assert answer.json["error"]["message"] == 'there is no profile "wrok"; did you mean "work"?'
    assert yard.profile == "Home"


async def test_other_methods_are_told_what_is_allowed(yard: Yard) -> None:
    assert (await yard.get("/api/profiles/active")).headers["allow"] == "PUT"


async def test_what_is_about_one_model_takes_no_selector_and_names_its_targets(yard: Yard) -> None:
    yard.config = Config(
        models={"m": Model(), "n": Model()}, selectors={"sel": Selector(strategy="warm", targets=("m", "n"))}
    )
    for path in ("/api/models/unload/sel", "/api/models/load/sel"):
        answer = await yard.post(path)
        assert (answer.status, answer.json["error"]["code"]) == (404, "model_not_found")
        assert answer.json["error"]["message"] == '"sel" is a selector; name one of its models: m, n'
    assert yard.unloaded == []


# --- the listing -------------------------------------------------------------------------------------------------------


async def test_pins_of_the_active_profile_that_add_a_name_are_listed(yard: Yard) -> None:
    hidden = dict.fromkeys(("m", "secret", "al", "p/x", "x", "sel", "off"), "m")
    yard.config = Config(
        models={"m": Model(aliases=("al",)), "secret": Model(unlisted=True)},
        peers={"p": Peer(proxy="http://p", models=("x", "both")), "q": Peer(proxy="http://q", models=("both",))},
        selectors={"sel": Selector(strategy="pin", targets=("m",), unlisted=True)},
        profiles={"one": Profile(pins=hidden | {"off": "", "both": "m", "bb": "sel"}), "two": Profile(pins={"z": "m"})},
    )
    yard.states = {"m": "ready"}
    without = [record["id"] for record in (await yard.get("/v1/models")).json["data"]]
    assert without == ["m", "p/both", "p/x", "q/both"]
    yard.profile = "one"
    records = (await yard.get("/v1/models")).json["data"]
    assert [record["id"] for record in records] == ["bb", "both", *without]
    assert records[0] == {
        "id": "bb",
        "object": "model",
        "created": 1_700_000_000,
        "owned_by": "swapyard",
        "meta": {"llamaswap": {"type": "profile"}},
        "status": {"value": "unloaded"},
    }
    assert (await yard.get("/v1/models/bb")).json == records[0]
    assert (await yard.get("/v1/models/z")).status == 404
    yard.profile = "two"
    assert [record["id"] for record in (await yard.get("/v1/models")).json["data"]] == [*without, "z"]


async def test_a_profile_that_the_listing_does_not_know_yet_adds_nothing(yard: Yard) -> None:
    """A reload may come between the making of a listing and its use."""
    yard.profile = "new"
    assert [record["id"] for record in (await yard.get("/v1/models")).json["data"]] == ["m"]
    assert (await yard.get("/v1/models/m")).status == 200
