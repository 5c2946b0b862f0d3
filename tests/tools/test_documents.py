"""What the hand-written pages list is complete."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from swapyard.errors import RequestError

DOCS = Path(__file__).parents[2] / "docs"


def kinds(root: type[RequestError]) -> Iterator[type[RequestError]]:
    yield root
    for kind in root.__subclasses__():
        yield from kinds(kind)


@pytest.mark.parametrize("module", ["swapyard.app", "swapyard.api.app"])
def test_every_error_of_a_part_is_in_the_table_of_errors_with_its_status(module: str) -> None:
    importlib.import_module(module)  # and with it every part that defines errors
    rows = re.findall(r"^\| (\d{3}) \| (`.*`) \|", (DOCS / "http.md").read_text(encoding="utf-8"), re.MULTILINE)
    documented = {(int(status), code) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)}
    ours = {(kind.status, kind.code) for kind in kinds(RequestError) if kind.__module__.startswith("swapyard.")}
    assert ours - documented == set()


def test_every_page_is_linked_from_the_readme_or_another_page() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (*DOCS.glob("*.md"), DOCS.parent / "README.md")]
    linked = {name for text in texts for name in re.findall(r"\]\((?:docs/)?([\w-]+\.md)", text)}
    assert {path.name for path in DOCS.glob("*.md")} - linked == set()


def test_every_link_leads_to_a_file_and_a_heading() -> None:
    lost = []
    for path in (*DOCS.glob("*.md"), *DOCS.parent.glob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", path.read_text(encoding="utf-8")):
            name, _, anchor = target.partition("#")
            page = (path.parent / name).resolve() if name else path
            if not page.exists() or (anchor and anchor not in anchors(page)):
                lost.append(f"{path.name}: {target}")
    assert lost == []


def anchors(page: Path) -> set[str]:
    """Of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
