"""Money and other decimals: strings on the wire, bounded exact numbers inside.

Formulas are computed in `Fraction`, which loses nothing, and rounded once, by a function that names the
direction, to a number of places that the formula states. Neither depends on a decimal context.
"""

import re
from decimal import Decimal
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Annotated

import msgspec

from crypto.errors import MalformedError

Amount = Annotated[str, msgspec.Meta(pattern=r"\A(0|[1-9][0-9]{0,14})(\.[0-9]{1,2})?\Z")]
"""A sum of money: at most fifteen digits, at most two decimals, no sign and no exponent."""
Percent = Annotated[str, msgspec.Meta(pattern=r"\A(0|[1-9][0-9]?|100)(\.[0-9]{1,3})?\Z")]
"""A share of a hundred with at most three decimals."""
Points = Annotated[str, msgspec.Meta(pattern=r"\A(0|[1-9][0-9]{0,3})(\.[0-9]{1,4})?\Z")]
"""Points of a score with at most four decimals."""

MOST = Decimal(10) ** 15
"""Every amount is below this."""
MOST_PLACES = 2
"""Decimals that an amount has at most, whatever its currency."""

_PLAIN = re.compile(r"(?:0|[1-9][0-9]{0,14})(?:\.([0-9]{1,4}))?")


def parse(text: str, *, places: int) -> Decimal:
    """The number that `text` writes with at most `places` decimals (four at most). Raises MalformedError."""
    match = _PLAIN.fullmatch(text) if text.isascii() else None
    if match is None or len(match[1] or "") > places:
        raise MalformedError(f"not a plain number with at most {places} decimals")
    return Decimal(text)


def is_plain(number: Decimal, *, places: int) -> bool:
    """Whether `number` is one that `parse` gives: from 0 to below 10^15, at most `places` decimals."""
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or number.is_signed():
        return False
    return -places <= exponent <= 0 and number < MOST


def places_of(currency: str) -> int:
    """Decimal places of `currency` (ISO 4217). Raises MalformedError for a code that is no currency's, and
    for a currency whose amounts have more decimals than are kept here."""
    places = _minor_units().get(currency)
    if places is None:
        raise MalformedError("unknown currency")
    if places > MOST_PLACES:
        raise MalformedError(f"amounts in {currency} have {places} decimals, and here {MOST_PLACES} at most")
    return places


def text(number: Decimal) -> str:
    """`number` in plain digits, with exactly the decimals it has."""
    return format(number, "f")


def grouped(amount: str) -> str:
    """An amount with its thousands apart, for people."""
    whole, point, decimals = amount.partition(".")
    return f"{int(whole):,}{point}{decimals}"


def truncated(number: Fraction, places: int) -> Decimal:
    """`number` ≥ 0 with the decimals after `places` cut off."""
    return of_steps(number.numerator * 10**places // number.denominator, places)


def half_up(number: Fraction, places: int) -> Decimal:
    """`number` ≥ 0 rounded to `places` decimals, a half away from zero."""
    return of_steps(quotient(number.numerator * 10**places, number.denominator), places)


def up(number: Fraction, places: int) -> Decimal:
    """`number` ≥ 0 rounded to `places` decimals, never down."""
    return of_steps(-(-number.numerator * 10**places // number.denominator), places)


def percent_of(part: Decimal, whole: Decimal) -> Decimal:
    """`part` in per cent of `whole` > 0, truncated at three decimals, as KONEPS publishes bid rates."""
    (a, b), (c, d) = part.as_integer_ratio(), whole.as_integer_ratio()
    return of_steps(a * d * 100_000 // (b * c), 3)


def steps(number: Decimal, places: int) -> int:
    """How many units of the last of `places` decimals `number` is, which has no more decimals than that."""
    scale: int = 10**places
    numerator, denominator = number.as_integer_ratio()
    return numerator * scale // denominator


def of_steps(steps: int, places: int) -> Decimal:
    """The number that is so many units of the last of `places` decimals."""
    return Decimal(f"{steps}e-{places}")


@cache
def _minor_units() -> dict[str, int]:
    table = msgspec.json.decode(files("procurement").joinpath("currencies.json").read_bytes(), type=_Table)
    return {currency: places for places, known in table.minor_units.items() for currency in known}


def quotient(numerator: int, denominator: int) -> int:
    """`numerator` ≥ 0 ÷ `denominator` > 0 as a whole number, a half up."""
    return (2 * numerator + denominator) // (2 * denominator)


class _Table(msgspec.Struct, frozen=True, rename="camel"):
    """Codes of currencies by the decimals of their amounts."""

    minor_units: dict[int, tuple[str, ...]]
