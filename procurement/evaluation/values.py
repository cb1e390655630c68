"""What goes into an evaluation and what comes out of it.

Inputs are plain values made from opened bids and signed score sheets. The output is a `Value`: it goes
into a signed statement as it stands, numbers as strings with the decimals their rule rounds to. Every
figure in it is explained by a `Line` that carries the same figure under the same name.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal

import msgspec

from crypto.encoding import Hex32, Text, Value
from procurement import money
from procurement.errors import OfferError
from procurement.money import Amount

Reason = Literal[
    "valid",
    "above-ceiling",
    "above-expected-price",
    "below-floor",
    "below-net-cost",
    "below-pass-mark",
]
"""Why a bid is in line, or the first of its rule's conditions that it misses."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What one opened bid offers."""

    envelope_id: str
    """Id of the envelope's statement, 64 hex digits; the tie-break ticket is drawn with it."""
    bidder: str
    amount: Decimal
    """The price, in the currency of the notice."""
    picks: tuple[int, ...] = ()
    """Two different numbers of 1..15 where the rule set draws preliminary prices, else none."""


class ScoreSheet(msgspec.Struct, frozen=True, kw_only=True):
    """One evaluator's signed scores of one tender."""

    evaluator: str
    scores: Mapping[str, Mapping[str, Decimal]]
    """Envelope id → criterion id → points."""


class Line(Value, frozen=True, kw_only=True):
    """One step of an explanation: which sentence (`explain.sentence`), and the figures in it."""

    code: str
    values: dict[str, str]


class PreliminaryPrice(Value, frozen=True, kw_only=True):
    """One of the fifteen preliminary prices and how many bidders' picks fell on it."""

    number: int
    price: Amount
    picks: int


class Ranked(Value, frozen=True, kw_only=True):
    """One bid's result. `rank` is absent when the bid is out; scores are absent where the rule has none."""

    bid: Hex32
    """The envelope id."""
    bidder: Text
    amount: Amount
    rank: int | None = None
    reason: Reason
    rate: str | None = None
    """The amount in per cent of the expected price, budget or ceiling, truncated at three decimals."""
    technical_score: str | None = None
    price_score: str | None = None
    total: str | None = None
    lines: tuple[Line, ...]


class Evaluation(Value, frozen=True, kw_only=True):
    """The result of one evaluation: those in line by rank, then those out by envelope id."""

    rule_set: str
    expected_price: Amount | None = None
    """The expected price (예정가격), or the budget where that stands in for it."""
    floor_amount: Amount | None = None
    drawn_numbers: tuple[int, ...] | None = None
    preliminary_prices: tuple[PreliminaryPrice, ...] | None = None
    lines: tuple[Line, ...]
    ranking: tuple[Ranked, ...]


def line(code: str, **values: str) -> Line:
    """A line with its figures; their names are as on the wire."""
    return Line(code=code, values=values)


def judged(
    offer: Offer,
    reason: Reason,
    *lines: Line,
    reference: Decimal | None = None,
    technical_score: Decimal | None = None,
    price_score: Decimal | None = None,
    total: Decimal | None = None,
) -> Ranked:
    """A bid's result before it has a rank, with its rate in per cent of `reference`."""
    rate = None if reference is None else money.percent_of(offer.amount, reference)
    return Ranked(
        bid=offer.envelope_id,
        bidder=offer.bidder,
        amount=money.text(offer.amount),
        reason=reason,
        rate=_text(rate),
        technical_score=_text(technical_score),
        price_score=_text(price_score),
        total=_text(total),
        lines=(*lines, *_rate_lines(offer.amount, reference, rate)),
    )


def _text(number: Decimal | None) -> str | None:
    return None if number is None else money.text(number)


def _rate_lines(amount: Decimal, reference: Decimal | None, rate: Decimal | None) -> tuple[Line, ...]:
    if reference is None or rate is None:
        return ()
    figures = {"amount": amount, "reference": reference, "rate": rate}
    return (Line(code="rate", values={name: money.text(figure) for name, figure in figures.items()}),)


def check_price(offer: Offer, *, places: int) -> None:
    """A price is above zero, below 10^15 and has at most `places` decimals. Raises OfferError."""
    if not money.is_plain(offer.amount, places=places):
        raise OfferError(f"the price is not a plain amount with at most {places} decimals")
    if not offer.amount:
        raise OfferError("the price is zero")


def check_distinct(offers: Sequence[Offer]) -> None:
    """Each envelope is named once, by 64 hex digits. Raises OfferError."""
    ids = {offer.envelope_id for offer in offers}
    if len(ids) != len(offers):
        raise OfferError("an envelope is offered twice")
    if any(len(id) != 64 or not set(id) <= set("0123456789abcdef") for id in ids):
        raise OfferError("an envelope id is 64 lower-case hex digits")
