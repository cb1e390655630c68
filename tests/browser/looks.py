"""How a page looks to whoever reads it otherwise: by day and by night, with other senses, on an old phone."""

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import Page, ViewportSize

ALL: dict[str, Any] = {"resultTypes": ["violations"]}
"""Every rule that axe has."""
AA: dict[str, Any] = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
BEST: dict[str, Any] = {"runOnly": [*AA["runOnly"], "best-practice"]}
COLOURS: dict[str, Any] = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
"""All that a colour scheme can change."""
PHONE: ViewportSize = {"width": 320, "height": 560}


def check_accessible(page: Page, rules: dict[str, Any] = ALL) -> None:
    """No violation by day, and none of a rule about colours by night."""
    page.evaluate(AXE_SCRIPT)
    page.emulate_media(color_scheme="dark")
    _check(page, COLOURS)
    page.emulate_media(color_scheme="light")
    _check(page, rules)


def check_scrolls_one_way(page: Page) -> None:
    """On an old phone."""
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320, page.url


def _check(page: Page, rules: dict[str, Any]) -> None:
    found = AxeResults(page.evaluate("rules => axe.run(rules)", rules))
    assert found.violations_count == 0, f"{page.url}: {found.generate_report()}"
