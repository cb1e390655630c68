"""Who owns the businesses that bid: stated where the notice asks, of each of them once, and nowhere else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bids.errors import Unopenable
from crypto.encoding import decode, encode
from crypto.errors import MalformedError
from procurement.editions import changes
from procurement.evaluation import LowestPrice
from procurement.history import Event, EventType
from procurement.owners import COUNTRIES, Owner, Ownership
from procurement.record import verify
from procurement.scoring import Chosen, OpenedBid, outcome, read_part
from procurement.tenders import Bid, LotOffer, Notice, Proposal
from procurement.words import differences, notice_in_words
from tests.builders import Life, a_bidder, a_lot, a_notice, panel_rules, the_world
from tests.core.test_ocds import SCHEMAS, owned, owned_apart, read_schema

KIM = Owner(name="Kim Yu-na", nationalities=("KR", "US"))
PARTNERS = "aa" * 32, "bb" * 32
OWN = Ownership(persons=(KIM,))
OURS = tuple(Ownership(partner=each, unnamed="dispersed") for each in PARTNERS)
ALL = (*OURS, OWN)


def asking(*rules: Any, **changes: Any) -> Notice:
    return a_notice(the_world(), *map(a_lot, rules), owners_asked=True, **changes)


def a_bid(*owners: Ownership) -> bytes:
    return encode(Bid(offers=(LotOffer(lot="1", amount="1"),), owners=owners))


def reason(content: bytes, notice: Notice, *partners: str, section: str = "bid") -> str | None:
    return outcome(content, section, notice, partners)[1]


def test_each_business_of_the_bid_is_stated_once_in_any_order() -> None:
    notice = asking(LowestPrice())
    assert reason(a_bid(OWN), notice) is None
    assert reason(a_bid(*ALL), notice, *PARTNERS) is None
    assert reason(a_bid(*reversed(ALL)), notice, *PARTNERS) is None


@pytest.mark.parametrize(
    "owners",
    [
        (),
        (OWN,),
        OURS,
        (*ALL, OWN),
        (*ALL, OURS[0]),
        (*ALL[1:], Ownership(partner="cc" * 32, persons=(KIM,))),
        (*OURS, Ownership()),
        (*OURS, Ownership(persons=(KIM,), unnamed="listed")),
        (*OURS, Ownership(persons=(Owner(name="Kim", nationalities=("KR", "KR")),))),
    ],
    ids=[
        "none",
        "own",
        "partners",
        "own-twice",
        "partner-twice",
        "stranger",
        "neither",
        "both",
        "nationality",
    ],
)
def test_a_bid_that_leaves_a_business_out_or_names_another_does_not_open(owners: Any) -> None:
    assert reason(a_bid(*owners), asking(LowestPrice()), *PARTNERS) == "owners-wrong"


def test_owners_whom_nobody_asked_for_are_not_published() -> None:
    silent = a_notice(the_world(), a_lot(LowestPrice()))
    assert reason(a_bid(OWN), silent) == "owners-unasked"
    assert reason(a_bid(), silent) is None


def test_owners_stand_in_the_first_part_and_in_no_other() -> None:
    notice = asking(panel_rules())
    proposal = Proposal(proposal="Well.", owners=(OWN,))
    assert read_part("technical", encode(proposal), notice, ()) == proposal
    assert reason(encode(Proposal(proposal="Well.")), notice, section="technical") == "owners-wrong"
    assert reason(a_bid(OWN), notice, section="price") == "owners-unasked"
    assert reason(a_bid(), notice, section="price") is None


def test_the_reason_comes_after_the_declarations_and_before_the_lots() -> None:
    notice = asking(LowestPrice())
    offer = (LotOffer(lot="9", amount="1"),)
    assert reason(encode(Bid(offers=offer, declarations=("x",))), notice) == "declarations-wrong"
    assert reason(encode(Bid(offers=offer)), notice) == "owners-wrong"
    assert reason(encode(Bid(offers=offer, owners=(OWN,))), notice) == "lots-wrong"


@pytest.mark.parametrize(
    "owner",
    [
        {"name": "", "nationalities": ["KR"]},
        {"name": "Kim"},
        {"name": "Kim", "nationalities": []},
        {"name": "Kim", "nationalities": ["XX"]},
        {"name": "Kim", "nationalities": ["kr"]},
        {"name": "Kim", "nationalities": ["KR", "US", "CA", "FR", "IT", "ES"]},
        {"name": "Kim\n", "nationalities": ["KR"], "identifier": "M1234"},
    ],
)
def test_a_person_is_a_name_and_nationalities_and_nothing_else(owner: Any) -> None:
    bid = {"offers": [{"amount": "1", "lot": "1"}], "owners": [{"persons": [owner]}]}
    assert reason(encode(bid), asking(LowestPrice())) == "content-malformed"


def test_too_many_persons_are_no_content() -> None:
    assert reason(a_bid(Ownership(persons=(KIM,) * 25)), asking(LowestPrice())) is None
    assert reason(a_bid(Ownership(persons=(KIM,) * 26)), asking(LowestPrice())) == "content-malformed"


_WORDS = st.sampled_from(["", "KR", "XX", "Kim", "listed", "public", "aa" * 32, "bb" * 32])
_PERSONS = st.dictionaries(
    st.sampled_from(["name", "nationalities", "id"]), _WORDS | st.lists(_WORDS, max_size=3), max_size=3
)
_OWNERSHIPS = st.dictionaries(
    st.sampled_from(["partner", "persons", "unnamed"]), _WORDS | st.lists(_PERSONS, max_size=2), max_size=3
)


@given(st.lists(_OWNERSHIPS, max_size=4))
def test_whatever_is_said_of_owners_has_one_outcome(owners: Any) -> None:
    content = encode({"offers": [{"amount": "1", "lot": "1"}], "owners": owners})
    for notice in (asking(LowestPrice()), a_notice(the_world(), a_lot(LowestPrice()))):
        code = reason(content, notice, *PARTNERS)
        assert code in (None, "content-malformed", "owners-wrong", "owners-unasked")
        if code is None:
            assert notice.owners_asked
            stated = decode(content, Bid).owners
            assert sorted(each.partner or "" for each in stated) == sorted(["", *PARTNERS])


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="the standard's schemas are not at hand")
def test_the_countries_are_those_of_the_standard() -> None:
    person = read_schema("extensions/beneficialOwners/release-schema.json")["definitions"]["Person"]
    assert list(COUNTRIES) == person["properties"]["nationalities"]["items"]["enum"]


def test_a_notice_that_does_not_ask_reads_as_notices_did_before() -> None:
    silent = a_notice(the_world())
    assert "ownersAsked" not in json.loads(encode(silent))
    with pytest.raises(MalformedError):
        decode(encode({**json.loads(encode(silent)), "ownersAsked": False}), Notice)


def test_a_notice_says_in_words_that_it_asks() -> None:
    for language, word in (("en", "Owners"), ("ko", "실소유자"), ("es", "Beneficiarios finales")):
        assert word in dict(notice_in_words(asking(), language))  # type: ignore[arg-type]
        assert word not in dict(notice_in_words(a_notice(the_world()), language))  # type: ignore[arg-type]


def test_an_amendment_asks_for_owners_and_bids_from_before_are_read_as_they_were_sealed() -> None:
    life = Life(notice=a_notice(the_world()))
    life.submit(a_bidder(life.world, 1), "900")
    before = life.notice
    life.amend(owners_asked=True)
    assert changes(before, life.notice) == ["owners_asked"]
    assert [label for label, _ in differences(before, life.notice).come] == ["Owners"]
    life.submit(a_bidder(life.world, 2), "800", owners=(OWN,))
    life.submit(a_bidder(life.world, 3), "700")
    life.to_award()
    assert [bid.bid is not None for bid in life.counted] == [True, True, False]


def test_content_says_who_owns_whom_as_it_was_sealed() -> None:
    bid = read_part("bid", a_bid(*ALL), asking(LowestPrice()), PARTNERS)
    assert bid.owners == ALL
    with pytest.raises(Unopenable):
        read_part("bid", a_bid(*ALL), asking(LowestPrice()), ())


@pytest.mark.parametrize("life", [owned, owned_apart])
def test_a_stranger_comes_to_the_same_reasons(life: Any) -> None:
    verdict = verify(life().record(), the_world().trust)
    assert (verdict.outcome, verdict.clean) == ("verified", True), verdict.steps[-1]


class Shutting(Life):
    """Says of bids that open that they leave somebody out."""

    def log(self, *events: Event) -> None:
        instead: Any = {"t": EventType.BID_UNOPENABLE, "content": None, "reason": "owners-wrong"}
        super().log(*(replace(e, **instead) if e.t is EventType.BID_OPENED else e for e in events))

    def with_result(self, each: Chosen, bid: OpenedBid, result: bytes | str) -> OpenedBid:
        return bid


def test_a_joint_bid_that_names_all_its_owners_is_not_shut_out() -> None:
    life = Shutting(notice=asking(LowestPrice()))
    partner = a_bidder(life.world, 2)
    owners = OWN, Ownership(partner=partner.fingerprint, unnamed="public")
    life.submit(a_bidder(life.world, 1), "900", partners=[partner], owners=owners)
    verdict = verify(life.to_award().record(), the_world().trust)
    assert verdict.outcome == "refused"
    assert "opens to something else than was published" in " ".join(verdict.steps[-1].findings)
