"""`lowest-price/2`: as `lowest-price/1`, and abnormally low bids are excluded by a rule that knows no
discretion.

From a stated number of valid bids on, a price below a stated share of the mean of all valid prices is out.
The limit is compared exactly: rounded up to two decimals it parts the same prices, which have no more.
Automatic exclusion is in use where contracts are small and many bid: in Italy, article 54 of D.Lgs. 36/2023,
for contracts awarded by price below the EU thresholds, with five bids or more and a threshold by one of the
methods of Annex II.2; UNCITRAL's Model Law (article 20) would rather have the bidder asked, which is a step
of people, not of a rule.

The mean depends on everybody: **a loser who leaves may change the winner**, and a lower price may put its
bidder out. Whoever finds that unfit has `lowest-price/1`.
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
from procurement.evaluation.ranking import Entrant, ranked
from procurement.evaluation.values import PLACES, Evaluation, Line, Offer, Ranked, Reason, judged, line
from procurement.money import Amount, Percent

RULE_SET = "lowest-price/2"


class LowestPrice2(Value, frozen=True, kw_only=True, tag_field="ruleSet", tag=RULE_SET):
    """The parameters of `lowest-price/2`."""

    ceiling: Amount | None = None
    """A price above it is out. Where it is absent every price is in."""
    abnormal_below: Percent
    """A valid price below so many per cent of the mean of the valid prices is out."""
    abnormal_from: Annotated[int, msgspec.Meta(ge=3, le=1000)] = 5
    """From this many valid prices on; with fewer nobody is abnormally low."""


class _Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What prices are held against, and the lines that explain it."""

    ceiling: Decimal | None
    abnormal: Decimal | None
    lines: tuple[Line, ...]


def check(rules: LowestPrice2) -> None:
    """The ceiling, if any, and the share are above zero. Raises RulesError, MalformedError."""
    if rules.ceiling is not None and not money.parse(rules.ceiling, places=PLACES):
        raise RulesError("the ceiling is zero")
    if not 0 < money.parse(rules.abnormal_below, places=3) <= 100:
        raise RulesError("the share of the mean is above 0 and at most 100 per cent")


def evaluate(rules: LowestPrice2, offers: Sequence[Offer], randomness: PublicRandomness) -> Evaluation:
    """Ranks ascending by price those that are neither above the ceiling nor abnormally low."""
    limits = _limits(rules, offers)
    return Evaluation(
        rule_set=RULE_SET,
        lines=limits.lines,
        ranking=ranked(
            [Entrant((offer.amount,), _judge(rules, offer, limits)) for offer in offers], randomness
        ),
    )


def _limits(rules: LowestPrice2, offers: Sequence[Offer]) -> _Limits:
    ceiling = None if rules.ceiling is None else money.parse(rules.ceiling, places=PLACES)
    lines = () if rules.ceiling is None else (line("ceiling", ceiling=rules.ceiling),)
    valid = [offer.amount for offer in offers if ceiling is None or offer.amount <= ceiling]
    counted = {"validBids": str(len(valid)), "fromBids": str(rules.abnormal_from)}
    if len(valid) < rules.abnormal_from:
        return _Limits(
            ceiling=ceiling, abnormal=None, lines=(*lines, line("too-few-to-be-abnormal", **counted))
        )
    total = money.of_steps(sum(money.steps(amount, PLACES) for amount in valid), PLACES)
    share = Fraction(money.parse(rules.abnormal_below, places=3)) / 100
    abnormal = money.up(Fraction(total) / len(valid) * share, PLACES)
    figures = {"pricesTogether": money.text(total), "abnormalBelow": rules.abnormal_below}
    explained = line("abnormal-limit", **counted, **figures, abnormalLimit=money.text(abnormal))
    return _Limits(ceiling=ceiling, abnormal=abnormal, lines=(*lines, explained))


def _judge(rules: LowestPrice2, offer: Offer, limits: _Limits) -> Ranked:
    amount, lines, reason = money.text(offer.amount), list[Line](), _verdict(offer, limits)
    if rules.ceiling is not None:
        code = "above-ceiling" if reason == "above-ceiling" else "under-ceiling"
        lines.append(line(code, amount=amount, ceiling=rules.ceiling))
    if limits.abnormal is not None and reason != "above-ceiling":
        code = "abnormally-low" if reason == "abnormally-low" else "not-abnormally-low"
        lines.append(line(code, amount=amount, abnormalLimit=money.text(limits.abnormal)))
    return judged(offer, reason, *lines, reference=limits.ceiling)


def _verdict(offer: Offer, limits: _Limits) -> Reason:
    if limits.ceiling is not None and offer.amount > limits.ceiling:
        return "above-ceiling"
    low = limits.abnormal is not None and offer.amount < limits.abnormal
    return "abnormally-low" if low else "valid"
