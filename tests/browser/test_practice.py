"""The practice page: what happens is told before it does, and the way to a tender needs no script."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Service
from tests.browser.looks import AA, check_accessible, check_scrolls_one_way


def test_whoever_wants_to_practise_is_on_the_page_for_a_bid_after_one_press_without_javascript(
    service: Service, browser: Browser
) -> None:
    context = browser.new_context(java_script_enabled=False, locale="es")
    page = context.new_page()
    page.goto(f"{service.origin}/")
    page.get_by_role("link", name="Aprenda a ofertar en cinco minutos").click()
    page.get_by_role("button", name="Empezar a practicar").click()
    expect(page).to_have_url(re.compile(r"/tenders/ocds-0s3al1-practice-[0-9a-f-]+/bid$"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Práctica")
    page.goto(f"{service.origin}/practice")
    expect(page.locator("article.first")).to_be_visible()  # the one that others share
    context.close()


@pytest.mark.parametrize("language", ["en", "ko", "es"])
def test_the_page_has_no_accessibility_violation_and_scrolls_one_way(
    service: Service, browser: Browser, language: str
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{service.origin}/practice?lang={language}")
    check_scrolls_one_way(page)
    check_accessible(page, AA)
    context.close()
