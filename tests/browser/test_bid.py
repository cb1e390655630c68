"""A business bids in its browser, against a real service: from the empty form to why it ranked so."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Response, Route, expect

from bids.receipts import Held, Refusal, is_refusal
from crypto.encoding import encode
from crypto.statements import Statement
from procurement.evaluation import CostItem, KrPriceFloor, LifeCycleCost, LowestPrice
from procurement.evaluation.reserve_prices import Derived
from procurement.tenders import Bid, Declaration, LotOffer, Proposal, padded
from tests.browser.bidders import Bidder, People
from tests.browser.conftest import Service
from tests.builders import a_lot
from tests.flows.people import PracticeTender
from tests.flows.test_life import NEGOTIATION

TAXES = Declaration(id="taxes", text="국세와 지방세를 완납하였습니다.")
FLOOR = KrPriceFloor(base="100000000", basis_points=200, unit=100, preliminary_prices=Derived(), floor="87.745")
COSTS = LifeCycleCost(costs=(CostItem(id="power", title="전기"),), years=10, rate="3")
TAKES_DOCUMENTS = {"document_limit": 4, "document_size": 64 << 20}
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


@pytest.fixture(scope="module")
def people(service: Service) -> Iterator[People]:
    with People(service) as people:
        yield people


@pytest.fixture
def bidder(browser: Browser, people: People, tmp_path: Path) -> Iterator[Bidder]:
    bidder = Bidder(browser, people, tmp_path)
    yield bidder
    bidder.context.close()


@pytest.fixture(scope="module")
def quiet(people: People) -> PracticeTender:
    """A tender that nobody hurries in."""
    return a_tender(people)


def a_tender(people: People, *lots: Any, **changes: Any) -> PracticeTender:
    """A tender with documents, by default of a long time."""
    terms = {"lead": 900, "margin": 900, "declarations": (), "upload_grace": 60} | TAKES_DOCUMENTS | changes
    return people(people.town.publish(*(lots or (a_lot(),)), **terms))


def a_file(folder: Path, name: str, content: bytes = b"%PDF-1.7 of the desks") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


# ── the draft ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_draft_outlives_its_tab_and_is_no_plain_text_on_the_disk(
    bidder: Bidder, people: People, tmp_path: Path
) -> None:
    tender = a_tender(people, a_lot(), a_lot(id="2"), declarations=(TAXES,))
    page = bidder.open(tender)
    page.locator("[id='bids:2']").check()
    bidder.price("987654321", "2")
    page.locator("#restricted").fill("담당자 전화번호는 비밀")
    page.get_by_label(TAXES.text).check()
    bidder.add(a_file(tmp_path, "도면.pdf", b"plain words of a document"))
    page.locator("#documents input[type=text]").fill("우리의 도면")
    expect(page.locator("#saved")).to_contain_text("encrypted:")
    expect(page.locator("#saved")).to_have_attribute("aria-busy", "false")
    page.close()
    bidder.page = bidder.context.new_page()
    page = bidder.open(tender)
    expect(page.locator("[id='amount:2']")).to_have_value("987654321")
    expect(page.locator("#restricted")).to_have_value("담당자 전화번호는 비밀")
    expect(page.get_by_label(TAXES.text)).to_be_checked()
    expect(page.locator("#documents input[type=text]")).to_have_value("우리의 도면")
    kept = bidder.kept() + [{"store": "opfs", "text": text} for text in page.evaluate(SEALED_FILES)]
    assert {"drafts", "opfs", "identity", "keys"} <= {each["store"] for each in kept}
    for secret in ("987654321", "담당자", "우리의 도면", "plain words", bidder.key.certificate.name):
        for form in (secret, secret.encode().decode("latin1")):
            assert not [each["store"] for each in kept if form in each["text"]]


SEALED_FILES = """async () => {
  const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("sealed");
  const found = [];
  for await (const file of folder.values()) {
    found.push(new TextDecoder("latin1").decode(await (await file.getFile()).arrayBuffer()));
  }
  return found;
}"""


def test_faults_are_said_where_they_are_and_nothing_is_sealed_with_one(
    bidder: Bidder, people: People, tmp_path: Path
) -> None:
    tender = a_tender(people, a_lot(FLOOR), a_lot(COSTS, id="2"), declarations=(TAXES,), document_size=1000)
    page, summary = bidder.open(tender), bidder.page.locator("#faults")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)

    def faults() -> list[str]:
        page.locator("#check").click()
        expect(summary).to_be_focused()
        return summary.locator("li").all_inner_texts()

    assert faults() == ["Choose at least one lot to bid for", "Make this declaration, or do not bid"]
    page.locator("[id='bids:1']").check()
    page.locator("[id='bids:2']").check()
    bidder.price("89,000,000")
    bidder.price("0", "2")
    page.locator("[id='pick1:1']").select_option("7")
    page.locator("[id='pick2:1']").select_option("7")
    page.locator("[id='partners']").fill("한빛")
    assert faults() == [
        "Desks: digits only, no commas and no decimals",
        "Desks: pick two different numbers",
        "Desks: the price is zero",
        "Desks: enter this cost; what costs nothing is 0",
        "Make this declaration, or do not bid",
        "“한빛” is no fingerprint: it has 64 signs, 0 to 9 and a to f",
    ]
    summary.get_by_role("link").nth(1).click()
    expect(page.locator("[id='pick1:1']")).to_be_focused()
    expect(page.locator("[id='amount:1']")).to_have_attribute("aria-invalid", "true")
    page.locator("#files").set_input_files(a_file(tmp_path, "large.pdf", b"x" * 2000))
    expect(page.locator("#documents")).to_contain_text("Too large")
    bidder.price("８９００００００")  # as a Korean keyboard may write it
    bidder.price("90000000", "2")
    page.locator("[id='cost:2:power']").fill("0")
    page.locator("[id='pick2:1']").select_option("12")
    page.locator("[id='partners']").fill("")
    page.get_by_label(TAXES.text).check()
    assert len(faults()) == 1, "the document that is too large"
    page.get_by_role("button", name="Remove this document").click()
    bidder.check()
    expect(summary).to_be_hidden()
    expect(page.locator("#review")).to_contain_text("89,000,000 KRW; picked numbers 7 and 12")
    assert sent == []
    assert not [each for each in bidder.kept() if each["store"] == "elements"]


def test_unit_prices_are_multiplied_and_added_up_exactly(bidder: Bidder, quiet: PracticeTender) -> None:
    page = bidder.open(quiet)
    page.get_by_text("Work the price out from unit prices").click()
    page.get_by_label("Unit price").fill("999999999999.99")
    expect(page.locator(".prices [data-slot=total]")).to_have_text("11,999,999,999,999.88")
    page.get_by_role("button", name="Take this as the price").click()
    expect(page.locator("[id='amount:1']")).to_have_value("11999999999999.88")
    page.locator("#check").click()
    expect(page.locator("#faults")).to_contain_text("no decimals")
    page.get_by_label("Unit price").fill("100000")
    page.get_by_role("button", name="Take this as the price").click()
    expect(page.locator("output.echo").first).to_have_text("1,200,000")


# ── a line that is cut ───────────────────────────────────────────────────────────────────────────────────


def test_a_bid_that_finds_no_line_is_sent_again_and_once(bidder: Bidder, people: People) -> None:
    tender = a_tender(people)
    page = bidder.open(tender)
    bodies: list[bytes] = []

    def lose(route: Route) -> None:
        """The first does not get there; of the second the answer does not come back."""
        bodies.append(route.request.post_data_buffer or b"")
        if len(bodies) == 2:
            route.fetch()
        route.continue_() if len(bodies) > 2 else route.abort()

    page.route("**/bids", lose)
    bidder.bid("1200000")
    assert len(bodies) == 3
    assert len(set(bodies)) == 1, "the very same"
    receipt = Held.parse(bidder.save(1, "save-receipt"))
    assert receipt.receipt.read(receipt.type).statement == Statement(bodies[0]).id
    assert receipt.proof


def test_a_page_that_is_loaded_anew_goes_on_where_it_was_cut(bidder: Bidder, people: People, tmp_path: Path) -> None:
    tender = a_tender(people)
    page = bidder.open(tender)
    bidder.add(a_file(tmp_path, "plan.pdf", bytes(range(256)) * 8192))
    page.route("**/bids", lambda route: route.abort())
    bidder.price("1200000")
    bidder.check()
    page.locator("#seal").click()
    bidder.is_at(1, "sent")
    page.unroute("**/bids")
    pieces: list[int] = []

    def cut(route: Route) -> None:
        if route.request.method == "PATCH":
            pieces.append(int(route.request.headers["upload-offset"]))
        route.abort() if pieces and pieces[-1] > 0 else route.continue_()

    page.route("**/uploads/*", cut)
    page.reload()
    bidder.is_at(1, "accepted")
    expect(page.locator("#chain progress")).to_be_visible()
    page.wait_for_function("document.querySelector('#chain progress').value > 0")
    page.unroute("**/uploads/*")
    resumed: list[int] = []
    page.on(
        "request",
        lambda request: resumed.append(int(request.headers["upload-offset"])) if request.method == "PATCH" else None,
    )
    page.reload()
    bidder.told("uploaded")
    assert pieces[0] == 0
    assert resumed
    assert resumed[0] > 0, "what was there was not sent again"
    held = Held.parse(bidder.save(1, "save-receipt"))
    assert held.receipt.signer


def test_without_a_network_the_page_waits_and_goes_on(bidder: Bidder, people: People) -> None:
    tender = a_tender(people)
    bidder.open(tender)
    bidder.price("1200000")
    bidder.check()
    bidder.context.set_offline(True)
    bidder.page.locator("#seal").click()
    bidder.told("offline")
    bidder.context.set_offline(False)
    bidder.told("accepted")


# ── replaced, withdrawn, refused, amended ────────────────────────────────────────────────────────────────


def test_a_bid_is_replaced_and_withdrawn_and_the_closing_lists_all_of_it(bidder: Bidder, people: People) -> None:
    tender = a_tender(people, lead=40, margin=5, upload_grace=0)
    page = bidder.open(tender)
    bidder.bid("1200000")
    expect(page.locator("#draft")).to_be_hidden()
    bidder.act(1, "act-replace")
    expect(page.locator("[id='amount:1']")).to_have_value("1200000")
    bidder.price("1100000")
    bidder.check()
    expect(page.locator("#replaces")).to_be_visible()
    page.locator("#seal").click()
    bidder.is_at(2, "accepted")
    bidder.is_at(1, "replaced")
    bidder.act(2, "act-withdraw")
    page.get_by_role("button", name="Leave the bid in the box").click()
    bidder.act(2, "act-withdraw")
    page.get_by_role("button", name="Sign and send the withdrawal").click()
    bidder.told("withdrawn")
    bidder.is_at(3, "accepted")
    expect(page.locator("#draft")).to_be_visible()
    expect(page.locator("#fate")).to_contain_text("lists your withdrawal", timeout=120_000)
    closed = people(tender.close())
    [chain] = closed.closing.chains
    shown = [bidder.link(number).locator("[data-slot=id]").text_content() for number in (1, 2, 3)]
    assert list(chain) == shown
    assert closed.closing.withdrawn() == (chain[2],)


def test_a_bid_that_comes_late_is_refused_and_the_refusal_is_evidence(bidder: Bidder, people: People) -> None:
    tender = a_tender(people, lead=15, margin=5, upload_grace=0)
    page = bidder.open(tender)
    page.route("**/bids", lambda route: route.abort())
    bidder.price("1200000")
    bidder.check()
    page.locator("#seal").click()
    bidder.is_at(1, "sent")
    people(tender.deadline())
    page.unroute("**/bids")
    bidder.is_at(1, "refused")
    expect(bidder.link(1)).to_contain_text("It came after the deadline.")
    evidence = bidder.save(1, "save-refusal")
    assert is_refusal(evidence)
    refusal = Statement(evidence).read(Refusal)
    assert (refusal.reason, refusal.tender) == ("after-deadline", tender.ocid)
    assert refusal.statement == bidder.link(1).locator("[data-slot=id]").text_content()
    page.reload()
    bidder.is_at(1, "refused")


def test_terms_that_have_changed_are_told_before_anything_is_sealed(bidder: Bidder, people: People) -> None:
    tender = a_tender(people, declarations=())
    page = bidder.open(tender)
    bidder.price("1200000")
    bidder.check()
    people(tender.amend(stand=False, description="Of oak.", declarations=(TAXES,)))
    page.locator("#seal").click()
    changed = page.locator("#changed")
    expect(changed).to_contain_text("the declarations that are asked for")
    expect(changed).to_contain_text("The drawings were wrong.")
    assert not [each for each in bidder.kept() if each["store"] == "elements"]
    page.get_by_role("button", name="I have read the changes").click()
    page.get_by_label(TAXES.text).check()
    expect(changed).to_be_hidden()
    expect(page.locator("[id='amount:1']")).to_have_value("1200000")
    bidder.check()
    page.locator("#seal").click()
    bidder.told("accepted")
    people(tender.amend(stand=False, description="Of pine."))
    page.reload()
    expect(changed).to_contain_text("bid no. 1 does not count any more")


# ── documents, partners ──────────────────────────────────────────────────────────────────────────────────


def test_a_large_file_is_sealed_while_the_page_goes_on(bidder: Bidder, quiet: PracticeTender, tmp_path: Path) -> None:
    page = bidder.open(quiet)
    page.evaluate("window.ticks = 0; setInterval(() => window.ticks++, 10)")
    page.locator("#files").set_input_files(a_file(tmp_path, "film.mp4", bytes(30 << 20)))
    expect(page.locator("#documents [data-slot=state]")).to_have_text(bidder.word("document-sealing"))
    page.evaluate("window.ticks = 0")
    expect(page.locator("#documents [data-slot=state]")).to_have_text(bidder.word("document-sealed"), timeout=300_000)
    assert page.evaluate("window.ticks") > 5


def test_partners_look_and_sign_in_a_browser_before_a_joint_bid_is_sent(
    bidder: Bidder, browser: Browser, people: People, tmp_path: Path
) -> None:
    tender = a_tender(people)
    (tmp_path / "partner").mkdir()
    partner = Bidder(browser, people, tmp_path / "partner", "두물머리 영농조합")
    page = bidder.open(tender)
    page.locator("#partners").fill(partner.key.fingerprint.upper())
    bidder.price("1200000")
    bidder.check()
    page.locator("#seal").click()
    bidder.told("sealed")
    bidder.act(1, "act-send")
    bidder.is_at(1, "refused")
    expect(bidder.link(1)).to_contain_text("Not all partners")
    shown = bidder.save(1, "act-partners")
    partner.open(tender)
    partner.page.locator("#cosigning summary").click()
    partner.page.locator("#shown").set_input_files(a_file(tmp_path, "sealed.json", shown))
    expect(partner.page.locator("#cosigning")).to_contain_text("1,200,000 KRW")
    partner.page.get_by_role("button", name="Sign: this is my bid, too").click()
    partner.told("cosigned")
    bidder.act(1, "act-send")
    bidder.told("accepted")
    partner.context.close()
