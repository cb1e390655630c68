"""A business bids in its browser, against a real service: from the empty form to why it ranked so."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, Page, Response, Route, expect

from bids.receipts import Held, Receipt, Refusal, is_refusal
from crypto import stream
from crypto.certificates import Role
from crypto.encoding import decode, encode, from_base64, to_base64
from crypto.statements import Statement
from crypto.trust import Trust
from procurement.evaluation import CostItem, KrPriceFloor, LifeCycleCost
from procurement.evaluation.reserve_prices import Derived
from procurement.tenders import Bid, Declaration, LotOffer, StatedCost, padded
from tests.browser.bidders import Bidder, Life, Lives, People
from tests.browser.conftest import Service, run
from tests.browser.looks import AA, check_accessible, check_scrolls_one_way
from tests.builders import a_lot, two_envelopes
from tests.flows.people import PracticeTender
from tests.flows.test_life import NEGOTIATION
from tests.flows.test_lots import opened_lots, scored
from tests.lies.pages import ENTRIES

TAXES = Declaration(id="taxes", text="국세와 지방세를 완납하였습니다.")
FLOOR = KrPriceFloor(
    base="100000000", basis_points=200, unit=100, preliminary_prices=Derived(), floor="87.745"
)
COSTS = LifeCycleCost(costs=(CostItem(id="power", title="전기"),), years=10, rate="3")
TAKES_DOCUMENTS = {"document_limit": 4, "document_size": 64 << 20}
COUNT = re.compile(r'"(bids|bidders|envelopes|count)":\s*\d|\d+ (bids|bidders|envelopes)\b|투찰 \d+건')
LEAD = 75.0
"""Seconds to the deadlines that are waited for, on a quiet machine: while other tests go on."""


@pytest.fixture(scope="module")
def people(service: Service) -> Iterator[People]:
    with People(service) as people:
        yield people


@pytest.fixture(scope="module")
def registered(
    browser: Browser, people: People, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bidder]:
    bidder = Bidder(browser, people, tmp_path_factory.mktemp("bidder"))
    yield bidder
    bidder.context.close()


@pytest.fixture
def bidder(registered: Bidder, tmp_path: Path) -> Bidder:
    return registered.anew(tmp_path)


@pytest.fixture(scope="module")
def lives(browser: Browser, people: People, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lives]:
    lives = Lives(browser, people, tmp_path_factory.mktemp("lives"))
    yield lives
    lives.close()


@pytest.fixture(scope="module")
def quiet(people: People) -> PracticeTender:
    """A tender that nobody hurries in."""
    return a_tender(people)


def a_tender(people: People, *lots: Any, **changes: Any) -> PracticeTender:
    """A tender with documents, by default for as long as all tests of a module take."""
    long = {"lead": 3000 / people.town.pace, "margin": 900, "declarations": (), "upload_grace": 60}
    terms: dict[str, Any] = long | TAKES_DOCUMENTS | changes
    return people(people.town.publish(*(lots or (a_lot(),)), **terms))


def a_file(folder: Path, name: str, content: bytes = b"%PDF-1.7 of the desks") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


# ── until a deadline, and what comes of it ───────────────────────────────────────────────────────────────


def a_bid_made_by_keyboard_in_korean_is_opened_by_python_and_ranked(other: Bidder) -> Iterator[None]:
    """Lots of two rule sets, a document, what only officials read; receipts that hold; why it ranked so."""
    browser, people, folder = other.context.browser, other.people, other.folder
    assert browser
    lots = a_lot(FLOOR), a_lot(COSTS, id="2")
    tender = a_tender(people, *lots, lead=LEAD, margin=5, upload_grace=1, declarations=(TAXES,))
    sons = people(people.town.bidder("Rival Sons"))
    rival = people(tender.bid(sons, "95000000", contents=bid_of(("95000000", (1, 2)), ("95000000", None))))
    bidder = Bidder(browser, people, folder, locale="ko-KR")
    seen = Overheard(bidder.page)
    page = bidder.open(tender, "ko")
    file = a_file(folder, "시방서.pdf", b"%PDF-1.7 " + bytes(200_000))
    fill_by_keyboard(page, file)
    press(page, "check")
    expect(page.locator("#review")).to_be_focused()
    expect(page.locator("#review")).to_contain_text("시방서.pdf")
    press(page, "seal")
    bidder.told("uploaded")
    press_named(page, bidder.word("save-receipt"))
    receipt = bidder.save(1, "save-receipt")
    seen.hold_nothing_of(sons.certificate.name, sons.certificate.registration, sons.fingerprint, rival)
    yield
    life(people, tender)
    fate = page.locator("#fate")
    expect(fate).to_contain_text(bidder.word("fate-same"))
    expect(fate.locator("[data-slot=results] h3")).to_have_count(2)
    expect(fate).to_contain_text("2건 중 1순위")
    for language in ("ko", "en", "es"):
        page.goto(f"{page.url.split('?')[0]}?lang={language}")
        expect(fate.locator("[data-slot=results] h3")).to_have_count(2)
        is_right(page)
    check_opened(people, tender, bidder, file)
    record = a_file(folder, "record.zip", people(concluded(tender)))
    kept = a_file(folder, "receipt.json", receipt)
    trust = a_file(folder, "trust.json", encode(people.town.trust))
    said = run("verify", str(record), "--trust", str(trust), "--receipt", str(kept))
    assert "verified" in said
    bidder.context.close()


def each_lot_is_priced_apart_and_opened_only_where_the_proposal_passes(bidder: Bidder) -> Iterator[None]:
    people = bidder.people
    lots = [a_lot(two_envelopes(), id=lot) for lot in ("1", "Lot.B", "3")]
    tender = a_tender(people, *lots, lead=LEAD, margin=5, upload_grace=1)
    page = bidder.open(tender)
    page.locator("#proposal").fill("참나무로 만듭니다.")
    for lot, amount in (("1", "89000000"), ("Lot.B", "7000000")):
        page.locator(f"[id='bids:{lot}']").check()
        bidder.price(amount, lot)
    bidder.add(a_file(bidder.folder, "sums.csv"))
    page.get_by_label("Belongs to").select_option(label="the price of lot 3")
    page.locator("#check").click()
    expect(page.locator("#faults")).to_have_text(
        re.compile("“sums.csv” belongs to the price of a lot that you do not bid for")
    )
    page.get_by_label("Belongs to").select_option(label="the price of lot Lot.B")
    bidder.check()
    page.locator("#seal").click()
    bidder.told("uploaded")
    yield
    people(tender.close())
    people(tender.order("technical"))
    [id] = people(tender.opened("technical"))
    people(scored(tender, {(id, "1"): "53", (id, "Lot.B"): "54"}))
    people(tender.order("price"))
    assert people(opened_lots(tender)) == {(id, "Lot.B"): "7000000"}
    [price] = people(tender.opened("price")).values()
    assert [each["title"] for each in price["documents"]] == ["sums.csv"]
    fate = page.locator("#fate")
    expect(fate).to_contain_text("Rank 1 of 1")
    expect(fate).to_contain_text(bidder.word("fate-same"))
    expect(fate.locator("[data-slot=results] h3")).to_have_count(2)


def a_technical_proposal_is_opened_apart_from_its_price(bidder: Bidder) -> Iterator[None]:
    people = bidder.people
    tender = a_tender(people, a_lot(NEGOTIATION), lead=LEAD, margin=5, upload_grace=0)
    page = bidder.open(tender)
    page.locator("#proposal").fill("참나무로\n만듭니다.")
    bidder.bid("90000000")
    yield
    people(tender.close())
    people(tender.order("technical"))
    [said] = people(tender.opened("technical")).values()
    assert said["proposal"] == "참나무로\n만듭니다."
    expect(page.locator("#fate")).to_contain_text(bidder.word("fate-same"))
    [id] = people(tender.opened("technical"))
    people(tender.score({id: "30"}))
    people(tender.order("price"))
    [price] = people(tender.opened("price")).values()
    assert price["offers"] == [{"lot": "1", "amount": "90000000"}]
    expect(page.locator("#fate")).to_contain_text("Rank 1 of 1")


def owners_of_a_joint_bid_are_named_in_the_form_and_read_by_everybody_once_it_is_open(
    bidder: Bidder,
) -> Iterator[None]:
    browser, people = bidder.context.browser, bidder.people
    assert browser
    tender = a_tender(people, lead=LEAD, margin=5, upload_grace=0, owners_asked=True)
    partner = Bidder(browser, people, bidder.folder, "두물머리 영농조합")
    theirs = partner.key.fingerprint
    page = bidder.open(tender)
    bidder.price("1200000")
    page.locator("#check").click()
    expect(page.locator("[id='owner:own:1:name-fault']")).to_have_text(bidder.word("fault-no-owner"))
    owner(page, "own", 1, "Kim Yu-na", "kr us", "South Korea, United States")
    page.locator("#partners").fill(theirs)
    page.locator(f"[id='owners:{theirs}']").get_by_role("button", name="Add a person").click()
    owner(page, theirs, 2, "김두물", "XX", "")
    page.locator("#check").click()
    expect(page.locator("#faults li")).to_have_count(1)
    is_right(page)
    owner(page, theirs, 2, "김두물", "IT", "Italy")
    page.reload()
    bidder.told("verified")
    expect(page.locator(f"[id='owner:{theirs}:2:name']")).to_have_value("김두물")
    expect(page.locator("#owners output").first).to_have_text("South Korea, United States")
    unnamed = page.locator(f"[id='owned:{theirs}']")
    unnamed.select_option("public")
    expect(page.locator(f"[id='owner:{theirs}:2:name']")).to_be_hidden()
    unnamed.select_option("")
    bidder.check()
    for words in ("Kim Yu-na (South Korea, United States)", "김두물 (Italy)", theirs):
        expect(page.locator("#review")).to_contain_text(words)
    is_right(page)
    page.locator("#seal").click()
    bidder.told("sealed")
    shown = bidder.save(1, "act-partners")
    partner.open(tender)
    partner.page.locator("#cosigning summary").click()
    partner.page.locator("#shown").set_input_files(a_file(bidder.folder, "sealed.json", shown))
    expect(partner.page.locator("#cosigning")).to_contain_text("Kim Yu-na (South Korea, United States)")
    partner.page.get_by_role("button", name="Sign: this is my bid, too").click()
    partner.told("cosigned")
    partner.context.close()
    bidder.act(1, "act-send")
    bidder.told("accepted")
    yield
    people(tender.close())
    people(tender.order("bid"))
    [said] = people(tender.opened("bid")).values()
    assert said["owners"] == [
        {"persons": [{"name": "Kim Yu-na", "nationalities": ["KR", "US"]}]},
        {"partner": theirs, "persons": [{"name": "김두물", "nationalities": ["IT"]}]},
    ]
    expect(page.locator("#fate")).to_contain_text(bidder.word("fate-same"))
    for language, words in (("en", "김두물 (Italy)"), ("ko", "김두물 (이탈리아)"), ("es", "김두물 (Italia)")):
        page.goto(f"{bidder.origin}/tenders/{tender.ocid}/bids?lang={language}")
        expect(page.locator("main")).to_contain_text(words)
        is_right(page)


def owner(page: Page, whose: str, row: int, name: str, countries: str, understood: str) -> None:
    """Fills in a person; the countries are shown as they are understood."""
    page.locator(f"[id='owner:{whose}:{row}:name']").fill(name)
    page.locator(f"[id='owner:{whose}:{row}:nationalities']").fill(countries)
    echo = page.locator(f"output[for='owner:{whose}:{row}:nationalities']")
    expect(echo).to_have_text(understood)


def a_bid_is_replaced_and_withdrawn_and_the_closing_lists_all_of_it(bidder: Bidder) -> Iterator[None]:
    people = bidder.people
    tender = a_tender(people, lead=LEAD, margin=5, upload_grace=0)
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
    yield
    expect(page.locator("#fate")).to_contain_text("lists your withdrawal")
    closed = people(tender.close())
    [chain] = closed.closing.chains
    shown = [bidder.link(number).locator("[data-slot=id]").text_content() for number in (1, 2, 3)]
    assert list(chain) == shown
    assert closed.closing.withdrawn() == (chain[2],)


def a_bid_that_comes_late_is_refused_and_the_refusal_is_evidence(bidder: Bidder) -> Iterator[None]:
    tender = a_tender(bidder.people, lead=LEAD, margin=5, upload_grace=0)
    page = bidder.open(tender)
    page.route("**/bids", lambda route: route.abort())
    bidder.price("1200000")
    bidder.check()
    page.locator("#seal").click()
    bidder.is_at(1, "sent")
    yield
    bidder.people(tender.deadline())
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


LIVES: list[Life] = [
    a_bid_made_by_keyboard_in_korean_is_opened_by_python_and_ranked,
    each_lot_is_priced_apart_and_opened_only_where_the_proposal_passes,
    a_technical_proposal_is_opened_apart_from_its_price,
    owners_of_a_joint_bid_are_named_in_the_form_and_read_by_everybody_once_it_is_open,
    a_bid_is_replaced_and_withdrawn_and_the_closing_lists_all_of_it,
    a_bid_that_comes_late_is_refused_and_the_refusal_is_evidence,
]


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.__name__)
def test_before_its_deadline(life: Life, lives: Lives) -> None:
    """The first tests here: while those that follow are run, these deadlines pass."""
    lives.begin(life)


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


def test_one_tab_at_a_time_writes_a_bid(bidder: Bidder, quiet: PracticeTender) -> None:
    address = bidder.open(quiet).url
    second = bidder.context.new_page()
    second.goto(address)
    expect(second.locator("#trouble")).to_contain_text("open in another tab")
    expect(second.locator("#draft")).to_be_hidden()


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
    bidder.hurry()
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
    assert receipt.receipt.read(Receipt).statement == Statement(bodies[0]).id
    assert receipt.proof


def test_a_page_that_is_loaded_anew_goes_on_where_it_was_cut(
    bidder: Bidder, people: People, tmp_path: Path
) -> None:
    bidder.hurry()
    tender = a_tender(people)
    page = bidder.open(tender)
    bidder.add(a_file(tmp_path, "plan.pdf", bytes(range(256)) * 8192))
    page.route("**/bids", lambda route: route.abort())
    bidder.price("1200000")
    bidder.check()
    page.locator("#seal").click()
    bidder.is_at(1, "sent")
    address = page.url
    page.goto("about:blank")  # or it might go on at once, before anybody looks
    page.unroute("**/bids")
    pieces: list[int] = []

    def cut(route: Route) -> None:
        if route.request.method == "PATCH":
            pieces.append(int(route.request.headers["upload-offset"]))
        route.abort() if pieces and pieces[-1] > 0 else route.continue_()

    page.route("**/uploads/*", cut)
    page.goto(address)
    bidder.is_at(1, "accepted")
    expect(page.locator("#chain progress")).to_be_visible()
    expect(page.locator("#chain progress")).not_to_have_js_property("value", 0)
    page.goto("about:blank")
    page.unroute("**/uploads/*")
    resumed: list[int] = []
    page.on(
        "request",
        lambda request: (
            resumed.append(int(request.headers["upload-offset"])) if request.method == "PATCH" else None
        ),
    )
    page.goto(address)
    bidder.told("uploaded")
    assert pieces[0] == 0
    assert resumed
    assert resumed[0] > 0, "what was there was not sent again"
    held = Held.parse(bidder.save(1, "save-receipt"))
    assert held.receipt.signer


def test_without_a_network_the_page_waits_and_goes_on(bidder: Bidder, people: People) -> None:
    bidder.hurry()
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
    bidder.told("verified")  # the page is loaded anew
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


def test_a_large_file_is_sealed_while_the_page_goes_on(
    bidder: Bidder, quiet: PracticeTender, tmp_path: Path
) -> None:
    page = bidder.open(quiet)
    page.evaluate(TICKING, bidder.word("document-sealing"))
    page.locator("#files").set_input_files(a_file(tmp_path, "film.mp4", bytes(30 << 20)))
    expect(page.locator("#documents [data-slot=state]")).to_have_text(
        bidder.word("document-sealed"), timeout=300_000
    )
    assert page.evaluate("window.ticks") > 5


TICKING = """sealing => {
  const said = () => document.querySelector("#documents [data-slot=state]")?.textContent.trim();
  window.ticks = 0;
  setInterval(() => { if (said() === sealing) window.ticks++; }, 10);
}"""
"""Counts how often the page comes to do something else while it says that it seals."""


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


# ── what whole lives stand on ────────────────────────────────────────────────────────────────────────────


def bid_of(*offers: tuple[str, tuple[int, int] | None]) -> dict[Any, bytes]:
    """A rival's contents: one amount and picks for each lot."""
    costs = (StatedCost(id="power", amount="1000000"),)
    made = tuple(
        LotOffer(lot=str(lot), amount=amount, picks=picks, costs=() if picks else costs)
        for lot, (amount, picks) in enumerate(offers, 1)
    )
    return {"bid": padded(Bid(offers=made, declarations=(TAXES.id,)))}


def fill_by_keyboard(page: Page, file: Path) -> None:
    """Everything that the draft asks, without a mouse; a file is chosen as assistive technology does."""
    press(page, "bids:1", "Space")
    press(page, "amount:1", "89000000")
    press(page, "pick1:1", "ArrowDown", "ArrowDown", "ArrowDown")
    press(page, "pick2:1", "ArrowDown")
    press(page, "bids:2", "Space")
    press(page, "amount:2", "90000000")
    press(page, "cost:2:power", "500000")
    press(page, "declare:taxes", "Space")
    reach(page, "files")
    page.locator("#files").set_input_files(file)
    expect(page.locator("#documents progress")).to_be_hidden(timeout=60_000)
    press(page, "restricted", "담당자: 홍길동")


def press(page: Page, id: str, *keys: str) -> None:
    """Tabs to the element with that id, and there presses keys, or types what is no key's name."""
    reach(page, id)
    for key in keys or ("Enter",):
        if re.fullmatch("Space|Enter|Arrow[A-Z][a-z]+", key):
            page.keyboard.press(key)
        else:
            page.keyboard.insert_text(key)


def reach(page: Page, id: str) -> None:
    for _ in range(200):
        if page.evaluate("document.activeElement.id") == id:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no tab leads to {id}")


def press_named(page: Page, name: str) -> None:
    """Tabs to a button with that name and presses it: a file is saved."""
    for _ in range(200):
        if page.evaluate("document.activeElement.textContent") == name:
            with page.expect_download():
                page.keyboard.press("Enter")
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no tab leads to {name}")


class Overheard:
    """Everything that came over the line into a page, and what the page is."""

    def __init__(self, page: Page) -> None:
        self._page, self._answers = page, list[Response]()
        page.on("response", lambda answer: self._answers.append(answer))

    def hold_nothing_of(self, *secrets: str) -> None:
        """Neither an answer nor the page has any of these, nor a number of bids."""
        bodies = [self._page.content(), *map(self._body, self._answers)]
        assert len(bodies) > 10
        for body in bodies:
            assert not [secret for secret in secrets if secret in body]
            assert not COUNT.search(body)

    def _body(self, answer: Response) -> str:
        path = answer.url.partition("?")[0]
        if path.endswith((".js", ".css", ".svg")) or "/log/tile/" in path:
            return ""  # the same for everybody; commitments, of which covers are some
        try:
            return answer.text()
        except Exception:  # an answer without a body, or one that is no text
            return ""


def life(people: People, tender: PracticeTender) -> None:
    """The tender is closed, opened and evaluated."""
    people(tender.close())
    people(tender.order("bid"))
    people(tender.evaluated())


async def concluded(tender: PracticeTender) -> bytes:
    await tender.intend()
    await tender.award()
    return await tender.verified_record()


def check_opened(people: People, tender: PracticeTender, bidder: Bidder, file: Path) -> None:
    """Python has opened what the browser sealed: it says what was entered, its document opens."""
    id = bidder.link(1).locator("[data-slot=id]").text_content() or ""
    opened = decode(encode(people(tender.opened("bid"))[id]), Bid)
    first, second = opened.offers
    assert (first.lot, first.amount, first.picks) == ("1", "89000000", (3, 1))
    assert (second.lot, second.amount) == ("2", "90000000")
    assert [(each.id, each.amount) for each in second.costs] == [("power", "500000")]
    assert opened.declarations == (TAXES.id,)
    [document] = opened.documents
    assert (document.title, document.size) == ("시방서.pdf", file.stat().st_size)
    sealed = people(tender.get(f"bids/{id}/documents/{document.number}")).content
    assert b"".join(stream.open(bytes.fromhex(document.key), [sealed])) == file.read_bytes()
    for lot in people(tender.evaluated()).values():
        assert lot.ranking[0].bid == id


# ── how it looks ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("language", ["en", "ko", "es"])
def test_no_state_of_the_page_has_an_accessibility_violation_or_scrolls_sideways(
    bidder: Bidder, people: People, tmp_path: Path, language: Any
) -> None:
    page = bidder.open(a_tender(people), language)
    for each in page.locator("#bidding details:visible").all():
        each.evaluate("each => (each.open = true)")
    bidder.add(a_file(tmp_path, "a-rather-long-name-of-a-drawing-of-school-desks-2026.pdf"))
    is_right(page)
    page.locator("#check").click()
    expect(page.locator("#faults")).to_be_visible()
    is_right(page)
    bidder.price("999999999999999")
    bidder.check()
    is_right(page)
    page.locator("#seal").click()
    bidder.told("uploaded")
    page.locator("#chain details").evaluate("each => (each.open = true)")
    is_right(page)
    bidder.act(1, "act-withdraw")
    expect(page.locator("#withdrawing")).to_be_visible()
    is_right(page)


def is_right(page: Page) -> None:
    """On an old phone, by day and by night."""
    check_scrolls_one_way(page)
    check_accessible(page, AA)


def test_without_a_key_the_page_says_where_to_get_one(
    browser: Browser, service: Service, quiet: PracticeTender
) -> None:
    page = browser.new_context().new_page()
    page.goto(f"{service.origin}/tenders/{quiet.ocid}/bid?lang=es")
    expect(page.locator("#keyless")).to_be_visible()
    expect(page.locator("#told")).to_have_text("Su dispositivo ha verificado la licitación.")
    page.locator("[id='amount:1']").fill("1")
    page.locator("#check").click()
    expect(page.locator("#unsigned")).to_contain_text("no hay nadie registrado")
    expect(page.locator("#seal")).to_be_hidden()
    page.context.close()


def test_without_javascript_the_page_says_what_it_needs_it_for_and_how_else_to_bid(
    browser: Browser, service: Service, quiet: PracticeTender
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{service.origin}/tenders/{quiet.ocid}/bid?lang=en")
    text = page.locator("main").inner_text()
    assert "sealed on your own device" in text
    assert f"openseal bid compose BID --key FILE --tender {quiet.ocid}" in text
    assert page.locator("form:visible").count() == 0
    context.close()


# ── lies ─────────────────────────────────────────────────────────────────────────────────────────────────


def another_title(notice: dict[str, Any]) -> None:
    """The notice says something else; signature and place in the log are the genuine one's."""
    said = msgspec.json.decode(from_base64(notice["payload"])) | {"title": "Other desks"}
    notice["payload"] = to_base64(encode(said))


def another_signature(notice: dict[str, Any]) -> None:
    """Well formed, and nobody's."""
    notice["signatures"][0]["sig"] = to_base64(bytes(31) + b"\x01" + bytes(31) + b"\x01")


def tell_of_the_notice(twist: Callable[[dict[str, Any]], None]) -> Callable[[Page], object]:
    """The service answers as it does, but for the notice that its log names."""

    def lie(route: Route) -> None:
        answer = route.fetch().json()
        notice = msgspec.json.decode(from_base64(answer["statement"]))
        twist(notice)
        route.fulfill(json=answer | {"statement": to_base64(encode(notice))})

    return lambda page: page.route("**/entries/0", lie)


def tell_of_other_authorities(page: Page) -> None:
    def lie(route: Route) -> None:
        trust = decode(route.fetch().body(), Trust)
        roots = trust.roots | {Role.OFFICER: trust.roots[Role.BUSINESS]}
        route.fulfill(body=encode(msgspec.structs.replace(trust, roots=roots)))

    page.route("**/api/v1/trust", lie)


def test_lies_to_a_bidders_own_browser_are_named_and_nothing_is_sealed(
    bidder: Bidder, quiet: PracticeTender
) -> None:
    told: dict[str, Callable[[Page], object]] = {
        "notice changed for one bidder": tell_of_the_notice(another_title),
        "forged signature under the notice": tell_of_the_notice(another_signature),
        "service under other keys": tell_of_other_authorities,
    }
    page, trouble = bidder.open(quiet), bidder.page.locator("#trouble")
    for name, tell in told.items():
        tell(page)
        page.reload()
        expect(trouble).to_be_visible(timeout=60_000)
        ENTRIES[name].check_named(trouble.locator("p").inner_text())
        page.unroute_all()
    assert not [each for each in bidder.kept() if each["store"] == "elements"]
    bidder.open(quiet)
    answers: list[bytes] = []

    def somebody_elses(route: Route) -> None:
        """The genuine answer to the first bid, whatever is sent after it."""
        answers.append(route.fetch().body())
        route.fulfill(status=201, content_type="application/json", body=answers[0])

    page.route("**/bids", somebody_elses)
    bidder.bid("1200000")
    bidder.act(1, "act-replace")
    bidder.price("1100000")
    bidder.check()
    page.locator("#seal").click()
    expect(trouble).to_be_visible(timeout=60_000)
    ENTRIES["somebody else's receipt"].check_named(trouble.locator("p").inner_text())
    assert set(told) | {"somebody else's receipt"} == set(ENTRIES)
    page.unroute_all()
    page.reload()
    bidder.is_at(2, "accepted")


# ── after the deadline ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.__name__)
def test_after_its_deadline(life: Life, lives: Lives) -> None:
    lives.end(life)
