"""The command line: which words it takes and what they mean. Pure; nothing is read, started or printed here.

    swapyard [serve] flags      llama-swap's flags, so that one word of a service file changes
    swapyard check | schema | monitor | demo

Flags are read as Go reads them, because that is what llama-swap's users write: one dash or two, `-flag value` or
`-flag=value`, switches only as `-flag` or `-flag=true`, the last one wins, and reading ends at the first word that is no
flag. What follows is ignored by `serve`, as it always was, but no longer in silence. Only a first word that is neither flag
nor command is bad usage: nothing after it would be read, so that it can only be a slip.

`parse` returns one of the commands below or raises `UsageError`, which knows the exit code.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from swapyard.errors import SwapyardError


class UsageError(SwapyardError):
    """The command line makes no sense. The message is for the user; `exit_code` for the shell."""

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Listen(NamedTuple):
    """Where to listen. `host` None: on every interface. An IPv6 address has no brackets here."""

    host: str | None
    port: int


@dataclass(frozen=True, slots=True)
class Serve:
    """At least one of `config` and `config_dir` is given; both TLS files or none. `listen` None: the default, which depends
    on the configuration. `warnings` are to be told before serving."""

    config: str | None = None
    config_dir: str | None = None
    listen: Listen | None = None
    tls_cert_file: str | None = None
    tls_key_file: str | None = None
    watch_config: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """Look for problems in a configuration. At least one of the two is given."""

    config: str | None = None
    config_dir: str | None = None


@dataclass(frozen=True, slots=True)
class Schema:
    """Print the JSON Schema of the configuration."""


@dataclass(frozen=True, slots=True)
class Monitor:
    """Print figures of the machine. `every`: seconds; None: once."""

    every: float | None = None


@dataclass(frozen=True, slots=True)
class Demo:
    """Serve the built-in configuration."""

    listen: Listen | None = None


@dataclass(frozen=True, slots=True)
class ShowVersion:
    pass


@dataclass(frozen=True, slots=True)
class ShowHelp:
    text: str


Command = Serve | Check | Schema | Monitor | Demo | ShowVersion | ShowHelp


# --- the grammar -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Flag:
    """`value`: how the usage text calls what follows the flag; empty for a switch."""

    name: str
    value: str
    help: str


CONFIG: Final = Flag("config", "FILE", "the configuration (YAML)")
CONFIG_DIR: Final = Flag("config-dir", "DIR", "a directory of *.yaml and *.yml files, added to --config")
LISTEN: Final = Flag("listen", "HOST:PORT", "where to listen; an empty host means every interface")
TLS_CERT: Final = Flag("tls-cert-file", "FILE", "serve TLS with this certificate ...")
TLS_KEY: Final = Flag("tls-key-file", "FILE", "... and its key")
WATCH: Final = Flag("watch-config", "", "reload when the configuration changes (SIGHUP always does)")
EVERY: Final = Flag("every", "SECONDS", "print them again every so many seconds, at least 0.5")
VERSION: Final = Flag("version", "", "print the version and exit")
HELP: Final = Flag("help", "", "print this and exit")

# Of each command: its summary, its flags.
COMMANDS: Final[dict[str, tuple[str, tuple[Flag, ...]]]] = {
    "serve": (
        "put the configured models behind one address (this is the default)",
        (CONFIG, CONFIG_DIR, LISTEN, TLS_CERT, TLS_KEY, WATCH, VERSION, HELP),
    ),
    "check": ("find every problem in a configuration, or print what it amounts to", (CONFIG, CONFIG_DIR, HELP)),
    "schema": ("print the JSON Schema of the configuration, for editors", (HELP,)),
    "monitor": ("print figures of this machine and its GPUs, and where they come from", (EVERY, HELP)),
    "demo": ("serve a few scripted models, to try swapping without a GPU", (LISTEN, HELP)),
}
# Words that people try, and what they are called here.
_MEANT: Final = {**{name: f"swapyard {name}" for name in COMMANDS}, "help": "--help", "version": "--version"}

LEAST_EVERY: Final = 0.5  # seconds
_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})


def parse(arguments: Sequence[str]) -> Command:
    """`arguments`: without the program's own name. Raises UsageError."""
    command, words = "serve", list(arguments)
    if words and words[0] in COMMANDS:
        command = words.pop(0)
    elif words and not words[0].startswith("-"):
        raise UsageError(f'"{words[0]}" is no command{_hint_for(words[0]) or "; see swapyard --help"}')
    given, rest = read_flags(words, COMMANDS[command][1])
    if HELP.name in given:
        return ShowHelp(usage(command))
    if VERSION.name in given:
        return ShowVersion()
    if command != "serve" and rest:
        raise UsageError(f'swapyard {command} takes no "{rest[0]}"{_hint_for(rest[0])}')
    listen = parse_listen(given[LISTEN.name]) if given.get(LISTEN.name) else None
    match command:
        case "check":
            _require_configuration(given, ())
            return Check(given.get(CONFIG.name) or None, given.get(CONFIG_DIR.name) or None)
        case "schema":
            return Schema()
        case "monitor":
            return Monitor(_seconds(given[EVERY.name]) if EVERY.name in given else None)
        case "demo":
            return Demo(listen)
        case _:
            return _serve(given, rest, listen)


def _serve(given: dict[str, str], rest: list[str], listen: Listen | None) -> Serve:
    warnings = [f'"{" ".join(rest)}" is ignored{_hint_for(rest[0])}'] if rest else []
    _require_configuration(given, warnings)
    certificate, key = given.get(TLS_CERT.name) or None, given.get(TLS_KEY.name) or None
    if (certificate is None) != (key is None):
        missing = TLS_KEY if key is None else TLS_CERT
        raise UsageError(f"TLS needs a certificate and its key: --{missing.name} is missing", exit_code=1)
    return Serve(
        config=given.get(CONFIG.name) or None,
        config_dir=given.get(CONFIG_DIR.name) or None,
        listen=listen,
        tls_cert_file=certificate,
        tls_key_file=key,
        watch_config=WATCH.name in given,
        warnings=tuple(warnings),
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text.removesuffix("s"))
    except ValueError:
        seconds = math.nan
    if not LEAST_EVERY <= seconds < math.inf:
        raise UsageError(f'--{EVERY.name} must be a number of seconds, {LEAST_EVERY} or more, not "{text}"')
    return seconds


def _require_configuration(given: dict[str, str], warnings: Sequence[str]) -> None:
    if not given.get(CONFIG.name) and not given.get(CONFIG_DIR.name):
        message = 'no configuration: give --config FILE or --config-dir DIR, or try "swapyard demo"'
        raise UsageError("; ".join([message, *warnings]), exit_code=1)


# --- flags -------------------------------------------------------------------------------------------------------------


def read_flags(words: Sequence[str], flags: Sequence[Flag]) -> tuple[dict[str, str], list[str]]:
    """The flags that are given, by name, and the words after them. A switch that is off is not in it; one that is on is
    "true"."""
    known = {flag.name: flag for flag in flags} | {"h": HELP}
    given: dict[str, str] = {}
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        name, equals, value = word.removeprefix("-").removeprefix("-").partition("=")
        flag = known.get(name)
        if flag is None:
            raise UsageError(_unknown(word.partition("=")[0], name, known))
        if not flag.value:
            if _is_on(flag, value, bool(equals)):
                given[flag.name] = "true"
            else:
                given.pop(flag.name, None)
        elif equals:
            given[flag.name] = value
        elif rest:
            given[flag.name] = rest.pop(0)
        else:
            raise UsageError(f"--{flag.name} needs a value: --{flag.name} {flag.value}")
    return given, rest


def _is_on(flag: Flag, value: str, has_value: bool) -> bool:
    if not has_value or value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise UsageError(f"--{flag.name}={value} is neither true nor false: write --{flag.name} or --{flag.name}=false")


def _unknown(word: str, name: str, known: dict[str, Flag]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean --{near[0]}?" if near else "see swapyard --help"
    return f"unknown flag {word}; {hint}"


def _hint_for(word: str) -> str:
    if word in _TRUE | _FALSE:
        return f"; a switch takes its value with =, as in --{WATCH.name}={word.lower()}"
    if word.endswith((".yaml", ".yml")):
        return f"; did you mean --config {word}?"
    near = difflib.get_close_matches(word, _MEANT, n=1)
    return f'; did you mean "{_MEANT[near[0]]}"?' if near else ""


# --- addresses ---------------------------------------------------------------------------------------------------------


def parse_listen(text: str) -> Listen:
    """`:8080`, `127.0.0.1:8080`, `localhost:8080`, `[::1]:8080`. Raises UsageError."""
    host, colon, port_text = text.rpartition(":")
    if "://" in text:
        raise _bad_listen(text, f"leave out the {text.partition('://')[0]}://")
    if not colon:
        raise _bad_listen(text, f"write :{text} for that port" if text.isdigit() else f"write {text}:8080, with a port")
    if not (port_text.isascii() and port_text.isdigit() and len(port_text) <= 5 and int(port_text) <= 65535):
        raise _bad_listen(text, f'"{port_text}" is no port number (0 to 65535)')
    if host.startswith("[") and host.endswith("]") and ":" in host:
        host = host[1:-1]
    elif ":" in host:
        raise _bad_listen(text, f"an IPv6 address needs brackets, as in [::1]:{port_text}")
    elif host == "*":
        raise _bad_listen(text, f"write :{port_text} for every interface")
    if any(not char.isprintable() or char in " /[]" for char in host):
        raise _bad_listen(text, f'"{host}" is no host name')
    return Listen(host or None, int(port_text))


def _bad_listen(text: str, advice: str) -> UsageError:
    return UsageError(f'bad listening address "{text}": {advice}')


# --- the usage text ----------------------------------------------------------------------------------------------------


def usage(command: str = "serve") -> str:
    """What --help prints, lines of at most 100 characters."""
    summary, flags = COMMANDS[command]
    if command == "serve":
        lines = [
            "Swapyard puts many local inference servers behind one address and starts them on demand.",
            "",
            "  swapyard --config FILE        serve the models of FILE",
            "  swapyard demo                 see it work, without a model or a GPU",
            "",
            "Commands",
            *(f"  {name:<8} {text}" for name, (text, _) in COMMANDS.items()),
            "",
            "Flags (one dash or two; swapyard COMMAND --help for those of another command)",
        ]
    else:
        lines = [f"swapyard {command}: {summary}", "", "Flags (one dash or two)"]
    lines += [f"  {_spelled(flag):<24} {flag.help}" for flag in flags]
    if command == "serve":
        lines += [
            "",
            "Without --listen: 127.0.0.1:8080, or :8080 (every interface) once the configuration has apiKeys.",
            "With TLS the port is 8443.",
        ]
    return "\n".join(lines) + "\n"


def _spelled(flag: Flag) -> str:
    return f"--{flag.name} {flag.value}".rstrip()
