"""What axe has to say about a page, in every theme. Its source is the fixture `axe`."""

from __future__ import annotations

from collections.abc import Sequence

from playwright.sync_api import Page

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
THEMES = ["light", "dark", "contrast"]
ACCENTS = ["blue", "green", "violet", "rose", "amber", "graphite"]

# Themes are sets of custom properties, so they are changed under the open page, which is not loaded again for each. Nothing
# may move meanwhile: colours on their way to others have any contrast.
RUN = """async ([tags, themes, accents]) => {
  const root = document.documentElement, { theme: before, accent: chosen } = root.dataset, found = []
  const still = document.createElement('style')
  still.textContent = '*, *::before, *::after { transition: none !important; animation: none !important }'
  document.head.append(still)
  for (const [theme, accent] of themes.flatMap((theme) => accents.map((accent) => [theme, accent ?? chosen]))) {
    Object.assign(root.dataset, { theme, accent })
    for (const rule of (await axe.run({ runOnly: tags, resultTypes: ['violations'] })).violations) {
      for (const node of rule.nodes) {
        found.push(`${theme} ${accent}: ${rule.id}: ${node.target} ${node.failureSummary ?? ''} ${node.html.slice(0, 200)}`)
      }
    }
  }
  Object.assign(root.dataset, { theme: before, accent: chosen })
  still.remove()
  return found
}"""


def complaints(page: Page, axe: str, *, accents: Sequence[str] = ()) -> list[str]:
    """One per rule, element, theme and accent (without `accents`: the one that is chosen). The page's context needs
    `bypass_csp`, for the script."""
    page.evaluate(axe)
    found: list[str] = page.evaluate(RUN, [TAGS, THEMES, [*accents] or [None]])
    return found
