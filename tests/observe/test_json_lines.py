"""The log as JSON."""

from __future__ import annotations

import json
import re
from typing import Any

from swapyard.observe.json_lines import access_line, own_line
from swapyard.observe.lines import Access, Asked, Level
from swapyard.observe.logs import Logs
from swapyard.observe.output import Output

AT = 1_760_000_000_123_456_789


def printed(logs: Logs, written: bytearray) -> list[dict[str, Any]]:
    logs.close()
    return [json.loads(line) for line in written.decode().splitlines()]


def test_every_line_on_standard_output_is_an_object_and_the_histories_stay_text() -> None:
    written = bytearray()
    logs = Logs(to_stdout="both", format="json", output=Output(written.extend))
    logs.proxy_logger().warning("<%s> %s", "m", "is\nodd")
    logs.upstream_writer("a/b")(b"\x1b[31mERROR: \xff\r\nsecond")
    logs._accesses.append(Access(AT, Asked.by("::1", "GET", "/v1/models", "HTTP/1.1", 'cu"rl'), 200, 5, 0.0015))
    asked = Asked.by("::1", "POST", "/infill", "HTTP/1.1", "")
    logs._accesses.append(Access(AT, asked, 502, 0, 0.0, ("m", 812)))
    found = printed(logs, written)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time")) for line in found)
    assert found == [
        {"level": "warn", "source": "proxy", "model": "m", "message": "is\nodd"},
        {"level": "error", "source": "upstream", "model": "a/b", "message": "\x1b[31mERROR: \ufffd"},
        {"level": "info", "source": "upstream", "model": "a/b", "message": "second"},
        {
            "level": "info", "source": "proxy", "message": "GET /v1/models 200", "method": "GET", "path": "/v1/models",
            "status": 200, "bytes": 5, "duration_ms": 1.5, "remote": "::1", "user_agent": 'cu"rl',
        },
        {
            "level": "info", "source": "proxy", "model": "m", "message": "POST /infill 502", "method": "POST",
            "path": "/infill", "status": 502, "bytes": 0, "duration_ms": 0.0, "remote": "::1", "request": 812,
        },
    ]  # fmt: skip
    assert logs.proxy.history().startswith(b"[WARN] <m> is\\nodd\n[INFO] Request ::1")
    assert logs.upstream.history() == b"<a/b> \x1b[31mERROR: \xff\r\n<a/b> second\n"


def test_times_are_utc_with_milliseconds() -> None:
    assert json.loads(own_line(AT, Level.INFO, "x")) == {
        "time": "2025-10-09T08:53:20.123Z", "level": "info", "source": "proxy", "message": "x"
    }  # fmt: skip


def test_text_that_is_no_unicode_is_escaped() -> None:
    assert json.loads(own_line(AT, Level.INFO, "a \udc80"))["message"] == "a \\udc80"
    entry = Access(AT, Asked.by("::1", "GET", "/\udc80", "HTTP/1.1", ""), 200, 5, 0.0)
    assert json.loads(access_line(entry))["path"] == "/\\udc80"


def test_what_was_dropped_is_told_as_an_object_too() -> None:
    written = bytearray()
    logs = Logs(format="json", output=Output(written.extend, limit=10))
    logs.proxy_logger().info("longer than ten bytes")
    (line,) = printed(logs, written)
    assert (line["level"], line["message"]) == ("warn", "102 bytes of the log were dropped")


def test_the_format_can_change() -> None:
    written = bytearray()
    logs = Logs(format="json", output=Output(written.extend))
    logs.configure(level="info", time_format="", format="text")
    logs.proxy_logger().info("plain")
    logs.close()
    assert bytes(written) == b"[INFO] plain\n"
