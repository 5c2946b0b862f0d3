"""An entry of `models:` as text, to be copied into a file.

It is read back as it was meant whatever its arguments hold (blanks, quotes, `#`, `${...}`, ends of lines); a test makes up
hostile ones. `command` has the rules of splitting that this quotes for.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterable
from typing import Final

import yaml

from swapyard.config.render import Dumper

LLAMA_SERVER: Final = "llama-server --port ${PORT}"


def model_entry(name: str, command: str, arguments: Iterable[str], platform: str) -> str:
    """`models:` with one model. `command` stands in it as it is, `${PORT}` and all; each of `arguments` (UTF-8 text without
    NUL; for Windows without control characters and not ending with a backslash) becomes one argument behind it."""
    cmd = " ".join([command, *(word(argument, platform) for argument in arguments)])
    return yaml.dump({"models": {name: {"cmd": cmd}}}, Dumper=Dumper, allow_unicode=True, width=10_000)


def word(argument: str, platform: str) -> str:
    """The argument as one word of a `cmd` key."""
    if platform == "win32":
        return subprocess.list2cmdline([argument]).replace("${", '$"{"')  # one quote more or less on either side of {
    # Quotes that close and open again part `$` from `{`, so that there is no reference, and keep a line within quotes from
    # beginning with `#` or ending with a backslash, which would mean something.
    return shlex.quote(argument).replace("${", "$''{").replace("\n", "''\n''")
