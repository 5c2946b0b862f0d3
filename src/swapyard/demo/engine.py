"""`python -m swapyard.demo.engine`: a scripted inference server that behaves like llama-server on the wire.

Its life: refused until it listens, 503 while it "loads", then it serves; SIGTERM ends it with 0, but while it loads the
signal kills it, as it does llama-server. Flags make it misbehave in the ways that real engines do (stubborn, slow to
stop, crashing, failing to load). With `--journal FILE` it appends one JSON line per step of its life, with the
monotonic time in seconds, so that a benchmark can tell its own time from that of whoever started it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable

from swapyard.demo.generation import Engine, Options, log
from swapyard.demo.routes import respond
from swapyard.demo.server import Connection, Reply, Request

KINDS = ("chat", "code", "embedding", "rerank", "audio", "image")


class Life:
    """The process from its start to its end."""

    def __init__(self, flags: argparse.Namespace) -> None:
        self.flags = flags
        self.engine = Engine(options_of(flags))
        self.connections: set[Connection] = set()
        self.stopping = asyncio.Event()  # binds to a loop when it is first awaited

    async def run(self) -> None:
        """Listen, load, serve until told to stop. Raises OSError when the port is taken."""
        flags = self.flags
        server = await asyncio.get_running_loop().create_server(self.connection, flags.host, flags.port, backlog=1024)
        port = server.sockets[0].getsockname()[1]
        note(self.flags, "listening")
        log(f"main: HTTP server is listening, hostname: {flags.host}, port: {port}")
        if flags.exit_after is not None:
            asyncio.get_running_loop().call_later(flags.exit_after, self.give_up)
        await self.load()
        await self.stopping.wait()
        await self.stop(server)

    def connection(self) -> Connection:
        async def handler(request: Request, reply: Reply) -> None:
            await respond(self.engine, request, reply)

        return Connection(handler, self.engine.options.keep_alive, self.connections)

    async def load(self) -> None:
        log(f"srv    load_model: loading model '{self.flags.model}'")
        await asyncio.sleep(self.flags.load_seconds)
        # Only now, as with llama-server: the signal kills an engine that is still loading.
        loop = asyncio.get_running_loop()
        for name in ("SIGTERM", "SIGINT"):
            signal.signal(getattr(signal, name), lambda *_: loop.call_soon_threadsafe(self.told_to_stop))
        self.engine.ready = True
        note(self.flags, "ready")
        log("main: model loaded")
        log("srv  update_slots: all slots are idle")

    def told_to_stop(self) -> None:
        note(self.flags, "sigterm")
        if self.flags.ignore_sigterm:
            log("demo: told to stop, and not stopping, as --ignore-sigterm says")
            return
        log("srv    operator(): operator(): cleaning up before exit...")
        self.stopping.set()

    async def stop(self, server: asyncio.Server) -> None:
        server.close()
        if self.flags.stop_seconds:
            await asyncio.sleep(self.flags.stop_seconds)
        if self.flags.finish_streams:
            answering = [connection.task for connection in self.connections if connection.task is not None]
            await asyncio.gather(*answering, return_exceptions=True)
        for connection in list(self.connections):
            connection.close()
        note(self.flags, "exit")

    def give_up(self) -> None:
        """What `--exit-after` asks for: the process is gone, without another word to its clients."""
        complain(self.flags)
        note(self.flags, "exit")
        os._exit(self.flags.exit_code)


def note(flags: argparse.Namespace, event: str) -> None:
    """One line of the journal. Times of several processes compare: the monotonic clock is the machine's."""
    if flags.journal:
        entry = {"at": time.monotonic(), "event": event, "model": flags.model, "pid": os.getpid()}
        with open(flags.journal, "a", encoding="utf-8") as journal:  # noqa: PTH123 (pathlib is slow to import)
            journal.write(json.dumps(entry) + "\n")


def complain(flags: argparse.Namespace) -> None:
    if flags.fail:
        log(flags.fail)
        log("main: exiting due to model loading error")


def options_of(flags: argparse.Namespace) -> Options:
    return Options(
        model=flags.model,
        kind=flags.kind,
        load_seconds=flags.load_seconds,
        tokens_per_second=flags.tokens_per_second,
        prompt_tokens_per_second=flags.prompt_tokens_per_second,
        parallel=flags.parallel,
        ctx_size=flags.ctx_size,
        keep_alive=flags.keep_alive,
        api_key=flags.api_key,
        crash_after=flags.crash_after,
    )


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Exits with 1 on a bad flag, as llama-server does."""
    parser = argparse.ArgumentParser(prog="python -m swapyard.demo.engine", description="A scripted inference server.")
    complaint: Callable[[str], None] = lambda message: sys.exit(f"error: {message}")  # noqa: E731
    parser.error = complaint  # type: ignore[assignment,method-assign]
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, required=True, help="0 takes a free one, and the log says which")
    add("--model", default="demo", help="the name that it answers with")
    add("--kind", choices=KINDS, default="chat", help="what it can do")
    add("--load-seconds", type=float, default=0.0, help="how long it answers 503 first")
    add("--tokens-per-second", type=float, default=50.0, help="pace of the answer, 0 = no pause")
    add("--prompt-tokens-per-second", type=float, default=2000.0, help="pace of reading the prompt, 0 = no pause")
    add("--parallel", type=int, default=4, help="slots; more requests wait silently")
    add("--ctx-size", type=int, default=4096, help="the longest prompt, in tokens")
    add("--keep-alive", type=float, default=5.0, help="seconds that an idle connection stays open, 0 = for ever")
    add("--api-key", default="", help="ask for this key")
    add("--journal", default="", help="append the steps of its life to this file")
    misbehave = parser.add_argument_group("misbehaviour").add_argument
    misbehave(
        "--fail", default="", metavar="TEXT", help="print TEXT and exit: before listening, or when --exit-after is due"
    )
    misbehave("--exit-code", type=int, default=1, help="with --fail or --exit-after")
    misbehave("--exit-after", type=float, metavar="SECONDS", help="exit that long after it began to listen, ready or not")
    misbehave("--crash-after", type=int, metavar="TOKENS", help="kill itself once it has said that many; 0: before a header")
    misbehave("--ignore-sigterm", action="store_true", help="stay when told to stop")
    misbehave("--stop-seconds", type=float, default=0.0, help="how long it takes to stop")
    misbehave("--finish-streams", action="store_true", help="stop only when every answer is finished, as llama-server")
    return parser.parse_args(arguments)


def main() -> int:
    flags = parse()
    note(flags, "began")
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback when it is interrupted while it loads
    log(f"build: swapyard-demo, model '{flags.model}', kind {flags.kind}, pid {os.getpid()}")
    if flags.fail and flags.exit_after is None:
        complain(flags)
        return int(flags.exit_code)
    try:
        asyncio.run(Life(flags).run())
    except OSError as error:
        log(f"start: couldn't bind HTTP server socket, hostname: {flags.host}, port: {flags.port}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
