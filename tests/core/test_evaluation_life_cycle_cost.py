"""`life-cycle-cost/1`: the price with its running costs at present value."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procurement.errors import OfferError, RulesError
from procurement.evaluation import CostItem, Evaluation, Offer, check
from procurement.evaluation.life_cycle_cost import factor
from tests.core.evaluation_builders import (
    FACTS,
    PUBLISHED,
    a_life_cycle,
    an_offer,
    costed,
    evaluated,
    offers_of,
)


@pytest.mark.parametrize(
    ("rate", "years", "yearly", "end"),
    [
        ("5", 10, "7.7217", "0.6139"),
        ("3", 25, "17.4131", "0.4776"),
        ("3", 20, "14.8775", "0.5537"),
        ("8", 5, "3.9927", "0.6806"),
    ],
)
def test_factors_are_those_of_the_printed_tables(rate: str, years: int, yearly: str, end: str) -> None:
    """Present value of an ordinary annuity and of a single payment, as every table has them to four decimals
    (NIST Handbook 135: uniform present value 17.41 and single present value 0.478 at 3 % over 25 years)."""
    rules = a_life_cycle(rate=rate, years=years)
    assert f"{factor(rules, 'yearly'):.4f}" == yearly
    assert f"{factor(rules, 'end'):.4f}" == end


def test_without_a_rate_years_are_added_up() -> None:
    assert factor(a_life_cycle(rate="0"), "yearly") == 10
    assert factor(a_life_cycle(rate="0.000"), "end") == 1


def test_a_dearer_machine_with_cheaper_energy_wins() -> None:
    """1000 + 200 × 7.72173493 + 50 × 0.61391325 and so on."""
    result = evaluated(
        a_life_cycle(), costed(("1000", "200", "50"), ("1500", "100", "0"), ("900.50", "300", "100"))
    )
    assert [(r.amount, r.total, r.rank) for r in result.ranking] == [
        ("1500", "2272.17", 1),
        ("1000", "2575.05", 2),
        ("900.50", "3278.41", 3),
    ]
    assert [line.values["presentValue"] for line in result.ranking[1].lines[:2]] == ["1544.35", "30.70"]
    assert [line.values["factor"] for line in result.lines] == ["7.72173493", "0.61391325"]


def test_a_ceiling_is_the_prices_alone() -> None:
    result = evaluated(a_life_cycle(ceiling="1000"), costed(("1000", "900", "0"), ("1000.01", "0", "0")))
    assert [(r.amount, r.rank, r.reason, r.rate) for r in result.ranking] == [
        ("1000", 1, "valid", "100.000"),
        ("1000.01", None, "above-ceiling", "100.001"),
    ]
    assert result.ranking[1].total is None


def test_nobody_one_bid_a_tie_and_all_above_the_ceiling_have_a_result() -> None:
    assert evaluated(a_life_cycle(), []).ranking == ()
    assert [r.rank for r in evaluated(a_life_cycle(), costed(("3", "0", "0"))).ranking] == [1]
    ids = FACTS["tieBreak"]["ascending"]
    costs = costed(("5", "1", "1"))[0].costs
    equals = [Offer(envelope_id=id, bidder=id, amount=Decimal(5), costs=costs) for id in sorted(ids)]
    assert [r.bid for r in evaluated(a_life_cycle(), equals).ranking] == ids
    above = evaluated(a_life_cycle(ceiling="1"), costed(("2", "0", "0"), ("3", "0", "0")))
    assert {(r.rank, r.reason) for r in above.ranking} == {(None, "above-ceiling")}


def stated(*costs: tuple[str, str]) -> Offer:
    figures = tuple((id, Decimal(cost)) for id, cost in costs)
    return Offer(envelope_id="ab" * 32, bidder="b", amount=Decimal(1), costs=figures)


@pytest.mark.parametrize(
    "offer",
    [
        an_offer(1, "1"),
        stated(("energy", "1")),
        stated(("energy", "1"), ("energy", "1")),
        stated(("energy", "1"), ("disposal", "1"), ("water", "1")),
        stated(("energy", "1"), ("disposal", "0.001")),
        stated(("energy", "-1"), ("disposal", "1")),
        stated(("energy", "NaN"), ("disposal", "1")),
        stated(("energy", "1E+3"), ("disposal", "1")),
    ],
)
def test_each_cost_is_stated_once_as_a_plain_amount(offer: Offer) -> None:
    with pytest.raises(OfferError):
        evaluated(a_life_cycle(), [offer])


@pytest.mark.parametrize(
    "changes", [{"ceiling": "0"}, {"costs": (CostItem(id="a", title="A"), CostItem(id="a", title="B"))}]
)
def test_rules_that_contradict_themselves_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(RulesError):
        check(a_life_cycle(**changes), published=PUBLISHED)


def test_the_largest_amounts_over_the_longest_time_are_computed_exactly() -> None:
    most = "9" * 15
    result = evaluated(a_life_cycle(years=100, rate="0"), costed((most, most, most))).ranking[0]
    assert Decimal(result.total or 0) == Decimal(most) * 102
    tiny = a_life_cycle(years=100, rate="0.001")
    assert evaluated(tiny, costed((most, most, most))).ranking[0].rank == 1


BIDS = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=10)
Bids = list[tuple[int, int, int]]
RULES = a_life_cycle(ceiling="40", years=4)


def offers_from(bids: Bids) -> list[Offer]:
    return costed(*((str(a), str(b), str(c)) for a, b, c in bids))


def result_of(bids: Bids) -> Evaluation:
    return evaluated(RULES, offers_from(bids))


@given(BIDS, st.data())
def test_the_result_does_not_depend_on_the_order_of_bids_or_costs(bids: Bids, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(offers_from(bids)))
    assert evaluated(RULES, shuffled) == result_of(bids)


@given(BIDS, st.data())
def test_a_lower_price_or_cost_never_has_a_worse_rank(bids: Bids, data: st.DataObject) -> None:
    who = data.draw(st.integers(0, len(bids) - 1))
    lower = tuple(
        data.draw(st.integers(min(1 - i, 1) if i == 0 else 0, each)) for i, each in enumerate(bids[who])
    )
    changed = [*bids[:who], (lower[0], lower[1], lower[2]), *bids[who + 1 :]]
    assert rank_of(changed, who) <= rank_of(bids, who)


def rank_of(bids: Bids, who: int) -> float:
    id = offers_from(bids)[who].envelope_id
    return next(r.rank or float("inf") for r in result_of(bids).ranking if r.bid == id)


@given(BIDS, st.data())
def test_a_loser_who_leaves_does_not_change_the_winner(bids: Bids, data: st.DataObject) -> None:
    first, *losers = result_of(bids).ranking
    if losers and first.rank:
        left = data.draw(st.sampled_from(losers)).bid
        rest = [offer for offer in offers_from(bids) if offer.envelope_id != left]
        assert evaluated(RULES, rest).ranking[0].bid == first.bid


@given(BIDS)
def test_a_sum_is_the_exact_one_within_half_a_cent_for_each_cost(bids: Bids) -> None:
    grown = Fraction(105, 100) ** 4
    yearly, end = (grown - 1) / (Fraction(5, 100) * grown), 1 / grown
    sums = {
        offer.envelope_id: a + b * yearly + c * end
        for offer, (a, b, c) in zip(offers_from(bids), bids, strict=True)
    }
    for each in result_of(bids).ranking:
        if each.total:
            assert abs(Fraction(each.total) - sums[each.bid]) <= Fraction(11, 1000)


def test_prices_without_costs_are_refused_however_many() -> None:
    with pytest.raises(OfferError):
        evaluated(a_life_cycle(), offers_of("1", "2", "3"))
