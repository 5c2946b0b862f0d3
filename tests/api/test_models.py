"""GET /v1/models and what belongs to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from swapyard.api import models
from swapyard.api.answers import encode
from swapyard.config.schema import Capabilities, Config, Model, Peer, Selector

if TYPE_CHECKING:
    from tests.api.conftest import Yard


async def test_an_empty_configuration_lists_nothing(yard: Yard) -> None:
    answer = await yard.get("/v1/models")
    assert answer.body == b'{"object":"list","data":[]}\n'
    assert answer.headers["content-type"] == "application/json"


async def test_a_plain_model_has_these_fields_and_no_others(yard: Yard) -> None:
    yard.config = Config(models={"m": Model()})
    assert (await yard.get("/v1/models")).json["data"] == [
        {
            "id": "m",
            "object": "model",
            "created": 1_700_000_000,
            "owned_by": "swapyard",
            "meta": {"llamaswap": {"type": "model"}},
            "status": {"value": "unloaded"},
        }
    ]


async def test_both_paths_give_the_same_bytes_sorted_by_id_as_bytes(yard: Yard) -> None:
    yard.config = Config(models={"b": Model(), "ä": Model(), "a/x": Model(), "B": Model()})
    answer = await yard.get("/v1/models")
    assert [model["id"] for model in answer.json["data"]] == ["B", "a/x", "b", "ä"]
    assert (await yard.get("/models")).body == answer.body


async def test_capabilities_are_told_in_every_dialect_and_win_over_metadata(yard: Yard) -> None:
    can = Capabilities(
        in_=("text", "image", "audio"), out=("text", "image", "audio"), tools=True, reranker=True, context=8192
    )
    metadata = {
        "type": "mine",
        "architecture": "x",
        "capabilities": 1,
        "supported_parameters": 2,
        "context_length": 3,
        "kept": 4,
    }
    yard.config = Config(
        models={"m": Model(name=" M ", description=" d ", capabilities=can, metadata=metadata, aliases=("al",))}
    )
    (record,) = (await yard.get("/v1/models")).json["data"]
    assert record == {
        "id": "m",
        "object": "model",
        "created": 1_700_000_000,
        "owned_by": "swapyard",
        "name": "M",
        "description": "d",
        "architecture": {
            "input_modalities": ["text", "image", "audio"],
            "output_modalities": ["text", "image", "audio"],
            "modality": "text+image+audio->text+image+audio",
        },
        "capabilities": {
            "vision": True,
            "audio_transcriptions": True,
            "audio_speech": True,
            "image_generation": True,
            "image_to_image": True,
            "function_calling": True,
            "reranker": True,
        },
        "supported_parameters": ["tools", "tool_choice"],
        "context_length": 8192,
        "meta": {"llamaswap": {"aliases": ["al"], "kept": 4, "type": "model"}, "n_ctx": 8192},
        "status": {"value": "unloaded"},
    }


async def test_only_what_was_configured_of_the_modalities_is_told(yard: Yard) -> None:
    yard.config = Config(
        models={"eyes": Model(capabilities=Capabilities(in_=("image",))), "none": Model(capabilities=Capabilities())}
    )
    eyes, none = (await yard.get("/v1/models")).json["data"]
    assert eyes["architecture"] == {"input_modalities": ["image"]}
    assert eyes["capabilities"] == {"vision": True}
    assert not {"architecture", "capabilities", "supported_parameters", "context_length"} & none.keys()


async def test_metadata_without_a_capabilities_block_stays_whole(yard: Yard) -> None:
    yard.config = Config(models={"m": Model(metadata={"architecture": {"z": 1, "a": 2}})})
    (record,) = (await yard.get("/v1/models")).json["data"]
    assert record["meta"]["llamaswap"] == {"architecture": {"a": 2, "z": 1}, "type": "model"}


async def test_the_status_is_told_as_llama_cpps_router_does(yard: Yard) -> None:
    yard.config = Config(models={name: Model(cmd=f"serve '{name} x' --key s3cret") for name in "abcdefg"})
    yard.states = {"a": "starting", "b": "ready", "c": "stopping", "f": "starting"}
    yard.failures = {"d": "exited with code 3", "f": "an earlier run", "g": "not known"}
    yard.exit_codes = {"d": 3, "e": -15}
    data = (await yard.get("/models")).json["data"]
    assert [model["status"] for model in data] == [
        {"value": "loading", "args": ["serve", "a x", "--key", "***"]},
        {"value": "loaded", "args": ["serve", "b x", "--key", "***"]},
        {"value": "unloaded"},
        {"value": "unloaded", "failed": True, "exit_code": 3},
        {"value": "unloaded"},
        {"value": "loading", "args": ["serve", "f x", "--key", "***"]},
        {"value": "unloaded", "failed": True},
    ]


async def test_a_command_that_no_posix_shell_reads_is_not_told(yard: Yard) -> None:
    yard.config = Config(models={"m": Model(cmd="serve C:\\it's")})
    yard.states = {"m": "ready"}
    assert (await yard.get("/v1/models/m")).json["status"] == {"value": "loaded"}


async def test_unlisted_models_and_their_aliases_are_hidden_but_can_be_asked_for(yard: Yard) -> None:
    yard.config = Config(models={"m": Model(unlisted=True, aliases=("al",))}, include_aliases_in_list=True)
    assert (await yard.get("/v1/models")).json["data"] == []
    assert (await yard.get("/v1/models/m")).json["meta"]["llamaswap"]["type"] == "model"
    assert (await yard.get("/v1/models/al")).json["meta"]["llamaswap"] == {"type": "alias", "modelID": "m"}


async def test_aliases_are_listed_when_wanted_like_their_model(yard: Yard) -> None:
    model = Model(name="N", metadata={"k": 1}, aliases=("al ", " "))
    yard.config = Config(models={"m": model}, include_aliases_in_list=True)
    yard.states = {"m": "ready"}
    alias, _ = (await yard.get("/v1/models")).json["data"]
    assert (alias["id"], alias["name"], alias["status"]) == ("al", "N", {"value": "loaded", "args": []})
    assert alias["meta"]["llamaswap"] == {"k": 1, "type": "alias", "modelID": "m"}

    yard.config = Config(models={"m": model})
    assert [entry["id"] for entry in (await yard.get("/v1/models")).json["data"]] == ["m"]


async def test_peers_models_carry_their_full_name_and_are_never_loaded(yard: Yard) -> None:
    yard.config = Config(peers={"p": Peer(proxy="http://x", models=("big/one", "big/one"))})
    (record,) = (await yard.get("/v1/models")).json["data"]
    assert (record["id"], record["name"]) == ("p/big/one", "p: big/one")
    assert record["meta"] == {"llamaswap": {"type": "peer", "peerID": "p"}}
    assert record["status"] == {"value": "unloaded"}
    assert (await yard.get("/v1/models/p/big/one")).json == record
    assert (await yard.get("/v1/models/big/one")).json == record


async def test_selectors_are_loaded_when_a_target_that_counts_is(yard: Yard) -> None:
    targets = ("alias-of-a", "b", "p/x")
    yard.config = Config(
        models={"a": Model(aliases=("alias-of-a",)), "b": Model()},
        peers={"p": Peer(proxy="http://x", models=("x",))},
        selectors={
            "s-hidden": Selector(strategy="warm", targets=targets, unlisted=True),
            "s-pin": Selector(strategy="pin", targets=targets),
            "s-spill": Selector(strategy="spillover", targets=targets, spillover=3, metadata={"k": 1}, name="S"),
        },
    )
    yard.states = {"b": "ready"}
    data = {entry["id"]: entry for entry in (await yard.get("/v1/models")).json["data"]}
    assert "s-hidden" not in data
    assert (await yard.get("/v1/models/s-hidden")).status == 200
    told = {"type": "selector", "strategy": "spillover", "targets": list(targets), "spillover": 3, "k": 1}
    assert data["s-spill"]["meta"]["llamaswap"] == told
    assert data["s-spill"]["status"]["value"] == "loaded"
    assert "spillover" not in data["s-pin"]["meta"]["llamaswap"]
    assert data["s-pin"]["status"]["value"] == "unloaded"
    yard.states = {"a": "starting"}
    assert (await yard.get("/v1/models/s-pin")).json["status"]["value"] == "loading"
    yard.failures = {"b": "died"}
    assert (await yard.get("/v1/models/s-spill")).json["status"]["value"] == "loading"
    yard.states = {}
    assert (await yard.get("/v1/models/s-spill")).json["status"] == {"value": "unloaded", "failed": True}


async def test_one_model_by_a_name_with_slashes_however_it_is_encoded(yard: Yard) -> None:
    yard.config = Config(models={"author/a model:Q4": Model()})
    for path in ("author/a%20model:Q4", "author%2Fa%20model%3AQ4"):
        answer = await yard.get(f"/v1/models/{path}")
        assert (answer.status, answer.json["id"]) == (200, "author/a model:Q4")


async def test_an_unknown_model_is_a_404_that_names_the_nearest(yard: Yard) -> None:
    yard.config = Config(models={"llama-3-8b": Model()})
    answer = await yard.get("/v1/models/llama-3-8B-x", origin="https://page.example")
    assert answer.status == 404
    error = answer.json["error"]
    assert error["code"] == "model_not_found"
    assert "llama-3-8B-x" in error["message"]
    assert "llama-3-8b" in error["message"]
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_the_listing_follows_a_reload(yard: Yard) -> None:
    yard.config = Config(models={"old": Model()})
    await yard.get("/v1/models")
    yard.config = Config(models={"new": Model()})
    assert [entry["id"] for entry in (await yard.get("/v1/models")).json["data"]] == ["new"]


async def test_the_listing_can_be_read_by_the_page_that_asks(yard: Yard) -> None:
    answer = await yard.get("/v1/models", origin="https://page.example")
    assert answer.headers["access-control-allow-origin"] == "https://page.example"
    assert answer.headers["vary"] == "Origin"
    assert "access-control-allow-origin" not in (await yard.get("/v1/models")).headers


async def test_records_are_encoded_once_per_configuration(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[object] = []

    def counting(record: object) -> bytes:
        encoded.append(record)
        return encode(record)

    monkeypatch.setattr(models, "encode", counting)
    yard.config = Config(models={"a": Model(), "b": Model(), "c": Model()})
    first = await yard.get("/v1/models")
    yard.states = {"a": "ready"}
    second = await yard.get("/v1/models")
    assert len(encoded) == 3
    assert first.body.replace(b'"unloaded"', b'"loaded","args":[]', 1) == second.body
