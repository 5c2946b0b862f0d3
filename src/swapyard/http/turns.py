"""The words of the client side: who answers a request, and the states that a client connection can be in."""

from __future__ import annotations

from enum import Enum
from typing import Final, Protocol

from swapyard.http.headers import Headers


class Handler(Protocol):
    """Answers one request. Called by its connection, never after `gone`."""

    def start(self) -> None:
        """The head is known and it is this request's turn."""

    def body(self, data: bytes) -> None: ...

    def end(self, trailers: Headers) -> None:
        """The request is complete. (Of a websocket: the client has half-closed.)"""

    def gone(self) -> None:
        """The client has left before the response was finished."""

    def pause(self) -> None:
        """The client's socket is full: send no more until `resume`."""

    def resume(self) -> None: ...


class Turn(Enum):
    """Where the request stands whose turn it is."""

    IDLE = "no request is here"
    RECEIVING = "its handler answers, and the rest of its body is still to come"
    ANSWERING = "its handler answers; the request is complete"
    DISCARDING = "the response is out; the rest of the request is read and dropped"
    BETWEEN = "the next one is here and begins in another turn of the loop, or when the socket has drained"
    OVER = "no request will have a turn on this connection any more"


class Input(Enum):
    """What becomes of the bytes that come."""

    PARSED = "they are requests"
    HELD = "they stand behind a websocket handshake that is not answered yet"
    RAW = "they are a websocket's and go to the handler as they are"
    DROPPED = "they have no meaning any more"


# Members as plain names, because the attribute of an Enum costs as much as a method call and these are read all the time.
IDLE: Final = Turn.IDLE
RECEIVING: Final = Turn.RECEIVING
ANSWERING: Final = Turn.ANSWERING
DISCARDING: Final = Turn.DISCARDING
BETWEEN: Final = Turn.BETWEEN
OVER: Final = Turn.OVER
PARSED: Final = Input.PARSED
HELD: Final = Input.HELD
RAW: Final = Input.RAW
DROPPED: Final = Input.DROPPED
