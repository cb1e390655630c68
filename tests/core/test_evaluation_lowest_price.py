"""`lowest-price/1`."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import MalformedError
from procurement.errors import EvaluationError, OfferError, RulesError
from procurement.evaluation import CommittedPrices, LowestPrice, Offer, check, check_offer
from tests.core.evaluation_builders import FACTS, PUBLISHED, an_offer, evaluated, offers_of, one_sheet

OPEN = LowestPrice()


def test_the_lowest_price_at_or_under_the_ceiling_is_first() -> None:
    result = evaluated(LowestPrice(ceiling="100"), offers_of("100.01", "100", "99.5", "120"))
    assert [(r.amount, r.rank, r.reason, r.rate) for r in result.ranking] == [
        ("99.5", 1, "valid", "99.500"),
        ("100", 2, "valid", "100.000"),
        ("100.01", None, "above-ceiling", "100.010"),
        ("120", None, "above-ceiling", "120.000"),
    ]


def test_equal_prices_are_ordered_by_their_public_tickets() -> None:
    ids = FACTS["tieBreak"]["ascending"]
    equals = [Offer(envelope_id=id, bidder=id[:2], amount=Decimal("5.0")) for id in sorted(ids)]
    assert [r.bid for r in evaluated(OPEN, equals).ranking] == ids


def test_a_bid_that_leaves_does_not_change_the_order_of_the_others() -> None:
    offers = offers_of(*["7"] * 12)
    whole = [r.bid for r in evaluated(OPEN, offers).ranking]
    for left in offers:
        rest = [offer for offer in offers if offer is not left]
        expected = [bid for bid in whole if bid != left.envelope_id]
        assert [r.bid for r in evaluated(OPEN, rest).ranking] == expected


def test_the_same_price_written_differently_is_equal_and_kept_as_written() -> None:
    result = evaluated(OPEN, offers_of("5", "5.00", "5.0"))
    assert sorted(r.amount or "" for r in result.ranking) == ["5", "5.0", "5.00"]
    assert all("tie-draw" in [line.code for line in r.lines] for r in result.ranking)


def test_nobody_one_bid_and_all_above_have_a_result() -> None:
    assert evaluated(OPEN, []).ranking == ()
    assert [r.rank for r in evaluated(OPEN, offers_of("3")).ranking] == [1]
    above = evaluated(LowestPrice(ceiling="1"), offers_of("3", "2"))
    assert [(r.rank, r.amount) for r in above.ranking] == [(None, "3"), (None, "2")]


def test_a_ceiling_of_zero_or_no_number_is_refused() -> None:
    with pytest.raises(RulesError):
        check(LowestPrice(ceiling="0.00"), published=PUBLISHED)
    with pytest.raises(MalformedError):
        check(LowestPrice(ceiling="1e9"), published=PUBLISHED)


@pytest.mark.parametrize(
    "amount", ["0", "-1", "NaN", "sNaN", "Infinity", "1E+3", "0.001", "1E+999999", "1" * 16]
)
def test_a_price_that_is_no_amount_is_refused_by_type(amount: str) -> None:
    with pytest.raises(OfferError):
        check_offer(OPEN, an_offer(1, amount))
    with pytest.raises(OfferError):
        evaluated(OPEN, offers_of("5", amount))


@pytest.mark.parametrize("id", ["", "0" * 63, "G" * 64, "A" * 64, "é" * 64])
def test_an_envelope_id_that_is_none_is_refused(id: str) -> None:
    with pytest.raises(OfferError):
        evaluated(OPEN, [Offer(envelope_id=id, bidder="b", amount=Decimal(1))])


def test_inputs_that_the_rules_do_not_have_are_refused() -> None:
    offer = an_offer(1, "5")
    with pytest.raises(OfferError):
        evaluated(OPEN, [offer, offer])
    with pytest.raises(OfferError):
        evaluated(OPEN, [an_offer(1, "5", (1, 2))])
    with pytest.raises(EvaluationError):
        evaluated(OPEN, [offer], sheets=one_sheet([offer], "50"))
    with pytest.raises(EvaluationError):
        evaluated(OPEN, [offer], committed=CommittedPrices(salt="00" * 32, prices=()))


amounts = st.lists(st.integers(1, 40), min_size=1, max_size=20)


@given(amounts, st.data())
def test_the_result_does_not_depend_on_the_order_of_bids(prices: list[int], data: st.DataObject) -> None:
    offers = offers_of(*map(str, prices))
    shuffled = data.draw(st.permutations(offers))
    assert evaluated(LowestPrice(ceiling="30"), shuffled) == evaluated(LowestPrice(ceiling="30"), offers)


@given(amounts, st.data())
def test_a_lower_price_never_has_a_worse_rank(prices: list[int], data: st.DataObject) -> None:
    rules = LowestPrice(ceiling="30")
    who = data.draw(st.integers(0, len(prices) - 1))
    lower = data.draw(st.integers(1, prices[who]))
    before, after = ranks(rules, prices), ranks(rules, [*prices[:who], lower, *prices[who + 1 :]])
    assert after[who] <= before[who]


@given(amounts, st.data())
def test_a_loser_who_leaves_does_not_change_the_winner(prices: list[int], data: st.DataObject) -> None:
    offers = offers_of(*map(str, prices))
    first, *losers = evaluated(OPEN, offers).ranking
    if losers:
        left = data.draw(st.sampled_from(losers)).bid
        rest = [offer for offer in offers if offer.envelope_id != left]
        assert evaluated(OPEN, rest).ranking[0].bid == first.bid


def ranks(rules: LowestPrice, prices: list[int]) -> list[float]:
    """Rank per bidder in the given order; out is behind everybody."""
    ranking = evaluated(rules, offers_of(*map(str, prices))).ranking
    return [r.rank or float("inf") for r in sorted(ranking, key=lambda r: r.bid)]
