"""`quality-price/1`: weighted criteria that the panel scores, and the price, `weight × lowest ÷ price`.

The best sum is first. Who is below a threshold or the pass mark, or above the ceiling, is out and does not
set the lowest price. How each figure comes about, `procurement.evaluation.weighing` says.

The order of two bids depends on the lowest price: a loser who leaves may change the winner where it had that
price, and nowhere else.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from crypto.draws import PublicRandomness
from crypto.encoding import Value
from procurement.evaluation import weighing
from procurement.evaluation.values import Evaluation, Offer, ScoreSheet
from procurement.evaluation.weighing import WeightedCriterion
from procurement.money import Amount, Percent, Points

RULE_SET = "quality-price/1"


class QualityPrice(Value, frozen=True, kw_only=True, tag_field="ruleSet", tag=RULE_SET):
    """The parameters of `quality-price/1`."""

    price_weight: Points
    """What the lowest price gets."""
    criteria: Annotated[tuple[WeightedCriterion, ...], msgspec.Meta(min_length=1, max_length=100)]
    pass_mark: Percent | None = None
    """The share of the criteria's weights, in per cent, below which a bid is out. Absent: none."""
    drop_extremes_from: Annotated[int, msgspec.Meta(ge=3, le=1000)] = 4
    """From this many evaluators on, each bid's highest and lowest mark of each criterion are left out."""
    ceiling: Amount | None = None
    """A price above it is out. Where it is absent every price is in."""


def evaluate(
    rules: QualityPrice,
    offers: Sequence[Offer],
    sheets: Sequence[ScoreSheet],
    randomness: PublicRandomness,
    winners: int = 1,
) -> Evaluation:
    """Ranks descending by the sum of all scores; equal ones: the higher quality first, then a draw."""
    return weighing.evaluate(RULE_SET, rules, offers, (), sheets, randomness, winners)
