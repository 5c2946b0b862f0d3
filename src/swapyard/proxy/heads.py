"""Heads on their way through: which fields end at this hop, and the few that are added.

Pure but for the state that knows the gateway's own keys. Everything not named here passes as it was written, in its order.
"""

from __future__ import annotations

from swapyard.http.headers import HOP_BY_HOP, Headers, RequestHead, ResponseHead, connection_tokens
from swapyard.http.upstream import Upstream
from swapyard.http.writing import block
from swapyard.observe.decoding import READABLE
from swapyard.proxy.auth import Keys

DROPPED_FROM_REQUEST = HOP_BY_HOP | {b"content-length", b"expect", b"x-forwarded-for"}
TRACE_CONTEXT = frozenset({b"traceparent", b"tracestate"})  # of W3C Trace Context: who is traced gets them anew at each hop
DROPPED_FROM_RESPONSE = HOP_BY_HOP | {b"content-length"}
# Where clients put keys: OpenAI and Anthropic, Azure, Google.
CREDENTIALS = frozenset({b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key"})
# Connection options that name no field which is still there.
PLAIN_CONNECTION = frozenset({b"keep-alive", b"close", b"upgrade"})


def request_head(
    head: RequestHead,
    upstream: Upstream,
    path: bytes,
    framing: bytes,
    *,
    remote: bytes,
    keys: Keys | None,
    is_read: bool = False,
    is_traced: bool = False,
) -> bytes:
    """The head for the upstream. `path`: what it is asked for. `framing`: its framing field with its line end, or nothing.
    `remote`: the client's address. `keys`: the gateway's own, which are for nobody else to see. `is_read`: the answer is
    read along, and must not come in a coding that cannot be undone. `is_traced`: `framing` brings the trace context, the
    client's ends here.

    A head that repeats an earlier one of its connection is written once: `source` is all else that goes into it."""
    kept = head.kept
    if kept is None:
        return _request_lines(head, upstream, path, remote, keys, is_read, is_traced) + framing + b"\r\n"
    source = (upstream, path, keys, is_read, is_traced)
    if kept.source != source:
        kept.made = _request_lines(head, upstream, path, remote, keys, is_read, is_traced)
        kept.source = source
    return kept.made + framing + b"\r\n"


def _request_lines(
    head: RequestHead, upstream: Upstream, path: bytes, remote: bytes, keys: Keys | None, is_read: bool, is_traced: bool
) -> bytes:
    known = head.known
    target = upstream.target(path, head.query)
    if not head.query and head.target.endswith(b"?"):
        target += b"?"  # an empty query is another target than none
    lines = [head.method, b" ", target, b" HTTP/1.1\r\n"]
    connection = known.get(b"connection")
    named = connection_tokens(connection) - {b"host"} if connection and connection.lower() not in PLAIN_CONNECTION else None
    dropped = DROPPED_FROM_REQUEST | named if named else DROPPED_FROM_REQUEST
    if is_traced:
        dropped |= TRACE_CONTEXT
    for key, name, value in with_readable_codings(head.fields) if is_read else head.fields:
        if key in dropped or (keys is not None and key in CREDENTIALS and keys.is_gateway_credential(value)):
            continue
        lines += (name, b": ", value, b"\r\n")
    if b"host" not in known:  # HTTP/1.0 has none, and we speak HTTP/1.1
        lines.append(b"Host: " + upstream.authority + b"\r\n")
    forwarded = known.get(b"x-forwarded-for")
    if remote:
        lines += (b"X-Forwarded-For: ", forwarded + b", " + remote if forwarded else remote, b"\r\n")
    if head.upgrade:
        lines.append(b"Connection: Upgrade\r\nUpgrade: " + known[b"upgrade"] + b"\r\n")
    elif b"te" in known and b"trailers" in connection_tokens(known[b"te"]):
        lines.append(b"Connection: TE\r\nTE: trailers\r\n")
    return b"".join(lines)


def with_readable_codings(fields: list[tuple[bytes, bytes, bytes]]) -> list[tuple[bytes, bytes, bytes]]:
    """The fields with no other codings in Accept-Encoding than those that can be undone here. Where none is left it asks for
    `identity`; a client that says nothing goes on saying nothing."""
    found: list[tuple[bytes, bytes, bytes]] = []
    unreadable: tuple[int, bytes] | None = None  # where the first field stood of which nothing is left, and its name
    asks = False
    for key, name, value in fields:
        if key == b"accept-encoding":
            codings = [item.strip() for item in value.split(b",")]
            readable = [item for item in codings if item.partition(b";")[0].rstrip().lower() in READABLE]
            if value and not readable:
                unreadable = unreadable or (len(found), name)
                continue
            asks = True
            if len(readable) < len(codings):
                value = b", ".join(readable)
        found.append((key, name, value))
    if unreadable is not None and not asks:
        at, name = unreadable
        found.insert(at, (b"accept-encoding", name, b"identity"))
    return found


def response_lines(head: ResponseHead) -> bytes:
    """The head for the client, up to its framing fields."""
    kept = head.kept
    if kept is None:
        return block(head.status, response_headers(head), head.reason)
    if kept.source is None:
        kept.made = block(head.status, response_headers(head), head.reason)
        kept.source = kept
    return kept.made


def response_headers(head: ResponseHead) -> Headers:
    """The upstream's fields for the client. Pages of any origin may read the answer: preflights are answered for all of
    them, and llama.cpp sends an empty `Access-Control-Allow-Origin`, which allows none."""
    headers: Headers = []
    readable = buffering = False
    named: frozenset[bytes] = frozenset()
    for name, value in head.headers:
        key = name.lower()
        if key in DROPPED_FROM_RESPONSE:
            if key == b"connection" and value.lower() not in PLAIN_CONNECTION:
                named |= connection_tokens(value)
            continue
        if key == b"access-control-allow-origin":
            if not value:
                continue
            readable = True
        elif key == b"x-accel-buffering":
            buffering = True
        headers.append((name, value))
    if named:
        headers = [(name, value) for name, value in headers if name.lower() not in named]
    if not readable:
        headers.append((b"Access-Control-Allow-Origin", b"*"))
    if head.event_stream and not buffering:
        headers.append((b"X-Accel-Buffering", b"no"))
    return headers


def trailers(fields: Headers, keys: Keys | None = None) -> Headers:
    """Trailers, less what may not stand there (RFC 9110 6.5.1): framing, routing and credentials of ours."""
    return [
        (name, value)
        for name, value in fields
        if (key := name.lower()) not in DROPPED_FROM_REQUEST
        and key != b"host"
        and not (keys is not None and key in CREDENTIALS and keys.is_gateway_credential(value))
    ]


def is_encoded(head: ResponseHead) -> bool:
    """Whether the body is compressed, so that plain text does not fit into it."""
    return head.encoding.lower() not in ("", "identity")
