"""What axe has to say about a page. Its source is the fixture `axe`."""

from __future__ import annotations

from playwright.sync_api import Page

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def complaints(page: Page, axe: str) -> list[str]:
    page.evaluate(axe)
    found = page.evaluate("tags => axe.run({ runOnly: tags, resultTypes: ['violations'] })", TAGS)
    return [
        f"{rule['id']}: {node['target']} {node.get('failureSummary', '')} {node['html'][:200]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
