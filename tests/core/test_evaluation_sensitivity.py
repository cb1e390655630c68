"""Sensitivity: whom would others have chosen, and how near was it. Computed a second time here, by trying."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procurement.evaluation import (
    Evaluation,
    LowestPrice,
    MultiAward,
    Offer,
    Rules,
    ScoreSheet,
    Sensitivity,
    WeightedCriterion,
    single,
)
from procurement.evaluation.values import WeightMoves
from tests.core.evaluation_builders import (
    a_negotiation,
    a_quality,
    a_sheet,
    evaluated,
    offers_of,
    one_sheet,
)
from tests.core.test_evaluation_kr_negotiation import KONEPS, Bids, offers_from
from tests.core.test_evaluation_quality_price import BIDS, sheets_from

STEP = Fraction(1, 10_000)


def sensitivity_of(evaluation: Evaluation) -> Sensitivity:
    assert evaluation.sensitivity is not None
    return evaluation.sensitivity


def test_a_bomb_score_shows() -> None:
    """One evaluator of three gives nothing to everybody but a friend."""
    offers = offers_of("100", "100")
    good, friend = (offer.envelope_id for offer in offers)
    fair = {good: "80", friend: "70"}
    sheets = [a_sheet("a", fair), a_sheet("b", fair), a_sheet("bomb", {good: "0", friend: "90"})]
    result = evaluated(a_quality(), offers, sheets=sheets)
    assert result.ranking[0].bid == friend
    found = {each.evaluator: each.winners for each in sensitivity_of(result).evaluators}
    assert found == {"a": None, "b": None, "bomb": (good,)}


def test_how_far_the_weights_are_from_another_result_by_hand() -> None:
    """A: 60 of 90 points at price 100; B: 66 at 200. Price weight 10: A 70, B 71. B loses its lead once the
    price weighs 2 more: 5 points a bid then are 0.5 × 2; and A wins."""
    quality = WeightedCriterion(id="quality", title="Quality", points="90", weight="90")
    offers = offers_of("100", "200")
    scores = {
        offers[0].envelope_id: {"quality": Decimal(60)},
        offers[1].envelope_id: {"quality": Decimal(66)},
    }
    sheet = ScoreSheet(evaluator="e", scores=scores)
    result = evaluated(a_quality(criteria=(quality,)), offers, sheets=[sheet])
    assert [r.total for r in result.ranking] == ["71.0000", "70.0000"]
    criterion, price = sensitivity_of(result).weights
    assert (criterion.criterion, criterion.weight, criterion.up) == ("quality", "90.0000", None)
    assert criterion.down is not None
    assert criterion.down.by == "15.0001"  # 1 ÷ (66 − 60) × 90, and a step beyond
    assert (price.criterion, price.weight, price.down) == (None, "10.0000", None)
    assert price.up is not None
    assert (price.up.by, price.up.winners) == ("2.0001", (offers[0].envelope_id,))


def test_the_published_opening_hangs_on_no_small_move() -> None:
    """KONEPS R25BK01027145: the winner is 0.9935 ahead with 0.2065 less of the 10 points for the price."""
    offers = offers_of(*(amount for amount, *_ in KONEPS))
    sheets = one_sheet(offers, *(technical for _, technical, *_ in KONEPS))
    found = sensitivity_of(evaluated(a_negotiation(), offers, sheets=sheets))
    assert found.evaluators == (), "of a panel of one nobody can be left out"
    price = found.weights[-1]
    assert price.up is not None
    assert price.up.winners == (offers[1].envelope_id,)
    gap, gain = Decimal("0.9935"), Fraction(96_000_000, 98_000_000) - Fraction(96_000_000, 100_111_000)
    assert Fraction(price.up.by) == (Fraction(gap) / gain // STEP + 1) * STEP


def test_rules_without_a_panel_say_nothing_and_a_panel_without_bids_neither() -> None:
    assert evaluated(LowestPrice(), offers_of("5")).sensitivity is None
    assert evaluated(a_quality(), []).sensitivity is None


def test_with_everybody_out_no_weight_has_a_move() -> None:
    offers = offers_of("5", "6")
    found = sensitivity_of(evaluated(a_quality(ceiling="1"), offers, sheets=one_sheet(offers, "80", "70")))
    assert all(each.up is None and each.down is None for each in found.weights)


def test_without_an_evaluator_nobody_may_be_left_or_somebody_come_in() -> None:
    offers = offers_of("5")
    id = offers[0].envelope_id
    sheets = [a_sheet("high", {id: "90"}), a_sheet("low", {id: "10"})]
    passed = sensitivity_of(evaluated(a_quality(pass_mark="50"), offers, sheets=sheets))
    assert [each.winners for each in passed.evaluators] == [(), None]
    failed = sensitivity_of(evaluated(a_quality(pass_mark="60"), offers, sheets=sheets))
    assert [each.winners for each in failed.evaluators] == [None, (id,)]


# ── by trying ────────────────────────────────────────────────────────────────────────────────────────

RULES: dict[str, Rules] = {
    "quality-price": a_quality(ceiling="100", pass_mark="30", price_weight="40"),
    "kr-negotiation": a_negotiation(budget="100", price_points="40"),
    "two-of-many": MultiAward(rules=a_quality(price_weight="40"), winners=2),
}


def shares_of(
    rules: Any, offer: Offer, sheets: list[ScoreSheet], lowest: Decimal
) -> dict[str | None, Fraction]:
    """What a bid gets of one point of each criterion and of the price, out of the definition."""
    rules, given = single(rules), [sheet.scores[offer.envelope_id] for sheet in sheets]
    found: dict[str | None, Fraction] = {}
    if rules.__struct_config__.tag == "kr-negotiation/1":
        by_total = sorted(given, key=lambda scores: sum(scores.values()))
        counted = by_total[1:-1] if len(sheets) >= rules.drop_extremes_from else by_total
        for each in rules.criteria:
            mean = sum((Fraction(scores[each.id]) for scores in counted), Fraction()) / len(counted)
            found[each.id] = mean / Fraction(each.points)
        found[None] = Fraction(lowest) / max(Fraction(offer.amount), Fraction(rules.budget) * 4 / 5)
        return found
    for each in rules.criteria:
        marks = sorted(Fraction(scores[each.id]) for scores in given)
        marks = marks[1:-1] if len(marks) >= rules.drop_extremes_from else marks
        mean = (sum(marks, Fraction()) / len(marks) * 10_000 + Fraction(1, 2)) // 1 / Fraction(10_000)
        found[each.id] = mean / Fraction(each.points)
    found[None] = Fraction(lowest) / Fraction(offer.amount)
    return found


class Tried:
    """The winners for any move of one weight, computed anew."""

    def __init__(self, rules: Rules, bids: Bids, sheets: list[ScoreSheet], result: Evaluation) -> None:
        offers = {offer.envelope_id: offer for offer in offers_from(bids)}
        self.in_line = [r for r in result.ranking if r.rank]
        lowest = min((offers[r.bid].amount for r in self.in_line), default=Decimal(1))
        self.shares = {r.bid: shares_of(rules, offers[r.bid], sheets, lowest) for r in self.in_line}
        self.first = result.winners or 1

    def winners(self, criterion: str | None, move: Fraction) -> tuple[str, ...]:
        def total(r: Any) -> tuple[Fraction, int]:
            return -(Fraction(r.total) + move * self.shares[r.bid][criterion]), r.rank

        return tuple(r.bid for r in sorted(self.in_line, key=total)[: self.first])

    def check(self, moves: WeightMoves) -> None:
        """Each move changes the winners, a step less does not; where there is none, nothing does."""
        now = set(self.winners(moves.criterion, Fraction(0)))
        for sign, shift, most in ((1, moves.up, Fraction(10**9)), (-1, moves.down, Fraction(moves.weight))):
            if shift is None:
                assert set(self.winners(moves.criterion, sign * most)) == now
                continue
            by = Fraction(shift.by)
            assert self.winners(moves.criterion, sign * by) == shift.winners
            assert set(shift.winners) != now
            assert set(self.winners(moves.criterion, sign * (by - STEP))) == now
            assert by <= most


@pytest.mark.parametrize("rules", RULES)
@given(bids=BIDS, evaluators=st.integers(1, 5))
@settings(deadline=None)
def test_every_move_is_the_least_that_changes_the_winners(rules: str, bids: Bids, evaluators: int) -> None:
    sheets = sheets_from(bids, evaluators)
    result = evaluated(RULES[rules], offers_from(bids), sheets=sheets)
    tried = Tried(RULES[rules], bids, sheets, result)
    for moves in sensitivity_of(result).weights:
        tried.check(moves)


@pytest.mark.parametrize("rules", RULES)
@given(bids=BIDS, evaluators=st.integers(2, 5))
@settings(deadline=None)
def test_without_an_evaluator_comes_out_what_the_other_sheets_give(
    rules: str, bids: Bids, evaluators: int
) -> None:
    offers, sheets = offers_from(bids), sheets_from(bids, evaluators)
    whole = evaluated(RULES[rules], offers, sheets=sheets)
    first = whole.winners or 1
    for each in sensitivity_of(whole).evaluators:
        others = [sheet for sheet in sheets if sheet.evaluator != each.evaluator]
        again = tuple(r.bid for r in evaluated(RULES[rules], offers, sheets=others).ranking[:first] if r.rank)
        now = {r.bid for r in whole.ranking[:first] if r.rank}
        assert each.winners == (None if set(again) == now else again)
