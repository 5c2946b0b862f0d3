"""What a recorded request becomes in a trace: a span, with children for its time in the queue, for a load, in its answer.

    POST /v1/chat/completions      SERVER; continues the client's trace, and is the parent of what the upstream tells
        queue                      until a place was free
        load                       until the model's server was ready
        stream                     from the first token to the end

A span begins with its recording and gets its children, attributes and end from the request's `Activity`, all at once: while
it is under way nothing is done for it. The SDK's own thread sends spans in batches; what does not fit its queue is lost.
Names of attributes are those of the HTTP and GenAI semantic conventions. Imported only where traces are wanted
(`observe.tracing`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from swapyard import __version__
from swapyard.observe.activity import Activity, Outcome
from swapyard.observe.activity.rows import storable
from swapyard.observe.inflight import Entry

CLOSED_WITHIN: Final = 3.0  # seconds for the last spans, when the collector may be gone for long
TOLD_EVERY: Final = 60.0  # seconds between two lines in the log about a collector that cannot be reached
LONGEST_NAME: Final = 256  # characters: a model that nobody knows may have any name
MILLISECOND: Final = 1_000_000  # nanoseconds

OPERATIONS: Final = {  # the last part of a path -> `gen_ai.operation.name`
    "messages": "chat",
    "responses": "chat",
    "completions": "text_completion",
    "completion": "text_completion",
    "infill": "text_completion",
    "embeddings": "embeddings",
    "embedding": "embeddings",
}
CONTEXT: Final = TraceContextTextMapPropagator()

Attributes = dict[str, str | int | float]


class Tracing:
    """Lives as long as the process."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("swapyard", __version__)

    def begin(self, entry: Entry, path: str, fields: Sequence[tuple[bytes, bytes, bytes]]) -> Trace:
        """`path`: as the upstream is asked. `fields`: of the client's request, which may bring the context of a trace."""
        path = storable(path)
        attributes: Attributes = {"http.request.method": entry.method, "url.path": storable(entry.path)}
        if operation := operation_of(path):
            attributes["gen_ai.operation.name"] = operation
        attributes["gen_ai.request.model"] = storable(entry.model[:LONGEST_NAME])
        started = int(entry.started * 1000) * MILLISECOND
        span = self._tracer.start_span(
            f"{entry.method} {path}", parent_of(fields), SpanKind.SERVER, attributes, start_time=started
        )
        return Trace(self._tracer, span, started)

    def close(self) -> None:
        """Sends what is not sent yet. Blocks, for `CLOSED_WITHIN` seconds at most."""
        last = threading.Thread(target=self._provider.shutdown, name="last traces", daemon=True)
        last.start()
        last.join(CLOSED_WITHIN)


class Trace:
    """Of one request. `fields`: the context for the upstream, as lines of a head."""

    __slots__ = ("_span", "_started", "_tracer", "fields")

    def __init__(self, tracer: Tracer, span: Span, started: int) -> None:
        """`started`: Unix time, nanoseconds."""
        self._tracer = tracer
        self._span = span
        self._started = started
        carrier: dict[str, str] = {}
        CONTEXT.inject(carrier, set_span_in_context(span, Context()))
        self.fields = "".join(f"{name}: {value}\r\n" for name, value in carrier.items()).encode("latin-1")

    def end(self, one: Activity) -> None:
        """Its times are those of the row, by the clock of the loop: a wall clock that is set meanwhile turns nothing round.
        Where a request waited twice, its waits are told as one of each kind, in the order in which they usually come."""
        span = self._span
        if not span.is_recording():
            return
        ended = self._started + max(one.duration_ms, 0) * MILLISECOND
        granted = self._child("queue", self._started, one.queue_ms)
        self._child("load", granted, one.load_ms)
        if one.first_token_ms >= 0:
            self._child("stream", self._started + one.first_token_ms * MILLISECOND, one.duration_ms - one.first_token_ms)
        span.set_attributes(attributes_of(one))
        if error := error_of(one):
            kind, message = error
            span.set_attribute("error.type", kind)
            span.set_status(Status(StatusCode.ERROR, storable(message)))
        span.end(ended)

    def _child(self, name: str, began: int, lasted: int) -> int:
        """`began`: as `started`. `lasted`: milliseconds; none where nothing happened. Returns the end of it."""
        if lasted <= 0:
            return began
        ended = began + lasted * MILLISECOND
        self._tracer.start_span(name, set_span_in_context(self._span, Context()), start_time=began).end(ended)
        return ended


def parent_of(fields: Sequence[tuple[bytes, bytes, bytes]]) -> Context:
    """The client's context; an empty one where it sent none, or none that can be read (a repeated `traceparent` cannot)."""
    parents = [value for key, _, value in fields if key == b"traceparent"]
    if len(parents) != 1:
        return Context()
    states = [value.decode("latin-1") for key, _, value in fields if key == b"tracestate"]
    carrier = {"traceparent": parents[0].decode("latin-1"), "tracestate": ",".join(states)}
    return CONTEXT.extract(carrier, Context())


def operation_of(path: str) -> str:
    """`gen_ai.operation.name`, "" where the conventions have none."""
    return "chat" if path.endswith("/chat/completions") else OPERATIONS.get(path.rpartition("/")[2], "")


def attributes_of(one: Activity) -> Attributes:
    usage = one.usage
    found: Attributes = {"http.response.status_code": one.status, "swapyard.outcome": one.outcome.value}
    if one.client:
        found["client.address"] = storable(one.client)
    if usage.prompt_tokens > 0:
        found["gen_ai.usage.input_tokens"] = usage.prompt_tokens
    if usage.output_tokens > 0:
        found["gen_ai.usage.output_tokens"] = usage.output_tokens
    if usage.cache_tokens > 0:
        found["gen_ai.usage.cache_read.input_tokens"] = usage.cache_tokens
    if one.first_token_ms >= 0:
        found["gen_ai.response.time_to_first_chunk"] = one.first_token_ms / 1000
    for key, value in (one.metadata or {}).items():
        found[f"swapyard.{key}"] = storable(value)
    return found


def error_of(one: Activity) -> tuple[str, str] | None:
    """`error.type` and what is said of it. What is the client's fault is no error of a server, say the conventions."""
    said = one.error or one.usage.error
    if one.status >= 500:
        return str(one.status), said
    if one.outcome is Outcome.BROKEN:
        return one.outcome.value, said
    if 200 <= one.status < 300 and one.usage.error:  # told inside a stream
        return "_OTHER", said
    return None


def exporting_provider(warn: Callable[[str], None]) -> TracerProvider:
    """Set up by the environment: where to, sampling, batches, limits, the name of the service. Raises ValueError."""
    tell_warnings(warn)
    resource = Resource.create({"service.name": "swapyard", "service.version": __version__})
    # We close it ourselves: at the exit of the interpreter it would wait for 30 seconds.
    provider = TracerProvider(resource=resource.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def tell_warnings(warn: Callable[[str], None]) -> None:
    """What the SDK has to say goes to our log, not to standard error."""
    logger = logging.getLogger("opentelemetry")
    logger.handlers = [Telling(warn)]
    logger.propagate = False


class Telling(logging.Handler):
    """At most one line every `TOLD_EVERY` seconds: a collector that is gone is told of with every batch."""

    def __init__(self, warn: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.WARNING)
        self._warn = warn
        self._clock = clock
        self._silent_until = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        now = self._clock()
        if now >= self._silent_until:
            self._silent_until = now + TOLD_EVERY
            self._warn(f"traces: {record.getMessage()}")
