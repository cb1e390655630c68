"""Rule sets: pure functions from opened bids, score sheets and public randomness to an explained ranking.

A tender names one rule set with its parameters before the first bid. A published rule set is never edited:
a change is a new version beside it. Nothing depends on the order in which bids or sheets are given.
"""

from collections.abc import Sequence
from datetime import datetime

from crypto.draws import PublicRandomness
from procurement.errors import EvaluationError, RulesError
from procurement.evaluation import (
    kr_negotiation,
    kr_price_floor,
    life_cycle_cost,
    lowest_price,
    lowest_price_2,
    multi_award,
    panel,
    quality_price,
    two_envelope,
    weighing,
)
from procurement.evaluation.examination import Examination, Examined
from procurement.evaluation.kr_negotiation import KrNegotiation
from procurement.evaluation.kr_price_floor import KrPriceFloor
from procurement.evaluation.life_cycle_cost import CostItem, LifeCycleCost
from procurement.evaluation.lowest_price import LowestPrice
from procurement.evaluation.lowest_price_2 import LowestPrice2
from procurement.evaluation.multi_award import MultiAward, Single
from procurement.evaluation.panel import Criterion
from procurement.evaluation.quality_price import QualityPrice
from procurement.evaluation.reserve_prices import Committed, CommittedPrices, Derived
from procurement.evaluation.two_envelope import TwoEnvelope
from procurement.evaluation.values import (
    Evaluation,
    Line,
    Offer,
    PreliminaryPrice,
    Ranked,
    Reason,
    ScoreSheet,
    Sensitivity,
    Unpriced,
    check_distinct,
    check_price_alone,
)
from procurement.evaluation.weighing import WeightedCriterion

__all__ = [
    "Committed",
    "CommittedPrices",
    "CostItem",
    "Criterion",
    "Derived",
    "Evaluation",
    "Examination",
    "Examined",
    "KrNegotiation",
    "KrPriceFloor",
    "LifeCycleCost",
    "Line",
    "LowestPrice",
    "LowestPrice2",
    "MultiAward",
    "Offer",
    "PreliminaryPrice",
    "QualityPrice",
    "Ranked",
    "Reason",
    "Rules",
    "ScoreSheet",
    "Sensitivity",
    "Single",
    "TwoEnvelope",
    "Unpriced",
    "WeightedCriterion",
    "check",
    "check_offer",
    "check_sheet",
    "criteria",
    "evaluate",
    "single",
    "takes_more",
    "to_price",
]

Rules = Single | MultiAward
"""A rule set with its parameters, as a notice carries it: ``{"ruleSet": "lowest-price/1", …}``."""


def single(rules: Rules) -> Single:
    """The rule set by which bids are compared, whether one of them wins or several."""
    return rules.rules if isinstance(rules, MultiAward) else rules


def takes_more(rules: Rules) -> bool:
    """Whether the first rank is not enough for an award: who is in line is examined or negotiated with."""
    match single(rules):
        case KrPriceFloor() as floor:
            return floor.examination is not None
        case KrNegotiation() as negotiation:
            return negotiation.negotiation
        case _:
            return False


def criteria(rules: Rules) -> tuple[Criterion, ...]:
    """What a panel scores; nothing where the rules need none."""
    match single(rules):
        case KrNegotiation() | QualityPrice() | TwoEnvelope() as scored:
            return scored.criteria
        case _:
            return ()


def check(rules: Rules, *, published: datetime) -> None:
    """The rules can be published at this time: every later evaluation under them has a result.

    Raises RulesError where parameters contradict each other, MalformedError where one is no number.
    """
    if isinstance(rules, MultiAward) and takes_more(rules):
        raise RulesError("where several win, nobody is examined or negotiated with")
    match single(rules):
        case LowestPrice() as lowest:
            lowest_price.check(lowest)
        case LowestPrice2() as lowest_2:
            lowest_price_2.check(lowest_2)
        case KrPriceFloor() as floor:
            kr_price_floor.check(floor, published)
        case KrNegotiation() as negotiation:
            kr_negotiation.check(negotiation)
        case QualityPrice() | TwoEnvelope() as weighed:
            weighing.check(weighed)
        case LifeCycleCost() as costs:
            life_cycle_cost.check(costs)


def check_offer(rules: Rules, offer: Offer) -> None:
    """Price, picks and costs are such as the rules can read; for preflight and for each opened bid.

    A bid that fails is one that does not open, so that it never stops the others. Raises OfferError.
    """
    match single(rules):
        case KrPriceFloor() as floor:
            kr_price_floor.check_offer(floor, offer)
        case LifeCycleCost() as costs:
            life_cycle_cost.check_offer(costs, offer)
        case KrNegotiation():
            check_price_alone(offer, places=0)
        case LowestPrice() | LowestPrice2() | QualityPrice() | TwoEnvelope():
            check_price_alone(offer)


def check_sheet(rules: Rules, sheet: ScoreSheet) -> None:
    """Each envelope on the sheet has a score for each criterion and within its points. Raises ScoresError."""
    panel.check_sheet(criteria(rules), sheet)


def to_price(rules: Rules, bids: Sequence[str], sheets: Sequence[ScoreSheet]) -> tuple[str, ...]:
    """Those of `bids` (envelope ids) whose price is opened, once the panel has scored them: all, unless the
    rules keep some closed. Raises ScoresError for sheets that do not score each of them."""
    match single(rules):
        case TwoEnvelope() as two:
            return two_envelope.to_price(two, bids, sheets)
        case _:
            return tuple(bids)


def evaluate(
    rules: Rules,
    offers: Sequence[Offer],
    *,
    unpriced: Sequence[Unpriced] = (),
    sheets: Sequence[ScoreSheet] = (),
    committed: CommittedPrices | None = None,
    randomness: PublicRandomness,
    published: datetime,
) -> Evaluation:
    """The ranking of `offers`, with a line for every figure.

    `offers` are all counted bids that opened and pass `check_offer`; `unpriced` those whose price the rules
    keep closed; `sheets` the panel's, where the rules have one; `committed` what the officer revealed, where
    the notice committed to preliminary prices; `published` the time of the notice, which chooses the dated
    tables. Raises EvaluationError's kinds where these do not fit together.
    """
    check(rules, published=published)
    check_distinct([*offers, *unpriced])
    for offer in offers:
        check_offer(rules, offer)
    if sheets and not criteria(rules):
        raise EvaluationError("these rules have no panel")
    if unpriced and not isinstance(single(rules), TwoEnvelope):
        raise EvaluationError("these rules keep no price closed")
    if committed and not isinstance(single(rules), KrPriceFloor):
        raise EvaluationError("these rules have no preliminary prices")
    winners = rules.winners if isinstance(rules, MultiAward) else 1
    match single(rules):
        case LowestPrice() as lowest:
            found = lowest_price.evaluate(lowest, offers, randomness)
        case LowestPrice2() as lowest_2:
            found = lowest_price_2.evaluate(lowest_2, offers, randomness)
        case KrPriceFloor() as floor:
            found = kr_price_floor.evaluate(floor, offers, committed, randomness, published)
        case KrNegotiation() as negotiation:
            found = kr_negotiation.evaluate(negotiation, offers, sheets, randomness, winners)
        case QualityPrice() as quality:
            found = quality_price.evaluate(quality, offers, sheets, randomness, winners)
        case TwoEnvelope() as two:
            found = two_envelope.evaluate(two, offers, unpriced, sheets, randomness, winners)
        case LifeCycleCost() as costs:
            found = life_cycle_cost.evaluate(costs, offers, randomness)
    return multi_award.several(rules, found) if isinstance(rules, MultiAward) else found
