"""Notices that can be held to, and contents that are read the same by everybody or fail for one reason."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bids.envelope import place, section
from bids.errors import Unopenable
from crypto.encoding import decode, encode, moment, sha256
from crypto.errors import BeaconError, CommitteeError, MalformedError
from procurement.errors import RulesError, TenderError
from procurement.evaluation import (
    Committed,
    CostItem,
    Derived,
    KrPriceFloor,
    LifeCycleCost,
    LowestPrice,
    MultiAward,
    Rules,
    TwoEnvelope,
    WeightedCriterion,
)
from procurement.scoring import outcome, read_part
from procurement.tenders import (
    Bid,
    Declaration,
    LotOffer,
    Notice,
    Proposal,
    StatedCost,
    by_section,
    check_notice,
    check_publication,
    offers,
    padded,
    read_bid,
    read_proposal,
    terms,
    terms_digest,
)
from tests.builders import DEADLINE, START, Life, a_lot, a_notice, panel_rules, the_world

FLOOR = KrPriceFloor(base="1000000", basis_points=200, unit=100, floor="80", preliminary_prices=Derived())
CRITERION = WeightedCriterion(id="plan", title="Plan", points="10", weight="60")
TWO_ENVELOPES = TwoEnvelope(criteria=(CRITERION,), pass_mark="70")
COMMITTED = replace(FLOOR, preliminary_prices=Committed(digest="00" * 32))
DECLARATION = Declaration(id="integrity", text="We pay no bribes.")


def notice(*rules: Rules, **changes: Any) -> Notice:
    lots = [a_lot(each, id=str(number)) for number, each in enumerate(rules, start=1)]
    return a_notice(the_world(), *lots, **changes)


# ── notices ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("rules", [LowestPrice(), FLOOR, panel_rules()], ids=["lowest", "floor", "panel"])
def test_an_honest_notice_is_accepted_and_read_back(rules: Rules) -> None:
    given_notice = notice(rules)
    check_notice(given_notice)
    check_publication(given_notice, START)
    assert decode(encode(given_notice), Notice) == given_notice


REFUSED: dict[str, dict[str, Any]] = {
    "lots-repeat": {"lots": (a_lot(), a_lot())},
    "panel-missing": {"evaluators": ("00" * 32,)},
    "opening-too-early": {"round": "1"},
    "deadline-passed": {"published": moment(DEADLINE)},
    "prices-known": {"lots": (a_lot(COMMITTED),)},
}


@pytest.mark.parametrize("code", REFUSED)
def test_a_notice_that_contradicts_itself_is_refused(code: str) -> None:
    with pytest.raises(TenderError) as caught:
        check_notice(notice(**REFUSED[code]))
    assert caught.value.code == code


def test_an_officer_may_commit_to_prices_for_practice() -> None:
    check_notice(notice(COMMITTED, practice=True))


def test_a_panel_is_named_where_the_rules_need_one_and_each_evaluator_once() -> None:
    for evaluators, code in (((), "panel-missing"), (("00" * 32,) * 2, "panel-repeats")):
        with pytest.raises(TenderError) as caught:
            check_notice(notice(panel_rules(), evaluators=evaluators))
        assert caught.value.code == code


def test_the_round_comes_after_the_deadline_and_not_at_it() -> None:
    network = the_world().beacon.network
    at_deadline = network.round_at(DEADLINE)
    with pytest.raises(TenderError, match="before the deadline"):
        check_notice(notice(round=str(at_deadline)))
    check_notice(notice(round=str(at_deadline + 1)))


@pytest.mark.parametrize("round", ["9" * 19, str(2**63 - 1)])
def test_a_round_beyond_all_calendars_is_refused(round: str) -> None:
    with pytest.raises(BeaconError):
        check_notice(notice(round=round))


def test_rules_that_cannot_be_computed_are_refused() -> None:
    with pytest.raises(RulesError):
        check_notice(notice(LowestPrice(ceiling="0")))


def test_a_committee_whose_key_is_not_its_members_is_refused() -> None:
    committee = the_world().committee
    for changed in (
        replace(committee, public_key="c0" + "00" * 95),
        replace(committee, threshold=3),
        replace(committee, ceremony="00" * 32),
        replace(committee, members=committee.members[::-1]),
        replace(committee, members=committee.members[:2]),
        replace(committee, members=(committee.members[0],) * 3),
        replace(committee, proof=committee.members[0].proof),
    ):
        with pytest.raises(CommitteeError):
            check_notice(notice(committee=changed))


@pytest.mark.parametrize("late", [timedelta(minutes=5), -timedelta(minutes=5)])
def test_a_notice_is_published_when_it_says_so(late: timedelta) -> None:
    with pytest.raises(TenderError) as caught:
        check_publication(notice(), START + late)
    assert caught.value.code == "publication-time-wrong"
    check_publication(notice(), START + late * 0.99)


def test_a_notice_is_not_published_after_its_deadline() -> None:
    with pytest.raises(TenderError) as caught:
        check_publication(notice(), DEADLINE)
    assert caught.value.code == "deadline-passed"


@pytest.mark.parametrize(
    "changes",
    [
        {"tender": "a/b"},
        {"tender": "x" * 65},
        {"title": ""},
        {"currency": "krw"},
        {"lots": []},
        {"standstill": 2**53 - 1},
        {"standstill": -1},
        {"deadline": "2026-03-16"},
        {"contentLimit": 0},
        {"contentLimit": 1024 * 1024 + 1},
        {"documentLimit": 101},
        {"protocol": "openseal/v2"},
        {"more": 1},
    ],
    ids=str,
)
def test_a_notice_of_another_form_is_malformed(changes: dict[str, Any]) -> None:
    data = json.dumps(json.loads(encode(notice())) | changes, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(MalformedError):
        decode(data, Notice)


def test_terms_are_bound_to_the_notice_and_its_amendments_in_order() -> None:
    one, two = "11" * 32, "22" * 32
    by_hand = sha256(b"openseal/v1/terms\n" + bytes.fromhex(one + two)).hex()
    assert terms_digest([one, two]) == by_hand
    assert len({terms_digest(each) for each in ([one], [two], [one, two], [two, one])}) == 4
    assert terms(notice(), one).terms == terms_digest([one])


# ── contents ─────────────────────────────────────────────────────────────────────────────────────────────


def a_bid(*lot_offers: tuple[str, str], picks: tuple[int, int] | None = None, **changes: Any) -> bytes:
    given_offers = tuple(LotOffer(lot=lot, amount=amount, picks=picks) for lot, amount in lot_offers)
    return encode(Bid(offers=given_offers, **changes))


def reason(content: bytes, of: Notice) -> str:
    with pytest.raises(Unopenable) as caught:
        read_bid(content, of)
    assert outcome(content, of.parts[-1], of, ()) == (None, caught.value.code)
    return caught.value.code


def test_a_bid_is_read_and_offered_for_its_lots() -> None:
    two_lots = notice(LowestPrice(), LowestPrice())
    bid = read_bid(a_bid(("2", "100"), ("1", "7")), two_lots)
    [offer] = offers(two_lots.lots[0], [("aa" * 32, "123", bid)])
    assert (offer.envelope_id, offer.bidder, str(offer.amount), offer.picks) == ("aa" * 32, "123", "7", ())
    assert offers(two_lots.lots[1], [("aa" * 32, "123", read_bid(a_bid(("1", "7")), two_lots))]) == ()


MALFORMED = [
    b"",
    b"?",
    b"null",
    b"{}",
    b'{"offers":[]}',
    b'{"offers":[{"amount":"1","lot":"1"}]} ',
    b'{"offers":[{"lot":"1","amount":"1"}]}',
    b'{"declarations":[],"offers":[{"amount":"1","lot":"1"}]}',
    b'{"offers":[{"amount":"1","lot":"1","picks":null}]}',
    b'{"offers":[{"amount":1,"lot":"1"}]}',
    b'{"offers":[{"amount":"-1","lot":"1"}]}',
    b'{"offers":[{"amount":"1e3","lot":"1"}]}',
    b'{"offers":[{"amount":"NaN","lot":"1"}]}',
    b'{"offers":[{"amount":"01","lot":"1"}]}',
    b'{"offers":[{"amount":"1.000","lot":"1"}]}',
    b'{"offers":[{"amount":"9999999999999999","lot":"1"}]}',
    b'{"offers":[{"amount":"1","lot":"1","picks":[1]}]}',
    b'{"offers":[{"amount":"1","lot":"1","picks":[1,2,3]}]}',
    b'{"offers":[{"amount":"1","lot":"1","picks":[1,-2]}]}',
    b'{"offers":[{"amount":"1","lot":"1","more":1}]}',
    b'{"offers":[{"amount":"1","lot":"a b"}]}',
]


@pytest.mark.parametrize("content", MALFORMED)
def test_content_of_another_form_is_malformed(content: bytes) -> None:
    assert reason(content, notice(LowestPrice())) == "content-malformed"


def test_each_offer_is_for_a_lot_of_the_tender_and_for_each_lot_once() -> None:
    for content in (a_bid(("2", "1")), a_bid(("1", "1"), ("1", "1")), a_bid(("1", "1"), ("3", "1"))):
        assert reason(content, notice(LowestPrice())) == "lots-wrong"


OFFERS_WRONG: list[tuple[Rules, str, tuple[int, int] | None]] = [
    (LowestPrice(), "0", None),
    (LowestPrice(), "0.00", None),
    (LowestPrice(), "100", (1, 2)),
    (FLOOR, "100", None),
    (FLOOR, "100", (1, 1)),
    (FLOOR, "100", (0, 1)),
    (FLOOR, "100", (1, 16)),
    (FLOOR, "100.5", (1, 2)),
    (panel_rules(), "100.5", None),
    (panel_rules(), "100", (1, 2)),
]


@pytest.mark.parametrize(("rules", "amount", "picks"), OFFERS_WRONG)
def test_an_offer_that_the_rules_cannot_read_is_wrong(rules: Rules, amount: str, picks: Any) -> None:
    assert reason(a_bid(("1", amount), picks=picks), notice(rules)) == "offer-wrong"


LIFE_CYCLE = LifeCycleCost(costs=(CostItem(id="energy", title="Energy"),), years=5, rate="3")


def test_costs_are_stated_exactly_where_the_rules_ask_for_them() -> None:
    energy, again = StatedCost(id="energy", amount="10"), StatedCost(id="energy", amount="11")
    stated = encode(Bid(offers=(LotOffer(lot="1", amount="100", costs=(energy,)),)))
    assert read_bid(stated, notice(LIFE_CYCLE)).offers[0].costs == (energy,)
    assert reason(stated, notice(LowestPrice())) == "offer-wrong"
    assert reason(stated, notice(MultiAward(rules=LowestPrice(), winners=2))) == "offer-wrong"
    cents = StatedCost(id="energy", amount="10.5")
    for costs in ((), (energy, again), (StatedCost(id="water", amount="10"),), (cents,)):
        content = encode(Bid(offers=(LotOffer(lot="1", amount="100", costs=costs),)))
        assert reason(content, notice(LIFE_CYCLE)) == "offer-wrong"


def test_every_declaration_is_made_and_no_other() -> None:
    declared = notice(LowestPrice(), declarations=(DECLARATION,))
    read_bid(a_bid(("1", "1"), declarations=("integrity",)), declared)
    for declarations in ((), ("other",), ("integrity", "other"), ("integrity", "integrity")):
        assert reason(a_bid(("1", "1"), declarations=declarations), declared) == "declarations-wrong"


def test_a_technical_part_makes_the_declarations_where_there_is_one() -> None:
    declared = notice(panel_rules(), declarations=(DECLARATION,))
    read_bid(a_bid(("1", "1")), declared)
    read_proposal(encode(Proposal(proposal="Well.", declarations=("integrity",))), declared, ())
    for content, code in (
        (encode(Proposal(proposal="Well.")), "declarations-wrong"),
        (a_bid(("1", "1")), "content-malformed"),
        (encode(Proposal(proposal="x" * 20_001, declarations=("integrity",))), "content-malformed"),
    ):
        assert outcome(content, "technical", declared, ()) == (None, code)


def test_of_several_reasons_the_first_of_the_fixed_order_is_given() -> None:
    declared = notice(LowestPrice(), declarations=(DECLARATION,))
    assert reason(a_bid(("9", "0"), declarations=("other",)) + b" ", declared) == "content-malformed"
    assert reason(a_bid(("9", "0"), declarations=("other",)), declared) == "declarations-wrong"
    assert reason(a_bid(("9", "0"), declarations=("integrity",)), declared) == "lots-wrong"
    assert reason(a_bid(("1", "0"), declarations=("integrity",)), declared) == "offer-wrong"


REASONS = {"content-malformed", "declarations-wrong", "lots-wrong", "offer-wrong"}


@given(
    st.binary(max_size=80)
    | st.builds(
        lambda lot, amount, picks, costs: json.dumps(
            {
                "offers": [
                    {"amount": amount, "lot": lot}
                    | ({"picks": picks} if picks else {})
                    | ({"costs": [{"amount": each, "id": "energy"} for each in costs]} if costs else {})
                ]
            },
            sort_keys=True,
            separators=(",", ":"),
        ).encode(),
        st.sampled_from(["1", "2", ""]),
        st.from_regex(r"[0-9.]{0,18}", fullmatch=True),
        st.lists(st.integers(-1, 17), max_size=3),
        st.lists(st.from_regex(r"[0-9.]{0,18}", fullmatch=True), max_size=2),
    )
)
def test_whatever_the_content_there_is_one_outcome(content: bytes) -> None:
    for rules in (LowestPrice(), FLOOR, LIFE_CYCLE, MultiAward(rules=LIFE_CYCLE, winners=2)):
        digest, code = outcome(content, "bid", notice(rules), ())
        assert (digest is None) != (code is None)
        assert digest in (None, sha256(content).hex())
        assert code is None or code in REASONS


def test_what_did_not_open_keeps_its_reason() -> None:
    assert outcome("locked-otherwise", "bid", notice(LowestPrice()), ()) == (None, "locked-otherwise")


def test_a_notice_has_the_parts_that_its_rules_need() -> None:
    assert notice(LowestPrice()).parts == ("bid",)
    assert notice(panel_rules()).parts == ("technical", "price")
    assert notice(LowestPrice(), panel_rules()).parts == ("technical", "price")
    assert notice(MultiAward(rules=TWO_ENVELOPES, winners=2)).parts == ("technical", "price")
    assert Life(notice=notice(panel_rules())).terms.parts == ("technical", "price")


SEVERAL = MultiAward(rules=TWO_ENVELOPES, winners=2)


@pytest.mark.parametrize(
    ("rules", "apart"),
    [
        ((LowestPrice(),), ()),
        ((LowestPrice(), LowestPrice()), ()),
        ((panel_rules(), LowestPrice()), ()),
        ((TWO_ENVELOPES,), ()),
        ((SEVERAL,), ()),
        ((TWO_ENVELOPES, TWO_ENVELOPES), ("1", "2")),
        ((LowestPrice(), SEVERAL), ("1", "2")),
        ((panel_rules(), LowestPrice(), TWO_ENVELOPES), ("1", "2", "3")),
    ],
)
def test_each_lot_has_a_price_part_where_a_bid_may_fail_in_one_lot_alone(
    rules: tuple[Rules, ...], apart: tuple[str, ...]
) -> None:
    made = notice(*rules)
    check_notice(made)
    assert made.priced_apart == Life(notice=made).terms.lots == apart
    prices = tuple(f"price-{lot}" for lot in apart) or made.parts[-1:]
    assert made.sections == Life(notice=made).terms.sections == (*made.parts[:-1], *prices)


def test_offers_are_sealed_together_or_lot_by_lot() -> None:
    given = tuple(LotOffer(lot=lot, amount="1") for lot in ("2", "1"))
    assert by_section(given, notice(LowestPrice(), LowestPrice())) == {"bid": given}
    assert by_section(given, notice(panel_rules(), panel_rules())) == {"price": given}
    apart = notice(TWO_ENVELOPES, LowestPrice())
    assert by_section(given, apart) == {"price-2": given[:1], "price-1": given[1:]}
    assert by_section(given[:1], apart) == {"price-2": given[:1]}


def test_the_price_part_of_a_lot_offers_for_that_lot_alone() -> None:
    apart = notice(TWO_ENVELOPES, TWO_ENVELOPES)
    assert read_part("price-2", a_bid(("2", "1")), apart, ()) == Bid(offers=(LotOffer(lot="2", amount="1"),))
    for content in (a_bid(("1", "1")), a_bid(("2", "1"), ("1", "1")), a_bid(("2", "1"), ("2", "1"))):
        assert outcome(content, "price-2", apart, ()) == (None, "lots-wrong")
    assert outcome(a_bid(("2", "1"), declarations=("x",)), "price-2", apart, ()) == (
        None,
        "declarations-wrong",
    )
    assert outcome(a_bid(("2", "0")), "price-2", apart, ()) == (None, "offer-wrong")


@given(st.text(max_size=12) | st.sampled_from(["", "-", "bids", "price/1", "Price-1"]))
def test_what_names_no_part_of_an_envelope_is_malformed(name: str) -> None:
    if name.partition("-")[0] in ("bid", "technical", "price"):
        part, lot = place(name)
        assert section(part, lot) == name
    else:
        with pytest.raises(MalformedError):
            place(name)


@pytest.mark.parametrize(("amount", "currency"), [("1000", "KRW"), ("1000.50", "EUR")])
def test_a_price_in_the_currencys_decimals_is_read(amount: str, currency: str) -> None:
    content = encode(Bid(offers=(LotOffer(lot="1", amount=amount),)))
    notice = replace(a_notice(the_world()), currency=currency)
    assert read_bid(content, notice).offers[0].amount == amount


def test_a_price_with_more_decimals_than_its_currency_does_not_read() -> None:
    content = encode(Bid(offers=(LotOffer(lot="1", amount="1000.5"),)))
    with pytest.raises(Unopenable, match="offer-wrong"):
        read_bid(content, a_notice(the_world()))


@pytest.mark.parametrize("amount", ["1", "99", "1000000", "123456789012"])
def test_the_length_of_what_is_sealed_does_not_tell_how_many_digits_a_price_has(amount: str) -> None:
    bid = Bid(offers=(LotOffer(lot="1", amount=amount),))
    assert len(padded(bid)) == 256
    assert read_bid(padded(bid), a_notice(the_world())).offers == bid.offers


def test_long_content_is_filled_up_to_the_next_256_bytes() -> None:
    lengths = {len(padded(Proposal(proposal="x" * length))) for length in range(190, 460)}
    assert lengths == {256, 512}


def test_padding_is_spaces_and_nothing_else() -> None:
    content = encode(Bid(offers=(LotOffer(lot="1", amount="1"),), padding="x"))
    with pytest.raises(Unopenable, match="content-malformed"):
        read_bid(content, a_notice(the_world()))
