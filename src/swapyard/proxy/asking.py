"""Who is wanted: what a request says (a body, a form, a query, a path), what stands for that name, and which model that is.

Each function here takes a request as far as it is known and returns a `Wish`: the model, and the request as its server is
to get it, so that it asks for just that one. All of them raise RequestError, and then nothing stays reserved. A wish's
choice is released by whoever holds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from swapyard.errors import UnsupportedEncoding
from swapyard.http.headers import RequestHead
from swapyard.proxy.body import Asked, BodyKind, read, read_query
from swapyard.proxy.endpoints import Endpoint
from swapyard.proxy.resolve import Passage, Resolved
from swapyard.proxy.rewrite import rename, rename_query, replace_model, replace_query_model
from swapyard.proxy.selectors import Choice
from swapyard.proxy.state import ProxyState
from swapyard.proxy.upload import Upload


class Wish(Struct, gc=False):
    """`choice`: what a pin or a selector put in the place of the name. `stream`: the client asked for a stream."""

    wanted: Resolved
    head: RequestHead
    body: bytes = b""
    choice: Choice | None = None
    stream: bool = False


def wish_of_body(state: ProxyState, head: RequestHead, body: bytes) -> Wish:
    """A JSON body, or a form that is held in memory."""
    known = head.known
    if b"content-encoding" in known:
        _refuse_encoded(head)
    asked = read(known.get(b"content-type"), body, head.query)
    if asked.kind is not BodyKind.JSON:
        return _wish_of_form(state, head, asked, body, None)
    if state.has_choices and (choice := state.choose(asked.model)) is not None:
        with _kept(choice):
            wanted = state.names.require(choice.name)
            body = state.edit(wanted, replace_model(body, choice.name))
        return Wish(wanted, head, body, choice, asked.stream)
    wanted = state.names.require(asked.model)
    return Wish(wanted, head, state.edit(wanted, body), None, asked.stream)


def wish_of_upload(state: ProxyState, head: RequestHead, upload: Upload) -> Wish:
    """A form that is kept on disk, whole by now."""
    _refuse_encoded(head)
    return _wish_of_form(state, head, upload.asked(head.query), b"", upload)


def wish_of_query(state: ProxyState, head: RequestHead) -> Wish:
    name = read_query(head.query).model
    choice = state.choose(name) if state.has_choices else None
    with _kept(choice):
        wanted = state.names.require(name if choice is None else choice.name)
        query = head.query if choice is None else replace_query_model(head.query, choice.name)
        if wanted.peer is not None:
            query = rename_query(query, wanted.model)
    return Wish(wanted, head if query == head.query else head.with_query(query), choice=choice)


def wish_of_passage(state: ProxyState, endpoint: Endpoint, head: RequestHead, passage: Passage) -> Wish:
    """`/upstream/<model>/<rest>`, `/comfyui/<rest>`: nothing of the request changes."""
    choice = state.select(passage.name)
    with _kept(choice):
        wanted = state.names.require(passage.name if choice is None else choice.name)
        state.check_load(endpoint, wanted, passage.rest)
    return Wish(wanted, head, choice=choice)


def _wish_of_form(state: ProxyState, head: RequestHead, asked: Asked, body: bytes, upload: Upload | None) -> Wish:
    choice = state.choose(asked.model) if state.has_choices else None
    with _kept(choice):
        wanted = state.names.require(asked.model if choice is None else choice.name)
        name = state.name_sent(wanted)
        query = head.query
        if name != asked.model or query:  # else it says so already
            if upload is not None:
                upload.rename(name)
                query = rename_query(query, name)
            else:
                content_type = head.known.get(b"content-type")
                body, query = rename(asked.kind, name, content_type=content_type, body=body, raw_query=query)
    if query != head.query:
        head = head.with_query(query)
    return Wish(wanted, head, body, choice, asked.stream)


@contextmanager
def _kept(choice: Choice | None) -> Iterator[None]:
    """Releases the choice where what follows fails."""
    try:
        yield
    except BaseException:
        if choice is not None:
            choice.release()
        raise


def _refuse_encoded(head: RequestHead) -> None:
    encoding = head.known.get(b"content-encoding", b"identity")
    if encoding != b"identity":
        raise UnsupportedEncoding(encoding.decode("latin-1"))
