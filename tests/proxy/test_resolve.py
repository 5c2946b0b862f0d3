"""From names and /upstream/ paths to models and peers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapyard.config.schema import Config, Model, Peer, Profile
from swapyard.errors import ModelNotFound
from swapyard.proxy.resolve import LONGEST_SHOWN, Kind, Names, Passage, Resolved, upstream_location

CONFIG = Config(
    models={
        "llama": Model(aliases=("gpt-4", "both", "author/alias")),
        "author/model": Model(),
        "author": Model(),
        "a b": Model(),
        "größe": Model(),
        "hidden-llama": Model(unlisted=True, aliases=("hidden-alias",)),
        "id-wins": Model(),
        "owner": Model(aliases=("id-wins",)),
    },
    peers={
        "p": Peer(proxy="http://p", models=("remote", "shared", "both", "p/full", "remote")),
        "q": Peer(proxy="http://q", models=("shared", "q-only", "x/y")),
        "p/p": Peer(proxy="http://r", models=("other",)),
        "z": Peer(proxy="http://z", models=("p/remote",)),
    },
)

NAMES = Names(CONFIG)


def local(model: str, requested: str | None = None) -> Resolved:
    return Resolved(Kind.LOCAL, model, requested or model)


def remote(peer: str, model: str, requested: str) -> Resolved:
    return Resolved(Kind.PEER, model, requested, peer)


@pytest.mark.parametrize(
    ("name", "resolved"),
    [
        ("llama", local("llama")),
        ("gpt-4", local("llama", "gpt-4")),
        ("author/model", local("author/model")),
        ("id-wins", local("id-wins")),
        ("both", local("llama", "both")),
        ("p/both", remote("p", "both", "p/both")),
        ("p/remote", remote("p", "remote", "p/remote")),  # a full name beats z's bare one
        ("z/p/remote", remote("z", "p/remote", "z/p/remote")),
        ("remote", remote("p", "remote", "remote")),
        ("q-only", remote("q", "q-only", "q-only")),
        ("x/y", remote("q", "x/y", "x/y")),
        ("p/p/full", remote("p", "p/full", "p/p/full")),
        ("shared", None),  # two peers offer it
        ("p/shared", remote("p", "shared", "p/shared")),
        ("LLAMA", None),
        (" llama", None),
        ("", None),
    ],
)
def test_resolution_order(name: str, resolved: Resolved | None) -> None:
    assert NAMES.resolve(name) == resolved


def test_full_names_for_logs() -> None:
    assert local("llama", "gpt-4").full_name == "llama"
    assert remote("p", "remote", "remote").full_name == "p/remote"


# --- unknown names ---


def test_an_unknown_name_is_told_with_the_nearest_ones() -> None:
    with pytest.raises(ModelNotFound) as caught:
        NAMES.require("lama")
    assert caught.value.nearest == ("llama",)
    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"
    assert caught.value.message == 'model "lama" is not known here; did you mean "llama"?'


def test_a_name_that_a_profile_knows_is_told_with_it() -> None:
    profiles = {
        "day": Profile(pins={"coder": "llama"}),
        "off": Profile(pins={"coder": ""}),
        "night": Profile(pins={"coder": "llama"}),
    }
    names = Names(Config(models={"llama": Model(), "code": Model()}, profiles=profiles))
    with pytest.raises(ModelNotFound) as caught:
        names.require("coder")
    assert caught.value.message == 'model "coder" is not known here without the profile "day" or "night"'


def test_nothing_near_is_no_hint() -> None:
    assert NAMES.nearest("zzzzzzzzzzzz") == []
    assert NAMES.nearest("") == []
    assert Names(Config()).nearest("llama") == []


def test_equally_near_names_come_in_the_order_of_the_configuration() -> None:
    names = Names(Config(models={"model-b": Model(), "model-a": Model(), "model-c": Model(), "model-d": Model()}))
    assert names.nearest("model-x") == ["model-b", "model-a", "model-c"]


def test_case_does_not_hide_likeness_and_three_are_enough() -> None:
    names = Names(Config(models={name: Model() for name in ("Qwen3-1", "qwen3-2", "qwen3-3", "qwen3-4")}))
    assert names.nearest("QWEN3-1")[0] == "Qwen3-1"
    assert len(names.nearest("qwen3")) == 3


def test_unlisted_models_are_not_given_away() -> None:
    assert NAMES.resolve("hidden-llama") is not None
    assert not {"hidden-llama", "hidden-alias"} & {*NAMES.nearest("hidden-lama"), *NAMES.nearest("hidden-alia")}


def test_hints_among_ten_thousand_models() -> None:
    names = Names(Config(models={f"model-{number:05}": Model() for number in range(10_000)} | {"mistral-7b": Model()}))
    assert names.nearest("mistal-7b")[0] == "mistral-7b"
    assert names.nearest("Model_01234")[0] == "model-01234"
    assert names.nearest("x" * 1_000_000) == []


def test_a_very_long_name_is_cut_in_the_answer() -> None:
    with pytest.raises(ModelNotFound) as caught:
        NAMES.require("n" * 1_000_000)
    assert len(caught.value.message) < LONGEST_SHOWN + 100


@given(st.text(max_size=300))
def test_any_name_can_be_asked_for(name: str) -> None:
    assert len(NAMES.nearest(name)) <= 3


# --- /upstream/ ---


@pytest.mark.parametrize(
    ("raw", "model", "name", "rest"),
    [
        (b"llama/v1/models", "llama", "llama", b"/v1/models"),
        (b"llama/", "llama", "llama", b"/"),
        (b"llama", "llama", "llama", b""),
        (b"gpt-4/x", "llama", "gpt-4", b"/x"),
        (b"author/model/x", "author/model", "author/model", b"/x"),
        (b"author/model", "author/model", "author/model", b""),
        (b"author/other/x", "author", "author", b"/other/x"),
        (b"author%2Fmodel/x", "author/model", "author/model", b"/x"),
        (b"author%2fmodel", "author/model", "author/model", b""),
        (b"author%2Fmodel%2Fx/y", "author/model", "author/model", b"/x/y"),
        (b"author%2Fother%2Fx", "author", "author", b"/other%2Fx"),
        (b"author/alias/x", "llama", "author/alias", b"/x"),
        (b"p/remote/v1", "remote", "p/remote", b"/v1"),
        (b"remote/v1", "remote", "remote", b"/v1"),
        (b"z/p/remote/v1", "p/remote", "z/p/remote", b"/v1"),
        (b"a%20b/x", "a b", "a b", b"/x"),
        (b"gr%C3%B6%C3%9Fe/x", "größe", "größe", b"/x"),
        ("größe/x".encode(), "größe", "größe", b"/x"),
        (b"%6Clama/x", "llama", "llama", b"/x"),
        (b"/llama/x", "llama", "llama", b"/x"),
        (b"author//model/x", "author/model", "author/model", b"/x"),
        (b"llama//x", "llama", "llama", b"//x"),
        (b"llama/a%2Fb/%252F/%20?", "llama", "llama", b"/a%2Fb/%252F/%20?"),
        (b"llama/%zz/%", "llama", "llama", b"/%zz/%"),
        (b"llama%2F", "llama", "llama", b"/"),
        (b"llama/\xff", "llama", "llama", b"/\xff"),
    ],
)
def test_upstream_paths(raw: bytes, model: str, name: str, rest: bytes) -> None:
    passage = NAMES.split_upstream(raw)
    assert passage is not None
    assert passage == (name, rest)
    assert NAMES.require(passage.name).model == model


@pytest.mark.parametrize(
    "raw", [b"", b"/", b"unknown/x", b"shared/x", b"llamax/", b"\xff/x", b"author%252Fmodel/x", b"x/llama"]
)
def test_upstream_paths_without_a_known_name(raw: bytes) -> None:
    assert NAMES.split_upstream(raw) is None


@given(st.binary(max_size=60).filter(lambda rest: not rest.startswith(b"%2")))
def test_the_rest_keeps_its_bytes(rest: bytes) -> None:
    assert NAMES.split_upstream(b"a%20b/" + rest) == Passage("a b", b"/" + rest)


def test_where_a_bare_name_is_redirected_to() -> None:
    assert upstream_location("author/model") == b"/upstream/author/model/"
    assert upstream_location("a b?#%", b"x=1&y") == b"/upstream/a%20b%3F%23%25/?x=1&y"
    assert upstream_location("größe") == b"/upstream/gr%C3%B6%C3%9Fe/"
    assert upstream_location("m\r\nX: y") == b"/upstream/m%0D%0AX:%20y/"


@pytest.mark.parametrize(
    ("rest", "ignored"),
    [("/app.js", True), ("/a/b.css", True), ("/v1/models", False), ("/x.js/y", False), ("/x.js\n", False), ("/", False)],
)
def test_ignored_paths_by_default(rest: str, ignored: bool) -> None:
    assert NAMES.ignored(rest) is ignored


def test_ignored_paths_as_configured() -> None:
    names = Names(Config(ignore_paths=("^/static/", "favicon")))
    assert names.ignored("/static/x")
    assert names.ignored("/a/favicon.ico")
    assert not names.ignored("/a/static/x.js")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"lama/v1/models", 'model "lama" is not known here; did you mean "llama"?'),
        (b"lama", 'model "lama" is not known here; did you mean "llama"?'),
        (b"%6Cama/v1?", 'model "lama" is not known here; did you mean "llama"?'),
        (b"zzzzzzzz/v1/models", 'model "zzzzzzzz/v1/models" is not known here'),
        (b"", "the path names no model: it has to be /upstream/<model>/<path>"),
        (b"/", "the path names no model: it has to be /upstream/<model>/<path>"),
    ],
)
def test_an_unknown_name_in_a_path_is_told_without_what_follows_it(raw: bytes, message: str) -> None:
    error = NAMES.unknown_in_path(raw)
    assert (error.status, error.param, error.message) == (404, "model", message)
