"""`life-cycle-cost/1`: the lowest price plus running costs over the years, each at its present value, is
first.

A bid states for each cost that the notice names what it is per year (energy, maintenance), or what falls due
once, at the end (taking back, disposal). With the discount rate i and n years, years' costs paid at their
ends:

    yearly:  present value = cost × ((1 + i)^n − 1) ÷ (i × (1 + i)^n), or cost × n where i = 0
    end:     present value = cost ÷ (1 + i)^n

These are the present values of an ordinary annuity and of a single payment, as NIST Handbook 135 uses them
for life-cycle costs (uniform and single present value); which costs belong in is in Directive 2014/24/EU,
article 68. Each factor is rounded half-up to eight decimals, then each present value half-up to two.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Literal, NamedTuple

import msgspec

from crypto.draws import PublicRandomness
from crypto.encoding import Identifier, Text, Value
from procurement import money
from procurement.errors import OfferError, RulesError
from procurement.evaluation.ranking import Entrant, ranked
from procurement.evaluation.values import (
    PLACES,
    Evaluation,
    Line,
    Offer,
    check_no_picks,
    check_price,
    judged,
    line,
)
from procurement.money import Amount, Percent

RULE_SET = "life-cycle-cost/1"
FACTOR_PLACES = 8


class CostItem(Value, frozen=True, kw_only=True):
    """A cost beside the price that each bid states as a figure."""

    id: Identifier
    title: Text
    due: Literal["yearly", "end"] = "yearly"
    """At the end of each year, or once at the end of the last."""


class LifeCycleCost(Value, frozen=True, kw_only=True, tag_field="ruleSet", tag=RULE_SET):
    """The parameters of `life-cycle-cost/1`."""

    costs: Annotated[tuple[CostItem, ...], msgspec.Meta(min_length=1, max_length=100)]
    years: Annotated[int, msgspec.Meta(ge=1, le=100)]
    rate: Percent
    """The discount rate in per cent a year; 0 adds the years up."""
    ceiling: Amount | None = None
    """A price, without its costs, above it is out. Where it is absent every price is in."""


class _Factor(NamedTuple):
    """What a unit of a cost is worth today, in steps of 10^-8."""

    item: CostItem
    steps: int


def check(rules: LifeCycleCost) -> None:
    """Costs are named once, a ceiling is above zero. Raises RulesError, MalformedError."""
    if len({each.id for each in rules.costs}) != len(rules.costs):
        raise RulesError("a cost is named twice")
    money.parse(rules.rate, places=3)
    if rules.ceiling is not None and not money.parse(rules.ceiling, places=PLACES):
        raise RulesError("the ceiling is zero")


def check_offer(rules: LifeCycleCost, offer: Offer) -> None:
    """A price, no picks, and each of the costs once, which may be zero. Raises OfferError."""
    check_price(offer, places=PLACES)
    check_no_picks(offer)
    if sorted(id for id, _ in offer.costs) != sorted(each.id for each in rules.costs):
        raise OfferError("not exactly the costs are stated that the rules ask for")
    if not all(money.is_plain(cost, places=PLACES) for _, cost in offer.costs):
        raise OfferError(f"a cost is not a plain amount with at most {PLACES} decimals")


def factor(rules: LifeCycleCost, due: Literal["yearly", "end"]) -> Decimal:
    """What 1 a year, or 1 at the end, is worth today; half-up to eight decimals."""
    rate = Fraction(money.parse(rules.rate, places=3)) / 100
    grown = (1 + rate) ** rules.years
    if due == "end":
        return money.half_up(1 / grown, FACTOR_PLACES)
    return money.half_up((grown - 1) / (rate * grown) if rate else Fraction(rules.years), FACTOR_PLACES)


def evaluate(rules: LifeCycleCost, offers: Sequence[Offer], randomness: PublicRandomness) -> Evaluation:
    """Ranks ascending by the life-cycle cost; equal ones are drawn apart."""
    factors = [_Factor(each, money.steps(factor(rules, each.due), FACTOR_PLACES)) for each in rules.costs]
    return Evaluation(
        rule_set=RULE_SET,
        lines=_tender_lines(rules, factors),
        ranking=ranked([_entrant(rules, offer, factors) for offer in offers], randomness),
    )


def _entrant(rules: LifeCycleCost, offer: Offer, factors: Sequence[_Factor]) -> Entrant:
    ceiling = None if rules.ceiling is None else money.parse(rules.ceiling, places=PLACES)
    amount, lines = money.text(offer.amount), list[Line]()
    if rules.ceiling is not None and ceiling is not None:
        figures = {"amount": amount, "ceiling": rules.ceiling}
        if offer.amount > ceiling:
            return Entrant(
                (), judged(offer, "above-ceiling", line("above-ceiling", **figures), reference=ceiling)
            )
        lines.append(line("under-ceiling", **figures))
    return _costed(offer, factors, lines, ceiling)


def _costed(
    offer: Offer, factors: Sequence[_Factor], lines: Sequence[Line], ceiling: Decimal | None
) -> Entrant:
    stated, values, explained = dict(offer.costs), [], []
    for each in factors:
        cost = stated[each.item.id]
        value = money.quotient(money.steps(cost, PLACES) * each.steps, 10**FACTOR_PLACES)
        values.append(value)
        figures = {"factor": _written(each.steps, FACTOR_PLACES), "presentValue": _written(value, PLACES)}
        explained.append(line("present-value", cost=each.item.id, stated=money.text(cost), **figures))
    total = money.of_steps(money.steps(offer.amount, PLACES) + sum(values), PLACES)
    presents = ", ".join(_written(value, PLACES) for value in values)
    sum_line = line(
        "life-cycle-cost", amount=money.text(offer.amount), presentValues=presents, total=money.text(total)
    )
    result = judged(offer, "valid", *lines, *explained, sum_line, reference=ceiling, total=total)
    return Entrant((total,), result)


def _tender_lines(rules: LifeCycleCost, factors: Sequence[_Factor]) -> tuple[Line, ...]:
    ceiling = () if rules.ceiling is None else (line("ceiling", ceiling=rules.ceiling),)
    years = str(rules.years)
    found = [
        line(
            f"{each.item.due}-factor",
            cost=each.item.id,
            years=years,
            discountRate=rules.rate,
            factor=_written(each.steps, FACTOR_PLACES),
        )
        for each in factors
    ]
    return (*ceiling, *found)


def _written(steps: int, places: int) -> str:
    return money.text(money.of_steps(steps, places))
