"""Somebody helps: they prepare a bid without the bidder's key; the bidder takes it over by a code on a
phone of their own, reads it, seals it and signs it."""

import json
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import segno
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from playwright.sync_api import Browser, Page, Request, Route, expect

from bids.receipts import Held, Receipt
from procurement.handovers import LARGEST
from procurement.web.look import KST
from tests.browser.bidders import Bidder, People
from tests.browser.conftest import Service
from tests.browser.looks import AA, check_accessible
from tests.browser.test_bid import TAXES, a_file, a_tender, is_right, press, reach
from tests.flows.people import PracticeTender

PRICE = "1234567"
PHONE: dict[str, Any] = {"viewport": {"width": 320, "height": 640}, "locale": "ko-KR"}
BORDER = 4  # modules
FILLING = 152
"""Bytes of an address, as many as version 8 takes at error correction M."""
TERMS = "0" * 64


@pytest.fixture(scope="module")
def people(service: Service) -> Iterator[People]:
    with People(service) as people:
        yield people


@pytest.fixture(scope="module")
def tender(people: People) -> PracticeTender:
    """Its addresses fill a code to the last byte: libraries differ in what they pad with."""
    length = FILLING - len(f"{people.service.origin}/tenders//bid#handover=.") - 32 - 43
    ocid = f"ocds-0s3al1-{secrets.token_hex(16)}"[:length]
    return a_tender(people, declarations=(TAXES,), tender=ocid)


@pytest.fixture
def helper(browser: Browser, people: People) -> Iterator["Helper"]:
    helper = Helper(browser, people)
    yield helper
    helper.context.close()


@pytest.fixture(scope="module")
def registered(
    browser: Browser, people: People, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bidder]:
    bidder = Bidder(browser, people, tmp_path_factory.mktemp("bidder"), **PHONE)
    yield bidder
    bidder.context.close()


@pytest.fixture
def bidder(registered: Bidder, tmp_path: Path) -> Bidder:
    return registered.anew(tmp_path)


class Helper:
    """Somebody at a machine in which nobody is registered."""

    def __init__(self, browser: Browser, people: People, **options: Any) -> None:
        self.people = people
        self.context = browser.new_context(**({"locale": "en"} | options))
        self.page = self.context.new_page()

    def open(self, tender: PracticeTender, language: str = "en") -> Page:
        self.page.goto(f"{self.people.service.origin}/tenders/{tender.ocid}/bid?lang={language}")
        expect(self.page.locator("#told")).to_have_text(
            (self.page.locator("[data-word='told-verified']").text_content() or "").strip(), timeout=60_000
        )
        return self.page

    def write(self, price: str = PRICE) -> None:
        self.page.locator("[id='amount:1']").fill(price)
        self.page.locator("[id='declare:taxes']").check()

    def hand_over(self) -> str:
        """The address for the bidder."""
        self.page.locator("#hand-over").click()
        expect(self.page.locator("#handed")).to_be_focused()
        return self.page.locator("#handed-address").input_value()


class Rows:
    """What the service's database has, as its owner sees it."""

    def __init__(self, people: People) -> None:
        self._people = people
        cluster = people.service.folder / "postgres" / "cluster"
        self._socket = (cluster / "postmaster.pid").read_text().splitlines()[4]

    def __call__(self, query: str, *values: Any) -> list[Any]:
        return self._people(self._asked(query, *values))

    async def _asked(self, query: str, *values: Any) -> list[Any]:
        connection = await asyncpg.connect(user="openseal", database="openseal", host=self._socket, port=5432)
        try:
            return list(await connection.fetch(query, *values))
        finally:
            await connection.close()


class Sent:
    """Everything that pages have sent: addresses, headers, bodies."""

    def __init__(self, *pages: Page) -> None:
        self._said: list[bytes] = []
        for page in pages:
            page.on("request", self._note)

    def _note(self, request: Request) -> None:
        address = request.url.partition("#")[0]  # what is behind it the browser keeps, and the driver adds
        said = [address, request.method, *(f"{name}: {value}" for name, value in request.headers.items())]
        self._said += [*map(str.encode, said), request.post_data_buffer or b""]

    def holds(self, secret: str | bytes) -> bool:
        looked_for = secret if isinstance(secret, bytes) else secret.encode()
        return any(looked_for in each for each in self._said)


def parted(address: str) -> tuple[str, str, str]:
    """The page, the id and the key of an address."""
    page, id, key = re.fullmatch(r"(.*)#handover=([0-9a-f]{32})\.([\w-]{43})", address).groups()  # type: ignore[union-attr]
    return page, id, key


def test_a_helper_without_a_key_prepares_and_the_bidder_signs_on_a_phone_by_keyboard(
    people: People, tender: PracticeTender, helper: Helper, bidder: Bidder, tmp_path: Path
) -> None:
    sent, rows = Sent(helper.page, bidder.page), Rows(people)
    page = helper.open(tender)
    expect(page.locator("#keyless")).to_be_visible()
    press(page, "amount:1", PRICE)
    press(page, "declare:taxes", "Space")
    press(page, "restricted", "담당자 전화번호는 비밀")
    page.locator("#files").set_input_files(a_file(tmp_path, "도면.pdf"))
    expect(page.locator("#documents progress")).to_be_hidden(timeout=60_000)
    press(page, "check")
    expect(page.locator("#review")).to_be_focused()
    expect(page.locator("#review")).to_contain_text("1,234,567 KRW")
    expect(page.locator("#unsigned")).to_contain_text("Nobody is registered in this browser.")
    expect(page.locator("#seal")).to_be_hidden()
    press(page, "hand-over")
    expect(page.locator("#handed")).to_be_focused()
    expect(page.locator("#handed")).to_contain_text("The documents do not go along")
    closes = tender.notice.closes.astimezone(KST)
    expect(page.locator("#handed [data-slot=until]")).to_contain_text(f"{closes:%H:%M} KST")
    reach(page, "handed-address")
    address = page.locator("#handed-address").input_value()
    reach(page, "copy-address")
    assert is_drawn(page, address)
    origin, id, key = parted(address)
    assert origin == f"{people.service.origin}/tenders/{tender.ocid}/bid"

    [row] = rows("SELECT content FROM handover WHERE id = $1", bytes.fromhex(id))
    handed = opened(key, tender.ocid, row["content"])
    assert {"name": "amount:1", "value": PRICE} in handed["fields"]
    assert handed["documents"] == ["도면.pdf"]
    assert len(row["content"]) % 4096 == 0

    phone = bidder.page
    phone.goto(address)
    prepared = phone.locator("#prepared")
    expect(prepared).to_be_focused(timeout=60_000)
    assert phone.url == origin
    expect(prepared).to_contain_text("도면.pdf")
    bidder.told("verified")
    assert rows("SELECT 1 FROM handover WHERE id = $1", bytes.fromhex(id)) == []
    expect(phone.locator("[id='amount:1']")).to_have_value(PRICE)
    expect(phone.locator("#restricted")).to_have_value("담당자 전화번호는 비밀")
    phone.reload()
    expect(prepared).to_be_focused(timeout=60_000)
    bidder.told("verified")
    press(phone, "check")
    expect(phone.locator("#review")).to_contain_text("1,234,567 KRW")
    expect(phone.locator("#seal")).to_be_hidden()
    press(phone, "read")
    expect(prepared).to_be_hidden()
    expect(phone.locator("#seal")).to_be_focused()
    phone.keyboard.press("Enter")
    bidder.told("uploaded")
    with phone.expect_download() as saved:
        acts = bidder.link(1).locator("[data-slot=acts]")
        acts.get_by_role("button", name=bidder.word("save-receipt")).click()
    receipt = Held.parse(Path(saved.value.path()).read_bytes()).receipt.read(Receipt)
    assert (receipt.tender, receipt.bidder) == (tender.ocid, bidder.key.certificate.registration)

    for secret in (PRICE, "담당자", key, urlsafe_b64decode(f"{key}=")):
        assert not sent.holds(secret)
    assert sent.holds(id), "it is what was sent that was searched"


def opened(key: str, ocid: str, sealed: bytes) -> Any:
    """As anybody reads it who has the key; Python is the second opinion."""
    plain = AESGCM(urlsafe_b64decode(f"{key}=")).decrypt(sealed[:12], sealed[12:], ocid.encode())
    return json.loads(plain)


def is_drawn(page: Page, address: str) -> bool:
    """Whether the code on the page says the address, by another library; any mask says the same."""
    path = page.locator("#handed svg path").get_attribute("d") or ""
    dark = {(int(x) - BORDER, int(y) - BORDER) for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", path)}
    drawn = [segno.make_qr(address, error="m", boost_error=False, mask=mask).matrix for mask in range(8)]
    return dark in [
        {(x, y) for y, row in enumerate(matrix) for x, module in enumerate(row) if module} for matrix in drawn
    ]


def test_the_code_goes_when_the_draft_changes_and_the_draft_when_the_phone_has_it(
    tender: PracticeTender, helper: Helper, people: People
) -> None:
    helper.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=people.service.origin)
    page = helper.open(tender)
    helper.write()
    address = helper.hand_over()
    page.locator("#copy-address").click()
    expect(page.locator("#handed [data-slot=copied]")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == address
    page.locator("[id='amount:1']").fill("7654321")
    expect(page.locator("#handed")).to_be_hidden()
    assert parted(helper.hand_over())[1:] != parted(address)[1:]
    with page.expect_navigation():
        page.locator("#discard").click()
    expect(page.locator("[id='amount:1']")).to_have_value("")


def test_what_cannot_be_taken_over_is_said_and_changes_nothing(
    people: People, tender: PracticeTender, helper: Helper, bidder: Bidder
) -> None:
    rows, phone = Rows(people), bidder.page
    helper.open(tender)
    helper.write()
    page, id, key = parted(helper.hand_over())
    _, late, late_key = parted(helper.hand_over())
    rows("UPDATE handover SET expires_at = now() WHERE id = $1", bytes.fromhex(late))
    other = page.replace(tender.ocid, a_tender(people).ocid)
    wrong = urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    bidder.open(tender, "en")
    bidder.price("500")
    expect(phone.locator("#saved")).to_have_attribute("aria-busy", "false")
    for address, word in (
        (f"{page}#handover=", "handover-link"),
        (f"{page}#handover={id}.{key[:-1]}", "handover-link"),
        (f"{page}#handover={secrets.token_hex(16)}.{key}", "no-such-handover"),
        (f"{page}#handover={late}.{late_key}", "no-such-handover"),
        (f"{page}#handover={id}.{wrong}", "handover-unreadable"),
        (f"{other}#handover={id}.{key}", "handover-unreadable"),
        *((f"{page}#handover={each}", "handover-unreadable") for each in garbage(people, tender.ocid)),
    ):
        phone.goto("about:blank")
        phone.goto(address)
        expect(phone.locator("#trouble")).to_have_text(re.compile(re.escape(bidder.word(f"trouble-{word}"))))
        assert "#" not in phone.url
        if address.startswith(page):
            expect(phone.locator("[id='amount:1']")).to_have_value("500")
    assert rows("SELECT 1 FROM handover WHERE id = $1", bytes.fromhex(id)), "somebody may have the right key"
    phone.reload()
    bidder.told("verified")
    expect(phone.locator("#trouble")).to_be_hidden()


def garbage(people: People, ocid: str) -> Iterator[str]:
    """Ways to what opens with its key and is no draft."""
    field = {"name": "amount:1", "value": "1"}
    draft: dict[str, Any] = {"terms": TERMS, "fields": [field], "documents": []}
    others: list[Any] = [
        [],
        draft | {"prepared": True},
        draft | {"terms": "x"},
        draft | {"fields": {"amount:1": "1"}},
        draft | {"fields": [field, field]},
        draft | {"fields": [field | {"value": 1}]},
        draft | {"fields": [{"name": "<b>", "value": "1"}]},
        draft | {"documents": [None]},
    ]
    for plain in (b"", b"\xff", b"not JSON", b"null", *(json.dumps(each).encode() for each in others)):
        key, nonce = secrets.token_bytes(32), secrets.token_bytes(12)
        content = nonce + AESGCM(key).encrypt(nonce, plain, ocid.encode())
        answer = httpx.post(f"{people.service.origin}/api/v1/handovers", content=content)
        yield f"{answer.json()['id']}.{urlsafe_b64encode(key).decode().rstrip('=')}"


def test_ones_own_draft_is_not_replaced_unasked(
    people: People, tender: PracticeTender, helper: Helper, bidder: Bidder
) -> None:
    rows, phone = Rows(people), bidder.page
    helper.open(tender)
    helper.write()
    address = helper.hand_over()
    id = bytes.fromhex(parted(address)[1])
    bidder.open(tender, "en")
    bidder.price("500")
    expect(phone.locator("#saved")).to_have_attribute("aria-busy", "false")
    follow(phone, address)
    expect(phone.locator("#replacing")).to_be_visible(timeout=60_000)
    expect(phone.get_by_role("button", name="Keep my own draft")).to_be_focused()
    phone.keyboard.press("Enter")
    bidder.told("verified")
    expect(phone.locator("[id='amount:1']")).to_have_value("500")
    expect(phone.locator("#prepared")).to_be_hidden()
    assert rows("SELECT 1 FROM handover WHERE id = $1", id)
    follow(phone, address)
    expect(phone.locator("#replacing")).to_be_visible(timeout=60_000)
    phone.get_by_role("button", name="Take over what was prepared").press("Enter")
    expect(phone.locator("#prepared")).to_be_visible()
    expect(phone.locator("[id='amount:1']")).to_have_value(PRICE)


def follow(page: Page, address: str) -> None:
    """As by a link to the page that is open already."""
    with page.expect_navigation():
        page.evaluate("address => { location.hash = new URL(address).hash; }", address)
    page.wait_for_load_state()


def test_a_line_that_drops_and_a_tab_that_closes_lose_nothing(
    tender: PracticeTender, helper: Helper, bidder: Bidder
) -> None:
    helper.open(tender)
    helper.write()
    address = helper.hand_over()
    tried: list[str] = []

    def lose(route: Route) -> None:
        tried.append(route.request.url)
        route.abort()

    bidder.hurry()
    bidder.context.route("**/api/v1/handovers/*", lose)
    bidder.page.goto(address)
    expect(bidder.page.locator("#told")).to_have_text(bidder.word("told-offline"))
    assert len(tried) > 1
    bidder.page.close()
    bidder.context.unroute("**/api/v1/handovers/*")
    bidder.page = bidder.context.new_page()
    bidder.page.goto(parted(address)[0])
    expect(bidder.page.locator("#prepared")).to_be_visible(timeout=60_000)
    expect(bidder.page.locator("[id='amount:1']")).to_have_value(PRICE)
    key = parted(address)[2]
    assert not [each for each in bidder.kept() if key in each["text"]]


def test_a_phone_without_a_key_keeps_the_draft_until_somebody_has_registered(
    browser: Browser, tender: PracticeTender, helper: Helper, people: People
) -> None:
    helper.open(tender)
    helper.write()
    address = helper.hand_over()
    phone = Helper(browser, people, viewport=PHONE["viewport"])
    page = phone.page
    page.goto(address)
    expect(page.locator("#prepared")).to_be_visible(timeout=60_000)
    expect(page.locator("#keyless")).to_be_visible()
    page.get_by_role("link", name="Register or restore a key").first.click()
    page.get_by_label("A name to practise under").fill("두물머리 영농조합")
    page.get_by_role("button", name="Register for practice").click()
    page.locator("#drafts").get_by_role("link").click()
    expect(page.locator("#prepared")).to_be_visible(timeout=60_000)
    expect(page.locator("#keyless")).to_be_hidden()
    page.locator("#check").click()
    page.locator("#read").click()
    page.locator("#seal").click()
    expect(page.locator("#chain article")).to_have_attribute("data-state", "accepted")
    phone.context.close()


def test_a_draft_that_is_too_long_is_not_handed_over(tender: PracticeTender, helper: Helper) -> None:
    page = helper.open(tender)
    page.locator("#restricted").evaluate("(each, size) => { each.value = 'x'.repeat(size); }", LARGEST)
    page.locator("#hand-over").click()
    expect(page.locator("#trouble")).to_contain_text("too long to be handed over")
    expect(page.locator("#handed")).to_be_hidden()


@pytest.mark.parametrize("language", ["en", "ko", "es"])
def test_no_state_of_helping_has_an_accessibility_violation_or_scrolls_sideways(
    tender: PracticeTender, helper: Helper, bidder: Bidder, language: str
) -> None:
    page = helper.open(tender, language)
    helper.write()
    page.locator("#check").click()
    expect(page.locator("#unsigned")).to_be_visible()
    address = helper.hand_over()
    check_accessible(page, AA)
    is_right(page)
    phone = bidder.open(tender, language)
    bidder.price("500")
    expect(phone.locator("#saved")).to_have_attribute("aria-busy", "false")
    follow(phone, address)
    expect(phone.locator("#replacing")).to_be_visible()
    is_right(phone)
    phone.locator("#replacing button").first.press("Enter")
    expect(phone.locator("#prepared")).to_be_visible()
    is_right(phone)
    phone.locator("#check").click()
    expect(phone.locator("#unread")).to_be_visible()
    is_right(phone)
    follow(phone, address)
    expect(phone.locator("#trouble")).to_be_visible()
    is_right(phone)
