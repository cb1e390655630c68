"""The pages as people meet them: a real Chromium, a real service, a real past tender behind it."""

from pathlib import Path

import httpx
from playwright.sync_api import Browser, BrowserContext, expect

from tests.browser.conftest import CASE
from tests.browser.looks import check_accessible, check_scrolls_one_way


def tender_address(site: str) -> str:
    """Where the case is: other tenders may be there, too."""
    asked = {"text": CASE.name, "practice": "only"}
    tenders = httpx.get(f"{site}/api/v1/tenders", params=asked).json()["tenders"]
    [ocid] = [each["tender"] for each in tenders if CASE.name in each["number"]]
    return f"{site}/tenders/{ocid}"


def test_a_visitor_reads_from_the_list_to_the_winner_without_javascript(site: str, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site)
    page.get_by_role("link", name="All practice tenders").click()
    page.wait_for_url("**/tenders?practice=only")
    page.get_by_label("What are you looking for?").fill(CASE.name)
    page.get_by_role("button", name="Search").click()
    case = page.locator("article").filter(has_text=CASE.name)
    case.get_by_role("heading", level=3).get_by_role("link").click()
    expect(page.locator(".ranking .first h3")).to_have_text("1. 주식회사 예신뷰")
    expect(page.locator(".ranking .first")).to_contain_text("100,111,000 KRW")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the award record").click()
    assert Path(download.value.path()).read_bytes().startswith(b"PK")
    context.close()


def test_no_page_has_an_accessibility_violation_and_an_old_phone_scrolls_one_way_only(
    site: str, browser: Browser
) -> None:
    context = browser.new_context()
    for address in (site, tender_address(site)):
        page = context.new_page()
        page.goto(address)
        check_accessible(page)
        check_scrolls_one_way(page)
    context.close()


def test_nothing_is_asked_of_anyone_else_and_pages_are_light(site: str, browser: Browser) -> None:
    context: BrowserContext = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(tender_address(site), wait_until="networkidle")
    assert asked
    assert all(url.startswith(site) for url in asked)
    compressed = httpx.get(tender_address(site), headers={"Accept-Encoding": "gzip"})
    assert int(compressed.headers["content-length"]) < 20 * 1024
    context.close()
