"""What a browser makes of a form is what the commands make of a draft, byte for byte; no digit is lost."""

import json
import string
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids.envelope import place
from crypto.encoding import encode
from crypto.errors import MalformedError
from procurement import money
from procurement.bidding.draft import (
    Draft,
    DraftCost,
    DraftDeclaration,
    DraftDocument,
    DraftOffer,
    DraftOwner,
    DraftOwnership,
    contents,
    faults,
)
from procurement.bidding.folder import Shown
from procurement.client import Sealed
from procurement.evaluation import CostItem, KrPriceFloor, LifeCycleCost
from procurement.evaluation.reserve_prices import Derived
from procurement.tenders import Declaration, Document, Notice
from tests.builders import a_lot, a_notice, panel_rules, the_world, two_envelopes
from tests.core.test_browser_twins import handed_place
from tests.twins import HERE, NODE, Twins

OWN = "a" * 64
FLOOR = KrPriceFloor(
    base="100000000", basis_points=200, unit=100, preliminary_prices=Derived(), floor="87.745"
)
COSTS = LifeCycleCost(costs=(CostItem(id="power", title="Power"),), years=10, rate="3")
TAXES = Declaration(id="taxes", text="We paid every tax.")
FILE: dict[str, Any] = {"key": "1" * 64, "sha256": "2" * 64, "size": 70_000}
SEALED = {"sha256": "3" * 64, "size": 70_032}


@pytest.fixture(scope="module")
def twins() -> Iterator[Twins]:
    with Twins() as twins:
        yield twins


def asked(notice: Notice, places: int = 0) -> dict[str, Any]:
    """What the page hands to the draft."""
    lots = [
        {
            "id": lot.id,
            "title": lot.title,
            "places": places,
            "picks": lot.rules == FLOOR,
            "costs": ["power"] if lot.rules == COSTS else [],
        }
        for lot in notice.lots
    ]
    return {
        "parts": [handed_place(each) for each in notice.sections],
        "lots": lots,
        "declarations": [each.id for each in notice.declarations],
        "owners": notice.owners_asked,
        "contentLimit": notice.content_limit,
        "documentLimit": notice.document_limit,
        "documentSize": notice.document_size,
        "partnerLimit": notice.partner_limit,
    }


def in_form(*documents: dict[str, Any], **fields: str) -> dict[str, Any]:
    return {"title": "", "terms": "", "fields": fields, "documents": documents}


def a_document(title: str, part: str, *, restricted: bool = False) -> dict[str, Any]:
    marked = {
        "place": title,
        "title": title,
        "format": "application/pdf",
        "part": part,
        "restricted": restricted,
    }
    return FILE | marked | {"sealed": SEALED}


def test_a_bid_in_one_part_is_the_same_bytes(twins: Twins) -> None:
    lots = a_lot(FLOOR), a_lot(COSTS, id="2"), a_lot(id="3")
    notice = a_notice(the_world(), *lots, declarations=(TAXES,), document_limit=4, document_size=1 << 20)
    fields = {
        "bids:1": "yes",
        "amount:1": "89000000",
        "pick1:1": "12",
        "pick2:1": "3",
        "bids:2": "yes",
        "amount:2": " 1234567 ",
        "cost:2:power": "0",
        "amount:3": "5",
        "declare:taxes": "yes",
        "restricted": "전화\t010\r\n끝",
    }
    form = in_form(a_document("도면", "bid"), a_document("Staff", "bid", restricted=True), **fields)
    found = twins("drafted", draft=form, asked=asked(notice))
    draft = Draft(
        offers=(
            DraftOffer(lot="1", amount="89000000", picks=(12, 3)),
            DraftOffer(lot="2", amount="1234567", costs=(DraftCost(id="power", amount="0"),)),
        ),
        declarations=(DraftDeclaration(id="taxes", declared=True),),
        documents=(DraftDocument(file="a"), DraftDocument(file="b", restricted=True)),
        restricted="전화 010\n끝",
    )
    documents = [
        Document(number=number, title=title, format="application/pdf", **FILE)
        for number, title in enumerate(("도면", "Staff"), 1)
    ]
    expected = contents(draft, notice, documents)
    assert found["open"] == {part: each.hex() for part, each in expected.open.items()}
    assert found["restricted"] == {part: each.hex() for part, each in expected.restricted.items()}


def test_a_proposal_and_its_price_are_the_same_bytes(twins: Twins) -> None:
    notice = a_notice(
        the_world(), a_lot(panel_rules()), declarations=(TAXES,), document_limit=2, document_size=9
    )
    fields = {"amount:1": "7", "proposal": "참나무로\n만듭니다", "declare:taxes": "yes"}
    form = in_form(a_document("Method", "technical"), a_document("Sums", "price"), **fields)
    found = twins("drafted", draft=form, asked=asked(notice))
    draft = Draft(
        offers=(DraftOffer(lot="1", amount="7"),),
        proposal="참나무로\n만듭니다",
        declarations=(DraftDeclaration(id="taxes", declared=True),),
        documents=(DraftDocument(file="a"), DraftDocument(file="b", part="price")),
    )
    documents = [
        Document(number=number, title=title, format="application/pdf", **FILE)
        for number, title in enumerate(("Method", "Sums"), 1)
    ]
    expected = contents(draft, notice, documents)
    assert found == {"open": {part: each.hex() for part, each in expected.open.items()}, "restricted": {}}


PARTNER = "b" * 64
NAMES = st.sampled_from(["", "김유나", "Ada Rossi", "x" * 301, "\x07"])
COUNTRIES = {
    "": (),
    "KR": ("KR",),
    "kr, it;": ("KR", "IT"),
    "it IT": ("IT",),
    "XX": ("XX",),
    "한국": ("한국",),
}
OWNERS = st.tuples(
    st.sampled_from(["", "listed", "public", "dispersed"]),
    st.dictionaries(
        st.sampled_from([1, 2, 7, 25]), st.tuples(NAMES, st.sampled_from(sorted(COUNTRIES))), max_size=2
    ),
)


@settings(deadline=None)
@given(own=OWNERS, theirs=st.none() | OWNERS, scored=st.booleans(), asks=st.booleans())
def test_owners_are_the_same_bytes_and_the_same_faults(
    twins: Twins, own: Any, theirs: Any, scored: bool, asks: bool
) -> None:
    notice = a_notice(the_world(), a_lot(panel_rules()) if scored else a_lot(), owners_asked=asks)
    fields = {"amount:1": "7"} | ({"proposal": "Well."} if scored else {})
    fields |= {"partners": PARTNER} if theirs else {}
    owners = []
    for whose, (unnamed, rows) in {"own": own, **({PARTNER: theirs} if theirs else {})}.items():
        fields[f"owned:{whose}"] = unnamed
        for row, (name, codes) in rows.items():
            fields |= {f"owner:{whose}:{row}:name": name, f"owner:{whose}:{row}:nationalities": codes}
        persons = tuple(
            DraftOwner(name=rows[row][0], nationalities=COUNTRIES[rows[row][1]])
            for row in ([] if unnamed else sorted(rows))
            if any(rows[row])
        )
        partner = "" if whose == "own" else whose
        owners.append(DraftOwnership(partner=partner, persons=persons, unnamed=unnamed))
    draft = Draft(
        offers=(DraftOffer(lot="1", amount="7"),),
        proposal="Well." if scored else "",
        owners=tuple(owners) if asks else (),
    )
    given = {"draft": in_form(**fields), "asked": asked(notice)}
    found = twins("draftFaults", **given, own=OWN)
    assert bool(found) == bool(faults(draft, notice, {}, [PARTNER] if theirs else []))
    assert {code for code, _ in found} <= {"no-owner", "owner-name", "nationality-wrong"}
    if not found:
        expected = contents(draft, notice, [])
        assert twins("drafted", **given)["open"] == {name: each.hex() for name, each in expected.open.items()}


def apart(**changes: Any) -> Notice:
    """A tender of three lots that are priced apart."""
    lots = [a_lot(two_envelopes(), id=lot) for lot in ("1", "2", "A.b")]
    return a_notice(the_world(), *lots, declarations=(TAXES,), **changes)


def test_lots_that_are_priced_apart_are_the_same_bytes_each(twins: Twins) -> None:
    notice = apart(document_limit=8, document_size=1 << 20)
    fields = {
        "bids:1": "yes",
        "amount:1": "89000000",
        "amount:2": "5",
        "bids:A.b": "yes",
        "amount:A.b": "7",
        "proposal": "참나무로",
        "declare:taxes": "yes",
        "restricted": "010",
    }
    given = [("Method", "technical", False), ("Sums", "price-A.b", False), ("Wages", "price-A.b", True)]
    given += [("Sums of one", "price-1", False), ("Staff", "technical", True)]
    form = in_form(*(a_document(title, part, restricted=secret) for title, part, secret in given), **fields)
    found = twins("drafted", draft=form, asked=asked(notice))
    draft = Draft(
        offers=(DraftOffer(lot="1", amount="89000000"), DraftOffer(lot="A.b", amount="7")),
        proposal="참나무로",
        declarations=(DraftDeclaration(id="taxes", declared=True),),
        documents=tuple(
            DraftDocument(file=title, restricted=secret, part=place(part)[0], lot=place(part)[1])
            for title, part, secret in given
        ),
        restricted="010",
    )
    documents = [
        Document(number=number, title=title, format="application/pdf", **FILE)
        for number, (title, _, _) in enumerate(given, 1)
    ]
    expected = contents(draft, notice, documents)
    assert list(found["open"]) == ["technical", "price-1", "price-A.b"]
    assert found["open"] == {name: each.hex() for name, each in expected.open.items()}
    assert list(found["restricted"]) == ["technical", "price-A.b"]
    assert found["restricted"] == {name: each.hex() for name, each in expected.restricted.items()}
    assert twins("draftFaults", draft=form, asked=asked(notice), own=OWN) == []


def test_a_document_opens_with_the_price_of_a_lot_that_is_bid_for(twins: Twins) -> None:
    notice = apart(document_limit=8, document_size=1 << 20)
    fields = {"bids:1": "yes", "amount:1": "1", "proposal": "We build.", "declare:taxes": "yes"}
    for part, code in (
        ("price-1", None),
        ("technical", None),
        ("price-2", "document-unpriced"),
        ("price", "document-unpriced"),
        ("bid", "document-unpriced"),
    ):
        form = in_form(a_document("Sums", part), **fields)
        found = twins("draftFaults", draft=form, asked=asked(notice), own=OWN)
        assert found == ([[code, "part:Sums"]] if code else [])
        draft = Draft(
            offers=(DraftOffer(lot="1", amount="1"),),
            proposal="We build.",
            declarations=(DraftDeclaration(id="taxes", declared=True),),
            documents=(DraftDocument(file="Sums", part=place(part)[0], lot=place(part)[1]),),
        )
        assert bool(faults(draft, notice, {"Sums": 9})) == bool(code)


def test_the_prices_of_all_lots_together_are_as_long_as_one_part_may_be(twins: Twins) -> None:
    notice = apart(content_limit=512)
    fields = {"proposal": "We build.", "declare:taxes": "yes"}
    for lots, found in (("1",), []), (("1", "2"), []), (("1", "2", "A.b"), [["too-long", "proposal"]]):
        bids = {f"bids:{lot}": "yes" for lot in lots} | {f"amount:{lot}": "1" for lot in lots}
        form = in_form(**fields, **bids)
        assert twins("draftFaults", draft=form, asked=asked(notice), own=OWN) == found
        draft = Draft(
            offers=tuple(DraftOffer(lot=lot, amount="1") for lot in lots),
            proposal="We build.",
            declarations=(DraftDeclaration(id="taxes", declared=True),),
        )
        assert bool(faults(draft, notice, {})) == bool(found)


def test_what_a_lead_shows_to_partners_is_the_commands_file(twins: Twins) -> None:
    contents = {"technical": b"t", "price-1": b"1", "price-A.b": b"2"}
    for restricted in ({}, {"price-A.b": b"wages"}):
        sealed = Sealed(envelope=b"{}", contents=contents, entropy=bytes(9), restricted=restricted)
        data = encode(Shown.of(sealed)).hex()
        assert twins("shown", data=data) == {"names": list(contents), "written": data}
    for wrong in (b'{"contents":{"bid":""},"entropy":"","envelope":""}', b"{}", b"["):
        assert twins.code("shown", data=wrong.hex()) == "malformed"


def test_every_fault_has_its_code_and_its_field(twins: Twins) -> None:
    lots = a_lot(FLOOR), a_lot(COSTS, id="2"), a_lot(id="3")
    notice = a_notice(
        the_world(), *lots, declarations=(TAXES,), document_limit=1, document_size=1000, partner_limit=1
    )
    bids = {"bids:1": "yes", "bids:2": "yes", "bids:3": "yes"}
    wrong = {
        "amount:1": "1,000",
        "pick1:1": "4",
        "amount:2": "0.00",
        "cost:2:power": "1e3",
        "restricted": "\x07",
        "partners": f"{OWN} {'b' * 64}",
    }
    form = in_form(a_document("", "bid"), **bids, **wrong)
    assert twins("draftFaults", draft=form, asked=asked(notice), own=OWN) == [
        ["not-whole", "amount:1"],
        ["no-picks", "pick2:1"],
        ["not-whole", "amount:2"],
        ["not-whole", "cost:2:power"],
        ["no-price", "amount:3"],
        ["not-declared", "declare:taxes"],
        ["too-many-documents", "files"],
        ["document-too-large", "title:"],
        ["title-wrong", "title:"],
        ["sign", "restricted"],
        ["partner-twice", "partners"],
    ]
    assert twins("draftFaults", draft=in_form(), asked=asked(notice), own=OWN)[0] == ["no-lot", "bids:1"]
    [fault] = twins("draftFaults", draft=in_form(partners="x"), asked=asked(notice), own=OWN)[2:]
    assert fault == ["partner-wrong", "partners"]


def test_what_is_longer_than_the_notice_allows_is_a_fault(twins: Twins) -> None:
    notice = a_notice(the_world(), a_lot(panel_rules()), content_limit=1024)
    form = in_form(proposal="참" * 400, **{"amount:1": "7"})
    assert twins("draftFaults", draft=form, asked=asked(notice), own=OWN) == [["too-long", "proposal"]]
    form = in_form(proposal="참" * 200, **{"amount:1": "7"})
    assert twins("draftFaults", draft=form, asked=asked(notice), own=OWN) == []


AMOUNTS = st.builds(
    lambda whole, decimals: str(whole) + (f".{decimals:02}" if decimals else ""),
    st.integers(0, 10**15 - 1),
    st.integers(0, 99),
)


@settings(deadline=None)
@given(pairs=st.lists(st.tuples(AMOUNTS, AMOUNTS), max_size=20))
def test_unit_prices_times_quantities_lose_no_digit(twins: Twins, pairs: list[tuple[str, str]]) -> None:
    found = twins("multiplied", pairs=pairs)
    assert _units(found) == sum(_units(a) * _units(b) // 10**4 for a, b in pairs)
    assert not ("." in found and found.endswith("0"))


def _units(text: str) -> int:
    """In ten-thousandths, of which a product of two amounts is a whole number."""
    whole, _, decimals = text.partition(".")
    return int(whole + decimals.ljust(4, "0"))


@settings(deadline=None)
@given(text=st.text(alphabet=string.digits + ".,-+ e०１", max_size=20), places=st.integers(0, 2))
def test_a_browser_reads_amounts_as_python_does(twins: Twins, text: str, places: int) -> None:
    plain = text.translate({ord("１"): "1"}).strip()
    try:
        money.parse(plain, places=places)
        is_plain = True
    except MalformedError:
        is_plain = False
    assert twins("plain", text=text, places=places) is is_plain


def test_sums_are_grouped_as_the_reader_writes_them(twins: Twins) -> None:
    text = "999999999999999.05"
    found = {language: twins("grouped", text=text, language=language) for language in ("en", "ko", "es")}
    assert found == {
        "en": "999,999,999,999,999.05",
        "ko": "999,999,999,999,999.05",
        "es": "999.999.999.999.999,05",
    }


# ── what is kept ─────────────────────────────────────────────────────────────────────────────────────────


def test_an_old_browser_loses_nothing_that_two_add_at_once() -> None:
    ran = subprocess.run([NODE, HERE / "core" / "browser" / "turns.ts"], capture_output=True, check=True)
    kept = {"kept": ["envelope", "receipt"], "ends": ["fulfilled", "rejected", "fulfilled"]}
    assert json.loads(ran.stdout) == kept
