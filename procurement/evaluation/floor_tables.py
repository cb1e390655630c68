"""Dated tables of the Korean works rule: floors (낙찰하한율) and price scores of the qualification
examination (적격심사) by estimated price.

Source: PPS, detailed standard for the qualification examination of works (조달청 시설공사 적격심사세부기준):
centre 88 for notices to 2026-01-29, centre 90 from 2026-01-30; for local governments from 2025-07-01.
A table holds for notices published from its first day, Korean time, until the next one's. What was
published stays: a change is a new entry with its date.
"""

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Literal

import msgspec

from procurement import money
from procurement.errors import RulesError

KOREA = timezone(timedelta(hours=9))

Authority = Literal["national", "local"]
"""Whose rules a tender follows: the state's, or those of local governments."""

LEAST_PRICE_SCORE = Decimal(2)


class Bracket(msgspec.Struct, frozen=True):
    """One row: estimated prices below `below` (and not below the previous row's), in won.

    The price score is `points − slope × │centre − 100r│`; it stays where it is `plateau` above the
    centre for everything above that.
    """

    below: Decimal
    floor: Decimal
    """Per cent of the expected price."""
    points: int
    slope: int
    plateau: Decimal


class Table(msgspec.Struct, frozen=True):
    """What holds from a day on."""

    holds_from: date
    centre: int
    brackets: tuple[Bracket, ...]


def _table(holds_from: date, centre: int, floors: tuple[str, str, str, str]) -> Table:
    shapes = (
        ("300000000", 90, 20, "0.25"),
        ("1000000000", 80, 20, "0.25"),
        ("5000000000", 70, 4, "1.25"),
        ("10000000000", 50, 2, "2.5"),
    )
    brackets = tuple(
        Bracket(Decimal(below), Decimal(floor), points, slope, Decimal(plateau))
        for (below, points, slope, plateau), floor in zip(shapes, floors, strict=True)
    )
    return Table(holds_from, centre, brackets)


_CENTRE_88 = 88, ("87.745", "87.745", "86.745", "85.495")
_CENTRE_90 = 90, ("89.745", "89.745", "88.745", "87.495")

TABLES: dict[Authority, tuple[Table, ...]] = {
    "national": (_table(date.min, *_CENTRE_88), _table(date(2026, 1, 30), *_CENTRE_90)),
    "local": (_table(date.min, *_CENTRE_88), _table(date(2025, 7, 1), *_CENTRE_90)),
}
"""Ascending by day. The first entries are those in force before the dated change; older ones are not kept."""


def table_of(authority: Authority, published: datetime) -> Table:
    """The table for a notice published at `published`. Raises RulesError for a time without a zone."""
    if published.tzinfo is None:
        raise RulesError("the time of publication has no time zone")
    day = published.astimezone(KOREA).date()
    return [table for table in TABLES[authority] if table.holds_from <= day][-1]


def bracket_of(table: Table, estimated_price: Decimal) -> Bracket:
    """The row for an estimated price in won. Raises RulesError from 10 billion won on."""
    for bracket in table.brackets:
        if estimated_price < bracket.below:
            return bracket
    raise RulesError("the table of floors ends below 10 billion won: the notice has to state a floor")


def price_score(
    table: Table, bracket: Bracket, *, amount: Decimal, expected_price: Decimal, statutory_costs: Decimal
) -> Decimal:
    """The price score of the qualification examination for a price not below the statutory costs A.

    The bracket's formula of `ratio`, at least 2. Exact after that, so at most three decimals.
    """
    r = ratio(amount=amount, expected_price=expected_price, statutory_costs=statutory_costs)
    distance = min(100 * r - table.centre, bracket.plateau)
    return max(bracket.points - bracket.slope * abs(distance), LEAST_PRICE_SCORE)


def ratio(*, amount: Decimal, expected_price: Decimal, statutory_costs: Decimal) -> Decimal:
    """`r = (amount − A) ÷ (E − A)`, half-up to four decimals."""
    costs = Fraction(statutory_costs)
    return money.half_up((Fraction(amount) - costs) / (Fraction(expected_price) - costs), 4)
