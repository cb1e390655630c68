"""What a panel scores, and what makes its sheets complete."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from crypto.encoding import Identifier, Text, Value
from procurement import money
from procurement.errors import RulesError, ScoresError
from procurement.evaluation.values import Line, ScoreSheet, line
from procurement.money import Points

SCORE_PLACES = 4
"""Decimals of a mark and of a score."""
_UNIT = 10**SCORE_PLACES


class Criterion(Value, frozen=True, kw_only=True):
    """What the panel scores, from 0 to `points`."""

    id: Identifier
    title: Text
    points: Points


def check_criteria(criteria: Sequence[Criterion]) -> None:
    """Each is named once and has points. Raises RulesError, MalformedError."""
    if not all(points_of(each.points) for each in criteria):
        raise RulesError("a criterion has no points")
    if len({criterion.id for criterion in criteria}) != len(criteria):
        raise RulesError("a criterion is named twice")


def check_sheet(criteria: Sequence[Criterion], sheet: ScoreSheet) -> None:
    """Each envelope on the sheet has a score for each criterion and within its points, with at most four
    decimals. Raises ScoresError."""
    points = {criterion.id: points_of(criterion.points) for criterion in criteria}
    for scores in sheet.scores.values():
        if scores.keys() != points.keys():
            raise ScoresError("a score sheet scores other criteria than those of the notice")
        for criterion, score in scores.items():
            if not (money.is_plain(score, places=SCORE_PLACES) and score <= points[criterion]):
                raise ScoresError(f"a score of {criterion} is outside 0 to {points[criterion]}")


def complete(
    criteria: Sequence[Criterion], bids: Iterable[str], sheets: Sequence[ScoreSheet]
) -> list[ScoreSheet]:
    """The sheets by evaluator, once they score every one of `bids` (envelope ids), each evaluator by one.

    Scores of other envelopes (say, whose price did not open) are left aside. Raises ScoresError.
    """
    if len({sheet.evaluator for sheet in sheets}) != len(sheets):
        raise ScoresError("an evaluator has two score sheets")
    wanted = set(bids)
    if wanted and not sheets:
        raise ScoresError("there is no score sheet")
    for sheet in sheets:
        check_sheet(criteria, sheet)
        if not wanted <= sheet.scores.keys():
            raise ScoresError("an evaluator has not scored every bid")
    return sorted(sheets, key=lambda sheet: sheet.evaluator)


def points_of(points: Points) -> Decimal:
    """As a number. Raises MalformedError."""
    return money.parse(points, places=SCORE_PLACES)


def steps_of(points: Decimal) -> int:
    """Points in steps of 0.0001, in which scores are counted."""
    return money.steps(points, SCORE_PLACES)


def written(steps: int) -> str:
    """Points out of steps, with four decimals."""
    whole, rest = divmod(steps, _UNIT)
    return f"{whole}.{rest:0{SCORE_PLACES}}"


def total_line(technical: Decimal, price: Decimal) -> Line:
    """What a bid's two scores are together."""
    figures = {"technicalScore": technical, "priceScore": price, "total": technical + price}
    return line("total", **{name: money.text(figure) for name, figure in figures.items()})
