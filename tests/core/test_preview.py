"""What the rules will do, tried on made-up bids: the same every time, whole, and for every rule set."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procurement.evaluation import (
    Committed,
    CostItem,
    Criterion,
    Derived,
    KrNegotiation,
    KrPriceFloor,
    LifeCycleCost,
    LowestPrice,
    LowestPrice2,
    MultiAward,
    QualityPrice,
    Rules,
    TwoEnvelope,
    WeightedCriterion,
)
from procurement.preview import BIDS, LotPreview, in_words, preview
from tests.builders import START, a_lot, panel_rules

FLOOR = KrPriceFloor(
    base="100000000", basis_points=200, unit=100, floor="89.745", preliminary_prices=Derived()
)
COMMITTED = KrPriceFloor(
    base="100000000",
    basis_points=200,
    unit=100,
    floor="89.745",
    preliminary_prices=Committed(digest="00" * 32),
)
TWO_CRITERIA = KrNegotiation(
    technical_points="80",
    price_points="20",
    budget="100000000",
    pass_mark="70",  # points, not a secret
    criteria=(
        Criterion(id="method", title="Method", points="50"),
        Criterion(id="team", title="Team", points="30"),
    ),
)
WEIGHED = (
    WeightedCriterion(id="method", title="Method", points="10", weight="40"),
    WeightedCriterion(id="team", title="Team", points="10", weight="20", threshold="5"),
)
QUALITY = QualityPrice(price_weight="40", criteria=WEIGHED, ceiling="100000000")
EVERY: list[Rules] = [
    LowestPrice(),
    LowestPrice(ceiling="100000000"),
    FLOOR,
    COMMITTED,
    panel_rules(),
    TWO_CRITERIA,
    LowestPrice2(ceiling="100000000", abnormal_below="20"),
    QUALITY,
    TwoEnvelope(criteria=WEIGHED, pass_mark="70", price_weight="40", ceiling="100000000"),
    TwoEnvelope(criteria=WEIGHED, pass_mark="70"),
    LifeCycleCost(costs=(CostItem(id="power", title="Power"),), years=10, rate="3.5", ceiling="100000000"),
    MultiAward(rules=QUALITY, winners=3),
    MultiAward(rules=FLOOR, winners=2),
]


def shown(rules: Rules, currency: str = "KRW") -> LotPreview:
    [found] = preview((a_lot(rules),), currency, START)
    return found


@pytest.mark.parametrize("rules", EVERY)
def test_every_rule_set_can_be_tried(rules: Rules) -> None:
    found = shown(rules)
    assert found.trouble is None
    assert found.evaluation is not None
    assert {each.bidder for each in found.evaluation.ranking} == {each.name for each in BIDS}
    assert shown(rules) == found


def test_the_lowest_price_under_the_ceiling_would_win_and_what_is_above_is_out() -> None:
    found = shown(LowestPrice(ceiling="100000000")).evaluation
    assert found is not None
    first, last = found.ranking[0], found.ranking[-1]
    assert (first.bidder, first.amount, first.rank) == ("Bidder F", "60000000", 1)
    assert (last.bidder, last.amount, last.reason) == ("Bidder G", "103000000", "above-ceiling")


def test_a_floor_puts_out_what_is_too_low_and_a_tie_is_drawn() -> None:
    found = shown(FLOOR).evaluation
    assert found is not None
    out = {each.bidder: each.reason for each in found.ranking if each.rank is None}
    assert out["Bidder E"] == out["Bidder F"] == "below-floor"
    assert {each.bidder for each in found.ranking[:2]} == {"Bidder C", "Bidder D"}
    assert any(line.code == "tie-draw" for line in found.ranking[0].lines)


def test_a_panel_scores_where_there_are_criteria() -> None:
    found = shown(TWO_CRITERIA).evaluation
    assert found is not None
    out = {each.bidder: each.reason for each in found.ranking if each.rank is None}
    assert out["Bidder F"] == "below-pass-mark"
    assert out["Bidder G"] == "above-expected-price"
    assert found.ranking[0].bidder in ("Bidder C", "Bidder D")


def test_several_win_where_the_rules_say_so_and_a_price_may_stay_closed() -> None:
    lines = in_words(shown(MultiAward(rules=QUALITY, winners=3)), "KRW")
    [won] = [line for line in lines if "would win" in line]
    assert won.count("Bidder") == 3
    closed = in_words(shown(TwoEnvelope(criteria=WEIGHED, pass_mark="70")), "KRW", "es")
    assert any("Bidder F, price not opened" in line for line in closed)


def test_all_of_it_is_shown_in_words() -> None:
    lines = in_words(shown(FLOOR), "KRW")
    assert lines[0] == "Lot 1: Desks"
    assert "  Bidder B: 97,500,000 KRW, a little below it" in lines
    assert any(line.startswith("  would win: Bidder ") for line in lines)
    assert any("is the floor amount" in line for line in lines)
    assert any("out (Below the floor amount)" in line for line in lines)
    assert "나라" not in "".join(lines)
    assert any("낙찰하한금액" in line for line in in_words(shown(FLOOR), "KRW", "ko"))


NO_POINTS = TwoEnvelope(
    criteria=(WeightedCriterion(id="method", title="Method", points="0", weight="60"),), pass_mark="70"
)


@pytest.mark.parametrize(
    "rules", [LowestPrice(ceiling="0"), NO_POINTS, MultiAward(rules=NO_POINTS, winners=2)]
)
def test_rules_that_contradict_themselves_say_so_instead(rules: Rules) -> None:
    found = shown(rules)
    assert found.evaluation is None
    assert in_words(found, "KRW")[-1].startswith("  the rules cannot be tried: ")


@settings(deadline=None)
@given(ceiling=st.integers(1, 10**14), currency=st.sampled_from(["KRW", "EUR"]))
def test_any_ceiling_can_be_tried(ceiling: int, currency: str) -> None:
    found = shown(LowestPrice(ceiling=str(ceiling)), currency=currency)
    assert found.evaluation is not None or found.unread or found.trouble
    for each, amount in found.bids:
        assert abs(amount - each.price * ceiling / 100) <= Decimal("0.5")
