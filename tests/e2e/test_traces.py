"""Traces of the real command: a request's spans reach the collector that the environment names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra `otel` is not installed")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

Start = Callable[..., AbstractContextManager[Any]]
CHAT = "/v1/chat/completions"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def collector() -> Iterator[tuple[str, list[Any]]]:
    """Its address, and the spans that have come."""
    got: list[Any] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = ExportTraceServiceRequest()
            asked.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
            got.extend(span for resource in asked.resource_spans for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", got
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_request_is_a_span_with_its_queue_load_and_stream(
    swapyard: Start, scripted: Callable[..., str], collector: tuple[str, list[Any]]
) -> None:
    address, got = collector
    models = {"a": {"cmd": scripted("a", "--stop-seconds", "0.1")}, "b": {"cmd": scripted("b")}}
    with swapyard({"models": models}, env={"OTEL_EXPORTER_OTLP_ENDPOINT": address}) as running:
        assert running.ask("a").status_code == 200
        asked = {"model": "b", "stream": True, "messages": [{"role": "user", "content": "count to 30"}]}
        fields = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        assert httpx.post(running.address + CHAT, json=asked, headers=fields, timeout=30).status_code == 200
    spans = {span.name: span for span in got if span.trace_id.hex() == TRACE}  # sent at the end of the process at the latest
    assert set(spans) == {f"POST {CHAT}", "queue", "load", "stream"}  # it waited for the end of a
    request = spans.pop(f"POST {CHAT}")
    assert request.parent_span_id.hex() == PARENT
    assert {span.parent_span_id for span in spans.values()} == {request.span_id}
    assert sum(span.name == f"POST {CHAT}" for span in got) == 2
