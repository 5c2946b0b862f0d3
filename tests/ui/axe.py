"""What axe has to say about a page, in every theme. Its source is the fixture `axe`."""

from __future__ import annotations

from playwright.sync_api import Page

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
THEMES = ["light", "dark", "contrast"]

# Themes are sets of custom properties, so they are changed under the open page, which is not loaded again for each. Nothing
# may move meanwhile: colours on their way to others have any contrast.
RUN = """async ([tags, themes]) => {
  const root = document.documentElement, before = root.dataset.theme, found = [], still = document.createElement('style')
  still.textContent = '*, *::before, *::after { transition: none !important; animation: none !important }'
  document.head.append(still)
  for (const theme of themes) {
    root.dataset.theme = theme
    for (const rule of (await axe.run({ runOnly: tags, resultTypes: ['violations'] })).violations) {
      for (const node of rule.nodes) {
        found.push(`${theme}: ${rule.id}: ${node.target} ${node.failureSummary ?? ''} ${node.html.slice(0, 200)}`)
      }
    }
  }
  root.dataset.theme = before
  still.remove()
  return found
}"""


def complaints(page: Page, axe: str) -> list[str]:
    """One per rule, element and theme. The page's context needs `bypass_csp`, for the script."""
    page.evaluate(axe)
    found: list[str] = page.evaluate(RUN, [TAGS, THEMES])
    return found
