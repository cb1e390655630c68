"""`lowest-price/1`: the lowest price at or under the ceiling is first; equal prices are drawn apart."""

from collections.abc import Sequence

from crypto.draws import PublicRandomness
from crypto.encoding import Value
from procurement import money
from procurement.errors import RulesError
from procurement.evaluation.ranking import Entrant, ranked
from procurement.evaluation.values import PLACES, Evaluation, Offer, Ranked, judged, line
from procurement.money import Amount

RULE_SET = "lowest-price/1"


class LowestPrice(Value, frozen=True, kw_only=True, tag_field="ruleSet", tag=RULE_SET):
    """The parameters of `lowest-price/1`."""

    ceiling: Amount | None = None
    """A price above it is out. Where it is absent every price is in."""


def check(rules: LowestPrice) -> None:
    """The ceiling, if any, is above zero. Raises RulesError, MalformedError."""
    if rules.ceiling is not None and not money.parse(rules.ceiling, places=PLACES):
        raise RulesError("the ceiling is zero")


def evaluate(rules: LowestPrice, offers: Sequence[Offer], randomness: PublicRandomness) -> Evaluation:
    """Ranks ascending by price. Nothing is rounded but the published rate."""
    return Evaluation(
        rule_set=RULE_SET,
        lines=() if rules.ceiling is None else (line("ceiling", ceiling=rules.ceiling),),
        ranking=ranked([Entrant((offer.amount,), _judge(rules, offer)) for offer in offers], randomness),
    )


def _judge(rules: LowestPrice, offer: Offer) -> Ranked:
    if rules.ceiling is None:
        return judged(offer, "valid")
    ceiling = money.parse(rules.ceiling, places=PLACES)
    figures = {"amount": money.text(offer.amount), "ceiling": rules.ceiling}
    if offer.amount > ceiling:
        return judged(offer, "above-ceiling", line("above-ceiling", **figures), reference=ceiling)
    return judged(offer, "valid", line("under-ceiling", **figures), reference=ceiling)
