"""Who writes where: routing, levels, the access log, and a standard output that blocks."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import re
import threading

import pytest

from swapyard.observe import logs as module
from swapyard.observe.lines import Asked
from swapyard.observe.logs import Destination, Logs, StandardLogging
from swapyard.observe.output import Output, standard_output
from swapyard.observe.tagging import LONGEST_LINE


def collected(limit: int = 1_000_000) -> tuple[Output, bytearray]:
    written = bytearray()
    return Output(written.extend, limit=limit), written


@pytest.mark.parametrize(
    ("to_stdout", "shown"),
    [("proxy", b"[INFO] ours\n"), ("upstream", b"<m> theirs\n"), ("both", b"[INFO] ours\n<m> theirs\n"), ("none", b"")],
)
def test_log_to_stdout_decides_what_is_combined_and_nothing_else(to_stdout: Destination, shown: bytes) -> None:
    output, written = collected()
    logs = Logs(to_stdout=to_stdout, output=output)
    logs.proxy_logger().info("ours")
    logs.upstream_writer("m")(b"theirs\n")
    assert logs.combined.history() == shown
    assert logs.proxy.history() == b"[INFO] ours\n"
    assert logs.upstream.history() == b"<m> theirs\n"
    assert logs.model("m").history() == b"theirs\n"
    logs.close()
    assert bytes(written) == shown


def test_the_level_filters_our_lines_only_and_can_change() -> None:
    logs = Logs(level="warn")
    logger = logs.proxy_logger()
    logger.info("hidden")
    logger.warning("seen")
    logs.upstream_writer("m")(b"[DEBUG] the child's own words\n")
    logs.configure(level="debug", time_format="")
    logger.debug("now seen: %s", 1)
    assert logs.proxy.history() == b"[WARN] seen\n[DEBUG] now seen: 1\n"
    assert logs.upstream.history() == b"<m> [DEBUG] the child's own words\n"


def test_the_time_format_can_change() -> None:
    logs = Logs()
    logs.proxy_logger().info("bare")
    logs.configure(level="info", time_format="rfc3339")
    logs.proxy_logger().info("stamped")
    bare, stamped = logs.proxy.history().decode().splitlines()
    assert bare == "[INFO] bare"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d) \[INFO\] stamped", stamped)


def test_a_message_is_one_line_whatever_it_contains() -> None:
    logs = Logs()
    logs.proxy_logger().error("load of %s failed", "m\n[INFO] all is well\udc80")
    assert logs.proxy.history() == b"[ERROR] load of m\\n[INFO] all is well\\udc80 failed\n"


def test_a_percent_sign_without_arguments_is_just_text() -> None:
    logs = Logs()
    logs.proxy_logger().info("100%s sure")
    assert logs.proxy.history() == b"[INFO] 100%s sure\n"


def test_what_a_child_prints_passes_as_bytes_even_where_it_is_not_utf8() -> None:
    logs = Logs(to_stdout="both")
    raw = b"\xff\xfe\x00half a character: \xe4\xb8"
    logs.upstream_writer("m")(raw)
    assert logs.model("m").history() == raw
    write = logs.upstream_writer("m")
    write(raw)
    write(b"\x96\r\x1b[0m\n")
    assert logs.model("m").history() == raw + raw + b"\x96\r\x1b[0m\n"
    for monitor in (logs.upstream, logs.combined):
        assert monitor.history() == b"<m> " + raw + b"\x96\r\x1b[0m\n"


def test_lines_of_two_models_and_ours_are_whole_however_their_pieces_come() -> None:
    output, written = collected()
    logs = Logs(to_stdout="both", output=output)
    a, b = logs.upstream_writer("a"), logs.upstream_writer("b")
    a(b"loading ...")
    b(b"one\ntwo\nthr")
    logs.proxy_logger().info("meanwhile")
    a(b" done\nrea")
    b(b"ee\n")
    a(b"dy\n")
    logs.close()
    lines = b"<b> one\n<b> two\n[INFO] meanwhile\n<a> loading ... done\n<b> three\n<a> ready\n"
    assert logs.combined.history() == lines == bytes(written)
    assert logs.upstream.history() == lines.replace(b"[INFO] meanwhile\n", b"")
    assert logs.model("a").history() == b"loading ... done\nready\n"


async def test_a_line_that_does_not_end_is_shown_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_UNFINISHED_SECONDS", 0.001)
    logs = Logs()
    reader = logs.upstream.subscribe()
    write = logs.upstream_writer("m")
    write(b"first\nPassword: ")
    shown = b""
    while shown != b"<m> first\n<m> Password: \n":  # at once, or after a while
        came = await asyncio.wait_for(reader.next(), 20)
        assert came is not None
        shown += came
    write(b"and on\n")
    assert await asyncio.wait_for(reader.next(), 20) == b"<m> and on\n"
    assert logs._unfinished == {}
    reader.close()


def test_last_words_without_an_end_are_shown_when_the_log_is_closed() -> None:
    logs = Logs()
    logs.upstream_writer("m")(b"I am dy")
    logs.close()
    assert logs.upstream.history() == b"<m> I am dy\n"


def test_a_line_without_end_takes_no_memory_without_end() -> None:
    logs = Logs()
    write = logs.upstream_writer("m")
    for _ in range(LONGEST_LINE):
        write(b"12")
    assert logs.upstream.history() == (b"<m> " + b"12" * (LONGEST_LINE // 2) + b"\n") * 2


def test_models_have_their_own_history_and_share_the_upstream_log() -> None:
    logs = Logs()
    logs.upstream_writer("a")(b"1\n")
    logs.upstream_writer("b")(b"2\n")
    logs.upstream_writer("a")(b"3\n")  # another run of the same model
    assert (logs.model("a").history(), logs.model("b").history()) == (b"1\n3\n", b"2\n")
    assert logs.upstream.history() == b"<a> 1\n<b> 2\n<a> 3\n"


# --- access log --------------------------------------------------------------------------------------------------------


def answered(logs: Logs, path: str = "/running", agent: str = "curl") -> None:
    logs.access(Asked.by("10.0.0.9", "GET", path, "HTTP/1.1", agent), 200, 5, 0.001)


async def test_access_lines_come_in_order_with_our_other_lines() -> None:
    logs = Logs()
    answered(logs, "/1")
    logs.proxy_logger().info("2")
    answered(logs, "/3")
    text = logs.monitor("proxy").history().decode()
    assert re.findall(r"GET /(\d)|\] (\d)", text) == [("1", ""), ("", "2"), ("3", "")]
    logs.close()


async def test_access_lines_are_written_soon_without_anyone_asking() -> None:
    logs = Logs()
    reader = logs.proxy.subscribe()
    answered(logs)
    line = await asyncio.wait_for(reader.next(), 20)
    assert line == b'[INFO] Request 10.0.0.9 "GET /running HTTP/1.1" 200 5 "curl" 1ms\n'
    reader.close()
    logs.close()


async def test_few_access_lines_wait_at_a_time_however_many_come() -> None:
    logs = Logs()
    for _ in range(1000):
        answered(logs)
    assert logs.proxy.history().count(b"\n") > 1000 - 64
    logs.close()
    assert logs.proxy.history().count(b"\n") == 1000


@pytest.mark.parametrize("path", ["/metrics", "/metrics/x", "/api/performance", "/wol-health"])
async def test_pollers_paths_are_not_logged(path: str) -> None:
    logs = Logs()
    answered(logs, path)
    assert logs.monitor(None).history() == b""
    logs.close()


async def test_the_access_log_is_info() -> None:
    logs = Logs(level="warn")
    answered(logs)
    assert logs.monitor(None).history() == b""
    logs.close()


async def test_a_user_agent_with_a_newline_stays_in_its_line() -> None:
    logs = Logs()
    answered(logs, agent='x\n[INFO] forged "quotes"')
    assert logs.monitor(None).history().count(b"\n") == 1
    assert b'"x\\n[INFO] forged \\"quotes\\"" 1ms\n' in logs.combined.history()
    logs.close()


# --- standard output ---------------------------------------------------------------------------------------------------


def test_a_blocked_terminal_holds_nobody_up_and_says_later_what_it_missed() -> None:
    taken, unblock, written = threading.Event(), threading.Event(), bytearray()

    def blocked(data: bytes) -> None:
        taken.set()
        unblock.wait(30)
        written.extend(data)

    logs = Logs(to_stdout="upstream", output=Output(blocked, limit=1000))
    write = logs.upstream_writer("m")
    write(b"first\n")
    taken.wait(30)
    for _ in range(1000):
        write(b"x" * 95 + b"\n")
    assert len(logs.combined.history()) == 100_010
    unblock.set()
    logs.close(timeout=30)
    assert written.decode() == "<m> first\n" + ("<m> " + "x" * 95 + "\n") * 10 + "\n— 99000 bytes dropped —\n"


def test_one_write_larger_than_all_that_may_wait_is_reported_and_writing_goes_on() -> None:
    output, written = collected(10)
    output.write(b"y" * 11)
    while b"dropped" not in written:
        pass
    output.write(b"next")
    assert output.close(30)
    assert bytes(written) == "\n— 11 bytes dropped —\nnext".encode()


def wait(event: threading.Event) -> None:
    event.wait(30)


def test_closing_does_not_wait_for_ever_for_a_blocked_terminal() -> None:
    unblock = threading.Event()
    output = Output(lambda data: wait(unblock))
    output.write(b"x")
    assert output.close(timeout=0.01) is False
    unblock.set()
    assert output.close(timeout=30) is True


def test_a_terminal_that_is_gone_swallows_everything() -> None:
    def gone(data: bytes) -> None:
        raise BrokenPipeError

    output = Output(gone)
    logs = Logs(output=output)
    for _ in range(10):
        logs.proxy_logger().info("into the void")
    logs.close(timeout=30)
    assert logs.combined.history().count(b"void") == 10


def test_standard_output_gets_every_byte_also_where_it_does_not_block(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)  # what some programs do to a terminal that they share
    with open(reading, "rb", buffering=0) as source, open(writing, "wb", buffering=0) as target:  # noqa: PTH123
        monkeypatch.setattr("sys.stdout", target)
        output = standard_output()
        assert output
        output.write(b"x" * 1_000_000)
        received = 0
        while received < 1_000_000:
            received += len(source.read(65_536))
        assert output.close(30)


def test_without_a_standard_output_there_is_nothing_to_write_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    assert standard_output() is None
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert standard_output() is None


async def test_ending_the_streams_reaches_every_monitor_also_one_made_later() -> None:
    logs = Logs()
    early = logs.model("a").subscribe()
    logs.end_streams()
    late = logs.model("b").subscribe()
    assert list(await asyncio.wait_for(asyncio.gather(early.next(), late.next()), 20)) == [None, None]


def test_what_libraries_log_arrives_one_line_for_each_of_theirs() -> None:
    logs = Logs()
    root, handler = logging.Logger("root"), StandardLogging(logs.proxy_logger())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging, "root", root)
        logging.basicConfig(handlers=[handler], level=logging.WARNING)
    root.handle(logging.LogRecord("asyncio", logging.CRITICAL, "f", 1, "broken:\n\n  %s", ("why",), None))
    assert logs.proxy.history() == b"[ERROR] asyncio: broken:\n[ERROR] asyncio:   why\n"
