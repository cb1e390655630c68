"""`kr-negotiation/1`: panel mean, price score, pass mark, and the order of the sum."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procurement.errors import OfferError, RulesError, ScoresError
from procurement.evaluation import Criterion, Evaluation, Offer, ScoreSheet, check
from procurement.evaluation.kr_negotiation import price_score
from tests.core.evaluation_builders import (
    FACTS,
    PUBLISHED,
    a_negotiation,
    a_sheet,
    an_offer,
    evaluated,
    offers_of,
    one_sheet,
)

# KONEPS notice R25BK01027145, technical 90 and price 10, budget 110,000,000, as published:
# amount, technical score, rate, price score, sum; in rank order.
KONEPS = [
    ("100111000", "81.5", "91.01", "9.5894", "91.0894"),
    ("98000000", "80.3", "89.09", "9.7959", "90.0959"),
    ("100000000", "78.3", "90.909", "9.6", "87.9"),
    ("100000000", "78.2", "90.909", "9.6", "87.8"),
    ("96000000", "75.7", "87.272", "10", "85.7"),
    ("108520000", "68.7", "98.654", "8.8463", "77.5463"),
]


USUAL = "85"  # per cent of the technical points
HALF = "50"


def negotiated(offers: list[Offer], *totals: str, **changes: Any) -> Evaluation:
    return evaluated(a_negotiation(**changes), offers, sheets=one_sheet(offers, *totals))


def test_the_koneps_opening_is_recomputed_in_all_six_rows() -> None:
    offers = offers_of(*(amount for amount, *_ in KONEPS))
    result = negotiated(offers, *(technical for _, technical, *_ in KONEPS))
    assert result.expected_price == "110000000"
    for rank, (row, ours) in enumerate(zip(KONEPS, result.ranking, strict=True), start=1):
        figures = (ours.amount, ours.technical_score, ours.rate, ours.price_score, ours.total)
        assert [Decimal(figure or "NaN") for figure in figures] == [Decimal(published) for published in row]
        assert (ours.rank, ours.reason) == (rank, "valid")


@pytest.mark.parametrize(
    ("amount", "score"), [("95", "11.5789"), ("85", "12.9412"), ("78", "13.9500"), ("55", "15.7500")]
)
def test_the_price_score_is_that_of_the_check_in_the_rules(amount: str, score: str) -> None:
    assert str(price_score(Decimal(20), Decimal(100), Decimal(55), Decimal(amount))) == score


def test_prices_meet_at_four_fifths_and_count_no_lower_than_three_fifths() -> None:
    def score(amount: str) -> Decimal:
        return price_score(Decimal(20), Decimal(1000), Decimal(500), Decimal(amount))

    assert score("800") == Decimal("12.5")
    assert score("799") == Decimal("12.51")
    assert score("600") == score("599") == score("500") == Decimal("14.5")


def test_a_score_is_rounded_half_up() -> None:
    assert str(price_score(Decimal(1), Decimal(80000), Decimal(64005), Decimal(80000))) == "0.8001"


def test_only_those_in_count_for_the_lowest_price() -> None:
    offers = offers_of("100000000", "50000000", "110000001")
    valid, weak, dear = negotiated(offers, "80", "10", "80", pass_mark=USUAL).ranking
    assert (valid.rank, valid.price_score) == (1, "10.0000")
    assert (weak.reason, weak.rank, weak.technical_score) == ("below-pass-mark", None, "10.0000")
    assert (weak.price_score, weak.total, weak.rate) == (None, None, "45.454")
    assert (dear.reason, dear.rank, dear.rate) == ("above-expected-price", None, "100.000")


def test_the_pass_mark_is_a_share_of_the_technical_points_and_itself_enough() -> None:
    offers = offers_of("100", "101", "102")
    reasons = {
        r.amount: r.reason for r in negotiated(offers, "76.5", "76.4999", "90", pass_mark=USUAL).ranking
    }
    assert reasons == {"100": "valid", "101": "below-pass-mark", "102": "valid"}


def test_without_a_pass_mark_low_scores_are_ranked() -> None:
    assert [r.rank for r in negotiated(offers_of("100", "101"), "0", "1").ranking] == [1, 2]


def panel(offer: Offer, *totals: str) -> list[ScoreSheet]:
    return [a_sheet(f"e{number}", {offer.envelope_id: total}) for number, total in enumerate(totals)]


@pytest.mark.parametrize(
    ("totals", "mean"),
    [
        (("80",), "80.0000"),
        (("0", "90", "80"), "56.6667"),
        (("0", "90", "80", "81"), "80.5000"),
        (("0", "0", "90", "90"), "45.0000"),
        (("70", "71", "72", "73", "90"), "72.0000"),
        (("80", "80", "80", "80"), "80.0000"),
    ],
)
def test_from_four_evaluators_on_one_highest_and_one_lowest_are_left_out(
    totals: tuple[str, ...], mean: str
) -> None:
    offer = an_offer(1, "100")
    result = evaluated(a_negotiation(), [offer], sheets=panel(offer, *totals))
    assert result.ranking[0].technical_score == mean


def test_from_how_many_evaluators_on_is_a_parameter() -> None:
    offer = an_offer(1, "100")
    for threshold, mean in ((3, "80.0000"), (6, "56.6667")):
        rules = a_negotiation(drop_extremes_from=threshold)
        assert (
            evaluated(rules, [offer], sheets=panel(offer, "0", "90", "80")).ranking[0].technical_score == mean
        )


def test_equal_sums_are_ordered_by_technical_score_then_by_ticket() -> None:
    offers = offers_of("80", "100")
    sums = negotiated(offers, "78", "80", budget="100", price_points="10").ranking
    assert [(r.amount, r.total) for r in sums] == [("100", "88.0000"), ("80", "88.0000")]
    ids = FACTS["tieBreak"]["ascending"]
    equals = [Offer(envelope_id=id, bidder=id, amount=Decimal(90)) for id in sorted(ids)]
    assert [r.bid for r in negotiated(equals, *["50"] * 5).ranking] == ids


def test_nobody_one_bid_and_none_valid_have_a_result() -> None:
    assert evaluated(a_negotiation(), []).ranking == ()
    assert [r.total for r in negotiated(offers_of("100000000"), "80").ranking] == ["90.0000"]
    above = negotiated(offers_of("110000001", "900000000"), "80", "80").ranking
    assert [(r.rank, r.reason) for r in above] == [(None, "above-expected-price")] * 2


def test_scores_of_an_envelope_whose_price_did_not_open_are_left_aside() -> None:
    offers = offers_of("100", "90")
    sheets = one_sheet(offers, "80", "70")
    assert [r.bid for r in evaluated(a_negotiation(), offers[:1], sheets=sheets).ranking] == [
        offers[0].envelope_id
    ]


def sheet_with(scores: dict[str, Decimal]) -> ScoreSheet:
    return ScoreSheet(evaluator="e", scores={an_offer(1, "1").envelope_id: scores})


@pytest.mark.parametrize(
    "scores",
    [
        {},
        {"plan": Decimal(1)},
        {"plan": Decimal(1), "team": Decimal(1), "price": Decimal(1)},
        {"plan": Decimal("60.0001"), "team": Decimal(1)},
        {"plan": Decimal(-1), "team": Decimal(1)},
        {"plan": Decimal("NaN"), "team": Decimal(1)},
        {"plan": Decimal("sNaN"), "team": Decimal(1)},
        {"plan": Decimal("Infinity"), "team": Decimal(1)},
        {"plan": Decimal("0.00001"), "team": Decimal(1)},
        {"plan": Decimal("1E+1"), "team": Decimal(1)},
    ],
)
def test_a_sheet_scores_each_criterion_once_within_its_points(scores: dict[str, Decimal]) -> None:
    with pytest.raises(ScoresError):
        evaluated(a_negotiation(), [an_offer(1, "100")], sheets=[sheet_with(scores)])


def test_a_bid_that_an_evaluator_has_not_scored_stops_the_evaluation() -> None:
    offers = offers_of("100", "90")
    with pytest.raises(ScoresError):
        evaluated(a_negotiation(), offers)
    with pytest.raises(ScoresError):
        evaluated(a_negotiation(), offers, sheets=one_sheet(offers[:1], "80"))
    with pytest.raises(ScoresError):
        evaluated(a_negotiation(), offers, sheets=one_sheet(offers, "80", "70") * 2)


def test_prices_are_whole_won_and_nothing_is_picked() -> None:
    for offer in (an_offer(1, "100.5"), an_offer(1, "0"), an_offer(1, "100", (1, 2))):
        with pytest.raises(OfferError):
            negotiated([offer], "80")


@pytest.mark.parametrize(
    "changes",
    [
        {"technical_points": "80"},
        {"price_points": "0"},
        {"budget": "0"},
        {"pass_mark": "0"},
        {"pass_mark": "100.001"},
        {"criteria": ()},
        {"criteria": (Criterion(id="a", title="A", points="45"), Criterion(id="a", title="B", points="45"))},
        {"criteria": (Criterion(id="a", title="A", points="90"), Criterion(id="b", title="B", points="0"))},
    ],
)
def test_rules_that_contradict_themselves_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(RulesError):
        check(a_negotiation(**changes), published=PUBLISHED)


BIDS = st.lists(st.tuples(st.integers(1, 130), st.integers(0, 90)), min_size=1, max_size=10)
Bids = list[tuple[int, int]]
SMALL = a_negotiation(budget="100", pass_mark=HALF)


def offers_from(bids: Bids) -> list[Offer]:
    return offers_of(*(str(amount) for amount, _ in bids))


def sheets_from(bids: Bids, evaluators: int = 5, apart: int = 1) -> list[ScoreSheet]:
    """Evaluators that differ: each gives a little less than the one before."""
    totals = [(offer.envelope_id, total) for offer, (_, total) in zip(offers_from(bids), bids, strict=True)]
    return [
        a_sheet(f"e{n}", {id: str(max(total - n * apart, 0)) for id, total in totals})
        for n in range(evaluators)
    ]


@given(BIDS, st.data())
def test_the_result_does_not_depend_on_the_order_of_bids_or_sheets(bids: Bids, data: st.DataObject) -> None:
    offers, sheets = offers_from(bids), sheets_from(bids)
    shuffled = evaluated(SMALL, data.draw(st.permutations(offers)), sheets=data.draw(st.permutations(sheets)))
    assert shuffled == evaluated(SMALL, offers, sheets=sheets)


@given(BIDS, st.sampled_from(["8", "10", "20", "40"]))
def test_among_the_bids_of_one_evaluation_a_lower_price_never_scores_worse(bids: Bids, points: str) -> None:
    rules = a_negotiation(budget="100", price_points=points)
    ranking = evaluated(rules, offers_from(bids), sheets=sheets_from(bids)).ranking
    scored = [(int(r.amount or 0), Decimal(r.price_score)) for r in ranking if r.price_score]
    for amount, score in scored:
        assert 0 < score <= Decimal(points)
        assert all(score >= other for more, other in scored if amount <= more)


@given(BIDS, st.data())
def test_a_loser_who_leaves_does_not_change_the_winner_unless_its_price_is_the_lowest(
    bids: Bids, data: st.DataObject
) -> None:
    offers, sheets = offers_from(bids), sheets_from(bids)
    whole = evaluated(SMALL, offers, sheets=sheets).ranking
    lowest = min((int(r.amount or 0) for r in whole if r.rank), default=0)
    losers = [r for r in whole[1:] if r.rank is None or int(r.amount or 0) > lowest]
    if losers and whole[0].rank:
        left = data.draw(st.sampled_from(losers)).bid
        rest = [offer for offer in offers if offer.envelope_id != left]
        assert evaluated(SMALL, rest, sheets=sheets).ranking[0].bid == whole[0].bid


@given(BIDS)
def test_sums_fall_with_the_rank(bids: Bids) -> None:
    ranking = evaluated(SMALL, offers_from(bids), sheets=sheets_from(bids)).ranking
    merits = [
        (Decimal(r.total), Decimal(r.technical_score)) for r in ranking if r.total and r.technical_score
    ]
    assert merits == sorted(merits, reverse=True)
    assert all(Decimal(r.total or 0) <= 100 for r in ranking)
