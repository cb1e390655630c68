"""`kr-price-floor/1`: Korean works and services. The lowest price from the floor amount up to the expected
price is first in line; the expected price is the mean of four of fifteen preliminary prices.

Who is first in line is then examined (적격심사), where the notice says so; that is a later step of the
procedure, `examine` its figures.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import msgspec

from crypto.draws import Draw, PublicRandomness
from crypto.encoding import Value
from procurement import money
from procurement.errors import ReservePricesError, RulesError
from procurement.evaluation import examination, floor_tables, reserve_prices
from procurement.evaluation.examination import Examination, Examined, Price
from procurement.evaluation.floor_tables import Authority, Bracket, Table
from procurement.evaluation.ranking import Entrant, ranked
from procurement.evaluation.reserve_prices import (
    Bands,
    BasisPoints,
    Committed,
    CommittedPrices,
    Derived,
    Unit,
)
from procurement.evaluation.values import (
    Evaluation,
    Line,
    Offer,
    PreliminaryPrice,
    Ranked,
    Reason,
    check_no_costs,
    check_price,
    judged,
    line,
)
from procurement.money import Amount, Percent

RULE_SET = "kr-price-floor/1"
NET_COST_PERCENT = 98


class KrPriceFloor(Value, frozen=True, kw_only=True, tag_field="ruleSet", tag=RULE_SET):
    """The parameters of `kr-price-floor/1`. Amounts in won: whole ones for unit 100, else 0.01."""

    base: Amount
    """The base amount (기초금액) that the preliminary prices lie around."""
    basis_points: BasisPoints
    unit: Unit
    preliminary_prices: Derived | Committed
    floor: Percent | None = None
    """낙찰하한율, where the notice states it; else the dated table's for `estimated_price` holds."""
    estimated_price: Amount | None = None
    """추정가격, which chooses the row of the table."""
    authority: Authority = "national"
    statutory_costs: Amount = "0"
    """A: the sum of the statutory cost items, on which nobody competes."""
    net_construction_cost: Amount | None = None
    """순공사원가: a price under 98 % of it is out."""
    examination: Examination | None = None
    """적격심사 of whoever is first in line. Absent: the first in line is awarded."""


class _Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a price is held against, and the lines that explain it."""

    expected_price: Decimal
    floor_amount: Decimal
    net_cost_amount: Decimal | None
    lines: tuple[Line, ...]


def check(rules: KrPriceFloor, published: datetime) -> None:
    """The rules can be computed for every outcome of the draw. Raises RulesError, MalformedError."""
    bands = _bands(rules)
    if isinstance(rules.preliminary_prices, Derived):
        for k in range(reserve_prices.PRICES):
            bands.multiples(k)
    if not bands.highest < money.MOST:
        raise RulesError("a preliminary price could have more than fifteen digits")
    if not bands.lowest > _amount(rules, rules.statutory_costs):
        raise RulesError("the base amount does not exceed the statutory costs by more than its range")
    if not 0 < _floor(rules, published)[0] <= 100:
        raise RulesError("the floor is above 0 and at most 100 per cent")
    if rules.net_construction_cost is not None and not _amount(rules, rules.net_construction_cost):
        raise RulesError("the net construction cost is zero")
    if rules.examination is not None:
        examination.check(rules.examination, _row(rules, published)[1])


def check_offer(rules: KrPriceFloor, offer: Offer) -> None:
    """A price in the tender's steps and two different picks of 1..15. Raises OfferError."""
    check_price(offer, places=reserve_prices.PLACES[rules.unit])
    check_no_costs(offer)
    reserve_prices.check_picks(offer.picks)


def commits_prices(rules: KrPriceFloor) -> bool:
    """Whether the officer has to reveal the preliminary prices before anything can be evaluated."""
    return isinstance(rules.preliminary_prices, Committed)


def derive(rules: KrPriceFloor, randomness: PublicRandomness) -> tuple[tuple[Decimal, ...], Draw]:
    """The fifteen prices that follow from the opening, by number, and the draw that they were taken from."""
    draw = randomness.draw("reserve-prices")
    return reserve_prices.derive(_bands(rules), draw), draw


def verify_revealed(rules: KrPriceFloor, revealed: CommittedPrices) -> tuple[Decimal, ...]:
    """The fifteen prices that the notice committed to. Raises ReservePricesError or MalformedError."""
    if not isinstance(rules.preliminary_prices, Committed):
        raise ReservePricesError("the notice committed to no prices")
    return reserve_prices.verify(revealed, rules.preliminary_prices, _bands(rules))


def evaluate(
    rules: KrPriceFloor,
    offers: Sequence[Offer],
    committed: CommittedPrices | None,
    randomness: PublicRandomness,
    published: datetime,
) -> Evaluation:
    """Draws the expected price with the picks of all `offers`, then ranks ascending by price.

    Rounding: expected price, floor amount and net cost amount up to a step (1 won, or 0.01 won for unit
    prices). Raises ReservePricesError where `committed` is not what the notice committed to.
    """
    prices = _preliminary_prices(rules, committed, randomness)
    counts = reserve_prices.count_picks(pick for offer in offers for pick in offer.picks)
    drawn = reserve_prices.draw_numbers(counts)
    limits = _limits(rules, reserve_prices.expected_price(prices, drawn, rules.unit), published)
    listed = tuple(
        PreliminaryPrice(number=number, price=money.text(price), picks=picks)
        for number, (price, picks) in enumerate(zip(prices, counts, strict=True), start=1)
    )
    return Evaluation(
        rule_set=RULE_SET,
        expected_price=money.text(limits.expected_price),
        floor_amount=money.text(limits.floor_amount),
        drawn_numbers=drawn,
        preliminary_prices=listed,
        lines=(_origin(rules, randomness), *_draw_lines(listed, drawn, limits.expected_price), *limits.lines),
        ranking=ranked([Entrant((offer.amount,), _judge(offer, limits)) for offer in offers], randomness),
    )


def examine(
    rules: KrPriceFloor,
    amount: Decimal,
    expected_price: Decimal,
    scores: Mapping[str, Decimal],
    published: datetime,
) -> Examined:
    """The figures of the qualification examination of whoever offers `amount` and gets these capability
    `scores`. Raises RulesError where the notice has no examination, ScoresError for wrong scores."""
    if rules.examination is None:
        raise RulesError("the notice has no qualification examination")
    price = Price(
        amount=amount,
        expected_price=expected_price,
        statutory_costs=_amount(rules, rules.statutory_costs),
    )
    return examination.examine(rules.examination, *_row(rules, published), price, scores)


def _preliminary_prices(
    rules: KrPriceFloor, committed: CommittedPrices | None, randomness: PublicRandomness
) -> tuple[Decimal, ...]:
    match rules.preliminary_prices, committed:
        case Derived(), None:
            return derive(rules, randomness)[0]
        case Committed(), CommittedPrices() as revealed:
            return verify_revealed(rules, revealed)
        case _:
            raise ReservePricesError("prices are revealed exactly where the notice committed to them")


def _judge(offer: Offer, limits: _Limits) -> Ranked:
    reason, why = _verdict(offer.amount, limits)
    return judged(offer, reason, why, reference=limits.expected_price)


def _verdict(price: Decimal, limits: _Limits) -> tuple[Reason, Line]:
    amount, expected = money.text(price), money.text(limits.expected_price)
    floor = money.text(limits.floor_amount)
    if price > limits.expected_price:
        return "above-expected-price", line("above-expected-price", amount=amount, expectedPrice=expected)
    if price < limits.floor_amount:
        return "below-floor", line("below-floor", amount=amount, floorAmount=floor)
    if limits.net_cost_amount is not None and price < limits.net_cost_amount:
        net_cost = money.text(limits.net_cost_amount)
        return "below-net-cost", line("below-net-cost", amount=amount, netCostAmount=net_cost)
    return "valid", line("within-limits", amount=amount, floorAmount=floor, expectedPrice=expected)


def _limits(rules: KrPriceFloor, expected_price: Decimal, published: datetime) -> _Limits:
    floor, source = _floor(rules, published)
    costs = Fraction(_amount(rules, rules.statutory_costs))
    amount = (Fraction(expected_price) - costs) * Fraction(floor) / 100 + costs
    floor_amount = money.up(amount, reserve_prices.PLACES[rules.unit])
    net_cost_amount, net_cost_lines = _net_cost(rules)
    explained = line(
        "floor-amount",
        expectedPrice=money.text(expected_price),
        statutoryCosts=rules.statutory_costs,
        floor=money.text(floor),
        floorAmount=money.text(floor_amount),
    )
    return _Limits(
        expected_price=expected_price,
        floor_amount=floor_amount,
        net_cost_amount=net_cost_amount,
        lines=(source, explained, *net_cost_lines),
    )


def _floor(rules: KrPriceFloor, published: datetime) -> tuple[Decimal, Line]:
    if rules.floor is not None:
        return money.parse(rules.floor, places=3), line("floor-stated", floor=rules.floor)
    if rules.estimated_price is None:
        raise RulesError("the notice states neither a floor nor the estimated price")
    table, bracket = _row(rules, published)
    source = line(
        "floor-from-table",
        estimatedPrice=rules.estimated_price,
        centre=str(table.centre),
        floor=money.text(bracket.floor),
    )
    return bracket.floor, source


def _row(rules: KrPriceFloor, published: datetime) -> tuple[Table, Bracket]:
    """The table in force, and its row for the estimated price."""
    if rules.estimated_price is None:
        raise RulesError("the notice does not state the estimated price, by which the table has rows")
    table = floor_tables.table_of(rules.authority, published)
    return table, floor_tables.bracket_of(table, money.parse(rules.estimated_price, places=2))


def _net_cost(rules: KrPriceFloor) -> tuple[Decimal | None, tuple[Line, ...]]:
    if rules.net_construction_cost is None:
        return None, ()
    share = Fraction(_amount(rules, rules.net_construction_cost)) * NET_COST_PERCENT / 100
    amount = money.up(share, reserve_prices.PLACES[rules.unit])
    figures = {"netConstructionCost": rules.net_construction_cost, "netCostAmount": money.text(amount)}
    return amount, (line("net-cost", **figures),)


def _origin(rules: KrPriceFloor, randomness: PublicRandomness) -> Line:
    if isinstance(rules.preliminary_prices, Committed):
        return line("prices-committed", digest=rules.preliminary_prices.digest)
    seed = randomness.seed("reserve-prices").hex()
    return line("prices-derived", base=rules.base, basisPoints=str(rules.basis_points), seed=seed)


def _draw_lines(
    listed: Sequence[PreliminaryPrice], drawn: Sequence[int], expected_price: Decimal
) -> tuple[Line, ...]:
    four = [listed[number - 1] for number in drawn]
    prices = ", ".join(each.price for each in four)
    return (
        *(
            line("preliminary-price", number=str(each.number), price=each.price, picks=str(each.picks))
            for each in listed
        ),
        line("drawn-numbers", drawnNumbers=", ".join(str(number) for number in drawn)),
        line("expected-price", prices=prices, expectedPrice=money.text(expected_price)),
    )


def _bands(rules: KrPriceFloor) -> Bands:
    base = _amount(rules, rules.base)
    return Bands(base=base, basis_points=rules.basis_points, unit=rules.unit)


def _amount(rules: KrPriceFloor, amount: Amount) -> Decimal:
    return money.parse(amount, places=reserve_prices.PLACES[rules.unit])
