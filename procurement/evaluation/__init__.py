"""Rule sets: pure functions from opened bids, score sheets and public randomness to an explained ranking.

A tender names one rule set with its parameters before the first bid. A published rule set is never edited:
a change is a new version beside it. Nothing depends on the order in which bids or sheets are given.
"""

from collections.abc import Sequence
from datetime import datetime

from crypto.draws import PublicRandomness
from procurement.errors import EvaluationError
from procurement.evaluation import kr_negotiation, kr_price_floor, lowest_price
from procurement.evaluation.examination import Examination, Examined
from procurement.evaluation.kr_negotiation import Criterion, KrNegotiation
from procurement.evaluation.kr_price_floor import KrPriceFloor
from procurement.evaluation.lowest_price import LowestPrice
from procurement.evaluation.reserve_prices import Committed, CommittedPrices, Derived
from procurement.evaluation.values import (
    Evaluation,
    Line,
    Offer,
    PreliminaryPrice,
    Ranked,
    Reason,
    ScoreSheet,
    check_distinct,
)

__all__ = [
    "Committed",
    "CommittedPrices",
    "Criterion",
    "Derived",
    "Evaluation",
    "Examination",
    "Examined",
    "KrNegotiation",
    "KrPriceFloor",
    "Line",
    "LowestPrice",
    "Offer",
    "PreliminaryPrice",
    "Ranked",
    "Reason",
    "Rules",
    "ScoreSheet",
    "check",
    "check_offer",
    "evaluate",
]

Rules = LowestPrice | KrPriceFloor | KrNegotiation
"""A rule set with its parameters, as a notice carries it: ``{"ruleSet": "lowest-price/1", …}``."""


def check(rules: Rules, *, published: datetime) -> None:
    """The rules can be published at this time: every later evaluation under them has a result.

    Raises RulesError where parameters contradict each other, MalformedError where one is no number.
    """
    match rules:
        case LowestPrice():
            lowest_price.check(rules)
        case KrPriceFloor():
            kr_price_floor.check(rules, published)
        case KrNegotiation():
            kr_negotiation.check(rules)


def check_offer(rules: Rules, offer: Offer) -> None:
    """The price and the picks are such as the rules can read; for preflight and for each opened bid.

    A bid that fails is one that does not open, so that it never stops the others. Raises OfferError.
    """
    match rules:
        case LowestPrice():
            lowest_price.check_offer(offer)
        case KrPriceFloor():
            kr_price_floor.check_offer(rules, offer)
        case KrNegotiation():
            kr_negotiation.check_offer(offer)


def evaluate(
    rules: Rules,
    offers: Sequence[Offer],
    *,
    sheets: Sequence[ScoreSheet] = (),
    committed: CommittedPrices | None = None,
    randomness: PublicRandomness,
    published: datetime,
) -> Evaluation:
    """The ranking of `offers`, with a line for every figure.

    `offers` are all counted bids that opened and pass `check_offer`; `sheets` the panel's, where the rules
    have one; `committed` what the officer revealed, where the notice committed to preliminary prices;
    `published` the time of the notice, which chooses the dated tables. Raises EvaluationError's kinds
    where these do not fit together.
    """
    check(rules, published=published)
    check_distinct(offers)
    for offer in offers:
        check_offer(rules, offer)
    if sheets and not isinstance(rules, KrNegotiation):
        raise EvaluationError("these rules have no panel")
    if committed and not isinstance(rules, KrPriceFloor):
        raise EvaluationError("these rules have no preliminary prices")
    match rules:
        case LowestPrice():
            return lowest_price.evaluate(rules, offers, randomness)
        case KrPriceFloor():
            return kr_price_floor.evaluate(rules, offers, committed, randomness, published)
        case KrNegotiation():
            return kr_negotiation.evaluate(rules, offers, sheets, randomness)
