"""What is fuzzed: each target takes any bytes and raises for nothing but a bug.

Every target knows more than that nothing crashes: two ways of saying the same must mean the same, what is taken must mean
the same to a reader that was written from the standard alone, and what is written must read back. `make fuzz`
(tools/fuzz.py) makes up inputs, `test_corpus.py` replays those that are kept.
"""

from __future__ import annotations

import importlib.util
import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from swapyard.config.command import split_command
from swapyard.config.load import loads
from swapyard.config.render import to_yaml
from swapyard.config.schema import Config, Filters, Model
from swapyard.core.matrix import MatrixError, MatrixSets
from swapyard.errors import BadRequest, ConfigError
from swapyard.proxy.body import BodyKind, pairs, read
from swapyard.proxy.endpoints import find, tidy
from swapyard.proxy.forms import FormScanner, places_to_rename, replaced
from swapyard.proxy.paths import check_path, parse_path
from swapyard.proxy.resolve import Names
from swapyard.proxy.rewrite import Edits, replace_model


def load_stage() -> Any:
    name = "swapyard_tests_http_stage"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "http" / "http_stage.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


stage = load_stage()

# --- HTTP ---


def requests(data: bytes) -> None:
    """The first byte says how the rest is cut: however that is, and whatever came before, it means the same."""
    size, text = (data[0] or 1) if data else 1, data[1:]
    whole = stage.ClientStage().feed(text)
    stage.check_requests(text, whole.requests)
    cut = stage.ClientStage().feed(*(text[at : at + size] for at in range(0, len(text), size)))
    assert cut.outcome == whole.outcome
    if whole.requests and whole.requests[0].trailers is not None:
        read = stage.reference_request(text)
        first = text[: len(text) - len(read.rest)]
        again = stage.ClientStage().feed(first)
        if not again.is_over:
            again.feed(text)
            assert (again.requests[1:], again.ends[1:], again.is_over) == whole.outcome


def responses(data: bytes) -> None:
    """The first byte says how the rest is cut, and whether it answers HEAD."""
    size, text = ((data[0] & 127) or 1) if data else 1, data[1:]
    head_only = bool(data and data[0] & 128)
    read = stage.reference_response(text, head_only=head_only)
    if read is not None and read.rest and not read.rest.strip(b"\r\n"):
        return  # line ends behind a response: a matter of taste
    whole = stage.outcome(stage.UpstreamStage().ask(head_only=head_only).feed(text))
    stage.check_response(text, *whole, head_only=head_only)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    cut = stage.outcome(stage.UpstreamStage().ask(head_only=head_only).feed(*pieces))
    assert cut == whole
    seen = stage.UpstreamStage().ask(head_only=head_only).feed(text)
    if seen.is_kept:
        assert stage.outcome(seen.ask(head_only=head_only).feed(text)) == whole


# --- what a request says about itself ---

CONTENT_TYPES = (b"application/json", b"text/plain", b"application/x-www-form-urlencoded", None, b"")


def bodies(data: bytes) -> None:
    """The first byte chooses the content type; a line end divides the query from the body."""
    content_type = CONTENT_TYPES[data[0] % len(CONTENT_TYPES)] if data else None
    query, _, body = data[1:].partition(b"\n")
    try:
        asked = read(content_type, body, query)
    except BadRequest as error:
        error.message.encode()
        return
    assert asked.model
    if asked.kind is BodyKind.JSON:
        check_json(body, asked.model, asked.stream)
    else:
        assert dict(pairs(body)) or dict(pairs(query))


def check_json(body: bytes, model: str, stream: bool) -> None:
    text = python_reads(body)
    assert isinstance(text, dict)
    if isinstance(text["model"], str):
        assert text["model"] == model
    if isinstance(text.get("stream", False), bool):
        assert text.get("stream", False) == stream


def forms(data: bytes) -> None:
    """The first byte says how the form is cut. What is renamed reads back, and nothing else has changed."""
    size, body = (data[0] or 1) if data else 1, data[1:]
    boundary = body.removeprefix(b"--").partition(b"\r\n")[0]
    content_type = b'multipart/form-data; boundary="%s"' % boundary
    whole, cut = scan(content_type, [body]), scan(content_type, [body[at : at + size] for at in range(0, len(body), size)])
    assert (whole is None) == (cut is None)
    if whole is None:
        return
    assert whole == cut
    for field in whole:
        assert body[field.start : field.end] == field.value
    places = places_to_rename(whole, b"other")
    renamed = replaced(body, 0, places, b"other")
    again = scan(content_type, [renamed])
    assert again is not None
    assert {field.value for field in again if field.name == b"model"} <= {b"other"}
    assert [field.name for field in again] == [field.name for field in whole]
    pieces = [replaced(body[at : at + size], at, places, b"other") for at in range(0, len(body), size)]
    assert b"".join(pieces) == renamed


def scan(content_type: bytes, pieces: list[bytes]) -> Any:
    """The fields; None where it is no form."""
    try:
        scanner = FormScanner(content_type)
        for piece in pieces:
            scanner.feed(piece)
        scanner.finish()
    except BadRequest as error:
        error.message.encode()
        return None
    return scanner.fields


def rewrites(data: bytes) -> None:
    """A path, a line end, a body that says a model: what is set can be read back, what no edit touches keeps its value."""
    path, _, body = data.partition(b"\n")
    name = path.decode(errors="replace")
    keys, fault = parse_path(name), check_path(name)
    edits = Edits.compile(Model(cmd="x", filters=Filters(strip_params=("gone",), set_params={name: {"new": [1, None]}})))
    assert keys
    assert edits is not None
    try:
        read(b"application/json", body, b"")
    except BadRequest as error:
        error.message.encode()
        return
    edited = edits.apply(body, "m")
    before, after = python_reads(body), python_reads(edited)
    if len(keys) == 1 and not fault:
        assert after[keys[0].name] == {"new": [1, None]}
    assert after.get("model") == before.get("model")
    untouched = before.keys() - {"gone", keys[0].name}
    assert {key: after[key] for key in untouched} == {key: before[key] for key in untouched}
    assert python_reads(replace_model(body, "other")) == before | {"model": "other"}


def python_reads(body: bytes) -> Any:
    return json.loads(body.removeprefix(b"\xef\xbb\xbf").decode(errors="replace"))


# --- configuration ---


def commands(data: bytes) -> None:
    """Splitting never fails, and what a shell would quote comes back as it was."""
    text = data.decode(errors="replace")
    for platform in ("linux", "win32"):
        for argument in split_command(text, platform):
            assert isinstance(argument, str)
    words = [word for word in text.replace("\\\n", "").split("\0") if "\n" not in word and not word.lstrip().startswith("#")]
    assert split_command("run " + " ".join(shlex.quote(word) for word in words), "linux") == ["run", *words]


MODELS = ("a", "b", "c", "d")


def matrices(data: bytes) -> None:
    """Lines are sets. Whatever is allowed to run together is allowed without one of it, and the best choice is allowed."""
    lines = data.decode(errors="replace").split("\n")[:6]
    expressions = {f"s{at}": line for at, line in enumerate(lines)}
    try:
        sets = MatrixSets.parse(expressions, {"v": "a"}, MODELS)
    except MatrixError:
        return
    for chosen in range(16):
        models = [model for at, model in enumerate(MODELS) if chosen >> at & 1]
        if models and sets.allows(models):
            assert all(sets.allows([other for other in models if other != model]) for model in models)
    for target in MODELS:
        choice = sets.best(target, [model for model in MODELS if model != target], {})
        assert set(choice.evicted) <= set(MODELS) - {target}


def configurations(data: bytes) -> None:
    """What is taken is printed and reads back as the same; what is refused is told with file and line."""
    text = data.decode(errors="replace")
    try:
        loaded = loads(text, environ={"HOME": "/home/x"}, platform="linux")
    except ConfigError as error:
        lost = [problem for problem in error.problems if "config.yaml" not in problem]
        if lost or not error.problems:
            raise AssertionError(f"refused without a place: {lost}") from error
        return
    printed = to_yaml(loaded.config)
    again = loads(printed, platform="linux").config
    assert without_ports(again) == without_ports(loaded.config)


def without_ports(config: Config) -> Config:
    models = {name: msgspec.structs.replace(model, port=None) for name, model in config.models.items()}
    return msgspec.structs.replace(config, models=models)


# --- paths ---

NAMES = Names(Config(models={name: Model(cmd="x") for name in ("m", "org/m", "a/b/c", "ä", "x y", "..", "%")}))


def paths(data: bytes) -> None:
    """Tidying ends, and climbs nowhere; below /upstream/ the rest is the client's own bytes."""
    text = data.decode("latin-1")
    clean = tidy(text if text.startswith("/") else "/" + text)
    if clean is not None:
        assert tidy(clean) is None, clean
        assert clean.startswith("/")
        assert not clean.startswith(("//", "/\\"))
        assert not {".", ".."} & set(clean.split("/"))
    find("GET", text)
    passage = NAMES.split_upstream(data)
    if passage is not None:
        assert passage.rest == b"" or passage.rest.startswith(b"/")
        assert data.endswith(passage.rest[1:])
        assert passage.name in ("m", "org/m", "a/b/c", "ä", "x y", "..", "%")


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (requests, responses, bodies, forms, rewrites, commands, matrices, configurations, paths)
}
