"""Multiple preliminary prices (복수예비가격): fifteen prices, of which the bidders' picks draw four.

A price is counted in *steps*: 1 won where prices are whole hundreds of won (unit 100), 0.01 won in
unit-price tenders (unit 1). The formulas are PROTOCOL section 8's; nothing here rounds but the mean.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Literal

import msgspec

from crypto.draws import Draw
from crypto.encoding import Hex32, Value, encode, sha256
from procurement import money
from procurement.errors import OfferError, ReservePricesError, RulesError
from procurement.money import Amount

PRICES = 15
DRAWN = 4
PICKS = 2

BasisPoints = Annotated[int, msgspec.Meta(ge=1, le=9999)]
"""Hundredths of a per cent: 200 is ± 2 %."""
Unit = Literal[100, 1]
"""What a preliminary price is a multiple of, in steps: 100 (won), or 1 (0.01 won) for unit prices."""

PLACES: dict[Unit, int] = {100: 0, 1: 2}
"""Decimals of a price by unit."""


class Derived(Value, frozen=True, kw_only=True, tag_field="kind", tag="derived"):
    """The prices do not exist before the opening: they follow from its two signatures."""


class Committed(Value, frozen=True, kw_only=True, tag_field="kind", tag="committed"):
    """The officer fixed the prices beforehand and reveals them after the opening: practice and replay."""

    digest: Hex32
    """`SHA256(salt ‖ JCS of the prices)`."""


class CommittedPrices(Value, frozen=True, kw_only=True):
    """What the officer reveals after the opening."""

    salt: Hex32
    prices: tuple[Amount, ...]
    """Fifteen, by number."""


class Bands(msgspec.Struct, frozen=True, kw_only=True):
    """The range of the prices: `basis_points` either way of `base`, in fifteen equal bands."""

    base: Decimal
    basis_points: int
    unit: Unit

    def edge(self, k: int) -> Fraction:
        """The k-th edge in steps, k = 0..15: e_k ÷ 150000 with e_k = B(15(10000−p) + 2pk)."""
        share = Fraction(15 * (10000 - self.basis_points) + 2 * self.basis_points * k, 150000)
        steps_per_won: int = 10 ** PLACES[self.unit]
        return Fraction(self.base) * steps_per_won * share

    def multiples(self, k: int) -> tuple[int, int]:
        """The lowest and the highest multiple of the unit in band k = 0..14. Raises RulesError if none is."""
        a = self.edge(k) // self.unit + 1
        b = self.edge(k + 1) // self.unit
        if b < a:
            raise RulesError("a band of the preliminary prices holds no price: the base amount is too small")
        return a, b

    def price(self, multiple: int) -> Decimal:
        """The price that is `multiple` units."""
        return Decimal(f"{multiple * self.unit}e-{PLACES[self.unit]}")

    @property
    def lowest(self) -> Decimal:
        """The lower end of the range, rounded down to the unit: no preliminary price is below it."""
        return self.price(self.edge(0) // self.unit)

    @property
    def highest(self) -> Decimal:
        """The upper end of the range, rounded up to the unit: no preliminary price is above it."""
        return self.price(-(-self.edge(PRICES) // self.unit))


def derive(bands: Bands, draw: Draw) -> tuple[Decimal, ...]:
    """The fifteen prices by number: one of each band, shuffled. Raises RulesError for an empty band."""
    prices = []
    for k in range(PRICES):
        a, b = bands.multiples(k)
        prices.append(bands.price(a + draw.uniform(b - a + 1)))
    for i in range(PRICES - 1, 0, -1):
        j = draw.uniform(i + 1)
        prices[i], prices[j] = prices[j], prices[i]
    return tuple(prices)


def commitment(revealed: CommittedPrices) -> str:
    """The digest, in hex, that a notice with these prices carries."""
    return sha256(bytes.fromhex(revealed.salt), encode(list(revealed.prices))).hex()


def verify(revealed: CommittedPrices, committed: Committed, bands: Bands) -> tuple[Decimal, ...]:
    """The fifteen revealed prices. Raises ReservePricesError unless they are those committed to and
    lie in the range that the notice states, MalformedError for a price with too many decimals."""
    if commitment(revealed) != committed.digest:
        raise ReservePricesError("the prices are not those that the notice committed to")
    if len(revealed.prices) != PRICES:
        raise ReservePricesError(f"there are {PRICES} preliminary prices")
    prices = tuple(money.parse(price, places=PLACES[bands.unit]) for price in revealed.prices)
    if min(prices) < bands.lowest or max(prices) > bands.highest:
        raise ReservePricesError("a preliminary price is outside the range that the notice states")
    return prices


def check_picks(picks: Sequence[int]) -> None:
    """Two different numbers of 1..15. Raises OfferError."""
    if len(picks) != PICKS or len(set(picks)) != PICKS or not all(1 <= pick <= PRICES for pick in picks):
        raise OfferError(f"a bid picks {PICKS} different numbers of 1 to {PRICES}")


def count_picks(picks: Iterable[int]) -> tuple[int, ...]:
    """How often each of the numbers 1..15 was picked, by number."""
    counts = Counter(picks)
    return tuple(counts[number] for number in range(1, PRICES + 1))


def draw_numbers(counts: Sequence[int]) -> tuple[int, ...]:
    """The four most picked numbers, ascending. Among equally often picked ones the lower comes first,
    which also fills the remaining places where fewer than four were picked."""
    by_picks = sorted(range(1, PRICES + 1), key=lambda number: (-counts[number - 1], number))
    return tuple(sorted(by_picks[:DRAWN]))


def expected_price(prices: Sequence[Decimal], drawn: Sequence[int], unit: Unit) -> Decimal:
    """The mean of the drawn prices, rounded up to a step: ⌈sum ÷ 4⌉."""
    return money.up(sum((Fraction(prices[number - 1]) for number in drawn), Fraction()) / DRAWN, PLACES[unit])
