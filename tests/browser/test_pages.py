"""The pages as people meet them: a real Chromium, a real service, a real past tender behind it."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, sync_playwright

CASE = Path(__file__).parents[2] / "procurement" / "cases" / "R25BK01027145"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service through which the case has gone."""
    folder = tmp_path_factory.mktemp("browser")
    for each in (folder, *folder.parents[:2]):
        each.chmod(0o755)  # the database's account has to pass
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "procurement"]
    service = subprocess.Popen([*command, "serve", "--port", str(port), "--data-dir", str(folder)])
    try:
        _wait_for(address, service)
        subprocess.run([*command, "replay", str(CASE), "--base-url", address], check=True, timeout=120)
        yield address
    finally:
        service.terminate()
        service.wait()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = os.environ.get("OPENSEAL_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium, args=FLAGS)


def tender_address(site: str) -> str:
    tenders = httpx.get(f"{site}/api/v1/tenders").json()["tenders"]
    return f"{site}/tenders/{tenders[0]['tender']}"


def test_a_visitor_reads_from_the_list_to_the_winner_without_javascript(site: str, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site)
    page.get_by_role("heading", level=2).get_by_role("link").first.click()
    assert page.locator(".ranking .first h3").inner_text() == "1. 주식회사 예신뷰"
    assert "100,111,000 KRW" in page.locator(".ranking .first").inner_text()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the award record").click()
    assert Path(download.value.path()).read_bytes().startswith(b"PK")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_an_accessibility_violation(site: str, browser: Browser, scheme: str) -> None:
    context = browser.new_context(color_scheme=scheme)  # type: ignore[arg-type]  # a literal in its stubs
    for address in (site, tender_address(site)):
        page = context.new_page()
        page.goto(address)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
    context.close()


def test_an_old_phone_scrolls_one_way_only(site: str, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 320, "height": 560})
    for address in (site, tender_address(site)):
        page = context.new_page()
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
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


def _wait_for(address: str, service: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert service.poll() is None, "the service ended"
        try:
            httpx.get(f"{address}/health").raise_for_status()
        except httpx.HTTPError:
            pass
        else:
            return
        try:
            service.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError("the service did not answer")
