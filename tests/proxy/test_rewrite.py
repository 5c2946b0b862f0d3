"""Filters and the replacement of a model's name: what changes, and that nothing else does."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapyard.config.schema import Config, Filters, Model, Peer
from swapyard.errors import BadRequest
from swapyard.proxy.rewrite import Edits, filter_problems, open_object, replace_model, replace_query_model


def edited(body: bytes, requested: str = "m", **settings: Any) -> bytes:
    use_model_name = settings.pop("use_model_name", "")
    edits = Edits.compile(Model(use_model_name=use_model_name, filters=Filters(**settings)))
    return body if edits is None else edits.apply(body, requested)


def put(body: bytes, path: str, value: Any) -> bytes:
    return edited(body, set_params={path: value})


def strip(body: bytes, *paths: str) -> bytes:
    return edited(body, strip_params=paths)


# --- the four settings and their order ---


def test_nothing_configured_is_nothing_to_do() -> None:
    assert Edits.compile(Model()) is None
    assert Edits.compile(Peer(proxy="http://p", models=("m",))) is None
    assert Edits.compile(Model(filters=Filters(set_params_by_id={"a": {}}))) is None


def test_use_model_name() -> None:
    assert edited(b'{"x":1, "model":"m" ,"y":2}', use_model_name="org/real") == b'{"x":1,"model":"org/real","y":2}'


def test_the_order_is_name_strip_set_set_by_id() -> None:
    body = b'{"model":"alias","a":1,"b":1,"c":1,"d":1}'
    settings: dict[str, Any] = {
        "use_model_name": "real",
        "strip_params": ("a", "b"),
        "set_params": {"b": 2, "c": 2, "d": 2},
        "set_params_by_id": {"alias": {"c": 3, "e": 3}, "m": {"d": 3}},
    }
    assert json.loads(edited(body, "alias", **settings)) == {"model": "real", "b": 2, "c": 3, "d": 2, "e": 3}
    assert json.loads(edited(body, "m", **settings)) == {"model": "real", "b": 2, "c": 2, "d": 3}


def test_by_id_goes_by_the_requested_name_only() -> None:
    assert edited(b'{"model":"m" }', "m", set_params_by_id={"other": {"a": 1}}) == b'{"model":"m" }'


def test_peers_have_filters_but_no_name_to_use() -> None:
    edits = Edits.compile(Peer(proxy="http://p", models=("m",), filters=Filters(set_params={"a": 1})))
    assert edits is not None
    assert edits.apply(b'{"model":"m"}', "p/m") == b'{"model":"m","a":1}'


def test_paths_are_applied_in_ascending_order() -> None:
    assert edited(b"{}", set_params={"b": 1, "a.z": 1, "a": {"y": 1}}) == b'{"a":{"y":1,"z":1},"b":1}'
    assert strip(b'{"l":[0,1,2,3]}', "l.1", "l.0") == b'{"l":[1,3]}'


# --- paths ---


@pytest.mark.parametrize(
    ("body", "path", "value", "result"),
    [
        (b"{}", "a", 1, b'{"a":1}'),
        (b'{"a":0,"b":2}', "a", 1, b'{"a":1,"b":2}'),
        (b"{}", "a.b.c", 1, b'{"a":{"b":{"c":1}}}'),
        (b'{"a":{"b":0,"x":1}}', "a.b", 1, b'{"a":{"b":1,"x":1}}'),
        (b'{"a":5}', "a.b", 1, b'{"a":{"b":1}}'),
        (b'{"a":"s"}', "a.b", 1, b'{"a":{"b":1}}'),
        (b'{"a":null}', "a.0", 1, b'{"a":{"0":1}}'),
        (b'{"l":[0,1,2]}', "l.1", 9, b'{"l":[0,9,2]}'),
        (b'{"l":[0]}', "l.3", 9, b'{"l":[0,null,null,9]}'),
        (b"{}", "l.1", 9, b'{"l":[null,9]}'),
        (b'{"l":{}}', "l.1", 9, b'{"l":{"1":9}}'),
        (b'{"l":[0]}', "l.-1", 9, b'{"l":[0,9]}'),
        (b"{}", "l.-1", 9, b'{"l":[9]}'),
        (b'{"l":{}}', "l.-1", 9, b'{"l":{"-1":9}}'),
        (b"{}", "a.:7", 9, b'{"a":{"7":9}}'),
        (b'{"a":{"7":1}}', "a.:7", 9, b'{"a":{"7":9}}'),
        (b"{}", "7", 9, b'{"7":9}'),
        (b"{}", "-1", 9, b'{"-1":9}'),
        (b"{}", "esc\\.key", 9, b'{"esc.key":9}'),
        (b'{"l":[{"a":1},{"a":2}]}', "l.1.a", 9, b'{"l":[{"a":1},{"a":9}]}'),
        (b'{"l":[]}', "l.-1.a", 9, b'{"l":[{"a":9}]}'),
        (b'{"l":[]}', "l.1.a", 9, b'{"l":[null,{"a":9}]}'),
        (b'{"l":[5]}', "l.0.a", 9, b'{"l":[{"a":9}]}'),
        (b"{}", "l.0.0", 9, b'{"l":[[9]]}'),
        (b'{"l":[1]}', "l.name", 9, b'{"l":[1]}'),  # a name has no place in an array: left alone
        (b'{"l":[1]}', "l.:0", 9, b'{"l":[1]}'),
        (b'{"l":[[1]]}', "l.3.0.:1", 9, b'{"l":[[1],null,null,[{"1":9}]]}'),
        (b'{"l":[[1]]}', "l.0.x", 9, b'{"l":[[1]]}'),
        (b"{}", "ctx", None, b'{"ctx":null}'),
        (b"{}", "v", {"b": [1, 2.5, "x"], "a": {"d": True, "c": None}}, b'{"v":{"a":{"c":null,"d":true},"b":[1,2.5,"x"]}}'),
        (
            b"{}",
            "logit_bias",
            {15043: 1, "b": 2, True: 3, 1.5: [{None: 4}]},
            b'{"logit_bias":{"1.5":[{"null":4}],"15043":1,"b":2,"true":3}}',
        ),
        (b"{}", "größe", "ü", '{"größe":"ü"}'.encode()),
    ],
)
def test_setting(body: bytes, path: str, value: Any, result: bytes) -> None:
    assert put(body, path, value) == result


@pytest.mark.parametrize(
    ("body", "path", "result"),
    [
        (b'{"a":1,"b":2}', "a", b'{"b":2}'),
        (b'{"a":{"b":1,"c":2}}', "a.b", b'{"a":{"c":2}}'),
        (b'{"l":[0,1,2]}', "l.1", b'{"l":[0,2]}'),
        (b'{"l":[0,1,2]}', "l.-1", b'{"l":[0,1]}'),
        (b'{"l":[{"a":1,"b":2}]}', "l.0.a", b'{"l":[{"b":2}]}'),
        (b'{"l":[{"a":1},{"a":2}]}', "l.-1.a", b'{"l":[{"a":1},{}]}'),
        (b'{"esc.key":1}', "esc\\.key", b"{}"),
        (b'{"7":1}', "7", b"{}"),
        (b'{"a":{"-1":1}}', "a.-1", b'{"a":{}}'),
    ],
)
def test_stripping(body: bytes, path: str, result: bytes) -> None:
    assert strip(body, path) == result


@pytest.mark.parametrize("path", ["z", "a.z", "a.b.c", "l.9", "l.x", "l.-1.x", "e.-1", "e.0", "s.0", "l.0.0.0"])
def test_stripping_what_is_not_there_leaves_the_body_as_it_is(path: str) -> None:
    body = b'{ "a" : {"b" : 1}, "l":[[],2],  "e":[ ], "s":"x" }\n'
    assert strip(body, path) is body


@pytest.mark.parametrize(
    "path", ["model", ":model", "model.x", "mo\\del", "a*", "a?", "#", "@x", "a|b", "", "a.99999999999"]
)
def test_what_has_no_effect_never_fails_a_request(path: str) -> None:
    body = b'{"model":{"x":1}, "a":[1]}'
    assert strip(body, path) is body
    assert put(body, path, 9) == body


def test_what_has_no_effect_is_found_in_the_configuration() -> None:
    config = Config(
        models={"m": Model(filters=Filters(strip_params=("a*", "fine"), set_params_by_id={"n": {":model": 1, "b": 2}}))},
        peers={"p": Peer(proxy="http://p", models=("x",), filters=Filters(set_params={"": 1}))},
    )
    assert filter_problems(config) == [
        'models.m.filters.stripParams: "a*" has no effect: "*" makes it a pattern; write "\\*" for the character itself',
        'models.m.filters.setParamsByID.n: ":model" has no effect: no filter may change the model (useModelName does)',
        'peers.p.filters.setParams: "" is empty',
    ]


# --- what stays ---


def test_untouched_values_keep_their_bytes() -> None:
    body = b'{"model" : "m", "t":1.0e+00 , "big":12345678901234567890.10, "o": { "b" :1,\n"a":"\\u00e9\\/" }, "k":{"x": 0 }}'
    assert (
        put(body, "k.y", 1)
        == b'{"model":"m","t":1.0e+00,"big":12345678901234567890.10,"o":{ "b" :1,\n"a":"\\u00e9\\/" },"k":{"x":0,"y":1}}'
    )


def test_of_a_key_that_occurs_twice_the_last_value_stays() -> None:
    assert put(b'{"a":1,"b":2,"a":3}', "c", 4) == b'{"a":3,"b":2,"c":4}'
    assert strip(b'{"a":1,"b":2,"a":3}', "a") == b'{"b":2}'


def test_a_byte_order_mark_goes_with_an_edit() -> None:
    assert put(b'\xef\xbb\xbf{"a":1}', "b", 2) == b'{"a":1,"b":2}'


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"a":', b"\xff", b"{" * 100_000, b'{"\xff":1}'])
def test_a_body_that_cannot_be_edited_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest):
        put(body, "a", 1)
    with pytest.raises(BadRequest):
        replace_model(body, "n")


# --- against a naive implementation ---

NAMES = ["a", "b", "model", "7", "-1", "x.y", "é", ":c", "back\\slash", ""]
SCALAR_TEXTS = ["0", "-1.0e+3", "1E400", "true", "null", '"s"', '"\\u0061\\/"', '"é"', "12345678901234567890"]


@st.composite
def spelled(draw: st.DrawFn, depth: int = 3) -> str:
    """JSON text with blank space and spellings that no encoder would write."""
    space = st.sampled_from(["", " ", "\n", "\t"])
    kind = draw(st.sampled_from(["scalar", "list", "object"])) if depth else "scalar"
    if kind == "scalar":
        return draw(st.sampled_from(SCALAR_TEXTS))
    items = [draw(space) + draw(spelled(depth - 1)) + draw(space) for _ in range(draw(st.integers(0, 3)))]
    if kind == "list":
        return "[" + ",".join(items or [draw(space)]) + "]"
    keys = draw(st.lists(st.sampled_from(NAMES), min_size=len(items), max_size=len(items), unique=True))
    return "{" + ",".join(json.dumps(k) + draw(space) + ":" + v for k, v in zip(keys, items, strict=True)) + "}"


Component = tuple[str, int | None]  # a name, and its meaning as an index
COMPONENTS: st.SearchStrategy[Component] = st.one_of(
    st.sampled_from(NAMES[:3] + NAMES[5:]).map(lambda name: (name, None)),
    st.sampled_from([("0", 0), ("1", 1), ("4", 4), ("-1", -1)]),
    st.sampled_from([("7", None), ("-1", None), ("0", None)]),
)


def written(components: list[Component]) -> str:
    parts = []
    for name, index in components:
        text = "".join("\\" + c if c in ".\\*?#@|" else c for c in name)
        if index is None and (name in {"7", "-1", "0"} or name.startswith(":")):
            text = ":" + text
        parts.append(text)
    return ".".join(parts)


class DoesNotFitError(Exception):
    pass


def naive_put(value: Any, components: list[Component], new: Any, *, at_top: bool = False) -> Any:
    if not components:
        return new
    (name, index), *rest = components
    if value is ... and index is not None and not at_top:
        value = []
    if isinstance(value, list):
        if index is None:
            raise DoesNotFitError
        at = len(value) if index == -1 else index
        child = naive_put(value[at] if at < len(value) else ..., rest, new)
        value = value + [None] * (at + 1 - len(value))
        value[at] = child
        return value
    value = dict(value) if isinstance(value, dict) else {}
    value[name] = naive_put(value.get(name, ...), rest, new)
    return value


def naive_strip(value: Any, components: list[Component]) -> None:
    *parents, (name, index) = components
    for step, (parent, place) in enumerate(parents):
        if isinstance(value, dict) and parent in value:
            value = value[parent]
        elif isinstance(value, list) and place is not None and step and -len(value) <= place < len(value) and value:
            value = value[place]
        else:
            return
    if isinstance(value, dict):
        value.pop(name, None)
    elif isinstance(value, list) and index is not None and -len(value) <= index < len(value):
        del value[index]


def naive(value: Any, strips: list[list[Component]], puts: list[tuple[list[Component], Any]]) -> Any:
    for components in sorted(strips, key=written):
        if components[0][0] != "model":
            naive_strip(value, components)
    for components, new in sorted(puts, key=lambda edit: written(edit[0])):
        if components[0][0] != "model":
            try:
                value = naive_put(copy.deepcopy(value), components, new, at_top=True)
            except DoesNotFitError:
                continue
    return value


PATHS = st.lists(COMPONENTS, min_size=1, max_size=4).filter(lambda components: written(components) != "")
NEW_VALUES = st.sampled_from([None, 1, "new", [1], {"b": {"c": 1}}, {}])


@given(
    spelled().filter(lambda text: text.startswith("{")),
    st.lists(PATHS, max_size=3, unique_by=written),
    st.lists(st.tuples(PATHS, NEW_VALUES), max_size=3, unique_by=lambda edit: written(edit[0])),
)
def test_edits_agree_with_a_naive_implementation(
    text: str, strips: list[list[Component]], puts: list[tuple[list[Component], Any]]
) -> None:
    result = edited(
        text.encode(), strip_params=tuple(map(written, strips)), set_params={written(path): new for path, new in puts}
    )
    assert json.loads(result) == naive(json.loads(text), strips, puts)
    before, after = open_object(text.encode()), open_object(result)
    touched = {path[0][0] for path in [*strips, *(path for path, _ in puts)]} - {"model"}
    untouched = [(key, bytes(value)) for key, value in before.items() if key not in touched]
    assert [(key, bytes(value)) for key, value in after.items() if key not in touched] == untouched
    assert all(value in text.encode() for _, value in untouched)


# --- replacing the model's name ---


@pytest.mark.parametrize(
    ("body", "result"),
    [
        (b'{"model":"a","x":1}', b'{"model":"new","x":1}'),
        (b'{ "x" : 1.0, "model"\n: "a" , "y":[ ] }\n', b'{ "x" : 1.0, "model"\n: "new" , "y":[ ] }\n'),
        (b'{"t":[{"model":"a"}],"model":"a"}', b'{"t":[{"model":"a"}],"model":"new"}'),
        (b'{"model":"a","t":[{"model":"a"}]}', b'{"model":"new","t":[{"model":"a"}]}'),
        (b'{"t":{"model":"a"},"model":"a","u":{"model":"a"}}', b'{"t":{"model":"a"},"model":"new","u":{"model":"a"}}'),
        (b'{"t":{"model":"a"}, "model": "a" }', b'{"t":{"model":"a"}, "model": "new" }'),
        (b'{"t":{"model":"a"},"mod\\u0065l":"a"}', b'{"t":{"model":"a"},"model":"new"}'),
        (b'{"t":"\\"model\\":\\"a\\"","model":"a"}', b'{"t":"\\"model\\":\\"a\\"","model":"new"}'),
        (b'{"t":{"model":12},"model":1}', b'{"t":{"model":12},"model":"new"}'),
        (b'{"x":1}', b'{"x":1,"model":"new"}'),
        (b"{}", b'{"model":"new"}'),
        (b'{"model":null}', b'{"model":"new"}'),
        (b'{"model":"new" }', b'{"model":"new" }'),
        (b'\xef\xbb\xbf{"model":"a"}', b'{"model":"new"}'),
    ],
)
def test_replacing_the_model(body: bytes, result: bytes) -> None:
    assert replace_model(body, "new") == result


def test_a_name_is_written_as_json() -> None:
    assert replace_model(b'{"model":"a"}', 'q"\\\u00fc') == '{"model":"q\\"\\\\ü"}'.encode()


@given(spelled().filter(lambda text: text.startswith("{")))
def test_replacing_changes_the_model_and_nothing_else(text: str) -> None:
    told = json.loads(text)
    replaced = json.loads(replace_model(text.encode(), "new"))
    assert replaced == {**told, "model": "new"}


@pytest.mark.parametrize(
    ("query", "result"),
    [
        (b"model=a", b"model=new%2Fb%20c"),
        (b"z=%7e&model=a&a=1+2&&b", b"z=%7e&model=new%2Fb%20c&a=1+2&&b"),
        (b"model=a&x=1&m%6fdel=b", b"model=new%2Fb%20c&x=1"),
        (b"x=1", b"x=1&model=new%2Fb%20c"),
        (b"", b"model=new%2Fb%20c"),
    ],
)
def test_replacing_the_model_of_a_query(query: bytes, result: bytes) -> None:
    assert replace_query_model(query, "new/b c") == result


def test_a_query_name_is_percent_encoded() -> None:
    assert replace_query_model(b"model=a", "é&=#") == b"model=%C3%A9%26%3D%23"
