"""The qualification examination (적격심사): whoever is first in line by price shows that it can do the work.

Of 100 points some are for the price, by the dated table of `floor_tables`; the others are for capability,
criterion by criterion, and an officer gives them for documents. Who reaches the pass mark is awarded.
Source: PPS, detailed standard for the qualification examination of works (조달청 시설공사 적격심사세부기준).
"""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Annotated

import msgspec

from crypto.encoding import Value
from procurement import money
from procurement.errors import OfferError, RulesError, ScoresError
from procurement.evaluation.floor_tables import LEAST_PRICE_SCORE, Bracket, Table, price_score, ratio
from procurement.evaluation.panel import SCORE_PLACES, Criterion, check_criteria, points_of
from procurement.evaluation.values import Line, line
from procurement.money import Points

ALL_POINTS = 100

Period = Annotated[int, msgspec.Meta(ge=1, le=90 * 24 * 3600)]
"""Seconds that somebody has to do something in."""


class Examination(Value, frozen=True, kw_only=True):
    """What a candidate is examined by; the table is that of the authority which the rule set names."""

    criteria: Annotated[tuple[Criterion, ...], msgspec.Meta(min_length=1, max_length=50)]
    """Of capability: together with the price points of the estimated price's row they make 100."""
    pass_mark: Points = "95"  # noqa: S105  # points
    """Of 100 points."""
    documents_within: Period = 604800
    """Seconds from the request to the time when the candidate's documents are due: 7 days."""
    supplement_within: Period = 259200
    """The same for the one supplement that may be asked for: 3 days."""


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What a price is held against; all in won."""

    amount: Decimal
    expected_price: Decimal
    statutory_costs: Decimal


class Examined(Value, frozen=True, kw_only=True):
    """The figures of one examination, each with four decimals, and how they came about."""

    price_score: str
    capability_score: str
    total: str
    lines: tuple[Line, ...]


def check(examination: Examination, bracket: Bracket) -> None:
    """The points add up to 100 and can be reached. Raises RulesError, MalformedError."""
    check_criteria(examination.criteria)
    if sum(points_of(each.points) for each in examination.criteria) != ALL_POINTS - bracket.points:
        raise RulesError("the criteria of the examination and the price points do not add up to 100")
    if not 0 < points_of(examination.pass_mark) <= ALL_POINTS:
        raise RulesError("a pass mark is above 0 and at most 100 points")


def check_scores(examination: Examination, scores: Mapping[str, Decimal]) -> None:
    """Each criterion has a score, within its points and with at most four decimals. Raises ScoresError."""
    points = {criterion.id: points_of(criterion.points) for criterion in examination.criteria}
    if scores.keys() != points.keys():
        raise ScoresError("an examination scores other criteria than those of the notice")
    for criterion, score in scores.items():
        if not (money.is_plain(score, places=SCORE_PLACES) and score <= points[criterion]):
            raise ScoresError(f"a score of {criterion} is outside 0 to {points[criterion]}")


def examine(
    examination: Examination, table: Table, bracket: Bracket, price: Price, scores: Mapping[str, Decimal]
) -> Examined:
    """Price score and capability scores (criterion → points), added up. Exact: nothing but r is rounded.

    Raises ScoresError for wrong scores, OfferError for a price below the statutory costs.
    """
    check_scores(examination, scores)
    if not price.statutory_costs <= price.amount or not price.statutory_costs < price.expected_price:
        raise OfferError("a price below the statutory costs is not examined")
    for_price, lines = _price_score(table, bracket, price)
    given = [scores[criterion.id] for criterion in examination.criteria]
    capability = _four(sum(given, Decimal(0)))
    total = for_price + capability
    figures = {"priceScore": for_price, "capabilityScore": capability, "total": total}
    ends = "examination-passed" if passes(examination, total) else "examination-failed"
    return Examined(
        price_score=money.text(for_price),
        capability_score=money.text(capability),
        total=money.text(total),
        lines=(
            *lines,
            line(
                "capability-score",
                scores=", ".join(map(money.text, given)),
                capabilityScore=money.text(capability),
            ),
            line(
                ends,
                passMark=examination.pass_mark,
                **{name: money.text(figure) for name, figure in figures.items()},
            ),
        ),
    )


def passes(examination: Examination, total: Decimal) -> bool:
    """Whether so many points of 100 are enough."""
    return total >= points_of(examination.pass_mark)


def _price_score(table: Table, bracket: Bracket, price: Price) -> tuple[Decimal, tuple[Line, ...]]:
    figures = msgspec.structs.asdict(price)
    score, r = _four(price_score(table, bracket, **figures)), ratio(**figures)
    given = line(
        "examination-ratio",
        amount=money.text(price.amount),
        statutoryCosts=money.text(price.statutory_costs),
        expectedPrice=money.text(price.expected_price),
        ratio=money.text(r),
    )
    return score, (given, _score_line(table, bracket, r, score))


def _score_line(table: Table, bracket: Bracket, r: Decimal, score: Decimal) -> Line:
    """Which of the formula's three stretches the price lies on."""
    figures = {
        "ratio": money.text(r),
        "centre": str(table.centre),
        "pricePoints": str(bracket.points),
        "slope": str(bracket.slope),
        "priceScore": money.text(score),
    }
    if 100 * r - table.centre > bracket.plateau:
        return line("examination-price-plateau", plateau=money.text(bracket.plateau), **figures)
    if bracket.points - bracket.slope * abs(table.centre - 100 * r) < LEAST_PRICE_SCORE:
        return line("examination-price-least", **figures)
    return line("examination-price", **figures)


def _four(exact: Decimal) -> Decimal:
    """The same number with four decimals."""
    return money.half_up(Fraction(exact), SCORE_PLACES)
