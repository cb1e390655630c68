"""Evaluating very many bids, with a line for every figure."""

from collections.abc import Iterator
from decimal import Decimal

from benchmarks.measuring import Measure, Scale, best, peak_memory, ratio
from crypto.draws import PublicRandomness
from crypto.encoding import encode, parse_moment
from procurement.evaluation import (
    Evaluation,
    LowestPrice2,
    MultiAward,
    Offer,
    QualityPrice,
    Rules,
    ScoreSheet,
    WeightedCriterion,
    criteria,
    evaluate,
    explain,
)

PANEL = 5
TIMES = 10
"""How much larger the large tender is than the small one that its cost per bid is compared with."""
RANDOMNESS = PublicRandomness(
    tender="ocds-0s3al1-bench", notice=bytes(32), beacon=bytes(48), mandate=bytes(48)
)
PUBLISHED = parse_moment("2026-03-02T09:00:00.000Z")
QUALITY = QualityPrice(
    criteria=tuple(
        WeightedCriterion(id=id, title=id, points="20", weight="25", threshold="2")
        for id in ("method", "team", "service")
    ),
    price_weight="25",
)
RULES: tuple[Rules, ...] = (
    LowestPrice2(ceiling="2000000", abnormal_below="80"),
    QUALITY,
    MultiAward(rules=LowestPrice2(abnormal_below="80"), winners=10),
)
"""One lot is scored by a panel of five, each of whom is left out once for the sensitivity."""


def evaluate_many(scale: Scale) -> Iterator[Measure]:
    """From opened bids and score sheets to signed bytes and sentences in one language, on one processor."""
    few, many = inputs(scale.bids // TIMES), inputs(scale.bids)
    with peak_memory() as peak:
        explained(many)
    elapsed = best(lambda: explained(many), scale.rounds)
    growth = ratio(lambda: explained(many), lambda: [explained(few) for _ in range(TIMES)], scale.rounds)
    yield Measure(name="evaluate_15000_s", value=elapsed, unit="s", goal=3)
    yield Measure(name="evaluate_15000_mb", value=peak.own, unit="MiB", goal=300)
    yield Measure(name="evaluate_growth", value=growth, unit="", goal=1.3)


def explained(given: tuple[list[Offer], list[ScoreSheet]]) -> int:
    """Every lot evaluated, and the length of all that is said of it."""
    return sum(_said(_evaluated(rules, *given)) for rules in RULES)


def inputs(bids: int) -> tuple[list[Offer], list[ScoreSheet]]:
    """So many bids of different prices and qualities, and the sheets of the whole panel."""
    offers = [
        Offer(
            envelope_id=f"{number:064x}",
            bidder=f"123-45-{number:05}",
            amount=Decimal(1_000_000 + number * 7919 % 1_000_003),
        )
        for number in range(bids)
    ]
    return offers, [_sheet(evaluator, offers) for evaluator in range(PANEL)]


def _sheet(evaluator: int, offers: list[Offer]) -> ScoreSheet:
    scores = {
        offer.envelope_id: {
            each.id: Decimal((number * 31 + evaluator * 17 + place * 7) % 201) / 10
            for place, each in enumerate(QUALITY.criteria)
        }
        for number, offer in enumerate(offers)
    }
    return ScoreSheet(evaluator=f"{evaluator:064x}", scores=scores)


def _evaluated(rules: Rules, offers: list[Offer], sheets: list[ScoreSheet]) -> Evaluation:
    scored = sheets if criteria(rules) else []
    return evaluate(rules, offers, sheets=scored, randomness=RANDOMNESS, published=PUBLISHED)


def _said(evaluation: Evaluation) -> int:
    lines = [*evaluation.lines, *(line for ranked in evaluation.ranking for line in ranked.lines)]
    return len(encode(evaluation)) + sum(len(explain.sentence(line, "en")) for line in lines)
