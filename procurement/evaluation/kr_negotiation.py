"""`kr-negotiation/1`: contract by negotiation (협상에 의한 계약). Panel score plus price score; the
negotiation goes in the order of the sum.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Annotated

import msgspec

from crypto.draws import PublicRandomness
from crypto.encoding import Identifier, Text, Value
from procurement import money
from procurement.errors import OfferError, RulesError, ScoresError
from procurement.evaluation.ranking import Entrant, ranked
from procurement.evaluation.values import (
    Evaluation,
    Line,
    Offer,
    Reason,
    ScoreSheet,
    check_price,
    judged,
    line,
)
from procurement.money import Amount, Percent, Points

RULE_SET = "kr-negotiation/1"
SCORE_PLACES = 4


class Criterion(Value, frozen=True, kw_only=True):
    """What the panel scores, from 0 to `points`."""

    id: Identifier
    title: Text
    points: Points


class KrNegotiation(Value, frozen=True, kw_only=True, tag_field="ruleSet", tag=RULE_SET):
    """The parameters of `kr-negotiation/1`."""

    technical_points: Points
    """What a faultless proposal gets: the criteria's points together."""
    price_points: Points
    """P: what the lowest price gets that is at least 80 % of the budget."""
    budget: Amount
    """E, in whole won: a price above it is out."""
    criteria: Annotated[tuple[Criterion, ...], msgspec.Meta(min_length=1)]
    pass_mark: Percent | None = None
    """The share of the technical points, in per cent, below which a bid is out. Absent: none."""
    drop_extremes_from: Annotated[int, msgspec.Meta(ge=3, le=1000)] = 4
    """From this many evaluators on, each bid's highest and lowest panel total are left out."""
    negotiation: bool = False
    """Whether the award needs a negotiation that came to an agreement, held in the order of the ranks."""


class _Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A bid after the panel and the conditions, before prices are compared."""

    offer: Offer
    technical_score: Decimal
    reason: Reason
    lines: tuple[Line, ...]


def check(rules: KrNegotiation) -> None:
    """Points and budget are above zero and the criteria add up. Raises RulesError, MalformedError."""
    each = [_points(criterion.points) for criterion in rules.criteria]
    if not all((*each, _points(rules.price_points), _budget(rules))):
        raise RulesError("points and budget are above zero")
    if sum(each) != _points(rules.technical_points):
        raise RulesError("the points of the criteria do not add up to the technical points")
    if len({criterion.id for criterion in rules.criteria}) != len(rules.criteria):
        raise RulesError("a criterion is named twice")
    if rules.pass_mark is not None and not 0 < money.parse(rules.pass_mark, places=3) <= 100:
        raise RulesError("a pass mark is above 0 and at most 100 per cent")


def check_offer(offer: Offer) -> None:
    """A price in whole won and no picks. Raises OfferError."""
    check_price(offer, places=0)
    if offer.picks:
        raise OfferError("this rule set draws no preliminary prices")


def check_sheet(rules: KrNegotiation, sheet: ScoreSheet) -> None:
    """Each envelope on the sheet has a score for each criterion and within its points, with at most four
    decimals. Raises ScoresError."""
    points = {criterion.id: _points(criterion.points) for criterion in rules.criteria}
    for scores in sheet.scores.values():
        if scores.keys() != points.keys():
            raise ScoresError("a score sheet scores other criteria than those of the notice")
        for criterion, score in scores.items():
            if not (money.is_plain(score, places=SCORE_PLACES) and score <= points[criterion]):
                raise ScoresError(f"a score of {criterion} is outside 0 to {points[criterion]}")


def evaluate(
    rules: KrNegotiation,
    offers: Sequence[Offer],
    sheets: Sequence[ScoreSheet],
    randomness: PublicRandomness,
) -> Evaluation:
    """Ranks descending by technical plus price score; equal sums: the higher technical score first.

    Both scores are rounded half-up to four decimals before anything is done with them. Scores of envelopes
    that are not among `offers` (say, whose price did not open) are left aside. Raises ScoresError for a
    wrong sheet and for an offer that an evaluator has not scored.
    """
    _check_panel(rules, offers, sheets)
    panel = sorted(sheets, key=lambda sheet: sheet.evaluator)
    proposals = [_proposal(rules, offer, panel) for offer in offers]
    prices_in = [proposal.offer.amount for proposal in proposals if proposal.reason == "valid"]
    lowest = min(prices_in, default=None)
    return Evaluation(
        rule_set=RULE_SET,
        expected_price=rules.budget,
        lines=_tender_lines(rules, lowest),
        ranking=ranked([_entrant(rules, proposal, lowest) for proposal in proposals], randomness),
    )


def price_score(price_points: Decimal, budget: Decimal, lowest: Decimal, amount: Decimal) -> Decimal:
    """`P × min ÷ amount` where the amount is at least 0.8 E, E the budget. Below that
    `P × min ÷ 0.8E + 2 × (0.8E − amount) ÷ 0.2E`, with an amount under 0.6 E counted as 0.6 E in the second
    term. Half-up to four decimals.

    Among the bids of one evaluation a lower price never has a lower score. Source: 협상에 의한 계약체결기준.
    """
    points, four_fifths, minimum = Fraction(price_points), Fraction(budget) * 4 / 5, Fraction(lowest)
    if amount >= four_fifths:
        return money.half_up(points * minimum / Fraction(amount), SCORE_PLACES)
    saved = four_fifths - Fraction(_counted(budget, amount))
    return money.half_up(points * minimum / four_fifths + 2 * saved / (Fraction(budget) / 5), SCORE_PLACES)


def _counted(budget: Decimal, amount: Decimal) -> Decimal:
    return max(amount, budget * 6 / 10)


def _check_panel(rules: KrNegotiation, offers: Sequence[Offer], sheets: Sequence[ScoreSheet]) -> None:
    if len({sheet.evaluator for sheet in sheets}) != len(sheets):
        raise ScoresError("an evaluator has two score sheets")
    if offers and not sheets:
        raise ScoresError("there is no score sheet")
    for sheet in sheets:
        check_sheet(rules, sheet)
        if any(offer.envelope_id not in sheet.scores for offer in offers):
            raise ScoresError("an evaluator has not scored every bid")


def _proposal(rules: KrNegotiation, offer: Offer, panel: Sequence[ScoreSheet]) -> _Proposal:
    totals = [sum(sheet.scores[offer.envelope_id].values(), Decimal(0)) for sheet in panel]
    score, mean_line = _panel_mean(totals, rules.drop_extremes_from)
    reason, why = _verdict(rules, offer, score)
    return _Proposal(offer=offer, technical_score=score, reason=reason, lines=(mean_line, *why))


def _panel_mean(totals: Sequence[Decimal], drop_extremes_from: int) -> tuple[Decimal, Line]:
    dropping = len(totals) >= drop_extremes_from
    counted = sorted(totals)[1:-1] if dropping else totals
    mean = money.half_up(sum(map(Fraction, counted), Fraction()) / len(counted), SCORE_PLACES)
    figures = {"totals": ", ".join(map(money.text, totals)), "technicalScore": money.text(mean)}
    if not dropping:
        return mean, line("panel-mean", **figures)
    highest, lowest = money.text(max(totals)), money.text(min(totals))
    return mean, line("panel-mean-without-extremes", highest=highest, lowest=lowest, **figures)


def _verdict(rules: KrNegotiation, offer: Offer, score: Decimal) -> tuple[Reason, tuple[Line, ...]]:
    mark = _pass_mark(rules)
    if mark is not None and score < mark:
        figures = {"technicalScore": money.text(score), "passMarkPoints": money.text(mark)}
        return "below-pass-mark", (line("below-pass-mark", **figures),)
    if offer.amount > _budget(rules):
        figures = {"amount": money.text(offer.amount), "expectedPrice": rules.budget}
        return "above-expected-price", (line("above-expected-price", **figures),)
    return "valid", ()


def _entrant(rules: KrNegotiation, proposal: _Proposal, lowest: Decimal | None) -> Entrant:
    offer, technical, budget = proposal.offer, proposal.technical_score, _budget(rules)
    if proposal.reason != "valid" or lowest is None:
        out = judged(offer, proposal.reason, *proposal.lines, reference=budget, technical_score=technical)
        return Entrant((), out)
    price = price_score(_points(rules.price_points), budget, lowest, offer.amount)
    total = technical + price
    result = judged(
        offer,
        "valid",
        *proposal.lines,
        _price_line(rules, offer.amount, lowest, price),
        _total_line(technical, price, total),
        reference=budget,
        technical_score=technical,
        price_score=price,
        total=total,
    )
    return Entrant((-total, -technical), result)


def _price_line(rules: KrNegotiation, amount: Decimal, lowest: Decimal, score: Decimal) -> Line:
    figures = {
        "pricePoints": rules.price_points,
        "lowestPrice": money.text(lowest),
        "priceScore": money.text(score),
    }
    budget = _budget(rules)
    if amount * 10 >= budget * 8:
        return line("price-score", amount=money.text(amount), **figures)
    counted = money.text(_counted(budget, amount))
    return line("price-score-below-four-fifths", expectedPrice=rules.budget, counted=counted, **figures)


def _total_line(technical: Decimal, price: Decimal, total: Decimal) -> Line:
    figures = {"technicalScore": technical, "priceScore": price, "total": total}
    return line("total", **{name: money.text(figure) for name, figure in figures.items()})


def _tender_lines(rules: KrNegotiation, lowest: Decimal | None) -> tuple[Line, ...]:
    lines = [line("budget", expectedPrice=rules.budget)]
    mark = _pass_mark(rules)
    if rules.pass_mark is not None and mark is not None:
        figures = {"technicalPoints": rules.technical_points, "passMark": rules.pass_mark}
        lines.append(line("pass-mark", passMarkPoints=money.text(mark), **figures))
    if lowest is not None:
        lines.append(line("lowest-price", lowestPrice=money.text(lowest)))
    return tuple(lines)


def _pass_mark(rules: KrNegotiation) -> Decimal | None:
    if rules.pass_mark is None:
        return None
    return _points(rules.technical_points) * money.parse(rules.pass_mark, places=3) / 100


def _points(points: Points) -> Decimal:
    return money.parse(points, places=SCORE_PLACES)


def _budget(rules: KrNegotiation) -> Decimal:
    return money.parse(rules.budget, places=0)
