"""The logs of one Swapyard process: who writes where.

    proxy      our own lines and the access log   -> combined and stdout where logToStdout is proxy or both
    upstream   what all models' servers print     -> combined and stdout where logToStdout is upstream or both
    combined   what goes to stdout; there it may be JSON (`logFormat`)
    per model  what that model's servers print, kept from run to run, byte for byte

Our own lines read `[<timestamp> ][LEVEL] message`, those of servers `<model> text` where several write; all are whole.
`logLevel` filters ours and never theirs. The routing is fixed for the life of the process; the rest may change (reload).

Made once by `app`. Writers may be any thread; `access` and the streams belong to the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Literal

from swapyard.observe.json_lines import access_line, dropped_line, own_line, upstream_lines
from swapyard.observe.lines import Access, Asked, Level, access_text, printable
from swapyard.observe.monitor import LogMonitor, dropped_marker
from swapyard.observe.output import Output
from swapyard.observe.stamps import TimeFormat
from swapyard.observe.tagging import Tagged

Destination = Literal["proxy", "upstream", "both", "none"]
Format = Literal["text", "json"]

_UNLOGGED = ("/wol-health", "/api/performance", "/metrics")  # pollers of these would drown the log
_BATCH = 64  # access lines written at once: few enough that formatting them (2 us each) delays nobody
_BATCH_SECONDS = 0.05  # how late an access line may be
_UNFINISHED_SECONDS = 1.0  # after which the beginning of a server's line is shown as a line of its own


class Logger:
    """Writes lines of its level and above. Arguments are put in with `%`, and only if the line is written."""

    def __init__(self, log: Callable[[Level, str], None], enabled: Callable[[Level], bool]) -> None:
        self._log = log
        self._enabled = enabled

    def debug(self, message: str, *args: object) -> None:
        self.log(Level.DEBUG, message, *args)

    def info(self, message: str, *args: object) -> None:
        self.log(Level.INFO, message, *args)

    def warning(self, message: str, *args: object) -> None:
        self.log(Level.WARN, message, *args)

    def error(self, message: str, *args: object) -> None:
        self.log(Level.ERROR, message, *args)

    def log(self, level: Level, message: str, *args: object) -> None:
        if self._enabled(level):
            self._log(level, message % args if args else message)


class Logs:
    """Every monitor of the process, and the one way to standard output."""

    def __init__(
        self,
        *,
        to_stdout: Destination = "proxy",
        level: str = "info",
        time_format: str = "",
        format: Format = "text",  # noqa: A002 - as the configuration calls it
        output: Output | None = None,
    ) -> None:
        """`output`: where the combined log goes besides its history (`observe.output.standard_output()`); None: nowhere."""
        self.proxy = LogMonitor(has_times=True)
        self.upstream = LogMonitor(has_times=True)
        self.combined = LogMonitor()
        self._models: dict[str, LogMonitor] = {}
        self._proxy_is_shown = to_stdout in ("proxy", "both")
        self._upstream_is_shown = to_stdout in ("upstream", "both")
        self._output = output
        self._accesses: deque[Access] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._unfinished: dict[Tagged, float] = {}  # since when (loop time) they keep back what is no line yet
        self._unfinished_timer: asyncio.TimerHandle | None = None
        self._lock = threading.RLock()  # keeps stdout and the combined history in one order
        self._streams_ended = False
        self._logger = Logger(self._own_line, lambda level: level >= self._level)
        self.configure(level=level, time_format=time_format, format=format)

    def configure(self, *, level: str, time_format: str, format: Format = "text") -> None:  # noqa: A002
        """Change what a reload may change."""
        self.flush()
        self._level = Level.named(level)
        self._times = TimeFormat(time_format)
        self._is_json = format == "json"
        if self._output is not None:
            self._output.marker = dropped_line if self._is_json else dropped_marker

    def proxy_logger(self) -> Logger:
        return self._logger

    def upstream_writer(self, model: str) -> Callable[[bytes], None]:
        """What takes the raw output of one run of the model, in pieces of any size."""
        monitor = self.model(model)
        tagged = Tagged(model)

        def write(data: bytes) -> None:
            monitor.write(data)
            with self._lock:
                goes_on = tagged.is_waiting
                lines = tagged.feed(data)
                if lines:
                    self._write_upstream(model, lines)
                if not tagged.is_waiting:
                    self._unfinished.pop(tagged, None)
                elif lines or not goes_on:
                    self._show_unfinished_later(tagged)

        return write

    def _write_upstream(self, model: str, lines: bytes) -> None:
        self.upstream.write(lines)
        if self._upstream_is_shown:
            self.combined.write(lines)
            if self._output is not None:
                self._output.write(upstream_lines(time.time_ns(), model, lines) if self._is_json else lines)

    def _show_unfinished_later(self, tagged: Tagged) -> None:
        """Without a loop it stays until the line goes on, or the log is closed."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._unfinished[tagged] = 0.0
            return
        self._unfinished[tagged] = loop.time()
        if self._unfinished_timer is None:
            self._unfinished_timer = loop.call_later(_UNFINISHED_SECONDS, self._show_unfinished)

    def _show_unfinished(self, *, all_of_it: bool = False) -> None:
        self._unfinished_timer = None
        with self._lock:
            loop = None if all_of_it else asyncio.get_running_loop()
            until = 0.0 if loop is None else loop.time() - _UNFINISHED_SECONDS
            for tagged in [one for one, since in self._unfinished.items() if all_of_it or since <= until]:
                del self._unfinished[tagged]
                self._write_upstream(tagged.model, tagged.rest())
            if self._unfinished and loop is not None:
                first = min(self._unfinished.values())
                self._unfinished_timer = loop.call_at(first + _UNFINISHED_SECONDS, self._show_unfinished)

    def model(self, model: str) -> LogMonitor:
        """The monitor of one model; made when first asked for, so ask with ids that exist."""
        with self._lock:
            monitor = self._models.get(model)
            if monitor is None:
                monitor = self._models[model] = LogMonitor()
                if self._streams_ended:
                    monitor.end_streams()
            return monitor

    # --- the access log ---------------------------------------------------------------------------------------------

    def access(self, asked: Asked, status: int, size: int, seconds: float, about: tuple[str, int] | None = None) -> None:
        """Note an answered request (INFO). `size` in body bytes. `about` as in `Access`. Cheap: the line is written later,
        at most `_BATCH_SECONDS` from now, and always before a later line of ours."""
        if self._level > Level.INFO:
            return
        self._accesses.append(Access(time.time_ns(), asked, status, size, seconds, about))
        if len(self._accesses) >= _BATCH:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_BATCH_SECONDS, self._flush_on_time)

    def _flush_on_time(self) -> None:
        self._timer = None
        self.flush()

    def flush(self) -> None:
        """Write the access lines that are still waiting."""
        with self._lock:
            entries = [entry for entry in self._accesses if not entry.asked.path.startswith(_UNLOGGED)]
            self._accesses.clear()
            if entries:
                stamp = self._times.stamp
                lines = "".join([f"{stamp(entry.at)}[INFO] {access_text(entry)}\n" for entry in entries])
                self._write_own(lines, lambda: b"".join(map(access_line, entries)))

    # --- reading ----------------------------------------------------------------------------------------------------

    def monitor(self, name: str | None) -> LogMonitor:
        """None: combined; `proxy`; `upstream`. Up to date when it returns."""
        self.flush()
        match name:
            case None:
                return self.combined
            case "proxy":
                return self.proxy
            case "upstream":
                return self.upstream
        raise KeyError(name)

    def end_streams(self) -> None:
        """End all live readers (they would hold up a shutdown). Writing goes on."""
        self.flush()
        with self._lock:
            self._streams_ended = True
            for monitor in (self.proxy, self.upstream, self.combined, *self._models.values()):
                monitor.end_streams()

    def close(self, timeout: float = 1.0) -> None:
        """End the streams, write what waits, and give standard output up to `timeout` seconds to take it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._unfinished_timer is not None:
            self._unfinished_timer.cancel()
        self._show_unfinished(all_of_it=True)
        self.end_streams()
        if self._output is not None:
            self._output.close(timeout)

    # --- our own lines ----------------------------------------------------------------------------------------------

    def _own_line(self, level: Level, text: str) -> None:
        with self._lock:
            self.flush()
            at = time.time_ns()
            line = f"{self._times.stamp(at)}[{level.name}] {printable(text)}\n"
            self._write_own(line, lambda: own_line(at, level, text))

    def _write_own(self, lines: str, as_json: Callable[[], bytes]) -> None:
        encoded = lines.encode("utf-8", "backslashreplace")
        self.proxy.write(encoded)
        if self._proxy_is_shown:
            self.combined.write(encoded)
            if self._output is not None:
                self._output.write(as_json() if self._is_json else encoded)


class StandardLogging(logging.Handler):
    """Brings what libraries say through `logging` (asyncio, starlette) into the proxy log, one line for each of theirs."""

    def __init__(self, logger: Logger) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(message)s"))  # else logging.basicConfig gives it one with level and name
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        level = Level(min(max(record.levelno // 10 * 10, Level.DEBUG), Level.ERROR))
        for line in filter(str.strip, self.format(record).splitlines()):
            self._logger.log(level, "%s: %s", record.name, line)
