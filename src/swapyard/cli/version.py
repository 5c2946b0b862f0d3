"""Which Swapyard this is: version, commit and build date, as far as they are known.

The commit of a source checkout is read from its `.git`, that of `pip install git+...` from what pip noted (PEP 610). No
process is started for it. A packaged build may bring a `build.json` in the package: {"commit": "...", "build_date": "..."}.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from swapyard import __version__
from swapyard.api.services import Build

PACKAGE = Path(__file__).parent.parent
SHOWN = 12  # letters of a commit


def this_build() -> Build:
    noted = packaged(PACKAGE)
    commit = noted.get("commit") or commit_of_checkout(PACKAGE.parent.parent) or commit_of_installation()
    return Build(__version__, str(commit or "unknown"), str(noted.get("build_date") or "unknown"))


def shown(build: Build) -> str:
    """The line that --version prints."""
    return f"swapyard {build.version} (commit {build.commit[:SHOWN]}, build date {build.build_date})"


def packaged(package: Path) -> dict[str, Any]:
    return read_object(package / "build.json")


def commit_of_checkout(root: Path) -> str | None:
    """Of a repository that holds this very package at src/swapyard, None otherwise."""
    if not (root / "src" / "swapyard").is_dir() or not (root / "pyproject.toml").is_file():
        return None
    head = read(root / ".git" / "HEAD").strip()
    if not head.startswith("ref: "):
        return head or None
    ref = head.removeprefix("ref: ")
    if commit := read(root / ".git" / ref).strip():
        return commit
    packed = (line.partition(" ") for line in read(root / ".git" / "packed-refs").splitlines())
    return next((commit for commit, _, name in packed if name == ref), None)


def commit_of_installation() -> str | None:
    from importlib import metadata  # with all of `email`, and not needed where the commit is known

    try:
        text = metadata.distribution("swapyard").read_text("direct_url.json")
        return str(json.loads(text)["vcs_info"]["commit_id"]) if text else None
    except (metadata.PackageNotFoundError, OSError, ValueError, LookupError, TypeError):
        return None


def read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def read_object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read(path) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
