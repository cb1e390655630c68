"""`kr-negotiation/1`: contract by negotiation (협상에 의한 계약). Panel score plus price score; the
negotiation goes in the order of the sum.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Annotated

import msgspec

from crypto.draws import PublicRandomness
from crypto.encoding import Value
from procurement import money
from procurement.errors import RulesError
from procurement.evaluation.panel import (
    SCORE_PLACES,
    Criterion,
    check_criteria,
    complete,
    points_of,
    steps_of,
    total_line,
)
from procurement.evaluation.ranking import Entrant, Merit, leaders, ranked, tickets
from procurement.evaluation.sensitivity import Contender, Outcome, Share, Weight, sensitivity
from procurement.evaluation.values import (
    Evaluation,
    Line,
    Offer,
    Ranked,
    Reason,
    ScoreSheet,
    Sensitivity,
    judged,
    line,
)
from procurement.money import Amount, Percent, Points

RULE_SET = "kr-negotiation/1"


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
    check_criteria(rules.criteria)
    if not all((points_of(rules.price_points), _budget(rules))):
        raise RulesError("points and budget are above zero")
    if sum(points_of(criterion.points) for criterion in rules.criteria) != points_of(rules.technical_points):
        raise RulesError("the points of the criteria do not add up to the technical points")
    if rules.pass_mark is not None and not 0 < money.parse(rules.pass_mark, places=3) <= 100:
        raise RulesError("a pass mark is above 0 and at most 100 per cent")


def evaluate(
    rules: KrNegotiation,
    offers: Sequence[Offer],
    sheets: Sequence[ScoreSheet],
    randomness: PublicRandomness,
    winners: int = 1,
) -> Evaluation:
    """Ranks descending by technical plus price score; equal sums: the higher technical score first.

    Both scores are rounded half-up to four decimals before anything is done with them. Scores of envelopes
    that are not among `offers` (say, whose price did not open) are left aside. Raises ScoresError for a
    wrong sheet and for an offer that an evaluator has not scored.
    """
    panel = complete(rules.criteria, [offer.envelope_id for offer in offers], sheets)
    proposals = [_proposal(rules, offer, panel) for offer in offers]
    lowest = _lowest(proposals)
    ranking = ranked([_entrant(rules, proposal, lowest) for proposal in proposals], randomness)
    return Evaluation(
        rule_set=RULE_SET,
        expected_price=rules.budget,
        lines=_tender_lines(rules, lowest),
        ranking=ranking,
        sensitivity=_sensitivity(rules, offers, panel, ranking, randomness, winners) if panel else None,
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


def _lowest(proposals: Sequence[_Proposal]) -> Decimal | None:
    """The lowest price of those in."""
    return min((each.offer.amount for each in proposals if each.reason == "valid"), default=None)


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
    price = _price_score(rules, lowest, offer)
    total = technical + price
    result = judged(
        offer,
        "valid",
        *proposal.lines,
        _price_line(rules, offer.amount, lowest, price),
        total_line(technical, price),
        reference=budget,
        technical_score=technical,
        price_score=price,
        total=total,
    )
    return Entrant(_merit(technical, price), result)


def _price_score(rules: KrNegotiation, lowest: Decimal, offer: Offer) -> Decimal:
    return price_score(points_of(rules.price_points), _budget(rules), lowest, offer.amount)


def _merit(technical: Decimal, price: Decimal) -> Merit:
    return -technical - price, -technical


def _sensitivity(
    rules: KrNegotiation,
    offers: Sequence[Offer],
    panel: Sequence[ScoreSheet],
    ranking: Sequence[Ranked],
    randomness: PublicRandomness,
    winners: int,
) -> Sensitivity:
    """As `sensitivity` says. A criterion's points are its weight. Whose totals are left out stays the same;
    of equal totals the evaluators' ids decide. Of the price score's two terms the points move the first."""
    by_id = {offer.envelope_id: offer for offer in offers}
    drawn = tickets(randomness, by_id)

    def outcome(without: str) -> Outcome:
        others = [sheet for sheet in panel if sheet.evaluator != without]
        proposals = [_proposal(rules, offer, others) for offer in offers]
        lowest = _lowest(proposals)
        merits = {
            each.offer.envelope_id: _merit(each.technical_score, _price_score(rules, lowest, each.offer))
            for each in proposals
            if lowest is not None and each.reason == "valid"
        }
        return Outcome(leaders(merits, drawn, winners))

    lowest = min((by_id[each.bid].amount for each in ranking if each.rank is not None), default=Decimal(0))
    return sensitivity(
        [sheet.evaluator for sheet in panel],
        outcome,
        [
            *(Weight(each.id, steps_of(points_of(each.points))) for each in rules.criteria),
            Weight(None, steps_of(points_of(rules.price_points))),
        ],
        [
            Contender(each.bid, steps_of(Decimal(each.total)), _shares(rules, by_id[each.bid], panel, lowest))
            for each in ranking
            if each.total is not None
        ],
        winners,
        {offer.envelope_id: offer.bidder for offer in offers},
    )


def _shares(
    rules: KrNegotiation, offer: Offer, panel: Sequence[ScoreSheet], lowest: Decimal
) -> tuple[Share, ...]:
    """What the bid gets of one point of each criterion and of the price."""
    by_total = sorted(
        (sheet.scores[offer.envelope_id] for sheet in panel), key=lambda given: sum(given.values())
    )
    counted = by_total[1:-1] if len(panel) >= rules.drop_extremes_from else by_total
    criteria = (
        (sum(steps_of(given[each.id]) for given in counted), len(counted) * steps_of(points_of(each.points)))
        for each in rules.criteria
    )
    return *criteria, (int(lowest) * 5, max(int(offer.amount) * 5, int(_budget(rules)) * 4))


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
    return points_of(rules.technical_points) * money.parse(rules.pass_mark, places=3) / 100


def _budget(rules: KrNegotiation) -> Decimal:
    return money.parse(rules.budget, places=0)
