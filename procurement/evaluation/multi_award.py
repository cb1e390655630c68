"""`multi-award/1`: a framework with several suppliers: the best m of those in line, by any other rule set.

Who is in line and in which order is the nested rule set's; here is only how many of them win. Where fewer are
in line, all of them do. (Frameworks with several parties: Directive 2014/24/EU, article 33.)
"""

from typing import Annotated

import msgspec

from crypto.encoding import Value
from procurement.evaluation.kr_negotiation import KrNegotiation
from procurement.evaluation.kr_price_floor import KrPriceFloor
from procurement.evaluation.life_cycle_cost import LifeCycleCost
from procurement.evaluation.lowest_price import LowestPrice
from procurement.evaluation.lowest_price_2 import LowestPrice2
from procurement.evaluation.quality_price import QualityPrice
from procurement.evaluation.two_envelope import TwoEnvelope
from procurement.evaluation.values import Evaluation, line

RULE_SET = "multi-award/1"

Single = (
    LowestPrice | LowestPrice2 | KrPriceFloor | KrNegotiation | QualityPrice | TwoEnvelope | LifeCycleCost
)
"""A rule set by which one bid wins."""


class MultiAward(Value, frozen=True, kw_only=True, tag_field="ruleSet", tag=RULE_SET):
    """The parameters of `multi-award/1`."""

    rules: Single
    """By which bids are compared."""
    winners: Annotated[int, msgspec.Meta(ge=2, le=100)]
    """How many win at most."""


def several(rules: MultiAward, evaluation: Evaluation) -> Evaluation:
    """What the nested rule set came to, of which the first `winners` win."""
    explained = line("winners", ruleSet=evaluation.rule_set, winners=str(rules.winners))
    return msgspec.structs.replace(
        evaluation, rule_set=RULE_SET, winners=rules.winners, lines=(*evaluation.lines, explained)
    )
