"""`quality-price/1`: weighted criteria and the price."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procurement.errors import OfferError, RulesError, ScoresError
from procurement.evaluation import Evaluation, Offer, QualityPrice, ScoreSheet, WeightedCriterion, check
from tests.core.evaluation_builders import (
    CRITERIA,
    FACTS,
    PUBLISHED,
    a_quality,
    an_offer,
    by_amount,
    evaluated,
    offers_of,
    one_sheet,
)
from tests.core.test_evaluation_kr_negotiation import KONEPS, Bids, offers_from
from tests.core.test_evaluation_kr_negotiation import sheets_from as differing


def weighed(offers: list[Offer], *totals: str, **changes: Any) -> Evaluation:
    return evaluated(a_quality(**changes), offers, sheets=one_sheet(offers, *totals))


def test_a_published_opening_is_recomputed_where_the_formulas_agree() -> None:
    """KONEPS R25BK01027145: every price is at least 80 % of the budget, so its price score is 10 × min ÷
    price."""
    offers = offers_of(*(amount for amount, *_ in KONEPS))
    result = weighed(offers, *(technical for _, technical, *_ in KONEPS))
    for row, ours in zip(KONEPS, result.ranking, strict=True):
        amount, technical, _, price, total = row
        assert ours.amount == amount
        figures = (ours.technical_score, ours.price_score, ours.total)
        assert [Decimal(figure or "NaN") for figure in figures] == [
            Decimal(technical),
            Decimal(price),
            Decimal(total),
        ]


def test_quality_and_cost_are_weighed_as_the_world_bank_does() -> None:
    """Quality- and cost-based selection (Procurement Regulations, annex on selection methods): S = St × 80 %
    + Sf × 20 % with Sf = 100 × lowest ÷ price. St 90 / 80 / 70, prices 120 / 100 / 80: 85.3333, 80 and 76."""
    quality = WeightedCriterion(id="quality", title="Quality", points="100", weight="80")
    rules = QualityPrice(criteria=(quality,), price_weight="20")
    offers = offers_of("120", "100", "80")
    scores = {o.envelope_id: {"quality": Decimal(s)} for o, s in zip(offers, (90, 80, 70), strict=True)}
    result = evaluated(rules, offers, sheets=[ScoreSheet(evaluator="e", scores=scores)])
    assert [(r.amount, r.technical_score, r.price_score, r.total) for r in result.ranking] == [
        ("120", "72.0000", "13.3333", "85.3333"),
        ("100", "64.0000", "16.0000", "80.0000"),
        ("80", "56.0000", "20.0000", "76.0000"),
    ]


def test_each_rounding_is_half_up_and_each_step_goes_on_from_what_is_published() -> None:
    third = WeightedCriterion(id="a", title="A", points="3", weight="1")
    offer = an_offer(1, "100")
    sheets = [
        ScoreSheet(evaluator=f"e{n}", scores={offer.envelope_id: {"a": Decimal(mark)}})
        for n, mark in enumerate(("1", "1", "0"))
    ]
    result = evaluated(QualityPrice(criteria=(third,), price_weight="1"), [offer], sheets=sheets).ranking[0]
    line = result.lines[0].values
    assert (line["mean"], line["score"]) == ("0.6667", "0.2222")


def test_marks_may_be_any_scale_and_prices_have_their_currencys_decimals() -> None:
    stars = WeightedCriterion(id="stars", title="Stars", points="5", weight="70")
    offers = offers_of("99.99", "105.50")
    sheet = ScoreSheet(
        evaluator="e",
        scores={
            offers[0].envelope_id: {"stars": Decimal(3)},
            offers[1].envelope_id: {"stars": Decimal("4.5")},
        },
    )
    result = evaluated(QualityPrice(criteria=(stars,), price_weight="30"), offers, sheets=[sheet])
    assert [(r.technical_score, r.price_score, r.total) for r in result.ranking] == [
        ("63.0000", "28.4332", "91.4332"),
        ("42.0000", "30.0000", "72.0000"),
    ]


def panel_of(offer: Offer, *plans: str) -> list[ScoreSheet]:
    return [
        ScoreSheet(evaluator=f"e{n}", scores={offer.envelope_id: {"plan": Decimal(plan), "team": Decimal(n)}})
        for n, plan in enumerate(plans)
    ]


def test_from_four_evaluators_on_each_criterion_loses_its_highest_and_lowest_mark() -> None:
    offer = an_offer(1, "100")
    lines = evaluated(a_quality(), [offer], sheets=panel_of(offer, "60", "10", "20", "40")).ranking[0].lines
    assert [(line.values["mean"], line.values["highest"]) for line in lines[:2]] == [
        ("30.0000", "60.0000"),
        ("1.5000", "3.0000"),
    ]
    three = evaluated(a_quality(), [offer], sheets=panel_of(offer, "60", "10", "20")).ranking[0].lines
    assert [line.code for line in three[:2]] == ["criterion-score"] * 2
    rules = a_quality(drop_extremes_from=3)
    dropped = evaluated(rules, [offer], sheets=panel_of(offer, "60", "10", "20")).ranking[0].lines
    assert dropped[0].values["mean"] == "20.0000"


STRICT = (
    WeightedCriterion(id="plan", title="Plan", points="60", weight="60", threshold="30"),
    WeightedCriterion(id="team", title="Team", points="30", weight="30"),
)


def test_who_fails_is_out_and_does_not_set_the_lowest_price() -> None:
    offers = offers_of("100", "50", "40", "300")
    result = weighed(offers, "80", "59.9999", "70", "85", criteria=STRICT, pass_mark="85", ceiling="250")
    found = by_amount(result)
    assert (found["100"].rank, found["100"].price_score) == (1, "10.0000")
    assert found["50"].reason == "below-threshold"  # 29.9999 for the plan
    assert found["40"].reason == "below-pass-mark"  # of 76.5
    assert found["300"].reason == "above-ceiling"
    assert all(found[each].price_score is None for each in ("50", "40", "300"))
    assert [found[each].rate for each in ("100", "300")] == ["40.000", "120.000"]


def test_the_pass_mark_and_a_threshold_are_themselves_enough() -> None:
    result = weighed(offers_of("1", "2"), "76.5", "76.4999", pass_mark="85", criteria=STRICT)
    assert [r.reason for r in result.ranking] == ["valid", "below-pass-mark"]
    assert weighed(offers_of("1"), "60", criteria=STRICT).ranking[0].reason == "valid"


def test_equal_sums_are_ordered_by_quality_then_by_ticket() -> None:
    result = weighed(offers_of("80", "100"), "78", "80").ranking
    assert [(r.amount, r.total) for r in result] == [("100", "88.0000"), ("80", "88.0000")]
    ids = FACTS["tieBreak"]["ascending"]
    equals = [Offer(envelope_id=id, bidder=id, amount=Decimal(90)) for id in sorted(ids)]
    assert [r.bid for r in weighed(equals, *["50"] * 5).ranking] == ids


def test_nobody_one_bid_none_valid_and_all_above_the_ceiling_have_a_result() -> None:
    assert evaluated(a_quality(), []).ranking == ()
    assert [r.total for r in weighed(offers_of("100"), "80").ranking] == ["90.0000"]
    below = weighed(offers_of("1", "2"), "1", "2", pass_mark="50").ranking
    assert {(r.rank, r.reason) for r in below} == {(None, "below-pass-mark")}
    above = weighed(offers_of("1", "2"), "80", "80", ceiling="0.99").ranking
    assert {(r.rank, r.reason) for r in above} == {(None, "above-ceiling")}


def test_a_bid_that_an_evaluator_has_not_scored_stops_the_evaluation() -> None:
    offers = offers_of("100", "90")
    for sheets in ([], one_sheet(offers[:1], "80"), one_sheet(offers, "80", "70") * 2):
        with pytest.raises(ScoresError):
            evaluated(a_quality(), offers, sheets=sheets)


def test_nothing_is_picked_and_no_costs_are_stated() -> None:
    for offer in (
        an_offer(1, "100", (1, 2)),
        an_offer(1, "0"),
        an_offer(1, "0.001"),
        Offer(envelope_id="ab" * 32, bidder="b", amount=Decimal(1), costs=(("energy", Decimal(1)),)),
    ):
        with pytest.raises(OfferError):
            weighed([offer], "80")


def a_criterion(**changes: Any) -> tuple[WeightedCriterion, ...]:
    fields = {"id": "a", "title": "A", "points": "10", "weight": "10"}
    return (WeightedCriterion(**{**fields, **changes}),)


@pytest.mark.parametrize(
    "changes",
    [
        {"price_weight": "0"},
        {"ceiling": "0.00"},
        {"pass_mark": "0"},
        {"pass_mark": "100.001"},
        {"criteria": CRITERIA * 2},
        {"criteria": a_criterion(points="0")},
        {"criteria": a_criterion(weight="0")},
        {"criteria": a_criterion(threshold="0")},
        {"criteria": a_criterion(threshold="10.0001")},
    ],
)
def test_rules_that_contradict_themselves_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(RulesError):
        check(a_quality(**changes), published=PUBLISHED)


BIDS = st.lists(st.tuples(st.integers(1, 120), st.integers(0, 90)), min_size=1, max_size=8)
SMALL = a_quality(ceiling="100", pass_mark="50", price_weight="40")


def sheets_from(bids: Bids, evaluators: int = 5) -> list[ScoreSheet]:
    """Evaluators that differ by three points."""
    return differing(bids, evaluators, apart=3)


def result_of(bids: Bids) -> Evaluation:
    return evaluated(SMALL, offers_from(bids), sheets=sheets_from(bids))


@given(BIDS, st.data())
def test_the_result_does_not_depend_on_the_order_of_bids_or_sheets(bids: Bids, data: st.DataObject) -> None:
    offers, sheets = (
        data.draw(st.permutations(offers_from(bids))),
        data.draw(st.permutations(sheets_from(bids))),
    )
    assert evaluated(SMALL, offers, sheets=sheets) == result_of(bids)


@given(BIDS, st.data())
def test_a_lower_price_never_has_a_worse_rank(bids: Bids, data: st.DataObject) -> None:
    who = data.draw(st.integers(0, len(bids) - 1))
    lower = data.draw(st.integers(1, bids[who][0]))
    changed = [*bids[:who], (lower, bids[who][1]), *bids[who + 1 :]]
    assert rank_of(changed, who) <= rank_of(bids, who)


def rank_of(bids: Bids, who: int) -> float:
    """Out is behind everybody."""
    id = offers_from(bids)[who].envelope_id
    return next(r.rank or float("inf") for r in result_of(bids).ranking if r.bid == id)


@given(BIDS)
def test_sums_are_within_the_weights_and_fall_with_the_rank(bids: Bids) -> None:
    ranking = result_of(bids).ranking
    merits = [
        (Decimal(r.total), Decimal(r.technical_score)) for r in ranking if r.total and r.technical_score
    ]
    assert merits == sorted(merits, reverse=True)
    for r in ranking:
        assert 0 <= Decimal(r.technical_score or 0) <= 90
        assert 0 <= Decimal(r.price_score or 0) <= 40
    lowest = min((int(r.amount or 0) for r in ranking if r.rank), default=0)
    assert all(r.price_score == "40.0000" for r in ranking if r.rank and int(r.amount or 0) == lowest)


@given(BIDS, st.data())
def test_a_loser_who_leaves_does_not_change_the_winner_unless_its_price_is_the_lowest(
    bids: Bids, data: st.DataObject
) -> None:
    whole = result_of(bids).ranking
    lowest = min((int(r.amount or 0) for r in whole if r.rank), default=0)
    losers = [r for r in whole[1:] if r.rank is None or int(r.amount or 0) > lowest]
    if losers and whole[0].rank:
        left = data.draw(st.sampled_from(losers)).bid
        rest = [offer for offer in offers_from(bids) if offer.envelope_id != left]
        assert evaluated(SMALL, rest, sheets=sheets_from(bids)).ranking[0].bid == whole[0].bid


def test_a_loser_with_the_lowest_price_who_leaves_may_change_the_winner() -> None:
    """What a price score relative to the lowest price gives up."""
    offers, totals = offers_of("100", "50", "20"), ("80", "50", "0")
    rules = a_quality(price_weight="70")
    whole = evaluated(rules, offers, sheets=one_sheet(offers, *totals)).ranking
    rest = evaluated(rules, offers[:2], sheets=one_sheet(offers[:2], *totals[:2])).ranking
    assert (whole[0].amount, rest[0].amount) == ("100", "50")
