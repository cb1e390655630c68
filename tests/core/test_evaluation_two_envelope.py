"""`two-envelope/1`: who fails keeps its price to itself."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procurement.errors import EvaluationError, RulesError, ScoresError
from procurement.evaluation import (
    Evaluation,
    LowestPrice,
    Offer,
    ScoreSheet,
    TwoEnvelope,
    Unpriced,
    WeightedCriterion,
    check,
    to_price,
)
from tests.core.evaluation_builders import (
    CRITERIA,
    FACTS,
    PUBLISHED,
    a_quality,
    a_sheet,
    evaluated,
    offers_of,
    one_sheet,
    two_envelopes,
)
from tests.core.test_evaluation_kr_negotiation import KONEPS, Bids, offers_from
from tests.core.test_evaluation_quality_price import BIDS, sheets_from


def opened(rules: TwoEnvelope, offers: list[Offer], sheets: list[ScoreSheet]) -> Evaluation:
    """As a tender goes: only those that pass have their price opened."""
    passing = set(to_price(rules, [offer.envelope_id for offer in offers], sheets))
    return evaluated(
        rules,
        [offer for offer in offers if offer.envelope_id in passing],
        unpriced=[
            Unpriced(envelope_id=offer.envelope_id, bidder=offer.bidder)
            for offer in offers
            if offer.envelope_id not in passing
        ],
        sheets=sheets,
    )


def scored(offers: list[Offer], *totals: str, **changes: Any) -> Evaluation:
    return opened(two_envelopes(**changes), offers, one_sheet(offers, *totals))


def test_of_those_that_pass_the_lowest_price_is_first_and_the_others_have_none() -> None:
    """The opening of KONEPS R25BK01027145, as it would have gone with the usual pass mark of 85 %: 75.7 and
    68.7 of 90 points fail, so the lowest price of all, 96,000,000, is never known."""
    offers = offers_of(*(amount for amount, *_ in KONEPS))
    result = scored(offers, *(technical for _, technical, *_ in KONEPS))
    assert [(r.amount, r.technical_score, r.rank, r.reason) for r in result.ranking] == [
        ("98000000", "80.3000", 1, "valid"),
        ("100000000", "78.3000", 2, "valid"),  # of two equal prices the higher quality
        ("100000000", "78.2000", 3, "valid"),
        ("100111000", "81.5000", 4, "valid"),
        (None, "75.7000", None, "below-pass-mark"),
        (None, "68.7000", None, "below-pass-mark"),
    ]
    assert all(r.rate is None and r.total is None for r in result.ranking)
    assert "96000000" not in repr(result)


def test_where_the_price_has_a_weight_the_best_sum_is_first() -> None:
    offers = offers_of(*(amount for amount, *_ in KONEPS))
    totals = [technical for _, technical, *_ in KONEPS]
    result = scored(offers, *totals, price_weight="10")
    assert [(r.amount, r.price_score, r.total) for r in result.ranking[:4]] == [
        ("100111000", "9.7891", "91.2891"),  # 98,000,000 is the lowest price that is known
        ("98000000", "10.0000", "90.3000"),
        ("100000000", "9.8000", "88.1000"),
        ("100000000", "9.8000", "88.0000"),
    ]


def test_a_threshold_keeps_a_price_closed_whatever_the_sum() -> None:
    plan = WeightedCriterion(id="plan", title="Plan", points="60", weight="60", threshold="50")
    offers = offers_of("5", "6")
    result = scored(offers, "79", "90", criteria=(plan, CRITERIA[1]), pass_mark="50")
    assert [(r.amount, r.reason) for r in result.ranking] == [("6", "valid"), (None, "below-threshold")]


def test_a_price_above_the_ceiling_was_opened_and_is_out() -> None:
    result = scored(offers_of("100", "50", "7"), "80", "80", "1", ceiling="60")
    assert [(r.amount, r.reason) for r in result.ranking] == [
        ("50", "valid"),
        ("100", "above-ceiling"),
        (None, "below-pass-mark"),
    ]


def test_prices_of_bids_that_fail_or_missing_ones_of_bids_that_pass_are_refused() -> None:
    offers = offers_of("5", "6")
    sheets = one_sheet(offers, "80", "10")
    with pytest.raises(EvaluationError):
        evaluated(two_envelopes(), offers, sheets=sheets)
    closed = [Unpriced(envelope_id=offer.envelope_id, bidder="b") for offer in offers]
    with pytest.raises(EvaluationError):
        evaluated(two_envelopes(), [], unpriced=closed, sheets=sheets)
    with pytest.raises(EvaluationError):
        evaluated(LowestPrice(), offers[:1], unpriced=closed[1:])
    with pytest.raises(EvaluationError):
        evaluated(a_quality(), offers[:1], unpriced=closed[1:], sheets=sheets)
    with pytest.raises(EvaluationError):
        evaluated(two_envelopes(), offers[:1], unpriced=[*closed[1:], *closed[1:]], sheets=sheets)


def test_a_price_that_did_not_open_beside_a_bid_that_passed_is_no_mans_business() -> None:
    offers = offers_of("5", "6")
    result = evaluated(two_envelopes(), offers[:1], sheets=one_sheet(offers, "80", "80"))
    assert [r.bid for r in result.ranking] == [offers[0].envelope_id]


def test_a_sheet_that_scores_not_everybody_lets_nobody_in() -> None:
    offers = offers_of("5", "6")
    ids = [offer.envelope_id for offer in offers]
    for sheets in ([], one_sheet(offers[:1], "80"), one_sheet(offers, "80", "80") * 2):
        with pytest.raises(ScoresError):
            to_price(two_envelopes(), ids, sheets)
    assert to_price(two_envelopes(), [], []) == ()
    assert to_price(a_quality(), ids, []) == tuple(ids)


def test_nobody_one_bid_none_that_passes_and_a_tie_have_a_result() -> None:
    assert evaluated(two_envelopes(), []).ranking == ()
    assert [(r.rank, r.amount) for r in scored(offers_of("5"), "80").ranking] == [(1, "5")]
    failed = scored(offers_of("5", "6"), "1", "2").ranking
    assert [(r.rank, r.amount, r.reason) for r in failed] == [(None, None, "below-pass-mark")] * 2
    ids = FACTS["tieBreak"]["ascending"]
    equals = [Offer(envelope_id=id, bidder=id, amount=Decimal(90)) for id in sorted(ids)]
    assert [r.bid for r in scored(equals, *["80"] * 5).ranking] == ids


@pytest.mark.parametrize("changes", [{"pass_mark": "0"}, {"price_weight": "0"}, {"ceiling": "0"}])
def test_rules_that_contradict_themselves_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(RulesError):
        check(two_envelopes(**changes), published=PUBLISHED)


def test_without_an_evaluator_those_are_named_who_would_have_been_let_in() -> None:
    offers = offers_of("5", "6")
    one, two = (offer.envelope_id for offer in offers)
    sheets = [a_sheet("hard", {one: "0", two: "90"}), a_sheet("soft", {one: "90", two: "77"})]
    sensitivity = opened(two_envelopes(), offers, sheets).sensitivity
    assert sensitivity is not None
    hard, soft = sensitivity.evaluators
    assert (hard.evaluator, hard.winners, hard.passing) == ("hard", None, (one,))
    assert (soft.evaluator, soft.winners, soft.passing) == ("soft", None, ())
    assert sensitivity.weights == (), "prices alone rank"


LOWEST, WEIGHED = two_envelopes(pass_mark="60"), two_envelopes(pass_mark="60", price_weight="30")
EITHER = st.sampled_from([LOWEST, WEIGHED])


@given(EITHER, BIDS, st.data())
def test_the_result_does_not_depend_on_the_order_of_bids_or_sheets(
    rules: TwoEnvelope, bids: Bids, data: st.DataObject
) -> None:
    offers, sheets = offers_from(bids), sheets_from(bids)
    again = opened(rules, data.draw(st.permutations(offers)), data.draw(st.permutations(sheets)))
    assert again == opened(rules, offers, sheets)


@given(EITHER, BIDS)
def test_a_price_is_known_exactly_where_the_quality_passes(rules: TwoEnvelope, bids: Bids) -> None:
    for each in opened(rules, offers_from(bids), sheets_from(bids)).ranking:
        passes = Decimal(each.technical_score or 0) >= 54
        assert (each.amount is not None) == (each.rank is not None) == passes


@given(EITHER, BIDS, st.data())
def test_a_lower_price_never_has_a_worse_rank(rules: TwoEnvelope, bids: Bids, data: st.DataObject) -> None:
    who = data.draw(st.integers(0, len(bids) - 1))
    lower = data.draw(st.integers(1, bids[who][0]))
    changed = [*bids[:who], (lower, bids[who][1]), *bids[who + 1 :]]
    assert rank_of(rules, changed, who) <= rank_of(rules, bids, who)


def rank_of(rules: TwoEnvelope, bids: Bids, who: int) -> float:
    offers = offers_from(bids)
    ranking = opened(rules, offers, sheets_from(bids)).ranking
    return next(r.rank or float("inf") for r in ranking if r.bid == offers[who].envelope_id)


@given(EITHER, BIDS, st.data())
def test_a_loser_who_leaves_changes_the_winner_only_where_prices_are_weighed_and_its_price_is_the_lowest(
    rules: TwoEnvelope, bids: Bids, data: st.DataObject
) -> None:
    offers, sheets = offers_from(bids), sheets_from(bids)
    whole = opened(rules, offers, sheets).ranking
    lowest = min((int(each.amount) for each in whole if each.amount), default=0)
    stay = [each for each in whole[1:] if rules is LOWEST or not each.amount or int(each.amount) > lowest]
    if stay and whole[0].rank:
        left = data.draw(st.sampled_from(stay)).bid
        rest = [offer for offer in offers if offer.envelope_id != left]
        assert opened(rules, rest, sheets).ranking[0].bid == whole[0].bid
