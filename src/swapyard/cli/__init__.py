"""The command `swapyard`: reads the arguments and runs one of its subcommands.

Exit codes: 0 good, 1 a wrong configuration or nothing to listen on, 2 bad usage. What is slow to import is imported by the
command that needs it, so that `--version` and `check` answer at once.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from swapyard.cli.arguments import (
    Check,
    Command,
    Demo,
    Listen,
    Monitor,
    Schema,
    Serve,
    ShowHelp,
    ShowVersion,
    UsageError,
    parse,
)
from swapyard.errors import ConfigError

if TYPE_CHECKING:
    from swapyard.api.services import Build


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        code = perform(parse(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()  # here, where it can still be told that it failed
    except UsageError as error:
        print(f"swapyard: {error}", file=sys.stderr)
        return error.exit_code
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `swapyard schema | head`
        give_up_output()
        return 0
    except OSError as error:  # a full disk, no space for temporary files, ...
        print(f"swapyard: {error}", file=sys.stderr)
        give_up_output()
        return 1
    return code


def perform(command: Command) -> int:
    match command:
        case ShowHelp(text):
            print(text)
            return 0
        case ShowVersion():
            from swapyard.cli import version

            print(version.shown(version.this_build()))
            return 0
        case Serve():
            return _serve(command)
        case Demo(listen):
            return _demo(listen)
        case Check(config, config_dir):
            from swapyard.cli import check

            return check.run(_path(config), _path(config_dir), sys.stdout)
        case Monitor(every):
            from swapyard.cli import monitor

            return monitor.run(every, sys.stdout)
        case Schema():
            from swapyard.cli import schema

            return schema.run(sys.stdout)
        case _:
            assert_never(command)


def give_up_output() -> None:
    """So that Python does not try once more to write what is left, and complain, when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _serve(command: Serve) -> int:
    from swapyard.app import Options, serve
    from swapyard.config.load import load
    from swapyard.config.watch import Watch
    from swapyard.runtime.strategies import Installed

    config, config_dir = _path(command.config), _path(command.config_dir)
    for warning in command.warnings:
        print(f"swapyard: {warning}", file=sys.stderr)
    certificate = None
    if command.tls_cert_file and command.tls_key_file:
        certificate = Path(command.tls_cert_file), Path(command.tls_key_file)
    return serve(
        Options(
            load=lambda previous: load(config, config_dir, environ=os.environ, previous=previous, strategies=Installed()),
            listen=command.listen,
            certificate=certificate,
            watch=Watch(config, config_dir) if command.watch_config else None,
            build=_build,
        )
    )


def _build() -> Build:
    from swapyard.cli.version import this_build

    return this_build()


def _demo(listen: Listen | None) -> int:
    from swapyard.app import Options, serve
    from swapyard.config.load import load
    from swapyard.demo import demo_config

    with tempfile.TemporaryDirectory(prefix="swapyard-demo-") as place, contextlib.ExitStack() as held:
        path = Path(place) / "demo.yaml"
        start_port = held.enter_context(claimed_ports(5800, DEMO_MODELS))
        path.write_text(demo_config(sys.executable, start_port=start_port), encoding="utf-8")
        if listen is None or listen.port:  # the log tells a port that the system chooses
            print(demo_hint(listen), flush=True)
        return serve(
            Options(
                load=lambda previous: load(path, None, environ=os.environ, previous=previous),
                listen=listen,
                build=_build,
            )
        )


@contextlib.contextmanager
def claimed_ports(first: int, count: int) -> Iterator[int]:
    """The first of `count` ports that are free, `first` if possible, and that no other demo takes within the block.

    Models listen only while they are loaded, so that their ports look free to another demo. The port behind them is what
    both would need: it is kept for the whole block, and nobody listens there.
    """
    for start in range(first, 65536 - count, count + 1):
        with contextlib.ExitStack() as kept, contextlib.suppress(OSError):
            kept.enter_context(socket.socket()).bind(("127.0.0.1", start + count))
            with contextlib.ExitStack() as tried:
                for port in range(start, start + count):
                    tried.enter_context(socket.socket()).bind(("127.0.0.1", port))
            claim = kept.pop_all()
            break
    else:
        raise OSError(f"no {count + 1} free ports in a row from {first} up")
    with claim:
        yield start


def demo_hint(listen: Listen | None) -> str:
    """What to try, at the address that is going to be listened on."""
    host, port = listen or (None, 8080)
    if host in (None, "127.0.0.1", "0.0.0.0", "::1", "::"):  # noqa: S104 - compared, not bound
        host = "localhost"
    return DEMO_HINT.replace("ADDRESS", f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


DEMO_MODELS = 8

DEMO_HINT = """\
Swapyard's demo: eight scripted models, no GPU, no download. In another terminal:

  curl ADDRESS/v1/chat/completions -d '{"model": "hare", "messages": [{"role": "user", "content": "Who are you?"}]}'
  curl ADDRESS/running
  curl -N ADDRESS/v1/chat/completions -d '{"model": "magpie", "stream": true, "messages": []}'
  curl ADDRESS/running        # hare has made room for magpie
  curl ADDRESS/v1/chat/completions -d '{"model": "mole", "messages": []}'   # cannot be loaded: see how that is told

or open http://ADDRESS/ in a browser. Ctrl-C ends it.
"""
