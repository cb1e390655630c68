"""Logging in as people do: a code from their own machine or a passkey, with JavaScript or without."""

import asyncio
import re
import secrets
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

import bids.client
from bids.receipts import Held, Receipt
from crypto.certificates import SigningKey
from crypto.statements import sign
from procurement.login import client
from procurement.service import House
from procurement.tenders import Declaration
from tests.browser.conftest import Service, run_here
from tests.browser.looks import PHONE, check_accessible, check_scrolls_one_way
from tests.builders import a_lot, panel_rules
from tests.flows import people
from tests.flows.test_own_bids import with_files, withdraw
from tests.flows.test_silence import upload

T = TypeVar("T")


class Town:
    """People with a file of their own each, enrolled by the commands that they would use."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.service, self._folder = service, folder
        self._passphrase = folder / "passphrase"
        self._passphrase.write_text("correct horse battery\n")
        code = folder / "code"
        code.write_text(service.invite())
        self._apply("registrar", "Registrar Jang", "--code-file", str(code))
        for role, name in (("officer", "Officer Kim"), ("auditor", "Auditor Yoon")):
            self._enrol(role, name)
        self._enrol("business", "Hanbit & Sons", "--representative", "Hong")
        self._apply("evaluator", "Evaluator <b>Lee</b>")

    def run(self, *arguments: str) -> str:
        return run_here(*arguments, passphrase=self._passphrase)

    def code(self, role: str) -> str:
        """A one-time code for whoever acts in that role."""
        return self.run("login", self.file(role))

    def file(self, role: str) -> str:
        return str(self._folder / role)

    def _apply(self, role: str, name: str, *more: str) -> str:
        who = ["--role", role, "--name", name, "--registration", f"KR-{role}"]
        return self.run("enrol", self.file(role), "--service", self.service.origin, *who, *more)

    def _enrol(self, role: str, name: str, *more: str) -> None:
        application = self._apply(role, name, *more).split()[1]
        self.run("registrar", "approve", self.file("registrar"), application, "--yes")
        self.run("enrol", self.file(role))


@pytest.fixture(scope="module")
def town(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Town:
    return Town(service, tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def waiting(service: Service) -> str:
    """The title of a notice that waits for a second officer."""
    return elsewhere(draft(service))


def elsewhere(what: Coroutine[Any, Any, T]) -> T:
    """What comes of it in a thread of its own: in this one the browser's loop runs."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, what).result()


async def draft(service: Service) -> str:
    async with httpx.AsyncClient(base_url=service.origin, timeout=30) as http:
        village = await people.Town.settle(http, House.below(service.folder), "")
        notice = village.notice(
            *(a_lot(panel_rules(), id=id) for id in ("1", "2")),
            lead=3600,
            title=f"<b>Desks</b> {'x' * 200}",
            description="For every school.",
            declarations=(Declaration(id="d", text="We paid every tax."),),
        )
        await village.line().post("/api/v1/tenders", sign(notice, village.officer))
    return notice.title


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    yield context
    context.close()


def come_in(context: BrowserContext, town: Town, role: str) -> Page:
    """The desk of whoever acts in that role, after a log-in by code."""
    page = context.new_page()
    page.goto(f"{town.service.origin}/desk")
    expect(page).to_have_url(f"{town.service.origin}/login")
    page.get_by_label("Code").fill(town.code(role))
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{town.service.origin}/desk")
    return page


def with_authenticator(page: Page) -> None:
    """The browser gets an authenticator that knows its owner and says yes."""
    cdp = page.context.new_cdp_session(page)
    cdp.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def test_somebody_logs_in_by_a_code_and_out_without_javascript(browser: Browser, town: Town) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = come_in(context, town, "business")
    expect(page.locator("dl")).to_contain_text("Hanbit & Sons")
    page.get_by_role("link", name="Your own bids").click()
    expect(page.locator("main")).to_contain_text("No envelope of yours")
    [cookie] = context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["secure"]) == ("__Host-openseal", True, True)
    assert (cookie["sameSite"], cookie["domain"], cookie["expires"]) == ("Strict", "localhost", -1)
    page.goto(f"{town.service.origin}/desk")
    page.get_by_role("button", name="Log out", exact=True).click()
    page.wait_for_url(f"{town.service.origin}/")
    assert context.cookies() == []
    page.goto(f"{town.service.origin}/desk")
    expect(page).to_have_url(f"{town.service.origin}/login")
    context.close()


def test_a_wrong_code_is_said_beside_the_field(context: BrowserContext, town: Town) -> None:
    page = context.new_page()
    page.goto(f"{town.service.origin}/login")
    page.get_by_label("Code").fill("AAAA-BBBB-CCCC-DDDD")
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_title(re.compile("^Error: "))
    expect(page.get_by_role("alert")).to_contain_text("wrong, over or used")
    expect(page.get_by_label("Code").locator("..")).to_contain_text("wrong, over or used")
    page.get_by_role("alert").get_by_role("link").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#code")).to_be_focused()
    assert context.cookies() == []
    check_accessible(page)


def test_an_official_enrols_a_passkey_and_comes_back_with_it(context: BrowserContext, town: Town) -> None:
    page = come_in(context, town, "officer")
    broken: list[str] = []
    page.on("console", lambda message: broken.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: broken.append(str(error)))
    with_authenticator(page)
    page.get_by_label("A name for a new one").fill("Office laptop")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_text("Office laptop, since").wait_for()
    page.get_by_role("button", name="Log out", exact=True).click()
    page.wait_for_url(f"{town.service.origin}/")
    page.goto(f"{town.service.origin}/login")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{town.service.origin}/desk")
    expect(page.locator("dl")).to_contain_text("Officer Kim")
    expect(page.locator("main")).to_contain_text("with a passkey")
    assert broken == []
    page.get_by_role("button", name="Remove the passkey Office laptop").click()
    page.get_by_text("You have none yet").wait_for()
    page.get_by_role("button", name="Log out everywhere").click()
    page.wait_for_url(f"{town.service.origin}/")
    page.goto(f"{town.service.origin}/login")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("status")).to_have_text("No such passkey is enrolled here.")


def test_each_official_reads_what_is_meant_for_them(browser: Browser, town: Town) -> None:
    pages = {
        "registrar": ["Applications that wait"],
        "officer": ["What waits for a second officer"],
        "auditor": ["Applications that wait", "What waits for a second officer", "Who came in"],
    }
    for role, links in pages.items():
        context = browser.new_context()
        desk = come_in(context, town, role)
        expect(desk.locator("main ul").first.get_by_role("link")).to_have_count(len(links))
        for link in links:
            desk.get_by_role("link", name=link).click()
            expect(desk.get_by_role("heading", level=1)).to_contain_text(link)
            check_accessible(desk)
            desk.get_by_role("navigation", name="Back").get_by_role("link", name="Desk").click()
        context.close()


def test_a_registrar_reads_an_application_as_text_and_as_lines(context: BrowserContext, town: Town) -> None:
    page = come_in(context, town, "registrar")
    page.goto(f"{town.service.origin}/desk/applications")
    expect(
        page.get_by_role("heading", level=2, name="Evaluator <b>Lee</b>", exact=True).first
    ).to_be_visible()
    listed = town.run("registrar", "list", town.file("registrar"))
    assert "evaluator Evaluator <b>Lee</b>, number KR-evaluator" in listed


def test_a_second_officer_reads_a_notice_on_an_old_phone(
    context: BrowserContext, town: Town, waiting: str
) -> None:
    page = come_in(context, town, "officer")
    page.get_by_role("link", name="What waits for a second officer").click()
    card = page.locator("article").filter(has_text=waiting)
    expect(card.get_by_role("heading", level=2)).to_have_text(waiting)
    expect(card).to_contain_text("Member 1")
    expect(card.locator("dd").first).to_contain_text("officer-")
    card.get_by_text("Exactly what was signed").click()
    expect(card.locator("pre")).to_contain_text('"title": "<b>Desks</b>')
    check_scrolls_one_way(page)
    check_accessible(page)


def test_log_in_and_desk_have_no_accessibility_violation(context: BrowserContext, town: Town) -> None:
    page = context.new_page()
    page.goto(f"{town.service.origin}/login")
    page.get_by_role("button", name="Use a passkey").wait_for()
    check_accessible(page)
    check_accessible(come_in(context, town, "officer"))


def test_an_old_phone_scrolls_one_way_only_at_the_desk(context: BrowserContext, town: Town) -> None:
    page = come_in(context, town, "auditor")
    for path in ("/desk", "/desk/applications", "/desk/drafts", "/desk/journal", "/login"):
        page.goto(f"{town.service.origin}{path}")
        check_scrolls_one_way(page)


def test_the_pages_ask_nobody_else_for_anything(context: BrowserContext, town: Town) -> None:
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = come_in(context, town, "officer")
    page.wait_for_load_state("networkidle")
    assert asked
    assert all(url.startswith(town.service.origin) for url in asked)


def test_another_sites_page_does_nothing_in_a_session(context: BrowserContext, town: Town) -> None:
    page = come_in(context, town, "officer")
    foreign = context.new_page()
    address = f"{town.service.origin}/logout-everywhere"
    body = f'<form method="post" action="{address}"><button>x</button></form>'
    foreign.route("**/*.example/", lambda route: route.fulfill(content_type="text/html", body=body))
    foreign.goto("https://evil.example/")
    with foreign.expect_navigation():
        foreign.get_by_role("button").click()
    expect(foreign.locator("main")).to_contain_text("Not for you to see or do")
    page.reload()
    expect(page).to_have_url(f"{town.service.origin}/desk")


# ── one's own bid ────────────────────────────────────────────────────────────────────────────────────────


class Bidding(NamedTuple):
    """A business, a tender in which it has bid and won, and one in which it has withdrawn its bid; and the
    officer of both."""

    service: Service
    key: SigningKey
    officer: SigningKey
    won: str
    withdrawn: str
    envelope: str

    def code(self, key: SigningKey | None = None) -> str:
        """A one-time code for the business, or for somebody else."""

        async def log_in() -> str:
            async with httpx.AsyncClient(base_url=self.service.origin, timeout=30) as http:
                line = bids.client.Service(http, await bids.client.read_trust(http))
                return (await client.log_in(line, key or self.key, self.service.origin)).code

        return elsewhere(log_in())


@pytest.fixture(scope="module")
def bidding(service: Service) -> Bidding:
    return elsewhere(bids_of_one(service))


async def bids_of_one(service: Service) -> Bidding:
    """A replaced bid with a file that came and one that did not, opened; and another one taken back."""
    async with httpx.AsyncClient(base_url=service.origin, timeout=30) as http:
        village = await people.Town.settle(http, House.below(service.folder), "")
        files = {"document_limit": 2, "document_size": 1 << 20, "upload_grace": 2}
        tender = await village.publish(a_lot(), lead=8, margin=4, title=f"<i>{'x' * 200}</i>", **files)
        key = await village.bidder("Hanbit & <b>Sons</b>")
        first = await tender.bid(key, "900")
        envelope, listed = with_files(tender, key, b"a plan", secrets.token_bytes(9), previous=first)
        id = (await tender.submit(envelope)).statement
        await upload(tender, key, id, listed[0], b"a plan")
        other = await village.publish(a_lot(), lead=3600)
        await withdraw(other, key, await other.bid(key, "100"))
        await tender.bid(await village.bidder("Saebyeok"), "800")
        await tender.close()
        await tender.order("bid")
        await tender.evaluated()
        await tender.declare(village.officer)
    return Bidding(service, key, village.officer, tender.ocid, other.ocid, id)


def test_a_bidder_reads_its_own_bid_on_an_old_phone_without_javascript(
    browser: Browser, bidding: Bidding
) -> None:
    context = browser.new_context(viewport=PHONE, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{bidding.service.origin}/login")
    page.get_by_label("Code").fill(bidding.code())
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Your own bids").click()
    page.locator("article").filter(has_text=bidding.won).get_by_role("link").click()
    for said in (
        *("Lot 1: rank 1 of 2", "700 KRW", "Counts", "Replaced", "Hanbit & <b>Sons</b>"),
        *("stored, with a receipt, listed in the closing", "missing"),
    ):
        expect(page.locator("main")).to_contain_text(said)
    with page.expect_download() as download:
        page.get_by_role("link", name="All of this").click()
    assert b'"receipt"' in Path(download.value.path()).read_bytes()
    page.goto(f"{bidding.service.origin}/desk/bids/{bidding.withdrawn}")
    expect(page.locator("main")).to_contain_text("Your bid is withdrawn")
    addresses = [page.url, f"{bidding.service.origin}/desk/bids/{bidding.won}"]
    cookies = context.cookies()
    context.close()
    with_script = browser.new_context()
    with_script.add_cookies(cookies)  # type: ignore[arg-type]  # what the same library gives
    for address in addresses:
        page = with_script.new_page()
        page.goto(address)
        check_scrolls_one_way(page)
        check_accessible(page)
    with_script.close()


# ── every page in every language ─────────────────────────────────────────────────────────────────────────

HEADINGS = {
    "ko": {
        "/login": "로그인",
        "/desk": "업무함",
        "/desk/bids": "내 투찰 목록",
        "/desk/journal": "접속 및 열람 기록",
    },
    "es": {"/login": "Entrar", "/desk": "Escritorio", "/desk/bids": "Sus propias ofertas"},
    "en": {"/login": "Log in", "/desk": "Desk", "/desk/bids": "Your own bids"},
}


@pytest.mark.parametrize("language", ["en", "ko", "es"])
def test_every_page_of_a_desk_is_whole_in_every_language(
    browser: Browser, town: Town, waiting: str, bidding: Bidding, language: str
) -> None:
    """On an old phone, by day and by night, in the reader's language, with other senses."""
    receipt = f"/tenders/{bidding.won}/receipts/{bidding.envelope}"
    documents = f"/desk/tenders/{bidding.won}/bids/{bidding.envelope}/documents"
    own = [f"/desk/bids/{bidding.won}", f"/desk/bids/{bidding.withdrawn}", "/desk/bids", "/desk", receipt]
    visits: list[tuple[Callable[[], str] | None, list[str]]] = [
        (None, ["/login"]),
        (lambda: town.code("auditor"), ["/desk", "/desk/applications", "/desk/drafts", "/desk/journal"]),
        (bidding.code, own),
        (lambda: bidding.code(bidding.officer), [documents]),
    ]
    for code, paths in visits:
        context = browser.new_context(locale=language)
        page = context.new_page()
        if code:
            page.goto(f"{town.service.origin}/login")
            page.locator("#code").fill(code())
            page.keyboard.press("Enter")
            page.wait_for_url(f"{town.service.origin}/desk")
        for path in paths:
            assert page.goto(f"{town.service.origin}{path}").status == 200, path  # type: ignore[union-attr]
            assert page.locator("html").get_attribute("lang") == language
            if path in HEADINGS[language]:
                assert page.get_by_role("heading", level=1).inner_text() == HEADINGS[language][path]
            check_scrolls_one_way(page)
            check_accessible(page)
        context.close()


def test_a_desk_is_used_by_the_keyboard_alone(context: BrowserContext, town: Town) -> None:
    page = context.new_page()
    page.goto(f"{town.service.origin}/login")
    to(page, "#code")
    page.keyboard.type(town.code("officer"))
    page.keyboard.press("Enter")
    page.wait_for_url(f"{town.service.origin}/desk")
    to(page, "a[href='/desk/drafts']")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{town.service.origin}/desk/drafts")
    to(page, "summary")
    page.keyboard.press("Enter")
    expect(page.locator("details[open]")).to_have_count(1)
    to(page, ".back a", back=True)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{town.service.origin}/desk")
    to(page, "form[action='/logout'] button")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{town.service.origin}/")
    assert context.cookies() == []


def to(page: Page, place: str, *, back: bool = False) -> None:
    """Tab until the focus is there, and is seen."""
    for _ in range(60):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        if page.evaluate("place => document.activeElement.matches(place)", place):
            style = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
            shadow = page.evaluate("getComputedStyle(document.activeElement).boxShadow")
            assert style != "0px" or shadow != "none", place
            return
    raise AssertionError(f"no way to {place}")


def test_a_receipt_is_read_without_javascript_and_kept_as_a_file(browser: Browser, bidding: Bidding) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{bidding.service.origin}/tenders/{bidding.won}/receipts/{bidding.envelope}")
    expect(page.locator("main")).to_contain_text("This is the receipt for a sealed bid")
    with page.expect_download() as paper:
        page.get_by_role("link", name="On paper (PDF), in 한국어").click()
    assert b"/Lang(ko)" in Path(paper.value.path()).read_bytes()
    assert paper.value.suggested_filename == f"receipt-{bidding.envelope[:16]}.pdf"
    with page.expect_download() as file:
        page.get_by_role("link", name="The receipt file").click()
    assert (
        Held.parse(Path(file.value.path()).read_bytes()).receipt.read(Receipt).statement == bidding.envelope
    )
    asked: list[str | None] = []
    page.on("request", lambda request: asked.append(request.headers.get("referer")))
    page.get_by_role("link", name="The tender").click()
    page.wait_for_url(f"**/tenders/{bidding.won}")
    assert asked
    assert not [each for each in asked if each and bidding.envelope in each]
    context.close()
