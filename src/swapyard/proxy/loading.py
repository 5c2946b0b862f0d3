"""What a client hears while its streaming request waits for a model with `sendLoadingState`.

A chat completion whose model is not ready is answered at once: 200, an event stream, and the loading text
(`proxy.loading_text`). Every other event stream gets comments, which clients skip, and only after `FIRST_COMMENT` seconds:
until then a load may be over, and the model's own status and headers are kept. Refusals (429, ...) always come first.

    PENDING   nothing is sent; the exchange goes on as if there were none of this
    TELLING   the stream has begun; the model is waited for
    ASKED     the model is asked; comments keep the connection alive until it answers
    REFUSED   it answered with something that is no event stream: collected, to be told as an error event
    OVER      its event stream is passed on, or the end has been told

What is told here goes straight to the client and never through `Exchange.data`, where the model's answer passes: whoever
records answers or counts tokens there sees none of it. Timers of the loop only, no task; whoever leaves ends them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol

import msgspec

from swapyard.errors import RequestError
from swapyard.http.headers import Headers, RequestHead, ResponseHead
from swapyard.http.server import ClientConnection
from swapyard.proxy import heads
from swapyard.proxy.loading_text import TICK, Narrator, chunk, seconds_for, typed
from swapyard.proxy.stream_ends import last_events, refused_events, unexpected

CHAT: Final = "/v1/chat/completions"
# Rows of the endpoint table whose `stream: true` asks for an event stream. (Speech is streamed as sound.)
EVENT_STREAMS: Final = frozenset(
    {
        CHAT,
        "/v1/completions",
        "/v1/responses",
        "/v1/messages",
        "/completion",
        "/infill",
        "/v1/images/generations",
        "/v1/images/edits",
        "/v1/audio/transcriptions",
        "/v/chat/completions",
        "/v/completions",
        "/v/responses",
        "/v/messages",
    }
)
FIRST_COMMENT = 5.0  # seconds of waiting
COMMENTS_APART = 10.0  # seconds; proxies on the way give up silent connections after 30 or 60
MOST_OF_A_REFUSAL = 64 * 1024  # bytes of an answer that is not passed on

_HEADERS: Final[Headers] = [
    (b"Content-Type", b"text/event-stream"),
    (b"Cache-Control", b"no-cache"),
    (b"X-Accel-Buffering", b"no"),
    (b"Access-Control-Allow-Origin", b"*"),
]


class Stage(Enum):
    PENDING = "pending"
    TELLING = "telling"
    ASKED = "asked"
    REFUSED = "refused"
    OVER = "over"


class Out(Protocol):
    """Who takes the answer's body: the client, or what keeps it from the client."""

    def write(self, data: bytes) -> None: ...
    def flush(self) -> None: ...
    def finish(self, trailers: Headers | None = None) -> None: ...
    def break_off(self, last_words: bytes = b"") -> None: ...


class Asker(Protocol):
    """The exchange that waits."""

    def place(self) -> int | None:
        """In the queue, from 1; None where a load is under way for it."""

    def abandon(self, error: RequestError) -> None:
        """Gives the upstream up and fails with `error`."""


class WaitingStream:
    """Of one exchange. `path`: the row's, which says whose API it is. `narrated`: the loading text, not comments."""

    __slots__ = (
        "_asker",
        "_body",
        "_client",
        "_loop",
        "_model",
        "_narrator",
        "_path",
        "_pieces",
        "_refusal",
        "_stage",
        "_timer",
        "_typing",
        "narrated",
    )

    def __init__(
        self,
        asker: Asker,
        client: ClientConnection,
        loop: asyncio.AbstractEventLoop,
        *,
        model: str,
        path: str,
        narrated: bool,
    ) -> None:
        self._asker = asker
        self._client = client
        self._loop = loop
        self._model = model
        self._path = path
        self.narrated = narrated
        self._stage = Stage.PENDING
        self._timer: asyncio.TimerHandle | None = None  # of the next tick or comment
        self._typing: asyncio.TimerHandle | None = None  # of the next piece
        self._narrator: Narrator | None = None
        self._pieces: deque[str] = deque()
        self._refusal = 0  # the status of what is collected in `_body`
        self._body = bytearray()

    # --- what happens to the exchange ---

    def wait(self) -> None:
        """It waits (again). Nothing is sent within the call: the engine may still be about to refuse it."""
        if self._stage is Stage.PENDING:
            self._stop_timers()
            self._timer = self._loop.call_later(0 if self.narrated else FIRST_COMMENT, self._begin)

    def granted(self, head: RequestHead) -> RequestHead:
        """Its model is ready. Returns the head to ask it with: compressed bytes would not fit behind our plain ones."""
        if self._stage is Stage.PENDING:
            self._stop_timers()
            return head
        if self._stage is Stage.TELLING:
            self._stage = Stage.ASKED
            self._conclude(well=True)
            self._restart(COMMENTS_APART, self._comment)
        fields = [field for field in head.fields if field[0] != b"accept-encoding"]
        return head.with_fields([*fields, (b"accept-encoding", b"Accept-Encoding", b"identity")])

    def answered(self, head: ResponseHead) -> Out | None:
        """The upstream's response begins. Returns who takes its body, or None where the client has heard nothing yet."""
        self._stop_timers()
        if self._stage is Stage.PENDING:
            self._stage = Stage.OVER
            return None
        self._type_the_rest()
        if 200 <= head.status < 300 and head.event_stream and not heads.is_encoded(head):
            self._stage = Stage.OVER
            return self._client
        self._stage = Stage.REFUSED
        self._refusal = head.status
        return self

    def fail(self, error: RequestError) -> bool:
        """Tells the error and ends the stream. False where that is not for this stream to do: it has not begun, or the
        model's answer is passing."""
        self._stop_timers()
        if self._stage in (Stage.PENDING, Stage.OVER):
            return False
        if self._stage is Stage.TELLING:
            self._conclude(well=False)
        self._end(last_events(error, self._path))
        return True

    def gone(self) -> None:
        """The client has left."""
        self._stage = Stage.OVER
        self._stop_timers()

    # --- a refused answer (`Out`) ---

    def write(self, data: bytes) -> None:
        self._body += data
        if len(self._body) > MOST_OF_A_REFUSAL:
            self._asker.abandon(unexpected(self._refusal, bytes(self._body), self._model))

    def flush(self) -> None: ...

    def finish(self, trailers: Headers | None = None) -> None:
        self._end(refused_events(self._refusal, bytes(self._body), self._model, self._path))

    def break_off(self, last_words: bytes = b"") -> None:
        self.finish()

    # --- telling ---

    def _begin(self) -> None:
        self._timer = None
        self._stage = Stage.TELLING
        self._client.begin(200, _HEADERS, length=None)
        if self.narrated:
            self._narrator = Narrator(self._model, self._loop.time())
            self._say(self._narrator.opening())
            self._restart(TICK, self._tick)
        else:
            self._comment()

    def _tick(self) -> None:
        self._restart(TICK, self._tick)
        if self._narrator is not None and not self._pieces:  # else it is still typing
            self._say(self._narrator.progress(self._loop.time(), self._asker.place()))

    def _comment(self) -> None:
        self._restart(COMMENTS_APART, self._comment)
        model = msgspec.json.encode(self._model)  # on one line, whatever the name is
        place = self._asker.place()
        what = b"for the answer of" if self._stage is Stage.ASKED else b"for model"
        where = b"" if place is None else b", #%d in the queue" % place
        self._send(b": waiting %b %b%b\n\n" % (what, model, where))

    def _say(self, text: str) -> None:
        self._pieces.extend(typed(text))
        if self._typing is None:
            self._type()

    def _type(self) -> None:
        piece = self._pieces.popleft()
        self._typing = self._loop.call_later(seconds_for(piece), self._type) if self._pieces else None
        self._send(chunk(piece))

    def _type_the_rest(self) -> None:
        """At once: nothing of ours may come behind what follows."""
        if self._pieces:
            self._send(b"".join(map(chunk, self._pieces)))
            self._pieces.clear()

    def _conclude(self, *, well: bool) -> None:
        if self._narrator is not None:
            self._say(self._narrator.closing(self._loop.time(), well=well))

    def _end(self, events: bytes) -> None:
        self._stop_timers()
        self._stage = Stage.OVER
        self._type_the_rest()
        self._client.write(events)
        self._client.finish()

    def _send(self, data: bytes) -> None:
        self._client.write(data)
        self._client.flush()

    def _restart(self, seconds: float, what: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, what)

    def _stop_timers(self) -> None:
        for timer in (self._timer, self._typing):
            if timer is not None:
                timer.cancel()
        self._timer = self._typing = None
