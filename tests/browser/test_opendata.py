"""The pages of open data, on wide and narrow screens, read out and clicked through."""

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser


@pytest.mark.parametrize(("width", "scheme", "language"), [(900, "light", "en"), (320, "dark", "ko")])
def test_open_data_and_its_policy_are_found_from_any_page_and_read_by_anybody(
    site: str, browser: Browser, width: int, scheme: str, language: str
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 560},
        color_scheme=scheme,  # type: ignore[arg-type]  # a literal in its stubs
        java_script_enabled=False,
    )
    page = context.new_page()
    page.goto(f"{site}/tenders?lang={language}")
    for address in ("/data", "/data/policy"):
        page.locator(f'a[href="{address}"]').first.click()
        page.wait_for_url(f"**{address}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
    context = browser.new_context(color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    for address in ("/data", "/data/policy"):
        page.goto(f"{site}{address}?lang={language}")
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
    context.close()


def test_the_past_tender_can_be_copied_from_the_feed(site: str) -> None:
    page = httpx.get(f"{site}/api/v1/releases?practice=only&limit=1000").json()
    tags = [tag for each in page["releases"] for tag in each["tag"]]
    assert {"tender", "award", "awardUpdate"} <= set(tags)
