"""The qualification examination's figures: the dated table's price scores, capability, the pass mark."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procurement.errors import OfferError, RulesError, ScoresError
from procurement.evaluation import Criterion, Examination, Examined, KrPriceFloor, MultiAward, check, explain
from procurement.evaluation.kr_price_floor import examine
from tests.core.evaluation_builders import a_negotiation, a_price_floor

BEFORE, SINCE = datetime(2026, 1, 29, tzinfo=UTC), datetime(2026, 1, 30, tzinfo=UTC)
SMALL, MIDDLE, LARGE, LARGEST = "299999999", "300000000", "1000000000", "5000000000"
EXPECTED = Decimal(1_000_000)
NOTHING, TOO_MUCH = "0", "100.1"


def an_examination(points: str = "20", **changes: Any) -> Examination:
    criteria = (Criterion(id="capability", title="Capability", points=points),)
    return Examination(**({"criteria": criteria} | changes))


def rules(estimated: str = MIDDLE, points: str = "20", **changes: Any) -> KrPriceFloor:
    values = {"estimated_price": estimated, "examination": an_examination(points)}
    return a_price_floor(**(values | changes))


def examined(amount: str, score: str = "20", at: datetime = SINCE, **how: Any) -> Examined:
    return examine(rules(**how), Decimal(amount), EXPECTED, {"capability": Decimal(score)}, at)


# ── worked examples: RULES of PPS, by row and date ───────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("amount", "price_score"),
    [
        ("900000", "80.0000"),  # on the centre
        ("897500", "75.0000"),  # 80 − 20 × 0.25 at 100r = 89.75, what the floor needs
        ("897450", "75.0000"),  # the floor itself, which rounding lifts to 0.8975
        ("902500", "75.0000"),
        ("902600", "75.0000"),  # the score stays from here on
        ("1000000", "75.0000"),
        ("895000", "70.0000"),
        ("861000", "2.0000"),
        ("860000", "2.0000"),  # and never less
    ],
)
def test_a_price_is_scored_by_its_distance_from_the_centre(amount: str, price_score: str) -> None:
    assert examined(amount).price_score == price_score


@pytest.mark.parametrize(
    ("estimated", "points", "floor", "at_the_centre"),
    [
        (SMALL, "10", ("897450", "85.0000"), "90.0000"),
        (MIDDLE, "20", ("897450", "75.0000"), "80.0000"),
        (LARGE, "30", ("887450", "65.0000"), "70.0000"),
        (LARGEST, "50", ("874950", "45.0000"), "50.0000"),
    ],
)
def test_each_row_has_its_own_slope_and_gives_what_is_needed_at_its_floor(
    estimated: str, points: str, floor: tuple[str, str], at_the_centre: str
) -> None:
    how: dict[str, Any] = {"score": points, "estimated": estimated, "points": points}
    assert (floor[0], examined(floor[0], **how).price_score) == floor
    assert examined(floor[0], **how).total == "95.0000"
    assert examined("900000", **how).price_score == at_the_centre
    assert examined("1000000", **how).price_score == floor[1]


def test_the_table_is_the_one_in_force_on_the_day_of_the_notice() -> None:
    assert examined("880000", at=BEFORE).price_score == "80.0000"
    assert examined("880000", at=SINCE).price_score == "40.0000"
    assert examined("900000", at=BEFORE, authority="local").price_score == "80.0000"


def test_statutory_costs_are_taken_off_both_prices() -> None:
    """(910,000 − 100,000) ÷ (1,000,000 − 100,000) = 0.9."""
    assert examined("910000", statutory_costs="100000").price_score == "80.0000"


def test_the_total_decides_against_the_pass_mark() -> None:
    assert examined("897500", "20").total == "95.0000"
    assert examined("897500", "20").lines[-1].code == "examination-passed"
    assert examined("897500", "19.9999").total == "94.9999"
    assert examined("897500", "19.9999").lines[-1].code == "examination-failed"


def test_every_figure_is_explained() -> None:
    told = {
        amount: [explain.sentence(line, "en") for line in examined(amount).lines]
        for amount in ("897500", "950000", "800000")
    }
    assert told["897500"] == [
        "(897,500 − 0) ÷ (1,000,000 − 0), half-up to four decimals, is r = 0.8975.",
        "80 − 20 × |90 − 100 × 0.8975| is the price score 75.0000.",
        "The scores 20 together are the capability score 20.0000.",
        "75.0000 + 20.0000 = 95.0000, and 95 are needed: passed.",
    ]
    assert told["950000"][1] == (
        "100 × 0.9500 is more than 0.25 above 90, from where on the price score stays:"
        " 80 − 20 × 0.25 is 75.0000."
    )
    assert told["800000"][1] == (
        "80 − 20 × |90 − 100 × 0.8000| would be less than the least price score, which is 2.0000."
    )
    assert told["800000"][-1].endswith("failed.")
    assert [explain.sentence(line, "ko") for line in examined("897500").lines][1:] == [
        "80 − 20 × |90 − 100 × 0.8975| = 가격점수 75.0000.",
        "항목별 점수 20의 합계 20.0000이(가) 수행능력점수이다.",
        "75.0000 + 20.0000 = 95.0000, 통과점수 95 이상이므로 적격이다.",
    ]


# ── what holds whatever the figures ──────────────────────────────────────────────────────────────────────


amounts = st.integers(800_000, 1_000_000)
scores = st.decimals(0, 20, places=4)


@given(amount=amounts, low=scores, high=scores)
def test_more_capability_never_has_a_lower_total(amount: int, low: Decimal, high: Decimal) -> None:
    low, high = sorted((low, high))
    totals = [Decimal(examined(str(amount), str(score)).total) for score in (low, high)]
    assert totals == sorted(totals)


@given(amount=amounts, score=scores)
def test_the_figures_add_up_and_keep_their_bounds(amount: int, score: Decimal) -> None:
    figures = examined(str(amount), str(score))
    price, total = Decimal(figures.price_score), Decimal(figures.total)
    assert 2 <= price <= 80
    assert total == price + score <= 100
    passed = figures.lines[-1].code == "examination-passed"
    assert passed == (total >= 95)


@given(near=st.integers(0, 2500), far=st.integers(0, 2500))
def test_nearer_to_the_centre_never_scores_worse(near: int, far: int) -> None:
    near, far = sorted((near, far))
    for sign in (1, -1):
        prices = [examined(str(900_000 + sign * each)).price_score for each in (far, near)]
        assert Decimal(prices[0]) <= Decimal(prices[1])


# ── what cannot be published, or scored ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"estimated_price": None}, "does not state the estimated price"),
        ({"estimated_price": "10000000000"}, "ends below 10 billion"),
        ({"examination": an_examination("19")}, "do not add up to 100"),
        ({"examination": an_examination("0")}, "has no points"),
        ({"examination": an_examination(pass_mark=NOTHING)}, "pass mark"),
        ({"examination": an_examination(pass_mark=TOO_MUCH)}, "pass mark"),
        (
            {"examination": Examination(criteria=(Criterion(id="a", title="A", points="10"),) * 2)},
            "named twice",
        ),
    ],
)
def test_an_examination_that_contradicts_itself_is_not_published(changes: Any, says: str) -> None:
    check(rules(), published=SINCE)
    with pytest.raises(RulesError, match=says):
        check(rules(**changes), published=SINCE)


@pytest.mark.parametrize("given", [{}, {"other": "1"}, {"capability": "20.1"}, {"capability": "1.00001"}])
def test_scores_outside_the_criteria_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(ScoresError):
        examine(rules(), Decimal(900_000), EXPECTED, {id: Decimal(each) for id, each in given.items()}, SINCE)


def test_where_several_win_nobody_is_examined_or_negotiated_with() -> None:
    for inner in (rules(), a_negotiation(negotiation=True)):
        with pytest.raises(RulesError, match="where several win"):
            check(MultiAward(rules=inner, winners=2), published=SINCE)
    check(MultiAward(rules=a_negotiation(), winners=2), published=SINCE)


def test_a_price_below_the_statutory_costs_is_not_examined() -> None:
    for amount, costs in (("99999", "100000"), ("1000000", "1000000")):
        with pytest.raises(OfferError):
            examined(amount, statutory_costs=costs)


def test_the_notice_says_in_words_what_is_examined() -> None:
    facts = dict(explain.rules_in_words(rules(), "KRW"))
    assert facts["Examination"] == "in order of price, until somebody has 95 of 100 points"
    assert facts["Capability capability"] == "Capability: 20 points"
    assert facts["Documents"] == "within 7 days of the officer's request; a supplement within 3 days"
    assert dict(explain.rules_in_words(a_price_floor(), "KRW"))["Examination"].startswith("none")
    negotiated = explain.rules_in_words(a_negotiation(negotiation=True), "KRW")
    assert dict(negotiated)["Negotiation"] == "in order of rank, until there is an agreement"


def test_without_an_examination_in_the_notice_there_is_none() -> None:
    with pytest.raises(RulesError, match="no qualification examination"):
        examine(a_price_floor(), Decimal(900_000), EXPECTED, {}, SINCE)
