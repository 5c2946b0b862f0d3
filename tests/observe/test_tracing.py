"""A recorded request becomes a span with children, where the environment asks for traces."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from swapyard.observe import tracing
from swapyard.observe.activity import Activity, Outcome
from swapyard.observe.figures import Usage
from swapyard.observe.inflight import Entry

pytest.importorskip("opentelemetry.sdk.trace", reason="the extra `otel` is not installed")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra `otel` is not installed")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from swapyard.observe import spans

SECOND = 1_000_000_000
PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CHAT = "/v1/chat/completions"


def entry(model: str = "llama", path: str = CHAT) -> Entry:
    one = Entry(model, path, "POST", [], "127.0.0.1", lambda: None)
    one.started = 1000.0
    return one


def activity(**more: Any) -> Activity:
    usual: dict[str, Any] = {"ended": 1003.0, "model": "llama", "path": CHAT, "status": 200, "duration_ms": 3000}
    return Activity(**{**usual, "usage": Usage(), **more})


class Traced:
    """Spans by name, as they would be sent."""

    def __init__(self, **provider: Any) -> None:
        self.exporter = InMemorySpanExporter()
        made = TracerProvider(shutdown_on_exit=False, **provider)
        made.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracing = spans.Tracing(made)

    def request(self, one: Activity, fields: dict[bytes, bytes] | None = None, **more: Any) -> bytes:
        """Returns what the upstream was told."""
        given = [(key, key, value) for key, value in (fields or {}).items()]
        trace = self.tracing.begin(entry(**more), one.path, given)
        trace.end(one)
        return trace.fields

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self.exporter.get_finished_spans()}

    @property
    def request_span(self) -> Any:
        return self.spans[f"POST {CHAT}"]


def times(span: ReadableSpan) -> tuple[float, float]:
    assert span.start_time is not None
    assert span.end_time is not None
    return span.start_time / SECOND, span.end_time / SECOND


# --- spans ---


def test_the_times_of_a_row_become_children() -> None:
    traced = Traced()
    traced.request(activity(queue_ms=500, load_ms=1000, first_token_ms=2000))
    assert {name: times(span) for name, span in traced.spans.items()} == {
        f"POST {CHAT}": (1000.0, 1003.0),
        "queue": (1000.0, 1000.5),
        "load": (1000.5, 1001.5),
        "stream": (1002.0, 1003.0),
    }
    root = traced.request_span
    assert root.parent is None
    for name in ("queue", "load", "stream"):
        parent = traced.spans[name].parent
        assert parent is not None
        assert (parent.trace_id, parent.span_id) == (root.context.trace_id, root.context.span_id)


def test_what_did_not_happen_has_no_span() -> None:
    traced = Traced()
    traced.request(activity(status=429, queue_ms=0))
    assert list(traced.spans) == [f"POST {CHAT}"]


def test_attributes_have_their_names_from_the_conventions() -> None:
    traced = Traced()
    usage = Usage(input_tokens=5, prompt_tokens=7, cache_tokens=2, output_tokens=3)
    traced.request(activity(usage=usage, client="9.9.9.9", first_token_ms=2500, metadata={"selector": "any"}))
    assert dict(traced.request_span.attributes) == {
        "http.request.method": "POST",
        "url.path": CHAT,
        "http.response.status_code": 200,
        "client.address": "9.9.9.9",
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "llama",
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 2,
        "gen_ai.response.time_to_first_chunk": 2.5,
        "swapyard.outcome": "complete",
        "swapyard.selector": "any",
    }


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        (CHAT, "chat"),
        ("/chat/completions", "chat"),
        ("/v1/messages", "chat"),
        ("/v1/responses", "chat"),
        ("/v1/completions", "text_completion"),
        ("/infill", "text_completion"),
        ("/v1/embeddings", "embeddings"),
        ("/v1/audio/speech", ""),
    ],
)
def test_the_operation_goes_by_the_path(path: str, operation: str) -> None:
    assert spans.operation_of(path) == operation


@pytest.mark.parametrize(
    ("one", "kind", "said"),
    [
        ({"status": 502, "error": "it broke"}, "502", "it broke"),
        ({"outcome": Outcome.BROKEN, "error": "it broke"}, "broken", "it broke"),
        ({"usage": Usage(error="out of memory")}, "_OTHER", "out of memory"),
        ({"status": 404, "error": "unknown"}, None, None),
        ({"status": 499, "outcome": Outcome.CLIENT_LEFT}, None, None),
        ({}, None, None),
    ],
)
def test_an_error_is_one_of_the_server(one: dict[str, Any], kind: str | None, said: str | None) -> None:
    traced = Traced()
    traced.request(activity(**one))
    span = traced.request_span
    assert span.attributes.get("error.type") == kind
    assert (span.status.is_ok, span.status.description) == (kind is None, said)


def test_texts_that_protobuf_cannot_take_are_replaced_and_names_that_nobody_knows_are_cut() -> None:
    traced = Traced()
    traced.request(activity(status=500, error="\ud800", client="\ud800"), model="\ud800" + "x" * 1000)
    attributes = traced.request_span.attributes
    assert attributes["gen_ai.request.model"] == "?" + "x" * 255
    assert attributes["client.address"] == traced.request_span.status.description == "?"


# --- the context ---


def test_the_trace_of_the_client_goes_on() -> None:
    traced = Traced()
    told = traced.request(activity(), {b"traceparent": PARENT, b"tracestate": b"a=1,b=2"})
    span = traced.request_span
    assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"
    child = f"00-0af7651916cd43dd8448eb211c80319c-{span.context.span_id:016x}-01"
    assert told == f"traceparent: {child}\r\ntracestate: a=1,b=2\r\n".encode()


@pytest.mark.parametrize(
    "broken", [b"", b"00-1-2-01", PARENT[:-3], b"ff" + PARENT[2:], b"\xff", b"00-" + b"0" * 32 + PARENT[35:]]
)
def test_a_context_that_cannot_be_read_begins_a_trace(broken: bytes) -> None:
    traced = Traced()
    told = traced.request(activity(), {b"traceparent": broken, b"tracestate": b"a=1"})
    span = traced.request_span
    assert span.parent is None
    context = span.context
    own = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    assert told == f"traceparent: {own}\r\n".encode()


def test_two_contexts_are_none() -> None:
    field = (b"traceparent", b"traceparent", PARENT)
    assert spans.parent_of([field])
    assert not spans.parent_of([field, field])


def test_what_is_not_sampled_is_told_to_the_upstream_and_not_sent() -> None:
    traced = Traced(sampler=ALWAYS_OFF)
    told = traced.request(activity(queue_ms=5), {b"traceparent": PARENT})
    assert told.startswith(b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-")
    assert told.endswith(b"-00\r\n")
    assert traced.spans == {}


# --- on and off ---


@pytest.mark.parametrize(
    ("environ", "asked"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "console,otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "True"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "false"}, True),
        ({"OTEL_SERVICE_NAME": "x"}, False),
    ],
)
def test_the_standard_environment_asks_for_traces(environ: dict[str, str], asked: bool) -> None:
    said: list[str] = []
    assert tracing.is_asked_for(environ, said.append) is asked
    assert said == []


def test_exporters_and_protocols_that_are_not_known_are_told_of() -> None:
    said: list[str] = []
    assert not tracing.is_asked_for({"OTEL_TRACES_EXPORTER": "zipkin"}, said.append)
    assert tracing.is_asked_for({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, said.append)
    assert said == [
        "no traces are sent: OTEL_TRACES_EXPORTER=zipkin, only otlp is known here",
        "traces are sent as http/protobuf, whatever OTEL_EXPORTER_OTLP_PROTOCOL=grpc says",
    ]


@pytest.mark.parametrize("missing", ["opentelemetry_of_nobody", "opentelemetry_of_nobody.sdk", "opentelemetry.nothing"])
def test_missing_packages_are_told_of(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    said: list[str] = []
    monkeypatch.setattr(tracing, "PACKAGES", (missing,))
    assert tracing.tracing_asked_for({"OTEL_TRACES_EXPORTER": "otlp"}, said.append) is None
    assert len(said) == 1
    assert 'install "swapyard[otel]"' in said[0]


def test_nothing_is_imported_where_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "swapyard.observe.spans")
    assert tracing.tracing_asked_for({}, pytest.fail) is None
    assert "swapyard.observe.spans" not in sys.modules


# --- sending ---


@pytest.fixture
def sdk_logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger("opentelemetry")
    handlers, propagate = logger.handlers, logger.propagate
    yield logger
    logger.handlers, logger.propagate = handlers, propagate


@pytest.fixture
def collector() -> Iterator[tuple[str, list[Any]]]:
    """Its address, and the requests that it has got."""
    got: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()
    thread.join()
    server.server_close()


def test_spans_reach_the_collector_at_the_latest_when_it_is_closed(
    monkeypatch: pytest.MonkeyPatch, collector: tuple[str, list[Any]], sdk_logger: logging.Logger
) -> None:
    address, got = collector
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_RESOURCE_ATTRIBUTES": "service.name=mine"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = tracing.tracing_asked_for(environ, pytest.fail)
    assert made is not None
    made.begin(entry(), CHAT, []).end(activity(queue_ms=5))
    made.close()
    (request,) = got
    (resource,) = request.resource_spans
    names = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert names["service.name"] == "mine"
    assert {span.name for scope in resource.scope_spans for span in scope.spans} == {f"POST {CHAT}", "queue"}


def test_a_wrong_number_in_the_environment_costs_the_traces_alone(
    monkeypatch: pytest.MonkeyPatch, sdk_logger: logging.Logger
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")
    said: list[str] = []
    assert tracing.tracing_asked_for({"OTEL_TRACES_EXPORTER": "otlp"}, said.append) is None
    assert said == ["no traces are sent, the environment (OTEL_...) is at fault: max_queue_size must be a positive integer."]


def test_closing_does_not_wait_for_a_collector_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "CLOSED_WITHIN", 0.01)
    traced, hangs = Traced(), threading.Event()
    asked = threading.Event()

    def shutdown() -> None:
        asked.set()
        hangs.wait()

    monkeypatch.setattr(traced.tracing._provider, "shutdown", shutdown)
    traced.tracing.close()  # returns, although that goes on
    assert asked.wait(5)
    hangs.set()


def test_a_collector_that_is_gone_is_told_of_once_a_minute() -> None:
    said: list[str] = []
    now = 100.0
    telling = spans.Telling(said.append, lambda: now)
    record = logging.LogRecord("opentelemetry.x", logging.ERROR, "", 0, "refused: %s", ("c",), None)
    telling.handle(record)
    telling.handle(record)
    assert said == ["traces: refused: c"]
    now += spans.TOLD_EVERY
    telling.handle(record)
    assert len(said) == 2
