"""`two-envelope/1`: quality first. Only those that pass have their price opened; then the lowest price is
first, or the best sum where the price has a weight.

The price of a bid that fails is never opened, and its order is never signed: the sheets, which are signed and
logged before any price order, decide whose price there is. How each figure comes about,
`procurement.evaluation.weighing` says. The method is known as single-stage two-envelope bidding.

With the lowest price as the rule a loser who leaves does not change the winner; with a weight for the price
it may, where it had the lowest price.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from crypto.draws import PublicRandomness
from crypto.encoding import Value
from procurement.errors import EvaluationError
from procurement.evaluation import weighing
from procurement.evaluation.panel import complete
from procurement.evaluation.values import Evaluation, Offer, ScoreSheet, Unpriced
from procurement.evaluation.weighing import WeightedCriterion
from procurement.money import Amount, Percent, Points

RULE_SET = "two-envelope/1"


class TwoEnvelope(Value, frozen=True, kw_only=True, tag_field="ruleSet", tag=RULE_SET):
    """The parameters of `two-envelope/1`."""

    criteria: Annotated[tuple[WeightedCriterion, ...], msgspec.Meta(min_length=1, max_length=100)]
    pass_mark: Percent
    """The share of the criteria's weights, in per cent, below which a price stays closed."""
    price_weight: Points | None = None
    """What the lowest price gets. Absent: the price alone ranks."""
    drop_extremes_from: Annotated[int, msgspec.Meta(ge=3, le=1000)] = 4
    """From this many evaluators on, each bid's highest and lowest mark of each criterion are left out."""
    ceiling: Amount | None = None
    """A price above it is out. Where it is absent every price is in."""


def to_price(rules: TwoEnvelope, bids: Sequence[str], sheets: Sequence[ScoreSheet]) -> tuple[str, ...]:
    """Those of `bids` (envelope ids) whose price is opened. Raises ScoresError for sheets that do not score
    each of them."""
    return weighing.passing(rules, bids, complete(rules.criteria, bids, sheets))


def evaluate(
    rules: TwoEnvelope,
    offers: Sequence[Offer],
    unpriced: Sequence[Unpriced],
    sheets: Sequence[ScoreSheet],
    randomness: PublicRandomness,
    winners: int = 1,
) -> Evaluation:
    """Those that pass in their order; all of `unpriced` are out. Raises EvaluationError unless the prices are
    exactly those that were to be opened, as far as they could be."""
    closed = [each.envelope_id for each in unpriced]
    priced = [each.envelope_id for each in offers]
    if to_price(rules, priced, sheets) != tuple(priced) or to_price(rules, closed, sheets):
        raise EvaluationError("other prices were opened than those of the bids that pass")
    return weighing.evaluate(RULE_SET, rules, offers, unpriced, sheets, randomness, winners)
