"""What a notice says of its purchase: coherent or refused by name, in words, in open data, and held to."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from bids.envelope import MOST_PARTNERS, Envelope, check, compose, entropy_size
from bids.errors import EnvelopeError
from crypto.encoding import decode, encode
from crypto.errors import MalformedError
from crypto.statements import Statement
from procurement import archive, record
from procurement.bundle import Record
from procurement.errors import TenderError
from procurement.notices import (
    BidSecurity,
    Budget,
    Classification,
    Eligibility,
    LegalBasis,
    TenderDocument,
    TranslatedItem,
    TranslatedLot,
    Translation,
)
from procurement.ocds import record_of
from procurement.tenders import Item, Notice, Organisation, check_notice, terms
from procurement.words import notice_in_words
from tests.builders import Life, a_bidder, a_lot, a_notice, the_world
from tests.core.test_ocds import SCHEMAS, check_package, check_release, check_schema

ITEM = Item(
    id="1",
    description="Twelve school desks",
    classification=Classification(scheme="UNSPSC", id="56121500", description="Classroom furniture"),
)
DOCUMENT = TenderDocument(
    id="spec",
    document_type="technicalSpecifications",
    title="The desks, drawn",
    format="application/pdf",
    language="ko",
    sha256="5e" * 32,
    size=123_456,
)
KOREAN = Translation(
    language="ko",
    title="학교 책상",
    description="참나무 책상.",
    lots=(TranslatedLot(id="1", title="책상", items=(TranslatedItem(id="1", description="책상 열두 개"),)),),
)
SPANISH = Translation(language="es", title="Pupitres escolares")
EVERYTHING: dict[str, Any] = {
    "lots": (replace(a_lot(), items=(ITEM,)),),
    "partner_limit": 1,
    "variant_policy": "notAllowed",
    "buyer": Organisation(id="KR-9", name="Province"),
    "category": "goods",
    "estimated_value": "20000000",
    "legal": LegalBasis(jurisdiction="kr-local", procedure="open", urgency="The school was flooded."),
    "budget": Budget(id="2026-4410", description="School furniture", project="Renewal", amount="22000000"),
    "eligibility": Eligibility(
        regions=("Gangwon",),
        sizes=("micro", "small"),
        licences=("Furniture maker",),
        reserved_for=("local", "village"),
        other=("Has made desks before.",),
    ),
    "bid_security": BidSecurity(percent="5", forms=("insurance", "pledge"), valid_days=90),
    "documents": (DOCUMENT,),
    "translations": (KOREAN, SPANISH),
    "practice": True,
}


def notice(**changes: Any) -> Notice:
    return a_notice(the_world(), **(EVERYTHING | changes))


def test_everything_that_a_notice_can_say_is_accepted_and_read_back() -> None:
    said = notice()
    check_notice(said)
    assert decode(encode(said), Notice) == said


def classified(scheme: str, id: str) -> dict[str, Any]:
    item = replace(ITEM, classification=Classification(scheme=scheme, id=id))
    return {"lots": (replace(a_lot(), items=(item,)),)}


def in_korean(*lots: TranslatedLot) -> dict[str, Any]:
    return {"translations": (replace(KOREAN, lots=lots),)}


DESK = TranslatedItem(id="1", description="책상")
LOT = TranslatedLot(id="1", title="책상", items=(DESK,))
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("classification-wrong", classified("UNSPSC", "5612150")),
    ("classification-wrong", classified("CPV", "39160000-")),
    ("classification-wrong", classified("DUNS", "39160000")),
    ("languages-repeat", {"translations": (KOREAN, KOREAN)}),
    ("languages-repeat", {"language": "ko"}),
    ("translation-repeats", in_korean(LOT, LOT)),
    ("translation-repeats", in_korean(replace(LOT, items=(DESK, DESK)))),
    ("translation-unknown", in_korean(replace(LOT, id="2"))),
    ("translation-unknown", in_korean(replace(LOT, id="2", items=()))),
    ("translation-unknown", in_korean(replace(LOT, items=(replace(DESK, id="2"),)))),
    ("tender-documents-repeat", {"documents": (DOCUMENT, replace(DOCUMENT, title="Another"))}),
    ("bid-security-unclear", {"bid_security": BidSecurity()}),
    ("bid-security-unclear", {"bid_security": BidSecurity(percent="5", amount="5")}),
    ("bid-security-unclear", {"bid_security": BidSecurity(percent="5", waived="A pledge will do.")}),
    ("bid-security-unclear", {"bid_security": BidSecurity(forms=("cash",), waived="A pledge will do.")}),
    ("bid-security-unclear", {"bid_security": BidSecurity(percent="5", forms=("cash", "cash"))}),
    ("eligibility-repeats", {"eligibility": Eligibility(regions=("Jeju", "Jeju"))}),
    ("amount-wrong", {"bid_security": BidSecurity(amount="0")}),
    ("amount-wrong", {"budget": Budget(id="1", amount="1.50")}),
    ("amount-wrong", {"estimated_value": "0"}),
]


@pytest.mark.parametrize(("code", "changes"), REFUSED)
def test_a_notice_that_contradicts_itself_is_refused_by_name(code: str, changes: dict[str, Any]) -> None:
    with pytest.raises(TenderError) as caught:
        check_notice(notice(**changes))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("scheme", "id"),
    [("UNSPSC", "56121500"), ("CPV", "39160000"), ("CPV", "39160000-1"), ("KR-G2B", "5612150001")],
)
def test_a_code_of_each_scheme_is_accepted(scheme: str, id: str) -> None:
    check_notice(notice(**classified(scheme, id)))


def test_a_security_may_be_waived_for_a_reason() -> None:
    check_notice(notice(bid_security=BidSecurity(waived="A written pledge will do.")))


@pytest.mark.parametrize(
    "changes",
    [
        {"variantPolicy": "allowed"},
        {"partnerLimit": MOST_PARTNERS + 1},
        {"category": "things"},
        {"documents": [{"id": "x"}]},
        {"legal": {"jurisdiction": "kr-local", "procedure": "favour"}},
        {"translations": [{"language": "korean", "title": "x"}]},
    ],
    ids=str,
)
def test_garbage_in_a_notice_is_malformed(changes: dict[str, Any]) -> None:
    fields = json.loads(encode(notice())) | changes
    with pytest.raises(MalformedError):
        decode(encode(fields), Notice)


def test_all_of_it_is_shown_in_words() -> None:
    text = "\n".join(f"{label}: {said}" for label, said in notice_in_words(notice()))
    for said in (
        "Province (KR-9)",
        "goods",
        "20,000,000 KRW",
        "urgent: The school was flooded.",
        "2026-4410, School furniture, Renewal, 22,000,000 KRW",
        "seated in Gangwon",
        "of the size micro or small",
        "licensed as Furniture maker",
        "reserved for businesses of the region or enterprises of villages",
        "Has made desks before.",
        "5 % of the bid, as insurance or pledge, valid for 90 days after the deadline",
        "joint bids: by at most 2 businesses; alternatives are not taken",
        "5e5e5e5e",
        "UNSPSC 56121500 (Classroom furniture)",
        "학교 책상: 참나무 책상.",
        "책상 열두 개",
        "Pupitres escolares",
    ):
        assert said in text


def test_a_notice_that_states_little_says_so_in_words() -> None:
    said = dict(notice_in_words(a_notice(the_world())))
    assert said["Legal basis"] == "not stated: nobody can say which legal periods it has to keep"
    waived = notice(bid_security=BidSecurity(waived="A pledge will do."), partner_limit=0)
    said = dict(notice_in_words(waived))
    assert said["Bid security"] == "waived: A pledge will do."
    assert said["Consortium"] == "joint bids: none are taken; alternatives are not taken"


# ── joint bids as the notice allows them ─────────────────────────────────────────────────────────────


def test_a_joint_bid_of_more_than_the_notice_allows_is_neither_made_nor_taken() -> None:
    life = Life(notice=notice(partner_limit=1, practice=True))
    lead, *partners = [a_bidder(life.world, number) for number in range(1, 4)]
    named = [each.fingerprint for each in partners]
    contents, entropy = life.contents_for("900", None, ["1"]), bytes(entropy_size(life.terms))
    compose(contents, life.terms, lead, entropy, None, named[:1])
    with pytest.raises(EnvelopeError) as refused:
        compose(contents, life.terms, lead, entropy, None, named)
    assert refused.value.code == "too-many-partners"
    loose = replace(life.terms, partner_limit=MOST_PARTNERS)
    envelope = Statement(compose(contents, loose, lead, entropy, None, named))
    with pytest.raises(EnvelopeError) as refused:
        check(envelope.read(Envelope), life.terms)
    assert refused.value.code == "too-many-partners"


def test_a_record_with_a_consortium_that_the_notice_does_not_allow_is_refused() -> None:
    life = Life(notice=a_notice(the_world(), partner_limit=0))
    allowed, life.terms = life.terms, replace(life.terms, partner_limit=MOST_PARTNERS)
    lead, partner = (a_bidder(life.world, number) for number in (1, 2))
    life.submit(lead, "900", partners=[partner])
    life.terms = allowed
    verdict = record.verify(life.to_award().record(), life.world.trust)
    assert verdict.outcome == "refused"
    assert verdict.steps[-1].title == "bidders' signatures and certificates"
    assert "no partners" in verdict.steps[-1].findings[0]


def test_a_notice_without_a_word_about_it_takes_joint_bids_as_ever() -> None:
    silent = a_notice(the_world())
    assert b"partnerLimit" not in encode(silent)
    assert terms(silent, "00" * 32).partner_limit == MOST_PARTNERS


# ── open data ────────────────────────────────────────────────────────────────────────────────────────


def released() -> dict[str, Any]:
    life = Life(notice=notice())
    life.submit(a_bidder(life.world, 1), "900")
    facts = Record(archive.unpack(life.to_award().record())).published()
    package = json.loads(record_of(facts))
    check_package(package)
    if SCHEMAS.is_dir():
        check_schema(package)
    compiled: dict[str, Any] = package["records"][0]["compiledRelease"]
    check_release(compiled)
    return compiled


def test_open_data_has_all_that_the_notice_says() -> None:
    release = released()
    tender, [item] = release["tender"], release["tender"]["items"]
    assert release["buyer"] == {"id": "KR-9", "name": "Province"}
    roles = {each["id"]: each["roles"] for each in release["parties"]}
    assert (roles["KR-1234"], roles["KR-9"]) == (["procuringEntity"], ["buyer"])
    assert [each["id"] for each in release["parties"] if "contactPoint" in each] == ["KR-1234"]
    assert release["planning"]["budget"] == {
        "id": "2026-4410",
        "description": "School furniture",
        "project": "Renewal",
        "amount": {"amount": 22_000_000, "currency": "KRW"},
    }
    assert (tender["title_ko"], tender["title_es"]) == ("학교 책상", "Pupitres escolares")
    assert tender["description_ko"] == "참나무 책상."
    assert "description_es" not in tender
    assert item["description_ko"] == "책상 열두 개"
    assert item["classification"] == {
        "scheme": "UNSPSC",
        "id": "56121500",
        "description": "Classroom furniture",
    }
    assert tender["value"] == {"amount": 20_000_000, "currency": "KRW"}
    assert (tender["mainProcurementCategory"], tender["procurementMethod"]) == ("goods", "open")
    assert tender["procurementMethodRationale"] == "The school was flooded."
    assert "kr-local" in tender["procurementMethodDetails"]
    assert "practice" in tender["procurementMethodDetails"]
    assert tender["documents"] == [
        {
            "id": "spec",
            "documentType": "technicalSpecifications",
            "title": "The desks, drawn",
            "description": f"SHA-256 {'5e' * 32}, 123456 bytes",
            "format": "application/pdf",
            "language": "ko",
        }
    ]
    assert "seated in Gangwon" in tender["eligibilityCriteria"]
    assert "5 % of the bid" in tender["submissionTerms"]["depositsGuarantees"]
    assert tender["submissionTerms"]["variantPolicy"] == "notAllowed"
    assert "at most 2 businesses" in tender["submissionMethodDetails"]
