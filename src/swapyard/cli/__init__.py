"""The command `swapyard`: reads the arguments and runs one of its subcommands.

Exit codes: 0 good, 1 a wrong configuration or nothing to listen on, 2 bad usage. What is slow to import is imported by the
command that needs it, so that `--version` and `check` answer at once.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from swapyard import __version__
from swapyard.cli.arguments import Check, Demo, Listen, Schema, Serve, ShowHelp, ShowVersion, UsageError, parse
from swapyard.errors import ConfigError


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        command = parse(sys.argv[1:] if arguments is None else arguments)
    except UsageError as error:
        print(f"swapyard: {error}", file=sys.stderr)
        return error.exit_code
    try:
        match command:
            case ShowHelp(text):
                print(text)
            case ShowVersion():
                print(f"swapyard {__version__}")
            case Serve():
                return _serve(command)
            case Demo(listen):
                return _demo(listen)
            case Check(config, config_dir):
                from swapyard.cli import check

                return check.run(_path(config), _path(config_dir), sys.stdout)
            case Schema():
                from swapyard.cli import schema

                return schema.run(sys.stdout)
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `swapyard schema | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _serve(command: Serve) -> int:
    from swapyard.app import Options, serve
    from swapyard.config.load import load

    config, config_dir = _path(command.config), _path(command.config_dir)
    for warning in command.warnings:
        print(f"swapyard: {warning}", file=sys.stderr)
    certificate = None
    if command.tls_cert_file and command.tls_key_file:
        certificate = Path(command.tls_cert_file), Path(command.tls_key_file)
    return serve(
        Options(
            load=lambda: load(config, config_dir, environ=os.environ),
            listen=command.listen,
            certificate=certificate,
            watch=(config, config_dir) if command.watch_config else None,
        )
    )


def _demo(listen: Listen | None) -> int:
    from swapyard.app import Options, serve
    from swapyard.config.load import load
    from swapyard.demo import demo_config

    with tempfile.TemporaryDirectory(prefix="swapyard-demo-") as place:
        path = Path(place) / "demo.yaml"
        path.write_text(demo_config(sys.executable), encoding="utf-8")
        print(DEMO_HINT)
        return serve(Options(load=lambda: load(path, None, environ=os.environ), listen=listen))


DEMO_HINT = """\
Swapyard's demo: five scripted models, no GPU, no download. In another terminal:

  curl localhost:8080/v1/chat/completions -d '{"model": "hare", "messages": [{"role": "user", "content": "Who are you?"}]}'
  curl localhost:8080/running
  curl -N localhost:8080/v1/chat/completions -d '{"model": "magpie", "stream": true, "messages": []}'
  curl localhost:8080/running        # hare has made room for magpie

or open http://localhost:8080/ in a browser. Ctrl-C ends it.
"""
