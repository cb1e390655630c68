"""`lowest-price/2`: the lowest price that is not abnormally low, beside `lowest-price/1`."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import MalformedError
from procurement.errors import OfferError, RulesError
from procurement.evaluation import Evaluation, LowestPrice, LowestPrice2, Offer, check
from tests.core.evaluation_builders import (
    FACTS,
    PUBLISHED,
    an_exclusion,
    an_offer,
    by_amount,
    evaluated,
    offers_of,
    one_sheet,
)


def reasons(evaluation: Evaluation) -> dict[str, str]:
    return {amount: ranked.reason for amount, ranked in by_amount(evaluation).items()}


def test_from_five_valid_bids_on_a_price_below_the_share_of_their_mean_is_out() -> None:
    """Automatic exclusion from five bids on: D.Lgs. 36/2023, article 54. The mean of the five is 92."""
    result = evaluated(an_exclusion(), offers_of("60", "98", "100", "101", "101"))
    assert [(r.amount, r.rank) for r in result.ranking][:2] == [("98", 1), ("100", 2)]
    assert reasons(result)["60"] == "abnormally-low"
    assert result.lines[-1].values == {
        "validBids": "5",
        "fromBids": "5",
        "pricesTogether": "460.00",
        "abnormalBelow": "80",
        "abnormalLimit": "73.60",
    }


def test_with_fewer_valid_bids_nobody_is_abnormally_low() -> None:
    result = evaluated(an_exclusion(ceiling="101"), offers_of("60", "98", "100", "101", "102"))
    assert [(r.amount, r.rank) for r in result.ranking][:1] == [("60", 1)]
    assert result.lines[-1].values == {"validBids": "4", "fromBids": "5"}


def test_who_is_above_the_ceiling_does_not_set_the_mean() -> None:
    offers = offers_of("77", "98", "100", "101", "101", "900")
    assert reasons(evaluated(an_exclusion(), offers))["77"] == "abnormally-low"
    assert reasons(evaluated(an_exclusion(ceiling="200"), offers))["77"] != "abnormally-low"


def test_the_limit_is_exact_and_itself_enough() -> None:
    """60 per cent of a third of 250 is 50; of 250.01 it is 50.002."""
    rules = an_exclusion(abnormal_below="60", abnormal_from=3)
    assert reasons(evaluated(rules, offers_of("99.99", "100.01", "50.00")))["50.00"] == "valid"
    assert reasons(evaluated(rules, offers_of("100", "100.01", "50.00")))["50.00"] == "abnormally-low"


def test_removing_a_loser_may_change_the_winner_and_a_lower_price_may_put_its_bidder_out() -> None:
    """What this rule set gives up; `lowest-price/1` does not."""
    five = offers_of("60", "98", "100", "101", "101")
    assert evaluated(an_exclusion(), five).ranking[0].amount == "98"
    assert evaluated(an_exclusion(), five[:-1]).ranking[0].amount == "60"
    lower = offers_of("60", "98", "100", "101", "1")
    assert evaluated(an_exclusion(), lower).ranking[-1].reason == "abnormally-low"


def test_nobody_one_bid_a_tie_and_all_above_the_ceiling_have_a_result() -> None:
    assert evaluated(an_exclusion(), []).ranking == ()
    assert [r.rank for r in evaluated(an_exclusion(), offers_of("3")).ranking] == [1]
    ids = FACTS["tieBreak"]["ascending"]
    equals = [Offer(envelope_id=id, bidder=id, amount=Decimal(5)) for id in sorted(ids)]
    assert [r.bid for r in evaluated(an_exclusion(), equals).ranking] == ids
    above = evaluated(an_exclusion(ceiling="1"), offers_of(*["3"] * 6))
    assert {(r.rank, r.reason) for r in above.ranking} == {(None, "above-ceiling")}


@pytest.mark.parametrize(
    "changes",
    [{"ceiling": "0"}, {"abnormal_below": "0"}, {"abnormal_below": "0.000"}, {"abnormal_below": "100.001"}],
)
def test_rules_that_contradict_themselves_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(RulesError):
        check(an_exclusion(**changes), published=PUBLISHED)


@pytest.mark.parametrize("share", ["", "-1", "1e1", "0.0001"])
def test_a_share_that_is_no_number_is_refused(share: str) -> None:
    with pytest.raises(MalformedError):
        check(an_exclusion(abnormal_below=share), published=PUBLISHED)


def test_inputs_that_the_rules_do_not_have_are_refused() -> None:
    with pytest.raises(OfferError):
        evaluated(an_exclusion(), [an_offer(1, "5", (1, 2))])
    with pytest.raises(Exception, match="no panel"):
        evaluated(an_exclusion(), offers_of("5"), sheets=one_sheet(offers_of("5"), "50"))


PRICES = st.lists(st.integers(1, 60), min_size=1, max_size=12)
RULES = an_exclusion(ceiling="50")


@given(PRICES, st.data())
def test_the_result_does_not_depend_on_the_order_of_bids(prices: list[int], data: st.DataObject) -> None:
    offers = offers_of(*map(str, prices))
    assert evaluated(RULES, data.draw(st.permutations(offers))) == evaluated(RULES, offers)


@given(PRICES)
def test_who_is_in_line_lies_between_limit_and_ceiling_and_not_all_can_be_below(prices: list[int]) -> None:
    result = evaluated(RULES, offers_of(*map(str, prices)))
    valid = [price for price in prices if price <= 50]
    limit = Fraction(sum(valid), len(valid)) * 80 / 100 if len(valid) >= 5 else Fraction(0)
    for ranked in result.ranking:
        assert (ranked.rank is not None) == (limit <= int(ranked.amount or 0) <= 50)
    assert any(ranked.rank == 1 for ranked in result.ranking) == bool(valid)


@given(PRICES)
def test_among_those_in_line_a_lower_price_never_ranks_worse(prices: list[int]) -> None:
    in_line = [int(r.amount or 0) for r in evaluated(RULES, offers_of(*map(str, prices))).ranking if r.rank]
    assert in_line == sorted(in_line)


@given(PRICES)
def test_below_the_number_of_bids_it_ranks_as_version_1_does(prices: list[int]) -> None:
    few = offers_of(*map(str, prices[:4]))
    one, two = evaluated(LowestPrice(ceiling="50"), few), evaluated(RULES, few)
    assert [(r.bid, r.rank, r.reason) for r in one.ranking] == [
        (r.bid, r.rank, r.reason) for r in two.ranking
    ]


def test_version_1_says_what_it_said_before_there_was_a_version_2() -> None:
    offers = offers_of("60", "98", "100", "101", "101")
    assert evaluated(LowestPrice(), offers).rule_set == "lowest-price/1"
    assert evaluated(LowestPrice(), offers).ranking[0].amount == "60"
    assert not issubclass(LowestPrice2, LowestPrice)
