"""The upstream of a traced request continues the trace; without tracing heads pass as they came."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from swapyard.config.schema import Peer

pytest.importorskip("opentelemetry.sdk.trace", reason="the extra `otel` is not installed")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra `otel` is not installed")

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from swapyard.observe.spans import Tracing

if TYPE_CHECKING:
    from tests.proxy.conftest import OpenYard, Yard

PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CHAT = "/v1/chat/completions"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def ask(model: str, fields: bytes = b"", path: str = CHAT) -> bytes:
    body = json.dumps({"model": model}).encode()
    return b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%b\r\n%b" % (path.encode(), len(body), fields, body)


def contexts(request: Any) -> list[tuple[bytes, bytes]]:
    """As the upstream got them."""
    return [(name.lower(), value) for name, value in request.headers if name.lower() in (b"traceparent", b"tracestate")]


def traced(yard: Yard) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yard.books.recorder.tracing = Tracing(provider)
    return exporter


def spans(yard: Yard, exporter: InMemorySpanExporter) -> Sequence[Any]:
    yard.books.recorder.settle()
    return exporter.get_finished_spans()


@pytest.mark.parametrize("where", ["model", "peer", "streamed"])
async def test_the_upstream_continues_the_trace_of_the_client(open_yard: OpenYard, wire: Any, where: str) -> None:
    async with wire.scripted() as up:
        peers = {"p": Peer(proxy=f"http://127.0.0.1:{up.port}", models=("far",))}
        async with (
            open_yard(m=up.port, ready="m", books=True, config={"peers": peers}) as yard,
            wire.connect(yard.port) as client,
        ):
            exporter = traced(yard)
            path = "/upstream/m" + CHAT if where == "streamed" else CHAT
            given = b"TraceParent: " + PARENT + b"\r\ntracestate: a=1\r\n"
            client.send(ask("far" if where == "peer" else "m", given, path))
            peer = await up.accept()
            told = contexts(await peer.request())
            peer.send(ANSWER)
            await client.response()
            span = next(span for span in spans(yard, exporter) if span.parent and span.name == f"POST {CHAT}")
            child = f"00-0af7651916cd43dd8448eb211c80319c-{span.context.span_id:016x}-01".encode()
            assert told == [(b"traceparent", child), (b"tracestate", b"a=1")]


async def test_requests_that_repeat_each_other_have_traces_of_their_own(open_yard: OpenYard, wire: Any) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", books=True) as yard,
        wire.connect(yard.port) as client,
    ):
        exporter = traced(yard)
        seen = []
        client.send(ask("m"))
        peer = await up.accept()
        for more in (True, True, True, False):
            seen += contexts(await peer.request())
            peer.send(ANSWER)
            await client.response()
            if more:
                client.send(ask("m"))
        roots = [span.context for span in spans(yard, exporter) if span.parent is None]
        ids = [f"00-{one.trace_id:032x}-{one.span_id:016x}-{one.trace_flags:02x}".encode() for one in roots if one]
        assert seen == [(b"traceparent", one) for one in ids]
        assert len(set(ids)) == 4


@pytest.mark.parametrize("given", [b"", b"traceparent: " + PARENT + b"\r\ntracestate: a=1\r\n"])
async def test_without_tracing_the_context_passes_as_it_came(open_yard: OpenYard, wire: Any, given: bytes) -> None:
    async with (
        wire.scripted() as up,
        open_yard(m=up.port, ready="m", books=True) as yard,
        wire.connect(yard.port) as client,
    ):
        client.send(ask("m", given))
        peer = await up.accept()
        told = contexts(await peer.request())
        peer.send(ANSWER)
        await client.response()
        assert told == ([(b"traceparent", PARENT), (b"tracestate", b"a=1")] if given else [])
